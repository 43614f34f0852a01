"""When we work and when customers may be called."""

from datetime import date, datetime, time
from typing import Annotated, Final, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, model_validator

from app.schemas.common import Day, FilledLine, TimeZone, WallClock
from app.schemas.queues import Week, Window

MOST_DAYS: Final = 400

Country = Annotated[
    str, StringConstraints(pattern=r"^[A-Z]{2}$"), Field(description="ISO 3166-1 alpha-2, such as CN.", examples=["CN"])
]
Subdivision = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Z0-9]{1,10}$"),
    Field(description="ISO 3166-2 without the country, such as BY.", examples=["BY"]),
]

_AN_EXAMPLE_WEEK: Final[list[JsonValue]] = [
    {"weekday": day, "opens": "09:00:00", "closes": "18:00:00"} for day in range(5)
]


class CalendarPut(Week):
    """How an office works. Without weekly hours it works around the clock, on every day that is no holiday."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"country": "CN", "openings": _AN_EXAMPLE_WEEK, "open_to_all_after": 120}]},
    )

    zone: TimeZone | None = Field(default=None, description="Whose clock it works by; else the organisation's.")
    country: Country | None = Field(
        default=None, description="Whose public holidays hold; else the region's own, or CALLCARD_REGION."
    )
    subdivision: Subdivision | None = None
    public_holidays: bool = Field(default=True, description="Whether public holidays are days off at all.")


class MainCalendarPut(CalendarPut):
    """How the house works. Its named days are the closures that hold for all queues (`/closures`)."""

    open_to_all_after: int = Field(
        default=120,
        ge=0,
        le=14400,
        description="Minutes of working time after a promised call was due, after which anybody may make it.",
    )


class NamedDay(BaseModel):
    """A day off, or a day worked in hours of its own."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)

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


class RegionCalendarPut(CalendarPut):
    """How the office that serves a country's customers works, with its named days."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "zone": "America/Chicago",
                    "openings": _AN_EXAMPLE_WEEK,
                    "days": [{"day": "2026-12-24", "name_zh": "平安夜", "name_en": "Christmas Eve"}],
                }
            ]
        },
    )

    days: list[NamedDay] = Field(default=[], max_length=MOST_DAYS)

    @model_validator(mode="after")
    def _each_day_once(self) -> Self:
        if len({named.day for named in self.days}) < len(self.days):
            raise ValueError("a day is named twice")
        return self


class YearRead(BaseModel):
    """Whether the working days of a year are known."""

    year: int
    is_known: bool
    confirmed_at: datetime | None = Field(description="When a person confirmed it, if one did.")
    confirmed_by: UUID | None


class CalendarRead(BaseModel):
    """How an office works. A year that is not known has to be confirmed before anything is planned in it."""

    model_config = ConfigDict(from_attributes=True)

    region: str | None = Field(description="The country whose customers it serves; null for the main calendar.")
    zone: str
    country: str | None = Field(description="Whose public holidays hold; null for nobody's.")
    subdivision: str | None
    public_holidays: bool
    open_to_all_after: int | None = Field(description="Of the main calendar only.")
    openings: list[Window]
    days: list[NamedDay] = Field(description="Named days from today on, at most 400.")
    years: list[YearRead] = Field(description="This year, the next one, and all that were confirmed.")


class CalendarsRead(BaseModel):
    """The main calendar and those of regions."""

    main: CalendarRead
    regions: list[CalendarRead]


class WorkingDay(BaseModel):
    """One day: worked or not, and what it is called if it has a name."""

    day: date
    is_working: bool
    name_zh: str
    name_en: str


class WorkingDays(BaseModel):
    """The days of a range, in order."""

    items: list[WorkingDay]


class CallingWindow(Window):
    """A weekly window within one day, by the clock where the phone rings."""

    @model_validator(mode="after")
    def _within_a_day(self) -> Self:
        if self.closes <= self.opens and self.closes != time(0):
            raise ValueError("a calling window lies within one day; 00:00 is its end")
        return self


class CallingWindowsPut(BaseModel):
    """When phones of a country may be rung, every week. Without any window: never."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"windows": [{"weekday": 0, "opens": "09:00:00", "closes": "20:00:00"}]}]},
    )

    windows: list[CallingWindow] = Field(max_length=70)

    @model_validator(mode="after")
    def _windows_stand_apart(self) -> Self:
        Week(openings=[Window.model_validate(window.model_dump()) for window in self.windows])
        return self


class CallingWindowsRead(BaseModel):
    """When phones of a country may be rung."""

    region: str | None = Field(description="Null: of all countries that have no windows of their own.")
    windows: list[CallingWindow]


class AllCallingWindows(BaseModel):
    """The windows of every country that has its own, after those of all others."""

    items: list[CallingWindowsRead]
