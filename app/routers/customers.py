"""Customers: searching, reading, creating and changing them, and all that hangs on them."""

import re
from datetime import UTC, date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Path, Query, Response

from app.dependencies import DbSession, HotlineNow, OriginNotAllowed, PageArgs, RuntimeOf, requires
from app.domain.scopes import Scope
from app.errors import BadRequest, NotSignedIn, Unavailable
from app.models.rights import Looked
from app.schemas.common import Line
from app.schemas.contracts import ContractCreate, ContractRead
from app.schemas.customers import (
    CustomerCard,
    CustomerCreate,
    CustomerRead,
    CustomerSummary,
    CustomerUpdate,
    PhoneCreate,
    PhoneRead,
    TimelineEntry,
)
from app.schemas.interactions import InteractionCreate, InteractionRead
from app.schemas.listing import Listing
from app.schemas.merges import MergeCreate, MergeRead
from app.schemas.problem import problems
from app.schemas.purchases import PurchaseCreate, PurchaseRead
from app.schemas.records import ChangeRead, CustomerNoteCreate, CustomerNoteRead, UsageRead
from app.schemas.screen_pop import PopOwner
from app.schemas.similarity import SimilarCustomer, SimilarQuery
from app.services import (
    contact_masking,
    customer_phones,
    customers,
    interactions,
    merging,
    purchases,
    record_history,
    usage,
)
from app.services.access import ScopeMissing, Signed
from app.services.card_views import note_view
from app.services.customer_card import read_card
from app.services.customer_phones import NoSuchPhone, TooManyPhones
from app.services.customer_search import search_customers
from app.services.customers import (
    CustomerErased,
    CustomerMoved,
    NoSuchCustomer,
    VersionConflict,
    find_customer,
    require_named,
)
from app.services.hotline import Hotline
from app.services.merge_moves import CustomerBusy
from app.services.merging import AlreadyMerged, SameCustomer
from app.services.paging import BadCursor
from app.services.similar import similar_customers

router = APIRouter(prefix="/customers", tags=["customers"])

Reader = Annotated[Signed, requires(Scope.CUSTOMERS_READ)]
Writer = Annotated[Signed, requires(Scope.CUSTOMERS_WRITE)]
Ref = Annotated[str, Path(description="The customer's id or code.", examples=["C0001001"])]

_SEARCHING = (NotSignedIn, ScopeMissing, Unavailable)
READING = (*_SEARCHING, NoSuchCustomer)
_ADDING = (*_SEARCHING, OriginNotAllowed)
CHANGING = (*READING, OriginNotAllowed, CustomerErased)
_ENTITY_TAG = re.compile(r'(?:W/)?"?([0-9]{1,18})"?')


class BadIfMatch(BadRequest):
    """If-Match names no version."""

    code = "bad_if_match"


