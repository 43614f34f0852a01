"""Promising a call: which number, when, whose; written in the transaction of whatever the promise follows from."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Boolean, func, literal_column, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.calling_windows import NeverOpen, Place
from app.domain.card import iso
from app.domain.promised_times import choose_slot, next_day_slots, soonest
from app.domain.working_calendar import CalendarUnknown, NeverWorking, WorkingCalendar
from app.models.base import new_id
from app.models.callbacks import Callback, CallbackMode, CallbackReason, CallbackState
from app.models.customers import Customer
from app.services.calendars import Calendars, read_calendars
from app.services.callbacks.history import record_change
from app.services.callbacks.retrying import escalate
from app.services.callbacks.times import NoLegalTime, check_due, where_it_rings
from app.services.hotline import Hotline

OPEN_STATES: Final = (
    CallbackState.SCHEDULED,
    CallbackState.CLAIMED,
    CallbackState.DIALING,
    CallbackState.RETRY,
    CallbackState.ESCALATED,
)
"""States in which the call is still owed."""

IS_WAITING: Final = literal_column("callbacks.state IN ('scheduled', 'retry')", Boolean())
"""It is made once its time has come. Written out, for the indexes of such callbacks do not serve a parameter."""

_AT_ONCE: Final = frozenset({CallbackReason.MISSED_CALL, CallbackReason.VOICEMAIL, CallbackReason.KEPT_PLACE})
"""Who has rung us is called as soon as somebody works and they may be rung, and not only the next day."""

_NUMBER: Final = text("SELECT nextval('callback_numbers') - base FROM callback_days WHERE day = :day")
_BEGIN_DAY: Final = text(
    "INSERT INTO callback_days (day, base) VALUES (:day, nextval('callback_numbers')) ON CONFLICT DO NOTHING"
)


async def promise(
    session: AsyncSession,
    *,
    reason: CallbackReason,
    customer: Customer | None,
    hotline: Hotline,
    now: datetime,
    to_e164: str | None = None,
    call_id: UUID | None = None,
    complaint_id: UUID | None = None,
    queue_id: UUID | None = None,
    owner_id: UUID | None = None,
    due_at: datetime | None = None,
    subject: str = "",
    mode: CallbackMode = CallbackMode.PREVIEW,
    by: UUID | None = None,
) -> Callback:
    """Promise a call. Of one call there is one callback for each reason: asked for again, it is the one that stands.

    Args:
        customer: whom to call; None when only the number is known.
        to_e164: the number to call; without it the customer's first one at the time of dialling.
        owner_id: whose promise it is; without one it is anybody's from the moment it is due.
        due_at: when; without it the next working day, spread over the window of the place, or, for somebody who rang
            us, as soon as we work and may ring them.
        subject: what it is about, in words for whoever makes it.
        by: who promised; None when it follows by itself.

    What a complaint is promised is promised also when nobody has said which days are worked, or when that place may be
    called: for a day later, and as the supervisors' own (`escalated`), who are told and say when.

    Raises:
        CalendarUnknown: nobody has said which days are worked, and there is no complaint behind it.
        DueInThePast, DueTooFar, OutsideWindow: `due_at` is no time for it.
        NoLegalTime: the windows leave no time for that place, and there is no complaint behind it.
    """
    calendars = await read_calendars(session, hotline)
    place = await where_it_rings(session, customer, to_e164, hotline)
    calendar = calendars.of(place.region)
    callback_id = new_id()
    why_not: str | None = None
    if due_at is not None:
        check_due(due_at, place, calendars.windows, now)
    else:
        try:
            due_at = await _time_for(session, callback_id, reason, owner_id, calendars, place, now)
        except (CalendarUnknown, NoLegalTime) as error:
            if complaint_id is None:
                raise
            due_at = now + timedelta(days=1)
            why_not = NoLegalTime.code if isinstance(error, NoLegalTime) else "calendar_unknown"
    values: dict[str, Any] = {
        "id": callback_id,
        "code": await _next_code(session, now.astimezone(hotline.zone).date()),
        "customer_id": customer.id if customer else None,
        "to_e164": to_e164,
        "call_id": call_id,
        "complaint_id": complaint_id,
        "reason": reason,
        "mode": mode,
        "queue_id": queue_id,
        "owner_id": owner_id,
        "open_to_all_at": open_to_all_at(due_at, calendar, calendars.open_to_all_after) if owner_id else due_at,
        "zone": place.zone,
        "region": place.region,
        "subject": subject,
        "state": CallbackState.SCHEDULED,
        "due_at": due_at,
        "first_due_at": due_at,
        "created_by_id": by,
    }
    made: Callback | None = await session.scalar(
        insert(Callback)
        .values(values)
        .on_conflict_do_nothing(
            index_elements=[Callback.call_id, Callback.reason], index_where=Callback.call_id.is_not(None)
        )
        .returning(Callback)
    )
    if made is None:
        stands = await session.scalars(select(Callback).where(Callback.call_id == call_id, Callback.reason == reason))
        return stands.one()
    record_change(session, made.id, "promised", at=now, by=by, due_at=iso(due_at), reason=reason)
    await session.flush()
    if why_not is not None:
        await escalate(session, made, at=now, why=why_not)
    return made


def open_to_all_at(due_at: datetime, calendar: WorkingCalendar, minutes: int) -> datetime:
    """When a promise of somebody's becomes anybody's: `minutes` of working time after it was due.

    By the clock alone where nobody has said which days are worked: a promise is not to be stuck for that.
    """
    after = timedelta(minutes=minutes)
    try:
        return calendar.add_working_time(due_at, after)
    except (CalendarUnknown, NeverWorking):
        return due_at + after


async def _time_for(
    session: AsyncSession,
    callback_id: UUID,
    reason: CallbackReason,
    owner_id: UUID | None,
    calendars: Calendars,
    place: Place,
    now: datetime,
) -> datetime:
    calendar = calendars.of(place.region)
    if reason in _AT_ONCE:
        with suppress(NeverOpen):
            return soonest(now, calendar, calendars.windows, place)
        # Whoever dials looks at the windows once more.
        return now
    try:
        slots = next_day_slots(now, calendar, calendars.windows, place)
    except (NeverOpen, NeverWorking):
        raise NoLegalTime(
            "Working hours and calling windows leave no time at which that place may be called."
        ) from None
    return choose_slot(slots, await _promised(session, owner_id, slots), callback_id)


async def _promised(session: AsyncSession, owner_id: UUID | None, slots: list[datetime]) -> Mapping[datetime, int]:
    """How many calls the owner has promised for each of these times; without an owner, those that nobody owns."""
    rows = await session.execute(
        select(Callback.due_at, func.count().label("promised"))
        .where(
            Callback.owner_id.is_not_distinct_from(owner_id),
            Callback.due_at.between(slots[0], slots[-1]),
            Callback.state.in_(OPEN_STATES),
        )
        .group_by(Callback.due_at)
    )
    return {row.due_at: row.promised for row in rows}


async def _next_code(session: AsyncSession, day: date) -> str:
    """A code for a promise made on a local day, such as T20261122-0007. Nobody waits for anybody, but for the first."""
    number = await session.scalar(_NUMBER, {"day": day})
    if number is None:
        await session.execute(_BEGIN_DAY, {"day": day})
        number = await session.scalar(_NUMBER, {"day": day})
    return f"T{day:%Y%m%d}-{number:04}"
