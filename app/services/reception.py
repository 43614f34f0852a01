"""Reception: every verified carrier request comes through here and is answered in time, whatever else is broken.

Within its budget a request is decided on the database. When the database is away or too slow, the caller is kept all
the same (another turn of the wait loop, the fallback number, voicemail), what the request said goes to the spool,
and `replay` brings it into the database later.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

import structlog

from app.db import Database, is_outage
from app.domain.call_states import CarrierStatus
from app.domain.prompts import choose_language
from app.errors import Unavailable
from app.models.calls import RecordingKind, TraceStep
from app.observability import metrics
from app.services import call_flow, outbound
from app.services.agent_log import replay_is_traced, trace
from app.services.call_facts import find_call, hear_fallback, hear_recording, hear_status
from app.services.dialler import DialLimits
from app.services.hotline import Hotline
from app.services.hotline_keeper import HotlineKeeper
from app.services.ringer import Ringer
from app.services.ringing import ringing_call
from app.services.spool import Spool, Spooled
from app.telephony.port import (
    Answer,
    CallbackPromised,
    CallEvent,
    EventKind,
    ForwardCall,
    HangUp,
    TakeVoicemail,
    VoicemailReason,
    Wait,
)

BUDGET_SECONDS: Final = 1.5
"""For everything but the first ringing, whose budget is a setting: the carrier is to have an answer within 2 s."""

REPLAY_SECONDS: Final = 1.0
"""How often the spool is looked at."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Reception:
    """What answering needs.

    Args:
        database: where calls are kept.
        hotline: the set-up, which is at hand even when the database is not.
        ringer: brings ringing calls to the database.
        spool: keeps requests while the database is away.
        voice_budget: seconds for the first answer.
        read: turns a spooled request back into an event; the carrier's adapter knows how.
        limits: how often customers may be called.
    """

    database: Database
    hotline: HotlineKeeper
    ringer: Ringer
    spool: Spool
    voice_budget: float
    read: Callable[[Spooled], CallEvent]
    limits: DialLimits = field(default_factory=DialLimits)

    async def answer(self, event: CallEvent, raw: Spooled) -> Answer | None:
        """The answer to a request; None where the carrier only tells and does not ask.

        Args:
            event: what was said.
            raw: the same as it came, for the spool.

        Raises:
            Unavailable: neither the database nor the disk took a message that needs no answer; the carrier may try
            again.
        """
        try:
            if event.kind is EventKind.VOICE:
                # Only our waiting ends with the time: what is on its way to the database arrives or fails by itself.
                async with asyncio.timeout(self.voice_budget):
                    return await self._decide(event)
            return await self._decide_in_time(event)
        except Exception as error:
            if not is_outage(error):
                raise
            log.error("database_away", route=event.kind, error=type(error).__name__, provider_call_id=event.call_id)
            is_slow = isinstance(error, TimeoutError)
        return await self._keep_caller(event, raw, is_slow=is_slow)

    async def _decide_in_time(self, event: CallEvent) -> Answer | None:
        # Waited for, not cancelled and waited for: a statement on a hung database may take its time to be cancelled.
        work = asyncio.create_task(self._decide(event))
        if not (await asyncio.wait({work}, timeout=BUDGET_SECONDS))[0]:
            work.cancel()
            raise TimeoutError
        return work.result()

    async def _decide(self, event: CallEvent) -> Answer | None:
        hotline = self.hotline.now
        if event.kind is EventKind.VOICE:
            return await self._ring(event, hotline)
        async with self.database.session_scope() as session:
            match event.kind:
                case EventKind.STATUS:
                    state = await hear_status(session, event, hotline)
                    if state is not None:
                        metrics.calls.labels(state=state).inc()
                    return None
                case EventKind.RECORDING:
                    await hear_recording(session, event, hotline, _recording_kind(event))
                    return None
                case EventKind.VOICEMAIL:
                    return await call_flow.after_the_beep(session, event, hotline)
                case EventKind.FALLBACK:
                    return await call_flow.after_an_error(session, event, hotline)
                case EventKind.OUTBOUND:
                    return await outbound.after_pick_up(session, event, hotline, self.limits)
                case EventKind.OUTBOUND_RESULT:
                    return await outbound.after_customer(session, event, hotline, self.limits)
                case EventKind.OUTBOUND_STATUS:
                    await outbound.hear_status(session, event, hotline, self.limits)
                    return None
                case EventKind.OUTBOUND_MACHINE:
                    await outbound.hear_machine(session, event)
                    return None
                case EventKind.DIAL_RESULT:
                    answer = await call_flow.after_dialling(session, event, hotline)
                case _:
                    answer = await call_flow.while_waiting(session, event, hotline)
        if answer is not None:
            return answer
        # Nobody has heard of this call: its first request came while the database was away.
        if event.status is not None and event.status.is_terminal:
            return HangUp(self._language(event, hotline))
        return await self._ring(event, hotline)

    async def _ring(self, event: CallEvent, hotline: Hotline) -> Answer:
        route = hotline.route(event.to_raw)
        if route is None:
            log.error("no_queue", dialled=event.to_raw)
            return self._elsewhere(event, hotline)
        rung = await self.ringer.ring(ringing_call(event, hotline, route), hotline)
        return call_flow.first_answer(rung, event, route, hotline)

    async def _keep_caller(self, event: CallEvent, raw: Spooled, *, is_slow: bool) -> Answer | None:
        answer = self._answer_by_ourselves(event, is_slow=is_slow)
        is_elsewhere = isinstance(answer, ForwardCall | TakeVoicemail)
        if await asyncio.to_thread(self.spool.put, replace(raw, sent_elsewhere=is_elsewhere)):
            return answer
        if answer is None:
            raise Unavailable("Neither the database nor the disk took this; please send it again.")
        # What only memory holds is no promise.
        return self._elsewhere(event, self.hotline.now) if isinstance(answer, CallbackPromised) else answer

    def _answer_by_ourselves(self, event: CallEvent, *, is_slow: bool) -> Answer | None:
        """What keeps the caller without the database."""
        hotline = self.hotline.now
        language = self._language(event, hotline)
        match event.kind:
            case EventKind.STATUS | EventKind.RECORDING | EventKind.OUTBOUND_STATUS | EventKind.OUTBOUND_MACHINE:
                return None
            case EventKind.OUTBOUND | EventKind.OUTBOUND_RESULT:
                # Without the record nobody knows whether the customer may be rung.
                return HangUp(language)
            case EventKind.VOICEMAIL:
                return HangUp(language, message_kept=True)
            case EventKind.DIAL_RESULT if event.dial_status is CarrierStatus.COMPLETED:
                return HangUp(language)
            case EventKind.WAIT if event.digits == call_flow.KEEP_PLACE and hotline.number(event.from_raw).is_number:
                return CallbackPromised(language)
            case EventKind.VOICE if is_slow:
                # Slow is not gone: in a moment the wait loop asks again, and by then the card may be there.
                return Wait(language, place=None, seconds=1, offer_callback=False)
        return self._elsewhere(event, hotline)

    def _language(self, event: CallEvent, hotline: Hotline) -> str:
        route = hotline.route(event.to_raw)
        return choose_language(
            route.language if route else None,
            hotline.number(event.from_raw).region,
            route.queue.language if route else None,
        )

    def _elsewhere(self, event: CallEvent, hotline: Hotline) -> Answer:
        """Where a caller goes whom no agent can be offered to: the fallback number once, else voicemail."""
        language = self._language(event, hotline)
        number = hotline.fallback(event.to_raw)
        if number is not None and event.kind is not EventKind.DIAL_RESULT:
            return ForwardCall(number, language)
        return TakeVoicemail(language, VoicemailReason.TROUBLE)

    async def keep_failed(self, raw: Spooled) -> None:
        """Keep a request that failed for a reason that nobody thought of, and whose caller was sent elsewhere.

        Tried again by `replay`, it lets go of an agent who was reserved before it failed; if it fails again it is set
        aside.
        """
        await asyncio.to_thread(self.spool.put, replace(raw, sent_elsewhere=True))

    async def keep_replaying(self) -> None:
        """Replay the spool whenever there is something in it and the database is there, until cancelled."""
        while True:
            await asyncio.sleep(REPLAY_SECONDS)
            try:
                if await asyncio.to_thread(self.spool.depth):
                    await self.replay()
            except OSError as error:
                log.error("spool_unreadable", error=error.strerror)

    async def replay(self) -> int:
        """Bring what is in the spool into the database, the oldest first; returns how many. Stops at an outage."""
        replayed = 0
        with self.spool.claimed() as is_mine:
            if not is_mine:
                return 0
            for raw in self.spool.waiting():
                try:
                    await self._replay_one(raw)
                except Exception as error:  # noqa: BLE001 - one request that cannot be replayed must not hold up the rest
                    if is_outage(error):
                        break
                    self.spool.set_aside(raw, error)
                    continue
                await asyncio.to_thread(self.spool.done, raw)
                metrics.replayed.inc()
                replayed += 1
        if replayed:
            log.warning("spool_replayed", requests=replayed)
        return replayed

    async def _replay_one(self, raw: Spooled) -> None:
        """Join one spooled request to the record. Nobody is rung: the caller has been sent elsewhere long ago."""
        event = self.read(raw)
        hotline = self.hotline.now
        if event.kind is EventKind.VOICE:
            route = hotline.route(event.to_raw)
            if route is not None:
                await self.ringer.ring(ringing_call(event, hotline, route, may_reserve=False), hotline)
        call_id = event.parent_call_id or event.call_id
        async with self.database.session_scope() as session:
            call = await find_call(session, event.provider, call_id)
            if call is not None and await replay_is_traced(session, call.id, raw.name):
                # Done before, in one transaction with its trace; only the file was left behind.
                return
            match event.kind:
                case EventKind.STATUS:
                    await hear_status(session, event, hotline)
                case EventKind.RECORDING:
                    await hear_recording(session, event, hotline, _recording_kind(event))
                case EventKind.VOICEMAIL:
                    await hear_recording(session, event, hotline, RecordingKind.VOICEMAIL)
                case EventKind.FALLBACK:
                    await hear_fallback(session, event, hotline)
                case EventKind.DIAL_RESULT:
                    await call_flow.hear_dial_result(session, event, hotline)
                case EventKind.OUTBOUND_STATUS:
                    await outbound.hear_status(session, event, hotline, self.limits)
                case EventKind.OUTBOUND_RESULT:
                    await outbound.after_customer(session, event, hotline, self.limits)
                case EventKind.OUTBOUND_MACHINE:
                    await outbound.hear_machine(session, event)
                case EventKind.WAIT if event.digits == call_flow.KEEP_PLACE:
                    await call_flow.keep_place_of(session, event, hotline)
                case EventKind.WAIT | EventKind.VOICE | EventKind.OUTBOUND:
                    pass
            if raw.sent_elsewhere and event.attempt_id is None:
                await call_flow.hear_sent_elsewhere(session, event, hotline)
            call = await find_call(session, event.provider, call_id)
            if call is not None:
                trace(session, call.id, TraceStep.SPOOLED, at=event.received_at, route=event.kind, file=raw.name)
                trace(session, call.id, TraceStep.REPLAYED, at=datetime.now(UTC), route=event.kind, file=raw.name)


def _recording_kind(event: CallEvent) -> RecordingKind:
    return RecordingKind.VOICEMAIL if event.is_message else RecordingKind.CALL
