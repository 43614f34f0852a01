"""Telling owners that a promised call is due, once each, however many processes look."""

import asyncio
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import Database, is_outage
from app.domain.card import iso
from app.models.callbacks import Callback
from app.models.calls import AgentEventType, Call
from app.services.agent_log import tell
from app.services.callbacks.of_calls import keep_in_step, missed_unnoticed
from app.services.callbacks.scheduling import IS_WAITING
from app.services.hotline import Hotline
from app.services.hotline_keeper import HotlineKeeper

ROUND_SECONDS: Final = 5.0
"""How often it is looked who is to be told."""

_SWEEP_EVERY: Final = 12
_AT_A_TIME: Final = 200

log = structlog.get_logger("callcard.callbacks")


def told_of(callback: Callback) -> dict[str, Any]:
    """What a stream says of a callback: nothing that would have to be forgotten with its customer."""
    return {
        "callback_id": str(callback.id),
        "code": callback.code,
        "reason": callback.reason,
        "due_at": iso(callback.due_at),
        "customer_id": str(callback.customer_id) if callback.customer_id else None,
    }


async def tell_owners(session: AsyncSession, now: datetime) -> int:
    """Tell the owners of callbacks that have become due since they were last told; gives how many were told."""
    due = await session.scalars(
        select(Callback)
        .where(
            Callback.told_due_at.is_(None),
            Callback.owner_id.is_not(None),
            IS_WAITING,
            Callback.due_at <= now,
        )
        .order_by(Callback.owner_id, Callback.due_at)
        .limit(_AT_A_TIME)
        .with_for_update(key_share=True, skip_locked=True)
    )
    told = 0
    for callback in due.all():
        assert callback.owner_id is not None
        callback.told_due_at = now
        await tell(session, callback.owner_id, AgentEventType.CALLBACK_DUE, told_of(callback), at=now)
        told += 1
    return told


async def promise_unnoticed(session: AsyncSession, hotline: Hotline, now: datetime) -> None:
    """Promise what is owed to callers whose call was heard of only after it had ended."""
    for call_id in await missed_unnoticed(session, now):
        call = await session.scalar(
            select(Call).where(Call.id == call_id).with_for_update(key_share=True, skip_locked=True)
        )
        if call is not None:
            await keep_in_step(session, call, hotline, now)


async def keep(database: Database, hotline: HotlineKeeper) -> None:
    """Tell owners until cancelled."""
    for number in count():
        await asyncio.sleep(ROUND_SECONDS)
        try:
            async with database.session_scope() as session:
                await tell_owners(session, datetime.now(UTC))
            if number % _SWEEP_EVERY == 0:
                async with database.session_scope() as session:
                    await promise_unnoticed(session, hotline.now, datetime.now(UTC))
        except Exception as error:
            if not is_outage(error):
                raise
            log.warning("owners are told later", error=type(error).__name__)
