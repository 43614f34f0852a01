"""When a promised call is made: on the next working day, inside the window of the place, spread over it."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from uuid import UUID

from app.domain.calling_windows import CallingWindows, NeverOpen, Place
from app.domain.working_calendar import CalendarUnknown, WorkingCalendar

STEP: Final = timedelta(minutes=15)
"""Calls are promised for the quarters of an hour."""

_DAYS_TRIED: Final = 10
_DAY: Final = timedelta(days=1)


def next_day_slots(now: datetime, calendar: WorkingCalendar, windows: CallingWindows, place: Place) -> list[datetime]:
    """The moments (UTC), a quarter of an hour apart, for which a call can be promised at `now`; never empty.

    They lie on the first working day after today on which the place can be called at all: within the working hours
    that fall into its window, or, where none do because it is night there while we work, anywhere in its window.

    Raises:
        CalendarUnknown: nobody has said which days of that year are worked.
        NeverOpen: the place cannot be called on any of the next ten working days.
    """
    day = now.astimezone(calendar.zone).date()
    for _ in range(_DAYS_TRIED):
        day = calendar.next_working_day(day)
        legal = [slot for slot in _quarters(day, calendar) if windows.is_open(slot, place.region, place.zone)]
        if legal:
            return [slot for slot in legal if calendar.next_moment(slot) == slot] or legal
    raise NeverOpen(f"no calling window on the {_DAYS_TRIED} working days before {day} for {place}")


def _quarters(day: date, calendar: WorkingCalendar) -> list[datetime]:
    begin, end = (datetime.combine(each, time(0), tzinfo=calendar.zone).astimezone(UTC) for each in (day, day + _DAY))
    return [begin + STEP * number for number in range((end - begin) // STEP)]


def choose_slot(slots: list[datetime], load: Mapping[datetime, int], key: UUID) -> datetime:
    """One of `slots` for which least has been promised; of several alike, which one follows from `key`.

    So who promises one after the other fills the day evenly, and who do so at the same moment, without seeing each
    other, do not all take its first quarter of an hour.

    Args:
        slots: at least one.
        load: how many calls are promised for each; what is missing has none.
        key: the callback's id.
    """
    least = min(load.get(slot, 0) for slot in slots)
    free = [slot for slot in slots if load.get(slot, 0) == least]
    return free[int.from_bytes(hashlib.sha256(key.bytes).digest()[:8]) % len(free)]


def soonest(now: datetime, calendar: WorkingCalendar, windows: CallingWindows, place: Place) -> datetime:
    """The first moment (UTC) from `now` on in working time and in the window of the place.

    Where the two never meet, or nobody has said which days are worked, the window alone decides: whoever has rung us
    waits for an answer.

    Raises:
        NeverOpen: the place cannot be called within the next two weeks.
    """
    first = windows.next_open(now, place.region, place.zone)
    at = first
    try:
        for _ in range(2 * _DAYS_TRIED):
            worked = calendar.next_moment(at)
            at = windows.next_open(worked, place.region, place.zone)
            if at == worked:
                return at
    except CalendarUnknown:
        return first
    return first
