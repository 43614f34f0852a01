"""Daily lists: reading them, tomorrow's, how they are made, and who stands in."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response

from app.dependencies import DbSession, HotlineNow, OriginNotAllowed, requires
from app.domain.scopes import Scope
from app.errors import NotSignedIn, Unavailable
from app.schemas.common import Day
from app.schemas.list_reading import (
    AbsenceCreate,
    AbsenceRead,
    Absences,
    AllListRules,
    CallListDetail,
    CallLists,
    ListPreview,
    Wishes,
)
from app.schemas.problem import problems
from app.services import contact_masking
from app.services.access import ScopeMissing, Signed
from app.services.calendars import CalendarNotKnown, read_calendars
from app.services.call_lists import setting_up
from app.services.call_lists.making import NoSuchManager
from app.services.call_lists.previewing import ListIsMade, TooEarly, preview, rearrange
from app.services.call_lists.reading import read_list, read_lists
from app.services.call_lists.setting_up import NoSuchAbsence
from app.services.call_lists.worklist import NoSuchList, NotYourList

router = APIRouter(prefix="/call-lists", tags=["call lists"])

Reader = Annotated[Signed, requires(Scope.LISTS_READ, Scope.CUSTOMERS_READ)]
Writer = Annotated[Signed, requires(Scope.LISTS_WRITE, Scope.CUSTOMERS_READ)]
Supervisor = Annotated[Signed, requires(Scope.LISTS_SUPERVISE)]
Manager = Annotated[
    UUID | None, Query(description="Of whose book; else one's own, or everybody's where that is asked.")
]

_READING = (NotSignedIn, ScopeMissing, Unavailable)
_CHANGING = (*_READING, OriginNotAllowed)
_PREVIEWING = (*_READING, NotYourList, NoSuchManager, TooEarly, CalendarNotKnown)


@router.get("", operation_id="list_call_lists", responses=problems(*_READING, NotYourList))
async def list_call_lists(
    session: DbSession,
    hotline: HotlineNow,
    user: Reader,
    day: Annotated[Day | None, Query(description="Else today.")] = None,
    manager: Manager = None,
) -> CallLists:
    """The lists of a day: one's own and those one stands in for; everybody's for those who supervise."""
    today = datetime.now(UTC).astimezone(hotline.zone).date()
    return await read_lists(session, day or today, manager, user)


@router.get("/preview", operation_id="preview_call_list", responses=problems(*_PREVIEWING))
async def preview_call_list(
    session: DbSession, hotline: HotlineNow, user: Reader, manager: Manager = None
) -> ListPreview:
    """The next working day's list as it would be made now. From 16:00 on, by the organisation's clock."""
    calendars = await read_calendars(session, hotline)
    return await preview(session, manager or user.agent_id, datetime.now(UTC), calendars, user)


@router.put(
    "/preview",
    operation_id="rearrange_call_list",
    responses=problems(*_PREVIEWING, OriginNotAllowed, ListIsMade),
)
async def rearrange_call_list(
    given: Wishes, session: DbSession, hotline: HotlineNow, user: Writer, manager: Manager = None
) -> ListPreview:
    """Rearrange the next working day's list; gives it as it then would be. 422 `not_in_the_book`, `wishes_collide`."""
    calendars = await read_calendars(session, hotline)
    now = datetime.now(UTC)
    await rearrange(session, manager or user.agent_id, given.wishes, now, calendars, user)
    return await preview(session, manager or user.agent_id, now, calendars, user)


@router.get("/rules", operation_id="get_list_rules", responses=problems(*_READING))
async def get_list_rules(session: DbSession, _user: Annotated[Signed, requires(Scope.LISTS_READ)]) -> AllListRules:
    """Weights, quotas and sources by which lists are made, for everybody and for teams of their own."""
    return await setting_up.read_all_rules(session)


@router.put("/rules", operation_id="put_list_rules", responses=problems(*_CHANGING))
async def put_list_rules(given: AllListRules, session: DbSession, _user: Supervisor) -> AllListRules:
    """Put these rules in the place of all that there were. 422 `teams_collide`, `unknown_people`."""
    return await setting_up.write_all_rules(session, given)


@router.get("/absences", operation_id="list_absences", responses=problems(*_READING))
async def list_absences(session: DbSession, hotline: HotlineNow, _user: Supervisor) -> Absences:
    """Who does not work their lists, now or later, and who stands in."""
    return await setting_up.list_absences(session, datetime.now(UTC).astimezone(hotline.zone).date())


@router.post("/absences", operation_id="add_absence", status_code=201, responses=problems(*_CHANGING))
async def add_absence(given: AbsenceCreate, session: DbSession, user: Supervisor) -> AbsenceRead:
    """Somebody is sick, on leave, or has left. It counts for lists made afterwards. 422 `unknown_people`."""
    return await setting_up.add_absence(session, given, user.agent_id)


@router.delete(
    "/absences/{absence_id}",
    operation_id="remove_absence",
    status_code=204,
    response_class=Response,
    responses=problems(*_CHANGING, NoSuchAbsence),
)
async def remove_absence(
    absence_id: Annotated[UUID, Path(description="The absence's id.")], session: DbSession, _user: Supervisor
) -> None:
    """They are here after all."""
    await setting_up.remove_absence(session, absence_id)


@router.get("/{list_id}", operation_id="get_call_list", responses=problems(*_READING, NotYourList, NoSuchList))
async def get_call_list(
    list_id: Annotated[UUID, Path(description="The list's id.")], session: DbSession, hotline: HotlineNow, user: Reader
) -> CallListDetail:
    """A list: everybody on it in its order, each with the reasons, and who was left out and why."""
    found = await read_list(session, list_id, hotline, user)
    entries = [contact_masking.entry_for(user, entry) for entry in found.entries]
    return found.model_copy(update={"entries": entries})
