"""Directories, disks and machines on which no database can be had: what is said, and that nothing is touched."""

import importlib.util
import re
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.embedded_postgres import (
    BinariesMissingError,
    DataDirNotWritableError,
    DiskFullError,
    EmbeddedPostgres,
    NotAClusterError,
    SocketDirError,
    StartFailedError,
    WrongVersionError,
    programs,
)
from app.embedded_postgres.socket_dir import choose_socket_dir, socket_file
from tests.embedded_postgres.support import listing, runs, server_pid, start, value


def test_data_of_another_major_version_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "cluster").mkdir()
    (tmp_path / "cluster" / "PG_VERSION").write_text("15\n")
    for data_dir in (tmp_path, tmp_path / "cluster"):
        before = listing(data_dir)
        with pytest.raises(WrongVersionError, match=r"made by PostgreSQL 15, .* PostgreSQL 18.*pg_dumpall"):
            start(data_dir)
        assert listing(data_dir) == before


def test_a_cluster_that_somebody_else_made_is_refused_untouched(data_dir: Path) -> None:
    before = listing(data_dir / "cluster")
    with pytest.raises(NotAClusterError, match="Callcard did not make"):
        start(data_dir / "cluster")
    assert listing(data_dir / "cluster") == before


def test_a_damaged_cluster_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "cluster" / "base").mkdir(parents=True)
    before = listing(tmp_path)
    with pytest.raises(NotAClusterError, match="damaged"):
        start(tmp_path)
    assert listing(tmp_path) == before


