"""Running an import: chunk by chunk, each one transaction, so that it can be killed at any moment and goes on later.

While PostgreSQL writes a chunk or two, the rows of the next are read by a process of their own, and the one after that
is taken from the file.
The import's row says after which row of the file to go on; it is written in the transaction of the chunk itself, and
chunks are committed in the order of the file.
"""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
from sqlalchemy import delete, exists, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import Database, is_outage
from app.domain.importing.cells import BadCell
from app.domain.importing.mapping import FileFacts, Mapping, MappingError
from app.errors import Conflict
from app.models.customers import SourceRecord
from app.models.imports import Import, ImportContent, ImportReject, ImportState
from app.models.records import Source
from app.services.imports.files import Table, open_table
from app.services.imports.helper import Helper, ReadBatch
from app.services.imports.keys import Cells, How, Keys, Reject
from app.services.imports.rows import House, ToRead
from app.services.imports.tables import BadFile, Row
from app.services.imports.writing import Outcome, write

CHUNK: Final = 3_000
"""Rows in one transaction: as many as make the cost of each statement small, few enough to stay near the processor."""

WRITERS: Final = 3
"""So many chunks are written at once, where they have only new customers."""

_TRIES: Final = 4


class SourceBusy(Conflict):
    """Another import of the same source is running; only one may at a time."""

    code = "source_busy"
    title = "Another import of this source is running"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import is. `part` is the part of the file that was read and written, from 0 to 1."""

    part: float
    row_no: int
    created: int
    updated: int
    unchanged: int
    rejected: int


Watcher = Callable[[Progress], Awaitable[None]]


@asynccontextmanager
async def holding_source(database: Database, source: str) -> AsyncIterator[asyncpg.Connection]:
    """Hold a source, so that no two imports of it run at once, whoever runs them; gives a connection of its own.

    The lock is the connection's: it ends with the process, however that ends.

    Raises:
        SourceBusy: somebody else holds it.
    """
    connection = await database.connect()
    try:
        if not await connection.fetchval("SELECT pg_try_advisory_lock(hashtextextended('import ' || $1, 0))", source):
            raise SourceBusy(f"An import of {source!r} is running. Wait until it has ended, and start this one again.")
        yield connection
    finally:
        connection.terminate()


def stored(mapping: Mapping) -> dict[str, Any]:
    """A mapping as the import's row keeps it."""
    return asdict(mapping)


def restored(told: dict[str, Any]) -> Mapping:
    """The mapping out of what `stored` gave."""
    return Mapping(
        **{
            **told,
            "columns": {name: tuple(columns) for name, columns in told["columns"].items()},
            "date_formats": tuple(told["date_formats"]),
            "file": FileFacts(**told["file"]),
        }
    )


async def run_import(
    database: Database, import_id: UUID, path: Path, house: House, *, chunk: int = CHUNK, watch: Watcher | None = None
) -> Import:
    """Feed a file in, from where its import stands to the end. Gives the import as it ended: done, or failed and why.

    Args:
        import_id: of an import with a mapping that is queued, or was running when whoever ran it ended.
        path: where the file is.
        chunk: rows in one transaction.
        watch: told after each chunk.

    Raises:
        SourceBusy: another import of the source is running.
        OSError, sqlalchemy.exc.DBAPIError: the database is away; what was committed stands, and it can be run again.
    """
    async with database.session_scope() as session:
        job = await session.get_one(Import, import_id)
    async with holding_source(database, job.source) as connection:
        async with database.session_scope() as session:
            job = await session.get_one(Import, import_id, with_for_update=True)
            if job.state not in (ImportState.QUEUED, ImportState.RUNNING):
                return job
            job.state = ImportState.RUNNING
            job.started_at = job.started_at or datetime.now(UTC)
        assert job.mapping is not None, "an import is queued with its mapping"
        run = _Run(database, job, restored(job.mapping), house, connection, chunk, watch)
        try:
            await run.through(path)
        except (BadFile, MappingError) as wrong:
            return await end_import(
                database, import_id, ImportState.FAILED, getattr(wrong, "code", "bad_mapping"), str(wrong)
            )
        return await end_import(database, import_id, ImportState.DONE)


async def end_import(
    database: Database, import_id: UUID, state: ImportState, code: str | None = None, detail: str | None = None
) -> Import:
    """Write down how an import ended; an uploaded file is not kept any longer."""
    async with database.session_scope() as session:
        job = await session.get_one(Import, import_id, with_for_update=True)
        job.state, job.error_code, job.error, job.finished_at = state, code, detail, datetime.now(UTC)
        if state is ImportState.DONE:
            job.progress = 1.0
        await session.execute(delete(ImportContent).where(ImportContent.import_id == import_id))
    return job


@dataclass(slots=True)
class _Chunk:
    """Rows on their way: all of them by their numbers, those to be read, those found out already."""

    last_row: int
    part: float
    rows: dict[int, Cells]
    to_read: ToRead
    rejects: list[Reject]
    unchanged: int = 0


