"""Opening hours: a weekly plan in a place's own time, and the named days that stand above it.

A plan is a set of wall-clock windows; what is asked of it are instants. Between the two stand the days on which the
clocks change. A caller who looks at the clock on the wall and sees it inside the hours is always answered:

- a window that begins or ends at a time which the clocks leap over begins or ends at the leap;
- where an hour comes twice, a window begins at the first of the two times and ends at the last.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Final
from zoneinfo import ZoneInfo

LOOK_AHEAD_DAYS: Final = 400
"""How far ahead the next opening or closing is looked for."""

# A weekly plan that has not opened or closed for so long after the last named day never will. More than one week,
# because a window of one week can fall into the hour that the clocks leap over.
_PLAN_REPEATS_AFTER_DAYS: Final = 15

_MIDNIGHT: Final = time(0)
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Opening:
    """A weekly window of wall-clock time, `opens` included, `closes` not.

    When `closes` is not later than `opens`, it belongs to the next day: 22:00-06:00 is a night shift, 09:00-00:00 lasts
    until the day's end, 00:00-00:00 is the whole day.

    Attributes:
        weekday: the day on which it opens, 0 is Monday.
        opens: wall-clock time without a zone.
        closes: likewise.

    Raises:
        ValueError: for another weekday than 0 to 6, or for times that carry a zone.
    """

    weekday: int
    opens: time
    closes: time

    def __post_init__(self) -> None:
        if not 0 <= self.weekday <= 6:
            raise ValueError(f"weekday must be 0 (Monday) to 6 (Sunday), not {self.weekday}")
        _require_wall_clock(self.opens, self.closes)


@dataclass(frozen=True, slots=True)
class Closure:
    """A named day whose hours are not the weekly ones.

    Without `opens` and `closes` the whole day is closed: no window begins on it, and what still runs from the day
    before ends at midnight. With them the day is open in exactly that window (short hours, a make-up working
    Saturday); several rows for one day add up, and a row with hours wins over one without.

    Attributes:
        day: the local date.
        name_zh: what it is called in Chinese, e.g. 春节; may be empty when `name_en` is not.
        name_en: in English, e.g. Spring Festival; may be empty when `name_zh` is not.
        opens: wall-clock time at which a special opening begins, or None.
        closes: when it ends; not later than `opens` means on the next day, as for `Opening`.

    Raises:
        ValueError: when only one of `opens` and `closes` is given, or they carry a zone.
    """

    day: date
    name_zh: str
    name_en: str
    opens: time | None = None
    closes: time | None = None

    def __post_init__(self) -> None:
        if (self.opens is None) is not (self.closes is None):
            raise ValueError(f"the closure of {self.day} has only one of opens and closes")
        if self.hours:
            _require_wall_clock(*self.hours)

    @property
    def hours(self) -> tuple[time, time] | None:
        """The special opening of the day, None when the whole day is closed."""
        return None if self.opens is None or self.closes is None else (self.opens, self.closes)

    def name(self, language: str) -> str:
        """Its name for speakers of that language (BCP 47 tag): the Chinese one for `zh…`, else the English one."""
        if language.lower().startswith("zh"):
            return self.name_zh or self.name_en
        return self.name_en or self.name_zh


@dataclass(frozen=True, slots=True)
class OpenState:
    """Whether a place is open at an instant, and until when that holds.

    Attributes:
        is_open: calls are taken.
        closure: when closed, the named day that is the reason; None when it is the weekly plan.
        opens_at: when closed, the next opening in the place's own time; None if there is none within 400 days.
        closes_at: when open, the end of the hours in the place's own time; None if there is none within 400 days.
    """

    is_open: bool
    closure: Closure | None = None
    opens_at: datetime | None = None
    closes_at: datetime | None = None


@dataclass(frozen=True)
class OpeningHours:
    """A weekly plan and its named days, in one zone. Without any weekly window every day is open all day.

    Attributes:
        zone: whose wall clock the times are.
        openings: the weekly windows; they may touch and overlap.
        closures: the named days.
    """

    zone: ZoneInfo
    openings: tuple[Opening, ...] = ()
    closures: tuple[Closure, ...] = ()

    def is_open(self, now: datetime) -> bool:
        """Whether calls are taken at `now` (aware); the same as `state_at(now).is_open`, but never looks ahead.

        Raises:
            ValueError: when `now` is naive.
        """
        if not self.openings and not self.closures:
            _require_aware(now)
            return True
        today = self._local_date(now)
        return any(
            opens <= now < closes for day in (today - _DAY, today) for opens, closes in self._windows_beginning_on(day)
        )

    def state_at(self, now: datetime) -> OpenState:
        """Whether calls are taken at `now` (aware, any zone), why not, and until when.

        Raises:
            ValueError: when `now` is naive.
        """
        if not self.openings and not self.closures:
            _require_aware(now)
            return OpenState(is_open=True)
        today = self._local_date(now)
        horizon = today + self._look_ahead(today)
        for opens, closes in self.open_periods(today - _DAY, horizon):
            if closes <= now:
                continue
            if opens <= now:
                is_endless = self._local_date(closes) > horizon
                return OpenState(is_open=True, closes_at=None if is_endless else closes.astimezone(self.zone))
            return OpenState(is_open=False, closure=self._reason(now, today), opens_at=opens.astimezone(self.zone))
        return OpenState(is_open=False, closure=self._reason(now, today))

    @cached_property
    def _named_days(self) -> dict[date, list[Closure]]:
        days: dict[date, list[Closure]] = {}
        for closure in self.closures:
            days.setdefault(closure.day, []).append(closure)
        return days

    def _look_ahead(self, today: date) -> timedelta:
        last_named = max(self._named_days, default=today)
        days = max(0, (last_named - today).days) + _PLAN_REPEATS_AFTER_DAYS
        return timedelta(days=min(days, LOOK_AHEAD_DAYS))

    def _reason(self, now: datetime, today: date) -> Closure | None:
        """The named day because of which the place is closed at `now`, an instant of its local `today`."""
        rows = self._named_days.get(today)
        if not rows:
            return None
        special = next((row for row in rows if row.hours), None)
        if special is None:
            return rows[0]
        return special if OpeningHours(self.zone, self.openings).is_open(now) else None

    def open_periods(self, first: date, last: date) -> Iterator[tuple[datetime, datetime]]:
        """The open periods (UTC) of the windows beginning from `first` to `last`: ascending, with gaps between them."""
        current: tuple[datetime, datetime] | None = None
        day = first
        while day <= last:
            for opens, closes in self._windows_beginning_on(day):
                if current is None:
                    current = (opens, closes)
                elif opens <= current[1]:
                    current = (current[0], max(current[1], closes))
                else:
                    yield current
                    current = (opens, closes)
            day += _DAY
        if current is not None:
            yield current

    def _windows_beginning_on(self, day: date) -> list[tuple[datetime, datetime]]:
        """The windows that begin on a local day, ascending, named days considered.

        In UTC: two times of one other zone compare by wall clock, which is wrong where an hour comes twice.
        """
        windows = []
        next_day = datetime.combine(day + _DAY, _MIDNIGHT)
        for opens, closes in self.hours_of(day):
            ends = datetime.combine(day if closes > opens else day + _DAY, closes)
            # At the first midnight, where the clocks give two: the named day begins with it.
            is_cut = ends >= next_day and next_day.date() in self._named_days
            begins_at = self._instant(datetime.combine(day, opens), last=False)
            ends_at = self._instant(next_day if is_cut else ends, last=not is_cut)
            if begins_at < ends_at:
                windows.append((begins_at, ends_at))
        return sorted(windows)

    def hours_of(self, day: date) -> list[tuple[time, time]]:
        """The wall-clock windows (opens, closes) that begin on a local day, named days considered."""
        rows = self._named_days.get(day)
        if rows:
            return [row.hours for row in rows if row.hours]
        if not self.openings:
            return [(_MIDNIGHT, _MIDNIGHT)]
        return [(opening.opens, opening.closes) for opening in self.openings if opening.weekday == day.weekday()]

    def _instant(self, wall: datetime, *, last: bool) -> datetime:
        """The instant (UTC) of a wall-clock time; of two the first or the `last`; of none the moment of the leap."""
        first_time = wall.replace(tzinfo=self.zone, fold=0).astimezone(UTC)
        second_time = wall.replace(tzinfo=self.zone, fold=1).astimezone(UTC)
        if first_time <= second_time:
            return second_time if last else first_time
        # Skipped: PEP 495 makes the two readings enclose the leap, which is at a whole second and is found by halving.
        before, after = second_time.replace(microsecond=0), first_time.replace(microsecond=0)
        while after - before > timedelta(seconds=1):
            middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
            if middle.astimezone(self.zone).replace(tzinfo=None) < wall:
                before = middle
            else:
                after = middle
        return after

    def _local_date(self, instant: datetime) -> date:
        _require_aware(instant)
        return instant.astimezone(self.zone).date()


def _require_aware(instant: datetime) -> None:
    if instant.utcoffset() is None:
        raise ValueError("an instant needs a time zone")


def _require_wall_clock(*times: time) -> None:
    if any(moment.tzinfo is not None for moment in times):
        raise ValueError("opening hours are wall-clock times; their zone belongs to OpeningHours")
