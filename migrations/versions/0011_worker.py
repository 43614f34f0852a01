"""Where background work waits: procrastinate's own tables, in a schema of their own."""

from collections.abc import Sequence
from pathlib import Path

from alembic import op

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# As version 3.10.0 of procrastinate ships it. A newer one brings migrations, which are to be written down here after it.
_SCHEMA = Path(__file__).parent.parent / "procrastinate.sql"


def upgrade() -> None:
    op.execute("CREATE SCHEMA procrastinate")
    op.execute("SET LOCAL search_path TO procrastinate")
    # Many statements at once are not for SQLAlchemy's prepared ones.
    connection = op.get_bind().connection.dbapi_connection
    sql = _SCHEMA.read_text("utf-8")
    connection.run_async(lambda driver: driver.execute(sql))
    op.execute("SET LOCAL search_path TO DEFAULT")


def downgrade() -> None:
    op.execute("DROP SCHEMA procrastinate CASCADE")
