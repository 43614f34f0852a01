"""Throughput and CPU of the whole voice webhook against the least that an application could do, pair by pair."""

import asyncio
import contextlib
import statistics
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from app.embedded_postgres import EmbeddedPostgres
from bench import servers, stage
from bench.dataset import ONE_MILLION, connect, random_numbers
from bench.desks import Desk, desks
from bench.load import VOICE_PATH, CallForms, Tally, closed_loop, connections
from bench.machine import CpuMeter, first_process
from bench.report import Goal, Section, number

CONNECTIONS = 32
FREE_EVERY_SECONDS = 0.05
LEAST_COMPLETE = 0.995
_MOST_PER_SECOND = 5000
_SETTLE_SECONDS = 2.0
# PostgreSQL logs a page whole when it is first written to after a checkpoint. With calls of a million customers coming
# in like this that is over within a minute, and it would be the first pairs' alone to pay for.
_WARM_UP_SECONDS = 15.0
_CALL_ID = b'"call_id":"'


class NotComplete(RuntimeError):
    """Calls were answered without all that the measure says was done for them."""


@dataclass(frozen=True, slots=True)
class Window:
    """One side for some seconds: how many requests, and what each cost."""

    tally: Tally
    service_cpu: float
    database_cpu: float

    @property
    def per_second(self) -> float:
        return self.tally.answered / self.tally.seconds

    @property
    def cpu(self) -> float:
        """Seconds of CPU per request, of the service and the database together."""
        return (self.service_cpu + self.database_cpu) / self.tally.answered


class Counted:
    """Calls whose card a socket has received."""

    def __init__(self) -> None:
        self.calls: set[UUID] = set()
        self._awaited = 0
        self._there = asyncio.Event()

    def received(self, _desk: Desk, message: bytes) -> None:
        """Count one message."""
        at = message.find(_CALL_ID) + len(_CALL_ID)
        self.calls.add(UUID(message[at : at + 36].decode()))
        if len(self.calls) == self._awaited:
            self._there.set()

    async def until(self, count: int) -> None:
        """Wait for so many."""
        self._awaited = count
        if len(self.calls) < count:
            await self._there.wait()


class Sides:
    """Both services with their connections, and what is needed to measure them in turn."""

    def __init__(
        self,
        connection: asyncpg.Connection,
        numbers: list[str],
        parts: dict[str, tuple[CallForms, int, CpuMeter]],
        database: CpuMeter,
    ) -> None:
        self._connection = connection
        self._numbers = numbers
        self._parts = parts
        self._database = database
        self._called = 0

    async def measure(self, side: str, seconds: float, *, warming: bool = False) -> Window:
        """Drive one side (`a` or `b`) for some seconds.

        Args:
            warming: a service that has just started may answer some calls late, and so otherwise.

        Raises:
            NotComplete: answers are not right.
        """
        forms, port, service = self._parts[side]
        requests = self._requests(forms, int(seconds * _MOST_PER_SECOND) + CONNECTIONS)
        over = asyncio.Event()
        freeing = asyncio.create_task(self._keep_freeing(over)) if side == "b" else None
        service_before, database_before = service.read(), self._database.read()
        try:
            # Opened anew each time: while the other side is measured, a server closes connections that idle.
            async with connections(port, CONNECTIONS) as made:
                tally = await closed_loop(made, requests, seconds, b"<Client" if side == "b" else b"<Response/>")
        finally:
            over.set()
            if freeing is not None:
                await freeing
        window = Window(tally, service.read() - service_before, self._database.read() - database_before)
        if not warming and tally.wrong > (1 - LEAST_COMPLETE) * tally.answered:
            raise NotComplete(f"({side}) {tally.wrong} wrong answers, such as {tally.first_wrong[:2000]!r}")
        return window

    def _requests(self, forms: CallForms, count: int) -> list[bytes]:
        made = []
        for _ in range(count):
            self._called += 1
            number = self._numbers[self._called % len(self._numbers)]
            made.append(forms.request(f"CA{self._called:032x}", number))
        return made

    async def _keep_freeing(self, over: asyncio.Event) -> None:
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), FREE_EVERY_SECONDS)
            await stage.free_agents(self._connection)


@dataclass(frozen=True, slots=True)
class VoiceStage:
    """What stands while the voice webhook is measured."""

    sides: Sides
    connection: asyncpg.Connection
    hotline: servers.Service
    counted: Counted


