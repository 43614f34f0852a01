"""The bench's own PostgreSQL and what is in it: a hotline of 400 agents and a million customers, made once by SQL.

Everything follows from a customer's index (1 to n), so nothing has to be kept to know who has which number. Rows that
hang on one customer are strewn over their tables as years of business would strew them, not laid side by side.
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final
from uuid import UUID

import asyncpg

from app import migrate
from app.db import Database
from app.embedded_postgres import EmbeddedPostgres
from app.services import search_index
from bench.rows import PEOPLE, READ_BY_THE_POP, ROWS

FOLDER: Final = Path(__file__).resolve().parent / "data"
AGENTS: Final = 400
MILLION: Final = 1_000_000
DIALLED: Final = "+862155501000"
QUEUE_ID: Final = UUID("01900000-0000-7000-8000-000000000001")

_VERSION: Final = 4
"""Raised when what is made here changes, so that older data is made anew."""

# A prime that shares no factor with the ranges below: multiplied by it, indexes become distinct and look random.
_STEP: Final = 48_271
_FIRST: Final = 13_000_000_000  # 130 to 139 are mobile networks of China, and so are 180 to 189
_SECOND: Final = 18_000_000_000
_RANGE: Final = 1_000_000_000

# How a database is filled: nothing of it needs to survive a crash, it would be made again.
_FILLING: Final = {
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "autovacuum": "off",
    "maintenance_work_mem": "1GB",
    "max_wal_size": "8GB",
    "shared_buffers": "1GB",
}


@dataclass(frozen=True, slots=True)
class Dataset:
    """One database of the bench. A `lean` one lacks the indexes that neither the pop nor the ringing call reads."""

    name: str
    customers: int
    lean: bool = False


ONE_MILLION: Final = Dataset("bench_1m", MILLION)
TEN_MILLION: Final = Dataset("bench_10m", 10 * MILLION, lean=True)


def number_of(customer: int, *, second: bool = False) -> str:
    """The E.164 number of a customer by index; every fifth has a second one."""
    return f"+86{(_SECOND if second else _FIRST) + customer * _STEP % _RANGE}"


def random_numbers(count: int, customers: int, seed: int) -> list[str]:
    """Numbers of `count` different customers; one caller in six with a second number uses it."""
    random = Random(seed)
    return [
        number_of(customer, second=customer % 5 == 0 and random.random() < 0.5)
        for customer in random.sample(range(1, customers + 1), count)
    ]


def session_secret(agent: int) -> str:
    """The cookie of an agent (1 to 400), who is signed in for the length of a bench."""
    return f"bench-session-{agent:04d}-{'0' * 20}"


@asynccontextmanager
async def bench_server(*datasets: Dataset) -> AsyncIterator[EmbeddedPostgres]:
    """A PostgreSQL with production's settings that has `datasets`; those that are missing are made first."""
    folder = FOLDER / "postgres"
    server = await asyncio.to_thread(EmbeddedPostgres.start, folder)
    try:
        missing = [dataset for dataset in datasets if not await _is_there(server, dataset)]
        if missing:
            await asyncio.to_thread(server.stop)
            server = await asyncio.to_thread(EmbeddedPostgres.start, folder, settings=_FILLING)
            for dataset in missing:
                await _make(server, dataset)
            await asyncio.to_thread(server.stop)
            server = await asyncio.to_thread(EmbeddedPostgres.start, folder)
        if datasets:
            await _read_through(server, ONE_MILLION)
        yield server
    finally:
        await asyncio.to_thread(server.stop)


async def connect(server: EmbeddedPostgres, dataset: Dataset, **settings: str) -> asyncpg.Connection:
    """A connection as the server's superuser, who also sets the stage; the caller closes it."""
    return await asyncpg.connect(
        server.dsn(dataset.name, user="postgres"), server_settings=settings, max_cacheable_statement_size=0
    )


async def _read_through(server: EmbeddedPostgres, dataset: Dataset) -> None:
    """Read a database once, so that it is in memory as on a server that has run for a day: both sides find it so."""
    connection = await connect(server, dataset)
    try:
        await connection.execute("CREATE EXTENSION IF NOT EXISTS pg_prewarm")
        await connection.fetch(
            "SELECT pg_prewarm(oid) FROM pg_class "
            "WHERE relkind IN ('r', 'i') AND relnamespace = 'public'::regnamespace ORDER BY relkind DESC"
        )
    finally:
        await connection.close()


