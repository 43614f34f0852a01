"""API tokens: shown once, kept hashed, never more than the person they act for."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import select, update

from app.domain.scopes import Scope
from app.models.people import Agent, ApiToken, Role
from app.services.access import ROLE_SCOPES, digest
from tests.support import Served, SignedIn, SignIn


async def make_token(
    person: SignedIn, scopes: list[str], *, of: SignedIn | None = None, **fields: Any
) -> httpx.Response:
    path = f"/api/v1/agents/{(of or person).agent.id}/tokens"
    return await person.http.post(path, json={"name": "exchange", "scopes": scopes, **fields})


async def token_of(person: SignedIn, *scopes: Scope) -> dict[str, str]:
    """The header with a new token of this person."""
    made = await make_token(person, [*scopes])
    assert made.status_code == 201, made.text
    return {"Authorization": f"Bearer {made.json()['token']}"}


def code(response: httpx.Response) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, response.json()["code"]


async def test_a_token_is_shown_once_and_kept_hashed(app_server: Served, signed_in: SignIn) -> None:
    person = await signed_in()

    made = await make_token(person, ["lookup", "calls:read"])
    listed = await person.http.get(f"/api/v1/agents/{person.agent.id}/tokens")

    secret = made.json()["token"]
    assert made.status_code == 201
    assert secret.startswith("cc_")
    assert len(secret) == 46
    assert made.json()["scopes"] == ["calls:read", "lookup"]
    assert listed.json() == {"items": [{k: v for k, v in made.json().items() if k != "token"}], "next": None}
    async with app_server.database.session_scope() as session:
        (row,) = (await session.scalars(select(ApiToken))).all()
    assert row.token_hash == digest(secret)
    assert secret not in str(row.__dict__)


async def test_a_token_says_who_it_is_for(client: httpx.AsyncClient, signed_in: SignIn) -> None:
    person = await signed_in(name="李娜")

    me = await client.get("/api/v1/session", headers=await token_of(person, Scope.LOOKUP))

    assert me.status_code == 200
    assert (me.json()["agent"]["name"], me.json()["scopes"], me.json()["via"]) == ("李娜", ["lookup"], "token")
    assert me.json()["expires_at"] is None


@pytest.mark.parametrize("header", ["bearer {}", "BEARER  {}"])
async def test_the_word_bearer_is_read_in_any_case(client: httpx.AsyncClient, signed_in: SignIn, header: str) -> None:
    secret = (await token_of(await signed_in(), Scope.LOOKUP))["Authorization"].split()[1]

    assert (await client.get("/api/v1/session", headers={"Authorization": header.format(secret)})).status_code == 200


async def test_a_token_needs_no_origin(client: httpx.AsyncClient, signed_in: SignIn) -> None:
    admin = await signed_in(Role.ADMIN)
    headers = await token_of(admin, Scope.ADMIN) | {"Origin": "https://elsewhere.example"}

    made = await client.post(
        f"/api/v1/agents/{admin.agent.id}/tokens", json={"name": "a", "scopes": ["lookup"]}, headers=headers
    )

    assert made.status_code == 201


async def test_a_token_counts_before_a_cookie(signed_in: SignIn) -> None:
    person, other = await signed_in(), await signed_in()

    me = await person.http.get("/api/v1/session", headers=await token_of(other, Scope.LOOKUP))
    nobody = await person.http.get("/api/v1/session", headers={"Authorization": "Bearer cc_unknown"})

    assert me.json()["agent"]["id"] == str(other.agent.id)
    assert code(nobody) == (401, "not_signed_in")


@pytest.mark.parametrize("header", ["Bearer", "Bearer cc_x", "Basic eDp5", "cc_x", "Bearer \xe9"])
async def test_what_is_no_token_lets_nobody_in(client: httpx.AsyncClient, header: str) -> None:
    refused = await client.get("/api/v1/session", headers={"Authorization": header.encode("latin-1")})

    assert code(refused) == (401, "not_signed_in")
    assert refused.headers["WWW-Authenticate"] == "Bearer"


async def test_a_revoked_token_is_worth_nothing(client: httpx.AsyncClient, signed_in: SignIn) -> None:
    person = await signed_in()
    made = (await make_token(person, ["lookup"])).json()
    headers = {"Authorization": f"Bearer {made['token']}"}
    path = f"/api/v1/agents/{person.agent.id}/tokens/{made['id']}"
    assert (await client.get("/api/v1/session", headers=headers)).status_code == 200

    revoked = await person.http.delete(path)

    assert revoked.status_code == 204
    assert code(await client.get("/api/v1/session", headers=headers)) == (401, "not_signed_in")
    first = (await person.http.get(f"/api/v1/agents/{person.agent.id}/tokens")).json()["items"][0]["revoked_at"]
    assert first is not None
    assert (await person.http.delete(path)).status_code == 204
    again = (await person.http.get(f"/api/v1/agents/{person.agent.id}/tokens")).json()["items"][0]["revoked_at"]
    assert again == first


async def test_an_expired_token_is_worth_nothing(
    client: httpx.AsyncClient, signed_in: SignIn, app_server: Served
) -> None:
    headers = await token_of(await signed_in(), Scope.LOOKUP)
    async with app_server.database.session_scope() as session:
        await session.execute(update(ApiToken).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))

    assert code(await client.get("/api/v1/session", headers=headers)) == (401, "not_signed_in")


async def test_a_token_falls_with_its_person(client: httpx.AsyncClient, signed_in: SignIn, app_server: Served) -> None:
    headers = await token_of(await signed_in(), Scope.LOOKUP)
    async with app_server.database.session_scope() as session:
        await session.execute(update(Agent).values(active=False))

    assert code(await client.get("/api/v1/session", headers=headers)) == (401, "not_signed_in")


@pytest.mark.parametrize("role", Role)
async def test_a_token_is_never_given_more_than_the_role(signed_in: SignIn, role: Role) -> None:
    person = await signed_in(role)

    for scope in Scope:
        answer = await make_token(person, [scope])
        if scope in ROLE_SCOPES[role]:
            assert answer.status_code == 201, scope
        else:
            assert code(answer) == (403, "scope_not_allowed"), scope
            assert answer.json()["scopes"] == [scope]


async def test_a_token_shrinks_with_the_role(client: httpx.AsyncClient, signed_in: SignIn, app_server: Served) -> None:
    person = await signed_in(Role.SUPERVISOR)
    headers = await token_of(person, Scope.AGENTS_WRITE, Scope.LOOKUP, Scope.CALLS_WRITE)
    async with app_server.database.session_scope() as session:
        await session.execute(update(Agent).where(Agent.id == person.agent.id).values(role=Role.ANALYST))

    assert (await client.get("/api/v1/session", headers=headers)).json()["scopes"] == ["lookup"]
    body = {"email": "new@example.com", "name": "New"}
    assert code(await client.post("/api/v1/agents", json=body, headers=headers)) == (403, "scope_missing")


async def test_a_program_makes_no_tokens(client: httpx.AsyncClient, signed_in: SignIn) -> None:
    person = await signed_in()
    headers = await token_of(person, Scope.LOOKUP)

    refused = await client.post(
        f"/api/v1/agents/{person.agent.id}/tokens", json={"name": "wider", "scopes": ["calls:write"]}, headers=headers
    )

    assert code(refused) == (403, "not_allowed")


async def test_tokens_are_their_owners_and_administrators_to_see(signed_in: SignIn) -> None:
    person, colleague, supervisor, admin = [
        await signed_in(role) for role in (Role.AGENT, Role.AGENT, Role.SUPERVISOR, Role.ADMIN)
    ]
    made = (await make_token(person, ["lookup"])).json()
    path = f"/api/v1/agents/{person.agent.id}/tokens"

    for stranger in (colleague, supervisor):
        assert code(await stranger.http.get(path)) == (403, "not_allowed")
        assert code(await make_token(stranger, ["lookup"], of=person)) == (403, "not_allowed")
        assert code(await stranger.http.delete(f"{path}/{made['id']}")) == (403, "not_allowed")
    assert [token["id"] for token in (await admin.http.get(path)).json()["items"]] == [made["id"]]
    assert (await make_token(admin, ["lookup"], of=person)).status_code == 201
    assert (await admin.http.delete(f"{path}/{made['id']}")).status_code == 204


async def test_a_token_belongs_to_the_person_in_its_address(signed_in: SignIn) -> None:
    person, other = await signed_in(), await signed_in()
    made = (await make_token(person, ["lookup"])).json()

    refused = await other.http.delete(f"/api/v1/agents/{other.agent.id}/tokens/{made['id']}")

    assert code(refused) == (404, "not_found")


@pytest.mark.parametrize(
    ("expires_at", "answer"),
    [
        ("2020-01-01T00:00:00Z", (422, "bad_expiry")),
        ("9999-12-31T23:59:59-12:00", (422, "bad_expiry")),
        ("0001-01-01T00:00:00+14:00", (422, "bad_expiry")),
        ("2030-01-01T00:00:00", (422, "invalid")),
        ("tomorrow", (422, "invalid")),
    ],
)
async def test_a_token_ends_in_the_near_future(signed_in: SignIn, expires_at: str, answer: tuple[int, str]) -> None:
    assert code(await make_token(await signed_in(), ["lookup"], expires_at=expires_at)) == answer


async def test_an_end_is_kept(signed_in: SignIn) -> None:
    end = (datetime.now(UTC) + timedelta(days=30)).replace(microsecond=0)

    made = await make_token(await signed_in(), ["lookup"], expires_at=end.isoformat())

    assert made.json()["expires_at"] == end.isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize("body", [{"scopes": []}, {"scopes": ["everything"]}, {"name": ""}, {"name": "a\0b"}])
async def test_a_token_that_does_not_fit(signed_in: SignIn, body: dict[str, Any]) -> None:
    person = await signed_in()

    refused = await person.http.post(
        f"/api/v1/agents/{person.agent.id}/tokens", json={"name": "a", "scopes": ["lookup"], **body}
    )

    assert code(refused) == (422, "invalid")


async def test_nobodys_tokens(signed_in: SignIn) -> None:
    admin = await signed_in(Role.ADMIN)
    path = f"/api/v1/agents/{uuid4()}/tokens"

    assert code(await admin.http.get(path)) == (404, "not_found")
    assert code(await admin.http.post(path, json={"name": "a", "scopes": ["lookup"]})) == (404, "not_found")
    assert code(await admin.http.delete(f"{path}/{uuid4()}")) == (404, "not_found")


async def test_a_list_of_tokens_is_read_page_by_page(signed_in: SignIn) -> None:
    person = await signed_in()
    made = [(await make_token(person, ["lookup"])).json()["id"] for _ in range(5)]
    path = f"/api/v1/agents/{person.agent.id}/tokens"

    seen: list[str] = []
    params: dict[str, Any] = {"limit": 2}
    while True:
        page = (await person.http.get(path, params=params)).json()
        assert len(page["items"]) <= 2
        seen += [token["id"] for token in page["items"]]
        if page["next"] is None:
            break
        params["cursor"] = page["next"]
    assert seen == made[::-1]


async def test_its_use_is_noted(client: httpx.AsyncClient, signed_in: SignIn) -> None:
    person = await signed_in()
    headers = await token_of(person, Scope.LOOKUP)
    path = f"/api/v1/agents/{person.agent.id}/tokens"
    assert (await person.http.get(path)).json()["items"][0]["last_used_at"] is None

    await client.get("/api/v1/session", headers=headers)
    used = (await person.http.get(path)).json()["items"][0]["last_used_at"]
    await client.get("/api/v1/session", headers=headers)

    assert datetime.now(UTC) - datetime.fromisoformat(used) < timedelta(minutes=1)
    assert (await person.http.get(path)).json()["items"][0]["last_used_at"] == used


async def test_a_token_is_not_signed_out(client: httpx.AsyncClient, signed_in: SignIn) -> None:
    headers = await token_of(await signed_in(), Scope.LOOKUP)
    change = {"current_password": "x", "new_password": "four other words here"}

    assert code(await client.delete("/api/v1/session", headers=headers)) == (403, "session_needed")
    refused = await client.put("/api/v1/session/password", json=change, headers=headers)
    assert code(refused) == (403, "session_needed")
