"""What the carrier says of a call, joined to what is known: states of the call and its legs, answers, ends, recordings.

The carrier repeats itself, overtakes itself and leaves things out. So every message is kept once in the inbox, facts
are only ever joined (`domain/call_states.py`), and what follows for the agent is done when a fact turns true for the
first time. The record of a call is the same whatever the order in which its messages came.
"""

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.call_states import CallState, CarrierStatus, call_state, join_call, join_leg, placed_call_state
from app.domain.customer_facts import Direction
from app.domain.matching import MatchOutcome
from app.domain.routing import LeaveReason
from app.models.base import new_id
from app.models.calls import (
    AgentEventType,
    Call,
    CarrierEvent,
    Leg,
    LegKind,
    Recording,
    RecordingKind,
    TraceStep,
)
from app.models.people import Agent
from app.models.routing import Presence
from app.services.agent_log import tell, trace
from app.services.callbacks.of_calls import caller_got_through, keep_in_step
from app.services.hotline import Hotline
from app.services.presence import holding, move, withdraw
from app.services.standing import note_contact
from app.telephony.port import CallEvent, EventKind

_CLIENT = "client:"

_NOT_ANSWERED = {
    CarrierStatus.NO_ANSWER: LeaveReason.NO_ANSWER,
    CarrierStatus.BUSY: LeaveReason.DECLINED,
    CarrierStatus.CANCELED: LeaveReason.CALLER_LEFT,
    CarrierStatus.FAILED: LeaveReason.UNREACHABLE,
}


async def keep(session: AsyncSession, event: CallEvent, dedupe_key: str) -> bool:
    """Put an event into the inbox; False when it was heard before, and so nothing more is to be done."""
    kept = await session.scalar(
        insert(CarrierEvent)
        .values(
            id=new_id(),
            provider=event.provider,
            provider_call_id=event.call_id,
            kind=event.kind,
            dedupe_key=dedupe_key,
            params=dict(event.params),
            received_at=event.received_at,
        )
        .on_conflict_do_nothing()
        .returning(CarrierEvent.id)
    )
    return kept is not None


def status_key(event: CallEvent) -> str:
    """What makes two status callbacks the same: the leg, what is said of it, and the carrier's count, if it counts."""
    return f"status:{event.call_id}:{event.status}:{'' if event.sequence is None else event.sequence}"


