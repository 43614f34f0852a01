"""Calls that ring at the same moment share a statement, and none of them suffers for another."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg
import pytest

from app.services import ringer
from tests.calls.carrier import call_sid, rung, status, voice
from tests.calls.conftest import WIDE, Hotline, MakeHotline
from tests.calls.test_fault_09_to_11_slow_and_broken import FALLBACK, locked

MANY = 20


@asynccontextmanager
async def held_back(hotline: Hotline) -> AsyncIterator[None]:
    """Until the block ends, whatever rings waits: the first call on its way, those behind it for company."""
    async with locked(hotline, "customer_phones"):
        yield


async def ring_behind(hotline: Hotline, forms: list[Any]) -> list[asyncio.Task[str]]:
    """Have these calls ring, all of them behind one that is on its way to a database which holds it back."""
    ringing = [asyncio.create_task(hotline.wire.twiml("voice", form)) for form in forms]
    # All of them have reached the service once each has a connection's worth of waiting: the database sees the first.
    await hotline.until("(SELECT count(*) FROM pg_locks WHERE NOT granted) > 0")
    return ringing


async def test_many_calls_take_few_transactions(make_hotline: MakeHotline) -> None:
    hotline = await make_hotline(**WIDE, lookup_budget_ms=5000)
    desks = [await hotline.desk() for _ in range(3)]
    sids = [call_sid() for _ in range(MANY)]

    async with held_back(hotline):
        ringing = await ring_behind(hotline, [voice(sid, f"+8613912340{n:03}") for n, sid in enumerate(sids)])
    answers = await asyncio.gather(*ringing)

    offered = sorted(filter(None, map(rung, answers)))
    assert offered == sorted(desk.agent.identity for desk in desks)
    written = await hotline.one(
        "SELECT count(*) AS calls, count(DISTINCT xmin::text) AS transactions, "
        "count(*) FILTER (WHERE state = 'waiting') AS waiting FROM calls WHERE provider_call_id = ANY(:sids)",
        sids=sids,
    )
    assert (written["calls"], written["waiting"]) == (MANY, MANY - 3)
    assert written["transactions"] < MANY / 2
    for desk in desks:
        card = await desk.until("call.offered")
        assert card["data"]["screen_pop"]["call"]["id"] == card["data"]["call_id"]
    # Each was told its own place, and no place twice.
    places = await hotline.rows(
        "SELECT routed -> 'place' AS place FROM calls WHERE provider_call_id = ANY(:sids) AND state = 'waiting'",
        sids=sids,
    )
    assert sorted(row["place"] for row in places) == list(range(1, MANY - 2))


async def test_a_call_that_the_database_refuses_spoils_no_other(make_hotline: MakeHotline, logged: list[Any]) -> None:
    hotline = await make_hotline(**WIDE, lookup_budget_ms=5000, fallback_number=FALLBACK)
    desk = await hotline.desk()
    await hotline.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$"
    )
    bad, sids = call_sid(), [call_sid() for _ in range(4)]
    await hotline.execute(
        "CREATE TRIGGER refuse BEFORE INSERT ON calls FOR EACH ROW "
        f"WHEN (NEW.provider_call_id = '{bad}') EXECUTE FUNCTION refuse()"
    )

    async with held_back(hotline):
        ringing = await ring_behind(hotline, [voice(call_sid()), *[voice(sid) for sid in (*sids[:2], bad, *sids[2:])]])
    _, *answers = await asyncio.gather(*ringing)

    assert rung(answers.pop(2)) == FALLBACK
    rows = await hotline.rows("SELECT state FROM calls WHERE provider_call_id = ANY(:sids)", sids=sids)
    assert {row["state"] for row in rows} <= {"ringing", "waiting"}
    assert len(rows) == len(sids)
    assert FALLBACK not in [rung(answer) for answer in answers]
    assert await desk.presence() == "reserved"
    (line,) = [line for line in logged if line["event"] == "calls_written_one_by_one"]
    assert line["error"] == "RaiseError"


async def test_the_same_webhook_behind_itself_finds_what_became_of_the_first(
    make_hotline: MakeHotline, logged: list[Any]
) -> None:
    hotline = await make_hotline(**WIDE, lookup_budget_ms=5000)
    desk = await hotline.desk()
    await hotline.desk()
    sid = call_sid()

    async with held_back(hotline):
        ringing = await ring_behind(hotline, [voice(sid) for _ in range(4)])
    answers = await asyncio.gather(*ringing)

    assert len(set(answers)) == 1
    assert rung(answers[0]) == desk.agent.identity
    counts = await hotline.counts()
    assert (counts["calls"], counts["legs"]) == (1, 1)
    assert "calls_written_one_by_one" not in [line["event"] for line in logged]


async def test_a_call_that_is_held_up_does_not_hold_up_those_behind_it(make_hotline: MakeHotline) -> None:
    """Somebody works on the row of a call that rings: it waits for them, the others take another connection."""
    hotline = await make_hotline(**WIDE, lookup_budget_ms=5000)
    desk = await hotline.desk()
    stuck = call_sid()
    await hotline.wire.tell(status(stuck, "ringing", 0))
    connection = await asyncpg.connect(hotline.served.database.dsn)
    try:
        async with connection.transaction():
            await connection.execute("SELECT FROM calls WHERE provider_call_id = $1 FOR UPDATE", stuck)
            waits = asyncio.create_task(hotline.wire.twiml("voice", voice(stuck)))
            await hotline.until("(SELECT count(*) FROM pg_locks WHERE NOT granted) > 0")

            async with asyncio.timeout(2):
                others = await asyncio.gather(*(hotline.wire.twiml("voice", voice(call_sid())) for _ in range(3)))
            assert not waits.done()
        # The one agent was reserved by whoever came first, and is not lost to it.
        await waits
    finally:
        await connection.close()

    assert [rung(answer) for answer in [await waits, *others]].count(desk.agent.identity) == 1
    assert (await hotline.counts())["calls"] == 4


async def test_a_rush_goes_by_halves_over_one_connection_as_long_as_nobody_is_held_up(
    make_hotline: MakeHotline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two ways at once would have half the company each: the more ring, the more each would cost.

    And all together on one would have the service wait for the database, and the database for the service.
    """
    hotline = await make_hotline(**WIDE, lookup_budget_ms=5000)
    monkeypatch.setattr(ringer, "HELD_UP_SECONDS", 1.0)
    on_their_way: list[int] = []
    together: list[tuple[Any, int]] = []
    under_way = 0
    write = ringer.ring

    async def counted(lane: Any, calls: Any, *args: Any) -> Any:
        nonlocal under_way
        under_way += 1
        on_their_way.append(under_way)
        together.append((asyncio.current_task(), len(calls)))
        try:
            return await write(lane, calls, *args)
        finally:
            under_way -= 1

    monkeypatch.setattr(ringer, "ring", counted)
    loop = asyncio.get_running_loop()
    until = loop.time() + 1.6

    async def keep_calling() -> None:
        while loop.time() < until:
            await hotline.wire.twiml("voice", voice(call_sid()))

    async with asyncio.TaskGroup() as callers:
        for _ in range(12):
            callers.create_task(keep_calling())

    assert len(on_their_way) > 10
    assert max(on_their_way) == 1
    # A way begins with all there are, and goes on with half of the twelve at most.
    followed = [calls for (way, calls), (before, _) in zip(together[1:], together, strict=False) if way is before]
    assert 1 < max(followed) <= 6


async def test_every_connection_keeps_the_plan_of_the_ringing_call(standing: Hotline) -> None:
    """The driver forgets long statements unless it is told otherwise: each call would be planned anew."""
    lane = await standing.served.database.lane()
    async with asyncio.timeout(5), AsyncExitStack() as stack:
        for _ in range(standing.served.settings.database_lane):
            connection = await stack.enter_async_context(lane.acquire())
            kept = "SELECT count(*) FROM pg_prepared_statements WHERE length(statement) > 10000"
            assert await connection.fetchval(kept) == 1
