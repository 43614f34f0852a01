"""The simulated REST API on a socket, and a client of it that notes every exchange."""

from typing import Any

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from app.telephony.simulator import Line, SimEventKind
from tests.telephony.simulated_hotline import ACCOUNT_SID, CALLER, HOTLINE, PUBLIC_URL, VOICE, Hotline

CALLS = f"/2010-04-01/Accounts/{ACCOUNT_SID}/Calls.json"
CREATE = [("To", CALLER), ("From", HOTLINE), ("Url", f"{PUBLIC_URL}/outbound")]


class Switchboard:
    """One socket for the API of whichever line is under test: starting and stopping a server takes a while."""

    app: ASGIApp
    url = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


class Api:
    """Sends requests, and notes each with its answer for the contract."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.exchanges: list[tuple[str, str, list[tuple[str, str]], int, Any]] = []

    async def post(self, path: str, form: list[tuple[str, str]]) -> httpx.Response:
        return await self._send(self.client.build_request("POST", path, data=_data(form)), form)

    async def get(self, path: str, **query: str) -> httpx.Response:
        return await self._send(self.client.build_request("GET", path, params=query or None), [])

    async def _send(self, request: httpx.Request, form: list[tuple[str, str]]) -> httpx.Response:
        response = await self.client.send(request)
        target = request.url.raw_path.decode()
        self.exchanges.append((request.method, target, form, response.status_code, response.json()))
        return response


def _data(form: list[tuple[str, str]]) -> dict[str, list[str]]:
    names = dict.fromkeys(name for name, _ in form)
    return {name: [value for given, value in form if given == name] for name in names}


def path_of(sid: str) -> str:
    return CALLS.replace(".json", f"/{sid}.json")


async def ringing(line: Line, hotline: Hotline) -> tuple[str, str]:
    hotline.will(VOICE, '<Dial action="/result"><Client>lin</Client></Dial>')
    hotline.will("/result", "<Hangup/>")
    line.set_script("client:lin", "live")
    call = await line.call(CALLER, HOTLINE)
    leg_sid = (await call.wait_for(SimEventKind.LEG_RINGING)).leg_sid
    assert leg_sid is not None
    return call.sid, leg_sid
