"""A whole hotline for a test: the service on a socket, a simulated carrier on its wire, agents at their desks."""

import asyncio
import json
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from sqlalchemy import text
from websockets.asyncio.client import ClientConnection, connect

from app.embedded_postgres import EmbeddedPostgres
from app.models import Agent, Base, Queue
from app.observability import metrics
from app.services.calls import get_trace
from app.telephony.simulator import Line, Pace, SimCall, SimEventKind, serve_rest
from tests.calls.carrier import ACCOUNT_SID, AUTH_TOKEN, DIALLED, PUBLIC_URL, Wire
from tests.calls.outages import OwnServer
from tests.factories import make_queue
from tests.support import Served, fresh_database, serving, settings_for, sign_in_as

SPEED = 25.0
"""How much faster than life the simulated carrier's time runs."""
WIDE: dict[str, Any] = {"database_lane": 8}
"""The lane as it is in production, for tests of many calls at once. Each of its connections is warmed up first."""


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

    async def until(self, event_type: str, seconds: float = 5, **data: Any) -> dict[str, Any]:
        """The next message of a type, of which `data` holds; those before it are kept in `seen`."""
        while True:
            message = await self.next(seconds)
            if message["type"] == event_type and data.items() <= message["data"].items():
                return message

    async def rest(self) -> list[dict[str, Any]]:
        """Whatever else has been sent to this tab: all up to the break that the agent takes for it."""
        marker, seen = f"marker {len(self.seen)}", len(self.seen)
        await self.be("break", reason=marker)
        await self.until("presence.changed", reason=marker)
        return self.seen[seen:-1]

    async def accept(self, call_id: str, tab: str = "one") -> httpx.Response:
        """Take a call in a tab."""
        return await self.http.post(f"/api/v1/calls/{call_id}/accept", json={"tab": tab})

    async def decline(self, call_id: str) -> httpx.Response:
        """Turn a call down."""
        return await self.http.post(f"/api/v1/calls/{call_id}/decline")

    async def wrap_up(self, call_id: str, disposition: str = "resolved", **more: Any) -> httpx.Response:
        """Write a call up."""
        return await self.http.put(f"/api/v1/calls/{call_id}/wrap-up", json={"disposition": disposition, **more})

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
    wire: Wire

    async def twin(self, **given: Any) -> "Hotline":
        """Another instance of the service on the same database, which this line does not call by itself."""
        settings = self.served.settings.model_copy(update=given)
        served = await self.stack.enter_async_context(serving(settings))
        wire = await self.stack.enter_async_context(Wire(served.url))
        return Hotline(served, self.line, self.queue, self.stack, wire)

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
            connect(
                f"{self.served.ws_url}/api/v1/agent/stream{query}",
                additional_headers=cookie_header,
                proxy=None,
                # What a test does not care to read must not keep the socket from closing.
                max_queue=None,
            )
        )
        return Desk(agent, http, self.served, cookie_header, opened)

    async def another_tab(self, desk: Desk, after: str | None = None) -> Desk:
        """One more tab of the same agent."""
        return await self.open_tab(desk.agent, desk.http, desk.cookie_header, after)

    async def leg_ringing(self, call: SimCall, number: int = 1) -> str:
        """The sid of the leg of a simulated call that rings as the first, second, … one."""

        def ringing() -> list[str | None]:
            return [event.leg_sid for event in call.events if event.kind is SimEventKind.LEG_RINGING]

        async with asyncio.timeout(5):
            assert await call.journal.until(lambda: len(ringing()) >= number), call.transcript
        sid = ringing()[number - 1]
        assert sid is not None
        return sid

    async def answer(self, call: SimCall, number: int = 1) -> None:
        """Have the agent pick up whose phone rings as the first, second, … one of a simulated call."""
        await self.line.answer(await self.leg_ringing(call, number))

    async def rows(self, sql: str, **values: Any) -> list[dict[str, Any]]:
        """What the database says."""
        async with self.served.database.session_scope() as session:
            return [dict(row._mapping) for row in await session.execute(text(sql), values)]

    async def execute(self, sql: str, **values: Any) -> None:
        """Change something behind the service's back."""
        async with self.served.database.session_scope() as session:
            await session.execute(text(sql), values)

    async def one(self, sql: str, **values: Any) -> dict[str, Any]:
        """The one row."""
        (row,) = await self.rows(sql, **values)
        return row

    async def until(self, sql: str, *, seconds: float = 5, **values: Any) -> None:
        """Look again and again until the database says yes."""

        async def holds() -> bool:
            return bool((await self.rows(f"SELECT ({sql}) AS yes", **values))[0]["yes"])

        await until(holds, sql, seconds)

    async def counts(self) -> dict[str, int]:
        """How many rows every table has."""
        tables = sorted(Base.metadata.tables)
        counted = ", ".join(f'(SELECT count(*) FROM "{name}") AS "{name}"' for name in tables)
        return await self.one(f"SELECT {counted}")

    async def call_row(self, provider_call_id: str) -> dict[str, Any]:
        """One call by the carrier's id."""
        return await self.one("SELECT * FROM calls WHERE provider_call_id = :sid", sid=provider_call_id)

    async def trace_of(self, provider_call_id: str) -> list[str]:
        """The steps of a call."""
        return [step["step"] for step in await self.steps_of(provider_call_id)]

    async def steps_of(self, provider_call_id: str) -> list[dict[str, Any]]:
        """The steps of a call, each with `at`, `agent` and `detail`."""
        call_id = (await self.call_row(provider_call_id))["id"]
        async with self.served.database.session_scope() as session:
            steps: list[dict[str, Any]] = (await get_trace(session, call_id))["steps"]
        return steps


