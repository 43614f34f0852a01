"""Complaints as people see them: lists with filters, one with everything that belongs to it, its history."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, func, literal_column, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.domain.complaint_states import SETTLED, ComplaintState
from app.models.callbacks import Callback
from app.models.complaints import (
    Complaint,
    ComplaintCategory,
    ComplaintChange,
    ComplaintLink,
    ComplaintMail,
    Goodwill,
    Handover,
    HandoverState,
    Partner,
    Severity,
)
from app.models.customers import Customer
from app.models.help import Article
from app.models.people import Agent
from app.models.routing import Queue, QueueMember
from app.schemas.complaints import (
    ArticleRef,
    CallbackRef,
    CategoryRef,
    ComplaintChangeRead,
    ComplaintLinkRead,
    ComplaintMailRead,
    ComplaintRead,
    ComplaintSummary,
    GoodwillRead,
    HandoverRead,
)
from app.schemas.listing import Listing
from app.schemas.screen_pop import BothLanguages
from app.services.complaints.articles import phrases_of
from app.services.complaints.similar import repeats
from app.services.paging import Page, cut, earliest_first, latest_first

UNSETTLED: Final[ColumnElement[bool]] = literal_column("complaints.state NOT IN ('resolved', 'closed')")
"""As the partial index on due times has it."""

_HISTORY: Final = Page(limit=50)
_JOINED: Final = frozenset({"customer", "category", "owner", "partner", "overdue"})

_Rows = Select[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class ComplaintFilter:
    """Which complaints are asked for; what is None or False does not matter.

    `owner_id` is of an agent; `offered_to` is whom a handover waits for, by name or as a member of a queue;
    `opened_before` asks for old ones; `unsettled` for those that are neither resolved nor closed.
    """

    owner_id: UUID | None = None
    offered_to: UUID | None = None
    partner_id: UUID | None = None
    customer_id: UUID | None = None
    category_ids: frozenset[UUID] | None = None
    state: ComplaintState | None = None
    severity: Severity | None = None
    product: str | None = None
    opened_before: datetime | None = None
    unsettled: bool = False
    overdue: bool = False


def _summaries() -> _Rows:
    return (
        select(Complaint, Customer, ComplaintCategory, Agent, Partner)
        .outerjoin(Customer, Customer.id == Complaint.customer_id)
        .outerjoin(ComplaintCategory, ComplaintCategory.id == Complaint.category_id)
        .outerjoin(Agent, Agent.id == Complaint.owner_id)
        .outerjoin(Partner, Partner.id == Complaint.partner_id)
    )


def _narrowed(query: _Rows, wanted: ComplaintFilter, now: datetime) -> _Rows:
    for column, value in (
        (Complaint.owner_id, wanted.owner_id),
        (Complaint.partner_id, wanted.partner_id),
        (Complaint.customer_id, wanted.customer_id),
        (Complaint.state, wanted.state),
        (Complaint.severity, wanted.severity),
    ):
        if value is not None:
            query = query.where(column == value)
    if wanted.product is not None:
        query = query.where(func.lower(Complaint.product) == wanted.product.lower())
    if wanted.category_ids is not None:
        query = query.where(Complaint.category_id.in_(wanted.category_ids))
    if wanted.opened_before is not None:
        query = query.where(Complaint.opened_at < wanted.opened_before)
    if wanted.unsettled or wanted.overdue:
        query = query.where(UNSETTLED)
    if wanted.overdue:
        query = query.where(Complaint.due_at < func.coalesce(Complaint.paused_at, now))
    if wanted.offered_to is not None:
        queues = select(QueueMember.queue_id).where(QueueMember.agent_id == wanted.offered_to)
        offered = select(Handover.complaint_id).where(
            Handover.state == HandoverState.PENDING,
            or_(Handover.to_agent_id == wanted.offered_to, Handover.to_queue_id.in_(queues)),
        )
        query = query.where(Complaint.id.in_(offered))
    return query


async def list_complaints(
    session: AsyncSession, wanted: ComplaintFilter, page: Page, now: datetime, *, by_due: bool
) -> Listing[ComplaintSummary]:
    """Complaints, the latest first, or by their due time, the earliest first.

    Raises:
        BadCursor: the page's cursor is none of this list.
    """
    query = _narrowed(_summaries(), wanted, now)
    by = Complaint.due_at if by_due else Complaint.opened_at
    ordered = (earliest_first if by_due else latest_first)(query, page, by, Complaint.id)
    rows = (await session.execute(ordered)).all()
    shown, more = cut(rows, page, lambda row: (getattr(row[0], by.key), row[0].id))
    return Listing(items=[ComplaintSummary(**_summary(row, now)) for row in shown], next=more)


def is_overdue(complaint: Complaint, now: datetime) -> bool:
    """Whether a complaint's owner is late at `now`; while the clock stands, whether they were when it stopped."""
    return complaint.state not in SETTLED and complaint.due_at < (complaint.paused_at or now)


def _summary(row: Row[*tuple[Any, ...]], now: datetime) -> dict[str, Any]:
    complaint, customer, category, owner, partner = row
    stored = {name: getattr(complaint, name) for name in ComplaintSummary.model_fields if name not in _JOINED}
    return {
        **stored,
        "customer": customer,
        "category": category_ref(category),
        "owner": owner,
        "partner": partner,
        "overdue": is_overdue(complaint, now),
    }


def category_ref(category: ComplaintCategory | None) -> CategoryRef | None:
    """A category by key and name."""
    if category is None:
        return None
    return CategoryRef(id=category.id, key=category.key, name=BothLanguages(zh=category.name_zh, en=category.name_en))


