"""What a caller hears next: the answer to every question the carrier asks during a call.

The first question is answered by `ring` (services/ringing.py) and put into words here. The later ones, what became of
the dialling, a turn of the wait loop, the message after the beep, come with a session: they lock the call's row first
and an agent's after it.
"""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import exists, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.call_states import CarrierStatus
from app.domain.prompts import Prompt, choose_language, prompt
from app.domain.routing import LeaveReason
from app.models.base import new_id
from app.models.calls import Call, Leg, LegKind, RecordingKind, TraceStep
from app.models.people import Agent
from app.models.routing import AgentPresence, Presence, QueueMember
from app.services.agent_log import trace
from app.services.call_facts import (
    call_or_stub,
    find_call,
    hear_fallback,
    hear_recording,
    join_leg_status,
    join_own_status,
    settle,
)
from app.services.callbacks.of_calls import keep_in_step
from app.services.hotline import Hotline, QueueSetup, Route, open_state
from app.services.offering import offer
from app.services.presence import holding, withdraw
from app.services.ringing import Rung
from app.telephony.port import (
    Answer,
    CallbackPromised,
    CallEvent,
    HangUp,
    RingAgent,
    TakeVoicemail,
    VoicemailReason,
    Wait,
)

KEEP_PLACE: Final = "1"
"""The key for "call me back"."""

SILENCE: Final = timedelta(seconds=60)
"""How much longer than its wait loop a call may be silent before it counts as gone: prompts take time to say."""

_LEFT_BECAUSE: Final = {
    CarrierStatus.BUSY: LeaveReason.DECLINED,
    CarrierStatus.FAILED: LeaveReason.UNREACHABLE,
}


def first_answer(rung: Rung, event: CallEvent, route: Route, hotline: Hotline) -> Answer:
    """What the caller hears at first, from what became of the ringing."""
    can_call_back = hotline.number(event.from_raw).is_number
    queue = route.queue
    language = choose_language(rung.language, queue.language)
    greeting = prompt(Prompt.GREETING, language, company=hotline.company)
    if not rung.is_open:
        state = open_state(queue, rung.received_at)
        return TakeVoicemail(
            language=language,
            reason=VoicemailReason.CLOSED,
            opens_at=state.opens_at,
            closure=state.closure.name(language) if state.closure else "",
            offer_callback=can_call_back,
        )
    if rung.identity is None:
        return Wait(
            language=language,
            place=rung.place,
            seconds=queue.wait_seconds,
            greeting=greeting,
            offer_callback=can_call_back,
        )
    return RingAgent(
        identity=rung.identity,
        ring_seconds=queue.ring_seconds,
        language=language,
        greeting=greeting,
        record=queue.record_calls,
        notice=queue.record_calls,
    )


def _queue_of(call: Call, hotline: Hotline) -> QueueSetup | None:
    if call.queue_id is not None and call.queue_id in hotline.queues:
        return hotline.queues[call.queue_id]
    return hotline.default


def _language(call: Call, queue: QueueSetup | None) -> str:
    return choose_language(call.language, queue.language if queue else None)


async def _hear(session: AsyncSession, call: Call, event: CallEvent, hotline: Hotline) -> None:
    """Every question of the carrier's also says how the customer's own leg stands, and that they are still there."""
    call.heard_at = event.received_at
    if event.status is not None and event.status.is_terminal:
        await join_own_status(session, call, event.status, event, hotline)


