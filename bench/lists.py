"""The daily lists of a thousand account managers, beside the barest statement that picks sixty of each book."""

import asyncio
import resource
import shutil
import statistics
import time
from datetime import UTC, date, datetime
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg

from app import migrate
from app.db import Database
from app.embedded_postgres import EmbeddedPostgres
from app.services.calendars import read_calendars
from app.services.call_lists.making import make_lists
from app.services.hotline import Hotline
from bench.dataset import FOLDER
from bench.report import Goal, Section

_NAME: Final = "bench_lists"
_DAY: Final = date(2026, 11, 27)
_NOW: Final = datetime(2026, 11, 26, 21, tzinfo=UTC)
"""Five in the morning of that Friday in Shanghai."""
_HOTLINE: Final = Hotline("CN", ZoneInfo("Asia/Shanghai"), "Callcard", None)

_MANAGER: Final = "CAST('01900000-0000-7000-9000-' || lpad(to_hex({0}), 12, '0') AS uuid)"
_CUSTOMER: Final = "CAST('01900000-0000-7000-a000-' || lpad(to_hex({0}), 12, '0') AS uuid)"
_AT: Final = "(timestamptz '2026-11-26 10:00+08' - make_interval(days => CAST({0} AS int), mins => CAST({1} AS int)))"

