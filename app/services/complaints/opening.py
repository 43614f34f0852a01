"""Logging a complaint: what is known of the call is filled in, and the next-day callback is promised at once."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.card import iso
from app.domain.complaint_states import ComplaintState
from app.domain.customer_facts import Channel
from app.domain.scopes import Scope
from app.errors import Invalid
from app.models.base import new_id
from app.models.callbacks import Callback, CallbackReason, CallbackState
from app.models.calls import Call
from app.models.complaints import Complaint, ComplaintCategory, Severity, Want
from app.models.customers import Customer, CustomerPhone, Purchase
from app.models.routing import AgentPresence
from app.schemas.complaints import CallComplaintCreate
from app.services.access import Signed
from app.services.callbacks.scheduling import promise
from app.services.calls import NoSuchCall, NotYours
from app.services.complaints import clock
from app.services.complaints.records import next_code, write_change
from app.services.complaints.setup import offered_category
from app.services.complaints.similar import repeats
from app.services.customers import find_customer
from app.services.hotline import Hotline

_OWED = (CallbackState.SCHEDULED, CallbackState.CLAIMED, CallbackState.DIALING, CallbackState.RETRY)


class UnknownPurchase(Invalid):
    """What is named as purchase is none of this customer's."""

    code = "unknown_purchase"


@dataclass(frozen=True, slots=True)
class Grievance:
    """What a complaint begins with, wherever it comes from.

    Without a category (a mail, which nobody has read yet) the severity is said. `contact` is where it came from when
    no customer is known.
    """

    owner_id: UUID
    channel: Channel
    what_happened: str
    customer: Customer | None = None
    contact: str = ""
    call: Call | None = None
    purchase: Purchase | None = None
    product: str = ""
    batch: str = ""
    serial_number: str = ""
    category: ComplaintCategory | None = None
    severity: Severity | None = None
    wants: tuple[Want, ...] = ()
    by: UUID | None = None


async def log_complaint(
    session: AsyncSession,
    given: CallComplaintCreate,
    *,
    customer_ref: str | None,
    call_id: UUID | None,
    channel: Channel | None,
    by: Signed,
    hotline: Hotline,
    now: datetime,
) -> Complaint:
    """Log a complaint that somebody was told; whoever logs it owns it.

    From a call, the customer, the queue, the channel and the product (their latest purchase) follow by themselves.

    Raises:
        NoSuchCall, NotYours: of the call. NoSuchCustomer, CustomerErased: of the customer.
        UnknownCategory, UnknownPurchase; NoWorkingTime: no due time can be told.
    """
    call = await _call_of(session, call_id, by) if call_id else None
    ref = customer_ref or (str(call.customer_id) if call and call.customer_id else None)
    customer = await find_customer(session, ref, lock=True) if ref else None
    purchase = await _purchase(session, given.purchase_id, customer, latest=call is not None and not given.product)
    return await open_complaint(
        session,
        Grievance(
            owner_id=by.agent_id,
            by=by.agent_id,
            channel=channel or (Channel.CALL if call else Channel.WEB),
            what_happened=given.what_happened,
            customer=customer,
            contact=(call.from_e164 or call.from_raw) if call and customer is None else "",
            call=call,
            purchase=purchase,
            product=given.product or (purchase.product if purchase else ""),
            batch=given.batch,
            serial_number=given.serial_number or (purchase.serial_number if purchase else ""),
            category=await offered_category(session, given.category),
            severity=given.severity,
            wants=tuple(dict.fromkeys(given.wants)),
        ),
        hotline,
        now,
    )


