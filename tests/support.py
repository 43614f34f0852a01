"""What several tests need: a database of one's own, a served application, somebody signed in."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
from fastapi import FastAPI
from sqlalchemy import text

from app import migrate
from app.config import Settings, load_settings
from app.db import Database, driver_dsn
from app.dependencies import SESSION_COOKIE, Runtime
from app.embedded_postgres import EmbeddedPostgres
from app.main import create_app
from app.models.people import Agent, Role
from app.services.sessions import open_session
from app.telephony.simulator.serving import serve_app
from tests.factories import make_agent

SECRET_KEY = "kX2v-Q8rT0yLw4zB7nH1mJ6cD9sF3gPa"
TEMPLATE = "callcard_template"
ROOM_FOR_DATABASES = 2 * 1024**3
# Nothing of a test's database is to outlive the run, so nothing waits for the disk.
SERVER_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "shared_buffers": "128MB",
}


def roomy_memory() -> Path | None:
    """A folder kept in memory, where there is one with room: a copy of a database takes a tenth of the time there."""
    folder = Path("/dev/shm")
    if folder.is_dir() and os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > ROOM_FOR_DATABASES:
        return folder
    return None


def start_server(folder: Path) -> EmbeddedPostgres:
    """The PostgreSQL of this test run, started by whichever process comes first."""
    return EmbeddedPostgres.start(folder, settings=SERVER_SETTINGS)


async def make_template(server: EmbeddedPostgres) -> None:
    """Make the migrated database that tests copy, unless another process of this run has made it."""
    admin = await asyncpg.connect(server.dsn("postgres"))
    try:
        await admin.execute("SELECT pg_advisory_lock(1)")
        if not await admin.fetchval("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", TEMPLATE):
            await admin.execute(f"CREATE DATABASE {TEMPLATE}_draft")
            await asyncio.to_thread(migrate.upgrade, server.dsn(f"{TEMPLATE}_draft"))
            await _confirm_years(server.dsn(f"{TEMPLATE}_draft"))
            await admin.execute(f"ALTER DATABASE {TEMPLATE}_draft RENAME TO {TEMPLATE}")
    finally:
        await admin.close()


async def _confirm_years(dsn: str) -> None:
    """Tests that run near the end of a year are not about whether the next one's holidays have been announced."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(
            "INSERT INTO calendar_years (calendar_id, year) "
            "SELECT id, extract(year FROM now())::int + n FROM calendars, generate_series(0, 2) n"
        )
    finally:
        await connection.close()


@asynccontextmanager
async def fresh_database(server: EmbeddedPostgres, template: str = TEMPLATE) -> AsyncIterator[str]:
    """The address of a new database; `template1` as template gives an empty one."""
    name = f"test_{uuid4().hex}"
    admin = await asyncpg.connect(server.dsn("postgres"))
    try:
        await admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        try:
            yield server.dsn(name)
        finally:
            await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await admin.close()


def settings_for(dsn: str, data_dir: Path, **given: Any) -> Settings:
    """Settings of which nothing comes from this machine; `given` by field name."""
    defaults = {
        "database_url": driver_dsn(dsn),
        "data_dir": data_dir,
        "secret_key": SECRET_KEY,
        "log_format": "json",
        # A process of its own after each import; the tests that want it say so.
        "dedupe_after_import": False,
        "run_worker": False,
    }
    return load_settings(env_file=None, **{**defaults, **given})


@dataclass(frozen=True, slots=True)
class Served:
    """An application that answers on a port of this machine."""

    app: FastAPI
    url: str
    settings: Settings

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        host, _, port = self.url.removeprefix("http://").partition(":")
        return host, int(port)

    @property
    def ws_url(self) -> str:
        return self.url.replace("http", "ws", 1)

    @property
    def runtime(self) -> Runtime:
        runtime: Runtime = self.app.state.runtime
        return runtime

    @property
    def database(self) -> Database:
        return self.runtime.database

    def client(self, **options: Any) -> httpx.AsyncClient:
        """A client whose paths begin at this server; closed by whoever asked for it."""
        # There is no TLS here, and reading the certificates that it would trust takes longer than most tests.
        return httpx.AsyncClient(base_url=self.url, trust_env=False, verify=False, timeout=10, **options)


@asynccontextmanager
async def serving(settings: Settings, port: int = 0) -> AsyncIterator[Served]:
    """The application behind a real uvicorn, in this event loop, until the block ends.

    What the application raises when it starts is raised here.
    """
    app = create_app(settings)
    async with app.router.lifespan_context(app), serve_app(app, port=port, ws="auto") as url:
        yield Served(app, url, settings)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A person and the client they are signed in with."""

    agent: Agent
    http: httpx.AsyncClient
    cookie: str

    @property
    def cookie_header(self) -> dict[str, str]:
        """For clients that keep no cookies, such as a WebSocket's."""
        return {"Cookie": f"{SESSION_COOKIE}={self.cookie}"}


Serve = Callable[..., Awaitable[Served]]
"""`await serve(public_url=…)`: the application with these settings, on the test's own database."""
SignIn = Callable[..., Awaitable[SignedIn]]
"""`await signed_in(Role.SUPERVISOR)`: somebody new who is signed in."""


async def sign_in_as(served: Served, role: Role = Role.AGENT, **fields: Any) -> SignedIn:
    """A new person of this role with an open session; no password is involved. The client is the caller's to close."""
    async with served.database.session_scope() as session:
        agent = await make_agent(session, role=role, **fields)
        secret = await open_session(session, agent.id)
    http = served.client(cookies={SESSION_COOKIE: secret})
    return SignedIn(agent, http, secret)


async def somebody_waits(database: Database) -> None:
    """Until a transaction of this database waits for another's lock."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with asyncio.timeout(10):
        while True:
            # Asked in a new transaction each time: what it says stays the same within one.
            async with database.session_scope() as session:
                if await session.scalar(waiting):
                    return
