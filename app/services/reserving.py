"""Choosing and reserving an agent: the SQL that a ringing call and every later offer of it share.

The CTEs expect `caller(customer_id, owner_id, queue_id)`, one row. Each looks for a free agent only where the one
before found none, locks the row it found and steps over rows that others hold (`FOR UPDATE SKIP LOCKED`), so that two
calls never reserve one agent and neither waits for the other. `domain/routing.py` says the order and why.
"""

from typing import Final

from app.domain.routing import ReservedBecause
from app.models.calls import AgentEventType
from app.models.routing import Presence

GRACE_SECONDS: Final = 15
"""How long after the ringing should have ended a reservation is given up, should the carrier never say how it ended."""

_FREE: Final = (
    f"p.state = '{Presence.AVAILABLE}' AND CAST(:may_reserve AS boolean) AND p.agent_id <> ALL(CAST(:tried AS uuid[]))"
)

CHOOSE: Final = f"""
manager_free AS MATERIALIZED (
    SELECT p.agent_id, '{ReservedBecause.ACCOUNT_MANAGER}' AS because
    FROM caller JOIN agent_presence p ON p.agent_id = caller.owner_id
    WHERE {_FREE}
    FOR UPDATE OF p SKIP LOCKED
),
last_free AS MATERIALIZED (
    SELECT p.agent_id, '{ReservedBecause.LAST_AGENT}' AS because
    FROM caller CROSS JOIN LATERAL (
        SELECT answered_by_id FROM (
            SELECT answered_by_id, received_at FROM calls
            WHERE customer_id = caller.customer_id AND answered_by_id IS NOT NULL
            OFFSET 0 -- a fence: by customer, never down the index by time
        ) AS theirs ORDER BY received_at DESC LIMIT 1
    ) AS last JOIN agent_presence p ON p.agent_id = last.answered_by_id
    WHERE {_FREE} AND NOT EXISTS (SELECT FROM manager_free)
    FOR UPDATE OF p SKIP LOCKED
),
queue_free AS MATERIALIZED (
    SELECT p.agent_id, '{ReservedBecause.LONGEST_AVAILABLE}' AS because
    FROM agent_presence p
    WHERE {_FREE} AND EXISTS (SELECT FROM caller) AND NOT EXISTS (SELECT FROM manager_free)
      AND NOT EXISTS (SELECT FROM last_free)
      AND EXISTS (
          SELECT FROM queue_members m WHERE m.agent_id = p.agent_id AND m.queue_id = (SELECT queue_id FROM caller)
      )
      AND NOT EXISTS (
          SELECT FROM calls w WHERE w.queue_id = (SELECT queue_id FROM caller)
          AND w.queued_at IS NOT NULL AND w.left_queue_at IS NULL
          AND (w.queued_at, w.id) < (CAST(:place_at AS timestamptz), CAST(:call_id AS uuid))
          AND NOT EXISTS (
              SELECT FROM legs l WHERE l.call_id = w.id AND l.agent_id = p.agent_id AND l.declined_at IS NOT NULL
          )
      )
    ORDER BY p.available_since LIMIT 1
    FOR UPDATE OF p SKIP LOCKED
),
chosen AS MATERIALIZED (
    SELECT free.agent_id, free.because, a.identity, a.language
    FROM (SELECT * FROM manager_free UNION ALL SELECT * FROM last_free UNION ALL SELECT * FROM queue_free) AS free
    JOIN agents a ON a.id = free.agent_id LIMIT 1
)"""
"""CTEs to `chosen(agent_id, because, identity, language)`, at most one row, locked.

Takes `:may_reserve`, `:tried` (agents not to be asked again), `:call_id` and `:place_at` (since when the call stands in
line: whoever stands before it goes first, unless the agent has declined them: one unwanted caller must not hold up
everybody behind them).
"""

SILENT_SECONDS: Final = 24
"""How long after it was last vouched for a socket is taken to be open; one that was closed is set back by 25 s."""

RESERVE: Final = f"""
reserved AS (
    UPDATE agent_presence p
    SET state = '{Presence.RESERVED}', reason = '', since = CAST(:now AS timestamptz), available_since = NULL,
        call_id = ringing.id, last_event_no = p.last_event_no + 1,
        reserved_until = CAST(:now AS timestamptz) + make_interval(secs => CAST(:ring_seconds AS integer) +
        {GRACE_SECONDS})
    FROM chosen, ringing
    WHERE p.agent_id = chosen.agent_id AND ringing.live
    RETURNING p.agent_id, p.last_event_no AS no, chosen.identity, chosen.because,
              (SELECT count(*) FROM agent_connections t WHERE t.agent_id = p.agent_id
               AND t.seen_at > CAST(:now AS timestamptz) - interval '{SILENT_SECONDS} s') AS open_streams
),
offered_leg AS (
    INSERT INTO legs (id, call_id, kind, agent_id, status, because, event_no, open_streams, offered_at)
    SELECT CAST(:leg_id AS uuid), ringing.id, 'agent', reserved.agent_id, 'queued', reserved.because, reserved.no,
           reserved.open_streams, clock_timestamp()
    FROM reserved, ringing
),
pushed AS (
    INSERT INTO agent_events (agent_id, no, type, call_id, at, data)
    SELECT reserved.agent_id, reserved.no, '{AgentEventType.CALL_OFFERED}', ringing.id, CAST(:now AS timestamptz),
    pop.document
    FROM reserved, ringing, pop
)"""
"""CTEs that reserve `chosen` for `ringing(id, live)`, and write the leg and the push.

Takes `:now`, `:ring_seconds` and `:leg_id`.
"""
