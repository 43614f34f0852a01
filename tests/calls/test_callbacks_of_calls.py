"""What is owed to whoever rang in vain: one call, whether they gave up, left a message, or kept their place."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from app.services.callbacks.due import promise_unnoticed, tell_owners
from tests.calls.branches import Branch, new_caller, open_branch
from tests.calls.carrier import call_sid, status
from tests.calls.conftest import Hotline
from tests.calls.test_closed_and_voicemail import in_three_days

ZONE = "Asia/Shanghai"


@pytest.fixture
async def branch(standing: Hotline) -> AsyncIterator[Branch]:
    async with open_branch(standing) as opened:
        yield opened


async def owed(branch: Branch, caller: str) -> list[tuple[str, str]]:
    """What there is of a caller's callbacks, in the order in which they were promised: reason and state."""
    rows = await branch.rows(
        "SELECT reason, state FROM callbacks WHERE to_e164 = :caller ORDER BY created_at, id", caller=caller
    )
    return [(row["reason"], row["state"]) for row in rows]


async def why(branch: Branch, caller: str) -> list[str]:
    """Why the caller's callbacks were cancelled."""
    rows = await branch.rows(
        "SELECT detail->>'why' AS why FROM callback_changes JOIN callbacks c ON c.id = callback_id "
        "WHERE what = 'cancelled' AND to_e164 = :caller ORDER BY at, callback_changes.id",
        caller=caller,
    )
    return [row["why"] for row in rows]


async def gave_up(branch: Branch, caller: str) -> str:
    """A call from this number that was over before anybody answered; its sid."""
    sid, _ = await branch.posted(caller)
    await branch.wire.tell(status(sid, "completed", 9))
    return sid


async def test_who_hangs_up_in_the_queue_is_owed_a_call_once_however_often_it_is_said(branch: Branch) -> None:
    caller = new_caller()
    manager = await branch.desk(available=False, queue=False)
    lu = await branch.customer(caller, owner_id=manager.agent.id)
    sid, _ = await branch.posted(caller)
    assert await owed(branch, caller) == []

    for sequence in (9, 9, 10):
        await branch.wire.tell(status(sid, "completed", sequence))

    assert await owed(branch, caller) == [("missed_call", "scheduled")]
    row = await branch.one("SELECT * FROM callbacks WHERE to_e164 = :caller", caller=caller)
    call = await branch.call_row(sid)
    assert (row["customer_id"], row["owner_id"], row["call_id"]) == (lu.id, manager.agent.id, call["id"])
    assert row["queue_id"] == branch.queue.id
    assert row["due_at"] >= call["ended_at"] - timedelta(seconds=2)


async def test_who_rings_again_in_vain_is_owed_one_call_and_who_gets_through_none(branch: Branch) -> None:
    caller = new_caller()
    first = await gave_up(branch, caller)
    await gave_up(branch, caller)
    # The carrier repeats an old message.
    await branch.wire.tell(status(first, "completed", 11))

    assert await owed(branch, caller) == [("missed_call", "cancelled"), ("missed_call", "scheduled")]
    desk = await branch.desk()
    await branch.talk(desk, caller)

    assert await owed(branch, caller) == [("missed_call", "cancelled")] * 2
    assert await why(branch, caller) == ["called_again", "got_through"]


async def test_a_missed_call_that_is_heard_of_after_its_caller_got_through_is_owed_nothing(branch: Branch) -> None:
    caller = new_caller()
    sid, _ = await branch.posted(caller)
    desk = await branch.desk(available=False)
    await branch.execute("UPDATE calls SET left_queue_at = now() WHERE provider_call_id = :sid", sid=sid)
    await desk.be("available")
    await branch.talk(desk, caller)

    await branch.wire.tell(status(sid, "completed", 9))

    assert (await branch.call_row(sid))["state"] == "abandoned"
    assert await owed(branch, caller) == []


