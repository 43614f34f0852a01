"""What lies in the data directory, and the locks by which processes share it.

    start.lock      held alone while one process makes the cluster, starts the server or stops it
    holders.lock    held together by every process that uses the server; nobody holds it: nobody uses it
    cluster/        PostgreSQL's own directory; `cluster.new-*` while it is being made
    socket/         the Unix socket, where its path is short enough
    server.log      what the server says; `server.log.old` what it said before that grew too long

The locks are flock(2) locks: the kernel drops them with the process, however it ends, so there is no count to repair
after a `kill -9`.
"""

import errno
import fcntl
import os
import pwd
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.embedded_postgres.account import Account, let_through
from app.embedded_postgres.errors import (
    DataDirInUseError,
    DataDirNotWritableError,
    DiskFullError,
    EmbeddedPostgresError,
    NotAClusterError,
    WrongVersionError,
)

_OUR_NAMES = {"start.lock", "holders.lock", "socket", "server.log", "server.log.old", "lost+found"}
_NEW_CLUSTER_PREFIX = "cluster.new-"
_ANOTHER_DIRECTORY = "choose another directory (CALLCARD_DATA_DIR) or set DATABASE_URL to a PostgreSQL server."


@dataclass(frozen=True)
class DataDir:
    """The files below `path` (absolute, symbolic links resolved)."""

    path: Path

    @property
    def cluster(self) -> Path:
        """PostgreSQL's own directory: either missing or complete."""
        return self.path / "cluster"

    @property
    def log(self) -> Path:
        """What the server says about itself, from its first start on."""
        return self.path / "server.log"

    def new_cluster(self) -> Path:
        """A fresh name to make a cluster under, before it is renamed to `cluster` in one step."""
        return self.path / f"{_NEW_CLUSTER_PREFIX}{os.getpid()}-{time.monotonic_ns()}"

    def unfinished_clusters(self) -> list[Path]:
        """What starts that were killed have left behind; rubbish to whoever holds the start lock."""
        return list(self.path.glob(f"{_NEW_CLUSTER_PREFIX}*"))

    def check(self, major: int) -> None:
        """Refuse a directory that is not ours to use, and touch nothing in it.

        Args:
            major: the major version of the PostgreSQL that is to serve it.

        Raises:
            NotAClusterError: it is a file, not empty and without a cluster of ours, or the cluster is damaged.
            WrongVersionError: its cluster was made by another major version.
            DataDirNotWritableError: it is not ours to write.
        """
        try:
            names = {entry.name for entry in self.path.iterdir()}
        except FileNotFoundError:
            return
        except NotADirectoryError:
            raise NotAClusterError(f"{self.path} is no directory; {_ANOTHER_DIRECTORY}") from None
        has_cluster = self.cluster.name in names
        owner = (self.cluster if has_cluster else self.path).stat().st_uid
        if has_cluster and os.geteuid() not in {0, owner}:
            raise self._not_writable(f"belongs to {_account_name(owner)}")
        for cluster in (self.path, self.cluster):
            _check_major(cluster, major)
        if "PG_VERSION" in names:
            raise NotAClusterError(
                f"{self.path} is a PostgreSQL database that Callcard did not make. Set DATABASE_URL to its server, or "
                f"{_ANOTHER_DIRECTORY}"
            )
        if has_cluster and not (self.cluster / "PG_VERSION").exists():
            raise NotAClusterError(
                f"{self.cluster} should be a PostgreSQL database but has no PG_VERSION file: it is damaged, or "
                f"somebody else made it. Restore it from a backup, or move it away to begin with an empty database."
            )
        foreign = sorted(n for n in names - _OUR_NAMES if not n.startswith(_NEW_CLUSTER_PREFIX))
        if foreign and not has_cluster:
            listed = ", ".join(foreign[:3]) + (" …" if len(foreign) > 3 else "")
            raise NotAClusterError(f"{self.path} is not empty and holds no database ({listed}); {_ANOTHER_DIRECTORY}")
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise self._not_writable("cannot be written")

    def make(self, account: Account | None) -> None:
        """Make the directory if it is missing, and let the server's account into it.

        Raises:
            ServerAccountError: a directory above cannot be opened to the account.
            OSError: it cannot be made.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if account is not None:
            if self.path.stat().st_uid == 0:
                os.chown(self.path, account.uid, account.gid)
            let_through(account, self.path)

    @contextmanager
    def start_lock(self, account: Account | None, timeout: float) -> Iterator[int]:
        """Hold `start.lock` alone; gives its file descriptor, for children that must keep it should we be killed.

        Raises:
            DataDirInUseError: another process has kept it for `timeout` seconds.
        """
        descriptor = _open_lock(self.path / "start.lock", account)
        try:
            deadline = time.monotonic() + timeout
            while not try_lock(descriptor):
                if time.monotonic() > deadline:
                    raise DataDirInUseError(
                        f"Another process has been starting or stopping the database in {self.path} for more than "
                        f"{timeout:.0f} s. If none should be, look for it with: fuser -v {self.path}/start.lock"
                    )
                time.sleep(0.02)
            yield descriptor
        finally:
            os.close(descriptor)

    def open_holders(self, account: Account | None) -> int:
        """A descriptor of `holders.lock`, not locked yet. Each one opened counts as one user of the server."""
        return _open_lock(self.path / "holders.lock", account)

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn an `OSError` on these files into the error that says what to do."""
        try:
            yield
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise DiskFullError(f"No room is left for the database in {self.path} ({error}).") from error
            if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
                raise self._not_writable(f"cannot be used ({error})") from error
            raise EmbeddedPostgresError(f"The database in {self.path} cannot be used: {error}") from error

    def _not_writable(self, why: str) -> DataDirNotWritableError:
        return DataDirNotWritableError(
            f"{self.path}, the directory of the database, {why}, and Callcard runs as {_account_name(os.geteuid())}. "
            f"Run it as the owner, change the owner, or {_ANOTHER_DIRECTORY}"
        )


def try_lock(descriptor: int) -> bool:
    """Lock an open file alone if nobody else has it locked; whether that worked."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _open_lock(path: Path, account: Account | None) -> int:
    # Made and given away in two steps, so that root never chowns a file that somebody else put (or linked) there.
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        return os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    if account is not None:
        os.fchown(descriptor, account.uid, account.gid)
    return descriptor


def _check_major(cluster: Path, major: int) -> None:
    try:
        found = (cluster / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        return
    if found != str(major):
        raise WrongVersionError(
            f"{cluster} was made by PostgreSQL {found}, and this Callcard brings PostgreSQL {major}. Bring the data "
            f"over with pg_upgrade, or with pg_dumpall of version {found} into a new directory; or {_ANOTHER_DIRECTORY}"
        )


def _account_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"the user id {uid}"
