"""The call that is owed to whoever rang us in vain: they left before anybody answered, left a message, or pressed 1.

What a call owes follows from its facts, like its state: each time one becomes known, in that transaction, the callback
that is owed is promised and one that is not owed any more is cancelled. So the same message twice, or late, changes
nothing. Of a call one callback is owed at most: a kept place before a message before a missed call; none once somebody
has talked with the caller, in this call or in a later one.

A call's row is locked before its callbacks. A callback that somebody has in hand is left to them.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, exists, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.call_states import CallState
from app.domain.customer_facts import Direction
from app.models.callbacks import Callback, CallbackOutcome, CallbackReason, CallbackState
from app.models.calls import Call
from app.models.customers import Customer
from app.services.callbacks.ending import cancel, finish
from app.services.callbacks.history import record_change
from app.services.callbacks.scheduling import IS_WAITING, OPEN_STATES, promise
from app.services.hotline import Hotline

OF_CALLS: Final = (CallbackReason.MISSED_CALL, CallbackReason.VOICEMAIL, CallbackReason.KEPT_PLACE)
"""Reasons that follow from a call's facts."""

IN_HAND_FOR: Final = timedelta(hours=1)
"""Whoever is handed a kept place has so long until it counts as forgotten."""

_LATE: Final = timedelta(hours=2)

_WHY: Final = {
    CallbackReason.KEPT_PLACE: "place_kept",
    CallbackReason.VOICEMAIL: "message_left",
    CallbackReason.MISSED_CALL: "missed",
}


async def keep_in_step(session: AsyncSession, call: Call, hotline: Hotline, now: datetime) -> None:
    """Promise what a locked call owes by its facts, and cancel what it does not owe any more."""
    if call.direction is not Direction.INBOUND or call.is_stub or call.from_e164 is None:
        return
    owed = _owed(call)
    for callback in (await session.scalars(_owed_to_callers(_of_call(call.id)))).all():
        if callback.reason is not owed:
            await cancel(session, callback, now=now, why=_WHY[owed] if owed else "answered")
    if owed is None or await session.scalar(select(exists().where(_of_call(call.id), Callback.reason == owed))):
        return
    customer = await session.get(Customer, call.customer_id) if call.customer_id else None
    if owed is CallbackReason.MISSED_CALL and not await _is_missed(session, call, customer, now):
        return
    await promise(
        session,
        reason=owed,
        customer=customer,
        hotline=hotline,
        now=now,
        to_e164=call.from_e164,
        call_id=call.id,
        queue_id=call.queue_id,
        # A kept place is handed out by its turn in the queue.
        owner_id=customer.owner_id if customer and owed is not CallbackReason.KEPT_PLACE else None,
    )


def _owed(call: Call) -> CallbackReason | None:
    if call.answered_at is not None:
        return None
    if call.kept_place_at is not None:
        return CallbackReason.KEPT_PLACE
    if call.voicemail_at is not None:
        return CallbackReason.VOICEMAIL
    return CallbackReason.MISSED_CALL if call.state is CallState.ABANDONED else None


async def _is_missed(session: AsyncSession, call: Call, customer: Customer | None, now: datetime) -> bool:
    """Whether a call that was abandoned is owed an answer. Who rings five times in vain is owed one, for the last."""
    if customer is not None and customer.do_not_call:
        return False
    later = select(
        exists().where(
            Call.from_e164 == call.from_e164,
            Call.received_at > call.received_at,
            or_(
                Call.answered_at.is_not(None),
                exists().where(
                    Callback.call_id == Call.id, Callback.reason.in_(OF_CALLS), Callback.state.in_(OPEN_STATES)
                ),
            ),
        )
    )
    if await session.scalar(later):
        return False
    for earlier in (await session.scalars(_missed_by(call))).all():
        await cancel(session, earlier, now=now, why="called_again")
    return True


async def adopt(session: AsyncSession, call_id: UUID, customer_id: UUID) -> None:
    """A locked call turns out to be this customer's: so is what is owed for it."""
    await session.execute(
        update(Callback)
        .where(_of_call(call_id), Callback.reason.in_(OF_CALLS))
        .values(customer_id=customer_id, version=Callback.version + 1)
    )


async def caller_got_through(session: AsyncSession, call: Call, now: datetime) -> None:
    """Somebody talks with the caller of a locked call: what they missed before is not owed any more.

    Nor is a place that they kept, unless somebody has it in hand; in the queue it is passed over when its turn comes.
    """
    if call.direction is not Direction.INBOUND or call.from_e164 is None:
        return
    of_theirs = _owed_to_callers(Callback.to_e164 == call.from_e164, Callback.call_id != call.id)
    is_over = or_(
        Callback.reason == CallbackReason.MISSED_CALL, and_(Callback.reason == CallbackReason.KEPT_PLACE, IS_WAITING)
    )
    for callback in (await session.scalars(of_theirs.where(is_over))).all():
        await cancel(session, callback, now=now, why="got_through")


