"""A customer is merged while they ring: the call neither fails nor is lost, and ends up with the survivor."""

import asyncio
from uuid import UUID

from app.services.merging import merge, undo
from tests.calls.carrier import call_sid, rung, voice
from tests.calls.conftest import DIALLED, WIDE, Hotline, MakeHotline
from tests.factories import make_customer

NUMBER = "+8613800138000"
SOMEBODY_WAITS = "EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')"


async def two(hotline: Hotline) -> tuple[UUID, UUID]:
    """Two customers, the second of whom is rung by `NUMBER`."""
    async with hotline.served.database.session_scope() as session:
        older = await make_customer(session, "+8613900139000", name="鲁建国")
        newer = await make_customer(session, NUMBER, name="鲁先生")
    return older.id, newer.id


async def test_fault_26_a_call_that_was_matched_just_before_goes_to_the_survivor(hotline: Hotline) -> None:
    """The call looked its number up before the merge is committed, and is written after it."""
    older, newer = await two(hotline)
    desk = await hotline.desk()
    sid = call_sid()

    async with hotline.served.database.session_scope() as session:
        await merge(session, older, newer, by=None, reason="same")
        ringing = asyncio.create_task(hotline.wire.twiml("voice", voice(sid, NUMBER)))
        await hotline.until(SOMEBODY_WAITS)
    answer = await ringing

    assert rung(answer) == desk.agent.identity
    call = await hotline.call_row(sid)
    assert (call["customer_id"], call["match_outcome"], call["state"]) == (older, "unique", "ringing")
    offered = await desk.until("call.offered")
    assert offered["data"]["screen_pop"]["customer"]["name"] == "鲁先生", "the card as it was when they rang"


async def test_fault_26_a_call_that_rings_already_moves_along(hotline: Hotline) -> None:
    older, newer = await two(hotline)
    desk = await hotline.desk()
    call = await hotline.line.call(NUMBER, DIALLED)
    call_id = (await desk.until("call.offered"))["data"]["call_id"]
    leg = await hotline.leg_ringing(call)

    async with hotline.served.database.session_scope() as session:
        made = await merge(session, older, newer, by=None, reason="same")
    await hotline.line.answer(leg)
    await desk.until("call.answered")
    call.hang_up()
    await call.finished()
    await desk.until("call.ended")
    written = await desk.wrap_up(call_id, notes="已解决")

    assert written.status_code == 200, written.text
    assert written.json()["customer"]["id"] == str(older)
    entry = await hotline.one("SELECT customer_id FROM interactions WHERE call_id = :id", id=UUID(call_id))
    assert entry == {"customer_id": older}

    async with hotline.served.database.session_scope() as session:
        await undo(session, made.id, by=None)
    assert (await hotline.call_row(call.sid))["customer_id"] == newer
    entry = await hotline.one("SELECT customer_id FROM interactions WHERE call_id = :id", id=UUID(call_id))
    assert entry == {"customer_id": older}, "written of the survivor, and stays with them"


async def test_fault_26_calls_and_merges_in_a_storm(make_hotline: MakeHotline) -> None:
    """Forty calls of both customers, while they are merged and taken apart over and over: all are answered and kept."""
    hotline = await make_hotline(**WIDE)
    older, newer = await two(hotline)
    over = asyncio.Event()

    async def merging() -> int:
        rounds = 0
        while not over.is_set():
            async with hotline.served.database.session_scope() as session:
                made = await merge(session, older, newer, by=None, reason="same")
            async with hotline.served.database.session_scope() as session:
                await undo(session, made.id, by=None)
            rounds += 1
        return rounds

    at_it = asyncio.create_task(merging())
    sids = [call_sid() for _ in range(40)]
    for first in range(0, len(sids), 8):
        wave = sids[first : first + 8]
        answers = await asyncio.gather(
            *(
                hotline.wire.twiml("voice", voice(sid, NUMBER if place % 2 else "+8613900139000"))
                for place, sid in enumerate(wave)
            )
        )
        assert all("<Response>" in answer for answer in answers)
    over.set()
    rounds = await at_it
    async with hotline.served.database.session_scope() as session:
        await merge(session, older, newer, by=None, reason="same")

    assert rounds > 0
    kept = await hotline.rows("SELECT provider_call_id, customer_id, match_outcome FROM calls")
    assert {row["provider_call_id"] for row in kept} == set(sids)
    assert {row["customer_id"] for row in kept if row["match_outcome"] == "unique"} == {older}
