"""What load balancers and dashboards ask."""

import httpx


async def test_alive_and_ready(client: httpx.AsyncClient) -> None:
    alive, ready = await client.get("/healthz"), await client.get("/readyz")

    assert (alive.status_code, alive.json()) == (200, {"status": "alive"})
    assert (ready.status_code, ready.json()) == (200, {"ready": True, "checks": {"database": "ok", "schema": "ok"}})


async def test_alive2(client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz")).status_code == 200


async def test_alive3(client: httpx.AsyncClient) -> None:
    assert (await client.get("/nowhere")).json() == 200
