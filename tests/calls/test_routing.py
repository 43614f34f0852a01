"""Whom a call is offered to, and to whom it goes when they do not take it."""

from collections.abc import AsyncIterator

import pytest

from app.schemas.screen_pop import ScreenPop
from app.telephony.simulator import SimCall, SimEventKind
from tests.calls.branches import Branch, hears, new_caller, open_branch
from tests.calls.carrier import call_sid, leg_status, rung, voice
from tests.calls.conftest import Desk, Hotline
from tests.factories import make_complaint


@pytest.fixture
async def branch(standing: Hotline) -> AsyncIterator[Branch]:
    async with open_branch(standing) as opened:
        yield opened


async def offered(desk: Desk, call: SimCall, branch: Branch) -> ScreenPop:
    """The card of a call that is now offered at a desk."""
    message = await desk.until("call.offered", call_id=await branch.id_of(call))
    pop = ScreenPop.model_validate(message["data"]["screen_pop"])
    assert pop.call is not None
    assert str(pop.call.id) == message["data"]["call_id"]
    return pop


async def why(branch: Branch, sid: str) -> list[str]:
    """Because of what agents were reserved for a call, in order."""
    return [step["detail"]["because"] for step in await branch.steps_of(sid) if step["step"] == "reserved"]


async def end_of_first_leg(call: SimCall) -> str:
    """`canceled` where the caller was fetched from a ringing phone, `no-answer` where it rang until nobody came."""
    return str((await call.wait_for(SimEventKind.LEG_ENDED)).data["status"])


async def test_the_owner_of_their_complaint_then_the_manager_then_who_spoke_with_them_then_who_is_free_longest(
    branch: Branch,
) -> None:
    caller = new_caller()
    spoke = await branch.desk()
    manager = await branch.desk(available=False)
    lu = await branch.customer(caller, owner_id=manager.agent.id)
    await spoke.wrap_up(await branch.talk(spoke, caller), then="break")
    longest = await branch.desk()
    owner = await branch.desk(queue=False)
    async with branch.served.database.session_scope() as session:
        complaint = await make_complaint(session, lu.id, owner.agent.id)
    await spoke.be("available")
    await manager.be("available")

    for desk, because in (
        (owner, "complaint_owner"),
        (manager, "account_manager"),
        (spoke, "last_agent"),
        (longest, "longest_available"),
    ):
        call = await branch.ring(caller)
        pop = await offered(desk, call, branch)
        assert pop.call is not None
        assert pop.call.reserved_because == because
        assert [(shown.code, shown.owner) for shown in pop.complaints] == [(complaint.code, owner.agent.name)]
        assert "open_complaint" in [alert.kind for alert in pop.alerts]
        call.hang_up()
        await desk.until("call.cleared", reason="caller_left")
        await desk.be("break")


@pytest.mark.parametrize("state", ["offline", "break", "wrap_up", "reserved"])
async def test_an_account_manager_who_is_not_available_is_passed_over(branch: Branch, state: str) -> None:
    manager, other = await branch.desk(), await branch.desk(available=False)
    caller = new_caller()
    await branch.customer(caller, owner_id=manager.agent.id)
    if state == "wrap_up":
        await branch.talk(manager)
    elif state == "reserved":
        await branch.posted()
    else:
        await manager.be(state)
    assert await manager.presence() == state
    await other.be("available")

    sid, client = await branch.posted(caller)

    assert client == other.agent.identity
    assert await why(branch, sid) == ["longest_available"]
    assert await manager.presence() == state


async def test_the_account_manager_takes_calls_of_queues_that_are_not_theirs(branch: Branch) -> None:
    await branch.desk()
    manager = await branch.desk(queue=False)
    caller = new_caller()
    await branch.customer(caller, owner_id=manager.agent.id)

    _, client = await branch.posted(caller)

    assert client == manager.agent.identity


