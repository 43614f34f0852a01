"""Start, share and stop the server of one data directory."""

import fcntl
import logging
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Literal, Self
from urllib.parse import quote

from app.embedded_postgres.account import choose_account
from app.embedded_postgres.data_dir import DataDir, try_lock
from app.embedded_postgres.errors import DataDirInUseError, DiskFullError, EmbeddedPostgresError, StartFailedError
from app.embedded_postgres.postmaster import Postmaster
from app.embedded_postgres.programs import Programs
from app.embedded_postgres.socket_dir import PORT, choose_socket_dir, lock_file, make_socket_dir

DATABASE = "callcard"
ROLE = "callcard"
"""Owns the database and may make further ones; no superuser, as the application should be none in production."""
SUPERUSER = "postgres"

StopMode = Literal["fast", "immediate"]
"""`fast` ends all connections and writes everything down; `immediate` is a crash that the next start repairs."""


def _shared_buffers() -> str:
    """An eighth of the machine's memory, from PostgreSQL's own 128 MB to 4 GB: what is known of a million customers."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"{min(max(memory // 8 // 2**20, 128), 4096)}MB"


DEFAULT_SETTINGS: Mapping[str, str] = {
    "max_connections": "200",
    "shared_buffers": _shared_buffers(),
    # A busy hour of calls touches pages all over the place, and each is logged whole once a checkpoint: fewer of those.
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    # A ringing call's statement opens some seventy tables and indexes; so many locks are still taken the short way.
    "max_locks_per_transaction": "256",
}

_MARK = "cluster_name=callcard"
_FIXED_SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # DETAIL lines quote the row that offends, so customers' numbers and names.
    "log_error_verbosity": "terse",
}
# Where the server finds itself is not the caller's to move.
_RESERVED = {*_FIXED_SETTINGS, "cluster_name", "unix_socket_directories", "data_directory", "config_file", "hba_file"}

_WHAT_IS_THERE = """
SELECT current_setting('server_version'),
       EXISTS (SELECT FROM pg_roles WHERE rolname = 'callcard'),
       EXISTS (SELECT FROM pg_roles WHERE rolname = 'callcard'
               AND has_parameter_privilege(oid, 'session_replication_role', 'SET')),
       EXISTS (SELECT FROM pg_database WHERE datname = 'callcard')"""
_MAKE_ROLE = "CREATE ROLE callcard LOGIN CREATEDB"
# Whoever owns tables may drop their foreign keys anyway; with this an import can go without them for a moment.
_LET_IMPORT = "GRANT SET ON PARAMETER session_replication_role TO callcard"
_MAKE_DATABASE = "CREATE DATABASE callcard OWNER callcard"

_STOP_SECONDS = 30.0
_POLL_SECONDS = 0.05
_LOG_LIMIT_BYTES = 16 * 1024 * 1024
_LOG_TAIL_LINES = 15

_log = logging.getLogger(__name__)


class EmbeddedPostgres:
    """A running PostgreSQL server that this process uses, perhaps together with others.

    `start` makes the data directory on first use, and starts the server or joins the one that another process started
    or left behind when it was killed. `stop` leaves; the last to leave stops the server. A process that ends without
    `stop` leaves the server running for the next one. In a forked child `stop` does nothing.

    The server listens on a Unix socket only, in a directory closed to other users, and asks for no password there. The
    cluster is UTF-8 with data checksums and UTC; text is compared by code point and changes case by Unicode's rules
    (PostgreSQL's builtin locale C.UTF-8), the same on every platform.
    """

    def __init__(self, data_dir: Path, settings: Mapping[str, str], timeout: float) -> None:
        """Not for use: `start` gives an object whose server runs."""
        self._files = DataDir(data_dir)
        self._settings = settings
        self._timeout = timeout
        programs = Programs.find()
        self._files.check(programs.major)
        self._account = choose_account(self._files.path, self._files.cluster)
        self._programs = programs.run_by(self._account)
        self._process_id = os.getpid()
        self._holder: int | None = None
        self._socket_dir = choose_socket_dir(data_dir, self._account)
        self._version = ""

    @classmethod
    def start(cls, data_dir: Path, *, settings: Mapping[str, str] | None = None, timeout: float = 60.0) -> Self:
        """Start the server of `data_dir`, or join it where it runs, and make the database `callcard` if it is missing.

        Args:
            data_dir: made with its parents if missing; may be empty, else made by an earlier start.
            settings: server settings by name, such as `{"synchronous_commit": "off"}`, over `DEFAULT_SETTINGS`. A
                server that other processes use keeps the settings it was started with. With `fsync` set to `off`, for
                tests, the files of a new cluster are not flushed to disk either.
            timeout: seconds to wait for another process that is starting or stopping it, and again for the start
                itself. A repair after a crash goes on when the time is over; starting again joins it.

        Raises:
            EmbeddedPostgresError: one of its kinds, which says what is wrong and what to do.
            ValueError: `settings` names one that is fixed, such as `listen_addresses`.
        """
        for name in settings or {}:
            if name in _RESERVED or not re.fullmatch(r"[a-z_][a-z0-9_.]*", name):
                raise ValueError(f"{name!r} cannot be set on the embedded database")
        path = data_dir.expanduser().resolve()
        with DataDir(path).explained():
            server = cls(path, {**DEFAULT_SETTINGS, **(settings or {})}, timeout)
            server._join()
        return server

    def dsn(self, database: str = DATABASE, *, user: str = ROLE) -> str:
        """The URL of a database for asyncpg: `postgresql://callcard@/callcard?host=<socket's directory>&port=5432`.

        SQLAlchemy takes the same with the scheme `postgresql+asyncpg`. `user` may be `postgres`, the superuser.
        """
        host = quote(str(self._socket_dir), safe="/")
        return f"postgresql://{quote(user, safe='')}@/{quote(database, safe='')}?host={host}&port={PORT}"

    def version(self) -> str:
        """The version of the server that was started or joined, such as `18.6`."""
        return self._version

    def stop(self, mode: StopMode = "fast") -> bool:
        """Leave the server, and stop it if nobody else uses it. Gives whether it was stopped. Again: does nothing.

        Raises:
            EmbeddedPostgresError: it does not end, or another process keeps the start lock.
        """
        holder, self._holder = self._holder, None
        if holder is None:
            return False
        try:
            if os.getpid() != self._process_id:
                return False
            with self._files.explained(), self._files.start_lock(self._account, self._timeout):
                return try_lock(holder) and self._halt(mode)
        finally:
            os.close(holder)

    def restart(self, mode: StopMode = "fast") -> None:
        """Stop the server, whoever else uses it, and start it with our settings; start it if it is down.

        Raises:
            EmbeddedPostgresError: as `start`; also after `stop`, when a new `start` is what is wanted.
        """
        if self._holder is None:
            raise StartFailedError(f"The database in {self._files.path} was left by stop(): start it anew.")
        with self._files.explained(), self._files.start_lock(self._account, self._timeout):
            self._halt(mode)
            self._bring_up(as_it_is=True)

    def kill(self) -> None:
        """Kill the server and all its processes, whoever uses it, as a crash would. `restart` brings it back."""
        with self._files.explained(), self._files.start_lock(self._account, self._timeout):
            postmaster = Postmaster.find(self._files.cluster)
            if postmaster is not None and not postmaster.kill(_STOP_SECONDS):
                raise StartFailedError(f"The database server (process {postmaster.pid}) cannot be killed.")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _join(self) -> None:
        self._make_directories()
        with self._files.start_lock(self._account, self._timeout) as lock:
            if not self._files.cluster.exists():
                self._make_cluster(lock)
            holder = self._files.open_holders(self._account)
            try:
                shared = not try_lock(holder)
                fcntl.flock(holder, fcntl.LOCK_SH)
                self._bring_up(as_it_is=shared)
            except BaseException:
                os.close(holder)
                raise
            self._holder = holder

    def _make_directories(self) -> None:
        self._files.make(self._account)
        make_socket_dir(choose_socket_dir(self._files.path, self._account), self._account)

    def _make_cluster(self, lock: int) -> None:
        for leftover in self._files.unfinished_clusters():
            shutil.rmtree(leftover)
        new = self._files.new_cluster()
        durable = self._settings.get("fsync") != "off"
        result = self._programs.run(
            "initdb",
            f"--pgdata={new}",
            f"--username={SUPERUSER}",
            "--auth-local=trust",
            "--auth-host=reject",
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--lc-collate=C",
            # pg_trgm asks the C library what a letter is; under plain C no Chinese character would be one.
            f"--lc-ctype={'en_US.UTF-8' if sys.platform == 'darwin' else 'C.UTF-8'}",
            "--data-checksums",
            "--no-instructions",
            *([] if durable else ["--no-sync"]),
            timeout=self._timeout,
            # Should we be killed, initdb keeps the lock until it is done, and nobody starts beside it.
            pass_fds=[lock],
        )
        if result.returncode:
            shutil.rmtree(new, ignore_errors=True)
            raise self._failure("could not be made", result.stdout)
        new.rename(self._files.cluster)
        if durable:
            descriptor = os.open(self._files.path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def _bring_up(self, *, as_it_is: bool) -> None:
        """See to it that the server runs and has our database.

        `as_it_is`: one that runs with other settings than ours goes on with them, because others use it.
        """
        self._version, has_role, may_import, has_database = self._when_ready(as_it_is=as_it_is).strip().split("|")
        missing = [_MAKE_ROLE] if has_role == "f" else []
        missing += [_LET_IMPORT] if may_import == "f" else []
        missing += [_MAKE_DATABASE] if has_database == "f" else []
        for statement in missing:
            answer = self._ask(statement)
            if answer.returncode:
                raise self._failure("could not be made", answer.stdout)

    def _when_ready(self, *, as_it_is: bool) -> str:
        """Start the server if it does not run, wait until it answers, and give the answer to `_WHAT_IS_THERE`."""
        deadline = time.monotonic() + self._timeout
        said = ""
        while time.monotonic() < deadline:
            # Each time: a chmod of a directory above takes back what was granted there.
            self._make_directories()
            postmaster = Postmaster.find(self._files.cluster)
            if postmaster is None:
                said = self._launch(deadline)
                as_it_is = True
                continue
            if _MARK not in postmaster.arguments:
                raise DataDirInUseError(
                    f"{self._files.cluster} is in use by a PostgreSQL server that Callcard did not start (process "
                    f"{postmaster.pid}). Stop that server, or choose another directory (CALLCARD_DATA_DIR)."
                )
            as_asked = postmaster.arguments == self._command_line()
            if not as_asked and not as_it_is:
                _log.info("restarting the database server that a killed process left behind with other settings")
                self._halt("fast")
                continue
            self._socket_dir = postmaster.socket_dir or self._socket_dir
            answer = self._ask(_WHAT_IS_THERE)
            if answer.returncode == 0:
                if not as_asked:
                    _log.warning("joined a database server that runs with other settings than those asked for")
                return answer.stdout
            said = answer.stdout
            time.sleep(_POLL_SECONDS)
        raise self._failure(f"was not ready within {self._timeout:.0f} s", said)

    def _launch(self, deadline: float) -> str:
        """Start the server and wait until it is ready; gives what it said if that is to be tried again."""
        # No server runs, so its lock is stale; PostgreSQL would believe it if that process id is somebody's again.
        lock_file(choose_socket_dir(self._files.path, self._account)).unlink(missing_ok=True)
        log = self._files.log
        if log.exists() and log.stat().st_size > _LOG_LIMIT_BYTES:
            log.replace(log.with_suffix(".log.old"))
        known = log.stat().st_size if log.exists() else 0
        seconds = max(1, round(deadline - time.monotonic()))
        result = self._programs.run(
            "pg_ctl",
            "start",
            "--wait",
            f"--timeout={seconds}",
            # The directory by the environment and the log by a relative name: pg_ctl hands its arguments to a shell.
            f"--log={log.name}",
            f"--options={shlex.join(self._command_line()[1:])}",
            timeout=seconds + 10,
            environment={"PGDATA": str(self._files.cluster)},
            cwd=self._files.path,
        )
        said = log.read_bytes()[known:].decode(errors="replace") if log.exists() else ""
        if result.returncode == 0:
            return said
        if "server did not start in time" in result.stdout:
            return said
        if "pre-existing shared memory block" in said:
            time.sleep(_POLL_SECONDS)  # the last processes of a killed server are still on their way out
            return said
        raise self._failure("could not be started", said or result.stdout)

    def _command_line(self) -> tuple[str, ...]:
        socket_dir = choose_socket_dir(self._files.path, self._account)
        settings = {**self._settings, **_FIXED_SETTINGS, "unix_socket_directories": str(socket_dir)}
        options = [f"{name}={value}" for name, value in sorted(settings.items())]
        program = str(self._programs.directory / "postgres")
        return (program, *(part for option in [_MARK, *options] for part in ("-c", option)))

    def _ask(self, statement: str) -> subprocess.CompletedProcess[str]:
        connection = [f"--host={self._socket_dir}", f"--port={PORT}", f"--username={SUPERUSER}", "--dbname=postgres"]
        # As ourselves: what the server's account may reach matters to the server only.
        ourselves = replace(self._programs, account=None)
        return ourselves.run("psql", "-XAtqw", *connection, f"--command={statement}", timeout=self._timeout)

    def _halt(self, mode: StopMode) -> bool:
        postmaster = Postmaster.find(self._files.cluster)
        if postmaster is None or _MARK not in postmaster.arguments:
            return False
        # https://www.postgresql.org/docs/18/server-shutdown.html
        for number in [signal.SIGINT, signal.SIGQUIT] if mode == "fast" else [signal.SIGQUIT]:
            if postmaster.end(number, _STOP_SECONDS):
                break
            _log.warning("the database server has not ended %.0f s after %s", _STOP_SECONDS, number.name)
        else:
            if not postmaster.kill(_STOP_SECONDS):
                raise StartFailedError(f"The database server (process {postmaster.pid}) cannot be stopped.")
        if postmaster.socket_dir is not None and not postmaster.socket_dir.is_relative_to(self._files.path):
            with suppress(OSError):
                postmaster.socket_dir.rmdir()
        return True

    def _failure(self, what: str, said: str) -> EmbeddedPostgresError:
        where = f"The database in {self._files.path}"
        tail = "\n".join(said.strip().splitlines()[-_LOG_TAIL_LINES:])
        if "No space left on device" in said:
            return DiskFullError(f"{where} {what}, because no room is left on the disk. PostgreSQL says:\n{tail}")
        return StartFailedError(f"{where} {what}. PostgreSQL says (more in {self._files.log}):\n{tail}")
