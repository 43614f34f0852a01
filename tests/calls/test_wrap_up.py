"""Writing a call up: who may, when, what becomes of it, and whose call it turns out to be."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from app.models.people import Role
from tests.calls.branches import Branch, hears, new_caller, open_branch
from tests.calls.conftest import Desk, Hotline


@pytest.fixture
async def branch(standing: Hotline) -> AsyncIterator[Branch]:
    async with open_branch(standing) as opened:
        yield opened


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a refusal, which must be one."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["code"]


async def history(branch: Branch, call_id: str) -> list[dict[str, Any]]:
    """What a customer's history says of a call."""
    return await branch.rows(
        "SELECT customer_id, agent_id, summary, channel, direction FROM interactions WHERE call_id = :id", id=call_id
    )


async def test_what_the_agent_says_is_kept_and_frees_them(branch: Branch) -> None:
    desk = await branch.desk()
    call_id = await branch.talk(desk)

    answer = await desk.wrap_up(
        call_id, "order", stage="sale", heard_of_us="recommendation", notes="要三台。\n周二送货。"
    )

    assert answer.status_code == 200, answer.text
    read = answer.json()
    assert (read["disposition"], read["stage"], read["heard_of_us"]) == ("order", "sale", "recommendation")
    assert read["notes"] == "要三台。\n周二送货。"
    assert read["wrapped_up_by"]["id"] == read["answered_by"]["id"] == str(desk.agent.id)
    assert read["wrapped_up_at"] is not None
    assert read["state"] == "completed"
    await desk.until("presence.changed", state="available")
    assert await desk.presence() == "available"
    assert (await branch.trace_of(read["provider_call_id"]))[-1] == "wrapped_up"


@pytest.mark.parametrize("then", ["available", "break", "offline"])
async def test_afterwards_the_agent_is_what_they_say(branch: Branch, then: str) -> None:
    desk = await branch.desk()

    answer = await desk.wrap_up(await branch.talk(desk), then=then)

    assert answer.status_code == 200, answer.text
    assert await desk.presence() == then


@pytest.mark.parametrize("then", ["reserved", "on_call", "wrap_up"])
async def test_afterwards_nobody_is_by_choice_what_only_a_call_makes_them(branch: Branch, then: str) -> None:
    desk = await branch.desk()
    call_id = await branch.talk(desk)

    assert problem(await desk.wrap_up(call_id, then=then)) == (409, "bad_next_presence")

    assert await desk.presence() == "wrap_up"
    assert (await desk.http.get(f"/api/v1/calls/{call_id}")).json()["wrapped_up_at"] is None


async def test_a_call_of_somebody_elses_is_theirs_to_write_up(branch: Branch) -> None:
    desk = await branch.desk()
    call_id = await branch.talk(desk)
    other = await branch.desk()

    assert problem(await other.wrap_up(call_id)) == (403, "not_your_call")

    assert await desk.presence() == "wrap_up"
    assert problem(await other.wrap_up(str(uuid4()))) == (404, "no_such_call")


async def test_a_supervisor_may_write_up_any_call_and_takes_no_agent_from_their_desk(branch: Branch) -> None:
    desk = await branch.desk()
    call_id = await branch.talk(desk)
    boss = await branch.boss(Role.SUPERVISOR)

    answer = await boss.http.put(f"/api/v1/calls/{call_id}/wrap-up", json={"disposition": "spam"})

    assert answer.status_code == 200, answer.text
    assert answer.json()["wrapped_up_by"]["id"] == str(boss.agent.id)
    assert await desk.presence() == "wrap_up"
    assert (await desk.wrap_up(call_id)).status_code == 200
    assert await desk.presence() == "available"


async def test_where_nobody_talked_there_is_nothing_to_wrap_up(branch: Branch) -> None:
    call = await branch.waiting()
    call.hang_up()
    await call.finished()
    boss = await branch.boss(Role.SUPERVISOR)
    path = f"/api/v1/calls/{await branch.id_of(call)}/wrap-up"

    assert problem(await boss.http.put(path, json={"disposition": "other"})) == (409, "nothing_to_wrap_up")