async def find_call(session: AsyncSession, provider: str, provider_call_id: str) -> Call | None:
    """A call by the carrier's id, locked so that its facts can be joined, but not against new rows that refer to it."""
    return await session.scalar(
        select(Call)
        .where(Call.provider == provider, Call.provider_call_id == provider_call_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )


async def call_or_stub(session: AsyncSession, event: CallEvent, provider_call_id: str, hotline: Hotline) -> Call:
    """A call by the carrier's id, locked; of one that nobody has heard of, a stub that its first request completes."""
    call = await find_call(session, event.provider, provider_call_id)
    if call is not None:
        return call
    await session.execute(
        insert(Call)
        .values(
            id=new_id(),
            provider=event.provider,
            provider_call_id=provider_call_id,
            direction=Direction.INBOUND,
            state=CallState.RINGING,
            customer_status=CarrierStatus.QUEUED,
            is_stub=True,
            from_raw=event.from_raw if event.parent_call_id is None else "",
            to_raw=event.to_raw if event.parent_call_id is None else "",
            language=hotline.default.language if hotline.default else "zh-CN",
            match_outcome=MatchOutcome.UNKNOWN,
            received_at=event.received_at,
            heard_at=event.received_at,
        )
        .on_conflict_do_nothing()
    )
    call = await find_call(session, event.provider, provider_call_id)
    assert call is not None, "it was inserted just now, here or elsewhere"
    return call


async def hear_status(session: AsyncSession, event: CallEvent, hotline: Hotline) -> CallState | None:
    """Join a status callback to its call, which becomes a stub if nobody has heard of it.

    Returns:
        The call's state if it changed, else None.
    """
    if not await keep(session, event, status_key(event)) or event.status is None:
        # Heard before, or a word that we do not know: that is kept as it came, and nothing follows from it.
        return None
    call = await call_or_stub(session, event, event.parent_call_id or event.call_id, hotline)
    before = call.state
    if event.parent_call_id is None:
        await join_own_status(session, call, event.status, event, hotline)
    else:
        leg = await _leg(session, call, event)
        await join_leg_status(session, call, leg, event.status, event, hotline)
    return call.state if call.state is not before else None


def _moment(event: CallEvent) -> datetime:
    """When it happened by the carrier's clock: the order of arrival must not show in the record."""
    return event.occurred_at or event.received_at


def settle(call: Call) -> None:
    """Work the state out of the facts; it only ever moves forward."""
    if call.direction is Direction.OUTBOUND:
        is_over = call.ended_at is not None
        worked_out = placed_call_state(call.customer_status, answered=call.answered_at is not None, is_over=is_over)
        call.state = join_call(call.state, worked_out)
        return
    worked_out = call_state(
        call.customer_status,
        was_waiting=call.queued_at is not None,
        agent_answered=call.answered_at is not None,
        callback_promised=call.kept_place_at is not None,
        left_voicemail=call.voicemail_at is not None,
    )
    call.state = join_call(call.state, worked_out)


async def join_own_status(
    session: AsyncSession, call: Call, status: CarrierStatus, event: CallEvent, hotline: Hotline
) -> None:
    """Join what is said of the customer's own leg; the first end of it lets the agent go."""
    call.customer_status = join_leg(call.customer_status, status)
    if status.is_terminal:
        first_time = call.ended_at is None
        call.ended_at = min(call.ended_at or _moment(event), _moment(event))
        if call.kept_place_at is None:
            call.left_queue_at = call.left_queue_at or (call.ended_at if call.queued_at else None)
        settle(call)
        if first_time:
            trace(session, call.id, TraceStep.ENDED, at=event.received_at, state=call.state)
            await session.flush()
            await _let_agent_go(session, call, hotline, event.received_at)
    settle(call)
    await session.flush()
    if status.is_terminal and call.answered_at is None:
        await keep_in_step(session, call, hotline, event.received_at)


async def _let_agent_go(session: AsyncSession, call: Call, hotline: Hotline, now: datetime) -> None:
    """The call is over: clear the card of whoever was only offered it, and give whoever talked time to write it up."""
    presence = await holding(session, call.id)
    if presence is None:
        return
    if presence.state is Presence.RESERVED:
        await withdraw(session, presence, LeaveReason.CALLER_LEFT, hotline, now)
    elif presence.state is Presence.ON_CALL:
        await tell(
            session,
            presence.agent_id,
            AgentEventType.CALL_ENDED,
            {"call_id": str(call.id), "state": call.state},
            at=now,
            call_id=call.id,
        )
        await move(session, presence, Presence.WRAP_UP, hotline, now, call_id=call.id)


async def _leg(session: AsyncSession, call: Call, event: CallEvent) -> Leg:
    """The leg an event speaks of: known by the carrier's id, or the offer it belongs to, or new to us."""
    leg = await session.scalar(select(Leg).where(Leg.provider_call_id == event.call_id))
    if leg is not None:
        return leg
    agent_id = None
    if event.to_raw.startswith(_CLIENT):
        agent_id = await session.scalar(select(Agent.id).where(Agent.identity == event.to_raw.removeprefix(_CLIENT)))
        leg = await session.scalar(
            select(Leg)
            .where(Leg.call_id == call.id, Leg.agent_id == agent_id, Leg.provider_call_id.is_(None))
            .order_by(Leg.offered_at)
            .limit(1)
        )
    if leg is None:
        leg = Leg(
            id=new_id(),
            call_id=call.id,
            kind=LegKind.AGENT if event.to_raw.startswith(_CLIENT) else LegKind.NUMBER,
            agent_id=agent_id,
            status=CarrierStatus.QUEUED,
            offered_at=_moment(event),
        )
        session.add(leg)
    leg.provider_call_id = event.call_id
    await session.flush()
    return leg


async def join_leg_status(
    session: AsyncSession, call: Call, leg: Leg, status: CarrierStatus, event: CallEvent, hotline: Hotline
) -> None:
    """Join what is said of one leg; a leg that was completed had been answered, even if nobody said so."""
    now = event.received_at
    leg.status = join_leg(leg.status, status)
    if status.is_terminal:
        leg.ended_at = min(leg.ended_at or _moment(event), _moment(event))
    if leg.status is CarrierStatus.BUSY:
        leg.declined_at = leg.ended_at
    if status in (CarrierStatus.IN_PROGRESS, CarrierStatus.COMPLETED):
        answered = _moment(event)
        if status is CarrierStatus.COMPLETED:
            answered -= timedelta(seconds=event.seconds or 0)
        leg.answered_at = min(leg.answered_at or answered, answered)
        first_time = call.answered_at is None
        if call.answered_at is None or leg.answered_at < call.answered_at:
            call.answered_at = leg.answered_at
            call.answered_by_id = leg.agent_id
        call.left_queue_at = call.left_queue_at or (call.answered_at if call.queued_at else None)
        settle(call)
        await session.flush()
        if first_time:
            trace(session, call.id, TraceStep.ANSWERED, at=now, agent_id=leg.agent_id)
            await keep_in_step(session, call, hotline, now)
            await caller_got_through(session, call, now)
            if call.customer_id is not None:
                await note_contact(session, call.customer_id, leg.answered_at, wait=False)
            await _begin_talking(session, call, leg, hotline, now)
    elif status.is_terminal and leg.answered_at is None:
        await session.flush()
        await _not_answered(session, call, leg, status, hotline, now)
    settle(call)
    await session.flush()


async def _begin_talking(session: AsyncSession, call: Call, leg: Leg, hotline: Hotline, now: datetime) -> None:
    presence = await holding(session, call.id)
    if presence is None or presence.agent_id != leg.agent_id or presence.state is not Presence.RESERVED:
        return
    if call.ended_at is not None:
        return
    await tell(
        session,
        presence.agent_id,
        AgentEventType.CALL_ANSWERED,
        {"call_id": str(call.id)},
        at=now,
        call_id=call.id,
    )
    await move(session, presence, Presence.ON_CALL, hotline, now, call_id=call.id)


async def _not_answered(
    session: AsyncSession, call: Call, leg: Leg, status: CarrierStatus, hotline: Hotline, now: datetime
) -> None:
    presence = await holding(session, call.id)
    if presence is None or presence.agent_id != leg.agent_id or presence.state is not Presence.RESERVED:
        return
    if status is CarrierStatus.CANCELED and call.ended_at is None:
        # The carrier stops ringing one leg when the caller leaves or when it was told to ring another; which of the two
        # it was, the call's own end or the dial result will say.
        return
    await withdraw(session, presence, _NOT_ANSWERED[status], hotline, now)


async def hear_recording(session: AsyncSession, event: CallEvent, hotline: Hotline, kind: RecordingKind) -> None:
    """Keep where a recording is; a message that was left makes the call a voicemail."""
    if event.recording_id is None or not await keep(session, event, f"recording:{event.recording_id}:{kind}"):
        return
    call = await call_or_stub(session, event, event.call_id, hotline)
    made = await session.scalar(
        insert(Recording)
        .values(
            id=new_id(),
            call_id=call.id,
            provider_recording_id=event.recording_id,
            kind=kind,
            url=event.recording_url or "",
            seconds=event.recording_seconds,
        )
        .on_conflict_do_update(
            index_elements=[Recording.provider_recording_id],
            set_={
                "url": func.coalesce(func.nullif(event.recording_url or "", ""), Recording.url),
                "seconds": func.coalesce(event.recording_seconds, Recording.seconds),
            },
        )
        .returning(Recording.kind)
    )
    if made is RecordingKind.VOICEMAIL and call.voicemail_at is None:
        call.voicemail_at = _moment(event)
        trace(session, call.id, TraceStep.VOICEMAIL, at=event.received_at, seconds=event.recording_seconds)
        settle(call)
        await session.flush()
        await keep_in_step(session, call, hotline, event.received_at)
    await session.flush()


async def hear_fallback(session: AsyncSession, event: CallEvent, hotline: Hotline) -> Call:
    """Record that the carrier could not use one of our answers (its ErrorCode and ErrorUrl)."""
    assert event.kind is EventKind.FALLBACK
    call = await call_or_stub(session, event, event.call_id, hotline)
    if await keep(session, event, f"fallback:{event.call_id}:{event.error_code}:{event.idempotency_token}"):
        trace(
            session,
            call.id,
            TraceStep.FALLBACK,
            at=event.received_at,
            error_code=event.error_code,
            error_url=event.error_url,
        )
        await session.flush()
    return call
