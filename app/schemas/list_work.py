"""Working a daily list: taking the next one, saying what came of it, and the day's plan."""

from datetime import date, datetime, time
from typing import Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.domain.day_plan import Quadrant
from app.domain.standing import ContractState, Dcwh, Intention, Tier
from app.models.call_lists import EntryOutcome, EntrySource, EntryState
from app.schemas.call_lists import ReasonRead
from app.schemas.common import FilledLine, Line, Moment, Note, left_out
from app.schemas.customers import CustomerCard, PhoneRead, SalesStage
from app.schemas.screen_pop import BothLanguages, PopOwner


class ListedCustomer(BaseModel):
    """A customer as a list shows them."""

    id: UUID
    code: str
    name: str
    address_as: BothLanguages
    phone: str | None = Field(description="The number to ring, for people to read; none that is known to be wrong.")
    tier: Tier | None
    dcwh: Dcwh | None
    grade: str | None
    sales_stage: int
    intention: Intention | None
    contract_state: ContractState
    next_call_at: datetime | None
    last_contact_at: datetime | None


class WorkEntry(BaseModel):
    """One customer on a day's list, and how far the work on them is."""

    id: UUID
    list_id: UUID
    day: date
    position: int
    source: EntrySource
    carried_over: bool
    added_later: bool
    reasons: list[ReasonRead]
    quadrant: Quadrant
    customer: ListedCustomer
    state: EntryState
    reserved_by: PopOwner | None
    reserved_until: datetime | None
    outcome: EntryOutcome | None
    skip_reason: str
    worked_by: PopOwner | None
    worked_at: datetime | None
    call_id: UUID | None = Field(description="The call that was placed for it, if it was placed through Callcard.")


class BestHourRead(BaseModel):
    """At which hour they are best rung, by when they answered before; hours are those of their own place."""

    hour: int
    chance: float = Field(description="From 0 to 1, smoothed: with few tries it stays near what is usual.")
    tries: int


class TakenEntry(BaseModel):
    """An entry that is yours until `entry.reserved_until`, with all that it takes to call."""

    entry: WorkEntry
    card: CustomerCard
    numbers: list[PhoneRead] = Field(description="Theirs, the first one to ring first; without those that are wrong.")
    best_hour: BestHourRead | None = Field(description="Null as long as they have never answered.")


class EntryFinish(BaseModel):
    """What came of calling. `outcome` is enough; whatever else the call changed goes with it and is written at once.

    Of `refused` one asks further: `do_not_call`, or `consent_withdrawn` for calls that sell; false says that they were
    asked and did not want that. Of `wrong_number`, `phone_id` says which; else it is the one that was rung.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"outcome": "no_answer"},
                {
                    "outcome": "reached",
                    "sales_stage": 4,
                    "intention": "good",
                    "next_call_at": "2026-12-01T02:30:00Z",
                    "note": "要一份报价",
                },
                {"outcome": "refused", "do_not_call": True},
            ]
        },
    )

    outcome: EntryOutcome
    sales_stage: SalesStage = left_out()
    intention: Intention | None = left_out()
    next_call_at: Moment | None = left_out()
    note: Note = ""
    why: Line = Field(default="", description="Beside the changes in their history; the outcome without it.")
    phone_id: UUID | None = None
    do_not_call: bool | None = None
    consent_withdrawn: bool | None = None

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        asked = self.do_not_call is not None or self.consent_withdrawn is not None
        if self.outcome is EntryOutcome.REFUSED and not asked:
            raise ValueError("who refuses is asked about do_not_call or consent_withdrawn")
        if self.outcome is not EntryOutcome.REFUSED and asked:
            raise ValueError("do_not_call and consent_withdrawn go with the outcome refused")
        if self.outcome is not EntryOutcome.WRONG_NUMBER and self.phone_id is not None:
            raise ValueError("phone_id goes with the outcome wrong_number")
        return self


class EntrySkip(BaseModel):
    """Not calling somebody on the list today, and why."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"reason": "昨天已当面谈过"}]})

    reason: FilledLine


class PlanQuadrant(BaseModel):
    """One of the four quadrants, and who is in it, in the order of the list."""

    quadrant: Quadrant
    in_words: BothLanguages
    entries: list[WorkEntry]


class PlanPart(BaseModel):
    """A part of the day, on the house's wall clock, and whom to call in it, in this order."""

    begins: time
    ends: time
    golden: bool = Field(description="Customers are reached best here: it is for what is important.")
    entry_ids: list[UUID]


class DayPlan(BaseModel):
    """A day's list as a plan: the four quadrants, and the parts of the day."""

    list_id: UUID
    day: date
    manager: PopOwner
    quadrants: list[PlanQuadrant]
    parts: list[PlanPart]
