"""A tab is gone, or half-open, or its process was killed: the agent is offline soon, and nobody waits for them."""

import asyncio
import base64
import functools
import os
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from websockets.asyncio.client import connect

from app.cli import serving as serving_module
from app.config import LogFormat
from app.models.calls import AgentEventType
from app.routers import stream as stream_module
from app.services import presence as presence_module
from app.services import streams as streams_module
from app.services.agent_log import tell
from app.services.presence import CONNECTION_STALE
from app.services.reserving import SILENT_SECONDS
from app.telephony.simulator import Pace
from tests.calls.carrier import CALLER, DIALLED, call_sid, rung, voice
from tests.calls.conftest import Desk, Hotline, MakeHotline, free_port, until
from tests.support import SECRET_KEY, SignedIn, sign_in_as

ROOT = Path(__file__).parents[2]


@pytest.fixture
def pings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sockets are asked whether they live twice a second, and have a second for the answer."""
    quick = functools.partial(uvicorn.Config, ws_ping_interval=0.5, ws_ping_timeout=1.0)
    monkeypatch.setattr(uvicorn, "Config", quick)


async def _true(value: bool) -> bool:
    return value


def rounds_of_housekeeping(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Grows by one with every round in which a housekeeper has looked for agents who are gone."""
    rounds: list[None] = []
    real = presence_module.gone_agents

    async def counted(*given: Any) -> Any:
        found = await real(*given)
        rounds.append(None)
        return found

    monkeypatch.setattr(presence_module, "gone_agents", counted)
    return rounds


async def at_the_desk(hotline: Hotline, **fields: Any) -> SignedIn:
    """Somebody available who has not opened a socket yet."""
    person = await sign_in_as(hotline.served, queues=[hotline.queue], **fields)
    await hotline.stack.enter_async_context(person.http)
    answer = await person.http.put("/api/v1/agent/presence", json={"state": "available"})
    assert answer.status_code == 200, answer.text
    return person


async def state_of(person: SignedIn | Desk) -> str:
    return str((await person.http.get("/api/v1/agent/presence")).json()["state"])


async def is_(person: SignedIn | Desk, state: str) -> bool:
    return await state_of(person) == state


@asynccontextmanager
async def half_open(hotline: Hotline, person: SignedIn, *, reads: bool = True) -> AsyncIterator[None]:
    """A stream whose other end has done the handshake and then never says a word, nor, if asked, reads one."""
    loop = asyncio.get_running_loop()
    with socket.socket() as raw:
        raw.setblocking(False)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await loop.sock_connect(raw, hotline.served.address)
        lines = [
            "GET /api/v1/agent/stream HTTP/1.1",
            "Host: callcard",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {base64.b64encode(secrets.token_bytes(16)).decode()}",
            f"Cookie: {person.cookie_header['Cookie']}",
        ]
        await loop.sock_sendall(raw, "\r\n".join([*lines, "", ""]).encode())
        answer = await asyncio.wait_for(loop.sock_recv(raw, 4096), 5)
        assert answer.startswith(b"HTTP/1.1 101 "), answer
        reading = asyncio.create_task(_read_on(raw)) if reads else None
        try:
            yield
        finally:
            if reading is not None:
                reading.cancel()
                await asyncio.wait([reading])