class _InOrder:
    """Writers of chunks that work beside each other and commit one after the other.

    What one of them raises is raised to whoever adds the next one, or ends.
    """

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []
        self._is_alone = False

    async def __aenter__(self) -> "_InOrder":
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            return
        await self._until(0)

    async def add(self, work: Callable[[asyncio.Task[None] | None], Awaitable[None]], *, is_alone: bool) -> None:
        """Have `work` done, given the writer before it; one that is alone works beside nobody."""
        await self._until(0 if is_alone or self._is_alone else WRITERS - 1)
        self._is_alone = is_alone
        before = self._tasks[-1] if self._tasks else None
        self._tasks.append(asyncio.ensure_future(work(before)))

    async def _until(self, left: int) -> None:
        while len(self._tasks) > left:
            await self._tasks[0]
            del self._tasks[0]


class _Undone(Exception):
    """Carries how a chunk of a dry run would have ended out of the transaction that is rolled back."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.outcome = outcome


class _Run:
    def __init__(
        self,
        database: Database,
        job: Import,
        mapping: Mapping,
        house: House,
        connection: asyncpg.Connection,
        chunk: int,
        watch: Watcher | None,
    ) -> None:
        self._database = database
        self._job = job
        self._mapping = mapping
        self._house = house
        self._connection = connection
        self._size = chunk
        self._watch = watch
        # By hash: whole ids of a million customers would take more memory than all the rest.
        self._seen: dict[int, int] = {}
        self._row_no = job.row_no
        self._has_told = True

    async def through(self, path: Path) -> None:
        """The whole file. Raises BadFile, MappingError."""
        with await asyncio.to_thread(open_table, path, self._mapping.file, self._mapping.named()) as table:
            await self._through(table)

    async def _through(self, table: Table) -> None:
        # What is there already is not looked through again and again for garbage while millions of cells come and go.
        gc.freeze()
        keys = Keys(self._mapping, table.header)
        async with self._database.session_scope() as session:
            job = await session.get_one(Import, self._job.id, with_for_update=True)
            job.header = list(table.header)
            if await session.get(Source, job.source) is None:
                session.add(Source(key=job.source))
            told = select(exists().where(SourceRecord.source == job.source))
            self._has_told = bool(await session.scalar(told))
        async with Helper(self._mapping, table.header, self._house) as helper, _InOrder() as writers:
            rows = self._skip(table, keys)
            ahead = asyncio.ensure_future(self._take(rows, keys, table))
            try:
                while chunk := await ahead:
                    ahead = asyncio.ensure_future(self._take(rows, keys, table))
                    batch = await helper.read(chunk.to_read)
                    chunk.rejects += batch.rejects
                    # Rows of customers that are there already lock them, and two chunks could wait for each other.
                    await writers.add(partial(self._write, chunk, batch), is_alone=bool(batch.staged or batch.items))
            finally:
                # The file is closed next, and nobody may be reading it then.
                await asyncio.gather(ahead, return_exceptions=True)

    def _skip(self, table: Table, keys: Keys) -> Iterator[Row]:
        """The rows that are not committed yet; what the earlier ones are known by is remembered."""
        for row in table.rows:
            if row[0] > self._row_no:
                yield row
            else:
                try:
                    self._seen.setdefault(hash(keys.external_id(row[1])), hash(keys.fingerprint(row[1])))
                except BadCell:
                    continue

    async def _take(self, rows: Iterator[Row], keys: Keys, table: Table) -> _Chunk | None:
        """The next chunk, with what is to be read of it."""
        chunk = await asyncio.to_thread(self._next, rows, keys, table)
        if chunk is not None:
            await self._leave_out_known(chunk, keys)
        return chunk

    def _next(self, rows: Iterator[Row], keys: Keys, table: Table) -> _Chunk | None:
        taken = list(islice(rows, self._size))
        if not taken:
            return None
        numbers, cells = zip(*taken, strict=True)
        wrong: dict[int, BadCell] = {}
        ids = keys.external_ids(cells, wrong)
        hows = [How.FRESH if keys.has_customer else How.ITEMS_ONLY] * len(taken)
        to_read = ToRead(numbers, ids, list(map(keys.fingerprint, cells)), cells, hows)
        rejects = [Reject(numbers[place], refused.code, refused.detail) for place, refused in wrong.items()]
        chunk = _Chunk(numbers[-1], table.progress(), dict(taken), to_read, rejects)
        left = [place for place in range(len(taken)) if place not in wrong]
        if keys.has_customer:
            left = self._told_first(chunk, left, keys)
        if len(left) < len(taken):
            chunk.to_read = to_read.only(left)
        return chunk

    def _told_first(self, chunk: _Chunk, places: list[int], keys: Keys) -> list[int]:
        """Those of the rows at these places that tell of a customer for the first time, or tell more than that."""
        rows = chunk.to_read
        ids = [hash(rows.external_ids[place]) for place in places]
        marks = [hash(rows.fingerprints[place]) for place in places]
        if self._seen.keys().isdisjoint(ids) and len(set(ids)) == len(ids):
            self._seen.update(zip(ids, marks, strict=True))
            return places
        first = []
        for place, id_, mark in zip(places, ids, marks, strict=True):
            is_again = id_ in self._seen
            if self._seen.setdefault(id_, mark) != mark:
                chunk.rejects.append(
                    Reject(
                        rows.numbers[place], "duplicate_id", "An earlier row has the same id and says something else."
                    )
                )
            elif is_again and not keys.has_items:
                chunk.unchanged += 1
            else:
                rows.hows[place] = How.ITEMS_ONLY if is_again else How.FRESH
                first.append(place)
        return first

    async def _leave_out_known(self, chunk: _Chunk, keys: Keys) -> None:
        """Rows that say what the source has said already need no reading; where they tell more, only that."""
        rows = chunk.to_read
        if not keys.has_customer or not rows.numbers or not self._has_told:
            return
        known = dict(
            await self._connection.fetch(
                "SELECT external_id, content_hash FROM source_records WHERE source = $1 AND external_id = ANY($2)",
                self._job.source,
                rows.external_ids,
            )
        )
        left = []
        for place, (external_id, fingerprint) in enumerate(zip(rows.external_ids, rows.fingerprints, strict=True)):
            if rows.hows[place] == How.FRESH and external_id in known:
                if known[external_id] != fingerprint:
                    rows.hows[place] = How.KNOWN
                elif keys.has_items:
                    rows.hows[place] = How.ITEMS_ONLY
                else:
                    chunk.unchanged += 1
                    continue
            left.append(place)
        chunk.to_read = rows.only(left)

    async def _write(self, chunk: _Chunk, batch: ReadBatch, before: asyncio.Task[None] | None) -> None:
        tried = 0
        progress: Progress | None = None
        while progress is None:
            try:
                progress = await self._write_once(chunk, batch, before)
            except (DBAPIError, OSError) as error:
                tried += 1
                # Somebody else held rows in another order: the chunk was undone whole, and can be done again.
                if tried == _TRIES or not is_outage(error):
                    raise
                await asyncio.sleep(0.05 * 4**tried)
        self._row_no = chunk.last_row
        if self._watch is not None:
            await self._watch(progress)

    async def _write_once(self, chunk: _Chunk, batch: ReadBatch, before: asyncio.Task[None] | None) -> Progress:
        if self._job.is_dry_run:
            outcome = await self._foretell(batch)
            async with self._database.session_scope() as session:
                return await self._note(session, chunk, outcome)
        async with self._database.session_scope() as session:
            outcome = await self._write_batch(session, batch)
            if before is not None:
                # Not awaited itself: what it raises is for whoever waits in turn, and undoes us as well.
                await asyncio.wait([before])
                if before.cancelled() or before.exception() is not None:
                    raise asyncio.CancelledError
            return await self._note(session, chunk, outcome)

    async def _foretell(self, batch: ReadBatch) -> Outcome:
        try:
            async with self._database.session_scope() as session:
                raise _Undone(await self._write_batch(session, batch))
        except _Undone as undone:
            return undone.outcome

    async def _write_batch(self, session: AsyncSession, batch: ReadBatch) -> Outcome:
        if not (batch.customers or batch.staged or batch.items):
            return Outcome(0, 0, 0, [])
        today = datetime.now(ZoneInfo(self._house.zone)).date()
        return await write(session, self._job.source, self._job.id, batch, today=today, is_dry_run=self._job.is_dry_run)

    async def _note(self, session: AsyncSession, chunk: _Chunk, outcome: Outcome) -> Progress:
        """Write down in the same transaction how far the import is and who was not taken."""
        rejects = [*chunk.rejects, *outcome.rejects]
        job = await session.get_one(Import, self._job.id, with_for_update=True)
        if job.row_no != self._row_no or job.state is not ImportState.RUNNING:
            raise SourceBusy("Somebody else went on with this import.")
        session.add_all(
            ImportReject(
                import_id=job.id,
                row_no=reject.row_no,
                cells=[cell.replace("\x00", "") for cell in chunk.rows[reject.row_no]],
                code=reject.code,
                detail=reject.detail,
            )
            for reject in rejects
        )
        reasons = dict(job.reasons)
        for reject in rejects:
            reasons[reject.code] = reasons.get(reject.code, 0) + 1
        job.reasons = reasons
        job.created += outcome.created
        job.updated += outcome.updated
        job.unchanged += outcome.unchanged + chunk.unchanged
        job.rejected += len(rejects)
        job.row_no = chunk.last_row
        job.progress = chunk.part
        await session.flush()
        return Progress(job.progress, job.row_no, job.created, job.updated, job.unchanged, job.rejected)
