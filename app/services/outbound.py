"""What the carrier says of a call that we place, and what the agent hears when they have picked up.

The customer is rung by nothing but our answer here, and that is given only while the attempt stands: to one call of
the carrier's, the one the attempt goes by. So whatever becomes of a request to place a call (lost, repeated, carried
out late), nobody is rung twice for one attempt, and nobody at all for one that is over.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import after_commit
from app.domain.call_states import CarrierStatus, join_leg
from app.domain.prompts import choose_language
from app.models.base import new_id
from app.models.callbacks import DialResult, DialState
from app.models.calls import AgentEventType, Leg, LegKind, TraceStep
from app.models.customers import Customer
from app.models.routing import Presence
from app.services.agent_log import tell, trace
from app.services.calendars import read_calendars
from app.services.call_facts import keep, settle, status_key
from app.services.callbacks.retrying import after_refusal
from app.services.dial_rules import may_dial
from app.services.dialler import DialLimits
from app.services.hotline import Hotline
from app.services.presence import holding, move
from app.services.settling import RESULT_OF, Held, customer_leg, end_attempt, give_up, hold
from app.services.standing import note_contact
from app.telephony.port import CallEvent, EndCall, EventKind, HangUp, RingCustomer

CUSTOMER_RINGS_SECONDS: Final = 30

log = structlog.get_logger(__name__)


def _moment(event: CallEvent) -> datetime:
    return event.occurred_at or event.received_at


async def after_pick_up(
    session: AsyncSession, event: CallEvent, hotline: Hotline, limits: DialLimits
) -> RingCustomer | HangUp:
    """The agent has picked up: ring the customer, unless something speaks against it now.

    The carrier may ask again with the same call, and gets the same answer until the customer's phone has rung.
    """
    held = await _held(session, event)
    if held is None or not await _is_its_call(session, held, event):
        return HangUp(choose_language(None))
    attempt, call = held.attempt, held.call
    goodbye = HangUp(choose_language(call.language))
    if not held.is_wanted:
        await give_up(session, held, "not_wanted", due_at=None, hotline=hotline, now=event.received_at)
        return goodbye
    presence = await holding(session, call.id)
    leg = await customer_leg(session, call.id, None)
    has_rung = leg is not None and leg.provider_call_id is not None
    if presence is None or presence.agent_id != attempt.agent_id or has_rung:
        return goodbye
    customer = await session.get(Customer, call.customer_id) if call.customer_id else None
    refusal = await may_dial(
        session,
        customer,
        attempt.to_e164,
        hotline=hotline,
        calendars=await read_calendars(session, hotline),
        now=event.received_at,
        purpose=attempt.purpose,
        calls_a_day=limits.calls_a_day,
        but_for=attempt.id,
    )
    await _agent_answers(session, held, event, hotline)
    if refusal is not None:
        await give_up(session, held, refusal.why, due_at=None, hotline=hotline, now=event.received_at)
        if held.callback is not None:
            await after_refusal(session, held.callback, refusal, hotline=hotline, now=event.received_at)
        return goodbye
    assert attempt.to_e164 is not None
    if leg is None:
        # From here on the customer may have been rung, whatever we hear of it or do not.
        session.add(_customer_leg(call.id, event))
        await session.flush()
    return RingCustomer(
        number=attempt.to_e164,
        caller_id=attempt.from_e164 or "",
        ring_seconds=CUSTOMER_RINGS_SECONDS,
        attempt_id=attempt.id,
        detect_machine=True,
    )


async def after_customer(session: AsyncSession, event: CallEvent, hotline: Hotline, limits: DialLimits) -> HangUp:
    """The customer's end is over; the agent's is now, too."""
    held = await _held(session, event)
    if held is None:
        return HangUp(choose_language(None))
    is_its_call = held.attempt.provider_call_id in (None, event.call_id)
    if is_its_call and event.dial_status is not None and event.dial_status.is_terminal:
        await join_customer(session, held, event.dial_status, event.dial_call_id, event, hotline, limits)
    return HangUp(choose_language(held.call.language))


async def hear_status(session: AsyncSession, event: CallEvent, hotline: Hotline, limits: DialLimits) -> None:
    """Join what is said of either leg. It may come before the answer to our own request, which it then completes."""
    if not await keep(session, event, status_key(event)) or event.status is None:
        return
    held = await _held(session, event)
    if held is None:
        return
    if event.parent_call_id is not None:
        if event.parent_call_id == held.attempt.provider_call_id:
            await join_customer(session, held, event.status, event.call_id, event, hotline, limits)
    elif await _is_its_call(session, held, event):
        await join_agent(session, held, event.status, event, hotline, limits)


async def hear_machine(session: AsyncSession, event: CallEvent) -> None:
    """Whether a machine answered. Nobody hangs up on that: it may be mistaken, and an agent listens."""
    held = await _held(session, event)
    if held is not None and event.is_machine is not None and held.attempt.is_machine is None:
        held.attempt.is_machine = event.is_machine
        await session.flush()


async def join_agent(
    session: AsyncSession,
    held: Held,
    status: CarrierStatus,
    event: CallEvent,
    hotline: Hotline,
    limits: DialLimits,
    *,
    is_last_word: bool = False,
) -> None:
    """Join what is said of the agent's leg: when they hang up, or never picked up, the attempt is over.

    Args:
        is_last_word: nothing more is to be learnt of the customer's leg. Without it, an attempt whose customer may have
            been rung and has not been heard of stays open: they may have talked, and must not be called again for it.
    """
    leg = await session.scalar(select(Leg).where(Leg.call_id == held.call.id, Leg.kind == LegKind.AGENT))
    if leg is None:
        return
    leg.status = join_leg(leg.status, status)
    leg.provider_call_id = leg.provider_call_id or held.attempt.provider_call_id
    if status is CarrierStatus.IN_PROGRESS:
        await _agent_answers(session, held, event, hotline)
    elif status.is_terminal:
        leg.ended_at = leg.ended_at or _moment(event)
        if status is CarrierStatus.COMPLETED and leg.answered_at is None:
            leg.answered_at = _moment(event) - timedelta(seconds=event.seconds or 0)
        theirs = await customer_leg(session, held.call.id, None)
        is_known = theirs is None or theirs.status.is_terminal or held.call.answered_at is not None
        if not is_known and not is_last_word:
            await session.flush()
            return
        result = DialResult.AGENT_NOT_REACHED
        if held.call.answered_at is not None:
            result = DialResult.ANSWERED
        elif theirs is not None:
            result = RESULT_OF.get(theirs.status, DialResult.NO_ANSWER)
        await end_attempt(
            session,
            held,
            result,
            hotline=hotline,
            now=event.received_at,
            most_attempts=limits.attempts,
            at=_moment(event),
        )
    await session.flush()


async def _held(session: AsyncSession, event: CallEvent) -> Held | None:
    held = await hold(session, event.attempt_id) if event.attempt_id is not None else None
    if held is None:
        log.warning("no_such_attempt", provider_call_id=event.call_id)
    return held


async def _is_its_call(session: AsyncSession, held: Held, event: CallEvent) -> bool:
    """Whether it is the call that the attempt goes by: the first that the carrier speaks of. Any other is ended."""
    attempt = held.attempt
    if attempt.provider_call_id is None:
        attempt.provider_call_id = event.call_id
        held.call.provider_call_id = event.call_id
        if attempt.ended_at is None:
            attempt.state = DialState.PLACED
            trace(session, held.call.id, TraceStep.PLACED, at=event.received_at, agent_id=attempt.agent_id)
        await session.flush()
    if attempt.provider_call_id == event.call_id and (attempt.ended_at is None or event.status is None):
        return True
    if event.status is None or not event.status.is_terminal:
        # Placed twice, or taken by the carrier after we had given it up: nobody is to be rung by it.
        after_commit(session).acts.append(EndCall(event.call_id))
    return attempt.provider_call_id == event.call_id


async def _agent_answers(session: AsyncSession, held: Held, event: CallEvent, hotline: Hotline) -> None:
    leg = await session.scalar(select(Leg).where(Leg.call_id == held.call.id, Leg.kind == LegKind.AGENT))
    if leg is not None and leg.answered_at is None:
        leg.answered_at = _moment(event)
        leg.status = join_leg(leg.status, CarrierStatus.IN_PROGRESS)
        leg.provider_call_id = leg.provider_call_id or held.attempt.provider_call_id
        await session.flush()
    presence = await holding(session, held.call.id)
    if presence is not None and presence.state is Presence.RESERVED and held.attempt.ended_at is None:
        await move(session, presence, Presence.ON_CALL, hotline, event.received_at, call_id=held.call.id)


async def join_customer(
    session: AsyncSession,
    held: Held,
    status: CarrierStatus,
    provider_call_id: str | None,
    event: CallEvent,
    hotline: Hotline,
    limits: DialLimits,
) -> None:
    """Join what is said of the customer's leg: the first answer tells the agent, the first end ends the attempt."""
    call = held.call
    leg = await customer_leg(session, call.id, provider_call_id)
    if leg is None:
        leg = _customer_leg(call.id, event)
        session.add(leg)
    if leg.provider_call_id is None:
        leg.provider_call_id = provider_call_id
        trace(session, call.id, TraceStep.CUSTOMER_RUNG, at=event.received_at)
    leg.status = join_leg(leg.status, status)
    call.customer_status = join_leg(call.customer_status, status)
    if status in (CarrierStatus.IN_PROGRESS, CarrierStatus.COMPLETED):
        await _customer_answers(session, held, leg, status, event)
    settle(call)
    if status.is_terminal:
        leg.ended_at = leg.ended_at or _moment(event)
    # Why it failed is told of the leg alone, and what follows depends on it: a dead number is not retried.
    is_explained = status is not CarrierStatus.FAILED or event.kind is not EventKind.OUTBOUND_RESULT
    if status.is_terminal and is_explained:
        result = RESULT_OF[status]
        if call.answered_at is not None:
            result = DialResult.ANSWERED
        elif event.is_not_in_service:
            result = DialResult.NOT_IN_SERVICE
        await end_attempt(
            session,
            held,
            result,
            hotline=hotline,
            now=event.received_at,
            most_attempts=limits.attempts,
            at=_moment(event),
        )
    await session.flush()


