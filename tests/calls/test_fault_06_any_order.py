"""Status callbacks come twice, late, in any order, or not at all: the record of the call is the same."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.models import Agent
from app.telephony.simulator import Trouble
from tests.calls.carrier import Pairs, call_sid, leg_status, rung, said_at, status, voice
from tests.calls.conftest import Hotline, MakeHotline
from tests.factories import make_agent

Message = tuple[str, Pairs]

# Ten minutes ago by the carrier's clock, so that what we take from it is told from what we note by our own.
BEGAN = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=10)


def after(seconds: int) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def leg(sid: str, parent: str, who: str, *told: tuple[str, int], **last: str) -> list[Message]:
    """The status callbacks of one leg: each what it says, and when by the carrier's clock."""
    return [
        (
            "status",
            leg_status(sid, parent, who, what, n, Timestamp=said_at(after(at)), **(last if n == len(told) - 1 else {})),
        )
        for n, (what, at) in enumerate(told)
    ]


class History:
    """Everything that the carrier says of a call that the first agent let ring and the second one took.

    `must` are the messages without which nobody could know the facts, `may` those that only repeat them.
    """

    def __init__(self, first: str, second: str) -> None:
        self.sid, self.first_leg, self.second_leg = call_sid(), call_sid(), call_sid()
        missed = leg(self.first_leg, self.sid, first, ("initiated", 0), ("ringing", 1), ("no-answer", 21))
        taken = leg(
            self.second_leg,
            self.sid,
            second,
            ("initiated", 22),
            ("ringing", 23),
            ("in-progress", 30),
            ("completed", 90),
            CallDuration="60",
        )
        own = [
            ("status", status(self.sid, what, n, Timestamp=said_at(after(at))))
            for n, (what, at) in enumerate([("initiated", 0), ("ringing", 0), ("in-progress", 30), ("completed", 91)])
        ]
        over = ("dial-result", self.dialled("completed", self.second_leg, "in-progress"))
        hung_up = ("dial-result", self.dialled("completed", self.second_leg, "completed"))
        again = ("dial-result", self.dialled("no-answer", self.first_leg, "in-progress"))
        self.must = [missed[-1], taken[-1], own[-1]]
        self.may = [*missed[:-1], *taken[:-1], *own[:-1], over, hung_up, again]

    def dialled(self, result: str, leg_sid: str, call_status: str) -> Pairs:
        return voice(self.sid, status=call_status, DialCallStatus=result, DialCallSid=leg_sid)


@pytest.fixture(scope="module")
async def pair(standing: Hotline) -> tuple[Agent, Agent]:
    """Two agents of the queue."""
    async with standing.served.database.session_scope() as session:
        first, second = [await make_agent(session, queues=[standing.queue]) for _ in range(2)]
    return first, second


BOTH_FREE = text("""
    UPDATE agent_presence SET state = 'available', call_id = NULL, reserved_until = NULL, since = now(),
        available_since = now() + CASE WHEN agent_id = :second THEN interval '1 second' ELSE interval '0' END
""")


async def record(hotline: Hotline, sid: str) -> dict[str, Any]:
    """What is to be the same."""
    call = await hotline.one(
        "SELECT id, state, customer_status, answered_by_id, answered_at, ended_at, is_stub FROM calls "
        "WHERE provider_call_id = :sid",
        sid=sid,
    )
    legs = await hotline.rows(
        "SELECT provider_call_id, kind, agent_id, status, answered_at, ended_at, declined_at FROM legs "
        "WHERE call_id = :id ORDER BY provider_call_id",
        id=call["id"],
    )
    return {**call, "legs": legs}


@st.composite
def deliveries(draw: st.DrawFn) -> list[tuple[bool, int]]:
    """In which order messages are delivered, by (is it of `must`, its number): some twice, some of `may` never."""
    told = [(True, n) for n in range(3)]
    told += draw(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=16))
    return draw(st.permutations(told))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(order=deliveries())
