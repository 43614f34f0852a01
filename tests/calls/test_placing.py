"""Placing a call: the agent's phone rings, then the customer's, and whatever comes of it is on the record."""

import asyncio
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest

from app.models.callbacks import CallbackMode
from app.models.people import Role
from app.schemas.screen_pop import ScreenPop
from app.services.erasing import erase
from app.services.spool import Spooled
from app.telephony.simulator import RestFault, RestProblem, SimEventKind, Trouble
from tests.calls.carrier import DIALLED, call_sid, status, voice
from tests.calls.carrier import rung as dialled
from tests.calls.conftest import Hotline, MakeHotline, until
from tests.calls.dialling import (
    CUSTOMER,
    agents_rung,
    attempt_of,
    call,
    calling_hotline,
    customer_of,
    ended,
    refused,
    rung,
)
from tests.calls.office import Office
from tests.support import Served, SignIn


@pytest.fixture
async def hotline(make_hotline: MakeHotline) -> Hotline:
    return await calling_hotline(make_hotline)


async def test_a_call_from_click_to_wrap_up(hotline: Hotline) -> None:
    desk = await hotline.desk()
    code = await customer_of(hotline)

    placed = await call(desk, customer=code)
    offered = await desk.until("call.offered")
    pop = ScreenPop.model_validate(offered["data"]["screen_pop"])
    await desk.until("presence.changed", state="on_call")
    await desk.until("call.answered")
    over = await desk.until("call.ended")
    await desk.until("presence.changed", state="wrap_up")

    assert pop.customer is not None
    assert (pop.customer.code, pop.call.direction, pop.call.dialled) == (code, "outbound", CUSTOMER)  # type: ignore[union-attr]
    assert placed["direction"] == "outbound"
    assert over["data"]["result"] == "answered"
    (sim,) = agents_rung(hotline)
    (leg,) = rung(hotline)
    assert (sim.record.to, leg.record.from_) == (f"client:{desk.agent.identity}", DIALLED)
    attempt = await ended(hotline, placed["id"])
    assert (attempt["state"], attempt["result"], attempt["provider_call_id"]) == ("ended", "answered", sim.sid)
    assert (await desk.wrap_up(placed["id"], notes="很好")).status_code == 200
    shown = (await desk.http.get(f"/api/v1/calls/{placed['id']}")).json()
    assert (shown["state"], shown["provider_call_id"], shown["answered_by"]["id"]) == (
        "completed",
        sim.sid,
        str(desk.agent.id),
    )
    timeline = (await desk.http.get(f"/api/v1/customers/{code}/timeline")).json()["items"]
    assert [(entry["direction"], entry["summary"]) for entry in timeline] == [("outbound", "很好")]
    steps = [step["step"] for step in (await desk.http.get(f"/api/v1/calls/{placed['id']}/trace")).json()["steps"]]
    assert steps[:2] == ["received", "reserved"]
    assert {"pushed", "shown", "customer_rung", "answered", "ended", "wrapped_up"} <= set(steps)


async def test_customers_who_are_not_reached(make_hotline: MakeHotline) -> None:
    phones = {
        "+8613900000001": ("no answer", "no_answer", "not_reached"),
        "+8613900000002": ("busy", "busy", "not_reached"),
        "+8613900000003": ("unreachable", "failed", "failed"),
        "+8613900000004": ("not in service", "not_in_service", "failed"),
    }
    numbers = {number: phone for number, (phone, _, _) in phones.items()}
    hotline = await calling_hotline(make_hotline, line={"numbers": numbers})
    desk = await hotline.desk()

    for number, (_, result, state) in phones.items():
        placed = await call(desk, number=number)
        assert (await ended(hotline, placed["id"]))["result"] == result
        await desk.until("presence.changed", state="available")
        assert (await desk.http.get(f"/api/v1/calls/{placed['id']}")).json()["state"] == state


