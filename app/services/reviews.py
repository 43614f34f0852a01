"""Reviews of customers who may be one person: the list, the two side by side, the decision."""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Select, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.domain.linkage import Field, Outcome
from app.errors import Conflict, NotFound
from app.models.customers import Customer
from app.models.duplicates import DuplicateReview, ReviewStatus
from app.models.people import Agent
from app.models.rights import Looked
from app.schemas.customers import CustomerRead
from app.schemas.listing import Listing
from app.schemas.reviews import Decision, FieldSideBySide, ReviewRead, ReviewSummary
from app.schemas.screen_pop import PopOwner
from app.schemas.similarity import CustomerName, Reason
from app.services.access import Signed
from app.services.card_views import note_view
from app.services.contact_masking import card_for
from app.services.customer_card import read_card
from app.services.hotline import Hotline
from app.services.merge_moves import lock_both
from app.services.merging import merge
from app.services.paging import Page, cut, decode_cursor

_STATUS_OF: Final = {Decision.SAME: ReviewStatus.MERGED, Decision.DIFFERENT: ReviewStatus.DIFFERENT}

_Low = aliased(Customer)
_High = aliased(Customer)


class NoSuchReview(NotFound):
    """There is no review of that id."""

    code = "no_such_review"
    title = "No such review"


class AlreadyDecided(Conflict):
    """Somebody else has decided it; `decision`, `decided_by` and `decided_at` say how, who and when."""

    code = "already_decided"


async def list_reviews(session: AsyncSession, page: Page, status: ReviewStatus | None) -> Listing[ReviewSummary]:
    """Reviews, those that are one person most likely first.

    Raises:
        BadCursor: the page's cursor is none of this list.
    """
    wanted = _reviews().order_by(DuplicateReview.score.desc(), DuplicateReview.id.desc()).limit(page.limit + 1)
    if status is not None:
        wanted = wanted.where(DuplicateReview.status == status)
    if page.cursor:
        score, review_id = decode_cursor(page.cursor, _score, UUID)
        wanted = wanted.where(tuple_(DuplicateReview.score, DuplicateReview.id) < (score, review_id))
    rows = (await session.execute(wanted)).all()
    shown, more = cut(rows, page, lambda row: (repr(row[0].score), row[0].id))
    return Listing(items=[_summary(review, low, high, agent) for review, low, high, agent in shown], next=more)


async def read_review(
    session: AsyncSession, review_id: UUID, hotline: Hotline, now: datetime, by: Signed, customer_years: int
) -> ReviewRead:
    """A review with both cards, as far as `by` may see them.

    Raises:
        NoSuchReview: there is none.
    """
    row = (await session.execute(_reviews().where(DuplicateReview.id == review_id))).one_or_none()
    if row is None:
        raise NoSuchReview("There is no such review.")
    review, low, high, agent = row
    for customer in (low, high):
        await note_view(session, customer.id, Looked.CARD, by)
    left = card_for(by, await read_card(session, low, hotline, now, by, customer_years))
    right = card_for(by, await read_card(session, high, hotline, now, by, customer_years))
    summary = _summary(review, low, high, agent)
    return ReviewRead(
        **summary.model_dump(),
        fields=[
            FieldSideBySide(
                **reason.model_dump(),
                left=_value(reason.field, left.customer),
                right=_value(reason.field, right.customer),
            )
            for reason in summary.reasons
        ],
        left_card=left,
        right_card=right,
    )


async def decide(session: AsyncSession, review_id: UUID, decision: Decision, by: Signed) -> ReviewSummary:
    """Say of two customers whether they are one; if so, they are merged. Of two people the first one's word stands.

    Saying the same again changes nothing.

    Raises:
        NoSuchReview: there is none.
        AlreadyDecided: somebody else was first, or one has thought better of it.
        CustomerBusy, CustomerErased: they cannot be merged now, or at all.
    """
    review = await _locked(session, review_id, to_merge=decision is Decision.SAME)
    if review.status is ReviewStatus.OPEN:
        if decision is Decision.SAME:
            await _make_one(session, review, by.agent_id)
        review.status = _STATUS_OF[decision]
        review.decided_by = by.agent_id
        review.decided_at = func.now()
        await session.flush()
        await session.refresh(review)
    elif review.decided_by != by.agent_id or review.status is not _STATUS_OF[decision]:
        who = await session.get(Agent, review.decided_by) if review.decided_by else None
        assert review.decided_at is not None
        raise AlreadyDecided(
            f"{who.name if who else 'Somebody'} has decided this already: {review.status.value}.",
            decision=review.status.value,
            decided_by={"id": str(who.id), "name": who.name} if who else None,
            decided_at=review.decided_at.isoformat().replace("+00:00", "Z"),
        )
    row = (await session.execute(_reviews().where(DuplicateReview.id == review_id))).one()
    return _summary(*row)


