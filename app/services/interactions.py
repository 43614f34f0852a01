"""Contacts with a customer: those that were written down, and the timeline that merges them with the calls."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, cast, exists, func, literal, null, select, tuple_, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.customer_facts import Channel, Direction
from app.models.calls import Call
from app.models.complaints import Complaint
from app.models.customers import Customer, Interaction
from app.models.people import Agent
from app.models.records import CustomerNote
from app.schemas.customers import TimelineCall, TimelineEntry, TimelineKind
from app.schemas.interactions import InteractionCreate, InteractionRead
from app.schemas.listing import Listing
from app.schemas.screen_pop import PopOwner
from app.services.paging import Page, aware_time, cut, decode_cursor, latest_first
from app.services.purchases import InTheFuture
from app.services.standing import note_contact

_CLOCKS_DIFFER_BY: Final = timedelta(minutes=5)

_Rows = Select[*tuple[Any, ...]]


async def list_interactions(session: AsyncSession, customer_id: UUID, page: Page) -> Listing[InteractionRead]:
    """A customer's written contacts, the latest first.

    Raises:
        BadCursor: the page's cursor is none of this list.
    """
    wanted = (
        select(Interaction, Agent.name)
        .outerjoin(Agent, Agent.id == Interaction.agent_id)
        .where(Interaction.customer_id == customer_id)
    )
    rows = (await session.execute(latest_first(wanted, page, Interaction.at, Interaction.id))).all()
    shown, more = cut(rows, page, lambda row: (row[0].at, row[0].id))
    return Listing(items=[_interaction_read(interaction, name) for interaction, name in shown], next=more)


async def add_interaction(
    session: AsyncSession, customer: Customer, given: InteractionCreate, agent: PopOwner
) -> InteractionRead:
    """Write down a contact that `agent` had or knows of.

    Raises:
        InTheFuture: it is said to be later than now, by more than clocks differ.
    """
    now = datetime.now(UTC)
    if given.at is not None and given.at > now + _CLOCKS_DIFFER_BY:
        raise InTheFuture("A contact cannot have been at a time to come; a promised call is a callback.")
    interaction = Interaction(
        customer_id=customer.id,
        channel=given.channel,
        direction=given.direction,
        at=given.at or now,
        agent_id=agent.id,
        summary=given.summary,
        source=given.source,
    )
    session.add(interaction)
    await session.flush()
    await session.refresh(interaction)
    await note_contact(session, interaction.customer_id, min(interaction.at, now))
    return _interaction_read(interaction, agent.name)


def _interaction_read(interaction: Interaction, agent: str | None) -> InteractionRead:
    return InteractionRead(
        **{name: getattr(interaction, name) for name in InteractionRead.model_fields if name != "agent"},
        agent=PopOwner.found(interaction.agent_id, agent),
    )


async def read_timeline(session: AsyncSession, customer_id: UUID, page: Page) -> Listing[TimelineEntry]:
    """Calls, other contacts, complaints and notes of a customer in one list, the latest first.

    A call that was written up has an interaction of its own; the two are one entry, the call's, with the
    interaction's summary.

    Raises:
        BadCursor: the page's cursor is none of this list.
    """
    after = decode_cursor(page.cursor, aware_time, UUID) if page.cursor else None
    # Each part is read from its own index only as far as the page can reach.
    parts = [
        _latest(part, after, page.limit + 1).subquery()
        for part in (_calls(customer_id), _others(customer_id), _notes(customer_id), _complaints(customer_id))
    ]
    merged = union_all(*(select(part) for part in parts)).subquery()
    wanted = (
        select(merged, Agent.name.label("agent_name"))
        .outerjoin(Agent, Agent.id == merged.c.agent_id)
        .order_by(merged.c.at.desc(), merged.c.id.desc())
        .limit(page.limit + 1)
    )
    rows = (await session.execute(wanted)).all()
    shown, more = cut(rows, page, lambda row: (row.at, row.id))
    return Listing(items=[_entry(row) for row in shown], next=more)


async def last_calls(session: AsyncSession, customer_id: UUID, limit: int) -> list[TimelineEntry]:
    """A customer's last calls, the latest first."""
    calls = _latest(_calls(customer_id), None, limit).subquery()
    wanted = (
        select(calls, Agent.name.label("agent_name"))
        .outerjoin(Agent, Agent.id == calls.c.agent_id)
        .order_by(calls.c.at.desc(), calls.c.id.desc())
    )
    return [_entry(row) for row in await session.execute(wanted)]


