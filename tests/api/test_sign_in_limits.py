"""Who guesses passwords is stopped; whose account it is, and everybody else, is not."""

import asyncio
import contextlib
import json
import re
import time
from collections import Counter
from collections.abc import AsyncIterator

import httpx
import pytest
from sqlalchemy import select, text, update

from app.models.people import Agent, AgentSession, SignInAttempts
from app.observability.metrics import registry
from app.services.passwords import hash_password
from app.services.sign_in_limits import (
    PER_ACCOUNT_AND_ADDRESS,
    PER_ADDRESS,
    PER_DEVICE,
    WINDOW_SECONDS,
    counts_for,
    device_cookie,
    known_device,
)
from tests.factories import make_agent
from tests.support import Serve, Served, SignIn

PASSWORD = "three words for you"
OWNER = "owner@example.com"
ELSEWHERE = "127.0.0.2"


@pytest.fixture(scope="module")
async def hashed() -> str:
    return await hash_password(PASSWORD)


@pytest.fixture
async def owner(app_server: Served, hashed: str) -> Agent:
    async with app_server.database.session_scope() as session:
        return await make_agent(session, email=OWNER, password_hash=hashed)


@pytest.fixture
async def guesser(app_server: Served) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody at another address of this machine."""
    async with from_address(app_server, ELSEWHERE) as http:
        yield http


def from_address(server: Served, address: str) -> httpx.AsyncClient:
    return server.client(transport=httpx.AsyncHTTPTransport(local_address=address, verify=False))


async def sign_in(http: httpx.AsyncClient, password: str = PASSWORD, email: str = OWNER) -> httpx.Response:
    return await http.post("/api/v1/session", json={"email": email, "password": password})


async def statuses(http: httpx.AsyncClient, attempts: int, email: str = OWNER) -> list[int]:
    return [(await sign_in(http, f"guess {n}", email)).status_code for n in range(attempts)]


def looked_at() -> float:
    """How many passwords were looked at and found wrong, in this process."""
    return registry.get_sample_value("callcard_sign_in_total", {"result": "wrong"}) or 0.0


async def forget_in_window(server: Served) -> None:
    """As if all that was counted had been counted a window ago."""
    async with server.database.session_scope() as session:
        await session.execute(
            update(SignInAttempts).values(
                window_started_at=SignInAttempts.window_started_at - text(f"interval '{WINDOW_SECONDS} seconds'")
            )
        )


async def test_an_account_can_be_guessed_at_ten_times(owner: Agent, guesser: httpx.AsyncClient) -> None:
    before = looked_at()

    seen = await statuses(guesser, PER_ACCOUNT_AND_ADDRESS + 3)
    refused = await sign_in(guesser)

    assert seen == [401] * PER_ACCOUNT_AND_ADDRESS + [429] * 3
    assert looked_at() - before == PER_ACCOUNT_AND_ADDRESS
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_sign_ins")
    assert 0 < int(refused.headers["Retry-After"]) <= WINDOW_SECONDS
    assert refused.json()["retry_after"] == int(refused.headers["Retry-After"])


async def test_an_address_runs_out_whatever_accounts_it_tries(
    owner: Agent, guesser: httpx.AsyncClient, app_server: Served
) -> None:
    await statuses(guesser, 1, "nobody@example.com")
    async with app_server.database.session_scope() as session:
        await session.execute(
            update(SignInAttempts)
            .where(SignInAttempts.key == f"address:{ELSEWHERE}", SignInAttempts.failures == 1)
            .values(failures=PER_ADDRESS - 4)
        )

    seen = [(await sign_in(guesser, email=f"nobody{n}@example.com")).status_code for n in range(6)]

    assert seen == [401] * 4 + [429] * 2
    assert (await sign_in(guesser)).status_code == 429


async def test_a_failure_is_counted_although_the_request_fails(
    owner: Agent, guesser: httpx.AsyncClient, app_server: Served
) -> None:
    await statuses(guesser, 3)

    async with app_server.database.session_scope() as session:
        counted = {row.key: row.failures for row in await session.scalars(select(SignInAttempts))}
    assert counted.pop(f"address:{ELSEWHERE}") == 3
    ((key, failures),) = counted.items()
    assert (key.endswith(f"@{ELSEWHERE}"), failures) == (True, 3)
    assert OWNER not in key


async def test_guesses_at_once_are_no_more_guesses(owner: Agent, app_server: Served) -> None:
    before = looked_at()

    async with from_address(app_server, ELSEWHERE) as http:
        answers = await asyncio.gather(*(sign_in(http, f"guess {n}") for n in range(40)))

    seen = Counter(answer.status_code for answer in answers)
    assert seen == {401: PER_ACCOUNT_AND_ADDRESS, 429: 40 - PER_ACCOUNT_AND_ADDRESS}
    assert looked_at() - before == PER_ACCOUNT_AND_ADDRESS


async def test_guesses_at_once_at_two_processes_are_no_more_guesses(serve: Serve, hashed: str) -> None:
    one, other = await serve(), await serve()
    async with one.database.session_scope() as session:
        await make_agent(session, email=OWNER, password_hash=hashed)

    async with one.client() as first, other.client() as second:
        answers = await asyncio.gather(*(sign_in(http, f"guess {n}") for n in range(20) for http in (first, second)))

    seen = Counter(answer.status_code for answer in answers)
    assert seen == {401: PER_ACCOUNT_AND_ADDRESS, 429: 40 - PER_ACCOUNT_AND_ADDRESS}


async def test_strangers_from_everywhere_do_not_keep_a_known_machine_waiting(
    owner: Agent, client: httpx.AsyncClient, app_server: Served
) -> None:
    """Guessers at two hundred addresses: some are told to come again, the owner's machine is not."""
    await sign_in(client)

    async with contextlib.AsyncExitStack() as stack:
        guessers = [await stack.enter_async_context(from_address(app_server, f"127.0.1.{n}")) for n in range(1, 201)]
        async with asyncio.TaskGroup() as tasks:
            guesses = [tasks.create_task(sign_in(http, "guess")) for http in guessers]
            await asyncio.wait(guesses, return_when=asyncio.FIRST_COMPLETED)
            at_desk = await sign_in(client)

    assert at_desk.status_code == 201
    answers = [guess.result() for guess in guesses]
    assert {answer.status_code for answer in answers} == {401, 503}
    refused = next(answer for answer in answers if answer.status_code == 503)
    assert (refused.json()["code"], refused.headers["Retry-After"]) == ("too_many_at_once", "5")


