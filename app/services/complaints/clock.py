"""A complaint's clock as its row keeps it: begun, stopped, paused, and read by the rule of its severity."""

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.complaint_clock import Clock
from app.domain.complaint_states import SETTLED
from app.domain.working_calendar import CalendarUnknown, NeverWorking, WorkingCalendar
from app.errors import Conflict
from app.models.complaints import Complaint, Partner, Severity, SeverityRule
from app.services.calendars import read_calendars
from app.services.hotline import Hotline


class NoWorkingTime(Conflict):
    """The calendar has too little working time for a due time: look at the working hours."""

    code = "no_working_time"
    title = "There is no working time"


async def rule_of(session: AsyncSession, severity: Severity) -> SeverityRule:
    """How much time a severity allows. Every severity has a rule from the migration on."""
    return await session.get_one(SeverityRule, severity)


async def working_calendar(session: AsyncSession, hotline: Hotline) -> WorkingCalendar:
    """The organisation's working time, by which complaints are due."""
    return (await read_calendars(session, hotline)).main


def clock_of(complaint: Complaint) -> Clock:
    """The owner's clock."""
    return Clock(
        complaint.clock_from,
        timedelta(seconds=complaint.allowed_seconds),
        timedelta(seconds=complaint.paused_seconds),
    )


async def begin(session: AsyncSession, complaint: Complaint, calendar: WorkingCalendar, now: datetime) -> bool:
    """Begin anew: when a complaint is opened or reopened. A partner's own time begins beside the severity's.

    Where nobody has said which days are worked, time runs by the clock alone, nights and holidays too: it is due too
    soon rather than not taken down. Gives True then.

    Raises:
        NoWorkingTime: of the calendar.
    """
    try:
        await _begin(session, complaint, calendar, now)
    except CalendarUnknown:
        await _begin(session, complaint, calendar.by_the_clock(), now)
        return True
    return False


async def _begin(session: AsyncSession, complaint: Complaint, calendar: WorkingCalendar, now: datetime) -> None:
    rule = await rule_of(session, complaint.severity)
    _set(complaint, Clock(now, timedelta(minutes=rule.due_minutes)), rule, calendar)
    complaint.settle_by = complaint.due_at
    if complaint.partner_id is not None:
        await begin_owners(session, complaint, calendar, now)


async def begin_owners(session: AsyncSession, complaint: Complaint, calendar: WorkingCalendar, now: datetime) -> None:
    """Give a new owner their time: a partner its own, an agent what is left of the severity's.

    Raises:
        NoWorkingTime; CalendarUnknown: nobody has said which days of a year are worked.
    """
    rule = await rule_of(session, complaint.severity)
    if complaint.partner_id is None:
        allowed = calendar.working_time_between(now, complaint.settle_by)
    else:
        partner = await session.get_one(Partner, complaint.partner_id)
        allowed = timedelta(minutes=partner.due_minutes)
    _set(complaint, Clock(now, allowed), rule, calendar)
    if complaint.partner_id is None:
        complaint.due_at = complaint.settle_by


async def change_severity(session: AsyncSession, complaint: Complaint, calendar: WorkingCalendar) -> None:
    """Count an agent's time anew by the complaint's new severity, from when it began. Raises as `begin_owners`."""
    rule = await rule_of(session, complaint.severity)
    began = complaint.reopened_at or complaint.opened_at
    paused = timedelta(seconds=complaint.paused_seconds)
    _set(complaint, Clock(began, timedelta(minutes=rule.due_minutes), paused), rule, calendar)
    complaint.settle_by = complaint.due_at


def pause(complaint: Complaint, reason: str, now: datetime) -> None:
    """Stop the clock until `resume`."""
    complaint.paused_at, complaint.pause_reason = now, reason
    complaint.warn_at = None


async def resume(session: AsyncSession, complaint: Complaint, calendar: WorkingCalendar, now: datetime) -> None:
    """Let a paused clock run on: what was not due yet is due so much working time later. Raises as `begin_owners`."""
    assert complaint.paused_at is not None
    rule = await rule_of(session, complaint.severity)
    stood = calendar.working_time_between(complaint.paused_at, now)
    clock = clock_of(complaint).stood_still(complaint.paused_at, now, calendar)
    complaint.paused_at = complaint.pause_reason = None
    _set(complaint, clock, rule, calendar, complaint.warned_percent)
    try:
        complaint.settle_by = calendar.add_working_time(complaint.settle_by, stood)
    except NeverWorking as error:
        raise NoWorkingTime(str(error)) from None
    if complaint.partner_id is None:
        complaint.due_at = complaint.settle_by


def stop(complaint: Complaint) -> None:
    """No clock runs for what is settled."""
    complaint.warn_at = complaint.paused_at = complaint.pause_reason = None


def _set(complaint: Complaint, clock: Clock, rule: SeverityRule, calendar: WorkingCalendar, told: int = 0) -> None:
    """Write a clock into the row, of which the shares up to `told` percent were told already."""
    try:
        complaint.due_at = clock.moment(100, calendar)
        warn_at = clock.next_warning(rule.warn_percent, told, calendar)
    except NeverWorking as error:
        raise NoWorkingTime(str(error)) from None
    complaint.clock_from = clock.began_at
    complaint.allowed_seconds = round(clock.allowed.total_seconds())
    complaint.paused_seconds = round(clock.paused.total_seconds())
    complaint.warned_percent = told
    complaint.warn_at = None if complaint.paused_at or complaint.state in SETTLED else warn_at
