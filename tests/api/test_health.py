"""What load balancers, alarms and dashboards ask."""

import asyncio
from pathlib import Path

import httpx
from sqlalchemy import text

from app import migrate
from app.embedded_postgres import EmbeddedPostgres
from tests.support import Served, serving, settings_for


async def test_alive_and_ready(client: httpx.AsyncClient) -> None:
    alive, ready = await client.get("/healthz"), await client.get("/readyz")

    assert (alive.status_code, alive.json()) == (200, {"status": "alive"})
    assert (ready.status_code, ready.json()) == (200, {"ready": True, "checks": {"database": "ok", "schema": "ok"}})


async def test_not_ready_while_the_schema_is_another(app_server: Served, client: httpx.AsyncClient) -> None:
    async with app_server.database.session_scope() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = 'older'"))

    ready = await client.get("/readyz")

    assert (ready.status_code, ready.json()["checks"]) == (503, {"database": "ok", "schema": "failed"})


async def test_not_ready_within_a_second_when_the_database_hangs(app_server: Served, client: httpx.AsyncClient) -> None:
    async with app_server.database.session_scope() as session:
        await session.execute(text("LOCK TABLE alembic_version"))

        async with asyncio.timeout(2):
            ready = await client.get("/readyz")

    assert (ready.status_code, ready.json()["checks"]) == (503, {"database": "failed", "schema": "unknown"})


async def test_alive_but_not_ready_while_the_database_is_down(tmp_path: Path) -> None:
    # Commits are synchronous here: what was migrated must survive the kill.
    server = await asyncio.to_thread(EmbeddedPostgres.start, tmp_path / "postgres", settings={"fsync": "off"})
    try:
        async with serving(settings_for(server.dsn(), tmp_path)) as served, served.client() as http:
            assert (await http.get("/readyz")).status_code == 200
            await asyncio.to_thread(server.kill)

            down, alive, session = [await http.get(path) for path in ("/readyz", "/healthz", "/api/v1/session")]
            asked = await http.get("/api/v1/session", headers={"Authorization": "Bearer cc_any"})
            await asyncio.to_thread(server.restart)
            up = await http.get("/readyz")
    finally:
        await asyncio.to_thread(server.stop)

    assert (down.status_code, down.json()["ready"]) == (503, False)
    assert alive.status_code == 200
    assert session.status_code == 401
    assert (asked.status_code, asked.json()["code"]) == (503, "unavailable")
    assert int(asked.headers["Retry-After"]) > 0
    assert up.status_code == 200


async def test_figures(client: httpx.AsyncClient) -> None:
    figures = await client.get("/metrics")

    assert figures.status_code == 200
    assert figures.headers["content-type"].startswith("text/plain; version=")
    assert "callcard_websocket_connections" in figures.text


def test_a_current_schema_is_the_head() -> None:
    assert migrate.head() >= "0001"
