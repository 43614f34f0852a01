"""Imports as people see them: begun, looked at, and the rows that were not taken as a file."""

import csv
import hashlib
import io
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.importing.cells import harmless
from app.domain.importing.mapping import Mapping
from app.models.imports import Import, ImportReject, ImportState
from app.services.imports.running import stored

_BLOCK: Final = 1 << 20
_REJECTS_AT_ONCE: Final = 2_000


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file on this machine; by its hash the same one is known again."""

    name: str
    size: int
    hash: bytes


def local_file(path: Path) -> LocalFile:
    """What is to be known of a file. Raises OSError."""
    known, size = hashlib.blake2b(digest_size=32), 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            known.update(block)
            size += len(block)
    return LocalFile(path.name, size, known.digest())


async def begin_local(
    session: AsyncSession, *, source: str, mapping: Mapping, file: LocalFile, is_dry_run: bool
) -> tuple[Import, bool]:
    """The import of a file on this machine: the one that was cut off, to go on with, or a new one.

    Gives:
        the import, and whether it goes on.
    """
    told = stored(mapping)
    cut_off = await session.scalar(
        select(Import)
        .where(
            Import.file_hash == file.hash,
            Import.source == source,
            Import.is_dry_run == is_dry_run,
            ~Import.is_uploaded,
            Import.state.in_((ImportState.RUNNING, ImportState.QUEUED)),
            Import.mapping == told,
        )
        .order_by(Import.created_at.desc())
        .limit(1)
    )
    if cut_off is not None:
        return cut_off, True
    job = Import(
        source=source,
        file_name=file.name,
        file_size=file.size,
        file_hash=file.hash,
        is_dry_run=is_dry_run,
        mapping=told,
        state=ImportState.QUEUED,
    )
    session.add(job)
    await session.flush()
    await session.refresh(job)
    return job, False


async def rejects_as_csv(session: AsyncSession, job: Import) -> AsyncIterator[bytes]:
    """The rows that were not taken, in the file's own columns, with their number, the reason and its code in front.

    UTF-8 with a byte order mark, by which spreadsheets know it; cells that they would run are made text.
    """
    header = job.header or []
    yield b"\xef\xbb\xbf" + _lines([["row", "reason", "detail", *header]])
    after = 0
    while True:
        rejects = (
            await session.scalars(
                select(ImportReject)
                .where(ImportReject.import_id == job.id, ImportReject.row_no > after)
                .order_by(ImportReject.row_no)
                .limit(_REJECTS_AT_ONCE)
            )
        ).all()
        if not rejects:
            return
        yield _lines([[str(each.row_no), each.code, each.detail, *each.cells] for each in rejects])
        after = rejects[-1].row_no


def _lines(rows: Sequence[Sequence[str]]) -> bytes:
    file = io.StringIO(newline="")
    csv.writer(file).writerows([harmless(cell) for cell in row] for row in rows)
    return file.getvalue().encode("utf-8", "replace")


async def get_import(session: AsyncSession, import_id: UUID) -> Import | None:
    """One import, or None."""
    return await session.get(Import, import_id)
