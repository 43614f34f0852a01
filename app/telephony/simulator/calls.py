"""A call or a leg of one: its state, what its person does, and what is asked of the service about it."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from app.telephony.simulator.clock import Clock
from app.telephony.simulator.conversation import Conversation
from app.telephony.simulator.ears import Ears
from app.telephony.simulator.events import Journal, SimEvent, SimEventKind
from app.telephony.simulator.params import call_params, pairs, status_params
from app.telephony.simulator.people import act_out
from app.telephony.simulator.records import CallRecord, CallStatus, Direction
from app.telephony.simulator.scripts import CallerScript
from app.telephony.simulator.statuses import Progress, StatusCallback, StatusPost
from app.telephony.simulator.webhooks import Params, Reply, WebhookError

T = TypeVar("T")


class CallOver(Exception):
    """The call ended while its instructions were being followed."""


@dataclass(frozen=True, slots=True)
class Fetch:
    """Instructions that are to be fetched; `extra` goes with the request."""

    url: str
    method: str = "POST"
    extra: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Inline:
    """Instructions that came with a REST request."""

    twiml: str


Instructions = Fetch | Inline


class Redirected(Exception):
    """The REST API gave a live call other instructions."""

    def __init__(self, to: Instructions) -> None:
        super().__init__(to)
        self.to = to


class CallStateError(Exception):
    """What was asked does not go with where the call stands."""


class SimCall:
    """One call (or, where `parent` is set, one dialled leg of it), and the handle to act as its person.

    Events and transcript are those of the whole conversation, legs included.
    """

    def __init__(
        self,
        conversation: Conversation,
        record: CallRecord,
        *,
        script: CallerScript,
        parent: "SimCall | None" = None,
        status_callback: StatusCallback | None = None,
        fallback: Fetch | None = None,
        from_country: str | None = None,
    ) -> None:
        self.conversation = conversation
        self.record = record
        self.parent = parent
        self.fallback = fallback
        self.script = script
        self.over = asyncio.Event()
        self.interrupted = asyncio.Event()
        self.decided = asyncio.Event()
        self.will_answer: bool | None = None
        self.menu = 0  # the number of the menu that listens now, counted from 1; 0: nobody listens
        self.is_recorded = False
        self._ears: Ears | None = None
        self._menus = 0
        self._pending: CallOver | Redirected | None = None
        self._status_callback = status_callback
        self._sequence = 0
        self._from_country = from_country
        self._stop_acting: Callable[[], object] | None = None
        conversation.exchange.calls[record.sid] = self

    # --- for whoever placed the call

    @property
    def sid(self) -> str:
        """The CallSid."""
        return self.record.sid

    @property
    def status(self) -> CallStatus:
        """Where the call stands, in Twilio's words."""
        return self.record.status

    @property
    def ended(self) -> bool:
        """True when the call is over; callbacks may still be under way (see `finished`)."""
        return self.record.ended

    @property
    def journal(self) -> Journal:
        """The events of the conversation."""
        return self.conversation.journal

    @property
    def events(self) -> tuple[SimEvent, ...]:
        """What happened so far."""
        return tuple(self.journal.events)

    @property
    def legs(self) -> tuple["SimCall", ...]:
        """The legs that were dialled from this call, in order."""
        return tuple(call for call in self.conversation.exchange.calls.values() if call.parent is self)

    @property
    def transcript(self) -> str:
        """What the caller heard and pressed, a line each."""
        heard = (SimEventKind.SAID, SimEventKind.PLAYED, SimEventKind.DIGITS, SimEventKind.LEG_ANSWERED)
        return "\n".join(event.text for event in self.journal.events if event.kind in heard)

    async def wait_for(
        self,
        kind: SimEventKind,
        timeout: float = 10.0,  # noqa: ASYNC109 - it also says what did happen, which asyncio.timeout cannot
        *,
        after: int = 0,
    ) -> SimEvent:
        """The first event of that kind, now or within `timeout` seconds (wall time); raises NotHappened.

        With `after`, the first so many events of the conversation do not count.
        """
        return await self.journal.wait_for(kind, seconds=timeout, after=after)

    def follow(self) -> AsyncIterator[SimEvent]:
        """Every event from the first on, until all is over."""
        return self.journal.follow()

    async def finished(self) -> SimEvent:
        """Wait until the call is over and every callback was sent; gives the `ended` event.

        Raises whatever made the simulator itself fail.
        """
        await self.journal.until(lambda: False)
        if self.conversation.failure is not None:
            raise self.conversation.failure
        return await self.wait_for(SimEventKind.ENDED)

    def hang_up(self) -> None:
        """The person hangs up (or, while their phone rings, the one who rings it gives up); nothing if it is over."""
        self.end(CallStatus.COMPLETED if self.record.answered_second is not None else CallStatus.NO_ANSWER, "hung up")

    def press(self, digits: str) -> None:
        """The person presses keys (0-9, * and #); they are lost where nobody listens."""
        heard = self._ears is not None and not self.ended
        text = f"{self.who} presses {digits}" + ("" if heard else " (nobody listens)")
        self.emit(SimEventKind.DIGITS, text, digits=digits, heard=heard)
        if self._ears is not None:
            self._ears.hear(digits)

    def answer(self) -> None:
        """The person picks up the ringing phone; raises CallStateError where it does not ring."""
        self.decide(answer=True)

    def decline(self) -> None:
        """The person declines the ringing call; raises CallStateError where it does not ring."""
        self.decide(answer=False)

    # --- for the rest of the simulator

    @property
    def clock(self) -> Clock:
        """Call time."""
        return self.conversation.exchange.clock

    @property
    def who(self) -> str:
        """The person at the far end, for people to read."""
        return self.record.from_ if self.record.direction is Direction.INBOUND else self.record.to

    def emit(self, kind: SimEventKind, text: str, **data: Any) -> None:
        """Tell that something happened to this call or leg."""
        self.conversation.emit(kind, text, leg_sid=self.sid if self.parent else None, data=data)

    def warn(self, text: str) -> None:
        """Tell what Twilio would put into its debugger."""
        self.emit(SimEventKind.WARNING, text)

    async def race(self, work: Coroutine[Any, Any, T], *, let_finish: bool = False) -> T:
        """Wait for `work` unless the call is over or redirected before: then CallOver or Redirected is raised.

        `work` is cancelled then, or left to finish unheard (`let_finish`), as a request that is under way is.
        """
        task = asyncio.create_task(work)
        signal = asyncio.create_task(self.interrupted.wait())
        try:
            await asyncio.wait({task, signal}, return_when=asyncio.FIRST_COMPLETED)
            self.check()
            return task.result()
        except (CallOver, Redirected):
            if let_finish:
                self.conversation.spawn(self._finish_unheard(task))
            else:
                task.cancel()
            raise
        except asyncio.CancelledError:
            task.cancel()
            raise
        finally:
            signal.cancel()

    async def _finish_unheard(self, task: asyncio.Task[Any]) -> None:
        try:
            await task
        except WebhookError as error:
            self.warn(str(error))

    def check(self) -> None:
        """Raise CallOver or Redirected if either is due."""
        pending = self._pending
        if isinstance(pending, Redirected):
            self._pending = None
            self.interrupted.clear()
        if pending is not None:
            raise pending

    async def wait(self, seconds: float) -> None:
        """Let call time pass; raises as `race`."""
        await self.race(self.clock.sleep(seconds))

    async def request(self, url: str, method: str = "POST", extra: Params = (), *, copies: int = 1) -> Reply:
        """Ask the service something about this call; raises WebhookError."""
        params = [*call_params(self.record, from_country=self._from_country), *extra]
        return await self._send(url, params, method, copies)

    async def tell(self, url: str, method: str, extra: Params, *, ids_only: bool = False) -> None:
        """As `request`, but nothing depends on the answer: a failure is only a warning.

        With `ids_only` no more of the call is told than AccountSid and CallSid, as in what Twilio says of recordings.
        """
        ids = pairs(("AccountSid", self.record.account_sid), ("CallSid", self.sid))
        told = ids if ids_only else call_params(self.record, from_country=self._from_country)
        try:
            await self._send(url, [*told, *extra], method, copies=1)
        except WebhookError as error:
            self.warn(str(error))

    @contextmanager
    def listening(self, verb: str) -> Iterator[Ears]:
        """Hear keys while the context lasts."""
        self._menus += 1
        self.menu = self._menus
        self._ears = ears = Ears(self.clock)
        self.is_recorded = verb == "Record"
        self.emit(SimEventKind.LISTENING, f"<{verb}> listens", verb=verb)
        try:
            yield ears
        finally:
            self._ears = None
            self.menu = 0
            self.is_recorded = False

    def decide(self, *, answer: bool) -> None:
        """The person makes up their mind while it rings; raises CallStateError where it does not, or they have."""
        if self.record.direction is Direction.INBOUND or self.status is not CallStatus.RINGING:
            raise CallStateError(f"{self.sid} does not ring: it is {self.status}")
        if self.will_answer is not None:
            raise CallStateError(f"{self.sid} was {'answered' if self.will_answer else 'declined'} just now")
        self.will_answer = answer
        self.decided.set()

    def start_acting(self) -> None:
        """From now on the person does as their script says."""
        if self.script.steps and not self.ended:
            self._stop_acting = self.conversation.spawn(act_out(self, self.script))

    def set_status(self, status: CallStatus, progress: Progress) -> None:
        """Move on, and tell it by status callback where that is wanted."""
        if self.ended:
            return
        self._note(status)
        self._tell_progress(progress)

    def mark_answered(self) -> None:
        """The call is picked up (once; again is nothing)."""
        if self.ended or self.record.answered_second is not None:
            return
        self.record.answered_second = self.clock.seconds()
        if self.parent is None:
            self.emit(SimEventKind.ANSWERED, f"{self.record.to} picks up")
        self.set_status(CallStatus.IN_PROGRESS, Progress.ANSWERED)

    def end(self, status: CallStatus, reason: str) -> None:
        """End it, once: tell it, interrupt what it is doing, and stop its person."""
        if self.ended:
            return
        self.record.ended_at = self.clock.now()
        self.record.ended_second = self.clock.seconds()
        self._note(status)
        self._pending = CallOver()
        self.interrupted.set()
        self.over.set()
        seconds = self.record.duration
        if self.parent is None:
            self.emit(SimEventKind.ENDED, f"ended: {reason} ({status})", status=status, reason=reason, seconds=seconds)
        else:
            text = f"{self.record.to}: {reason} ({status})"
            self.emit(SimEventKind.LEG_ENDED, text, to=self.record.to, status=status, reason=reason, seconds=seconds)
        self._tell_progress(Progress.COMPLETED)
        if self._stop_acting is not None:
            self._stop_acting()

    def fail(self, reason: str) -> None:
        """End it because something went wrong."""
        self.end(CallStatus.FAILED, reason)

    def redirect(self, to: Instructions) -> None:
        """Have the live call follow other instructions; raises CallStateError where it is not in progress."""
        if self.ended or (self.record.answered_second is None and self.record.direction is not Direction.INBOUND):
            raise CallStateError(f"{self.sid} is {self.status}")
        self._pending = Redirected(to)
        self.interrupted.set()

    def _note(self, status: CallStatus) -> None:
        self.record.status = status
        self.record.updated_at = self.clock.now()

    def _tell_progress(self, progress: Progress) -> None:
        callback = self._status_callback
        if callback is None or progress not in callback.events:
            return
        status, sequence = self.record.status, self._sequence
        self._sequence += 1
        params = status_params(
            self.record, status, sequence=sequence, at=self.clock.now(), from_country=self._from_country
        )

        async def send(copies: int) -> None:
            delivered = True
            try:
                await self._send(callback.url, params, callback.method, copies)
            except WebhookError as error:
                delivered = False
                self.warn(str(error))
            text = f"status callback {sequence}: {status}" + ("" if delivered else " (not delivered)")
            self.emit(SimEventKind.STATUS_SENT, text, status=status, sequence=sequence, delivered=delivered)

        def drop() -> None:
            self.emit(SimEventKind.TROUBLE, f"status callback {sequence} ({status}) is lost", sequence=sequence)

        self.conversation.statuses.add(StatusPost(status, sequence, send, drop))

    async def _send(self, url: str, params: Params, method: str, copies: int) -> Reply:
        return await self.conversation.exchange.webhooks.send(
            url,
            params,
            method="GET" if method.upper() == "GET" else "POST",
            token=secrets.token_hex(16),
            trouble=self.conversation.trouble,
            copies=copies,
            observe=lambda kind, text, data: self.emit(kind, text, **data),
        )
