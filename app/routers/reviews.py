"""Customers who may be one person: the list of questions, the two side by side, the answer."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from app.dependencies import DbSession, HotlineNow, OriginNotAllowed, PageArgs, RuntimeOf
from app.errors import NotSignedIn, Unavailable
from app.models.duplicates import ReviewStatus
from app.routers.customers import Reader, Writer
from app.schemas.listing import Listing
from app.schemas.problem import problems
from app.schemas.reviews import DecisionCreate, ReviewRead, ReviewSummary
from app.services import reviews
from app.services.access import ScopeMissing
from app.services.customers import CustomerErased
from app.services.merge_moves import CustomerBusy
from app.services.paging import BadCursor
from app.services.reviews import AlreadyDecided, NoSuchReview

router = APIRouter(prefix="/reviews", tags=["reviews"])

_LISTING = (NotSignedIn, ScopeMissing, Unavailable)


@router.get("", operation_id="list_reviews", responses=problems(*_LISTING, BadCursor))
async def list_reviews(
    session: DbSession,
    page: PageArgs,
    _user: Reader,
    status: Annotated[ReviewStatus | None, Query(description="Only those of this status.")] = None,
) -> Listing[ReviewSummary]:
    """Pairs of customers who may be one person, the likeliest first."""
    return await reviews.list_reviews(session, page, status)


@router.get("/{review_id}", operation_id="get_review", responses=problems(*_LISTING, NoSuchReview))
async def get_review(
    review_id: UUID, session: DbSession, hotline: HotlineNow, runtime: RuntimeOf, user: Reader
) -> ReviewRead:
    """Both cards side by side, and what each field says."""
    years = runtime.settings.customer_years
    return await reviews.read_review(session, review_id, hotline, datetime.now(UTC), user, years)


@router.post(
    "/{review_id}/decision",
    operation_id="decide_review",
    responses=problems(*_LISTING, OriginNotAllowed, NoSuchReview, AlreadyDecided, CustomerBusy, CustomerErased),
)
async def decide_review(review_id: UUID, given: DecisionCreate, session: DbSession, user: Writer) -> ReviewSummary:
    """Say whether the two are one person. `same` merges them; `different` is remembered and never asked about again.

    409 `already_decided`: somebody was first; `decided_by` says who, `decision` how.
    """
    return await reviews.decide(session, review_id, given.decision, user)
