"""Money given beyond what is owed: within one's limit at once, above it with a supervisor's yes."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.scopes import Scope
from app.errors import Conflict, NotFound
from app.models.base import new_id
from app.models.calls import AgentEventType
from app.models.complaints import Complaint, Goodwill, GoodwillLimit, GoodwillState
from app.schemas.complaints import GoodwillCreate
from app.services.access import Signed
from app.services.complaints.records import supervisors, tell_all, write_change


class NoSuchGoodwill(NotFound):
    """The complaint has no such gift."""

    code = "no_such_goodwill"
    title = "No such goodwill"


class DecidedAlready(Conflict):
    """Somebody has decided on it; `state` says how."""

    code = "goodwill_decided"


async def ask(session: AsyncSession, complaint: Complaint, given: GoodwillCreate, by: Signed, now: datetime) -> None:
    """Give money, or ask whether it may be given.

    What counts against a limit is all that was given on this complaint in that currency, so that no gift is split. Who
    supervises complaints needs no limit. Otherwise supervisors are told that somebody waits for their word.

    Args:
        complaint: locked, which puts gifts on it in line.
    """
    allowed = by.may(Scope.COMPLAINTS_SUPERVISE) or (
        await _given(session, complaint, given.currency) + given.amount <= await _limit(session, by, given.currency)
    )
    gift = Goodwill(
        id=new_id(),
        complaint_id=complaint.id,
        state=GoodwillState.APPROVED if allowed else GoodwillState.ASKED,
        asked_by_id=by.agent_id,
        asked_at=now,
        decided_by_id=by.agent_id if allowed else None,
        decided_at=now if allowed else None,
        **given.model_dump(),
    )
    session.add(gift)
    write_change(
        session,
        complaint,
        "goodwill_given" if allowed else "goodwill_asked",
        at=now,
        by=by.agent_id,
        amount=f"{given.amount}",
        currency=given.currency,
        reason=given.reason,
    )
    await session.flush()
    if not allowed:
        await tell_all(
            session,
            await supervisors(session),
            AgentEventType.COMPLAINT_GOODWILL_ASKED,
            complaint,
            now,
            goodwill_id=str(gift.id),
            amount=f"{given.amount}",
            currency=given.currency,
        )


async def decide(
    session: AsyncSession,
    complaint: Complaint,
    goodwill_id: UUID,
    *,
    approve: bool,
    note: str,
    by: Signed,
    now: datetime,
) -> None:
    """Say yes or no to a gift; whoever asked is told.

    Args:
        complaint: locked, so that of two who decide one is first.

    Raises:
        NoSuchGoodwill, DecidedAlready
    """
    gift = await session.get(Goodwill, goodwill_id, populate_existing=True)
    if gift is None or gift.complaint_id != complaint.id:
        raise NoSuchGoodwill("There is no such goodwill on this complaint.")
    if gift.state is not GoodwillState.ASKED:
        raise DecidedAlready(f"It is decided already: {gift.state.value}.", state=gift.state.value)
    gift.state = GoodwillState.APPROVED if approve else GoodwillState.REFUSED
    gift.decided_by_id, gift.decided_at, gift.note = by.agent_id, now, note
    write_change(
        session,
        complaint,
        "goodwill_approved" if approve else "goodwill_refused",
        at=now,
        by=by.agent_id,
        amount=f"{gift.amount}",
        currency=gift.currency,
        note=note,
    )
    await session.flush()
    event = AgentEventType.COMPLAINT_GOODWILL_DECIDED
    told = {"goodwill_id": str(gift.id), "approved": approve}
    await tell_all(session, [gift.asked_by_id], event, complaint, now, **told)


async def _given(session: AsyncSession, complaint: Complaint, currency: str) -> Decimal:
    given = await session.scalar(
        select(func.sum(Goodwill.amount)).where(
            Goodwill.complaint_id == complaint.id,
            Goodwill.currency == currency,
            Goodwill.state == GoodwillState.APPROVED,
        )
    )
    return given or Decimal(0)


async def _limit(session: AsyncSession, by: Signed, currency: str) -> Decimal:
    limit = await session.get(GoodwillLimit, (by.role, currency))
    return limit.amount if limit else Decimal(0)
