"""Which account the server runs as, and what root must do so that this account reaches its files.

PostgreSQL refuses to run as root (https://www.postgresql.org/docs/18/postgres-user.html). An ordinary user runs the
server as themselves. Root runs it as the owner of an existing data directory, else as the system account
`callcard-postgres`, which is made when it is missing.

A data directory below `/root`, or below any other directory closed to others, is out of that account's reach. We then
give this one account the right to pass through (`x` in a POSIX access control list, acl(5)); unlike `chmod o+x` that
opens the directory to nobody else, and unlike `chmod o+rx` nobody can list it.
"""

import errno
import logging
import os
import pwd
import shutil
import stat
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from app.embedded_postgres.errors import ServerAccountError

SYSTEM_ACCOUNT = "callcard-postgres"

_ACL_ATTRIBUTE = "system.posix_acl_access"
# acl(5) in the kernel's wire form (linux/posix_acl_xattr.h): a version word, then (tag, permissions, id) each.
_ACL_VERSION = 2
_ACL_USER_OBJ, _ACL_USER, _ACL_GROUP_OBJ, _ACL_MASK, _ACL_OTHER = 0x01, 0x02, 0x04, 0x10, 0x20
_ACL_NO_ID = 0xFFFFFFFF
_EXECUTE = 1

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Account:
    """A system account that the server is run as by root."""

    name: str
    uid: int
    gid: int


def choose_account(data_dir: Path, cluster: Path) -> Account | None:
    """The account to run the server as, or None when that is simply our own.

    Root gets the owner of `cluster` or of `data_dir` where they exist (so root can serve what an ordinary user made,
    and the user can go on with it afterwards), else `callcard-postgres`.

    Raises:
        ServerAccountError: the cluster belongs to root, or the system account cannot be made.
    """
    if os.geteuid() != 0:
        return None
    for path in (cluster, data_dir):
        if not path.exists():
            continue
        owner = path.stat().st_uid
        if owner != 0:
            return _account_of(path, owner)
        if path == cluster:
            raise ServerAccountError(
                f"{cluster} belongs to root, and PostgreSQL refuses to run as root. Give it back to the account that "
                f"made it, for example: chown -R {SYSTEM_ACCOUNT} {data_dir}"
            )
    return _system_account()


def let_through(account: Account, path: Path) -> None:
    """Make sure that `account` can enter `path` and every directory above it. Only for root.

    Raises:
        ServerAccountError: a directory is closed to the account and could not be opened to it.
    """
    granted: set[Path] = set()
    while (closed := _first_closed_directory(account, path)) is not None:
        if closed in granted or not _allow_entering(closed, account):
            raise ServerAccountError(
                f"The database runs as the account {account.name}, which cannot enter {closed}. Allow it "
                f"(chmod o+x {closed}), move Callcard or CALLCARD_DATA_DIR to a directory that others may enter, "
                f"run Callcard as an ordinary user, or set DATABASE_URL."
            )
        granted.add(closed)
        _log.warning("allowed the account %s, and nobody else, to pass through %s", account.name, closed)


def make_public(tree: Path) -> None:
    """Let everybody read the files below `tree` and run the programs in it, as `chmod -R o+rX` does.

    For PostgreSQL's own published files, installed by root under a strict umask.

    Raises:
        ServerAccountError: the file system does not let us.
    """
    try:
        for path in [tree, *tree.rglob("*")]:
            mode = path.lstat().st_mode
            if not stat.S_ISLNK(mode):
                path.chmod(stat.S_IMODE(mode) | (0o005 if mode & stat.S_IXUSR else 0o004))
    except OSError as error:
        raise ServerAccountError(
            f"PostgreSQL's programs cannot be read by the account that must run them, and this could not be changed "
            f"({error}). Run: chmod -R o+rX {tree}"
        ) from error


def _account_of(path: Path, uid: int) -> Account:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise ServerAccountError(
            f"{path} belongs to the user id {uid}, which has no account on this machine. Give it to one that exists "
            f"(chown -R ACCOUNT {path}) or make an account with that id."
        ) from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _system_account() -> Account:
    refusal = ""
    try:
        pwd.getpwnam(SYSTEM_ACCOUNT)
    except KeyError:
        refusal = _make_system_account()
    try:
        entry = pwd.getpwnam(SYSTEM_ACCOUNT)
    except KeyError:
        raise ServerAccountError(
            f"PostgreSQL refuses to run as root, and the account {SYSTEM_ACCOUNT} could not be made ({refusal}). "
            f"Make it by hand, run Callcard as an ordinary user, or set DATABASE_URL to a PostgreSQL server."
        ) from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _make_system_account() -> str:
    """Try to make the system account; the answer is the reason of a failure. Whether it worked is the caller's to see:
    of two processes that try at once one fails, and both may go on.
    """
    useradd = shutil.which("useradd", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    if useradd is None:
        return "there is no useradd"
    command = [useradd, "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    result = subprocess.run(  # noqa: S603 - the system's own program, by its full path
        [*command, "--shell", "/usr/sbin/nologin", SYSTEM_ACCOUNT],
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode == 0:
        _log.warning("made the system account %s to run the embedded database as", SYSTEM_ACCOUNT)
    return result.stderr.strip()


def _first_closed_directory(account: Account, path: Path) -> Path | None:
    # The kernel decides (owner, group, access control list, read-only root squash …), asked as that account.
    check = 'for p do [ -x "$p" ] || { printf %s "$p"; exit 1; }; done'
    directories = [str(p) for p in [*reversed(path.parents), path]]
    result = subprocess.run(  # noqa: S603 - the paths are arguments, no part of the script
        ["/bin/sh", "-c", check, "sh", *directories],
        user=account.uid,
        group=account.gid,
        extra_groups=[],
        cwd="/",
        stdout=subprocess.PIPE,
        check=False,
    )
    return Path(os.fsdecode(result.stdout)) if result.returncode else None


def _allow_entering(directory: Path, account: Account) -> bool:
    """Add `user:<account>:--x` to the directory's access control list; False where there is no such thing."""
    if sys.platform != "linux":
        return False
    try:
        entries = _access_control_list(directory)
        named = (_ACL_USER, account.uid)
        entries[named] = entries.get(named, 0) | _EXECUTE
        # The mask limits what named users get; without one the group's own permissions take its place.
        mask = (_ACL_MASK, _ACL_NO_ID)
        entries[mask] = entries.get(mask, entries[_ACL_GROUP_OBJ, _ACL_NO_ID]) | _EXECUTE
        packed = b"".join(struct.pack("<HHI", tag, bits, who) for (tag, who), bits in sorted(entries.items()))
        os.setxattr(directory, _ACL_ATTRIBUTE, struct.pack("<I", _ACL_VERSION) + packed)
    except OSError:
        return False
    return True


def _access_control_list(directory: Path) -> dict[tuple[int, int], int]:
    """Permissions by (tag, id): the extended list, or the three of the mode where there is none."""
    try:
        raw = os.getxattr(directory, _ACL_ATTRIBUTE)
    except OSError as error:
        if error.errno != errno.ENODATA:
            raise
        mode = directory.stat().st_mode
        tags = {_ACL_USER_OBJ: mode >> 6, _ACL_GROUP_OBJ: mode >> 3, _ACL_OTHER: mode}
        return {(tag, _ACL_NO_ID): bits & 7 for tag, bits in tags.items()}
    return {(tag, who): bits for tag, bits, who in struct.iter_unpack("<HHI", raw[struct.calcsize("<I") :])}
