"""A complaint's row: found and held, its history, who may act on it, whom it is told to."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.scopes import Scope
from app.errors import Conflict, NotAllowed, NotFound
from app.models.base import new_id
from app.models.calls import AgentEventType
from app.models.complaints import Complaint, ComplaintChange, DailyCode, Handover, HandoverState
from app.models.people import Agent
from app.services.access import ROLE_SCOPES, Signed
from app.services.agent_log import tell

_LETTER: Final = "K"
_LONGEST_CODE: Final = 24
_SUPERVISING: Final = tuple(role for role, scopes in ROLE_SCOPES.items() if Scope.COMPLAINTS_SUPERVISE in scopes)


class NoSuchComplaint(NotFound):
    """There is no complaint of that id or code."""

    code = "no_such_complaint"
    title = "No such complaint"


class NotYourComplaint(NotAllowed):
    """Only its owner, or a supervisor, may do this with a complaint; `owner` says whose it is."""

    code = "not_your_complaint"


class WrongState(Conflict):
    """The complaint's state does not allow it; `state` is how it stands."""

    code = "wrong_complaint_state"
    title = "The complaint does not stand so"


async def find_complaint(session: AsyncSession, ref: str, *, lock: bool = False) -> Complaint:
    """A complaint by id or code, in either case.

    Args:
        lock: hold the row until the transaction ends; whoever waited sees it as the other left it.

    Raises:
        NoSuchComplaint: there is none.
    """
    try:
        named = Complaint.id == UUID(ref)
    except ValueError:
        if len(ref) > _LONGEST_CODE or not ref.isascii() or "\x00" in ref:
            raise NoSuchComplaint("There is no such complaint.") from None
        named = Complaint.code == ref.upper()
    wanted = select(Complaint).where(named)
    if lock:
        wanted = wanted.with_for_update(key_share=True).execution_options(populate_existing=True)
    complaint = await session.scalar(wanted)
    if complaint is None:
        raise NoSuchComplaint("There is no such complaint.")
    return complaint


def write_change(
    session: AsyncSession, complaint: Complaint, what: str, *, at: datetime, by: UUID | None = None, **detail: Any
) -> None:
    """Write down one thing that happened to a complaint, and raise its version.

    Args:
        what: a word: `opened`, `started`, `paused`, `handed_over`, `resolved`, `note` …
        by: the agent who did it; None for what follows by itself.
        detail: from what to what, and why; JSON values only.
    """
    session.add(ComplaintChange(id=new_id(), complaint_id=complaint.id, at=at, agent_id=by, what=what, detail=detail))
    complaint.version += 1


async def require_owner(session: AsyncSession, complaint: Complaint, by: Signed) -> None:
    """Let the owner pass, and supervisors; for a partner's complaint also whoever handed it to the partner.

    Raises:
        NotYourComplaint: it is somebody else's.
    """
    if by.may(Scope.COMPLAINTS_SUPERVISE) or complaint.owner_id == by.agent_id:
        return
    if complaint.partner_id is not None and by.agent_id == await minder_of(session, complaint):
        return
    owner = await session.get(Agent, complaint.owner_id) if complaint.owner_id else None
    raise NotYourComplaint(
        "Only the owner of this complaint, or a supervisor, may do that.", owner=owner.name if owner else None
    )


async def minder_of(session: AsyncSession, complaint: Complaint) -> UUID | None:
    """The agent of ours who is told of a complaint: its owner, or who handed it to the partner that has it."""
    if complaint.owner_id is not None:
        return complaint.owner_id
    return await session.scalar(
        select(Handover.asked_by_id)
        .where(Handover.complaint_id == complaint.id, Handover.state == HandoverState.ACCEPTED)
        .order_by(Handover.answered_at.desc(), Handover.id.desc())
        .limit(1)
    )


async def supervisors(session: AsyncSession) -> list[UUID]:
    """Everybody who may decide on complaints of others."""
    return list(await session.scalars(select(Agent.id).where(Agent.active, Agent.role.in_(_SUPERVISING))))


async def tell_all(
    session: AsyncSession,
    agent_ids: Iterable[UUID | None],
    event: AgentEventType,
    complaint: Complaint,
    at: datetime,
    **more: Any,
) -> None:
    """Tell agents of a complaint, each once. What they are told names nobody but by the complaint's code."""
    data = {"complaint_id": str(complaint.id), "code": complaint.code, **more}
    # In one order everywhere: an agent's log is a lock.
    for agent_id in sorted({agent_id for agent_id in agent_ids if agent_id is not None}):
        await tell(session, agent_id, event, data, at=at)


async def next_code(session: AsyncSession, day: date) -> str:
    """A code for a complaint of a local day, such as K20261122-0007. The day's next one waits for this transaction."""
    number = await session.scalar(
        insert(DailyCode)
        .values(letter=_LETTER, day=f"{day:%Y%m%d}", last=1)
        .on_conflict_do_update(
            index_elements=[DailyCode.letter, DailyCode.day], set_={DailyCode.last: DailyCode.last + 1}
        )
        .returning(DailyCode.last)
    )
    return f"{_LETTER}{day:%Y%m%d}-{number:04}"
