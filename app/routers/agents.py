"""The people who work here, and the API tokens that act for them."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from app.dependencies import CurrentUser, DbSession, HotlineNow, OriginNotAllowed, PageArgs, requires
from app.domain.scopes import Scope
from app.errors import NotAllowed, NotFound, NotSignedIn, Unavailable
from app.models.people import Role
from app.schemas.agents import AgentCreate, AgentRead, AgentUpdate, NewToken, TokenCreate, TokenRead
from app.schemas.listing import Listing
from app.schemas.problem import problems
from app.services import agents, tokens
from app.services.access import ScopeMissing, Signed
from app.services.paging import BadCursor

router = APIRouter(prefix="/agents", tags=["agents"])

Reader = Annotated[Signed, requires(Scope.AGENTS_READ)]
Writer = Annotated[Signed, requires(Scope.AGENTS_WRITE)]


@router.get("", operation_id="list_agents", responses=problems(BadCursor, NotSignedIn, ScopeMissing, Unavailable))
async def list_agents(
    _user: Reader,
    session: DbSession,
    page: PageArgs,
    role: Annotated[Role | None, Query(description="Only people of this role.")] = None,
    active: Annotated[bool | None, Query(description="Only people who may sign in, or only those who may not.")] = None,
) -> Listing[AgentRead]:
    """People by name."""
    people, cursor = await agents.list_agents(session, page, role=role, active=active)
    return Listing(items=[AgentRead.model_validate(person) for person in people], next=cursor)


@router.get(
    "/{agent_id}", operation_id="get_agent", responses=problems(NotSignedIn, ScopeMissing, NotFound, Unavailable)
)
async def get_agent(agent_id: UUID, _user: Reader, session: DbSession) -> AgentRead:
    """One person."""
    return AgentRead.model_validate(await agents.get_agent(session, agent_id))


@router.post(
    "",
    operation_id="create_agent",
    status_code=201,
    responses=problems(NotSignedIn, ScopeMissing, NotAllowed, OriginNotAllowed, agents.EmailTaken, Unavailable),
)
async def create_agent(body: AgentCreate, user: Writer, session: DbSession) -> AgentRead:
    """Add a person. Supervisors add agents, account managers and analysts; administrators add anybody."""
    return AgentRead.model_validate(await agents.add_agent(session, body, user))


@router.patch(
    "/{agent_id}",
    operation_id="update_agent",
    responses=problems(
        NotSignedIn,
        NotAllowed,
        ScopeMissing,
        OriginNotAllowed,
        NotFound,
        agents.EmailTaken,
        agents.LastAdmin,
        Unavailable,
    ),
)
async def update_agent(
    agent_id: UUID, body: AgentUpdate, user: CurrentUser, session: DbSession, hotline: HotlineNow
) -> AgentRead:
    """Change a person; what is left out stays. One's own name and language are everybody's to change.

    A new password ends the person's sessions; `active: false` does too, and makes their tokens worthless.
    """
    return AgentRead.model_validate(await agents.change_agent(session, agent_id, body, user, hotline))


@router.get(
    "/{agent_id}/tokens",
    operation_id="list_tokens",
    responses=problems(BadCursor, NotSignedIn, NotAllowed, NotFound, Unavailable),
)
async def list_tokens(agent_id: UUID, user: CurrentUser, session: DbSession, page: PageArgs) -> Listing[TokenRead]:
    """A person's API tokens, newest first, without their secrets. One's own, or anybody's for administrators."""
    found, cursor = await tokens.list_tokens(session, agent_id, page, user)
    return Listing(items=[TokenRead.model_validate(token) for token in found], next=cursor)


@router.post(
    "/{agent_id}/tokens",
    operation_id="create_token",
    status_code=201,
    responses=problems(NotSignedIn, NotAllowed, tokens.ScopeNotAllowed, OriginNotAllowed, NotFound, Unavailable),
)
async def create_token(agent_id: UUID, body: TokenCreate, user: CurrentUser, session: DbSession) -> NewToken:
    """Make an API token that acts for this person. Its secret is in this answer and nowhere else ever again."""
    token, secret = await tokens.create_token(session, agent_id, body, user)
    return NewToken(**TokenRead.model_validate(token).model_dump(), token=secret)


@router.delete(
    "/{agent_id}/tokens/{token_id}",
    operation_id="revoke_token",
    status_code=204,
    responses=problems(NotSignedIn, NotAllowed, OriginNotAllowed, NotFound, Unavailable),
)
async def revoke_token(agent_id: UUID, token_id: UUID, user: CurrentUser, session: DbSession) -> None:
    """Revoke a token; it stops working at once."""
    await tokens.revoke_token(session, agent_id, token_id, user)
