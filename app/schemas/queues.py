"""How the hotline is set up: queues, the numbers that lead to them, their hours, closed days and members."""

from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Annotated, Final, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from app.schemas.common import Day, FilledLine, LanguageTag, TimeZone, WallClock, left_out

MOST_OPENINGS: Final = 70

_MINUTES_A_DAY: Final = 24 * 60
_MINUTES_A_WEEK: Final = 7 * _MINUTES_A_DAY

QueueKey = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,39}$"),
    Field(description="Its name in commands and addresses; it never changes."),
]
RingSeconds = Annotated[int, Field(ge=5, le=120, description="How long one agent's phone rings.")]
WaitSeconds = Annotated[int, Field(ge=3, le=60, description="How often a waiting caller hears their place.")]
MaxWaitSeconds = Annotated[int, Field(ge=0, le=7200, description="After this a waiting caller is sent to voicemail.")]
PlainNumber = Annotated[
    FilledLine, Field(max_length=64, description="The number to ring when agents cannot be reached; kept as E.164.")
]


class QueueCreate(BaseModel):
    """A new line of callers."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"key": "service", "name_zh": "售后服务", "name_en": "After-sales service"}]},
    )

    key: QueueKey
    name_zh: FilledLine
    name_en: FilledLine
    language: LanguageTag = "zh-CN"
    time_zone: TimeZone | None = Field(
        default=None, description="Whose wall clock its hours are; else the organisation's."
    )
    is_default: bool = Field(default=False, description="Takes the calls to numbers that lead nowhere else.")
    ring_seconds: RingSeconds = 20
    wait_seconds: WaitSeconds = 10
    max_wait_seconds: MaxWaitSeconds = 1200
    record_calls: bool = False
    fallback_number: PlainNumber | None = None


class QueueUpdate(BaseModel):
    """What is to change; everything left out stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"ring_seconds": 25}]})

    name_zh: FilledLine = left_out()
    name_en: FilledLine = left_out()
    language: LanguageTag = left_out()
    time_zone: TimeZone | None = left_out()
    is_default: bool = left_out()
    ring_seconds: RingSeconds = left_out()
    wait_seconds: WaitSeconds = left_out()
    max_wait_seconds: MaxWaitSeconds = left_out()
    record_calls: bool = left_out()
    fallback_number: PlainNumber | None = left_out()


class NumberSettings(BaseModel):
    """What is particular to one of our numbers."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"language": "en"}]})

    language: LanguageTag | None = Field(default=None, description="Callers of this number are greeted in it.")


class NumberRead(BaseModel):
    """A number of ours that leads to a queue."""

    model_config = ConfigDict(from_attributes=True)

    number: str = Field(description="E.164; a short code or an address as it was given.")
    queue_id: UUID
    language: str | None


class Window(BaseModel):
    """A weekly window of wall-clock time."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)

    weekday: Annotated[int, Field(ge=0, le=6, description="0 is Monday: the day on which it opens.")]
    opens: WallClock
    closes: WallClock = Field(description="Not later than `opens`: on the next day. 00:00 is the day's end.")


class Week(BaseModel):
    """When a queue is open, every week. Without any window it is always open."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"openings": [{"weekday": 0, "opens": "09:00:00", "closes": "18:00:00"}]}],
        },
    )

    openings: list[Window] = Field(max_length=MOST_OPENINGS)

    @model_validator(mode="after")
    def _windows_stand_apart(self) -> Self:
        spans = sorted(_span(window) for window in self.openings)
        # The last window of the week may reach into the first one of the next.
        following = [*spans[1:], *((start + _MINUTES_A_WEEK, end) for start, end in spans[:1])]
        for (_, end), (next_start, _) in zip(spans, following, strict=True):
            if end > next_start:
                raise ValueError("two openings overlap")
        return self


def _span(window: Window) -> tuple[int, int]:
    """A window in minutes from the beginning of Monday."""
    start = window.weekday * _MINUTES_A_DAY + _minutes(window.opens)
    length = (_minutes(window.closes) - _minutes(window.opens) - 1) % _MINUTES_A_DAY + 1
    return start, start + length


def _minutes(at: time) -> int:
    return at.hour * 60 + at.minute


class QueueMemberRead(BaseModel):
    """An agent who takes calls of a queue."""

    id: UUID
    name: str
    active: bool


class QueueRead(BaseModel):
    """A queue with its numbers, hours and members."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    key: str
    name_zh: str
    name_en: str
    language: str
    time_zone: str | None
    is_default: bool
    ring_seconds: int
    wait_seconds: int
    max_wait_seconds: int
    record_calls: bool
    fallback_number: str | None
    numbers: Sequence[NumberRead]
    openings: Sequence[Window]
    members: Sequence[QueueMemberRead]
    created_at: datetime
    updated_at: datetime


class ClosureCreate(BaseModel):
    """A named day with hours of its own: closed, or open from `opens` to `closes`."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"day": "2027-02-06", "name_zh": "春节", "name_en": "Spring Festival"},
                {
                    "day": "2027-02-20",
                    "name_zh": "春节调休",
                    "name_en": "Make-up working day",
                    "opens": "09:00:00",
                    "closes": "18:00:00",
                },
            ]
        },
    )

    queue_id: UUID | None = Field(default=None, description="The queue it holds for; all of them when left out.")
    day: Day
    name_zh: FilledLine
    name_en: FilledLine
    opens: WallClock | None = None
    closes: WallClock | None = None

    @model_validator(mode="after")
    def _hours_whole(self) -> Self:
        if (self.opens is None) is not (self.closes is None):
            raise ValueError("opens and closes go together")
        return self


class ClosureRead(BaseModel):
    """A named day with hours of its own."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    queue_id: UUID | None
    day: date
    name_zh: str
    name_en: str
    opens: WallClock | None
    closes: WallClock | None
