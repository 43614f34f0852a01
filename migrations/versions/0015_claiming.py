"""Automatic callbacks are found by owner and by queue; when the carrier was last asked about an attempt."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0015"
down_revision: str | None = "0014"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("dial_attempts", sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True))
    for whose in ("owner_id", "queue_id"):
        op.create_index(
            f"ix_callbacks_automatic_{whose}",
            "callbacks",
            [whose, "due_at", "id"],
            postgresql_where=sa.text("state IN ('scheduled', 'retry') AND mode = 'automatic'"),
        )


def downgrade() -> None:
    for whose in ("owner_id", "queue_id"):
        op.drop_index(f"ix_callbacks_automatic_{whose}", table_name="callbacks")
    op.drop_column("dial_attempts", "asked_at")
