"""An agent calls a customer by a click: checked, written down, asked of the carrier, and what it said written down."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import after_commit
from app.domain.card import iso
from app.domain.dialling import DialPurpose, DialRefusal, Forbidden
from app.domain.prompts import choose_language
from app.domain.scopes import Scope
from app.errors import Conflict
from app.models.call_lists import CallListEntry, EntryState
from app.models.callbacks import Callback, CallbackState, DialAttempt, DialResult, DialState
from app.models.calls import TraceStep
from app.models.customers import Customer, CustomerPhone
from app.models.routing import AgentPresence, Presence
from app.services.access import Signed
from app.services.agent_log import trace
from app.services.calendars import read_calendars
from app.services.call_lists.worklist import NoSuchEntry, find_list
from app.services.callbacks.changing import to_change
from app.services.callbacks.ending import busy
from app.services.callbacks.of_calls import leave_queue
from app.services.callbacks.retrying import after_refusal
from app.services.callbacks.times import first_number
from app.services.customers import find_customer
from app.services.dial_rules import may_dial
from app.services.dialler import (
    Dialler,
    Planned,
    Said,
    ask_carrier,
    carrier_took_one,
    pause_carrier,
    paused_until,
    store_placed,
)
from app.services.hotline import Hotline
from app.services.placing import MAY_DIAL, CallPlan, caller_id, plan_calls
from app.services.presence import locked
from app.services.settling import end_attempt, give_up, hold
from app.services.steady_clock import Reading
from app.telephony.port import CarrierBusy, CarrierCall, CarrierRefused, EndCall

_HANDED_OVER: Final = "callback"
"""Why an agent is wrapping up who has been handed a kept place (`services/offering.py`)."""


class AgentNotReady(Conflict):
    """Who wants to call is on a call already, or is offline and has no phone that could be rung; `state` says which."""

    code = "agent_not_ready"
    title = "You cannot call right now"


class NoCallerId(Conflict):
    """No number leads to us, so there is none that a callee could be shown."""

    code = "no_caller_id"
    title = "There is no number to call from"


class CarrierPaused(Conflict):
    """The carrier takes no more calls for the moment; `retry_at` is when to try again."""

    code = "carrier_busy"
    title = "The carrier takes no more calls right now"


class CarrierSaidNo(Conflict):
    """The carrier refused to place the call; `carrier_code` is its own reason."""

    code = "carrier_refused"
    title = "The carrier refused the call"


class NoCarrier(Conflict):
    """There is no carrier that could be asked."""

    code = "no_carrier"
    title = "No carrier is set up"


class CallForbidden(Conflict):
    """A rule forbids the call; each rule has a code of its own. `words` says it in each language."""

    code = "call_forbidden"
    title = "That call may not be placed"


FORBIDDEN: Final[Mapping[Forbidden, type[CallForbidden]]] = {
    why: type(why.name.title().replace("_", ""), (CallForbidden,), {"code": why.value, "__doc__": why.words["en"]})
    for why in Forbidden
}
"""The error for each rule; its code is the rule's name."""


@dataclass(frozen=True, slots=True)
class CallWanted:
    """Whom to call: a customer or a promised call, each by id or code, a number as people write it, a list's entry."""

    customer: str | None = None
    number: str | None = None
    callback: str | None = None
    list_entry: UUID | None = None


@dataclass(frozen=True, slots=True)
class _Target:
    customer: Customer | None
    e164: str | None
    purpose: DialPurpose
    callback: Callback | None