async def test_a_number_of_two_customers_prefers_neither_ones_manager(branch: Branch) -> None:
    longest, manager = await branch.desk(), await branch.desk()
    caller = new_caller()
    await branch.customer(caller, name="鲁大海", owner_id=manager.agent.id)
    await branch.customer(caller, name="鲁小海")

    sid, client = await branch.posted(caller)

    assert client == longest.agent.identity
    assert await why(branch, sid) == ["longest_available"]


async def test_whoever_has_been_available_longest_is_next_and_then_goes_to_the_back(branch: Branch) -> None:
    first, second, third = [await branch.desk() for _ in range(3)]
    await first.be("break")
    await first.be("available")

    order = []
    for desk in (second, third, first, second):
        sid, client = await branch.posted()
        order.append(client)
        await branch.over(sid)
        assert await desk.presence() == "available"

    assert order == [desk.agent.identity for desk in (second, third, first, second)]


async def test_agents_of_other_queues_are_not_rung(branch: Branch) -> None:
    await branch.desk(queue=False)

    sid, client = await branch.posted()

    assert client is None
    assert await branch.trace_of(sid) == ["received", "matched", "no_agent"]


async def test_a_deactivated_agent_is_never_reserved(branch: Branch) -> None:
    gone, other = await branch.desk(), await branch.desk()
    caller = new_caller()
    await branch.customer(caller, owner_id=gone.agent.id)
    boss = await branch.boss()
    answer = await boss.http.patch(f"/api/v1/agents/{gone.agent.id}", json={"active": False})
    assert answer.status_code == 200, answer.text
    assert (await gone.http.put("/api/v1/agent/presence", json={"state": "available"})).status_code == 401

    assert (await branch.posted(caller))[1] == other.agent.identity
    assert (await branch.posted(caller))[1] is None

    held = await branch.one("SELECT state, call_id FROM agent_presence WHERE agent_id = :id", id=gone.agent.id)
    assert held == {"state": "offline", "call_id": None}


async def test_who_is_deactivated_while_a_call_is_offered_loses_it_to_the_next(branch: Branch) -> None:
    gone, other = await branch.desk(), await branch.desk()
    boss = await branch.boss()
    call = await branch.ring()
    await branch.leg_ringing(call)

    answer = await boss.http.patch(f"/api/v1/agents/{gone.agent.id}", json={"active": False})

    assert answer.status_code == 200, answer.text
    await offered(other, call, branch)
    assert await end_of_first_leg(call) == "canceled"
    await branch.answer(call, 2)
    await other.until("call.answered")


async def test_nobody_picks_up_so_the_next_agent_is_rung_and_the_first_is_on_a_break(branch: Branch) -> None:
    first, second = await branch.desk(), await branch.desk()

    call = await branch.ring()

    await offered(first, call, branch)
    await first.until("call.cleared", call_id=await branch.id_of(call), reason="no_answer")
    await first.until("presence.changed", state="break", reason="no_answer")
    await offered(second, call, branch)
    await hears(call, "正在为您转接下一位客服")
    await branch.answer(call, 2)
    await second.until("call.answered")
    assert await first.presence() == "break"
    row = await branch.call_row(call.sid)
    assert (row["state"], row["answered_by_id"]) == ("in_progress", second.agent.id)
    assert [step for step in await branch.trace_of(call.sid) if step in ("reserved", "not_answered", "answered")] == [
        "reserved",
        "not_answered",
        "reserved",
        "answered",
    ]
    first_leg = await branch.one(
        "SELECT status, declined_at FROM legs WHERE call_id = :id AND agent_id = :agent",
        id=row["id"],
        agent=first.agent.id,
    )
    assert first_leg == {"status": "no_answer", "declined_at": None}


