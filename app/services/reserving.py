"""Choosing and reserving agents: the SQL that ringing calls and every later offer share.

It serves several calls of one queue at once, in the order of their `n`, because calls that ring at the same moment
share one statement (`services/ringing.py`); a later offer is one call. Each step looks for free agents only for the
calls that the step before left without one, locks exactly the rows it gives away and steps over rows that others hold
(`FOR UPDATE SKIP LOCKED`), so that two calls never reserve one agent and neither waits for the other.
`domain/routing.py` says the order and why.
"""

from typing import Final

from app.domain.routing import ReservedBecause
from app.models.calls import AgentEventType
from app.models.routing import Presence

GRACE_SECONDS: Final = 15
"""How long after the ringing should have ended a reservation is given up, should the carrier never say how it ended."""

_MAY: Final = "CAST(:may_reserve AS boolean) AND p.agent_id <> ALL(CAST(:tried AS uuid[]))"
_FREE: Final = f"p.state = '{Presence.AVAILABLE}' AND {_MAY}"

# A state that no index is for, so that one agent is looked up by key, not among all who are free.
_FREE_AND_IS: Final = f"""
        SELECT p.agent_id FROM agent_presence p
        WHERE p.agent_id = {{}} AND coalesce(p.state, '') = '{Presence.AVAILABLE}' AND {_MAY}
        FOR UPDATE OF p SKIP LOCKED"""

CHOOSE: Final = f"""
line AS MATERIALIZED (
    SELECT w.id FROM calls w WHERE w.queue_id = CAST(:queue_id AS uuid)
    AND w.queued_at IS NOT NULL AND w.left_queue_at IS NULL
    AND (w.queued_at, w.id) < (CAST(:place_at AS timestamptz), CAST(:place_id AS uuid))
),
declined AS MATERIALIZED (
    SELECT l.call_id, l.agent_id FROM line JOIN legs l ON l.call_id = line.id WHERE l.declined_at IS NOT NULL
),
complaint AS MATERIALIZED (
    SELECT caller.n, theirs.owner_id
    FROM caller CROSS JOIN LATERAL (
        SELECT owner_id FROM complaints
        WHERE customer_id = caller.customer_id AND state <> 'closed' AND owner_id IS NOT NULL
        ORDER BY opened_at DESC LIMIT 1
    ) AS theirs
),
complaint_free AS MATERIALIZED (
    SELECT free.agent_id FROM (SELECT DISTINCT owner_id FROM complaint) wanted
    CROSS JOIN LATERAL ({_FREE_AND_IS.format("wanted.owner_id")}) free
),
by_complaint AS MATERIALIZED (
    SELECT DISTINCT ON (free.agent_id) complaint.n, free.agent_id, '{ReservedBecause.COMPLAINT_OWNER}' AS because
    FROM complaint_free free JOIN complaint ON complaint.owner_id = free.agent_id ORDER BY free.agent_id, complaint.n
),
manager_wanted AS MATERIALIZED (
    SELECT n, owner_id FROM caller WHERE n <> ALL (ARRAY(SELECT n FROM by_complaint))
),
manager_free AS MATERIALIZED (
    SELECT free.agent_id FROM (SELECT owner_id FROM manager_wanted EXCEPT SELECT agent_id FROM complaint_free) wanted
    CROSS JOIN LATERAL ({_FREE_AND_IS.format("wanted.owner_id")}) free
),
by_manager AS MATERIALIZED (
    SELECT DISTINCT ON (free.agent_id) wanted.n, free.agent_id, '{ReservedBecause.ACCOUNT_MANAGER}' AS because
    FROM manager_free free JOIN manager_wanted wanted ON wanted.owner_id = free.agent_id
    ORDER BY free.agent_id, wanted.n
),
last_wanted AS MATERIALIZED (
    SELECT caller.n, last.answered_by_id
    FROM caller CROSS JOIN LATERAL (
        SELECT answered_by_id FROM (
            SELECT answered_by_id, received_at FROM calls
            WHERE customer_id = caller.customer_id AND answered_by_id IS NOT NULL
            OFFSET 0 -- a fence: by customer, never down the index by time
        ) AS theirs ORDER BY received_at DESC LIMIT 1
    ) AS last
    WHERE caller.n <> ALL (ARRAY(SELECT n FROM by_complaint UNION ALL SELECT n FROM by_manager))
),
last_free AS MATERIALIZED (
    SELECT free.agent_id FROM (
        SELECT answered_by_id FROM last_wanted
        EXCEPT SELECT agent_id FROM manager_free EXCEPT SELECT agent_id FROM complaint_free
    ) wanted
    CROSS JOIN LATERAL ({_FREE_AND_IS.format("wanted.answered_by_id")}) free
),
by_last AS MATERIALIZED (
    SELECT DISTINCT ON (free.agent_id) wanted.n, free.agent_id, '{ReservedBecause.LAST_AGENT}' AS because
    FROM last_free free JOIN last_wanted wanted ON wanted.answered_by_id = free.agent_id
    ORDER BY free.agent_id, wanted.n
),
others AS MATERIALIZED (
    SELECT n, row_number() OVER (ORDER BY n) AS turn FROM caller
    WHERE n <> ALL (ARRAY(
        SELECT n FROM by_complaint UNION ALL SELECT n FROM by_manager UNION ALL SELECT n FROM by_last
    ))
),
queue_free AS MATERIALIZED (
    SELECT p.agent_id, p.available_since FROM agent_presence p
    WHERE {_FREE}
      AND p.agent_id <> ALL (ARRAY(
          SELECT agent_id FROM complaint_free UNION ALL SELECT agent_id FROM manager_free
          UNION ALL SELECT agent_id FROM last_free
      ))
      AND EXISTS (
          SELECT FROM queue_members m WHERE m.agent_id = p.agent_id AND m.queue_id = CAST(:queue_id AS uuid)
      )
      AND NOT EXISTS (
          SELECT FROM line WHERE NOT EXISTS (
              SELECT FROM declined WHERE declined.call_id = line.id AND declined.agent_id = p.agent_id
          )
      )
    ORDER BY p.available_since LIMIT (SELECT count(*) FROM others)
    FOR UPDATE OF p SKIP LOCKED
),
by_queue AS MATERIALIZED (
    SELECT others.n, free.agent_id, '{ReservedBecause.LONGEST_AVAILABLE}' AS because
    FROM (SELECT agent_id, row_number() OVER (ORDER BY available_since, agent_id) AS turn FROM queue_free) free
    JOIN others ON others.turn = free.turn
),
chosen AS MATERIALIZED (
    SELECT free.n, free.agent_id, free.because, a.identity
    FROM (
        SELECT * FROM by_complaint UNION ALL SELECT * FROM by_manager
        UNION ALL SELECT * FROM by_last UNION ALL SELECT * FROM by_queue
    ) AS free
    JOIN agents a ON a.id = free.agent_id
)"""
"""CTEs from `caller(n, customer_id, owner_id)`, the calls in the order in which they are served, to
`chosen(n, agent_id, because, identity)`: for each call at most one agent, locked, and no agent twice.

Takes `:queue_id`, `:may_reserve`, `:tried` (agents not to be asked again), and `:place_at`, `:place_id`: `line` is who
stands in the queue before that place and so goes first, unless the agent has declined them: one unwanted caller must
not hold up everybody behind them.
"""

