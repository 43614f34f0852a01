"""Who may open a WebSocket, and from where."""

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from app.domain.scopes import Scope
from app.models.people import Role
from tests.support import Served, SignedIn, SignIn

OURS = "http://127.0.0.1:8000"


async def open_stream(server: Served, **options: object) -> ClientConnection:
    return await connect(f"{server.ws_url}/api/v1/agent/stream", proxy=None, **options)  # type: ignore[arg-type]  # as given


async def refusal(server: Served, **options: object) -> tuple[int, bytes]:
    with pytest.raises(InvalidStatus) as refused:
        await open_stream(server, **options)
    return refused.value.response.status_code, refused.value.response.body or b""


async def token_of(person: SignedIn, *scopes: Scope) -> str:
    made = await person.http.post(f"/api/v1/agents/{person.agent.id}/tokens", json={"name": "a", "scopes": [*scopes]})
    token: str = made.json()["token"]
    return token


async def test_a_page_of_ours_opens_it_with_the_cookie(app_server: Served, signed_in: SignIn) -> None:
    person = await signed_in()

    async with await open_stream(app_server, additional_headers=person.cookie_header, origin=OURS) as socket:
        assert socket.subprotocol is None


async def test_a_program_opens_it_with_a_token(app_server: Served, signed_in: SignIn) -> None:
    token = await token_of(await signed_in(), Scope.AGENT)

    async with await open_stream(app_server, additional_headers={"Authorization": f"Bearer {token}"}):
        pass


async def test_a_browser_without_a_cookie_sends_its_token_as_a_protocol(app_server: Served, signed_in: SignIn) -> None:
    token = await token_of(await signed_in(), Scope.AGENT)
    offered = [Subprotocol("callcard.v1"), Subprotocol(f"bearer.{token}")]

    async with await open_stream(app_server, subprotocols=offered, origin=OURS) as socket:
        assert socket.subprotocol == "callcard.v1"


async def test_nobody_opens_it(app_server: Served) -> None:
    offered = [Subprotocol("callcard.v1"), Subprotocol("bearer.cc_unknown")]

    for options in (
        {},
        {"additional_headers": {"Cookie": "callcard_session=unknown"}},
        {"additional_headers": {"Authorization": "Bearer cc_unknown"}},
        {"subprotocols": offered},
    ):
        status, body = await refusal(app_server, **options)
        assert (status, b"not_signed_in" in body) == (401, True)


async def test_a_token_in_the_address_is_none(app_server: Served, signed_in: SignIn) -> None:
    token = await token_of(await signed_in(), Scope.AGENT)

    with pytest.raises(InvalidStatus) as refused:
        await connect(f"{app_server.ws_url}/api/v1/agent/stream?token={token}", proxy=None)

    assert refused.value.response.status_code == 401


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:8000.evil.example"])
async def test_a_page_of_another_site_never_opens_it(app_server: Served, signed_in: SignIn, origin: str) -> None:
    person = await signed_in()
    token = await token_of(person, Scope.AGENT)

    for headers in (person.cookie_header, {"Authorization": f"Bearer {token}"}):
        status, body = await refusal(app_server, additional_headers=headers, origin=origin)
        assert (status, b"origin_not_allowed" in body) == (403, True)


async def test_it_takes_the_right_to_it(app_server: Served, signed_in: SignIn) -> None:
    analyst = await signed_in(Role.ANALYST)
    token = await token_of(await signed_in(), Scope.LOOKUP)

    for headers in (analyst.cookie_header, {"Authorization": f"Bearer {token}"}):
        status, body = await refusal(app_server, additional_headers=headers)
        assert (status, b"scope_missing" in body) == (403, True)
