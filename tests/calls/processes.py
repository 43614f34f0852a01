"""The service as a process of its own, as `callcard serve` runs it, that can be killed."""

import asyncio
import os
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from app.db import driver_dsn
from tests.calls.carrier import ACCOUNT_SID, AUTH_TOKEN, PUBLIC_URL, Wire
from tests.support import SECRET_KEY

PROJECT = Path(__file__).resolve().parents[2]
SERVE = "import sys; from app.cli import app; app(sys.argv[1:])"


@dataclass(slots=True)
class Service:
    """A running process and the way to it."""

    process: Process
    url: str
    wire: Wire

    @property
    def ws_url(self) -> str:
        return self.url.replace("http", "ws", 1)

    async def kill(self) -> None:
        """As the kernel does when memory is short: no farewell."""
        self.process.kill()
        await self.process.wait()


@asynccontextmanager
async def service(dsn: str, data_dir: Path, port: int, **environment: str) -> AsyncIterator[Service]:
    """`callcard serve` on a database, once it answers; it is killed when the block ends, if it has not been before."""
    url = f"http://127.0.0.1:{port}"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        SERVE,
        "serve",
        "--port",
        str(port),
        cwd=data_dir,
        env={
            "PATH": os.defpath,
            "PYTHONPATH": str(PROJECT),
            "PYTHONPYCACHEPREFIX": os.environ["PYTHONPYCACHEPREFIX"],
            "DATABASE_URL": driver_dsn(dsn),
            "CALLCARD_DATA_DIR": str(data_dir),
            "CALLCARD_PUBLIC_URL": PUBLIC_URL,
            "CALLCARD_SECRET_KEY": SECRET_KEY,
            "TWILIO_ACCOUNT_SID": ACCOUNT_SID,
            "TWILIO_AUTH_TOKEN": AUTH_TOKEN,
            **environment,
        },
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    log = asyncio.create_task(_read(process))
    try:
        async with Wire(url) as wire:
            await _until_it_answers(process, wire.http, url, log)
            yield Service(process, url, wire)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        sys.stderr.write(await log)  # shown by pytest where the test fails


async def _read(process: Process) -> str:
    assert process.stderr is not None
    return (await process.stderr.read()).decode(errors="replace")


async def _until_it_answers(process: Process, http: httpx.AsyncClient, url: str, log: asyncio.Task[str]) -> None:
    async with asyncio.timeout(30):
        while True:
            assert process.returncode is None, await log
            try:
                if (await http.get(f"{url}/healthz")).status_code == 200:
                    return
            except httpx.TransportError:
                await asyncio.sleep(0.05)