def _mark() -> str:
    """What the data were made by; their own tables' text counts, for before a release a migration may still change."""
    written = hashlib.sha256()
    for path in sorted((Path(migrate.__file__).parent.parent / "migrations" / "versions").glob("*.py")):
        written.update(path.read_bytes())
    return f"bench data {_VERSION}, migrations {written.hexdigest()[:16]}"


async def _is_there(server: EmbeddedPostgres, dataset: Dataset) -> bool:
    admin = await asyncpg.connect(server.dsn("postgres", user="postgres"))
    try:
        mark = await admin.fetchval(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = $1", dataset.name
        )
        return bool(mark == _mark())
    finally:
        await admin.close()


async def _make(server: EmbeddedPostgres, dataset: Dataset) -> None:
    print(f"Making {dataset.customers:,} customers, once …", flush=True)
    admin = await asyncpg.connect(server.dsn("postgres", user="postgres"))
    try:
        await admin.execute(f"DROP DATABASE IF EXISTS {dataset.name} WITH (FORCE)")
        await admin.execute(f"CREATE DATABASE {dataset.name} OWNER callcard")
        await asyncio.to_thread(migrate.upgrade, server.dsn(dataset.name))
        connection = await connect(server, dataset)
        try:
            await _fill(connection, dataset)
            if not dataset.lean:
                await _make_searchable(connection, server.dsn(dataset.name))
        finally:
            await connection.close()
        await admin.execute(f"COMMENT ON DATABASE {dataset.name} IS '{_mark()}'")
    finally:
        await admin.close()


async def _fill(connection: asyncpg.Connection, dataset: Dataset) -> None:
    values = {
        "n": dataset.customers,
        "agents": AGENTS,
        "queue": QUEUE_ID,
        "dialled": DIALLED,
        "step": _STEP,
        "first": _FIRST,
        "second": _SECOND,
        "range": _RANGE,
    }
    # Foreign keys hold by construction; to check each of millions of them would take many times as long.
    await connection.execute("SET session_replication_role = replica")
    for table, statements in ROWS.items():
        indexes = await _without_indexes(connection, table)
        # Emptied in the same transaction: rows in a file that the transaction made need no log.
        async with connection.transaction():
            await connection.execute(f"TRUNCATE {table} CASCADE")
            for statement in statements:
                await connection.execute(statement.format(**values))
        for name, definition in indexes.items():
            if not dataset.lean or name in READ_BY_THE_POP:
                await connection.execute(definition)
    await connection.execute(PEOPLE.format(**values))
    await connection.execute("VACUUM ANALYZE")


async def _make_searchable(connection: asyncpg.Connection, dsn: str) -> None:
    """As after an import: the index of grams is there, and is written to customer by customer."""
    database = Database(dsn, pool_size=1, lane_size=0)
    try:
        started = time.perf_counter()
        filled = await search_index.fill(database)
        took = time.perf_counter() - started
    finally:
        await database.aclose()
    print(f"{filled:,} customers made searchable in {took:.0f} s.", flush=True)
    await connection.execute("VACUUM ANALYZE")


async def _without_indexes(connection: asyncpg.Connection, table: str) -> dict[str, str]:
    """Drop a table's indexes, all but the primary key's; gives what makes each of them again."""
    definitions: dict[str, str] = {}
    constraints = await connection.fetch(
        "SELECT conname, pg_get_constraintdef(oid) AS definition FROM pg_constraint "
        "WHERE conrelid = $1::regclass AND contype = 'u'",
        table,
    )
    for row in constraints:
        definitions[row["conname"]] = f"ALTER TABLE {table} ADD CONSTRAINT {row['conname']} {row['definition']}"
        await connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {row['conname']}")
    indexes = await connection.fetch(
        "SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition FROM pg_index "
        "WHERE indrelid = $1::regclass AND NOT indisprimary",
        table,
    )
    for row in indexes:
        definitions[row["name"]] = row["definition"]
        await connection.execute(f"DROP INDEX {row['name']}")
    return definitions
