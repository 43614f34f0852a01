"""The numbers of a customer: read in whatever spelling they come, kept as E.164 beside the raw form."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.customer_facts import MOST_PHONES
from app.domain.derived import derive
from app.domain.phone_numbers import bucket_of
from app.errors import Conflict, Invalid, NotFound
from app.models.base import new_id
from app.models.customers import Customer, CustomerPhone
from app.schemas.customers import PhoneCreate, PhoneRead
from app.services import search_index
from app.services.hotline import Hotline
from app.services.record_history import log_changes
from app.services.survivorship import say_derived, settle

_BODY: Final = ("body",)


class BadNumber(Invalid):
    """What was given as a number is none that can be rung: withheld, a short code, an address, or not a number."""

    code = "bad_number"


class OwnNumber(Invalid):
    """The number is one of the hotline's own, and those are never a customer's."""

    code = "own_number"


class NoSuchPhone(NotFound):
    """The customer has no number of that id."""

    code = "no_such_phone"
    title = "No such number"


class TooManyPhones(Conflict):
    """The customer has as many numbers as one may have."""

    code = "too_many_phones"


@dataclass(frozen=True, slots=True)
class AddedPhone:
    """A number that was asked to be added; `is_new` is false when the customer had it already."""

    phone: PhoneRead
    is_new: bool


def read_phone(given: PhoneCreate, hotline: Hotline, where: Sequence[str | int] = _BODY) -> CustomerPhone:
    """A phone from what was typed, not yet anybody's.

    Args:
        where: the place of `given` in the payload, for the error.

    Raises:
        BadNumber, OwnNumber: a customer cannot have it.
    """
    number = hotline.number(given.number)
    if number.e164 is None or number.national_number is None:
        raise BadNumber(
            "This is no phone number that can be rung.",
            errors=[{"loc": [*where, "number"], "msg": f"Not a phone number ({number.kind})."}],
        )
    if hotline.is_ours(number.e164):
        raise OwnNumber(
            "This is one of the hotline's own numbers.", errors=[{"loc": [*where, "number"], "msg": "Our own number."}]
        )
    return CustomerPhone(
        e164=number.e164,
        national_number=number.national_number,
        bucket=bucket_of(number.e164),
        raw=number.raw,
        extension=number.extension or "",
        label=given.label,
        line_type=number.line_type,
        is_primary=False,
    )


def read_phones(given: Sequence[PhoneCreate], hotline: Hotline) -> list[CustomerPhone]:
    """A new customer's phones, each number once; the first is primary. Raises what `read_phone` raises."""
    phones: dict[str, CustomerPhone] = {}
    for place, each in enumerate(given):
        phone = read_phone(each, hotline, ("body", "phones", place))
        phones.setdefault(phone.e164, phone)
    for phone in list(phones.values())[:1]:
        phone.is_primary = True
    return list(phones.values())


def phone_read(phone: CustomerPhone, hotline: Hotline) -> PhoneRead:
    """A phone as it is shown."""
    return PhoneRead(
        id=phone.id,
        e164=phone.e164,
        national=hotline.number(phone.e164).national or phone.e164,
        raw=phone.raw,
        extension=phone.extension,
        label=phone.label,
        line_type=phone.line_type,
        is_primary=phone.is_primary,
        wrong_since=phone.wrong_since,
        created_at=phone.created_at,
    )


async def phones_of(session: AsyncSession, customer_id: UUID) -> list[CustomerPhone]:
    """A customer's phones, the primary one first, then as they were added."""
    found = await session.scalars(
        select(CustomerPhone)
        .where(CustomerPhone.customer_id == customer_id)
        .order_by(CustomerPhone.is_primary.desc(), CustomerPhone.id)
    )
    return list(found)


async def add_phone(
    session: AsyncSession, customer: Customer, given: PhoneCreate, hotline: Hotline, agent_id: UUID | None = None
) -> AddedPhone:
    """Give a locked customer one more number; the first one is primary. One they have already stays as it is.

    Args:
        agent_id: who does it, for the record's history.

    Raises:
        BadNumber, OwnNumber: they cannot have it.
        TooManyPhones: they have 20.
    """
    phone = read_phone(given, hotline)
    theirs = await phones_of(session, customer.id)
    for same in theirs:
        if same.e164 == phone.e164:
            if same.wrong_since is not None:
                # Somebody says that it is theirs after all.
                await log_changes(session, customer.id, {"wrong_phone": (same.e164, None)}, agent_id)
                same.wrong_since = None
                _touch(customer)
                await session.flush()
            return AddedPhone(phone_read(same, hotline), is_new=False)
    if len(theirs) >= MOST_PHONES:
        raise TooManyPhones(f"A customer has at most {MOST_PHONES} numbers.")
    phone.id = new_id()
    phone.customer_id = customer.id
    phone.is_primary = not theirs
    session.add(phone)
    _touch(customer)
    await session.flush()
    await log_changes(session, customer.id, {"phone": (None, phone.e164)}, agent_id)
    if phone.is_primary:
        await _derive_anew(session, customer, phone, hotline)
    await search_index.refresh(session, [customer.id])
    await session.refresh(phone)
    return AddedPhone(phone_read(phone, hotline), is_new=True)


