"""Customers in PostgreSQL: how long it takes to find all duplicates, those of what changed, and one caller's record."""

import asyncio
import gc
import resource
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg

from app import migrate
from app.db import Database
from app.domain.phone_numbers import parse_number
from app.embedded_postgres import EmbeddedPostgres
from app.schemas.similarity import SimilarQuery
from app.services.hotline import Hotline, read_hotline
from app.services.linkage.finding import Found, find_duplicates
from app.services.names import latin
from app.services.similar import similar_customers
from bench.dataset import FOLDER
from bench.machine import percentile
from bench.people import Person, World, people
from bench.report import Goal, Section

_SEED: Final = 5
_CHANGED: Final = 1000
_NAME: Final = "bench_duplicates"
_FIRST_ID: Final = 0x01900000_0000_7000_A000_000000000000
_COLUMNS: Final = (
    "id", "code", "kind", "name", "surname", "latin_name", "latin_surname", "gender", "email", "city", "postcode",
    "address", "birth_date", "national_id",
)  # fmt: skip
_PHONE_COLUMNS: Final = ("id", "customer_id", "e164", "national_number", "bucket", "raw", "is_primary")


@dataclass(slots=True)
class _Asked:
    """A caller to ask about, and which customers they are."""

    person: Person
    ids: set[UUID] = field(default_factory=set)


async def measure_similar(*, customers: int, questions: int) -> list[Section]:
    """Fill a database, look for all its duplicates, then for those of a thousand changes, then ask about callers."""
    folder = FOLDER / "duplicates"
    shutil.rmtree(folder, ignore_errors=True)
    server = await asyncio.to_thread(EmbeddedPostgres.start, folder, settings={"fsync": "off", "max_wal_size": "8GB"})
    try:
        asked = await _fill(server, customers, questions)
        database = Database(server.dsn(_NAME), pool_size=2, lane_size=0)
        try:
            everybody = await find_duplicates(database, incremental=False, merges=False, folder=FOLDER)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            changed = await _change_some(database)
            sections = [_runs(everybody, changed, peak)]
            sections.append(await _ask(database, asked, customers))
        finally:
            await database.aclose()
    finally:
        await asyncio.to_thread(server.stop)
        shutil.rmtree(folder, ignore_errors=True)
    return sections


async def _fill(server: EmbeddedPostgres, customers: int, questions: int) -> list[_Asked]:
    admin = await asyncpg.connect(server.dsn("postgres", user="postgres"))
    await admin.execute(f"CREATE DATABASE {_NAME} OWNER callcard")
    await admin.close()
    await asyncio.to_thread(migrate.upgrade, server.dsn(_NAME))
    every = max(1, customers // questions)
    asked: dict[int, _Asked] = {}
    phones: list[tuple[Any, ...]] = []

    def rows() -> Iterator[tuple[Any, ...]]:
        world = World(_SEED + 1)
        for position, (number, person) in enumerate(people(customers, _SEED)):
            customer_id = UUID(int=_FIRST_ID + position)
            if number % every == 0:
                # As they would be typed in this time: with whatever is otherwise than in the records.
                asked.setdefault(number, _Asked(world.again(person))).ids.add(customer_id)
            e164 = parse_number(person.phone, "CN" if person.is_chinese else "AU")
            if e164.e164 and e164.national_number:
                phones.append(
                    (UUID(int=customer_id.int + (1 << 48)), customer_id, e164.e164, e164.national_number,
                     e164.e164[-8:], person.phone, True)
                )  # fmt: skip
            yield _customer(customer_id, position, person)

    connection = await asyncpg.connect(server.dsn(_NAME))
    try:
        await connection.copy_records_to_table("customers", records=rows(), columns=_COLUMNS)
        await connection.copy_records_to_table("customer_phones", records=phones, columns=_PHONE_COLUMNS)
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()
    return list(asked.values())[:questions]


def _customer(customer_id: UUID, position: int, person: Person) -> tuple[Any, ...]:
    name = (
        f"{person.surname}{person.given_name}" if person.is_chinese else f"{person.given_name} {person.surname}"
    ).strip() or "?"
    forms = latin(name)
    return (
        customer_id, f"B{position:08d}", "person", name, forms.surname, forms.latin_name, forms.latin_surname,
        {"m": "male", "f": "female"}.get(person.sex, "unknown"), person.email or None, person.suburb or None,
        person.postcode or None, f"{person.street_number} {person.address_1} {person.address_2}".strip() or None,
        _day(person.date_of_birth), person.national_id or None,
    )  # fmt: skip


def _day(digits: str) -> date | None:
    if not digits.startswith(("19", "20")):
        return None
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None


async def _change_some(database: Database) -> Found:
    async with database.session_scope() as session:
        connection = await session.connection()
        await connection.exec_driver_sql("UPDATE customers SET updated_at = now() - interval '2 days'")
        await connection.exec_driver_sql(f"UPDATE customers SET updated_at = now() WHERE code < 'B{_CHANGED:08d}'")
    return await find_duplicates(database, incremental=True, merges=False, folder=FOLDER)


def _runs(everybody: Found, changed: Found, peak: float) -> Section:
    rows = []
    for name, found in (("everybody", everybody), (f"{changed.fresh:,} that changed", changed)):
        steps = ", ".join(f"{step} {seconds:.1f}" for step, seconds in found.seconds.items())
        rows.append([name, f"{found.customers:,}", f"{found.same:,}", f"{found.maybe:,}", steps])
    return Section(
        "Duplicates among the customers of a database",
        ["compared", "customers", "suggested: same", "maybe", "seconds by step"],
        rows,
        notes=[f"Peak memory of the process that looked, with the bench's own rows in it: {peak:,.0f} MB."],
    )


async def _ask(database: Database, asked: list[_Asked], customers: int) -> Section:
    async with database.session_scope() as session:
        hotline = await _hotline(session)
    # Two rounds, of which the second counts: a server that has run for a day has its indexes in memory.
    for _ in range(2):
        millis: list[float] = []
        there = told = 0
        gc.collect()
        for each in asked:
            query = _query(each.person)
            started = time.perf_counter()
            async with database.session_scope() as session:
                found = await similar_customers(session, query, hotline)
            millis.append((time.perf_counter() - started) * 1000)
            there += 1
            told += bool({item.id for item in found.items} & each.ids)
    return Section(
        f"Is this caller already here, {customers:,} customers, {len(asked):,} callers",
        ["p50 ms", "p95 ms", "p99 ms", "worst ms", "of them found"],
        [
            [
                *(f"{percentile(millis, p):.1f}" for p in (50, 95, 99)),
                f"{max(millis):.1f}",
                f"{told / max(1, there):.3f}",
            ]
        ],
        goals=[Goal("p99 ms", percentile(millis, 99), at_most=50)],
    )


async def _hotline(session: Any) -> Hotline:
    return await read_hotline(session, Hotline("CN", ZoneInfo("Asia/Shanghai"), "Bench", None))


def _query(person: Person) -> SimilarQuery:
    name = (
        f"{person.surname}{person.given_name}" if person.is_chinese else f"{person.given_name} {person.surname}"
    ).strip()
    phone = person.phone if person.is_chinese or not person.phone else f"+61{person.phone[1:]}"
    return SimilarQuery(
        name=name,
        phones=[phone] if phone else [],
        email=person.email if "@" in person.email else None,
        birth_date=_day(person.date_of_birth),
        gender={"m": "male", "f": "female"}.get(person.sex, "unknown"),
    )
