"""What a customer who is nobody's, and each number, cost the database when they are fed in."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0018"
down_revision: str | None = "0017"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_BOOK = ["sales_stage", "intention", "contract_state", "next_call_at", "last_contact_at", "do_not_call", "tier"]
_BIRTHDAY = sa.literal_column("CAST(extract(month FROM birth_date) * 100 + extract(day FROM birth_date) AS int)")


def upgrade() -> None:
    _make_again("owner_id IS NOT NULL", " AND owner_id IS NOT NULL", "owner_id IS NOT NULL AND ")
    _check_numbers(r"e164 ~ '^\+[1-9][0-9]+$' AND length(e164) BETWEEN 5 AND 19")


def downgrade() -> None:
    _check_numbers(r"e164 ~ '^\+[1-9][0-9]{3,17}$'")
    _make_again(None, "", "")


def _make_again(of_owners: str | None, born: str, book: str) -> None:
    op.drop_index("ix_customers_owner_id", "customers")
    op.create_index(
        "ix_customers_owner_id", "customers", ["owner_id"], postgresql_where=of_owners and sa.text(of_owners)
    )
    op.drop_index("ix_customers_birthday", "customers")
    op.create_index(
        "ix_customers_birthday",
        "customers",
        [_BIRTHDAY],
        postgresql_where=sa.text(f"birth_date IS NOT NULL{born}"),
    )
    op.drop_index("ix_customers_book", "customers")
    op.create_index(
        "ix_customers_book",
        "customers",
        ["owner_id", "id"],
        postgresql_include=_BOOK,
        postgresql_where=sa.text(f"{book}merged_into_id IS NULL AND erased_at IS NULL"),
    )


def _check_numbers(form: str) -> None:
    op.drop_constraint(op.f("ck_customer_phones_e164"), "customer_phones")
    op.create_check_constraint(op.f("ck_customer_phones_e164"), "customer_phones", form)
