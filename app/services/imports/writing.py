"""Writing what a chunk of rows says, in one transaction of set-based SQL.

Customers that the source has never told of go by COPY straight to where they belong: a single record settles to what
it says itself, so `copy_text.py` has their columns ready. Their records and numbers are written with them, so nobody
else can have taken the customers away, and foreign keys are not looked up for them (decision 0025). What is said of
known ones comes by COPY into tables that last as long as the transaction; it replaces what the source said before, and
the customers are settled by the same statement as everywhere else (`services/survivorship.py`). They are locked in the
order of their ids before anything is written.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.models.base import NEW_ID
from app.services.foreign_keys import no_look_ups
from app.services.imports.copy_text import (
    ITEM_COLUMNS,
    PHONE_COLUMNS,
    RECORD_COLUMNS,
    STAGED_COLUMNS,
    STAGED_PHONE_COLUMNS,
)
from app.services.imports.helper import ReadBatch
from app.services.imports.keys import Reject
from app.services.standing import follow_contracts
from app.services.survivorship import Cause, settle

# A chunk that is lost with the server's machine is lost together with the note that it was done.
_SETTINGS: Final = text("""
SELECT set_config('synchronous_commit', 'off', true), set_config('jit', 'off', true),
       set_config('work_mem', '64MB', true)
""")
_TABLES: Final = (
    """CREATE TEMP TABLE import_rows (
        row_no bigint NOT NULL, id uuid, external_id text NOT NULL, fingerprint bytea, said_at timestamptz,
        payload json, fields json, derived json, customer_id uuid, is_same boolean
    ) ON COMMIT DROP""",
    """CREATE TEMP TABLE import_phones (
        row_no bigint NOT NULL, id uuid NOT NULL, e164 varchar NOT NULL, national_number varchar NOT NULL,
        bucket varchar NOT NULL, raw text NOT NULL, extension text NOT NULL, line_type varchar NOT NULL,
        is_primary boolean NOT NULL
    ) ON COMMIT DROP""",
    """CREATE TEMP TABLE import_items (
        row_no bigint NOT NULL, id uuid NOT NULL, customer_id uuid, kind text NOT NULL, external_id text NOT NULL,
        told jsonb NOT NULL
    ) ON COMMIT DROP""",
)
_RESOLVE: Final = text("""
UPDATE import_rows st
SET customer_id = r.customer_id,
    is_same = st.fingerprint IS NULL OR r.content_hash IS NOT DISTINCT FROM st.fingerprint
FROM source_records r WHERE r.source = :source AND r.external_id = st.external_id
""")
_LOCK: Final = text("""
SELECT id FROM customers WHERE id IN (SELECT customer_id FROM import_rows WHERE customer_id IS NOT NULL)
ORDER BY id FOR NO KEY UPDATE
""")
_MOVED: Final = text("""
SELECT EXISTS (
    SELECT FROM import_rows st JOIN source_records r ON r.source = :source AND r.external_id = st.external_id
    WHERE st.customer_id IS DISTINCT FROM r.customer_id
)
""")
_REFUSE: Final = text("""
DELETE FROM import_rows WHERE customer_id IS NULL RETURNING row_no
""")
_FORGET: Final = (
    text("DELETE FROM import_phones WHERE row_no = ANY(:row_nos)"),
    text("DELETE FROM import_items WHERE row_no = ANY(:row_nos)"),
)

_CHANGE_RECORDS: Final = text("""
UPDATE source_records r SET payload = st.payload, fields = st.fields, derived = st.derived,
    said_at = st.said_at, content_hash = st.fingerprint, updated_at = now()
FROM import_rows st
WHERE r.source = :source AND r.external_id = st.external_id AND st.fields IS NOT NULL AND NOT st.is_same
RETURNING r.customer_id
""")
_ADD_FURTHER_PHONES: Final = text(f"""
WITH added AS (
    INSERT INTO customer_phones (id, customer_id, e164, national_number, bucket, raw, extension, line_type, is_primary)
    SELECT DISTINCT ON (st.customer_id, p.e164) p.id, st.customer_id, p.e164, p.national_number, p.bucket, p.raw,
           p.extension, p.line_type, false
    FROM import_phones p JOIN import_rows st ON st.row_no = p.row_no
    ORDER BY st.customer_id, p.e164
    ON CONFLICT (bucket, e164, customer_id) DO NOTHING
    RETURNING customer_id, e164
)
INSERT INTO customer_changes (id, customer_id, source, import_id, field, new)
SELECT {NEW_ID}, customer_id, :source, :import_id, 'phone', to_jsonb(e164) FROM added
""")
_FIRST_IS_PRIMARY: Final = text("""
UPDATE customer_phones SET is_primary = true
WHERE id IN (
    SELECT DISTINCT ON (p.customer_id) p.id FROM customer_phones p
    WHERE p.customer_id IN (SELECT customer_id FROM import_rows WHERE fields IS NOT NULL)
      AND NOT EXISTS (SELECT FROM customer_phones q WHERE q.customer_id = p.customer_id AND q.is_primary)
    ORDER BY p.customer_id, p.id
)
""")

_OF_ITEM: Final = """
SELECT DISTINCT ON (i.external_id) i.row_no, i.id, COALESCE(i.customer_id, st.customer_id) AS customer_id,
       i.external_id, i.told
