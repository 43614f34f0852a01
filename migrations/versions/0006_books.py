"""Rules that fill books, and claims."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "book_rules",
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("conditions", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("manager_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("most", sa.BigInteger(), server_default=sa.text("1000"), nullable=False),
        sa.CheckConstraint("most BETWEEN 1 AND 100000", name=op.f("ck_book_rules_most")),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_book_rules")),
    )
    op.create_table(
        "claims",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("outcome", sa.String(32), nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("contact_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("protected_until", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("outcome = ANY ('{granted,refused}'::text[])", name=op.f("ck_claims_outcome")),
        sa.CheckConstraint(
            "reason = ANY ('{no_valid_contact,already_yours,no_owner,protection_over,earlier_contact,"
            "owner_protected}'::text[])",
            name=op.f("ck_claims_reason"),
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_claims_customer_id_customers"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agents.id"], name=op.f("fk_claims_agent_id_agents"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["agents.id"], name=op.f("fk_claims_owner_id_agents"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_claims")),
    )
    op.create_index("ix_claims_customer_id_at", "claims", ["customer_id", sa.text("at DESC"), sa.text("id DESC")])


def downgrade() -> None:
    op.drop_table("claims")
    op.drop_table("book_rules")
