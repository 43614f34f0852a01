"""Promised calls over REST: making them, changing them, what came of them, and counts for whoever plans the day."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.models.callbacks import CallbackMode, CallbackOutcome, CallbackReason
from app.schemas.calls import CustomerRef, PersonRef, QueueRef
from app.schemas.common import FilledLine, FilledWord, Line, Moment, Note, left_out

Satisfaction = Annotated[int, Field(ge=1, le=5, description="The customer's own mark: 1 is bad, 5 is very good.")]


class ShownState(StrEnum):
    """Where a promise stands. `due` is one that is scheduled, or to be tried again, and whose time has come."""

    SCHEDULED = "scheduled"
    DUE = "due"
    CLAIMED = "claimed"
    DIALING = "dialing"
    RETRY = "retry"
    DONE = "done"
    ESCALATED = "escalated"
    CANCELLED = "cancelled"


class CallbackCreate(BaseModel):
    """A call to promise by hand: to a customer, to a number, or to a customer at another number."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"customer": "C0001024", "due_at": "2026-11-23T06:30:00Z", "subject": "问是否收到备件"},
                {"number": "138 0013 8000", "subject": "要报价"},
            ]
        },
    )

    customer: FilledWord | None = Field(default=None, description="Id or code.")
    number: FilledLine | None = Field(
        default=None, max_length=64, description="Whom to call, in any spelling; else the customer's first number."
    )
    due_at: Moment | None = Field(
        default=None, description="When; else on the next working day, at a time that we choose."
    )
    subject: Line = ""
    mode: CallbackMode = CallbackMode.PREVIEW
    owner_id: UUID | None = Field(
        default=None, description="Whose promise it is; else one's own. Another's takes `callbacks:supervise`."
    )

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if self.customer is None and self.number is None:
            raise ValueError("name a customer or a number")
        return self


class CallbackUpdate(BaseModel):
    """What is to change; everything left out stays."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"due_at": "2026-11-24T02:00:00Z", "why": "客户在开会"}]},
    )

    due_at: Moment = left_out()
    owner_id: Annotated[
        UUID | None,
        Field(
            description="Whose promise it is now; null for nobody's, which anybody may keep. Takes "
            "`callbacks:supervise`, unless one takes to oneself what is open to all."
        ),
    ] = left_out()
    subject: Line = left_out()
    mode: CallbackMode = left_out()
    why: Line = Field(default="", description="For the record.")


class CallbackCancel(BaseModel):
    """Why the call is not owed any more."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"why": "客户已自行来电"}]})

    why: FilledLine


class OutcomePut(BaseModel):
    """What the customer said, or that they did not."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"outcome": "works_now", "satisfaction": 5, "note": "三台空调都正常"},
                {"outcome": "not_reached", "note": "无人接听"},
            ]
        },
    )

    outcome: CallbackOutcome
    satisfaction: Satisfaction | None = None
    note: Note = ""

    @model_validator(mode="after")
    def _a_mark_is_the_customers(self) -> Self:
        if self.outcome is CallbackOutcome.WORKS_NOW and self.satisfaction is None:
            raise ValueError("ask the customer for a mark from 1 to 5")
        if self.outcome is CallbackOutcome.NOT_REACHED and self.satisfaction is not None:
            raise ValueError("who was not reached gave no mark")
        return self


class CallbackRead(BaseModel):
    """A promised call as a list shows it."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    code: str
    reason: CallbackReason
    mode: CallbackMode
    state: ShownState
    is_overdue: bool = Field(description="It is still owed, was due, and is open to everybody by now.")
    due_at: datetime
    first_due_at: datetime = Field(description="For when it was promised first.")
    open_to_all_at: datetime | None = Field(description="From then on anybody may make it.")
    zone: str | None = Field(description="The IANA zone where the phone rings; several with spaces between.")
    region: str | None
    customer: CustomerRef | None
    to_e164: str | None = Field(description="The number to call; null for the customer's first one.")
    subject: str
    owner: PersonRef | None
    claimed_by: PersonRef | None
    queue: QueueRef | None
    call_id: UUID | None = Field(description="The call from which the promise comes.")
    complaint_id: UUID | None = Field(description="The complaint that is asked about.")
    attempts: int
    outcome: CallbackOutcome | None
    satisfaction: int | None
    note: str
    created_at: datetime
    ended_at: datetime | None
    version: int = Field(description="Rises with every change; give it as `If-Match` with a change.")


class CallbackChangeRead(BaseModel):
    """One thing that happened to a promise."""

    model_config = ConfigDict(from_attributes=True)

    at: datetime
    what: str
    by: PersonRef | None = Field(description="Null for what followed by itself.")
    detail: dict[str, Any]


class CallbackWhole(CallbackRead):
    """One promised call with all that happened to it, the earliest first."""

    changes: list[CallbackChangeRead]


class HourCount(BaseModel):
    """The calls that are due within one hour."""

    hour: datetime = Field(description="When the hour begins.")
    due: int = Field(description="All that are, or were, due in it.")
    open: int = Field(description="Still owed, and not escalated.")
    overdue: int = Field(description="Of these, those whose time has come.")
    done: int
    escalated: int
    cancelled: int


class CallbackCounts(BaseModel):
    """Hour by hour what is promised and what became of it. Hours in which nothing is due are left out."""

    items: list[HourCount]
