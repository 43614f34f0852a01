"""Sessions of signed-in people: rows in the database, so that signing out, or being shut out, works at once."""

import secrets
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from app.models.people import AgentSession
from app.services.access import digest, session_expiry

_LONGEST_USER_AGENT: Final = 256


async def open_session(session: AsyncSession, agent_id: UUID, *, user_agent: str = "", address: str = "") -> str:
    """Begin a session; gives its secret, which is told to nobody but the browser that signed in.

    Args:
        user_agent: the browser, as it says of itself; for the person to tell their sessions apart.
        address: where it signed in from.
    """
    now = datetime.now(UTC)
    # Whoever signs in clears up after themselves, so the table needs no sweeper.
    await session.execute(delete(AgentSession).where(AgentSession.agent_id == agent_id, AgentSession.expires_at <= now))
    secret = secrets.token_urlsafe(32)
    session.add(
        AgentSession(
            agent_id=agent_id,
            token_hash=digest(secret),
            created_at=now,
            expires_at=session_expiry(now, now),
            user_agent=user_agent.replace("\x00", "")[:_LONGEST_USER_AGENT],
            address=address,
        )
    )
    await session.flush()
    return secret


async def end_session(session: AsyncSession, session_id: UUID) -> None:
    """Sign out: the cookie is worth nothing from now on. Does nothing for a session that has ended."""
    await session.execute(delete(AgentSession).where(AgentSession.id == session_id))


async def end_sessions(session: AsyncSession, agent_id: UUID, *, but: UUID | None = None) -> None:
    """Sign a person out everywhere, except from the session `but`."""
    ended = delete(AgentSession).where(AgentSession.agent_id == agent_id)
    await session.execute(ended if but is None else ended.where(AgentSession.id != but))
