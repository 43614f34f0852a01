"""`callcard serve`: what uvicorn is asked for, and processes that come and go."""

import asyncio
import os
import pickle
import re
import signal
import socket
from pathlib import Path

import httpx
import pytest

from app.cli.serving import _Config, settings_for_port
from app.config import LogFormat
from tests.cli.conftest import start


def test_a_half_open_client_is_found_within_20_seconds() -> None:
    config = _Config(host="127.0.0.1", port=8000, workers=1, log_format=LogFormat.JSON)

    assert config.ws_ping_interval is not None
    assert config.ws_ping_timeout is not None
    assert config.ws_ping_interval + config.ws_ping_timeout <= 20


def test_the_configuration_reaches_workers_whole() -> None:
    config = _Config(host="127.0.0.1", port=8000, workers=2, log_format=LogFormat.PRETTY)
    sent = pickle.loads(pickle.dumps(config))

    assert vars(sent) == vars(config)


def test_the_public_url_follows_the_port_where_none_is_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CALLCARD_PUBLIC_URL", "http://localhost:8123")
    assert settings_for_port(9000).public_url == "http://localhost:8123"

    monkeypatch.delenv("CALLCARD_PUBLIC_URL")
    assert settings_for_port(9000).public_url == "http://127.0.0.1:9000"


async def test_a_killed_worker_is_replaced(database_url: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = await start(
        tmp_path,
        *("serve", "--port", str(port), "--workers", "2"),
        DATABASE_URL=database_url,
        CALLCARD_DATA_DIR=str(tmp_path / "data"),
        CALLCARD_LOG_FORMAT="json",
    )
    assert process.stderr is not None
    said = ""

    async def workers(count: int) -> list[int]:
        """The processes that have started to serve, once there are so many."""
        nonlocal said
        while len(served := re.findall(r"Started server process \[(\d+)\]", said)) < count or (
            said.count("Application startup complete") < count
        ):
            said += (await process.stderr.readline()).decode()
        return [int(pid) for pid in served]

    try:
        # Three processes start here; a worker killed just while uvicorn asks it how it is costs half a minute.
        async with asyncio.timeout(110):
            first, second = await workers(2)
            os.kill(first, signal.SIGKILL)
            *_, third = await workers(3)
            assert third not in (first, second)
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
                assert (await http.get("/readyz")).status_code == 200
                assert "callcard_websocket_connections" in (await http.get("/metrics")).text
            process.send_signal(signal.SIGTERM)
            rest = (await process.stderr.read()).decode()
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

    assert f"Child process [{first}] died" in said + rest
    assert "Traceback" not in said + rest
