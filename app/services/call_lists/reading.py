"""Daily lists as they are read."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.domain.list_reasons import left_out_in_words, notice_in_words
from app.domain.scopes import Scope
from app.models.call_lists import CallList, CallListEntry, CallListLeftOut, EntryState, LeftOutReason
from app.models.customers import Customer
from app.models.people import Agent
from app.schemas.list_reading import CallListDetail, CallListRead, CallLists, CustomerName, LeftOutRead, NoticeRead
from app.schemas.screen_pop import BothLanguages, PopOwner
from app.services.access import Signed
from app.services.call_lists.worklist import NotYourList, entry_read, find_list, read_lines
from app.services.hotline import Hotline


def sees_all(by: Signed) -> bool:
    """Whether somebody may see other people's lists."""
    return by.may(Scope.LISTS_SUPERVISE) or by.may(Scope.REPORTS_READ)


async def read_lists(session: AsyncSession, day: date, manager_id: UUID | None, by: Signed) -> CallLists:
    """The lists of a day that `by` may see: their own and those they stand in for, or everybody's.

    Raises:
        NotYourList: `manager_id` is somebody else, whose lists are not theirs to see.
    """
    if manager_id not in (None, by.agent_id) and not sees_all(by):
        raise NotYourList("These are somebody else's lists.")
    wanted = [CallList.day == day]
    if manager_id is not None:
        wanted.append(CallList.manager_id == manager_id)
    elif not sees_all(by):
        wanted.append(or_(CallList.manager_id == by.agent_id, CallList.made_for_id == by.agent_id))
    return CallLists(items=[CallListRead(**values) for values in await _values(session, *wanted)])


async def read_list(session: AsyncSession, list_id: UUID, hotline: Hotline, by: Signed) -> CallListDetail:
    """One list, with everybody on it and who was left out.

    Raises:
        NoSuchList: there is none.
        NotYourList: it is somebody else's.
    """
    made = await find_list(session, list_id, by, to_work=False)
    (values,) = await _values(session, CallList.id == list_id)
    left_out = await session.execute(
        select(CallListLeftOut, Customer)
        .join(Customer, Customer.id == CallListLeftOut.customer_id)
        .where(
            CallListLeftOut.manager_id == made.manager_id,
            CallListLeftOut.first_day <= made.day,
            or_(CallListLeftOut.last_day.is_(None), CallListLeftOut.last_day >= made.day),
        )
        .order_by(CallListLeftOut.reason, Customer.code)
    )
    return CallListDetail(
        **values,
        inputs=made.inputs,
        entries=[entry_read(line, hotline) for line in await read_lines(session, CallListEntry.list_id == list_id)],
        left_out=[left_out_read(customer, row.reason, row.note) for row, customer in left_out],
    )


def notices_read(notices: Sequence[dict[str, Any]]) -> list[NoticeRead]:
    """A list's notices with their words."""
    return [NoticeRead(code=each["code"], in_words=BothLanguages(**notice_in_words(each))) for each in notices]


def left_out_read(customer: Customer, reason: LeftOutReason, note: str) -> LeftOutRead:
    """Somebody who is not on a list, and why, in words."""
    return LeftOutRead(
        customer=CustomerName(id=customer.id, code=customer.code, name=customer.name),
        reason=reason,
        in_words=BothLanguages(**left_out_in_words(reason)),
        note=note,
    )


async def _values(session: AsyncSession, *wanted: Any) -> list[dict[str, Any]]:
    manager, made_for = aliased(Agent), aliased(Agent)
    counts = (
        select(
            CallListEntry.list_id,
            func.count().label("entries"),
            func.count().filter(CallListEntry.state.in_((EntryState.DONE, EntryState.SKIPPED))).label("worked"),
            func.count().filter(CallListEntry.added_later).label("added_later"),
        )
        .join(CallList, CallList.id == CallListEntry.list_id)
        .where(*wanted)
        .group_by(CallListEntry.list_id)
        .subquery()
    )
    rows = await session.execute(
        select(CallList, manager.name, made_for.name, counts.c.entries, counts.c.worked, counts.c.added_later)
        .join(manager, manager.id == CallList.manager_id)
        .outerjoin(made_for, made_for.id == CallList.made_for_id)
        .outerjoin(counts, counts.c.list_id == CallList.id)
        .where(*wanted)
        .order_by(manager.name, CallList.id)
    )
    return [
        {
            "id": made.id,
            "day": made.day,
            "manager": PopOwner(id=made.manager_id, name=name),
            "made_for": PopOwner(id=made.made_for_id, name=for_name) if made.made_for_id else None,
            "made_at": made.made_at,
            "size": made.size,
            "notices": notices_read(made.notices),
            "listed": entries or 0,
            "worked": worked or 0,
            "added_later": added or 0,
        }
        for made, name, for_name, entries, worked, added in rows
    ]
