"""Merging customers and taking it back; what is written of somebody who was just merged goes to who took them in."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

FOLLOWING = ("calls", "interactions", "purchases", "contracts", "customer_notes")


def upgrade() -> None:
    op.create_table(
        "merges",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("survivor_id", sa.Uuid(), nullable=False),
        sa.Column("absorbed_id", sa.Uuid(), nullable=False),
        sa.Column("merged_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("by_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("survivor_before", postgresql.JSONB(), nullable=False),
        sa.Column("absorbed_before", postgresql.JSONB(), nullable=False),
        sa.Column("survivor_after", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("undone_by_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["survivor_id"], ["customers.id"], name=op.f("fk_merges_survivor_id_customers"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["absorbed_id"], ["customers.id"], name=op.f("fk_merges_absorbed_id_customers"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["by_id"], ["agents.id"], name=op.f("fk_merges_by_id_agents"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(
            ["undone_by_id"], ["agents.id"], name=op.f("fk_merges_undone_by_id_agents"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_merges")),
    )
    op.create_index(
        "ix_merges_survivor_id_merged_at", "merges", ["survivor_id", sa.text("merged_at DESC"), sa.text("id DESC")]
    )
    op.create_index("ix_merges_absorbed_id", "merges", ["absorbed_id"])
    op.create_table(
        "merge_moves",
        sa.Column("merge_id", sa.Uuid(), nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("row_id", sa.Uuid(), nullable=False),
        sa.Column("set_aside", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("before", postgresql.JSONB(), nullable=True),
        sa.ForeignKeyConstraint(
            ["merge_id"], ["merges.id"], name=op.f("fk_merge_moves_merge_id_merges"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("merge_id", "table_name", "row_id", name=op.f("pk_merge_moves")),
    )
    # Whoever writes of a customer may have looked them up just before they were merged. The lock waits for a merge
    # that is under way, and each query of a function sees what was committed until then.
    op.execute(
        """
        CREATE FUNCTION follow_merged_customer() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            into_id uuid;
        BEGIN
            LOOP
                SELECT merged_into_id INTO into_id FROM customers WHERE id = NEW.customer_id FOR KEY SHARE;
                EXIT WHEN into_id IS NULL;
                NEW.customer_id := into_id;
            END LOOP;
            RETURN NEW;
        END $$
        """
    )
    for table in FOLLOWING:
        op.execute(
            f"CREATE TRIGGER follow_merged_customer BEFORE INSERT OR UPDATE OF customer_id ON {table} "
            "FOR EACH ROW WHEN (NEW.customer_id IS NOT NULL) EXECUTE FUNCTION follow_merged_customer()"
        )


def downgrade() -> None:
    for table in FOLLOWING:
        op.execute(f"DROP TRIGGER follow_merged_customer ON {table}")
    op.execute("DROP FUNCTION follow_merged_customer()")
    op.drop_table("merge_moves")
    op.drop_index("ix_merges_absorbed_id", table_name="merges")
    op.drop_index("ix_merges_survivor_id_merged_at", table_name="merges")
    op.drop_table("merges")
