"""Real servers for real processes: what the tests of the embedded database share."""

import asyncio
import os
import pickle
import pwd
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import asyncpg
import psutil

from app.embedded_postgres import EmbeddedPostgres

PROJECT = Path(__file__).resolve().parents[2]

T = TypeVar("T")


started: list[EmbeddedPostgres] = []
"""What this process has started: a test that fails may have left it."""


def start(data_dir: Path, **settings: str) -> EmbeddedPostgres:
    # Without fsync only a crash of the machine would lose anything.
    server = EmbeddedPostgres.start(data_dir, settings={"fsync": "off", **settings}, timeout=20)
    started.append(server)
    return server


def value(dsn: str, statement: str) -> object:
    """The first column of the first row, asked on a connection of its own."""

    async def ask() -> object:
        connection = await asyncpg.connect(dsn, timeout=10)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return run(ask())


def run(work: Awaitable[T]) -> T:
    # Not asyncio.run, which would take pytest-asyncio's own loop off this thread.
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()


def server_pid(data_dir: Path) -> int:
    return int((data_dir / "cluster" / "postmaster.pid").read_text().splitlines()[0])


def runs(pid: int) -> bool:
    """Whether a process runs; one that has ended but was not buried yet does not."""
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def listing(path: Path) -> list[tuple[str, int, int]]:
    """Names, sizes and times of change of everything below `path`: the same again if nothing was touched."""
    found = ((str(p), p.lstat()) for p in sorted(path.rglob("*")))
    return [(name, info.st_size, info.st_mtime_ns) for name, info in found]


def as_user(account: pwd.struct_passwd | None, work: Callable[[], T]) -> T:
    """Do `work` in a forked process, as another user (None: as ourselves), and give or raise what it did.

    The process then ends without any farewell, so a server that it started and did not stop stays behind.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if account is not None:
                os.setgroups([])
                os.setgid(account.pw_gid)
                os.setuid(account.pw_uid)
            outcome: tuple[T | None, BaseException | None] = (work(), None)
        except BaseException as error:  # noqa: BLE001 - the parent raises it
            outcome = (None, error)
        os.write(writer, pickle.dumps(outcome))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        result, error = pickle.loads(pipe.read())
    os.waitpid(child, 0)
    if error is not None:
        raise error
    return result


class Neighbour:
    """Another process that uses the server of a data directory, and ends by `leave` or `kill`."""

    CODE = """
import sys
from pathlib import Path
from app.embedded_postgres import EmbeddedPostgres
server = EmbeddedPostgres.start(Path(sys.argv[1]), settings={"fsync": "off"}, timeout=20)
print(server.dsn(), flush=True)
sys.stdin.read()
print(server.stop(), flush=True)
"""

    def __init__(self, data_dir: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", self.CODE, str(data_dir)],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def started(self) -> str:
        """Wait until its server answers; gives the DSN."""
        assert self.process.stdout is not None
        dsn = self.process.stdout.readline().strip()
        assert dsn, self.process.communicate()[1]
        return dsn

    def child(self, name: str) -> psutil.Process:
        """Wait until it runs a program of that name."""
        while self.process.poll() is None:
            for child in psutil.Process(self.process.pid).children():
                with suppress(psutil.NoSuchProcess):
                    if child.name() == name:
                        return child
        raise AssertionError(self.process.communicate())

    def leave(self) -> bool:
        """Let it stop its server; gives what `stop` gave."""
        output, errors = self.process.communicate("", timeout=30)
        assert self.process.returncode == 0, errors
        return output.strip() == "True"

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
