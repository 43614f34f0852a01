"""Between instances: the listening connection is lost, more is to be said than one NOTIFY carries, a push is quick."""

import asyncio
import json
import re
from collections.abc import Iterable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from app.db import Database
from app.models.calls import AgentEventType
from app.services import hub as hub_module
from app.services.agent_log import tell
from app.services.hub import CHANNEL, Hub
from tests.calls.carrier import CALLER, call_sid, leg_status, status, voice
from tests.calls.conftest import Hotline, MakeHotline, until
from tests.factories import make_agent
from tests.support import sign_in_as

NEVER = 3600.0
LARGEST_PAYLOAD = 8000
"""What PostgreSQL takes in one NOTIFY must be shorter than this many bytes (its documentation, NOTIFY)."""
_IDS_ONLY = re.compile(r"[0-9a-f]{32}:[0-9]+(,[0-9a-f]{32}:[0-9]+)*")

_SPY = f"""
CREATE SCHEMA spy;
CREATE TABLE spy.said (payload text, wrote bool, was_committed bool);
CREATE FUNCTION spy.pg_notify(channel text, payload text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    wrote bool := pg_current_xact_id_if_assigned() IS NOT NULL;
BEGIN
    INSERT INTO spy.said VALUES (payload, wrote, EXISTS (
        SELECT FROM public.agent_events
        WHERE replace(agent_id::text, '-', '') || ':' || no = split_part(payload, ',', 1)
    ));
    PERFORM pg_catalog.pg_notify(channel, payload);
END $$;
"""
"""Stands before PostgreSQL's own function, and writes down in what kind of transaction it was called."""


async def write(database: Database, agents: Iterable[UUID], n: int = 0) -> None:
    """One event for each of them, in one transaction."""
    async with database.session_scope() as session:
        for agent_id in agents:
            await tell(session, agent_id, AgentEventType.PRESENCE_CHANGED, {"state": "break", "n": n}, at=datetime.now(UTC))


async def listening_pids(hotline: Hotline) -> set[int]:
    rows = await hotline.rows(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query IN ('SELECT 1', 'LISTEN callcard')"
        " AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND application_name = 'callcard'"
        " AND pid = ANY(CAST(:known AS int[]))",
        known=[],
    )
    return {row["pid"] for row in rows}


@pytest.fixture
def nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams hear of events by being told only, not by looking every few seconds."""
    monkeypatch.setattr(hub_module, "LOOK_SECONDS", NEVER)
