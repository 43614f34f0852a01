"""Telling owners how much of their time is gone, and supervisors when it is over. Each share of it is told once."""

from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import Database
from app.domain.card import iso
from app.domain.working_calendar import CalendarUnknown
from app.models.calls import AgentEventType
from app.models.complaints import Complaint
from app.services.complaints import clock
from app.services.complaints.records import minder_of, supervisors, tell_all, write_change
from app.services.hotline import Hotline

_OVER: Final = 100


async def tell_of_due_times(database: Database, hotline: Hotline, now: datetime) -> int:
    """Tell everybody whose complaints have reached a share of their time by `now`; gives how many complaints.

    Each complaint in a transaction of its own, held by whoever comes first; others step over it. So it may be run
    late, twice, or by several processes at once.
    """
    told = 0
    while True:
        async with database.session_scope() as session:
            if not await _tell_one(session, hotline, now):
                return told
            told += 1


async def _tell_one(session: AsyncSession, hotline: Hotline, now: datetime) -> bool:
    complaint = await session.scalar(
        select(Complaint)
        .where(Complaint.warn_at.is_not(None), Complaint.warn_at <= now)
        .order_by(Complaint.warn_at)
        .limit(1)
        .with_for_update(key_share=True, skip_locked=True)
    )
    if complaint is None:
        return False
    rule = await clock.rule_of(session, complaint.severity)
    calendar = await clock.working_calendar(session, hotline)
    running = clock.clock_of(complaint)
    try:
        reached = running.reached(rule.warn_percent, complaint.warned_percent, calendar, now)
        complaint.warn_at = running.next_warning(rule.warn_percent, reached or complaint.warned_percent, calendar)
    except CalendarUnknown:
        # The years that count were known when the clock began. Tell what the row says, and nothing further.
        reached, complaint.warn_at = _OVER, None
    if reached is not None:
        await _tell(session, complaint, reached, now)
    await session.flush()
    return True


async def _tell(session: AsyncSession, complaint: Complaint, percent: int, now: datetime) -> None:
    before, complaint.warned_percent = complaint.warned_percent, percent
    told = [await minder_of(session, complaint)]
    event = AgentEventType.COMPLAINT_DUE_SOON
    if percent >= _OVER:
        event = AgentEventType.COMPLAINT_OVERDUE
        if before < _OVER:
            complaint.escalated_at = now
    if percent >= _OVER or complaint.partner_id is not None:
        told += await supervisors(session)
    what = "escalated" if percent >= _OVER else "warned"
    write_change(session, complaint, what, at=now, percent=percent, due_at=iso(complaint.due_at))
    await session.flush()
    await tell_all(session, told, event, complaint, now, percent=percent, due_at=iso(complaint.due_at))
