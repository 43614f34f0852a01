"""Promised calls over REST: making, finding, changing and ending them, and who may."""

import asyncio
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import httpx
import pytest
from sqlalchemy import select, text, update

from app.models import Callback, CallbackState, Customer, Purchase, QueueMember, Role
from tests.api.customers.support import OURS, a_mobile, all_pages, refusal
from tests.factories import make_customer, make_queue
from tests.support import Served, SignedIn, SignIn, somebody_waits

URL = "/api/v1/callbacks"
SHANGHAI = ZoneInfo("Asia/Shanghai")


def at(days: int, hour: int, minute: int = 0) -> str:
    """A time of the Shanghai clock some days from now."""
    day = datetime.now(SHANGHAI).date() + timedelta(days=days)
    return datetime.combine(day, time(hour, minute), tzinfo=SHANGHAI).astimezone(UTC).isoformat().replace("+00:00", "Z")


async def customer_of(served: Served, *phones: str, **fields: Any) -> Customer:
    async with served.database.session_scope() as session:
        return await make_customer(session, *(phones or (a_mobile(),)), **fields)


async def promised(served: Served, by: SignedIn, **given: Any) -> dict[str, Any]:
    """A new callback, as it was answered."""
    if not given.keys() & {"customer", "number"}:
        given["customer"] = (await customer_of(served)).code
    answer = await by.http.post(URL, json={"due_at": at(2, 10), **given})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def set_to(served: Served, callback: dict[str, Any], **values: Any) -> None:
    async with served.database.session_scope() as session:
        await session.execute(update(Callback).where(Callback.id == UUID(callback["id"])).values(values))


async def test_a_promise_from_first_word_to_last(app_server: Served, agent: SignedIn, supervisor: SignedIn) -> None:
    customer = await customer_of(app_server, name="鲁建国")
    made = await promised(app_server, agent, customer=customer.code, subject="三台空调")
    one = f"{URL}/{made['code'].lower()}"
    assert (made["state"], made["reason"], made["owner"]["name"]) == ("scheduled", "by_hand", "李娜")
    assert (made["customer"]["code"], made["zone"], made["version"]) == (customer.code, "Asia/Shanghai", 1)
    card = (await agent.http.get(f"/api/v1/customers/{customer.code}/card")).json()
    assert [(each["code"], each["due_at"]) for each in card["callbacks"]] == [(made["code"], made["due_at"])]

    moved = await agent.http.patch(one, json={"due_at": at(3, 15), "why": "开会"}, headers={"If-Match": '"1"'})
    assert (moved.status_code, moved.headers["ETag"], moved.json()["due_at"]) == (200, '"2"', at(3, 15))
    late = await agent.http.patch(one, json={"subject": "x"}, headers={"If-Match": '"1"'})
    assert refusal(late) == (409, "version_conflict")
    nobody = await agent.http.patch(one, json={"owner_id": str(supervisor.agent.id)})
    assert refusal(nobody) == (403, "scope_missing")
    given = await supervisor.http.patch(one, json={"owner_id": str(supervisor.agent.id)})
    assert given.json()["owner"]["name"] == "王主管"
    ended = await supervisor.http.post(f"{one}/cancel", json={"why": "客户已来电"})
    assert (ended.json()["state"], ended.json()["ended_at"] is None) == ("cancelled", False)

    whole = (await agent.http.get(f"{URL}/{made['id']}")).json()
    assert [(each["what"], each["by"]["name"]) for each in whole["changes"]] == [
        ("promised", "李娜"),
        ("rescheduled", "李娜"),
        ("reassigned", "王主管"),
        ("cancelled", "王主管"),
    ]
    assert whole["changes"][1]["detail"] == {
        "old": {"due_at": at(2, 10)},
        "new": {"due_at": at(3, 15)},
        "why": "开会",
    }
    assert whole["first_due_at"] == at(2, 10)
    for method, path, body in [
        ("PATCH", one, {"due_at": at(4, 10)}),
        ("POST", f"{one}/cancel", {"why": "again"}),
        ("PUT", f"{one}/outcome", {"outcome": "answered"}),
    ]:
        assert refusal(await supervisor.http.request(method, path, json=body)) == (409, "callback_ended")
    assert (await agent.http.get(one)).json() == whole
    assert (await agent.http.get(f"/api/v1/customers/{customer.code}/card")).json()["callbacks"] == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"due_at": at(-1, 10)}, (409, "due_in_past")),
        ({"due_at": at(400, 10)}, (409, "due_too_far")),
        ({"due_at": at(2, 21)}, (409, "outside_calling_window")),
        ({"due_at": at(2, 3)}, (409, "outside_calling_window")),
        ({"due_at": "2026-11-23"}, (422, "invalid")),
        ({"customer": "C9999999"}, (404, "no_such_customer")),
        ({"number": "10086"}, (422, "number_not_allowed")),
        ({"number": OURS}, (422, "number_not_allowed")),
        ({"owner_id": str(uuid4())}, (403, "scope_missing")),
        ({"customer": None}, (422, "invalid")),
    ],
)
async def test_bad_input_promises_nothing(
    app_server: Served, agent: SignedIn, given: dict[str, Any], expected: tuple[int, str]
) -> None:
    customer = await customer_of(app_server)

    answer = await agent.http.post(URL, json={"customer": customer.code, "due_at": at(2, 10), **given})

    assert refusal(answer) == expected
    if expected[1] == "outside_calling_window":
        assert answer.json()["next_open"] in (at(2, 9), at(3, 9))
    found = (await agent.http.get(URL, params={"customer": customer.code})).json()
    assert found["items"] == []