async def after_dialling(session: AsyncSession, event: CallEvent, hotline: Hotline) -> Answer | None:
    """The carrier has stopped ringing somebody: go on to the next agent, into the queue, or end.

    Returns:
        The answer; None when the call is not known (the caller of this function lets it ring as new).
    """
    call = await find_call(session, event.provider, event.call_id)
    if call is None or call.is_stub:
        if event.dial_status is not CarrierStatus.COMPLETED:
            return None
        # They have talked with whomever the fallback number led to. The call itself is still in the spool.
        call = await call_or_stub(session, event, event.call_id, hotline)
    await _hear(session, call, event, hotline)
    queue = _queue_of(call, hotline)
    language = _language(call, queue)
    status = event.dial_status or CarrierStatus.NO_ANSWER
    leg = await _dialled_leg(session, call, event)
    if leg is not None:
        await join_leg_status(session, call, leg, status, event, hotline)
    if status is CarrierStatus.COMPLETED or (leg is not None and leg.answered_at is not None):
        # They have talked, and we hang up now: the call is over, whether or not the carrier will say so.
        await join_own_status(session, call, CarrierStatus.COMPLETED, event, hotline)
        return HangUp(language)
    if call.ended_at is not None or call.answered_at is not None:
        # Answered by another leg than this one: the carrier repeats an old question, to which nobody listens any more.
        return HangUp(language)
    presence = await holding(session, call.id)
    if (
        presence is not None
        and presence.state is Presence.RESERVED
        and (leg is None or leg.agent_id == presence.agent_id)
    ):
        reason = _LEFT_BECAUSE.get(status, LeaveReason.NO_ANSWER)
        await withdraw(session, presence, reason, hotline, event.received_at)
    return await _next(session, call, queue, event, hotline)


async def _dialled_leg(session: AsyncSession, call: Call, event: CallEvent) -> Leg | None:
    """The leg that a dial result speaks of: known by the carrier's id, or the last offer of which it has said nothing.

    Who was talked with without any such offer is the fallback number.
    """
    if event.dial_call_id is not None:
        leg = await session.scalar(select(Leg).where(Leg.provider_call_id == event.dial_call_id))
        if leg is not None:
            return leg
    leg = await session.scalar(
        select(Leg)
        .where(Leg.call_id == call.id, Leg.provider_call_id.is_(None), Leg.status != CarrierStatus.CANCELED)
        .order_by(Leg.ended_at.is_not(None), Leg.offered_at.desc())
        .limit(1)
    )
    if leg is None and event.dial_status is CarrierStatus.COMPLETED:
        leg = Leg(
            id=new_id(),
            call_id=call.id,
            kind=LegKind.NUMBER,
            status=CarrierStatus.QUEUED,
            offered_at=event.received_at,
        )
        session.add(leg)
    if leg is not None and event.dial_call_id is not None:
        leg.provider_call_id = event.dial_call_id
    return leg


async def _next(
    session: AsyncSession,
    call: Call,
    queue: QueueSetup | None,
    event: CallEvent,
    hotline: Hotline,
    *,
    waited: bool = False,
) -> Answer:
    """The next free agent, else a place in the queue, which counts from when the call came in."""
    now = event.received_at
    language = _language(call, queue)
    if queue is None:
        return TakeVoicemail(language, VoicemailReason.NOBODY)
    if call.kept_place_at is not None:
        # They are to be called back, perhaps somebody is about to: who is still on the line has not heard it yet.
        return CallbackPromised(language)
    presence = await holding(session, call.id)
    identity = None
    if presence is not None and presence.state is Presence.RESERVED:
        identity = await session.scalar(select(Agent.identity).where(Agent.id == presence.agent_id))
    if identity is None:
        identity = await offer(session, call, queue, hotline, now)
    if identity is not None:
        return RingAgent(
            identity=identity,
            ring_seconds=queue.ring_seconds,
            language=language,
            first=False,
            record=queue.record_calls,
            notice=queue.record_calls and not await _was_rung(session, call),
        )
    if waited and now - call.received_at > timedelta(seconds=queue.max_wait_seconds):
        call.left_queue_at = now
        settle(call)
        return TakeVoicemail(language, VoicemailReason.NOBODY, offer_callback=call.from_e164 is not None)
    if call.queued_at is None or call.left_queue_at is not None:
        call.queued_at = call.queued_at or call.received_at
        call.left_queue_at = None
        trace(session, call.id, TraceStep.WAITING, at=now)
        settle(call)
        await session.flush()
    return Wait(
        language=language,
        place=await place_of(session, call),
        seconds=queue.wait_seconds,
        offer_callback=call.from_e164 is not None,
    )


