"""Figures of complaints."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query

from app.dependencies import DbSession, HotlineNow, requires
from app.domain.scopes import Scope
from app.errors import NotSignedIn, Unavailable
from app.routers.selling_reports import PeriodAsked
from app.schemas.problem import problems
from app.schemas.settlement import Settlement
from app.services.access import ScopeMissing, Signed
from app.services.complaints.settlement import settlement

router = APIRouter(prefix="/reports", tags=["reports"])


@router.get(
    "/complaints", operation_id="get_complaint_report", responses=problems(NotSignedIn, ScopeMissing, Unavailable)
)
async def get_complaint_report(
    session: DbSession,
    hotline: HotlineNow,
    period: PeriodAsked,
    _user: Annotated[Signed, requires(Scope.REPORTS_READ)],
    within_days: Annotated[int, Query(ge=1, le=730, description="How long after it a purchase counts.")] = 90,
) -> Settlement:
    """How fast the complaints of a period were settled, and how many of these customers bought again.

    Beside the training material's figures: of customers whose complaint is settled fast 82 % buy again, settled 54 %,
    not settled 19 %, of those who never complained but were unhappy 9 %. 422 `bad_period`.
    """
    return await settlement(
        session,
        period.start,
        period.end,
        within_days=within_days,
        zone=hotline.zone.key,
        now=datetime.now(UTC),
    )
