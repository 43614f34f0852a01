"""When we work, when customers may be called, and which years somebody has to look at."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query

from app.dependencies import DbSession, HotlineNow, OriginNotAllowed, requires
from app.domain.scopes import Scope
from app.errors import NotSignedIn, Unavailable
from app.schemas.calendars import (
    AllCallingWindows,
    CalendarsRead,
    CallingWindowsPut,
    Country,
    MainCalendarPut,
    RegionCalendarPut,
    WorkingDays,
)
from app.schemas.common import Day
from app.schemas.problem import problems
from app.services import calendar_setup
from app.services.access import ScopeMissing, Signed
from app.services.calendar_setup import DEFAULT, NoSuchCalendar, TooManyDays, WindowsNeeded
from app.services.calendars import CalendarNotKnown

router = APIRouter(prefix="/calendar", tags=["calendar"])
Reader = Annotated[Signed, requires(Scope.CALLBACKS_READ)]
Writer = Annotated[Signed, requires(Scope.CALENDAR_WRITE)]
Region = Annotated[Country, Path(description="The country whose customers it is for.", examples=["US"])]
Year = Annotated[int, Path(ge=2000, le=2199, examples=[2027])]
OfRegion = Annotated[Country | None, Query(description="Of that country's own calendar; else of the main one.")]
WindowsOf = Annotated[
    str,
    Path(
        pattern="^([A-Z]{2}|default)$",
        description="A country, or `default` for all that have no windows of their own.",
        examples=["FR"],
    ),
]

_READING = (NotSignedIn, ScopeMissing, Unavailable)
_CHANGING = (*_READING, OriginNotAllowed)


@router.get("", operation_id="get_calendar", responses=problems(*_READING))
async def get_calendar(session: DbSession, hotline: HotlineNow, _user: Reader) -> CalendarsRead:
    """The main calendar and those of regions, with the years whose working days nobody has said yet."""
    return await _setup(session, hotline)


@router.put("", operation_id="put_calendar", responses=problems(*_CHANGING))
async def put_calendar(given: MainCalendarPut, session: DbSession, hotline: HotlineNow, _user: Writer) -> CalendarsRead:
    """Replace how the house works. Its named days are `/closures` without a queue. 422 `unknown_place`."""
    await calendar_setup.put_main(session, given)
    return await _setup(session, hotline)


@router.get(
    "/working-days", operation_id="list_working_days", responses=problems(*_READING, TooManyDays, CalendarNotKnown)
)
async def list_working_days(
    session: DbSession,
    hotline: HotlineNow,
    _user: Reader,
    first: Annotated[Day, Query(alias="from")],
    last: Annotated[Day, Query(alias="to", description="Included; 400 days at most.")],
    region: OfRegion = None,
) -> WorkingDays:
    """The days of a range: which are worked, and what they are called."""
    return WorkingDays(items=await calendar_setup.working_days(session, hotline, region, first, last))


@router.put("/years/{year}", operation_id="confirm_calendar_year", responses=problems(*_CHANGING, NoSuchCalendar))
async def confirm_calendar_year(
    year: Year, session: DbSession, hotline: HotlineNow, user: Writer, region: OfRegion = None
) -> CalendarsRead:
    """Say that a year's days off and make-up days are entered: from now on calls are promised in it."""
    await calendar_setup.confirm_year(session, region, year, user.agent_id, datetime.now(UTC))
    return await _setup(session, hotline)


@router.delete(
    "/years/{year}",
    operation_id="doubt_calendar_year",
    status_code=204,
    responses=problems(*_CHANGING, NoSuchCalendar),
)
async def doubt_calendar_year(year: Year, session: DbSession, _user: Writer, region: OfRegion = None) -> None:
    """Take the confirmation of a year back."""
    await calendar_setup.doubt_year(session, region, year)


@router.put("/regions/{region}", operation_id="put_region_calendar", responses=problems(*_CHANGING))
async def put_region_calendar(
    region: Region, given: RegionCalendarPut, session: DbSession, hotline: HotlineNow, _user: Writer
) -> CalendarsRead:
    """Have an office of its own serve a country's customers. 422 `unknown_place`."""
    await calendar_setup.put_region(session, region, given)
    return await _setup(session, hotline)


@router.delete(
    "/regions/{region}",
    operation_id="remove_region_calendar",
    status_code=204,
    responses=problems(*_CHANGING, NoSuchCalendar),
)
async def remove_region_calendar(region: Region, session: DbSession, _user: Writer) -> None:
    """Have the main calendar serve a country's customers again."""
    await calendar_setup.remove_region(session, region)


@router.get("/windows", operation_id="get_calling_windows", responses=problems(*_READING))
async def get_calling_windows(session: DbSession, _user: Reader) -> AllCallingWindows:
    """When customers may be called, by the clock at their place."""
    return AllCallingWindows(items=await calendar_setup.read_windows(session))


@router.put("/windows/{region}", operation_id="put_calling_windows", responses=problems(*_CHANGING, WindowsNeeded))
async def put_calling_windows(
    region: WindowsOf, given: CallingWindowsPut, session: DbSession, _user: Writer
) -> AllCallingWindows:
    """Replace when phones of a country may be rung. What is promised already is looked at again when it is dialled."""
    await calendar_setup.put_windows(session, None if region == DEFAULT else region, given)
    return AllCallingWindows(items=await calendar_setup.read_windows(session))


@router.delete(
    "/windows/{region}",
    operation_id="remove_calling_windows",
    status_code=204,
    responses=problems(*_CHANGING, NoSuchCalendar),
)
async def remove_calling_windows(region: Region, session: DbSession, _user: Writer) -> None:
    """Have the default windows hold for a country again."""
    await calendar_setup.remove_windows(session, region)


async def _setup(session: DbSession, hotline: HotlineNow) -> CalendarsRead:
    return await calendar_setup.read_setup(session, hotline, datetime.now(hotline.zone).date())
