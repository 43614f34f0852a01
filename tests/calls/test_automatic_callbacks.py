"""Automatic callbacks: who gets them, what is tried again and when, and that each is dialled once, whatever races."""

import asyncio
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from app.db import Database
from app.models.callbacks import Callback
from app.models.people import Role
from app.services.callbacks.changing import locked_callback
from app.services.callbacks.claiming import free_the_dead
from app.services.callbacks.dialling import dial_all_due, dial_due
from app.services.callbacks.ending import CallbackBusy, cancel
from app.services.erasing import erase
from app.services.steady_clock import SteadyClock
from app.telephony.port import CarrierBusy, CarrierRefused, CarrierStatus
from tests.calls.office import Office, noon_zone, open_office
from tests.factories import make_agent, phone_row

HOUR = timedelta(hours=1)


@pytest.fixture
async def office(database: Database) -> Office:
    return await open_office(database)


def minutes_from_now(at: datetime) -> float:
    return (at - datetime.now(UTC)) / timedelta(minutes=1)


async def test_the_owner_first_then_anybody_of_the_queue(office: Office) -> None:
    owner, other = await office.agents(2)
    later = datetime.now(UTC) + HOUR
    (theirs,) = await office.promised(1, owner_id=owner, open_to_all_at=later)
    (second,) = await office.promised(1, owner_id=owner, open_to_all_at=later)
    dialler = office.dialler()

    assert await dial_due(dialler) == 1
    assert await dial_due(dialler) == 0
    await office.rows("UPDATE callbacks SET open_to_all_at = now() - interval '1 second'")
    assert await dial_due(dialler) == 1

    attempts = await office.rows("SELECT callback_id, agent_id FROM dial_attempts ORDER BY started_at")
    assert [tuple(row) for row in attempts] == [(theirs, owner), (second, other)]
    assert await office.states() == {"dialing": 2}
    presence = await office.rows("SELECT state FROM agent_presence WHERE agent_id = ANY(:ids)", ids=[owner, other])
    assert {row.state for row in presence} == {"reserved"}


async def test_an_agent_gets_one_at_a_time(office: Office) -> None:
    """Their own first, although another of the queue's is due as well."""
    (owner,) = await office.agents(1)
    (theirs,) = await office.promised(1, owner_id=owner)
    await office.promised(1)

    assert await dial_all_due(office.dialler(), datetime.now(UTC)) == 1

    assert [row.callback_id for row in await office.rows("SELECT callback_id FROM dial_attempts")] == [theirs]
    assert len(await office.rows("SELECT id FROM calls")) == 1


async def test_one_of_no_queue_goes_to_the_default_one_and_previews_to_nobody(office: Office) -> None:
    await office.agents(3)
    (promised,) = await office.promised(1, queue_id=None)
    await office.promised(1, mode="preview")

    assert await dial_all_due(office.dialler(), datetime.now(UTC)) == 1

    assert [row.callback_id for row in await office.rows("SELECT callback_id FROM dial_attempts")] == [promised]


async def test_ten_workers_and_a_thousand_callbacks(office: Office) -> None:
    """Each is dialled once, and no agent has two."""
    await office.agents(1000)
    await office.promised(1000)
    dialler = office.dialler()

    await asyncio.gather(*(dial_all_due(dialler, datetime.now(UTC)) for _ in range(10)))

    assert await office.states() == {"dialing": 1000}
    assert len(office.carrier.requests) == 1000
    assert len({request.to for request in office.carrier.requests}) == 1000
    (row,) = await office.rows(
        "SELECT count(*) AS n, count(DISTINCT callback_id) AS callbacks, count(provider_call_id) AS placed "
        "FROM dial_attempts"
    )
    assert tuple(row) == (1000, 1000, 1000)


@pytest.mark.parametrize(
    ("status", "more", "minutes"),
    [
        (CarrierStatus.NO_ANSWER, {}, 120),
        (CarrierStatus.BUSY, {}, 10),
        (CarrierStatus.FAILED, {}, 15),
    ],
)
async def test_each_result_waits_as_its_rule_says(
    office: Office, status: CarrierStatus, more: dict[str, bool], minutes: int
) -> None:
    await office.agents(1)
    (promised,) = await office.promised(1)
    await dial_due(office.dialler())

    await office.not_reached(status, **more)

    callback = await office.callback(promised)
    assert (callback.state, callback.attempts) == ("retry", 1)
    assert minutes_from_now(callback.due_at) == pytest.approx(minutes, abs=0.2)
    assert await dial_due(office.dialler()) == 0