async def until(holds: Callable[[], Awaitable[bool]], what: str, seconds: float = 5) -> None:
    """Look again and again until something holds; fails where it does not within `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                if await holds():
                    return
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(f"not within {seconds} s: {what}")


def value_of(name: str, **labels: str) -> float:
    """What a figure of ours shows now."""
    return metrics.registry.get_sample_value(name, labels) or 0.0


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


MakeHotline = Callable[..., Awaitable[Hotline]]


@asynccontextmanager
async def hotlines(database_url: str, folder: Path) -> AsyncIterator[MakeHotline]:
    """What makes hotlines on a database; they stand until the block ends."""
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
                folder,
                **{
                    "public_url": PUBLIC_URL,
                    "twilio_account_sid": ACCOUNT_SID,
                    "twilio_auth_token": AUTH_TOKEN,
                    "twilio_api_base_url": api_url,
                    "twilio_api_key": "SK" + "1" * 32,
                    "twilio_api_secret": AUTH_TOKEN,
                    "company": "鲁班电器",
                    "database_lane": 2,
                    **given,
                },
            )
            carrier.credentials["SK" + "1" * 32] = AUTH_TOKEN
            served = await stack.enter_async_context(serving(settings, port))
            async with served.database.session_scope() as session:
                made = await make_queue(session, numbers=(DIALLED,), **(queue or {}))
            await served.runtime.hotline.refresh()
            wire = await stack.enter_async_context(Wire(served.url))
            return Hotline(served, carrier, made, stack, wire)

        yield make


@pytest.fixture
async def make_hotline(database_url: str, tmp_path: Path) -> AsyncIterator[MakeHotline]:
    """`await make_hotline(queue={...}, line={...}, **settings)`."""
    async with hotlines(database_url, tmp_path) as make:
        yield make


@pytest.fixture(scope="module")
async def standing(
    postgres_with_template: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Hotline]:
    """One hotline for all tests of a file, each of which brings its own calls and minds nobody else's."""
    async with (
        fresh_database(postgres_with_template) as dsn,
        hotlines(dsn, tmp_path_factory.mktemp("standing")) as make,
    ):
        yield await make(**WIDE)


@pytest.fixture
async def hotline(make_hotline: MakeHotline) -> Hotline:
    """A hotline that is always open, with nobody at the desks yet."""
    return await make_hotline()


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    """What has been logged since the test began, a mapping a line; what is bound to the request included."""
    steps = [structlog.contextvars.merge_contextvars, structlog.processors.format_exc_info]
    with structlog.testing.capture_logs(steps) as lines:
        yield lines


@pytest.fixture(scope="session")
def own_server() -> Iterator[OwnServer]:
    """A PostgreSQL that nobody else uses."""
    # Not below pytest's own directory: a later run takes the rights to it back while the server runs.
    with tempfile.TemporaryDirectory(prefix="callcard-tests-own-") as folder, OwnServer(Path(folder)).running() as own:
        yield own


@pytest.fixture
async def own_database_url(own_server: OwnServer) -> AsyncIterator[str]:
    """A database on it, at the newest schema."""
    async with own_server.database() as dsn:
        yield dsn
