"""Where a promised call rings, and whether it may be promised for a time."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.calling_windows import CallingWindows, NeverOpen, Place, place_of
from app.domain.card import iso
from app.errors import Conflict
from app.models.customers import Customer, CustomerPhone
from app.services.hotline import Hotline

_CLOCKS_DIFFER_BY: Final = timedelta(minutes=1)
_FURTHEST: Final = timedelta(days=366)


class DueInThePast(Conflict):
    """A call cannot be promised for a time that has gone by."""

    code = "due_in_past"
    title = "That time has gone by"


class DueTooFar(Conflict):
    """More than a year ahead nobody promises a call."""

    code = "due_too_far"
    title = "That is too far ahead"


class OutsideWindow(Conflict):
    """At that time nobody may be rung there; `next_open` is when they next may."""

    code = "outside_calling_window"
    title = "Nobody may be rung there then"


class NoLegalTime(Conflict):
    """There is no time at which that place may be called: look at the calling windows and the working hours."""

    code = "no_legal_time"
    title = "There is no time at which that place may be called"


async def where_it_rings(
    session: AsyncSession, customer: Customer | None, to_e164: str | None, hotline: Hotline
) -> Place:
    """The place of a callback: of the number it goes to, or of the customer's first one."""
    e164 = to_e164
    if e164 is None and customer is not None:
        e164 = await first_number(session, customer)
    return place_of(
        hotline.number(e164) if e164 else None,
        zone=customer.time_zone if customer else None,
        region=customer.region if customer and to_e164 is None else None,
    )


async def first_number(session: AsyncSession, customer: Customer) -> str | None:
    """The number (E.164) by which a customer is called first, if they have any that is not known to be wrong."""
    return await session.scalar(
        select(CustomerPhone.e164)
        .where(CustomerPhone.customer_id == customer.id, CustomerPhone.wrong_since.is_(None))
        .order_by(CustomerPhone.is_primary.desc(), CustomerPhone.created_at, CustomerPhone.id)
        .limit(1)
    )


def check_due(due_at: datetime, place: Place, windows: CallingWindows, now: datetime) -> None:
    """Whether a call may be promised for a time that somebody chose.

    Raises:
        DueInThePast, DueTooFar, OutsideWindow, NoLegalTime
    """
    if due_at < now - _CLOCKS_DIFFER_BY:
        raise DueInThePast("That time has gone by. Choose one to come.")
    if due_at > now + _FURTHEST:
        raise DueTooFar("A call is promised for a year ahead at most.")
    try:
        opens = windows.next_open(due_at, place.region, place.zone)
    except NeverOpen:
        raise NoLegalTime("The calling windows leave no time at which that place may be called.") from None
    if opens != due_at:
        raise OutsideWindow(
            "Nobody may be rung there at that time; `next_open` is when they may.", next_open=iso(opens)
        )
