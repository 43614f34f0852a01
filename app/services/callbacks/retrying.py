"""What becomes of a promise after a try: waiting for the agent's word, another try, or a supervisor's now.

The rules are a table, one row a result (`retry_rules`). Every next try is put into the calling window of the place.
"""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.calling_windows import NeverOpen
from app.domain.card import iso
from app.domain.dialling import DialRefusal, Forbidden
from app.models.callbacks import Callback, CallbackState, DialAttempt, DialResult
from app.models.calls import AgentEventType
from app.models.customers import CustomerPhone
from app.models.dialling import NextStep, RetryRule
from app.models.people import Agent, Role
from app.services.agent_log import tell
from app.services.calendars import read_calendars
from app.services.callbacks.history import record_change
from app.services.hotline import Hotline

OUTCOME_WITHIN: Final = timedelta(minutes=30)
"""How long after a conversation its agent may take to say what came of it; then a supervisor asks."""

_SOON: Final = timedelta(minutes=5)
_ANOTHER_DAY: Final = timedelta(hours=12)

_UNCOUNTED: Final = frozenset({DialResult.AGENT_NOT_REACHED})
"""Results that cost the customer nothing."""


async def after_attempt(
    session: AsyncSession,
    callback: Callback,
    attempt: DialAttempt,
    *,
    hotline: Hotline,
    now: datetime,
    most_attempts: int,
) -> None:
    """Do what follows from an attempt that has just ended for the promise it was to keep.

    Args:
        callback: locked; one that was cancelled or moved meanwhile is left alone.
        most_attempts: after so many tries it is escalated, whatever the rules say.
    """
    result = attempt.result
    assert result is not None
    if callback.state is not CallbackState.DIALING or callback.claimed_by_id != attempt.agent_id:
        return
    callback.version += 1
    if result not in _UNCOUNTED:
        callback.attempts += 1
    if result is DialResult.ANSWERED:
        # Kept from everybody else until the agent has said what came of it.
        callback.state = CallbackState.CLAIMED
        callback.claimed_until = now + OUTCOME_WITHIN
        record_change(session, callback.id, "answered", at=now, by=attempt.agent_id)
        await session.flush()
        return
    rule = await session.get_one(RetryRule, result)
    tries = await session.scalar(
        select(func.count()).where(DialAttempt.callback_id == callback.id, DialAttempt.result == result)
    )
    is_enough = callback.attempts >= most_attempts or (tries or 0) >= rule.most_attempts
    if rule.next_step is NextStep.NEXT_NUMBER and callback.attempts < most_attempts:
        is_enough = not await _turn_to_next_number(session, callback, attempt)
    if is_enough or rule.next_step is NextStep.ESCALATE:
        await escalate(session, callback, at=now, why=result)
        return
    due_at = await _legal(session, callback, now + timedelta(minutes=rule.wait_minutes), hotline)
    if due_at is None:
        await escalate(session, callback, at=now, why="no_legal_time")
        return
    await back_in_line(session, callback, due_at, at=now, why=result)


async def not_reached(
    session: AsyncSession, callback: Callback, *, hotline: Hotline, now: datetime, was_dialled: bool
) -> None:
    """Do what follows when an agent says that nobody was reached: as after a call that nobody answered.

    Args:
        callback: locked, and still owed.
        was_dialled: we placed the call and have counted it; else the agent used a telephone of their own.
    """
    rule = await session.get_one(RetryRule, DialResult.NO_ANSWER)
    callback.version += 1
    if not was_dialled:
        callback.attempts += 1
    due_at = await _legal(session, callback, now + timedelta(minutes=rule.wait_minutes), hotline)
    if callback.attempts >= rule.most_attempts or due_at is None:
        await escalate(session, callback, at=now, why="not_reached")
        return
    await back_in_line(session, callback, due_at, at=now, why="not_reached")


async def back_in_line(session: AsyncSession, callback: Callback, due_at: datetime, *, at: datetime, why: str) -> None:
    """Have a promise that somebody had tried again at `due_at`."""
    callback.state = CallbackState.RETRY
    callback.due_at = due_at
    callback.told_due_at = None
    callback.claimed_by_id = callback.claimed_until = None
    record_change(session, callback.id, "retry", at=at, why=why, due_at=iso(due_at))
    await session.flush()


async def escalate(session: AsyncSession, callback: Callback, *, at: datetime, why: str) -> None:
    """Make a promise the supervisors' and tell them."""
    callback.state = CallbackState.ESCALATED
    callback.claimed_by_id = callback.claimed_until = None
    record_change(session, callback.id, "escalated", at=at, why=why)
    await session.flush()
    told = {"callback_id": str(callback.id), "code": callback.code, "why": why}
    supervisors = await session.scalars(
        select(Agent.id).where(Agent.role == Role.SUPERVISOR, Agent.active).order_by(Agent.id)
    )
    for supervisor_id in supervisors:
        await tell(session, supervisor_id, AgentEventType.CALLBACK_ESCALATED, told, at=at)


async def after_refusal(
    session: AsyncSession, callback: Callback, refusal: DialRefusal, *, hotline: Hotline, now: datetime
) -> None:
    """Do what follows for a promise that a rule forbids to keep now: later, not at all, or somebody has to look at it.

    Args:
        callback: locked; what has ended stays as it is.
    """
    if callback.state in (CallbackState.DONE, CallbackState.CANCELLED):
        return
    why = refusal.why
    callback.version += 1
    if why.is_theirs:
        callback.state = CallbackState.CANCELLED
        callback.claimed_by_id = callback.claimed_until = None
        callback.ended_at = now
        record_change(session, callback.id, "cancelled", at=now, why=why)
        await session.flush()
        return
    wait = _SOON if why is Forbidden.ALREADY_DIALLING else _ANOTHER_DAY
    due_at = refusal.until or (await _legal(session, callback, now + wait, hotline) if why.is_passing else None)
    if due_at is None:
        await escalate(session, callback, at=now, why=why)
    else:
        await back_in_line(session, callback, due_at, at=now, why=why)


async def _turn_to_next_number(session: AsyncSession, callback: Callback, attempt: DialAttempt) -> bool:
    """Have the promise go to the customer's next number that it has not gone to yet; False where there is none."""
    if callback.customer_id is None:
        return False
    tried = select(DialAttempt.to_e164).where(
        DialAttempt.callback_id == callback.id,
        DialAttempt.result == DialResult.NOT_IN_SERVICE,
        DialAttempt.to_e164.is_not(None),
    )
    number = await session.scalar(
        select(CustomerPhone.e164)
        .where(CustomerPhone.customer_id == callback.customer_id, CustomerPhone.e164.not_in(tried))
        .order_by(CustomerPhone.is_primary.desc(), CustomerPhone.created_at, CustomerPhone.id)
        .limit(1)
    )
    if number is None or number == attempt.to_e164:
        return False
    callback.to_e164 = number
    return True


async def _legal(session: AsyncSession, callback: Callback, wanted: datetime, hotline: Hotline) -> datetime | None:
    """The first moment from `wanted` on at which the callee may be rung; None where there is none in sight."""
    windows = (await read_calendars(session, hotline)).windows
    try:
        return windows.next_open(wanted, callback.region, callback.zone)
    except NeverOpen:
        return None