async def count_calls_since(session: AsyncSession, customer_id: UUID, since: datetime) -> int:
    """How many calls came from a customer after `since`."""
    counted = select(func.count()).where(
        Call.customer_id == customer_id, Call.direction == Direction.INBOUND, Call.received_at > since
    )
    return await session.scalar(counted) or 0


def _calls(customer_id: UUID) -> _Rows:
    summary = select(Interaction.summary).where(Interaction.call_id == Call.id).scalar_subquery()
    return select(
        literal(TimelineKind.CALL.value).label("kind"),
        Call.id.label("id"),
        Call.received_at.label("at"),
        literal(Channel.CALL.value).label("channel"),
        Call.direction.label("direction"),
        func.coalesce(summary, Call.notes).label("summary"),
        func.coalesce(Call.answered_by_id, Call.wrapped_up_by_id).label("agent_id"),
        Call.state.label("state"),
        Call.disposition.label("disposition"),
        Call.stage.label("stage"),
        Call.answered_at.label("answered_at"),
        Call.ended_at.label("ended_at"),
    ).where(Call.customer_id == customer_id)


def _others(customer_id: UUID) -> _Rows:
    shown_as_call = exists().where(Call.id == Interaction.call_id, Call.customer_id == Interaction.customer_id)
    return select(
        literal(TimelineKind.INTERACTION.value).label("kind"),
        Interaction.id.label("id"),
        Interaction.at.label("at"),
        Interaction.channel.label("channel"),
        Interaction.direction.label("direction"),
        Interaction.summary.label("summary"),
        Interaction.agent_id.label("agent_id"),
        cast(null(), Call.state.type).label("state"),
        cast(null(), Call.disposition.type).label("disposition"),
        cast(null(), Call.stage.type).label("stage"),
        cast(null(), Call.answered_at.type).label("answered_at"),
        cast(null(), Call.ended_at.type).label("ended_at"),
    ).where(Interaction.customer_id == customer_id, ~shown_as_call)


def _notes(customer_id: UUID) -> _Rows:
    return select(
        literal(TimelineKind.NOTE.value).label("kind"),
        CustomerNote.id.label("id"),
        CustomerNote.at.label("at"),
        cast(null(), Interaction.channel.type).label("channel"),
        cast(null(), Interaction.direction.type).label("direction"),
        CustomerNote.body.label("summary"),
        CustomerNote.agent_id.label("agent_id"),
        cast(null(), Call.state.type).label("state"),
        cast(null(), Call.disposition.type).label("disposition"),
        cast(null(), Call.stage.type).label("stage"),
        cast(null(), Call.answered_at.type).label("answered_at"),
        cast(null(), Call.ended_at.type).label("ended_at"),
    ).where(CustomerNote.customer_id == customer_id)


def _complaints(customer_id: UUID) -> _Rows:
    return select(
        literal(TimelineKind.COMPLAINT.value).label("kind"),
        Complaint.id.label("id"),
        Complaint.opened_at.label("at"),
        Complaint.channel.label("channel"),
        literal(Direction.INBOUND.value).label("direction"),
        (Complaint.code + " " + Complaint.what_happened).label("summary"),
        Complaint.owner_id.label("agent_id"),
        cast(null(), Call.state.type).label("state"),
        cast(null(), Call.disposition.type).label("disposition"),
        cast(null(), Call.stage.type).label("stage"),
        cast(null(), Call.answered_at.type).label("answered_at"),
        cast(null(), Call.ended_at.type).label("ended_at"),
    ).where(Complaint.customer_id == customer_id)


def _latest(part: _Rows, after: tuple[datetime, UUID] | None, limit: int) -> _Rows:
    at, row_id = part.selected_columns["at"].element, part.selected_columns["id"].element
    if after is not None:
        part = part.where(tuple_(at, row_id) < tuple_(literal(after[0]), literal(after[1])))
    return part.order_by(at.desc(), row_id.desc()).limit(limit)


def _entry(row: Any) -> TimelineEntry:
    is_call = row.kind == TimelineKind.CALL
    return TimelineEntry(
        kind=row.kind,
        id=row.id,
        at=row.at,
        channel=row.channel,
        direction=row.direction,
        summary=row.summary,
        agent=PopOwner.found(row.agent_id, row.agent_name),
        call=TimelineCall(
            state=row.state,
            disposition=row.disposition,
            stage=row.stage,
            answered_at=row.answered_at,
            ended_at=row.ended_at,
        )
        if is_call
        else None,
    )
