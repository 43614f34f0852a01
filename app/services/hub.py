"""The agents' streams: every event of an agent to every open tab of theirs, in order, none lost and none twice.

The push log in the database is the truth; a stream is a cursor into it. Whoever commits an event wakes this process's
streams at once and, by NOTIFY after the commit, every other process. NOTIFY only wakes and carries ids: a stream that
is woken reads what lies between its cursor and the log's end. Should the listening connection die, it is noticed,
replaced, and every stream looks; and every few seconds each looks anyway.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
import structlog
from sqlalchemy import select

from app.db import AfterCommit, Database, is_outage
from app.domain.card import Json, finish_pop, iso
from app.models.calls import AgentEvent, AgentEventType
from app.models.routing import AgentPresence
from app.observability import metrics
from app.services.agent_log import events_after, last_numbers
from app.services.ringing import Pushed

CHANNEL: Final = "callcard"
HEARTBEAT_SECONDS: Final = 2.0
"""How often the listening connection is asked whether it lives."""
_AGAIN_SECONDS: Final = 0.2
"""How long after it was lost, or could not be made, another one is tried."""
LOOK_SECONDS: Final = 5.0
"""How often streams look at the log although nobody woke them."""
NOTIFY_APART_SECONDS: Final = 0.005
"""How far two NOTIFYs of one process are apart at least."""
_NOTIFY_BYTES: Final = 7_500
"""PostgreSQL takes less than 8,000 bytes in one NOTIFY."""
_READ_AT_ONCE: Final = 100

log = structlog.get_logger(__name__)


def message_of(event: AgentEvent, zone: ZoneInfo) -> str:
    """One stream message as JSON text; the words of an offered card are added here."""
    data = event.data
    if event.type == AgentEventType.CALL_OFFERED:
        data = {"call_id": str(event.call_id), "screen_pop": finish_pop(data, event.at, zone)}
    return _message(event.no, event.type, iso(event.at), data)


def _message(no: int, event_type: str, at: str, data: Json) -> str:
    return orjson.dumps({"id": str(no), "type": event_type, "at": at, "data": data}).decode()


@dataclass(eq=False, slots=True)
class Stream:
    """One tab's cursor: events up to `cursor` have been sent, the log reaches at least to `end`."""

    agent_id: UUID
    cursor: int
    end: int
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    at_hand: dict[int, str] = field(default_factory=dict)

    def wake(self, end: int) -> None:
        """Tell the stream that the log reaches to `end`."""
        if end > self.end:
            self.end = end
            self.woken.set()


