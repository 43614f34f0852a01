"""Books and days for the daily lists' tests."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Agent, CallList, CallListEntry, Customer, ListSettings, Role
from app.services.calendars import Calendars, read_calendars
from app.services.call_lists.making import Made, make_lists
from app.services.hotline import Hotline
from tests.factories import make_agent, make_customer

ZONE = ZoneInfo("Asia/Shanghai")
HOTLINE = Hotline("CN", ZONE, "Callcard", None)


def at(day: date, hour: int = 6, minute: int = 0) -> datetime:
    """A moment of the day by the organisation's clock."""
    return datetime.combine(day, time(hour, minute), tzinfo=ZONE).astimezone(UTC)


async def make_manager(session: AsyncSession, **fields: Any) -> Agent:
    return await make_agent(session, role=Role.ACCOUNT_MANAGER, **fields)


async def make_book(session: AsyncSession, manager: Agent, count: int, **fields: Any) -> list[Customer]:
    """So many customers of a manager, each with a number."""
    taken = len((await session.scalars(select(Customer.id))).all())
    return [
        await make_customer(session, f"+8613{(taken + number):09d}", owner_id=manager.id, **fields)
        for number in range(count)
    ]


async def size_is(session: AsyncSession, size: int, **fields: Any) -> None:
    """So many customers are on every list."""
    session.add(ListSettings(team_id=None, size=size, **fields))
    await session.flush()


async def make(session: AsyncSession, day: date, now: datetime | None = None, **given: Any) -> Made:
    """Make the day's lists early in its morning."""
    return await make_lists(session, day, now or at(day), await calendars(session), **given)


async def calendars(session: AsyncSession) -> Calendars:
    return await read_calendars(session, HOTLINE)


async def the_list(session: AsyncSession, manager: Agent, day: date) -> CallList:
    return (await session.scalars(select(CallList).where(CallList.manager_id == manager.id, CallList.day == day))).one()


async def entries_of(session: AsyncSession, manager: Agent, day: date) -> Sequence[CallListEntry]:
    return (
        await session.scalars(
            select(CallListEntry)
            .join(CallList, CallList.id == CallListEntry.list_id)
            .where(CallList.manager_id == manager.id, CallList.day == day)
            .order_by(CallListEntry.position)
        )
    ).all()


async def listed(session: AsyncSession, manager: Agent, day: date) -> list[UUID]:
    """Who is on a list, in its order."""
    return [entry.customer_id for entry in await entries_of(session, manager, day)]