def _customer_leg(call_id: UUID, event: CallEvent) -> Leg:
    return Leg(
        id=new_id(), call_id=call_id, kind=LegKind.NUMBER, status=CarrierStatus.QUEUED, offered_at=_moment(event)
    )


async def _customer_answers(
    session: AsyncSession, held: Held, leg: Leg, status: CarrierStatus, event: CallEvent
) -> None:
    attempt, call = held.attempt, held.call
    answered = _moment(event)
    if status is CarrierStatus.COMPLETED:
        answered -= timedelta(seconds=event.seconds or 0)
    leg.answered_at = min(leg.answered_at or answered, answered)
    first_time = call.answered_at is None
    call.answered_at = min(call.answered_at or answered, answered)
    call.answered_by_id = attempt.agent_id
    attempt.answered_at = call.answered_at
    if not first_time:
        return
    trace(session, call.id, TraceStep.ANSWERED, at=event.received_at, agent_id=attempt.agent_id)
    await session.flush()
    if call.customer_id is not None:
        await note_contact(session, call.customer_id, call.answered_at, wait=False)
    if attempt.agent_id is not None and attempt.ended_at is None and status is CarrierStatus.IN_PROGRESS:
        answered_now = {"call_id": str(call.id)}
        await tell(
            session, attempt.agent_id, AgentEventType.CALL_ANSWERED, answered_now, at=event.received_at, call_id=call.id
        )