# A house that has worked with lists for a month. Customers of a book are strewn over the table, as years would do it.
_ROWS: Final = (
    f"""
    INSERT INTO agents (id, email, name, role, identity)
    SELECT {_MANAGER.format("i")}, 'manager' || i || '@example.com', '经理' || i, 'account_manager', 'manager_' || i
    FROM generate_series(1, {{managers}}) AS i
    """,
    "INSERT INTO agent_presence (agent_id) SELECT id FROM agents",
    f"""
    INSERT INTO customers (id, name, owner_id, sales_stage, intention, contract_state, tier, next_call_at,
                           last_contact_at, do_not_call, birth_date)
    SELECT {_CUSTOMER.format("s")}, '客户' || s, {_MANAGER.format("1 + s % {managers}")}, (s * 7) % 8,
           (ARRAY[NULL, 'unlikely', 'unclear', 'possible', 'good', 'very_likely'])[1 + (s * 13) % 6],
           (ARRAY['none', 'in_contract', 'expired'])[1 + (s * 31) % 3],
           CASE WHEN s % 100 = 0 THEN 'core' WHEN s % 5 = 0 THEN 'value' WHEN s % 2 = 0 THEN 'potential' ELSE 'low' END,
           CASE WHEN s % 61 = 0 THEN timestamptz '2026-11-27 09:00+08' + make_interval(mins => CAST(s % 480 AS int))
                WHEN s % 3 = 0 THEN timestamptz '2026-12-01 09:00+08' + make_interval(days => CAST(s % 30 AS int)) END,
           CASE WHEN s % 20 > 0 THEN {_AT.format("(s * 17) % 40", "s % 500")} END,
           s % 50 = 0, date '1950-01-01' + CAST((s * 7919) % 20000 AS int)
    FROM (SELECT CAST(s AS bigint) AS s FROM generate_series(1, {{customers}}) AS s) AS series
    """,
    """
    INSERT INTO customer_phones (id, customer_id, e164, national_number, bucket, raw, is_primary)
    SELECT gen_random_uuid(), id, '+8613' || n, '13' || n, substr(n, 2), '13' || n, true
    FROM (SELECT id, lpad(CAST(row_number() OVER () AS text), 9, '0') AS n FROM customers) AS numbered
    """,
    """
    INSERT INTO contracts (id, customer_id, number, starts_on, ends_on)
    SELECT gen_random_uuid(), id, 'HT', date '2024-01-01', CASE WHEN contract_state = 'expired'
        THEN date '2026-11-20' - CAST(abs(hashtext(CAST(id AS text))) % 300 AS int)
        ELSE date '2026-11-28' + CAST(abs(hashtext(CAST(id AS text))) % 365 AS int) END
    FROM customers WHERE contract_state <> 'none'
    """,
    """
    INSERT INTO purchases (id, customer_id, product, purchased_on, warranty_until)
    SELECT gen_random_uuid(), id, '空调', date '2025-01-01',
           date '2025-06-01' + CAST(abs(hashtext(CAST(id AS text))) % 1000 AS int)
    FROM customers
    """,
    """
    INSERT INTO consents (id, customer_id, purpose, state, at, channel)
    SELECT gen_random_uuid(), id, 'marketing_call', CASE WHEN hashtext(CAST(id AS text)) % 10 = 0 THEN 'withdrawn'
        ELSE 'granted' END, now(), 'call' FROM customers WHERE hashtext(CAST(id AS text)) % 7 = 0
    """,
    """
    INSERT INTO complaints (id, code, customer_id, category_id, channel, severity, what_happened, owner_id, opened_at,
                            settle_by, due_at, clock_from, allowed_seconds)
    SELECT gen_random_uuid(), 'K' || row_number() OVER (), id, (SELECT min(CAST(id AS text))::uuid FROM
           complaint_categories), 'call', 'normal', '不制冷', owner_id, now(), now(), now(), now(), 60
    FROM customers WHERE hashtext(CAST(id AS text)) % 100 = 1
    """,
    # The last 21 working days' lists: 60 of each book a day, whoever was listed longest ago; one in ten never worked.
    """
    INSERT INTO call_lists (id, manager_id, day, made_for_id, size)
    SELECT gen_random_uuid(), a.id, d.day, a.id, 60
    FROM agents a CROSS JOIN (
        SELECT CAST(day AS date) AS day FROM generate_series(date '2026-10-29', date '2026-11-26', '1 day') AS day
        WHERE extract(isodow FROM day) < 6
    ) AS d
    """,
    """
    INSERT INTO list_standings (customer_id, manager_id, counted_on)
    SELECT c.id, c.owner_id, l.day
    FROM (SELECT id, owner_id, row_number() OVER (PARTITION BY owner_id ORDER BY id) AS nth FROM customers) AS c
    JOIN (SELECT manager_id, day, row_number() OVER (PARTITION BY manager_id ORDER BY day) AS nth FROM call_lists) AS l
        ON l.manager_id = c.owner_id AND l.nth = 1 + c.nth % 21
    ORDER BY c.owner_id, c.id
    """,
    """
    INSERT INTO call_list_entries (id, list_id, day, customer_id, position, score, source, reasons, state)
    SELECT gen_random_uuid(), l.id, l.day, s.customer_id,
           row_number() OVER (PARTITION BY l.id ORDER BY s.customer_id), 1, 'coverage', '[]',
           CASE WHEN hashtext(CAST(s.customer_id AS text)) % 10 = 0 THEN 'open' ELSE 'done' END
    FROM list_standings s JOIN call_lists l ON l.manager_id = s.manager_id AND l.day = s.counted_on
    """,
    # Most of those who are to be left out have been so for long, one in twenty is new.
    """
    INSERT INTO call_list_left_out (customer_id, manager_id, first_day, reason)
    SELECT DISTINCT ON (c.id) c.id, c.owner_id, date '2026-11-02', w.reason
    FROM customers c JOIN (
        SELECT id, 1 AS place, 'do_not_call' AS reason FROM customers WHERE do_not_call
        UNION ALL SELECT customer_id, 2, 'consent_withdrawn' FROM consents WHERE state = 'withdrawn'
        UNION ALL SELECT customer_id, 3, 'open_complaint' FROM complaints
    ) AS w ON w.id = c.id
    WHERE hashtext(c.code) % 20 <> 0 ORDER BY c.id, w.place
    """,
    "CREATE TABLE bench_standings AS TABLE list_standings",
    "CREATE TABLE bench_bare (owner_id uuid, customer_id uuid, place int)",
    "VACUUM ANALYZE",
)
_BARE: Final = """
INSERT INTO bench_bare SELECT owner_id, id, place FROM (
    SELECT owner_id, id, row_number() OVER (PARTITION BY owner_id ORDER BY last_contact_at NULLS FIRST) AS place
    FROM customers
) AS ranked WHERE place <= 60
"""
# The same sixty, written where lists are kept: with its keys, its foreign keys and the customers' clocks.
_KEPT: Final = (
    """
    INSERT INTO call_lists (id, manager_id, day, made_for_id, size)
    SELECT gen_random_uuid(), id, '2026-11-27', id, 60 FROM agents
    """,
    """
    INSERT INTO call_list_entries (id, list_id, day, customer_id, position, score, source, reasons)
    SELECT gen_random_uuid(), l.id, l.day, ranked.id, place, 0, 'ranked', '[]' FROM (
        SELECT owner_id, id, row_number() OVER (PARTITION BY owner_id ORDER BY last_contact_at NULLS FIRST) AS place
        FROM customers
    ) AS ranked JOIN call_lists l ON l.manager_id = ranked.owner_id AND l.day = '2026-11-27' WHERE place <= 60
    """,
    """
    INSERT INTO list_standings (customer_id, manager_id, counted_on)
    SELECT e.customer_id, l.manager_id, e.day FROM call_list_entries e JOIN call_lists l ON l.id = e.list_id
    WHERE e.day = '2026-11-27' ORDER BY l.manager_id, e.customer_id
    ON CONFLICT (customer_id) DO UPDATE SET counted_on = excluded.counted_on
    """,
)
_UNDO: Final = (
    "DELETE FROM call_lists WHERE day = '2026-11-27'",
    "DELETE FROM call_list_left_out WHERE first_day = '2026-11-27'",
    "UPDATE call_list_left_out SET last_day = NULL WHERE last_day = '2026-11-26'",
    "DELETE FROM agent_events",
    "TRUNCATE list_standings, bench_bare",
    "INSERT INTO list_standings SELECT * FROM bench_standings",
    "VACUUM ANALYZE call_lists, call_list_entries, call_list_left_out, list_standings, agent_events, bench_bare",
    "CHECKPOINT",
)


