"""Links between customers, and what customers agreed to."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "customer_links",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("other_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("customer_id <> other_id", name=op.f("ck_customer_links_two_customers")),
        sa.CheckConstraint(
            "kind = ANY ('{spouse,parent,child,sibling,relative,household,employer,employee,parent_company,subsidiary,"
            "partner,other}'::text[])",
            name=op.f("ck_customer_links_kind"),
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_customer_links_customer_id_customers"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["other_id"], ["customers.id"], name=op.f("fk_customer_links_other_id_customers"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agents.id"], name=op.f("fk_customer_links_agent_id_agents"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer_links")),
        sa.UniqueConstraint(
            "customer_id", "other_id", "kind", name=op.f("uq_customer_links_customer_id_other_id_kind")
        ),
    )
    op.create_index("ix_customer_links_other_id", "customer_links", ["other_id"])
    op.create_table(
        "consents",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.String(32), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("channel", sa.String(32), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "purpose = ANY ('{marketing_call,marketing_sms,marketing_email,recording,data_sharing}'::text[])",
            name=op.f("ck_consents_purpose"),
        ),
        sa.CheckConstraint("state = ANY ('{granted,withdrawn}'::text[])", name=op.f("ck_consents_state")),
        sa.CheckConstraint(
            "channel = ANY ('{call,email,sms,fax,chat,visit,web}'::text[])", name=op.f("ck_consents_channel")
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_consents_customer_id_customers"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agents.id"], name=op.f("fk_consents_agent_id_agents"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
    )
    op.create_index(
        "ix_consents_customer_id_purpose_at",
        "consents",
        ["customer_id", "purpose", sa.text("at DESC"), sa.text("id DESC")],
    )


def downgrade() -> None:
    op.drop_table("consents")
    op.drop_table("customer_links")