async def missed_unnoticed(session: AsyncSession, now: datetime) -> list[UUID]:
    """Calls of the last hours that were abandoned and have no callback: their request came after their end."""
    found = await session.scalars(
        select(Call.id).where(
            Call.received_at > now - _LATE,
            Call.state == CallState.ABANDONED,
            Call.direction == Direction.INBOUND,
            Call.is_stub.is_(False),
            Call.from_e164.is_not(None),
            ~exists().where(Callback.call_id == Call.id),
        )
    )
    return list(found)


async def take_kept_place(session: AsyncSession, call_id: UUID, agent_id: UUID, now: datetime) -> Callback | None:
    """Claim a kept place's callback for the agent whose turn has come; None when somebody else has or has ended it."""
    claimed: Callback | None = await session.scalar(
        update(Callback)
        .where(
            Callback.id.in_(
                select(Callback.id)
                .where(
                    Callback.call_id == call_id,
                    Callback.reason == CallbackReason.KEPT_PLACE,
                    Callback.state.in_([CallbackState.SCHEDULED, CallbackState.RETRY]),
                )
                .with_for_update(skip_locked=True)
            )
        )
        .values(
            state=CallbackState.CLAIMED,
            claimed_by_id=agent_id,
            claimed_until=now + IN_HAND_FOR,
            version=Callback.version + 1,
        )
        .returning(Callback)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    if claimed is not None:
        record_change(session, claimed.id, "claimed", at=now, by=agent_id)
    return claimed


async def give_back_kept_place(session: AsyncSession, call_id: UUID, agent_id: UUID, now: datetime) -> bool:
    """Whoever was handed a kept place has not called: it is owed again. False when that is not so."""
    callback: Callback | None = await session.scalar(
        _owed_to_callers(_of_call(call_id), Callback.claimed_by_id == agent_id)
        .where(Callback.state == CallbackState.CLAIMED)
        .limit(1)
    )
    if callback is None:
        return False
    callback.state = CallbackState.RETRY if callback.attempts else CallbackState.SCHEDULED
    callback.claimed_by_id = callback.claimed_until = None
    callback.version += 1
    record_change(session, callback.id, "given_back", at=now, by=agent_id)
    return True


async def owed_for(session: AsyncSession, call_id: UUID) -> list[Callback]:
    """What is owed for a locked call and has not been tried in vain, locked; before anybody's presence is."""
    found = await session.scalars(_owed_to_callers(_of_call(call_id)).where(Callback.state != CallbackState.RETRY))
    return list(found)


def end_with_wrap_up(session: AsyncSession, owed: list[Callback], by: UUID, now: datetime) -> None:
    """A call was written up: with whoever rang in vain somebody has talked."""
    for callback in owed:
        finish(session, callback, CallbackOutcome.ANSWERED, now=now, by=by)


async def lock_call(session: AsyncSession, call_id: UUID) -> None:
    """Hold the call that keeps a place in a queue."""
    await session.execute(select(Call.id).where(Call.id == call_id).with_for_update(key_share=True))


async def leave_queue(session: AsyncSession, callback: Callback, now: datetime) -> None:
    """Whatever has become of a kept place, its turn in the queue is over; the call is locked already."""
    if callback.reason is CallbackReason.KEPT_PLACE:
        await session.execute(
            update(Call).where(Call.id == callback.call_id, Call.left_queue_at.is_(None)).values(left_queue_at=now)
        )


def _of_call(call_id: UUID) -> ColumnElement[bool]:
    return Callback.call_id == call_id


def _missed_by(call: Call) -> Select[Callback]:
    return _owed_to_callers(
        Callback.to_e164 == call.from_e164, Callback.reason == CallbackReason.MISSED_CALL, Callback.call_id != call.id
    )


def _owed_to_callers(*conditions: ColumnElement[bool]) -> Select[Callback]:
    """Callbacks of these conditions that callers are owed and that nobody is dialling or writing to, locked."""
    return (
        select(Callback)
        .where(
            *conditions,
            Callback.reason.in_(OF_CALLS),
            Callback.state.in_([state for state in OPEN_STATES if state is not CallbackState.DIALING]),
        )
        .with_for_update(key_share=True, skip_locked=True)
        .execution_options(populate_existing=True)
    )
