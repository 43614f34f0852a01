"""Working a daily list: the next one, what came of it, the day's plan, and the list on paper."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query
from fastapi.responses import HTMLResponse

from app.dependencies import DbSession, HotlineNow, OriginNotAllowed, RuntimeOf, requires
from app.domain.scopes import Scope
from app.errors import NotSignedIn, Unavailable
from app.models.rights import Looked
from app.schemas.common import LanguageTag
from app.schemas.list_work import DayPlan, EntryFinish, EntrySkip, TakenEntry, WorkEntry
from app.schemas.problem import problems
from app.services import contact_masking
from app.services.access import ScopeMissing, Signed
from app.services.call_lists import working
from app.services.call_lists.printing import POLICY, as_page
from app.services.call_lists.taken import read_entry, read_taken
from app.services.call_lists.working import EntryClosed, EntryTaken, NoSuchEntry, NothingLeft, NothingToPutBack
from app.services.call_lists.worklist import NoSuchList, NotYourList, find_list, read_plan
from app.services.card_views import note_views
from app.services.customer_phones import NoSuchPhone
from app.services.customers import CustomerErased

router = APIRouter(tags=["call lists"])

Reader = Annotated[Signed, requires(Scope.LISTS_READ)]
Worker = Annotated[Signed, requires(Scope.LISTS_WRITE, Scope.CUSTOMERS_READ)]
Finisher = Annotated[Signed, requires(Scope.LISTS_WRITE, Scope.CUSTOMERS_WRITE)]
ListId = Annotated[UUID, Path(description="The list's id.")]
EntryId = Annotated[UUID, Path(description="The entry's id.")]

_ASKING = (NotSignedIn, ScopeMissing, NotYourList, Unavailable)
_TAKING = (*_ASKING, OriginNotAllowed, NoSuchEntry, EntryTaken, EntryClosed)


@router.post(
    "/call-lists/{list_id}/next",
    operation_id="take_next_entry",
    responses=problems(*_ASKING, OriginNotAllowed, NoSuchList, NothingLeft),
)
async def take_next_entry(
    list_id: ListId, session: DbSession, hotline: HotlineNow, runtime: RuntimeOf, user: Worker
) -> TakenEntry:
    """Take the next customer on a list: theirs is the card, the numbers, the reasons and the hour to call.

    It is yours for twenty minutes; of several tabs or people who ask at once, each gets another one.
    """
    now = datetime.now(UTC)
    made = await find_list(session, list_id, user, to_work=True)
    entry_id = await working.take_next(session, made, user, now)
    return await read_taken(session, entry_id, hotline, user, now, runtime.settings.customer_years)


@router.post("/call-list-entries/{entry_id}/take", operation_id="take_entry", responses=problems(*_TAKING))
async def take_entry(
    entry_id: EntryId, session: DbSession, hotline: HotlineNow, runtime: RuntimeOf, user: Worker
) -> TakenEntry:
    """Take this one, or hold on to it for another twenty minutes."""
    now = datetime.now(UTC)
    await working.take(session, entry_id, user, now)
    return await read_taken(session, entry_id, hotline, user, now, runtime.settings.customer_years)


@router.post(
    "/call-list-entries/{entry_id}/put-back",
    operation_id="put_entry_back",
    responses=problems(*_TAKING, NothingToPutBack),
)
async def put_entry_back(entry_id: EntryId, session: DbSession, hotline: HotlineNow, user: Worker) -> WorkEntry:
    """Let go of an entry that you took: it is open again."""
    await working.put_back(session, entry_id, user, datetime.now(UTC))
    return await read_entry(session, entry_id, hotline, user)


@router.put(
    "/call-list-entries/{entry_id}/outcome",
    operation_id="finish_entry",
    responses=problems(*_TAKING, NoSuchPhone, CustomerErased),
)
async def finish_entry(
    entry_id: EntryId, given: EntryFinish, session: DbSession, hotline: HotlineNow, user: Finisher
) -> WorkEntry:
    """Say what came of calling, with whatever the call changed: stage, intention, next call, a note.

    422 `bad_next_call`: the next call is not to come, or too far ahead.
    """
    await working.finish(session, entry_id, given, user, hotline, datetime.now(UTC))
    return await read_entry(session, entry_id, hotline, user)


@router.put("/call-list-entries/{entry_id}/skip", operation_id="skip_entry", responses=problems(*_TAKING))
async def skip_entry(
    entry_id: EntryId, given: EntrySkip, session: DbSession, hotline: HotlineNow, user: Worker
) -> WorkEntry:
    """Not call somebody today; the reason stays with the list."""
    await working.skip(session, entry_id, given.reason, user, datetime.now(UTC))
    return await read_entry(session, entry_id, hotline, user)


@router.get("/call-lists/{list_id}/plan", operation_id="get_day_plan", responses=problems(*_ASKING, NoSuchList))
async def get_day_plan(list_id: ListId, session: DbSession, hotline: HotlineNow, user: Reader) -> DayPlan:
    """The list as the day's plan: four quadrants of important and urgent, and who belongs into the golden hours."""
    made = await find_list(session, list_id, user, to_work=False)
    return contact_masking.plan_for(user, await read_plan(session, made, hotline))


@router.get(
    "/call-lists/{list_id}/print",
    operation_id="print_call_list",
    response_class=HTMLResponse,
    responses={
        200: {
            "description": "A page to be printed on A4, without scripts.",
            "content": {"text/html": {"schema": {"type": "string"}}},
        },
        **problems(*_ASKING, NoSuchList),
    },
)
async def print_call_list(
    list_id: ListId,
    session: DbSession,
    hotline: HotlineNow,
    user: Reader,
    language: Annotated[LanguageTag | None, Query(description="zh-CN or en; one's own without it.")] = None,
) -> HTMLResponse:
    """The list for those who want paper: by the parts of the day, with boxes to tick. Each look is written down."""
    made = await find_list(session, list_id, user, to_work=False)
    plan = contact_masking.plan_for(user, await read_plan(session, made, hotline))
    listed = [entry.customer.id for each in plan.quadrants for entry in each.entries]
    await note_views(session, listed, Looked.EXPORT, user)
    page = as_page(plan, language or user.language, hotline.zone)
    return HTMLResponse(page, headers={"Content-Security-Policy": POLICY, "Cache-Control": "no-store"})
