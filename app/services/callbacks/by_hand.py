"""Promising a call by hand."""

from datetime import datetime

from sqlalchemy import exists, false, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.scopes import Scope
from app.errors import Conflict, Invalid
from app.models.callbacks import Callback, CallbackReason
from app.models.customers import Customer, CustomerPhone
from app.models.people import Agent
from app.schemas.callbacks import CallbackCreate
from app.services.access import Signed
from app.services.callbacks.scheduling import promise
from app.services.callbacks.times import first_number
from app.services.customers import UnknownOwner, find_customer
from app.services.hotline import Hotline


class DoNotCall(Conflict):
    """The customer, or whoever has that number, does not want to be called."""

    code = "do_not_call"
    title = "They do not want to be called"


class NoNumber(Conflict):
    """The customer has no number by which they could be called."""

    code = "no_number"
    title = "There is no number to call"


class NumberNotAllowed(Invalid):
    """That is no number that is called: not one at all, a short code, a premium rate, or one of our own."""

    code = "number_not_allowed"


async def promise_by_hand(
    session: AsyncSession, given: CallbackCreate, user: Signed, hotline: Hotline, now: datetime
) -> Callback:
    """Promise a call that somebody asks for.

    Raises:
        NoSuchCustomer, CustomerErased: of `customer`.
        NumberNotAllowed, NoNumber, DoNotCall: nobody may be called there.
        UnknownOwner, ScopeMissing: of `owner_id`.
        CalendarUnknown, DueInThePast, DueTooFar, OutsideWindow, NoLegalTime: of `due_at`.
    """
    customer = await find_customer(session, given.customer, lock=True) if given.customer else None
    e164 = _dialled(given.number, hotline) if given.number else None
    await _require_reachable(session, customer, e164)
    owner_id = given.owner_id or user.agent_id
    if owner_id != user.agent_id:
        user.require(Scope.CALLBACKS_SUPERVISE)
        if not await session.scalar(select(exists().where(Agent.id == owner_id, Agent.active))):
            raise UnknownOwner("The owner is not one of the active agents.")
    return await promise(
        session,
        reason=CallbackReason.BY_HAND,
        customer=customer,
        hotline=hotline,
        now=now,
        to_e164=e164,
        owner_id=owner_id,
        due_at=given.due_at,
        subject=given.subject,
        mode=given.mode,
        by=user.agent_id,
    )


def _dialled(raw: str, hotline: Hotline) -> str:
    number = hotline.number(raw)
    if number.e164 is None or not number.is_valid or hotline.is_ours(number.e164):
        raise NumberNotAllowed("That is no number that can be called.")
    return number.e164


async def _require_reachable(session: AsyncSession, customer: Customer | None, e164: str | None) -> None:
    if customer is not None and e164 is None and await first_number(session, customer) is None:
        raise NoNumber("The customer has no number. Give one.")
    asked = [] if customer is None else [Customer.id == customer.id]
    if e164 is not None:
        asked.append(Customer.id.in_(select(CustomerPhone.customer_id).where(CustomerPhone.is_number(e164))))
    if await session.scalar(select(exists().where(Customer.do_not_call, or_(false(), *asked)))):
        raise DoNotCall("They have asked not to be called.")
