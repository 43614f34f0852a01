"""Claims: an account manager says that a customer is theirs, and the written rule (`domain/books.py`) settles it."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.domain.books import IN_WORDS, ClaimOutcome, ClaimReason, Holding, Verdict, settle_claim
from app.models.books import Claim
from app.models.calls import Call
from app.models.customers import Customer, Interaction
from app.models.people import Agent
from app.models.records import CustomerChange
from app.schemas.books import ClaimRead
from app.schemas.listing import Listing
from app.schemas.screen_pop import BothLanguages, PopOwner
from app.services.books import give
from app.services.customers import find_customer
from app.services.paging import Page, cut, latest_first


async def claim(session: AsyncSession, ref: str, me: PopOwner, now: datetime, protection: timedelta) -> ClaimRead:
    """Claim a customer for oneself. Of two who do so at once one comes after the other.

    Raises:
        NoSuchCustomer: there is no such customer.
    """
    customer = await find_customer(session, ref, lock=True)
    contact_at = await _first_contact(session, customer.id, me.id, now - protection)
    if customer.owner_id == me.id:
        verdict = Verdict(ClaimOutcome.GRANTED, ClaimReason.ALREADY_YOURS)
    else:
        holding = await _holding(session, customer) if customer.owner_id else None
        verdict = settle_claim(contact_at, holding, now, protection)
    made = Claim(
        customer_id=customer.id,
        agent_id=me.id,
        at=now,
        outcome=verdict.outcome,
        reason=verdict.reason,
        contact_at=contact_at,
        owner_id=customer.owner_id,
        protected_until=verdict.protected_until,
    )
    session.add(made)
    owner = await session.get(Agent, customer.owner_id) if customer.owner_id else None
    await session.flush()
    if verdict.outcome is ClaimOutcome.GRANTED and verdict.reason is not ClaimReason.ALREADY_YOURS:
        await give(session, {customer.id: me.id}, me.id, now)
    return _claim_read(made, me.name, owner.name if owner else None)


async def list_claims(session: AsyncSession, customer_id: UUID, page: Page) -> Listing[ClaimRead]:
    """Who claimed a customer and what became of it, the latest first.

    Raises:
        BadCursor: the page's cursor is none of this list.
    """
    owner = aliased(Agent)
    wanted = (
        select(Claim, Agent.name, owner.name)
        .outerjoin(Agent, Agent.id == Claim.agent_id)
        .outerjoin(owner, owner.id == Claim.owner_id)
        .where(Claim.customer_id == customer_id)
    )
    rows = (await session.execute(latest_first(wanted, page, Claim.at, Claim.id))).all()
    shown, more = cut(rows, page, lambda row: (row[0].at, row[0].id))
    return Listing(items=[_claim_read(*row) for row in shown], next=more)


def _contacts(customer_id: UUID, agent_id: UUID) -> Select[Any]:
    """When an agent had valid contacts with a customer."""
    calls = select(Call.answered_at.label("at")).where(
        Call.customer_id == customer_id, Call.answered_by_id == agent_id, Call.answered_at.is_not(None)
    )
    # The history of a call that somebody else answered is written by whoever wrote it up: the call itself counts.
    others = select(Interaction.at.label("at")).where(
        Interaction.customer_id == customer_id, Interaction.agent_id == agent_id, Interaction.call_id.is_(None)
    )
    return select(union_all(calls, others).subquery().c.at)


async def _first_contact(session: AsyncSession, customer_id: UUID, agent_id: UUID, since: datetime) -> datetime | None:
    contacts = _contacts(customer_id, agent_id).subquery()
    first: datetime | None = await session.scalar(select(func.min(contacts.c.at)).where(contacts.c.at >= since))
    return first


async def _holding(session: AsyncSession, customer: Customer) -> Holding:
    assert customer.owner_id is not None
    contacts = _contacts(customer.id, customer.owner_id).subquery()
    last_contact = await session.scalar(select(func.max(contacts.c.at)))
    given_at = await session.scalar(
        select(func.max(CustomerChange.at)).where(
            CustomerChange.customer_id == customer.id, CustomerChange.field == "owner_id"
        )
    )
    # A claim that was granted and what it changed bear the same time.
    claimed_by = await session.scalar(
        select(Claim.contact_at).where(
            Claim.customer_id == customer.id,
            Claim.agent_id == customer.owner_id,
            Claim.outcome == ClaimOutcome.GRANTED,
            Claim.at == given_at,
        )
    )
    return Holding(since=given_at or customer.created_at, last_contact=last_contact, claimed_by=claimed_by)


def _claim_read(claim: Claim, agent: str | None, owner: str | None) -> ClaimRead:
    zh, en = IN_WORDS[claim.reason]
    return ClaimRead(
        id=claim.id,
        agent=PopOwner.found(claim.agent_id, agent),
        at=claim.at,
        outcome=claim.outcome,
        reason=claim.reason,
        in_words=BothLanguages(zh=zh, en=en),
        contact_at=claim.contact_at,
        owner=PopOwner.found(claim.owner_id, owner),
        protected_until=claim.protected_until,
    )
