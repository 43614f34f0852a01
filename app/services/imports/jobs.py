"""Imports as people see them: begun, looked at, and the rows that were not taken as a file."""

import asyncio
import csv
import hashlib
import io
import secrets
import tempfile
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import Database
from app.domain.importing.cells import harmless
from app.domain.importing.headers import guess_columns, written_out
from app.domain.importing.mapping import FileFacts, Mapping, MappingError, parse_mapping
from app.domain.survivorship import RESERVED
from app.errors import Conflict, Invalid, NotFound, TooLarge
from app.models.imports import Import, ImportContent, ImportReject, ImportState
from app.schemas.imports import GuessedRow, ImportCreate, ImportGuess
from app.services.imports.files import open_table
from app.services.imports.preview import preview
from app.services.imports.rows import House
from app.services.imports.running import stored
from app.services.imports.tables import BadFile
from app.services.paging import Page, cut, decode_cursor

_BLOCK: Final = 1 << 20
_REJECTS_AT_ONCE: Final = 2_000
_UPLOAD_BLOCK: Final = 4 << 20
LARGEST_UPLOAD: Final = 1 << 30


class NoSuchImport(NotFound):
    """There is no import of that id."""

    code = "no_such_import"
    title = "No such import"


class ImportNotOpen(Conflict):
    """What was asked does not fit the state in which the import is."""

    code = "import_not_open"


class BadMapping(Invalid):
    """The mapping makes no sense; the detail says what to change."""

    code = "bad_mapping"


class ReservedSource(Invalid):
    """The source's name means ourselves."""

    code = "reserved_source"


class FileTooLarge(TooLarge):
    """The file is larger than is taken in this way."""

    code = "file_too_large"


class UnreadableFile(Conflict):
    """The file that was sent is no table that can be read; `file_code` says why."""

    code = "unreadable_file"


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


async def find_import(session: AsyncSession, import_id: UUID, *, lock: bool = False) -> Import:
    """One import. Raises NoSuchImport."""
    job = await session.get(Import, import_id, with_for_update=lock or None)
    if job is None:
        raise NoSuchImport("There is no such import.")
    return job


async def list_imports(session: AsyncSession, page: Page) -> tuple[Sequence[Import], str | None]:
    """Imports, the latest first, and the cursor of the next page. Raises BadCursor."""
    wanted = select(Import).order_by(Import.id.desc()).limit(page.limit + 1)
    if page.cursor:
        (before,) = decode_cursor(page.cursor, UUID)
        wanted = wanted.where(Import.id < before)
    return cut((await session.scalars(wanted)).all(), page, lambda job: (job.id,))


async def begin_upload(session: AsyncSession, given: ImportCreate, agent_id: UUID) -> Import:
    """An import whose file is sent next.

    Raises:
        BadMapping: the mapping makes no sense.
        ReservedSource: the source means ourselves.
    """
    if given.source in RESERVED:
        raise ReservedSource(f"{given.source!r} means what is typed or worked out here; a system has another name.")
    job = Import(
        source=given.source,
        file_name=given.file_name,
        is_uploaded=True,
        is_dry_run=given.dry_run,
        mapping=stored(_mapping(given.mapping)) if given.mapping is not None else None,
        state=ImportState.AWAITING_FILE,
        agent_id=agent_id,
    )
    session.add(job)
    await session.flush()
    await session.refresh(job)
    return job


async def receive(database: Database, import_id: UUID, content: AsyncIterable[bytes]) -> Import:
    """Keep an import's file as it comes in, block by block, and queue the import if it has its mapping.

    Raises:
        NoSuchImport: there is none.
        ImportNotOpen: it has its file already.
        FileTooLarge: more comes in than is taken.
    """
    known, size, number = hashlib.blake2b(digest_size=32), 0, 0
    ours = secrets.token_bytes(16)
    async with database.session_scope() as session:
        job = await find_import(session, import_id, lock=True)
        _require(job, ImportState.AWAITING_FILE)
        # Until it is whole, the file is known by who sends it: of two at once, the one that began later.
        job.file_hash = ours
        await session.execute(delete(ImportContent).where(ImportContent.import_id == import_id))
    async for block in _in_blocks(content):
        size += len(block)
        if size > LARGEST_UPLOAD:
            raise FileTooLarge(
                f"At most {LARGEST_UPLOAD >> 20} MiB are taken over the API; `callcard import` takes more."
            )
        known.update(block)
        async with database.session_scope() as session:
            _require_ours(await find_import(session, import_id, lock=True), ours)
            session.add(ImportContent(import_id=import_id, no=number, data=block))
        number += 1
    async with database.session_scope() as session:
        job = await find_import(session, import_id, lock=True)
        _require_ours(job, ours)
        job.file_size, job.file_hash = size, known.digest()
        job.state = ImportState.NEEDS_MAPPING if job.mapping is None else ImportState.QUEUED
        await session.flush()
        await session.refresh(job)
    return job


