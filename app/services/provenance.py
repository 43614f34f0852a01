"""Whose word each field of a customer is."""

from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.survivorship import HAND
from app.models.customers import Customer
from app.models.people import Agent
from app.models.records import CustomerChange
from app.schemas.records import FieldOrigin
from app.schemas.screen_pop import PopOwner
from app.services.survivorship import words_of

_OURS: Final = ("tier", "dcwh", "sales_stage", "intention", "contract_state", "next_call_at", "owner_id", "note")
"""What we ourselves make of a customer: its origin is whoever changed it last."""


async def origins_of(session: AsyncSession, customer: Customer) -> dict[str, FieldOrigin]:
    """By field: whose word its value is, and since when. A field that nobody ever spoke of is not in it."""
    words = await words_of(session, customer.id)
    latest = (
        await session.scalars(
            select(CustomerChange)
            .ext(distinct_on(CustomerChange.field))
            .where(CustomerChange.customer_id == customer.id, CustomerChange.field.in_(_OURS))
            .order_by(CustomerChange.field, CustomerChange.at.desc(), CustomerChange.id.desc())
        )
    ).all()
    people = {word.record.agent_id for word in words.values()} | {change.agent_id for change in latest}
    names = await _names(session, people)
    origins = {
        name: FieldOrigin(
            source=word.record.source,
            said_at=word.record.said_at,
            agent=names.get(word.record.agent_id),
            is_derived=word.is_derived,
        )
        for name, word in words.items()
    }
    for change in latest:
        origins["owner" if change.field == "owner_id" else change.field] = FieldOrigin(
            source=change.source or HAND, said_at=change.at, agent=names.get(change.agent_id), is_derived=False
        )
    return origins


async def _names(session: AsyncSession, agent_ids: set[UUID | None]) -> dict[UUID | None, PopOwner]:
    wanted = [agent_id for agent_id in agent_ids if agent_id is not None]
    if not wanted:
        return {}
    rows = await session.execute(select(Agent.id, Agent.name).where(Agent.id.in_(wanted)))
    return {row.id: PopOwner(id=row.id, name=row.name) for row in rows}
