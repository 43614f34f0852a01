"""Which warranties end on a day is told by their index alone."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0024"
down_revision: str | None = "0023"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    _make_again(["customer_id", "id"])


def downgrade() -> None:
    _make_again(["customer_id"])


def _make_again(told: list[str]) -> None:
    op.drop_index("ix_purchases_warranty_until", "purchases")
    op.create_index(
        "ix_purchases_warranty_until",
        "purchases",
        ["warranty_until"],
        postgresql_include=told,
        postgresql_where=sa.text("warranty_until IS NOT NULL"),
    )
