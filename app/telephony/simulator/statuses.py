"""Status callbacks: told in order without waiting for each other's effect, unless trouble is wanted."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from app.telephony.simulator.clock import Clock
from app.telephony.simulator.records import CallStatus
from app.telephony.simulator.trouble import Trouble


class Progress(StrEnum):
    """Twilio's `statusCallbackEvent` values."""

    INITIATED = "initiated"
    RINGING = "ringing"
    ANSWERED = "answered"
    COMPLETED = "completed"


@dataclass(frozen=True, slots=True)
class StatusCallback:
    """Where progress is told, and which."""

    url: str
    method: str = "POST"
    events: frozenset[Progress] = frozenset({Progress.COMPLETED})

    @classmethod
    def of(cls, url: str, method: str, events: str) -> "StatusCallback":
        """From a noun's or a request's words: `events` apart by spaces, unknown ones passed over, none: completed."""
        known = frozenset(progress for progress in Progress if progress in events.split())
        return cls(url, "GET" if method.upper() == "GET" else "POST", known or frozenset({Progress.COMPLETED}))


@dataclass(frozen=True, slots=True)
class StatusPost:
    """One callback that is to go out: `send(copies)` sends it, `drop()` notes that it was lost on purpose."""

    status: CallStatus
    sequence: int
    send: Callable[[int], Awaitable[None]]
    drop: Callable[[], None]


class StatusSender:
    """Sends the callbacks of one call and its legs, one after the other; `trouble` loses, doubles, mixes and delays."""

    def __init__(self, clock: Clock, trouble: Trouble, chance: random.Random) -> None:
        self._clock = clock
        self._trouble = trouble
        self._chance = chance
        self._posts: asyncio.Queue[StatusPost | None] = asyncio.Queue()

    def add(self, post: StatusPost) -> None:
        """Have one callback sent."""
        self._posts.put_nowait(post)

    def close(self) -> None:
        """No more will come: `run` sends what is left and returns."""
        self._posts.put_nowait(None)

    async def run(self) -> None:
        """Send until closed, and then until all is sent."""
        async with asyncio.TaskGroup() as late:
            held: list[StatusPost] = []
            while (post := await self._posts.get()) is not None:
                if self._chance.random() < self._trouble.status_drop:
                    post.drop()
                    continue
                held.append(post)
                if len(held) >= self._trouble.status_shuffle:
                    await self._send_all(held, late)
                    held = []
            await self._send_all(held, late)

    async def _send_all(self, posts: list[StatusPost], late: asyncio.TaskGroup) -> None:
        if self._trouble.status_shuffle:
            self._chance.shuffle(posts)
        for post in posts:
            if self._trouble.status_delay:
                late.create_task(self._send_later(post, self._chance.uniform(0, self._trouble.status_delay)))
            else:
                await post.send(self._trouble.status_copies)

    async def _send_later(self, post: StatusPost, seconds: float) -> None:
        await self._clock.sleep(seconds)
        await post.send(self._trouble.status_copies)