async def sure_reviews(session: AsyncSession) -> list[UUID]:
    """Open reviews of pairs that agree so strongly that nobody need be asked."""
    found = await session.scalars(
        select(DuplicateReview.id)
        .where(DuplicateReview.status == ReviewStatus.OPEN, DuplicateReview.suggested == Outcome.SAME)
        .order_by(DuplicateReview.score.desc(), DuplicateReview.id)
    )
    return list(found)


async def merge_unasked(session: AsyncSession, review_id: UUID) -> bool:
    """Merge the pair of a review of `sure_reviews`; False where somebody has decided it meanwhile.

    Raises:
        CustomerBusy, CustomerErased: they cannot be merged now, or at all.
    """
    review = await _locked(session, review_id, to_merge=True)
    if review.status is not ReviewStatus.OPEN:
        return False
    await _make_one(session, review, None)
    review.status = ReviewStatus.MERGED
    review.decided_at = func.now()
    await session.flush()
    return True


async def _locked(session: AsyncSession, review_id: UUID, *, to_merge: bool) -> DuplicateReview:
    """A review, locked; read by whoever waited for it as it is after the other's commit.

    The customers, where they are to be merged, are locked before it: so does the search for duplicates.
    """
    review = await session.get(DuplicateReview, review_id)
    if review is None:
        raise NoSuchReview("There is no such review.")
    if to_merge and review.status is ReviewStatus.OPEN:
        await lock_both(session, await _survivors(session, review))
    locked = await session.scalar(
        select(DuplicateReview)
        .where(DuplicateReview.id == review_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if locked is None:
        raise NoSuchReview("There is no such review.")
    return locked


async def _survivors(session: AsyncSession, review: DuplicateReview) -> list[UUID]:
    """Who the two are now: one id where they have become one, by whatever way."""
    found = await session.scalars(
        select(func.coalesce(Customer.merged_into_id, Customer.id))
        .where(Customer.id.in_((review.low_id, review.high_id)))
        .distinct()
    )
    return sorted(found)


async def _make_one(session: AsyncSession, review: DuplicateReview, by: UUID | None) -> None:
    both = await _survivors(session, review)
    if len(both) == 2:
        reason = "decided in a review of duplicates" if by else "strong agreement, found by the search for duplicates"
        await merge(session, both[0], both[1], by=by, reason=reason)


def _reviews() -> Select[DuplicateReview, Customer, Customer, Agent]:
    return (
        select(DuplicateReview, _Low, _High, Agent)
        .join(_Low, _Low.id == DuplicateReview.low_id)
        .join(_High, _High.id == DuplicateReview.high_id)
        .outerjoin(Agent, Agent.id == DuplicateReview.decided_by)
    )


def _summary(review: DuplicateReview, low: Customer, high: Customer, agent: Agent | None) -> ReviewSummary:
    return ReviewSummary(
        id=review.id,
        status=review.status,
        suggested=review.suggested,
        score=review.score,
        left=CustomerName.model_validate(low),
        right=CustomerName.model_validate(high),
        reasons=[Reason(**reason) for reason in review.reasons],
        decided_by=PopOwner(id=agent.id, name=agent.name) if agent else None,
        decided_at=review.decided_at,
        created_at=review.created_at,
    )


def _value(field: Field, customer: CustomerRead) -> str | None:
    """A field of a record for a person to read, as far as they may see it."""
    match field:
        case Field.GIVEN_NAME | Field.SURNAME:
            return customer.name
        case Field.BIRTH_DATE:
            return customer.birth_date.isoformat() if customer.birth_date else None
        case Field.SEX:
            return customer.gender.value
        case Field.NATIONAL_ID:
            return customer.national_id
        case Field.EMAIL:
            return customer.email
        case Field.CONTACT:
            parts = [*(phone.national for phone in customer.phones), customer.address, customer.city, customer.postcode]
            return "; ".join(part for part in parts if part) or None


def _score(word: str) -> float:
    """A finite number. Raises ValueError for anything else."""
    score = float(word)
    if not -1e6 < score < 1e6:
        raise ValueError("out of range")
    return score