async def _read_on(raw: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    while await loop.sock_recv(raw, 65_536):
        pass


@asynccontextmanager
async def another_process(hotline: Hotline, folder: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """`callcard serve` on the same database, once it is ready; killed when the block ends."""
    port = free_port()
    env = {
        **os.environ,
        "DATABASE_URL": hotline.served.settings.database_url or "",
        "CALLCARD_DATA_DIR": str(folder / "other"),
        "CALLCARD_SECRET_KEY": SECRET_KEY,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app.cli", "serve", "--port", str(port)),
        cwd=ROOT,
        env=env,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"

    async def ready() -> bool:
        assert process.returncode is None
        with suppress(httpx.TransportError):
            async with httpx.AsyncClient(trust_env=False) as http:
                return (await http.get(f"{url}/readyz")).status_code == 200
        return False

    try:
        await until(ready, "the other process serves", 30)
        yield process, url
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that takes seconds takes less."""
    monkeypatch.setattr(streams_module, "ROUND_SECONDS", 0.1)
    monkeypatch.setattr(streams_module, "GONE_AFTER_SECONDS", 0.3)
    monkeypatch.setattr(streams_module, "SETTLE_SECONDS", 0.0)


async def test_fault_17_production_finds_a_half_open_socket_in_less_than_half_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.undo()
    # It sets up the logging of its process, which here is pytest's.
    monkeypatch.setattr(serving_module, "configure_logging", lambda _format: None)
    config = serving_module._Config(host="127.0.0.1", port=0, workers=1, log_format=LogFormat.JSON)
    assert config.ws_ping_interval
    assert config.ws_ping_timeout

    assert config.ws_ping_interval + config.ws_ping_timeout + streams_module.GONE_AFTER_SECONDS < 30
    assert stream_module.SEND_SECONDS + streams_module.GONE_AFTER_SECONDS < 30
    # A closed socket is set back by so much that no card counts it, a silent one is counted until shortly before.
    grace = timedelta(seconds=streams_module.GONE_AFTER_SECONDS)
    assert streams_module.ROUND_SECONDS * 3 < SILENT_SECONDS < (CONNECTION_STALE - grace).total_seconds()


async def test_fault_17_a_half_open_socket_costs_the_agent_the_call(make_hotline: MakeHotline, pings: None) -> None:
    hotline = await make_hotline(queue={"ring_seconds": 120}, line={"clock": Pace(5)})
    away = await at_the_desk(hotline, name="不在")
    async with half_open(hotline, away):
        there = await hotline.desk()
        call = await hotline.line.call(CALLER, DIALLED)
        assert await hotline.leg_ringing(call)
        assert await state_of(away) == "reserved"

        offered = await there.until("call.offered", 10)

    assert await state_of(away) == "offline"
    row = await hotline.call_row(call.sid)
    assert offered["data"]["call_id"] == str(row["id"])
    steps = [step for step in await hotline.trace_of(call.sid) if step != "shown"]
    assert steps[2:] == ["reserved", "pushed", "released", "reserved", "pushed"]
    told = await hotline.rows("SELECT type FROM agent_events WHERE agent_id = :id ORDER BY no", id=away.agent.id)
    assert [event["type"] for event in told][-2:] == ["call.cleared", "presence.changed"]
    await hotline.answer(call, 2)
    await there.until("call.answered")
    assert (await hotline.call_row(call.sid))["answered_by_id"] == there.agent.id


async def test_fault_17_a_tab_that_reads_nothing_is_given_up(hotline: Hotline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "SEND_SECONDS", 0.5)
    person = await at_the_desk(hotline)
    async with half_open(hotline, person, reads=False):
        # More than what the two ends of a connection keep for each other.
        for _ in range(60):
            async with hotline.served.database.session_scope() as session:
                data = {"state": "break", "text": "x" * 200_000}
                await tell(session, person.agent.id, AgentEventType.PRESENCE_CHANGED, data, at=datetime.now(UTC))
        await until(lambda: is_(person, "offline"), "offline", 10)


async def test_fault_17_reloading_a_page_keeps_the_agent_available(
    hotline: Hotline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams_module, "GONE_AFTER_SECONDS", 2.0)
    desk = await hotline.desk()
    # For so long that a housekeeper of any process would count them as gone, had they no socket.
    await hotline.execute(
        "UPDATE agent_presence SET since = since - interval '1 hour' WHERE agent_id = :id", id=desk.agent.id
    )
    sockets, hub = hotline.served.runtime.sockets, hotline.served.runtime.hub
    rounds = rounds_of_housekeeping(monkeypatch)

    await desk.socket.close()
    await until(lambda: _true(desk.agent.id not in hub.connected_agents()), "closed")
    gone_at = len(rounds)
    await until(lambda: _true(len(rounds) >= gone_at + 3), "three rounds")
    back = await hotline.another_tab(desk, desk.seen[-1]["id"])
    await asyncio.gather(*sockets._leaving)

    assert await desk.presence() == "available"
    assert await back.rest() == []


async def test_fault_17_the_last_tab_counts(hotline: Hotline) -> None:
    desk = await hotline.desk()
    other = await hotline.another_tab(desk)
    sid = call_sid()
    await hotline.wire.twiml("voice", voice(sid))
    sockets = hotline.served.runtime.sockets

    await desk.socket.close()
    await until(lambda: _true(bool(sockets._leaving)), "closed")
    await asyncio.gather(*sockets._leaving)
    assert await desk.presence() == "reserved"

    await other.socket.close()
    await until(lambda: is_(desk, "offline"), "offline")
    assert "released" in await hotline.trace_of(sid)
    assert (await hotline.call_row(sid))["state"] == "ringing"
    assert await hotline.rows("SELECT id FROM agent_connections") == []


async def test_fault_17_a_conversation_goes_on_without_a_tab(hotline: Hotline) -> None:
    desk = await hotline.desk()
    call = await hotline.line.call(CALLER, DIALLED)
    await hotline.answer(call)
    await desk.until("call.answered")
    sockets = hotline.served.runtime.sockets

    await desk.socket.close()
    await until(lambda: _true(bool(sockets._leaving)), "closed")
    await asyncio.gather(*sockets._leaving)

    assert await desk.presence() == "on_call"
    assert (await hotline.call_row(call.sid))["state"] == "in_progress"


async def test_fault_17_a_tab_that_is_gone_is_not_counted_as_one_that_a_card_could_reach(
    hotline: Hotline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams_module, "GONE_AFTER_SECONDS", 5.0)
    desk = await hotline.desk()
    hub = hotline.served.runtime.hub
    await desk.socket.close()
    await hotline.until(
        "SELECT bool_and(seen_at < now() - interval '20 s') FROM agent_connections WHERE agent_id = :id",
        id=desk.agent.id,
    )
    assert desk.agent.id not in hub.connected_agents()
    sid = call_sid()

    assert rung(await hotline.wire.twiml("voice", voice(sid))) == desk.agent.identity

    (pushed,) = [step for step in await hotline.steps_of(sid) if step["step"] == "pushed"]
    assert pushed["detail"]["open_streams"] == 0


async def test_fault_17_a_process_killed_with_its_sockets(
    hotline: Hotline, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dies, both = await at_the_desk(hotline), await hotline.desk()
    async with another_process(hotline, tmp_path) as (process, url):
        for person in (dies, both):
            await hotline.stack.enter_async_context(
                connect(
                    f"{url}/api/v1/agent/stream".replace("http", "ws", 1),
                    proxy=None,
                    additional_headers=person.cookie_header,
                )
            )
        await both.be("break")
        sid = call_sid()
        await hotline.wire.twiml("voice", voice(sid))
        assert await state_of(dies) == "reserved"
        await both.be("available")

        process.send_signal(signal.SIGKILL)
        await process.wait()

    # Nobody vouches for them any more. Here it counts after a second, elsewhere after half a minute.
    assert timedelta(seconds=10) < CONNECTION_STALE <= timedelta(seconds=30)
    monkeypatch.setattr(presence_module, "CONNECTION_STALE", timedelta(seconds=1))
    await until(lambda: is_(dies, "offline"), "offline", 10)
    assert "released" in await hotline.trace_of(sid)
    # Who has another tab, at a process that lives, stays.
    assert await both.presence() in {"available", "reserved"}
    left = await hotline.rows("SELECT agent_id FROM agent_connections")
    assert [row["agent_id"] for row in left] == [both.agent.id]
