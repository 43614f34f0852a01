"""Setting up calendars and calling windows, and telling how they stand."""

from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.working_calendar import WorkingCalendar, is_known_place
from app.errors import BadRequest, Conflict, Invalid, NotFound
from app.models.base import new_id
from app.models.calendars import Calendar, CalendarDay, CalendarOpening, CalendarYear, CallingWindow
from app.schemas.calendars import (
    MOST_DAYS,
    CalendarPut,
    CalendarRead,
    CalendarsRead,
    CallingWindowsPut,
    CallingWindowsRead,
    MainCalendarPut,
    NamedDay,
    RegionCalendarPut,
    WorkingDay,
    YearRead,
)
from app.schemas.calendars import CallingWindow as WindowRead
from app.schemas.queues import Window
from app.services.calendars import Calendars, read_calendars
from app.services.hotline import Hotline

DEFAULT: Final = "default"
"""Stands in addresses for all countries without windows of their own."""


class UnknownPlace(Invalid):
    """The holiday library knows no such country or part of one."""

    code = "unknown_place"


class NoSuchCalendar(NotFound):
    """That country has no calendar, or no windows, of its own."""

    code = "no_such_calendar"


class WindowsNeeded(Conflict):
    """Countries without windows of their own need some, or nobody could be called anywhere."""

    code = "windows_needed"


class TooManyDays(BadRequest):
    """The range runs backwards or is longer than is told at once."""

    code = "bad_range"


async def read_setup(session: AsyncSession, hotline: Hotline, today: date) -> CalendarsRead:
    """All calendars as they are set up."""
    calendars = await read_calendars(session, hotline)
    rows = (await session.scalars(select(Calendar).order_by(Calendar.region.nulls_first()))).all()
    main, *regions = [await _read(session, row, calendars, today) for row in rows]
    return CalendarsRead(main=main, regions=regions)


async def _read(session: AsyncSession, row: Calendar, calendars: Calendars, today: date) -> CalendarRead:
    calendar = calendars.of(row.region)
    confirmed = await session.scalars(select(CalendarYear).where(CalendarYear.calendar_id == row.id))
    by_year = {each.year: each for each in confirmed}
    coming = sorted((day for day in calendar.days if day.day >= today), key=lambda day: day.day)
    return CalendarRead(
        region=row.region,
        zone=str(calendar.zone),
        country=calendar.country,
        subdivision=calendar.subdivision,
        public_holidays=row.public_holidays,
        open_to_all_after=row.open_to_all_after if row.region is None else None,
        openings=[
            Window(weekday=each.weekday, opens=each.opens, closes=each.closes)
            for each in sorted(calendar.openings, key=lambda each: (each.weekday, each.opens))
        ],
        days=[NamedDay.model_validate(day) for day in coming[:MOST_DAYS]],
        years=[_year(year, calendar, by_year.get(year)) for year in sorted({today.year, today.year + 1, *by_year})],
    )


def _year(year: int, calendar: WorkingCalendar, confirmed: CalendarYear | None) -> YearRead:
    return YearRead(
        year=year,
        is_known=calendar.is_known(year),
        confirmed_at=confirmed.confirmed_at if confirmed else None,
        confirmed_by=confirmed.confirmed_by_id if confirmed else None,
    )


async def put_main(session: AsyncSession, given: MainCalendarPut) -> None:
    """Replace how the house works; its named days are closures and stay. Raises UnknownPlace."""
    row = await _locked(session, None)
    row.open_to_all_after = given.open_to_all_after
    await _put(session, row, given)


async def put_region(session: AsyncSession, region: str, given: RegionCalendarPut) -> None:
    """Replace, or begin, the calendar of a country's customers. Raises UnknownPlace."""
    await session.execute(insert(Calendar).values(id=new_id(), region=region).on_conflict_do_nothing())
    row = await _locked(session, region)
    await _put(session, row, given)
    await session.execute(delete(CalendarDay).where(CalendarDay.calendar_id == row.id))
    session.add_all(CalendarDay(calendar_id=row.id, **named.model_dump()) for named in given.days)
    await session.flush()