async def test_two_processes_count_as_one(serve: Serve, hashed: str) -> None:
    one, other = await serve(), await serve()
    async with one.database.session_scope() as session:
        await make_agent(session, email=OWNER, password_hash=hashed)

    async with one.client() as first, other.client() as second:
        seen = await statuses(first, 6) + await statuses(second, 6)

    assert seen == [401] * PER_ACCOUNT_AND_ADDRESS + [429] * 2


async def test_a_window_later_it_may_be_tried_again(serve: Serve, hashed: str) -> None:
    server = await serve()
    async with server.database.session_scope() as session:
        await make_agent(session, email=OWNER, password_hash=hashed)
    async with server.client() as http:
        await statuses(http, PER_ACCOUNT_AND_ADDRESS + 1)
    await forget_in_window(server)

    # Another process, for this one remembers when the window ends.
    later = await serve()
    async with later.client() as http:
        assert await statuses(http, 1) == [401]
        assert (await sign_in(http)).status_code == 201


async def test_signing_in_does_not_count_as_a_failure(owner: Agent, app_server: Served) -> None:
    async with app_server.client() as http:
        seen = [(await sign_in(http)).status_code for _ in range(PER_ACCOUNT_AND_ADDRESS + 2)]
    async with app_server.client() as stranger:
        seen += await statuses(stranger, 1)

    assert seen == [201] * (PER_ACCOUNT_AND_ADDRESS + 2) + [401]


async def test_what_is_older_than_a_window_is_forgotten(
    owner: Agent, guesser: httpx.AsyncClient, client: httpx.AsyncClient, app_server: Served
) -> None:
    await statuses(guesser, 2)
    await forget_in_window(app_server)

    await sign_in(client)

    async with app_server.database.session_scope() as session:
        keys = (await session.scalars(select(SignInAttempts.key))).all()
    assert keys
    assert not [key for key in keys if ELSEWHERE in key]


async def test_a_known_machine_has_attempts_of_its_own(
    owner: Agent, client: httpx.AsyncClient, app_server: Served
) -> None:
    await sign_in(client)
    async with app_server.client() as stranger:
        await statuses(stranger, PER_ACCOUNT_AND_ADDRESS + 1)
        assert (await sign_in(stranger)).status_code == 429

    assert await statuses(client, 3) == [401] * 3
    assert (await sign_in(client)).status_code == 201
    assert await statuses(client, PER_DEVICE + 2) == [401] * PER_DEVICE + [429] * 2


async def test_a_known_machine_is_known_for_its_own_account_only(owner: Agent, app_server: Served, hashed: str) -> None:
    async with app_server.database.session_scope() as session:
        await make_agent(session, email="other@example.com", password_hash=hashed)
    async with app_server.client() as http:
        await sign_in(http, email="other@example.com")
        (name,) = [cookie.name for cookie in http.cookies.jar if cookie.name.startswith("callcard_device_")]
        cookie = http.cookies[name]
    assert known_device(app_server.settings.signing_key, "OTHER@example.com", cookie) is not None

    for forged in (cookie, cookie[:-2] + "xx", "." + cookie, cookie.replace(".", "x."), "", "é", None):
        assert known_device(app_server.settings.signing_key, OWNER, forged) is None
    assert known_device(b"another key", "other@example.com", cookie) is None


def test_a_device_stays_the_same_device() -> None:
    cookie = device_cookie(b"key", OWNER)
    device = known_device(b"key", OWNER, cookie)

    assert device is not None
    assert known_device(b"key", OWNER, device_cookie(b"key", OWNER, device)) == device


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
    ],
)
def test_an_address_counts_as_its_network(one: str, other: str, alike: bool) -> None:
    assert (counts_for(OWNER, one, None) == counts_for(OWNER, other, None)) is alike


