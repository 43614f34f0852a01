"""Calls ring: one statement records them, matches the callers, reserves agents and writes the screen pops.

It is the one place that goes past SQLAlchemy (`Database.lane`), because somebody is standing on the line: one statement
is one transaction and one round trip. All of it happens or none. It takes one call as well as thirty: what a statement
costs to set up is most of what it costs, so calls of one queue that ring at the same moment share it
(`services/ringer.py` brings them together). A repeated webhook finds the call there, does nothing, and is answered
from what was decided the first time (`calls.routed`).
"""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
import orjson

from app.db import Statement
from app.domain.call_states import CallState, CarrierStatus
from app.domain.card import Json
from app.domain.phone_numbers import PhoneNumber
from app.domain.prompts import choose_language
from app.models.base import new_id
from app.services.hotline import Hotline, Route
from app.services.reserving import CHOOSE, RESERVE
from app.services.screen_pop import caller_part, card_sql, match_args, match_sql, queue_part, verify
from app.telephony.port import CallEvent, EventKind

_COLUMNS: Final = {
    "call_id": "uuid",
    "provider": "text",
    "provider_call_id": "text",
    "from_raw": "text",
    "from_e164": "varchar",
    "to_raw": "text",
    "caller_name": "text",
    "caller": "text",
    "language": "text",
    "lookup": "varchar",
    "bucket": "varchar",
    "withheld": "boolean",
    "verified": "text",
    "reason": "text",
    "now": "timestamptz",
    "leg_id": "uuid",
    "event_id": "uuid",
    "params": "text",
}
"""What is said of each call, and its type in SQL; the statement takes one array each."""

_CALL_PART: Final = """json_build_object(
            'id', ringing.id, 'direction', 'inbound', 'received_at', i.now,
            'dialled', i.to_raw, 'caller_name', i.caller_name,
            'queue', CAST(:queue AS json), 'reserved_because', chosen.because)"""

