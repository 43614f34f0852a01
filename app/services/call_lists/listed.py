"""On which daily lists a customer was."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.list_reasons import reason_in_words
from app.models.call_lists import CallList, CallListEntry
from app.models.people import Agent
from app.schemas.call_lists import ListedRead, ReasonRead
from app.schemas.screen_pop import BothLanguages, PopOwner


async def last_listed(session: AsyncSession, customer_id: UUID, limit: int) -> list[ListedRead]:
    """The last lists that a customer was on, the latest first."""
    rows = await session.execute(
        select(CallListEntry, Agent)
        .join(CallList, CallList.id == CallListEntry.list_id)
        .join(Agent, Agent.id == CallList.manager_id)
        .where(CallListEntry.customer_id == customer_id)
        .order_by(CallListEntry.day.desc())
        .limit(limit)
    )
    return [
        ListedRead(
            list_id=entry.list_id,
            entry_id=entry.id,
            day=entry.day,
            manager=PopOwner(id=manager.id, name=manager.name),
            position=entry.position,
            source=entry.source,
            reasons=reasons_read(entry.reasons),
            state=entry.state,
            outcome=entry.outcome,
            skip_reason=entry.skip_reason,
            worked_at=entry.worked_at,
        )
        for entry, manager in rows
    ]


def reasons_read(reasons: Sequence[dict[str, Any]]) -> list[ReasonRead]:
    """An entry's reasons with their words."""
    return [ReasonRead(code=reason["code"], in_words=BothLanguages(**reason_in_words(reason))) for reason in reasons]