async def give_mapping(session: AsyncSession, import_id: UUID, written: str) -> Import:
    """Say which column is what; an import that has its file is queued by it.

    Raises:
        NoSuchImport, BadMapping: there is none; the mapping makes no sense.
        ImportNotOpen: it runs or ran already.
    """
    job = await find_import(session, import_id, lock=True)
    _require(job, ImportState.AWAITING_FILE, ImportState.NEEDS_MAPPING)
    job.mapping = stored(_mapping(written))
    if job.state is ImportState.NEEDS_MAPPING:
        job.state = ImportState.QUEUED
    await session.flush()
    await session.refresh(job)
    return job


async def guess(database: Database, import_id: UUID, house: House) -> ImportGuess:
    """The mapping that an uploaded file's header suggests, and its first rows by it.

    Raises:
        NoSuchImport: there is none.
        ImportNotOpen: its file is not here yet, or not any more.
        UnreadableFile: it cannot be read as a table; `file_code` says why.
    """
    async with database.session_scope() as session:
        job = await find_import(session, import_id)
        _require(job, ImportState.NEEDS_MAPPING, ImportState.QUEUED)
    async with content_as_file(database, job) as path:
        return await asyncio.to_thread(_guess, path, job.source, house)


def _guess(path: Path, source: str, house: House) -> ImportGuess:
    try:
        with open_table(path, FileFacts(), None) as table:
            columns = guess_columns(table.header)
            written = written_out(columns, source)
            shown = preview(parse_mapping(written), table, house).rows if "id" in columns else []
    except BadFile as wrong:
        raise UnreadableFile(wrong.detail, file_code=wrong.code) from None
    used = {name for names in columns.values() for name in names}
    return ImportGuess(
        mapping=written,
        header=list(table.header),
        header_row=table.header_row,
        unused=[name for name in table.header if name and name not in used],
        rows=[GuessedRow(row_no=row.row_no, said=row.said, reject=row.reject) for row in shown],
    )


@asynccontextmanager
async def content_as_file(database: Database, job: Import) -> AsyncIterator[Path]:
    """An uploaded file on this machine's disk, for as long as it is read."""
    with tempfile.TemporaryDirectory(prefix="callcard-import-") as folder:
        path = Path(folder) / "content"
        number = 0
        with path.open("wb") as file:
            while True:
                async with database.session_scope() as session:
                    block = await session.scalar(
                        select(ImportContent.data).where(ImportContent.import_id == job.id, ImportContent.no == number)
                    )
                if block is None:
                    break
                file.write(block)
                number += 1
        yield path


async def _in_blocks(content: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    waiting = bytearray()
    async for piece in content:
        waiting += piece
        while len(waiting) >= _UPLOAD_BLOCK:
            yield bytes(waiting[:_UPLOAD_BLOCK])
            del waiting[:_UPLOAD_BLOCK]
    if waiting:
        yield bytes(waiting)


def _require(job: Import, *states: ImportState) -> None:
    if job.state not in states:
        raise ImportNotOpen(f"The import is {job.state.value}.", state=job.state.value)


def _require_ours(job: Import, ours: bytes) -> None:
    if job.state is not ImportState.AWAITING_FILE or job.file_hash != ours:
        raise ImportNotOpen("Somebody else sends this import's file.", state=job.state.value)


def _mapping(written: str) -> Mapping:
    try:
        return parse_mapping(written)
    except MappingError as error:
        raise BadMapping(str(error), errors=[{"loc": ["body", "mapping"], "msg": str(error)}]) from None
