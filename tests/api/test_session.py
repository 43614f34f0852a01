"""Signing in and out: cookies, expiry, other sites' pages, changing a password."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from http.cookies import Morsel, SimpleCookie

import httpx
import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy import func, select, update

from app.dependencies import SESSION_COOKIE
from app.models.people import Agent, AgentSession, Role
from app.services import passwords
from app.services.access import IDLE_HOURS, LONGEST_DAYS, ROLE_SCOPES, digest
from app.services.passwords import hash_password
from tests.factories import make_agent
from tests.support import Serve, Served, SignedIn, SignIn

PASSWORD = "three words for you"


@pytest.fixture
async def li_na(app_server: Served) -> Agent:
    hashed = await hash_password(PASSWORD)
    async with app_server.database.session_scope() as session:
        return await make_agent(session, email="Li.Na@example.com", name="李娜", password_hash=hashed)


@pytest.fixture
async def browser(app_server: Served) -> AsyncIterator[httpx.AsyncClient]:
    """A second browser."""
    async with app_server.client() as http:
        yield http


async def sign_in(
    http: httpx.AsyncClient, email: str = "li.na@example.com", password: str = PASSWORD
) -> httpx.Response:
    return await http.post("/api/v1/session", json={"email": email, "password": password})


def cookies_set(response: httpx.Response) -> dict[str, Morsel[str]]:
    jar = SimpleCookie[str]()
    for header in response.headers.get_list("set-cookie"):
        jar.load(header)
    return dict(jar)


def code(response: httpx.Response) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, response.json()["code"]


async def test_whoever_signs_in_is_known_until_they_sign_out(client: httpx.AsyncClient, li_na: Agent) -> None:
    signed = await sign_in(client, email=" LI.NA@example.com ")
    me = await client.get("/api/v1/session")
    cookie = client.cookies[SESSION_COOKIE]
    out = await client.delete("/api/v1/session")
    with_old_cookie = await client.get("/api/v1/session", headers={"Cookie": f"{SESSION_COOKIE}={cookie}"})

    assert signed.status_code == 201
    assert signed.json()["agent"] == {
        "id": str(li_na.id),
        "email": "Li.Na@example.com",
        "name": "李娜",
        "role": "agent",
        "language": "zh-CN",
    }
    assert set(signed.json()["scopes"]) == ROLE_SCOPES[Role.AGENT]
    assert (me.status_code, me.json()) == (200, signed.json())
    assert out.status_code == 204
    assert SESSION_COOKIE not in client.cookies
    assert code(with_old_cookie) == (401, "not_signed_in")


async def test_the_cookie_is_for_our_own_pages_and_no_script(client: httpx.AsyncClient, li_na: Agent) -> None:
    cookies = cookies_set(await sign_in(client))

    session = cookies.pop(SESSION_COOKIE)
    assert (session["httponly"], session["samesite"], session["path"], session["secure"]) == (True, "strict", "/", "")
    assert int(session["max-age"]) == LONGEST_DAYS * 86_400
    (device,) = cookies.values()
    assert (device["httponly"], device["samesite"], device["path"]) == (True, "strict", "/api/v1/session")


async def test_over_https_cookies_are_secure(serve: Serve) -> None:
    server = await serve(public_url="https://hotline.example.com")
    hashed = await hash_password(PASSWORD)
    async with server.database.session_scope() as session:
        await make_agent(session, email="li.na@example.com", password_hash=hashed)

    async with server.client() as http:
        cookies = cookies_set(await sign_in(http))

    assert len(cookies) == 2
    assert all(cookie["secure"] for cookie in cookies.values())


async def test_the_database_keeps_no_secret(client: httpx.AsyncClient, li_na: Agent, app_server: Served) -> None:
    await sign_in(client)

    secret = client.cookies[SESSION_COOKIE]
    async with app_server.database.session_scope() as session:
        (row,) = (await session.scalars(select(AgentSession))).all()
    assert row.token_hash == digest(secret)
    assert secret.encode() not in row.token_hash
    assert row.address == "127.0.0.1"
    assert li_na.password_hash is not None
    assert li_na.password_hash.startswith("$argon2id$")


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("li.na@example.com", "three words for me"),
        ("nobody@example.com", PASSWORD),
        ("li.na@example.com", " " + PASSWORD),
    ],
)
async def test_a_wrong_password_and_nobody_are_the_same_answer(
    client: httpx.AsyncClient, li_na: Agent, email: str, password: str
) -> None:
    refused = await sign_in(client, email, password)

    assert code(refused) == (401, "wrong_password")
    assert refused.json()["detail"] == "The e-mail address or the password is wrong."
    assert "set-cookie" not in refused.headers


@pytest.mark.parametrize("fields", [{"active": False}, {"password_hash": None}], ids=["shut out", "no password"])
async def test_who_may_not_sign_in_is_told_no_more(
    client: httpx.AsyncClient, li_na: Agent, app_server: Served, fields: dict[str, object]
) -> None:
    async with app_server.database.session_scope() as session:
        await session.execute(update(Agent).values(**fields))

    assert code(await sign_in(client)) == (401, "wrong_password")


async def test_a_password_that_does_not_fit_is_not_repeated(client: httpx.AsyncClient) -> None:
    secret = "S3cret!" * 100
    refused = await sign_in(client, password=secret)

    assert code(refused) == (422, "invalid")
    assert refused.json()["errors"][0]["loc"] == ["body", "password"]
    assert "S3cret" not in refused.text


async def test_an_odd_password_is_only_wrong(client: httpx.AsyncClient, li_na: Agent) -> None:
    body = b'{"email": "li.na@example.com", "password": "\\u0000 \\ud800 \xf0\x9f\x98\x80"}'

    refused = await client.post("/api/v1/session", content=body, headers={"Content-Type": "application/json"})

    assert code(refused) == (401, "wrong_password")


async def test_a_password_is_the_same_however_it_was_composed(
    client: httpx.AsyncClient, li_na: Agent, app_server: Served
) -> None:
    hashed = await hash_password("caf\u00e9 １２３ 咖啡")
    async with app_server.database.session_scope() as session:
        await session.execute(update(Agent).values(password_hash=hashed))

    assert (await sign_in(client, password="cafe\u0301 123 咖啡")).status_code == 201


async def test_signing_in_again_ends_the_session_before(
    client: httpx.AsyncClient, li_na: Agent, app_server: Served
) -> None:
    await sign_in(client)
    await sign_in(client)

    async with app_server.database.session_scope() as session:
        assert await session.scalar(select(func.count()).select_from(AgentSession)) == 1


async def age(server: Served, *, created: timedelta, left: timedelta) -> None:
    """Have all sessions begun so long ago and end in so long."""
    now = datetime.now(UTC)
    async with server.database.session_scope() as session:
        await session.execute(update(AgentSession).values(created_at=now - created, expires_at=now + left))


async def expiry(server: Served) -> timedelta:
    async with server.database.session_scope() as session:
        ends = await session.scalar(select(AgentSession.expires_at))
    assert ends is not None
    return ends - datetime.now(UTC)


async def test_a_session_that_was_left_alone_ends(app_server: Served, signed_in: SignIn) -> None:
    person = await signed_in()
    await age(app_server, created=timedelta(hours=IDLE_HOURS), left=timedelta(seconds=-1))

    assert code(await person.http.get("/api/v1/session")) == (401, "not_signed_in")


async def test_use_prolongs_a_session(app_server: Served, signed_in: SignIn) -> None:
    person = await signed_in()
    await age(app_server, created=timedelta(days=2), left=timedelta(hours=1))

    answer = await person.http.get("/api/v1/session")

    assert answer.status_code == 200
    assert timedelta(hours=IDLE_HOURS, minutes=-1) < await expiry(app_server) <= timedelta(hours=IDLE_HOURS)


async def test_no_session_outlives_a_week(app_server: Served, signed_in: SignIn) -> None:
    person = await signed_in()
    await age(app_server, created=timedelta(days=LONGEST_DAYS, hours=-2), left=timedelta(hours=1))

    await person.http.get("/api/v1/session")

    assert timedelta(minutes=119) < await expiry(app_server) <= timedelta(hours=2)


async def test_who_is_shut_out_is_out_at_once(app_server: Served, signed_in: SignIn) -> None:
    person = await signed_in()
    async with app_server.database.session_scope() as session:
        await session.execute(update(Agent).where(Agent.id == person.agent.id).values(active=False))

    assert code(await person.http.get("/api/v1/session")) == (401, "not_signed_in")


@pytest.mark.parametrize("cookie", ["", "nonsense", "x" * 4000, "caf\u00e9"])
async def test_a_cookie_that_is_none(client: httpx.AsyncClient, cookie: str) -> None:
    headers = {"Cookie": f"{SESSION_COOKIE}={cookie}".encode("latin-1")}

    assert code(await client.get("/api/v1/session", headers=headers)) == (401, "not_signed_in")


ELSEWHERE = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:8000.evil.example"},
    {"Referer": "https://evil.example/http://127.0.0.1:8000/"},
]
OURS = [
    {},
    {"Origin": "http://127.0.0.1:8000"},
    {"Origin": "http://localhost:8000"},
    {"Referer": "http://127.0.0.1:8000/calls?id=1"},
    {"Origin": "http://127.0.0.1:8000", "Referer": "https://evil.example/"},
]


@pytest.mark.parametrize("headers", ELSEWHERE)
async def test_a_page_of_another_site_changes_nothing(signed_in: SignIn, headers: dict[str, str]) -> None:
    person = await signed_in()

    refused = await person.http.delete("/api/v1/session", headers=headers)

    assert code(refused) == (403, "origin_not_allowed")
    assert (await person.http.get("/api/v1/session", headers=headers)).status_code == 200


@pytest.mark.parametrize("headers", OURS)
async def test_our_own_pages_may(signed_in: SignIn, headers: dict[str, str]) -> None:
    person = await signed_in()

    assert (await person.http.delete("/api/v1/session", headers=headers)).status_code == 204


async def test_a_page_of_another_site_signs_nobody_in(client: httpx.AsyncClient, li_na: Agent) -> None:
    body = {"email": "li.na@example.com", "password": PASSWORD}

    refused = await client.post("/api/v1/session", json=body, headers={"Origin": "https://evil.example"})

    assert code(refused) == (403, "origin_not_allowed")


async def change_password(http: httpx.AsyncClient, current: str, new: str) -> httpx.Response:
    body = {"current_password": current, "new_password": new}
    return await http.put("/api/v1/session/password", json=body)


async def test_a_changed_password_ends_the_other_sessions(
    client: httpx.AsyncClient, browser: httpx.AsyncClient, li_na: Agent
) -> None:
    await sign_in(client)
    await sign_in(browser)

    changed = await change_password(client, PASSWORD, "four other words here")

    assert changed.status_code == 204
    assert (await client.get("/api/v1/session")).status_code == 200
    assert (await browser.get("/api/v1/session")).status_code == 401
    assert code(await sign_in(browser)) == (401, "wrong_password")
    assert (await sign_in(browser, password="four other words here")).status_code == 201


async def test_a_password_is_changed_only_by_who_knows_it(client: httpx.AsyncClient, li_na: Agent) -> None:
    await sign_in(client)

    refusals = [code(await change_password(client, f"guess {n}", "four other words here")) for n in range(12)]

    assert refusals == [(403, "wrong_password")] * 10 + [(429, "too_many_sign_ins")] * 2
    assert code(await change_password(client, PASSWORD, "four other words here")) == (429, "too_many_sign_ins")
    assert (await client.get("/api/v1/session")).status_code == 200


@pytest.mark.parametrize("fields", [{"password_hash": "another"}, {"active": False}], ids=["changed", "shut out"])
async def test_what_happens_while_a_password_is_looked_at_counts(
    client: httpx.AsyncClient,
    li_na: Agent,
    app_server: Served,
    monkeypatch: pytest.MonkeyPatch,
    fields: dict[str, object],
) -> None:
    """The old password was right when it was read, but no longer when the session would begin."""
    verify = passwords.verify_password

    async def verify_while_it_changes(password: str, kept: str | None) -> passwords.Verdict:
        verdict = await verify(password, kept)
        async with app_server.database.session_scope() as session:
            await session.execute(update(Agent).values(**fields))
        return verdict

    monkeypatch.setattr(passwords, "verify_password", verify_while_it_changes)

    assert code(await sign_in(client)) == (401, "wrong_password")
    async with app_server.database.session_scope() as session:
        assert await session.scalar(select(func.count()).select_from(AgentSession)) == 0


async def test_a_hash_of_less_effort_is_replaced(client: httpx.AsyncClient, li_na: Agent, app_server: Served) -> None:
    old = PasswordHash([Argon2Hasher(time_cost=1, memory_cost=1024, parallelism=1)]).hash(PASSWORD)
    async with app_server.database.session_scope() as session:
        await session.execute(update(Agent).values(password_hash=old))

    assert (await sign_in(client)).status_code == 201

    async with app_server.database.session_scope() as session:
        kept = await session.scalar(select(Agent.password_hash))
    assert kept is not None
    assert "m=19456,t=2,p=1" in kept
    assert (await sign_in(client)).status_code == 201


async def test_nobody_takes_as_long_as_somebody(
    li_na: Agent, app_server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever there is, one password of full effort is looked at: time does not tell who works here."""
    efforts: list[str] = []
    argon2id = passwords._argon2id

    class Watched:
        def verify_and_update(self, password: bytes, kept: str) -> tuple[bool, str | None]:
            efforts.append(kept.rsplit("$", 2)[0])
            return argon2id.verify_and_update(password, kept)

        hash = argon2id.hash

    monkeypatch.setattr(passwords, "_argon2id", Watched())
    async with app_server.client() as http:
        for email in ("li.na@example.com", "nobody@example.com"):
            assert (await sign_in(http, email, "guess")).status_code == 401

    assert efforts == ["$argon2id$v=19$m=19456,t=2,p=1"] * 2


async def test_a_short_password_is_refused(signed_in: SignIn) -> None:
    person: SignedIn = await signed_in()

    assert code(await change_password(person.http, PASSWORD, "short")) == (422, "invalid")
