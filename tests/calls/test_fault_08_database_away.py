"""The database is away while calls come: nobody is dropped, nothing is forgotten, nothing happens twice."""

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from app.db import Database
from app.telephony.simulator import SimEventKind
from tests.calls.carrier import CALLER, DIALLED, Pairs, call_sid, leg_status, rung, status, verbs, voice
from tests.calls.conftest import Desk, Hotline, MakeHotline, until, value_of
from tests.calls.outages import OwnServer
from tests.factories import make_customer

FALLBACK = "+862155509999"
WITHIN_SECONDS = 2.0
WAYS = ["killed", "stopped", "frozen", "full", "read only"]


@pytest.fixture
def outage(own_server: OwnServer, own_database_url: str) -> Callable[[str], Any]:
    """`async with outage("killed"):` the database is away in the block."""

    @asynccontextmanager
    async def away(how: str) -> AsyncIterator[None]:
        await own_server.away(how, own_database_url)
        try:
            yield
        finally:
            await own_server.back(own_database_url)

    return away


@pytest.fixture
async def line(own_database_url: str, make_hotline: MakeHotline) -> Callable[..., Awaitable[Hotline]]:
    """`await line(fallback_number=…)`: a hotline on the database that goes away."""

    async def make(**given: Any) -> Hotline:
        return await make_hotline(dsn=own_database_url, **given)

    return make


def spooled(hotline: Hotline) -> list[Path]:
    return sorted((hotline.served.settings.data_dir / "spool").glob("[!.]*.json"))


async def in_time(hotline: Hotline, route: str, form: Pairs) -> str:
    started = time.perf_counter()
    twiml = await hotline.wire.twiml(route, form)
    assert time.perf_counter() - started < WITHIN_SECONDS
    return twiml


async def kept_by(hotline: Hotline, form: Pairs) -> str:
    """What keeps the caller in the end: a database that does not answer at all is waited for once or twice."""
    twiml = await in_time(hotline, "voice", form)
    if verbs(twiml) == ["Say", "Pause", "Redirect"]:
        twiml = await in_time(hotline, "wait", form)
    return twiml


async def replayed(hotline: Hotline) -> None:
    async def is_empty() -> bool:
        return not spooled(hotline)

    await until(is_empty, "the spool is empty", seconds=10)


@pytest.mark.parametrize("how", WAYS)
async def test_fault_08_the_fallback_number_takes_the_call(
    line: Callable[..., Awaitable[Hotline]], outage: Callable[[str], Any], how: str, logged: list[Any]
) -> None:
    hotline = await line(fallback_number=FALLBACK)
    async with hotline.served.database.session_scope() as session:
        lu = await make_customer(session, CALLER, name="鲁建国")
    desk = await hotline.desk()
    sid, forwarded = call_sid(), call_sid()
    turns = 1 if how == "frozen" else 0
    before = value_of("callcard_spooled_total"), value_of("callcard_replayed_total")

    async with outage(how):
        began = datetime.now(UTC)
        twiml = await kept_by(hotline, voice(sid, CallerName="LU"))
        assert rung(twiml) == FALLBACK
        assert len(spooled(hotline)) == 1 + turns
        await hotline.wire.tell(status(sid, "in-progress", 1))
        talked = voice(sid, status="in-progress", DialCallStatus="completed", DialCallSid=forwarded)
        assert verbs(await in_time(hotline, "dial-result", talked)) == ["Hangup"]
        await hotline.wire.tell(status(sid, "completed", 2, CallDuration="33"))
        assert len(spooled(hotline)) == value_of("callcard_spool_depth") == 4 + turns
        assert value_of("callcard_spooled_total") == before[0] + 4 + turns
    await replayed(hotline)

    call = await hotline.call_row(sid)
    assert (call["is_stub"], call["state"], call["match_outcome"]) == (False, "completed", "unique")
    assert (call["customer_id"], call["caller_name"], call["queue_id"]) == (lu.id, "LU", hotline.queue.id)
    assert began - timedelta(seconds=1) < call["received_at"] < began + timedelta(seconds=3)
    assert (call["answered_at"] is None, call["answered_by_id"], call["ended_at"] is None) == (False, None, False)
    legs = await hotline.rows(
        "SELECT kind, status, provider_call_id FROM legs WHERE call_id = :id AND answered_at IS NOT NULL", id=call["id"]
    )
    assert legs == [{"kind": "number", "status": "completed", "provider_call_id": forwarded}]
    assert await told_in_order(hotline, sid) == ["voice", *["wait"] * turns, "status", "dial_result", "status"]
    assert value_of("callcard_spool_depth") == 0
    assert value_of("callcard_replayed_total") == before[1] + 4 + turns
    assert {"database_away", "spool_replayed"} <= {entry["event"] for entry in logged}
    # The caller was sent elsewhere, so nobody is rung for them now; the next call finds the agent again.
    assert await desk.presence() == "available"
    next_sid = call_sid()
    assert rung(await hotline.wire.twiml("voice", voice(next_sid))) == desk.agent.identity
    next_id = str((await hotline.call_row(next_sid))["id"])
    offered = await desk.until("call.offered", call_id=next_id)
    assert offered["data"]["screen_pop"]["customer"]["code"] == lu.code


