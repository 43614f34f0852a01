"""Working a daily list over REST: the next one, what came of it, and whose it is."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import select, update

from app.models import Customer, DialAttempt, Role, StageMove
from app.models.call_lists import CallList, CallListEntry
from tests.api.call_lists.work_support import TODAY, make_book, make_list
from tests.api.customers.support import URL, a_call, a_mobile, refusal
from tests.factories import make_customer, phone_row
from tests.support import Served, SignedIn, SignIn

ENTRIES = "/api/v1/call-list-entries"


async def a_list(app_server: Served, manager: SignedIn, size: int = 1, **fields: Any) -> tuple[str, list[Customer]]:
    """The path of a list with so many customers, and they."""
    async with app_server.database.session_scope() as session:
        customers = await make_book(session, manager.agent, size, **fields)
        made = await make_list(session, manager.agent, customers)
    return f"/api/v1/call-lists/{made.id}", customers


async def taken(http: httpx.AsyncClient, path: str) -> dict[str, Any]:
    answer = await http.post(f"{path}/next")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def finished(http: httpx.AsyncClient, path: str, **given: Any) -> dict[str, Any]:
    """The next entry, taken and finished."""
    entry = (await taken(http, path))["entry"]
    answer = await http.put(f"{ENTRIES}/{entry['id']}/outcome", json=given)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_the_next_one_comes_with_all_that_it_takes_to_call(app_server: Served, manager: SignedIn) -> None:
    path, customers = await a_list(app_server, manager, 2, tier="value")

    first = await taken(manager.http, path)

    entry = first["entry"]
    assert entry["customer"]["code"] == customers[0].code
    assert entry["reasons"] == [
        {"code": "waiting", "in_words": {"zh": "已有 24 个工作日未联系", "en": "not called for 24 working days"}}
    ]
    assert (entry["state"], entry["quadrant"]) == ("taken", "important")
    assert entry["reserved_by"] == {"id": str(manager.agent.id), "name": "林经理"}
    held = datetime.fromisoformat(entry["reserved_until"]) - datetime.now(UTC)
    assert timedelta(minutes=19) < held <= timedelta(minutes=20)
    assert first["card"]["customer"]["id"] == str(customers[0].id)
    assert [number["national"] for number in first["numbers"]] == [entry["customer"]["phone"]]
    assert first["best_hour"] is None

    assert (await taken(manager.http, path))["entry"]["customer"]["code"] == customers[1].code
    assert refusal(await manager.http.post(f"{path}/next")) == (404, "nothing_left")


async def test_two_tabs_and_two_people_each_get_another_one(
    app_server: Served, manager: SignedIn, signed_in: SignIn
) -> None:
    supervisor = await signed_in(Role.SUPERVISOR)
    path, customers = await a_list(app_server, manager, 12)

    answers = await asyncio.gather(
        *(person.http.post(f"{path}/next") for _ in range(8) for person in (manager, supervisor))
    )

    codes = [answer.json()["entry"]["customer"]["code"] for answer in answers if answer.status_code == 200]
    assert sorted(codes) == sorted(customer.code for customer in customers)
    assert [refusal(answer) for answer in answers if answer.status_code != 200] == [(404, "nothing_left")] * 4


async def test_a_call_that_was_answered(app_server: Served, manager: SignedIn) -> None:
    now = datetime.now(UTC)
    path, (customer,) = await a_list(app_server, manager, sales_stage=2, next_call_at=now - timedelta(hours=1))
    later = (now + timedelta(days=3)).replace(microsecond=0)

    done = await finished(
        manager.http,
        path,
        outcome="reached",
        sales_stage=4,
        intention="good",
        next_call_at=later.isoformat(),
        note="要一份报价",
    )

    assert (done["state"], done["outcome"], done["worked_by"]["name"]) == ("done", "reached", "林经理")
    assert (done["reserved_by"], done["reserved_until"]) == (None, None)
    read = (await manager.http.get(f"{URL}/{customer.id}")).json()
    assert (read["sales_stage"], read["intention"], read["dcwh"]) == (4, "good", "hot")
    assert datetime.fromisoformat(read["next_call_at"]) == later
    assert datetime.fromisoformat(read["last_contact_at"]) >= now
    entries = (await manager.http.get(f"{URL}/{customer.id}/timeline")).json()["items"]
    assert [(each["kind"], each["channel"], each["direction"], each["summary"]) for each in entries] == [
        ("interaction", "call", "outbound", "要一份报价")
    ]
    changes = (await manager.http.get(f"{URL}/{customer.id}/history")).json()["items"]
    assert {(each["field"], each["why"], each["agent"]["name"]) for each in changes} == {
        (field, "reached", "林经理") for field in ("sales_stage", "intention", "next_call_at", "dcwh")
    }
    async with app_server.database.session_scope() as session:
        move = (await session.scalars(select(StageMove).where(StageMove.customer_id == customer.id))).one()
    assert (move.from_stage, move.to_stage, move.owner_id) == (2, 4, manager.agent.id)


async def test_a_promise_that_was_kept_is_no_longer_owed(app_server: Served, manager: SignedIn) -> None:
    owed = datetime.now(UTC) - timedelta(hours=1)
    path, (one, other) = await a_list(app_server, manager, 2, next_call_at=owed)

    await finished(manager.http, path, outcome="reached")
    await finished(manager.http, path, outcome="no_answer", note="晚上再打")

    assert (await manager.http.get(f"{URL}/{one.id}")).json()["next_call_at"] is None
    still = (await manager.http.get(f"{URL}/{other.id}")).json()
    assert datetime.fromisoformat(still["next_call_at"]) == owed
    assert still["last_contact_at"] is None, "nobody was talked with"
    assert (await manager.http.get(f"{URL}/{other.id}/notes")).json()["items"][0]["body"] == "晚上再打"


async def test_a_wrong_number_is_kept_and_not_rung_any_more(app_server: Served, manager: SignedIn) -> None:
    path, (customer,) = await a_list(app_server, manager)
    second = a_mobile()
    async with app_server.database.session_scope() as session:
        session.add(phone_row(customer.id, second))

    done = await finished(manager.http, path, outcome="wrong_number")

    assert done["customer"]["phone"].replace(" ", "") == second.removeprefix("+86")
    wrong, right = sorted(
        (await manager.http.get(f"{URL}/{customer.id}/phones")).json()["items"], key=lambda each: each["is_primary"]
    )
    assert (wrong["wrong_since"] is not None, right["wrong_since"], right["is_primary"]) == (True, None, True)
    changes = (await manager.http.get(f"{URL}/{customer.id}/history")).json()["items"]
    assert ("wrong_phone", None, wrong["e164"]) in {(each["field"], each["old"], each["new"]) for each in changes}
    # Who is looked for by it is still found; who is new with it is not thought to be them.
    found = (await manager.http.get(URL, params={"q": wrong["e164"]})).json()["items"]
    assert str(customer.id) in {each["id"] for each in found}
    alike = await manager.http.post(f"{URL}/similar", json={"name": "毫不相干", "phones": [wrong["e164"]]})
    assert alike.status_code == 200
    assert str(customer.id) not in alike.text

    # Somebody says that it is theirs after all.
    again = await manager.http.post(f"{URL}/{customer.id}/phones", json={"number": wrong["e164"]})
    assert (again.status_code, again.json()["wrong_since"]) == (200, None)


async def test_whoever_has_only_wrong_numbers_has_none(app_server: Served, manager: SignedIn) -> None:
    path, (customer,) = await a_list(app_server, manager)

    assert (await finished(manager.http, path, outcome="wrong_number"))["customer"]["phone"] is None

    async with app_server.database.session_scope() as session:
        again = await make_list(session, manager.agent, [customer])
    entry = await taken(manager.http, f"/api/v1/call-lists/{again.id}")
    assert entry["numbers"] == []
    answer = await manager.http.put(f"{ENTRIES}/{entry['entry']['id']}/outcome", json={"outcome": "wrong_number"})
    assert refusal(answer) == (404, "no_such_phone")


async def test_who_refuses_is_asked_further(app_server: Served, manager: SignedIn) -> None:
    path, (one, other) = await a_list(app_server, manager, 2)
    entry = (await taken(manager.http, path))["entry"]
    unasked = await manager.http.put(f"{ENTRIES}/{entry['id']}/outcome", json={"outcome": "refused"})
    assert refusal(unasked) == (422, "invalid")

    answer = await manager.http.put(
        f"{ENTRIES}/{entry['id']}/outcome", json={"outcome": "refused", "do_not_call": True, "intention": "unlikely"}
    )
    await finished(manager.http, path, outcome="refused", consent_withdrawn=True)

    assert answer.status_code == 200
    read = (await manager.http.get(f"{URL}/{one.id}")).json()
    assert (read["do_not_call"], read["dcwh"], read["grade"]) == (True, "denial", None)
    consents = (await manager.http.get(f"{URL}/{other.id}/consents")).json()["items"]
    assert [(each["purpose"], each["state"], each["channel"]) for each in consents] == [
        ("marketing_call", "withdrawn", "call")
    ]
    assert (await manager.http.get(f"{URL}/{other.id}")).json()["do_not_call"] is False


async def test_who_does_not_want_to_be_called_any_more_is_passed_over(app_server: Served, manager: SignedIn) -> None:
    path, (one, other) = await a_list(app_server, manager, 2)
    await manager.http.patch(f"{URL}/{one.id}", json={"do_not_call": True})

    assert (await taken(manager.http, path))["entry"]["customer"]["code"] == other.code

    (first, _) = [
        entry for each in (await manager.http.get(f"{path}/plan")).json()["quadrants"] for entry in each["entries"]
    ]
    assert (first["state"], first["skip_reason"]) == ("skipped", "do_not_call")


async def test_who_was_promised_a_later_time_waits_for_it(app_server: Served, manager: SignedIn) -> None:
    path, (one, other) = await a_list(app_server, manager, 2)
    async with app_server.database.session_scope() as session:
        later = datetime.now(UTC) + timedelta(hours=2)
        await session.execute(update(Customer).where(Customer.id == one.id).values(next_call_at=later))

    order = [(await taken(manager.http, path))["entry"]["customer"]["code"] for _ in range(2)]

    assert order == [other.code, one.code]


async def test_an_entry_is_put_back_skipped_and_freed_by_time(
    app_server: Served, manager: SignedIn, signed_in: SignIn
) -> None:
    supervisor = await signed_in(Role.SUPERVISOR, name="王主管")
    path, _ = await a_list(app_server, manager)
    entry = f"{ENTRIES}/{(await taken(manager.http, path))['entry']['id']}"

    answer = await supervisor.http.put(f"{entry}/outcome", json={"outcome": "busy"})
    assert refusal(answer) == (409, "entry_taken")
    assert answer.json()["by"] == "林经理"
    assert (await manager.http.post(f"{entry}/take")).status_code == 200, "one's own is held on to"
    assert (await manager.http.post(f"{entry}/put-back")).json()["state"] == "open"
    assert refusal(await manager.http.post(f"{entry}/put-back")) == (409, "nothing_to_put_back")
    assert (await supervisor.http.post(f"{entry}/take")).json()["entry"]["reserved_by"]["name"] == "王主管"
    async with app_server.database.session_scope() as session:
        past = datetime.now(UTC) - timedelta(seconds=1)
        await session.execute(update(CallListEntry).where(CallListEntry.state == "taken").values(reserved_until=past))
    assert (await taken(manager.http, path))["entry"]["reserved_by"]["name"] == "林经理"
    assert refusal(await manager.http.put(f"{entry}/skip", json={"reason": " "})) == (422, "invalid")
    skipped = (await manager.http.put(f"{entry}/skip", json={"reason": "昨天已当面谈过"})).json()
    assert (skipped["state"], skipped["skip_reason"]) == ("skipped", "昨天已当面谈过")
    assert refusal(await manager.http.put(f"{entry}/outcome", json={"outcome": "busy"})) == (409, "entry_closed")


async def test_two_who_say_what_came_of_it_at_once(app_server: Served, manager: SignedIn) -> None:
    path, (customer,) = await a_list(app_server, manager)
    entry = f"{ENTRIES}/{(await taken(manager.http, path))['entry']['id']}/outcome"

    answers = await asyncio.gather(
        *(manager.http.put(entry, json={"outcome": "reached", "sales_stage": stage}) for stage in (2, 3, 4))
    )

    assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
    history = (await manager.http.get(f"{URL}/{customer.id}/history")).json()["items"]
    assert [change["field"] for change in history].count("sales_stage") == 1


@pytest.mark.parametrize(
    ("given", "status", "code"),
    [
        ({"outcome": "reached", "next_call_at": "2026-01-01T00:00:00Z"}, 422, "bad_next_call"),
        ({"outcome": "reached", "do_not_call": True}, 422, "invalid"),
        ({"outcome": "busy", "phone_id": str(uuid4())}, 422, "invalid"),
        ({"outcome": "wrong_number", "phone_id": str(uuid4())}, 404, "no_such_phone"),
        ({"outcome": "sold"}, 422, "invalid"),
    ],
)
async def test_what_cannot_be_leaves_the_entry_as_it_was(
    app_server: Served, manager: SignedIn, given: dict[str, Any], status: int, code: str
) -> None:
    path, (customer,) = await a_list(app_server, manager)
    entry = f"{ENTRIES}/{(await taken(manager.http, path))['entry']['id']}"

    answer = await manager.http.put(f"{entry}/outcome", json={"sales_stage": 5, "note": "n", **given})

    assert refusal(answer) == (status, code)
    read = (await manager.http.get(f"{URL}/{customer.id}")).json()
    assert (read["version"], read["sales_stage"]) == (1, 0)
    assert (await manager.http.post(f"{entry}/put-back")).json()["state"] == "open"


async def test_a_list_is_worked_by_its_manager_and_supervisors(
    app_server: Served, manager: SignedIn, signed_in: SignIn
) -> None:
    path, _ = await a_list(app_server, manager)
    other, stand_in = await signed_in(Role.ACCOUNT_MANAGER), await signed_in(Role.ACCOUNT_MANAGER)
    analyst = await signed_in(Role.ANALYST)
    entry = f"{ENTRIES}/{(await taken(manager.http, path))['entry']['id']}"

    assert refusal(await other.http.post(f"{path}/next")) == (403, "not_your_list")
    assert refusal(await other.http.get(f"{path}/plan")) == (403, "not_your_list")
    assert refusal(await other.http.put(f"{entry}/outcome", json={"outcome": "busy"})) == (403, "not_your_list")
    assert refusal(await analyst.http.post(f"{path}/next")) == (403, "scope_missing")
    assert refusal(await other.http.post(f"/api/v1/call-lists/{uuid4()}/next")) == (404, "no_such_list")
    assert refusal(await other.http.post(f"{ENTRIES}/{uuid4()}/take")) == (404, "no_such_list_entry")
    assert refusal(await manager.http.put(f"{ENTRIES}/{uuid4()}/outcome", json={"outcome": "busy"})) == (
        404,
        "no_such_list_entry",
    )
    seen = (await analyst.http.get(f"{path}/plan")).json()
    (told,) = [each["customer"]["phone"] for part in seen["quadrants"] for each in part["entries"]]
    assert "*" in told
    async with app_server.database.session_scope() as session:
        made = UUID(path.rpartition("/")[2])
        await session.execute(update(CallList).where(CallList.id == made).values(made_for_id=stand_in.agent.id))
    assert (await stand_in.http.get(f"{path}/plan")).status_code == 200, "who stands in works it"


async def test_the_call_that_was_placed_for_it_is_told(app_server: Served, manager: SignedIn) -> None:
    async with app_server.database.session_scope() as session:
        (customer,) = await make_book(session, manager.agent, 1)
        made = await make_list(session, manager.agent, [customer], day=TODAY)
        call = a_call(customer.id, datetime.now(UTC), direction="outbound", answered_at=datetime.now(UTC))
        session.add(call)
        await session.flush()
        session.add(
            DialAttempt(
                customer_id=customer.id,
                agent_id=manager.agent.id,
                call_id=call.id,
                provider="simulator",
                state="ended",
                result="answered",
                started_at=datetime.now(UTC),
            )
        )

    done = await finished(manager.http, f"/api/v1/call-lists/{made.id}", outcome="reached", note="谈了价格")

    assert done["call_id"] == str(call.id)
    entries = (await manager.http.get(f"{URL}/{customer.id}/timeline")).json()["items"]
    assert sorted(each["kind"] for each in entries) == ["call", "note"], "the call tells itself"


async def test_when_they_are_best_rung(app_server: Served, manager: SignedIn) -> None:
    async with app_server.database.session_scope() as session:
        customer = await make_customer(session, a_mobile(), owner_id=manager.agent.id, time_zone="Europe/London")
        made = await make_list(session, manager.agent, [customer])
        ten_in_london = datetime(2026, 1, 12, 10, 20, tzinfo=UTC)
        session.add_all(
            DialAttempt(
                customer_id=customer.id,
                provider="simulator",
                state="ended",
                result=result,
                started_at=ten_in_london + timedelta(days=days, hours=hours),
            )
            for days, hours, result in [(1, 0, "answered"), (2, 0, "answered"), (3, 5, "no_answer"), (4, 5, "busy")]
        )
        session.add(a_call(customer.id, ten_in_london))

    best = (await taken(manager.http, f"/api/v1/call-lists/{made.id}"))["best_hour"]

    assert (best["hour"], best["tries"]) == (10, 5)
    assert 0.5 < best["chance"] < 0.9
