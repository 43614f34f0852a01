"""What the customer said at the next-day callback, and what it does to the complaint."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.complaint_states import SETTLED, ComplaintAct, next_state
from app.models.calls import AgentEventType
from app.services.complaints import clock
from app.services.complaints.records import find_complaint, write_change
from app.services.complaints.states import move, reopen, tell_owner, withdraw_handover, write_closed
from app.services.hotline import Hotline


async def close_by_callback(
    session: AsyncSession, complaint_id: UUID, *, satisfaction: int | None, by: UUID | None, now: datetime
) -> None:
    """The customer said at a callback that it works now: closed, wherever it stood. One that is closed stays so."""
    complaint = await find_complaint(session, str(complaint_id), lock=True)
    if next_state(complaint.state, ComplaintAct.SATISFIED) is None:
        if satisfaction is not None:
            complaint.satisfaction = satisfaction
            write_change(session, complaint, "satisfaction", at=now, by=by, satisfaction=satisfaction)
        return
    if complaint.state not in SETTLED:
        complaint.resolved_at, complaint.resolved_by_id = now, by
        await withdraw_handover(session, complaint, by, now)
    move(complaint, ComplaintAct.SATISFIED)
    clock.stop(complaint)
    write_closed(session, complaint, satisfaction, "works_now", by, now)


async def reopen_by_callback(
    session: AsyncSession, complaint_id: UUID, *, note: str, by: UUID | None, hotline: Hotline, now: datetime
) -> None:
    """The customer said at a callback that it is still broken: reopened, or, if it was never settled, noted.

    Either way its owner is told at once.

    Raises:
        NoWorkingTime: no due time can be told.
    """
    complaint = await find_complaint(session, str(complaint_id), lock=True)
    if complaint.state in SETTLED:
        await reopen(session, complaint, note or "still_broken", by, hotline, now)
        return
    write_change(session, complaint, "still_broken", at=now, by=by, note=note)
    await tell_owner(session, complaint, AgentEventType.COMPLAINT_REOPENED, now)
