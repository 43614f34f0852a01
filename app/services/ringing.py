"""A call rings: one statement records it, matches the caller, reserves an agent and writes the screen pop.

It is the one place that goes past SQLAlchemy (`Database.lane`), because somebody is standing on the line: one statement
is one transaction and one round trip. All of it happens or none. A repeated webhook finds the call there, does nothing,
and is answered from what was decided the first time (`calls.routed`).
"""

import json
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from app.db import Statement
from app.domain.call_states import CallState, CarrierStatus
from app.domain.card import Json
from app.domain.prompts import choose_language
from app.models.base import new_id
from app.services.hotline import Hotline, Route
from app.services.reserving import CHOOSE, RESERVE
from app.services.screen_pop import MATCH, caller_part, match_args, pop_sql, queue_part, verify
from app.telephony.port import CallEvent, EventKind

_CALL_PART: Final = """json_build_object(
            'id', ringing.id, 'direction', 'inbound', 'received_at', CAST(:now AS timestamptz),
            'dialled', CAST(:to_raw AS text), 'caller_name', CAST(:caller_name AS text),
            'queue', CAST(:queue AS json), 'reserved_because', chosen.because)"""

_RING: Final = Statement(f"""
WITH {MATCH},
waiting AS MATERIALIZED (
    SELECT count(*) AS before FROM calls w
    WHERE w.queue_id = CAST(:queue_id AS uuid) AND w.queued_at IS NOT NULL AND w.left_queue_at IS NULL
),
caller AS MATERIALIZED (
    SELECT matched.customer_id, c.owner_id, CAST(:queue_id AS uuid) AS queue_id, c.language
    FROM matched LEFT JOIN customers c ON c.id = matched.customer_id
    WHERE NOT EXISTS (SELECT FROM loose) AND NOT EXISTS (
        SELECT FROM calls known WHERE known.provider = CAST(:provider AS text)
        AND known.provider_call_id = CAST(:provider_call_id AS text) AND NOT known.is_stub
    )
),
{CHOOSE},
ringing AS (
    INSERT INTO calls AS c (
        id, provider, provider_call_id, direction, state, customer_status, from_raw, from_e164, to_raw, caller_name,
        caller, language, queue_id, match_outcome, match_reason, customer_id, received_at, heard_at,
        queued_at, routed, routed_at
    )
    SELECT CAST(:call_id AS uuid), CAST(:provider AS text), CAST(:provider_call_id AS text), 'inbound',
           CASE WHEN CAST(:may_reserve AS boolean) AND chosen.agent_id IS NULL
                THEN '{CallState.WAITING}' ELSE '{CallState.RINGING}' END,
           '{CarrierStatus.RINGING}', CAST(:from_raw AS text), CAST(:from_e164 AS varchar), CAST(:to_raw AS text),
           CAST(:caller_name AS text), CAST(:caller AS jsonb), coalesce(caller.language, CAST(:language AS text)),
           CAST(:queue_id AS uuid), matched.outcome, matched.reason, matched.customer_id, CAST(:now AS timestamptz),
           CAST(:now AS timestamptz),
           CASE WHEN CAST(:may_reserve AS boolean) AND chosen.agent_id IS NULL THEN CAST(:place_at AS timestamptz) END,
           jsonb_build_object('identity', chosen.identity, 'place', waiting.before + 1,
                              'open', CAST(:is_open AS boolean), 'sought', CAST(:may_reserve AS boolean)),
           clock_timestamp()
    FROM matched CROSS JOIN waiting CROSS JOIN caller LEFT JOIN chosen ON true
    ON CONFLICT (provider, provider_call_id) DO UPDATE
    SET is_stub = false, from_raw = EXCLUDED.from_raw, from_e164 = EXCLUDED.from_e164, to_raw = EXCLUDED.to_raw,
        caller_name = EXCLUDED.caller_name, caller = EXCLUDED.caller, language = EXCLUDED.language,
        queue_id = EXCLUDED.queue_id, match_outcome = EXCLUDED.match_outcome, match_reason = EXCLUDED.match_reason,
        customer_id = EXCLUDED.customer_id, received_at = EXCLUDED.received_at, direction = EXCLUDED.direction,
        routed_at = EXCLUDED.routed_at,
        -- Nobody is reserved for a call that is over, so nobody is to be dialled for it when it is asked about again.
        routed = CASE WHEN c.ended_at IS NULL THEN EXCLUDED.routed
                      ELSE EXCLUDED.routed || jsonb_build_object('identity', NULL) END,
        queued_at = CASE WHEN c.ended_at IS NULL THEN EXCLUDED.queued_at END,
        state = CASE WHEN c.ended_at IS NULL THEN EXCLUDED.state ELSE c.state END
    WHERE c.is_stub
    RETURNING c.id, c.ended_at IS NULL AS live, c.language
),
{pop_sql(_CALL_PART, also_from=" CROSS JOIN ringing CROSS JOIN chosen")},
{RESERVE},
heard AS (
    INSERT INTO carrier_events (id, provider, provider_call_id, kind, dedupe_key, params, received_at)
    SELECT CAST(:event_id AS uuid), CAST(:provider AS text), CAST(:provider_call_id AS text), 'voice',
           'voice:' || CAST(:provider_call_id AS text), CAST(:params AS json), CAST(:now AS timestamptz)
    FROM ringing
    ON CONFLICT (provider, dedupe_key) DO NOTHING
)
SELECT ringing.id AS call_id, ringing.language, reserved.agent_id, reserved.no, reserved.identity,
       reserved.open_streams, matched.outcome,
       waiting.before + 1 AS place, CAST(pop.document AS text) AS document,
       CAST((SELECT json_agg(loose) FROM loose) AS text) AS loose
FROM matched CROSS JOIN waiting LEFT JOIN ringing ON true LEFT JOIN reserved ON true LEFT JOIN pop ON true
""")

