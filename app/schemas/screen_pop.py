"""The screen pop: the caller's card, as `call.offered` brings it to the agent's screen and `GET /lookup` gives it.

One JSON document, gathered by one SQL statement (`services/screen_pop.py`) and finished by `domain/card.py`, which adds
the words. This schema is its contract: tests hold every pop that is pushed against it.
"""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.domain.card import AlertKind, Warranty
from app.domain.complaint_states import ComplaintState
from app.domain.customer_facts import Channel, CustomerKind, Direction
from app.domain.matching import MatchOutcome, MatchReason
from app.domain.phone_numbers import LineType, NumberKind
from app.domain.routing import ReservedBecause
from app.domain.standing import Dcwh, Intention, Tier
from app.models.callbacks import CallbackReason, CallbackState
from app.models.complaints import Severity


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BothLanguages(_Part):
    """A sentence in each language of the product; the client shows the agent's own."""

    zh: str
    en: str


class PopQueue(_Part):
    """The queue the call came in by."""

    id: UUID
    key: str
    name: BothLanguages


class PopCall(_Part):
    """The call that is offered; absent in a lookup."""

    id: UUID
    direction: Direction
    received_at: datetime
    dialled: str = Field(description="The number the caller dialled, raw.")
    caller_name: str = Field(description="The name the network showed, cut at 256 characters; may be anything.")
    queue: PopQueue | None
    reserved_because: ReservedBecause


class PopCaller(_Part):
    """The number, as far as it can be told."""

    kind: NumberKind
    raw: str
    e164: str | None
    national: str | None
    region: str | None = Field(description="ISO 3166 country or region of the number.")
    line_type: LineType
    time_zone: str | None = Field(description="IANA zone, where the number belongs to exactly one.")


class PopCandidate(_Part):
    """A customer the caller may be, and why."""

    customer_id: UUID
    code: str
    name: str
    kind: CustomerKind
    tier: Tier | None
    reason: MatchReason
    owner: str | None = Field(description="The account manager's name.")
    last_contact_at: datetime | None


class PopMatch(_Part):
    """The outcome of looking the number up. At most 12 candidates are shown; `more` says that there are others."""

    outcome: MatchOutcome
    candidates: list[PopCandidate]
    more: bool


class PopOwner(_Part):
    """The customer's account manager."""

    id: UUID
    name: str

    @classmethod
    def found(cls, agent_id: UUID | None, name: str | None) -> "PopOwner | None":
        """Whom a join that may find nobody found."""
        return cls(id=agent_id, name=name) if agent_id is not None and name is not None else None


class PopCustomer(_Part):
    """Who it is; absent unless the match is unique."""

    id: UUID
    code: str
    kind: CustomerKind
    name: str
    address_as: BothLanguages
    language: str | None
    time_zone: str | None
    region: str | None
    tier: Tier | None
    dcwh: Dcwh | None
    sales_stage: int
    intention: Intention | None
    owner: PopOwner | None
    do_not_call: bool
    note: str


class PopPurchase(_Part):
    """Something they bought, the latest first."""

    id: UUID
    product: str
    product_en: str
    model: str
    serial_number: str
    quantity: int
    unit: str
    amount: Decimal | None
    currency: str | None
    purchased_on: date
    warranty_until: date | None
    warranty: Warranty


class PopContract(_Part):
    """A contract, the one that ends last first."""

    id: UUID
    number: str
    title: str
    starts_on: date
    ends_on: date
    expired: bool


class PopInteraction(_Part):
    """One of the last five contacts on any channel."""

    at: datetime
    channel: Channel
    direction: Direction
    summary: str
    agent: str | None


class PopAlert(_Part):
    """Something the agent must know before speaking; `count` and `on` where they say more."""

    kind: AlertKind
    count: int | None = None
    on: date | None = None


class PopComplaint(_Part):
    """A complaint: of at most five, those that are not closed first, then the latest."""

    id: UUID
    code: str
    category: BothLanguages | None
    severity: Severity
    state: ComplaintState
    opened_at: datetime
    due_at: datetime
    owner: str = Field(description="The agent's or the partner's name.")
    handovers: int = Field(description="How often it went to another owner.")


class PopCallback(_Part):
    """One of the next two promised calls."""

    id: UUID
    code: str
    reason: CallbackReason
    state: CallbackState
    due_at: datetime
    first_due_at: datetime = Field(description="When it was first promised for.")
    subject: str
    owner: str | None


class ScreenPop(_Part):
    """The caller's whole card."""

    call: PopCall | None
    caller: PopCaller
    match: PopMatch
    customer: PopCustomer | None
    greeting: BothLanguages
    purchases: list[PopPurchase]
    complaints: list[PopComplaint]
    interactions: list[PopInteraction]
    callbacks: list[PopCallback]
    contracts: list[PopContract]
    alerts: list[PopAlert]
