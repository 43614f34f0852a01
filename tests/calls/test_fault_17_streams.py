"""A tab's WebSocket is dropped, half-open, gone with its process: nothing is lost, nothing comes twice, nobody waits."""

import asyncio
import base64
import functools
import itertools
import json
import os
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import uvicorn
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from app.cli import serving as serving_module
from app.db import Database
from app.models.calls import AgentEventType
from app.routers import stream as stream_module
from app.services import presence as presence_module
from app.services import streams as streams_module
from app.services.agent_log import tell
from app.services.presence import CONNECTION_STALE
from app.telephony.simulator import Pace
from tests.calls.carrier import CALLER, DIALLED, call_sid, leg_status, rung, status, voice
from tests.calls.conftest import Desk, Hotline, MakeHotline, free_port, until
from tests.support import SignedIn, sign_in_as

ROOT = Path(__file__).parents[2]
WRITERS = 6
EACH = 50


async def write(database: Database, agent_id: UUID, n: int, text: str = "") -> None:
    """One event that nothing else follows from."""
    async with database.session_scope() as session:
        data = {"state": "break", "n": n, "text": text}
        await tell(session, agent_id, AgentEventType.PRESENCE_CHANGED, data, at=datetime.now(UTC))


async def log_of(hotline: Hotline, agent_id: UUID) -> list[tuple[str, str]]:
    rows = await hotline.rows("SELECT no, type FROM agent_events WHERE agent_id = :id ORDER BY no", id=agent_id)
    return [(str(row["no"]), row["type"]) for row in rows]


async def received(desk: Desk, up_to: int, *, drop_after: int | None = None) -> list[tuple[str, str]]:
    """What comes over a tab's socket until event `up_to`, or so many messages, have come."""
    messages = []
    while not messages or int(messages[-1][0]) < up_to:
        message = await desk.next(10)
        messages.append((message["id"], message["type"]))
        if len(messages) == drop_after:
            break
    return messages


class TestReplay:
    async def test_fault_17_nothing_is_lost_and_nothing_comes_twice(self, hotline: Hotline) -> None:
        twin = await hotline.twin()
        desk = await hotline.desk()
        agent_id = desk.agent.id
        last_seen = desk.seen[-1]["id"]
        # One tab stays; the other one loses its connection without a word.
        stays = await hotline.another_tab(desk, last_seen)
        desk.socket.transport.abort()
        started = asyncio.Event()

        async def writer(no: int) -> None:
            for n in range(EACH):
                await write((hotline if no % 2 else twin).served.database, agent_id, no * EACH + n)
                if no == 0 and n == EACH // 3:
                    started.set()

        async def ring() -> None:
            await started.wait()
            await hotline.wire.twiml("voice", voice(call_sid()))

        writing = asyncio.gather(ring(), *(writer(no) for no in range(WRITERS)))
        await started.wait()
        # Back while events are being written, at either instance, and dropped again and again on the way.
        end = int(last_seen) + WRITERS * EACH + 1
        back: list[tuple[str, str]] = []
        for instance in itertools.cycle((hotline, twin)):
            tab = await instance.another_tab(desk, back[-1][0] if back else last_seen)
            back += await received(tab, end, drop_after=60)
            tab.socket.transport.abort()
            if int(back[-1][0]) >= end:
                break
        await writing

        log = await log_of(hotline, agent_id)
        assert [no for no, _ in log] == [str(no) for no in range(1, end + 1)]
        assert [kind for _, kind in log].count("call.offered") == 1
        expected = log[int(last_seen) :]
        assert back == expected
        assert await received(stays, end) == expected
        late = await twin.another_tab(desk, "0")
        assert await received(late, end) == log
        # And that was all: the next thing any tab hears is the next thing that happens.
        await write(hotline.served.database, agent_id, -1)
        for tab in (stays, late):
            assert (await tab.next())["id"] == str(end + 1)

    async def test_fault_17_every_tab_is_told_the_same(self, hotline: Hotline) -> None:
        twin = await hotline.twin()
        desk = await hotline.desk()
        here, there = await hotline.another_tab(desk), await twin.another_tab(desk)
        call = await hotline.line.call(CALLER, DIALLED)

        await hotline.answer(call)
        await desk.until("call.answered")
        call.hang_up()
        await call.finished()
        await desk.until("presence.changed", state="wrap_up")

        told = desk.seen[1:]
        assert [message["type"] for message in told if message["type"].startswith("call.")] == [
            "call.offered",
            "call.answered",
            "call.ended",
        ]
        for tab in (here, there):
            assert [await tab.next() for _ in told] == told

    async def test_fault_17_a_new_tab_begins_with_the_card_of_the_call_that_rings(self, hotline: Hotline) -> None:
        desk = await hotline.desk()
        before = await hotline.another_tab(desk)
        sid, leg = call_sid(), call_sid()
        await hotline.wire.twiml("voice", voice(sid))
        offered = await desk.until("call.offered")

        while_it_rings = await hotline.another_tab(desk)
        assert await while_it_rings.next() == offered
        await hotline.wire.tell(leg_status(leg, sid, desk.agent.identity, "in-progress", 2))
        answered = await desk.until("call.answered")
        while_they_talk = await hotline.another_tab(desk)
        assert [await while_they_talk.next(), await while_they_talk.next()] == [offered, answered]

        await hotline.wire.tell(status(sid, "completed", 3))
        ended = await desk.until("call.ended")
        assert (await desk.wrap_up(offered["data"]["call_id"])).status_code == 200
        after = await hotline.another_tab(desk)
        rest = await desk.rest()
        # Whoever comes when it is over hears nothing of it; those who were there, everything once.
        (marker,) = await received(after, int(rest[-1]["id"]) + 1)
        assert marker == (str(int(rest[-1]["id"]) + 1), "presence.changed")
        for tab in (before, while_it_rings, while_they_talk):
            ids = [message["id"] for message in tab.seen] + [no for no, _ in await received(tab, int(marker[0]))]
            assert ids == [str(no) for no in range(int(offered["id"]), int(marker[0]) + 1)]
            assert ended["id"] in ids

    async def test_fault_17_an_id_from_the_future_is_no_trouble(self, hotline: Hotline) -> None:
        desk = await hotline.desk()
        tab = await hotline.another_tab(desk, str(stream_module.LARGEST_ID))

        await desk.be("break")

        assert (await tab.next())["data"]["state"] == "break"