async def test_a_next_try_waits_for_the_calling_window(office: Office) -> None:
    await office.agents(1)
    zone = ZoneInfo(noon_zone())
    (promised,) = await office.promised(1, zone=zone.key)
    await dial_due(office.dialler())
    local = datetime.now(zone)
    # It closes before the ten minutes are over that a busy line waits for.
    closes = (local + timedelta(minutes=2)).time()
    await office.rows("UPDATE calling_windows SET opens = '09:00', closes = :closes", closes=closes)

    await office.not_reached(CarrierStatus.BUSY)

    due_at = (await office.callback(promised)).due_at.astimezone(zone)
    assert (due_at.date(), due_at.hour, due_at.minute) == (local.date() + timedelta(days=1), 9, 0)


async def test_a_number_that_leads_nowhere_gives_way_to_the_next_one(office: Office, database: Database) -> None:
    await office.agents(1)
    (promised,) = await office.promised(1)
    customer = await office.customer_of(promised)
    async with database.session_scope() as session:
        session.add(phone_row(customer.id, "+8613700000001"))
    await dial_due(office.dialler())

    await office.not_reached(CarrierStatus.FAILED, is_not_in_service=True)
    assert (await office.callback(promised)).to_e164 == "+8613700000001"
    await office.rows("UPDATE callbacks SET due_at = now()")
    await dial_due(office.dialler())
    await office.not_reached(CarrierStatus.FAILED, is_not_in_service=True)

    assert (await office.callback(promised)).state == "escalated"


async def test_tried_often_enough_a_supervisor_is_told(office: Office, database: Database) -> None:
    await office.agents(1)
    async with database.session_scope() as session:
        supervisor = await make_agent(session, role=Role.SUPERVISOR)
    (promised,) = await office.promised(1)
    await office.rows("UPDATE retry_rules SET most_attempts = 2 WHERE result = 'busy'")

    for _ in range(2):
        await office.rows("UPDATE callbacks SET due_at = now()")
        assert await dial_due(office.dialler()) == 1
        await office.not_reached(CarrierStatus.BUSY)

    callback = await office.callback(promised)
    assert callback.state == "escalated"
    (told,) = await office.rows("SELECT type, data FROM agent_events WHERE agent_id = :id", id=supervisor.id)
    assert (told.type, told.data["code"], told.data["why"]) == ("callback.escalated", callback.code, "busy")
    assert await dial_due(office.dialler()) == 0


async def test_an_agent_who_does_not_pick_up_costs_the_customer_nothing(office: Office) -> None:
    (owner,) = await office.agents(1)
    (promised,) = await office.promised(1)
    await dial_due(office.dialler())

    await office.heard(CarrierStatus.NO_ANSWER)

    callback = await office.callback(promised)
    assert (callback.state, callback.attempts) == ("retry", 0)
    (presence,) = await office.rows("SELECT state FROM agent_presence WHERE agent_id = :id", id=owner)
    assert presence.state == "break"


async def test_who_was_talked_to_is_not_called_again(office: Office, database: Database) -> None:
    """Their agent has half an hour to say what came of it; then a supervisor asks, and nobody dials."""
    (agent,) = await office.agents(1)
    (promised,) = await office.promised(1)
    await dial_due(office.dialler())
    await office.heard(CarrierStatus.IN_PROGRESS)
    await office.heard(CarrierStatus.COMPLETED, leg="CA" + "c" * 32, seconds=30)

    callback = await office.callback(promised)
    assert (callback.state, callback.claimed_by_id) == ("claimed", agent)
    now = datetime.now(UTC)
    async with database.session_scope() as session:
        assert await free_the_dead(session, now) == 0
        assert await free_the_dead(session, now + HOUR) == 1
    assert (await office.callback(promised)).state == "escalated"


