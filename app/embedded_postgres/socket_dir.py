"""Where the server's Unix socket lives: inside the data directory, or in a short directory when that path will not do.

The socket answers whoever reaches it without a password (`trust`), so its directory is closed to everybody else.
"""

import hashlib
import os
import re
import stat
import sys
from pathlib import Path

from app.embedded_postgres.account import Account
from app.embedded_postgres.errors import SocketDirError

PORT = 5432
"""Only the socket's name carries it (`.s.PGSQL.5432`): nothing listens on TCP."""

# sun_path without its closing zero byte: unix(7); 104 bytes in all on macOS.
_PATH_LIMIT = 107 if sys.platform == "linux" else 103
# Drivers read `,` and `:` in a host as lists and ports, PostgreSQL reads `,` and `"` in its setting alike.
_PLAIN_PATH = re.compile(r"[A-Za-z0-9/._+~@-]+")


def socket_file(directory: Path) -> Path:
    """The socket that the server makes in `directory`."""
    return directory / f".s.PGSQL.{PORT}"


def lock_file(directory: Path) -> Path:
    """The file beside the socket in which its server notes its process id."""
    return directory / f"{socket_file(directory).name}.lock"


def choose_socket_dir(data_dir: Path, account: Account | None) -> Path:
    """The socket's directory for `data_dir` (absolute, resolved): the same in every process of one user.

    `<data_dir>/socket`; where that is too long for a socket (107 bytes) or holds characters that drivers give a
    meaning, `callcard-<hash of data_dir>` below `$XDG_RUNTIME_DIR`, else below `/tmp`.
    """
    inside = data_dir / "socket"
    if _usable(inside):
        return inside
    name = f"callcard-{hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]}"
    runtime_dir = Path(os.environ.get("XDG_RUNTIME_DIR", ""))
    # Root's own runtime directory is closed to the account that the server runs as.
    if account is None and runtime_dir.is_absolute() and _usable(runtime_dir / name):
        return runtime_dir / name
    return Path("/tmp", name)  # noqa: S108 - make_socket_dir refuses what is not ours alone


def make_socket_dir(path: Path, account: Account | None) -> None:
    """Make `path` a directory that only the server's account may enter (mode 0700), unless it is one already.

    Raises:
        SocketDirError: it is there and belongs to somebody else, is open to others, or is no directory.
        OSError: it cannot be made.
    """
    path.mkdir(mode=0o700, exist_ok=True)
    # lstat, and no chmod: in a shared directory such as /tmp anybody may have put something here before us.
    found = path.lstat()
    if account is not None and found.st_uid == 0 and stat.S_ISDIR(found.st_mode):
        os.chown(path, account.uid, account.gid, follow_symlinks=False)
        found = path.lstat()
    owner = os.geteuid() if account is None else account.uid
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or found.st_mode & 0o077:
        raise SocketDirError(
            f"{path}, where the database's socket is to be, must be a directory that belongs to the user id {owner} "
            f"and is closed to others (mode 0700). Remove it and start again."
        )


def _usable(directory: Path) -> bool:
    path = str(socket_file(directory))
    return len(os.fsencode(path)) <= _PATH_LIMIT and _PLAIN_PATH.fullmatch(path) is not None
