"""Figures of selling: the funnel, and what moved in it."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from app.dependencies import DbSession, HotlineNow, PageArgs, requires
from app.domain.scopes import Scope
from app.errors import NotAllowed, NotSignedIn, Unavailable
from app.schemas.common import Day
from app.schemas.listing import Listing
from app.schemas.problem import problems
from app.schemas.standing import FunnelRead, StageMoveRead
from app.services import funnel
from app.services.access import ScopeMissing, Signed
from app.services.paging import BadCursor
from app.services.periods import Period, manager_asked_for, read_period

router = APIRouter(prefix="/reports", tags=["reports"])

Reader = Annotated[Signed, requires(Scope.LISTS_READ)]
READING = (NotSignedIn, ScopeMissing, NotAllowed, Unavailable)


async def get_period(
    hotline: HotlineNow,
    first: Annotated[
        Day | None, Query(alias="from", description="The first day; a week before the last one without it.")
    ] = None,
    last: Annotated[Day | None, Query(alias="to", description="The last day; today without it.")] = None,
) -> Period:
    """The period asked for, in days of the house. 422 `bad_period`: it ends before it begins, or is too long."""
    return read_period(first, last, hotline.zone, datetime.now(UTC))


PeriodAsked = Annotated[Period, Depends(get_period)]
Manager = Annotated[
    UUID | None,
    Query(description="Only this account manager's. Who may not read reports sees their own, and need not say so."),
]


@router.get("/funnel", operation_id="get_funnel", responses=problems(*READING))
async def get_funnel(session: DbSession, user: Reader, period: PeriodAsked, manager: Manager = None) -> FunnelRead:
    """How many customers stand at which sales stage, who came and who went on, in all books and in each.

    422 `bad_period`: it ends before it begins, or is longer than 400 days.
    """
    stages, managers = await funnel.read_funnel(session, period.start, period.end, manager_asked_for(user, manager))
    return FunnelRead(first_day=period.first_day, last_day=period.last_day, stages=stages, managers=managers)


@router.get("/funnel/moves", operation_id="list_stage_moves", responses=problems(*READING, BadCursor))
async def list_stage_moves(
    session: DbSession, user: Reader, period: PeriodAsked, page: PageArgs, manager: Manager = None
) -> Listing[StageMoveRead]:
    """Who went from one sales stage to another, the latest first: without `from`, since last week."""
    return await funnel.list_moves(session, period.start, period.end, manager_asked_for(user, manager), page)
