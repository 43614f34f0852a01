"""What customers are found by; rows are filled in afterwards by `callcard migrate` (or `callcard search fill`)."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute("CREATE SEQUENCE customer_search_no_seq START WITH 1")
    op.create_table(
        "customer_search",
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("no", sa.BigInteger(), server_default=sa.text("nextval('customer_search_no_seq')"), nullable=False),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.Column("grams", postgresql.ARRAY(sa.Integer()), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_customer_search_customer_id_customers"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("customer_id", name=op.f("pk_customer_search")),
        sa.UniqueConstraint("no", name=op.f("uq_customer_search_no")),
    )
    op.create_index(
        "ix_customer_search_grams",
        "customer_search",
        ["grams"],
        unique=False,
        postgresql_using="gin",
        postgresql_with={"fastupdate": "off"},
    )
    # Only what searching by part of a name or number read, and nothing reads any more.
    op.drop_index("ix_customers_name_trgm", table_name="customers", postgresql_using="gin")
    op.drop_index("ix_customer_phones_reversed", table_name="customer_phones")
    op.create_index(
        "ix_purchases_serial_number",
        "purchases",
        [sa.literal_column("upper(serial_number)").label("serial")],
        unique=False,
        postgresql_ops={"serial": "text_pattern_ops"},
        postgresql_where=sa.text("serial_number <> ''"),
    )


def downgrade() -> None:
    op.drop_index("ix_purchases_serial_number", table_name="purchases")
    op.create_index(
        "ix_customer_phones_reversed",
        "customer_phones",
        [sa.literal_column("reverse(e164)").label("reversed")],
        unique=False,
        postgresql_ops={"reversed": "text_pattern_ops"},
    )
    op.create_index(
        "ix_customers_name_trgm",
        "customers",
        ["name"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"name": "gin_trgm_ops"},
    )
    op.drop_index("ix_customer_search_grams", table_name="customer_search", postgresql_using="gin")
    op.drop_table("customer_search")
    op.execute("DROP SEQUENCE customer_search_no_seq")
