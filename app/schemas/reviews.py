"""Reviews: two customers who may be one, side by side, and what somebody says of them."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.domain.linkage import Outcome
from app.models.duplicates import ReviewStatus
from app.schemas.customers import CustomerCard
from app.schemas.screen_pop import PopOwner
from app.schemas.similarity import SCORE, CustomerName, Reason


class ReviewSummary(BaseModel):
    """Two customers who may be one. `left` was in the records first."""

    id: UUID
    status: ReviewStatus = Field(
        description="`open`; `same`: one person, not merged yet; `merged`; `different`: never asked again."
    )
    suggested: Outcome = Field(description="`same`: all that is personal agrees; `maybe`: somebody has to look.")
    score: float = Field(description=SCORE)
    left: CustomerName
    right: CustomerName
    reasons: list[Reason] = Field(description="The loudest first.")
    decided_by: PopOwner | None
    decided_at: datetime | None
    created_at: datetime


class FieldSideBySide(Reason):
    """A field as both records have it now, and what it said when they were compared."""

    left: str | None
    right: str | None


class ReviewRead(ReviewSummary):
    """A review with both cards."""

    fields: list[FieldSideBySide]
    left_card: CustomerCard
    right_card: CustomerCard


class Decision(StrEnum):
    """One person or two."""

    SAME = "same"
    DIFFERENT = "different"


class DecisionCreate(BaseModel):
    """What somebody says of the two."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"decision": "different"}]})

    decision: Decision
