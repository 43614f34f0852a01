"""A tab's WebSocket is dropped, and comes back: nothing is lost and nothing comes twice; nonsense hurts nobody."""

import asyncio
import itertools
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from app.db import Database
from app.models.calls import AgentEventType
from app.routers.stream import LARGEST_ID
from app.services.agent_log import tell
from tests.calls.carrier import CALLER, DIALLED, call_sid, leg_status, status, voice
from tests.calls.conftest import WIDE, Desk, Hotline, MakeHotline, until

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


async def all_heard(hotline: Hotline, *tabs: Desk) -> None:
    """Close the tabs, the only ones of their agents; whatever they had said has been heard when this returns."""
    for tab in tabs:
        await tab.socket.close()
    agents = {tab.agent.id for tab in tabs}

    async def gone() -> bool:
        return not agents & hotline.served.runtime.hub.connected_agents()

    await until(gone, "every socket has come to its end")


async def test_fault_17_nothing_is_lost_and_nothing_comes_twice(make_hotline: MakeHotline) -> None:
    hotline = await make_hotline(**WIDE)
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


async def test_fault_17_every_tab_is_told_the_same(hotline: Hotline) -> None:
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


async def test_fault_17_a_new_tab_begins_with_the_card_of_the_call_that_rings(hotline: Hotline) -> None:
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


async def test_fault_17_an_id_from_the_future_is_no_trouble(hotline: Hotline) -> None:
    desk = await hotline.desk()
    tab = await hotline.another_tab(desk, str(LARGEST_ID))

    await desk.be("break")

    assert (await tab.next())["data"]["state"] == "break"


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


@pytest.mark.parametrize("kind", BAD)
async def test_fault_17_nonsense_costs_a_tab_its_socket_and_nobody_else_anything(
    standing: Hotline, kind: str, logged: list[Any]
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


async def test_fault_17_broken_text_is_refused_by_the_protocol(standing: Hotline) -> None:
    desk = await standing.desk(queue=False)
    bad = await standing.another_tab(desk)

    await bad.socket.send(b"\xff\xfe", text=True)
    with pytest.raises(ConnectionClosed):
        await asyncio.wait_for(bad.socket.recv(), 5)

    assert bad.socket.close_code == 1007
    assert await desk.rest() == []


async def test_fault_17_a_page_of_another_site_leaves_no_trace(standing: Hotline) -> None:
    desk = await standing.desk(queue=False)

    with pytest.raises(InvalidStatus) as refused:
        await connect(
            f"{standing.served.ws_url}/api/v1/agent/stream",
            additional_headers=desk.cookie_header,
            origin="https://evil.example",  # type: ignore[arg-type]  # a NewType of str
            proxy=None,
        )

    assert refused.value.response.status_code == 403
    open_sockets = await standing.one("SELECT count(*) FROM agent_connections WHERE agent_id = :id", id=desk.agent.id)
    assert open_sockets == {"count": 1}


@pytest.mark.parametrize("after", ["-1", "x", "9223372036854775808", "1.5"])
async def test_fault_17_a_cursor_that_is_none_is_refused(standing: Hotline, after: str) -> None:
    desk = await standing.desk(queue=False)

    with pytest.raises(InvalidStatus) as refused:
        await standing.another_tab(desk, after)

    assert refused.value.response.status_code == 422


async def test_fault_17_the_first_acknowledgement_counts(hotline: Hotline) -> None:
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
    await all_heard(hotline, desk, other)

    assert await hotline.one(acked, **key) == first
    assert (await hotline.trace_of(sid)).count("shown") == 1


async def test_fault_17_nobody_acknowledges_for_another(hotline: Hotline) -> None:
    one, two = await hotline.desk(), await hotline.desk(available=False)
    one.acknowledges = False
    sid = call_sid()
    await hotline.wire.twiml("voice", voice(sid))
    event = await one.until("call.offered")

    # The other one's log does not go so far yet.
    await two.socket.send(json.dumps({"type": "ack", "id": event["id"]}))
    await all_heard(hotline, two)

    assert await hotline.rows("SELECT agent_id FROM agent_events WHERE acked_at IS NOT NULL AND no > 1") == []
    assert "shown" not in await hotline.trace_of(sid)