_KNOWN: Final = """
SELECT id AS call_id, language, routed, received_at FROM calls WHERE provider = $1 AND provider_call_id = $2
"""


@dataclass(frozen=True, slots=True)
class Pushed:
    """An event that was just written to an agent's log, with its document at hand so that it need not be read back.

    `open_streams` is how many tabs the agent has open, in whatever process.
    """

    agent_id: UUID
    no: int
    at: datetime
    call_id: UUID
    document: str
    open_streams: int


@dataclass(frozen=True, slots=True)
class Rung:
    """What became of a ringing call.

    `identity` is the client of the agent it was offered to; without one, the caller stands at `place` (1 is next) when
    `is_open`. `outcome` is None, and `pushed` too, when the same webhook had been answered before.
    """

    call_id: UUID
    language: str
    identity: str | None
    place: int
    is_open: bool
    received_at: datetime
    outcome: str | None
    pushed: Pushed | None


async def ring(
    lane: asyncpg.Pool, event: CallEvent, hotline: Hotline, route: Route, *, may_reserve: bool = True
) -> Rung:
    """Record a ringing call and offer it to an agent; the second time for one call, repeat what was said.

    Args:
        may_reserve: False to record and match only: the caller was sent elsewhere while the database was away.

    Raises:
        asyncpg.PostgresError, OSError, TimeoutError: the database is away (`db.is_outage`); nothing was done.
    """
    args = _arguments(event, hotline, route, may_reserve=may_reserve)
    row = await lane.fetchrow(_RING.sql, *_RING.args(**args))
    assert row is not None
    if row["loose"] is not None:
        args.update(verify(hotline.number(event.from_raw), json.loads(row["loose"])))
        row = await lane.fetchrow(_RING.sql, *_RING.args(**args))
        assert row is not None
    if row["call_id"] is None:
        return await _as_before(lane, event)
    pushed = None
    if row["agent_id"] is not None:
        pushed = Pushed(
            row["agent_id"], row["no"], event.received_at, row["call_id"], row["document"], row["open_streams"]
        )
    return Rung(
        call_id=row["call_id"],
        language=row["language"],
        identity=row["identity"],
        place=row["place"],
        is_open=args["is_open"],
        received_at=event.received_at,
        outcome=row["outcome"],
        pushed=pushed,
    )


async def _as_before(lane: asyncpg.Pool, event: CallEvent) -> Rung:
    known = await lane.fetchrow(_KNOWN, event.provider, event.call_id)
    assert known is not None, "a call that could not be inserted because it exists, exists"
    routed: Json = json.loads(known["routed"])
    return Rung(
        call_id=known["call_id"],
        language=known["language"],
        identity=routed["identity"],
        place=routed["place"],
        is_open=routed["open"],
        received_at=known["received_at"],
        outcome=None,
        pushed=None,
    )


def _arguments(event: CallEvent, hotline: Hotline, route: Route, *, may_reserve: bool) -> dict[str, Any]:
    number = hotline.number(event.from_raw)
    queue = route.queue
    now = event.received_at
    is_open = queue.hours.is_open(now)
    return {
        **match_args(number, hotline),
        "call_id": new_id(),
        "provider": event.provider,
        "provider_call_id": event.call_id,
        "from_raw": event.from_raw,
        "from_e164": number.e164,
        "to_raw": event.to_raw,
        "caller_name": event.caller_name,
        "caller": json.dumps(caller_part(number)),
        "language": choose_language(route.language, number.region, queue.language),
        "queue_id": queue.id,
        "queue": json.dumps(queue_part(queue)),
        "now": now,
        "place_at": now,
        "may_reserve": may_reserve and is_open,
        "is_open": is_open,
        "tried": [],
        "ring_seconds": queue.ring_seconds,
        "leg_id": new_id(),
        "event_id": new_id(),
        "params": json.dumps(dict(event.params), ensure_ascii=False),
    }


async def warm_up(lane: asyncpg.Pool, connections: int, hotline: Hotline) -> None:
    """Have every connection of the lane prepare and plan the statement, so that the first calls need not wait for it.

    Does nothing that stays. Raises what `ring` raises.
    """
    if hotline.default is None:
        return
    event = CallEvent(EventKind.VOICE, "warm-up", str(new_id()), datetime.now(UTC))
    args = _RING.args(**_arguments(event, hotline, Route(hotline.default, None), may_reserve=False))
    async with AsyncExitStack() as stack:
        for _ in range(connections):
            connection = await stack.enter_async_context(lane.acquire())
            attempt = connection.transaction()
            await attempt.start()
            await connection.fetchrow(_RING.sql, *args)
            await attempt.rollback()
