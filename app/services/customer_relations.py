"""Links between customers, what they agreed to, and what they are worth."""

from datetime import UTC, date, datetime
from uuid import UUID

from sqlalchemy import and_, func, or_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.customer_value import Orders, lifetime_values
from app.errors import Conflict, Invalid, NotFound
from app.models.customers import Customer, Purchase
from app.models.people import Agent
from app.models.relations import INVERSE, Consent, CustomerLink
from app.schemas.listing import Listing
from app.schemas.relations import (
    ConsentCreate,
    ConsentRead,
    CustomerValue,
    LinkCreate,
    LinkedCustomer,
    LinkRead,
    ValueRead,
)
from app.schemas.screen_pop import BothLanguages, PopOwner
from app.services.customers import NoSuchCustomer, find_customer
from app.services.paging import Page, cut, latest_first
from app.services.purchases import InTheFuture


class LinkedToThemselves(Invalid):
    """A customer is nobody's relative of themselves."""

    code = "linked_to_themselves"


class UnknownOther(Invalid):
    """Who the customer is to be linked with is no customer."""

    code = "unknown_other"


class LinkedAlready(Conflict):
    """The two are linked in this way already, from one end or the other."""

    code = "linked_already"


class NoSuchLink(NotFound):
    """The customer has no such link."""

    code = "no_such_link"


async def list_links(session: AsyncSession, customer_id: UUID) -> list[LinkRead]:
    """Everybody a customer is linked with, each as they see them, in the order in which they were linked."""
    is_first = CustomerLink.customer_id == customer_id
    rows = await session.execute(
        select(CustomerLink, Customer, Agent.name)
        .join(
            Customer,
            or_(
                and_(is_first, Customer.id == CustomerLink.other_id),
                and_(CustomerLink.other_id == customer_id, Customer.id == CustomerLink.customer_id),
            ),
        )
        .outerjoin(Agent, Agent.id == CustomerLink.agent_id)
        .where(or_(is_first, CustomerLink.other_id == customer_id))
        .order_by(CustomerLink.id)
    )
    return [_link_read(link, other, customer_id, name) for link, other, name in rows]


def _link_read(link: CustomerLink, other: Customer, seen_by: UUID, agent: str | None) -> LinkRead:
    kind = link.kind if link.customer_id == seen_by else INVERSE.get(link.kind, link.kind)
    return LinkRead(
        id=link.id,
        kind=kind,
        customer=LinkedCustomer(id=other.id, code=other.code, name=other.name, kind=other.kind),
        note=link.note,
        agent=PopOwner.found(link.agent_id, agent),
        created_at=link.created_at,
    )


async def add_link(session: AsyncSession, ref: str, given: LinkCreate, me: PopOwner) -> LinkRead:
    """Link a customer with another.

    Raises:
        NoSuchCustomer: there is no such customer.
        UnknownOther, LinkedToThemselves: of the other end.
        LinkedAlready: they are.
    """
    customer = await find_customer(session, ref)
    try:
        other = await find_customer(session, given.other)
    except NoSuchCustomer:
        raise UnknownOther("`other` is no customer's id or code.") from None
    if other.id == customer.id:
        raise LinkedToThemselves("A customer cannot be linked with themselves.")
    # In one order, so that two who link the same pair from its two ends do not wait for each other for ever.
    await session.execute(
        select(Customer.id)
        .where(Customer.id.in_([customer.id, other.id]))
        .order_by(Customer.id)
        .with_for_update(key_share=True)
    )
    inverse = INVERSE.get(given.kind, given.kind)
    same = or_(
        and_(
            CustomerLink.customer_id == customer.id, CustomerLink.other_id == other.id, CustomerLink.kind == given.kind
        ),
        and_(CustomerLink.customer_id == other.id, CustomerLink.other_id == customer.id, CustomerLink.kind == inverse),
    )
    if await session.scalar(select(CustomerLink.id).where(same)) is not None:
        raise LinkedAlready("The two are linked in this way already.")
    link = CustomerLink(customer_id=customer.id, other_id=other.id, kind=given.kind, note=given.note, agent_id=me.id)
    session.add(link)
    await session.flush()
    await session.refresh(link)
    return _link_read(link, other, customer.id, me.name)


