"""Between instances: the listening connection is lost, more is to be said than one NOTIFY carries, a push is quick."""

import asyncio
import json
import os
import re
import signal
import statistics
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from app.db import Database
from app.models.calls import AgentEventType
from app.services import hub as hub_module
from app.services.agent_log import tell
from app.services.hub import CHANNEL
from tests.calls.carrier import CALLER, DIALLED, call_sid, status, voice
from tests.calls.conftest import Hotline, MakeHotline, until
from tests.factories import make_agent

NEVER = 3600.0
MANY = 310
LARGEST_PAYLOAD = 8000
"""What PostgreSQL takes in one NOTIFY must be shorter than this many bytes (its documentation, NOTIFY)."""
_IDS_ONLY = re.compile(r"[0-9a-f]{32}:[0-9]+(,[0-9a-f]{32}:[0-9]+)*")

_SPY = """
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
            await tell(
                session, agent_id, AgentEventType.PRESENCE_CHANGED, {"state": "break", "n": n}, at=datetime.now(UTC)
            )


@dataclass(slots=True)
class Listeners:
    """The listening connections that were opened, by the database of the instance; new ones wait while it is shut."""

    pids: dict[Database, list[int]] = field(default_factory=dict)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def of(self, hotline: Hotline) -> list[int]:
        return self.pids.get(hotline.served.database, [])

    async def one_more(self, hotline: Hotline, than: int) -> None:
        """Return once an instance listens over another connection than the first `than` ones."""

        async def listens() -> bool:
            return len(self.of(hotline)) > than

        await until(listens, "it listens again", 10)
        await hotline.served.runtime.hub.wait_until_listening()


@pytest.fixture
def listeners(monkeypatch: pytest.MonkeyPatch) -> Listeners:
    known = Listeners()
    known.gate.set()
    real = Database.connect

    async def connect(self: Database) -> asyncpg.Connection:
        await known.gate.wait()
        connection = await real(self)
        known.pids.setdefault(self, []).append(connection.get_server_pid())
        return connection

    monkeypatch.setattr(Database, "connect", connect)
    return known


@pytest.fixture
def nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams hear of events by being told only, not by looking every few seconds."""
    monkeypatch.setattr(hub_module, "LOOK_SECONDS", NEVER)


@pytest.fixture
async def heard(database_url: str) -> AsyncIterator[list[str]]:
    """What is said on the channel, as anybody who listens hears it."""
    said: list[str] = []
    connection = await asyncpg.connect(database_url)
    await connection.add_listener(CHANNEL, lambda _connection, _pid, _channel, payload: said.append(str(payload)))
    yield said
    connection.terminate()


async def test_fault_18_an_event_of_one_instance_is_at_another_one_s_tab_at_once(
    nobody_looks: None, hotline: Hotline
) -> None:
    twin = await hotline.twin()
    await twin.served.runtime.hub.wait_until_listening()
    desk = await hotline.desk()
    there = await twin.another_tab(desk)
    took = []
    for _ in range(5):
        sid = call_sid()
        began = time.monotonic()
        await hotline.wire.twiml("voice", voice(sid))
        offered = await there.until("call.offered")
        took.append(time.monotonic() - began)
        assert await desk.until("call.offered") == offered
        await hotline.wire.tell(status(sid, "completed", 1))
        await there.until("presence.changed", state="available")

    assert statistics.median(took) < 1


async def test_fault_18_a_killed_listener_is_noticed_and_replaced(
    nobody_looks: None, listeners: Listeners, hotline: Hotline
) -> None:
    twin = await hotline.twin()
    await twin.served.runtime.hub.wait_until_listening()
    desk = await hotline.desk()
    there = await twin.another_tab(desk, desk.seen[-1]["id"])
    (pid,) = listeners.of(twin)
    listeners.gate.clear()
    killed = await hotline.one("SELECT pg_terminate_backend(:pid, 5000) AS done", pid=pid)
    assert killed == {"done": True}
    await until(lambda: is_deaf(twin), "noticed", 4)

    # Written by the other instance while nobody listens here.
    await write(hotline.served.database, [desk.agent.id], 1)
    assert (await desk.next())["data"]["n"] == 1
    listeners.gate.set()

    assert (await there.next())["data"]["n"] == 1
    await listeners.one_more(twin, 1)
    await write(hotline.served.database, [desk.agent.id], 2)
    assert (await there.next())["data"]["n"] == 2