async def remove_region(session: AsyncSession, region: str) -> None:
    """Have the main calendar serve a country's customers again. Raises NoSuchCalendar."""
    await session.delete(await _locked(session, region))
    await session.flush()


async def _put(session: AsyncSession, row: Calendar, given: CalendarPut) -> None:
    country = given.country or row.region
    if given.public_holidays and country and not is_known_place(country, given.subdivision):
        raise UnknownPlace("Public holidays of that place are not known; name another, or turn public holidays off.")
    for name in ("zone", "country", "subdivision", "public_holidays"):
        setattr(row, name, getattr(given, name))
    await session.execute(delete(CalendarOpening).where(CalendarOpening.calendar_id == row.id))
    session.add_all(CalendarOpening(calendar_id=row.id, **window.model_dump()) for window in given.openings)
    await session.flush()


async def confirm_year(session: AsyncSession, region: str | None, year: int, by: UUID, now: datetime) -> None:
    """Say that the named days complete what is known of a year. Once more changes nothing. Raises NoSuchCalendar."""
    row = await _locked(session, region)
    confirmed = insert(CalendarYear).values(calendar_id=row.id, year=year, confirmed_at=now, confirmed_by_id=by)
    await session.execute(confirmed.on_conflict_do_nothing())


async def doubt_year(session: AsyncSession, region: str | None, year: int) -> None:
    """Take a confirmation back. Raises NoSuchCalendar."""
    row = await _locked(session, region)
    await session.execute(delete(CalendarYear).where(CalendarYear.calendar_id == row.id, CalendarYear.year == year))


async def _locked(session: AsyncSession, region: str | None) -> Calendar:
    row: Calendar | None = await session.scalar(
        select(Calendar).where(Calendar.region.is_not_distinct_from(region)).with_for_update()
    )
    if row is None:
        raise NoSuchCalendar("That country has no calendar of its own.")
    return row


async def working_days(
    session: AsyncSession, hotline: Hotline, region: str | None, first: date, last: date
) -> list[WorkingDay]:
    """The days of a range, and which of them are worked.

    Raises:
        TooManyDays: the range is none, or longer than 400 days.
        CalendarUnknown: nobody has said which days of that year are worked.
    """
    if not 0 <= (last - first).days < MOST_DAYS:
        raise TooManyDays(f"Ask for {MOST_DAYS} days at most, the earlier day first.")
    calendar = (await read_calendars(session, hotline)).of(region)
    told = []
    for ahead in range((last - first).days + 1):
        day = first + timedelta(days=ahead)
        is_working = calendar.is_working_day(day)
        name_zh, name_en = calendar.name_of(day)
        told.append(WorkingDay(day=day, is_working=is_working, name_zh=name_zh, name_en=name_en))
    return told


async def read_windows(session: AsyncSession) -> list[CallingWindowsRead]:
    """All calling windows, the default ones first."""
    rows = (
        await session.scalars(
            select(CallingWindow).order_by(
                CallingWindow.region.nulls_first(), CallingWindow.weekday, CallingWindow.opens
            )
        )
    ).all()
    by_region: dict[str | None, list[WindowRead]] = {}
    for row in rows:
        by_region.setdefault(row.region, []).append(WindowRead.model_validate(row))
    return [CallingWindowsRead(region=region, windows=windows) for region, windows in by_region.items()]


async def put_windows(session: AsyncSession, region: str | None, given: CallingWindowsPut) -> None:
    """Replace when phones of a country, or without `region` of all others, may be rung. Raises WindowsNeeded."""
    if not given.windows:
        raise WindowsNeeded("Give at least one window; else nobody could be called.")
    await session.execute(delete(CallingWindow).where(CallingWindow.region.is_not_distinct_from(region)))
    session.add_all(CallingWindow(region=region, **window.model_dump()) for window in given.windows)
    await session.flush()


async def remove_windows(session: AsyncSession, region: str) -> None:
    """Have the default windows hold for a country again. Raises NoSuchCalendar."""
    removed = await session.scalars(
        delete(CallingWindow).where(CallingWindow.region == region).returning(CallingWindow.id)
    )
    if not removed.all():
        raise NoSuchCalendar("That country has no windows of its own.")