async def read_complaint(session: AsyncSession, complaint: Complaint) -> ComplaintRead:
    """A complaint with everything that belongs to it."""
    await session.flush()
    row = (await session.execute(_summaries().where(Complaint.id == complaint.id))).one()
    queue = await session.get(Queue, complaint.queue_id) if complaint.queue_id else None
    article = await session.get(Article, complaint.article_id) if complaint.article_id else None
    mails = await session.scalars(
        select(ComplaintMail)
        .where(ComplaintMail.complaint_id == complaint.id)
        .order_by(ComplaintMail.received_at, ComplaintMail.id)
    )
    callbacks = await session.scalars(
        select(Callback).where(Callback.complaint_id == complaint.id).order_by(Callback.id)
    )
    more = {
        name: getattr(complaint, name)
        for name in (
            "contact call_id purchase_id serial_number wants first_response_at reopened_at resolution root_cause "
            "prevention"
        ).split()
    }
    return ComplaintRead.model_validate(
        {
            **_summary(row, datetime.now(UTC)),
            **more,
            "queue": queue,
            "article": ArticleRef(id=article.id, title=BothLanguages(zh=article.title_zh, en=article.title_en))
            if article
            else None,
            "handovers": await _handovers(session, complaint.id),
            "goodwill": await list_goodwill(session, complaint.id),
            "links": await _links(session, complaint.id),
            "mails": [ComplaintMailRead.model_validate(mail) for mail in mails],
            "callbacks": [CallbackRef.model_validate(callback) for callback in callbacks],
            "repeats": await repeats(session, complaint),
            "phrases": await phrases_of(session, complaint.queue_id),
            "changes": (await read_changes(session, complaint.id, _HISTORY)).items,
        },
        from_attributes=True,
    )


async def read_changes(session: AsyncSession, complaint_id: UUID, page: Page) -> Listing[ComplaintChangeRead]:
    """Everything that happened to a complaint, the latest first.

    Raises:
        BadCursor: the page's cursor is none of this list.
    """
    wanted = (
        select(ComplaintChange, Agent)
        .outerjoin(Agent, Agent.id == ComplaintChange.agent_id)
        .where(ComplaintChange.complaint_id == complaint_id)
    )
    rows = (await session.execute(latest_first(wanted, page, ComplaintChange.at, ComplaintChange.id))).all()
    shown, more = cut(rows, page, lambda row: (row[0].at, row[0].id))
    return Listing(
        items=[
            ComplaintChangeRead.model_validate(_with(change, ComplaintChange, agent=agent), from_attributes=True)
            for change, agent in shown
        ],
        next=more,
    )


async def _handovers(session: AsyncSession, complaint_id: UUID) -> list[HandoverRead]:
    from_agent, to_agent, asked_by, answered_by = (aliased(Agent) for _ in range(4))
    from_partner, to_partner = aliased(Partner), aliased(Partner)
    rows = await session.execute(
        select(Handover, from_agent, from_partner, to_agent, to_partner, Queue, asked_by, answered_by)
        .outerjoin(from_agent, from_agent.id == Handover.from_agent_id)
        .outerjoin(from_partner, from_partner.id == Handover.from_partner_id)
        .outerjoin(to_agent, to_agent.id == Handover.to_agent_id)
        .outerjoin(to_partner, to_partner.id == Handover.to_partner_id)
        .outerjoin(Queue, Queue.id == Handover.to_queue_id)
        .outerjoin(asked_by, asked_by.id == Handover.asked_by_id)
        .outerjoin(answered_by, answered_by.id == Handover.answered_by_id)
        .where(Handover.complaint_id == complaint_id)
        .order_by(Handover.asked_at, Handover.id)
    )
    names = ("from_agent", "from_partner", "to_agent", "to_partner", "to_queue", "asked_by", "answered_by")
    return [
        HandoverRead.model_validate(
            _with(row[0], Handover, **dict(zip(names, row[1:], strict=True))), from_attributes=True
        )
        for row in rows
    ]


async def list_goodwill(session: AsyncSession, complaint_id: UUID) -> list[GoodwillRead]:
    """What was given on a complaint or asked for, in order."""
    asked_by, decided_by = aliased(Agent), aliased(Agent)
    rows = await session.execute(
        select(Goodwill, asked_by, decided_by)
        .outerjoin(asked_by, asked_by.id == Goodwill.asked_by_id)
        .outerjoin(decided_by, decided_by.id == Goodwill.decided_by_id)
        .where(Goodwill.complaint_id == complaint_id)
        .order_by(Goodwill.asked_at, Goodwill.id)
    )
    return [
        GoodwillRead.model_validate(_with(gift, Goodwill, asked_by=asked, decided_by=decided), from_attributes=True)
        for gift, asked, decided in rows
    ]


async def _links(session: AsyncSession, complaint_id: UUID) -> list[ComplaintLinkRead]:
    rows = await session.execute(
        select(ComplaintLink, Agent)
        .outerjoin(Agent, Agent.id == ComplaintLink.agent_id)
        .where(ComplaintLink.complaint_id == complaint_id)
        .order_by(ComplaintLink.at, ComplaintLink.id)
    )
    return [
        ComplaintLinkRead.model_validate(_with(link, ComplaintLink, agent=agent), from_attributes=True)
        for link, agent in rows
    ]


def _with(row: Any, table: Any, **more: Any) -> dict[str, Any]:
    """A row's columns and what it refers to."""
    return {**{column.key: getattr(row, column.key) for column in table.__mapper__.columns}, **more}
