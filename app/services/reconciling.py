"""Attempts of which nobody knows what became of them: looked for in the carrier's own list, and never asked for anew.

A worker may have died between any two steps, the answer of the carrier or its webhooks may be lost. What it shows of
an attempt is joined to the record as if a webhook had said it; what it does not show, after it has had time to, was
never placed. Even a call that turned up after that would ring no customer (`services/outbound.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import after_commit
from app.models.callbacks import DialAttempt, DialResult, DialState
from app.models.calls import Call, Leg
from app.models.people import Agent
from app.services.callbacks.claiming import free_the_dead
from app.services.dialler import Dialler, store_placed
from app.services.outbound import join_agent, join_customer
from app.services.settling import end_attempt, hold
from app.telephony.port import CallEvent, CarrierCall, EndCall, EventKind

PLANNED_FOR: Final = timedelta(seconds=8)
"""An attempt that is only planned is somebody's work in hand for so long: longer than the carrier's answer may take."""

VISIBLE_WITHIN: Final = timedelta(seconds=45)
"""How long after a call was asked for the carrier's list may still not show it."""

SILENT_FOR: Final = timedelta(minutes=2)
"""A call of which nothing was heard for so long is asked about."""

_CLOCKS_DIFFER: Final = timedelta(seconds=5)
"""The carrier's clock may be a little behind ours."""

_MOST: Final = 100

log = structlog.get_logger("callcard.reconciling")


@dataclass(frozen=True, slots=True)
class _Open:
    """An attempt that is not over."""

    id: UUID
    started_at: datetime
    provider_call_id: str | None
    identity: str | None
    to_e164: str | None
    from_e164: str | None


async def reconcile(dialler: Dialler, now: datetime) -> int:
    """Look after every attempt that waits for word from the carrier, and free what the dead held; gives how many.

    Raises:
        CarrierError: it is not to be had now; what was found until then stands.
    """
    async with dialler.database.session_scope() as session:
        waiting = await _open_attempts(session, dialler, now)
    for attempt in waiting:
        if attempt.provider_call_id is None:
            await _look_for(dialler, attempt, now)
        else:
            await _ask_about(dialler, attempt, attempt.provider_call_id, now)
    async with dialler.database.session_scope() as session:
        freed = await free_the_dead(session, now)
    return len(waiting) + freed


async def _open_attempts(session: AsyncSession, dialler: Dialler, now: datetime) -> list[_Open]:
    rows = await session.execute(
        select(
            DialAttempt.id,
            DialAttempt.started_at,
            DialAttempt.provider_call_id,
            Agent.identity,
            DialAttempt.to_e164,
            DialAttempt.from_e164,
        )
        .outerjoin(Agent, Agent.id == DialAttempt.agent_id)
        .where(
            DialAttempt.ended_at.is_(None),
            DialAttempt.provider == dialler.carrier.name,
            or_(
                DialAttempt.state == DialState.UNKNOWN,
                and_(DialAttempt.state == DialState.PLANNED, DialAttempt.started_at < now - PLANNED_FOR),
                func.coalesce(DialAttempt.asked_at, DialAttempt.started_at) < now - SILENT_FOR,
            ),
        )
        # Long conversations are asked about in turn, and hold up nobody who waits to be found.
        .order_by(DialAttempt.provider_call_id.is_not(None), DialAttempt.asked_at.nulls_first(), DialAttempt.started_at)
        .limit(_MOST)
    )
    return [_Open(*row) for row in rows]


async def _look_for(dialler: Dialler, attempt: _Open, now: datetime) -> None:
    shown: list[CarrierCall] = []
    if attempt.identity is not None:
        to = f"client:{attempt.identity}"
        shown = await dialler.carrier.list_calls(to=to, started_after=attempt.started_at - _CLOCKS_DIFFER)
    async with dialler.database.session_scope() as session:
        known = await _known(session, [call.call_id for call in shown])
    candidates = sorted(
        (
            call
            for call in shown
            if call.call_id not in known and call.parent_call_id is None and call.from_ == attempt.from_e164
        ),
        key=lambda call: (call.created_at is None, call.created_at, call.call_id),
    )
    if candidates:
        await _found(dialler, attempt, candidates, now)
    elif attempt.started_at < now - VISIBLE_WITHIN:
        async with dialler.database.session_scope() as session:
            held = await hold(session, attempt.id)
            if held is not None and held.attempt.provider_call_id is None:
                held.attempt.error = "not_placed"
                await end_attempt(
                    session,
                    held,
                    DialResult.FAILED,
                    hotline=dialler.hotline.now,
                    now=now,
                    most_attempts=dialler.limits.attempts,
                )
        log.warning("an attempt was never placed", attempt_id=str(attempt.id))


async def _known(session: AsyncSession, call_ids: Sequence[str]) -> set[str | None]:
    """Those of the carrier's calls that belong to something else already."""
    theirs = select(DialAttempt.provider_call_id).where(DialAttempt.provider_call_id.in_(call_ids))
    legs = select(Leg.provider_call_id).where(Leg.provider_call_id.in_(call_ids))
    calls = select(Call.provider_call_id).where(Call.provider_call_id.in_(call_ids))
    return set(await session.scalars(theirs.union(legs, calls)))


async def _found(dialler: Dialler, attempt: _Open, candidates: Sequence[CarrierCall], now: datetime) -> None:
    first, *others = candidates
    async with dialler.database.session_scope() as session:
        unwanted = await store_placed(session, [(attempt.id, first.call_id)])
        unwanted += [call.call_id for call in others if not call.status.is_terminal]
        after_commit(session).acts.extend(EndCall(call_id) for call_id in unwanted)
    log.info("an attempt was found at the carrier", attempt_id=str(attempt.id), provider_call_id=first.call_id)
    if first.status.is_terminal:
        await _ask_about(dialler, attempt, first.call_id, now)


async def _ask_about(dialler: Dialler, attempt: _Open, call_id: str, now: datetime) -> None:
    """Join what the carrier's records say of both legs, as if its webhooks had said it."""
    call = await dialler.carrier.fetch(call_id)
    if not call.status.is_terminal:
        async with dialler.database.session_scope() as session:
            await session.execute(update(DialAttempt).where(DialAttempt.id == attempt.id).values(asked_at=now))
        return
    customers: list[CarrierCall] = []
    if attempt.to_e164 is not None:
        rung = await dialler.carrier.list_calls(to=attempt.to_e164, started_after=attempt.started_at - _CLOCKS_DIFFER)
        customers = [leg for leg in rung if leg.parent_call_id == call_id]
    async with dialler.database.session_scope() as session:
        held = await hold(session, attempt.id)
        if held is None or held.attempt.ended_at is not None:
            return
        for leg in customers:
            event = _event(dialler, leg, now)
            await join_customer(session, held, leg.status, leg.call_id, event, dialler.hotline.now, dialler.limits)
        await join_agent(
            session,
            held,
            call.status,
            _event(dialler, call, now),
            dialler.hotline.now,
            dialler.limits,
            is_last_word=True,
        )


def _event(dialler: Dialler, call: CarrierCall, now: datetime) -> CallEvent:
    return CallEvent(
        EventKind.OUTBOUND_STATUS,
        dialler.carrier.name,
        call.call_id,
        now,
        status=call.status,
        parent_call_id=call.parent_call_id,
    )
