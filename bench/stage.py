"""Setting the stage in the database: the last bench is cleared away, agents are signed in and freed."""

import hashlib
from typing import Final

import asyncpg

from bench.baseline import TABLE
from bench.dataset import AGENTS, session_secret

_CLEAR: Final = """
TRUNCATE legs, recordings, carrier_events, agent_events, call_trace, agent_connections, agent_sessions;
UPDATE agent_presence SET state = 'offline', reason = '', available_since = NULL, call_id = NULL, reserved_until = NULL,
                          last_event_no = 0;
DELETE FROM calls WHERE ended_at IS NULL;
DROP TABLE IF EXISTS bench_baseline;
"""
_SIGN_IN: Final = """
INSERT INTO agent_sessions (id, agent_id, token_hash, expires_at)
SELECT gen_random_uuid(), id, $2, now() + interval '12 hours' FROM agents WHERE identity = 'agent_' || $1::text
"""
_START_WORK: Final = "UPDATE agent_presence SET state = 'available', since = now(), available_since = clock_timestamp()"
_FREE: Final = """
UPDATE agent_presence SET state = 'available', reason = '', since = now(), available_since = clock_timestamp(),
                          call_id = NULL, reserved_until = NULL
WHERE state = 'reserved'"""
_FREE_ONE: Final = f"{_FREE} AND call_id = $1"


async def clear(connection: asyncpg.Connection, *, durable: bool) -> None:
    """Bring the database to where every measure begins; commits wait for the disk if `durable`, on both sides.

    Connections that are open already keep the durability they have.
    """
    await connection.execute(_CLEAR)
    await connection.execute(TABLE)
    await connection.execute("ALTER TABLE bench_baseline OWNER TO callcard")
    await connection.executemany(
        _SIGN_IN,
        [(str(agent), hashlib.sha256(session_secret(agent).encode()).digest()) for agent in range(1, AGENTS + 1)],
    )
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = {'on' if durable else 'off'}")
    await connection.execute(
        "VACUUM ANALYZE agent_presence, agent_sessions, calls, legs, carrier_events, agent_events, call_trace"
    )


async def start_work(connection: asyncpg.Connection) -> None:
    """Make all agents available; their streams must be open, or the service sends them home."""
    await connection.execute(_START_WORK)


async def free_agents(connection: asyncpg.Connection) -> None:
    """Make everybody available again whom a call has reserved."""
    await connection.execute(_FREE)


async def free_agent(connection: asyncpg.Connection, call_id: str) -> None:
    """Make the agent of one call available again."""
    await connection.execute(_FREE_ONE, call_id)
