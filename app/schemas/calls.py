"""Calls over REST: reading them, their trace, taking one, wrapping it up, saying whose it is."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.domain.call_states import CallState, CarrierStatus
from app.domain.customer_facts import Direction
from app.domain.matching import MatchOutcome, MatchReason
from app.models.calls import CallStage, Disposition, HeardOfUs, LegKind, RecordingKind, TraceStep
from app.models.routing import Presence
from app.schemas.common import FilledWord, Note
from app.schemas.screen_pop import PopCaller


class _Read(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class PersonRef(_Read):
    """An agent, by id and name."""

    id: UUID
    name: str


class CustomerRef(_Read):
    """A customer, by id, code and name."""

    id: UUID
    code: str
    name: str


class QueueRef(_Read):
    """A queue, by id and key."""

    id: UUID
    key: str


class LegRead(_Read):
    """One party that was rung."""

    id: UUID
    kind: LegKind
    agent: PersonRef | None
    status: CarrierStatus
    offered_at: datetime
    answered_at: datetime | None
    ended_at: datetime | None
    declined_at: datetime | None


class RecordingRead(_Read):
    """A recording that the carrier holds."""

    id: UUID
    kind: RecordingKind
    url: str
    seconds: int | None
    created_at: datetime


class CallSummary(_Read):
    """A call as a list shows it."""

    id: UUID
    provider: str
    provider_call_id: str | None = Field(description="None until the carrier has taken a call that we place.")
    direction: Direction
    state: CallState
    from_raw: str
    from_e164: str | None
    to_raw: str
    caller_name: str
    language: str
    queue: QueueRef | None
    match_outcome: MatchOutcome
    match_reason: MatchReason | None
    customer: CustomerRef | None
    answered_by: PersonRef | None
    received_at: datetime
    queued_at: datetime | None
    answered_at: datetime | None
    kept_place_at: datetime | None = Field(description='When the caller pressed 1 for "call me back".')
    voicemail_at: datetime | None
    ended_at: datetime | None
    disposition: Disposition | None
    stage: CallStage | None
    heard_of_us: HeardOfUs | None
    wrapped_up_at: datetime | None


class CallRead(CallSummary):
    """One call, whole."""

    caller: PopCaller | None
    notes: str
    accepted_by: PersonRef | None
    accepted_tab: str
    wrapped_up_by: PersonRef | None
    legs: list[LegRead]
    recordings: list[RecordingRead]


class TraceRead(_Read):
    """One step of a call; read in order they answer "why did no pop appear?"."""

    at: datetime
    step: TraceStep
    agent: PersonRef | None
    detail: dict[str, Any]
    after_ms: float = Field(description="Milliseconds since the call was received.")


class Trace(BaseModel):
    """What a call went through, the earliest first."""

    call_id: UUID
    state: CallState
    steps: list[TraceRead]


class CallPlace(BaseModel):
    """Whom to call. At least one of these; a number goes before the customer's first one."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"customer": "C0001024"}, {"number": "138 0013 8000"}, {"callback": "T20261122-0007"}]
        },
    )

    customer: Annotated[FilledWord | None, Field(description="Id or code.")] = None
    number: Annotated[FilledWord | None, Field(description="As people write it.")] = None
    callback: Annotated[FilledWord | None, Field(description="A promised call, by id or code.")] = None
    list_entry: Annotated[UUID | None, Field(description="An entry of a daily list of yours.")] = None

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        if all(value is None for value in (self.customer, self.number, self.callback, self.list_entry)):
            raise ValueError("name a customer, a number, a promised call or an entry of a list")
        return self


class Accept(BaseModel):
    """Taking the call that is offered, in one tab."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"tab": "b7f3"}]})

    tab: Annotated[FilledWord, Field(description="Names the tab or softphone that takes it; of one's own choosing.")]


class WrapUp(BaseModel):
    """How a call ended, as the agent says."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "disposition": "resolved",
                    "stage": "after_sale",
                    "heard_of_us": "existing_customer",
                    "notes": "三台空调遥控器已重置,恢复正常。",
                    "then": "available",
                }
            ]
        },
    )

    disposition: Disposition
    stage: CallStage | None = None
    heard_of_us: HeardOfUs | None = None
    notes: Note = ""
    then: Presence = Field(
        default=Presence.AVAILABLE,
        description="What the agent does next: `available`, `break` or `offline`.",
        json_schema_extra={"enum": ["available", "break", "offline"]},
    )


class LinkCustomer(BaseModel):
    """Whose call it is."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"customer": "C0001024", "remember_number": True}]}
    )

    customer: Annotated[FilledWord, Field(description="Id or code.")]
    remember_number: bool = Field(default=True, description="Add the caller's number to the customer's.")
