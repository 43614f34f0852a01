"""Whom a customer belongs with, what they agreed to, and where they stand in selling."""

from datetime import UTC, datetime
from uuid import UUID

from fastapi import APIRouter

from app.dependencies import DbSession, HotlineNow, PageArgs
from app.routers.customers import CHANGING, READING, Reader, Ref, Writer
from app.schemas.customers import CustomerRead
from app.schemas.listing import Listing
from app.schemas.problem import problems
from app.schemas.relations import ConsentCreate, ConsentRead, LinkCreate, LinkRead
from app.schemas.screen_pop import PopOwner
from app.schemas.standing import StandingUpdate
from app.services import contact_masking, customer_relations, standing
from app.services.customer_relations import LinkedAlready, NoSuchLink
from app.services.customers import find_customer, read_customer
from app.services.paging import BadCursor

router = APIRouter(prefix="/customers", tags=["customers"])


@router.get("/{ref}/links", operation_id="list_customer_links", responses=problems(*READING))
async def list_customer_links(ref: Ref, session: DbSession, _user: Reader) -> Listing[LinkRead]:
    """Everybody a customer is linked with, all at once: family, household, company."""
    links = await customer_relations.list_links(session, (await find_customer(session, ref)).id)
    return Listing(items=links, next=None)


@router.post(
    "/{ref}/links", operation_id="add_customer_link", status_code=201, responses=problems(*CHANGING, LinkedAlready)
)
async def add_customer_link(ref: Ref, given: LinkCreate, session: DbSession, user: Writer) -> LinkRead:
    """Link a customer with another; it shows on both cards. 422 `unknown_other`, `linked_to_themselves`."""
    return await customer_relations.add_link(session, ref, given, PopOwner(id=user.agent_id, name=user.name))


@router.delete(
    "/{ref}/links/{link_id}",
    operation_id="remove_customer_link",
    status_code=204,
    responses=problems(*CHANGING, NoSuchLink),
)
async def remove_customer_link(ref: Ref, link_id: UUID, session: DbSession, _user: Writer) -> None:
    """Take a link away, from both cards."""
    await customer_relations.remove_link(session, (await find_customer(session, ref)).id, link_id)


@router.get("/{ref}/consents", operation_id="list_customer_consents", responses=problems(*READING, BadCursor))
async def list_customer_consents(ref: Ref, session: DbSession, page: PageArgs, _user: Reader) -> Listing[ConsentRead]:
    """All that a customer said about what we may do, the latest first; the latest word on a purpose counts."""
    return await customer_relations.list_consents(session, (await find_customer(session, ref)).id, page)


@router.post("/{ref}/consents", operation_id="add_customer_consent", status_code=201, responses=problems(*CHANGING))
async def add_customer_consent(ref: Ref, given: ConsentCreate, session: DbSession, user: Writer) -> ConsentRead:
    """Write down what a customer said about a purpose. 422 `in_the_future`: at a time to come."""
    me = PopOwner(id=user.agent_id, name=user.name)
    return await customer_relations.add_consent(session, await find_customer(session, ref), given, me)


@router.put("/{ref}/standing", operation_id="put_customer_standing", responses=problems(*CHANGING))
async def put_customer_standing(
    ref: Ref, given: StandingUpdate, session: DbSession, hotline: HotlineNow, user: Writer
) -> CustomerRead:
    """Say where a customer stands after a contact: sales stage, intention, when to call next. What is left out stays.

    DCWH follows. 422 `bad_next_call`: the next call is not to come, or too far ahead.
    """
    customer = await find_customer(session, ref, lock=True)
    me = PopOwner(id=user.agent_id, name=user.name)
    await standing.say(session, customer, given, me, datetime.now(UTC))
    return contact_masking.customer_for(user, await read_customer(session, customer, hotline, user))
