"""A mail becomes a complaint, or goes into the history of the one that it names. Told twice it is one mail."""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import case, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.complaint_states import SETTLED
from app.domain.customer_facts import Channel
from app.domain.inbound_mail import body_text, complaint_codes, subject_line, text_of_html
from app.domain.scopes import Scope
from app.errors import Unavailable
from app.models.base import new_id
from app.models.calls import AgentEventType
from app.models.complaints import Complaint, ComplaintMail
from app.models.customers import Customer
from app.models.people import Agent, Role
from app.models.routing import Queue, QueueMember
from app.schemas.inbound_mail import InboundMail, MailOutcome, MailTaken
from app.services.access import ROLE_SCOPES
from app.services.complaints.opening import Grievance, open_complaint
from app.services.complaints.records import minder_of, supervisors, tell_all, write_change
from app.services.customers import find_customer
from app.services.hotline import Hotline

_MOST_SHOWN: Final = 10
_EMPTY: Final = "(空邮件 empty mail)"
_ABLE: Final = tuple(role for role, scopes in ROLE_SCOPES.items() if Scope.COMPLAINTS_WRITE in scopes)


class NobodyToOwn(Unavailable):
    """No active agent works on complaints, and a complaint is never without an owner; try again later."""

    code = "nobody_to_own"


async def take_mail(session: AsyncSession, mail: InboundMail, hotline: Hotline, now: datetime) -> MailTaken:
    """Write a mail down once.

    A mail that names a complaint by its code is joined to it, and its owner is told. Any other is a new complaint: of
    the one customer who has this address, whose account manager owns it; else of nobody yet, with whoever of the
    default queue has the least to settle.

    Raises:
        NobodyToOwn: there is nobody whom it could be given to.
        NoWorkingTime: no due time can be told.
    """
    # Of two deliveries at once the second waits here, and then finds what the first has written.
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(mail.message_id, 0))))
    known = await session.scalar(
        select(Complaint.code)
        .join(ComplaintMail, ComplaintMail.complaint_id == Complaint.id)
        .where(ComplaintMail.message_id == mail.message_id)
    )
    if known is not None:
        return MailTaken(outcome=MailOutcome.KNOWN, complaint=known)
    subject = subject_line(mail.subject)
    body = body_text(mail.text if mail.text and mail.text.strip() else text_of_html(mail.html or ""))
    named = await _named(session, complaint_codes(subject, body))
    if named is not None:
        complaint, outcome = named, MailOutcome.JOINED
    else:
        complaint, outcome = await _open(session, mail.sender, subject, body, hotline, now), MailOutcome.OPENED
    session.add(
        ComplaintMail(
            id=new_id(),
            complaint_id=complaint.id,
            message_id=mail.message_id,
            sender=mail.sender,
            subject=subject,
            body=body,
            received_at=now,
        )
    )
    write_change(session, complaint, "mail", at=now, sender=mail.sender, subject=subject)
    await session.flush()
    told = [await minder_of(session, complaint)]
    if complaint.owner_id is None:
        told += await supervisors(session)
    await tell_all(session, told, AgentEventType.COMPLAINT_OPENED, complaint, now, mail=outcome.value)
    return MailTaken(outcome=outcome, complaint=complaint.code)


async def _named(session: AsyncSession, codes: list[str]) -> Complaint | None:
    """The first complaint that is named, held."""
    for code in codes[:_MOST_SHOWN]:
        found = await session.scalar(select(Complaint).where(Complaint.code == code).with_for_update(key_share=True))
        if found is not None:
            return found
    return None


async def _open(
    session: AsyncSession, sender: str, subject: str, body: str, hotline: Hotline, now: datetime
) -> Complaint:
    candidates = list(
        await session.scalars(
            select(Customer)
            .where(
                func.lower(Customer.email) == sender.lower(),
                Customer.merged_into_id.is_(None),
                Customer.erased_at.is_(None),
            )
            .order_by(Customer.code)
            .limit(_MOST_SHOWN)
        )
    )
    customer = await find_customer(session, str(candidates[0].id), lock=True) if len(candidates) == 1 else None
    complaint = await open_complaint(
        session,
        Grievance(
            owner_id=await _owner(session, customer),
            channel=Channel.EMAIL,
            what_happened="\n\n".join(filter(None, (subject, body))) or _EMPTY,
            customer=customer,
            contact="" if customer else sender,
        ),
        hotline,
        now,
    )
    if len(candidates) > 1:
        codes = [candidate.code for candidate in candidates]
        write_change(session, complaint, "several_customers", at=now, customers=codes)
    return complaint


async def _owner(session: AsyncSession, customer: Customer | None) -> UUID:
    """The account manager, else who of the default queue has the least to settle, else anybody, supervisors last."""
    manager = await session.get(Agent, customer.owner_id) if customer and customer.owner_id else None
    if manager is not None and manager.active and manager.role in _ABLE:
        return manager.id
    in_queue = (
        select(QueueMember.agent_id)
        .join(Queue, Queue.id == QueueMember.queue_id)
        .where(Queue.is_default, QueueMember.agent_id == Agent.id)
        .exists()
    )
    unsettled = (
        select(func.count()).where(Complaint.owner_id == Agent.id, Complaint.state.not_in(SETTLED)).scalar_subquery()
    )
    is_lead = case((Agent.role.in_((Role.SUPERVISOR, Role.ADMIN)), 1), else_=0)
    found = await session.scalar(
        select(Agent.id)
        .where(Agent.active, Agent.role.in_(_ABLE))
        .order_by(in_queue.desc(), is_lead, unsettled, Agent.id)
        .limit(1)
    )
    if found is None:
        raise NobodyToOwn("No active agent works on complaints. Add one; the mail can be sent again.")
    return found