def test_a_directory_with_other_things_in_it_is_refused_untouched(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt", "c.txt", "d.txt"):
        (tmp_path / name).write_text("mine")
    before = listing(tmp_path)
    with pytest.raises(NotAClusterError, match=r"not empty.*\(a.txt, b.txt, c.txt …\)"):
        start(tmp_path)
    assert listing(tmp_path) == before


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(NotAClusterError, match="no directory"):
        start(tmp_path / "file")
    with pytest.raises(NotAClusterError, match="no directory"):
        start(tmp_path / "file" / "db")


def test_a_setting_that_postgresql_refuses_is_told_in_its_words(data_dir: Path) -> None:
    with pytest.raises(StartFailedError, match=r"could not be started[^$]*shared_buffers") as told:
        start(data_dir, shared_buffers="lots")
    assert str(data_dir / "server.log") in str(told.value)
    assert "shutting down" not in str(told.value), "the log of earlier runs is none of it"
    with start(data_dir) as server:
        assert value(server.dsn(), "SELECT word FROM note") == "kept"


def test_a_short_socket_directory_that_somebody_else_made_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    deep = tmp_path / ("x" * 90)
    trap = choose_socket_dir(deep, None)
    trap.symlink_to(deep.parent)
    try:
        with pytest.raises(SocketDirError, match=re.escape(str(trap))):
            start(deep)
        assert not (deep / "cluster").exists()
        trap.unlink()
        trap.mkdir(mode=0o777)
        trap.chmod(0o777)
        with pytest.raises(SocketDirError, match="closed to others"):
            start(deep)
    finally:
        trap.rmdir() if trap.is_dir() and not trap.is_symlink() else trap.unlink()


def test_the_runtime_directory_of_the_user_is_preferred_for_a_short_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    long = tmp_path / ("x" * 90)
    assert choose_socket_dir(long, None).parent == Path("/run/user/7")
    assert choose_socket_dir(long, None) == choose_socket_dir(long, None)
    assert choose_socket_dir(long, None) != choose_socket_dir(long / "y", None)
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/" + "x" * 90)
    assert choose_socket_dir(long, None).parent == Path("/tmp")


@pytest.mark.parametrize(("size", "inside"), [(1, True), (85, True), (86, False), (100, False)])
def test_no_socket_path_is_longer_than_the_kernel_takes(size: int, inside: bool) -> None:
    data_dir = Path("/" + "d" * size)
    chosen = choose_socket_dir(data_dir, None)
    assert (chosen == data_dir / "socket") is inside
    with socket.socket(socket.AF_UNIX) as client, pytest.raises(FileNotFoundError):
        client.connect(str(socket_file(chosen)))  # a path too long is another error, an OSError of its own


@pytest.mark.parametrize("character", [",", ":", '"', "'", " ", "$", "`", "?", "鲁", "\n"])
def test_no_socket_path_has_characters_that_drivers_or_the_shell_read(character: str) -> None:
    assert choose_socket_dir(Path(f"/a{character}b"), None).parent != Path(f"/a{character}b")


def test_a_server_that_takes_too_long_to_come_up_is_reported_and_goes_on(data_dir: Path) -> None:
    # A recovery from an archive that takes its time.
    standby = data_dir / "cluster" / "standby.signal"
    standby.touch()
    slow = {"restore_command": "sleep 60", "hot_standby": "off"}
    try:
        with pytest.raises(StartFailedError, match=r"was not ready within 1 s. PostgreSQL says"):
            EmbeddedPostgres.start(data_dir, settings=slow, timeout=1)
        assert runs(server_pid(data_dir))
    finally:
        standby.unlink()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a file system in memory with the options given, or other ones; skips where that is not allowed."""
    mounted: list[Path] = []

    def mount(options: str) -> Path:
        again = "remount," if mounted else ""
        command = ["mount", "-t", "tmpfs", "-o", f"{again}{options}", "tmpfs", str(tmp_path)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            pytest.skip(f"only root may mount a small disk: {result.stderr.strip()}")
        mounted.append(tmp_path)
        return tmp_path / "db"

    yield mount
    if mounted:
        subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


@pytest.mark.parametrize("options", ["size=24m", "nr_inodes=1"])
def test_a_disk_too_small_for_a_first_start_is_named(small_disk: Callable[[str], Path], options: str) -> None:
    data_dir = small_disk(options)
    with pytest.raises(DiskFullError, match=r"[Nn]o room is left"):
        start(data_dir)
    assert not list(data_dir.glob("cluster*"))


def test_a_disk_that_filled_up_is_named_and_nothing_is_lost(small_disk: Callable[[str], Path]) -> None:
    data_dir = small_disk("size=120m")
    with start(data_dir) as server:
        value(server.dsn(), "CREATE TABLE note AS SELECT 'kept' AS word")
        server.kill()
        fill_up(data_dir / "ballast")
        with pytest.raises(DiskFullError, match="no room is left"):
            server.restart()
        (data_dir / "ballast").unlink()
        server.restart()
        assert value(server.dsn(), "SELECT word FROM note") == "kept"


def fill_up(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


def test_a_read_only_disk_is_named(data_dir: Path) -> None:
    mount = ["mount", "--bind", "-o", "ro", str(data_dir), str(data_dir)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"only root may mount a read-only disk: {mounted.stderr.strip()}")
    try:
        with pytest.raises(DataDirNotWritableError, match="cannot be"):
            start(data_dir)
    finally:
        subprocess.run(["umount", str(data_dir)], check=True)


def test_a_machine_without_the_wheel_is_told_of_database_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BinariesMissingError, match=r"not installed.*DATABASE_URL"):
        start(tmp_path / "db")


@pytest.mark.parametrize("flaw", ["absent", "no program", "wrong machine", "broken"])
def test_programs_that_do_not_run_are_told_of(tmp_path: Path, flaw: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "_installation", lambda: tmp_path)
    program = tmp_path / "bin" / "postgres"
    program.parent.mkdir()
    content = {"no program": b"", "wrong machine": b"\x7fELF wrong", "broken": b"#!/bin/sh\necho no GLIBC; exit 1\n"}
    if flaw in content:
        program.write_bytes(content[flaw])
        program.chmod(0o644 if flaw == "no program" else 0o755)
    with pytest.raises(BinariesMissingError, match="DATABASE_URL"):
        start(tmp_path / "db")
    assert not (tmp_path / "db").exists()
