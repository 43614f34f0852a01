"""Promised calls: lists, one of them, making and changing them, what came of them, counts an hour."""

from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response

from app.dependencies import DbSession, HotlineNow, OriginNotAllowed, PageArgs, requires
from app.domain.scopes import Scope
from app.errors import BadRequest, NotSignedIn, Unavailable
from app.models.callbacks import CallbackReason
from app.routers.customers import BadIfMatch, IfMatch, read_versions
from app.schemas.callbacks import (
    CallbackCancel,
    CallbackCounts,
    CallbackCreate,
    CallbackRead,
    CallbackUpdate,
    CallbackWhole,
    OutcomePut,
    ShownState,
)
from app.schemas.common import FilledWord, Line, Moment
from app.schemas.listing import Listing
from app.schemas.problem import problems
from app.services.access import ScopeMissing, Signed
from app.services.calendars import CalendarNotKnown
from app.services.callbacks import changing, ending, listing, outcomes
from app.services.callbacks.by_hand import DoNotCall, NoNumber, promise_by_hand
from app.services.callbacks.changing import CallbackEnded, NoSuchCallback, NotYourCallback
from app.services.callbacks.ending import CallbackBusy
from app.services.callbacks.listing import CallbackFilter
from app.services.callbacks.of_calls import leave_queue
from app.services.callbacks.times import DueInThePast, DueTooFar, NoLegalTime, OutsideWindow
from app.services.contact_masking import callback_for, whole_callback_for
from app.services.customers import CustomerErased, NoSuchCustomer, VersionConflict, find_customer
from app.services.paging import BadCursor

router = APIRouter(prefix="/callbacks", tags=["callbacks"])
Reader = Annotated[Signed, requires(Scope.CALLBACKS_READ)]
Writer = Annotated[Signed, requires(Scope.CALLBACKS_WRITE)]
Planner = Annotated[Signed, requires(Scope.CALLBACKS_SUPERVISE)]
Ref = Annotated[str, Path(max_length=64, description="The callback's id or code.", examples=["T20261122-0007"])]

_READING = (NotSignedIn, ScopeMissing, Unavailable)
_CHANGING = (*_READING, OriginNotAllowed, NoSuchCallback, NotYourCallback, CallbackEnded, CallbackBusy)
_TIMES = (DueInThePast, DueTooFar, OutsideWindow, NoLegalTime)

MOST_DAYS = 31


class BadRange(BadRequest):
    """The range of times runs backwards, or is longer than is counted at once."""

    code = "bad_range"


@router.get("", operation_id="list_callbacks", responses=problems(*_READING, BadCursor, NoSuchCustomer))
async def list_callbacks(
    session: DbSession,
    page: PageArgs,
    user: Reader,
    mine: Annotated[bool, Query(description="Only those whose promise is mine.")] = False,
    for_me: Annotated[bool, Query(description="Only those I may make now: mine, and what is open to all.")] = False,
    due: Annotated[bool, Query(description="Only those whose time has come.")] = False,
    overdue: Annotated[bool, Query(description="Only those that are due and open to everybody by now.")] = False,
    state: ShownState | None = None,
    reason: CallbackReason | None = None,
    owner_id: Annotated[UUID | None, Query(description="Only those of this agent.")] = None,
    customer: Annotated[FilledWord | None, Query(description="Only those to this customer (id or code).")] = None,
    product: Annotated[
        Line, Query(max_length=100, description="Text in what they are about, or in what the customer bought.")
    ] = "",
    older_than: Annotated[
        int | None, Query(ge=0, le=24 * 366, description="Only those promised more than so many hours ago.")
    ] = None,
) -> Listing[CallbackRead]:
    """Promised calls, the one that is due first in front."""
    now = datetime.now(UTC)
    wanted = CallbackFilter(
        owner_id=user.agent_id if mine else owner_id,
        for_agent_id=user.agent_id if for_me else None,
        customer_id=(await find_customer(session, customer)).id if customer else None,
        state=state,
        reason=reason,
        is_due=due,
        is_overdue=overdue,
        product=product,
        promised_before=None if older_than is None else now - timedelta(hours=older_than),
    )
    found = await listing.list_callbacks(session, wanted, page, now)
    return Listing(items=[callback_for(user, each) for each in found.items], next=found.next)