async def told_in_order(hotline: Hotline, sid: str) -> list[str]:
    """The routes of what was replayed of a call, in the order of the replay; each must have been spooled before."""
    rows = await hotline.rows(
        "SELECT t.step, t.detail ->> 'route' AS route FROM call_trace t JOIN calls c ON c.id = t.call_id "
        "WHERE c.provider_call_id = :sid AND t.step IN ('spooled', 'replayed') ORDER BY t.at, t.id",
        sid=sid,
    )
    spooled, replayed = ([row["route"] for row in rows if row["step"] == step] for step in ("spooled", "replayed"))
    assert spooled == replayed
    return replayed


@pytest.mark.parametrize("how", ["killed", "stopped"])
async def test_fault_08_without_a_fallback_number_a_message_is_taken(
    line: Callable[..., Awaitable[Hotline]], outage: Callable[[str], Any], how: str
) -> None:
    hotline = await line()
    sid = call_sid()
    left = {"RecordingSid": "RE" + sid[2:], "RecordingUrl": "https://x.test/1", "RecordingDuration": "7"}

    async with outage(how):
        twiml = await kept_by(hotline, voice(sid))
        assert "Record" in verbs(twiml)
        assert rung(twiml) is None
        assert verbs(await in_time(hotline, "voicemail", voice(sid, status="in-progress", **left)))[-1] == "Hangup"
        await hotline.wire.tell([("CallSid", sid), *left.items(), ("RecordingSource", "RecordVerb")], "recording")
        await hotline.wire.tell(status(sid, "completed", 1))
    await replayed(hotline)

    call = await hotline.call_row(sid)
    assert (call["is_stub"], call["state"]) == (False, "voicemail")
    recordings = await hotline.rows("SELECT kind, url, seconds FROM recordings WHERE call_id = :id", id=call["id"])
    assert recordings == [{"kind": "voicemail", "url": "https://x.test/1", "seconds": 7}]
    assert await told_in_order(hotline, sid) == ["voice", "voicemail", "recording", "status"]


async def test_fault_08_a_key_pressed_meanwhile_keeps_the_place(
    line: Callable[..., Awaitable[Hotline]], outage: Callable[[str], Any]
) -> None:
    hotline = await line(fallback_number=FALLBACK)
    sid, withheld = call_sid(), call_sid()
    for each, number in ((sid, CALLER), (withheld, "anonymous")):
        assert "Redirect" in verbs(await hotline.wire.twiml("voice", voice(each, number)))

    async with outage("killed"):
        promised = await in_time(hotline, "wait", voice(sid, status="in-progress", Digits="1"))
        assert verbs(promised) == ["Say", "Hangup"]
        # Whose number is not known cannot be promised anything.
        assert rung(await in_time(hotline, "wait", voice(withheld, "anonymous", Digits="1"))) == FALLBACK
        await hotline.wire.tell(status(sid, "completed", 1))
    await replayed(hotline)

    call = await hotline.call_row(sid)
    assert (call["state"], call["left_queue_at"]) == ("callback", None)
    assert call["kept_place_at"] is not None
    assert (await hotline.call_row(withheld))["kept_place_at"] is None


async def test_fault_08_whom_the_fallback_number_took_out_of_the_queue_is_not_fetched_back(
    line: Callable[..., Awaitable[Hotline]], outage: Callable[[str], Any]
) -> None:
    hotline = await line(fallback_number=FALLBACK)
    talks, waits = call_sid(), call_sid()
    for sid in (talks, waits):
        assert "Redirect" in verbs(await hotline.wire.twiml("voice", voice(sid)))

    async with outage("killed"):
        for sid in (talks, waits):
            assert rung(await in_time(hotline, "wait", voice(sid, status="in-progress"))) == FALLBACK
    # Before the spool is looked at, one of them has come back to the wait loop.
    await hotline.wire.twiml("wait", voice(waits, status="in-progress"))
    await replayed(hotline)

    assert "forwarded" in await hotline.trace_of(talks)
    assert (await hotline.call_row(talks))["left_queue_at"] is not None
    desk = await hotline.desk(available=False)
    await desk.be("available")
    offered = await desk.until("call.offered")
    assert offered["data"]["call_id"] == str((await hotline.call_row(waits))["id"])


