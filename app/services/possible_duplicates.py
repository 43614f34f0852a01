"""Who else a customer may be, as far as nobody has decided: for the card."""

from typing import Final
from uuid import UUID

from sqlalchemy import case, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models.customers import Customer
from app.models.duplicates import DuplicateReview, ReviewStatus
from app.schemas.similarity import CustomerName, PossibleDuplicate

_SHOWN: Final = 5


async def possible_duplicates(session: AsyncSession, customer_id: UUID) -> list[PossibleDuplicate]:
    """The open reviews of a customer, at most five, the likeliest first."""
    other_id = case((DuplicateReview.low_id == customer_id, DuplicateReview.high_id), else_=DuplicateReview.low_id)
    rows = await session.execute(
        select(DuplicateReview, Customer)
        .join(Customer, Customer.id == other_id)
        .where(
            or_(DuplicateReview.low_id == customer_id, DuplicateReview.high_id == customer_id),
            DuplicateReview.status == ReviewStatus.OPEN,
        )
        .order_by(DuplicateReview.score.desc(), DuplicateReview.id.desc())
        .limit(_SHOWN)
    )
    return [
        PossibleDuplicate(
            review_id=review.id,
            customer=CustomerName.model_validate(other),
            score=review.score,
            suggested=review.suggested,
            created_at=review.created_at,
        )
        for review, other in rows
    ]
