"""The carrier repeats itself: whatever it asks several times at once happens once and is answered alike."""

import asyncio

import pytest

from app.telephony.simulator import Trouble
from tests.calls.carrier import Pairs, Wire, call_sid, leg_status, rung, spoken, voice
from tests.calls.conftest import WIDE, Hotline, MakeHotline
from tests.factories import make_customer

TIMES = 5


async def at_once(route: str, form: Pairs, *hotlines: Hotline) -> list[str]:
    """The same request `TIMES` times over as many connections, in turn to each instance."""
    wires = [Wire(hotlines[n % len(hotlines)].served.url) for n in range(TIMES)]
    try:
        await asyncio.gather(*(wire.http.get(f"{wire.url}/healthz") for wire in wires))
        return await asyncio.gather(*(wire.twiml(route, form, headers={TOKEN: "same"}) for wire in wires))
    finally:
        await asyncio.gather(*(wire.http.aclose() for wire in wires))


TOKEN = "I-Twilio-Idempotency-Token"


@pytest.fixture
async def hotline(make_hotline: MakeHotline) -> Hotline:
    return await make_hotline(**WIDE)


@pytest.fixture(params=["one instance", "two instances"])
async def instances(request: pytest.FixtureRequest, hotline: Hotline) -> list[Hotline]:
    return [hotline] if request.param == "one instance" else [hotline, await hotline.twin()]


async def test_fault_05_one_call_one_pop_one_agent(instances: list[Hotline]) -> None:
    hotline = instances[0]
    async with hotline.served.database.session_scope() as session:
        await make_customer(session, "+8613800138000", name="鲁建国")
    desks = [await hotline.desk() for _ in range(3)]
    sid = call_sid()

    answers = await at_once("voice", voice(sid), *instances)

    assert len(set(answers)) == 1
    states = [await desk.presence() for desk in desks]
    assert sorted(states) == ["available", "available", "reserved"]
    chosen = desks[states.index("reserved")]
    assert rung(answers[0]) == chosen.agent.identity
    counts = await hotline.counts()
    assert (counts["calls"], counts["legs"], counts["carrier_events"], counts["recordings"]) == (1, 1, 1, 0)
    assert await hotline.trace_of(sid) == ["received", "matched", "reserved", "pushed"]
    offered = await chosen.until("call.offered")
    assert offered["data"]["call_id"] == str((await hotline.call_row(sid))["id"])
    for desk in desks:
        pops = await hotline.one(
            "SELECT count(*) FROM agent_events WHERE agent_id = :id AND type = 'call.offered'", id=desk.agent.id
        )
        assert pops == {"count": int(desk is chosen)}
        assert "call.offered" not in [message["type"] for message in await desk.rest()]


async def test_fault_05_one_place_in_the_queue(instances: list[Hotline]) -> None:
    hotline = instances[0]
    await hotline.wire.twiml("voice", voice(call_sid(), "+8613900139000"))
    sid = call_sid()

    answers = await at_once("voice", voice(sid), *instances)

    assert len(set(answers)) == 1
    assert "第2位" in spoken(answers[0])
    waiting = await hotline.rows("SELECT provider_call_id FROM calls WHERE state = 'waiting' ORDER BY queued_at, id")
    assert [row["provider_call_id"] for row in waiting][1:] == [sid]
    assert await hotline.trace_of(sid) == ["received", "matched", "no_agent"]


async def test_fault_05_one_next_agent_when_the_first_does_not_answer(instances: list[Hotline]) -> None:
    hotline = instances[0]
    first, second, third = [await hotline.desk() for _ in range(3)]
    sid, leg = call_sid(), call_sid()
    assert rung(await hotline.wire.twiml("voice", voice(sid))) == first.agent.identity
    await hotline.wire.tell(leg_status(leg, sid, first.agent.identity, "ringing", 1))

    asked = voice(sid, status="in-progress", DialCallStatus="no-answer", DialCallSid=leg)
    answers = await at_once("dial-result", asked, *instances)

    assert len(set(answers)) == 1
    assert rung(answers[0]) == second.agent.identity
    assert [await desk.presence() for desk in (first, second, third)] == ["break", "reserved", "available"]
    assert (await hotline.counts())["legs"] == 2
    steps = await hotline.trace_of(sid)
    assert (steps.count("not_answered"), steps.count("reserved")) == (1, 2)


async def test_fault_05_one_promise_when_the_key_is_told_often(instances: list[Hotline]) -> None:
    hotline = instances[0]
    sid = call_sid()
    await hotline.wire.twiml("voice", voice(sid))

    answers = await at_once("wait", voice(sid, status="in-progress", Digits="1"), *instances)

    assert len(set(answers)) == 1
    assert (await hotline.call_row(sid))["kept_place_at"] is not None
    assert (await hotline.trace_of(sid)).count("place_kept") == 1


@pytest.mark.parametrize("route", ["wait", "dial-result", "fallback"])
async def test_fault_05_who_asks_again_after_a_promise_is_told_it_again(hotline: Hotline, route: str) -> None:
    sid = call_sid()
    await hotline.wire.twiml("voice", voice(sid))
    promise = await hotline.wire.twiml("wait", voice(sid, status="in-progress", Digits="1"))
    first, second = await hotline.desk(), await hotline.desk()
    await first.until("callback.due")

    assert await hotline.wire.twiml(route, voice(sid, status="in-progress")) == promise

    assert [await desk.presence() for desk in (first, second)] == ["wrap_up", "available"]
    assert (await hotline.call_row(sid))["left_queue_at"] is not None


async def test_fault_05_a_late_repeat_is_answered_as_at_first(hotline: Hotline) -> None:
    desk = await hotline.desk()
    await hotline.desk()
    sid, leg = call_sid(), call_sid()
    first = await hotline.wire.twiml("voice", voice(sid))
    await hotline.wire.tell(leg_status(leg, sid, desk.agent.identity, "in-progress", 2))
    assert await desk.presence() == "on_call"

    assert await hotline.wire.twiml("voice", voice(sid)) == first

    assert await desk.presence() == "on_call"
    assert (await hotline.call_row(sid))["state"] == "in_progress"
    assert (await hotline.counts())["legs"] == 1


async def test_fault_05_a_whole_call_of_which_everything_is_said_five_times(make_hotline: MakeHotline) -> None:
    hotline = await make_hotline(**WIDE, line={"trouble": Trouble(webhook_copies=TIMES, status_copies=TIMES)})
    first, second = await hotline.desk(), await hotline.desk()
    hotline.line.set_script(f"client:{first.agent.identity}", "decline after 1s")

    call = await hotline.line.call("+8613800138000", "+862155501000")
    await first.until("call.cleared", reason="declined")
    await second.until("call.offered")
    await hotline.answer(call, 2)
    await second.until("call.answered")
    call.hang_up()
    await call.finished()
    await second.until("call.ended")

    counts = await hotline.counts()
    assert (counts["calls"], counts["legs"]) == (1, 2)
    row = await hotline.call_row(call.sid)
    assert (row["state"], row["answered_by_id"]) == ("completed", second.agent.id)
    steps = await hotline.trace_of(call.sid)
    for step in ("received", "declined", "answered", "ended"):
        assert steps.count(step) == 1, step
    # Every fact reached each agent once.
    for desk, types in (
        (first, ["call.offered", "call.cleared"]),
        (second, ["call.offered", "call.answered", "call.ended"]),
    ):
        told = [m["type"] for m in [*desk.seen, *await desk.rest()] if m["type"].startswith("call.")]
        assert told == types
