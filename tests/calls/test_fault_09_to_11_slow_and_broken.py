"""We are slow, or broken, or the carrier could not use what we said: the call goes on, and it is written down."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from app.errors import Conflict
from app.services import call_flow, hub, reception, ringer
from app.services.hub import Hub
from app.telephony.simulator import SimEventKind
from tests.calls.carrier import CALLER, DIALLED, PUBLIC_URL, call_sid, rung, spoken, status, verbs, voice
from tests.calls.conftest import WIDE, Hotline, MakeHotline, until, value_of
from tests.factories import make_customer

FALLBACK = "+862155509999"
ERRORS = "callcard_voice_errors_total"


@asynccontextmanager
async def locked(hotline: Hotline, table: str) -> AsyncIterator[Callable[[], Any]]:
    """Nobody can read a table until the block ends, or what is given is called."""
    connection = await asyncpg.connect(hotline.served.database.dsn)
    try:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield connection.close
    finally:
        await connection.close()


async def test_fault_09_the_answer_is_there_in_time_and_the_card_later(make_hotline: MakeHotline) -> None:
    hotline = await make_hotline(**WIDE, lookup_budget_ms=200, fallback_number=FALLBACK)
    async with hotline.served.database.session_scope() as session:
        lu = await make_customer(session, CALLER, name="鲁建国")
    desk = await hotline.desk()
    sid = call_sid()

    async with locked(hotline, "customer_phones"):
        started = time.perf_counter()
        twiml = await hotline.wire.twiml("voice", voice(sid))
        assert time.perf_counter() - started < 1
        assert verbs(twiml) == ["Say", "Pause", "Redirect"]
    answer = await hotline.wire.twiml("wait", voice(sid, status="in-progress"))
    while "Redirect" in verbs(answer):
        answer = await hotline.wire.twiml("wait", voice(sid, status="in-progress"))

    assert rung(answer) == desk.agent.identity
    offered = await desk.until("call.offered")
    assert offered["data"]["screen_pop"]["customer"]["code"] == lu.code
    await once(hotline, desk, sid)


async def once(hotline: Hotline, desk: Any, sid: str) -> None:
    """The call, its offer and its card are there once, and nothing waits any more to make them twice."""
    await hotline.until("(SELECT count(*) FROM call_trace WHERE step = 'replayed') = 1")
    counts = await hotline.counts()
    assert (counts["calls"], counts["legs"]) == (1, 1)
    assert (await hotline.trace_of(sid)).count("reserved") == 1
    assert (await hotline.call_row(sid))["state"] == "ringing"
    assert await desk.presence() == "reserved"
    told = [message["type"] for message in [*desk.seen, *await desk.rest()]]
    assert (told.count("call.offered"), told.count("call.cleared")) == (1, 1)


async def test_fault_09_the_whole_call_of_a_slow_lookup(make_hotline: MakeHotline) -> None:
    hotline = await make_hotline(**WIDE, lookup_budget_ms=100, line={"default_agent": "answer after 1s"})
    desk = await hotline.desk()

    async with locked(hotline, "customer_phones") as unlock:
        call = await hotline.line.call(CALLER, DIALLED, script="hang up when answered after 3s")
        await call.wait_for(SimEventKind.PAUSED)
        await unlock()
    await desk.until("call.offered", seconds=10)
    await desk.until("call.ended", seconds=10)
    assert (await call.finished()).data["status"] == "completed"

    row = await hotline.call_row(call.sid)
    assert (row["state"], row["answered_by_id"]) == ("completed", desk.agent.id)
    assert [message["type"] for message in desk.seen].count("call.offered") == 1
    assert (await hotline.counts())["calls"] == 1


async def test_fault_09_a_lookup_that_never_ends_does_not_keep_the_caller_for_ever(
    make_hotline: MakeHotline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reception, "BUDGET_SECONDS", 0.2)
    hotline = await make_hotline(**WIDE, lookup_budget_ms=200, fallback_number=FALLBACK)
    sid = call_sid()

    async with locked(hotline, "customer_phones"):
        assert verbs(await hotline.wire.twiml("voice", voice(sid))) == ["Say", "Pause", "Redirect"]
        answer = await hotline.wire.twiml("wait", voice(sid, status="in-progress"))
        assert rung(answer) == FALLBACK


async def breaks(*_: Any, **__: Any) -> Any:
    raise RuntimeError("nobody thought of this")


def breaks_at_once(*_: Any, **__: Any) -> Any:
    raise RuntimeError("nobody thought of this")


BREAKAGES: list[tuple[Any, str, Any]] = [
    (ringer, "ring", breaks),
    (call_flow, "first_answer", breaks_at_once),
    (Hub, "push", breaks_at_once),
    (hub, "finish_pop", breaks_at_once),
]


@pytest.mark.parametrize(
    ("fallback", "kept"), [(FALLBACK, "Dial"), (None, "Record")], ids=["fallback number", "voicemail"]
)
@pytest.mark.parametrize("broken", BREAKAGES, ids=lambda broken: broken[1])
async def test_fault_10_whatever_breaks_the_caller_is_kept(
    make_hotline: MakeHotline,
    monkeypatch: pytest.MonkeyPatch,
    logged: list[Any],
    broken: tuple[Any, str, Any],
    fallback: str | None,
    kept: str,
) -> None:
    hotline = await make_hotline(fallback_number=fallback)
    desk = await hotline.desk()
    before, sid = value_of(ERRORS), call_sid()
    # Whoever claims the spool keeps it from being replayed while everything is broken.
    with hotline.served.runtime.spool.claimed():
        monkeypatch.setattr(*broken)
        twiml = await hotline.wire.twiml("voice", voice(sid))
        monkeypatch.undo()

    assert kept in verbs(twiml)
    assert rung(twiml) == fallback
    # Who calls is not known any more, so it is said in every language.
    assert {"系统暂时出现故障" in spoken(twiml), "technical problem" in spoken(twiml)} == {True}
    (line,) = [line for line in logged if line["event"] == "carrier_request_failed"]
    assert (line["log_level"], line["call_id"], line["route"]) == ("error", sid, "voice")
    assert value_of(ERRORS) == before + 1
    # Nor is it lost: the call is on record, and whoever was reserved for it before it broke is free again.
    await hotline.until("EXISTS (SELECT FROM call_trace WHERE step = 'replayed')")
    row = await hotline.call_row(sid)
    assert (row["state"], row["from_e164"], row["queue_id"]) == ("ringing", CALLER, hotline.queue.id)
    assert "forwarded" in await hotline.trace_of(sid)
    assert await desk.presence() == "available"
    assert rung(await hotline.wire.twiml("voice", voice(call_sid()))) == desk.agent.identity


@pytest.mark.parametrize("error", [RuntimeError("bug"), Conflict("bug"), ValueError("bug"), KeyError("bug")], ids=repr)
async def test_fault_10_what_breaks_again_and_again_is_set_aside(
    make_hotline: MakeHotline, monkeypatch: pytest.MonkeyPatch, logged: list[Any], error: Exception
) -> None:
    hotline = await make_hotline(fallback_number=FALLBACK)
    before = value_of(ERRORS)

    async def fail(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(ringer, "ring", fail)
    assert rung(await hotline.wire.twiml("voice", voice(call_sid()))) == FALLBACK

    async def is_set_aside() -> bool:
        return "spool_set_aside" in [line["event"] for line in logged]

    await until(is_set_aside, "it is set aside")
    failed = hotline.served.settings.data_dir / "spool" / "failed"
    assert [file.suffix for file in failed.iterdir()] == [".json"]
    assert value_of(ERRORS) == before + 1
    assert value_of("callcard_spool_depth") == 0


@pytest.mark.parametrize(
    ("route", "broken", "kept"),
    [
        ("wait", "while_waiting", ["Dial", "Record"]),
        ("dial-result", "after_dialling", ["Record"]),
        ("fallback", "after_an_error", ["Dial", "Record"]),
        ("voicemail", "after_the_beep", ["Hangup"]),
    ],
)
async def test_fault_10_later_questions_are_answered_safely_too(
    make_hotline: MakeHotline, monkeypatch: pytest.MonkeyPatch, route: str, broken: str, kept: list[str]
) -> None:
    hotline = await make_hotline(fallback_number=FALLBACK)
    sid, before = call_sid(), value_of(ERRORS)
    await hotline.wire.twiml("voice", voice(sid))
    monkeypatch.setattr(call_flow, broken, breaks)

    twiml = await hotline.wire.twiml(route, voice(sid, status="in-progress"))

    # Neither is the same number rung again and again, nor a second message asked for.
    assert [verb for verb in verbs(twiml) if verb in ("Dial", "Record", "Hangup")] == [
        *kept,
        *([] if kept == ["Hangup"] else ["Hangup"]),
    ]
    assert value_of(ERRORS) == before + 1


async def test_fault_10_what_is_only_told_is_not_acknowledged_when_it_broke(
    standing: Hotline, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, sid = value_of(ERRORS), call_sid()
    monkeypatch.setattr(reception, "hear_status", breaks)

    answer = await standing.wire.post("status", status(sid, "completed", 1))

    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert value_of(ERRORS) == before + 1
    monkeypatch.undo()
    await standing.wire.tell(status(sid, "completed", 1))


async def test_fault_10_a_simulated_caller_ends_at_the_fallback_number(
    make_hotline: MakeHotline, monkeypatch: pytest.MonkeyPatch
) -> None:
    hotline = await make_hotline(fallback_number=FALLBACK)
    hotline.line.set_script(FALLBACK, "no answer")
    monkeypatch.setattr(call_flow, "first_answer", breaks_at_once)

    call = await hotline.line.call(CALLER, DIALLED, script="leave a message of 4s, hang up")
    await call.finished()

    dialled = [event.data["to"] for event in call.events if event.kind is SimEventKind.LEG_RINGING]
    assert dialled == [FALLBACK]
    assert (await hotline.call_row(call.sid))["state"] == "voicemail"


async def test_fault_11_the_call_goes_on_where_it_stands(hotline: Hotline) -> None:
    desk = await hotline.desk()
    sid = call_sid()
    await hotline.wire.twiml("voice", voice(sid))
    error = {"ErrorCode": "12100", "ErrorUrl": f"{PUBLIC_URL}/telephony/twilio/voice"}

    again = await hotline.wire.twiml("fallback", voice(sid, status="ringing", **error))

    assert rung(again) == desk.agent.identity
    (kept,) = await hotline.rows("SELECT params FROM carrier_events WHERE kind = 'fallback'")
    assert (kept["params"]["ErrorCode"], kept["params"]["ErrorUrl"]) == tuple(error.values())
    (step,) = [step for step in await hotline.steps_of(sid) if step["step"] == "fallback"]
    assert step["detail"] == {"error_code": "12100", "error_url": error["ErrorUrl"]}
    counts = await hotline.counts()
    assert (counts["calls"], counts["legs"]) == (1, 1)
    assert [message["type"] for message in await desk.rest()].count("call.offered") == 1


async def test_fault_11_a_call_of_which_the_first_request_never_came(hotline: Hotline) -> None:
    desk = await hotline.desk()
    sid = call_sid()
    error = {"ErrorCode": "11200", "ErrorUrl": f"{PUBLIC_URL}/telephony/twilio/voice"}

    answer = await hotline.wire.twiml("fallback", voice(sid, **error))
    if "Redirect" in verbs(answer):
        answer = await hotline.wire.twiml("wait", voice(sid, status="in-progress"))

    assert rung(answer) == desk.agent.identity
    row = await hotline.call_row(sid)
    assert (row["is_stub"], row["state"], row["from_e164"]) == (False, "ringing", CALLER)
    assert "fallback" in await hotline.trace_of(sid)
    await desk.until("call.offered")


@pytest.mark.parametrize("repeats", [1, 3])
async def test_fault_11_the_same_incident_is_written_down_once(standing: Hotline, repeats: int) -> None:
    sid = call_sid()
    await standing.wire.twiml("voice", voice(sid))

    for _ in range(repeats):
        await standing.wire.twiml(
            "fallback", voice(sid, ErrorCode="11200"), headers={"I-Twilio-Idempotency-Token": sid}
        )
    await standing.wire.twiml("fallback", voice(sid, ErrorCode="11200"), headers={"I-Twilio-Idempotency-Token": "next"})

    kept = await standing.rows(
        "SELECT id FROM carrier_events WHERE kind = 'fallback' AND provider_call_id = :sid", sid=sid
    )
    assert len(kept) == 2
    assert (await standing.trace_of(sid)).count("fallback") == 2


@pytest.mark.parametrize(("state", "said"), [("completed", ["Hangup"]), ("in-progress", ["Say", "Redirect"])])
async def test_fault_11_an_error_of_a_call_that_is_over_or_waits(
    standing: Hotline, state: str, said: list[str]
) -> None:
    sid = call_sid()
    await standing.wire.twiml("voice", voice(sid))
    if state == "completed":
        await standing.wire.tell(status(sid, "completed", 1))

    answer = await standing.wire.twiml("fallback", voice(sid, status=state, ErrorCode="11200"))

    assert [verb for verb in verbs(answer) if verb in (*said, "Dial", "Record")][-1] == said[-1]


async def test_fault_11_the_carrier_falls_back_when_we_take_too_long(
    make_hotline: MakeHotline, monkeypatch: pytest.MonkeyPatch
) -> None:
    hotline = await make_hotline(line={"webhook_timeout": 0.5, "default_agent": "answer after 1s"})
    desk = await hotline.desk()
    asked, over = asyncio.Event(), asyncio.Event()

    async def silent(*_: Any) -> None:
        asked.set()
        await over.wait()

    monkeypatch.setattr(reception.Reception, "answer", silent)
    call = await hotline.line.call(CALLER, DIALLED, script="hang up when answered after 3s")
    await asyncio.wait_for(asked.wait(), 5)
    monkeypatch.undo()

    incident = await call.wait_for(SimEventKind.FALLBACK)
    over.set()
    await desk.until("call.ended", seconds=10)
    await call.finished()
    (kept,) = await hotline.rows("SELECT params FROM carrier_events WHERE kind = 'fallback'")
    assert kept["params"]["ErrorCode"] == incident.data["error_code"]
    assert (await hotline.call_row(call.sid))["state"] == "completed"