async def test_an_agent_who_was_only_offered_a_call_has_nothing_to_say_about_it(branch: Branch) -> None:
    desk = await branch.desk()
    call = await branch.ring()
    await desk.until("call.offered")

    assert problem(await desk.wrap_up(await branch.id_of(call))) == (403, "not_your_call")

    assert await desk.presence() == "reserved"


async def test_a_correction_changes_the_entry_in_the_history_and_nothing_of_the_agents(branch: Branch) -> None:
    caller = new_caller()
    lu = await branch.customer(caller)
    desk = await branch.desk()
    call_id = await branch.talk(desk, caller)
    await desk.wrap_up(call_id, "information", notes="问价格。")
    (entry,) = await history(branch, call_id)
    assert entry == {
        "customer_id": lu.id,
        "agent_id": desk.agent.id,
        "summary": "问价格。",
        "channel": "call",
        "direction": "inbound",
    }
    await desk.be("break", reason="lunch")

    answer = await desk.wrap_up(call_id, "order", notes="下单了。")

    assert answer.status_code == 200, answer.text
    assert answer.json()["disposition"] == "order"
    assert await history(branch, call_id) == [{**entry, "summary": "下单了。"}]
    assert await desk.presence() == "break"


async def test_a_wrap_up_without_notes_says_the_disposition_in_the_history(branch: Branch) -> None:
    caller = new_caller()
    await branch.customer(caller)
    desk = await branch.desk()
    call_id = await branch.talk(desk, caller)

    await desk.wrap_up(call_id, "wrong_number")

    assert [entry["summary"] for entry in await history(branch, call_id)] == ["wrong_number"]


async def test_what_is_written_while_still_talking_keeps_the_agent_on_the_call(branch: Branch) -> None:
    desk = await branch.desk()
    call = await branch.ring()
    await branch.answer(call)
    await desk.until("call.answered")
    call_id = await branch.id_of(call)

    assert (await desk.wrap_up(call_id, "follow_up", notes="还在谈。")).status_code == 200

    assert await desk.presence() == "on_call"
    call.hang_up()
    await desk.until("presence.changed", state="wrap_up")
    assert (await desk.http.get(f"/api/v1/calls/{call_id}")).json()["notes"] == "还在谈。"


async def test_after_a_wrap_up_whoever_waits_is_next(branch: Branch) -> None:
    desk = await branch.desk()
    call_id = await branch.talk(desk)
    waiting = await branch.waiting()

    await desk.wrap_up(call_id)

    await desk.until("call.offered", call_id=await branch.id_of(waiting))
    await branch.answer(waiting)
    await desk.until("call.answered")


async def test_the_agent_of_a_promised_call_back_writes_it_up(branch: Branch) -> None:
    call = await branch.waiting(script="press 1")
    await call.finished()
    desk = await branch.desk()
    call_id = str((await desk.until("callback.due"))["data"]["call_id"])

    answer = await desk.wrap_up(call_id, "resolved", notes="已回电。", then="break")

    assert answer.status_code == 200, answer.text
    assert answer.json()["wrapped_up_by"]["id"] == str(desk.agent.id)
    assert await desk.presence() == "break"
    # A word to add is still theirs.
    assert (await desk.wrap_up(call_id, "resolved", notes="已回电，满意。")).status_code == 200


async def recognised(branch: Branch, desk: Desk, caller: str) -> tuple[str, str | None]:
    """How the next call from a number is matched, and the code of whose card appears."""
    call = await branch.ring(caller)
    offered = await desk.until("call.offered", call_id=await branch.id_of(call))
    call.hang_up()
    await desk.until("call.cleared")
    pop = offered["data"]["screen_pop"]
    return pop["match"]["outcome"], pop["customer"]["code"] if pop["customer"] else None


