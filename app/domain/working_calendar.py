"""Working days and working time of an organisation: its weekly hours, its named days, the public holidays of a country.

The one place that knows the `holidays` library. Some governments settle the next year's holidays and the Saturdays on
which these are made up for only a few weeks before it begins (China's State Council in November); until a release of
the library has them, it gives the bare feast days and says nothing. That must not be taken for knowledge: a calendar
raises `CalendarUnknown` for such a year until a person has confirmed it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property, lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import holidays
from holidays import HolidayBase

from app.domain.business_time import Closure, Opening, OpeningHours

LOOK_AHEAD_DAYS: Final = 400
"""How far ahead a working day is looked for."""

_DAY: Final = timedelta(days=1)
_STRIDE: Final = timedelta(days=30)


class CalendarUnknown(Exception):
    """Nobody has said which days of `year` are public holidays in `country`: the library has no data for it yet."""

    def __init__(self, country: str, year: int) -> None:
        super().__init__(f"the public holidays of {country} in {year} are not known")
        self.country = country
        self.year = year


class NeverWorking(Exception):
    """There is no working day, or not enough working time, within `LOOK_AHEAD_DAYS`."""


@dataclass(frozen=True, slots=True)
class PublicHolidays:
    """One country's holidays of one year, as the library tells them.

    Attributes:
        days: the days off, by date, with their names in Chinese (where the library has them) and in English.
        made_up: weekend days that are worked.
        is_settled: nothing in it is an estimate or still to be announced.
    """

    days: dict[date, tuple[str, str]]
    made_up: frozenset[date]
    is_settled: bool


@lru_cache(maxsize=256)
def public_holidays(country: str, subdivision: str | None, year: int) -> PublicHolidays:
    """What the library says of a year.

    Args:
        country: ISO 3166-1 alpha-2; of one that the library does not know nothing is settled.
        subdivision: ISO 3166-2 without the country (`BY`), or None.
        year: four digits.
    """
    if country not in holidays.list_supported_countries():
        return PublicHolidays({}, frozenset(), is_settled=False)
    # A year's make-up days can be announced with the holidays of the next one.
    told = _in_language(country, subdivision, [year, year + 1], "en_US")
    chinese = _in_language(country, subdivision, [year], "zh_CN")
    names = {day: (chinese.get(day, name), name) for day, name in told.items() if day.year == year}
    return PublicHolidays(
        days=names,
        made_up=frozenset(day for day in told.weekend_workdays if day.year == year),
        is_settled=told.start_year <= year <= _told_through(told)
        and not any(_is_estimate(told, name) for _, name in names.values()),
    )


def is_known_place(country: str, subdivision: str | None = None) -> bool:
    """Whether the library knows such a country and, if one is given, such a part of it."""
    parts = holidays.list_supported_countries().get(country)
    return parts is not None and (subdivision is None or subdivision in parts)


def _in_language(country: str, subdivision: str | None, years: list[int], language: str) -> HolidayBase:
    """A country's holidays, named in its own first language where it has no names in `language`."""
    spoken = holidays.country_holidays(country).supported_languages
    return holidays.country_holidays(
        country, subdivision, years=years, expand=False, language=language if language in spoken else None
    )


def _is_estimate(told: HolidayBase, name: str) -> bool:
    label = getattr(told, "estimated_label", None)
    return "(estimated)" in name or (label is not None and label.replace("%s", "").strip() in name)


def _told_through(told: HolidayBase) -> int:
    """The last year of which the library has what the country announces; the last it has, of others.

    What no rule foretells is announced: which days off are exchanged for days of a weekend.
    """
    if not told.has_substituted_holidays:
        return told.end_year
    return max(told.special_public_holidays, default=told.start_year)


