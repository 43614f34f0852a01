"""Working days and working time, held against the State Council's notice and against each other."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.business_time import Closure, Opening
from app.domain.working_calendar import (
    CalendarUnknown,
    NeverWorking,
    WorkingCalendar,
    is_known_place,
    public_holidays,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")
WORKDAYS = tuple(Opening(weekday, time(9), time(18)) for weekday in range(5))
CHINA = WorkingCalendar(SHANGHAI, WORKDAYS, country="CN")
HOUR = timedelta(hours=1)


def shanghai(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=SHANGHAI)  # type: ignore[misc, arg-type]


def test_fault_22_spring_festival_and_its_make_up_saturdays() -> None:
    # 国务院办公厅关于2026年部分节假日安排的通知: off from 15 to 23 February, worked on Saturdays 14 and 28 February.
    february = CHINA.working_days(date(2026, 2, 9), date(2026, 3, 2))

    assert february == [
        *(date(2026, 2, day) for day in (9, 10, 11, 12, 13, 14, 24, 25, 26, 27, 28)),
        date(2026, 3, 2),
    ]
    assert CHINA.next_working_day(date(2026, 2, 13)) == date(2026, 2, 14)
    assert CHINA.next_working_day(date(2026, 2, 14)) == date(2026, 2, 24)


def test_fault_22_a_make_up_saturday_has_fridays_hours() -> None:
    short_fridays = WorkingCalendar(SHANGHAI, (*WORKDAYS[:4], Opening(4, time(9), time(12))), country="CN")

    assert short_fridays.add_working_time(shanghai(2026, 2, 13, 11), 2 * HOUR) == shanghai(2026, 2, 14, 10)
    assert short_fridays.add_working_time(shanghai(2026, 2, 13, 11), 5 * HOUR) == shanghai(2026, 2, 24, 10)


def test_fault_22_a_named_day_stands_above_the_public_holidays() -> None:
    calendar = WorkingCalendar(
        SHANGHAI,
        WORKDAYS,
        days=(
            Closure(date(2026, 2, 14), "补假", "Day off"),
            Closure(date(2026, 2, 20), "值班", "On duty", time(10), time(12)),
        ),
        country="CN",
    )

    assert calendar.next_working_day(date(2026, 2, 13)) == date(2026, 2, 20)
    assert calendar.working_time_between(shanghai(2026, 2, 20), shanghai(2026, 2, 24)) == 2 * HOUR


@pytest.mark.parametrize(
    "ask",
    [
        lambda calendar: calendar.is_working_day(date(2027, 1, 4)),
        lambda calendar: calendar.next_working_day(date(2026, 12, 31)),
        lambda calendar: calendar.working_days(date(2026, 12, 1), date(2027, 1, 1)),
        lambda calendar: calendar.add_working_time(shanghai(2026, 12, 31, 17), 2 * HOUR),
        lambda calendar: calendar.working_time_between(shanghai(2026, 12, 31), shanghai(2027, 1, 2)),
    ],
    ids=["is", "next", "list", "add", "between"],
)
def test_fault_22_a_year_without_data_is_refused_until_it_is_confirmed(ask: object) -> None:
    # A country whose make-up days the library will not learn while this test is in use.
    year = 2026
    while public_holidays("CN", None, year + 1).is_settled:
        year += 1
    assert callable(ask)
    shift = date(year, 1, 1) - date(2026, 1, 1)
    asked = _Shifted(WorkingCalendar(SHANGHAI, WORKDAYS, country="CN"), shift)

    with pytest.raises(CalendarUnknown) as refused:
        ask(asked)

    assert (refused.value.country, refused.value.year) == ("CN", year + 1)
    confirmed = WorkingCalendar(SHANGHAI, WORKDAYS, country="CN", confirmed=frozenset({year + 1}))
    ask(_Shifted(confirmed, shift))


class _Shifted:
    """A calendar that is asked of 2026 and 2027 and answers for the last settled year and the one after."""

    def __init__(self, calendar: WorkingCalendar, shift: timedelta) -> None:
        self._calendar, self._shift = calendar, shift

    def __getattr__(self, name: str) -> object:
        method = getattr(self._calendar, name)
        return lambda *args: method(*(arg if isinstance(arg, timedelta) else arg + self._shift for arg in args))


def test_fault_22_up_to_the_last_day_of_a_settled_year_all_is_known() -> None:
    assert CHINA.next_working_day(date(2026, 12, 30)) == date(2026, 12, 31)
    assert CHINA.add_working_time(shanghai(2026, 12, 31, 17), HOUR) == shanghai(2026, 12, 31, 18)


def test_fault_22_an_estimate_is_no_knowledge() -> None:
    assert not public_holidays("AE", None, 2035).is_settled
    assert public_holidays("US", "CA", 2035).is_settled
    assert not public_holidays("XX", None, 2026).is_settled
    assert is_known_place("US", "CA")
    assert not is_known_place("US", "XX")
    assert not is_known_place("XX")


def test_holidays_are_named_in_both_languages_whatever_the_machine_speaks() -> None:
    assert public_holidays("CN", None, 2026).days[date(2026, 1, 1)] == ("元旦", "New Year's Day")
    assert public_holidays("US", None, 2026).days[date(2026, 11, 26)] == ("Thanksgiving Day", "Thanksgiving Day")


def test_a_leap_day_and_the_end_of_a_day_are_worked_like_others() -> None:
    late = WorkingCalendar(SHANGHAI, tuple(Opening(day, time(20), time(0)) for day in range(7)))

    assert late.working_days(date(2028, 2, 28), date(2028, 3, 1))[1] == date(2028, 2, 29)
    assert late.add_working_time(shanghai(2028, 2, 28, 23), HOUR) == shanghai(2028, 2, 29, 0)
    assert late.add_working_time(shanghai(2028, 2, 28, 23), HOUR + timedelta(seconds=1)) == shanghai(
        2028, 2, 29, 20, 0, 1
    )


def test_who_never_works_is_told_so() -> None:
    closed = WorkingCalendar(
        SHANGHAI, days=tuple(Closure(date(2026, 1, 1) + timedelta(days=n), "歇", "Off") for n in range(500))
    )

    with pytest.raises(NeverWorking):
        closed.next_working_day(date(2026, 1, 1))
    with pytest.raises(NeverWorking):
        closed.add_working_time(shanghai(2026, 1, 1), HOUR)
    with pytest.raises(ValueError, match="forward"):
        CHINA.add_working_time(shanghai(2026, 1, 5), -HOUR)


# Properties -----------------------------------------------------------------------------------------------------------

ZONES = [SHANGHAI, *map(ZoneInfo, ("America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "America/Havana"))]
TIMES = st.builds(time, st.integers(0, 23), st.sampled_from([0, 30]))
OPENINGS = st.lists(st.builds(Opening, st.integers(0, 6), TIMES, TIMES), max_size=5).map(tuple)
DAYS = st.dates(date(2026, 2, 10), date(2026, 4, 10)) | st.dates(date(2026, 9, 15), date(2026, 11, 10))
NAMED = st.lists(
    st.builds(lambda day, hours: Closure(day, "日", "Day", *(hours or ())), DAYS, st.none() | st.tuples(TIMES, TIMES)),
    max_size=4,
).map(tuple)
CALENDARS = st.builds(WorkingCalendar, st.sampled_from(ZONES), OPENINGS, NAMED, st.sampled_from([None, "CN", "US"]))
MOMENTS = st.builds(
    lambda day, minute: datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(minutes=minute),
    DAYS,
    st.integers(0, 24 * 60),
)


@settings(max_examples=100, deadline=None)
@given(CALENDARS, MOMENTS, st.integers(0, 60 * 60))
def test_working_time_added_is_working_time_passed(calendar: WorkingCalendar, start: datetime, minutes: int) -> None:
    span = timedelta(minutes=minutes)
    try:
        end = calendar.add_working_time(start, span)
    except (CalendarUnknown, NeverWorking):
        return

    assert end >= start
    assert calendar.working_time_between(start, end) == span
    if span:
        # The last of it was working time.
        assert calendar.working_time_between(start, end - timedelta(seconds=1)) == span - timedelta(seconds=1)
        noon = start + (end - start) / 2
        halves = (calendar.working_time_between(start, noon), calendar.working_time_between(noon, end))
        assert sum(halves, timedelta(0)) == span


@settings(max_examples=100, deadline=None)
@given(CALENDARS, DAYS)
def test_the_next_working_day_is_the_first_that_is_one(calendar: WorkingCalendar, after: date) -> None:
    try:
        found = calendar.next_working_day(after)
    except (CalendarUnknown, NeverWorking):
        return

    assert found > after
    between = [after + timedelta(days=n) for n in range(1, (found - after).days)]
    assert not any(calendar.is_working_day(day) for day in between)
    assert calendar.working_days(after + timedelta(days=1), found) == [found]
