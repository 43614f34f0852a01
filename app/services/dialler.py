"""What placing calls takes, and asking the carrier: never within a transaction, and once for each attempt."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import delete, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.db import Database
from app.models.dialling import CarrierPause
from app.services.dial_rules import CALLS_A_DAY
from app.services.hotline_keeper import HotlineKeeper
from app.services.steady_clock import SteadyClock
from app.telephony.port import (
    Carrier,
    CarrierBusy,
    CarrierCall,
    CarrierRefused,
    CarrierUnknown,
    DialRequest,
    EventKind,
)

AGENT_RINGS_SECONDS: Final = 20
"""How long the agent's own phone rings before the customer is given up."""

FIRST_PAUSE: Final = timedelta(seconds=5)
LONGEST_PAUSE: Final = timedelta(minutes=5)
_MOST_AT_ONCE: Final = 16

log = structlog.get_logger("callcard.dialling")


@dataclass(frozen=True, slots=True)
class DialLimits:
    """How often is enough: calls to one number on one day, and tries of one promise."""

    calls_a_day: int = CALLS_A_DAY
    attempts: int = 8


@dataclass(frozen=True, slots=True)
class Dialler:
    """What placing calls takes.

    Args:
        database: where attempts and promises are.
        hotline: numbers, queues.
        carrier: whom to ask.
        address: where the carrier finds us for one kind of event of one attempt.
        limits: how often is enough.
        clock: by which anything is due.
    """

    database: Database
    hotline: HotlineKeeper
    carrier: Carrier
    address: Callable[[EventKind, UUID], str]
    limits: DialLimits = field(default_factory=DialLimits)
    clock: SteadyClock = field(default_factory=SteadyClock)


def limits_of(settings: Settings) -> DialLimits:
    """How often is enough, as it is set."""
    return DialLimits(settings.callee_calls_a_day, settings.callback_attempts)


def dialler_of(
    settings: Settings,
    database: Database,
    hotline: HotlineKeeper,
    carrier: Carrier | None,
    address: Callable[[EventKind, UUID], str],
) -> Dialler | None:
    """What placing calls takes, or None where there is no carrier."""
    return Dialler(database, hotline, carrier, address, limits_of(settings)) if carrier is not None else None


@dataclass(frozen=True, slots=True)
class Planned:
    """An attempt that is written down, and of which the carrier knows nothing yet."""

    attempt_id: UUID
    call_id: UUID
    identity: str
    from_e164: str


Said = CarrierCall | CarrierBusy | CarrierRefused | CarrierUnknown
"""What came of asking."""


async def ask_carrier(dialler: Dialler, planned: Sequence[Planned]) -> list[Said]:
    """Have the carrier ring the agents of these attempts; what it said, in their order. No transaction may be open."""
    turns = asyncio.Semaphore(_MOST_AT_ONCE)

    async def ask(attempt: Planned) -> Said:
        request = DialRequest(
            to=f"client:{attempt.identity}",
            from_=attempt.from_e164,
            url=dialler.address(EventKind.OUTBOUND, attempt.attempt_id),
            status_url=dialler.address(EventKind.OUTBOUND_STATUS, attempt.attempt_id),
            ring_seconds=AGENT_RINGS_SECONDS,
        )
        async with turns:
            try:
                return await dialler.carrier.dial(request)
            except (CarrierBusy, CarrierRefused, CarrierUnknown) as error:
                return error

    return list(await asyncio.gather(*map(ask, planned)))


async def pause_carrier(session: AsyncSession, provider: str, busy: CarrierBusy, now: datetime) -> datetime:
    """Leave a carrier alone for as long as it asked for, else for twice as long as the last time; gives until when."""
    times = await session.scalar(select(CarrierPause.times).where(CarrierPause.provider == provider)) or 0
    pause = min(FIRST_PAUSE * 2 ** min(times, 10), LONGEST_PAUSE)
    if busy.retry_after is not None:
        pause = timedelta(seconds=max(1.0, busy.retry_after))
    until: datetime | None = await session.scalar(
        insert(CarrierPause)
        .values(provider=provider, until=now + pause, times=1)
        .on_conflict_do_update(
            index_elements=[CarrierPause.provider],
            set_={"until": func.greatest(CarrierPause.until, now + pause), "times": CarrierPause.times + 1},
        )
        .returning(CarrierPause.until)
    )
    assert until is not None
    log.warning("the carrier asks to be left alone", provider=provider, until=until)
    return max(until, now)


async def paused_until(session: AsyncSession, provider: str, now: datetime) -> datetime | None:
    """Until when a carrier is to be left alone, or None when it is not."""
    return await session.scalar(
        select(CarrierPause.until).where(CarrierPause.provider == provider, CarrierPause.until > now)
    )


async def carrier_took_one(session: AsyncSession, provider: str, now: datetime) -> None:
    """It does not ask to be left alone any more: the next pause is a first one again."""
    await session.execute(delete(CarrierPause).where(CarrierPause.provider == provider, CarrierPause.until <= now))


_STORE: Final = text("""
WITH told AS (
    SELECT * FROM unnest(CAST(:attempts AS uuid[]), CAST(:sids AS text[])) AS told (id, sid)
),
-- In the order in which everybody locks: calls first.
held AS MATERIALIZED (
    SELECT a.id, c.id AS call_id, told.sid
    FROM told JOIN dial_attempts a ON a.id = told.id JOIN calls c ON c.id = a.call_id
    ORDER BY c.id FOR NO KEY UPDATE OF c
),
-- The carrier's own webhook may have been quicker; an attempt that is over keeps what it has.
placed AS (
    UPDATE dial_attempts a SET state = 'placed', provider_call_id = held.sid
    FROM held WHERE a.id = held.id AND a.ended_at IS NULL AND coalesce(a.provider_call_id, held.sid) = held.sid
    RETURNING a.id, held.call_id, held.sid
),
named AS (
    UPDATE calls c SET provider_call_id = placed.sid FROM placed
    WHERE c.id = placed.call_id AND c.provider_call_id IS NULL RETURNING c.id
)
SELECT told.sid FROM told WHERE NOT EXISTS (SELECT FROM placed WHERE placed.id = told.id)
""")


async def store_placed(session: AsyncSession, taken: Sequence[tuple[UUID, str]]) -> list[str]:
    """Write down the carrier's ids of the attempts that it took.

    Returns:
        Those of calls that are to be ended: their attempt is over, or has another call.
    """
    ordered = sorted(taken)
    values = {"attempts": [attempt for attempt, _ in ordered], "sids": [sid for _, sid in ordered]}
    return list(await session.scalars(_STORE, values))
