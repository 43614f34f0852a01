"""What a source says is kept as the text that it is, for nothing asks into it."""

from collections.abc import Sequence

from alembic import op

revision: str = "0021"
down_revision: str | None = "0020"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute("ALTER TABLE source_records ALTER payload TYPE json USING CAST(payload AS json)")


def downgrade() -> None:
    op.execute("ALTER TABLE source_records ALTER payload TYPE jsonb USING CAST(payload AS jsonb)")