@asynccontextmanager
async def voice_stage(server: EmbeddedPostgres) -> AsyncIterator[VoiceStage]:
    """Both services up, all agents at their desks, commits not waiting for the disk."""
    dataset = ONE_MILLION
    connection = await connect(server, dataset)
    try:
        await stage.clear(connection, durable=False)
        dsn = server.dsn(dataset.name)
        counted = Counted()
        numbers = random_numbers(400_000, dataset.customers, seed=1)
        with servers.baseline(dsn) as plain, servers.hotline(dsn) as ours:
            async with desks(ours.port, counted.received):
                await stage.start_work(connection)
                forms = CallForms(VOICE_PATH, ours.auth_token)
                forms.check(forms.request("CA" + "f" * 32, numbers[0]))
                parts = {
                    "a": (CallForms("/voice", ""), plain.port, CpuMeter(plain.process.pid)),
                    "b": (forms, ours.port, CpuMeter(ours.process.pid)),
                }
                database = CpuMeter(await first_process(connection))
                yield VoiceStage(Sides(connection, numbers, parts, database), connection, ours, counted)
    finally:
        await connection.close()


async def check_complete(staged: VoiceStage, answered: int) -> str:
    """See that what was answered was also done: matched, reserved, written, received by a socket.

    Returns:
        A sentence with the counts.

    Raises:
        NotComplete: for more than a few in a thousand it was not.
    """
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(staged.counted.until(answered), _SETTLE_SECONDS)
    matched = await staged.connection.fetch(
        "SELECT c.id FROM calls c JOIN legs l ON l.call_id = c.id "
        "JOIN agent_events e ON e.agent_id = l.agent_id AND e.call_id = c.id AND e.type = 'call.offered' "
        "WHERE c.ended_at IS NULL AND c.match_outcome = 'unique'"
    )
    reserved = {row["id"] for row in matched}
    whole = len(reserved & staged.counted.calls)
    said = (
        f"{answered:,} calls answered, {len(reserved):,} matched and reserved, "
        f"{whole:,} of their cards received by a socket"
    )
    if whole < LEAST_COMPLETE * answered:
        raise NotComplete(said)
    return said


async def measure_voice(server: EmbeddedPostgres, *, pairs: int, seconds: float) -> list[Section]:
    """Measure `pairs` pairs, each side `seconds` long, after a warm-up; gives the tables for throughput and memory."""
    async with voice_stage(server) as staged:
        sides = staged.sides
        answered = late = 0
        for side, length in (("a", 2.0), ("b", _WARM_UP_SECONDS), ("a", 2.0), ("b", _WARM_UP_SECONDS)):
            warm = await sides.measure(side, min(seconds * 4, length), warming=True)
            if side == "b":
                answered += warm.tally.answered
                late += warm.tally.wrong
        done: list[tuple[Window, Window]] = []
        for turn in range(pairs):
            # Who goes first changes, so that what drifts during a pair favours neither.
            order = "ab" if turn % 2 == 0 else "ba"
            windows = {side: await sides.measure(side, seconds) for side in order}
            done.append((windows["a"], windows["b"]))
            answered += windows["b"].tally.answered
        complete = await check_complete(staged, answered)
        resident = staged.hotline.resident_bytes()
    table = _table(done, seconds, complete)
    table.notes.append(
        f"While warming up, {late} calls were answered with the wait loop because the card came too late."
    )
    return [table, _memory(resident, answered)]


def _table(done: list[tuple[Window, Window]], seconds: float, complete: str) -> Section:
    rates = [b.per_second / a.per_second for a, b in done]
    costs = [b.cpu / a.cpu for a, b in done]
    section = Section(
        f"Voice webhook, {CONNECTIONS} connections, {len(done)} pairs, {seconds:g} s a side, synchronous_commit off",
        ["", "(a) plain FastAPI", "(b) Callcard"],
        [
            ["requests/s, median", *_both(done, lambda window: window.per_second, ".0f")],
            ["CPU µs a request, median", *_both(done, lambda window: window.cpu * 1e6, ".0f")],
            [
                "… of it the service",
                *_both(done, lambda window: window.service_cpu / window.tally.answered * 1e6, ".0f"),
            ],
            [
                "… of it PostgreSQL",
                *_both(done, lambda window: window.database_cpu / window.tally.answered * 1e6, ".0f"),
            ],
            [
                "ms to the answer, median",
                *_both(done, lambda window: statistics.median(window.tally.latencies) * 1e3, ".1f"),
            ],
        ],
    )
    section.notes += [
        f"Throughput b/a, pair by pair: {number(min(rates))} – {number(max(rates))} ({', '.join(map(number, rates))}).",
        f"CPU b/a, pair by pair: {number(min(costs))} – {number(max(costs))}.",
        complete + ".",
    ]
    section.goals += [
        Goal("throughput b/a, median", statistics.median(rates), at_least=0.6),
        Goal("CPU a request b/a, median", statistics.median(costs), at_most=1.6),
    ]
    return section


def _both(done: list[tuple[Window, Window]], of: Callable[[Window], float], form: str) -> list[str]:
    return [format(statistics.median(of(pair[side]) for pair in done), form) for side in (0, 1)]


def _memory(resident: int, answered: int) -> Section:
    section = Section(
        "Memory of one worker",
        ["after", "resident"],
        [[f"{answered:,} calls, 400 open streams", f"{resident / 1e6:.0f} MB"]],
    )
    section.goals.append(Goal("resident MB", resident / 1e6, at_most=200))
    return section
