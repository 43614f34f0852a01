"""A whole hotline for a test: the service on a socket, a simulated carrier on its wire, agents at their desks."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from websockets.asyncio.client import ClientConnection, connect

from app.models import Agent, Queue
from app.telephony.simulator import Line, Pace, serve_rest
from tests.factories import make_queue
from tests.support import Served, serving, settings_for, sign_in_as

ACCOUNT_SID = "AC" + "5" * 32
AUTH_TOKEN = "0123456789abcdef0123456789abcdef"
PUBLIC_URL = "https://hotline.example"
DIALLED = "+862155501000"
SPEED = 25.0
"""How much faster than life the simulated carrier's time runs."""


@dataclass(slots=True)
class Desk:
    """An agent signed in at one tab: a client, an open stream and what came over it."""

    agent: Agent
    http: httpx.AsyncClient
    served: Served
    cookie_header: dict[str, str]
    socket: ClientConnection
    seen: list[dict[str, Any]] = field(default_factory=list)
    acknowledges: bool = True

    async def next(self, seconds: float = 5) -> dict[str, Any]:
        """The next message, acknowledged."""
        message: dict[str, Any] = json.loads(await asyncio.wait_for(self.socket.recv(), seconds))
        self.seen.append(message)
        if self.acknowledges:
            await self.socket.send(json.dumps({"type": "ack", "id": message["id"]}))
        return message

    async def until(self, event_type: str, seconds: float = 5) -> dict[str, Any]:
        """The next message of a type; those before it are kept in `seen`."""
        while True:
            message = await self.next(seconds)
            if message["type"] == event_type:
                return message

    async def be(self, state: str, **more: Any) -> dict[str, Any]:
        """Say what the agent does."""
        answer = await self.http.put("/api/v1/agent/presence", json={"state": state, **more})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def presence(self) -> str:
        """What the agent is doing by the record."""
        return str((await self.http.get("/api/v1/agent/presence")).json()["state"])


@dataclass(slots=True)
class Hotline:
    """The service, the carrier, one queue."""

    served: Served
    line: Line
    queue: Queue
    stack: AsyncExitStack

    async def desk(self, *, available: bool = True, queue: bool = True, **fields: Any) -> Desk:
        """A new agent of the queue with an open stream, available unless told otherwise."""
        person = await sign_in_as(self.served, queues=[self.queue] if queue else [], **fields)
        await self.stack.enter_async_context(person.http)
        opened = await self.open_tab(person.agent, person.http, person.cookie_header)
        if available:
            await opened.be("available")
            message = await opened.until("presence.changed")
            assert message["data"]["state"] == "available"
        return opened

    async def open_tab(
        self, agent: Agent, http: httpx.AsyncClient, cookie_header: dict[str, str], after: str | None = None
    ) -> Desk:
        """One more tab of an agent."""
        query = "" if after is None else f"?after={after}"
        opened = await self.stack.enter_async_context(
            connect(f"{self.served.ws_url}/api/v1/agent/stream{query}", additional_headers=cookie_header, proxy=None)
        )
        return Desk(agent, http, self.served, cookie_header, opened)

    async def another_tab(self, desk: Desk, after: str | None = None) -> Desk:
        """One more tab of the same agent."""
        return await self.open_tab(desk.agent, desk.http, desk.cookie_header, after)

    async def rows(self, sql: str, **values: Any) -> list[dict[str, Any]]:
        """What the database says."""
        async with self.served.database.session_scope() as session:
            return [dict(row._mapping) for row in await session.execute(text(sql), values)]

    async def one(self, sql: str, **values: Any) -> dict[str, Any]:
        """The one row."""
        (row,) = await self.rows(sql, **values)
        return row

    async def call_row(self, provider_call_id: str) -> dict[str, Any]:
        """One call by the carrier's id."""
        return await self.one("SELECT * FROM calls WHERE provider_call_id = :sid", sid=provider_call_id)

    async def trace_of(self, provider_call_id: str) -> list[str]:
        """The steps of a call."""
        rows = await self.rows(
            "SELECT step FROM call_trace t JOIN calls c ON c.id = t.call_id "
            "WHERE c.provider_call_id = :sid ORDER BY t.at, t.id",
            sid=provider_call_id,
        )
        return [row["step"] for row in rows]


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


MakeHotline = Callable[..., Awaitable[Hotline]]


@pytest.fixture
async def make_hotline(database_url: str, tmp_path: Path) -> AsyncIterator[MakeHotline]:
    """`await make_hotline(queue={...}, line={...}, **settings)`."""
    async with AsyncExitStack() as stack:

        async def make(
            *,
            queue: dict[str, Any] | None = None,
            line: dict[str, Any] | None = None,
            dsn: str = database_url,
            **given: Any,
        ) -> Hotline:
            port = free_port()
            carrier = await stack.enter_async_context(
                Line(
                    account_sid=ACCOUNT_SID,
                    auth_token=AUTH_TOKEN,
                    public_url=PUBLIC_URL,
                    connect_url=f"http://127.0.0.1:{port}",
                    **{"clock": Pace(SPEED), "default_agent": "live", **(line or {})},
                )
            )
            api_url = await stack.enter_async_context(serve_rest(carrier))
            settings = settings_for(
                dsn,
                tmp_path,
                **{
                    "public_url": PUBLIC_URL,
                    "twilio_account_sid": ACCOUNT_SID,
                    "twilio_auth_token": AUTH_TOKEN,
                    "twilio_api_base_url": api_url,
                    "twilio_api_key": "SK" + "1" * 32,
                    "twilio_api_secret": AUTH_TOKEN,
                    "company": "鲁班电器",
                    **given,
                },
            )
            carrier.credentials["SK" + "1" * 32] = AUTH_TOKEN
            served = await stack.enter_async_context(serving(settings, port))
            async with served.database.session_scope() as session:
                made = await make_queue(session, numbers=(DIALLED,), **(queue or {}))
            await served.runtime.hotline.refresh()
            return Hotline(served, carrier, made, stack)

        yield make


@pytest.fixture
async def hotline(make_hotline: MakeHotline) -> Hotline:
    """A hotline that is always open, with nobody at the desks yet."""
    return await make_hotline()
