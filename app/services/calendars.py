"""Working calendars and calling windows as they are set up."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.business_time import Closure, Opening
from app.domain.calling_windows import CallingWindows
from app.domain.working_calendar import CalendarUnknown, WorkingCalendar
from app.errors import Conflict
from app.models import calendars as tables
from app.models import routing
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


async def read_calendars(session: AsyncSession, hotline: Hotline) -> Calendars:
    """The calendars and windows as the database has them now; `hotline` gives what settings decide."""
    main: WorkingCalendar | None = None
    open_to_all_after = 0
    by_region: dict[str, WorkingCalendar] = {}
    for row in await session.scalars(select(tables.Calendar)):
        calendar = await _calendar(session, row, hotline)
        if row.region is None:
            main, open_to_all_after = calendar, row.open_to_all_after
        else:
            by_region[row.region] = calendar
    assert main is not None, "the migration made it, and nothing removes it"
    return Calendars(main, await _windows(session, hotline.zone), open_to_all_after, by_region)


async def _calendar(session: AsyncSession, row: tables.Calendar, hotline: Hotline) -> WorkingCalendar:
    openings = await session.scalars(select(tables.CalendarOpening).where(tables.CalendarOpening.calendar_id == row.id))
    years = await session.scalars(select(tables.CalendarYear.year).where(tables.CalendarYear.calendar_id == row.id))
    days: Iterable[routing.Closure | tables.CalendarDay]
    if row.region is None:
        # What closes all queues closes the house.
        days = await session.scalars(select(routing.Closure).where(routing.Closure.queue_id.is_(None)))
    else:
        days = await session.scalars(select(tables.CalendarDay).where(tables.CalendarDay.calendar_id == row.id))
    return WorkingCalendar(
        zone=ZoneInfo(row.zone) if row.zone else hotline.zone,
        openings=tuple(Opening(opening.weekday, opening.opens, opening.closes) for opening in openings),
        days=tuple(Closure(day.day, day.name_zh, day.name_en, day.opens, day.closes) for day in days),
        country=(row.country or row.region or hotline.region) if row.public_holidays else None,
        subdivision=row.subdivision,
        confirmed=frozenset(years),
    )


async def _windows(session: AsyncSession, zone: ZoneInfo) -> CallingWindows:
    by_region: dict[str | None, list[Opening]] = {}
    for row in await session.scalars(select(tables.CallingWindow)):
        by_region.setdefault(row.region, []).append(Opening(row.weekday, row.opens, row.closes))
    default = tuple(by_region.pop(None, ()))
    return CallingWindows(zone, default, {region or "": tuple(windows) for region, windows in by_region.items()})
