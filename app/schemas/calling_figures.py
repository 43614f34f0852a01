"""Figures of calling: what lists, calls, the funnel and promises came to, by day, week or month."""

from datetime import date
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class FigureGroup(StrEnum):
    """How long a row is. A week begins on Monday."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    PERIOD = "period"
    """All the days that were asked for, in one."""


class FigureBy(StrEnum):
    """Whose row it is."""

    MANAGER = "manager"
    TEAM = "team"


class ReportFormat(StrEnum):
    """What a report comes as."""

    JSON = "json"
    CSV = "csv"
    XLSX = "xlsx"


class CallingFigures(BaseModel):
    """One row: of one manager or team, or of everybody without either, in one day, week, month or the whole period."""

    model_config = ConfigDict(from_attributes=True)

    first_day: date = Field(description="Of the row; the first one may begin before the period that was asked for.")
    who_id: UUID | None = Field(description="The manager's or the team's; null for whoever is in no team.")
    who: str
    listed: int = Field(description="Entries on daily lists.")
    called: int = Field(description="Of them, those that were called.")
    reached: int = Field(description="Of them, those that somebody talked with.")
    talk_seconds: int = Field(description="In all outbound calls through Callcard that were answered.")
    book: int = Field(description="Customers in the book, as it is now.")
    covered: int = Field(description="Of them, those that were called from a list or talked with.")
    coverage: float | None = Field(description="`covered` of `book`; the goal is 1. Null for an empty book.")
    moved_on: int = Field(description="Moves to a stage further on.")
    moved_back: int
    contracts_won: int = Field(description="First contracts of a customer that began.")
    contracts_renewed: int = Field(description="Further ones.")
    promises: int = Field(description="Calls that were promised for a day of it.")
    promises_kept: int = Field(description="Of them, those that were made on that day.")


class CallingReport(BaseModel):
    """The figures of a period."""

    first_day: date
    last_day: date
    group: FigureGroup
    by: FigureBy
    rows: list[CallingFigures]
    totals: list[CallingFigures] = Field(description="The whole period, one row for each manager or team.")