def read_versions(if_match: str | None) -> list[int] | None:
    """The versions that an If-Match header allows (RFC 9110, 13.1.1); None when any will do.

    Raises:
        BadIfMatch: it holds something else than `*` or versions.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    versions = [_ENTITY_TAG.fullmatch(tag.strip()) for tag in if_match.split(",")]
    if not all(versions):
        raise BadIfMatch('If-Match takes a version, such as "3", or *.')
    return [int(version[1]) for version in versions if version]


IfMatch = Annotated[
    str | None,
    Header(description="Change it only while it has this `version`.", examples=['"3"'], max_length=200),
]


@router.get("", operation_id="search_customers", responses=problems(*_SEARCHING, BadCursor))
async def search(
    session: DbSession,
    hotline: HotlineNow,
    page: PageArgs,
    user: Reader,
    q: Annotated[
        Line,
        Query(
            max_length=100,
            description="As it is typed: a code; part of a name in characters (simplified or traditional), pinyin or "
            "initials, or surname and title; three digits or more of a number; part of an e-mail address; the "
            "beginning of a product's serial number (four characters at least). Several words must all fit. Without "
            "it: everybody.",
            examples=["鲁先生", "lujianguo", "ljg", "138 0013"],
        ),
    ] = "",
) -> Listing[CustomerSummary]:
    """Find customers, the best first, and the newest first among equals.

    First those whose code, number, address or serial number it is; then those with something that begins with it; then
    those with all of its words.
    """
    return contact_masking.summaries_for(user, await search_customers(session, q, page, hotline))


@router.post(
    "",
    operation_id="create_customer",
    status_code=201,
    responses={
        201: {"headers": {"Location": {"description": "Where the customer is.", "schema": {"type": "string"}}}},
        **problems(*_ADDING),
    },
)
async def create_customer(
    given: CustomerCreate, session: DbSession, hotline: HotlineNow, user: Writer, response: Response
) -> CustomerRead:
    """Add a customer.

    Numbers are taken in any spelling. 422 `bad_number`: one is none that can be rung; `own_number`: it is the hotline's
    own; `unknown_owner`: nobody active has that id. Naming an owner takes the right to change people.
    """
    customer = await customers.create_customer(session, given, hotline, user)
    response.headers["Location"] = f"/api/v1/customers/{customer.id}"
    response.headers["ETag"] = f'"{customer.version}"'
    return contact_masking.customer_for(user, customer)


@router.post("/similar", operation_id="find_similar_customers", responses=problems(*_SEARCHING, OriginNotAllowed))
async def find_similar_customers(
    given: SimilarQuery, session: DbSession, hotline: HotlineNow, user: Reader
) -> Listing[SimilarCustomer]:
    """Is this caller already here? Customers who may be the same person, the likeliest first, at most ten.

    Ask as the form is filled in, before a customer is created. Nothing is written.
    """
    return contact_masking.similar_for(user, await similar_customers(session, given, hotline))


@router.get("/{ref}", operation_id="get_customer", responses=problems(*READING, CustomerMoved))
async def get_customer(
    ref: Ref, session: DbSession, hotline: HotlineNow, user: Reader, response: Response
) -> CustomerRead:
    """One customer's own record, by id or code, with whose word each field is.

    308: they were merged into another one, who is at `Location`. Everything below this address follows by itself.
    """
    found = await find_customer(session, ref)
    require_named(found, ref)
    await note_view(session, found.id, Looked.RECORD, user)
    customer = await customers.read_customer(session, found, hotline, user)
    response.headers["ETag"] = f'"{customer.version}"'
    return contact_masking.customer_for(user, customer)


@router.patch(
    "/{ref}", operation_id="change_customer", responses=problems(BadIfMatch, *CHANGING, VersionConflict, CustomerMoved)
)
async def change_customer(
    ref: Ref,
    given: CustomerUpdate,
    session: DbSession,
    hotline: HotlineNow,
    user: Writer,
    response: Response,
    if_match: IfMatch = None,
) -> CustomerRead:
    """Change what is given, and nothing else. Changing the owner takes the right to change people."""
    versions = read_versions(if_match)
    customer = await customers.change_customer(session, ref, given, hotline, user, versions)
    response.headers["ETag"] = f'"{customer.version}"'
    return contact_masking.customer_for(user, customer)


@router.post(
    "/{ref}/merge",
    operation_id="merge_customers",
    status_code=201,
    responses=problems(*CHANGING, SameCustomer, AlreadyMerged, CustomerBusy),
)
async def merge_customers(ref: Ref, given: MergeCreate, session: DbSession, user: Writer) -> MergeRead:
    """Make one customer of two.

    The one with the older code takes in the other, whichever is named first; the other's code and id lead there for
    ever. `POST /merges/{id}/undo` takes it back.
    """
    both = [await find_customer(session, each) for each in (ref, given.other)]
    for customer, named in zip(both, (ref, given.other), strict=True):
        merging.require_unmerged(customer, named)
    made = await merging.merge(session, both[0].id, both[1].id, by=user.agent_id, reason=given.reason)
    return await merging.read_merge(session, made)


@router.get("/{ref}/merges", operation_id="list_customer_merges", responses=problems(*READING))
async def list_customer_merges(ref: Ref, session: DbSession, _user: Reader) -> Listing[MergeRead]:
    """Whom a customer took in and who took them in, the latest first, also what was taken back."""
    found = await merging.merges_of(session, (await find_customer(session, ref)).id)
    return Listing(items=[await merging.read_merge(session, made) for made in found], next=None)


@router.get("/{ref}/card", operation_id="get_customer_card", responses=problems(*READING))
async def get_customer_card(
    ref: Ref, session: DbSession, hotline: HotlineNow, runtime: RuntimeOf, user: Reader
) -> CustomerCard:
    """All that is known of a customer, on one page, with the sentence to open with."""
    customer = await find_customer(session, ref)
    await note_view(session, customer.id, Looked.CARD, user)
    years = runtime.settings.customer_years
    return contact_masking.card_for(user, await read_card(session, customer, hotline, datetime.now(UTC), user, years))


@router.get("/{ref}/timeline", operation_id="get_customer_timeline", responses=problems(*READING, BadCursor))
async def get_customer_timeline(ref: Ref, session: DbSession, page: PageArgs, user: Reader) -> Listing[TimelineEntry]:
    """Calls, other contacts and notes in one list, the latest first."""
    customer = await find_customer(session, ref)
    await note_view(session, customer.id, Looked.TIMELINE, user)
    return contact_masking.timeline_for(user, await interactions.read_timeline(session, customer.id, page))


@router.get("/{ref}/history", operation_id="get_customer_history", responses=problems(*READING, BadCursor))
async def get_customer_history(ref: Ref, session: DbSession, page: PageArgs, user: Reader) -> Listing[ChangeRead]:
    """What changed of a customer's record, the latest first, and by whom or by which system's word."""
    customer = await find_customer(session, ref)
    await note_view(session, customer.id, Looked.HISTORY, user)
    may_see = user.may(Scope.CUSTOMERS_IDENTITY)
    found = await record_history.read_history(session, customer.id, page, may_see_identity=may_see)
    return contact_masking.history_for(user, found)


@router.get("/{ref}/notes", operation_id="list_customer_notes", responses=problems(*READING, BadCursor))
async def list_customer_notes(ref: Ref, session: DbSession, page: PageArgs, user: Reader) -> Listing[CustomerNoteRead]:
    """What people noted of a customer, the latest first."""
    return contact_masking.notes_for(
        user, await record_history.list_notes(session, (await find_customer(session, ref)).id, page)
    )


@router.post("/{ref}/notes", operation_id="add_customer_note", status_code=201, responses=problems(*CHANGING))
async def add_customer_note(ref: Ref, given: CustomerNoteCreate, session: DbSession, user: Writer) -> CustomerNoteRead:
    """Note something of a customer in one's own name. It shows in the timeline and stays as it was written."""
    me = PopOwner(id=user.agent_id, name=user.name)
    return await record_history.add_note(session, await find_customer(session, ref), given, me)


