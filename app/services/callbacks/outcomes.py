"""What came of a promised call, and what follows from it."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.calling_windows import NeverOpen
from app.domain.card import iso
from app.models.callbacks import Callback, CallbackOutcome, CallbackState
from app.schemas.callbacks import OutcomePut
from app.services.access import Signed
from app.services.calendars import read_calendars
from app.services.callbacks.changing import CallbackBusy, CallbackEnded, find_callback, require_theirs
from app.services.callbacks.history import record_change
from app.services.callbacks.scheduling import open_to_all_at
from app.services.hotline import Hotline

_TRY_AGAIN_AFTER: Final = timedelta(hours=2)


async def put_outcome(
    session: AsyncSession, ref: str, given: OutcomePut, user: Signed, hotline: Hotline, now: datetime
) -> Callback:
    """Write down what came of a call. Said again in the same words it changes nothing.

    Raises:
        NoSuchCallback, NotYourCallback
        CallbackEnded: it has ended otherwise.
        CallbackBusy: somebody else is making the call.
    """
    callback = await find_callback(session, ref, lock=True)
    await require_theirs(session, callback, user, now)
    if callback.state is CallbackState.DONE and _said(callback) == (given.outcome, given.satisfaction, given.note):
        return callback
    if callback.state in (CallbackState.DONE, CallbackState.CANCELLED):
        raise CallbackEnded("This call is not owed any more.", state=callback.state)
    if callback.claimed_by_id not in (None, user.agent_id):
        raise CallbackBusy("Somebody else is making this call.", by=None)
    callback.note = given.note
    if given.outcome is CallbackOutcome.NOT_REACHED:
        await _try_again(session, callback, user.agent_id, hotline, now)
    else:
        finish(session, callback, given.outcome, now=now, by=user.agent_id, satisfaction=given.satisfaction)
    await session.flush()
    return callback


def finish(
    session: AsyncSession,
    callback: Callback,
    outcome: CallbackOutcome,
    *,
    now: datetime,
    by: UUID | None,
    satisfaction: int | None = None,
) -> None:
    """End a locked callback of somebody who was talked to."""
    callback.state = CallbackState.DONE
    callback.outcome = outcome
    callback.satisfaction = satisfaction
    callback.claimed_by_id = callback.claimed_until = None
    callback.ended_at = now
    callback.version += 1
    record_change(session, callback.id, "done", at=now, by=by, outcome=outcome, satisfaction=satisfaction)


async def _try_again(session: AsyncSession, callback: Callback, by: UUID, hotline: Hotline, now: datetime) -> None:
    calendars = await read_calendars(session, hotline)
    later = now + _TRY_AGAIN_AFTER
    try:
        due_at = calendars.windows.next_open(later, callback.region, callback.zone)
    except NeverOpen:
        due_at = later
    if callback.state not in (CallbackState.CLAIMED, CallbackState.DIALING):
        # Somebody used a telephone of their own; what we dial is counted when it is dialled.
        callback.attempts += 1
    callback.state = CallbackState.RETRY
    callback.outcome = CallbackOutcome.NOT_REACHED
    callback.claimed_by_id = callback.claimed_until = None
    callback.due_at = due_at
    callback.told_due_at = None
    callback.open_to_all_at = (
        open_to_all_at(due_at, calendars.of(callback.region), calendars.open_to_all_after)
        if callback.owner_id
        else due_at
    )
    callback.version += 1
    record_change(session, callback.id, "retry", at=now, by=by, due_at=iso(due_at))


def _said(callback: Callback) -> tuple[CallbackOutcome | None, int | None, str]:
    return callback.outcome, callback.satisfaction, callback.note
