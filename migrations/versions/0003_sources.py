"""Whose word counts: sources and their trust, background fields, the record's history, notes and usage."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0003"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

BACKGROUND: dict[str, sa.types.TypeEngine] = {
    "city": sa.Text(),
    "postcode": sa.Text(),
    "birth_date": sa.Date(),
    "national_id": sa.Text(),
    "occupation": sa.Text(),
    "income_band": sa.Text(),
    "marital_status": sa.String(32),
    "education": sa.Text(),
    "industry": sa.Text(),
    "company_size": sa.Text(),
    "site": sa.Text(),
    "contacts": postgresql.JSONB(astext_type=sa.Text()),
    "merged_into_id": sa.Uuid(),
    "settled_at": sa.DateTime(timezone=True),
}


def upgrade() -> None:
    op.execute("CREATE AGGREGATE jsonb_merge(jsonb) (SFUNC = jsonb_concat, STYPE = jsonb, INITCOND = '{}')")
    for name, kind in BACKGROUND.items():
        op.add_column("customers", sa.Column(name, kind, nullable=True))
    op.create_check_constraint(
        op.f("ck_customers_marital_status"),
        "customers",
        "marital_status = ANY ('{single,married,divorced,widowed}'::text[])",
    )
    op.create_foreign_key(
        op.f("fk_customers_merged_into_id_customers"),
        "customers",
        "customers",
        ["merged_into_id"],
        ["id"],
        ondelete="SET NULL",
    )
    op.create_index(
        "ix_customers_merged_into_id",
        "customers",
        ["merged_into_id"],
        postgresql_where=sa.text("merged_into_id IS NOT NULL"),
    )
    op.add_column("source_records", sa.Column("fields", postgresql.JSONB(), server_default="{}", nullable=False))
    op.add_column("source_records", sa.Column("derived", postgresql.JSONB(), nullable=True))
    op.add_column(
        "source_records",
        sa.Column("said_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
    )
    op.add_column("source_records", sa.Column("content_hash", sa.LargeBinary(), nullable=True))
    op.add_column("source_records", sa.Column("agent_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_source_records_agent_id_agents"),
        "source_records",
        "agents",
        ["agent_id"],
        ["id"],
        ondelete="SET NULL",
    )
    op.create_table(
        "sources",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("rank", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("trusted", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_sources")),
    )
    op.create_table(
        "customer_changes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("import_id", sa.Uuid(), nullable=True),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("old", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("new", postgresql.JSONB(none_as_null=True), nullable=True),
        _of_a_customer("customer_changes"),
        _of_an_agent("customer_changes"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer_changes")),
    )
    op.create_index(
        "ix_customer_changes_customer_id_at",
        "customer_changes",
        ["customer_id", sa.literal_column("at DESC"), sa.literal_column("id DESC")],
    )
    op.create_table(
        "customer_notes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        _of_a_customer("customer_notes"),
        _of_an_agent("customer_notes"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer_notes")),
    )
    op.create_index(
        "ix_customer_notes_customer_id_at",
        "customer_notes",
        ["customer_id", sa.literal_column("at DESC"), sa.literal_column("id DESC")],
    )
    op.create_table(
        "customer_usage",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("value", sa.Numeric(18, 4), nullable=False),
        _of_a_customer("customer_usage"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer_usage")),
        sa.UniqueConstraint(
            "customer_id", "source", "key", "at", name=op.f("uq_customer_usage_customer_id_source_key_at")
        ),
    )


def downgrade() -> None:
    op.drop_table("customer_usage")
    op.drop_table("customer_notes")
    op.drop_table("customer_changes")
    op.drop_table("sources")
    op.drop_column("source_records", "agent_id")
    op.drop_column("source_records", "content_hash")
    op.drop_column("source_records", "said_at")
    op.drop_column("source_records", "derived")
    op.drop_column("source_records", "fields")
    op.drop_index(
        "ix_customers_merged_into_id",
        table_name="customers",
        postgresql_where=sa.text("merged_into_id IS NOT NULL"),
    )
    for name in reversed(BACKGROUND):
        op.drop_column("customers", name)
    op.execute("DROP AGGREGATE jsonb_merge(jsonb)")


def _of_a_customer(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["customer_id"], ["customers.id"], name=op.f(f"fk_{table}_customer_id_customers"), ondelete="CASCADE"
    )


def _of_an_agent(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["agent_id"], ["agents.id"], name=op.f(f"fk_{table}_agent_id_agents"), ondelete="SET NULL"
    )
