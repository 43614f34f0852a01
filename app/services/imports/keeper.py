"""Running uploaded imports in the background of a serving process, whichever of them is free.

What is to be done stands in the database: a process that dies leaves an import `running` and its source free, so any
process goes on with it. The rows are read in a process of their own, so calls that ring meanwhile are not held up.
"""

import asyncio
import os
import sys
from typing import Final

import structlog
from sqlalchemy import select

from app.db import Database, is_outage
from app.models.imports import Import, ImportState
from app.services import search_index
from app.services.hotline_keeper import HotlineKeeper
from app.services.imports.jobs import content_as_file
from app.services.imports.rows import House
from app.services.imports.running import SourceBusy, end_import, run_import
from app.services.sources import settle_next

LOOK_EVERY: Final = 2.0

log = structlog.get_logger("callcard.imports")


class ImportKeeper:
    """Looks for imports to run every few seconds, and at once when told that there is one.

    Args:
        database: where imports are.
        hotline: how numbers are read.
        dedupe: look for duplicates among what an import brought.
    """

    def __init__(self, database: Database, hotline: HotlineKeeper, *, dedupe: bool) -> None:
        self._database = database
        self._hotline = hotline
        self._dedupe = dedupe
        self._there_is_one = asyncio.Event()

    def wake(self) -> None:
        """There may be an import to run."""
        self._there_is_one.set()

    def house(self, source: str) -> House:
        """What rows are read by now."""
        now = self._hotline.now
        return House(now.region, now.zone.key, frozenset(now.routes), source)

    async def run(self) -> None:
        """Run imports until cancelled."""
        while True:
            try:
                await self._run_all()
            except Exception as error:
                # Away now, back later: what was committed stands, and the rest is found again.
                if not is_outage(error):
                    raise
                log.warning("the database is away; imports wait", error=type(error).__name__)
            self._there_is_one.clear()
            try:
                async with asyncio.timeout(LOOK_EVERY):
                    await self._there_is_one.wait()
            except TimeoutError:
                continue

    async def _run_all(self) -> None:
        async with self._database.session_scope() as session:
            waiting = (
                await session.scalars(
                    select(Import)
                    .where(Import.state.in_((ImportState.QUEUED, ImportState.RUNNING)), Import.is_uploaded)
                    .order_by(Import.id)
                )
            ).all()
        brought = False
        for job in waiting:
            brought = await self._run_one(job) or brought
        settled = False
        more = True
        while more:
            async with self._database.session_scope() as session:
                more = await settle_next(session)
            settled = settled or more
        if waiting or settled:
            await search_index.fill(self._database, in_bulk=False)
        if brought and self._dedupe:
            await self._find_duplicates()

    async def _find_duplicates(self) -> None:
        """In a process of its own: it takes a core, and memory that no worker that answers calls should hold."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "app.cli", "dedupe", "run", "--incremental"),
            env={**os.environ, "DATABASE_URL": self._database.dsn},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            told, _ = await process.communicate()
        except asyncio.CancelledError:
            process.terminate()
            raise
        if process.returncode:
            log.error("the search for duplicates failed", said=told.decode(errors="replace")[-2000:])
        else:
            log.info("duplicates were looked for", said=told.decode(errors="replace").splitlines())

    async def _run_one(self, job: Import) -> bool:
        """Run one import; gives whether it brought anything."""
        try:
            async with content_as_file(self._database, job) as path:
                ended = await run_import(self._database, job.id, path, self.house(job.source))
        except SourceBusy:
            return False
        except Exception as error:
            if is_outage(error):
                raise
            log.error("an import failed unforeseen", import_id=str(job.id), exc_info=error)
            await end_import(
                self._database, job.id, ImportState.FAILED, "internal_error", "This is our mistake; it has been logged."
            )
            return False
        log.info("an import has ended", import_id=str(job.id), state=ended.state.value, rows=ended.row_no)
        return not ended.is_dry_run and bool(ended.created or ended.updated)
