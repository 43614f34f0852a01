"""Merging customers and taking it back; who looked at whom, and who was forgotten.

What is written of somebody who was merged a moment ago goes to whoever took them in.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0004"
down_revision: str | None = "0003"
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
    op.add_column("customers", sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "card_views",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("looked_at", sa.String(length=32), nullable=False),
        sa.Column("via", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "looked_at = ANY ('{record,card,timeline,history,export}'::text[])", name=op.f("ck_card_views_looked_at")
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_card_views_customer_id_customers"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agents.id"], name=op.f("fk_card_views_agent_id_agents"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_card_views")),
    )
    at, row_id = sa.text("at DESC"), sa.text("id DESC")
    op.create_index("ix_card_views_at_id", "card_views", [at, row_id])
    op.create_index("ix_card_views_customer_id_at", "card_views", ["customer_id", at, row_id])
    op.create_index("ix_card_views_agent_id_at", "card_views", ["agent_id", at, row_id])
    op.create_table(
        "erasures",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("by_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("rows", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_erasures_customer_id_customers"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["by_id"], ["agents.id"], name=op.f("fk_erasures_by_id_agents"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasures")),
    )
    op.create_index(op.f("ix_erasures_customer_id"), "erasures", ["customer_id"])
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
    op.drop_table("erasures")
    op.drop_table("card_views")
    op.drop_column("customers", "erased_at")
    op.drop_table("merge_moves")
    op.drop_index("ix_merges_absorbed_id", table_name="merges")
    op.drop_index("ix_merges_survivor_id_merged_at", table_name="merges")
    op.drop_table("merges")
