"""The two services under measurement, each one process of its own, started, waited for and stopped."""

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from bench.dataset import FOLDER

ACCOUNT_SID = "AC" + "5" * 32
PUBLIC_URL = "https://hotline.bench.invalid"
_START_SECONDS = 30
_STOP_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Service:
    """A service that answers at `port`; `auth_token` is what its carrier signs with, "" where nothing is checked."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path
    auth_token: str = ""

    def resident_bytes(self) -> int:
        """What the process holds in memory now."""
        return int(psutil.Process(self.process.pid).memory_info().rss)


@contextmanager
def baseline(dsn: str) -> Iterator[Service]:
    """Service (a), see `bench.baseline`."""
    with _running("bench.baseline", {}, dsn) as service:
        yield service


@contextmanager
def hotline(dsn: str) -> Iterator[Service]:
    """Service (b): Callcard in production's settings, one worker, its log in a file."""
    token = secrets.token_hex(16)
    settings = {
        "CALLCARD_ENV": "production",
        "CALLCARD_DATA_DIR": str(FOLDER / "service"),
        "CALLCARD_PUBLIC_URL": PUBLIC_URL,
        "CALLCARD_COMPANY": "鲁班电器",
        "CALLCARD_SECRET_KEY": secrets.token_urlsafe(48),
        "CALLCARD_LOG_FORMAT": "json",
        "DATABASE_URL": dsn,
        "TWILIO_ACCOUNT_SID": ACCOUNT_SID,
        "TWILIO_AUTH_TOKEN": token,
        # Nothing listens there: no bench has a reason to ask anything of the carrier.
        "TWILIO_API_BASE_URL": "http://127.0.0.1:9",
    }
    with _running("bench.service", settings, auth_token=token) as service:
        yield service


@contextmanager
def _running(module: str, settings: Mapping[str, str], *args: str, auth_token: str = "") -> Iterator[Service]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("CALLCARD_", "TWILIO_"))}
    port = _free_port()
    log = FOLDER / f"{module}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", module, str(port), *args],
            env={**environment, **settings},
            stdin=subprocess.DEVNULL,
            stdout=output,
            start_new_session=True,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait_until_up(process, port, log)
            yield Service(process, port, log, auth_token)
        finally:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_up(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise RuntimeError(f"It does not answer; the end of its log:\n{log.read_text(errors='replace')[-3000:]}")
