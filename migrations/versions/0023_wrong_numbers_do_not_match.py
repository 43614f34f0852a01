"""Whether a number is known to be wrong is told by the index that callers are looked up by."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0023"
down_revision: str | None = "0022"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    _make_again([sa.column("wrong_since")])


def downgrade() -> None:
    _make_again(None)


def _make_again(told: list[sa.ColumnClause[str]] | None) -> None:
    op.drop_constraint(op.f("uq_customer_phones_bucket_e164_customer_id"), "customer_phones")
    op.create_unique_constraint(
        op.f("uq_customer_phones_bucket_e164_customer_id"),
        "customer_phones",
        ["bucket", "e164", "customer_id"],
        postgresql_include=told,
    )