async def _was_rung(session: AsyncSession, call: Call) -> bool:
    """True when the recording notice has been said already: before the first phone that rang.

    An offer of whose leg the carrier never spoke may have been taken back before the caller heard of it.
    """
    rung = select(exists().where(Leg.call_id == call.id, Leg.provider_call_id.is_not(None)))
    return bool(await session.scalar(rung))


async def place_of(session: AsyncSession, call: Call) -> int:
    """A waiting call's place in its queue; 1 is next."""
    before = await session.scalar(
        select(func.count())
        .select_from(Call)
        .where(
            Call.queue_id == call.queue_id,
            Call.queued_at.is_not(None),
            Call.left_queue_at.is_(None),
            tuple_(Call.queued_at, Call.id) < tuple_(call.queued_at, call.id),
        )
    )
    return (before or 0) + 1


async def while_waiting(session: AsyncSession, event: CallEvent, hotline: Hotline) -> Answer | None:
    """A turn of the wait loop, or a key pressed in it or after hours.

    Returns:
        The answer; None when the call is not known (the caller of this function lets it ring as new).
    """
    call = await find_call(session, event.provider, event.call_id)
    if call is None or call.is_stub:
        return None
    await _hear(session, call, event, hotline)
    queue = _queue_of(call, hotline)
    language = _language(call, queue)
    if call.ended_at is not None:
        return HangUp(language)
    if call.answered_at is not None:
        return await _together_again(session, call, queue, language)
    if event.digits == KEEP_PLACE and call.from_e164 is not None:
        await _keep_place(session, call, event.received_at, hotline)
        return CallbackPromised(language)
    if queue is not None and not open_state(queue, event.received_at).is_open and call.queued_at is None:
        return TakeVoicemail(language, VoicemailReason.ASKED)
    return await _next(session, call, queue, event, hotline, waited=True)


async def _together_again(session: AsyncSession, call: Call, queue: QueueSetup | None, language: str) -> Answer:
    """The caller was fetched too late, out of a conversation that had begun: ring the agent they were talking to."""
    presence = await holding(session, call.id)
    if presence is None or presence.state is not Presence.ON_CALL or queue is None:
        return HangUp(language)
    identity = (await session.get_one(Agent, presence.agent_id)).identity
    return RingAgent(identity, queue.ring_seconds, language, first=False, record=queue.record_calls)


async def _keep_place(session: AsyncSession, call: Call, now: datetime, hotline: Hotline) -> None:
    """They pressed 1: the call stays in the queue where it stands, although its caller hangs up."""
    presence = await holding(session, call.id)
    if presence is not None and presence.state is Presence.RESERVED:
        await withdraw(session, presence, LeaveReason.CALLER_LEFT, hotline, now)
    if call.kept_place_at is None:
        call.kept_place_at = now
        call.queued_at = call.queued_at or call.received_at
        call.left_queue_at = None
        trace(session, call.id, TraceStep.PLACE_KEPT, at=now)
        settle(call)
        await session.flush()
        await keep_in_step(session, call, hotline, now)


async def hear_dial_result(session: AsyncSession, event: CallEvent, hotline: Hotline) -> None:
    """Join what became of a dialling to the record, without doing anything about it any more."""
    if event.dial_status is None:
        return
    call = await call_or_stub(session, event, event.call_id, hotline)
    leg = await _dialled_leg(session, call, event)
    if leg is not None:
        await join_leg_status(session, call, leg, event.dial_status, event, hotline)
    if event.dial_status is CarrierStatus.COMPLETED:
        await join_own_status(session, call, CarrierStatus.COMPLETED, event, hotline)
    elif event.status is not None and event.status.is_terminal:
        await join_own_status(session, call, event.status, event, hotline)


async def keep_place_of(session: AsyncSession, event: CallEvent, hotline: Hotline) -> None:
    """Keep a place that was promised while the database was away."""
    call = await find_call(session, event.provider, event.call_id)
    if call is not None and call.from_e164 is not None:
        await _keep_place(session, call, event.received_at, hotline)