async def test_a_machine_answers(make_hotline: MakeHotline) -> None:
    hotline = await calling_hotline(
        make_hotline, line={"numbers": {CUSTOMER: "machine answers after 1s, hang up after 20s"}}
    )
    desk = await hotline.desk()

    placed = await call(desk, number=CUSTOMER)

    attempt = await ended(hotline, placed["id"])
    assert (attempt["result"], attempt["is_machine"]) == ("voicemail", True)


async def test_an_agent_who_does_not_pick_up_has_no_customer_rung(make_hotline: MakeHotline) -> None:
    hotline = await calling_hotline(make_hotline, agents="no answer")
    desk = await hotline.desk()

    placed = await call(desk, number=CUSTOMER)

    assert (await ended(hotline, placed["id"]))["result"] == "agent_not_reached"
    await desk.until("presence.changed", state="break")
    assert rung(hotline) == []


async def test_going_offline_ends_the_call_before_the_customer_is_rung(make_hotline: MakeHotline) -> None:
    hotline = await calling_hotline(make_hotline, agents="live")
    desk = await hotline.desk()
    placed = await call(desk, number=CUSTOMER)
    (sim,) = agents_rung(hotline)

    await desk.be("offline")

    assert (await ended(hotline, placed["id"]))["result"] == "agent_not_reached"
    assert (await sim.finished()).data["status"] == "canceled"
    assert rung(hotline) == []


@pytest.mark.parametrize(
    ("trouble", "copies"),
    [
        (Trouble(webhook_copies=3, status_copies=2, status_shuffle=4, seed=3), "several"),
        (Trouble(status_delay=30, seed=5), "late"),
        (Trouble(status_drop=1.0), "no"),
    ],
    ids=["repeated and shuffled", "late", "dropped"],
)
async def test_status_callbacks_in_any_order(make_hotline: MakeHotline, trouble: Trouble, copies: str) -> None:
    """Whatever the carrier repeats, mixes up or drops: one call, and the same record."""
    hotline = await calling_hotline(make_hotline, line={"trouble": trouble})
    desk = await hotline.desk()

    placed = await call(desk, number=CUSTOMER)

    assert (await ended(hotline, placed["id"]))["result"] == "answered"
    await until(lambda: _is(desk, "wrap_up"), "they wrap up")
    assert len(rung(hotline)) == 1
    assert (await desk.http.get(f"/api/v1/calls/{placed['id']}")).json()["state"] == "completed"


async def _is(desk: object, state: str) -> bool:
    return await desk.presence() == state  # type: ignore[attr-defined, no-any-return]


async def test_a_second_call_of_the_carriers_for_one_attempt_rings_nobody(make_hotline: MakeHotline) -> None:
    """Should a request be carried out twice after all: the second call is ended, and its agent hears a goodbye."""
    hotline = await calling_hotline(make_hotline, agents="live")
    desk = await hotline.desk()
    placed = await call(desk, number=CUSTOMER)
    attempt = await attempt_of(hotline, placed["id"])
    (sim,) = agents_rung(hotline)
    other = call_sid()
    form = voice(other, DIALLED, f"client:{desk.agent.identity}", status="in-progress")

    route = f"outbound?attempt={attempt['id']}"
    assert dialled(await hotline.wire.twiml(route, form)) is None
    first = voice(sim.sid, DIALLED, f"client:{desk.agent.identity}", status="in-progress")
    assert dialled(await hotline.wire.twiml(route, first)) == CUSTOMER


async def test_what_was_spooled_while_the_database_was_away_finds_its_attempt(make_hotline: MakeHotline) -> None:
    hotline = await calling_hotline(make_hotline, agents="live", line={"trouble": Trouble(status_drop=1.0)})
    desk = await hotline.desk()
    placed = await call(desk, number=CUSTOMER)
    attempt = await attempt_of(hotline, placed["id"])
    (sim,) = agents_rung(hotline)
    body = urlencode(list(status(sim.sid, "no-answer", 2)))
    spooled = Spooled("outbound_status", body, datetime.now(UTC), query=f"attempt={attempt['id']}")

    hotline.served.runtime.spool.put(spooled)

    assert (await ended(hotline, placed["id"]))["result"] == "agent_not_reached"


