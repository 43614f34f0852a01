"""What came of a promised call, and what follows from it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.models.callbacks import Callback, CallbackOutcome, CallbackState
from app.schemas.callbacks import OutcomePut
from app.services.access import Signed
from app.services.callbacks.changing import ENDED, CallbackEnded, locked_callback, require_theirs
from app.services.callbacks.ending import busy, finish
from app.services.callbacks.of_calls import leave_queue
from app.services.callbacks.retrying import not_reached
from app.services.complaints.by_callback import close_by_callback, reopen_by_callback
from app.services.hotline import Hotline


async def put_outcome(
    session: AsyncSession, ref: str, given: OutcomePut, user: Signed, hotline: Hotline, now: datetime
) -> Callback:
    """Write down what came of a call. Said again in the same words it changes nothing.

    Raises:
        NoSuchCallback, NotYourCallback
        CallbackEnded: it has ended otherwise.
        CallbackBusy: somebody else is making the call.
    """
    callback = await locked_callback(session, ref)
    await require_theirs(session, callback, user, now)
    if callback.state is CallbackState.DONE and _said(callback) == (given.outcome, given.satisfaction, given.note):
        return callback
    if callback.state in ENDED:
        raise CallbackEnded("This call is not owed any more.", state=callback.state)
    if callback.claimed_by_id not in (None, user.agent_id):
        raise await busy(session, callback)
    callback.note = given.note
    if callback.complaint_id is not None:
        await _tell_complaint(session, callback.complaint_id, given, user.agent_id, hotline, now)
    if given.outcome is CallbackOutcome.NOT_REACHED:
        callback.outcome = given.outcome
        if callback.state is CallbackState.RETRY and callback.due_at > now:
            # We dialled it, heard that nobody answered, and have put it back in line already.
            callback.version += 1
            await session.flush()
            return callback
        was_dialled = callback.state in (CallbackState.CLAIMED, CallbackState.DIALING)
        await not_reached(session, callback, hotline=hotline, now=now, was_dialled=was_dialled)
    else:
        finish(session, callback, given.outcome, now=now, by=user.agent_id, satisfaction=given.satisfaction)
    await leave_queue(session, callback, now)
    await session.flush()
    return callback


async def _tell_complaint(
    session: AsyncSession, complaint_id: UUID, given: OutcomePut, by: UUID, hotline: Hotline, now: datetime
) -> None:
    """What the customer says closes the complaint that was asked about, or opens it again."""
    if given.outcome is CallbackOutcome.WORKS_NOW:
        await close_by_callback(session, complaint_id, satisfaction=given.satisfaction, by=by, now=now)
    elif given.outcome is CallbackOutcome.STILL_BROKEN:
        await reopen_by_callback(session, complaint_id, note=given.note, by=by, hotline=hotline, now=now)


def _said(callback: Callback) -> tuple[CallbackOutcome | None, int | None, str]:
    return callback.outcome, callback.satisfaction, callback.note