@pytest.mark.parametrize("how", ["at the phone", "in the browser"])
async def test_who_declines_stays_available_and_is_not_offered_this_call_again(branch: Branch, how: str) -> None:
    first, second = await branch.desk(), await branch.desk()
    call = await branch.ring()
    leg = await branch.leg_ringing(call)
    call_id = await branch.id_of(call)

    if how == "at the phone":
        await branch.line.decline(leg)
    else:
        assert (await first.decline(call_id)).status_code == 200

    await first.until("call.cleared", call_id=call_id, reason="declined")
    await offered(second, call, branch)
    assert await first.presence() == "available"
    # The second does not pick up either: nobody is left, though the first is free.
    await second.until("call.cleared", reason="no_answer")
    await hears(call, "您是下一位")
    assert await first.presence() == "available"
    offers = await branch.rows("SELECT agent_id FROM legs WHERE call_id = :id ORDER BY offered_at", id=call_id)
    assert [row["agent_id"] for row in offers] == [first.agent.id, second.agent.id]
    # Another call is theirs all the same, although the one they declined still waits before it.
    other = await branch.ring()
    await offered(first, other, branch)


async def test_who_frees_themselves_gets_the_first_call_in_line_that_they_have_not_declined(branch: Branch) -> None:
    desk = await branch.desk()
    declined = await branch.ring()
    await branch.leg_ringing(declined)
    await desk.decline(await branch.id_of(declined))
    await hears(declined, "您是下一位")
    await desk.be("break")
    other, _ = await branch.posted()

    assert (await desk.be("available"))["call_id"] == str((await branch.call_row(other))["id"])

    assert (await branch.call_row(declined.sid))["left_queue_at"] is None


async def test_an_agent_whose_phone_cannot_be_reached_is_put_on_a_break(branch: Branch) -> None:
    first, second = await branch.desk(), await branch.desk()
    branch.line.set_script(f"client:{first.agent.identity}", "unreachable")

    call = await branch.ring()

    await first.until("call.cleared", reason="unreachable")
    await first.until("presence.changed", state="break", reason="unreachable")
    await offered(second, call, branch)
    await branch.answer(call)
    await second.until("call.answered")


async def test_when_all_agents_were_tried_the_caller_waits_in_the_place_of_their_coming(branch: Branch) -> None:
    desks = [await branch.desk(), await branch.desk()]
    for desk in desks:
        branch.line.set_script(f"client:{desk.agent.identity}", "no answer")

    call = await branch.ring()

    await hears(call, "您是下一位")
    assert [await desk.presence() for desk in desks] == ["break", "break"]
    row = await branch.call_row(call.sid)
    assert (row["state"], row["queued_at"], row["left_queue_at"]) == ("waiting", row["received_at"], None)


async def test_a_break_while_a_call_is_offered_declines_it(branch: Branch) -> None:
    first, second = await branch.desk(), await branch.desk()
    call = await branch.ring()
    await branch.leg_ringing(call)

    now = await first.be("break", reason="lunch")

    assert (now["state"], now["reason"], now["call_id"]) == ("break", "lunch", None)
    await first.until("call.cleared", reason="declined")
    await offered(second, call, branch)
    assert await end_of_first_leg(call) == "canceled"
    await branch.answer(call, 2)
    await second.until("call.answered")
    assert await first.presence() == "break"


async def test_a_caller_who_leaves_while_it_rings_frees_the_agent(branch: Branch) -> None:
    desk = await branch.desk()
    call = await branch.ring(script="hang up when ringing after 1s")

    await offered(desk, call, branch)
    await desk.until("call.cleared", call_id=await branch.id_of(call), reason="caller_left")

    await desk.until("presence.changed", state="available")
    await call.finished()
    assert (await branch.call_row(call.sid))["state"] == "abandoned"


async def test_a_late_word_of_an_earlier_leg_does_not_take_the_call_from_the_next_agent(branch: Branch) -> None:
    first, second = await branch.desk(), await branch.desk()
    sid, leg = call_sid(), call_sid()
    caller = new_caller()
    await branch.wire.twiml("voice", voice(sid, caller, branch.dialled))
    asked = voice(sid, caller, branch.dialled, status="in-progress", DialCallStatus="no-answer", DialCallSid=leg)
    assert rung(await branch.wire.twiml("dial-result", asked)) == second.agent.identity

    await branch.wire.tell(leg_status(leg, sid, first.agent.identity, "no-answer", 3))

    assert [await first.presence(), await second.presence()] == ["break", "reserved"]