async def open_complaint(session: AsyncSession, grievance: Grievance, hotline: Hotline, now: datetime) -> Complaint:
    """Write a complaint, begin its clock, note what came before that is like it, and promise the next-day callback.

    Raises:
        NoWorkingTime: no due time can be told.
    """
    call, customer, category = grievance.call, grievance.customer, grievance.category
    severity = grievance.severity or (category.severity if category else Severity.NORMAL)
    complaint = Complaint(
        id=new_id(),
        customer_id=customer.id if customer else None,
        contact=grievance.contact,
        call_id=call.id if call else None,
        queue_id=call.queue_id if call else None,
        purchase_id=grievance.purchase.id if grievance.purchase else None,
        product=grievance.product,
        batch=grievance.batch,
        serial_number=grievance.serial_number,
        category_id=category.id if category else None,
        severity=severity,
        what_happened=grievance.what_happened,
        wants=[want.value for want in grievance.wants],
        channel=grievance.channel,
        state=ComplaintState.OPEN,
        owner_id=grievance.owner_id,
        opened_at=now,
        opened_by_id=grievance.by,
        # Who tells us on the phone is answered there and then.
        first_response_at=now if call and grievance.by else None,
        version=1,
    )
    is_by_the_clock = await clock.begin(session, complaint, await clock.working_calendar(session, hotline), now)
    complaint.code = await next_code(session, now.astimezone(hotline.zone).date())
    session.add(complaint)
    await session.flush()
    again = await repeats(session, complaint)
    write_change(
        session,
        complaint,
        "opened",
        at=now,
        by=grievance.by,
        channel=complaint.channel,
        severity=severity,
        due_at=iso(complaint.due_at),
        **({"calendar": "unknown"} if is_by_the_clock else {}),
        **({"repeats": {repeat.kind.value: repeat.count for repeat in again}} if again else {}),
    )
    await promise_callback(session, complaint, customer, hotline, now, by=grievance.by, call=call)
    return complaint


async def promise_callback(
    session: AsyncSession,
    complaint: Complaint,
    customer: Customer | None,
    hotline: Hotline,
    now: datetime,
    *,
    by: UUID | None,
    call: Call | None = None,
) -> None:
    """Promise the call in which the customer is asked whether it works now, unless one is still owed.

    Nobody is called who does not want it or has no number; the history says so.
    """
    owed = select(Callback.id).where(Callback.complaint_id == complaint.id, Callback.state.in_(_OWED)).limit(1)
    if await session.scalar(owed):
        return
    why_not = await _why_no_callback(session, customer, call, hotline)
    if why_not is not None:
        write_change(session, complaint, "no_callback", at=now, reason=why_not)
        return
    first_of_call = call is not None and not await session.scalar(
        select(Callback.id).where(Callback.call_id == call.id, Callback.reason == CallbackReason.NEXT_DAY)
    )
    callback = await promise(
        session,
        reason=CallbackReason.NEXT_DAY,
        customer=customer,
        hotline=hotline,
        now=now,
        to_e164=call.from_e164 if call and customer is None else None,
        call_id=call.id if call and first_of_call else None,
        complaint_id=complaint.id,
        queue_id=complaint.queue_id,
        owner_id=complaint.owner_id,
        subject=complaint.code,
        by=by,
    )
    write_change(
        session, complaint, "callback_promised", at=now, by=by, callback=callback.code, due_at=iso(callback.due_at)
    )


async def _why_no_callback(
    session: AsyncSession, customer: Customer | None, call: Call | None, hotline: Hotline
) -> str | None:
    if customer is not None:
        if customer.do_not_call:
            return "do_not_call"
        has_number = await session.scalar(
            select(CustomerPhone.id).where(CustomerPhone.customer_id == customer.id).limit(1)
        )
        return None if has_number else "no_number"
    number = call.from_e164 if call else None
    return None if number and not hotline.is_ours(number) else "no_number"


async def _call_of(session: AsyncSession, call_id: UUID, by: Signed) -> Call:
    """A call that `by` took, or any for a supervisor of calls."""
    call = await session.get(Call, call_id)
    if call is None:
        raise NoSuchCall("There is no such call.")
    if by.agent_id in (call.answered_by_id, call.wrapped_up_by_id) or by.may(Scope.CALLS_SUPERVISE):
        return call
    held = select(AgentPresence.agent_id).where(AgentPresence.call_id == call_id)
    if await session.scalar(held) != by.agent_id:
        raise NotYours("Only who took this call, or a supervisor, may log a complaint from it.")
    return call


async def _purchase(
    session: AsyncSession, purchase_id: UUID | None, customer: Customer | None, *, latest: bool
) -> Purchase | None:
    if purchase_id is not None:
        return await purchase_of(session, purchase_id, customer.id if customer else None)
    if customer is None or not latest:
        return None
    return await session.scalar(
        select(Purchase)
        .where(Purchase.customer_id == customer.id)
        .order_by(Purchase.purchased_on.desc(), Purchase.id)
        .limit(1)
    )


async def purchase_of(session: AsyncSession, purchase_id: UUID, customer_id: UUID | None) -> Purchase:
    """A purchase of a customer's. Raises UnknownPurchase."""
    purchase = await session.get(Purchase, purchase_id)
    if purchase is None or purchase.customer_id != customer_id:
        raise UnknownPurchase("That is no purchase of this customer's.")
    return purchase
