"""Merging customers over the API: the older code stays, the other leads there for ever, and it can be taken back."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from app.models import Role
from tests.api.customers.support import URL, a_call, a_mobile, create, found, refusal
from tests.support import Served, SignedIn, SignIn


async def merged(http: httpx.AsyncClient, *, reason: str = "同一个人", **newer: Any) -> tuple[Any, Any, Any]:
    """The older customer, the newer one, and their merge, named by the newer one."""
    first = await create(http, name="鲁建国", phones=[{"number": a_mobile()}])
    second = await create(http, **{"name": "鲁先生", "phones": [{"number": a_mobile()}], **newer})
    answer = await http.post(f"{URL}/{second['code']}/merge", json={"other": first["id"], "reason": reason})
    assert answer.status_code == 201, answer.text
    return first, second, answer.json()


async def test_a_merge_says_who_and_why_and_what_was_moved(http: httpx.AsyncClient, agent: SignedIn) -> None:
    first, second, made = await merged(http, email="two@example.com")

    assert made == {
        "id": made["id"],
        "survivor": {"id": first["id"], "code": first["code"], "name": "鲁建国"},
        "absorbed": {"id": second["id"], "code": second["code"], "name": "鲁先生"},
        "merged_at": made["merged_at"],
        "by": {"id": str(agent.agent.id), "name": "李娜"},
        "reason": "同一个人",
        "moved": made["moved"],
        "undone_at": None,
        "undone_by": None,
    }
    assert made["moved"]["customer_phones"] == 1
    assert (await http.get(f"/api/v1/merges/{made['id']}")).json() == made
    for each in (first, second):
        assert (await http.get(f"{URL}/{each['code']}/merges")).json() == {"items": [made], "next": None}
    history = (await http.get(f"{URL}/{first['id']}/history")).json()["items"]
    told = {entry["field"]: entry["new"] for entry in history}
    assert told["merged"] == {"merge_id": made["id"], "code": second["code"]}
    assert told["merged_into"] == {"merge_id": made["id"], "code": first["code"]}


async def test_the_other_code_and_id_lead_to_the_survivor_for_ever(http: httpx.AsyncClient) -> None:
    first, second, _ = await merged(http)

    for old, now in (
        (second["code"], first["code"]),
        (second["code"].lower(), first["code"]),
        (second["id"], first["id"]),
    ):
        moved = await http.get(f"{URL}/{old}")
        assert refusal(moved) == (308, "customer_moved")
        assert moved.headers["location"] == f"{URL}/{now}"
        assert (moved.json()["customer_id"], moved.json()["customer_code"]) == (first["id"], first["code"])
        changed = await http.patch(f"{URL}/{old}", json={"note": "neu"})
        assert (changed.status_code, changed.headers["location"]) == (308, f"{URL}/{now}")
    followed = await http.patch(f"{URL}/{second['id']}", json={"note": "neu"}, follow_redirects=True)
    assert (followed.json()["id"], followed.json()["note"]) == (first["id"], "neu")
    assert len(followed.json()["phones"]) == 2


async def test_whatever_is_below_the_old_address_follows(http: httpx.AsyncClient) -> None:
    first, second, _ = await merged(http)
    old = f"{URL}/{second['code']}"

    assert (await http.get(f"{old}/card")).json()["customer"]["id"] == first["id"]
    for path in ("timeline", "phones", "purchases", "contracts", "interactions", "notes", "history"):
        assert (await http.get(f"{old}/{path}")).json() == (await http.get(f"{URL}/{first['id']}/{path}")).json()
    added = await http.post(f"{old}/purchases", json={"product": "空调", "purchased_on": "2025-10-18"})
    assert added.status_code == 201
    await http.post(f"{old}/phones", json={"number": a_mobile()})
    now = (await http.get(f"{URL}/{first['id']}/card")).json()
    assert (len(now["purchases"]), len(now["customer"]["phones"])) == (1, 3)


async def test_the_calls_of_the_other_are_the_survivors(app_server: Served, http: httpx.AsyncClient) -> None:
    first, second = await create(http), await create(http)
    async with app_server.database.session_scope() as session:
        session.add(a_call(UUID(second["id"]), datetime.now(UTC)))
    await http.post(f"{URL}/{first['id']}/merge", json={"other": second["code"], "reason": "x"})

    for each in (first, second):
        calls = (await http.get("/api/v1/calls", params={"customer_id": each["id"]})).json()["items"]
        assert [call["customer"]["id"] for call in calls] == [first["id"]]
    assert (await http.get("/api/v1/calls", params={"customer_id": str(uuid4())})).json()["items"] == []


async def test_only_the_survivor_is_found(http: httpx.AsyncClient) -> None:
    first, second, made = await merged(http, name="闫独一", email="unique.one@example.com")

    assert await found(http, "闫独一") == await found(http, "yanduyi") == [first["id"]], "typed last, so it is the name"
    assert await found(http, second["code"]) == [first["id"]]
    assert await found(http, second["phones"][0]["e164"]) == [first["id"]]
    assert await found(http, "unique.one@example.com") == [first["id"]], "the address is the survivor's now"
    assert second["id"] not in await found(http, "")

    assert (await http.post(f"/api/v1/merges/{made['id']}/undo")).status_code == 200
    assert await found(http, "闫独一") == await found(http, second["code"]) == [second["id"]]


async def test_taking_it_back_brings_both_back(http: httpx.AsyncClient, agent: SignedIn) -> None:
    first, second, made = await merged(http, email="back@example.com")

    undone = await http.post(f"/api/v1/merges/{made['id']}/undo")

    assert undone.status_code == 200, undone.text
    assert undone.json()["undone_by"] == {"id": str(agent.agent.id), "name": "李娜"}
    for before in (first, second):
        after = (await http.get(f"{URL}/{before['code']}")).json()
        changed = {name for name in before if before[name] != after[name]}
        assert changed == {"version", "updated_at"}, "whoever read it while they were one is told by If-Match"
    again = await http.post(f"/api/v1/merges/{made['id']}/undo")
    assert refusal(again) == (409, "merge_undone")


async def test_the_same_number_on_both_is_one_number(http: httpx.AsyncClient) -> None:
    number = a_mobile()
    first = await create(http, phones=[{"number": a_mobile()}, {"number": number}])
    second = await create(http, phones=[{"number": number}])
    made = (await http.post(f"{URL}/{first['id']}/merge", json={"other": second["code"], "reason": "x"})).json()

    now = (await http.get(f"{URL}/{first['id']}")).json()
    assert [phone["e164"] for phone in now["phones"]] == [first["phones"][0]["e164"], number]
    assert [phone["is_primary"] for phone in now["phones"]] == [True, False]
    await http.post(f"/api/v1/merges/{made['id']}/undo")
    assert (await http.get(f"{URL}/{second['id']}")).json()["phones"] == second["phones"]
    assert (await http.get(f"{URL}/{first['id']}")).json()["phones"] == first["phones"]


async def test_merges_are_taken_back_in_the_opposite_order(http: httpx.AsyncClient) -> None:
    first, _, made = await merged(http)
    third = await create(http)
    later = (await http.post(f"{URL}/{third['code']}/merge", json={"other": first["code"], "reason": "x"})).json()

    refused = await http.post(f"/api/v1/merges/{made['id']}/undo")

    assert refusal(refused) == (409, "merge_not_last")
    assert refused.json()["undo_first"] == later["id"]
    for each in (later, made):
        assert (await http.post(f"/api/v1/merges/{each['id']}/undo")).status_code == 200


async def test_what_cannot_be_merged(http: httpx.AsyncClient) -> None:
    first, second, _ = await merged(http)
    third = await create(http)

    async def refused(ref: str, other: str, reason: str = "x") -> tuple[int, str]:
        return refusal(await http.post(f"{URL}/{ref}/merge", json={"other": other, "reason": reason}))

    assert await refused(first["id"], first["code"]) == (409, "same_customer")
    assert await refused(third["id"], second["code"]) == (409, "already_merged")
    assert await refused(second["id"], third["code"]) == (409, "already_merged")
    assert await refused(first["id"], second["code"]) == (409, "already_merged")
    assert await refused(first["id"], "C9999999") == (404, "no_such_customer")
    assert await refused(str(uuid4()), first["id"]) == (404, "no_such_customer")
    assert await refused(first["id"], third["id"], reason=" ") == (422, "invalid")
    assert refusal(await http.get(f"/api/v1/merges/{uuid4()}")) == (404, "no_such_merge")
    assert refusal(await http.post(f"/api/v1/merges/{uuid4()}/undo")) == (404, "no_such_merge")


@pytest.mark.parametrize("role", [Role.ANALYST])
async def test_who_may_not(http: httpx.AsyncClient, signed_in: SignIn, role: Role) -> None:
    first, _, made = await merged(http)
    third = await create(http)
    person = (await signed_in(role)).http

    refused = await person.post(f"{URL}/{first['id']}/merge", json={"other": third["id"], "reason": "x"})
    assert refusal(refused) == (403, "scope_missing")
    assert refusal(await person.post(f"/api/v1/merges/{made['id']}/undo")) == (403, "scope_missing")
    assert (await person.get(f"/api/v1/merges/{made['id']}")).status_code == 200