SILENT_SECONDS: Final = 24
"""How long after it was last vouched for a socket is taken to be open; one that was closed is set back by 25 s."""

RESERVE: Final = f"""
reserved AS (
    UPDATE agent_presence p
    SET state = '{Presence.RESERVED}', reason = '', since = ringing.now, available_since = NULL,
        call_id = ringing.id, last_event_no = p.last_event_no + 1,
        reserved_until = ringing.now + make_interval(secs => CAST(:ring_seconds AS integer) + {GRACE_SECONDS})
    FROM chosen, ringing
    WHERE p.agent_id = chosen.agent_id AND ringing.n = chosen.n AND ringing.live
    RETURNING ringing.n, ringing.id AS call_id, ringing.leg_id, ringing.now, p.agent_id, p.last_event_no AS no,
              chosen.identity, chosen.because,
              (SELECT count(*) FROM agent_connections t WHERE t.agent_id = p.agent_id
               AND t.seen_at > ringing.now - interval '{SILENT_SECONDS} s') AS open_streams
),
offered_leg AS (
    INSERT INTO legs (id, call_id, kind, agent_id, status, because, event_no, open_streams, offered_at)
    SELECT leg_id, call_id, 'agent', agent_id, 'queued', because, no, open_streams, clock_timestamp() FROM reserved
),
pushed AS (
    INSERT INTO agent_events (agent_id, no, type, call_id, at, data)
    SELECT reserved.agent_id, reserved.no, '{AgentEventType.CALL_OFFERED}', reserved.call_id, reserved.now, pop.document
    FROM reserved JOIN pop ON pop.n = reserved.n
)"""
"""CTEs that reserve `chosen` for `ringing(n, id, live, leg_id, now)`, and write legs and push `pop(n, document)`.

Takes `:ring_seconds`.
"""
