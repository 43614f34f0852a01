"""Daily lists as they are read, tomorrow's as it would be, and how lists are to be made."""

from datetime import date, datetime
from typing import Annotated, Any, Final, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from app.domain.list_ranking import SIZE
from app.models.call_lists import AbsenceKind, EntrySource, LeftOutReason, RearrangementKind
from app.schemas.call_lists import ReasonRead
from app.schemas.common import Day, FilledLine, Line
from app.schemas.list_work import WorkEntry
from app.schemas.screen_pop import BothLanguages, PopOwner

MOST_WISHES: Final = 200
MOST_TEAMS: Final = 100

Weight = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]
Quota = Annotated[int, Field(ge=0, le=500)]


class NoticeRead(BaseModel):
    """Something that whoever works a list must know."""

    code: str
    in_words: BothLanguages


class CallListRead(BaseModel):
    """One manager's list of one day."""

    id: UUID
    day: date
    manager: PopOwner = Field(description="Of whose book it is.")
    made_for: PopOwner | None = Field(description="Who works it: the manager, or whoever stands in; null: nobody does.")
    made_at: datetime
    size: int
    notices: list[NoticeRead]
    listed: int
    worked: int = Field(description="Entries that are done or were skipped.")
    added_later: int


class CallLists(BaseModel):
    """The lists of a day."""

    items: list[CallListRead]


class CustomerName(BaseModel):
    """A customer, by name only."""

    id: UUID
    code: str
    name: str


class LeftOutRead(BaseModel):
    """Somebody of the book who is not on the list, and why."""

    customer: CustomerName
    reason: LeftOutReason
    in_words: BothLanguages
    note: str


class CallListDetail(CallListRead):
    """A list with everybody on it, and who was left out. `inputs` are what decided, beside the customers."""

    inputs: dict[str, Any]
    entries: list[WorkEntry]
    left_out: list[LeftOutRead]


class PreviewEntry(BaseModel):
    """Somebody who will be on the list if nothing changes."""

    position: int
    customer: CustomerName
    score: float
    source: EntrySource
    carried_over: bool
    reasons: list[ReasonRead]


class ListPreview(BaseModel):
    """The list of the next working day as it would be made now, with the wishes that there are."""

    day: date
    manager: PopOwner
    size: int
    notices: list[NoticeRead]
    entries: list[PreviewEntry]
    left_out: list[LeftOutRead]


class Wish(BaseModel):
    """What is to be different: `pin` puts somebody on the list, `move` has a position, `drop` has a reason."""

    model_config = ConfigDict(extra="forbid")

    customer: Annotated[Line, Field(min_length=1, description="Id or code.")]
    kind: RearrangementKind
    position: int | None = Field(default=None, ge=1, le=500)
    reason: Annotated[Line, Field(max_length=500)] = ""

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        if self.kind is RearrangementKind.MOVE and self.position is None:
            raise ValueError("move takes a position")
        if self.kind is RearrangementKind.DROP and not self.reason:
            raise ValueError("drop takes a reason")
        if self.kind is RearrangementKind.DROP and self.position is not None:
            raise ValueError("drop takes no position")
        return self


class Wishes(BaseModel):
    """All wishes for the next working day's list; they take the place of those there were."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "wishes": [
                        {"customer": "C0001001", "kind": "pin", "position": 1},
                        {"customer": "C0001002", "kind": "drop", "reason": "下周拜访时面谈"},
                    ]
                }
            ]
        },
    )

    wishes: list[Wish] = Field(max_length=MOST_WISHES)


class WeightsGiven(BaseModel):
    """What each reason weighs; what is left out keeps its default."""

    model_config = ConfigDict(extra="forbid")

    promised: Weight | None = None
    stage_5: Weight | None = None
    stage_4: Weight | None = None
    very_likely: Weight | None = None
    good: Weight | None = None
    contract_expired: Weight | None = None
    carried_over: Weight | None = None
    win_back: Weight | None = None
    contract_ending_7: Weight | None = None
    contract_ending_14: Weight | None = None
    contract_ending_30: Weight | None = None
    birthday: Weight | None = None
    warranty_ending: Weight | None = None
    festival: Weight | None = None
    waiting: Weight | None = Field(default=None, description="For each working day since the last contact.")
    waiting_most: Weight | None = Field(default=None, description="So many of these days count.")


class QuotasGiven(BaseModel):
    """How many customers a day a source may give its weight to; what is left out keeps its default."""

    model_config = ConfigDict(extra="forbid")

    birthday: Quota | None = None
    contract_ending: Quota | None = None
    warranty_ending: Quota | None = None
    festival: Quota | None = None
    win_back: Quota | None = None


class SourcesGiven(BaseModel):
    """Which sources are switched on; what is left out is."""

    model_config = ConfigDict(extra="forbid")

    birthday: bool | None = None
    contract_ending: bool | None = None
    warranty_ending: bool | None = None
    festival: bool | None = None
    win_back: bool | None = None


class Festival(BaseModel):
    """A day on which customers are greeted."""

    model_config = ConfigDict(extra="forbid")

    day: Day
    name_zh: FilledLine
    name_en: FilledLine


class ListRules(BaseModel):
    """How lists are made."""

    model_config = ConfigDict(extra="forbid")

    size: int = Field(default=SIZE, ge=1, le=500)
    weights: WeightsGiven = WeightsGiven()
    quotas: QuotasGiven = QuotasGiven()
    sources: SourcesGiven = SourcesGiven()
    festivals: list[Festival] = Field(default=[], max_length=100)


class TeamRules(ListRules):
    """A team whose lists are made otherwise. Nobody is in two teams."""

    name: FilledLine
    members: list[UUID] = Field(max_length=1000)


_RULES: Final[JsonDict] = {
    "default": {"size": 60},
    "teams": [
        {
            "name": "大客户组",
            "members": ["01900000-0000-7000-8000-000000000001"],
            "size": 40,
            "weights": {"win_back": 200},
            "sources": {"festival": False},
            "festivals": [{"day": "2027-02-06", "name_zh": "春节", "name_en": "Spring Festival"}],
        }
    ],
}


class AllListRules(BaseModel):
    """How everybody's lists are made."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_RULES]})

    default: ListRules = ListRules()
    teams: list[TeamRules] = Field(default=[], max_length=MOST_TEAMS)


class AbsenceCreate(BaseModel):
    """Somebody does not work their lists: from when to when (null: for good), why, and who stands in."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "manager_id": "01900000-0000-7000-8000-000000000001",
                    "first_day": "2026-11-27",
                    "last_day": "2026-11-30",
                    "kind": "sick",
                    "stand_in_id": "01900000-0000-7000-8000-000000000002",
                }
            ]
        },
    )

    manager_id: UUID
    first_day: Day
    last_day: Day | None = None
    kind: AbsenceKind
    stand_in_id: UUID | None = None

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        if self.last_day is not None and self.last_day < self.first_day:
            raise ValueError("last_day is before first_day")
        if self.stand_in_id == self.manager_id:
            raise ValueError("nobody stands in for themselves")
        return self


class AbsenceRead(BaseModel):
    """An absence."""

    id: UUID
    manager: PopOwner
    first_day: date
    last_day: date | None
    kind: AbsenceKind
    stand_in: PopOwner | None


class Absences(BaseModel):
    """Absences that are not over, the earliest first."""

    items: list[AbsenceRead]