@router.get("/counts", operation_id="count_callbacks", responses=problems(*_READING, BadRange))
async def count_callbacks(
    session: DbSession,
    hotline: HotlineNow,
    _user: Planner,
    since: Annotated[Moment | None, Query(description="Else the beginning of today.")] = None,
    until: Annotated[Moment | None, Query(description="Not included; else a day later. 31 days at most.")] = None,
) -> CallbackCounts:
    """What is due, hour by hour, and what became of it: whom to put on callbacks when."""
    now = datetime.now(UTC)
    first = since or now.astimezone(hotline.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    last = until or first + timedelta(days=1)
    if not timedelta(0) <= last - first <= timedelta(days=MOST_DAYS):
        raise BadRange(f"Ask for {MOST_DAYS} days at most, the earlier moment first.")
    return CallbackCounts(items=await listing.count_by_hour(session, first, last, hotline, now))


@router.get("/{ref}", operation_id="get_callback", responses=problems(*_READING, NoSuchCallback))
async def get_callback(ref: Ref, session: DbSession, user: Reader, response: Response) -> CallbackWhole:
    """One promised call, by id or code, with all that happened to it."""
    callback = await changing.find_callback(session, ref)
    return await _answer(session, callback.id, user, response)


@router.post(
    "",
    operation_id="create_callback",
    status_code=201,
    responses=problems(
        *_READING,
        OriginNotAllowed,
        NoSuchCustomer,
        CustomerErased,
        DoNotCall,
        NoNumber,
        CalendarNotKnown,
        *_TIMES,
    ),
)
async def create_callback(
    given: CallbackCreate, session: DbSession, hotline: HotlineNow, user: Writer, response: Response
) -> CallbackWhole:
    """Promise a call. 422 `number_not_allowed`, `unknown_owner`: of what is named."""
    made = await promise_by_hand(session, given, user, hotline, datetime.now(UTC))
    return await _answer(session, made.id, user, response)


@router.patch(
    "/{ref}",
    operation_id="change_callback",
    responses=problems(*_CHANGING, BadIfMatch, VersionConflict, *_TIMES),
)
async def change_callback(
    ref: Ref,
    given: CallbackUpdate,
    session: DbSession,
    hotline: HotlineNow,
    user: Writer,
    response: Response,
    if_match: IfMatch = None,
) -> CallbackWhole:
    """Another time, another owner, another subject. 422 `unknown_owner`: nobody active has that id."""
    versions = read_versions(if_match)
    changed = await changing.change(session, ref, given, user, hotline, datetime.now(UTC), versions)
    return await _answer(session, changed.id, user, response)


@router.post(
    "/{ref}/cancel", operation_id="cancel_callback", responses=problems(*_CHANGING, BadIfMatch, VersionConflict)
)
async def cancel_callback(
    ref: Ref, given: CallbackCancel, session: DbSession, user: Writer, response: Response, if_match: IfMatch = None
) -> CallbackWhole:
    """The call is not owed any more; say why."""
    now = datetime.now(UTC)
    callback = await changing.to_change(session, ref, user, now, read_versions(if_match))
    await ending.cancel(session, callback, now=now, why=given.why, by=user.agent_id)
    await leave_queue(session, callback, now)
    return await _answer(session, callback.id, user, response)


@router.put("/{ref}/outcome", operation_id="put_callback_outcome", responses=problems(*_CHANGING))
async def put_callback_outcome(
    ref: Ref, given: OutcomePut, session: DbSession, hotline: HotlineNow, user: Writer, response: Response
) -> CallbackWhole:
    """What came of the call. Whoever was not reached is tried again later."""
    done = await outcomes.put_outcome(session, ref, given, user, hotline, datetime.now(UTC))
    return await _answer(session, done.id, user, response)


async def _answer(session: DbSession, callback_id: UUID, user: Signed, response: Response) -> CallbackWhole:
    whole = await listing.read_callback(session, callback_id, datetime.now(UTC))
    response.headers["ETag"] = f'"{whole.version}"'
    return whole_callback_for(user, whole)
