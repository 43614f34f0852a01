"""When a phone may be rung, held against a naive reading of the clock on the wall, minute by minute."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.business_time import Opening
from app.domain.calling_windows import RINGING, CallingWindows, NeverOpen, Place, place_of
from app.domain.phone_numbers import parse_number, zones_of_region

SHANGHAI = ZoneInfo("Asia/Shanghai")
MINUTE = timedelta(minutes=1)
NINE_TO_NINE = tuple(Opening(weekday, time(9), time(21)) for weekday in range(7))
ZONES = [
    "Asia/Shanghai",
    "America/New_York",
    "America/Los_Angeles",
    "Europe/Berlin",
    "Australia/Lord_Howe",  # half an hour of summer time
    "America/Havana",  # clocks change at midnight
    "Pacific/Kiritimati",
]


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


def says_the_wall(windows: tuple[Opening, ...], zone: str, at: datetime) -> bool:
    """Whether the clock on the wall is inside a window, told from weekday and time of day alone."""
    wall = at.astimezone(ZoneInfo(zone))
    return any(
        window.weekday == wall.weekday()
        and minutes(window.opens) <= minutes(wall) < (minutes(window.closes) or 24 * 60)
        for window in windows
    )


def minutes(clock: time | datetime) -> int:
    return clock.hour * 60 + clock.minute


TIMES = st.builds(time, st.integers(0, 23), st.sampled_from([0, 1, 30, 59]))
WINDOWS = st.lists(
    st.builds(lambda day, a, b: Opening(day, min(a, b), max(a, b)), st.integers(0, 6), TIMES, TIMES)
    | st.builds(Opening, st.integers(0, 6), TIMES, st.just(time(0))),
    max_size=6,
).map(lambda windows: tuple(window for window in windows if window.opens != window.closes or window.opens == time(0)))
# Around the changes of the clocks of 2026 in the zones above, and a leap day.
MOMENTS = st.builds(
    lambda day, minute: day + minute * MINUTE,
    st.sampled_from([utc(2026, 3, 8), utc(2026, 3, 29), utc(2026, 4, 4), utc(2026, 10, 25), utc(2026, 11, 1)])
    | st.just(utc(2028, 2, 28)),
    st.integers(-2 * 24 * 60, 2 * 24 * 60),
)


@settings(max_examples=120, deadline=None)
@given(WINDOWS, st.lists(st.sampled_from(ZONES), min_size=1, max_size=3, unique=True), MOMENTS)
def test_fault_21_the_next_open_moment_is_the_first_that_every_wall_allows(
    windows: tuple[Opening, ...], zones: list[str], at: datetime
) -> None:
    calling = CallingWindows(SHANGHAI, windows)
    place = " ".join(zones)

    def allowed(moment: datetime) -> bool:
        return all(says_the_wall(windows, zone, moment) for zone in zones)

    assert calling.is_open(at, None, place) == allowed(at)
    try:
        found = calling.next_open(at, None, place)
    except NeverOpen:
        assert not any(allowed(at + hour * timedelta(hours=1)) for hour in range(14 * 24))
        return
    assert found >= at
    assert allowed(found)
    before = min(int((found - at) / MINUTE), 3 * 24 * 60)
    assert not any(allowed(at + minute * MINUTE) for minute in range(before))


@pytest.mark.parametrize(
    ("clock", "opens"),
    [
        ("20:58:59", "20:58:59"),
        ("20:59:00", "20:59:00"),
        ("20:59:01", "next"),  # it would still ring after nine
        ("20:59:59", "next"),
        ("21:00:00", "next"),
        ("08:59:59", "09:00:00"),
    ],
)
def test_fault_21_a_minute_before_the_window_closes_nobody_is_rung_any_more(clock: str, opens: str) -> None:
    at = datetime.combine(datetime(2026, 11, 26, tzinfo=SHANGHAI), time.fromisoformat(clock), tzinfo=SHANGHAI)
    calling = CallingWindows(SHANGHAI, NINE_TO_NINE)

    found = calling.next_open(at, "CN", "Asia/Shanghai").astimezone(SHANGHAI)

    tomorrow = datetime(2026, 11, 27, 9, tzinfo=SHANGHAI)
    assert found == (
        tomorrow if opens == "next" else at.replace(hour=int(opens[:2]), minute=int(opens[3:5]), second=int(opens[6:]))
    )
    assert calling.is_open(at, "CN", "Asia/Shanghai") == (found == at)


def test_fault_21_a_phone_that_nobody_can_place_is_rung_when_it_is_day_at_all_of_them() -> None:
    calling = CallingWindows(SHANGHAI, NINE_TO_NINE)
    anywhere_there = place_of(parse_number("+18005550199", "CN"))

    found = calling.next_open(utc(2026, 11, 26, 3), anywhere_there.region, anywhere_there.zone)

    assert anywhere_there.zone is not None
    assert {"America/New_York", "Pacific/Honolulu"} <= set(anywhere_there.zone.split())
    hours = {found.astimezone(ZoneInfo(zone)).hour for zone in anywhere_there.zone.split()}
    assert min(hours) >= 9
    assert max(hours) < 21


def test_fault_21_without_any_hint_the_organisations_window_is_narrowed() -> None:
    calling = CallingWindows(SHANGHAI, NINE_TO_NINE)

    morning = calling.next_open(datetime(2026, 11, 26, 8, tzinfo=SHANGHAI), None, None)
    evening = calling.next_open(datetime(2026, 11, 26, 19, tzinfo=SHANGHAI), None, "No/Where")

    assert morning == datetime(2026, 11, 26, 11, tzinfo=SHANGHAI)
    assert evening == datetime(2026, 11, 27, 11, tzinfo=SHANGHAI)


def test_a_window_until_midnight_closes_with_the_day() -> None:
    calling = CallingWindows(SHANGHAI, (Opening(0, time(22), time(0)),))
    monday = datetime(2026, 11, 23, tzinfo=SHANGHAI)

    assert calling.is_open(monday + timedelta(hours=23, minutes=59), "CN", "Asia/Shanghai")
    assert not calling.is_open(monday + timedelta(hours=24), "CN", "Asia/Shanghai")
    assert calling.next_open(monday + timedelta(hours=24), "CN", "Asia/Shanghai") == monday + timedelta(
        days=7, hours=22
    )


def test_a_country_has_its_own_windows() -> None:
    calling = CallingWindows(
        SHANGHAI, NINE_TO_NINE, {"FR": tuple(Opening(day, time(10), time(13)) for day in range(5))}
    )
    saturday = datetime(2026, 11, 28, 11, tzinfo=ZoneInfo("Europe/Paris"))

    assert not calling.is_open(saturday, "FR", "Europe/Paris")
    assert calling.next_open(saturday, "FR", "Europe/Paris") == saturday + timedelta(days=2) - timedelta(hours=1)
    assert calling.is_open(saturday, "DE", "Europe/Paris")


def test_never_is_said_and_not_guessed() -> None:
    with pytest.raises(NeverOpen, match="15 days"):
        CallingWindows(SHANGHAI).next_open(utc(2026, 11, 26), "CN", "Asia/Shanghai")
    with pytest.raises(ValueError, match="zone"):
        CallingWindows(SHANGHAI).is_open(datetime(2026, 11, 26), "CN", "Asia/Shanghai")  # noqa: DTZ001


@pytest.mark.parametrize(
    ("number", "known", "place"),
    [
        ("+8613800138000", {}, Place("CN", "Asia/Shanghai")),
        ("+8613800138000", {"zone": "Europe/Berlin"}, Place("CN", "Europe/Berlin")),
        ("+12125550123", {}, Place("US", "America/New_York")),
        (None, {"region": "DE"}, Place("DE", "Europe/Berlin")),
        (None, {}, Place(None, None)),
    ],
)
def test_where_somebody_is_rung(number: str | None, known: dict[str, str], place: Place) -> None:
    assert place_of(parse_number(number, "CN") if number else None, **known) == place


def test_the_zones_of_a_country() -> None:
    assert zones_of_region("CN") == ("Asia/Shanghai",)
    assert len(zones_of_region("US")) > 5
    assert zones_of_region("ZZ") == ()
    assert RINGING == MINUTE