async def remove_link(session: AsyncSession, customer_id: UUID, link_id: UUID) -> None:
    """Take a link away, from both cards.

    Raises:
        NoSuchLink: the customer has none of that id.
    """
    link = await session.get(CustomerLink, link_id)
    if link is None or customer_id not in (link.customer_id, link.other_id):
        raise NoSuchLink("The customer has no such link.")
    await session.delete(link)
    await session.flush()


async def current_consents(session: AsyncSession, customer_id: UUID) -> list[ConsentRead]:
    """The word that counts on each purpose of which the customer has said anything."""
    rows = await session.execute(
        select(Consent, Agent.name)
        .ext(distinct_on(Consent.purpose))
        .outerjoin(Agent, Agent.id == Consent.agent_id)
        .where(Consent.customer_id == customer_id)
        .order_by(Consent.purpose, Consent.at.desc(), Consent.id.desc())
    )
    return [_consent_read(consent, name) for consent, name in rows]


async def list_consents(session: AsyncSession, customer_id: UUID, page: Page) -> Listing[ConsentRead]:
    """All that a customer said about purposes, the latest first.

    Raises:
        BadCursor: the page's cursor is none of this list.
    """
    wanted = (
        select(Consent, Agent.name)
        .outerjoin(Agent, Agent.id == Consent.agent_id)
        .where(Consent.customer_id == customer_id)
    )
    rows = (await session.execute(latest_first(wanted, page, Consent.at, Consent.id))).all()
    shown, more = cut(rows, page, lambda row: (row[0].at, row[0].id))
    return Listing(items=[_consent_read(consent, name) for consent, name in shown], next=more)


async def add_consent(session: AsyncSession, customer: Customer, given: ConsentCreate, me: PopOwner) -> ConsentRead:
    """Write down what a customer said about a purpose; what they said before stays on record.

    Raises:
        InTheFuture: at a time to come.
    """
    now = datetime.now(UTC)
    if given.at is not None and given.at > now:
        raise InTheFuture("Nobody can have said anything at a time to come.")
    consent = Consent(customer_id=customer.id, agent_id=me.id, **{**given.model_dump(), "at": given.at or now})
    session.add(consent)
    await session.flush()
    return _consent_read(consent, me.name)


def _consent_read(consent: Consent, agent: str | None) -> ConsentRead:
    return ConsentRead(
        id=consent.id,
        purpose=consent.purpose,
        state=consent.state,
        at=consent.at,
        channel=consent.channel,
        note=consent.note,
        agent=PopOwner.found(consent.agent_id, agent),
    )


async def read_value(session: AsyncSession, customer_id: UUID, today: date, years: int) -> CustomerValue:
    """What a customer is worth on `today` if they stay for `years` (see `domain.customer_value`)."""
    rows = await session.execute(
        select(
            Purchase.currency,
            func.count(Purchase.purchased_on.distinct()).label("orders"),
            func.sum(Purchase.amount).label("total"),
            func.min(Purchase.purchased_on).label("first_on"),
        )
        .where(Purchase.customer_id == customer_id, Purchase.amount.is_not(None))
        .group_by(Purchase.currency)
    )
    orders = [Orders(row.currency, row.orders, row.total, row.first_on) for row in rows]
    return CustomerValue(
        by_currency=[ValueRead.model_validate(value) for value in lifetime_values(orders, today, years)],
        assumption=BothLanguages(
            zh=f"假设客户与我们合作{years}年：订单金额 × 每年订单数 × 年数。",
            en=f"Assuming that the customer stays for {years} years: order amount × orders a year × years.",
        ),
    )