async def place_call(dialler: Dialler, wanted: CallWanted, user: Signed) -> UUID:
    """Place a call for an agent: their own phone rings first. Gives the call's id.

    When no usable answer came from the carrier the call stands all the same, and is looked for there (`reconciling`).

    Raises:
        NoSuchCustomer, NoSuchCallback, NotYourCallback, CallbackEnded, CallbackBusy, NoSuchEntry, NotYourList,
        AgentNotReady, NoCallerId: nothing was done.
        CallForbidden: nobody was rung; a promise to somebody who does not want to be called is cancelled.
        CarrierPaused, CarrierSaidNo: nobody was rung.
    """
    reading = dialler.clock.read()
    now = reading.earliest
    async with dialler.database.session_scope() as session:
        planned = await _plan(session, dialler, wanted, user, reading)
    if isinstance(planned, DialRefusal):
        raise forbidden(planned)
    (said,) = await ask_carrier(dialler, [planned])
    async with dialler.database.session_scope() as session:
        await record_said(session, dialler, [(planned, said)])
    if isinstance(said, CarrierBusy):
        async with dialler.database.session_scope() as session:
            await _require_free_carrier(session, dialler, now)
    if isinstance(said, CarrierRefused):
        raise CarrierSaidNo("The carrier refused to place this call.", carrier_code=said.code)
    return planned.call_id


async def _plan(
    session: AsyncSession, dialler: Dialler, wanted: CallWanted, user: Signed, reading: Reading
) -> Planned | DialRefusal:
    hotline = dialler.hotline.now
    now = reading.earliest
    target = await _target(session, wanted, user, hotline, now)
    await _require_free_carrier(session, dialler, now)
    presence = await locked(session, user.agent_id)
    if presence.state not in MAY_DIAL or not _is_free_for(presence, target.callback):
        raise AgentNotReady(
            "Sign in at your phone first, and end or wrap up the call that you have.", state=presence.state
        )
    calendars = await read_calendars(session, hotline)
    for moment in reading.moments:
        refusal = await may_dial(
            session,
            target.customer,
            target.e164,
            hotline=hotline,
            calendars=calendars,
            now=moment,
            purpose=target.purpose,
            calls_a_day=dialler.limits.calls_a_day,
        )
        if refusal is not None:
            if target.callback is not None and refusal.why.is_theirs:
                await after_refusal(session, target.callback, refusal, hotline=hotline, now=now)
            return refusal
    queue_id = target.callback.queue_id if target.callback else None
    queue = (hotline.queues.get(queue_id) if queue_id else None) or hotline.default
    shown = caller_id(queue, hotline) if queue is not None else None
    if queue is None or shown is None:
        raise NoCallerId("Add a number of yours to a queue first; it is what those whom you call will see.")
    number = hotline.number(target.e164)
    customer = target.customer
    plan = CallPlan(
        agent_id=user.agent_id,
        number=number,
        customer_id=customer.id if customer else None,
        queue=queue,
        from_e164=shown,
        language=choose_language(customer.language if customer else None, number.region, queue.language),
        purpose=target.purpose,
        callback_id=target.callback.id if target.callback else None,
    )
    (planned,) = await plan_calls(session, [plan], provider=dialler.carrier.name, now=now, may_dial=MAY_DIAL)
    if target.callback is not None:
        await leave_queue(session, target.callback, now)
    return planned


def _is_free_for(presence: AgentPresence, callback: Callback | None) -> bool:
    """Whoever was handed a kept place has that call to make, or to give back, before any other."""
    if presence.state is not Presence.WRAP_UP or presence.reason != _HANDED_OVER:
        return True
    return callback is not None and callback.call_id == presence.call_id


async def _target(session: AsyncSession, wanted: CallWanted, user: Signed, hotline: Hotline, now: datetime) -> _Target:
    customer = callback = None
    number = wanted.number
    purpose = DialPurpose.SERVICE
    if wanted.callback is not None:
        callback = await _promise(session, wanted.callback, user, now)
        customer = await session.get(Customer, callback.customer_id) if callback.customer_id else None
        number = number or callback.to_e164
    if wanted.list_entry is not None:
        customer = await _of_list(session, wanted.list_entry, user)
        purpose = DialPurpose.MARKETING
    if wanted.customer is not None:
        customer = await find_customer(session, wanted.customer)
    if number is None and customer is not None:
        number = await first_number(session, customer)
    e164 = hotline.number(number).e164 or number if number else None
    if customer is None and callback is None and e164 is not None:
        customer = await _whose(session, e164)
    return _Target(customer, e164, purpose, callback)


