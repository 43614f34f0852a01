"""By when it is each customer's turn: the clock of the coverage, counted in working days.

The promise is that in every window of W working days, W being how many the month has in which the window begins, each
customer who may be called all that time is listed at least once. Whoever was listed on a day must therefore be listed
again by the last day of the window that begins on the working day after it; and by the last working day of the month
after that, for the shorter window that is that whole month.
"""

from bisect import bisect_right
from calendar import monthrange
from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Protocol

from app.domain.working_calendar import CalendarUnknown

LOOK_BACK_DAYS: Final = 400
"""So far back working days are counted one by one."""


class WorkingDays(Protocol):
    """What is asked of a calendar."""

    def is_working_day(self, day: date) -> bool:
        """Whether a day is worked; raises CalendarUnknown where nobody knows."""


@dataclass(frozen=True, slots=True)
class ListDay:
    """A working day and the clock of the coverage on it.

    Attributes:
        day: the day.
        passed: the working days before it, as far back as they are counted, in order.
        due_in: one more than `passed`: for who was last listed on its i-th day (from 1; 0: earlier) within how many
            working days they must be listed again. 1 is this very day, 0 and less is too late.
        month_days: how many working days the day's month has: W.
        next_month_days: how many the next month has; None where nobody knows yet.
    """

    day: date
    passed: tuple[date, ...]
    due_in: tuple[int, ...]
    month_days: int
    next_month_days: int | None

    @property
    def round_days(self) -> int:
        """Within how many working days, this one included, one is listed who was listed on the day before.

        That is also how long somebody new in the book waits at most, and the longest time that anybody has left.
        """
        return self.due_in[-1]

    @property
    def previous(self) -> date:
        """The working day before, on which those count as listed whose time begins now."""
        return self.passed[-1] if self.passed else self.day - timedelta(days=1)

    def waits(self, counted_on: date) -> int:
        """Within how many working days somebody must be listed who was last on `counted_on`."""
        return self.due_in[bisect_right(self.passed, counted_on)]


def list_day(calendar: WorkingDays, day: date) -> ListDay | None:
    """The clock on a day; None when it is no working day.

    Raises:
        CalendarUnknown: nobody knows whether it is.
    """
    if not calendar.is_working_day(day):
        return None
    passed = _passed(calendar, day)
    this_month = _month(calendar, day)
    try:
        next_month: list[date] | None = _month(calendar, _first_of_next_month(day))
    except CalendarUnknown:
        next_month = None
    days = [*passed, *(each for each in this_month if each >= day), *(next_month or ())]
    months = [_month_no(each) for each in days]
    sizes = Counter(months)
    today = len(passed)
    sizes[months[today]] = len(this_month)

    def due_in(last: int) -> int:
        """For the number of the day on which somebody was last listed."""
        month = months[last + 1]
        due = last + sizes[month]
        if month < months[today] or next_month is not None:
            due = min(due, bisect_right(months, month + 1) - 1)
        return due - today + 1

    return ListDay(
        day=day,
        passed=tuple(passed),
        due_in=tuple(due_in(last) for last in range(-1, today)),
        month_days=len(this_month),
        next_month_days=len(next_month) if next_month is not None else None,
    )


def _passed(calendar: WorkingDays, day: date) -> list[date]:
    passed = []
    for back in range(1, LOOK_BACK_DAYS + 1):
        each = day - timedelta(days=back)
        try:
            if calendar.is_working_day(each):
                passed.append(each)
        except CalendarUnknown:
            break
    return passed[::-1]


def _month(calendar: WorkingDays, day: date) -> list[date]:
    days = (day.replace(day=number) for number in range(1, monthrange(day.year, day.month)[1] + 1))
    return [each for each in days if calendar.is_working_day(each)]


def _first_of_next_month(day: date) -> date:
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)


def _month_no(day: date) -> int:
    return 12 * day.year + day.month