async def test_fault_18_a_listener_that_hangs_is_noticed_and_replaced(
    nobody_looks: None, listeners: Listeners, hotline: Hotline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "HEARTBEAT_SECONDS", 0.3)
    twin = await hotline.twin()
    await twin.served.runtime.hub.wait_until_listening()
    desk = await hotline.desk()
    there = await twin.another_tab(desk, desk.seen[-1]["id"])
    (pid,) = listeners.of(twin)

    # The connection stands, but nothing comes over it any more.
    os.kill(pid, signal.SIGSTOP)
    try:
        await write(hotline.served.database, [desk.agent.id], 1)
        assert (await there.next())["data"]["n"] == 1
    finally:
        os.kill(pid, signal.SIGCONT)

    assert len(listeners.of(twin)) > 1


def test_fault_18_production_asks_the_listener_every_two_seconds() -> None:
    assert hub_module.HEARTBEAT_SECONDS <= 2
    assert hub_module.LOOK_SECONDS <= 5


async def test_fault_18_meanwhile_streams_look_for_themselves(
    listeners: Listeners, hotline: Hotline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "LOOK_SECONDS", 0.1)
    twin = await hotline.twin()
    await twin.served.runtime.hub.wait_until_listening()
    desk = await hotline.desk()
    there = await twin.another_tab(desk, desk.seen[-1]["id"])
    listeners.gate.clear()
    await hotline.execute("SELECT pg_terminate_backend(:pid, 5000)", pid=listeners.of(twin)[0])
    await until(lambda: is_deaf(twin), "noticed", 4)

    await write(hotline.served.database, [desk.agent.id], 1)

    assert (await there.next())["data"]["n"] == 1
    assert await is_deaf(twin)
    listeners.gate.set()


async def test_fault_18_more_than_one_notify_carries(nobody_looks: None, hotline: Hotline, heard: list[str]) -> None:
    twin = await hotline.twin()
    hub = twin.served.runtime.hub
    await hub.wait_until_listening()
    async with hotline.served.database.session_scope() as session:
        agents = [(await make_agent(session)).id for _ in range(MANY)]
    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(hub.stream(agent_id, None)) for agent_id in agents]

        await write(hotline.served.database, agents)

        async with asyncio.timeout(10):
            messages = [json.loads(await anext(hub.messages(stream))) for stream in streams]
    assert [message["id"] for message in messages] == ["1"] * MANY
    said = ",".join(heard)
    assert sorted(said.split(",")) == sorted(f"{agent_id.hex}:1" for agent_id in agents)
    assert len(said) > LARGEST_PAYLOAD
    assert len(heard) > 1
    for payload in heard:
        assert len(payload.encode()) < LARGEST_PAYLOAD


