"""Whose word counts: sources and their trust, background fields, the record's history, notes and usage."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0002"
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


CODE = "'C' || to_char(nextval('customer_code_seq'), 'FM999999990000000')"
CODE_CUT = "'C' || lpad(nextval('customer_code_seq')::text, 7, '0')"


def upgrade() -> None:
    # lpad cuts off what is longer: from the ten millionth customer on codes would have come twice.
    op.alter_column("customers", "code", server_default=sa.text(CODE))
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
        sa.Column("settled_to", sa.Uuid(), nullable=True),
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
    for table in ("purchases", "contracts", "interactions"):
        if table == "contracts":
            op.add_column(table, sa.Column("source", sa.Text(), server_default="", nullable=False))
        op.add_column(table, sa.Column("external_id", sa.Text(), nullable=True))
        op.create_index(
            f"uq_{table}_source_external_id",
            table,
            ["source", "external_id"],
            unique=True,
            postgresql_where=sa.text("external_id IS NOT NULL"),
        )
    op.add_column("interactions", sa.Column("kind", sa.String(32), server_default="contact", nullable=False))
    op.create_check_constraint(
        op.f("ck_interactions_kind"), "interactions", "kind = ANY ('{contact,complaint}'::text[])"
    )
    _create_imports()


def _create_imports() -> None:
    op.create_table(
        "imports",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("file_size", sa.BigInteger(), nullable=True),
        sa.Column("file_hash", sa.LargeBinary(), nullable=True),
        sa.Column("is_uploaded", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("is_dry_run", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("mapping", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("header", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("progress", sa.Float(), server_default=sa.text("0"), nullable=False),
        sa.Column("row_no", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("created", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("updated", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("unchanged", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("rejected", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("reasons", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "state = ANY ('{awaiting_file,needs_mapping,queued,running,done,failed}'::text[])",
            name=op.f("ck_imports_state"),
        ),
        _of_an_agent("imports"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imports")),
    )
    op.create_index(
        "ix_imports_state", "imports", ["state"], postgresql_where=sa.text("state IN ('queued', 'running')")
    )
    op.create_index("ix_imports_file_hash", "imports", ["file_hash"])
    op.create_table(
        "import_content",
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        _of_an_import("import_content"),
        sa.PrimaryKeyConstraint("import_id", "no", name=op.f("pk_import_content")),
    )
    op.create_table(
        "import_rejects",
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("row_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("cells", postgresql.JSONB(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        _of_an_import("import_rejects"),
        sa.PrimaryKeyConstraint("import_id", "row_no", name=op.f("pk_import_rejects")),
    )


def downgrade() -> None:
    op.alter_column("customers", "code", server_default=sa.text(CODE_CUT))
    op.drop_table("import_rejects")
    op.drop_table("import_content")
    op.drop_table("imports")
    op.drop_column("interactions", "kind")
    for table in ("purchases", "contracts", "interactions"):
        op.drop_index(
            f"uq_{table}_source_external_id", table_name=table, postgresql_where=sa.text("external_id IS NOT NULL")
        )
        op.drop_column(table, "external_id")
    op.drop_column("contracts", "source")
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


def _of_an_import(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["import_id"], ["imports.id"], name=op.f(f"fk_{table}_import_id_imports"), ondelete="CASCADE"
    )
