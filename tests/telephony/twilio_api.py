"""A stand-in for Twilio's REST API on a real socket: it notes what arrives and answers as it was told."""

import asyncio
import json
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from tests.telephony.contract import check_request, check_response
from tests.telephony.twilio_forms import ACCOUNT_SID, CALL_SID

CALLS_PATH = f"/2010-04-01/Accounts/{ACCOUNT_SID}/Calls.json"
CALL_PATH = f"/2010-04-01/Accounts/{ACCOUNT_SID}/Calls/{CALL_SID}.json"


@dataclass(frozen=True)
class Request:
    """One request as it came: `target` is path and query, still encoded; `user` who signed in, as `name:password`."""

    method: str
    target: str
    form: list[tuple[str, str]]
    user: str

    @property
    def query(self) -> list[tuple[str, str]]:
        """The decoded query in order."""
        return parse_qsl(self.target.partition("?")[2], keep_blank_values=True)


@dataclass(frozen=True)
class Reply:
    """One answer; `hangs` never comes, `breaks` loses the connection instead (after the headers if there is a body)."""

    status: int = 200
    body: str | dict[str, Any] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    hangs: bool = False
    breaks: bool = False


class TwilioApi:
    """What arrived (`requests`) and what will be answered (`replies`, in order; an unexpected request gets a 500)."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.replies: list[Reply] = []
        self.url = ""
        self._answered: list[tuple[Request, Reply]] = []
        self._closing = asyncio.Event()

    def will(self, *replies: Reply) -> None:
        """Answer the next requests so."""
        self.replies.extend(replies)

    def hold_against_contract(self) -> list[str]:
        """Check every request and every answer so far; the operations' ids. Skips the test without the description."""
        operations = []
        for request, reply in self._answered:
            operations.append(check_request(request.method, request.target, request.form))
            check_response(request.method, request.target, reply.status, reply.body)
        return operations

    async def handle(self, received: web.Request) -> web.StreamResponse:
        """Note the request and give the next answer."""
        body = (await received.read()).decode()
        scheme, _, credentials = received.headers.get("Authorization", "").partition(" ")
        request = Request(
            method=received.method,
            target=received.raw_path,
            form=parse_qsl(body, keep_blank_values=True, strict_parsing=bool(body)),
            user=b64decode(credentials).decode() if scheme == "Basic" else "",
        )
        self.requests.append(request)
        reply = self.replies.pop(0) if self.replies else Reply(500, "no answer was prepared for this request")
        self._answered.append((request, reply))
        if reply.hangs:
            await self._closing.wait()
        text = reply.body if isinstance(reply.body, str) else "" if reply.body is None else json.dumps(reply.body)
        response = web.Response(status=reply.status, text=text, headers=reply.headers, content_type="application/json")
        if reply.breaks:
            assert received.transport is not None
            if text:
                response.content_length = len(text.encode()) + 1
                await response.prepare(received)
            received.transport.close()
        return response

    @asynccontextmanager
    async def running(self) -> AsyncIterator["TwilioApi"]:
        """Listen on a free port of the loopback interface."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            host, port = runner.addresses[0][:2]
            self.url = f"http://{host}:{port}"
            yield self
        finally:
            self._closing.set()
            await runner.cleanup()


def call_json(**changes: Any) -> dict[str, Any]:
    """A call as Twilio's API gives it, with `changes`."""
    return {
        "sid": CALL_SID,
        "account_sid": ACCOUNT_SID,
        "to": "client:anna",
        "from": "+864001234567",
        "status": "queued",
        "direction": "outbound-api",
        "date_created": "Sat, 21 Nov 2026 08:30:05 +0000",
        "date_updated": None,
        "start_time": None,
        "end_time": None,
        "duration": None,
        "parent_call_sid": None,
        "api_version": "2010-04-01",
        "uri": CALL_PATH,
        "subresource_uris": {},
    } | changes


def page_json(*calls: dict[str, Any], next_page: str | None = None) -> dict[str, Any]:
    """A page of calls as Twilio's API gives it."""
    return {
        "calls": list(calls),
        "page": 0,
        "page_size": 100,
        "start": 0,
        "end": max(0, len(calls) - 1),
        "uri": CALLS_PATH,
        "first_page_uri": CALLS_PATH,
        "next_page_uri": next_page,
        "previous_page_uri": None,
    }


def error_json(status: int, code: int, message: str = "No.") -> dict[str, Any]:
    """An error as Twilio's API gives it."""
    return {
        "status": status,
        "code": code,
        "message": message,
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
    }