async def test_who_may_not_be_called(make_hotline: MakeHotline) -> None:
    """Every rule has its code, and nothing is left behind."""
    hotline = await calling_hotline(make_hotline)
    desk = await hotline.desk()
    refusing = await customer_of(hotline, "+8613900000001", do_not_call=True)
    without_phone = await customer_of(hotline, "+8613900000003")
    await hotline.execute("DELETE FROM customer_phones WHERE e164 = '+8613900000003'")
    before = await hotline.counts()

    for wanted, code in [
        ({"customer": refusing}, "do_not_call"),
        ({"number": "+8613900000001"}, "do_not_call"),
        ({"customer": without_phone}, "no_number"),
        ({"number": "110"}, "number_not_allowed"),
        ({"number": "+19005551234"}, "number_not_allowed"),
        ({"number": "hello"}, "number_not_allowed"),
        ({"number": DIALLED}, "own_number"),
    ]:
        problem = await refused(desk, **wanted)
        assert problem["code"] == code, wanted
        assert problem["words"]["zh"]
    await hotline.execute("UPDATE calling_windows SET opens = '00:00', closes = '00:01'")
    problem = await refused(desk, number=CUSTOMER)
    assert problem["code"] == "window_closed"
    assert problem["until"].endswith("Z")
    assert (await refused(desk, 404, customer="C9999999"))["code"] == "no_such_customer"
    assert (await desk.http.post("/api/v1/calls", json={})).status_code == 422

    assert await hotline.counts() == before
    assert await desk.presence() == "available"
    assert hotline.line.calls == ()


async def test_a_number_is_called_so_often_a_day(make_hotline: MakeHotline) -> None:
    hotline = await calling_hotline(make_hotline, callee_calls_a_day=1, line={"default_number": "busy"})
    desk = await hotline.desk()
    await ended(hotline, (await call(desk, number=CUSTOMER))["id"])
    await until(lambda: _is(desk, "available"), "they are free")

    assert (await refused(desk, number=CUSTOMER))["code"] == "called_too_often"
    await hotline.execute("UPDATE dial_attempts SET started_at = started_at - interval '25 hours'")
    await call(desk, number=CUSTOMER)


async def test_agents_who_cannot_call(make_hotline: MakeHotline) -> None:
    hotline = await calling_hotline(make_hotline, agents="live")
    one, two = await hotline.desk(), await hotline.desk()
    await call(one, number=CUSTOMER)

    assert (await refused(one, number="+8613900000009"))["code"] == "agent_not_ready"
    assert (await refused(two, number=CUSTOMER))["code"] == "already_dialling"
    await two.be("offline")
    assert (await refused(two, number="+8613900000009"))["code"] == "agent_not_ready"


async def test_five_clicks_at_once_make_one_call(make_hotline: MakeHotline) -> None:
    hotline = await calling_hotline(make_hotline, agents="live")
    desk = await hotline.desk()

    answers = await asyncio.gather(*(desk.http.post("/api/v1/calls", json={"number": CUSTOMER}) for _ in range(5)))

    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]
    assert len(agents_rung(hotline)) == 1


async def test_fault_20_the_carrier_asks_to_be_left_alone(hotline: Hotline) -> None:
    desk = await hotline.desk()
    hotline.line.trouble = Trouble(rest_faults=(RestFault(RestProblem.TOO_MANY_REQUESTS, retry_after=60),))

    problem = await refused(desk, number=CUSTOMER)
    again = await refused(desk, number="+8613900000009")

    assert (problem["code"], again["code"]) == ("carrier_busy", "carrier_busy")
    assert again["retry_at"] == problem["retry_at"]
    assert agents_rung(hotline) == []
    assert await desk.presence() == "available"
    await hotline.execute("UPDATE carrier_pauses SET until = now()")
    placed = await call(desk, number=CUSTOMER)
    assert (await ended(hotline, placed["id"]))["result"] == "answered"


