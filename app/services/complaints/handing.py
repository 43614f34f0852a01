"""Handing a complaint over: it keeps its owner until the receiver accepts; every change of owner is counted."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.card import iso
from app.domain.scopes import Scope
from app.errors import Conflict, Invalid, NotAllowed
from app.models.base import new_id
from app.models.calls import AgentEventType
from app.models.complaints import Complaint, Handover, HandoverState, Partner
from app.models.people import Agent
from app.models.routing import QueueMember
from app.schemas.complaints import HandoverCreate
from app.services.access import ROLE_SCOPES, Signed
from app.services.complaints import clock
from app.services.complaints.records import tell_all, write_change
from app.services.complaints.states import require_unsettled
from app.services.hotline import Hotline


class UnknownReceiver(Invalid):
    """To whom it is to go is no active agent who works on complaints, no queue with members, or no active partner."""

    code = "unknown_receiver"


class HandoverPending(Conflict):
    """Somebody has been asked already and has not answered."""

    code = "handover_pending"


class NoHandoverPending(Conflict):
    """Nobody is being asked: it was never offered, or somebody was first; `owner` is whose it is now."""

    code = "no_handover_pending"
    title = "No handover is waiting"


class NotOfferedToYou(NotAllowed):
    """The complaint is offered to somebody else."""

    code = "not_offered_to_you"


class OwnsIt(Conflict):
    """The receiver has it already."""

    code = "owns_it_already"


async def hand_over(
    session: AsyncSession, complaint: Complaint, given: HandoverCreate, by: Signed, now: datetime
) -> None:
    """Ask somebody to take a complaint over.

    Raises:
        WrongState: it is settled. HandoverPending: somebody else is being asked. UnknownReceiver; OwnsIt.
    """
    require_unsettled(complaint)
    if await _pending(session, complaint) is not None:
        raise HandoverPending("Somebody is being asked already. Wait for their answer, or withdraw it.")
    receivers = await _receivers(session, complaint, given)
    session.add(
        Handover(
            id=new_id(),
            complaint_id=complaint.id,
            from_agent_id=complaint.owner_id,
            from_partner_id=complaint.partner_id,
            asked_by_id=by.agent_id,
            asked_at=now,
            **given.model_dump(),
        )
    )
    to = {name: str(value) for name, value in given.model_dump(exclude={"reason"}).items() if value}
    write_change(session, complaint, "handover_asked", at=now, by=by.agent_id, reason=given.reason, **to)
    await session.flush()
    await tell_all(session, receivers, AgentEventType.COMPLAINT_OFFERED, complaint, now, due_at=iso(complaint.due_at))


async def _receivers(session: AsyncSession, complaint: Complaint, given: HandoverCreate) -> list[UUID]:
    """Whom to tell that they are asked: nobody of ours for a partner."""
    if given.to_partner_id is not None:
        partner = await session.get(Partner, given.to_partner_id)
        if partner is None or not partner.active:
            raise UnknownReceiver("That is no partner that takes complaints.")
        if complaint.partner_id == partner.id:
            raise OwnsIt("That partner has it already.")
        return []
    if given.to_queue_id is not None:
        members = await session.scalars(
            select(Agent)
            .join(QueueMember, QueueMember.agent_id == Agent.id)
            .where(QueueMember.queue_id == given.to_queue_id)
        )
        able = [agent.id for agent in members if _works_on_complaints(agent) and agent.id != complaint.owner_id]
        if not able:
            raise UnknownReceiver("That is no queue with somebody else in it who works on complaints.")
        return able
    agent = await session.get(Agent, given.to_agent_id)
    if agent is None or not _works_on_complaints(agent):
        raise UnknownReceiver("That is no active agent who works on complaints.")
    if complaint.owner_id == agent.id:
        raise OwnsIt(f"{agent.name} has it already.")
    return [agent.id]


def _works_on_complaints(agent: Agent) -> bool:
    return agent.active and Scope.COMPLAINTS_WRITE in ROLE_SCOPES[agent.role]


async def accept(
    session: AsyncSession, complaint: Complaint, note: str, by: Signed, hotline: Hotline, now: datetime
) -> None:
    """Take a complaint over. Of several who try, one has it. A partner's yes is entered by whoever asked it.

    Args:
        complaint: locked, which puts those who try in line.

    Raises:
        NoHandoverPending: somebody was first, or nobody is asked. NotOfferedToYou.
        NoWorkingTime, CalendarUnknown: no due time can be told.
    """
    handover = await _asked(session, complaint, by)
    before = await _owner_name(session, complaint)
    complaint.owner_id = None if handover.to_partner_id else by.agent_id
    complaint.partner_id = handover.to_partner_id
    complaint.handover_count += 1
    if complaint.paused_at is not None:
        await clock.resume(session, complaint, await clock.working_calendar(session, hotline), now)
    await _give_time(session, complaint, handover, hotline, now)
    _answered(handover, HandoverState.ACCEPTED, note, by, now)
    await session.flush()
    write_change(
        session,
        complaint,
        "handed_over",
        at=now,
        by=by.agent_id,
        before=before,
        after=await _owner_name(session, complaint),
        reason=handover.reason,
        due_at=iso(complaint.due_at),
    )
    await _tell_asker(session, complaint, handover, by, now, accepted=True)


async def _give_time(
    session: AsyncSession, complaint: Complaint, handover: Handover, hotline: Hotline, now: datetime
) -> None:
    """Between agents the clock runs on; a partner has its own, and who takes over from one gets what is left."""
    if handover.to_partner_id is not None or handover.from_partner_id is not None:
        await clock.begin_owners(session, complaint, await clock.working_calendar(session, hotline), now)


async def decline(session: AsyncSession, complaint: Complaint, note: str, by: Signed, now: datetime) -> None:
    """Say no: the complaint stays where it is. A member of a queue that was asked cannot say no for the others.

    Raises:
        NoHandoverPending, NotOfferedToYou
    """
    handover = await _asked(session, complaint, by, may_queue=False)
    _answered(handover, HandoverState.DECLINED, note, by, now)
    write_change(session, complaint, "handover_declined", at=now, by=by.agent_id, note=note)
    await session.flush()
    await _tell_asker(session, complaint, handover, by, now, accepted=False)


async def withdraw(session: AsyncSession, complaint: Complaint, note: str, by: Signed, now: datetime) -> None:
    """Ask no longer. Raises NoHandoverPending."""
    handover = await _pending(session, complaint)
    if handover is None:
        raise await _nothing_pending(session, complaint)
    _answered(handover, HandoverState.WITHDRAWN, note, by, now)
    write_change(session, complaint, "handover_withdrawn", at=now, by=by.agent_id, note=note)


async def _pending(session: AsyncSession, complaint: Complaint) -> Handover | None:
    return await session.scalar(
        select(Handover)
        .where(Handover.complaint_id == complaint.id, Handover.state == HandoverState.PENDING)
        .execution_options(populate_existing=True)
    )


async def _asked(session: AsyncSession, complaint: Complaint, by: Signed, *, may_queue: bool = True) -> Handover:
    handover = await _pending(session, complaint)
    if handover is None:
        raise await _nothing_pending(session, complaint)
    if not await _is_asked(session, handover, by, may_queue=may_queue):
        raise NotOfferedToYou("This complaint is offered to somebody else.")
    return handover


async def _is_asked(session: AsyncSession, handover: Handover, by: Signed, *, may_queue: bool) -> bool:
    if handover.to_agent_id is not None:
        return handover.to_agent_id == by.agent_id
    if handover.to_partner_id is not None:
        return by.agent_id == handover.asked_by_id or by.may(Scope.COMPLAINTS_SUPERVISE)
    is_member = select(QueueMember.agent_id).where(
        QueueMember.queue_id == handover.to_queue_id, QueueMember.agent_id == by.agent_id
    )
    return may_queue and await session.scalar(is_member) is not None


async def _nothing_pending(session: AsyncSession, complaint: Complaint) -> NoHandoverPending:
    owner = await _owner_name(session, complaint)
    return NoHandoverPending(f"Nobody is being asked. The complaint is with {owner}.", owner=owner)


def _answered(handover: Handover, state: HandoverState, note: str, by: Signed, now: datetime) -> None:
    handover.state, handover.note = state, note
    handover.answered_by_id, handover.answered_at = by.agent_id, now


async def _tell_asker(
    session: AsyncSession, complaint: Complaint, handover: Handover, by: Signed, now: datetime, *, accepted: bool
) -> None:
    told = {handover.asked_by_id, handover.from_agent_id} - {by.agent_id}
    await tell_all(session, told, AgentEventType.COMPLAINT_ANSWERED, complaint, now, accepted=accepted, by=by.name)


async def _owner_name(session: AsyncSession, complaint: Complaint) -> str:
    if complaint.partner_id is not None:
        return (await session.get_one(Partner, complaint.partner_id)).name
    return (await session.get_one(Agent, complaint.owner_id)).name
