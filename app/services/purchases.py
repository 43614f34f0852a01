"""What a customer bought and what they signed."""

from datetime import UTC, date, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.card import warranty
from app.errors import Invalid
from app.models.customers import Contract, Customer, Purchase
from app.schemas.contracts import ContractCreate, ContractRead
from app.schemas.listing import Listing
from app.schemas.purchases import PurchaseCreate, PurchaseRead
from app.services.paging import Page, cut, decode_cursor
from app.services.standing import follow_contracts
from app.services.survivorship import Cause

# The local date furthest ahead of UTC (Kiritimati). What is later is nowhere on earth yet.
_FURTHEST_AHEAD: Final = timedelta(hours=14)


class InTheFuture(Invalid):
    """Something that is said to have happened has a time that has not come yet."""

    code = "in_the_future"


async def list_purchases(session: AsyncSession, customer_id: UUID, page: Page, today: date) -> Listing[PurchaseRead]:
    """A customer's purchases, the latest first. `today` is the hotline's date, on which warranties count.

    Raises:
        BadCursor: the page's cursor is none of this list.
    """
    wanted = select(Purchase).where(Purchase.customer_id == customer_id)
    if page.cursor:
        bought, after = decode_cursor(page.cursor, date.fromisoformat, UUID)
        wanted = wanted.where(
            Purchase.purchased_on <= bought,
            or_(Purchase.purchased_on < bought, and_(Purchase.purchased_on == bought, Purchase.id > after)),
        )
    # As the screen pop has them: what is first here is what the greeting speaks of.
    ordered = wanted.order_by(Purchase.purchased_on.desc(), Purchase.id).limit(page.limit + 1)
    rows = (await session.scalars(ordered)).all()
    shown, more = cut(rows, page, lambda purchase: (purchase.purchased_on.isoformat(), purchase.id))
    return Listing(items=[purchase_read(purchase, today) for purchase in shown], next=more)


def purchase_read(purchase: Purchase, today: date) -> PurchaseRead:
    """A purchase as it is shown on `today`."""
    until = purchase.warranty_until.isoformat() if purchase.warranty_until else None
    return PurchaseRead(
        **{name: getattr(purchase, name) for name in PurchaseRead.model_fields if name != "warranty"},
        warranty=warranty(until, today.isoformat()),
    )


async def add_purchase(session: AsyncSession, customer: Customer, given: PurchaseCreate, today: date) -> PurchaseRead:
    """Write down a purchase.

    Raises:
        InTheFuture: its day has begun nowhere on earth.
    """
    if given.purchased_on > (datetime.now(UTC) + _FURTHEST_AHEAD).date():
        raise InTheFuture("A purchase cannot have been made on a day to come.")
    purchase = Purchase(customer_id=customer.id, **given.model_dump())
    session.add(purchase)
    await session.flush()
    return purchase_read(purchase, today)


async def list_contracts(session: AsyncSession, customer_id: UUID, page: Page, today: date) -> Listing[ContractRead]:
    """A customer's contracts, the one that ends last first. `today` is the hotline's date.

    Raises:
        BadCursor: the page's cursor is none of this list.
    """
    wanted = select(Contract).where(Contract.customer_id == customer_id)
    if page.cursor:
        ended, after = decode_cursor(page.cursor, date.fromisoformat, UUID)
        wanted = wanted.where(
            Contract.ends_on <= ended,
            or_(Contract.ends_on < ended, and_(Contract.ends_on == ended, Contract.id > after)),
        )
    rows = (await session.scalars(wanted.order_by(Contract.ends_on.desc(), Contract.id).limit(page.limit + 1))).all()
    shown, more = cut(rows, page, lambda contract: (contract.ends_on.isoformat(), contract.id))
    return Listing(items=[contract_read(contract, today) for contract in shown], next=more)


def contract_read(contract: Contract, today: date) -> ContractRead:
    """A contract as it stands on `today`."""
    return ContractRead(
        **{name: getattr(contract, name) for name in ContractRead.model_fields if name != "expired"},
        expired=contract.ends_on < today,
    )


async def add_contract(
    session: AsyncSession, customer: Customer, given: ContractCreate, today: date, by: UUID | None = None
) -> ContractRead:
    """Write down a contract, by `by`; the customer's contract state and stage follow."""
    contract = Contract(customer_id=customer.id, **given.model_dump())
    session.add(contract)
    await session.flush()
    await follow_contracts(session, today, [contract.customer_id], Cause(agent_id=by))
    return contract_read(contract, today)
