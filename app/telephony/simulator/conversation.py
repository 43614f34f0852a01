"""One customer's call with all of its legs: the journal they share, and the tasks that keep it going."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from app.telephony.simulator.events import Journal, SimEvent, SimEventKind
from app.telephony.simulator.exchange import Exchange
from app.telephony.simulator.statuses import StatusSender
from app.telephony.simulator.trouble import Trouble

if TYPE_CHECKING:  # a call knows its conversation
    from app.telephony.simulator.calls import SimCall


class Conversation:
    """Created with the first call of it; `supervise` runs until all is over and closes the journal.

    A task that fails is a fault of the simulator itself: it ends the call, and `failure` keeps the exception.
    """

    def __init__(self, exchange: Exchange, root_sid: str, trouble: Trouble) -> None:
        self.exchange = exchange
        self.root_sid = root_sid
        self.trouble = trouble
        self.journal = Journal()
        self.failure: BaseException | None = None
        self._placed_at = exchange.clock.seconds()
        self._tasks: set[asyncio.Task[None]] = set()
        chance = random.Random(f"{trouble.seed}/{len(exchange.calls)}")  # noqa: S311 - it must be repeatable, not secret
        self.statuses = StatusSender(exchange.clock, trouble, chance)

    @property
    def root(self) -> "SimCall":
        """The call that all of it began with."""
        return self.exchange.calls[self.root_sid]

    def seconds(self) -> float:
        """Call time since the first call was placed."""
        return self.exchange.clock.seconds() - self._placed_at

    def emit(self, kind: SimEventKind, text: str, *, leg_sid: str | None, data: dict[str, Any]) -> None:
        """Record and tell that something happened."""
        event = SimEvent(
            kind=kind,
            at=self.exchange.clock.now(),
            seconds=self.seconds(),
            call_sid=self.root_sid,
            text=text,
            leg_sid=leg_sid,
            data=data,
        )
        self.journal.add(event)
        if self.exchange.on_event is not None:
            self.exchange.on_event(event)
        if kind is self.trouble.hang_up_on or len(self.journal.events) == self.trouble.hang_up_after:
            # Not at once: whoever emits is in the middle of something.
            asyncio.get_running_loop().call_soon(self.root.hang_up)

    def spawn(self, work: Coroutine[Any, Any, None]) -> Callable[[], object]:
        """Let `work` go on beside the rest; the conversation is not over before it is. Gives what cancels it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task.cancel

    async def supervise(self) -> None:
        """Run until every task is done and every status callback is sent."""
        sending = asyncio.create_task(self.statuses.run())
        try:
            while self._tasks:
                await asyncio.wait(self._tasks)
                await asyncio.sleep(0)  # lets the callbacks of what is done take it off the set
            self.statuses.close()
            await sending
        finally:
            self._tasks.add(sending)
            while self._tasks:
                for task in self._tasks:
                    task.cancel()
                await asyncio.wait(self._tasks)
                self._tasks = {task for task in self._tasks if not task.done()}
            self.journal.close()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            self.failure = self.failure or failure
            self.root.fail(f"the simulator failed: {failure!r}")