_RING: Final = Statement(f"""
WITH given AS MATERIALIZED (
    SELECT * FROM unnest({", ".join(f"CAST(:{name} AS {kind}[])" for name, kind in _COLUMNS.items())})
    WITH ORDINALITY AS i({", ".join(_COLUMNS)}, n)
),
fresh AS MATERIALIZED (
    SELECT i.* FROM given i WHERE NOT EXISTS (
        SELECT FROM calls known
        WHERE known.provider = i.provider AND known.provider_call_id = i.provider_call_id AND NOT known.is_stub
    )
),
matched AS MATERIALIZED (
    SELECT i.n, found.* FROM fresh i CROSS JOIN LATERAL ({match_sql("i.")}) found
),
caller AS MATERIALIZED (
    SELECT matched.n, matched.customer_id, matched.outcome, matched.reason, c.owner_id, c.language
    FROM matched LEFT JOIN customers c ON c.id = matched.customer_id WHERE matched.loose IS NULL
),
{CHOOSE},
placed AS MATERIALIZED (
    SELECT caller.*, chosen.identity, CAST(:may_reserve AS boolean) AND chosen.n IS NULL AS waits,
           (SELECT count(*) FROM line) + 1 + count(*) FILTER (WHERE chosen.n IS NULL)
           OVER (ORDER BY caller.n ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS place
    FROM caller LEFT JOIN chosen ON chosen.n = caller.n
),
written AS (
    INSERT INTO calls AS c (
        id, provider, provider_call_id, direction, state, customer_status, from_raw, from_e164, to_raw, caller_name,
        caller, language, queue_id, match_outcome, match_reason, customer_id, received_at, heard_at,
        queued_at, routed, routed_at
    )
    SELECT i.call_id, i.provider, i.provider_call_id, 'inbound',
           CASE WHEN placed.waits THEN '{CallState.WAITING}' ELSE '{CallState.RINGING}' END,
           '{CarrierStatus.RINGING}', i.from_raw, i.from_e164, i.to_raw, i.caller_name, CAST(i.caller AS jsonb),
           coalesce(placed.language, i.language), CAST(:queue_id AS uuid), placed.outcome, placed.reason,
           placed.customer_id, i.now, i.now, CASE WHEN placed.waits THEN i.now END,
           jsonb_build_object('identity', placed.identity, 'place', placed.place,
                              'open', CAST(:is_open AS boolean), 'sought', CAST(:may_reserve AS boolean)),
           clock_timestamp()
    FROM fresh i JOIN placed ON placed.n = i.n
    -- In one order everywhere: processes that are told of the same calls at once wait for each other here.
    ORDER BY i.provider_call_id
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
    RETURNING c.id, c.provider, c.provider_call_id, c.ended_at IS NULL AS live, c.language
),
ringing AS MATERIALIZED (
    SELECT i.n, written.id, written.live, written.language, i.leg_id, i.now
    FROM written JOIN fresh i ON i.provider = written.provider AND i.provider_call_id = written.provider_call_id
),
pop AS MATERIALIZED (
    SELECT matched.n, {card_sql(_CALL_PART, "i.")} AS document
    FROM chosen JOIN matched ON matched.n = chosen.n JOIN ringing ON ringing.n = chosen.n JOIN fresh i ON i.n = chosen.n
),
{RESERVE},
heard AS (
    INSERT INTO carrier_events (id, provider, provider_call_id, kind, dedupe_key, params, received_at)
    SELECT i.event_id, i.provider, i.provider_call_id, 'voice', 'voice:' || i.provider_call_id, CAST(i.params AS json),
           i.now
    FROM ringing JOIN fresh i ON i.n = ringing.n
    ON CONFLICT (provider, dedupe_key) DO NOTHING
)
SELECT given.n, ringing.id AS call_id, ringing.language, placed.outcome, placed.place, reserved.agent_id, reserved.no,
       reserved.identity, reserved.open_streams, CAST(pop.document AS text) AS document,
       CAST(matched.loose AS text) AS loose
FROM given LEFT JOIN matched ON matched.n = given.n LEFT JOIN placed ON placed.n = given.n
LEFT JOIN ringing ON ringing.n = given.n LEFT JOIN reserved ON reserved.n = given.n LEFT JOIN pop ON pop.n = given.n
""")

_KNOWN: Final = """
SELECT id AS call_id, language, routed, received_at FROM calls WHERE provider = $1 AND provider_call_id = $2
"""

_LAST_PLACE: Final = UUID(int=2**128 - 1)
"""Behind every call that waits since the same moment."""


@dataclass(frozen=True, slots=True)
class Ringing:
    """A call that rings, and what decides it besides the caller and the agents.

    Attributes:
        event: what the carrier said.
        number: the caller's.
        route: where the dialled number leads.
        is_open: whether the queue was when it rang.
        may_reserve: False to record and match only.
        verified: what `screen_pop.verify` says, once it was asked.
    """

    event: CallEvent
    number: PhoneNumber
    route: Route
    is_open: bool
    may_reserve: bool
    verified: Mapping[str, Any] = field(default_factory=dict)

    @property
    def together(self) -> tuple[UUID, bool, bool]:
        """Calls of which this is the same can share one statement."""
        return self.route.queue.id, self.is_open, self.may_reserve


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


def ringing_call(event: CallEvent, hotline: Hotline, route: Route, *, may_reserve: bool = True) -> Ringing:
    """A call that rings, as `ring` takes it.

    Args:
        may_reserve: False when the caller was sent elsewhere while the database was away.
    """
    is_open = route.queue.hours.is_open(event.received_at)
    return Ringing(event, hotline.number(event.from_raw), route, is_open, may_reserve and is_open)


