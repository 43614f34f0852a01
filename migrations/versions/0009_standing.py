"""Where a customer stands in selling: contracts, the next call and the last contact; moves of stage; wrong numbers."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("customers", sa.Column("contract_state", sa.String(32), server_default="none", nullable=False))
    op.add_column("customers", sa.Column("next_call_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("customers", sa.Column("last_contact_at", sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint(
        op.f("ck_customers_contract_state"),
        "customers",
        "contract_state = ANY ('{none,in_contract,expired}'::text[])",
    )
    op.alter_column("customers", "dcwh", server_default="cold")
    op.execute(
        """
        UPDATE customers c SET contract_state = CASE WHEN last_day < current_date THEN 'expired' ELSE 'in_contract' END
        FROM (SELECT customer_id, max(ends_on) AS last_day FROM contracts GROUP BY customer_id) AS signed
        WHERE signed.customer_id = c.id
        """
    )
    op.execute(
        """
        UPDATE customers c SET last_contact_at = contact.at
        FROM (
            SELECT customer_id, max(at) AS at FROM (
                SELECT customer_id, at FROM interactions
                UNION ALL SELECT customer_id, answered_at FROM calls WHERE answered_at IS NOT NULL
            ) AS contacts GROUP BY customer_id
        ) AS contact
        WHERE contact.customer_id = c.id
        """
    )
    op.execute(
        """
        UPDATE customers SET dcwh = CASE
            WHEN intention = 'unlikely' AND contract_state = 'in_contract' THEN 'cold'
            WHEN intention = 'unlikely' THEN 'denial'
            WHEN sales_stage IN (4, 5) OR intention = 'very_likely' THEN 'hot'
            WHEN sales_stage IN (3, 6, 7) OR intention = 'good' OR contract_state <> 'none' THEN 'warm'
            ELSE 'cold' END
        """
    )
    op.add_column("customer_changes", sa.Column("why", sa.Text(), server_default="", nullable=False))
    op.add_column("customer_phones", sa.Column("wrong_since", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "stage_moves",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("from_stage", sa.BigInteger(), nullable=False),
        sa.Column("to_stage", sa.BigInteger(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("why", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_stage_moves_customer_id_customers"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["agents.id"], name=op.f("fk_stage_moves_owner_id_agents"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agents.id"], name=op.f("fk_stage_moves_agent_id_agents"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stage_moves")),
    )
    op.create_index("ix_stage_moves_at", "stage_moves", ["at", "id"])
    op.create_index("ix_stage_moves_customer_id_at", "stage_moves", ["customer_id", "at", "id"])


def downgrade() -> None:
    op.drop_table("stage_moves")
    op.drop_column("customer_phones", "wrong_since")
    op.drop_column("customer_changes", "why")
    op.alter_column("customers", "dcwh", server_default=None)
    op.drop_column("customers", "last_contact_at")
    op.drop_column("customers", "next_call_at")
    op.drop_column("customers", "contract_state")