async def test_what_a_dead_agent_had_taken_is_free_again(office: Office, database: Database) -> None:
    (agent,) = await office.agents(1)
    (promised,) = await office.promised(1, state="claimed", claimed_by_id=agent, claimed_until=datetime.now(UTC) - HOUR)

    async with database.session_scope() as session:
        assert await free_the_dead(session, datetime.now(UTC)) == 1

    assert (await office.callback(promised)).state == "scheduled"
    assert await dial_due(office.dialler()) == 1


async def test_fault_23_do_not_call_and_erasure_after_it_was_promised(office: Office, database: Database) -> None:
    await office.agents(3)
    refusing, forgotten, fine = await office.promised(3)
    refused = await office.customer_of(refusing)
    await office.rows("UPDATE customers SET do_not_call = true WHERE id = :id", id=refused.id)
    async with database.session_scope() as session:
        await erase(session, (await office.customer_of(forgotten)).id, by=None, reason="asked for it")
    # As if it had been somebody's at that moment, which erasure leaves alone.
    await office.rows("UPDATE callbacks SET state = 'retry', ended_at = NULL WHERE id = :id", id=forgotten)

    await dial_all_due(office.dialler(), datetime.now(UTC))

    assert [(await office.callback(each)).state for each in (refusing, forgotten, fine)] == [
        "cancelled",
        "cancelled",
        "dialing",
    ]
    assert len(office.carrier.requests) == 1
    changes = await office.rows(
        "SELECT what, detail FROM callback_changes WHERE callback_id = ANY(:ids) ORDER BY at, id",
        ids=[refusing, forgotten],
    )
    assert {(row.what, row.detail["why"]) for row in changes} == {
        ("cancelled", "do_not_call"),
        ("cancelled", "customer_erased"),
    }


async def test_outside_its_window_it_waits(office: Office) -> None:
    await office.agents(1)
    (promised,) = await office.promised(1, zone=noon_zone())
    await office.rows("UPDATE calling_windows SET opens = '15:00', closes = '18:00'")

    await dial_due(office.dialler())

    callback = await office.callback(promised)
    assert (callback.state, callback.due_at.astimezone(ZoneInfo(callback.zone)).hour) == ("retry", 15)
    assert office.carrier.requests == []


@pytest.mark.parametrize("leap", [HOUR, -HOUR], ids=["an hour ahead", "an hour back"])
async def test_fault_28_the_clock_leaps(office: Office, leap: timedelta) -> None:
    """Whichever of the two times is the right one: nothing is dialled before both have come, and nothing twice."""
    await office.agents(3)
    offset = timedelta(0)
    clock = SteadyClock(lambda: datetime.now(UTC) + offset)
    dialler = office.dialler(clock)
    now = datetime.now(UTC)
    (due,) = await office.promised(1, due_at=now - 2 * HOUR)
    (in_half_an_hour,) = await office.promised(1, due_at=now + HOUR / 2)
    (half_an_hour_ago,) = await office.promised(1, due_at=now - HOUR / 2)

    offset = leap
    await dial_all_due(dialler, clock.read().latest)
    offset = timedelta(0)
    early = {row.callback_id for row in await office.rows("SELECT callback_id FROM dial_attempts")}
    await dial_all_due(dialler, clock.read().latest)

    assert early == ({due, half_an_hour_ago} if leap > timedelta(0) else {due})
    dialled = [row.callback_id for row in await office.rows("SELECT callback_id FROM dial_attempts")]
    assert sorted(dialled) == sorted([due, half_an_hour_ago])
    assert in_half_an_hour not in dialled


async def test_fault_28_a_leap_into_the_calling_window_opens_nothing(office: Office) -> None:
    await office.agents(1)
    (promised,) = await office.promised(1, zone=noon_zone())
    opens = datetime.now(ZoneInfo(noon_zone())) + HOUR / 2
    await office.rows("UPDATE calling_windows SET opens = :opens, closes = '18:00'", opens=opens.time())
    offset = timedelta(0)
    clock = SteadyClock(lambda: datetime.now(UTC) + offset)
    dialler = office.dialler(clock)

    offset = HOUR
    await dial_due(dialler)

    assert office.carrier.requests == []
    assert (await office.callback(promised)).state == "retry"


