"""Waiting in line: whose turn it is, what is said meanwhile, and the place that is kept for who presses 1."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from app.schemas.screen_pop import ScreenPop
from app.services import call_flow, streams
from app.telephony.simulator import Pace, SimCall, SimEventKind
from tests.calls.branches import Branch, hears, new_caller, open_branch, said
from tests.calls.carrier import DIALLED, call_sid, rung, spoken, verbs, voice
from tests.calls.conftest import Desk, Hotline, MakeHotline
from tests.factories import make_customer

NO_REST = dict.fromkeys(("twilio_account_sid", "twilio_api_key", "twilio_api_secret"))
NEXT = "您是下一位"
OFFER = "请按1"
PROMISE = "好的，已经为您登记"
FREE = "UPDATE agent_presence SET state = 'available', available_since = now()"
NOT_FREE = "UPDATE agent_presence SET state = 'break', available_since = NULL"


@pytest.fixture
async def branch(standing: Hotline) -> AsyncIterator[Branch]:
    async with open_branch(standing) as opened:
        yield opened


def asked_again(call: SimCall) -> list[str]:
    """How the caller came to ask again: `api` where they were fetched, `twiml` at each turn of the wait loop."""
    return [event.data["by"] for event in call.events if event.kind is SimEventKind.REDIRECTED]


async def holds(branch: Branch, desk: Desk, sid: str) -> bool:
    """Whether an agent is busy with that call."""
    held = await branch.one("SELECT call_id FROM agent_presence WHERE agent_id = :id", id=desk.agent.id)
    return bool(held["call_id"] == (await branch.call_row(sid))["id"])


async def test_a_waiting_caller_is_fetched_within_a_second_of_an_agent_becoming_available(
    make_hotline: MakeHotline,
) -> None:
    hotline = await make_hotline(queue={"wait_seconds": 60}, line={"clock": Pace(1)})
    desk = await hotline.desk(available=False)
    call = await hotline.line.call(new_caller(), DIALLED)
    await call.wait_for(SimEventKind.SAID)

    assert (await desk.be("available"))["state"] == "reserved"
    freed = (datetime.now(UTC) - call.events[0].at).total_seconds()

    fetched = await call.wait_for(SimEventKind.REDIRECTED)
    assert fetched.seconds - freed < 1
    told = await call.wait_for(SimEventKind.TWIML_RECEIVED, after=call.events.index(fetched))
    assert rung(told.data["twiml"]) == desk.agent.identity
    assert asked_again(call) == ["api"]


async def test_without_a_carrier_to_ask_the_wait_loop_alone_serves_who_waits(make_hotline: MakeHotline) -> None:
    hotline = await make_hotline(queue={"wait_seconds": 3}, **NO_REST)
    assert hotline.served.runtime.carrier is None
    desk = await hotline.desk(available=False)
    call = await hotline.line.call(new_caller(), DIALLED)
    await hears(call, NEXT)

    await desk.be("available")

    await desk.until("call.offered")
    await hotline.answer(call)
    await desk.until("call.answered")
    assert set(asked_again(call)) == {"twiml"}


async def test_the_housekeeper_brings_together_who_waits_and_who_is_free(
    make_hotline: MakeHotline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "ROUND_SECONDS", 0.1)
    hotline = await make_hotline()
    desk = await hotline.desk()
    sid = call_sid()
    # As two processes leave it of which neither saw the other's: an agent is free, and a caller waits.
    await hotline.execute(NOT_FREE)
    assert rung(await hotline.wire.twiml("voice", voice(sid))) is None
    await hotline.execute(FREE)

    offered = await desk.until("call.offered")

    assert offered["data"]["call_id"] == str((await hotline.call_row(sid))["id"])


async def test_the_housekeeper_gives_nobody_two_calls_in_one_round(
    make_hotline: MakeHotline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "ROUND_SECONDS", 0.1)
    hotline = await make_hotline()
    longest, manager = await hotline.desk(available=False), await hotline.desk(available=False)
    theirs, kept, caller = call_sid(), call_sid(), new_caller()
    async with hotline.served.database.session_scope() as session:
        await make_customer(session, caller, owner_id=manager.agent.id)
    await hotline.wire.twiml("voice", voice(theirs, caller))
    await hotline.wire.twiml("voice", voice(kept))
    await hotline.wire.twiml("wait", voice(kept, status="in-progress", Digits="1"))

    # The first in line is for the account manager, although the other agent is looked at before.
    await hotline.execute(
        "UPDATE agent_presence SET state = 'available', "
        "available_since = now() - CASE WHEN agent_id = :id THEN interval '1 hour' ELSE interval '1 minute' END",
        id=longest.agent.id,
    )

    offered = await manager.until("call.offered")
    assert offered["data"]["call_id"] == str((await hotline.call_row(theirs))["id"])
    due = await longest.until("callback.due")
    assert due["data"]["call_id"] == str((await hotline.call_row(kept))["id"])
    assert [await manager.presence(), await longest.presence()] == ["reserved", "wrap_up"]


async def test_a_reservation_that_the_carrier_never_resolves_is_given_up(
    make_hotline: MakeHotline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "ROUND_SECONDS", 0.1)
    monkeypatch.setattr(streams, "SETTLE_SECONDS", 0)
    hotline = await make_hotline(queue={"ring_seconds": 60})
    first, second = await hotline.desk(), await hotline.desk()
    call = await hotline.line.call(new_caller(), DIALLED)
    await hotline.leg_ringing(call)
    until = await hotline.one(
        "SELECT reserved_until - since AS seconds FROM agent_presence WHERE agent_id = :id", id=first.agent.id
    )
    assert until["seconds"] == timedelta(seconds=60 + 15)

    await hotline.execute("UPDATE agent_presence SET reserved_until = now() WHERE state = 'reserved'")

    await first.until("call.cleared", reason="took_too_long")
    await first.until("presence.changed", state="break")
    await second.until("call.offered")
    await hotline.answer(call, 2)
    await second.until("call.answered")
    assert await first.presence() == "break"


async def test_nobody_jumps_the_line(branch: Branch) -> None:
    desk = await branch.desk(available=False)
    first, second = await branch.waiting(), await branch.waiting()

    await desk.be("available")
    third = await branch.waiting()

    assert (await desk.until("call.offered"))["data"]["call_id"] == await branch.id_of(first)
    await branch.answer(first)
    await desk.until("call.answered")
    first.hang_up()
    await desk.until("presence.changed", state="wrap_up")
    await desk.wrap_up(await branch.id_of(first))
    assert (await desk.until("call.offered"))["data"]["call_id"] == await branch.id_of(second)
    await branch.leg_ringing(second)
    second.hang_up()
    await desk.until("call.cleared", reason="caller_left")
    assert (await desk.until("call.offered"))["data"]["call_id"] == await branch.id_of(third)
    await branch.answer(third)
    await desk.until("call.answered")


async def test_who_is_busy_asking_is_not_overtaken_by_a_kept_place(branch: Branch) -> None:
    desk = await branch.desk(available=False)
    first, _ = await branch.posted()
    kept = await branch.waiting(script="press 1")
    await kept.finished()
    async with branch.served.database.session_scope() as session:
        # The first in line is being answered at this moment by another turn of the wait loop.
        await call_flow.find_call(session, "twilio", first)
        await desk.be("available")

        assert (await branch.call_row(kept.sid))["left_queue_at"] is None

    assert (await desk.until("call.offered"))["data"]["call_id"] == str((await branch.call_row(first))["id"])


async def test_a_free_agent_is_not_given_to_a_new_call_while_somebody_still_waits(branch: Branch) -> None:
    desk = await branch.desk(available=False)
    first, _ = await branch.posted()
    # Free, but by nobody's doing who would have served the line: the moment between two processes.
    await branch.execute(f"{FREE} WHERE agent_id = :id", id=desk.agent.id)

    second, client = await branch.posted()

    assert client is None
    assert (await branch.call_row(second))["state"] == "waiting"
    assert await holds(branch, desk, first) or await desk.presence() == "available"


async def test_places_are_said_and_move_up(branch: Branch) -> None:
    first, second = await branch.waiting(), await branch.waiting()
    await hears(first, NEXT)
    await hears(second, "您目前排在第2位")
    assert not any(NEXT in words for words in said(second))

    first.hang_up()
    await first.finished()

    await hears(second, NEXT)
    assert (await branch.call_row(first.sid))["state"] == "abandoned"


async def test_who_presses_1_keeps_their_place_and_is_called_back_when_their_turn_comes(branch: Branch) -> None:
    caller = new_caller()
    lu = await branch.customer(caller, name="鲁大海")
    desk = await branch.desk(available=False)
    call = await branch.waiting(caller, script="press 1")
    later = await branch.waiting()

    await hears(call, PROMISE)
    assert (await call.finished()).data["reason"] != "hung up"
    row = await branch.call_row(call.sid)
    assert (row["state"], row["left_queue_at"]) == ("callback", None)
    assert row["kept_place_at"] is not None
    assert await promised(branch, desk) == [str(row["id"])]
    # The one who still listens to the loop does not pass who hung up.
    await hears(later, "您目前排在第2位")

    await desk.be("available")

    due = await desk.until("callback.due")
    assert due["data"]["call_id"] == str(row["id"])
    assert datetime.fromisoformat(due["data"]["promised_at"]) == row["kept_place_at"]
    pop = ScreenPop.model_validate(due["data"]["screen_pop"])
    assert pop.customer is not None
    assert pop.customer.code == lu.code
    assert await desk.presence() == "wrap_up"
    assert await holds(branch, desk, call.sid)
    assert (await desk.wrap_up(str(row["id"]), "follow_up")).status_code == 200
    assert await promised(branch, desk) == []
    await desk.until("call.offered", call_id=await branch.id_of(later))
    assert "place_kept" in await branch.trace_of(call.sid)


async def test_a_callback_that_nobody_wrapped_up_is_handed_over_again(branch: Branch) -> None:
    desk = await branch.desk(available=False)
    call = await branch.waiting(script="press 1")
    await call.finished()
    call_id = await branch.id_of(call)
    await desk.be("available")
    await desk.until("callback.due", call_id=call_id)
    await desk.until("presence.changed", state="wrap_up")

    await desk.be("break")

    assert (await branch.call_row(call.sid))["left_queue_at"] is None
    other = await branch.desk()
    await other.until("callback.due", call_id=call_id)
    assert (await other.wrap_up(call_id, "follow_up")).status_code == 200
    assert await promised(branch, other) == []


async def test_a_caller_who_is_fetched_out_of_a_conversation_gets_their_agent_back(branch: Branch) -> None:
    desk = await branch.desk()
    call = await branch.ring()
    await desk.until("call.offered")
    await branch.answer(call)
    await desk.until("call.answered")

    twiml = await branch.wire.twiml("wait", branch.form(call.sid, new_caller(), status="in-progress"))

    assert rung(twiml) == desk.agent.identity
    assert await desk.presence() == "on_call"


async def promised(branch: Branch, desk: Desk) -> list[str]:
    """The calls to whose callers a call back was promised, and who had none yet."""
    answer = await desk.http.get("/api/v1/calls", params={"promised": True, "queue_id": str(branch.queue.id)})
    return [item["id"] for item in answer.json()["items"]]


async def test_a_place_is_kept_for_who_presses_1_just_as_an_agent_is_found(branch: Branch) -> None:
    desk, caller, sid = await branch.desk(available=False), new_caller(), call_sid()
    await branch.wire.twiml("voice", branch.form(sid, caller))
    await desk.be("available")
    assert await holds(branch, desk, sid)

    answer = await branch.wire.twiml("wait", branch.form(sid, caller, status="in-progress", Digits="1"))

    assert PROMISE in spoken(answer)
    await desk.until("call.cleared", reason="caller_left")
    await branch.over(sid)
    assert (await branch.call_row(sid))["state"] == "callback"
    # It is still the next in line, and somebody is free.
    due = await desk.until("callback.due")
    assert due["data"]["call_id"] == str((await branch.call_row(sid))["id"])


@pytest.mark.parametrize("withheld", ["anonymous", "+266696687", ""])
async def test_who_withholds_their_number_is_offered_no_call_back_and_is_not_lost_by_pressing_1(
    branch: Branch, withheld: str
) -> None:
    desk = await branch.desk(available=False)
    sid = call_sid()
    first = await branch.wire.twiml("voice", branch.form(sid, withheld))
    assert OFFER not in spoken(first)
    assert "Gather" not in verbs(first)

    pressed = await branch.wire.twiml("wait", branch.form(sid, withheld, status="in-progress", Digits="1"))

    assert PROMISE not in spoken(pressed)
    assert verbs(pressed)[-1] == "Redirect"
    assert "Hangup" not in verbs(pressed)
    row = await branch.call_row(sid)
    assert (row["state"], row["kept_place_at"], row["left_queue_at"]) == ("waiting", None, None)
    await desk.be("available")
    assert await holds(branch, desk, sid)


async def test_a_caller_of_whom_nothing_is_heard_leaves_the_line_and_gets_the_old_place_back(branch: Branch) -> None:
    caller, silent = new_caller(), call_sid()
    await branch.wire.twiml("voice", branch.form(silent, caller))
    behind, behind_caller = call_sid(), new_caller()
    await branch.wire.twiml("voice", branch.form(behind, behind_caller))
    queue = branch.served.runtime.hotline.now.queues[branch.queue.id]
    patience = timedelta(seconds=queue.wait_seconds) + call_flow.SILENCE
    now = datetime.now(UTC)

    async def ask(sid: str, from_: str) -> str:
        return spoken(await branch.wire.twiml("wait", branch.form(sid, from_, status="in-progress")))

    async def forget() -> None:
        async with branch.served.database.session_scope() as session:
            await call_flow.forget_silent_callers(session, branch.served.runtime.hotline.now, now)

    await heard(branch, silent, now - patience + timedelta(seconds=1))
    await forget()
    assert "第2位" in await ask(behind, behind_caller)

    await heard(branch, silent, now - patience - timedelta(seconds=1))
    await forget()
    assert (await branch.call_row(silent))["left_queue_at"] == now
    assert NEXT in await ask(behind, behind_caller)

    assert NEXT in await ask(silent, caller)
    assert "第2位" in await ask(behind, behind_caller)
    row = await branch.call_row(silent)
    assert (row["queued_at"], row["left_queue_at"]) == (row["received_at"], None)


async def heard(branch: Branch, sid: str, at: datetime) -> None:
    """The carrier last asked about this call at that moment."""
    await branch.execute("UPDATE calls SET heard_at = :at WHERE provider_call_id = :sid", at=at, sid=sid)


async def test_a_kept_place_is_kept_however_long_nothing_is_heard(branch: Branch) -> None:
    call = await branch.waiting(script="press 1")
    await call.finished()

    async with branch.served.database.session_scope() as session:
        later = datetime.now(UTC) + timedelta(days=1)
        await call_flow.forget_silent_callers(session, branch.served.runtime.hotline.now, later)

    assert (await branch.call_row(call.sid))["left_queue_at"] is None