FORWARDED = {"X-Forwarded-For": "203.0.113.5, 198.51.100.7"}


async def address_seen(server: Served, headers: dict[str, str]) -> str:
    async with server.client() as http:
        signed = await http.post("/api/v1/session", json={"email": OWNER, "password": PASSWORD}, headers=headers)
        assert signed.status_code == 201
    async with server.database.session_scope() as session:
        seen = await session.scalar(select(AgentSession.address).order_by(AgentSession.created_at.desc()).limit(1))
    assert seen is not None
    return seen


async def test_nobody_may_invent_their_address(app_server: Served, owner: Agent) -> None:
    assert await address_seen(app_server, FORWARDED) == "127.0.0.1"


@pytest.mark.parametrize(
    ("proxies", "headers", "address"),
    [
        ("127.0.0.1", FORWARDED, "198.51.100.7"),
        ("127.0.0.0/8, 198.51.100.0/24", FORWARDED, "203.0.113.5"),
        ("127.0.0.1", {"X-Forwarded-For": "203.0.113.5, nonsense"}, "127.0.0.1"),
        ("127.0.0.1", {}, "127.0.0.1"),
        ("192.0.2.1", FORWARDED, "127.0.0.1"),
    ],
)
async def test_behind_a_proxy_of_ours_the_client_is_who_it_names(
    serve: Serve, hashed: str, proxies: str, headers: dict[str, str], address: str
) -> None:
    server = await serve(trusted_proxies=proxies)
    async with server.database.session_scope() as session:
        await make_agent(session, email=OWNER, password_hash=hashed)

    assert await address_seen(server, headers) == address


FLOOD = 10_000
FLOOD_CONNECTIONS = 16


async def flood(server: Served, requests: int) -> Counter[int]:
    """Guess at the owner's password and at people who do not exist, as fast as the connections allow."""
    answered: Counter[int] = Counter()

    async def guess_on(connection: int) -> None:
        reader, writer = await asyncio.open_connection(*server.address, local_addr=(ELSEWHERE, 0))
        for n in range(requests // FLOOD_CONNECTIONS):
            email = OWNER if n % 2 else f"nobody{n}@example.com"
            body = json.dumps({"email": email, "password": f"guess {connection} {n}"}).encode()
            writer.write(
                b"POST /api/v1/session HTTP/1.1\r\nHost: callcard\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
            )
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head)
            assert length is not None
            await reader.readexactly(int(length[1]))
            answered[int(head.split(b" ", 2)[1])] += 1
        writer.close()
        await writer.wait_closed()

    async with asyncio.TaskGroup() as tasks:
        for connection in range(FLOOD_CONNECTIONS):
            tasks.create_task(guess_on(connection))
    return answered


async def test_fault_29_ten_thousand_bad_sign_ins(
    app_server: Served, owner: Agent, client: httpx.AsyncClient, signed_in: SignIn
) -> None:
    """The guesser is limited; the owner signs in, even from the guesser's address; others notice nothing."""
    before = looked_at()
    somebody = await signed_in()
    over = asyncio.Event()

    async def owner_at_their_desk() -> list[int]:
        async with from_address(app_server, ELSEWHERE) as http:
            seen = [(await sign_in(http)).status_code]
            started.set()
            while not over.is_set():
                seen.append((await sign_in(http)).status_code)
                await asyncio.sleep(0.5)
            return seen

    async def owner_at_home() -> list[int]:
        seen = []
        await started.wait()
        while not over.is_set():
            async with app_server.client() as http:
                seen.append((await sign_in(http)).status_code)
            await asyncio.sleep(0.5)
        return seen

    async def somebody_at_work() -> tuple[Counter[int], float]:
        seen: Counter[int] = Counter()
        slowest = 0.0
        while not over.is_set():
            begun = time.perf_counter()
            seen[(await somebody.http.get("/api/v1/session")).status_code] += 1
            slowest = max(slowest, time.perf_counter() - begun)
            await asyncio.sleep(0.05)
        return seen, slowest

    async def guess() -> Counter[int]:
        await started.wait()
        try:
            return await flood(app_server, FLOOD)
        finally:
            over.set()

    started = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        flooding = tasks.create_task(guess())
        desk = tasks.create_task(owner_at_their_desk())
        home = tasks.create_task(owner_at_home())
        work = tasks.create_task(somebody_at_work())
    answered, at_desk, at_home, (others, slowest) = flooding.result(), desk.result(), home.result(), work.result()
    # Ten guesses at the owner, and forty at people who do not exist; all the rest was not even looked at.
    assert answered == {401: PER_ADDRESS, 429: FLOOD - PER_ADDRESS}
    assert looked_at() - before == PER_ADDRESS
    assert set(at_desk) == set(at_home) == {201}
    assert len(at_desk) >= 3
    assert len(at_home) >= 3
    assert others.keys() == {200}
    assert slowest < 5
