"""Calls that come at the same moment: no agent is given two of them, and nobody jumps the line."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.calls.branches import Branch, new_caller, open_branch
from tests.calls.carrier import Wire, call_sid, rung, spoken
from tests.calls.conftest import Hotline

ROUNDS = 20


@pytest.fixture
async def branch(standing: Hotline) -> AsyncIterator[Branch]:
    async with open_branch(standing) as opened:
        yield opened


@pytest.fixture(scope="module")
async def twin(standing: Hotline) -> Hotline:
    """Another instance of the service on the same database."""
    return await standing.twin()


async def wires(branch: Branch, twin: Hotline, instances: str) -> list[Wire]:
    """Over which two calls come in: two connections to one instance, or one to each of two."""
    second = twin.served if instances == "two instances" else branch.served
    await twin.served.runtime.hotline.refresh()
    opened = [await branch.stack.enter_async_context(Wire(served.url)) for served in (branch.served, second)]
    # Connected beforehand, so that what is measured is not who connects faster.
    await asyncio.gather(*(wire.http.get(f"{wire.url}/healthz") for wire in opened))
    return opened


@pytest.mark.parametrize("instances", ["one instance", "two instances"])
async def test_of_two_calls_at_once_for_the_last_free_agent_one_rings_and_one_waits(
    branch: Branch, twin: Hotline, instances: str
) -> None:
    desk = await branch.desk()
    both = await wires(branch, twin, instances)
    for _ in range(ROUNDS):
        sids = [call_sid(), call_sid()]

        answers = await asyncio.gather(
            *(w.twiml("voice", branch.form(sid, new_caller())) for w, sid in zip(both, sids, strict=True))
        )

        ringing = [sid for sid, answer in zip(sids, answers, strict=True) if rung(answer)]
        (waiting,) = set(sids) - set(ringing)
        assert [rung(answer) for answer in answers if rung(answer)] == [desk.agent.identity]
        assert "您是下一位" in spoken(answers[sids.index(waiting)])
        assert {sid: (await branch.call_row(sid))["state"] for sid in sids} == {
            ringing[0]: "ringing",
            waiting: "waiting",
        }
        held = await branch.one("SELECT state, call_id FROM agent_presence WHERE agent_id = :id", id=desk.agent.id)
        assert held == {"state": "reserved", "call_id": (await branch.call_row(ringing[0]))["id"]}
        assert "reserved" not in await branch.trace_of(waiting)
        await branch.over(waiting)
        await branch.over(ringing[0])
        assert await desk.presence() == "available"
    offers = await branch.one(
        "SELECT count(*), count(DISTINCT call_id) AS calls FROM agent_events "
        "WHERE agent_id = :id AND type = 'call.offered'",
        id=desk.agent.id,
    )
    assert offers == {"count": ROUNDS, "calls": ROUNDS}


@pytest.mark.parametrize("instances", ["one instance", "two instances"])
async def test_six_calls_at_once_for_three_agents_leave_no_agent_out(
    branch: Branch, twin: Hotline, instances: str
) -> None:
    desks = [await branch.desk() for _ in range(3)]
    both = await wires(branch, twin, instances)

    answers = await asyncio.gather(
        *(both[n % 2].twiml("voice", branch.form(call_sid(), new_caller())) for n in range(6))
    )

    assert sorted(filter(None, map(rung, answers))) == sorted(desk.agent.identity for desk in desks)
    assert [await desk.presence() for desk in desks] == ["reserved"] * 3
    states = await branch.rows(
        "SELECT state, count(*) FROM calls WHERE queue_id = :id GROUP BY state ORDER BY state", id=branch.queue.id
    )
    assert states == [{"state": "ringing", "count": 3}, {"state": "waiting", "count": 3}]


@pytest.mark.parametrize("instances", ["one instance", "two instances"])
async def test_an_agent_who_is_freed_while_a_new_call_rings_goes_to_who_waited(
    branch: Branch, twin: Hotline, instances: str
) -> None:
    desk = await branch.desk(available=False)
    both = await wires(branch, twin, instances)
    for _ in range(ROUNDS // 2):
        first, _ = await branch.posted()
        third = call_sid()

        answer, _ = await asyncio.gather(both[1].twiml("voice", branch.form(third, new_caller())), desk.be("available"))

        assert rung(answer) is None
        held = await branch.one("SELECT call_id FROM agent_presence WHERE agent_id = :id", id=desk.agent.id)
        assert held == {"call_id": (await branch.call_row(first))["id"]}
        assert (await branch.call_row(third))["state"] == "waiting"
        await branch.over(third)
        await desk.be("break")
        await branch.over(first)


async def test_an_agent_who_becomes_available_at_two_tabs_at_once_gets_one_call(branch: Branch) -> None:
    desk = await branch.desk(available=False)
    first, _ = await branch.posted()
    second, _ = await branch.posted()

    tabs = [desk, await branch.another_tab(desk)]
    answers = await asyncio.gather(
        *(tab.http.put("/api/v1/agent/presence", json={"state": "available"}) for tab in tabs)
    )

    # The slower of the two finds a call offered already, and is told so.
    assert sorted(answer.status_code for answer in answers) in ([200, 200], [200, 409])
    offered = await branch.rows(
        "SELECT call_id FROM agent_events WHERE agent_id = :id AND type = 'call.offered'", id=desk.agent.id
    )
    assert offered == [{"call_id": (await branch.call_row(first))["id"]}]
    assert (await branch.call_row(second))["left_queue_at"] is None
