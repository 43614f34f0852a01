"""Handing promised calls that are due to agents who are free: to their owners first, then to anybody of the queue.

One statement locks both rows of each pair and steps over what others hold (`SKIP LOCKED`), so that any number of
workers share the work, and none waits for another or for a ringing call. What is claimed is dialled or let go in the
same transaction: a worker that dies has claimed nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Result, TextClause, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.models.callbacks import Callback, CallbackState, DialAttempt, DialResult
from app.models.routing import Presence
from app.services.callbacks.history import record_change
from app.services.callbacks.retrying import OUTCOME_WITHIN, escalate
from app.services.hotline import Hotline

_SLACK: Final = timedelta(minutes=5)
"""What the carrier says of a call's end may be so late."""

_WAITING: Final = "c.state IN ('scheduled', 'retry') AND c.mode = 'automatic' AND c.due_at <= CAST(:due AS timestamptz)"

_SHOWN: Final = """
SELECT c.id, c.customer_id, c.queue_id, pair.agent_id, k.language, k.time_zone, k.region,
       coalesce(c.to_e164, (
           SELECT p.e164 FROM customer_phones p WHERE p.customer_id = c.customer_id
           ORDER BY p.is_primary DESC, p.created_at, p.id LIMIT 1
       )) AS e164
FROM pair JOIN callbacks c ON c.id = pair.id LEFT JOIN customers k ON k.id = c.customer_id
ORDER BY c.due_at, c.id"""

_OWNED: Final = text(f"""
WITH free AS MATERIALIZED (
    SELECT p.agent_id FROM agent_presence p
    WHERE p.state = '{Presence.AVAILABLE}'
      AND EXISTS (SELECT FROM callbacks c WHERE c.owner_id = p.agent_id AND {_WAITING})
    ORDER BY p.available_since LIMIT :most FOR UPDATE OF p SKIP LOCKED
),
pair AS MATERIALIZED (
    SELECT free.agent_id, first.id FROM free CROSS JOIN LATERAL (
        SELECT c.id FROM callbacks c WHERE c.owner_id = free.agent_id AND {_WAITING}
        ORDER BY c.due_at, c.id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
    ) first
)
{_SHOWN}
""")


def _of_queue(condition: str) -> str:
    open_to_all = (
        f"{condition} AND {_WAITING} AND (c.owner_id IS NULL OR c.open_to_all_at <= CAST(:due AS timestamptz))"
    )
    return f"""
WITH free AS MATERIALIZED (
    SELECT p.agent_id, p.available_since FROM agent_presence p
    WHERE p.state = '{Presence.AVAILABLE}' AND p.agent_id <> ALL (CAST(:taken AS uuid[]))
      AND EXISTS (SELECT FROM queue_members m WHERE m.agent_id = p.agent_id AND m.queue_id = CAST(:queue_id AS uuid))
      AND EXISTS (SELECT FROM callbacks c WHERE {open_to_all})
    ORDER BY p.available_since LIMIT :most FOR UPDATE OF p SKIP LOCKED
),
due AS MATERIALIZED (
    SELECT c.id, c.due_at FROM callbacks c WHERE {open_to_all}
    ORDER BY c.due_at, c.id LIMIT (SELECT count(*) FROM free) FOR NO KEY UPDATE SKIP LOCKED
),
pair AS MATERIALIZED (
    SELECT taker.agent_id, given.id
    FROM (SELECT agent_id, row_number() OVER (ORDER BY available_since, agent_id) AS turn FROM free) taker
    JOIN (SELECT id, row_number() OVER (ORDER BY due_at, id) AS turn FROM due) given ON given.turn = taker.turn
)
{_SHOWN}"""


_QUEUED: Final = text(_of_queue("c.queue_id = CAST(:queue_id AS uuid)"))
_OF_NO_QUEUE: Final = text(_of_queue("c.queue_id IS NULL"))


@dataclass(frozen=True, slots=True)
class Claimed:
    """A promised call and the agent who is to make it, both locked. `e164` is None where there is no number left."""

    callback_id: UUID
    agent_id: UUID
    customer_id: UUID | None
    queue_id: UUID | None
    e164: str | None
    language: str | None
    time_zone: str | None
    region: str | None


async def claim(session: AsyncSession, hotline: Hotline, due: datetime, most: int) -> list[Claimed]:
    """Up to `most` pairs of an automatic callback that was due by `due` and an agent who is available for it."""
    found = _claimed(await session.execute(_OWNED, {"due": due, "most": most}))
    for queue_id in hotline.queues:
        found += await _claim_of(session, _QUEUED, queue_id, found, due, most)
    if hotline.default is not None:
        found += await _claim_of(session, _OF_NO_QUEUE, hotline.default.id, found, due, most)
    return found


async def _claim_of(
    session: AsyncSession, statement: TextClause, queue_id: UUID, found: Sequence[Claimed], due: datetime, most: int
) -> list[Claimed]:
    if len(found) >= most:
        return []
    values = {
        "due": due,
        "most": most - len(found),
        "queue_id": queue_id,
        "taken": [claimed.agent_id for claimed in found],
    }
    return _claimed(await session.execute(statement, values))


def _claimed(rows: Result[Any]) -> list[Claimed]:
    return [
        Claimed(row.id, row.agent_id, row.customer_id, row.queue_id, row.e164, row.language, row.time_zone, row.region)
        for row in rows
    ]


async def _waits_for_its_outcome(session: AsyncSession, callback: Callback) -> bool:
    """True when it is held since somebody was talked to, and not because an agent took it anew."""
    assert callback.claimed_until is not None
    last = (
        await session.execute(
            select(DialAttempt.result, DialAttempt.ended_at)
            .where(DialAttempt.callback_id == callback.id)
            .order_by(DialAttempt.started_at.desc())
            .limit(1)
        )
    ).one_or_none()
    if last is None or last.result is not DialResult.ANSWERED or last.ended_at is None:
        return False
    return bool(callback.claimed_until <= last.ended_at + OUTCOME_WITHIN + _SLACK)


async def free_the_dead(session: AsyncSession, now: datetime, limit: int = 200) -> int:
    """Take back promises whose time in somebody's hands has run out; gives how many.

    One that was talked about without its agent saying what came of it is a supervisor's: calling again would ring the
    customer twice. One that is being dialled is left to its attempt, as long as that is not over.
    """
    found = list(
        await session.scalars(
            select(Callback)
            .where(
                Callback.state.in_((CallbackState.CLAIMED, CallbackState.DIALING)),
                Callback.claimed_until < now,
                ~select(DialAttempt.id)
                .where(DialAttempt.callback_id == Callback.id, DialAttempt.ended_at.is_(None))
                .exists(),
            )
            .order_by(Callback.id)
            .limit(limit)
            .with_for_update(key_share=True, skip_locked=True)
        )
    )
    for callback in found:
        callback.version += 1
        if await _waits_for_its_outcome(session, callback):
            await escalate(session, callback, at=now, why="no_outcome")
            continue
        callback.state = CallbackState.RETRY if callback.attempts else CallbackState.SCHEDULED
        callback.claimed_by_id = callback.claimed_until = None
        record_change(session, callback.id, "released", at=now)
    await session.flush()
    return len(found)
