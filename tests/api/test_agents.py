"""The people who work here: who may see, add and change whom."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest

from app.models.people import Agent, Role
from app.models.routing import AgentPresence, Presence
from app.services.access import ROLE_SCOPES, Scope
from tests.factories import make_agent, make_queue
from tests.support import Served, SignedIn, SignIn

PATH = "/api/v1/agents"
PASSWORD = "three words for you"
# The same in every process of a parallel run, which must all see the same tests.
NOBODY = "01900000-0000-7000-9000-00000000dead"


def code(response: httpx.Response) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, response.json()["code"]


async def add(person: SignedIn, **fields: Any) -> httpx.Response:
    return await person.http.post(PATH, json={"email": "new@example.com", "name": "新人", **fields})


async def change(person: SignedIn, agent: Agent | str, **fields: Any) -> httpx.Response:
    agent_id = agent if isinstance(agent, str) else agent.id
    return await person.http.patch(f"{PATH}/{agent_id}", json=fields)


async def test_a_new_person_can_sign_in(signed_in: SignIn, client: httpx.AsyncClient, app_server: Served) -> None:
    admin = await signed_in(Role.ADMIN)

    made = await add(admin, password=PASSWORD, queues=["hotline"])
    signed = await client.post("/api/v1/session", json={"email": "new@example.com", "password": PASSWORD})

    assert made.status_code == 201
    person = made.json()
    assert (person["role"], person["language"], person["active"], person["queues"]) == (
        "agent",
        "zh-CN",
        True,
        ["hotline"],
    )
    assert "password" not in str(person)
    assert signed.status_code == 201
    assert (await admin.http.get(f"{PATH}/{person['id']}")).json() == person
    async with app_server.database.session_scope() as session:
        presence = await session.get_one(AgentPresence, person["id"])
    assert presence.state is Presence.OFFLINE


@pytest.mark.parametrize("email", ["new@example.com", "NEW@example.com"])
async def test_an_email_address_is_one_persons(signed_in: SignIn, email: str) -> None:
    admin = await signed_in(Role.ADMIN)
    assert (await add(admin)).status_code == 201

    assert code(await add(admin, email=email)) == (409, "email_taken")
    assert code(await change(admin, admin.agent, email=email)) == (409, "email_taken")


async def test_two_at_once_are_one_person(signed_in: SignIn) -> None:
    admin = await signed_in(Role.ADMIN)

    answers = await asyncio.gather(*(add(admin) for _ in range(5)))

    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]


@pytest.mark.parametrize("by", Role)
async def test_who_may_add_whom(signed_in: SignIn, by: Role) -> None:
    person = await signed_in(by)

    added = {role for role in Role if (await add(person, email=f"{role}@example.com", role=role)).status_code == 201}

    expected = {
        Role.ADMIN: set(Role),
        Role.SUPERVISOR: {Role.AGENT, Role.ACCOUNT_MANAGER, Role.ANALYST},
    }
    assert added == expected.get(by, set())


async def test_a_supervisor_makes_nobody_more_than_themselves(signed_in: SignIn) -> None:
    supervisor, other, admin, agent = [
        await signed_in(role) for role in (Role.SUPERVISOR, Role.SUPERVISOR, Role.ADMIN, Role.AGENT)
    ]

    assert code(await change(supervisor, agent.agent, role="admin")) == (403, "not_allowed")
    assert code(await change(supervisor, supervisor.agent, role="admin")) == (403, "not_allowed")
    for senior in (other, admin):
        assert code(await change(supervisor, senior.agent, password=PASSWORD)) == (403, "not_allowed")
        assert code(await change(supervisor, senior.agent, active=False)) == (403, "not_allowed")
    assert (await change(supervisor, agent.agent, role="account_manager")).status_code == 200


async def test_people_change_their_own_name_and_language_only(signed_in: SignIn) -> None:
    person, colleague = await signed_in(), await signed_in()

    changed = await change(person, person.agent, name="李娜", language="en")

    assert (changed.json()["name"], changed.json()["language"]) == ("李娜", "en")
    assert code(await change(person, person.agent, role="admin")) == (403, "scope_missing")
    assert code(await change(person, person.agent, email="x@example.com", name="x")) == (403, "scope_missing")
    assert code(await change(person, colleague.agent, name="x")) == (403, "scope_missing")


async def test_what_is_left_out_stays(signed_in: SignIn) -> None:
    admin, person = await signed_in(Role.ADMIN), await signed_in()
    before = (await admin.http.get(f"{PATH}/{person.agent.id}")).json()

    unchanged = await change(admin, person.agent)
    changed = await change(admin, person.agent, role="analyst")

    assert unchanged.json() == before
    assert changed.json() == {**before, "role": "analyst"}
    assert code(await change(admin, person.agent, name=None)) == (422, "invalid")


async def test_a_role_counts_from_the_next_request(signed_in: SignIn) -> None:
    admin, person = await signed_in(Role.ADMIN), await signed_in()
    assert code(await add(person)) == (403, "scope_missing")

    await change(admin, person.agent, role="supervisor")

    assert (await add(person)).status_code == 201


async def test_the_last_administrator_stays(signed_in: SignIn) -> None:
    admin = await signed_in(Role.ADMIN)
    await signed_in(Role.ADMIN, active=False)

    assert code(await change(admin, admin.agent, role="agent")) == (409, "last_admin")
    assert code(await change(admin, admin.agent, active=False)) == (409, "last_admin")
    assert (await change(admin, admin.agent, name="Root")).status_code == 200


async def test_two_administrators_cannot_both_leave(signed_in: SignIn) -> None:
    one, other = await signed_in(Role.ADMIN), await signed_in(Role.ADMIN)

    for _ in range(5):
        answers = await asyncio.gather(
            change(one, one.agent, role="supervisor"), change(other, other.agent, role="supervisor")
        )
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        stayed, left = (other, one) if answers[0].status_code == 200 else (one, other)
        assert (await change(stayed, left.agent, role="admin")).status_code == 200


async def test_who_is_shut_out_is_signed_out_and_rings_no_more(signed_in: SignIn, app_server: Served) -> None:
    admin = await signed_in(Role.ADMIN)
    person = await signed_in(presence=Presence.AVAILABLE)

    changed = await change(admin, person.agent, active=False)

    assert changed.json()["active"] is False
    assert (await person.http.get("/api/v1/session")).status_code == 401
    async with app_server.database.session_scope() as session:
        assert (await session.get_one(AgentPresence, person.agent.id)).state is Presence.OFFLINE
    await change(admin, person.agent, active=True)
    assert (await person.http.get("/api/v1/session")).status_code == 401


async def test_a_new_password_signs_the_person_out(signed_in: SignIn, client: httpx.AsyncClient) -> None:
    admin, person = await signed_in(Role.ADMIN), await signed_in()

    await change(admin, person.agent, password=PASSWORD)

    assert (await person.http.get("/api/v1/session")).status_code == 401
    signed = await client.post("/api/v1/session", json={"email": person.agent.email, "password": PASSWORD})
    assert signed.status_code == 201


async def test_queues_are_named_by_their_keys(signed_in: SignIn, app_server: Served) -> None:
    admin, person = await signed_in(Role.ADMIN), await signed_in()
    async with app_server.database.session_scope() as session:
        await make_queue(session, key="service")

    both = await change(admin, person.agent, queues=["service", "hotline", "service"])
    unknown = await change(admin, person.agent, queues=["hotline", "sales"])
    none = await change(admin, person.agent, queues=[])

    assert both.json()["queues"] == ["hotline", "service"]
    assert code(unknown) == (422, "unknown_queue")
    assert unknown.json()["queue"] == "sales"
    assert none.json()["queues"] == []


async def test_people_are_listed_by_name_page_by_page(signed_in: SignIn, app_server: Served) -> None:
    reader = await signed_in(Role.ANALYST, name="A")
    async with app_server.database.session_scope() as session:
        for name in ("乙", "B", "B", "甲", "C"):
            await make_agent(session, name=name, active=name != "C")

    names: list[str] = []
    params: dict[str, Any] = {"limit": 2}
    while params.get("cursor", "") is not None:
        page = (await reader.http.get(PATH, params=params)).json()
        names += [person["name"] for person in page["items"]]
        params["cursor"] = page["next"]

    assert names == ["A", "B", "B", "C", "乙", "甲"]
    filtered = await reader.http.get(PATH, params={"role": "agent", "active": False})
    assert [person["name"] for person in filtered.json()["items"]] == ["C"]


@pytest.mark.parametrize("params", [{"limit": 0}, {"limit": 201}, {"limit": "many"}, {"role": "king"}])
async def test_a_list_that_cannot_be(signed_in: SignIn, params: dict[str, Any]) -> None:
    assert code(await (await signed_in()).http.get(PATH, params=params)) == (422, "invalid")


async def test_a_cursor_of_another_list(signed_in: SignIn) -> None:
    assert code(await (await signed_in()).http.get(PATH, params={"cursor": "bm9uZQ"})) == (400, "bad_cursor")


async def test_nobody(signed_in: SignIn) -> None:
    admin = await signed_in(Role.ADMIN)

    assert code(await admin.http.get(f"{PATH}/{uuid4()}")) == (404, "not_found")
    assert code(await change(admin, str(uuid4()), name="x")) == (404, "not_found")
    assert code(await admin.http.get(f"{PATH}/me")) == (422, "invalid")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("POST", ""),
        ("GET", f"/{NOBODY}"),
        ("PATCH", f"/{NOBODY}"),
        ("GET", f"/{NOBODY}/tokens"),
        ("POST", f"/{NOBODY}/tokens"),
        ("DELETE", f"/{NOBODY}/tokens/{NOBODY}"),
    ],
)
async def test_nothing_is_told_to_who_is_not_signed_in(client: httpx.AsyncClient, method: str, path: str) -> None:
    body = {"name": "a", "scopes": ["lookup"]} if path.endswith("tokens") else {"name": "a", "email": "a@example.com"}
    refused = await client.request(method, PATH + path, json=None if method in {"GET", "DELETE"} else body)

    assert code(refused) == (401, "not_signed_in")


def test_every_role_has_its_line() -> None:
    assert ROLE_SCOPES.keys() == set(Role)
    assert ROLE_SCOPES[Role.ADMIN] == set(Scope)
    assert [role for role in Role if Scope.ADMIN in ROLE_SCOPES[role]] == [Role.ADMIN]
    assert not {Scope.CALLS_WRITE, Scope.CUSTOMERS_WRITE} & ROLE_SCOPES[Role.ANALYST]
