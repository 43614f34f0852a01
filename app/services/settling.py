"""How a call that we placed ends: once, for the attempt, the call, the agent and the promise behind it together."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.call_states import CarrierStatus
from app.domain.routing import LeaveReason
from app.models.callbacks import Callback, CallbackState, DialAttempt, DialResult, DialState
from app.models.calls import AgentEventType, Call, Leg, LegKind, TraceStep
from app.models.routing import Presence
from app.services.agent_log import tell, trace
from app.services.call_facts import settle
from app.services.callbacks.retrying import after_attempt, back_in_line
from app.services.hotline import Hotline
from app.services.presence import holding, move, withdraw

RESULT_OF: Final = {
    CarrierStatus.COMPLETED: DialResult.ANSWERED,
    CarrierStatus.BUSY: DialResult.BUSY,
    CarrierStatus.FAILED: DialResult.FAILED,
    CarrierStatus.NO_ANSWER: DialResult.NO_ANSWER,
    # The agent hung up while it rang.
    CarrierStatus.CANCELED: DialResult.NO_ANSWER,
}
"""What the end of the customer's leg makes of the attempt."""

_TALKED: Final = (DialResult.ANSWERED, DialResult.VOICEMAIL)


@dataclass(frozen=True, slots=True)
class Held:
    """An attempt with its call and the promise it keeps, all locked."""

    attempt: DialAttempt
    call: Call
    callback: Callback | None

    @property
    def is_wanted(self) -> bool:
        """False where the attempt is over, or the promise was cancelled or moved while the agent's phone rang."""
        return self.attempt.ended_at is None and (
            self.callback is None
            or (self.callback.state is CallbackState.DIALING and self.callback.claimed_by_id == self.attempt.agent_id)
        )


async def hold(session: AsyncSession, attempt_id: UUID) -> Held | None:
    """Lock an attempt, its promise and its call, in the order in which everybody does; None where there is none."""
    known = (
        await session.execute(select(DialAttempt.callback_id, DialAttempt.call_id).where(DialAttempt.id == attempt_id))
    ).one_or_none()
    if known is None or known.call_id is None:
        return None
    again = {"populate_existing": True}
    callback = None
    if known.callback_id is not None:
        callback = await session.scalar(
            select(Callback)
            .where(Callback.id == known.callback_id)
            .with_for_update(key_share=True)
            .execution_options(**again)
        )
    call = await session.scalar(
        select(Call).where(Call.id == known.call_id).with_for_update(key_share=True).execution_options(**again)
    )
    attempt = await session.scalar(
        select(DialAttempt)
        .where(DialAttempt.id == attempt_id)
        .with_for_update(key_share=True)
        .execution_options(**again)
    )
    return Held(attempt, call, callback) if attempt is not None and call is not None else None


async def end_attempt(
    session: AsyncSession,
    held: Held,
    result: DialResult,
    *,
    hotline: Hotline,
    now: datetime,
    most_attempts: int,
    at: datetime | None = None,
) -> None:
    """End an attempt of which the carrier was asked; what follows for its promise is what the rules say. Once.

    Args:
        at: when the call was over, by the carrier's clock.
    """
    attempt = held.attempt
    if attempt.ended_at is not None:
        return
    if attempt.is_machine and result is DialResult.ANSWERED:
        result = DialResult.VOICEMAIL
    attempt.result = result
    # Refused: the carrier said why, and nobody was rung.
    state = DialState.REFUSED if attempt.error else DialState.ENDED
    await _over(session, held, state, at or now, hotline, now, talked=result in _TALKED)
    if held.callback is not None:
        await after_attempt(session, held.callback, attempt, hotline=hotline, now=now, most_attempts=most_attempts)


async def give_up(
    session: AsyncSession, held: Held, error: str, *, due_at: datetime | None, hotline: Hotline, now: datetime
) -> None:
    """End an attempt that rang nobody, by our own rules or the carrier's. Once.

    Args:
        error: a code that says why.
        due_at: when its promise is tried again; None leaves the promise as it is.
    """
    if held.attempt.ended_at is not None:
        return
    held.attempt.error = error
    trace(session, held.call.id, TraceStep.NOT_PLACED, at=now, agent_id=held.attempt.agent_id, error=error)
    await _over(session, held, DialState.REFUSED, now, hotline, now, talked=False)
    if due_at is not None and held.callback is not None and held.callback.state is CallbackState.DIALING:
        held.callback.version += 1
        await back_in_line(session, held.callback, due_at, at=now, why=error)


async def _over(
    session: AsyncSession,
    held: Held,
    state: DialState,
    at: datetime,
    hotline: Hotline,
    now: datetime,
    *,
    talked: bool,
) -> None:
    attempt, call = held.attempt, held.call
    attempt.state = state
    attempt.ended_at = at
    if call.ended_at is None:
        call.ended_at = at
        trace(session, call.id, TraceStep.ENDED, at=now, state=attempt.result or state)
    settle(call)
    await session.execute(update(Leg).where(Leg.call_id == call.id, Leg.ended_at.is_(None)).values(ended_at=at))
    await session.flush()
    presence = await holding(session, call.id)
    if presence is None:
        return
    if presence.state is Presence.RESERVED:
        reason = LeaveReason.NO_ANSWER if attempt.result is DialResult.AGENT_NOT_REACHED else LeaveReason.CALLER_LEFT
        await withdraw(session, presence, reason, hotline, now)
    elif presence.state is Presence.ON_CALL:
        ended = {"call_id": str(call.id), "state": call.state, "result": attempt.result}
        await tell(session, presence.agent_id, AgentEventType.CALL_ENDED, ended, at=now, call_id=call.id)
        after = Presence.WRAP_UP if talked else Presence.AVAILABLE
        await move(session, presence, after, hotline, now, call_id=call.id if talked else None)


async def customer_leg(session: AsyncSession, call_id: UUID, provider_call_id: str | None) -> Leg | None:
    """The customer's leg of a call that we placed; None before they may be rung.

    Args:
        provider_call_id: the carrier's id, which a leg that was not heard of yet has not; None for whichever it is.
    """
    query = select(Leg).where(Leg.call_id == call_id, Leg.kind == LegKind.NUMBER)
    if provider_call_id is not None:
        query = query.where(or_(Leg.provider_call_id == provider_call_id, Leg.provider_call_id.is_(None)))
    return await session.scalar(query.order_by(Leg.offered_at).limit(1))
