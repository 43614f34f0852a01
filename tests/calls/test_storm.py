"""Everything at once: many callers, few agents, two instances, a carrier that repeats and mixes what it says."""

import asyncio
import itertools
import random
from datetime import datetime
from typing import Any

import pytest

from app.services import reception
from app.telephony.simulator import SimCall, SimEventKind, Trouble
from app.telephony.simulator.webhooks import Webhooks
from tests.calls.carrier import DIALLED, PUBLIC_URL
from tests.calls.conftest import WIDE, Desk, Hotline, MakeHotline, until, value_of

CALLERS = 30
CALLER_SCRIPTS = [
    "hang up when answered after 4s",
    "hang up when answered after 9s",
    "hang up when ringing after 1s",
    "hang up after 12s",
    "press 1",
    "wait 5s, hang up",
    "hang up when answered after 2s",
]
AGENT_SCRIPTS = [
    "answer after 1s, hang up after 10s",
    "answer after 2s, hang up after 5s",
    "answer, hang up after 7s",
    "decline after 1s",
    "no answer",
    "unreachable",
]
BAD_NEWS = {"carrier_request_failed", "housekeeping_failed", "disconnect_failed", "spool_set_aside", "unexpected error"}


class Busy:
    """An agent who takes what comes, writes it up and goes on, until told to stop."""

    def __init__(self, hotline: Hotline, desk: Desk, chance: random.Random) -> None:
        self.hotline = hotline
        self.desk = desk
        self.chance = chance
        self.called_back = 0

    async def work(self) -> None:
        while True:
            message = await self.desk.next(seconds=60)
            data = message["data"]
            if message["type"] == "callback.due":
                self.called_back += 1
                await self.wrap_up(data["call_id"])
            elif message["type"] == "presence.changed":
                if data["state"] == "wrap_up":
                    await self.wrap_up(data["call_id"])
                elif data["state"] in ("break", "offline"):
                    await self.desk.http.put("/api/v1/agent/presence", json={"state": "available"})
            elif message["type"] == "call.cleared":
                self.next_time()

    def next_time(self) -> None:
        """Decide how the next call is met."""
        self.hotline.line.set_script(f"client:{self.desk.agent.identity}", self.chance.choice(AGENT_SCRIPTS))

    async def wrap_up(self, call_id: str) -> None:
        answer = await self.desk.wrap_up(call_id)
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("seed", [1])
async def test_a_storm_leaves_every_call_ended_and_every_agent_free(
    make_hotline: MakeHotline, monkeypatch: pytest.MonkeyPatch, logged: list[Any], seed: int
) -> None:
    chance = random.Random(seed)
    trouble = Trouble(webhook_copies=2, status_copies=2, status_shuffle=3, status_delay=1, seed=seed)
    # The storm is of messages; how fast this machine is must not add outages to it.
    monkeypatch.setattr(reception, "BUDGET_SECONDS", 10.0)
    patience = {"lookup_budget_ms": 5000}
    queue = {"ring_seconds": 5, "wait_seconds": 3, "max_wait_seconds": 15}
    hotline = await make_hotline(line={"trouble": trouble}, queue=queue, **WIDE, **patience)
    twin = await hotline.twin()
    to = itertools.cycle([hotline.served.url, twin.served.url])
    monkeypatch.setattr(Webhooks, "_connectable", lambda _self, url: url.replace(PUBLIC_URL, next(to)))
    agents = [Busy(hotline, await each.desk(), chance) for each in (hotline, twin, hotline, twin)]
    for agent in agents:
        agent.next_time()

    async with asyncio.TaskGroup() as tasks:
        working = [tasks.create_task(agent.work()) for agent in agents]
        calls = [
            await hotline.line.call(f"+861390000{n:04}", DIALLED, script=chance.choice(CALLER_SCRIPTS))
            for n in range(CALLERS)
        ]
        async with asyncio.timeout(60):
            await asyncio.gather(*(call.finished() for call in calls))
            # Who pressed 1 is called back by whoever is free next.
            await hotline.until("NOT EXISTS (SELECT FROM calls WHERE queued_at IS NOT NULL AND left_queue_at IS NULL)")
            await hotline.until("NOT EXISTS (SELECT FROM agent_presence WHERE state IN ('reserved', 'on_call'))")
        for task in working:
            task.cancel()

    await until(everything_is_replayed, "the spool is empty", seconds=20)
    bad_news = [line for line in logged if line["event"] in BAD_NEWS or line["log_level"] == "critical"]
    assert bad_news == []
    (database,) = await hotline.rows("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    assert database == {"deadlocks": 0}
    for call in calls:
        the_carrier_was_content_with(call)
    nobody_talks_to_two(calls)
    await the_record_agrees_with(hotline, calls)
    for agent in agents:
        await was_told_everything_once(hotline, agent.desk)


async def everything_is_replayed() -> bool:
    """What took longer than its budget was put aside, as it is when the database is away."""
    return value_of("callcard_spool_depth") == 0


def the_carrier_was_content_with(call: SimCall) -> None:
    answers = {event.data["status"] for event in call.events if event.kind is SimEventKind.RESPONSE_RECEIVED}
    assert answers <= {200, 204}
    assert not [event for event in call.events if event.kind is SimEventKind.FALLBACK]


async def the_record_agrees_with(hotline: Hotline, calls: list[SimCall]) -> None:
    rows = {
        row["sid"]: row
        for row in await hotline.rows(
            "SELECT c.provider_call_id AS sid, c.state, a.identity, c.kept_place_at FROM calls c "
            "LEFT JOIN agents a ON a.id = c.answered_by_id"
        )
    }
    assert set(rows) == {call.sid for call in calls}
    for call in calls:
        answered = [event.data["to"] for event in call.events if event.kind is SimEventKind.LEG_ANSWERED]
        row = rows[call.sid]
        assert [f"client:{row['identity']}"] * len(answered) == answered, call.transcript
        if answered:
            assert row["state"] == "completed"
        elif row["kept_place_at"]:
            assert row["state"] == "callback"
        else:
            assert row["state"] in ("abandoned", "voicemail")


def nobody_talks_to_two(calls: list[SimCall]) -> None:
    talks: dict[str, list[tuple[datetime, datetime]]] = {}
    for call in calls:
        for leg in call.legs:
            began = next(
                (e.at for e in call.events if e.kind is SimEventKind.LEG_ANSWERED and e.leg_sid == leg.sid), None
            )
            if began is not None:
                assert leg.record.ended_at is not None
                talks.setdefault(leg.record.to, []).append((began, leg.record.ended_at))
    assert talks
    for spans in talks.values():
        spans.sort()
        assert all(ended <= began for (_, ended), (began, _) in itertools.pairwise(spans))


async def was_told_everything_once(hotline: Hotline, desk: Desk) -> None:
    await desk.rest()
    ids = [int(message["id"]) for message in desk.seen]
    assert ids == list(range(1, len(ids) + 1))
    log = await hotline.one("SELECT count(*), max(no) FROM agent_events WHERE agent_id = :id", id=desk.agent.id)
    assert log == {"count": len(ids), "max": len(ids)}