@dataclass(frozen=True)
class WorkingCalendar:
    """When an organisation works: weekly hours, above them a country's public holidays, above these the named days.

    On a weekend day that is worked to make up for a holiday, the hours of the nearest earlier weekday with hours hold,
    unless the day has hours of its own. Without weekly hours every day that is no holiday is worked all day.

    Attributes:
        zone: whose wall clock and whose days these are.
        openings: the weekly hours.
        days: days closed, or worked in hours of their own.
        country: whose public holidays hold (ISO 3166-1 alpha-2); None for nobody's.
        subdivision: the part of the country (ISO 3166-2 without the country), where these differ.
        confirmed: years for which a person has said that the named days complete what the library knows.

    Every method raises CalendarUnknown for a year that is neither settled in the library nor confirmed.
    """

    zone: ZoneInfo
    openings: tuple[Opening, ...] = ()
    days: tuple[Closure, ...] = ()
    country: str | None = None
    subdivision: str | None = None
    confirmed: frozenset[int] = frozenset()

    def is_known(self, year: int) -> bool:
        """Whether it can be said which days of a year are worked."""
        if self.country is None or year in self.confirmed:
            return True
        return public_holidays(self.country, self.subdivision, year).is_settled

    def by_the_clock(self) -> "WorkingCalendar":
        """The calendar of somebody who never closes: for what must go on in a year that nobody knows."""
        return WorkingCalendar(self.zone)

    def is_working_day(self, day: date) -> bool:
        """Whether any working hours begin on a day."""
        return bool(self._hours(day.year).hours_of(day))

    def name_of(self, day: date) -> tuple[str, str]:
        """What a day is called, in Chinese and in English: a named day, a holiday; of others nothing."""
        rows = [row for row in self._hours(day.year).closures if row.day == day]
        return (rows[0].name_zh, rows[0].name_en) if rows else ("", "")

    def next_working_day(self, after: date) -> date:
        """The first working day strictly after a day.

        Raises:
            NeverWorking: there is none within 400 days.
        """
        for ahead in range(1, LOOK_AHEAD_DAYS + 1):
            day = after + timedelta(days=ahead)
            if self.is_working_day(day):
                return day
        raise NeverWorking(f"no working day within {LOOK_AHEAD_DAYS} days after {after}")

    def working_days(self, first: date, last: date) -> list[date]:
        """The working days from `first` to `last`, both included, in order."""
        days = (first + timedelta(days=ahead) for ahead in range((last - first).days + 1))
        return [day for day in days if self.is_working_day(day)]

    def add_working_time(self, start: datetime, span: timedelta) -> datetime:
        """The moment (UTC) at which `span` of working time has passed since `start`; `start` itself for none.

        Raises:
            ValueError: `span` is negative, or `start` has no zone.
            NeverWorking: there is not so much working time within 400 days.
        """
        if span < timedelta(0):
            raise ValueError("working time runs forward")
        begin = _utc(start)
        if not span:
            return begin
        left = span
        for opens, closes in self._periods(begin, begin + timedelta(days=LOOK_AHEAD_DAYS)):
            worked = closes - opens
            if worked >= left:
                return opens + left
            left -= worked
        raise NeverWorking(f"less than {span} of working time within {LOOK_AHEAD_DAYS} days after {begin}")

    def next_moment(self, at: datetime) -> datetime:
        """The first moment (UTC) of working time from `at` on; `at` itself if it is one.

        Raises:
            ValueError: `at` has no zone.
            NeverWorking: there is none within 400 days.
        """
        begin = _utc(at)
        for opens, _ in self._periods(begin, begin + timedelta(days=LOOK_AHEAD_DAYS)):
            return opens
        raise NeverWorking(f"no working time within {LOOK_AHEAD_DAYS} days after {begin}")

    def working_time_between(self, a: datetime, b: datetime) -> timedelta:
        """How much working time lies between two moments; none when `b` is not after `a`.

        Raises:
            ValueError: one of them has no zone.
        """
        return sum((closes - opens for opens, closes in self._periods(_utc(a), _utc(b))), timedelta(0))

    def _periods(self, begin: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
        """The working hours (UTC) within [begin, end), in order."""
        # A night shift begins on the day before.
        first = begin.astimezone(self.zone).date() - _DAY
        last = end.astimezone(self.zone).date()
        done = begin
        while first <= last:
            # Year by year, for each has its own holidays, and in strides, for mostly only the first days matter.
            through = min(first + _STRIDE, last, date(first.year, 12, 31))
            for opens, closes in self._hours(first.year).open_periods(first, through):
                opened, closed = max(opens, done), min(closes, end)
                if opened < closed:
                    yield opened, closed
                    done = closed
            first = through + _DAY

    def _hours(self, year: int) -> OpeningHours:
        """The hours of one year's days, holidays among them."""
        if year not in self._years:
            if not self.is_known(year):
                assert self.country is not None
                raise CalendarUnknown(self.country, year)
            # With the next year's: where its first day is a holiday, a night shift ends at midnight.
            told = [*self._holidays(year), *self._holidays(year + 1)]
            self._years[year] = OpeningHours(self.zone, self.openings, (*self.days, *told))
        return self._years[year]

    def _holidays(self, year: int) -> Iterator[Closure]:
        if self.country is None:
            return
        told = public_holidays(self.country, self.subdivision, year)
        named = {row.day for row in self.days}
        for day, (name_zh, name_en) in told.days.items():
            if day not in named:
                yield Closure(day, name_zh, name_en)
        for day in told.made_up - named:
            for opens, closes in self._made_up_hours(day):
                yield Closure(day, "调休上班", "Make-up working day", opens, closes)

    def _made_up_hours(self, day: date) -> list[tuple[time, time]]:
        for back in range(7):
            weekday = (day.weekday() - back) % 7
            hours = [(opening.opens, opening.closes) for opening in self.openings if opening.weekday == weekday]
            if hours:
                return hours
        return [(time(0), time(0))]

    @cached_property
    def _years(self) -> dict[int, OpeningHours]:
        return {}


def _utc(moment: datetime) -> datetime:
    if moment.utcoffset() is None:
        raise ValueError("a moment needs a time zone")
    return moment.astimezone(UTC)
