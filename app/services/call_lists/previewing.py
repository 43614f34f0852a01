"""Tomorrow's list, seen and rearranged today: the statement that will make it, but nothing is written."""

from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Final
from uuid import UUID

from sqlalchemy import delete, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.scopes import Scope
from app.errors import Conflict, Invalid
from app.models.base import new_id
from app.models.call_lists import CallList, LeftOutReason, ListRearrangement, RearrangementKind
from app.models.customers import Customer
from app.schemas.list_reading import CustomerName, ListPreview, PreviewEntry, Wish
from app.schemas.screen_pop import PopOwner
from app.services.access import Signed
from app.services.calendars import Calendars
from app.services.call_lists.inputs import Header, ranking_parameters
from app.services.call_lists.listed import reasons_read
from app.services.call_lists.making import (
    clock_of,
    figures_of,
    manager_of,
    next_working_day,
    reordered,
)
from app.services.call_lists.notices import notices_of
from app.services.call_lists.ranking import RANKED, REASONS, SOURCE
from app.services.call_lists.reading import left_out_read, notices_read, sees_all
from app.services.call_lists.rules import read_rules
from app.services.call_lists.worklist import NotYourList
from app.services.customers import NoSuchCustomer, find_customer

SHOWN_FROM: Final = time(16)
"""From this time on, by the organisation's clock, the next working day's list can be seen and rearranged."""

_PREVIEW: Final = text(f"""
{RANKED}
SELECT e.customer_id, e.place, e.score, {SOURCE} AS source, {REASONS} AS reasons, e.left_over, e.out_reason, e.note,
       e.figures
FROM chosen e ORDER BY e.place
""")


class TooEarly(Conflict):
    """Tomorrow's list can be seen from 16:00 today."""

    code = "too_early"
    title = "Tomorrow's list cannot be seen yet"


class ListIsMade(Conflict):
    """The next working day's list has been made already; it is rearranged no more."""

    code = "list_is_made"
    title = "The list has been made"


class NotInYourBook(Invalid):
    """A wish names somebody who is not a customer of that manager's book."""

    code = "not_in_the_book"


class WishesCollide(Invalid):
    """Two wishes are of one customer, or of one position."""

    code = "wishes_collide"


async def preview(
    session: AsyncSession, manager_id: UUID, now: datetime, calendars: Calendars, by: Signed
) -> ListPreview:
    """The next working day's list as it would be made now.

    Raises:
        NotYourList: it is somebody else's.
        NoSuchManager: there is nobody of that id.
        TooEarly: it is not 16:00 yet.
        CalendarNotKnown: nobody knows which is the next working day.
    """
    if manager_id != by.agent_id and not sees_all(by):
        raise NotYourList("This is somebody else's list.")
    day = _next_day(calendars, now)
    clock = clock_of(calendars.main, day)
    manager = await manager_of(session, manager_id, day)
    team_rules = await read_rules(session)
    number = team_rules.number(manager_id)
    wanted = await ranking_parameters(
        session, clock, calendars, [Header(new_id(), manager_id, number)], team_rules.rules
    )
    rows = (await session.execute(_PREVIEW, wanted)).all()
    customers = {
        each.id: each
        for each in await session.scalars(
            select(Customer).where(Customer.id.in_([row.customer_id for row in rows if row.customer_id]))
        )
    }
    listed = {row.customer_id: row for row in rows if row.place is not None}
    order = await reordered(session, day, {manager_id: list(listed)})
    return ListPreview(
        day=day,
        manager=PopOwner(id=manager_id, name=manager.name),
        size=team_rules.rules[number].size,
        notices=notices_read(notices_of(manager, figures_of(rows), team_rules.rules[number], clock)),
        entries=[
            PreviewEntry(
                position=position,
                customer=CustomerName(id=key, code=customers[key].code, name=customers[key].name),
                score=listed[key].score,
                source=listed[key].source,
                carried_over=listed[key].left_over is not None,
                reasons=reasons_read(listed[key].reasons),
            )
            for position, key in enumerate(order.get(manager_id, list(listed)), start=1)
        ],
        left_out=[
            left_out_read(customers[row.customer_id], LeftOutReason(row.out_reason), row.note or "")
            for row in rows
            if row.out_reason is not None
        ],
    )


async def rearrange(
    session: AsyncSession, manager_id: UUID, wishes: Sequence[Wish], now: datetime, calendars: Calendars, by: Signed
) -> date:
    """Put these wishes for the next working day's list in the place of those there were; gives the day.

    Raises:
        NotYourList, TooEarly, CalendarNotKnown: see `preview`.
        ListIsMade: it has been made already.
        NotInYourBook, WishesCollide: a wish cannot be.
    """
    if manager_id != by.agent_id and not by.may(Scope.LISTS_SUPERVISE):
        raise NotYourList("This is somebody else's list.")
    day = _next_day(calendars, now)
    await manager_of(session, manager_id, day)
    is_made = select(CallList.id).where(CallList.manager_id == manager_id, CallList.day == day)
    if await session.scalar(is_made) is not None:
        raise ListIsMade("That list has been made already.")
    found: dict[UUID, Wish] = {}
    for wish in wishes:
        customer = await _find(session, wish.customer)
        if customer is None or customer.owner_id != manager_id:
            raise NotInYourBook(f"{wish.customer} is no customer of this book.", customer=wish.customer)
        if customer.id in found:
            raise WishesCollide("Two wishes are of one customer.", customer=wish.customer)
        found[customer.id] = wish
    positions = [wish.position for wish in wishes if wish.position is not None]
    if len(positions) != len(set(positions)):
        raise WishesCollide("Two wishes are of one position.")
    await session.execute(
        delete(ListRearrangement).where(ListRearrangement.manager_id == manager_id, ListRearrangement.day == day)
    )
    session.add_all(
        ListRearrangement(
            manager_id=manager_id,
            day=day,
            customer_id=customer_id,
            kind=RearrangementKind(wish.kind),
            position=wish.position,
            reason=wish.reason,
            by_id=by.agent_id,
        )
        for customer_id, wish in found.items()
    )
    await session.flush()
    return day


async def _find(session: AsyncSession, ref: str) -> Customer | None:
    try:
        return await find_customer(session, ref)
    except NoSuchCustomer:
        return None


def _next_day(calendars: Calendars, now: datetime) -> date:
    local = now.astimezone(calendars.main.zone)
    if local.time() < SHOWN_FROM:
        raise TooEarly("The next working day's list can be seen and rearranged from 16:00 on.")
    return next_working_day(calendars.main, local.date())
