"""What is said of two records that may be one person's."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.domain.linkage import Field as Compared
from app.domain.linkage import Outcome

SCORE = "In bits: at 0 one person and two are as likely, and each bit more doubles the odds that it is one."


class Reason(BaseModel):
    """What one field says; fields that one of the records lacks say nothing and are left out."""

    field: Compared = Field(description="`contact` is number and address together.")
    level: str = Field(
        description="From `same` down to `differs`; for `contact` from `phone_and_home`.", examples=["near"]
    )
    bits: float = Field(description="How loudly it speaks for one person, or, below 0, against.")


class CustomerName(BaseModel):
    """A customer, as far as one needs to name them."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    code: str
    name: str


class PossibleDuplicate(BaseModel):
    """Another customer who may be the same person; an open review."""

    review_id: UUID
    customer: CustomerName
    score: float = Field(description=SCORE)
    suggested: Outcome
    created_at: datetime
