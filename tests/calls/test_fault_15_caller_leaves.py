"""The caller hangs up while the card is being shown: it goes from every tab, and the agent is free for the next one."""

import asyncio

import pytest

from app.telephony.simulator import SimEventKind
from tests.calls.carrier import CALLER, DIALLED, call_sid, leg_status, rung, status, voice
from tests.calls.conftest import Hotline

NEXT_CALLER = "+8613900139000"


@pytest.mark.parametrize("when", ["before the phone rings", "while it rings"])
async def test_fault_15_the_card_goes_from_every_tab_and_the_call_is_abandoned(hotline: Hotline, when: str) -> None:
    one = await hotline.desk()
    two = await hotline.another_tab(one)

    call = await hotline.line.call(CALLER, DIALLED)
    offered = await one.until("call.offered")
    if when == "while it rings":
        await call.wait_for(SimEventKind.LEG_RINGING)
    call.hang_up()
    await call.finished()

    call_id = offered["data"]["call_id"]
    assert await two.until("call.offered") == offered
    cleared = await one.until("call.cleared")
    assert cleared["data"] == {"call_id": call_id, "reason": "caller_left"}
    assert await two.until("call.cleared") == cleared
    assert await one.presence() == "available"
    row = await hotline.call_row(call.sid)
    assert (row["state"], row["answered_at"], row["answered_by_id"]) == ("abandoned", None, None)
    assert row["ended_at"] is not None
    open_legs = await hotline.rows("SELECT id FROM legs WHERE call_id = :id AND ended_at IS NULL", id=row["id"])
    assert open_legs == []
    steps = await hotline.trace_of(call.sid)
    assert steps[:4] == ["received", "matched", "reserved", "pushed"]
    assert (steps.count("released"), steps.count("ended")) == (1, 1)
    # That is all that either tab is told, and both are told the same.
    rest = await one.rest()
    assert [(message["type"], message["data"]["state"]) for message in rest] == [("presence.changed", "available")]
    for message in rest:
        assert await two.next() == message


async def test_fault_15_the_phone_falls_silent(hotline: Hotline) -> None:
    desk = await hotline.desk()
    call = await hotline.line.call(CALLER, DIALLED, script="hang up when ringing after 2s")

    await call.finished()

    (leg,) = call.legs
    assert leg.ended
    assert leg.record.answered_second is None
    await desk.until("call.cleared", reason="caller_left")
    assert await desk.presence() == "available"


async def test_fault_15_too_late_to_take_or_turn_down(hotline: Hotline) -> None:
    desk = await hotline.desk()
    sid = call_sid()
    await hotline.wire.twiml("voice", voice(sid))
    call_id = (await desk.until("call.offered"))["data"]["call_id"]
    await hotline.wire.tell(status(sid, "completed", 1))

    for answer in (await desk.accept(call_id), await desk.decline(call_id)):
        problem = answer.json()
        assert (answer.status_code, problem["code"], problem.get("by")) == (409, "not_offered", None)

    assert await desk.presence() == "available"
    row = await hotline.call_row(sid)
    assert (row["state"], row["accepted_by_id"]) == ("abandoned", None)


async def test_fault_15_whoever_waits_is_next(hotline: Hotline) -> None:
    one = await hotline.desk()
    two = await hotline.another_tab(one)
    first = await hotline.line.call(CALLER, DIALLED)
    await one.until("call.offered")
    second = await hotline.line.call(NEXT_CALLER, DIALLED)
    await hotline.until(
        "EXISTS (SELECT FROM calls WHERE provider_call_id = :sid AND state = 'waiting')", sid=second.sid
    )

    first.hang_up()
    await first.finished()

    ids = {sid: str((await hotline.call_row(sid))["id"]) for sid in (first.sid, second.sid)}
    for tab in (one, two):
        await tab.until("call.cleared", call_id=ids[first.sid], reason="caller_left")
        await tab.until("call.offered", call_id=ids[second.sid])
    # The waiting caller is fetched out of the loop for it.
    await hotline.answer(second)
    await one.until("call.answered", call_id=ids[second.sid])


async def test_fault_15_leaving_at_the_moment_of_the_answer_leaves_nobody_stuck(hotline: Hotline) -> None:
    desk = await hotline.desk()
    for round_no in range(6):
        sid, leg = call_sid(), call_sid()
        twiml = await hotline.wire.twiml("voice", voice(sid))
        assert rung(twiml) == desk.agent.identity, f"round {round_no}"
        call_id = (await desk.until("call.offered"))["data"]["call_id"]
        identity = desk.agent.identity
        told = [leg_status(leg, sid, identity, "in-progress", 2), status(sid, "completed", 3)]

        await asyncio.gather(*(hotline.wire.tell(form) for form in (told if round_no % 2 else reversed(told))))
        await hotline.wire.tell(leg_status(leg, sid, identity, "completed", 4, CallDuration="1"))

        # Both happened, whichever was heard first; the agent has either had the call or been let go.
        assert (await hotline.call_row(sid))["state"] == "completed"
        presence = await desk.presence()
        assert presence in {"available", "wrap_up"}
        told_types = {m["type"] for m in [*desk.seen, *await desk.rest()] if m["data"].get("call_id") == call_id}
        assert ("call.ended" in told_types) == (presence == "wrap_up")
        assert ("call.cleared" in told_types) == (presence == "available")
        await desk.be("available")
