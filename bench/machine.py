"""The machine a figure was taken on: what it is, how fast its disk promises are kept, and whose CPU was used."""

import math
import os
import platform
import statistics
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import asyncpg
import psutil

_PROMISES = 200
_BLOCK = b"\x5a" * 8192
_SHOWN_PACKAGES = ("fastapi", "starlette", "uvicorn", "uvloop", "httptools", "asyncpg", "sqlalchemy", "websockets")


def processor() -> str:
    """The processor's own name, as far as the system tells it."""
    facts = Path("/proc/cpuinfo")
    if facts.exists():
        for line in facts.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


async def describe(connection: asyncpg.Connection, version_of_server: str) -> list[tuple[str, str]]:
    """What a reader needs to compare figures: (what, value), of this machine and of the server behind `connection`."""
    settings = [
        f"{name} {await connection.fetchval('SELECT current_setting($1)', name)}"
        for name in ("shared_buffers", "max_connections", "wal_level", "fsync", "full_page_writes")
    ]
    return [
        ("processor", f"{processor()}, {len(psutil.Process().cpu_affinity())} cores for us"),
        ("memory", f"{psutil.virtual_memory().total / 2**30:.0f} GiB"),
        ("kernel", f"{platform.system()} {platform.release()}"),
        ("Python", f"{platform.python_version()}; " + ", ".join(f"{name} {version(name)}" for name in _SHOWN_PACKAGES)),
        (
            "PostgreSQL",
            f"{version_of_server}; " + ", ".join(settings),
        ),
        ("load before", f"{os.getloadavg()[0]:.2f} (one minute)"),
    ]


@dataclass(frozen=True, slots=True)
class Promise:
    """How long the disk takes to promise that 8 KiB are kept, in microseconds."""

    median: float
    p99: float

    def __str__(self) -> str:
        return f"fdatasync of 8 KiB: median {self.median:.0f} µs, p99 {self.p99:.0f} µs"


def fdatasync_reading(folder: Path) -> Promise:
    """Measure on the disk that holds `folder`, by appending as a write-ahead log does."""
    sync = getattr(os, "fdatasync", os.fsync)
    file = folder / "fdatasync-reading"
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        # Room first, so that a reading is of data alone and not of a file that grows.
        os.write(descriptor, _BLOCK * _PROMISES)
        os.fsync(descriptor)
        os.lseek(descriptor, 0, os.SEEK_SET)
        micros = []
        for _ in range(_PROMISES):
            os.write(descriptor, _BLOCK)
            started = time.perf_counter()
            sync(descriptor)
            micros.append((time.perf_counter() - started) * 1e6)
    finally:
        os.close(descriptor)
        file.unlink()
    return Promise(statistics.median(micros), percentile(micros, 99))


def percentile(values: list[float], percent: float) -> float:
    """The smallest of `values` that at least `percent` of a hundred do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(1, math.ceil(len(ordered) * percent / 100)) - 1]


class CpuMeter:
    """The CPU time, in seconds, that a process and all that it ever started have used.

    Args:
        pid: the process; a PostgreSQL server's first one stands for all its backends, those that have ended included.
    """

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)

    def read(self) -> float:
        """Seconds so far. The system counts in ticks of 10 ms, so measure over seconds."""
        total = 0.0
        for process in (self._process, *self._process.children(recursive=True)):
            try:
                used = process.cpu_times()
            except psutil.NoSuchProcess:
                # It has ended since it was listed; its time is now among its parent's children.
                continue
            total += used.user + used.system + used.children_user + used.children_system
        return total


async def first_process(connection: asyncpg.Connection) -> int:
    """The id of the PostgreSQL server's first process."""
    return int(psutil.Process(connection.get_server_pid()).ppid())
