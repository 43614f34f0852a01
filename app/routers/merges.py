"""Merges: looking at one, and taking it back."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter

from app.dependencies import DbSession, OriginNotAllowed, requires
from app.domain.scopes import Scope
from app.errors import NotSignedIn, Unavailable
from app.schemas.merges import MergeRead
from app.schemas.problem import problems
from app.services import merging
from app.services.access import ScopeMissing, Signed
from app.services.customers import CustomerErased
from app.services.merge_moves import CustomerBusy
from app.services.merging import MergeNotLast, MergeUndone, NoSuchMerge

router = APIRouter(prefix="/merges", tags=["customers"])

_READING = (NotSignedIn, ScopeMissing, Unavailable, NoSuchMerge)


@router.get("/{merge_id}", operation_id="get_merge", responses=problems(*_READING))
async def get_merge(
    merge_id: UUID, session: DbSession, _user: Annotated[Signed, requires(Scope.CUSTOMERS_READ)]
) -> MergeRead:
    """Who was merged into whom, when, by whom and why."""
    return await merging.read_merge(session, await merging.find_merge(session, merge_id))


@router.post(
    "/{merge_id}/undo",
    operation_id="undo_merge",
    responses=problems(*_READING, OriginNotAllowed, MergeUndone, MergeNotLast, CustomerErased, CustomerBusy),
)
async def undo_merge(
    merge_id: UUID, session: DbSession, user: Annotated[Signed, requires(Scope.CUSTOMERS_WRITE)]
) -> MergeRead:
    """Make two of one again.

    Both are as they were before. What came to the survivor since stays with them, except what the other's own sources
    say. Merges of one customer are taken back in the opposite order.
    """
    return await merging.read_merge(session, await merging.undo(session, merge_id, by=user.agent_id))
