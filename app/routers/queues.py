"""How the hotline is set up: queues, the numbers that lead to them, their hours, closed days and members.

A change holds for this process before it is answered, for the others within seconds.
"""

from collections.abc import AsyncIterator
from typing import Annotated, Final
from uuid import UUID

import structlog
from fastapi import APIRouter, Depends, Path, Query, Response

from app.db import is_outage
from app.dependencies import DbSession, HotlineNow, OriginNotAllowed, PageArgs, RuntimeOf, requires
from app.domain.scopes import Scope
from app.errors import NotSignedIn, Unavailable
from app.schemas.listing import Listing
from app.schemas.problem import problems
from app.schemas.queues import (
    ClosureCreate,
    ClosureRead,
    NumberRead,
    NumberSettings,
    QueueCreate,
    QueueRead,
    QueueUpdate,
    Week,
)
from app.services import queues
from app.services.access import ScopeMissing, Signed
from app.services.paging import BadCursor
from app.services.queues import ClosureExists, DefaultNeeded, KeyTaken, NoSuchAgent, NoSuchPart, NoSuchQueue

log = structlog.get_logger("callcard.setup")


async def hotline_read_anew(runtime: RuntimeOf) -> AsyncIterator[None]:
    """Have this process see the change once it is committed.

    It has to be the first dependency of its route: what is opened first is closed last, so after the transaction.
    """
    yield
    try:
        await runtime.hotline.refresh()
    except Exception as error:
        # The change stands; the keeper reads it as soon as the database answers.
        if not is_outage(error):
            raise
        log.warning("the changed set-up could not be read back", error=type(error).__name__)


ReadAnew: Final = Depends(hotline_read_anew, scope="function")
MAY_SET_UP: Final = Scope.AGENTS_WRITE
"""Whoever may change people may also set up what they work on."""

Reader = Annotated[Signed, requires(Scope.AGENTS_READ)]
Writer = Annotated[Signed, requires(MAY_SET_UP)]
Ref = Annotated[str, Path(description="The queue's id or key.", examples=["hotline"])]
OurNumber = Annotated[
    str,
    Path(
        max_length=250,
        description="A number of ours as callers dial it, in any spelling.",
        examples=["+862112345678"],
    ),
]

_READING = (NotSignedIn, ScopeMissing, Unavailable)
_CHANGING = (*_READING, OriginNotAllowed)

router = APIRouter(tags=["set-up"])


@router.get("/queues", operation_id="list_queues", responses=problems(*_READING, BadCursor))
async def list_queues(session: DbSession, page: PageArgs, _user: Reader) -> Listing[QueueRead]:
    """All queues by key, with their numbers, hours and members."""
    return await queues.list_queues(session, page)


@router.post(
    "/queues",
    operation_id="create_queue",
    status_code=201,
    dependencies=[ReadAnew],
    responses={
        201: {"headers": {"Location": {"description": "Where the queue is.", "schema": {"type": "string"}}}},
        **problems(*_CHANGING, KeyTaken),
    },
)
async def create_queue(
    given: QueueCreate, session: DbSession, hotline: HotlineNow, _user: Writer, response: Response
) -> QueueRead:
    """Add a queue. 422 `bad_number`, `own_number`: nobody could be reached on the fallback number."""
    queue = await queues.create_queue(session, given, hotline)
    response.headers["Location"] = f"/api/v1/queues/{queue.key}"
    return queue


@router.get("/queues/{ref}", operation_id="get_queue", responses=problems(*_READING, NoSuchQueue))
async def get_queue(ref: Ref, session: DbSession, _user: Reader) -> QueueRead:
    """One queue with its numbers, hours and members."""
    return await queues.read_queue(session, ref)


@router.patch(
    "/queues/{ref}",
    operation_id="change_queue",
    dependencies=[ReadAnew],
    responses=problems(*_CHANGING, NoSuchQueue, DefaultNeeded),
)
async def change_queue(
    ref: Ref, given: QueueUpdate, session: DbSession, hotline: HotlineNow, _user: Writer
) -> QueueRead:
    """Change what is given, and nothing else. Making a queue the default takes that from the one that was."""
    return await queues.change_queue(session, ref, given, hotline)


