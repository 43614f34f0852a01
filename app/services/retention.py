"""How long each kind of personal data is kept; whatever is older is emptied or deleted once a day.

Figures stay: a call that came from a stranger a year ago still counts, without its number. Every process tries once a
day; of several at once one does it. Nothing here is missed for having been late, for each run looks at all that is old.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import CursorResult, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import Database, is_outage
from app.services.erasing import erase
from app.services.merge_moves import CustomerBusy

log = structlog.get_logger("callcard.retention")

_LOCK: Final = 0x6B656570
_FIRST: Final = timedelta(minutes=10)
_EVERY: Final = timedelta(days=1)
_AFTER_AN_OUTAGE: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of data: how many days it is kept, and what is done to what is older than `:before`."""

    days: int
    statement: str


KINDS: Final[Mapping[str, Kind]] = {
    "cards that agents were shown": Kind(
        90,
        "UPDATE agent_events SET data = json_build_object('call_id', call_id, 'expired', true) "
        "WHERE at < :before AND data->>'expired' IS NULL",
    ),
    "what the carrier sent": Kind(
        90, "UPDATE carrier_events SET params = '{}' WHERE received_at < :before AND CAST(params AS text) <> '{}'"
    ),
    "numbers of strangers": Kind(
        365,
        "UPDATE calls SET from_raw = '', from_e164 = NULL, caller_name = '', caller = NULL, notes = '' "
        "WHERE customer_id IS NULL AND direction = 'inbound' AND received_at < :before AND from_raw <> ''",
    ),
    "numbers of strangers whom we called": Kind(
        365,
        """WITH gone AS (
            UPDATE dial_attempts SET to_e164 = NULL
            WHERE customer_id IS NULL AND started_at < :before AND to_e164 IS NOT NULL RETURNING call_id
        )
        UPDATE calls SET to_raw = '', caller = NULL, notes = '' FROM gone
        WHERE calls.id = gone.call_id AND calls.customer_id IS NULL""",
    ),
    "who looked at whom": Kind(730, "DELETE FROM card_views WHERE at < :before"),
}
"""Every kind of data that is not kept for ever, by name."""

_TAKE_TURN: Final = text("SELECT pg_try_advisory_xact_lock(:lock)")
_LATE_CALLS: Final = text("""
SELECT DISTINCT customers.id FROM customers JOIN calls ON calls.customer_id = customers.id
WHERE customers.erased_at IS NOT NULL AND (calls.from_raw <> '' OR calls.notes <> '')
""")


async def apply(session: AsyncSession, now: datetime) -> dict[str, int] | None:
    """Empty or delete what is older than its period at `now`; gives how many rows of each kind.

    Also forgets again whoever was forgotten while they rang. None when somebody else is at it.
    """
    if not await session.scalar(_TAKE_TURN, {"lock": _LOCK}):
        return None
    done: dict[str, int] = {}
    for name, kind in KINDS.items():
        result = await session.execute(text(kind.statement), {"before": now - timedelta(days=kind.days)})
        assert isinstance(result, CursorResult)
        done[name] = result.rowcount
    late: list[UUID] = list(await session.scalars(_LATE_CALLS))
    done["calls of the forgotten"] = 0
    for customer_id in late:
        # Whoever is held by somebody right now comes tomorrow.
        with suppress(CustomerBusy):
            await erase(session, customer_id, by=None, reason="rang while they were forgotten")
            done["calls of the forgotten"] += 1
    return done


async def keep(database: Database) -> None:
    """Apply the periods once a day until cancelled."""
    pause = _FIRST
    while True:
        await asyncio.sleep(pause.total_seconds())
        try:
            async with database.session_scope() as session:
                done = await apply(session, datetime.now(UTC))
        except Exception as error:
            if not is_outage(error):
                raise
            log.warning("periods are applied later", error=type(error).__name__)
            pause = _AFTER_AN_OUTAGE
        else:
            log.info("periods applied", rows=done)
            pause = _EVERY