class TestGone:
    @pytest.fixture(autouse=True)
    def soon(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Everything that takes seconds takes less."""
        monkeypatch.setattr(streams_module, "ROUND_SECONDS", 0.1)
        monkeypatch.setattr(streams_module, "GONE_AFTER_SECONDS", 0.3)

    async def test_fault_17_production_finds_a_half_open_socket_in_less_than_half_a_minute(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.undo()
        settings = load_settings(env_file=None)
        config = serving_module._Config(host="127.0.0.1", port=0, workers=1, log_format=settings.log_format)
        monkeypatch.setattr(config, "configure_logging", lambda: None)
        assert config.ws_ping_interval
        assert config.ws_ping_timeout

        assert config.ws_ping_interval + config.ws_ping_timeout + streams_module.GONE_AFTER_SECONDS < 30
        assert stream_module.SEND_SECONDS + streams_module.GONE_AFTER_SECONDS < 30

    async def test_fault_17_a_half_open_socket_costs_the_agent_the_call(
        self, make_hotline: MakeHotline, pings: None
    ) -> None:
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
        told = await log_of(hotline, away.agent.id)
        assert [kind for _, kind in told][-2:] == ["call.cleared", "presence.changed"]
        await hotline.answer(call, 2)
        await there.until("call.answered")
        assert (await hotline.call_row(call.sid))["answered_by_id"] == there.agent.id

    async def test_fault_17_a_tab_that_reads_nothing_is_given_up(
        self, hotline: Hotline, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(stream_module, "SEND_SECONDS", 0.5)
        person = await at_the_desk(hotline)
        async with half_open(hotline, person, reads=False):
            # More than what the two ends of a connection keep for each other.
            for n in range(120):
                await write(hotline.served.database, person.agent.id, n, "饭" * 40_000)
            await until(lambda: is_(person, "offline"), "offline", 10)

    async def test_fault_17_reloading_a_page_keeps_the_agent_available(
        self, hotline: Hotline, monkeypatch: pytest.MonkeyPatch
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

    async def test_fault_17_the_last_tab_counts(self, hotline: Hotline) -> None:
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

    async def test_fault_17_a_conversation_goes_on_without_a_tab(self, hotline: Hotline) -> None:
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
        self, hotline: Hotline, monkeypatch: pytest.MonkeyPatch
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

        pushed = await hotline.one(
            "SELECT detail FROM call_trace t JOIN calls c ON c.id = t.call_id "
            "WHERE c.provider_call_id = :sid AND step = 'pushed'",
            sid=sid,
        )
        assert pushed["detail"]["open_streams"] == 0

    async def test_fault_17_a_process_killed_with_its_sockets(
        self, hotline: Hotline, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        dies, both = await at_the_desk(hotline), await hotline.desk()
        async with another_process(hotline, tmp_path) as (process, url):
            for person in (dies, both):
                await hotline.stack.enter_async_context(
                    connect(f"{url}/api/v1/agent/stream".replace("http", "ws", 1), proxy=None,
                            additional_headers=person.cookie_header)
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


BAD = {
    "bytes": (b"\x00\x01", 1003),
    "no JSON": ("ack", 1003),
    "no object": ("[1]", 1003),
    "another type": ('{"type": "offer", "id": "1"}', 1003),
    "no id": ('{"type": "ack"}', 1003),
    "a word for an id": ('{"type": "ack", "id": "one"}', 1003),
    "below nothing": ('{"type": "ack", "id": "-1"}', 1003),
    "beyond the database's numbers": ('{"type": "ack", "id": "9223372036854775808"}', 1003),
    "endless": ('{"type": "ack", "id": 1e999}', 1003),
    "no number": ('{"type": "ack", "id": NaN}', 1003),
    "many digits": (json.dumps({"type": "ack", "id": "9" * 900}), 1003),
    "deep": ("[" * 1000, 1003),
    "too long": (json.dumps({"type": "ack", "id": "1", "more": "x" * 1024}), 1009),
}


class TestWhatTabsSay:
    @pytest.mark.parametrize("kind", BAD)
    async def test_fault_17_nonsense_costs_a_tab_its_socket_and_nobody_else_anything(
        self, standing: Hotline, kind: str, logged: list[Any]
    ) -> None:
        said, code = BAD[kind]
        desk = await standing.desk(queue=False)
        bad = await standing.another_tab(desk)

        await bad.socket.send(said)
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(bad.socket.recv(), 5)

        assert bad.socket.close_code == code
        assert [line for line in logged if line["log_level"] in {"error", "critical"}] == []
        await desk.be("break")
        assert (await desk.next())["data"]["state"] == "break"

    async def test_fault_17_broken_text_is_refused_by_the_protocol(self, standing: Hotline) -> None:
        desk = await standing.desk(queue=False)
        bad = await standing.another_tab(desk)

        await bad.socket.send(b"\xff\xfe", text=True)
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(bad.socket.recv(), 5)

        assert bad.socket.close_code == 1007
        assert await desk.rest() == []

    async def test_fault_17_a_page_of_another_site_leaves_no_trace(self, standing: Hotline) -> None:
        desk = await standing.desk(queue=False)

        with pytest.raises(InvalidStatus) as refused:
            await connect(
                f"{standing.served.ws_url}/api/v1/agent/stream",
                additional_headers=desk.cookie_header,
                origin="https://evil.example",  # type: ignore[arg-type]  # a NewType of str
                proxy=None,
            )

        assert refused.value.response.status_code == 403
        open_sockets = await standing.one(
            "SELECT count(*) FROM agent_connections WHERE agent_id = :id", id=desk.agent.id
        )
        assert open_sockets == {"count": 1}

    @pytest.mark.parametrize("after", ["-1", "x", "9223372036854775808", "1.5"])
    async def test_fault_17_a_cursor_that_is_none_is_refused(self, standing: Hotline, after: str) -> None:
        desk = await standing.desk(queue=False)

        with pytest.raises(InvalidStatus) as refused:
            await standing.another_tab(desk, after)

        assert refused.value.response.status_code == 403

    async def test_fault_17_the_first_acknowledgement_counts(self, hotline: Hotline) -> None:
        desk = await hotline.desk()
        other = await hotline.another_tab(desk)
        sid = call_sid()
        await hotline.wire.twiml("voice", voice(sid))
        event = await desk.until("call.offered")
        acked = "SELECT acked_at FROM agent_events WHERE agent_id = :agent AND no = :no"
        key = {"agent": desk.agent.id, "no": int(event["id"])}
        await hotline.until(f"({acked}) IS NOT NULL", **key)
        first = await hotline.one(acked, **key)

        assert await other.until("call.offered") == event
        await desk.socket.send(json.dumps({"type": "ack", "id": event["id"]}))
        # Both tabs' acknowledgements have been heard once those of a later event have.
        await desk.rest()
        await other.until("presence.changed", state="break")
        for tab in (desk, other):
            await quiet(tab)

        assert await hotline.one(acked, **key) == first
        assert (await hotline.trace_of(sid)).count("shown") == 1

    async def test_fault_17_nobody_acknowledges_for_another(self, hotline: Hotline) -> None:
        one, two = await hotline.desk(), await hotline.desk(available=False)
        one.acknowledges = False
        sid = call_sid()
        await hotline.wire.twiml("voice", voice(sid))
        event = await one.until("call.offered")

        # The other one's log does not go so far yet.
        await two.socket.send(json.dumps({"type": "ack", "id": event["id"]}))
        await quiet(two)

        assert await hotline.rows("SELECT agent_id FROM agent_events WHERE acked_at IS NOT NULL AND no > 1") == []
        assert "shown" not in await hotline.trace_of(sid)


@pytest.fixture
def pings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sockets are asked whether they live twice a second, and have a second for the answer."""
    quick = functools.partial(uvicorn.Config, ws_ping_interval=0.5, ws_ping_timeout=1.0)
    monkeypatch.setattr(uvicorn, "Config", quick)


async def _true(value: bool) -> bool:
    return value


async def quiet(tab: Desk) -> None:
    """Close a tab's socket in order: whatever it had said has been heard by then."""
    tab.socket.protocol  # noqa: B018
    await tab.socket.close()


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