@router.get("/{ref}/usage", operation_id="list_customer_usage", responses=problems(*READING, BadCursor))
async def list_customer_usage(ref: Ref, session: DbSession, page: PageArgs, _user: Reader) -> Listing[UsageRead]:
    """What sources measured of a customer's use, the latest first."""
    return await usage.list_usage(session, (await find_customer(session, ref)).id, page)


@router.get("/{ref}/phones", operation_id="list_customer_phones", responses=problems(*READING))
async def list_customer_phones(ref: Ref, session: DbSession, hotline: HotlineNow, user: Reader) -> Listing[PhoneRead]:
    """A customer's numbers, all at once: the primary one first, then as they were added."""
    phones = await customer_phones.phones_of(session, (await find_customer(session, ref)).id)
    return Listing(
        items=[contact_masking.phone_for(user, customer_phones.phone_read(phone, hotline)) for phone in phones],
        next=None,
    )


@router.post(
    "/{ref}/phones",
    operation_id="add_customer_phone",
    status_code=201,
    responses={
        200: {"model": PhoneRead, "description": "They had it already; it stays as it was."},
        **problems(*CHANGING, TooManyPhones),
    },
)
async def add_customer_phone(
    ref: Ref, given: PhoneCreate, session: DbSession, hotline: HotlineNow, user: Writer, response: Response
) -> PhoneRead:
    """Give a customer one more number, in any spelling. 422 `bad_number`, `own_number`: they cannot have it."""
    customer = await find_customer(session, ref, lock=True)
    added = await customer_phones.add_phone(session, customer, given, hotline, user.agent_id)
    if not added.is_new:
        response.status_code = 200
    return added.phone


