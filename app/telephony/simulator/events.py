"""What the simulator tells of a call: one frozen event for each thing that happens, and the journal that keeps them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class SimEventKind(StrEnum):
    """What happened; `SimEvent.data` has the keys that are named beside each."""

    RINGING = "ringing"  # the call was placed: from, to
    REQUEST_SENT = "request_sent"  # method, url, params (list of pairs), headers
    RESPONSE_RECEIVED = "response_received"  # method, url, status, content_type, body, milliseconds (of wall time)
    TWIML_RECEIVED = "twiml_received"  # twiml, url
    ANSWERED = "answered"  # the call itself, not a dialled leg, was picked up
    SAID = "said"  # words, language
    PLAYED = "played"  # url, or digits where keys were played
    PAUSED = "paused"  # seconds
    LISTENING = "listening"  # verb (Gather or Record): keys that are pressed now are heard
    DIGITS = "digits"  # digits, heard (False: nobody was listening)
    DIALLED = "dialled"  # to (list), timeout
    LEG_RINGING = "leg_ringing"  # to
    LEG_ANSWERED = "leg_answered"  # to; the caller can talk to that leg now
    LEG_ENDED = "leg_ended"  # to, status, reason
    QUEUED = "queued"  # queue, position
    LEFT_QUEUE = "left_queue"  # queue, result, seconds
    RECORDED = "recorded"  # recording_sid, url, seconds, source
    REDIRECTED = "redirected"  # url, by (twiml or api)
    STATUS_SENT = "status_sent"  # status, sequence, delivered (False: it could not be)
    FALLBACK = "fallback"  # error_code, error_url, why
    WARNING = "warning"  # what Twilio would put into its debugger
    TROUBLE = "trouble"  # sequence: that status callback was lost on purpose
    ENDED = "ended"  # status, reason, seconds (from being answered)


@dataclass(frozen=True, slots=True)
class SimEvent:
    """One thing that happened in a call.

    `at` is wall time (UTC), `seconds` call time since the call was placed. `leg_sid` is set where it happened to a
    dialled leg. `text` says it in one line for people; `data` has it for programs (see `SimEventKind`).
    """

    kind: SimEventKind
    at: datetime
    seconds: float
    call_sid: str
    text: str
    leg_sid: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


class NotHappened(Exception):
    """What was waited for did not happen: the call was over before it, or the time was up. Says what did happen."""


class Journal:
    """The events of one call in order, to be read at once, waited for, or followed."""

    def __init__(self) -> None:
        self.events: list[SimEvent] = []
        self.closed = False
        self._waiting: set[asyncio.Future[None]] = set()

    def add(self, event: SimEvent) -> None:
        """Append an event and wake whoever waits."""
        self.events.append(event)
        self._wake()

    def close(self) -> None:
        """No more events will come."""
        self.closed = True
        self._wake()

    async def until(self, condition: Callable[[], bool]) -> bool:
        """Wait until `condition` holds, looking again after each event; False if the journal closed without it."""
        while not condition():
            if self.closed:
                return False
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.add(waiter)
            try:
                await waiter
            finally:
                self._waiting.discard(waiter)
        return True

    def find(self, kind: SimEventKind, *, after: int = 0) -> SimEvent | None:
        """The first event of that kind, not counting the first `after` events of the journal."""
        return next((event for event in self.events[after:] if event.kind is kind), None)

    async def wait_for(self, kind: SimEventKind, *, seconds: float, after: int = 0) -> SimEvent:
        """`find`, waiting up to `seconds` of wall time; raises NotHappened."""
        try:
            async with asyncio.timeout(seconds):
                await self.until(lambda: self.find(kind, after=after) is not None)
        except TimeoutError:
            pass  # told below, together with what did happen
        if (event := self.find(kind, after=after)) is not None:
            return event
        why = "the call was over" if self.closed else f"{seconds:g} s went by"
        raise NotHappened(f"no {kind!r} event: {why} after [{', '.join(e.kind for e in self.events)}]")

    async def follow(self) -> AsyncIterator[SimEvent]:
        """Every event from the first on, as it comes, until the journal is closed."""
        position = 0
        while await self._longer_than(position):
            yield self.events[position]
            position += 1

    async def _longer_than(self, position: int) -> bool:
        return await self.until(lambda: len(self.events) > position)

    def _wake(self) -> None:
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)