FROM import_items i LEFT JOIN import_rows st ON st.row_no = i.row_no
WHERE {kinds} ORDER BY i.external_id, i.row_no DESC
"""


def _upsert(table: str, kinds: str, columns: dict[str, str]) -> str:
    """SQL that writes the items of these kinds to a table, and gives for each row that was written `is_new`.

    Args:
        columns: by column, the cast of what was told of it.
    """
    names = ", ".join(columns)
    told = ", ".join(f"CAST(item.told->>'{name}' AS {kind})" for name, kind in columns.items())
    old = ", ".join(f"{table}.{name}" for name in ("customer_id", *columns))
    new = ", ".join(f"excluded.{name}" for name in ("customer_id", *columns))
    sets = ", ".join(f"{name} = excluded.{name}" for name in ("customer_id", *columns))
    return f"""
    WITH item AS ({_OF_ITEM.format(kinds=kinds)}),
    written AS (
        INSERT INTO {table} (id, customer_id, source, external_id, {names})
        SELECT item.id, item.customer_id, :source, item.external_id, {told} FROM item ORDER BY item.customer_id
        ON CONFLICT (source, external_id) WHERE external_id IS NOT NULL DO UPDATE SET {sets}
        WHERE ({old}) IS DISTINCT FROM ({new})
        RETURNING external_id, xmax = 0 AS is_new
    )
    SELECT i.row_no, written.is_new FROM written JOIN item i ON i.external_id = written.external_id
    """


_WRITE_ITEMS: Final = tuple(
    text(statement)
    for statement in (
        _upsert(
            "purchases",
            "i.kind = 'purchase'",
            {
                "product": "text",
                "product_en": "text",
                "model": "text",
                "serial_number": "text",
                "quantity": "bigint",
                "unit": "text",
                "amount": "numeric(14, 2)",
                "currency": "varchar",
                "purchased_on": "date",
                "warranty_until": "date",
            },
        ),
        _upsert(
            "contracts",
            "i.kind = 'contract'",
            {
                "number": "text",
                "title": "text",
                "amount": "numeric(14, 2)",
                "currency": "varchar",
                "starts_on": "date",
                "ends_on": "date",
            },
        ),
        _upsert(
            "interactions",
            "i.kind IN ('interaction', 'complaint')",
            {
                "kind": "varchar",
                "at": "timestamptz",
                "channel": "varchar",
                "direction": "varchar",
                "summary": "text",
            },
        ),
        """
        WITH item AS (
            SELECT DISTINCT ON (customer_id, key, at) * FROM (
                SELECT i.row_no, i.id, i.external_id AS key, COALESCE(i.customer_id, st.customer_id) AS customer_id,
                       CAST(i.told->>'at' AS timestamptz) AS at, CAST(i.told->>'value' AS numeric(18, 4)) AS value
                FROM import_items i LEFT JOIN import_rows st ON st.row_no = i.row_no
                WHERE i.kind = 'usage'
            ) told
            ORDER BY customer_id, key, at, row_no DESC
        ),
        written AS (
            INSERT INTO customer_usage (id, customer_id, source, key, at, value)
            SELECT id, customer_id, :source, key, at, value FROM item
            ON CONFLICT (customer_id, source, key, at) DO UPDATE SET value = excluded.value
            WHERE customer_usage.value <> excluded.value
            RETURNING customer_id, key, at, xmax = 0 AS is_new
        )
        SELECT item.row_no, written.is_new FROM written JOIN item USING (customer_id, key, at)
        """,
    )
)

_NOTE_CONTACTS: Final = text("""
UPDATE customers c SET last_contact_at = told.at
FROM (
    SELECT i.customer_id, max(i.at) AS at FROM interactions i
    WHERE i.source = :source AND i.at <= now()
      AND i.external_id IN (SELECT external_id FROM import_items WHERE kind IN ('interaction', 'complaint'))
    GROUP BY i.customer_id
) told
WHERE c.id = told.customer_id AND (c.last_contact_at IS NULL OR c.last_contact_at < told.at)
""")
_SIGNED: Final = text("""
SELECT DISTINCT s.customer_id FROM contracts s
WHERE s.source = :source AND s.external_id IN (SELECT external_id FROM import_items WHERE kind = 'contract')
ORDER BY s.customer_id
""")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the rows of a chunk ended that reached the database."""

    created: int
    updated: int
    unchanged: int
    rejects: list[Reject]


