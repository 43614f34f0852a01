"""Who may do what, and who is asking: roles, scopes, and the credentials that a request carries.

A person signs in and holds a session; a program holds an API token that acts for a person, within the scopes it was
given and never beyond what that person's role may do at the moment of asking. Of either secret only its SHA-256 is
kept: they are 256 random bits, so there is nothing to guess that a slow hash would have to protect.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.scopes import Scope
from app.errors import NotAllowed, NotSignedIn
from app.models.people import Agent, AgentSession, ApiToken, Role

_DESK: Final = frozenset(
    {
        Scope.CALLS_READ,
        Scope.CALLS_WRITE,
        Scope.CUSTOMERS_READ,
        Scope.CUSTOMERS_WRITE,
        Scope.CUSTOMERS_CONTACT,
        Scope.COMPLAINTS_READ,
        Scope.COMPLAINTS_WRITE,
        Scope.CALLBACKS_READ,
        Scope.CALLBACKS_WRITE,
        Scope.LISTS_READ,
        Scope.LISTS_WRITE,
        Scope.LOOKUP,
        Scope.AGENT,
        Scope.AGENTS_READ,
    }
)

ROLE_SCOPES: Final[Mapping[Role, frozenset[Scope]]] = {
    Role.AGENT: _DESK,
    Role.ACCOUNT_MANAGER: _DESK,
    Role.SUPERVISOR: _DESK
    | {
        Scope.AGENTS_WRITE,
        Scope.CALLS_SUPERVISE,
        Scope.COMPLAINTS_SUPERVISE,
        Scope.CALLBACKS_SUPERVISE,
        Scope.LISTS_SUPERVISE,
        Scope.REPORTS_READ,
        Scope.CALENDAR_WRITE,
        Scope.CUSTOMERS_IDENTITY,
        Scope.IMPORTS,
        Scope.AUDIT_READ,
    },
    Role.ANALYST: frozenset(
        {
            Scope.CALLS_READ,
            Scope.CUSTOMERS_READ,
            Scope.COMPLAINTS_READ,
            Scope.CALLBACKS_READ,
            Scope.LISTS_READ,
            Scope.REPORTS_READ,
            Scope.LOOKUP,
            Scope.AGENTS_READ,
        }
    ),
    Role.ADMIN: frozenset(Scope),
}
"""What each role may do. Nothing else in Callcard asks for a role by name to allow something."""

IDLE_HOURS: Final = 12
"""A session ends when nothing was asked with it for so long: a shift, and not the next day's."""
LONGEST_DAYS: Final = 7
"""A session ends so long after signing in, used or not."""

# A session that was prolonged less than this ago is not written again: requests mostly read.
_TOUCH_EVERY: Final = timedelta(minutes=10)
_USED_EVERY: Final = timedelta(minutes=1)


class Via(StrEnum):
    """What proved who is asking."""

    SESSION = "session"
    TOKEN = "token"  # noqa: S105 - a kind of credential, not one


@dataclass(frozen=True, slots=True)
class Signed:
    """Who is asking. `credential_id` is the session's or the token's."""

    agent_id: UUID
    email: str
    name: str
    role: Role
    language: str
    scopes: frozenset[Scope]
    via: Via
    credential_id: UUID
    expires_at: datetime | None

    def may(self, scope: Scope) -> bool:
        """True when this is theirs to do."""
        return scope in self.scopes

    def require(self, scope: Scope) -> None:
        """Raises NotAllowed (code `scope_missing`) when this is not theirs to do."""
        if scope not in self.scopes:
            raise ScopeMissing(f"This takes the right {scope.value!r}.", scope=scope.value)

    def require_self(self, agent_id: UUID) -> None:
        """Raises NotAllowed when `agent_id` is somebody else."""
        if agent_id != self.agent_id:
            raise NotAllowed("This belongs to somebody else.")


class ScopeMissing(NotAllowed):
    """The role or the token does not include what the route asks for; `scope` names it."""

    code = "scope_missing"


def digest(secret: str) -> bytes:
    """What is kept of a session's or a token's secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


async def who_by_session(session: AsyncSession, secret: str) -> Signed:
    """Whose session cookie this is; being used prolongs the session.

    Raises:
        NotSignedIn: there is no such session, it has ended, or the person may no longer sign in.
    """
    now = datetime.now(UTC)
    row = (
        await session.execute(
            select(AgentSession.id, AgentSession.created_at, AgentSession.expires_at, *_WHO)
            .join(Agent, Agent.id == AgentSession.agent_id)
            .where(AgentSession.token_hash == digest(secret), AgentSession.expires_at > now, Agent.active)
        )
    ).one_or_none()
    if row is None:
        raise NotSignedIn("The session has ended. Sign in again.")
    expires_at = session_expiry(row.created_at, now)
    if expires_at - row.expires_at >= _TOUCH_EVERY:
        await session.execute(update(AgentSession).where(AgentSession.id == row.id).values(expires_at=expires_at))
    else:
        expires_at = row.expires_at
    return Signed(
        agent_id=row.agent_id,
        email=row.email,
        name=row.name,
        role=row.role,
        language=row.language,
        scopes=ROLE_SCOPES[row.role],
        via=Via.SESSION,
        credential_id=row.id,
        expires_at=expires_at,
    )


async def who_by_token(session: AsyncSession, secret: str) -> Signed:
    """Whom this API token acts for, within the token's scopes and their role's, whichever is less.

    Raises:
        NotSignedIn: there is no such token, it was revoked or has expired, or the person may no longer sign in.
    """
    now = datetime.now(UTC)
    row = (
        await session.execute(
            select(ApiToken.id, ApiToken.scopes, ApiToken.expires_at, ApiToken.last_used_at, *_WHO)
            .join(Agent, Agent.id == ApiToken.agent_id)
            .where(
                ApiToken.token_hash == digest(secret),
                ApiToken.revoked_at.is_(None),
                or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > now),
                Agent.active,
            )
        )
    ).one_or_none()
    if row is None:
        raise NotSignedIn("The token is not valid: it is unknown, revoked or expired.")
    if row.last_used_at is None or now - row.last_used_at >= _USED_EVERY:
        await session.execute(update(ApiToken).where(ApiToken.id == row.id).values(last_used_at=func.now()))
    return Signed(
        agent_id=row.agent_id,
        email=row.email,
        name=row.name,
        role=row.role,
        language=row.language,
        scopes=ROLE_SCOPES[row.role].intersection(row.scopes),
        via=Via.TOKEN,
        credential_id=row.id,
        expires_at=row.expires_at,
    )


def session_expiry(created_at: datetime, now: datetime) -> datetime:
    """When a session begun at `created_at` ends if nothing is asked with it after `now`."""
    return min(now + timedelta(hours=IDLE_HOURS), created_at + timedelta(days=LONGEST_DAYS))


_WHO: Final = (Agent.id.label("agent_id"), Agent.email, Agent.name, Agent.role, Agent.language)
