"""API tokens: made, listed, revoked. What one may do is decided when it is used (`access.who_by_token`)."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.scopes import Scope
from app.errors import Invalid, NotAllowed, NotFound
from app.models.people import Agent, ApiToken
from app.schemas.agents import TokenCreate
from app.services.access import ROLE_SCOPES, Signed, Via, digest
from app.services.paging import Page, cut, decode_cursor

PREFIX: Final = "cc_"
"""Lets a leaked token be found by whoever looks for leaks."""

_LONGEST_LIFE: Final = timedelta(days=3653)


class ScopeNotAllowed(NotAllowed):
    """A token would have more rights than the person it acts for."""

    code = "scope_not_allowed"


class BadExpiry(Invalid):
    """The token would end in the past or in more than ten years."""

    code = "bad_expiry"


async def create_token(
    session: AsyncSession, agent_id: UUID, new: TokenCreate, by: Signed | None
) -> tuple[ApiToken, str]:
    """Make a token that acts for a person; gives its row and its secret, which cannot be had again.

    Args:
        by: who asks; None for whoever runs this machine.

    Raises:
        NotAllowed: somebody else's, and no administrator asks; or a program asks, which could widen its own rights.
        NotFound: there is no such person.
        ScopeNotAllowed: more than the person's role may do.
        BadExpiry: in the past, or too far away.
    """
    _check_owner(agent_id, by)
    if by is not None and by.via is Via.TOKEN and not by.may(Scope.ADMIN):
        raise NotAllowed("A program cannot make tokens; sign in and make it yourself.")
    agent = await session.get(Agent, agent_id)
    if agent is None:
        raise NotFound("There is no such person.")
    scopes = set(new.scopes)
    if beyond := sorted(scopes - ROLE_SCOPES[agent.role]):
        raise ScopeNotAllowed(f"Beyond what the role {agent.role.value} may do: {', '.join(beyond)}.", scopes=beyond)
    now = datetime.now(UTC)
    if new.expires_at is not None and not now < new.expires_at < now + _LONGEST_LIFE:
        raise BadExpiry("A token ends in the future, and within ten years; or leave the end out.")
    secret = PREFIX + secrets.token_urlsafe(32)
    token = ApiToken(
        agent_id=agent_id,
        name=new.name,
        token_hash=digest(secret),
        scopes=sorted(scopes),
        created_at=now,
        expires_at=new.expires_at,
    )
    session.add(token)
    await session.flush()
    return token, secret


async def list_tokens(
    session: AsyncSession, agent_id: UUID, page: Page, by: Signed
) -> tuple[Sequence[ApiToken], str | None]:
    """A person's tokens, newest first, revoked ones too; and the cursor of the next page.

    Raises:
        NotAllowed: somebody else's, and no administrator asks.
        NotFound: there is no such person.
        BadCursor: see `decode_cursor`.
    """
    _check_owner(agent_id, by)
    if await session.get(Agent, agent_id) is None:
        raise NotFound("There is no such person.")
    query = select(ApiToken).where(ApiToken.agent_id == agent_id).order_by(ApiToken.id.desc()).limit(page.limit + 1)
    if page.cursor is not None:
        query = query.where(ApiToken.id < decode_cursor(page.cursor, UUID)[0])
    return cut((await session.scalars(query)).all(), page, lambda token: (token.id,))


async def revoke_token(session: AsyncSession, agent_id: UUID, token_id: UUID, by: Signed | None) -> None:
    """End a token at once. Once revoked it stays listed, as revoked when it first was.

    Raises:
        NotAllowed: somebody else's, and no administrator asks.
        NotFound: this person has no such token.
    """
    _check_owner(agent_id, by)
    token = await session.scalar(
        select(ApiToken).where(ApiToken.id == token_id, ApiToken.agent_id == agent_id).with_for_update()
    )
    if token is None:
        raise NotFound("There is no such token.")
    token.revoked_at = token.revoked_at or datetime.now(UTC)
    await session.flush()


def _check_owner(agent_id: UUID, by: Signed | None) -> None:
    if by is not None and not by.may(Scope.ADMIN):
        by.require_self(agent_id)