@router.delete(
    "/{ref}/phones/{phone_id}",
    operation_id="remove_customer_phone",
    status_code=204,
    responses=problems(*CHANGING, NoSuchPhone),
)
async def remove_customer_phone(ref: Ref, phone_id: UUID, session: DbSession, user: Writer) -> None:
    """Take a number from a customer. Was it the primary one, the next oldest becomes it."""
    customer = await find_customer(session, ref, lock=True)
    await customer_phones.remove_phone(session, customer, phone_id, user.agent_id)


@router.put(
    "/{ref}/phones/{phone_id}/primary",
    operation_id="set_primary_phone",
    responses=problems(*CHANGING, NoSuchPhone),
)
async def set_primary_phone(
    ref: Ref, phone_id: UUID, session: DbSession, hotline: HotlineNow, user: Writer
) -> Listing[PhoneRead]:
    """Ring the customer on this number first."""
    customer = await find_customer(session, ref, lock=True)
    phones = await customer_phones.make_primary(session, customer, phone_id, hotline, user.agent_id)
    return Listing(items=phones, next=None)


@router.get("/{ref}/purchases", operation_id="list_purchases", responses=problems(*READING, BadCursor))
async def list_purchases(
    ref: Ref, session: DbSession, hotline: HotlineNow, page: PageArgs, _user: Reader
) -> Listing[PurchaseRead]:
    """What a customer bought, the latest first."""
    customer = await find_customer(session, ref)
    return await purchases.list_purchases(session, customer.id, page, _today(hotline))


@router.post("/{ref}/purchases", operation_id="add_purchase", status_code=201, responses=problems(*CHANGING))
async def add_purchase(
    ref: Ref, given: PurchaseCreate, session: DbSession, hotline: HotlineNow, _user: Writer
) -> PurchaseRead:
    """Write down something a customer bought. 422 `in_the_future`: on a day to come."""
    customer = await find_customer(session, ref)
    return await purchases.add_purchase(session, customer, given, _today(hotline))


@router.get("/{ref}/contracts", operation_id="list_contracts", responses=problems(*READING, BadCursor))
async def list_contracts(
    ref: Ref, session: DbSession, hotline: HotlineNow, page: PageArgs, _user: Reader
) -> Listing[ContractRead]:
    """A customer's contracts, the one that ends last first."""
    customer = await find_customer(session, ref)
    return await purchases.list_contracts(session, customer.id, page, _today(hotline))


@router.post("/{ref}/contracts", operation_id="add_contract", status_code=201, responses=problems(*CHANGING))
async def add_contract(
    ref: Ref, given: ContractCreate, session: DbSession, hotline: HotlineNow, user: Writer
) -> ContractRead:
    """Write down a contract; the customer's contract state, sales stage and DCWH follow."""
    customer = await find_customer(session, ref)
    return await purchases.add_contract(session, customer, given, _today(hotline), user.agent_id)


@router.get("/{ref}/interactions", operation_id="list_interactions", responses=problems(*READING, BadCursor))
async def list_interactions(ref: Ref, session: DbSession, page: PageArgs, user: Reader) -> Listing[InteractionRead]:
    """What was written down of contacts with a customer, the latest first."""
    return contact_masking.interactions_for(
        user, await interactions.list_interactions(session, (await find_customer(session, ref)).id, page)
    )


@router.post("/{ref}/interactions", operation_id="add_interaction", status_code=201, responses=problems(*CHANGING))
async def add_interaction(ref: Ref, given: InteractionCreate, session: DbSession, user: Writer) -> InteractionRead:
    """Write down a contact on any channel, in one's own name. 422 `in_the_future`: at a time to come."""
    customer = await find_customer(session, ref)
    me = PopOwner(id=user.agent_id, name=user.name)
    return await interactions.add_interaction(session, customer, given, me)


def _today(hotline: Hotline) -> date:
    return datetime.now(hotline.zone).date()