async def test_who_asked_not_to_be_called_is_not_promised_a_call(app_server: Served, agent: SignedIn) -> None:
    number = a_mobile()
    await customer_of(app_server, number, do_not_call=True)
    theirs = await customer_of(app_server, a_mobile(), do_not_call=True)
    async with app_server.database.session_scope() as session:
        without = await make_customer(session)

    assert refusal(await agent.http.post(URL, json={"customer": theirs.code})) == (409, "do_not_call")
    assert refusal(await agent.http.post(URL, json={"number": number})) == (409, "do_not_call")
    assert refusal(await agent.http.post(URL, json={"customer": without.code})) == (409, "no_number")


async def test_an_agent_changes_their_own_and_what_is_open_to_all(
    app_server: Served, agent: SignedIn, signed_in: SignIn
) -> None:
    other, analyst = await signed_in(Role.AGENT), await signed_in(Role.ANALYST)
    number = a_mobile()
    made = await promised(app_server, agent, number=number, subject=f"回电 {number}", due_at=None)
    one = f"{URL}/{made['code']}"

    for method, path, body in [
        ("PATCH", one, {"subject": "x"}),
        ("POST", f"{one}/cancel", {"why": "x"}),
        ("PUT", f"{one}/outcome", {"outcome": "answered"}),
    ]:
        assert refusal(await other.http.request(method, path, json=body)) == (403, "not_your_callback")
        assert refusal(await analyst.http.request(method, path, json=body)) == (403, "scope_missing")
    assert (await agent.http.get(one)).json() == made
    masked = (await analyst.http.get(one)).json()
    assert number not in str(masked)
    assert masked["changes"][0]["detail"] == {}

    past = datetime.now(UTC) - timedelta(minutes=5)
    await set_to(app_server, made, due_at=past, open_to_all_at=past)
    assert (await other.http.patch(one, json={"owner_id": str(other.agent.id)})).status_code == 200
    # In a queue, it is open to those who take calls of that queue.
    async with app_server.database.session_scope() as session:
        queue = await make_queue(session)
    await set_to(app_server, made, open_to_all_at=past, queue_id=queue.id)
    assert refusal(await agent.http.patch(one, json={"subject": "x"})) == (403, "not_your_callback")
    async with app_server.database.session_scope() as session:
        session.add(QueueMember(queue_id=queue.id, agent_id=agent.agent.id))
    assert (await agent.http.patch(one, json={"subject": "x"})).status_code == 200


