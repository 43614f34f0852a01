"""Opening hours, held against a naive reading of the wall clock and against the days on which clocks change."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from app.domain.business_time import LOOK_AHEAD_DAYS, Closure, Opening, OpeningHours, OpenState

SHANGHAI = ZoneInfo("Asia/Shanghai")
NEW_YORK = ZoneInfo("America/New_York")
ZONES = [
    SHANGHAI,
    NEW_YORK,
    ZoneInfo("Europe/Berlin"),
    ZoneInfo("Australia/Lord_Howe"),  # half an hour of summer time
    ZoneInfo("America/Havana"),  # clocks change at midnight
    ZoneInfo("Asia/Beirut"),
    ZoneInfo("Asia/Kathmandu"),
]
TICK = timedelta(microseconds=1)

WORKDAYS = tuple(Opening(weekday, time(9), time(18)) for weekday in range(5))
NAMES = ("国庆节", "National Day")


def at(zone: ZoneInfo, *parts: int, fold: int = 0) -> datetime:
    year, month, day, *clock = parts
    return datetime.combine(date(year, month, day), time(*clock), tzinfo=zone).replace(fold=fold)


def utc(*parts: int) -> datetime:
    return at(ZoneInfo("UTC"), *parts).astimezone(UTC)


# Properties -----------------------------------------------------------------------------------------------------------

TIMES = st.builds(time, st.integers(0, 23), st.sampled_from([0, 1, 15, 30, 59])) | st.just(time(0))
OPENINGS = st.lists(st.builds(Opening, st.integers(0, 6), TIMES, TIMES), max_size=6).map(tuple)
# Days around the changes of the clocks of 2026 in the zones above.
DAYS = st.dates(date(2026, 3, 5), date(2026, 4, 8)) | st.dates(date(2026, 10, 1), date(2026, 11, 5))
CLOSURES = st.lists(
    st.builds(lambda day, hours: Closure(day, *NAMES, *(hours or ())), DAYS, st.none() | st.tuples(TIMES, TIMES)),
    max_size=5,
).map(tuple)
HOURS = st.builds(OpeningHours, st.sampled_from(ZONES), OPENINGS, CLOSURES)
WEEKLY_HOURS = st.builds(OpeningHours, st.sampled_from(ZONES), OPENINGS)
INSTANTS = st.builds(
    lambda day, minute: datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(minutes=minute),
    DAYS,
    st.integers(0, 24 * 60),
)


def is_on_the_wall(opening: Opening, wall: datetime) -> bool:
    """Whether a wall-clock time lies in a weekly window, told from weekday and time of day alone."""
    today, clock = wall.weekday(), wall.time()
    if opening.closes > opening.opens:
        return today == opening.weekday and opening.opens <= clock < opening.closes
    return (today == opening.weekday and clock >= opening.opens) or (
        today == (opening.weekday + 1) % 7 and clock < opening.closes
    )


@settings(max_examples=150, deadline=None)
@given(WEEKLY_HOURS, INSTANTS)
def test_fault_21_open_whenever_the_wall_clock_is_inside_the_hours(hours: OpeningHours, now: datetime) -> None:
    local = now.astimezone(hours.zone)
    inside = not hours.openings or any(
        is_on_the_wall(opening, local.replace(tzinfo=None)) for opening in hours.openings
    )
    is_open = hours.is_open(now)
    if inside:
        assert is_open
    elif is_open:  # only while an hour comes twice, between the first end of a window and the last
        day = timedelta(hours=12)
        assert (local - day).utcoffset() != (local + day).utcoffset()


@settings(max_examples=150, deadline=None)
@given(HOURS, INSTANTS)
def test_state_and_question_agree(hours: OpeningHours, now: datetime) -> None:
    state = hours.state_at(now)
    assert state.is_open == hours.is_open(now)
    assert state == hours.state_at(now.astimezone(hours.zone))
    if state.is_open:
        assert state.opens_at is None
        assert state.closure is None
    else:
        assert state.closes_at is None


@settings(max_examples=150, deadline=None)
@given(HOURS, INSTANTS)
def test_the_next_opening_is_open_and_just_before_it_is_closed(hours: OpeningHours, now: datetime) -> None:
    opens_at = hours.state_at(now).opens_at
    assume(opens_at is not None)
    assert opens_at is not None
    opens = opens_at.astimezone(UTC)
    assert opens > now
    assert opens_at.tzinfo is hours.zone
    assert hours.is_open(opens)
    assert not hours.is_open(opens - TICK)


@settings(max_examples=150, deadline=None)
@given(HOURS, INSTANTS)
def test_the_closing_is_closed_and_just_before_it_is_open(hours: OpeningHours, now: datetime) -> None:
    closes_at = hours.state_at(now).closes_at
    assume(closes_at is not None)
    assert closes_at is not None
    closes = closes_at.astimezone(UTC)
    assert closes > now
    assert closes_at.tzinfo is hours.zone
    assert not hours.is_open(closes)
    assert hours.is_open(closes - TICK)


@settings(max_examples=100, deadline=None)
@given(HOURS, INSTANTS, st.floats(0, 1))
def test_nothing_changes_before_the_next_change(hours: OpeningHours, now: datetime, share: float) -> None:
    state = hours.state_at(now)
    change = state.closes_at if state.is_open else state.opens_at
    until = now + timedelta(days=30) if change is None else change.astimezone(UTC)
    between = hours.state_at(min(now + (until - now) * share, until - TICK))
    assert (between.is_open, between.opens_at, between.closes_at) == (state.is_open, state.opens_at, state.closes_at)


@settings(max_examples=100, deadline=None)
@given(HOURS, st.lists(INSTANTS, min_size=2, max_size=6))
def test_a_later_question_never_gets_an_earlier_opening(hours: OpeningHours, instants: list[datetime]) -> None:
    openings = [state.opens_at for state in map(hours.state_at, sorted(instants)) if state.opens_at]
    assert all(earlier.astimezone(UTC) <= later.astimezone(UTC) for earlier, later in pairwise(openings))


@settings(max_examples=100, deadline=None)
@given(WEEKLY_HOURS, DAYS, st.integers(0, 24 * 60 - 1))
@example(OpeningHours(ZoneInfo("America/Havana")), date(2026, 11, 1), 0)  # its midnight comes twice
def test_fault_22_a_closed_named_day_is_closed_all_day(hours: OpeningHours, day: date, minute: int) -> None:
    closure = Closure(day, *NAMES)
    wall = datetime.combine(day, time(minute // 60, minute % 60), tzinfo=hours.zone)
    now = wall.astimezone(UTC)
    assume(now.astimezone(hours.zone).date() == day)
    state = OpeningHours(hours.zone, hours.openings, (closure,)).state_at(now)
    assert not state.is_open
    assert state.closure is closure


# Cases ----------------------------------------------------------------------------------------------------------------


def test_without_a_plan_it_is_always_open() -> None:
    assert OpeningHours(SHANGHAI).state_at(utc(2026, 11, 21, 3)) == OpenState(is_open=True)


def test_around_the_clock_is_always_open() -> None:
    hours = OpeningHours(NEW_YORK, tuple(Opening(weekday, time(0), time(0)) for weekday in range(7)))
    assert hours.state_at(utc(2026, 11, 21, 3)) == OpenState(is_open=True)


def test_a_working_day() -> None:
    hours = OpeningHours(SHANGHAI, WORKDAYS)
    friday = at(SHANGHAI, 2026, 11, 20, 9)
    assert hours.state_at(friday - TICK) == OpenState(is_open=False, opens_at=friday)
    assert hours.state_at(friday) == OpenState(is_open=True, closes_at=at(SHANGHAI, 2026, 11, 20, 18))
    assert hours.state_at(at(SHANGHAI, 2026, 11, 20, 18)) == OpenState(
        is_open=False, opens_at=at(SHANGHAI, 2026, 11, 23, 9)
    )


def test_windows_that_touch_are_one() -> None:
    hours = OpeningHours(SHANGHAI, (Opening(0, time(13), time(18)), Opening(0, time(9), time(13))))
    assert hours.state_at(at(SHANGHAI, 2026, 11, 23, 10)).closes_at == at(SHANGHAI, 2026, 11, 23, 18)


def test_a_lunch_break_is_closed() -> None:
    hours = OpeningHours(SHANGHAI, (Opening(0, time(9), time(12)), Opening(0, time(13), time(18))))
    assert hours.state_at(at(SHANGHAI, 2026, 11, 23, 12, 30)).opens_at == at(SHANGHAI, 2026, 11, 23, 13)


def test_a_night_shift_runs_over_midnight() -> None:
    hours = OpeningHours(SHANGHAI, (Opening(6, time(22), time(6)),))
    assert hours.state_at(at(SHANGHAI, 2026, 11, 23, 5, 59)).closes_at == at(SHANGHAI, 2026, 11, 23, 6)
    assert not hours.is_open(at(SHANGHAI, 2026, 11, 23, 6))
    assert not hours.is_open(at(SHANGHAI, 2026, 11, 22, 5))


def test_a_named_day_is_closed_and_says_why() -> None:
    national_day = Closure(date(2026, 10, 1), *NAMES)
    state = OpeningHours(SHANGHAI, WORKDAYS, (national_day,)).state_at(at(SHANGHAI, 2026, 10, 1, 10))
    assert state == OpenState(is_open=False, closure=national_day, opens_at=at(SHANGHAI, 2026, 10, 2, 9))


def test_fault_22_a_make_up_saturday_is_open_in_its_own_hours() -> None:
    saturday = Closure(date(2026, 10, 10), "调休上班", "Make-up working day", time(9), time(17))
    hours = OpeningHours(SHANGHAI, WORKDAYS, (saturday,))
    assert hours.state_at(at(SHANGHAI, 2026, 10, 10, 10)).closes_at == at(SHANGHAI, 2026, 10, 10, 17)
    evening = hours.state_at(at(SHANGHAI, 2026, 10, 10, 17, 30))
    assert evening == OpenState(is_open=False, opens_at=at(SHANGHAI, 2026, 10, 12, 9))


def test_short_hours_are_the_reason_only_where_they_are() -> None:
    eve = Closure(date(2026, 12, 31), "新年前夜", "New Year's Eve", time(9), time(12))
    hours = OpeningHours(SHANGHAI, WORKDAYS, (eve,))
    assert hours.state_at(at(SHANGHAI, 2026, 12, 31, 14)).closure == eve
    assert hours.state_at(at(SHANGHAI, 2026, 12, 31, 8)).closure is None
    assert hours.state_at(at(SHANGHAI, 2026, 12, 31, 20)).closure is None


def test_a_named_day_ends_the_night_shift_before_it_and_has_none_of_its_own() -> None:
    nights = tuple(Opening(weekday, time(22), time(6)) for weekday in range(7))
    new_year = Closure(date(2027, 1, 1), "元旦", "New Year")
    hours = OpeningHours(SHANGHAI, nights, (new_year,))
    state = hours.state_at(at(SHANGHAI, 2026, 12, 31, 23))
    assert state.closes_at == at(SHANGHAI, 2027, 1, 1)
    assert hours.state_at(at(SHANGHAI, 2027, 1, 1)).opens_at == at(SHANGHAI, 2027, 1, 2, 22)


def test_a_named_day_closes_what_has_no_plan() -> None:
    hours = OpeningHours(SHANGHAI, closures=(Closure(date(2026, 10, 1), *NAMES),))
    assert hours.state_at(at(SHANGHAI, 2026, 9, 30, 12)).closes_at == at(SHANGHAI, 2026, 10, 1)
    assert hours.state_at(at(SHANGHAI, 2026, 10, 1, 12)).opens_at == at(SHANGHAI, 2026, 10, 2)
    assert hours.state_at(at(SHANGHAI, 2026, 10, 2)) == OpenState(is_open=True)


@pytest.mark.parametrize(("days", "known"), [(LOOK_AHEAD_DAYS - 1, True), (LOOK_AHEAD_DAYS + 5, False)])
def test_openings_are_looked_for_400_days_ahead(days: int, known: bool) -> None:
    first = date(2026, 1, 1)
    closures = tuple(Closure(first + timedelta(days=day), *NAMES) for day in range(days))
    hours = OpeningHours(SHANGHAI, tuple(Opening(weekday, time(9), time(18)) for weekday in range(7)), closures)
    opens_at = hours.state_at(at(SHANGHAI, 2026, 1, 1, 10)).opens_at
    assert opens_at == (at(SHANGHAI, 2026, 1, 1, 9) + timedelta(days=days) if known else None)


def test_fault_21_a_window_that_begins_in_the_leap_begins_at_the_leap() -> None:
    """New York, 8 March 2026: 02:00 becomes 03:00 at 07:00 UTC."""
    hours = OpeningHours(NEW_YORK, (Opening(6, time(2, 30), time(5)),))
    opens_at = hours.state_at(utc(2026, 3, 8, 6)).opens_at
    assert opens_at is not None
    assert opens_at.astimezone(UTC) == utc(2026, 3, 8, 7)
    assert (opens_at.hour, opens_at.minute) == (3, 0)


def test_fault_21_a_window_that_ends_in_the_leap_ends_at_the_leap() -> None:
    hours = OpeningHours(NEW_YORK, (Opening(5, time(22), time(2, 30)),))
    closes_at = hours.state_at(utc(2026, 3, 8, 6)).closes_at
    assert closes_at is not None
    assert closes_at.astimezone(UTC) == utc(2026, 3, 8, 7)


def test_fault_21_a_window_inside_the_leap_does_not_happen() -> None:
    hours = OpeningHours(NEW_YORK, (Opening(6, time(2), time(2, 45)),))
    opens_at = hours.state_at(utc(2026, 3, 8, 6)).opens_at
    assert opens_at is not None
    assert opens_at.astimezone(UTC) == utc(2026, 3, 15, 6)


def test_fault_21_an_hour_that_comes_twice_is_open_both_times() -> None:
    """New York, 1 November 2026: 02:00 becomes 01:00 at 06:00 UTC."""
    hours = OpeningHours(NEW_YORK, (Opening(6, time(1), time(1, 30)),))
    opens_at = hours.state_at(utc(2026, 11, 1, 4)).opens_at
    assert opens_at is not None
    assert opens_at.astimezone(UTC) == utc(2026, 11, 1, 5)
    closes_at = hours.state_at(utc(2026, 11, 1, 5)).closes_at
    assert closes_at is not None
    assert closes_at.astimezone(UTC) == utc(2026, 11, 1, 6, 30)
    assert closes_at.fold == 1


def test_fault_21_a_day_that_a_place_skipped_has_no_hours() -> None:
    """Samoa went from Thursday, 29 December 2011, straight to Saturday the 31st, at 10:00 UTC on the 30th."""
    apia = ZoneInfo("Pacific/Apia")
    hours = OpeningHours(apia, (Opening(4, time(9), time(17)), Opening(5, time(9), time(12))))
    opens_at = hours.state_at(utc(2011, 12, 30, 9, 59)).opens_at
    assert opens_at == at(apia, 2011, 12, 31, 9)


def test_fault_21_the_last_second_of_the_hours_is_open() -> None:
    hours = OpeningHours(SHANGHAI, (Opening(0, time(9), time(21)),))
    assert hours.is_open(at(SHANGHAI, 2026, 11, 23, 20, 59, 59))
    assert not hours.is_open(at(SHANGHAI, 2026, 11, 23, 21))


@pytest.mark.parametrize("hours", [OpeningHours(SHANGHAI), OpeningHours(SHANGHAI, WORKDAYS)])
def test_naive_instants_are_refused(hours: OpeningHours) -> None:
    naive = at(SHANGHAI, 2026, 11, 23, 10).replace(tzinfo=None)
    with pytest.raises(ValueError, match="zone"):
        hours.state_at(naive)
    with pytest.raises(ValueError, match="zone"):
        hours.is_open(naive)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Opening(7, time(9), time(18)),
        lambda: Opening(-1, time(9), time(18)),
        lambda: Opening(0, time(9, tzinfo=UTC), time(18)),
        lambda: Closure(date(2026, 10, 1), *NAMES, time(9)),
        lambda: Closure(date(2026, 10, 1), *NAMES, None, time(9)),
        lambda: Closure(date(2026, 10, 1), *NAMES, time(9), time(10, tzinfo=UTC)),
    ],
)
def test_rows_that_make_no_sense_are_refused(wrong: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"weekday|zone|only one"):
        wrong()


@pytest.mark.parametrize(
    ("names", "language", "name"),
    [
        (NAMES, "en", "National Day"),
        (NAMES, "en-GB", "National Day"),
        (NAMES, "zh-CN", "国庆节"),
        (NAMES, "zh", "国庆节"),
        (NAMES, "fr", "National Day"),
        (("国庆节", ""), "en", "国庆节"),
        (("", "National Day"), "zh-CN", "National Day"),
    ],
)
def test_the_name_of_a_day(names: tuple[str, str], language: str, name: str) -> None:
    assert Closure(date(2026, 10, 1), *names).name(language) == name