async def test_what_looked_missed_and_was_answered_is_owed_nothing(branch: Branch) -> None:
    caller = new_caller()
    sid = await gave_up(branch, caller)
    call = await branch.call_row(sid)

    await branch.wire.twiml(
        "dial-result",
        branch.form(
            sid, caller, status="completed", DialCallStatus="completed", DialCallSid=call_sid(), DialCallDuration="30"
        ),
    )

    assert (await branch.call_row(sid))["answered_at"] is not None
    assert await owed(branch, caller) == [("missed_call", "cancelled")]
    assert await why(branch, caller) == ["answered"]
    assert call["answered_at"] is None


async def test_a_message_is_owed_an_answer_and_its_wrap_up_is_one(standing: Hotline) -> None:
    async with open_branch(standing, openings=[in_three_days()[0]], time_zone=ZONE) as branch:
        boss = await branch.boss()
        caller = new_caller()
        call = await branch.ring(caller, "leave a message of 6s")
        await call.finished()
        await branch.until("EXISTS (SELECT FROM callbacks WHERE to_e164 = :caller)", caller=caller)
        # Told again, and late.
        await branch.over(call.sid)

        open_ones = [each for each in await owed(branch, caller) if each[1] == "scheduled"]
        assert open_ones == [("voicemail", "scheduled")]
        wrap_up = f"/api/v1/calls/{await branch.id_of(call)}/wrap-up"
        assert (await boss.http.put(wrap_up, json={"disposition": "follow_up"})).status_code == 200

        (done,) = [each for each in await owed(branch, caller) if each[0] == "voicemail"]
        assert done == ("voicemail", "done")


@pytest.mark.parametrize("end", ["wrap up", "cancel", "outcome", "reschedule"])
async def test_a_kept_place_is_a_callback_that_its_turn_hands_out(branch: Branch, end: str) -> None:
    caller = new_caller()
    desk, boss = await branch.desk(available=False), await branch.boss()
    call = await branch.waiting(caller, script="press 1")
    await call.finished()
    call_id = await branch.id_of(call)
    row = await branch.one("SELECT id, code, state, owner_id FROM callbacks WHERE call_id = :id", id=call_id)
    assert (row["state"], row["owner_id"]) == ("scheduled", None)
    one = f"/api/v1/callbacks/{row['id']}"

    if end in ("cancel", "reschedule"):
        # Before its turn has come: the place in the queue goes with it.
        far = (datetime.now(UTC) + timedelta(days=2)).replace(hour=4).isoformat()
        answer = await (
            boss.http.post(f"{one}/cancel", json={"why": "客户已解决"})
            if end == "cancel"
            else boss.http.patch(one, json={"due_at": far})
        )
        assert answer.status_code == 200, answer.text
        await desk.be("available")
        assert await desk.presence() == "available"
        assert (await branch.call_row(call.sid))["left_queue_at"] is not None
        assert not [event for event in await desk.rest() if event["type"] == "callback.due"]
        return

    await desk.be("available")
    due = await desk.until("callback.due")
    assert (due["data"]["callback_id"], due["data"]["code"]) == (str(row["id"]), row["code"])
    claimed = (await desk.http.get(one)).json()
    assert (claimed["state"], claimed["claimed_by"]["id"]) == ("claimed", str(desk.agent.id))
    # On a break without having called: it is owed again, and its turn comes again.
    await desk.be("break")
    # When it may be made by the clock there is another question: whose turn has come has rung us just now.
    assert (await desk.http.get(one)).json()["state"] in ("due", "scheduled")
    await desk.be("available")
    await desk.until("callback.due", callback_id=str(row["id"]))
    if end == "wrap up":
        assert (await desk.wrap_up(call_id, "resolved")).status_code == 200
    else:
        assert (await desk.http.put(f"{one}/outcome", json={"outcome": "answered"})).status_code == 200
    whole = (await desk.http.get(one)).json()
    assert (whole["state"], whole["outcome"]) == ("done", "answered")
    assert [each["what"] for each in whole["changes"]] == ["promised", "claimed", "given_back", "claimed", "done"]
    await desk.be("break")
    await desk.be("available")
    assert await desk.presence() == "available"


