"""Callbacks are found by their number: whoever gets through is not owed a call for the one they missed."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0016"
down_revision: str | None = "0015"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_index("ix_callbacks_to_e164", "callbacks", ["to_e164"], postgresql_where=sa.text("to_e164 IS NOT NULL"))


def downgrade() -> None:
    op.drop_index("ix_callbacks_to_e164", table_name="callbacks")
