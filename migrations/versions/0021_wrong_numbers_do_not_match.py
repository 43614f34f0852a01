"""Numbers that are known to be wrong are not looked up when somebody rings."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0021"
down_revision: str | None = "0020"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    _make_again("wrong_since IS NULL")


def downgrade() -> None:
    _make_again(None)


def _make_again(of_which: str | None) -> None:
    op.drop_index("ix_customer_phones_bucket_e164", "customer_phones")
    op.create_index(
        "ix_customer_phones_bucket_e164",
        "customer_phones",
        ["bucket", "e164"],
        postgresql_include=["customer_id"],
        postgresql_where=of_which and sa.text(of_which),
    )