async def write(
    session: AsyncSession, source: str, import_id: UUID, batch: ReadBatch, *, today: date, is_dry_run: bool
) -> Outcome:
    """Write what the rows of a chunk say. Whoever calls it holds the source, so that nobody else writes to it.

    Args:
        today: the house's, on which contracts are in force or have run out.
        is_dry_run: it will be undone, so no codes are drawn for the customers.
    """
    await session.execute(_SETTINGS)
    connection: asyncpg.Connection = (await (await session.connection()).get_raw_connection()).driver_connection
    if batch.customers:
        async with no_look_ups(session):
            await _copy(connection, "customers", batch.customer_columns, batch.customers, has_codes=not is_dry_run)
            await _copy(connection, "source_records", RECORD_COLUMNS, batch.records)
            await _copy(connection, "customer_phones", PHONE_COLUMNS, batch.phones)
    created = batch.customers.count(b"\n")
    if not batch.staged and not batch.items:
        return Outcome(created, 0, 0, [])
    for table in _TABLES:
        await session.execute(text(table))
    await _copy(connection, "import_rows", STAGED_COLUMNS, batch.staged)
    await _copy(connection, "import_phones", STAGED_PHONE_COLUMNS, batch.staged_phones)
    await _copy(connection, "import_items", ITEM_COLUMNS, batch.items)
    await _resolve(session, source)
    rejects = await _refuse(session)
    of_source = {"source": source}
    changed = list((await session.scalars(_CHANGE_RECORDS, of_source)).all())
    await session.execute(_ADD_FURTHER_PHONES, {**of_source, "import_id": import_id})
    await session.execute(_FIRST_IS_PRIMARY)
    cause = Cause(source=source, import_id=import_id)
    await settle(session, sorted(set(changed)), cause)
    outcome = await _count(session, source, created, rejects, has_items=bool(batch.items))
    if batch.items:
        await session.execute(_NOTE_CONTACTS, of_source)
        signed = list((await session.scalars(_SIGNED, of_source)).all())
        if signed:
            await follow_contracts(session, today, signed, cause)
    return outcome


async def _copy(
    connection: asyncpg.Connection, table: str, columns: Sequence[str], content: bytes, *, has_codes: bool = True
) -> None:
    if not content:
        return
    if not has_codes:
        columns = ("code", *columns)
        content = b"".join(_with_code(content))
    await connection.copy_to_table(table, source=memoryview(content), columns=columns, format="text")


def _with_code(content: bytes) -> Iterator[bytes]:
    """The lines with their own ids in front as codes."""
    for line in content.splitlines(keepends=True):
        yield line.partition(b"\t")[0] + b"\t" + line


async def _resolve(session: AsyncSession, source: str) -> None:
    """Find the customers of the staged rows, and lock them."""
    of_source = {"source": source}
    is_moved = True
    while is_moved:
        await session.execute(_RESOLVE, of_source)
        await session.execute(_LOCK)
        # Until they were locked, a merge may have given their records to somebody else.
        is_moved = bool(await session.scalar(_MOVED, of_source))


async def _refuse(session: AsyncSession) -> list[Reject]:
    refused = list((await session.scalars(_REFUSE)).all())
    if refused:
        for statement in _FORGET:
            await session.execute(statement, {"row_nos": refused})
    return [
        Reject(row_no, "unknown_customer", "The source has told of no customer with this id.") for row_no in refused
    ]


_COUNT: Final = text("""
SELECT count(*) FILTER (WHERE row_no = ANY(:made)) AS created,
       count(*) FILTER (WHERE row_no <> ALL(:made) AND (row_no = ANY(:changed) OR (fields IS NOT NULL AND NOT is_same)))
           AS updated,
       count(*) AS total
FROM import_rows
""")


async def _count(
    session: AsyncSession, source: str, created: int, rejects: list[Reject], *, has_items: bool
) -> Outcome:
    """Write the items too; a row made something, or changed something, or neither. Fresh customers' rows made one."""
    made: list[int] = []
    changed: list[int] = []
    for statement in _WRITE_ITEMS if has_items else ():
        for row in await session.execute(statement, {"source": source}):
            (made if row.is_new else changed).append(row.row_no)
    told: Any = (await session.execute(_COUNT, {"made": made, "changed": changed})).one()
    unchanged = told.total - told.created - told.updated
    return Outcome(created + told.created, told.updated, unchanged, rejects)
