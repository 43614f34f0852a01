"""A day's list as those see it who work it: whose it is, and its entries with all that is shown of a customer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import time
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.domain.card import address_as
from app.domain.day_plan import Listed, plan, quadrant_of
from app.domain.list_reasons import ReasonCode
from app.domain.list_words import QUADRANTS
from app.domain.scopes import Scope
from app.domain.standing import grade
from app.errors import NotAllowed, NotFound
from app.models.call_lists import CallList, CallListEntry
from app.models.customers import Customer, CustomerPhone
from app.models.people import Agent
from app.schemas.list_work import DayPlan, ListedCustomer, PlanPart, PlanQuadrant, WorkEntry
from app.schemas.screen_pop import BothLanguages, PopOwner
from app.services.access import Signed
from app.services.call_lists.listed import reasons_read
from app.services.customers import name_parts
from app.services.hotline import Hotline


class NoSuchList(NotFound):
    """There is no call list of that id."""

    code = "no_such_list"
    title = "No such list"


class NoSuchEntry(NotFound):
    """There is no entry of that id on any list, or, where one is to be called, none that is still to be worked."""

    code = "no_such_list_entry"
    title = "No such list entry"


class NotYourList(NotAllowed):
    """A list is worked by whom it was made for, and by supervisors."""

    code = "not_your_list"


@dataclass(frozen=True, slots=True)
class Line:
    """An entry with its customer and the number to ring, if there is one that is not wrong."""

    entry: CallListEntry
    customer: Customer
    phone: CustomerPhone | None
    reserved_by: str | None
    worked_by: str | None


async def find_list(session: AsyncSession, list_id: UUID, by: Signed, *, to_work: bool) -> CallList:
    """A list that `by` may see or, with `to_work`, work on.

    Raises:
        NoSuchList: there is none.
        NotYourList: it is somebody else's.
    """
    found = await session.get(CallList, list_id)
    if found is None:
        raise NoSuchList("There is no such list.")
    is_mine = by.agent_id in (found.made_for_id, found.manager_id)
    if not (is_mine or by.may(Scope.LISTS_SUPERVISE) or (by.may(Scope.REPORTS_READ) and not to_work)):
        raise NotYourList("This is somebody else's list.")
    return found


async def read_lines(session: AsyncSession, *wanted: Any) -> list[Line]:
    """The entries that fit the conditions, in the order of their lists."""
    reserver, worker = aliased(Agent), aliased(Agent)
    rows = await session.execute(
        select(CallListEntry, Customer, reserver.name, worker.name)
        .join(Customer, Customer.id == CallListEntry.customer_id)
        .outerjoin(reserver, reserver.id == CallListEntry.reserved_by_id)
        .outerjoin(worker, worker.id == CallListEntry.worked_by_id)
        .where(*wanted)
        .order_by(CallListEntry.list_id, CallListEntry.position)
        .execution_options(populate_existing=True)
    )
    found = rows.all()
    phones = await _phones_to_ring(session, [customer.id for _, customer, _, _ in found])
    return [
        Line(entry, customer, phones.get(customer.id), reserved_by, worked_by)
        for entry, customer, reserved_by, worked_by in found
    ]


async def _phones_to_ring(session: AsyncSession, customer_ids: Sequence[UUID]) -> dict[UUID, CustomerPhone]:
    found = await session.scalars(
        select(CustomerPhone)
        .ext(distinct_on(CustomerPhone.customer_id))
        .where(CustomerPhone.customer_id.in_(customer_ids), CustomerPhone.wrong_since.is_(None))
        .order_by(CustomerPhone.customer_id, CustomerPhone.is_primary.desc(), CustomerPhone.id)
    )
    return {phone.customer_id: phone for phone in found}


def listed(line: Line) -> Listed:
    """An entry as the day's plan sees it."""
    promised = next((each for each in line.entry.reasons if each["code"] == ReasonCode.PROMISED), None)
    return Listed(
        entry_id=line.entry.id,
        reasons=[each["code"] for each in line.entry.reasons],
        stage=line.customer.sales_stage,
        intention=line.customer.intention,
        dcwh=line.customer.dcwh,
        tier=line.customer.tier,
        at=time.fromisoformat(promised["time"]) if promised else None,
    )


def entry_read(line: Line, hotline: Hotline) -> WorkEntry:
    """An entry as it is shown."""
    entry, customer = line.entry, line.customer
    return WorkEntry(
        id=entry.id,
        list_id=entry.list_id,
        day=entry.day,
        position=entry.position,
        source=entry.source,
        carried_over=entry.carried_over,
        added_later=entry.added_later,
        reasons=reasons_read(entry.reasons),
        quadrant=quadrant_of(listed(line)),
        customer=ListedCustomer(
            id=customer.id,
            code=customer.code,
            name=customer.name,
            address_as=BothLanguages(**address_as(name_parts(customer))),
            phone=hotline.number(line.phone.e164).national or line.phone.e164 if line.phone else None,
            tier=customer.tier,
            dcwh=customer.dcwh,
            grade=grade(customer.dcwh) if customer.dcwh else None,
            sales_stage=customer.sales_stage,
            intention=customer.intention,
            contract_state=customer.contract_state,
            next_call_at=customer.next_call_at,
            last_contact_at=customer.last_contact_at,
        ),
        state=entry.state,
        reserved_by=PopOwner.found(entry.reserved_by_id, line.reserved_by),
        reserved_until=entry.reserved_until,
        outcome=entry.outcome,
        skip_reason=entry.skip_reason,
        worked_by=PopOwner.found(entry.worked_by_id, line.worked_by),
        worked_at=entry.worked_at,
        call_id=entry.call_id,
    )


async def read_plan(session: AsyncSession, made: CallList, hotline: Hotline) -> DayPlan:
    """A list as the day's plan: everybody in one of the four quadrants and in one part of the day."""
    lines = await read_lines(session, CallListEntry.list_id == made.id)
    manager = await session.get_one(Agent, made.manager_id)
    read = [entry_read(line, hotline) for line in lines]
    return DayPlan(
        list_id=made.id,
        day=made.day,
        manager=PopOwner(id=manager.id, name=manager.name),
        quadrants=[
            PlanQuadrant(
                quadrant=quadrant,
                in_words=BothLanguages(**words),
                entries=[entry for entry in read if entry.quadrant is quadrant],
            )
            for quadrant, words in QUADRANTS.items()
        ],
        parts=[
            PlanPart(
                begins=part.hours.begins, ends=part.hours.ends, golden=part.hours.golden, entry_ids=list(part.entry_ids)
            )
            for part in plan([listed(line) for line in lines])
        ],
    )
