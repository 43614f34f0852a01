"""When a phone may be rung: weekly windows by the wall clock of the place where it rings."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from app.domain.business_time import Opening
from app.domain.phone_numbers import PhoneNumber, zones_of_region

RINGING: Final = timedelta(minutes=1)
"""A phone that is rung rings for so long at most, and all of that has to lie inside the window."""

NARROWED_BY: Final = timedelta(hours=2)
"""So much is cut from both ends of a window where nobody knows on whose wall the clock hangs."""

LOOK_AHEAD_DAYS: Final = 15
"""How far ahead an open window is looked for: a week, and one in which the clocks change."""

_DAY: Final = timedelta(days=1)
_TICK: Final = timedelta(microseconds=1)


class NeverOpen(Exception):
    """No moment of the next `LOOK_AHEAD_DAYS` days is inside the window at every place where the phone may be."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a phone rings, as far as that is known.

    Attributes:
        region: ISO 3166-1 alpha-2, or None.
        zone: an IANA zone; several, with spaces between, when it may be in any of them; None when nobody knows.
    """

    region: str | None
    zone: str | None


def place_of(number: PhoneNumber | None, *, zone: str | None = None, region: str | None = None) -> Place:
    """Where somebody is rung: by what their record says, else by their number, else by their country.

    Args:
        number: the one that is dialled.
        zone, region: as the customer's record has them.
    """
    region = region or (number.region if number else None)
    if zone is not None:
        return Place(region, zone)
    zones = (number.time_zones if number else ()) or (zones_of_region(region) if region else ())
    return Place(region, " ".join(sorted(set(zones))) or None)


@dataclass(frozen=True)
class CallingWindows:
    """The windows of every country in which calls may be placed.

    A window lies within one day; `closes` at 00:00 is the day's end. What counts is what the clock on the wall says:
    an hour that comes twice is inside the window twice or not at all, and one that the clocks leap over never comes.

    Attributes:
        zone: the organisation's, for phones of which nobody knows where they are.
        default: the windows of countries without their own. None of them means never.
        by_region: the windows of countries that have their own.
    """

    zone: ZoneInfo
    default: tuple[Opening, ...] = ()
    by_region: Mapping[str, tuple[Opening, ...]] = field(default_factory=dict)

    def is_open(self, at: datetime, region: str | None, zone: str | None) -> bool:
        """Whether a phone may be rung at `at`: it rings for up to a minute, at every place where it may be.

        Args:
            at: the moment, with any zone.
            region, zone: as `Place` has them.

        Raises:
            ValueError: `at` has no zone.
        """
        return _is_inside(_utc(at), *self._at_place(region, zone))

    def next_open(self, at: datetime, region: str | None, zone: str | None) -> datetime:
        """The first moment (UTC) from `at` on at which the phone may be rung; `at` itself if that is one.

        Raises:
            NeverOpen: there is none within 15 days.
            ValueError: `at` has no zone.
        """
        begin = _utc(at)
        zones, windows = self._at_place(region, zone)
        if _is_inside(begin, zones, windows):
            return begin
        # The open time of all places together begins where that of one of them does.
        midday = begin.replace(hour=12, minute=0, second=0, microsecond=0)
        days = [midday + timedelta(days=ahead) for ahead in range(-1, LOOK_AHEAD_DAYS + 1)]
        moments = {moment for day in days for each in zones for moment in _beginnings(day, each, windows)}
        for moment in sorted(moments):
            if moment > begin and _is_inside(moment, zones, windows):
                return moment
        raise NeverOpen(f"no calling window within {LOOK_AHEAD_DAYS} days for {region} {zone}")

    def _at_place(self, region: str | None, zone: str | None) -> tuple[tuple[ZoneInfo, ...], tuple[Opening, ...]]:
        windows = self.by_region.get(region or "", self.default)
        zones = tuple(_zones(zone))
        if zones:
            return zones, windows
        return (self.zone,), tuple(narrow for window in windows for narrow in _narrowed(window))


def _utc(at: datetime) -> datetime:
    if at.utcoffset() is None:
        raise ValueError("a moment needs a time zone")
    return at.astimezone(UTC)


def _zones(names: str | None) -> Iterator[ZoneInfo]:
    for name in (names or "").split():
        try:
            yield ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError):
            # A name out of a newer copy of the numbering plan than of the zones: as if it were not known.
            continue


def _is_inside(at: datetime, zones: tuple[ZoneInfo, ...], windows: tuple[Opening, ...]) -> bool:
    return all(
        any(_holds(window, moment.astimezone(zone)) for window in windows)
        for zone in zones
        for moment in (at, at + RINGING - _TICK)
    )


def _holds(window: Opening, wall: datetime) -> bool:
    clock = wall.time()
    return window.weekday == wall.weekday() and window.opens <= clock and (clock < window.closes or _is_day_end(window))


def _is_day_end(window: Opening) -> bool:
    return window.closes == time(0)


def _narrowed(window: Opening) -> Iterator[Opening]:
    midnight = datetime(2000, 1, 1)  # noqa: DTZ001 - only the clock of it counts
    opens = datetime.combine(midnight, window.opens) + NARROWED_BY
    closes = datetime.combine(midnight + _DAY if _is_day_end(window) else midnight, window.closes) - NARROWED_BY
    if opens < closes:
        yield Opening(window.weekday, opens.time(), closes.time())


def _beginnings(midday: datetime, zone: ZoneInfo, windows: tuple[Opening, ...]) -> Iterator[datetime]:
    """The moments (UTC) of a local day at which a window may begin: its opening hours, and a change of the clocks."""
    day = midday.astimezone(zone).date()
    for window in windows:
        if window.weekday == day.weekday():
            wall = datetime.combine(day, window.opens, tzinfo=zone)
            yield from (wall.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    midnight = datetime.combine(day, time(0), tzinfo=zone)
    before, after = midnight.astimezone(UTC), (midnight + _DAY).astimezone(UTC)
    offset = before.astimezone(zone).utcoffset()
    if offset != after.astimezone(zone).utcoffset():
        while after - before > timedelta(seconds=1):
            middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
            if middle.astimezone(zone).utcoffset() == offset:
                before = middle
            else:
                after = middle
        yield after
