"""Imports: files that were or are being fed in, their content while it is needed, and the rows that were not taken."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, HasId, HasTimes


class ImportState(StrEnum):
    """Where an import stands."""

    AWAITING_FILE = "awaiting_file"
    NEEDS_MAPPING = "needs_mapping"
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Import(HasId, HasTimes, Base):
    """One file that is fed in.

    Rows are counted as they are committed: `row_no` is the last one in the file that is, so an import that was killed
    goes on after it. A file that a command reads stays where it is; one that was uploaded is kept in `import_content`
    until the import has ended, so that any process can run it.
    """

    __tablename__ = "imports"
    __table_args__ = (
        Index("ix_imports_state", "state", postgresql_where=text("state IN ('queued', 'running')")),
        Index("ix_imports_file_hash", "file_hash"),
    )

    source: Mapped[str]
    file_name: Mapped[str]
    file_size: Mapped[int | None]
    file_hash: Mapped[bytes | None]
    is_uploaded: Mapped[bool] = mapped_column(server_default=text("false"))
    is_dry_run: Mapped[bool] = mapped_column(server_default=text("false"))
    mapping: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    state: Mapped[ImportState]
    header: Mapped[list[str] | None] = mapped_column(JSONB(none_as_null=True))
    progress: Mapped[float] = mapped_column(server_default=text("0"))
    row_no: Mapped[int] = mapped_column(server_default=text("0"))
    created: Mapped[int] = mapped_column(server_default=text("0"))
    updated: Mapped[int] = mapped_column(server_default=text("0"))
    unchanged: Mapped[int] = mapped_column(server_default=text("0"))
    rejected: Mapped[int] = mapped_column(server_default=text("0"))
    reasons: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    error_code: Mapped[str | None]
    error: Mapped[str | None]
    agent_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"))
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class ImportContent(Base):
    """A piece of an uploaded file."""

    __tablename__ = "import_content"

    import_id: Mapped[UUID] = mapped_column(ForeignKey("imports.id", ondelete="CASCADE"), primary_key=True)
    no: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    data: Mapped[bytes]


class ImportReject(Base):
    """A row that was not taken: its cells as they came, and why."""

    __tablename__ = "import_rejects"

    import_id: Mapped[UUID] = mapped_column(ForeignKey("imports.id", ondelete="CASCADE"), primary_key=True)
    row_no: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    cells: Mapped[list[str]] = mapped_column(JSONB)
    code: Mapped[str]
    detail: Mapped[str]