async def test_fault_20_no_usable_answer_and_the_webhooks_tell(make_hotline: MakeHotline) -> None:
    """The answer is lost although the call was placed: its webhooks name the attempt, and it goes on."""
    hotline = await calling_hotline(make_hotline)
    desk = await hotline.desk()
    hotline.line.trouble = Trouble(rest_faults=(RestFault(RestProblem.UNAVAILABLE, carried_out=True),))

    placed = await call(desk, number=CUSTOMER)

    attempt = await ended(hotline, placed["id"])
    (sim,) = agents_rung(hotline)
    assert (attempt["result"], attempt["provider_call_id"]) == ("answered", sim.sid)
    assert len(rung(hotline)) == 1


async def test_a_refusal_of_the_carriers(hotline: Hotline) -> None:
    desk = await hotline.desk()
    hotline.line.credentials.clear()

    problem = await refused(desk, number=CUSTOMER)

    assert (problem["code"], problem["carrier_code"]) == ("carrier_refused", "20003")
    attempt = await hotline.one("SELECT * FROM dial_attempts")
    assert (attempt["state"], attempt["result"], attempt["error"]) == ("refused", "failed", "20003")
    assert await desk.presence() == "available"


async def test_do_not_call_counts_until_the_last_moment(make_hotline: MakeHotline) -> None:
    """fault_23: said while the agent's own phone rings, it still keeps the customer's from ringing."""
    hotline = await calling_hotline(make_hotline, agents="live")
    desk = await hotline.desk()
    code = await customer_of(hotline)
    placed = await call(desk, customer=code)
    (sim,) = agents_rung(hotline)
    await hotline.execute("UPDATE customers SET do_not_call = true WHERE code = :code", code=code)

    await sim.wait_for(SimEventKind.RINGING)
    await hotline.line.answer(sim.sid)

    attempt = await ended(hotline, placed["id"])
    assert (attempt["state"], attempt["error"]) == ("refused", "do_not_call")
    assert rung(hotline) == []
    await until(lambda: _is(desk, "available"), "they are free")


async def test_a_promised_call_by_a_click(make_hotline: MakeHotline) -> None:
    """The promise is the agent's while it rings, waits for their word afterwards, and nobody else can make it."""
    hotline = await calling_hotline(make_hotline)
    desk, other = await hotline.desk(), await hotline.desk()
    office = Office(hotline.served.database, hotline.served.runtime.hotline, hotline.queue.id)
    (promised,) = await office.promised(1, mode=CallbackMode.PREVIEW, owner_id=desk.agent.id)
    code = (await office.callback(promised)).code

    assert (await refused(other, 403, callback=code))["code"] == "not_your_callback"
    placed = await call(desk, callback=code)
    assert (await office.callback(promised)).state == "dialing"
    assert (await refused(desk, callback=code))["code"] == "callback_busy"
    await ended(hotline, placed["id"])
    callback = await office.callback(promised)
    assert (callback.state, callback.claimed_by_id, callback.attempts) == ("claimed", desk.agent.id, 1)
    said = await desk.http.put(f"/api/v1/callbacks/{promised}/outcome", json={"outcome": "answered"})
    assert said.status_code == 200, said.text
    assert (await refused(desk, callback=code))["code"] == "callback_ended"
    assert (await refused(desk, 404, callback="T19990101-0001"))["code"] == "no_such_callback"


async def test_fault_23_a_click_on_a_promise_to_somebody_who_does_not_want_it(hotline: Hotline) -> None:
    desk = await hotline.desk()
    office = Office(hotline.served.database, hotline.served.runtime.hotline, hotline.queue.id)
    (promised,) = await office.promised(1, mode=CallbackMode.PREVIEW, owner_id=desk.agent.id)
    await hotline.execute("UPDATE customers SET do_not_call = true")

    assert (await refused(desk, callback=str(promised)))["code"] == "do_not_call"

    assert (await office.callback(promised)).state == "cancelled"
    assert hotline.line.calls == ()


