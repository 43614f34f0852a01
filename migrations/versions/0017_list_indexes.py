"""What the daily lists of all managers are read by at once."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0017"
down_revision: str | None = "0016"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_index(
        "ix_customers_book",
        "customers",
        ["owner_id", "id"],
        postgresql_include=[
            "sales_stage",
            "intention",
            "contract_state",
            "next_call_at",
            "last_contact_at",
            "do_not_call",
            "tier",
        ],
        postgresql_where=sa.text("merged_into_id IS NULL AND erased_at IS NULL"),
    )
    op.create_index(
        "ix_customers_birthday",
        "customers",
        [sa.literal_column("CAST(extract(month FROM birth_date) * 100 + extract(day FROM birth_date) AS int)")],
        postgresql_where=sa.text("birth_date IS NOT NULL"),
    )
    op.create_index(
        "ix_customers_next_call_at",
        "customers",
        ["next_call_at"],
        postgresql_where=sa.text("next_call_at IS NOT NULL"),
    )
    op.create_index(
        "ix_customer_phones_usable",
        "customer_phones",
        ["customer_id"],
        postgresql_where=sa.text("wrong_since IS NULL"),
    )
    op.create_index(
        "ix_purchases_warranty_until",
        "purchases",
        ["warranty_until"],
        postgresql_where=sa.text("warranty_until IS NOT NULL"),
    )
    op.create_index("ix_contracts_ends_on", "contracts", ["ends_on"])
    op.create_index(
        "ix_list_standings_book",
        "list_standings",
        ["manager_id", "customer_id"],
        postgresql_include=["counted_on"],
    )


def downgrade() -> None:
    op.drop_index("ix_list_standings_book", "list_standings")
    op.drop_index("ix_contracts_ends_on", "contracts")
    op.drop_index("ix_purchases_warranty_until", "purchases")
    op.drop_index("ix_customer_phones_usable", "customer_phones")
    op.drop_index("ix_customers_next_call_at", "customers")
    op.drop_index("ix_customers_birthday", "customers")
    op.drop_index("ix_customers_book", "customers")
