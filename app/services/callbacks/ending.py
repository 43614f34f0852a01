"""How a promised call ends: it was made, or it is not owed any more."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import Conflict
from app.models.callbacks import Callback, CallbackOutcome, CallbackState
from app.models.people import Agent
from app.services.callbacks.history import record_change


class CallbackBusy(Conflict):
    """Somebody is calling the customer at this moment; `by` names them."""

    code = "callback_busy"
    title = "Somebody is making that call"


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
    _end(callback, CallbackState.DONE, now)
    callback.outcome = outcome
    callback.satisfaction = satisfaction
    record_change(session, callback.id, "done", at=now, by=by, outcome=outcome, satisfaction=satisfaction)


async def cancel(session: AsyncSession, callback: Callback, *, now: datetime, why: str, by: UUID | None = None) -> None:
    """End a locked callback without a call. `why` is in words, or a word such as `called_again`.

    Raises:
        CallbackBusy: it is being made at this moment.
    """
    if callback.state is CallbackState.DIALING:
        raise await busy(session, callback)
    _end(callback, CallbackState.CANCELLED, now)
    record_change(session, callback.id, "cancelled", at=now, by=by, why=why)
    await session.flush()


async def busy(session: AsyncSession, callback: Callback) -> CallbackBusy:
    """The error that names who has the callback in hand."""
    who = await session.scalar(select(Agent.name).where(Agent.id == callback.claimed_by_id))
    return CallbackBusy(f"{who or 'Somebody'} is making this call right now.", by=who)


def _end(callback: Callback, state: CallbackState, now: datetime) -> None:
    callback.state = state
    callback.claimed_by_id = callback.claimed_until = None
    callback.ended_at = now
    callback.version += 1