async def test_what_came_of_a_call(app_server: Served, agent: SignedIn) -> None:
    made = await promised(app_server, agent)
    outcome = f"{URL}/{made['code']}/outcome"

    later = (await agent.http.put(outcome, json={"outcome": "not_reached", "note": "没人接"})).json()
    assert (later["state"], later["attempts"], later["outcome"]) == ("retry", 1, "not_reached")
    again = datetime.fromisoformat(later["due_at"])
    assert again - datetime.now(UTC) > timedelta(hours=1, minutes=59)
    assert 9 <= again.astimezone(SHANGHAI).hour < 21
    assert later["first_due_at"] == made["first_due_at"]

    for wrong in (
        {"outcome": "works_now"},
        {"outcome": "answered", "satisfaction": 6},
        {"outcome": "not_reached", "satisfaction": 3},
    ):
        assert refusal(await agent.http.put(outcome, json=wrong)) == (422, "invalid")
    said = {"outcome": "answered", "satisfaction": 5, "note": "都好"}
    done = (await agent.http.put(outcome, json=said)).json()
    assert (done["state"], done["outcome"], done["satisfaction"], done["note"]) == ("done", "answered", 5, "都好")
    repeated = await agent.http.put(outcome, json=said)
    assert (repeated.status_code, repeated.json()) == (200, done)
    assert refusal(await agent.http.put(outcome, json={**said, "satisfaction": 1})) == (409, "callback_ended")
    assert [each["what"] for each in done["changes"]] == ["promised", "retry", "done"]


async def test_lists(app_server: Served, signed_in: SignIn) -> None:
    me, other = await signed_in(Role.AGENT), await signed_in(Role.AGENT)
    customer = await customer_of(app_server)
    async with app_server.database.session_scope() as session:
        session.add(
            Purchase(
                customer_id=customer.id,
                product="除湿机",
                product_en="dehumidifier",
                purchased_on=datetime.now(UTC).date(),
            )
        )
    coming = await promised(app_server, me, subject="送货 100%")
    due = await promised(app_server, me, customer=customer.code)
    overdue = await promised(app_server, me)
    open_now = await promised(app_server, other)
    cancelled = await promised(app_server, me)
    await me.http.post(f"{URL}/{cancelled['id']}/cancel", json={"why": "x"})
    now = datetime.now(UTC)
    minute, hour = timedelta(minutes=1), timedelta(hours=1)
    await set_to(app_server, due, due_at=now - minute, open_to_all_at=now + hour)
    await set_to(app_server, overdue, due_at=now - 3 * hour, open_to_all_at=now - hour, created_at=now - 50 * hour)
    await set_to(app_server, open_now, due_at=now - 2 * hour, open_to_all_at=now - minute)

    async def found(**wanted: object) -> list[str]:
        items = (await me.http.get(URL, params=wanted)).json()["items"]  # type: ignore[arg-type]
        ours = {each["code"]: name for name, each in named.items()}
        return [ours[each["code"]] for each in items if each["code"] in ours]

    named = {"coming": coming, "due": due, "overdue": overdue, "open": open_now, "cancelled": cancelled}
    assert await found(mine=True, limit=2) == ["overdue", "due"]
    assert set(await found(mine=True)) == {"overdue", "due", "coming", "cancelled"}
    assert await found(for_me=True, due=True) == ["overdue", "open", "due"]
    assert await found(overdue=True) == ["overdue", "open"]
    assert await found(mine=True, state="due") == ["overdue", "due"]
    assert await found(mine=True, state="scheduled") == ["coming"]
    assert await found(mine=True, state="cancelled") == ["cancelled"]
    assert await found(owner_id=str(other.agent.id)) == ["open"]
    assert await found(customer=customer.code) == ["due"]
    assert await found(product="除湿") == ["due"]
    assert await found(product="DEHUMID") == ["due"]
    assert await found(product="100%") == ["coming"]
    assert await found(mine=True, older_than=48) == ["overdue"]
    assert await found(mine=True, reason="voicemail") == []
    pages = await all_pages(me.http, URL, mine=True, limit=1)
    assert [len(page) for page in pages] == [1, 1, 1, 1]
    assert [page[0]["is_overdue"] for page in pages] == [True, False, False, False]
    assert refusal(await me.http.get(URL, params={"cursor": "nonsense"})) == (400, "bad_cursor")


