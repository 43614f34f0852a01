"""Books of account managers, the rules that fill them, and claims."""

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from app.domain.books import ClaimOutcome, ClaimReason
from app.domain.customer_facts import CustomerKind
from app.domain.standing import Tier
from app.schemas.common import FilledLine, Line
from app.schemas.screen_pop import BothLanguages, PopOwner

MOST_AT_ONCE: Final = 1000
"""So many customers are assigned by hand at a time."""
MOST_RULES: Final = 50


class BookRead(BaseModel):
    """One person's book."""

    owner: PopOwner
    active: bool = Field(description="False for somebody who left: their customers are to be moved.")
    customers: int


class Books(BaseModel):
    """Everybody who owns customers, the largest book first, and how many customers have no owner."""

    items: list[BookRead]
    prospects: int


class AssignCustomers(BaseModel):
    """Give customers to an account manager, by hand; null makes prospects of them."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"customers": ["C0001001", "C0001002"], "owner_id": "01900000-0000-7000-8000-000000000001"}]
        },
    )

    customers: list[Annotated[Line, Field(min_length=1)]] = Field(
        min_length=1, max_length=MOST_AT_ONCE, description="Ids or codes."
    )
    owner_id: UUID | None


class MoveBook(BaseModel):
    """Hand one account manager's whole book to another."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "from_id": "01900000-0000-7000-8000-000000000001",
                    "to_id": "01900000-0000-7000-8000-000000000002",
                }
            ]
        },
    )

    from_id: UUID
    to_id: UUID


class Moved(BaseModel):
    """How many customers have another owner now; the others had that owner already."""

    changed: int


class Conditions(BaseModel):
    """What a prospect must be; what is left out does not matter."""

    model_config = ConfigDict(extra="forbid")

    kind: CustomerKind | None = None
    tiers: list[Tier] | None = Field(default=None, max_length=10)
    regions: list[FilledLine] | None = Field(default=None, max_length=100, description="As on the record.")


_COMPANIES: Final[JsonDict] = {
    "name": "江苏的公司",
    "conditions": {"kind": "company", "regions": ["江苏"]},
    "manager_ids": ["01900000-0000-7000-8000-000000000001"],
    "most": 1000,
}


class BookRule(BaseModel):
    """Prospects that fit go to whichever of the managers has the smallest book, as long as one is not full."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_COMPANIES]})

    name: FilledLine
    conditions: Conditions = Conditions()
    manager_ids: list[UUID] = Field(min_length=1, max_length=100)
    most: int = Field(default=1000, ge=1, le=100_000, description="A book with so many customers is full.")


class BookRules(BaseModel):
    """All rules, in the order in which they are tried."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"rules": [_COMPANIES]}]})

    rules: list[BookRule] = Field(max_length=MOST_RULES)


class RuleApplied(BaseModel):
    """What one rule did."""

    name: str
    assigned: int
    no_room: int = Field(description="Prospects that fit, and all whose books are full.")


class RulesApplied(BaseModel):
    """What all rules did. `more`: there are further prospects that were not looked at; apply again."""

    rules: list[RuleApplied]
    more: bool


class ClaimRead(BaseModel):
    """A claim to a customer and what the written rule made of it."""

    id: UUID
    agent: PopOwner | None = Field(description="Who claimed.")
    at: datetime
    outcome: ClaimOutcome
    reason: ClaimReason
    in_words: BothLanguages
    contact_at: datetime | None = Field(description="The claimant's first valid contact within the protection period.")
    owner: PopOwner | None = Field(description="Whose customer it was before.")
    protected_until: datetime | None
