"""Two tabs, or two agents, take one call: one wins, everybody else is told who."""

import asyncio
from typing import Any

import httpx

from app.telephony.simulator import SimEventKind
from tests.calls.carrier import CALLER, DIALLED, call_sid, leg_status, rung, status, voice
from tests.calls.conftest import Desk, Hotline

ROUNDS = 10


async def tab_of(hotline: Hotline, desk: Desk) -> httpx.AsyncClient:
    """A connection of its own to an instance, for one more tab of this person; it is open already."""
    http = await hotline.stack.enter_async_context(hotline.served.client(headers=desk.cookie_header))
    assert (await http.get("/api/v1/agent/presence")).status_code == 200
    return http


async def taken(http: httpx.AsyncClient, call_id: str, tab: str) -> tuple[int, dict[str, Any]]:
    answer = await http.post(f"/api/v1/calls/{call_id}/accept", json={"tab": tab})
    return answer.status_code, answer.json()


async def test_fault_16_of_two_tabs_at_once_one_takes_it(hotline: Hotline) -> None:
    desk = await hotline.desk(name="林小雨")
    # Each tab at another instance: no lock in a process's memory will do.
    tabs = {"left": await tab_of(hotline, desk), "right": await tab_of(await hotline.twin(), desk)}
    for _ in range(ROUNDS):
        sid = call_sid()
        await hotline.wire.twiml("voice", voice(sid))
        call_id = (await desk.until("call.offered"))["data"]["call_id"]

        answers = await asyncio.gather(*(taken(http, call_id, tab) for tab, http in tabs.items()))

        by_status = {code: (tab, body) for tab, (code, body) in zip(tabs, answers, strict=True)}
        assert sorted(by_status) == [200, 409]
        winner, call = by_status[200]
        loser, problem = by_status[409]
        assert (call["accepted_by"]["name"], call["accepted_tab"]) == ("林小雨", winner)
        assert {key: problem[key] for key in ("code", "by", "tab")} == {
            "code": "already_accepted",
            "by": "林小雨",
            "tab": winner,
        }
        assert (await hotline.trace_of(sid)).count("accepted") == 1
        # Who has it may say so again; who has not is refused again.
        assert (await taken(tabs[winner], call_id, winner))[0] == 200
        assert (await taken(tabs[loser], call_id, loser))[0] == 409
        assert (await hotline.trace_of(sid)).count("accepted") == 1
        await hotline.wire.tell(status(sid, "completed", 1))


async def test_fault_16_one_tab_may_repeat_itself_at_once(hotline: Hotline) -> None:
    desk = await hotline.desk()
    connections = [await tab_of(hotline, desk) for _ in range(5)]
    sid = call_sid()
    await hotline.wire.twiml("voice", voice(sid))
    call_id = (await desk.until("call.offered"))["data"]["call_id"]

    answers = await asyncio.gather(*(taken(http, call_id, "same") for http in connections))

    assert [code for code, _ in answers] == [200] * 5
    assert (await hotline.trace_of(sid)).count("accepted") == 1


async def test_fault_16_an_agent_who_comes_too_late_is_told_who_has_it(hotline: Hotline) -> None:
    slow, quick = await hotline.desk(name="慢"), await hotline.desk(name="快")
    sid, first, second = call_sid(), call_sid(), call_sid()
    assert rung(await hotline.wire.twiml("voice", voice(sid))) == slow.agent.identity
    call_id = (await slow.until("call.offered"))["data"]["call_id"]
    await hotline.wire.tell(leg_status(first, sid, slow.agent.identity, "ringing", 1))
    gone_on = voice(sid, status="in-progress", DialCallStatus="no-answer", DialCallSid=first)

    assert rung(await hotline.wire.twiml("dial-result", gone_on)) == quick.agent.identity

    async def refused() -> None:
        code, problem = await taken(slow.http, call_id, "one")
        assert (code, problem["code"], problem["by"]) == (409, "not_offered", "快")
        assert "快" in problem["detail"]
        declined = await slow.decline(call_id)
        assert (declined.status_code, declined.json()["code"]) == (409, "not_offered")

    await slow.until("call.cleared", reason="no_answer")
    # While it rings at the other's, once they have it, and when all is over.
    await refused()
    assert (await quick.accept(call_id)).status_code == 200
    await refused()
    await hotline.wire.tell(leg_status(second, sid, quick.agent.identity, "in-progress", 2))
    await refused()
    await hotline.wire.tell(status(sid, "completed", 3))
    assert (await quick.wrap_up(call_id)).status_code == 200
    await refused()
    row = await hotline.call_row(sid)
    assert (row["accepted_by_id"], row["answered_by_id"]) == (quick.agent.id, quick.agent.id)
    assert (await slow.presence(), await quick.presence()) == ("break", "available")


async def test_fault_16_two_agents_at_once_never_both(hotline: Hotline) -> None:
    one, two = await hotline.desk(), await hotline.desk()
    for _ in range(ROUNDS):
        sid, leg = call_sid(), call_sid()
        offered_to = rung(await hotline.wire.twiml("voice", voice(sid)))
        first, then = (one, two) if offered_to == one.agent.identity else (two, one)
        call_id = str((await hotline.call_row(sid))["id"])
        await hotline.wire.tell(leg_status(leg, sid, first.agent.identity, "ringing", 1))
        gone_on = voice(sid, status="in-progress", DialCallStatus="no-answer", DialCallSid=leg)

        # At the very moment at which it goes on to the other, the first one takes it.
        (late, _), twiml = await asyncio.gather(
            taken(first.http, call_id, "one"), hotline.wire.twiml("dial-result", gone_on)
        )
        code, call = await taken(then.http, call_id, "one")

        assert rung(twiml) == then.agent.identity
        assert late in {200, 409}
        assert (code, call["accepted_by"]["name"]) == (200, then.agent.name)
        code, problem = await taken(first.http, call_id, "one")
        assert (code, problem["by"]) == (409, then.agent.name)
        await hotline.wire.tell(status(sid, "completed", 2))
        await first.be("available")


async def test_fault_16_a_whole_call_that_goes_on_to_the_next_agent(hotline: Hotline) -> None:
    slow, quick = await hotline.desk(), await hotline.desk(name="快")
    hotline.line.set_script(f"client:{slow.agent.identity}", "no answer")

    call = await hotline.line.call(CALLER, DIALLED)
    call_id = (await slow.until("call.offered"))["data"]["call_id"]
    await slow.until("call.cleared", reason="no_answer")
    await quick.until("call.offered", call_id=call_id)

    code, problem = await taken(slow.http, call_id, "one")
    assert (code, problem["by"]) == (409, "快")
    assert (await quick.accept(call_id)).status_code == 200
    await hotline.answer(call, 2)
    await quick.until("call.answered")
    call.hang_up()
    await call.finished()
    ended = await quick.until("call.ended")
    assert ended["data"] == {"call_id": call_id, "state": "completed"}
    assert call.journal.find(SimEventKind.WARNING) is None