async def test_fault_18_notify_is_said_after_the_commit_alone_and_of_ids_only(
    database_url: str, make_hotline: MakeHotline, heard: list[str]
) -> None:
    admin = await asyncpg.connect(database_url)
    try:
        await admin.execute(_SPY)
        # For every connection from now on it stands before PostgreSQL's own.
        name = await admin.fetchval("SELECT current_database()")
        await admin.execute(f"ALTER DATABASE {name} SET search_path = spy, pg_catalog, public")
    finally:
        await admin.close()
    hotline = await make_hotline()
    first, second = await hotline.desk(name="慢"), await hotline.desk(name="快")
    hotline.line.set_script(f"client:{first.agent.identity}", "decline")

    # A whole call: through the lane, through sessions, with offers, answers and ends.
    call = await hotline.line.call(CALLER, DIALLED)
    await first.until("call.cleared")
    await hotline.answer(call, 2)
    await second.until("call.answered")
    call.hang_up()
    await call.finished()
    call_id = (await second.until("call.ended"))["data"]["call_id"]
    assert (await second.wrap_up(call_id)).status_code == 200
    last = await second.until("presence.changed", state="available")

    async def told() -> bool:
        return any(f"{second.agent.id.hex}:{last['id']}" in payload for payload in heard)

    await until(told, "the last event was said")
    said = await hotline.rows("SELECT payload, wrote, was_committed FROM spy.said")
    # Whatever was heard came this way, so this is how all of it was said.
    assert sorted(row["payload"] for row in said) == sorted(heard)
    assert len(said) >= 5
    for row in said:
        assert not row["wrote"], "NOTIFY in a transaction that has written: it takes a lock on the whole database"
        assert row["was_committed"]
        assert _IDS_ONLY.fullmatch(row["payload"]), row["payload"]


@pytest.mark.parametrize(
    "payload", ["", "nonsense", ":", "00:1", "{agent}:", "{agent}:x", "{agent}:999999", ",,{agent}:-1"]
)
async def test_fault_18_nonsense_on_the_channel_hurts_nobody(
    nobody_looks: None, standing: Hotline, payload: str
) -> None:
    hub = standing.served.runtime.hub
    await hub.wait_until_listening()
    desk = await standing.desk(queue=False)

    # By another program that shares the database.
    await standing.execute(
        "SELECT pg_notify(:channel, :said)", channel=CHANNEL, said=payload.format(agent=desk.agent.id.hex)
    )
    await standing.execute(
        "WITH told AS (UPDATE agent_presence SET last_event_no = last_event_no + 1 WHERE agent_id = :id"
        " RETURNING agent_id, last_event_no) INSERT INTO agent_events (agent_id, no, type, at, data)"
        " SELECT agent_id, last_event_no, 'presence.changed', now(), '{}' FROM told",
        id=desk.agent.id,
    )
    await standing.execute("SELECT pg_notify(:channel, :said)", channel=CHANNEL, said=f"{desk.agent.id.hex}:2")

    assert (await desk.next())["id"] == "2"


@pytest.mark.parametrize("what", ["looking", "listening", "telling"])
async def test_fault_18_a_bug_in_one_turn_does_not_end_all_later_ones(
    hotline: Hotline, listeners: Listeners, monkeypatch: pytest.MonkeyPatch, logged: list[Any], what: str
) -> None:
    monkeypatch.setattr(hub_module, "LOOK_SECONDS", 0.1 if what == "looking" else NEVER)
    monkeypatch.setattr(hub_module, "HEARTBEAT_SECONDS", 0.1)
    twin = await hotline.twin()
    await twin.served.runtime.hub.wait_until_listening()
    desk = await hotline.desk()
    there = await twin.another_tab(desk, desk.seen[-1]["id"])

    async def broken(*_: object) -> Any:
        raise LookupError("a bug")

    def complained() -> bool:
        return any(line["log_level"] == "error" and line["event"].startswith("hub_") for line in logged)

    async def is_logged() -> bool:
        return complained()

    with monkeypatch.context() as patch:
        if what == "telling":
            patch.setattr(hotline.served.database, "lane", broken)
            await write(hotline.served.database, [desk.agent.id], 0)
        else:
            patch.setattr(hub_module, "last_numbers", broken)
            if what == "listening":
                await hotline.execute("SELECT pg_terminate_backend(:pid, 5000)", pid=listeners.of(twin)[0])
        await until(is_logged, "an error is logged")
    if what == "listening":
        await listeners.one_more(twin, 1)
    await write(hotline.served.database, [desk.agent.id], 1)

    seen = await there.next(3)
    if what == "telling":
        # The one that nobody was told of comes with it.
        assert seen["data"]["n"] == 0
        seen = await there.next()
    assert seen["data"]["n"] == 1


async def is_deaf(hotline: Hotline) -> bool:
    return not hotline.served.runtime.hub._listening.is_set()