async def measure_lists(*, managers: int, book: int, rounds: int) -> Section:
    """Fill a database, then make all lists of a day and pick the bare sixty in turns; then ten lists, then one."""
    folder = FOLDER / "lists"
    shutil.rmtree(folder, ignore_errors=True)
    server = await asyncio.to_thread(EmbeddedPostgres.start, folder, settings={"max_wal_size": "8GB"})
    try:
        connection = await _fill(server, managers, managers * book)
        database = Database(server.dsn(_NAME), pool_size=2, lane_size=0)
        try:
            return await _measure(connection, database, managers, book, rounds)
        finally:
            await database.aclose()
            await connection.close()
    finally:
        await asyncio.to_thread(server.stop)
        shutil.rmtree(folder, ignore_errors=True)


async def _fill(server: EmbeddedPostgres, managers: int, customers: int) -> asyncpg.Connection:
    admin = await asyncpg.connect(server.dsn("postgres", user="postgres"))
    await admin.execute(f"CREATE DATABASE {_NAME} OWNER callcard")
    await admin.close()
    await asyncio.to_thread(migrate.upgrade, server.dsn(_NAME))
    connection = await asyncpg.connect(server.dsn(_NAME, user="postgres"))
    print(f"Making {customers:,} customers of {managers:,} account managers …", flush=True)
    await connection.execute("SET session_replication_role = replica; SET synchronous_commit = off")
    for statement in _ROWS:
        await connection.execute(statement.replace("{managers}", str(managers)).replace("{customers}", str(customers)))
    await connection.execute("SET session_replication_role = origin; RESET synchronous_commit")
    return connection


async def _measure(
    connection: asyncpg.Connection, database: Database, managers: int, book: int, rounds: int
) -> Section:
    bare, kept, ours, ten, one = [], [], [], [], []
    entries = notices = 0
    before = _peak()
    for _ in range(rounds):
        started = time.perf_counter()
        await connection.execute(_BARE)
        bare.append(time.perf_counter() - started)
        started = time.perf_counter()
        async with connection.transaction():
            for statement in _KEPT:
                await connection.execute(statement)
        kept.append(time.perf_counter() - started)
        await _undo(connection)
        took, entries, notices = await _make(database)
        ours.append(took)
        await _undo(connection)
    peak = _peak()
    for nth in range(5 * rounds):
        took, _, _ = await _make(database, [_manager(1 + nth * 10 + each) for each in range(10)])
        ten.append(took)
    for nth in range(20 * rounds):
        took, _, _ = await _make(database, [_manager(managers - nth)])
        one.append(took)
    in_all, against = statistics.median(ours), statistics.median(bare)
    return Section(
        f"Daily lists: {managers:,} managers with {book:,} customers each, {rounds} rounds, every commit on disk",
        ["", "seconds, median", "fastest", "slowest"],
        [
            _row("bare: window function, the first 60 by one column", bare),
            _row("the same sixty as entries of lists, with their keys", kept),
            _row("all lists of the day", ours),
            _row("ten managers' lists", ten),
            _row("one manager's list on demand", one),
        ],
        notes=[
            f"{entries:,} entries; {notices:,} lists have something to say.",
            f"Against the same sixty with their keys: {in_all / statistics.median(kept):.1f} times as long.",
            f"Peak memory of the process: {before:.0f} MB before the first list, {peak:.0f} MB after {rounds} rounds.",
        ],
        goals=[
            Goal("all lists against the bare statement", in_all / against, at_most=2),
            Goal("ten managers against all of them", statistics.median(ten) / in_all, at_most=20 / managers),
            Goal("one manager's list, ms, median", statistics.median(one) * 1000, at_most=20),
            Goal("what the process grew by, MB", peak - before, at_most=50),
        ],
    )


async def _make(database: Database, managers: list[UUID] | None = None) -> tuple[float, int, int]:
    """Make lists as the worker does, from reading the calendar to the commit: seconds, entries, notices."""
    started = time.perf_counter()
    async with database.session_scope() as session:
        calendars = await read_calendars(session, _HOTLINE)
        made = await make_lists(session, _DAY, _NOW, calendars, manager_ids=managers)
    return time.perf_counter() - started, made.entries, made.notices


async def _undo(connection: asyncpg.Connection) -> None:
    for statement in _UNDO:
        await connection.execute(statement)


def _manager(number: int) -> UUID:
    return UUID(int=0x01900000_0000_7000_9000_000000000000 + number)


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _row(what: str, seconds: list[float]) -> list[str]:
    return [what, *(f"{value:.3f}" for value in (statistics.median(seconds), min(seconds), max(seconds)))]