async def remove_phone(session: AsyncSession, customer: Customer, phone_id: UUID, agent_id: UUID | None = None) -> None:
    """Take a number from a locked customer. Was it the primary one, the next oldest is.

    Raises:
        NoSuchPhone: it is not theirs.
    """
    phone = await _theirs(session, customer, phone_id)
    await session.delete(phone)
    _touch(customer)
    await session.flush()
    await log_changes(session, customer.id, {"phone": (phone.e164, None)}, agent_id)
    await search_index.refresh(session, [customer.id])
    if phone.is_primary:
        left = await phones_of(session, customer.id)
        if left:
            left[0].is_primary = True
            await session.flush()


async def make_primary(
    session: AsyncSession, customer: Customer, phone_id: UUID, hotline: Hotline, agent_id: UUID | None = None
) -> list[PhoneRead]:
    """Ring a locked customer on this number first. Gives all of theirs.

    Raises:
        NoSuchPhone: it is not theirs.
    """
    phone = await _theirs(session, customer, phone_id)
    if not phone.is_primary:
        # One statement after the other: no two may be primary even for a moment.
        was = await session.scalar(
            update(CustomerPhone)
            .where(CustomerPhone.customer_id == customer.id, CustomerPhone.is_primary)
            .values(is_primary=False)
            .returning(CustomerPhone.e164)
        )
        phone.is_primary = True
        _touch(customer)
        await session.flush()
        await log_changes(session, customer.id, {"primary_phone": (was, phone.e164)}, agent_id)
        await _derive_anew(session, customer, phone, hotline)
        await search_index.refresh(session, [customer.id])
    return [phone_read(each, hotline) for each in await phones_of(session, customer.id)]


async def mark_wrong(
    session: AsyncSession,
    customer: Customer,
    phone_id: UUID | None,
    rung: str | None,
    hotline: Hotline,
    agent_id: UUID | None,
    now: datetime,
) -> None:
    """A number of a locked customer turned out not to be theirs: it stays, marked, and is not dialled any more.

    Was it the primary one, the next that is not wrong becomes it.

    Args:
        phone_id: which; None for the one with the E.164 form `rung`, else for the first one to ring.

    Raises:
        NoSuchPhone: it is not theirs, or none is left that could be wrong.
    """
    right = [phone for phone in await phones_of(session, customer.id) if phone.wrong_since is None]
    if phone_id is not None:
        wrong: CustomerPhone | None = await _theirs(session, customer, phone_id)
    else:
        wrong = next((phone for phone in right if phone.e164 == rung), right[0] if right else None)
    if wrong is None:
        raise NoSuchPhone("The customer has no number that could be wrong.")
    if wrong.wrong_since is not None:
        return
    wrong.wrong_since = now
    _touch(customer)
    await session.flush()
    await log_changes(session, customer.id, {"wrong_phone": (None, wrong.e164)}, agent_id)
    left = [phone for phone in right if phone.id != wrong.id]
    if wrong.is_primary and left:
        await make_primary(session, customer, left[0].id, hotline, agent_id)


async def _theirs(session: AsyncSession, customer: Customer, phone_id: UUID) -> CustomerPhone:
    phone = await session.get(CustomerPhone, phone_id)
    if phone is None or phone.customer_id != customer.id:
        raise NoSuchPhone("The customer has no such number.")
    return phone


async def _derive_anew(session: AsyncSession, customer: Customer, primary: CustomerPhone, hotline: Hotline) -> None:
    """Time zone and language follow the number to ring, where nobody has said them."""
    await say_derived(session, customer.id, derive(hotline.number(primary.e164), customer.region))
    await settle(session, [customer.id], rise=0)
    await session.refresh(customer)


def _touch(customer: Customer) -> None:
    """Have the customer's version rise: whoever holds the record as it was must read it again."""
    customer.updated_at = func.now()
