"""The database as commands meet it: started if it is ours to start, reached, and at the right schema."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app import migrate
from app.cli.console import CommandFailed, reason
from app.config import Settings
from app.db import Database, is_outage
from app.embedded_postgres import EmbeddedPostgres
from app.services import search_index


@asynccontextmanager
async def address(settings: Settings) -> AsyncIterator[str]:
    """Where the database is; the embedded one is started, or joined where it runs, and left again at the end.

    Raises:
        EmbeddedPostgresError: it cannot be had.
    """
    if settings.database_url is not None:
        yield settings.database_url
        return
    server = await asyncio.to_thread(EmbeddedPostgres.start, settings.data_dir / "postgres")
    try:
        yield server.dsn()
    finally:
        await asyncio.to_thread(server.stop)


@asynccontextmanager
async def outages_told() -> AsyncIterator[None]:
    """Turn a database that is away into a CommandFailed."""
    try:
        yield
    except Exception as error:
        if not is_outage(error):
            raise
        raise CommandFailed(f"The database cannot be reached: {reason(error)}") from error


@asynccontextmanager
async def current_database(settings: Settings) -> AsyncIterator[Database]:
    """The database, at the schema of this version; in development it is migrated there.

    Raises:
        CommandFailed: it cannot be reached, or is at another schema in production.
        EmbeddedPostgresError: see `address`.
    """
    async with address(settings) as dsn, outages_told():
        if not settings.is_production:
            await asyncio.to_thread(migrate.upgrade, dsn)
        database = Database(dsn, lane_size=0)
        try:
            await _require_current(database)
            yield database
        finally:
            await database.aclose()


async def bring_up_to_date(settings: Settings) -> tuple[str | None, str, int]:
    """Migrate the database, and bring in step with it what customers are found by.

    Gives the revisions before and after, and how many customers were not in step. Raises CommandFailed,
    EmbeddedPostgresError.
    """
    async with address(settings) as dsn, outages_told():
        database = Database(dsn, pool_size=1, lane_size=0)
        try:
            before = await migrate.revision_of(database.engine)
            await asyncio.to_thread(migrate.upgrade, dsn)
            return before, migrate.head(), await search_index.fill(database)
        finally:
            await database.aclose()


async def _require_current(database: Database) -> None:
    revision, head = await migrate.revision_of(database.engine), await asyncio.to_thread(migrate.head)
    if revision != head:
        raise CommandFailed(
            f"The database's schema is at {revision or 'nothing'}, and this version of Callcard needs {head}. "
            "Run: callcard migrate"
        )
