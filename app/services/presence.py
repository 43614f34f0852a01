"""What an agent is doing, and every way it changes.

`offline`, `available` and `break` are the agent's own to choose; `reserved`, `on_call` and `wrap_up` come and go with
calls. Whoever changes a presence locks its row first (`FOR UPDATE`); a call's row, if it is needed too, must have been
locked before, except with SKIP LOCKED, so that nobody waits in a circle.

    offline ⇄ available ⇄ break
                 │ reserve (services/reserving.py)
              reserved ── not answered → break · declined, caller left → available
                 │ answered
              on_call ── call over → wrap_up ── wrapped up, or by choice → available | break | offline
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import delete, exists, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import after_commit
from app.domain.customer_facts import Direction
from app.domain.routing import LeaveReason
from app.errors import Conflict, NotSignedIn
from app.models.base import new_id
from app.models.calls import AgentEventType, Call, Leg, TraceStep
from app.models.people import Agent
from app.models.routing import AgentConnection, AgentPresence, Presence
from app.services.agent_log import tell, trace
from app.services.callbacks.of_calls import give_back_kept_place
from app.services.hotline import Hotline
from app.services.offering import serve_next
from app.telephony.port import EndCall, RedirectCall

CONNECTION_STALE: Final = timedelta(seconds=30)
"""A connection that no process has vouched for in so long is gone: its process died with it."""

CHOSEN_BY_AGENTS: Final = frozenset({Presence.OFFLINE, Presence.AVAILABLE, Presence.BREAK})


class BusyWithCall(Conflict):
    """The agent is on a call."""

    code = "busy_with_call"
    title = "You are on a call"


@dataclass(frozen=True, slots=True)
class PresenceNow:
    """What an agent is doing, as the API shows it."""

    state: Presence
    reason: str
    since: datetime
    call_id: UUID | None


async def locked(session: AsyncSession, agent_id: UUID) -> AgentPresence:
    """An agent's presence, locked until the transaction ends."""
    found = await session.scalar(
        select(AgentPresence)
        .where(AgentPresence.agent_id == agent_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    assert found is not None, "every agent has a presence row from the day they are added"
    return found


async def holding(session: AsyncSession, call_id: UUID) -> AgentPresence | None:
    """The presence, locked, of the agent who is reserved for, on, or wrapping up a call."""
    return await session.scalar(
        select(AgentPresence)
        .where(AgentPresence.call_id == call_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )


async def presence_of(session: AsyncSession, agent_id: UUID) -> PresenceNow:
    """What an agent is doing now."""
    row = await session.get_one(AgentPresence, agent_id)
    return PresenceNow(row.state, row.reason, row.since, row.call_id)


async def identity_of(session: AsyncSession, agent_id: UUID) -> str:
    """The name under which an agent's softphone registers with the carrier."""
    return (await session.get_one(Agent, agent_id)).identity


async def choose_presence(
    session: AsyncSession, agent_id: UUID, state: Presence, reason: str, hotline: Hotline, now: datetime
) -> PresenceNow:
    """The agent says what they do. Choosing anything but `available` while a call is offered declines that call.

    Leaving a callback that was due without wrapping it up puts it back into its place: a promise is a promise.

    Raises:
        BusyWithCall: they are talking; hang up first.
        NotSignedIn: they have been deactivated meanwhile.
    """
    presence = await locked(session, agent_id)
    if state is not Presence.OFFLINE and not await session.scalar(select(Agent.active).where(Agent.id == agent_id)):
        raise NotSignedIn("This account is not active any more.")
    if presence.state is Presence.ON_CALL:
        raise BusyWithCall(
            "End the call first; you can then wrap it up or take a break.", call_id=str(presence.call_id)
        )
    if presence.state is Presence.RESERVED:
        if state is Presence.AVAILABLE:
            raise BusyWithCall(
                "A call is being offered to you. Take it, decline it, or choose a break.",
                call_id=str(presence.call_id),
            )
        call_id = presence.call_id
        assert call_id is not None
        await withdraw(session, presence, LeaveReason.DECLINED, hotline, now, then=state, because=reason)
        await fetch_caller(session, call_id)
    elif (presence.state, presence.reason) != (state, reason):
        if presence.state is Presence.WRAP_UP and presence.call_id is not None:
            await _give_back_promise(session, presence.call_id, agent_id, now)
        await move(session, presence, state, hotline, now, reason=reason)
    return PresenceNow(presence.state, presence.reason, presence.since, presence.call_id)


async def _give_back_promise(session: AsyncSession, call_id: UUID, agent_id: UUID, now: datetime) -> None:
    call = await session.scalar(
        select(Call)
        .where(Call.id == call_id, Call.kept_place_at.is_not(None), Call.wrapped_up_at.is_(None))
        # The agent's row is locked already, so nobody may be waited for; who holds the call is wrapping it up.
        .with_for_update(key_share=True, skip_locked=True)
    )
    if call is not None and call.answered_at is None and await give_back_kept_place(session, call.id, agent_id, now):
        call.left_queue_at = None
        await session.flush()


async def move(
    session: AsyncSession,
    presence: AgentPresence,
    state: Presence,
    hotline: Hotline,
    now: datetime,
    *,
    reason: str = "",
    call_id: UUID | None = None,
) -> None:
    """Change a locked presence, tell the agent's tabs, and, if they are free now, give them who waits."""
    presence.state = state
    presence.reason = reason
    presence.since = now
    presence.available_since = now if state is Presence.AVAILABLE else None
    presence.call_id = call_id
    presence.reserved_until = None
    await session.flush()
    await tell(
        session,
        presence.agent_id,
        AgentEventType.PRESENCE_CHANGED,
        {"state": state, "reason": reason, "call_id": str(call_id) if call_id else None},
        at=now,
        call_id=call_id,
    )
    await serve_next(session, presence, hotline, now)


_AFTERWARDS: Final = {
    # Whoever does not answer is not at the desk: ringing them again would only cost the next caller 20 seconds.
    LeaveReason.NO_ANSWER: Presence.BREAK,
    LeaveReason.UNREACHABLE: Presence.BREAK,
    LeaveReason.TOOK_TOO_LONG: Presence.BREAK,
    LeaveReason.DECLINED: Presence.AVAILABLE,
    LeaveReason.CALLER_LEFT: Presence.AVAILABLE,
    LeaveReason.WENT_OFFLINE: Presence.OFFLINE,
}


async def withdraw(
    session: AsyncSession,
    presence: AgentPresence,
    reason: LeaveReason,
    hotline: Hotline,
    now: datetime,
    *,
    then: Presence | None = None,
    because: str = "",
) -> None:
    """Take back the call that a locked, reserved agent was offered: clear their card and let them go on.

    Args:
        then: what the agent does next; without it, what follows from `reason`.
        because: the agent's own words for it.
    """
    call_id = presence.call_id
    assert presence.state is Presence.RESERVED
    assert call_id is not None
    step = {LeaveReason.DECLINED: TraceStep.DECLINED, LeaveReason.NO_ANSWER: TraceStep.NOT_ANSWERED}
    trace(session, call_id, step.get(reason, TraceStep.RELEASED), at=now, agent_id=presence.agent_id, reason=reason)
    await session.execute(
        update(Leg)
        .where(Leg.call_id == call_id, Leg.agent_id == presence.agent_id, Leg.ended_at.is_(None))
        .values(ended_at=now, declined_at=now if reason is LeaveReason.DECLINED else None)
    )
    await tell(
        session,
        presence.agent_id,
        AgentEventType.CALL_CLEARED,
        {"call_id": str(call_id), "reason": reason},
        at=now,
        call_id=call_id,
    )
    state = then or _AFTERWARDS[reason]
    await move(session, presence, state, hotline, now, reason=because or (reason if state is Presence.BREAK else ""))


async def fetch_caller(session: AsyncSession, call_id: UUID) -> None:
    """Once this is committed, have the carrier ask again what to do with a call whose agent is gone.

    One that we place is ended instead: its customer has not been rung, and nobody else is to ring them.
    """
    call = (
        await session.execute(
            select(Call.provider_call_id, Call.direction).where(
                Call.id == call_id, Call.ended_at.is_(None), Call.provider_call_id.is_not(None)
            )
        )
    ).one_or_none()
    if call is not None:
        is_ours = call.direction is Direction.OUTBOUND
        act = EndCall(call.provider_call_id) if is_ours else RedirectCall(call.provider_call_id)
        after_commit(session).acts.append(act)


async def connected(session: AsyncSession, agent_id: UUID, now: datetime) -> UUID:
    """Note that an agent has opened a socket; returns the connection's id."""
    connection_id = new_id()
    await session.execute(insert(AgentConnection).values(id=connection_id, agent_id=agent_id, seen_at=now))
    return connection_id


async def closing(session: AsyncSession, connection_id: UUID, gone_at: datetime) -> None:
    """Note that a socket is closed. Its agent counts as gone at `gone_at` only: they may just be reloading the page.

    The connection is left to go stale at that moment, so that no other process takes them for gone before, and that
    some other one does it should this one end meanwhile. No card can reach it any more (`reserving.SILENT_SECONDS`).
    """
    await session.execute(
        update(AgentConnection).where(AgentConnection.id == connection_id).values(seen_at=gone_at - CONNECTION_STALE)
    )


async def disconnected(session: AsyncSession, connection_id: UUID) -> None:
    """Forget a socket that has been closed for long enough."""
    await session.execute(delete(AgentConnection).where(AgentConnection.id == connection_id))


async def vouch(session: AsyncSession, connections: Mapping[UUID, UUID], now: datetime) -> None:
    """Say that these sockets (connection id → agent id) still stand; one that was given up meanwhile is noted again."""
    await session.execute(
        text(
            "INSERT INTO agent_connections (id, agent_id, seen_at) "
            "SELECT id, agent_id, CAST(:now AS timestamptz) "
            "FROM unnest(CAST(:ids AS uuid[]), CAST(:agents AS uuid[])) AS open (id, agent_id) "
            "ON CONFLICT (id) DO UPDATE SET seen_at = EXCLUDED.seen_at"
        ),
        {"ids": list(connections), "agents": list(connections.values()), "now": now},
    )


async def put_offline_if_gone(session: AsyncSession, agent_id: UUID, hotline: Hotline, now: datetime) -> bool:
    """Put an agent offline who has no socket left, and take back the call they were offered.

    A conversation is left alone: it goes over the carrier, not over the socket. Returns whether it was done.
    """
    presence = await locked(session, agent_id)
    if presence.state not in (Presence.AVAILABLE, Presence.RESERVED):
        return False
    if await session.scalar(select(exists().where(AgentConnection.agent_id == agent_id))):
        return False
    if presence.state is Presence.RESERVED:
        call_id = presence.call_id
        assert call_id is not None
        await withdraw(session, presence, LeaveReason.WENT_OFFLINE, hotline, now)
        await fetch_caller(session, call_id)
    else:
        await move(session, presence, Presence.OFFLINE, hotline, now, reason="disconnected")
    return True


async def gone_agents(session: AsyncSession, now: datetime) -> list[UUID]:
    """Agents who count as available or reserved although nobody has seen a socket of theirs for a while.

    Forgets the connections that no process has vouched for within `CONNECTION_STALE`.
    """
    await session.execute(delete(AgentConnection).where(AgentConnection.seen_at < now - CONNECTION_STALE))
    found = await session.scalars(
        select(AgentPresence.agent_id).where(
            AgentPresence.state.in_([Presence.AVAILABLE, Presence.RESERVED]),
            AgentPresence.since < now - CONNECTION_STALE,
            ~exists().where(AgentConnection.agent_id == AgentPresence.agent_id),
        )
    )
    return list(found)


async def overdue_reservations(session: AsyncSession, now: datetime) -> list[UUID]:
    """Agents reserved for longer than the carrier may ring: it never told how the ringing ended."""
    found = await session.scalars(
        select(AgentPresence.agent_id).where(
            AgentPresence.state == Presence.RESERVED, AgentPresence.reserved_until < now
        )
    )
    return list(found)


async def end_overdue_reservation(session: AsyncSession, agent_id: UUID, hotline: Hotline, now: datetime) -> None:
    """Take an overdue reservation back and have the carrier ask again for the caller, if they are still there."""
    presence = await locked(session, agent_id)
    if presence.state is Presence.RESERVED and presence.reserved_until is not None and presence.reserved_until < now:
        call_id = presence.call_id
        assert call_id is not None
        await withdraw(session, presence, LeaveReason.TOOK_TOO_LONG, hotline, now)
        await fetch_caller(session, call_id)
