"""What is said of two records that may be one person's."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.domain.customer_facts import CustomerKind, Gender
from app.domain.linkage import Field as Compared
from app.domain.linkage import Outcome
from app.schemas.common import Day, EmailAddress, Line, Word

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


class SimilarQuery(BaseModel):
    """What is known of somebody who may be a customer already, as it is being typed; any part of it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"name": "鲁大玮", "phones": ["138 0013 8000"], "birth_date": "1975-03-12", "gender": "male"}]
        },
    )

    name: Line = Field(default="", description="In characters or Latin letters, in any usual order.")
    phones: list[Line] = Field(default=[], max_length=20, description="In any spelling; what is no number is left out.")
    email: EmailAddress | None = None
    birth_date: Day | None = None
    gender: Gender = Gender.UNKNOWN
    national_id: Word | None = None


class SimilarCustomer(CustomerName):
    """A customer who may be the same person."""

    kind: CustomerKind
    region: str | None
    phones: list[str] = Field(description="For people to read.")
    score: float = Field(description=SCORE)
    suggested: Outcome = Field(description="`same` or `maybe`.")
    reasons: list[Reason] = Field(description="The loudest first.")
