"""Calls: reading them, taking one, wrapping it up, saying whose it is."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from app.dependencies import BriefUser, DbSession, HotlineNow, PageArgs, RuntimeOf, requires
from app.domain.call_states import CallState
from app.domain.scopes import Scope
from app.errors import NotFound, NotSignedIn
from app.routers.complaints import LOGGING
from app.schemas.calls import Accept, CallPlace, CallRead, CallSummary, LinkCustomer, Trace, WrapUp
from app.schemas.complaints import CallComplaintCreate, ComplaintRead
from app.schemas.customers import CustomerCreate
from app.schemas.listing import Listing
from app.schemas.problem import problems
from app.services import calling, calls, customers
from app.services.access import ScopeMissing, Signed
from app.services.callbacks.changing import CallbackEnded, NoSuchCallback, NotYourCallback
from app.services.callbacks.ending import CallbackBusy
from app.services.calling import (
    FORBIDDEN,
    AgentNotReady,
    CallWanted,
    CarrierPaused,
    CarrierSaidNo,
    NoCallerId,
    NoCarrier,
    NoSuchEntry,
    NotYourList,
)
from app.services.calls import (
    AlreadyAccepted,
    BadNextPresence,
    CallFilter,
    NoSuchCall,
    NotOffered,
    NotTaken,
    NotYours,
)
from app.services.complaints.listing import read_complaint
from app.services.complaints.opening import log_complaint
from app.services.contact_masking import call_for, whole_call_for
from app.services.customer_phones import TooManyPhones
from app.services.customers import CustomerErased, NoSuchCustomer
from app.services.paging import BadCursor

router = APIRouter(prefix="/calls", tags=["calls"])
Reader = Annotated[Signed, requires(Scope.CALLS_READ)]
Writer = Annotated[Signed, requires(Scope.CALLS_WRITE)]


async def _read(session: DbSession, call_id: UUID) -> CallRead:
    return CallRead.model_validate(await calls.get_call(session, call_id))


@router.get("", operation_id="list_calls", responses=problems(NotSignedIn, ScopeMissing, BadCursor))
async def list_calls(
    session: DbSession,
    user: Reader,
    page: PageArgs,
    state: CallState | None = None,
    queue_id: UUID | None = None,
    customer_id: UUID | None = None,
    agent_id: Annotated[UUID | None, Query(description="Who answered.")] = None,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
    promised: Annotated[bool, Query(description="Only callers who pressed 1 and were not called back yet.")] = False,
) -> Listing[CallSummary]:
    """Calls, the latest first."""
    wanted = CallFilter(state, queue_id, customer_id, agent_id, since, until, promised)
    items, more = await calls.list_calls(session, wanted, page)
    return Listing[CallSummary](items=[call_for(user, CallSummary.model_validate(item)) for item in items], next=more)


@router.post(
    "",
    operation_id="place_call",
    status_code=201,
    responses=problems(
        NotSignedIn,
        ScopeMissing,
        NotYourList,
        NotYourCallback,
        NoSuchCallback,
        CallbackEnded,
        CallbackBusy,
        NoSuchCustomer,
        NoSuchEntry,
        AgentNotReady,
        NoCarrier,
        NoCallerId,
        CarrierPaused,
        CarrierSaidNo,
        *FORBIDDEN.values(),
    ),
)
async def place_call(given: CallPlace, runtime: RuntimeOf, user: BriefUser) -> CallRead:
    """Call a customer: my own phone rings first, with their card on my screen, and theirs when I have picked up."""
    user.require(Scope.CALLS_WRITE)
    if runtime.dialler is None:
        raise NoCarrier("No carrier is set up, so no call can be placed.")
    wanted = CallWanted(given.customer, given.number, given.callback, given.list_entry)
    call_id = await calling.place_call(runtime.dialler, wanted, user)
    async with runtime.database.session_scope() as session:
        return whole_call_for(user, await _read(session, call_id))


@router.get("/{call_id}", operation_id="get_call", responses=problems(NotSignedIn, ScopeMissing, NoSuchCall))
async def get_call(call_id: UUID, session: DbSession, user: Reader) -> CallRead:
    """One call with its legs and recordings."""
    return whole_call_for(user, await _read(session, call_id))


@router.get("/{call_id}/trace", operation_id="get_trace", responses=problems(NotSignedIn, ScopeMissing, NoSuchCall))
async def get_trace(call_id: UUID, session: DbSession, _user: Reader) -> Trace:
    """What a call went through: why did no pop appear?"""
    return Trace.model_validate(await calls.get_trace(session, call_id))


@router.post(
    "/{call_id}/accept",
    operation_id="accept_call",
    responses=problems(NotSignedIn, ScopeMissing, NoSuchCall, AlreadyAccepted, NotOffered),
)
async def accept_call(call_id: UUID, given: Accept, session: DbSession, user: Writer) -> CallRead:
    """Take the call that is offered to me. Of two tabs, or two agents, one wins; the other is told who."""
    await calls.accept(session, call_id, user.agent_id, given.tab, datetime.now(UTC))
    return await _read(session, call_id)


@router.post(
    "/{call_id}/decline",
    operation_id="decline_call",
    responses=problems(NotSignedIn, ScopeMissing, NoSuchCall, NotOffered),
)
async def decline_call(call_id: UUID, session: DbSession, hotline: HotlineNow, user: Writer) -> CallRead:
    """Turn down the call that is offered to me: it goes to the next agent."""
    await calls.decline(session, call_id, user.agent_id, hotline, datetime.now(UTC))
    return await _read(session, call_id)


@router.put(
    "/{call_id}/wrap-up",
    operation_id="put_wrap_up",
    responses=problems(NotSignedIn, ScopeMissing, NotYours, NoSuchCall, NotTaken, BadNextPresence),
)
async def put_wrap_up(call_id: UUID, given: WrapUp, session: DbSession, hotline: HotlineNow, user: Writer) -> CallRead:
    """Write up how a call ended: disposition, stage, how they heard of us, notes. Then I am available again."""
    await calls.wrap_up(
        session,
        call_id,
        user.agent_id,
        disposition=given.disposition,
        stage=given.stage,
        heard_of_us=given.heard_of_us,
        notes=given.notes,
        then=given.then,
        may_for_others=user.may(Scope.CALLS_SUPERVISE),
        hotline=hotline,
        now=datetime.now(UTC),
    )
    return await _read(session, call_id)


@router.put(
    "/{call_id}/customer",
    operation_id="link_customer",
    responses=problems(NotSignedIn, ScopeMissing, NoSuchCall, NotFound, TooManyPhones, CustomerErased),
)
async def link_customer(
    call_id: UUID, given: LinkCustomer, session: DbSession, hotline: HotlineNow, user: Writer
) -> CallRead:
    """Say whose call it is, and remember the number so that they are recognised next time."""
    await _link(session, call_id, given.customer, given.remember_number, hotline, user)
    return await _read(session, call_id)


@router.post(
    "/{call_id}/customer",
    operation_id="create_customer_from_call",
    status_code=201,
    responses=problems(NotSignedIn, ScopeMissing, NoSuchCall, TooManyPhones),
)
async def create_customer_from_call(
    call_id: UUID,
    given: CustomerCreate,
    session: DbSession,
    hotline: HotlineNow,
    user: Annotated[Signed, requires(Scope.CALLS_WRITE, Scope.CUSTOMERS_WRITE)],
) -> CallRead:
    """Make a new customer of an unknown caller; the number they call from is theirs."""
    made = await customers.create_customer(session, given, hotline, user)
    await _link(session, call_id, str(made.id), True, hotline, user)
    return await _read(session, call_id)


@router.post(
    "/{call_id}/complaint",
    operation_id="create_complaint_from_call",
    status_code=201,
    responses=problems(*LOGGING),
)
async def create_complaint_from_call(
    call_id: UUID,
    given: CallComplaintCreate,
    session: DbSession,
    hotline: HotlineNow,
    user: Annotated[Signed, requires(Scope.COMPLAINTS_WRITE)],
) -> ComplaintRead:
    """Log the complaint that I was told in this call: a category and what happened suffice. I own it from now on.

    Customer, queue, channel and product (their latest purchase) follow from the call, and the customer is promised a
    call on the next working day. 422 `unknown_category`, `unknown_purchase`.
    """
    complaint = await log_complaint(
        session,
        given,
        customer_ref=None,
        call_id=call_id,
        channel=None,
        by=user,
        hotline=hotline,
        now=datetime.now(UTC),
    )
    return await read_complaint(session, complaint)


async def _link(
    session: DbSession, call_id: UUID, customer: str, remember_number: bool, hotline: HotlineNow, user: Signed
) -> Any:
    await calls.link_customer(
        session, call_id, customer, user.agent_id, hotline, datetime.now(UTC), remember_number=remember_number
    )
