"""Whom a customer belongs with, what they agreed to, and what they are worth."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Final
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.domain.customer_facts import Channel, CustomerKind
from app.models.relations import ConsentPurpose, ConsentState, LinkKind
from app.schemas.common import Line, Moment
from app.schemas.screen_pop import BothLanguages, PopOwner

_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _since_1970(at: datetime) -> datetime:
    if at < _EARLIEST:
        raise ValueError("must not be before 1970")
    return at


class LinkCreate(BaseModel):
    """`other` is `kind` of the customer in the path."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"other": "C0001002", "kind": "spouse", "note": "一起住"}]}
    )

    other: Line = Field(min_length=1, description="The other customer's id or code.")
    kind: LinkKind
    note: Line = ""


class LinkedCustomer(BaseModel):
    """The other end of a link."""

    id: UUID
    code: str
    name: str
    kind: CustomerKind


class LinkRead(BaseModel):
    """A link as this customer sees it: `customer` is `kind` of them."""

    id: UUID
    kind: LinkKind
    customer: LinkedCustomer
    note: str
    agent: PopOwner | None = Field(description="Who linked them.")
    created_at: datetime


class ConsentCreate(BaseModel):
    """What the customer said about a purpose, and over which channel."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"purpose": "marketing_call", "state": "withdrawn", "channel": "call", "note": "不要再推销"}]
        },
    )

    purpose: ConsentPurpose
    state: ConsentState
    channel: Channel
    at: Annotated[Moment, AfterValidator(_since_1970)] | None = Field(
        default=None, description="When they said it, not in the future; now when left out."
    )
    note: Line = ""


class ConsentRead(BaseModel):
    """One word of a customer about a purpose."""

    id: UUID
    purpose: ConsentPurpose
    state: ConsentState
    at: datetime
    channel: Channel
    note: str
    agent: PopOwner | None = Field(description="Who wrote it down.")


class ValueRead(BaseModel):
    """Order amount × orders a year × years, in one currency; money never of two currencies together."""

    model_config = ConfigDict(from_attributes=True)

    currency: str
    orders: int = Field(description="Days on which something with a price was bought.")
    average_order: Decimal
    orders_a_year: Decimal = Field(description="Since the first order, at least a year.")
    years: int = Field(description="How long a customer is assumed to stay.")
    value: Decimal


class CustomerValue(BaseModel):
    """What a customer is worth, the greatest amount first, and what was assumed for it."""

    by_currency: list[ValueRead]
    assumption: BothLanguages