async def test_fault_08_a_conversation_that_began_meanwhile_is_left_in_peace(
    line: Callable[..., Awaitable[Hotline]], outage: Callable[[str], Any]
) -> None:
    hotline = await line()
    desk = await hotline.desk()
    call = await hotline.line.call(CALLER, DIALLED)
    offered = await desk.until("call.offered")
    leg = await hotline.leg_ringing(call)
    # As long an outage as one likes: by the record, the phone should have stopped ringing long ago.
    await hotline.execute("UPDATE agent_presence SET reserved_until = now() - interval '1 hour'")

    async with outage("killed"):
        await hotline.line.answer(leg)
        await call.wait_for(SimEventKind.LEG_ANSWERED)

        async def is_told() -> bool:
            return any("in-progress" in file.read_text() and leg in file.read_text() for file in spooled(hotline))

        await until(is_told, "the answer is spooled", seconds=10)

    await desk.until("call.answered", seconds=15)
    assert not call.ended
    assert await desk.presence() == "on_call"
    assert "released" not in await hotline.trace_of(call.sid)
    call.hang_up()
    ended = await desk.until("call.ended", seconds=10)
    assert ended["data"] == {"call_id": offered["data"]["call_id"], "state": "completed"}


async def test_fault_08_what_an_agent_was_told_is_complete_when_the_database_is_back(
    line: Callable[..., Awaitable[Hotline]], outage: Callable[[str], Any]
) -> None:
    hotline = await line()
    desk: Desk = await hotline.desk()
    sid = call_sid()
    await hotline.wire.twiml("voice", voice(sid))
    offered = await desk.until("call.offered")

    async with outage("stopped"):
        # The stream stands although nothing can be noted, not even that the card is shown.
        await desk.socket.send(json.dumps({"type": "ack", "id": offered["id"]}))
        await hotline.wire.tell(leg_status(call_sid(), sid, desk.agent.identity, "in-progress", 2))
        await hotline.wire.tell(status(sid, "completed", 3))
    await replayed(hotline)

    await desk.until("call.answered", seconds=10)
    await desk.until("call.ended", seconds=10)
    ids = [int(message["id"]) for message in desk.seen]
    assert ids == sorted(set(ids))


async def test_fault_08_that_nobody_listens_meanwhile_is_logged_once(
    line: Callable[..., Awaitable[Hotline]],
    outage: Callable[[str], Any],
    logged: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However often it is tried again, and that somebody does once more."""
    hotline = await line()
    await hotline.served.runtime.hub.wait_until_listening()
    tried = 0
    connect = Database.connect

    async def counted(database: Database) -> Any:
        nonlocal tried
        tried += 1
        return await connect(database)

    async def was_tried_often() -> bool:
        return tried > 3

    async def listens_again() -> bool:
        return any(entry["event"] == "listening_again" for entry in logged)

    monkeypatch.setattr(Database, "connect", counted)
    async with outage("stopped"):
        await until(was_tried_often, "the hub tried to listen", seconds=10)
    await until(listens_again, "the hub listens again", seconds=10)

    told = [entry["event"] for entry in logged if entry["event"].startswith("listen")]
    # Once the server is back, all its connections are cut off again.
    assert told[:2] == ["listener_lost", "listening_again"]
    assert all(one != next_one for one, next_one in pairwise(told))


async def test_fault_08_a_whole_call_while_the_database_is_away(
    line: Callable[..., Awaitable[Hotline]], outage: Callable[[str], Any]
) -> None:
    hotline = await line(fallback_number=FALLBACK)
    hotline.line.set_script(FALLBACK, "answer after 2s, hang up after 20s")

    async with outage("killed"):
        call = await hotline.line.call(CALLER, DIALLED)
        ended = await call.finished()
    await replayed(hotline)

    assert ended.data["status"] == "completed"
    assert [event.data["to"] for event in call.events if event.kind is SimEventKind.LEG_ANSWERED] == [FALLBACK]
    answers = [event.data for event in call.events if event.kind is SimEventKind.RESPONSE_RECEIVED]
    assert {answer["status"] for answer in answers} == {200, 204}
    assert max(answer["milliseconds"] for answer in answers) < 1000 * WITHIN_SECONDS
    assert (await hotline.call_row(call.sid))["state"] == "completed"
    assert "voice" in await told_in_order(hotline, call.sid)
