"""A complaint's way through its states: started, paused, resolved, closed, reopened."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.card import iso
from app.domain.complaint_states import SETTLED, ComplaintAct, ComplaintState, next_state
from app.errors import Conflict, Invalid
from app.models.calls import AgentEventType
from app.models.complaints import Complaint, Handover, HandoverState
from app.models.customers import Customer
from app.models.help import Article
from app.schemas.complaints import Resolve
from app.services.access import Signed
from app.services.complaints import clock
from app.services.complaints.articles import NoSuchArticle
from app.services.complaints.opening import promise_callback
from app.services.complaints.records import WrongState, minder_of, supervisors, tell_all, write_change
from app.services.hotline import Hotline


class ResolutionMissing(Invalid):
    """How it was settled is said neither in the request nor by an article."""

    code = "resolution_missing"


class PausedAlready(Conflict):
    """The clock stands still already."""

    code = "paused_already"


class NotPaused(Conflict):
    """The clock is running."""

    code = "not_paused"


def move(complaint: Complaint, act: ComplaintAct) -> ComplaintState:
    """Do an act; gives the state before. Raises WrongState."""
    before = complaint.state
    then = next_state(before, act)
    if then is None:
        raise WrongState(f"A complaint that is {before.value} cannot be changed so ({act.value}).", state=before.value)
    complaint.state = then
    return before


def require_unsettled(complaint: Complaint) -> None:
    """Raises WrongState for a complaint that is resolved or closed."""
    if complaint.state in SETTLED:
        raise WrongState(f"The complaint is {complaint.state.value}.", state=complaint.state.value)


def start(session: AsyncSession, complaint: Complaint, by: Signed, now: datetime) -> None:
    """Begin to work on it. Raises WrongState."""
    before = move(complaint, ComplaintAct.START)
    complaint.first_response_at = complaint.first_response_at or now
    write_change(session, complaint, "started", at=now, by=by.agent_id, before=before)


def pause(session: AsyncSession, complaint: Complaint, reason: str, by: Signed, now: datetime) -> None:
    """Stop the clock, for a reason. Raises WrongState, PausedAlready."""
    require_unsettled(complaint)
    if complaint.paused_at is not None:
        raise PausedAlready(f"The clock stands still already: {complaint.pause_reason}")
    clock.pause(complaint, reason, now)
    write_change(session, complaint, "paused", at=now, by=by.agent_id, reason=reason)


async def resume(session: AsyncSession, complaint: Complaint, by: Signed, hotline: Hotline, now: datetime) -> None:
    """Let the clock run on; the due time moves by the working time for which it stood. Raises NotPaused."""
    if complaint.paused_at is None:
        raise NotPaused("The clock is running.")
    since, due_at = complaint.paused_at, complaint.due_at
    await clock.resume(session, complaint, await clock.working_calendar(session, hotline), now)
    write_change(
        session,
        complaint,
        "resumed",
        at=now,
        by=by.agent_id,
        since=iso(since),
        due_before=iso(due_at),
        due_at=iso(complaint.due_at),
    )


async def resolve(
    session: AsyncSession, complaint: Complaint, given: Resolve, by: Signed, hotline: Hotline, now: datetime
) -> None:
    """Say that it is settled: how, why it came about, and what stops it happening again.

    A handover that nobody has answered is withdrawn, and where no callback is owed any more, one is promised.

    Raises:
        WrongState: it is resolved or closed already. ResolutionMissing: nobody says how.
    """
    before = move(complaint, ComplaintAct.RESOLVE)
    resolution = given.resolution or complaint.resolution
    if not resolution:
        raise ResolutionMissing("Say how it was settled: `resolution`, or apply an article first.")
    if complaint.paused_at is not None:
        await clock.resume(session, complaint, await clock.working_calendar(session, hotline), now)
    clock.stop(complaint)
    complaint.resolution = resolution
    complaint.root_cause, complaint.prevention = given.root_cause, given.prevention
    complaint.resolved_at, complaint.resolved_by_id = now, by.agent_id
    complaint.first_response_at = complaint.first_response_at or now
    await withdraw_handover(session, complaint, by.agent_id, now)
    write_change(
        session,
        complaint,
        "resolved",
        at=now,
        by=by.agent_id,
        before=before,
        resolution=resolution,
        root_cause=given.root_cause,
        prevention=given.prevention,
        in_time=now <= complaint.settle_by,
    )
    customer = await session.get(Customer, complaint.customer_id) if complaint.customer_id else None
    if customer is not None:
        await promise_callback(session, complaint, customer, hotline, now, by=by.agent_id)


async def withdraw_handover(session: AsyncSession, complaint: Complaint, by: UUID | None, now: datetime) -> None:
    """Ask nobody any more to take over what is settled."""
    await session.execute(
        update(Handover)
        .where(Handover.complaint_id == complaint.id, Handover.state == HandoverState.PENDING)
        .values(state=HandoverState.WITHDRAWN, answered_at=now, answered_by_id=by)
    )


def close(
    session: AsyncSession, complaint: Complaint, satisfaction: int | None, note: str, by: Signed, now: datetime
) -> None:
    """The customer agrees that it is settled. Raises WrongState unless it is resolved."""
    move(complaint, ComplaintAct.CLOSE)
    write_closed(session, complaint, satisfaction, note, by.agent_id, now)


def write_closed(
    session: AsyncSession, complaint: Complaint, satisfaction: int | None, note: str, by: UUID | None, now: datetime
) -> None:
    """Write down that it is closed, and what the customer says of it."""
    complaint.closed_at = now
    if satisfaction is not None:
        complaint.satisfaction = satisfaction
    detail = {"satisfaction": satisfaction, "note": note}
    told = {name: value for name, value in detail.items() if value}
    write_change(session, complaint, "closed", at=now, by=by, **told)


async def reopen(
    session: AsyncSession, complaint: Complaint, reason: str, by: UUID | None, hotline: Hotline, now: datetime
) -> None:
    """It was not settled after all: the clock begins anew and its owner is told at once.

    Raises:
        WrongState: it is not settled. NoWorkingTime, CalendarUnknown: no due time can be told.
    """
    before = move(complaint, ComplaintAct.REOPEN)
    complaint.reopened_at = now
    complaint.reopen_count += 1
    complaint.resolved_at = complaint.closed_at = complaint.resolved_by_id = complaint.escalated_at = None
    await clock.begin(session, complaint, await clock.working_calendar(session, hotline), now)
    write_change(
        session, complaint, "reopened", at=now, by=by, before=before, reason=reason, due_at=iso(complaint.due_at)
    )
    await tell_owner(session, complaint, AgentEventType.COMPLAINT_REOPENED, now)


async def tell_owner(session: AsyncSession, complaint: Complaint, event: AgentEventType, now: datetime) -> None:
    """Tell whoever has it; for a partner, who handed it over and the supervisors."""
    told = [await minder_of(session, complaint)]
    if complaint.owner_id is None:
        told += await supervisors(session)
    await tell_all(session, told, event, complaint, now, due_at=iso(complaint.due_at))


async def apply_article(
    session: AsyncSession, complaint: Complaint, article_id: UUID, by: Signed, now: datetime
) -> None:
    """Put an article's steps into the resolution, in the agent's language. Of several the last is the answer.

    Raises:
        WrongState: it is settled. NoSuchArticle: there is none, or it is no longer offered.
    """
    require_unsettled(complaint)
    article = await session.get(Article, article_id)
    if article is None or not article.active:
        raise NoSuchArticle("There is no such article.")
    chinese = f"{article.title_zh}\n{article.steps_zh}".strip()
    english = f"{article.title_en}\n{article.steps_en}".strip()
    complaint.resolution = (chinese or english) if by.language.startswith("zh") else (english or chinese)
    complaint.article_id = article.id
    write_change(
        session,
        complaint,
        "article_applied",
        at=now,
        by=by.agent_id,
        article_id=str(article.id),
        title=article.title_zh or article.title_en,
    )


def add_note(session: AsyncSession, complaint: Complaint, body: str, by: Signed, now: datetime) -> None:
    """Add something to the history."""
    write_change(session, complaint, "note", at=now, by=by.agent_id, note=body)
