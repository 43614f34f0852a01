"""A customer's own record: find, create, change."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.card import Json, address_as
from app.domain.customer_facts import CustomerKind
from app.domain.derived import derive
from app.domain.identity import mask_national_id
from app.domain.scopes import Scope
from app.domain.standing import ContractState, dcwh, grade
from app.domain.survivorship import FIELDS
from app.errors import AppError, Conflict, Invalid, NotFound
from app.models.customers import Customer
from app.models.people import Agent
from app.schemas.customers import CustomerCreate, CustomerRead, CustomerUpdate
from app.schemas.screen_pop import BothLanguages, PopOwner
from app.services import search_index
from app.services.access import Signed
from app.services.customer_phones import phone_read, phones_of, read_phones
from app.services.hotline import Hotline
from app.services.names import LatinForms, latin
from app.services.provenance import origins_of
from app.services.record_history import log_changes
from app.services.standing import move_of, with_warmth
from app.services.survivorship import Cause, say_by_hand, say_derived, settle

MAY_ASSIGN: Final = Scope.AGENTS_WRITE
"""Whoever may change people may also say whose book a customer is in."""

_LONGEST_CODE: Final = 16


class NoSuchCustomer(NotFound):
    """There is no customer of that id or code."""

    code = "no_such_customer"
    title = "No such customer"


class VersionConflict(Conflict):
    """Somebody else changed the record after it was read; `version` is what it has now."""

    code = "version_conflict"


class UnknownOwner(Invalid):
    """Who is named as owner is no active agent."""

    code = "unknown_owner"


class CustomerErased(Conflict):
    """The customer was forgotten; nothing can be written of them any more."""

    code = "customer_erased"


class CustomerMoved(AppError):
    """The customer was merged into another one, who is at `Location`; `customer_id` and `customer_code` say who."""

    status = 308
    code = "customer_moved"
    title = "Merged into another customer"


async def find_customer(session: AsyncSession, ref: str, *, lock: bool = False) -> Customer:
    """A customer by id or code (in either case). For one who was merged, whoever took them in.

    Args:
        lock: hold the row until the transaction ends, so that changes to it and its phones come one after the other.

    Raises:
        NoSuchCustomer: there is none.
        CustomerErased: they are to be locked, and were forgotten.
    """
    customer_id, code = id_or_code(ref)
    wanted = select(Customer).where(Customer.id == customer_id if customer_id else Customer.code == code)
    customer = None if customer_id is None and code is None else await session.scalar(wanted)
    while customer is not None:
        found_id = customer.merged_into_id or customer.id
        if found_id == customer.id and not lock:
            return customer
        again = select(Customer).where(Customer.id == found_id)
        if lock:
            # Only the one that is wanted, lest we wait for a merge that waits for us. Weaker than FOR UPDATE: a call
            # of this customer's that rings meanwhile must not wait for us.
            again = again.with_for_update(key_share=True)
        customer = await session.scalar(again.execution_options(populate_existing=True))
        if customer is not None and customer.merged_into_id is None:
            if lock and customer.erased_at is not None:
                raise CustomerErased("This customer was forgotten. Nothing can be written of them.")
            return customer
    raise NoSuchCustomer("There is no such customer.")


def require_named(customer: Customer, ref: str) -> None:
    """Raises CustomerMoved unless `ref` is this customer's own id or code, but one who was merged into them."""
    customer_id, code = id_or_code(ref)
    if customer.id == customer_id or customer.code == code:
        return
    named = customer.id if customer_id else customer.code
    raise CustomerMoved(
        f"This customer was merged into {customer.code}.",
        location=f"/api/v1/customers/{named}",
        customer_id=str(customer.id),
        customer_code=customer.code,
    )


async def read_customer(session: AsyncSession, customer: Customer, hotline: Hotline, by: Signed) -> CustomerRead:
    """The record as `by` may see it, with phones, owner, and whose word each field is."""
    phones = await phones_of(session, customer.id)
    owner = await session.get(Agent, customer.owner_id) if customer.owner_id else None
    may_see = by.may(Scope.CUSTOMERS_IDENTITY)
    return CustomerRead(
        **{name: getattr(customer, name) for name in _SHOWN_AS_STORED},
        national_id=customer.national_id if may_see else mask_national_id(customer.national_id),
        grade=grade(customer.dcwh) if customer.dcwh else None,
        address_as=BothLanguages(**address_as(name_parts(customer))),
        phones=[phone_read(phone, hotline) for phone in phones],
        owner=PopOwner(id=owner.id, name=owner.name) if owner else None,
        provenance=await origins_of(session, customer),
    )


_SHOWN_AS_STORED: Final = CustomerRead.model_fields.keys() - {
    "grade",
    "address_as",
    "phones",
    "owner",
    "national_id",
    "provenance",
}


def name_parts(customer: Customer) -> Json:
    """What `domain.card` needs to address a customer."""
    return {
        "kind": customer.kind,
        "name": customer.name,
        "surname": customer.surname,
        "title": customer.title,
        "gender": customer.gender,
        "latin_name": customer.latin_name,
        "latin_surname": customer.latin_surname,
    }


