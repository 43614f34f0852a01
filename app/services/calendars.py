"""Working calendars and calling windows as they are set up."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.business_time import Closure, Opening
from app.domain.calling_windows import CallingWindows
from app.domain.working_calendar import CalendarUnknown, WorkingCalendar
from app.errors import Conflict
from app.services.hotline import Hotline


class CalendarNotKnown(Conflict):
    """Working days of a year are asked for whose public holidays nobody has said yet; `country` and `year` name it."""

    code = "calendar_unknown"
    title = "The working days of that year are not known"


def calendar_not_known(error: CalendarUnknown) -> CalendarNotKnown:
    """The domain's refusal in words that say what to do."""
    return CalendarNotKnown(
        f"Which days of {error.year} are public holidays in {error.country} is not known here yet. Enter its days off "
        f"and make-up working days, then confirm it: PUT /api/v1/calendar/years/{error.year}.",
        country=error.country,
        year=error.year,
    )


@dataclass(frozen=True, slots=True)
class Calendars:
    """When we work and when customers may be called.

    `open_to_all_after` is how many minutes of working time after a promised call was due anybody may make it.
    """

    main: WorkingCalendar
    windows: CallingWindows
    open_to_all_after: int
    by_region: Mapping[str, WorkingCalendar] = field(default_factory=dict)

    def of(self, region: str | None) -> WorkingCalendar:
        """The calendar by which customers of a region are served."""
        return self.by_region.get(region or "", self.main)


# What is set up, as one text: equal texts mean equal calendars, so nothing is worked out twice.
_SET_UP: Final = text("""
SELECT CAST(json_build_object(
    'calendars', (
        SELECT coalesce(json_agg(json_build_object(
            'region', c.region, 'zone', c.zone, 'country', c.country, 'subdivision', c.subdivision,
            'public_holidays', c.public_holidays, 'open_to_all_after', c.open_to_all_after,
            'openings', (
                SELECT json_agg(json_build_array(o.weekday, o.opens, o.closes) ORDER BY o.weekday, o.opens)
                FROM calendar_openings o WHERE o.calendar_id = c.id
            ),
            'days', (
                SELECT json_agg(json_build_array(d.day, d.name_zh, d.name_en, d.opens, d.closes) ORDER BY d.day)
                FROM (
                    SELECT day, name_zh, name_en, opens, closes FROM calendar_days WHERE calendar_id = c.id
                    UNION ALL
                    -- What closes all queues closes the house.
                    SELECT day, name_zh, name_en, opens, closes FROM closures
                    WHERE queue_id IS NULL AND c.region IS NULL
                ) AS d
            ),
            'confirmed', (SELECT json_agg(y.year ORDER BY y.year) FROM calendar_years y WHERE y.calendar_id = c.id)
        ) ORDER BY c.region NULLS FIRST), '[]') FROM calendars c
    ),
    'windows', (
        SELECT json_agg(json_build_array(w.region, w.weekday, w.opens, w.closes) ORDER BY w.region, w.weekday, w.opens)
        FROM calling_windows w
    )
) AS text)
""")


async def read_calendars(session: AsyncSession, hotline: Hotline) -> Calendars:
    """The calendars and windows as the database has them now; `hotline` gives what settings decide."""
    return _calendars(await session.scalar(_SET_UP), hotline.zone, hotline.region)


@lru_cache(maxsize=8)
def _calendars(set_up: str, zone: ZoneInfo, region: str) -> Calendars:
    """The calendars that a text of `_SET_UP` tells of; the one without a region is there, for nothing removes it."""
    told = json.loads(set_up)
    rows = {row["region"]: row for row in told["calendars"]}
    known = {each: _calendar(row, zone, region) for each, row in rows.items()}
    return Calendars(
        main=known.pop(None),
        windows=_windows(told["windows"] or (), zone),
        open_to_all_after=rows[None]["open_to_all_after"],
        by_region=known,
    )


def _calendar(row: Mapping[str, Any], zone: ZoneInfo, region: str) -> WorkingCalendar:
    return WorkingCalendar(
        zone=ZoneInfo(row["zone"]) if row["zone"] else zone,
        openings=tuple(_opening(*each) for each in row["openings"] or ()),
        days=tuple(
            Closure(date.fromisoformat(day), name_zh, name_en, *(_time(each) if each else None for each in hours))
            for day, name_zh, name_en, *hours in row["days"] or ()
        ),
        country=(row["country"] or row["region"] or region) if row["public_holidays"] else None,
        subdivision=row["subdivision"],
        confirmed=frozenset(row["confirmed"] or ()),
    )


def _windows(rows: Iterable[Sequence[Any]], zone: ZoneInfo) -> CallingWindows:
    by_region: dict[str | None, list[Opening]] = {}
    for region, *opening in rows:
        by_region.setdefault(region, []).append(_opening(*opening))
    default = tuple(by_region.pop(None, ()))
    return CallingWindows(zone, default, {region or "": tuple(windows) for region, windows in by_region.items()})


def _opening(weekday: int, opens: str, closes: str) -> Opening:
    return Opening(weekday, _time(opens), _time(closes))


def _time(told: str) -> time:
    return time.fromisoformat(told)
