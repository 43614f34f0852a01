"""Putting a complaint right: whose it is, its category, severity and product; attachments. Nothing is lost by it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import Conflict
from app.models.base import new_id
from app.models.complaints import Complaint, ComplaintCategory, ComplaintLink
from app.schemas.complaints import ComplaintLinkCreate, ComplaintUpdate
from app.services.access import Signed
from app.services.complaints import clock
from app.services.complaints.opening import promise_callback, purchase_of
from app.services.complaints.records import write_change
from app.services.complaints.setup import offered_category
from app.services.complaints.states import require_unsettled
from app.services.customers import find_customer
from app.services.hotline import Hotline


class CustomerKnown(Conflict):
    """The complaint is a customer's already, and is nobody else's."""

    code = "complaint_has_customer"


class WithPartner(Conflict):
    """While a partner has the complaint, its time is the partner's; take it back first."""

    code = "with_partner"


async def change_complaint(
    session: AsyncSession, complaint: Complaint, given: ComplaintUpdate, by: Signed, hotline: Hotline, now: datetime
) -> None:
    """Change what is given; what differs is written down with what it was, and why.

    Args:
        complaint: locked.

    Raises:
        WrongState: it is settled. CustomerKnown, WithPartner; UnknownCategory, UnknownPurchase, NoSuchCustomer.
        NoWorkingTime, CalendarUnknown: no due time can be told.
    """
    require_unsettled(complaint)
    values = given.model_dump(exclude_unset=True, exclude={"why", "customer", "category"})
    if given.customer:
        await _recognise(session, complaint, given.customer, by, hotline, now)
    if "category" in given.model_fields_set:
        values["category_id"] = (await offered_category(session, given.category)).id
    if values.get("purchase_id") is not None:
        await purchase_of(session, values["purchase_id"], complaint.customer_id)
    if "wants" in values:
        values["wants"] = [want.value for want in dict.fromkeys(values["wants"])]
    changed = {name: value for name, value in values.items() if getattr(complaint, name) != value}
    for name, value in changed.items():
        before, after = await _told(session, name, getattr(complaint, name)), await _told(session, name, value)
        write_change(
            session, complaint, "changed", at=now, by=by.agent_id, field=name, before=before, after=after, why=given.why
        )
        setattr(complaint, name, value)
    if "severity" in changed:
        if complaint.partner_id is not None:
            raise WithPartner("A partner has it, and its time is the partner's. Take it back first.")
        await clock.change_severity(session, complaint, await clock.working_calendar(session, hotline))


async def _recognise(
    session: AsyncSession, complaint: Complaint, ref: str, by: Signed, hotline: Hotline, now: datetime
) -> None:
    """Say whose complaint it is, where nobody knew, and promise them the callback."""
    customer = await find_customer(session, ref, lock=True)
    if complaint.customer_id == customer.id:
        return
    if complaint.customer_id is not None:
        raise CustomerKnown("This complaint is another customer's. Merge the two if they are one.")
    complaint.customer_id = customer.id
    write_change(session, complaint, "customer", at=now, by=by.agent_id, customer=customer.code)
    await session.flush()
    await promise_callback(session, complaint, customer, hotline, now, by=by.agent_id)


async def _told(session: AsyncSession, name: str, value: Any) -> Any:
    """A value as the history tells it."""
    if name == "category_id" and value is not None:
        return (await session.get_one(ComplaintCategory, value)).key
    return str(value) if isinstance(value, UUID) else value


async def attach(
    session: AsyncSession, complaint: Complaint, given: ComplaintLinkCreate, by: Signed, now: datetime
) -> None:
    """Note where an attachment lies."""
    session.add(
        ComplaintLink(id=new_id(), complaint_id=complaint.id, at=now, agent_id=by.agent_id, **given.model_dump())
    )
    write_change(session, complaint, "attached", at=now, by=by.agent_id, url=given.url, title=given.title)
