"""How long a search takes as somebody types, at a million customers.

Each search is `services.customer_search.search_customers` on a session of its own, from what was typed to the page of
50 customers: every query, the ORM and the summaries, without HTTP. What is typed is every beginning of what an agent
has at hand of a customer drawn at random (a name in characters, in pinyin, by initials, with a title, a number or part
of it, a code, an e-mail address, a serial number), so that much of it is one to three characters long, which fits the
most people.
"""

import statistics
import time
from collections.abc import Iterator
from random import Random
from zoneinfo import ZoneInfo

import asyncpg

from app.db import Database
from app.domain.search_terms import BOUNDARY
from app.embedded_postgres import EmbeddedPostgres
from app.services.customer_search import search_customers
from app.services.hotline import Hotline, read_hotline
from app.services.paging import Page
from bench.dataset import ONE_MILLION, connect
from bench.report import Goal, Section


async def measure_search(server: EmbeddedPostgres, *, rounds: int) -> Section:
    """Measure with `rounds` customers of each kind of search; gives a table by kind and length."""
    connection = await connect(server, ONE_MILLION)
    database = Database(server.dsn(ONE_MILLION.name), pool_size=1, lane_size=0)
    try:
        people = await _drawn(connection, rounds)
        async with database.session_scope() as session:
            hotline = await read_hotline(session, Hotline("CN", ZoneInfo("Asia/Shanghai"), "Callcard", None))
        took: dict[str, list[tuple[float, str]]] = {}
        for warm in (False, True):
            for person in people:
                for kind, typed in _typed(person):
                    started = time.perf_counter()
                    async with database.session_scope() as session:
                        await search_customers(session, typed, Page(50), hotline)
                    if warm:
                        took.setdefault(kind, []).append((time.perf_counter() - started, typed))
    finally:
        await database.aclose()
        await connection.close()
    everything = [each for searches in took.values() for each in searches]
    return Section(
        f"Search at 1,000,000 customers, {len(everything):,} searches of 50 customers each, ms",
        ["typed", "searches", "p50", "p99", "most", "for"],
        [_row(kind, searches) for kind, searches in (*took.items(), ("all", everything))],
        goals=[Goal("all searches, p99, ms", _percentile(everything, 99), at_most=50)],
    )


async def _drawn(connection: asyncpg.Connection, rounds: int) -> list[asyncpg.Record]:
    random = Random(5)
    codes = [f"C{1000 + random.randrange(1, ONE_MILLION.customers + 1):08}" for _ in range(rounds * 2)]
    rows: list[asyncpg.Record] = await connection.fetch(
        """
        SELECT c.code, c.kind, c.name, c.surname, c.email, s.fields,
               (SELECT p.national_number FROM customer_phones p WHERE p.customer_id = c.id AND p.is_primary) AS number,
               (SELECT max(b.serial_number) FROM purchases b WHERE b.customer_id = c.id) AS serial
        FROM customers c JOIN customer_search s ON s.customer_id = c.id WHERE c.code = ANY($1) ORDER BY c.code
        """,
        codes,
    )
    return rows[:rounds]


def _typed(person: asyncpg.Record) -> Iterator[tuple[str, str]]:
    fields = person["fields"].split(BOUNDARY)
    number: str = person["number"]
    ways = {
        "name": person["name"],
        "pinyin or Latin": fields[2],
        "initials": fields[3] if not fields[3].isdigit() else "",
        "title": f"{fields[2][:4]}xiansheng" if person["kind"] == "person" else "",
        "e-mail": person["email"] or "",
        "number": number,
    }
    for kind, whole in ways.items():
        for length in range(1, len(whole) + 1):
            yield f"{kind}, {length if length < 4 else '4 or more'} typed", whole[:length]
    for first in range(len(number) - 3):
        yield "part of a number, 3 digits", number[first : first + 3]
        yield "part of a number, 4 digits", number[first : first + 4]
    yield "code", person["code"]
    yield "serial number", person["serial"]
    yield "given name", person["name"][1:]


def _percentile(searches: list[tuple[float, str]], percent: int) -> float:
    seconds = [each for each, _ in searches]
    return (statistics.quantiles(seconds, n=100)[percent - 1] if len(seconds) > 1 else seconds[0]) * 1000


def _row(kind: str, searches: list[tuple[float, str]]) -> list[str]:
    most, typed = max(searches)
    return [
        kind,
        f"{len(searches):,}",
        f"{_percentile(searches, 50):.1f}",
        f"{_percentile(searches, 99):.1f}",
        f"{most * 1000:.1f}",
        f"`{typed}`",
    ]