async def _whose(session: AsyncSession, e164: str) -> Customer | None:
    """Who has a number, where it is one customer's alone."""
    theirs = select(CustomerPhone.customer_id).where(CustomerPhone.is_number(e164)).limit(2)
    found = (await session.scalars(theirs)).all()
    return await session.get(Customer, found[0]) if len(found) == 1 else None


async def _promise(session: AsyncSession, ref: str, user: Signed, now: datetime) -> Callback:
    """A promised call that this agent may make now, locked."""
    user.require(Scope.CALLBACKS_WRITE)
    callback = await to_change(session, ref, user, now)
    is_anothers = callback.state is CallbackState.CLAIMED and callback.claimed_by_id != user.agent_id
    if is_anothers or callback.state is CallbackState.DIALING:
        raise await busy(session, callback)
    return callback


async def _of_list(session: AsyncSession, entry_id: UUID, user: Signed) -> Customer:
    entry = await session.get(CallListEntry, entry_id)
    if entry is None or entry.state not in (EntryState.OPEN, EntryState.TAKEN):
        raise NoSuchEntry("There is no such entry that is still to be worked.")
    await find_list(session, entry.list_id, user, to_work=True)
    return await session.get_one(Customer, entry.customer_id)


async def _require_free_carrier(session: AsyncSession, dialler: Dialler, now: datetime) -> None:
    until = await paused_until(session, dialler.carrier.name, now)
    if until is not None:
        raise CarrierPaused("The carrier takes no more calls right now. Try again in a moment.", retry_at=iso(until))


def forbidden(refusal: DialRefusal) -> CallForbidden:
    """The error for a rule's no."""
    extra: dict[str, Any] = {"words": refusal.why.words}
    if refusal.until is not None:
        extra["until"] = iso(refusal.until)
    return FORBIDDEN[refusal.why](refusal.why.words["en"], **extra)


async def record_said(session: AsyncSession, dialler: Dialler, said: Sequence[tuple[Planned, Said]]) -> None:
    """Write down what the carrier said when it was asked to place these calls, and do what follows.

    One that it took is looked after by its webhooks; one of which it said nothing is looked for (`reconciling`).
    """
    now = dialler.clock.read().latest
    taken = [(planned.attempt_id, answer.call_id) for planned, answer in said if isinstance(answer, CarrierCall)]
    if taken:
        unwanted = await store_placed(session, taken)
        after_commit(session).acts.extend(EndCall(call_id) for call_id in unwanted)
        await carrier_took_one(session, dialler.carrier.name, now)
    for planned, answer in said:
        if isinstance(answer, CarrierBusy):
            until = await pause_carrier(session, dialler.carrier.name, answer, now)
            await _not_placed(session, dialler, planned, "carrier_busy", now, due_at=until)
        elif isinstance(answer, CarrierRefused):
            await _not_placed(session, dialler, planned, answer.code or "carrier_refused", now)
        elif not isinstance(answer, CarrierCall):
            await session.execute(
                update(DialAttempt)
                .where(DialAttempt.id == planned.attempt_id, DialAttempt.state == DialState.PLANNED)
                .values(state=DialState.UNKNOWN)
            )


async def _not_placed(
    session: AsyncSession,
    dialler: Dialler,
    planned: Planned,
    error: str,
    now: datetime,
    *,
    due_at: datetime | None = None,
) -> None:
    held = await hold(session, planned.attempt_id)
    if held is None:
        return
    hotline = dialler.hotline.now
    if due_at is not None:
        await give_up(session, held, error, due_at=due_at, hotline=hotline, now=now)
        return
    held.attempt.error = error
    trace(session, held.call.id, TraceStep.NOT_PLACED, at=now, agent_id=held.attempt.agent_id, error=error)
    await end_attempt(session, held, DialResult.FAILED, hotline=hotline, now=now, most_attempts=dialler.limits.attempts)
