"""Promised calls as people see them: in lists, whole, and counted."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.models.callbacks import Callback, CallbackChange, CallbackReason, CallbackState
from app.models.customers import Customer, Purchase
from app.models.people import Agent
from app.models.routing import Queue, QueueMember
from app.schemas.callbacks import (
    CallbackRead,
    CallbackWhole,
    HourCount,
    ShownState,
)
from app.schemas.listing import Listing
from app.services.callbacks.scheduling import IS_WAITING, OPEN_STATES
from app.services.hotline import Hotline
from app.services.paging import Page, cut, earliest_first

_Owner = aliased(Agent)
_ClaimedBy = aliased(Agent)


@dataclass(frozen=True, slots=True)
class CallbackFilter:
    """Which callbacks are asked for; what is None or False does not matter.

    Attributes:
        owner_id: whose they are.
        for_agent_id: those that this agent may make now: their own, and what is open to all in their queues.
        is_due: it is still owed and its time has come.
        is_overdue: it is due and open to everybody by now.
        product: text in what it is about or in what the customer bought.
        promised_before: it was promised before.
    """

    owner_id: UUID | None = None
    for_agent_id: UUID | None = None
    customer_id: UUID | None = None
    state: ShownState | None = None
    reason: CallbackReason | None = None
    is_due: bool = False
    is_overdue: bool = False
    product: str = ""
    promised_before: datetime | None = None


async def list_callbacks(
    session: AsyncSession, wanted: CallbackFilter, page: Page, now: datetime
) -> Listing[CallbackRead]:
    """Callbacks, the one that is due first in front.

    Raises:
        BadCursor: the page's cursor is none of this list.
    """
    query = _summaries().where(*_conditions(wanted, now))
    rows = (await session.execute(earliest_first(query, page, Callback.due_at, Callback.id))).all()
    shown, more = cut(rows, page, lambda row: (row[0].due_at, row[0].id))
    return Listing(items=[CallbackRead.model_validate(_shown(*row, now=now)) for row in shown], next=more)


async def read_callback(session: AsyncSession, callback_id: UUID, now: datetime) -> CallbackWhole:
    """One callback with all that happened to it."""
    row = (await session.execute(_summaries().where(Callback.id == callback_id))).one()
    changes = await session.execute(
        select(CallbackChange, Agent)
        .outerjoin(Agent, Agent.id == CallbackChange.agent_id)
        .where(CallbackChange.callback_id == callback_id)
        .order_by(CallbackChange.at, CallbackChange.id)
    )
    told = [{"at": each.at, "what": each.what, "by": by, "detail": each.detail} for each, by in changes]
    return CallbackWhole.model_validate({**_shown(*row, now=now), "changes": told})


async def count_by_hour(
    session: AsyncSession, first: datetime, last: datetime, hotline: Hotline, now: datetime
) -> list[HourCount]:
    """What is due from `first` until before `last`, hour by hour of the organisation's clock."""
    # By the clock there: some zones are half an hour off.
    hour = func.date_trunc("hour", Callback.due_at, str(hotline.zone))
    is_open = Callback.state.in_([state for state in OPEN_STATES if state is not CallbackState.ESCALATED])
    rows = await session.execute(
        select(
            hour.label("hour"),
            func.count().label("due"),
            _count(is_open).label("open"),
            _count(and_(is_open, Callback.due_at <= now)).label("overdue"),
            *(
                _count(Callback.state == state).label(state.value)
                for state in (CallbackState.DONE, CallbackState.ESCALATED, CallbackState.CANCELLED)
            ),
        )
        .where(Callback.due_at >= first, Callback.due_at < last)
        .group_by(hour)
        .order_by(hour)
    )
    return [HourCount.model_validate(row, from_attributes=True) for row in rows]


def _count(condition: ColumnElement[bool]) -> Any:
    return func.count(case((condition, 1)))


def _summaries() -> Select[Callback, Customer, Agent, Agent, Queue]:
    return (
        select(Callback, Customer, _Owner, _ClaimedBy, Queue)
        .outerjoin(Customer, Customer.id == Callback.customer_id)
        .outerjoin(_Owner, _Owner.id == Callback.owner_id)
        .outerjoin(_ClaimedBy, _ClaimedBy.id == Callback.claimed_by_id)
        .outerjoin(Queue, Queue.id == Callback.queue_id)
    )


def _shown(
    callback: Callback,
    customer: Customer | None,
    owner: Agent | None,
    claimed_by: Agent | None,
    queue: Queue | None,
    *,
    now: datetime,
) -> dict[str, Any]:
    columns = {column.key: getattr(callback, column.key) for column in Callback.__mapper__.columns}
    is_due = callback.state in (CallbackState.SCHEDULED, CallbackState.RETRY) and callback.due_at <= now
    is_open = callback.open_to_all_at is not None and callback.open_to_all_at <= now
    return {
        **columns,
        "state": ShownState.DUE if is_due else ShownState(callback.state),
        "is_overdue": is_due and is_open and callback.due_at < now,
        "customer": customer,
        "owner": owner,
        "claimed_by": claimed_by,
        "queue": queue,
    }


def _conditions(wanted: CallbackFilter, now: datetime) -> list[ColumnElement[bool]]:
    due = and_(IS_WAITING, Callback.due_at <= now)
    found: list[ColumnElement[bool]] = []
    if wanted.owner_id is not None:
        found.append(Callback.owner_id == wanted.owner_id)
    if wanted.for_agent_id is not None:
        queues = select(QueueMember.queue_id).where(QueueMember.agent_id == wanted.for_agent_id)
        open_to_them = and_(
            Callback.open_to_all_at <= now, or_(Callback.queue_id.is_(None), Callback.queue_id.in_(queues))
        )
        found.append(or_(Callback.owner_id == wanted.for_agent_id, open_to_them))
    if wanted.customer_id is not None:
        found.append(Callback.customer_id == wanted.customer_id)
    if wanted.state is ShownState.DUE:
        found.append(due)
    elif wanted.state is not None:
        found.append(Callback.state == CallbackState(wanted.state))
        if wanted.state in (ShownState.SCHEDULED, ShownState.RETRY):
            found.append(Callback.due_at > now)
    if wanted.reason is not None:
        found.append(Callback.reason == wanted.reason)
    if wanted.is_due or wanted.is_overdue:
        found.append(due)
    if wanted.is_overdue:
        found += [Callback.open_to_all_at <= now, Callback.due_at < now]
    if wanted.product:
        bought = exists().where(
            Purchase.customer_id == Callback.customer_id,
            or_(
                *(
                    text.icontains(wanted.product, autoescape=True)
                    for text in (Purchase.product, Purchase.product_en, Purchase.model)
                )
            ),
        )
        found.append(or_(Callback.subject.icontains(wanted.product, autoescape=True), bought))
    if wanted.promised_before is not None:
        found.append(Callback.created_at < wanted.promised_before)
    return found