class Hub:
    """This process's streams.

    Args:
        database: where the log is.
        zone: the hotline's zone, for the words on a card.
    """

    def __init__(self, database: Database, zone: ZoneInfo) -> None:
        self._database = database
        self._zone = zone
        self._streams: dict[UUID, set[Stream]] = {}
        self._to_notify: dict[UUID, int] = {}
        self._notify = asyncio.Event()
        self._listening = asyncio.Event()
        self._is_deaf = False
        database.on_commit(self._committed)

    # Waking

    def _committed(self, notes: AfterCommit) -> None:
        for agent_id, no in notes.agents.items():
            self._wake(agent_id, no)
            self._to_notify[agent_id] = max(no, self._to_notify.get(agent_id, 0))
        if notes.agents:
            self._notify.set()

    def push(self, pushed: Pushed) -> None:
        """Send a card that was just committed; the text at hand saves reading it back."""
        streams = self._streams.get(pushed.agent_id)
        if streams:
            card = finish_pop(orjson.loads(pushed.document), pushed.at, self._zone)
            text = _message(
                pushed.no,
                AgentEventType.CALL_OFFERED,
                iso(pushed.at),
                {"call_id": str(pushed.call_id), "screen_pop": card},
            )
            for stream in streams:
                stream.at_hand[pushed.no] = text
                stream.wake(pushed.no)
        if pushed.open_streams > len(streams or ()):
            # Some tab of theirs is open in another process.
            self._to_notify[pushed.agent_id] = max(pushed.no, self._to_notify.get(pushed.agent_id, 0))
            self._notify.set()

    def _wake(self, agent_id: UUID, no: int) -> None:
        for stream in self._streams.get(agent_id, ()):
            stream.wake(no)

    # Streams

    def connected_agents(self) -> set[UUID]:
        """Agents with a stream in this process."""
        return set(self._streams)

    @contextlib.asynccontextmanager
    async def stream(self, agent_id: UUID, after: int | None) -> AsyncIterator[Stream]:
        """A stream of an agent's events numbered above `after`.

        Without `after` it begins with the card of the call the agent has at the moment, if any, so that a tab opened
        while the phone rings shows it.
        """
        stream = Stream(agent_id, cursor=0, end=0)
        # Registered before the log is read: what is written in between wakes it.
        self._streams.setdefault(agent_id, set()).add(stream)
        metrics.websocket_connections.inc()
        try:
            async with self._database.session_scope() as session:
                end = (await last_numbers(session, [agent_id])).get(agent_id, 0)
                if after is None:
                    card = await session.scalar(
                        select(AgentEvent.no)
                        .join(AgentPresence, AgentPresence.call_id == AgentEvent.call_id)
                        .where(
                            AgentPresence.agent_id == agent_id,
                            AgentEvent.agent_id == agent_id,
                            AgentEvent.type.in_([AgentEventType.CALL_OFFERED, AgentEventType.CALLBACK_DUE]),
                        )
                        .order_by(AgentEvent.no.desc())
                        .limit(1)
                    )
                    after = end if card is None else card - 1
            stream.cursor = min(after, end)
            stream.wake(end)
            yield stream
        finally:
            metrics.websocket_connections.dec()
            streams = self._streams[agent_id]
            streams.discard(stream)
            if not streams:
                del self._streams[agent_id]

    async def messages(self, stream: Stream) -> AsyncIterator[str]:
        """The stream's messages, as JSON texts, for as long as it is asked. Waits through outages of the database."""
        while True:
            await stream.woken.wait()
            stream.woken.clear()
            while stream.cursor < stream.end:
                text = stream.at_hand.pop(stream.cursor + 1, None)
                if text is not None:
                    stream.cursor += 1
                    metrics.events_pushed.inc()
                    yield text
                    continue
                try:
                    async with self._database.session_scope() as session:
                        events = await events_after(session, stream.agent_id, stream.cursor, _READ_AT_ONCE)
                except Exception as error:
                    if not is_outage(error):
                        raise
                    log.warning("stream_waits_for_database", agent_id=str(stream.agent_id))
                    await asyncio.sleep(1)
                    continue
                if not events:
                    # There is less than we were told. Not to be skipped: the numbers may yet come.
                    stream.end = stream.cursor
                for event in events:
                    stream.cursor = event.no
                    stream.at_hand.pop(event.no, None)
                    metrics.events_pushed.inc()
                    yield message_of(event, self._zone)
            stream.at_hand.clear()

    # Between processes

    async def run(self) -> None:
        """Listen, notify and look, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            tasks.create_task(self._tell_others())
            tasks.create_task(self._look())

    async def wait_until_listening(self) -> None:
        """Return once the listening connection stands."""
        await self._listening.wait()

    async def _listen(self) -> None:
        while not _is_ending():
            try:
                await self._listen_once()
            except Exception as error:
                # Whatever it was: a hub that no longer listens would leave this process's tabs behind for good.
                if is_outage(error):
                    self._say_lost(type(error).__name__)
                else:
                    log.exception("hub_listening_failed")
            self._listening.clear()
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _listen_once(self) -> None:
        connection = await self._database.connect()
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _connection: lost.set())
        try:
            await connection.add_listener(CHANNEL, self._heard)
            self._listening.set()
            if self._is_deaf:
                self._is_deaf = False
                log.info("listening_again")
            # Whatever was said while nobody listened is in the log.
            await self._look_once()
            while not lost.is_set():
                # Not wait_for: until Python 3.12 it forgets a cancellation that comes at the same moment.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(HEARTBEAT_SECONDS):
                        await lost.wait()
                if not lost.is_set():
                    async with asyncio.timeout(HEARTBEAT_SECONDS):
                        await connection.execute("SELECT 1")
            self._say_lost("closed")
        finally:
            connection.terminate()

    def _say_lost(self, why: str) -> None:
        """Log it once, however often it is tried again."""
        if not self._is_deaf:
            self._is_deaf = True
            log.warning("listener_lost", error=why)

    def _heard(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        for item in str(payload).split(","):
            agent_id, _, no = item.partition(":")
            with contextlib.suppress(ValueError):
                self._wake(UUID(hex=agent_id), int(no))

    async def _tell_others(self) -> None:
        last = 0.0
        while not _is_ending():
            await self._notify.wait()
            # At once when it is quiet, together when it is busy: every NOTIFY wakes every listener.
            await asyncio.sleep(max(0.0, last + NOTIFY_APART_SECONDS - time.monotonic()))
            last = time.monotonic()
            self._notify.clear()
            batch, self._to_notify = self._to_notify, {}
            try:
                lane = await self._database.lane()
                for payload in _payloads(batch):
                    await lane.execute("SELECT pg_notify($1, $2)", CHANNEL, payload, timeout=3)
            except Exception as error:
                # The others look for themselves every few seconds.
                if is_outage(error):
                    log.warning("notify_failed", error=type(error).__name__)
                else:
                    log.exception("hub_telling_failed")

    async def _look(self) -> None:
        while not _is_ending():
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self._look_once()
            except Exception as error:
                # An outage has been logged by whoever met it first.
                if not is_outage(error):
                    log.exception("hub_looking_failed")

    async def _look_once(self) -> None:
        if not self._streams:
            return
        async with self._database.session_scope() as session:
            ends = await last_numbers(session, self._streams)
        for agent_id, end in ends.items():
            self._wake(agent_id, end)


def _is_ending() -> bool:
    """True when this task was cancelled: a driver that is cancelled at a bad moment may raise an error of its own."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _payloads(batch: dict[UUID, int]) -> list[str]:
    payloads: list[str] = []
    for agent_id, no in batch.items():
        item = f"{agent_id.hex}:{no}"
        if payloads and len(payloads[-1]) + len(item) < _NOTIFY_BYTES:
            payloads[-1] += f",{item}"
        else:
            payloads.append(item)
    return payloads