async def create_customer(session: AsyncSession, given: CustomerCreate, hotline: Hotline, by: Signed) -> CustomerRead:
    """Add a customer with their phones. What is said of them here is the word of `by`.

    Raises:
        BadNumber, OwnNumber: a phone is none that a customer can have.
        UnknownOwner: of `owner_id`.
        ScopeMissing: an owner is named by somebody who may not.
    """
    if given.owner_id is not None:
        await _check_owner(session, given.owner_id, by)
    values = given.model_dump(exclude={"phones", "surname", "latin_name", "latin_surname"})
    worked_out = _names(given.kind, given.name)._asdict()
    for name, part in worked_out.items():
        chosen = getattr(given, name)
        values[name] = part if chosen is None else chosen
    said = given.model_fields_set | worked_out.keys() | {"kind"}
    by_hand = {name: value for name, value in values.items() if name in said and value is not None}
    phones = read_phones(given.phones, hotline)
    derived = derive(hotline.number(phones[0].e164) if phones else None, given.region)
    customer = Customer(**{**values, **{name: value for name, value in derived.items() if values[name] is None}})
    customer.dcwh = dcwh(given.sales_stage, given.intention, ContractState.NONE)
    customer.settled_at = datetime.now(UTC)
    session.add(customer)
    await session.flush()
    for phone in phones:
        phone.customer_id = customer.id
    session.add_all(phones)
    await session.flush()
    await say_by_hand(session, customer.id, by_hand, by.agent_id)
    await say_derived(session, customer.id, derived)
    ours = {name: (None, value) for name, value in by_hand.items() if name not in FIELDS}
    await log_changes(session, customer.id, ours, by.agent_id)
    await search_index.refresh(session, [customer.id])
    return await read_customer(session, await _fresh(session, customer), hotline, by)


async def change_customer(
    session: AsyncSession,
    ref: str,
    given: CustomerUpdate,
    hotline: Hotline,
    by: Signed,
    versions: Sequence[int] | None = None,
) -> CustomerRead:
    """Change what is given and nothing else. What differs from the record is then the word of `by`.

    Args:
        versions: the caller's change holds only if the record has one of these; None does not ask.

    Raises:
        NoSuchCustomer: there is no such customer.
        CustomerMoved: they were merged into another one.
        VersionConflict: it has another version.
        UnknownOwner: of `owner_id`.
        ScopeMissing: the owner is changed by somebody who may not.
    """
    customer = await find_customer(session, ref, lock=True)
    require_named(customer, ref)
    if versions is not None and customer.version not in versions:
        raise VersionConflict("Somebody else changed this customer. Read it again.", version=customer.version)
    values: dict[str, Any] = given.model_dump(exclude_unset=True)
    if "owner_id" in values and values["owner_id"] != customer.owner_id:
        await _check_owner(session, values["owner_id"], by)
    renamed = values.get("name", customer.name) != customer.name or values.get("kind", customer.kind) != customer.kind
    if renamed:
        forms = _names(values.get("kind", customer.kind), values.get("name", customer.name))
        values = {**forms._asdict(), **values}
    changed = {name: value for name, value in values.items() if getattr(customer, name) != value}
    by_hand = {name: value for name, value in changed.items() if name in FIELDS}
    ours = with_warmth(
        customer,
        {name: (getattr(customer, name), value) for name, value in changed.items() if name not in FIELDS},
    )
    settled: set[UUID] = set()
    if by_hand:
        await say_by_hand(session, customer.id, by_hand, by.agent_id)
        if "region" in by_hand:
            phones = await phones_of(session, customer.id)
            number = hotline.number(phones[0].e164) if phones else None
            await say_derived(session, customer.id, derive(number, by_hand["region"]))
        settled = await settle(session, [customer.id], Cause(agent_id=by.agent_id))
    if ours:
        # One request raises the version by one, however many kinds of fields it changes.
        rise = 0 if settled else 1
        await session.execute(
            update(Customer.__table__)  # type: ignore[arg-type]  # it is a Table, typed as any FROM clause
            .where(Customer.id == customer.id)
            .values(
                **{name: new for name, (_, new) in ours.items()}, version=Customer.version + rise, updated_at=func.now()
            )
        )
        session.add_all(move_of(customer, ours, by.agent_id))
        await log_changes(session, customer.id, ours, by.agent_id)
    if changed:
        await search_index.refresh(session, [customer.id])
    return await read_customer(session, await _fresh(session, customer), hotline, by)


def id_or_code(ref: str) -> tuple[UUID | None, str | None]:
    """What a customer is named by, an id or a code in capitals; neither where it can be none of them."""
    try:
        return UUID(ref), None
    except ValueError:
        is_code = len(ref) <= _LONGEST_CODE and ref.isascii() and ref.isalnum()
        return None, ref.upper() if is_code else None


def _names(kind: CustomerKind, name: str) -> LatinForms:
    return latin(name) if kind is CustomerKind.PERSON else LatinForms("", "", "")


async def _check_owner(session: AsyncSession, owner_id: UUID | None, by: Signed) -> None:
    by.require(MAY_ASSIGN)
    if owner_id is None:
        return
    owner = await session.get(Agent, owner_id)
    if owner is None or not owner.active:
        raise UnknownOwner("The owner is not one of the active agents.")


async def _fresh(session: AsyncSession, customer: Customer) -> Customer:
    """The row with what the database itself has set: code, version, times."""
    await session.refresh(customer)
    return customer
