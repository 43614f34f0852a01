"""Calls as people see and finish them: lists, details, the trace, taking one, wrapping it up, whose it is."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.domain.call_states import CallState
from app.domain.customer_facts import Channel, Direction
from app.domain.matching import MatchOutcome, MatchReason
from app.domain.routing import LeaveReason
from app.errors import Conflict, NotAllowed, NotFound
from app.models.base import new_id
from app.models.calls import (
    Call,
    CallStage,
    CallTrace,
    Disposition,
    HeardOfUs,
    Leg,
    Recording,
    TraceStep,
)
from app.models.customers import Customer, Interaction
from app.models.people import Agent
from app.models.routing import Presence, Queue
from app.schemas.customers import PhoneCreate
from app.services.agent_log import trace
from app.services.callbacks.of_calls import adopt, end_with_wrap_up, owed_for
from app.services.customer_phones import add_phone
from app.services.customers import find_customer
from app.services.hotline import Hotline
from app.services.paging import Page, cut, latest_first
from app.services.presence import CHOSEN_BY_AGENTS, fetch_caller, holding, move, withdraw
from app.services.standing import note_contact

_SUMMARY_LENGTH: Final = 200


class NoSuchCall(NotFound):
    """There is no call of that id."""

    code = "no_such_call"
    title = "No such call"


class AlreadyAccepted(Conflict):
    """Another tab, or another agent, took the call first."""

    code = "already_accepted"
    title = "Somebody else took the call"


class NotOffered(Conflict):
    """The call is not being offered to this agent: it went to another one, or its caller left."""

    code = "not_offered"
    title = "The call is not offered to you"


class NotYours(NotAllowed):
    """Only who took the call, or a supervisor, may write it up."""

    code = "not_your_call"


class NotTaken(Conflict):
    """Nobody has talked in this call and nothing was promised, so there is nothing to wrap up."""

    code = "nothing_to_wrap_up"
    title = "Nothing to wrap up"


class BadNextPresence(Conflict):
    """After a call one is available, on a break or offline."""

    code = "bad_next_presence"


@dataclass(frozen=True, slots=True)
class CallFilter:
    """Which calls are asked for; what is None does not matter."""

    state: CallState | None = None
    queue_id: UUID | None = None
    customer_id: UUID | None = None
    agent_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    is_promised: bool = False


_AnsweredBy = aliased(Agent)
_AcceptedBy = aliased(Agent)
_WrappedUpBy = aliased(Agent)


def _summaries() -> Select[Call, Queue, Customer, Agent]:
    return (
        select(Call, Queue, Customer, _AnsweredBy)
        .outerjoin(Queue, Queue.id == Call.queue_id)
        .outerjoin(Customer, Customer.id == Call.customer_id)
        .outerjoin(_AnsweredBy, _AnsweredBy.id == Call.answered_by_id)
    )


def _shown(call: Call, queue: Queue | None, customer: Customer | None, answered_by: Agent | None) -> dict[str, Any]:
    columns = {column.key: getattr(call, column.key) for column in Call.__mapper__.columns}
    return {**columns, "queue": queue, "customer": customer, "answered_by": answered_by}


async def list_calls(session: AsyncSession, wanted: CallFilter, page: Page) -> tuple[list[dict[str, Any]], str | None]:
    """Calls, the latest first, and the cursor of the next page.

    Raises:
        BadCursor: the cursor is none of this list.
    """
    query = latest_first(_summaries(), page, Call.received_at, Call.id)
    if wanted.state is not None:
        query = query.where(Call.state == wanted.state)
    if wanted.queue_id is not None:
        query = query.where(Call.queue_id == wanted.queue_id)
    if wanted.customer_id is not None:
        # Of one who was merged, the calls of whoever took them in.
        now = select(func.coalesce(Customer.merged_into_id, Customer.id)).where(Customer.id == wanted.customer_id)
        query = query.where(Call.customer_id == now.scalar_subquery())
    if wanted.agent_id is not None:
        query = query.where(Call.answered_by_id == wanted.agent_id)
    if wanted.since is not None:
        query = query.where(Call.received_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(Call.received_at < wanted.until)
    if wanted.is_promised:
        query = query.where(Call.kept_place_at.is_not(None), Call.wrapped_up_at.is_(None), Call.answered_at.is_(None))
    rows = (await session.execute(query)).all()
    shown, more = cut(rows, page, lambda row: (row[0].received_at, row[0].id))
    return [_shown(*row) for row in shown], more


async def get_call(session: AsyncSession, call_id: UUID) -> dict[str, Any]:
    """One call with its legs and recordings. Raises NoSuchCall."""
    row = (
        await session.execute(
            _summaries()
            .add_columns(_AcceptedBy, _WrappedUpBy)
            .outerjoin(_AcceptedBy, _AcceptedBy.id == Call.accepted_by_id)
            .outerjoin(_WrappedUpBy, _WrappedUpBy.id == Call.wrapped_up_by_id)
            .where(Call.id == call_id)
        )
    ).one_or_none()
    if row is None:
        raise NoSuchCall("There is no such call.")
    call, queue, customer, answered_by, accepted_by, wrapped_up_by = row
    legs = await session.execute(
        select(Leg, Agent)
        .outerjoin(Agent, Agent.id == Leg.agent_id)
        .where(Leg.call_id == call_id)
        .order_by(Leg.offered_at, Leg.id)
    )
    recordings = await session.scalars(
        select(Recording).where(Recording.call_id == call_id).order_by(Recording.created_at, Recording.id)
    )
    return {
        **_shown(call, queue, customer, answered_by),
        "accepted_by": accepted_by,
        "wrapped_up_by": wrapped_up_by,
        "legs": [
            {**{column.key: getattr(leg, column.key) for column in Leg.__mapper__.columns}, "agent": agent}
            for leg, agent in legs
        ],
        "recordings": list(recordings),
    }


async def get_trace(session: AsyncSession, call_id: UUID) -> dict[str, Any]:
    """What a call went through, the earliest first; raises NoSuchCall.

    What the call and its offers tell themselves is not written down a second time: the ringing call writes no steps.
    """
    call = await session.get(Call, call_id)
    if call is None:
        raise NoSuchCall("There is no such call.")
    offers = await session.execute(
        select(Leg, Agent).join(Agent, Agent.id == Leg.agent_id).where(Leg.call_id == call_id, Leg.because.is_not(None))
    )
    written = await session.execute(
        select(CallTrace, Agent)
        .outerjoin(Agent, Agent.id == CallTrace.agent_id)
        .where(CallTrace.call_id == call_id)
        .order_by(CallTrace.at, CallTrace.id)
    )
    steps = _routing_steps(call)
    for leg, agent in offers:
        pushed = {"event": leg.event_no, "open_streams": leg.open_streams}
        steps.append(_step(leg.offered_at, TraceStep.RESERVED, agent, because=leg.because))
        steps.append(_step(leg.offered_at, TraceStep.PUSHED, agent, **pushed))
    steps.extend(_step(row.at, row.step, agent, **row.detail) for row, agent in written)
    # Stable: of steps at the same moment, what led to the other stands first above.
    steps.sort(key=lambda step: step["at"])
    for step in steps:
        step["after_ms"] = round((step["at"] - call.received_at).total_seconds() * 1000, 1)
    return {"call_id": call.id, "state": call.state, "steps": steps}


def _routing_steps(call: Call) -> list[dict[str, Any]]:
    """Received, matched, and what was decided if nobody could be reserved at once."""
    steps = [_step(call.received_at, TraceStep.RECEIVED, None)]
    if call.routed is None or call.routed_at is None:
        return steps
    steps.append(_step(call.routed_at, TraceStep.MATCHED, None, outcome=call.match_outcome))
    if not call.routed["open"]:
        steps.append(_step(call.routed_at, TraceStep.CLOSED, None))
    elif call.routed["sought"] and call.routed["identity"] is None:
        steps.append(_step(call.routed_at, TraceStep.NO_AGENT, None))
    return steps


def _step(at: datetime, step: TraceStep, agent: Agent | None, **detail: Any) -> dict[str, Any]:
    return {"at": at, "step": step, "agent": agent, "detail": detail}


async def _locked_call(session: AsyncSession, call_id: UUID) -> Call:
    call = await session.scalar(
        select(Call).where(Call.id == call_id).with_for_update(key_share=True).execution_options(populate_existing=True)
    )
    if call is None:
        raise NoSuchCall("There is no such call.")
    return call


async def _name_of(session: AsyncSession, agent_id: UUID | None) -> str | None:
    return await session.scalar(select(Agent.name).where(Agent.id == agent_id))


async def accept(session: AsyncSession, call_id: UUID, agent_id: UUID, tab: str, now: datetime) -> None:
    """Take an offered call in one tab. Of several that try, in tabs or by agents, one wins; to repeat it is no error.

    Raises:
        NoSuchCall: no such call.
        AlreadyAccepted: another tab of the agent's was first; `by` and `tab` say whose.
        NotOffered: the call is offered to somebody else or to nobody; `by` names who has it, if anybody.
    """
    call = await _locked_call(session, call_id)
    presence = await holding(session, call_id)
    if presence is None or presence.agent_id != agent_id or presence.state not in (Presence.RESERVED, Presence.ON_CALL):
        who = await _name_of(session, presence.agent_id if presence else call.answered_by_id)
        detail = f"{who} has this call." if who else "The caller has left, or the call went on without you."
        raise NotOffered(detail, by=who)
    if call.accepted_by_id is not None and (call.accepted_by_id, call.accepted_tab) != (agent_id, tab):
        who = await _name_of(session, call.accepted_by_id)
        raise AlreadyAccepted(f"{who} took this call in another tab.", by=who, tab=call.accepted_tab)
    if call.accepted_by_id is None:
        call.accepted_by_id = agent_id
        call.accepted_tab = tab
        trace(session, call_id, TraceStep.ACCEPTED, at=now, agent_id=agent_id, tab=tab)
        await session.flush()


async def decline(session: AsyncSession, call_id: UUID, agent_id: UUID, hotline: Hotline, now: datetime) -> None:
    """Turn an offered call down: it goes to the next agent, the card is cleared, and one stays available.

    Raises:
        NoSuchCall: no such call.
        NotOffered: the call is not (or no longer) offered to this agent.
    """
    await _locked_call(session, call_id)
    presence = await holding(session, call_id)
    if presence is None or presence.agent_id != agent_id or presence.state is not Presence.RESERVED:
        raise NotOffered("This call is not offered to you any more.", by=None)
    await withdraw(session, presence, LeaveReason.DECLINED, hotline, now)
    await fetch_caller(session, call_id)


async def wrap_up(
    session: AsyncSession,
    call_id: UUID,
    agent_id: UUID,
    *,
    disposition: Disposition,
    stage: CallStage | None,
    heard_of_us: HeardOfUs | None,
    notes: str,
    then: Presence,
    may_for_others: bool,
    hotline: Hotline,
    now: datetime,
) -> None:
    """Write a call up and, if it was what the agent was busy with, let them go on.

    It may be done while still talking and again later; the last word stands. The customer's history gets one entry
    for the call, which follows every correction.

    Raises:
        NoSuchCall, NotYours, NotTaken, BadNextPresence
    """
    if then not in CHOSEN_BY_AGENTS:
        raise BadNextPresence("After a call you are available, on a break or offline.")
    call = await _locked_call(session, call_id)
    owed = await owed_for(session, call_id)
    presence = await holding(session, call_id)
    holds = presence is not None and presence.agent_id == agent_id and presence.state is not Presence.RESERVED
    is_mine = holds or agent_id in (call.answered_by_id, call.wrapped_up_by_id)
    if not is_mine and not may_for_others:
        raise NotYours("Only who took this call, or a supervisor, may wrap it up.")
    if call.answered_at is None and call.kept_place_at is None and call.voicemail_at is None and not holds:
        raise NotTaken("Nobody talked in this call, and nothing was promised or left in it.")
    call.disposition = disposition
    call.stage = stage
    call.heard_of_us = heard_of_us
    call.notes = notes
    call.wrapped_up_at = now
    call.wrapped_up_by_id = agent_id
    trace(session, call_id, TraceStep.WRAPPED_UP, at=now, agent_id=agent_id, disposition=disposition)
    end_with_wrap_up(session, owed, agent_id, now)
    if owed and call.left_queue_at is None:
        call.left_queue_at = now
    await session.flush()
    await _write_history(session, call)
    if presence is not None and holds and presence.state is Presence.WRAP_UP:
        await move(session, presence, then, hotline, now)


async def _write_history(session: AsyncSession, call: Call) -> None:
    """The customer's entry for a call: made once its customer and its wrap-up are known, and kept in step with both."""
    if call.customer_id is None or call.wrapped_up_at is None:
        return
    values = {
        "customer_id": call.customer_id,
        "agent_id": call.answered_by_id or call.wrapped_up_by_id,
        "summary": call.notes[:_SUMMARY_LENGTH] or str(call.disposition),
    }
    await session.execute(
        insert(Interaction)
        .values(
            id=new_id(),
            channel=Channel.CALL,
            direction=call.direction,
            at=call.received_at,
            call_id=call.id,
            source="callcard",
            **values,
        )
        .on_conflict_do_update(index_elements=[Interaction.call_id], set_=values)
    )
    await note_contact(session, call.customer_id, call.received_at)


async def link_customer(
    session: AsyncSession,
    call_id: UUID,
    customer_ref: str,
    agent_id: UUID,
    hotline: Hotline,
    now: datetime,
    *,
    remember_number: bool,
) -> None:
    """Say whose call it is; with `remember_number` the caller will be recognised next time.

    Args:
        customer_ref: id or code.

    Raises:
        NoSuchCall, NotFound: no such call or customer.
        TooManyPhones: the number cannot be remembered, for they have 20.
    """
    call = await _locked_call(session, call_id)
    customer = await find_customer(session, customer_ref, lock=True)
    call.customer_id = customer.id
    call.match_outcome = MatchOutcome.UNIQUE
    call.match_reason = MatchReason.BY_HAND
    trace(session, call_id, TraceStep.LINKED, at=now, agent_id=agent_id, customer=customer.code)
    await session.flush()
    await adopt(session, call_id, customer.id)
    await _write_history(session, call)
    number = hotline.number(call.to_raw if call.direction is Direction.OUTBOUND else call.from_raw)
    if remember_number and number.e164 is not None and not hotline.is_ours(number.e164):
        await add_phone(session, customer, PhoneCreate(number=number.e164), hotline, agent_id)