@router.put(
    "/queues/{ref}/numbers/{number:path}",
    operation_id="put_queue_number",
    dependencies=[ReadAnew],
    responses=problems(*_CHANGING, NoSuchQueue),
)
async def put_queue_number(
    ref: Ref,
    number: OurNumber,
    session: DbSession,
    hotline: HotlineNow,
    _user: Writer,
    given: NumberSettings | None = None,
) -> NumberRead:
    """Have calls to a number of ours lead to this queue, and to no other. 422 `bad_number`: nobody could dial that."""
    return await queues.put_number(session, ref, number, given or NumberSettings(), hotline)


@router.delete(
    "/queues/{ref}/numbers/{number:path}",
    operation_id="remove_queue_number",
    status_code=204,
    dependencies=[ReadAnew],
    responses=problems(*_CHANGING, NoSuchQueue, NoSuchPart),
)
async def remove_queue_number(
    ref: Ref, number: OurNumber, session: DbSession, hotline: HotlineNow, _user: Writer
) -> None:
    """Have a number lead to no queue of its own: its calls go to the default one."""
    await queues.remove_number(session, ref, number, hotline)


@router.put(
    "/queues/{ref}/openings",
    operation_id="put_queue_openings",
    dependencies=[ReadAnew],
    responses=problems(*_CHANGING, NoSuchQueue),
)
async def put_queue_openings(ref: Ref, given: Week, session: DbSession, _user: Writer) -> Week:
    """Replace a queue's weekly hours. Windows stand apart; an empty week means always open."""
    return await queues.put_openings(session, ref, given)


@router.put(
    "/queues/{ref}/members/{agent_id}",
    operation_id="put_queue_member",
    status_code=204,
    responses=problems(*_CHANGING, NoSuchQueue, NoSuchAgent),
)
async def put_queue_member(ref: Ref, agent_id: UUID, session: DbSession, _user: Writer) -> None:
    """Have an agent take calls of this queue."""
    await queues.put_member(session, ref, agent_id)


@router.delete(
    "/queues/{ref}/members/{agent_id}",
    operation_id="remove_queue_member",
    status_code=204,
    responses=problems(*_CHANGING, NoSuchQueue, NoSuchPart),
)
async def remove_queue_member(ref: Ref, agent_id: UUID, session: DbSession, _user: Writer) -> None:
    """Have an agent take no more calls of this queue; what they are in goes on."""
    await queues.remove_member(session, ref, agent_id)


@router.get("/closures", operation_id="list_closures", responses=problems(*_READING, BadCursor, NoSuchQueue))
async def list_closures(
    session: DbSession,
    page: PageArgs,
    _user: Reader,
    queue: Annotated[
        str | None, Query(max_length=64, description="Only days that hold for this queue (id or key).")
    ] = None,
) -> Listing[ClosureRead]:
    """Days with hours of their own, by date."""
    return await queues.list_closures(session, page, queue)


@router.post(
    "/closures",
    operation_id="add_closure",
    status_code=201,
    dependencies=[ReadAnew],
    responses=problems(*_CHANGING, ClosureExists),
)
async def add_closure(given: ClosureCreate, session: DbSession, _user: Writer) -> ClosureRead:
    """Close on a day, or give it hours of its own. 422 `unknown_queue`: there is no such queue."""
    return await queues.add_closure(session, given)


@router.delete(
    "/closures/{closure_id}",
    operation_id="remove_closure",
    status_code=204,
    dependencies=[ReadAnew],
    responses=problems(*_CHANGING, NoSuchPart),
)
async def remove_closure(closure_id: UUID, session: DbSession, _user: Writer) -> None:
    """Have the weekly hours hold on that day again."""
    await queues.remove_closure(session, closure_id)