async def test_a_kept_place_that_somebody_has_in_hand_otherwise_is_not_handed_out(branch: Branch) -> None:
    caller = new_caller()
    desk, other = await branch.desk(available=False), await branch.desk(available=False)
    call = await branch.waiting(caller, script="press 1")
    await call.finished()
    later = await branch.waiting()
    await branch.execute(
        "UPDATE callbacks SET state = 'claimed', claimed_by_id = :agent, claimed_until = now() + interval '1 hour' "
        "WHERE to_e164 = :caller",
        agent=other.agent.id,
        caller=caller,
    )

    await desk.be("available")

    offered = await desk.until("call.offered")
    assert offered["data"]["call_id"] == await branch.id_of(later)
    assert not [event for event in desk.seen if event["type"] == "callback.due"]


async def test_who_kept_a_place_and_got_through_elsewhere_is_not_called(standing: Hotline, branch: Branch) -> None:
    caller = new_caller()
    call = await branch.waiting(caller, script="press 1")
    await call.finished()
    async with open_branch(standing) as other:
        await other.talk(await other.desk(), caller)
    later = await branch.waiting()

    assert await owed(branch, caller) == [("kept_place", "cancelled")]
    assert await why(branch, caller) == ["got_through"]
    desk = await branch.desk(available=False)
    await desk.be("available")
    assert (await desk.until("call.offered"))["data"]["call_id"] == await branch.id_of(later)
    assert not [event for event in desk.seen if event["type"] == "callback.due"]


async def test_owners_are_told_once_however_many_look(branch: Branch) -> None:
    caller = new_caller()
    manager = await branch.desk(available=False, queue=False)
    await branch.customer(caller, owner_id=manager.agent.id)
    await gave_up(branch, caller)
    row = await branch.one("SELECT id, due_at FROM callbacks WHERE to_e164 = :caller", caller=caller)
    soon = row["due_at"] + timedelta(seconds=1)

    async def look() -> int:
        async with branch.served.database.session_scope() as session:
            return await tell_owners(session, soon)

    await asyncio.gather(*(look() for _ in range(5)))

    due = await manager.until("callback.due", callback_id=str(row["id"]))
    assert due["data"]["reason"] == "missed_call"
    more = await branch.one(
        "SELECT count(*) AS n FROM agent_events WHERE agent_id = :id AND type = 'callback.due'", id=manager.agent.id
    )
    assert more["n"] == 1


async def test_a_call_that_is_heard_of_only_after_its_end_is_found(branch: Branch) -> None:
    caller, sid = new_caller(), call_sid()
    await branch.wire.tell(status(sid, "no-answer", 9))
    await branch.wire.twiml("voice", branch.form(sid, caller))
    assert await owed(branch, caller) == []

    for _ in range(2):
        async with branch.served.database.session_scope() as session:
            await promise_unnoticed(session, branch.served.runtime.hotline.now, datetime.now(UTC))

    assert await owed(branch, caller) == [("missed_call", "scheduled")]


async def test_who_is_not_to_be_called_or_hides_their_number_is_owed_nothing(branch: Branch) -> None:
    quiet = new_caller()
    await branch.customer(quiet, do_not_call=True)
    await gave_up(branch, quiet)
    sid = await gave_up(branch, "anonymous")

    assert await owed(branch, quiet) == []
    async with branch.served.database.session_scope() as session:
        hidden: Any = await session.scalar(
            text("SELECT count(*) FROM callbacks JOIN calls ON calls.id = call_id WHERE provider_call_id = :sid"),
            {"sid": sid},
        )
    assert hidden == 0