async def test_fault_06_any_order_ends_in_the_same_record(
    standing: Hotline, pair: tuple[Agent, Agent], order: list[tuple[bool, int]]
) -> None:
    first, second = pair
    async with standing.served.database.session_scope() as session:
        await session.execute(BOTH_FREE, {"second": second.id})
    history = History(first.identity, second.identity)
    wire = standing.wire
    assert rung(await wire.twiml("voice", voice(history.sid))) == first.identity
    next_one = await wire.twiml("dial-result", history.dialled("no-answer", history.first_leg, "in-progress"))
    assert rung(next_one) == second.identity

    for is_a_must, number in order:
        messages = history.must if is_a_must else history.may
        route, form = messages[number % len(messages)]
        answer = await wire.post(route, form)
        assert answer.status_code in (200, 204), answer.text

    found = await record(standing, history.sid)
    missed, taken = sorted(
        [
            {
                "provider_call_id": history.first_leg,
                "agent_id": first.id,
                "status": "no_answer",
                "answered_at": None,
                "ended_at": after(21),
            },
            {
                "provider_call_id": history.second_leg,
                "agent_id": second.id,
                "status": "completed",
                "answered_at": after(30),
                "ended_at": after(90),
            },
        ],
        key=lambda leg: leg["provider_call_id"],
    )
    assert found == {
        "id": found["id"],
        "state": "completed",
        "customer_status": "completed",
        "answered_by_id": second.id,
        "answered_at": after(30),
        "ended_at": after(91),
        "is_stub": False,
        "legs": [{**leg, "kind": "agent", "declined_at": None} for leg in (missed, taken)],
    }
    # Nobody is left with a call that is over.
    held = await standing.rows(
        "SELECT state FROM agent_presence WHERE call_id = :id AND state IN ('reserved', 'on_call')", id=found["id"]
    )
    assert held == []


TERMINAL = ["completed", "busy", "failed", "no-answer", "canceled"]


@pytest.mark.parametrize("last", TERMINAL)
async def test_fault_06_a_terminal_state_stays(standing: Hotline, last: str) -> None:
    sid = call_sid()
    await standing.wire.twiml("voice", voice(sid))
    await standing.wire.tell(status(sid, last, 3))
    ended = await record(standing, sid)
    assert ended["state"] == ("failed" if last in ("busy", "failed") else "abandoned")

    for n, what in enumerate(["queued", "initiated", "ringing", "in-progress"]):
        await standing.wire.tell(status(sid, what, n))
    await standing.wire.twiml("wait", voice(sid, status="in-progress"))
    await standing.wire.twiml("voice", voice(sid))

    assert await record(standing, sid) == ended


@pytest.mark.parametrize("times", [1, 2])
async def test_fault_06_completed_before_ringing_lets_the_agent_go_at_once(hotline: Hotline, times: int) -> None:
    desk = await hotline.desk()
    sid, leg_sid = call_sid(), call_sid()
    await hotline.wire.twiml("voice", voice(sid))
    await desk.until("call.offered")

    for _ in range(times):
        await hotline.wire.tell(status(sid, "completed", 1))
    for n, what in enumerate(["initiated", "ringing", "canceled"]):
        await hotline.wire.tell(leg_status(leg_sid, sid, desk.agent.identity, what, n))

    await desk.until("call.cleared", reason="caller_left")
    await desk.until("presence.changed", state="available")
    assert await desk.presence() == "available"
    assert "call." not in " ".join(message["type"] for message in await desk.rest())
    assert (await hotline.call_row(sid))["state"] == "abandoned"


async def test_fault_06_two_things_said_at_the_same_moment_are_both_kept(hotline: Hotline) -> None:
    desk = await hotline.desk()
    for _ in range(5):
        sid, leg_sid = call_sid(), call_sid()
        await hotline.wire.twiml("voice", voice(sid))
        told = [
            leg_status(leg_sid, sid, desk.agent.identity, what, n) for n, what in enumerate(["ringing", "in-progress"])
        ]
        told.append(leg_status(leg_sid, sid, desk.agent.identity, "completed", 2, CallDuration="0"))
        told.append(status(sid, "completed", 1))

        await asyncio.gather(*(hotline.wire.tell(form) for form in told))

        found = await record(hotline, sid)
        assert (found["state"], found["answered_by_id"]) == ("completed", desk.agent.id)
        assert [leg["status"] for leg in found["legs"]] == ["completed"]
        await desk.be("break")
        await desk.be("available")


async def test_fault_06_a_carrier_that_mixes_doubles_and_loses(make_hotline: MakeHotline) -> None:
    trouble = Trouble(status_copies=2, status_shuffle=4, status_delay=2, status_drop=0.3, seed=6)
    hotline = await make_hotline(line={"trouble": trouble, "default_agent": "answer after 2s"})
    desk = await hotline.desk()
    await hotline.desk()

    call = await hotline.line.call("+8613800138000", "+862155501000", script="hang up when answered after 5s")
    await call.finished()

    found = await record(hotline, call.sid)
    assert (found["state"], found["answered_by_id"]) == ("completed", desk.agent.id)
    assert [leg["status"] for leg in found["legs"]] == ["completed"]
    assert await desk.presence() in ("wrap_up", "available")