async def hear_sent_elsewhere(session: AsyncSession, event: CallEvent, hotline: Hotline) -> None:
    """While the database was away this caller was sent to the fallback number or to voicemail: they wait no longer.

    Nor is anybody to be rung for them. Our own attempt may have been carried out after we had given up on it, and have
    reserved an agent, whose phone will never ring. A kept place stays, and so does who has been heard of since.
    """
    call = await find_call(session, event.provider, event.call_id)
    if call is None or call.ended_at is not None or call.answered_at is not None or call.heard_at > event.received_at:
        return
    trace(session, call.id, TraceStep.FORWARDED, at=event.received_at)
    if call.queued_at is not None and call.kept_place_at is None:
        call.left_queue_at = call.left_queue_at or event.received_at
    presence = await holding(session, call.id)
    if presence is not None and presence.state is Presence.RESERVED:
        await session.execute(
            update(Leg)
            .where(Leg.call_id == call.id, Leg.provider_call_id.is_(None), Leg.ended_at.is_(None))
            .values(status=CarrierStatus.CANCELED)
        )
        await withdraw(session, presence, LeaveReason.CALLER_LEFT, hotline, event.received_at)
    await session.flush()


async def after_the_beep(session: AsyncSession, event: CallEvent, hotline: Hotline) -> Answer:
    """The caller has left a message, or was sent here to leave one."""
    await hear_recording(session, event, hotline, RecordingKind.VOICEMAIL)
    call = await find_call(session, event.provider, event.call_id)
    language = _language(call, _queue_of(call, hotline)) if call else choose_language(None)
    return HangUp(language, message_kept=event.recording_id is not None)


async def after_an_error(session: AsyncSession, event: CallEvent, hotline: Hotline) -> Answer:
    """The carrier could not use our last answer: note why, and go on with the call where it stands."""
    call = await hear_fallback(session, event, hotline)
    queue = _queue_of(call, hotline)
    language = _language(call, queue)
    if call.ended_at is not None or call.answered_at is not None:
        return HangUp(language)
    if queue is None or not open_state(queue, event.received_at).is_open:
        return TakeVoicemail(language, VoicemailReason.TROUBLE)
    if call.is_stub:
        return Wait(language=language, place=None, seconds=1, offer_callback=False)
    return await _next(session, call, queue, event, hotline)


async def idle_though_somebody_waits(session: AsyncSession, limit: int) -> list[AgentPresence]:
    """Available agents in whose queues somebody stands, the longest available first, locked; none that others lock."""
    found = await session.scalars(
        select(AgentPresence)
        .where(
            AgentPresence.state == Presence.AVAILABLE,
            exists().where(
                QueueMember.agent_id == AgentPresence.agent_id,
                Call.queue_id == QueueMember.queue_id,
                Call.queued_at.is_not(None),
                Call.left_queue_at.is_(None),
            ),
        )
        .order_by(AgentPresence.available_since)
        .limit(limit)
        .with_for_update(of=AgentPresence, skip_locked=True)
        .execution_options(populate_existing=True)
    )
    return list(found)


async def forget_silent_callers(session: AsyncSession, hotline: Hotline, now: datetime) -> int:
    """Take waiting callers out of the queue of whom the carrier has not asked for long; returns how many.

    Their end was never told, so they would hold up everybody behind them. Should one still be there, the next turn
    of the wait loop puts them back in their old place. Kept places stay.
    """
    silent = 0
    for queue in hotline.queues.values():
        found = await session.scalars(
            select(Call)
            .where(
                Call.queue_id == queue.id,
                Call.queued_at.is_not(None),
                Call.left_queue_at.is_(None),
                Call.kept_place_at.is_(None),
                Call.heard_at < now - timedelta(seconds=queue.wait_seconds) - SILENCE,
            )
            .with_for_update(key_share=True, skip_locked=True)
        )
        for call in found:
            call.left_queue_at = now
            trace(session, call.id, TraceStep.RELEASED, at=now, reason="not_heard_of")
            silent += 1
    return silent
