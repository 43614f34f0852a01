"""Lists to work on, as they are once somebody has made them."""

from datetime import date, datetime, timedelta
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Customer
from app.models.call_lists import CallList, CallListEntry, EntrySource
from app.models.people import Agent
from tests.api.customers.support import a_mobile
from tests.factories import make_customer

SHANGHAI = ZoneInfo("Asia/Shanghai")
TODAY = datetime.now(SHANGHAI).date()
WAITING = {"code": "waiting", "days": 24}
PROMISED = {"code": "promised", "time": "15:30"}

_days = count()


def another_day() -> date:
    """A day on which nobody here has a list yet."""
    return TODAY - timedelta(days=1000 + next(_days))


async def make_list(
    session: AsyncSession, manager: Agent, customers: list[Customer], *, day: date | None = None, **entry: Any
) -> CallList:
    """A list with these customers in this order, each there because they have waited unless told otherwise."""
    made = CallList(manager_id=manager.id, made_for_id=manager.id, day=day or another_day(), size=60)
    session.add(made)
    await session.flush()
    session.add_all(
        CallListEntry(
            **{
                "list_id": made.id,
                "day": made.day,
                "customer_id": customer.id,
                "position": position,
                "score": 100.0 - position,
                "source": EntrySource.RANKED,
                "reasons": [WAITING],
                **entry,
            }
        )
        for position, customer in enumerate(customers, start=1)
    )
    await session.flush()
    return made


async def make_book(session: AsyncSession, manager: Agent, size: int, **fields: Any) -> list[Customer]:
    """Customers of a manager, each with one mobile number."""
    return [
        await make_customer(session, a_mobile(), name=f"客户{number}", owner_id=manager.id, **fields)
        for number in range(size)
    ]