async def test_fault_23_said_while_the_agents_phone_rings_for_a_promise(make_hotline: MakeHotline) -> None:
    hotline = await calling_hotline(make_hotline, agents="live")
    desk = await hotline.desk()
    office = Office(hotline.served.database, hotline.served.runtime.hotline, hotline.queue.id)
    (promised,) = await office.promised(1, mode=CallbackMode.PREVIEW, owner_id=desk.agent.id)
    placed = await call(desk, callback=str(promised))
    (sim,) = agents_rung(hotline)
    await hotline.execute("UPDATE customers SET do_not_call = true")

    await sim.wait_for(SimEventKind.RINGING)
    await hotline.line.answer(sim.sid)

    assert (await ended(hotline, placed["id"]))["error"] == "do_not_call"
    assert (await office.callback(promised)).state == "cancelled"
    assert len(hotline.line.calls) == 1


async def test_retry_rules_are_a_supervisors_to_change(app_server: Served, signed_in: SignIn) -> None:
    agent, supervisor = await signed_in(Role.AGENT), await signed_in(Role.SUPERVISOR)
    rule = {"wait_minutes": 30, "most_attempts": 2, "next_step": "escalate"}

    refused = await agent.http.put("/api/v1/retry-rules/busy", json=rule)
    changed = await supervisor.http.put("/api/v1/retry-rules/busy", json=rule)
    none = await supervisor.http.put("/api/v1/retry-rules/answered", json=rule)
    wrong = await supervisor.http.put("/api/v1/retry-rules/busy", json={**rule, "wait_minutes": 0})
    listed = (await agent.http.get("/api/v1/retry-rules")).json()["items"]

    assert [answer.status_code for answer in (refused, changed, none, wrong)] == [403, 200, 404, 422]
    assert {"result": "busy", **rule} in listed
    assert [each["result"] for each in listed] == [
        "no_answer",
        "busy",
        "voicemail",
        "not_in_service",
        "failed",
        "agent_not_reached",
    ]


async def test_a_kept_place_that_was_handed_over_is_called_from_where_the_agent_stands(
    make_hotline: MakeHotline,
) -> None:
    """They pressed 1; whose turn it is gets the card, and calls that one before any other."""
    hotline = await calling_hotline(make_hotline)
    sim = await hotline.line.call(CUSTOMER, DIALLED, script="press 1, hang up after 1s")
    await sim.finished()
    desk = await hotline.desk(available=False)
    await desk.be("available")
    due = await desk.until("callback.due")
    (promised,) = await hotline.rows("SELECT id FROM callbacks WHERE reason = 'kept_place'")

    assert (await refused(desk, number="+8613900000009"))["code"] == "agent_not_ready"
    placed = await call(desk, callback=str(promised["id"]))
    await ended(hotline, placed["id"])

    assert due["data"]["call_id"] != placed["id"]
    callback = await hotline.one("SELECT state, claimed_by_id FROM callbacks")
    assert (callback["state"], callback["claimed_by_id"]) == ("claimed", desk.agent.id)
    assert len(rung(hotline)) == 1


async def test_a_known_number_brings_its_customers_card_and_is_forgotten_with_them(hotline: Hotline) -> None:
    desk = await hotline.desk()
    stranger = "+8613900000008"
    await ended(hotline, (await call(desk, number=stranger))["id"])
    await desk.until("presence.changed", state="wrap_up")
    await desk.be("available")
    code = await customer_of(hotline, CUSTOMER, stranger)
    placed = await call(desk, number="139 1234 5678")
    offered = await desk.until("call.offered", call_id=placed["id"])
    await ended(hotline, placed["id"])

    pop = ScreenPop.model_validate(offered["data"]["screen_pop"])
    assert pop.customer is not None
    # We have called them; that is no reason to say that they keep calling us.
    assert (pop.customer.code, pop.alerts) == (code, [])
    customer = await hotline.one("SELECT id FROM customers WHERE code = :code", code=code)
    async with hotline.served.database.session_scope() as session:
        await erase(session, customer["id"], by=None, reason="asked for it")
    left = await hotline.rows(
        "SELECT to_raw FROM calls WHERE to_raw <> '' UNION ALL SELECT to_e164 FROM dial_attempts WHERE to_e164 <> ''"
    )
    assert left == []
