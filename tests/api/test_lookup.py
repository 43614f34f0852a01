"""Who is this? The pop for a number over REST, and the plain name for telephone exchanges."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.customer_facts import Channel, CustomerKind, Direction
from app.domain.scopes import Scope
from app.models import ApiToken, Interaction, Role
from app.models.base import new_id
from app.schemas.screen_pop import ScreenPop
from app.services.access import digest
from app.services.lookup import LONGEST_NAME, side_by_side
from tests.factories import make_customer, make_queue
from tests.support import Served, SignedIn, SignIn, sign_in_as

URL = "/api/v1/lookup"
LU, SHARED, OURS = "+8613800138000", "+862586661234", "+862112345678"
TOKEN = "cc_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"
WEAK_TOKEN = "cc_another0123456789abcdefghijklmnopqrstuvwxyz"


@pytest.fixture(scope="module")
async def app_server(file_server: Served) -> Served:
    """One server for all tests here: they only ask."""
    async with file_server.database.session_scope() as session:
        await make_queue(session, numbers=(OURS,))
        await make_customer(session, LU, name="鲁大伟", surname="鲁", gender="male")
        wang = await make_customer(session, SHARED, name="王芳")
        await make_customer(session, SHARED, name="恒通酒店有限公司", kind=CustomerKind.COMPANY)
        session.add(
            Interaction(
                customer_id=wang.id,
                channel=Channel.SMS,
                direction=Direction.INBOUND,
                at=datetime.now(UTC) - timedelta(days=1),
                summary="x",
            )
        )
        await make_customer(session, "+4930901820", name="Zeilen\num\x07bruch \u202eрос " + "ü" * 80)
    await file_server.runtime.hotline.refresh()
    return file_server


@pytest.fixture(scope="module")
async def agent(app_server: Served) -> AsyncIterator[SignedIn]:
    person = await sign_in_as(app_server, Role.AGENT)
    async with app_server.database.session_scope() as session:
        for secret, scopes in ((TOKEN, [Scope.LOOKUP]), (WEAK_TOKEN, [Scope.CALLS_READ])):
            session.add(
                ApiToken(
                    id=new_id(),
                    agent_id=person.agent.id,
                    name="exchange",
                    token_hash=digest(secret),
                    scopes=[scope.value for scope in scopes],
                )
            )
    async with person.http:
        yield person


@pytest.fixture(scope="module")
def http(agent: SignedIn) -> httpx.AsyncClient:
    return agent.http


def refusal(response: httpx.Response) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, response.json()["code"]


# The pop --------------------------------------------------------------------------------------------------------------


async def test_the_pop_of_a_number(http: httpx.AsyncClient) -> None:
    answer = await http.get(URL, params={"number": "138 0013 8000"})

    assert answer.status_code == 200
    pop = ScreenPop.model_validate(answer.json())
    assert pop.customer is not None
    assert (pop.customer.name, pop.customer.address_as.zh, pop.call) == ("鲁大伟", "鲁先生", None)


@pytest.mark.parametrize(
    ("number", "outcome"),
    [
        (LU, "unique"),
        (SHARED, "several"),
        ("+8613900139000", "unknown"),
        ("anonymous", "withheld"),
        ("", "withheld"),
        ("10086", "unknown"),
        ("sip:alice@example.com", "unknown"),
        (OURS, "unknown"),
        ("\x00", "withheld"),
        ("\ufffd\u202e\U0001f600", "unknown"),
    ],
)
async def test_fault_12_any_number_has_an_outcome(http: httpx.AsyncClient, number: str, outcome: str) -> None:
    answer = await http.get(URL, params={"number": number})

    assert answer.status_code == 200, answer.text
    assert answer.json()["match"]["outcome"] == outcome


async def test_a_lookup_that_does_not_fit(http: httpx.AsyncClient) -> None:
    assert refusal(await http.get(URL)) == (422, "invalid")
    assert refusal(await http.get(URL, params={"number": "1" * 251})) == (422, "invalid")


async def test_who_may_look_up(client: httpx.AsyncClient, agent: SignedIn, signed_in: SignIn) -> None:
    analyst = await signed_in(Role.ANALYST)
    params = {"number": LU}

    assert refusal(await client.get(URL, params=params)) == (401, "not_signed_in")
    assert (await analyst.http.get(URL, params=params)).status_code == 200
    with_token = await client.get(URL, params=params, headers={"Authorization": f"Bearer {TOKEN}"})
    assert with_token.json()["customer"]["name"] == "鲁大伟"
    with_weak = await client.get(URL, params=params, headers={"Authorization": f"Bearer {WEAK_TOKEN}"})
    assert refusal(with_weak) == (403, "scope_missing")
    # A password in the header is for exchanges, and they get no more than the name.
    assert refusal(await client.get(URL, params=params, auth=("pbx", TOKEN))) == (401, "not_signed_in")


# The plain name -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (LU, "鲁大伟"),
        ("13800138000", "鲁大伟"),
        ("008613800138000", "鲁大伟"),
        # Whoever was in touch last stands first; no one is picked.
        (SHARED, "王芳 / 恒通酒店有限公司"),
        ("+8613900139000", ""),
        ("anonymous", ""),
        ("10086", ""),
        (OURS, ""),
        ("sip:+8613800138000@pbx.example/x", "鲁大伟"),
        ("a/b/c", ""),
    ],
)
async def test_the_name_of_a_number(http: httpx.AsyncClient, number: str, name: str) -> None:
    by_path = await http.get(f"{URL}/name/{quote(number, safe='')}")
    by_query = await http.get(f"{URL}/name", params={"number": number})

    for answer in (by_path, by_query):
        assert answer.status_code == 200
        assert answer.text == name
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.headers["cache-control"] == "no-store"


async def test_a_plus_is_taken_as_it_comes(http: httpx.AsyncClient) -> None:
    # In a path a plus is a plus; in a query an exchange that does not encode it sends a blank.
    assert (await http.get(f"{URL}/name/{LU}")).text == "鲁大伟"
    assert (await http.get(f"{URL}/name/{LU.replace('+', '%2B')}")).text == "鲁大伟"
    assert (await http.get(f"{URL}/name?number={LU}")).text == "鲁大伟"


async def test_fault_14_the_name_is_one_short_line(http: httpx.AsyncClient) -> None:
    name = (await http.get(f"{URL}/name/+4930901820")).text

    assert name == "Zeilen um bruch рос " + "ü" * 40
    assert len(name) == LONGEST_NAME


async def test_no_number_is_nobody(http: httpx.AsyncClient) -> None:
    assert (await http.get(f"{URL}/name/")).text == ""
    assert (await http.get(f"{URL}/name?number=")).text == ""


async def test_an_exchange_gives_its_token_as_a_password(client: httpx.AsyncClient, agent: SignedIn) -> None:
    for user in ("pbx", ""):
        assert (await client.get(f"{URL}/name/{LU}", auth=(user, TOKEN))).text == "鲁大伟"
    assert (await client.get(f"{URL}/name/{LU}", headers={"Authorization": f"Bearer {TOKEN}"})).text == "鲁大伟"


async def test_who_is_told_no_name(client: httpx.AsyncClient, agent: SignedIn) -> None:
    url = f"{URL}/name/{LU}"
    refused = [
        await client.get(url),
        await client.get(url, auth=("pbx", "wrong")),
        await client.get(url, auth=("pbx", "")),
        await client.get(url, auth=(TOKEN, "x")),
        await client.get(url, headers={"Authorization": "Basic !!!"}),
        await client.get(url, headers={"Authorization": "Basic"}),
        await client.get(url, headers={"Authorization": f"Bearer {TOKEN}x"}),
        await client.get(f"{URL}/name", params={"number": LU}),
    ]

    assert [refusal(answer) for answer in refused] == [(401, "not_signed_in")] * len(refused)
    assert all(answer.headers["www-authenticate"].startswith("Basic") for answer in refused)
    assert refusal(await client.get(url, auth=("pbx", WEAK_TOKEN))) == (403, "scope_missing")


@pytest.mark.parametrize(
    ("names", "uncounted", "shown"),
    [
        (["鲁大伟"], False, "鲁大伟"),
        (["x" * 70], False, "x" * 60),
        (["鲁大伟", "王芳"], False, "鲁大伟 / 王芳"),
        (["a" * 28, "b" * 29], False, f"{'a' * 28} / {'b' * 29}"),
        (["a" * 28, "b" * 30], False, f"{'a' * 28} +1"),
        (["a" * 20, "b" * 20, "c" * 20], False, f"{'a' * 20} / {'b' * 20} +1"),
        (["a" * 70, "b", "c"], False, f"{'a' * 57} +2"),
        (["a", "b"], True, "a / b +"),
    ],
)
def test_names_side_by_side(names: list[str], uncounted: bool, shown: str) -> None:
    assert side_by_side(names, uncounted=uncounted) == shown


@given(st.lists(st.text(min_size=1, max_size=80), min_size=1, max_size=12), st.booleans())
@settings(deadline=None)
def test_any_names_fit_side_by_side(names: list[str], uncounted: bool) -> None:
    shown = side_by_side(names, uncounted=uncounted)

    assert 0 < len(shown) <= LONGEST_NAME
    assert shown.startswith(names[0][:50])
