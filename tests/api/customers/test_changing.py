"""Changing customers, and who may."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from app.models import Role
from tests.api.customers.support import URL, a_mobile, create, refusal
from tests.support import SignIn


async def test_a_patch_changes_what_is_given_and_nothing_else(http: httpx.AsyncClient) -> None:
    before = await create(http, email="lu@example.com", note="old", phones=[{"number": a_mobile()}])

    answer = await http.patch(f"{URL}/{before['code']}", json={"email": None, "do_not_call": True, "note": "new"})
    after = answer.json()

    assert answer.status_code == 200
    assert answer.headers["etag"] == '"2"'
    changed = {key for key in before if before[key] != after[key]}
    assert changed == {"email", "do_not_call", "note", "version", "updated_at", "provenance"}
    assert (after["email"], after["do_not_call"], after["note"], after["version"]) == (None, True, "new", 2)
    assert (await http.get(f"{URL}/{before['id']}")).json() == after


async def test_a_patch_of_nothing_leaves_the_version(http: httpx.AsyncClient) -> None:
    before = await create(http)

    assert (await http.patch(f"{URL}/{before['id']}", json={})).json() == before
    assert (await http.patch(f"{URL}/{before['id']}", json={"name": before["name"]})).json() == before


async def test_a_new_name_has_its_forms_worked_out_anew(http: httpx.AsyncClient) -> None:
    made = await create(http, gender="male", latin_name="Lu by hand")
    renamed = (await http.patch(f"{URL}/{made['id']}", json={"name": "仇和"})).json()
    by_hand = (await http.patch(f"{URL}/{made['id']}", json={"name": "单雄信", "latin_surname": "Dan"})).json()
    company = (await http.patch(f"{URL}/{made['id']}", json={"kind": "company"})).json()

    assert (renamed["surname"], renamed["latin_name"], renamed["address_as"]["en"]) == ("仇", "Qiu He", "Mr Qiu")
    assert (by_hand["surname"], by_hand["latin_name"], by_hand["latin_surname"]) == ("单", "Shan Xiongxin", "Dan")
    assert (company["surname"], company["latin_name"], company["address_as"]["zh"]) == ("", "", "单雄信")


@pytest.mark.parametrize(
    "wrong", [{"name": None}, {"kind": None}, {"do_not_call": None}, {"sales_stage": 9}, {"phones": []}, {"version": 7}]
)
async def test_a_patch_that_does_not_fit_is_refused(http: httpx.AsyncClient, wrong: dict[str, Any]) -> None:
    made = await create(http)

    assert refusal(await http.patch(f"{URL}/{made['id']}", json=wrong)) == (422, "invalid")
    assert (await http.get(f"{URL}/{made['id']}")).json() == made


@pytest.mark.parametrize("header", ['"1"', "1", 'W/"1"', '"7", "1"', "*"])
async def test_if_match_lets_the_right_version_through(http: httpx.AsyncClient, header: str) -> None:
    made = await create(http)

    assert (
        await http.patch(f"{URL}/{made['id']}", json={"note": "x"}, headers={"If-Match": header})
    ).status_code == 200


async def test_if_match_stops_whoever_has_not_seen_the_newest(http: httpx.AsyncClient) -> None:
    made = await create(http)
    await http.patch(f"{URL}/{made['id']}", json={"note": "theirs"})

    refused = await http.patch(f"{URL}/{made['id']}", json={"note": "mine"}, headers={"If-Match": '"1"'})
    nonsense = await http.patch(f"{URL}/{made['id']}", json={"note": "mine"}, headers={"If-Match": '"abc"'})

    assert refusal(refused) == (409, "version_conflict")
    assert refused.json()["version"] == 2
    assert refusal(nonsense) == (400, "bad_if_match")
    assert (await http.get(f"{URL}/{made['id']}")).json()["note"] == "theirs"


async def test_of_two_changes_at_once_one_is_told(http: httpx.AsyncClient) -> None:
    made = await create(http)
    both = await asyncio.gather(
        *(http.patch(f"{URL}/{made['id']}", json={"note": f"{who}"}, headers={"If-Match": '"1"'}) for who in range(4))
    )

    assert sorted(answer.status_code for answer in both) == [200, 409, 409, 409]
    assert (await http.get(f"{URL}/{made['id']}")).json()["version"] == 2


async def test_changes_at_once_without_a_version_all_hold(http: httpx.AsyncClient) -> None:
    made = await create(http)
    fields = [{"note": "n"}, {"email": "e@example.com"}, {"region": "江苏"}, {"title": "博士"}]
    answers = await asyncio.gather(*(http.patch(f"{URL}/{made['id']}", json=given) for given in fields))

    assert [answer.status_code for answer in answers] == [200] * 4
    after = (await http.get(f"{URL}/{made['id']}")).json()
    assert (after["note"], after["email"], after["region"], after["title"]) == ("n", "e@example.com", "江苏", "博士")
    assert after["version"] == 5


async def test_nobody_unknown_sees_a_customer(client: httpx.AsyncClient, http: httpx.AsyncClient) -> None:
    made = await create(http)

    for method, path in [("GET", ""), ("POST", ""), ("GET", f"/{made['id']}"), ("PATCH", f"/{made['id']}")]:
        assert refusal(await client.request(method, URL + path, json={"name": "x"})) == (401, "not_signed_in")
    for part in ("card", "timeline", "phones", "purchases", "contracts", "interactions"):
        assert refusal(await client.get(f"{URL}/{made['id']}/{part}")) == (401, "not_signed_in")


async def test_an_analyst_reads_and_changes_nothing(http: httpx.AsyncClient, signed_in: SignIn) -> None:
    made = await create(http, phones=[{"number": a_mobile()}])
    phone = made["phones"][0]["id"]
    analyst = (await signed_in(Role.ANALYST)).http
    one = f"{URL}/{made['id']}"

    for path in (URL, one, f"{one}/card", f"{one}/timeline", f"{one}/phones", f"{one}/purchases"):
        assert (await analyst.get(path)).status_code == 200
    for method, path, body in [
        ("POST", URL, {"name": "x"}),
        ("PATCH", one, {"note": "x"}),
        ("POST", f"{one}/phones", {"number": a_mobile()}),
        ("DELETE", f"{one}/phones/{phone}", None),
        ("PUT", f"{one}/phones/{phone}/primary", None),
        ("POST", f"{one}/purchases", {"product": "x", "purchased_on": "2025-01-01"}),
        ("POST", f"{one}/contracts", {"number": "1", "starts_on": "2025-01-01", "ends_on": "2025-01-01"}),
        ("POST", f"{one}/interactions", {"channel": "sms", "direction": "inbound", "summary": "x"}),
    ]:
        assert refusal(await analyst.request(method, path, json=body)) == (403, "scope_missing"), (method, path)
    assert (await http.get(one)).json() == made


@pytest.mark.parametrize("role", [Role.AGENT, Role.ACCOUNT_MANAGER])
async def test_only_supervisors_say_whose_book_a_customer_is_in(signed_in: SignIn, role: Role) -> None:
    me = await signed_in(role)
    supervisor = await signed_in(Role.SUPERVISOR)
    owner = str(me.agent.id)
    made = await create(me.http)

    assert refusal(await me.http.post(URL, json={"name": "x", "owner_id": owner})) == (403, "scope_missing")
    assert refusal(await me.http.patch(f"{URL}/{made['id']}", json={"owner_id": owner})) == (403, "scope_missing")
    given = await supervisor.http.patch(f"{URL}/{made['id']}", json={"owner_id": owner})
    assert given.json()["owner"] == {"id": owner, "name": me.agent.name}
    # To repeat what holds already is no change; to take it away is one.
    assert (await me.http.patch(f"{URL}/{made['id']}", json={"owner_id": owner, "note": "x"})).status_code == 200
    assert refusal(await me.http.patch(f"{URL}/{made['id']}", json={"owner_id": None})) == (403, "scope_missing")
    assert (await supervisor.http.patch(f"{URL}/{made['id']}", json={"owner_id": None})).json()["owner"] is None


async def test_an_owner_is_an_active_agent(signed_in: SignIn) -> None:
    supervisor = await signed_in(Role.SUPERVISOR)
    gone = await signed_in(Role.AGENT, active=False)

    for owner in (str(uuid4()), str(gone.agent.id)):
        refused = await supervisor.http.post(URL, json={"name": "x", "owner_id": owner})
        assert refusal(refused) == (422, "unknown_owner")


@pytest.mark.parametrize("ref", ["C9999999", str(UUID(int=7)), "nonsense", "%00", "C" * 300, "C１"])
async def test_a_customer_who_is_not_there(http: httpx.AsyncClient, ref: str) -> None:
    for path in ("", "/card", "/timeline", "/phones", "/purchases", "/contracts", "/interactions"):
        assert refusal(await http.get(f"{URL}/{ref}{path}"))[0] == 404
    assert refusal(await http.patch(f"{URL}/{ref}", json={"note": "x"}))[0] == 404


async def test_the_code_of_that_refusal(http: httpx.AsyncClient) -> None:
    assert refusal(await http.get(f"{URL}/{'C9999999'}")) == (404, "no_such_customer")
