"""What the screen pop's SQL costs against a bare look-up of the number, and at ten times as many customers.

All statements run prepared, on connections set up as the service's own lane is; they take turns number by number, so
that whatever else the machine does meets all of them alike. Every number is asked once before it counts.
"""

import gc
import json
import statistics
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg

from app.db import Database, Statement
from app.domain.phone_numbers import bucket_of
from app.embedded_postgres import EmbeddedPostgres
from app.services import screen_pop
from app.services.hotline import Hotline, read_hotline
from app.services.ringing import Rung, ring, ringing_call
from app.telephony.port import CallEvent, EventKind
from bench import stage
from bench.dataset import AGENTS, DIALLED, ONE_MILLION, TEN_MILLION, Dataset, connect, random_numbers
from bench.report import Goal, Section

BARE = "SELECT customer_id FROM customer_phones WHERE bucket = $1 AND e164 = $2"
_ZONE = ZoneInfo("Asia/Shanghai")
_LANE = {"plan_cache_mode": "force_generic_plan", "TimeZone": "UTC"}


@dataclass(slots=True)
class TimedLane:
    """Stands where the service's pool does: runs the ringing call's statement on one connection and times it alone."""

    connection: asyncpg.Connection
    seconds: list[float] = field(default_factory=list)

    async def fetch(self, sql: str, *args: Any) -> list[asyncpg.Record]:
        """As the pool's."""
        started = time.perf_counter()
        rows = await self.connection.fetch(sql, *args)
        self.seconds.append(time.perf_counter() - started)
        return rows


class PopBench:
    """One database, one connection, and the statements under measurement."""

    def __init__(self, connection: asyncpg.Connection, hotline: Hotline) -> None:
        self._connection = connection
        self._hotline = hotline
        # The text that the service hands to SQLAlchemy, in the driver's own form.
        self._statement = Statement(screen_pop._LOOK_UP.text)  # noqa: SLF001 - it is what is measured
        self.lane = TimedLane(connection)
        self._rung = 0

    async def bare(self, number: str) -> float:
        """Seconds for the bare look-up."""
        started = time.perf_counter()
        found = await self._connection.fetchrow(BARE, bucket_of(number), number)
        took = time.perf_counter() - started
        assert found is not None, "the number is there"
        return took

    async def pop(self, number: str) -> float:
        """Seconds for the pop's one statement."""
        parsed = self._hotline.number(number)
        args = self._statement.args(
            **screen_pop.match_args(parsed, self._hotline),
            caller=json.dumps(screen_pop.caller_part(parsed)),
            now=datetime.now(UTC),
        )
        started = time.perf_counter()
        row = await self._connection.fetchrow(self._statement.sql, *args)
        took = time.perf_counter() - started
        assert row is not None
        assert len(json.loads(row["document"])["purchases"]) == 2, "a whole card"
        return took

    async def ring(self, number: str) -> float:
        """Seconds for the statement of a ringing call: match, pop, reservation and everything written."""
        if self._rung % (AGENTS // 2) == 0:
            await stage.free_agents(self._connection)
        self._rung += 1
        event = CallEvent(
            EventKind.VOICE,
            "twilio",
            f"CA{self._rung:032x}",
            datetime.now(UTC),
            from_raw=number,
            to_raw=DIALLED,
            params={"From": number, "To": DIALLED},
        )
        route = self._hotline.route(DIALLED)
        assert route is not None
        (rung,) = await ring(self.lane, [ringing_call(event, self._hotline, route)], self._hotline)
        assert isinstance(rung, Rung)
        assert rung.pushed is not None, "an agent is free"
        return self.lane.seconds[-1]


Measured = Callable[[str], Coroutine[Any, Any, float]]


async def _in_turn(measured: Mapping[str, Measured], numbers: dict[str, list[str]]) -> dict[str, list[float]]:
    """Seconds by name: each of `measured` with each of its numbers, once beforehand and once in turn with the rest."""
    for name, measure in measured.items():
        for number in numbers[name]:
            await measure(number)
    seconds: dict[str, list[float]] = {name: [] for name in measured}
    gc.collect()
    gc.disable()
    try:
        for position in range(len(next(iter(numbers.values())))):
            for name, measure in measured.items():
                seconds[name].append(await measure(numbers[name][position]))
    finally:
        gc.enable()
    return seconds


async def _open(server: EmbeddedPostgres, dataset: Dataset) -> PopBench:
    connection = await connect(server, dataset)
    await stage.clear(connection, durable=False)
    await connection.close()
    # Opened again for the durability that is set by then.
    connection = await connect(server, dataset, **_LANE)
    await stage.start_work(connection)
    database = Database(server.dsn(dataset.name), lane_size=0)
    try:
        async with database.session_scope() as session:
            hotline = await read_hotline(session, Hotline("CN", _ZONE, "Callcard", None))
    finally:
        await database.aclose()
    return PopBench(connection, hotline)


async def measure_pop(server: EmbeddedPostgres, *, numbers: int, ten_million: bool) -> list[Section]:
    """Measure with `numbers` random numbers; gives a table, and a second one for ten million customers if asked."""
    small = await _open(server, ONE_MILLION)
    asked = random_numbers(numbers, ONE_MILLION.customers, seed=3)
    names = ("bare look-up", "pop", "ringing call")
    seconds = await _in_turn(
        dict(zip(names, (small.bare, small.pop, small.ring), strict=True)), dict.fromkeys(names, asked)
    )
    sections = [
        Section(
            f"SQL at 1,000,000 customers, {numbers:,} random numbers, warm, µs with the way there and back",
            ["", "p50", "mean", "p50 against the bare look-up"],
            [_row(name, values, seconds["bare look-up"]) for name, values in seconds.items()],
            goals=[
                Goal("pop against the bare look-up, p50", _ratio(seconds["pop"], seconds["bare look-up"]), at_most=2.5)
            ],
        )
    ]
    if ten_million:
        large = await _open(server, TEN_MILLION)
        pops = {
            "pop, 1,000,000": small.pop,
            "pop, 10,000,000": large.pop,
            "bare, 1,000,000": small.bare,
            "bare, 10,000,000": large.bare,
        }
        many = random_numbers(numbers, TEN_MILLION.customers, seed=4)
        seconds = await _in_turn(pops, {name: many if "10," in name else asked for name in pops})
        first, second = seconds["pop, 1,000,000"], seconds["pop, 10,000,000"]
        sections.append(
            Section(
                "SQL at 10,000,000 customers beside 1,000,000, as above",
                ["", "p50", "mean", "p50 against the pop at 1,000,000"],
                [_row(name, values, first) for name, values in seconds.items()],
                goals=[Goal("pop at 10,000,000 against 1,000,000, p50", _ratio(second, first), at_most=2)],
            )
        )
        await large.lane.connection.close()
    await small.lane.connection.close()
    return sections


def _ratio(values: list[float], base: list[float]) -> float:
    return statistics.median(values) / statistics.median(base)


def _row(name: str, values: list[float], base: list[float]) -> list[str]:
    median, mean = statistics.median(values) * 1e6, statistics.fmean(values) * 1e6
    return [name, f"{median:.0f}", f"{mean:.0f}", f"{_ratio(values, base):.2f}"]
