"""How long a caller's carrier, and the agent's screen, wait: ten calls a second, every commit on the disk."""

import asyncio
import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from app.embedded_postgres import EmbeddedPostgres
from bench import servers, stage
from bench.dataset import FOLDER, ONE_MILLION, connect, random_numbers
from bench.desks import Desk, desks
from bench.load import VOICE_PATH, CallForms, Connection, connections
from bench.machine import fdatasync_reading, percentile
from bench.report import Goal, Section

CALLS_PER_SECOND = 10
_CONNECTIONS = 16
_WARM_CALLS = 50
_ANSWER_SECONDS = 5.0


class Late(RuntimeError):
    """A call was not answered, or its card did not come, within seconds."""


@dataclass(slots=True)
class Times:
    """Seconds, a value a call."""

    answered: list[float] = field(default_factory=list)
    sent_to_pop: list[float] = field(default_factory=list)
    received_to_pop: list[float] = field(default_factory=list)


@dataclass(slots=True)
class _Call:
    sent_at: float
    answer: asyncio.Future[bytes]
    card: asyncio.Future[tuple[float, float, str]]


class Ringing:
    """Calls under way, found again by their caller's number when a card arrives."""

    def __init__(self) -> None:
        self._calls: dict[str, _Call] = {}

    def received(self, desk: Desk, message: bytes) -> None:
        """Take one message at a desk, and acknowledge it as the page does once the card is shown."""
        arrived, wall = time.perf_counter(), datetime.now(UTC)
        event = json.loads(message)
        desk.acknowledge(event["id"])
        card = event["data"]["screen_pop"]
        call = self._calls[card["caller"]["e164"]]
        server_side = (wall - datetime.fromisoformat(event["at"])).total_seconds()
        call.card.set_result((arrived, server_side, event["data"]["call_id"]))

    async def ring(self, connection: Connection, request: bytes, number: str, due: float, times: Times) -> str:
        """Let one call ring and wait for both ends; gives its id.

        Args:
            due: when it was to be sent; what it waited for us counts as waiting.
        """
        loop = asyncio.get_running_loop()
        call = self._calls[number] = _Call(due, loop.create_future(), loop.create_future())
        connection.send(request, lambda _connection, answer, _seconds: call.answer.set_result(answer))
        async with asyncio.timeout(_ANSWER_SECONDS):
            answer = await call.answer
            times.answered.append(time.perf_counter() - due)
            if not answer.startswith(b"HTTP/1.1 200") or b"<Client" not in answer:
                raise Late(f"A call was answered otherwise: {answer[:1000]!r}")
            arrived, server_side, call_id = await call.card
        times.sent_to_pop.append(arrived - due)
        times.received_to_pop.append(server_side)
        del self._calls[number]
        return call_id


async def measure_latency(server: EmbeddedPostgres, *, seconds: float) -> Section:
    """Offer ten calls a second for `seconds`; gives the table. Raises Late when something did not come at all."""
    dataset = ONE_MILLION
    disk_before = fdatasync_reading(FOLDER)
    connection = await connect(server, dataset)
    ringing = Ringing()
    times = Times()
    try:
        await stage.clear(connection, durable=True)
        numbers = random_numbers(_WARM_CALLS + round(seconds * CALLS_PER_SECOND), dataset.customers, seed=2)
        with servers.hotline(server.dsn(dataset.name)) as ours:
            async with connections(ours.port, _CONNECTIONS) as made, desks(ours.port, ringing.received):
                await stage.start_work(connection)
                forms = CallForms(VOICE_PATH, ours.auth_token)
                free = asyncio.Queue[Connection]()
                for each in made:
                    free.put_nowait(each)
                one_at_a_time = asyncio.Lock()

                async def call(index: int, number: str, due: float, into: Times) -> None:
                    line = await free.get()
                    request = forms.request(f"CA{index:032x}", number)
                    call_id = await ringing.ring(line, request, number, due, into)
                    free.put_nowait(line)
                    async with one_at_a_time:
                        await stage.free_agent(connection, call_id)

                for index, number in enumerate(numbers[:_WARM_CALLS]):
                    await call(index, number, time.perf_counter(), Times())
                started = time.perf_counter()
                async with asyncio.TaskGroup() as calls:
                    for index, number in enumerate(numbers[_WARM_CALLS:]):
                        due = started + index / CALLS_PER_SECOND
                        await asyncio.sleep(max(0.0, due - time.perf_counter()))
                        calls.create_task(call(_WARM_CALLS + index, number, due, times))
    finally:
        await connection.close()
    disk_after = fdatasync_reading(FOLDER)
    return Section(
        f"Latency at {CALLS_PER_SECOND} calls/s offered for {seconds:g} s, every commit on disk, milliseconds",
        ["", "p50", "p95", "p99", "worst"],
        [
            ["request sent → answer", *_spread(times.answered)],
            ["request sent → card at a socket", *_spread(times.sent_to_pop)],
            ["received by the service → card at a socket", *_spread(times.received_to_pop)],
        ],
        notes=[
            f"{len(times.answered)} calls; each had its card, which was acknowledged.",
            f"{disk_before}; afterwards {disk_after}.",
        ],
        goals=[
            Goal("webhook p99, ms", percentile(times.answered, 99) * 1e3, at_most=25),
            Goal("received → card p99, ms", percentile(times.received_to_pop, 99) * 1e3, at_most=20),
        ],
    )


def _spread(seconds: list[float]) -> list[str]:
    return [f"{percentile(seconds, percent) * 1e3:.1f}" for percent in (50, 95, 99, 100)]
