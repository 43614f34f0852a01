"""What is told to agents: written to the push log in the transaction that makes it true, sent once that stands."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import exists, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import after_commit
from app.models.base import new_id
from app.models.calls import AgentEvent, AgentEventType, CallTrace, TraceStep
from app.models.routing import AgentPresence


async def tell(
    session: AsyncSession,
    agent_id: UUID,
    event_type: AgentEventType,
    data: dict[str, Any],
    *,
    at: datetime,
    call_id: UUID | None = None,
) -> int:
    """Append to one agent's log and return the event's number.

    Raises the agent's `last_event_no` first, which locks their presence row: that is what makes the numbers of one
    agent appear in order. Locks presence; a call row, if needed, must have been locked before.
    """
    no = await session.scalar(
        update(AgentPresence)
        .where(AgentPresence.agent_id == agent_id)
        .values(last_event_no=AgentPresence.last_event_no + 1)
        .returning(AgentPresence.last_event_no)
        .execution_options(synchronize_session=False)
    )
    assert no is not None, "every agent has a presence row from the day they are added"
    session.add(AgentEvent(agent_id=agent_id, no=no, type=event_type, call_id=call_id, at=at, data=data))
    await session.flush()
    after_commit(session).agents[agent_id] = no
    return no


async def events_after(session: AsyncSession, agent_id: UUID, no: int, limit: int = 200) -> list[AgentEvent]:
    """An agent's events numbered above `no`, in order, at most `limit`."""
    found = await session.scalars(
        select(AgentEvent)
        .where(AgentEvent.agent_id == agent_id, AgentEvent.no > no)
        .order_by(AgentEvent.no)
        .limit(limit)
    )
    return list(found)


async def last_numbers(session: AsyncSession, agent_ids: Iterable[UUID]) -> dict[UUID, int]:
    """How far each agent's log goes."""
    rows = await session.execute(
        select(AgentPresence.agent_id, AgentPresence.last_event_no).where(AgentPresence.agent_id.in_(list(agent_ids)))
    )
    return {row.agent_id: row.last_event_no for row in rows}


async def acknowledge(session: AsyncSession, agent_id: UUID, no: int, at: datetime) -> AgentEvent | None:
    """Note that an event was shown; the first acknowledgement counts.

    Returns:
        The event when this acknowledgement was the first, else None (a repeat, another tab, or no such event).
    """
    event = await session.scalar(
        update(AgentEvent)
        .where(AgentEvent.agent_id == agent_id, AgentEvent.no == no, AgentEvent.acked_at.is_(None))
        .values(acked_at=at)
        .returning(AgentEvent)
    )
    if event is not None and event.type == AgentEventType.CALL_OFFERED and event.call_id is not None:
        trace(session, event.call_id, TraceStep.SHOWN, at=at, agent_id=agent_id)
    return event


async def replay_is_traced(session: AsyncSession, call_id: UUID, file: str) -> bool:
    """True when the replay of a spooled file has been written down before: the file had been left behind by a crash."""
    if not file:
        return False
    return bool(
        await session.scalar(
            select(
                exists().where(
                    CallTrace.call_id == call_id,
                    CallTrace.step == TraceStep.REPLAYED,
                    CallTrace.detail["file"].astext == file,
                )
            )
        )
    )


def trace(
    session: AsyncSession,
    call_id: UUID,
    step: TraceStep,
    *,
    at: datetime,
    agent_id: UUID | None = None,
    **detail: Any,
) -> None:
    """Write down one step of a call."""
    session.add(CallTrace(id=new_id(), call_id=call_id, at=at, step=step, agent_id=agent_id, detail=detail))
