"""What a source says is kept as the text that it is, for nothing asks into it."""

from collections.abc import Sequence

from alembic import op

revision: str = "0021"
down_revision: str | None = "0020"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    _keep_as("json")


def downgrade() -> None:
    _keep_as("jsonb")


def _keep_as(kind: str) -> None:
    op.execute(f"""
        ALTER TABLE source_records
            ALTER fields DROP DEFAULT,
            ALTER payload TYPE {kind} USING CAST(payload AS {kind}),
            ALTER fields TYPE {kind} USING CAST(fields AS {kind}),
            ALTER derived TYPE {kind} USING CAST(derived AS {kind}),
            ALTER fields SET DEFAULT '{{}}'
    """)
