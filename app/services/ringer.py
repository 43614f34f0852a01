"""Brings calls that ring at the same moment together, so that they share one statement (`services/ringing.py`).

A call that rings while none is being written is written at once, alone. Those that come while it is on its way are
written together as soon as it is back, and so on: the more ring, the less each costs, and nobody waits for company.
One statement is on its way at a time, unless it is held up: then the calls behind it take another connection.

A statement that follows another takes half of the calls that are about, those included that have just been written:
while the database writes one half the service answers the other and reads what comes next. Left to themselves the
halves would stay as unequal as a rush began, one call and all the others, and each side would mostly wait for the
other.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, replace
from typing import Final

import asyncpg
import structlog

from app.db import Database, is_outage
from app.domain.matching import MatchOutcome
from app.observability import metrics
from app.services.hotline import Hotline
from app.services.hub import Hub
from app.services.ringing import Ringing, Rung, ring, rung_before

MOST_TOGETHER: Final = 32
"""How many calls share a statement at most. Beyond that each costs no less, and all wait longer."""
HELD_UP_SECONDS: Final = 0.025
"""After how long calls that wait behind a statement take another connection."""
GIVE_UP_SECONDS: Final = 3.0
"""After how long a statement is given up; its callers have been kept in another way long before."""

log = structlog.get_logger(__name__)

_MATCHES: Final = {outcome.value: metrics.matches.labels(outcome=outcome.value) for outcome in MatchOutcome}


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A call on its way; `since` by the loop's clock."""

    call: Ringing
    hotline: Hotline
    answer: asyncio.Future[Rung]
    since: float


class Ringer:
    """This process's ringing calls on their way to the database.

    Args:
        database: whose lane they take.
        most_ways: how many statements may be on their way when they are held up; connections of the lane.
        hub: sends a card that was just committed to the agent's tabs.
    """

    def __init__(self, database: Database, most_ways: int, hub: Hub) -> None:
        self._database = database
        self._most_ways = most_ways
        self._hub = hub
        self._waiting: deque[_Waiting] = deque()
        # Each with the time at which its statement set out.
        self._ways: dict[asyncio.Task[None], float] = {}
        self._held_up: asyncio.TimerHandle | None = None

    async def ring(self, call: Ringing, hotline: Hotline) -> Rung:
        """Have a ringing call recorded and offered; see `services.ringing.ring`.

        Cancelled, it may be done all the same: who asks again for the same call is told what was decided, and the card
        has been pushed.

        Raises:
            asyncpg.PostgresError, OSError, TimeoutError: the database is away (`db.is_outage`).
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Rung] = loop.create_future()
        self._waiting.append(_Waiting(call, hotline, answer, loop.time()))
        if not self._ways:
            self._open_way()
        elif self._held_up is None:
            self._held_up = loop.call_later(HELD_UP_SECONDS, self._go_round)
        return await answer

    async def aclose(self) -> None:
        """Let what is on its way arrive, if it does so soon."""
        if self._held_up is not None:
            self._held_up.cancel()
        if self._ways:
            await asyncio.wait(self._ways, timeout=GIVE_UP_SECONDS)
        for way in self._ways:
            way.cancel()

    def _open_way(self) -> None:
        way = asyncio.create_task(self._write_all())
        self._ways[way] = asyncio.get_running_loop().time()
        way.add_done_callback(lambda ended: self._ways.pop(ended, None))

    def _go_round(self) -> None:
        """A call that has waited for so long takes another connection, if there is one, and those behind it with it."""
        self._held_up = None
        if not self._waiting:
            return
        loop = asyncio.get_running_loop()
        left = self._waiting[0].since + HELD_UP_SECONDS - loop.time()
        if left <= 0:
            left = HELD_UP_SECONDS
            if len(self._ways) < self._most_ways:
                self._open_way()
        self._held_up = loop.call_later(left, self._go_round)

    async def _write_all(self) -> None:
        """Write what waits until nothing does, or somebody else is at it: two ways would have half the company each."""
        loop = asyncio.get_running_loop()
        me = asyncio.current_task()
        assert me is not None
        written = 0
        while batch := self._take(written):
            self._ways[me] = loop.time()
            await self._write(batch)
            written = len(batch)
            if any(loop.time() - began < HELD_UP_SECONDS for way, began in self._ways.items() if way is not me):
                # At once, or the other, ending in the same moment, would leave what waits to this one.
                del self._ways[me]
                return

    def _take(self, written: int) -> list[_Waiting]:
        """The first that waits and those behind it that can share its statement; who has given up is left out.

        Args:
            written: how many calls the statement before had; 0 for the first one of a way, which takes all there are:
                it may be there because others are held up.
        """
        most = min(-(-(written + len(self._waiting)) // 2), MOST_TOGETHER) if written else MOST_TOGETHER
        batch: list[_Waiting] = []
        left: list[_Waiting] = []
        taken: set[tuple[str, str]] = set()
        while self._waiting and len(batch) < most:
            next_one = self._waiting.popleft()
            if next_one.answer.done():
                continue
            event = next_one.call.event
            key = (event.provider, event.call_id)
            # The same webhook again: it has to find what became of the first.
            if batch and (next_one.call.together != batch[0].call.together or key in taken):
                left.append(next_one)
                continue
            taken.add(key)
            batch.append(next_one)
        self._waiting.extendleft(reversed(left))
        return batch

    async def _write(self, batch: list[_Waiting]) -> None:
        try:
            lane = await self._database.lane()
            async with asyncio.timeout(GIVE_UP_SECONDS):
                became = await ring(lane, [each.call for each in batch], batch[0].hotline)
        except Exception as error:  # noqa: BLE001 - whatever it is, whoever waits for the answer is told
            await self._failed(batch, error)
            return
        again: list[_Waiting] = []
        before: list[_Waiting] = []
        for each, one in zip(batch, became, strict=True):
            match one:
                case Rung():
                    self._settle(each, one)
                case Ringing():
                    again.append(replace(each, call=one))
                case None:
                    before.append(each)
        self._waiting.extendleft(reversed(again))
        for each in before:
            try:
                async with asyncio.timeout(GIVE_UP_SECONDS):
                    self._settle(each, await rung_before(lane, each.call.event))
            except Exception as error:  # noqa: BLE001 - as above
                await self._failed([each], error)

    def _settle(self, each: _Waiting, rung: Rung) -> None:
        try:
            if rung.outcome is not None:
                _MATCHES[rung.outcome].inc()
            if rung.pushed is not None:
                self._hub.push(rung.pushed)
        except Exception as error:  # noqa: BLE001 - whoever waits is told, and the others get their answers
            if not each.answer.done():
                each.answer.set_exception(error)
            return
        if not each.answer.done():
            each.answer.set_result(rung)

    async def _failed(self, batch: list[_Waiting], error: Exception) -> None:
        alone = len(batch) == 1
        if not alone and (not is_outage(error) or isinstance(error, asyncpg.TransactionRollbackError)):
            # One of them is at fault, and the others are not to suffer for it.
            log.warning("calls_written_one_by_one", calls=len(batch), error=type(error).__name__)
            for each in batch:
                await self._write([each])
            return
        for each in batch:
            if not each.answer.done():
                each.answer.set_exception(error)