async def test_counts_an_hour(app_server: Served, agent: SignedIn, supervisor: SignedIn) -> None:
    made = [await promised(app_server, agent, due_at=at(30, 10, minute)) for minute in (0, 15, 30)]
    made.append(await promised(app_server, agent, due_at=at(30, 20, 45)))
    await agent.http.put(f"{URL}/{made[0]['id']}/outcome", json={"outcome": "answered"})
    await agent.http.post(f"{URL}/{made[1]['id']}/cancel", json={"why": "x"})
    day = {"since": at(30, 0), "until": at(31, 0)}

    counts = await supervisor.http.get(f"{URL}/counts", params=day)

    nothing = {"due": 0, "open": 0, "overdue": 0, "done": 0, "escalated": 0, "cancelled": 0}
    assert counts.json()["items"] == [
        {**nothing, "hour": at(30, 10), "due": 3, "open": 1, "done": 1, "cancelled": 1},
        {**nothing, "hour": at(30, 20), "due": 1, "open": 1},
    ]
    assert refusal(await agent.http.get(f"{URL}/counts")) == (403, "scope_missing")
    backwards = {"since": day["until"], "until": day["since"]}
    assert refusal(await supervisor.http.get(f"{URL}/counts", params=backwards)) == (400, "bad_range")
    assert (await supervisor.http.get(f"{URL}/counts")).status_code == 200


# Two at once ----------------------------------------------------------------------------------------------------------

CLAIM = text(
    "UPDATE callbacks SET state = 'claimed', claimed_by_id = :agent, claimed_until = now() + interval '5 minutes' "
    "WHERE id = :id AND state IN ('scheduled', 'retry') RETURNING id"
)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("POST", "/cancel", {"why": "来电"}), ("PATCH", "", {"due_at": at(3, 10)})],
    ids=["cancel", "reschedule"],
)
async def test_a_claim_that_is_first_is_seen_by_the_change(
    app_server: Served, agent: SignedIn, signed_in: SignIn, method: str, path: str, body: dict[str, str]
) -> None:
    other = await signed_in(Role.AGENT)
    made = await promised(app_server, agent)
    async with app_server.database.session_scope() as session:
        claimed = await session.scalar(CLAIM, {"id": made["id"], "agent": other.agent.id})
        change = asyncio.create_task(agent.http.request(method, f"{URL}/{made['id']}{path}", json=body))
        await somebody_waits(app_server.database)

    assert claimed is not None
    answer = await change
    if path:
        # Whoever has it in hand finds it cancelled when they dial.
        assert answer.json()["state"] == "cancelled"
    else:
        assert refusal(answer) == (409, "callback_busy")
        assert answer.json()["by"] == other.agent.name


async def test_a_change_that_is_first_is_seen_by_the_claim(app_server: Served, agent: SignedIn) -> None:
    made = await promised(app_server, agent)
    async with app_server.database.session_scope() as holding:
        await holding.execute(select(Callback).where(Callback.id == UUID(made["id"])).with_for_update())
        cancel = asyncio.create_task(agent.http.post(f"{URL}/{made['id']}/cancel", json={"why": "来电"}))
        await somebody_waits(app_server.database)

        async def claim() -> Any:
            async with app_server.database.session_scope() as session:
                return await session.scalar(CLAIM, {"id": made["id"], "agent": agent.agent.id})

        claiming = asyncio.create_task(claim())

    answer, claimed = await asyncio.gather(cancel, claiming)
    # Who has waited for the row longest has it first.
    assert answer.json()["state"] == "cancelled"
    assert claimed is None


@pytest.mark.parametrize(
    ("method", "path", "body"), [("POST", "/cancel", {"why": "x"}), ("PATCH", "", {"due_at": at(3, 11)})]
)
async def test_what_is_being_dialled_is_not_changed(
    app_server: Served, agent: SignedIn, method: str, path: str, body: dict[str, str]
) -> None:
    made = await promised(app_server, agent)
    until = datetime.now(UTC) + timedelta(minutes=5)
    await set_to(app_server, made, state=CallbackState.DIALING, claimed_by_id=agent.agent.id, claimed_until=until)

    answer = await agent.http.request(method, f"{URL}/{made['id']}{path}", json=body)

    assert refusal(answer) == (409, "callback_busy")
    assert (await agent.http.get(f"{URL}/{made['id']}")).json()["version"] == made["version"]


async def test_twenty_who_end_one_call_at_once_end_it_once(app_server: Served, agent: SignedIn) -> None:
    made = await promised(app_server, agent)

    async def end(number: int) -> httpx.Response:
        return await agent.http.put(f"{URL}/{made['id']}/outcome", json={"outcome": "answered", "note": f"{number}"})

    answers = await asyncio.gather(*(end(number) for number in range(20)))

    assert sorted(answer.status_code for answer in answers) == [200, *[409] * 19]
    whole = (await agent.http.get(f"{URL}/{made['id']}")).json()
    assert [each["what"] for each in whole["changes"]] == ["promised", "done"]