async def ring(
    connection: asyncpg.Connection | asyncpg.Pool, calls: Sequence[Ringing], hotline: Hotline
) -> list[Rung | Ringing | None]:
    """Record ringing calls and offer each to an agent, in one transaction.

    Args:
        connection: of the lane.
        calls: at least one, all of the same `together`, no call twice. Who comes first is served first.
        hotline: whose numbers are ours.

    Returns:
        What became of each, in the same order. A call itself where nothing was done yet, because no number is exactly
        its caller's: it is to be rung again as it is returned. None where the call was known: see `rung_before`.

    Raises:
        asyncpg.PostgresError, OSError, TimeoutError: the database is away (`db.is_outage`), or one of the calls is
        refused; nothing was done.
    """
    rows = [_row(call, hotline) for call in calls]
    queue = calls[0].route.queue
    args = _RING.args(
        **{name: [row[name] for row in rows] for name in _COLUMNS},
        queue_id=queue.id,
        queue=orjson.dumps(queue_part(queue)).decode(),
        may_reserve=calls[0].may_reserve,
        is_open=calls[0].is_open,
        tried=[],
        ring_seconds=queue.ring_seconds,
        place_at=max(row["now"] for row in rows),
        place_id=_LAST_PLACE,
    )
    became: list[Rung | Ringing | None] = [None] * len(calls)
    for row in await connection.fetch(_RING.sql, *args):
        n = row["n"] - 1
        if row["loose"] is not None:
            became[n] = replace(calls[n], verified=verify(calls[n].number, orjson.loads(row["loose"])))
        elif row["call_id"] is not None:
            became[n] = _rung(calls[n], row)
    return became


def _rung(call: Ringing, row: asyncpg.Record) -> Rung:
    received_at = call.event.received_at
    pushed = None
    if row["agent_id"] is not None:
        pushed = Pushed(row["agent_id"], row["no"], received_at, row["call_id"], row["document"], row["open_streams"])
    return Rung(
        call_id=row["call_id"],
        language=row["language"],
        identity=row["identity"],
        place=row["place"],
        is_open=call.is_open,
        received_at=received_at,
        outcome=row["outcome"],
        pushed=pushed,
    )


async def rung_before(connection: asyncpg.Connection | asyncpg.Pool, event: CallEvent) -> Rung:
    """What was decided when a known call first rang. Raises what `ring` raises."""
    known = await connection.fetchrow(_KNOWN, event.provider, event.call_id)
    assert known is not None, "a call that could not be inserted because it exists, exists"
    routed: Json = orjson.loads(known["routed"])
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


def _row(call: Ringing, hotline: Hotline) -> dict[str, Any]:
    event, number, route = call.event, call.number, call.route
    return {
        **match_args(number, hotline),
        **call.verified,
        "call_id": new_id(),
        "provider": event.provider,
        "provider_call_id": event.call_id,
        "from_raw": event.from_raw,
        "from_e164": number.e164,
        "to_raw": event.to_raw,
        "caller_name": event.caller_name,
        "caller": orjson.dumps(caller_part(number)).decode(),
        "language": choose_language(route.language, number.region, route.queue.language),
        "now": event.received_at,
        "leg_id": new_id(),
        "event_id": new_id(),
        "params": orjson.dumps(event.params).decode(),
    }


async def warm_up(lane: asyncpg.Pool, connections: int, hotline: Hotline) -> None:
    """Have every connection of the lane prepare and plan the statement, so that the first calls need not wait for it.

    Does nothing that stays. Raises what `ring` raises.
    """
    if hotline.default is None:
        return
    event = CallEvent(EventKind.VOICE, "warm-up", str(new_id()), datetime.now(UTC))
    call = ringing_call(event, hotline, Route(hotline.default, None), may_reserve=False)
    async with AsyncExitStack() as stack:
        for _ in range(connections):
            connection = await stack.enter_async_context(lane.acquire())
            attempt = connection.transaction()
            await attempt.start()
            await ring(connection, [call], hotline)
            await attempt.rollback()