async def test_a_call_is_linked_to_a_customer_and_the_number_is_remembered(branch: Branch) -> None:
    caller, lu = new_caller(), await branch.customer(new_caller(), name="鲁大海")
    desk = await branch.desk()
    assert await recognised(branch, desk, caller) == ("unknown", None)
    call_id = await branch.talk(desk, caller)
    await desk.wrap_up(call_id, notes="说是老客户。")
    assert await history(branch, call_id) == []

    answer = await desk.http.put(f"/api/v1/calls/{call_id}/customer", json={"customer": lu.code})

    assert answer.status_code == 200, answer.text
    read = answer.json()
    assert (read["customer"]["code"], read["match_outcome"], read["match_reason"]) == (lu.code, "unique", "by_hand")
    assert [entry["customer_id"] for entry in await history(branch, call_id)] == [lu.id]
    assert (await branch.trace_of(read["provider_call_id"]))[-1] == "linked"
    assert await recognised(branch, desk, caller) == ("unique", lu.code)


async def test_a_number_is_not_remembered_that_is_not_to_be(branch: Branch) -> None:
    caller, lu = new_caller(), await branch.customer(new_caller())
    desk = await branch.desk()
    call_id = await branch.talk(desk, caller)

    answer = await desk.http.put(
        f"/api/v1/calls/{call_id}/customer", json={"customer": str(lu.id), "remember_number": False}
    )

    assert answer.json()["customer"]["code"] == lu.code
    await desk.wrap_up(call_id)
    assert await recognised(branch, desk, caller) == ("unknown", None)


@pytest.mark.parametrize("number", ["anonymous", "10086"])
async def test_a_call_without_a_number_is_linked_all_the_same(branch: Branch, number: str) -> None:
    lu = await branch.customer(new_caller())
    desk = await branch.desk()
    call_id = await branch.talk(desk, number)

    answer = await desk.http.put(f"/api/v1/calls/{call_id}/customer", json={"customer": lu.code})

    assert answer.status_code == 200, answer.text
    phones = await branch.one("SELECT count(*) FROM customer_phones WHERE customer_id = :id", id=lu.id)
    assert phones == {"count": 1}


async def test_linking_names_what_is_not_there(branch: Branch) -> None:
    desk = await branch.desk()
    call_id = await branch.talk(desk)

    unknown = await desk.http.put(f"/api/v1/calls/{call_id}/customer", json={"customer": "C9999999"})
    assert problem(unknown)[0] == 404
    path = f"/api/v1/calls/{uuid4()}/customer"
    assert problem(await desk.http.put(path, json={"customer": "C1"})) == (404, "no_such_call")


async def test_an_unknown_caller_becomes_a_customer_from_the_call(branch: Branch) -> None:
    caller, desk = new_caller(), await branch.desk()
    call_id = await branch.talk(desk, caller)

    answer = await desk.http.post(f"/api/v1/calls/{call_id}/customer", json={"name": "卢小溪", "language": "zh-CN"})

    assert answer.status_code == 201, answer.text
    made = answer.json()["customer"]
    assert made["name"] == "卢小溪"
    await desk.wrap_up(call_id)
    phones = await branch.rows("SELECT e164, is_primary FROM customer_phones WHERE customer_id = :id", id=made["id"])
    assert phones == [{"e164": caller, "is_primary": True}]
    assert await recognised(branch, desk, caller) == ("unique", made["code"])


async def test_no_customer_is_left_behind_where_there_is_no_call(branch: Branch) -> None:
    desk = await branch.desk()
    before = await branch.counts()

    answer = await desk.http.post(f"/api/v1/calls/{uuid4()}/customer", json={"name": "卢小溪"})

    assert problem(answer) == (404, "no_such_call")
    assert await branch.counts() == before


async def test_whom_a_waiting_call_was_linked_to_is_on_the_card_that_the_next_agent_gets(branch: Branch) -> None:
    lu = await branch.customer(new_caller(), name="鲁大海")
    call = await branch.waiting()
    await hears(call, "您是下一位")
    boss = await branch.boss(Role.SUPERVISOR)
    path = f"/api/v1/calls/{await branch.id_of(call)}/customer"
    linked = await boss.http.put(path, json={"customer": lu.code, "remember_number": False})
    assert linked.status_code == 200, linked.text

    desk = await branch.desk(available=False)
    await desk.be("available")

    pop = (await desk.until("call.offered"))["data"]["screen_pop"]
    assert (pop["match"]["outcome"], pop["customer"]["code"]) == ("unique", lu.code)
