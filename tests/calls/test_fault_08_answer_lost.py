"""The database did what it was asked, but its answer never came: the caller went elsewhere, and the record knows."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from app.services.call_flow import hear_sent_elsewhere
from app.services.reception import Reception
from app.telephony.port import CallEvent, EventKind
from tests.calls.carrier import call_sid, rung, status, verbs, voice
from tests.calls.conftest import Desk, Hotline, MakeHotline, until

FALLBACK = "+862155509999"


@pytest.fixture
async def hotline(make_hotline: MakeHotline) -> Hotline:
    return await make_hotline(fallback_number=FALLBACK)


@contextmanager
def answers_lost() -> Iterator[None]:
    """Everything is carried out, and then the connection breaks."""
    decide = Reception._decide

    async def then_break(self: Reception, event: CallEvent) -> Any:
        await decide(self, event)
        raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Reception, "_decide", then_break)
        yield


def spooled(hotline: Hotline) -> list[Path]:
    return sorted((hotline.served.settings.data_dir / "spool").glob("[!.]*.json"))


async def replayed(hotline: Hotline) -> None:
    async def is_empty() -> bool:
        return not spooled(hotline)

    await until(is_empty, "the spool is empty", seconds=10)


async def cleared(desk: Desk) -> None:
    await desk.until("call.offered")
    await desk.until("call.cleared", reason="caller_left")
    await desk.until("presence.changed", state="available")


async def test_fault_08_the_agent_who_was_reserved_is_let_go(hotline: Hotline) -> None:
    desk = await hotline.desk()
    sid, forwarded = call_sid(), call_sid()

    with answers_lost():
        assert rung(await hotline.wire.twiml("voice", voice(sid))) == FALLBACK

    await cleared(desk)
    talked = voice(sid, status="in-progress", DialCallStatus="completed", DialCallSid=forwarded)
    assert verbs(await hotline.wire.twiml("dial-result", talked)) == ["Hangup"]
    await hotline.wire.tell(status(sid, "completed", 1))
    call = await hotline.call_row(sid)
    assert (call["state"], call["answered_by_id"], call["answered_at"] is None) == ("completed", None, False)
    legs = await hotline.rows("SELECT kind, agent_id, status, provider_call_id AS sid FROM legs ORDER BY offered_at")
    assert legs == [
        {"kind": "agent", "agent_id": desk.agent.id, "status": "canceled", "sid": None},
        {"kind": "number", "agent_id": None, "status": "completed", "sid": forwarded},
    ]
    steps = await hotline.trace_of(sid)
    assert (steps.count("reserved"), steps.count("forwarded"), steps.count("answered")) == (1, 1, 1)
    assert await desk.presence() == "available"


async def test_fault_08_who_was_put_into_the_queue_does_not_stand_in_it(
    hotline: Hotline,
) -> None:
    sid = call_sid()

    with answers_lost():
        assert rung(await hotline.wire.twiml("voice", voice(sid))) == FALLBACK
    await replayed(hotline)

    call = await hotline.call_row(sid)
    assert (call["queued_at"] is None, call["left_queue_at"] is None) == (False, False)
    desk = await hotline.desk(available=False)
    await desk.be("available")
    assert await desk.presence() == "available"


async def test_fault_08_a_turn_of_the_wait_loop(hotline: Hotline) -> None:
    sid = call_sid()
    await hotline.wire.twiml("voice", voice(sid))
    desk = await hotline.desk(available=False)
    # Nobody tells the carrier: the caller comes by on their own.
    await hotline.execute(
        "UPDATE agent_presence SET state = 'available', available_since = now() WHERE agent_id = :id", id=desk.agent.id
    )
    with answers_lost():
        assert rung(await hotline.wire.twiml("wait", voice(sid, status="in-progress"))) == FALLBACK

    await cleared(desk)
    assert (await hotline.call_row(sid))["left_queue_at"] is not None


async def test_fault_08_who_has_come_back_since_keeps_their_agent(hotline: Hotline) -> None:
    desk = await hotline.desk()
    sid = call_sid()
    with answers_lost():
        await hotline.wire.twiml("voice", voice(sid))

    # The wait loop, before the spool is looked at: whoever asks is there.
    assert rung(await hotline.wire.twiml("wait", voice(sid, status="in-progress"))) == desk.agent.identity
    await replayed(hotline)

    assert await desk.presence() == "reserved"
    assert "forwarded" not in await hotline.trace_of(sid)


async def test_fault_08_a_promise_stays_a_promise(hotline: Hotline) -> None:
    sid = call_sid()
    await hotline.wire.twiml("voice", voice(sid))
    await hotline.wire.twiml("wait", voice(sid, status="in-progress", Digits="1"))
    async with hotline.served.database.session_scope() as session:
        event = CallEvent(EventKind.WAIT, "twilio", sid, datetime.now(UTC))
        await hear_sent_elsewhere(session, event, hotline.served.runtime.hotline.now)

    call = await hotline.call_row(sid)
    assert (call["kept_place_at"] is None, call["left_queue_at"]) == (False, None)


async def test_fault_08_the_file_says_where_the_caller_went(hotline: Hotline) -> None:
    sid = call_sid()
    # Whoever claims the spool keeps others from replaying it.
    with hotline.served.runtime.spool.claimed(), answers_lost():
        await hotline.wire.twiml("voice", voice(sid))
        await hotline.wire.tell(status(sid, "completed", 1))
        files = [json.loads(file.read_text()) for file in spooled(hotline)]

    assert [(file["route"], file["sent_elsewhere"]) for file in files] == [("voice", True), ("status", False)]
