"""The people who work here: added, changed, found."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import delete, select, tuple_
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.scopes import Scope
from app.errors import Conflict, Invalid, NotAllowed, NotFound
from app.models.base import new_id
from app.models.people import Agent, Role
from app.models.routing import AgentPresence, Presence, Queue, QueueMember
from app.schemas.agents import AgentCreate, AgentUpdate
from app.services.access import Signed
from app.services.hotline import Hotline
from app.services.paging import Page, cut, decode_cursor, plain_text
from app.services.passwords import hash_password
from app.services.presence import choose_presence
from app.services.sessions import end_sessions

_FOR_ADMINS: Final = frozenset({Role.SUPERVISOR, Role.ADMIN})
_ONES_OWN: Final = frozenset({"name", "language"})


class EmailTaken(Conflict):
    """Somebody signs in with this e-mail address already."""

    code = "email_taken"


class LastAdmin(Conflict):
    """Nobody would be left who could let anybody in."""

    code = "last_admin"


class UnknownQueue(Invalid):
    """There is no queue by this key; `queue` names it."""

    code = "unknown_queue"


@dataclass(frozen=True, slots=True)
class Person:
    """An agent and the keys of their queues."""

    id: UUID
    email: str
    name: str
    role: Role
    language: str
    identity: str
    active: bool
    queues: list[str]
    created_at: datetime


async def list_agents(
    session: AsyncSession, page: Page, *, role: Role | None = None, active: bool | None = None
) -> tuple[list[Person], str | None]:
    """People by name, and the cursor of the next page. Raises BadCursor (see `decode_cursor`)."""
    query = select(Agent).order_by(Agent.name, Agent.id).limit(page.limit + 1)
    if role is not None:
        query = query.where(Agent.role == role)
    if active is not None:
        query = query.where(Agent.active == active)
    if page.cursor is not None:
        query = query.where(tuple_(Agent.name, Agent.id) > tuple_(*decode_cursor(page.cursor, plain_text, UUID)))
    shown, more = cut((await session.scalars(query)).all(), page, lambda agent: (agent.name, agent.id))
    return await _people(session, shown), more


async def get_agent(session: AsyncSession, agent_id: UUID) -> Person:
    """One person. Raises NotFound."""
    agent = await session.get(Agent, agent_id)
    if agent is None:
        raise NotFound("There is no such person.")
    return (await _people(session, [agent]))[0]


async def add_agent(
    session: AsyncSession, new: AgentCreate, by: Signed | None, *, identity: str | None = None
) -> Person:
    """Add a person, with a presence (offline).

    Args:
        by: who asks; None for whoever runs this machine.
        identity: the name their softphone registers under; made of the id when not given.

    Raises:
        NotAllowed: this role is given by administrators only.
        EmailTaken, UnknownQueue.
    """
    _check_may_manage(by, new.role)
    agent_id = new_id()
    agent = Agent(
        id=agent_id,
        email=new.email,
        name=new.name,
        role=new.role,
        language=new.language,
        identity=identity or f"agent_{agent_id.hex}",
        password_hash=await hash_password(new.password.get_secret_value()) if new.password else None,
        active=True,
    )
    session.add(agent)
    await _flush(session)
    session.add(AgentPresence(agent_id=agent.id))
    await _set_queues(session, agent.id, new.queues)
    await session.refresh(agent, ["created_at"])
    return (await _people(session, [agent]))[0]


async def change_agent(
    session: AsyncSession, agent_id: UUID, change: AgentUpdate, by: Signed, hotline: Hotline
) -> Person:
    """Change what `change` names of a person.

    People change their own name and language themselves. A new password, or not being active any more, ends the
    person's sessions; who is not active any more is put offline too, once a call they are on is over.

    Raises:
        NotFound: there is no such person.
        NotAllowed: not theirs to change.
        LastAdmin: the last active administrator would be no more.
        EmailTaken, UnknownQueue.
    """
    given = change.model_fields_set
    new_hash = await hash_password(change.password.get_secret_value()) if "password" in given else None
    if given & {"role", "active"}:
        # All of them and in order, so that two administrators cannot both give up, thinking that the other stays.
        admins = select(Agent.id).where(Agent.role == Role.ADMIN, Agent.active).order_by(Agent.id)
        others = set(await session.scalars(admins.with_for_update(key_share=True))) - {agent_id}
    else:
        others = None
    agent = await session.scalar(
        select(Agent)
        .where(Agent.id == agent_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if agent is None:
        raise NotFound("There is no such person.")
    if not (agent_id == by.agent_id and given <= _ONES_OWN):
        _check_may_manage(by, agent.role, change.role if "role" in given else agent.role)
    was_admin = agent.role is Role.ADMIN and agent.active
    for name in given - {"password", "queues"}:
        setattr(agent, name, getattr(change, name))
    if was_admin and not others and not (agent.role is Role.ADMIN and agent.active):
        raise LastAdmin("This is the last administrator. Make somebody else one first.")
    if new_hash is not None:
        agent.password_hash = new_hash
    await _flush(session)
    if "queues" in given:
        await _set_queues(session, agent_id, change.queues)
    if new_hash is not None or not agent.active:
        await end_sessions(session, agent_id)
    if not agent.active:
        await _put_offline(session, agent_id, hotline)
    return (await _people(session, [agent]))[0]


def _check_may_manage(by: Signed | None, *roles: Role) -> None:
    """Raises NotAllowed unless `by` may add and change people of all these roles."""
    if by is None or by.may(Scope.ADMIN):
        return
    by.require(Scope.AGENTS_WRITE)
    if not _FOR_ADMINS.isdisjoint(roles):
        raise NotAllowed("Supervisors and administrators are added and changed by administrators.")


async def _flush(session: AsyncSession) -> None:
    try:
        await session.flush()
    except IntegrityError as error:
        if "uq_agents_email_lower" in str(error.orig):
            raise EmailTaken("Somebody signs in with this e-mail address already.") from None
        raise


async def _set_queues(session: AsyncSession, agent_id: UUID, keys: Iterable[str]) -> None:
    wanted = set(keys)
    ids: dict[str, UUID] = {
        row.key: row.id for row in await session.execute(select(Queue.key, Queue.id).where(Queue.key.in_(wanted)))
    }
    if missing := sorted(wanted - ids.keys()):
        raise UnknownQueue(f"There is no queue {missing[0]!r}.", queue=missing[0])
    await session.execute(delete(QueueMember).where(QueueMember.agent_id == agent_id))
    session.add_all(QueueMember(queue_id=queue_id, agent_id=agent_id) for queue_id in ids.values())
    await session.flush()


async def _put_offline(session: AsyncSession, agent_id: UUID, hotline: Hotline) -> None:
    presence = await session.get_one(AgentPresence, agent_id, with_for_update=True)
    if presence.state is not Presence.ON_CALL:
        await choose_presence(session, agent_id, Presence.OFFLINE, "", hotline, datetime.now(UTC))


async def _people(session: AsyncSession, agents: Sequence[Agent]) -> list[Person]:
    queues = await _queue_keys(session, [agent.id for agent in agents])
    return [
        Person(
            id=agent.id,
            email=agent.email,
            name=agent.name,
            role=agent.role,
            language=agent.language,
            identity=agent.identity,
            active=agent.active,
            queues=queues.get(agent.id, []),
            created_at=agent.created_at,
        )
        for agent in agents
    ]


async def _queue_keys(session: AsyncSession, agent_ids: list[UUID]) -> Mapping[UUID, list[str]]:
    keys: dict[UUID, list[str]] = {}
    for row in await session.execute(
        select(QueueMember.agent_id, Queue.key)
        .join(Queue, Queue.id == QueueMember.queue_id)
        .where(QueueMember.agent_id.in_(agent_ids))
        .order_by(Queue.key)
    ):
        keys.setdefault(row.agent_id, []).append(row.key)
    return keys