async def test_fault_20_the_carrier_is_left_alone_for_as_long_as_it_asks(office: Office) -> None:
    await office.agents(3)
    promised = await office.promised(3)
    office.carrier.will = [CarrierBusy("slow down", 60), CarrierBusy("slow down", 60), CarrierBusy("slow down", 60)]

    assert await dial_due(office.dialler()) == 3
    assert await dial_due(office.dialler()) == 0

    assert len(office.carrier.requests) == 3
    for callback_id in promised:
        callback = await office.callback(callback_id)
        assert (callback.state, callback.attempts) == ("retry", 0)
        assert minutes_from_now(callback.due_at) == pytest.approx(1, abs=0.1)
    (free,) = await office.rows("SELECT count(*) AS n FROM agent_presence WHERE state = 'available'")
    assert free.n == 3
    await office.rows("UPDATE carrier_pauses SET until = now()")
    await office.rows("UPDATE callbacks SET due_at = now()")
    assert await dial_due(office.dialler()) == 3
    assert await office.states() == {"dialing": 3}
    assert await office.rows("SELECT * FROM carrier_pauses") == []


async def test_fault_20_a_carrier_that_does_not_say_how_long_is_left_alone_longer_each_time(office: Office) -> None:
    await office.agents(1)
    await office.promised(1)
    pauses = []
    for _ in range(3):
        office.carrier.will = [CarrierBusy("slow down")]
        await office.rows("UPDATE callbacks SET due_at = now()")
        await office.rows("UPDATE carrier_pauses SET until = now()")
        before = datetime.now(UTC)
        assert await dial_due(office.dialler()) == 1
        (row,) = await office.rows("SELECT until FROM carrier_pauses")
        pauses.append(round((row.until - before) / timedelta(seconds=1)))

    assert pauses == [5, 10, 20]


async def test_what_the_carrier_refuses_is_tried_again_by_the_rule(office: Office) -> None:
    await office.agents(1)
    (promised,) = await office.promised(1)
    office.carrier.will = [CarrierRefused("no", "21215")]

    await dial_due(office.dialler())

    (attempt,) = await office.rows("SELECT state, result, error FROM dial_attempts")
    assert tuple(attempt) == ("refused", "failed", "21215")
    assert (await office.callback(promised)).state == "retry"
    (presence,) = await office.rows("SELECT state FROM agent_presence")
    assert presence.state == "available"


async def test_cancelling_against_claiming(office: Office, database: Database) -> None:
    """Of twenty promises that are cancelled and dialled at once, each ends up as one or the other."""
    await office.agents(20)
    promised = await office.promised(20)

    async def cancel_one(callback_id: object) -> bool:
        try:
            async with database.session_scope() as session:
                callback: Callback = await locked_callback(session, str(callback_id))
                await cancel(session, callback, now=datetime.now(UTC), why="not wanted")
        except CallbackBusy:
            return False
        return True

    cancelled, _, _ = await asyncio.gather(
        asyncio.gather(*(cancel_one(each) for each in promised)),
        dial_all_due(office.dialler(), datetime.now(UTC)),
        dial_all_due(office.dialler(), datetime.now(UTC)),
    )

    states = await office.states()
    assert states.get("cancelled", 0) == sum(cancelled)
    assert states.get("dialing", 0) == len(office.carrier.requests) == 20 - sum(cancelled)
    both = await office.rows(
        "SELECT 1 FROM callbacks c JOIN dial_attempts a ON a.callback_id = c.id WHERE c.state = 'cancelled'"
    )
    assert both == []


async def test_moving_against_dialling(office: Office, database: Database) -> None:
    """A promise that is moved to next week is either being dialled now, and was not moved, or is not dialled."""
    await office.agents(20)
    promised = await office.promised(20)
    later = datetime.now(UTC) + timedelta(days=7)

    async def move_one(callback_id: object) -> None:
        async with database.session_scope() as session:
            callback = await locked_callback(session, str(callback_id))
            if callback.state == "scheduled":
                callback.due_at = later

    await asyncio.gather(
        dial_all_due(office.dialler(), datetime.now(UTC)),
        *(move_one(each) for each in promised),
        dial_all_due(office.dialler(), datetime.now(UTC)),
    )

    wrong = await office.rows(
        "SELECT 1 FROM callbacks WHERE (state = 'dialing') = (due_at > now()) OR state NOT IN ('dialing', 'scheduled')"
    )
    assert wrong == []
