"""Several processes, one server; processes and servers that die."""

import os
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import psutil
import pytest

from app.embedded_postgres import DataDirInUseError, EmbeddedPostgres, StartFailedError
from app.embedded_postgres.programs import Programs
from tests.embedded_postgres.support import Neighbour, run, runs, server_pid, start, value

MakeNeighbour = Callable[[Path], Neighbour]


def test_the_last_process_that_leaves_stops_the_server(data_dir: Path, neighbour: MakeNeighbour) -> None:
    one, two = neighbour(data_dir), neighbour(data_dir)
    dsn = one.started()
    assert two.started() == dsn
    with start(data_dir) as server:
        pid = server_pid(data_dir)
        assert one.leave() is False
        assert two.leave() is False
        assert server_pid(data_dir) == pid
        assert value(server.dsn(), "SELECT word FROM note") == "kept"
        assert server.stop() is True
        assert server.stop() is False
    assert not runs(pid)


def test_it_goes_on_for_those_who_stay(data_dir: Path, neighbour: MakeNeighbour) -> None:
    other = neighbour(data_dir)
    dsn = other.started()
    assert start(data_dir).stop() is False
    assert value(dsn, "SELECT 1") == 1
    assert other.leave() is True


def test_two_users_within_one_process_count_as_two(data_dir: Path) -> None:
    one, two = start(data_dir), start(data_dir)
    assert one.stop() is False
    assert value(two.dsn(), "SELECT 1") == 1
    assert two.stop() is True


def test_first_starts_at_the_same_moment_make_one_server(tmp_path: Path, neighbour: MakeNeighbour) -> None:
    data_dir = tmp_path / "db"
    together = [neighbour(data_dir) for _ in range(3)]
    assert len({one.started() for one in together}) == 1
    # All leave at once, too: exactly one of them is the last.
    with ThreadPoolExecutor() as pool:
        assert sorted(pool.map(Neighbour.leave, together)) == [False, False, True]


def test_a_killed_process_leaves_the_server_to_the_next(data_dir: Path, neighbour: MakeNeighbour) -> None:
    victim = neighbour(data_dir)
    value(victim.started(), "CREATE TABLE killed AS SELECT 'written before the kill' AS word")
    pid = server_pid(data_dir)
    victim.kill()
    with start(data_dir) as server:
        assert server_pid(data_dir) == pid
        assert value(server.dsn(), "SELECT word FROM killed") == "written before the kill"
        assert server.stop() is True
    assert not runs(pid)


def test_a_leftover_that_nobody_uses_is_restarted_for_other_settings(data_dir: Path, neighbour: MakeNeighbour) -> None:
    victim = neighbour(data_dir)
    victim.started()
    with start(data_dir, work_mem="7MB") as server:
        assert value(server.dsn(), "SHOW work_mem") == "4MB", "somebody uses it, so it stays as it is"
    victim.kill()
    with start(data_dir, work_mem="7MB") as server:
        assert value(server.dsn(), "SHOW work_mem") == "7MB"


def test_after_a_crash_of_everything_the_data_is_there(data_dir: Path, neighbour: MakeNeighbour) -> None:
    victim = neighbour(data_dir)
    value(victim.started(), "CREATE TABLE crashed AS SELECT 'written before the crash' AS word")
    with start(data_dir) as server:
        server.kill()
        victim.kill()
        assert (data_dir / "cluster" / "postmaster.pid").exists()
        assert server.stop() is False, "there is none to stop"
    known = (data_dir / "server.log").stat().st_size
    with start(data_dir) as server:
        assert value(server.dsn(), "SELECT word FROM crashed") == "written before the crash"
        assert "automatic recovery in progress" in (data_dir / "server.log").read_text()[known:]


def test_a_first_start_that_is_killed_leaves_no_half_made_database(tmp_path: Path, neighbour: MakeNeighbour) -> None:
    data_dir = tmp_path / "db"
    victim = neighbour(data_dir)
    initdb = victim.child("initdb")
    initdb.suspend()
    while not list(data_dir.glob("cluster.new-*/PG_VERSION")):  # in small steps, so that it does not get to its end
        initdb.resume()
        time.sleep(0.002)
        initdb.suspend()
    victim.kill()
    with pytest.raises(DataDirInUseError):
        EmbeddedPostgres.start(data_dir, timeout=0.1)
    initdb.resume()
    with start(data_dir) as server:
        assert value(server.dsn(), "SELECT 1") == 1
    assert not list(data_dir.glob("cluster.new-*"))


def test_kill_and_restart_are_an_outage_for_everybody(data_dir: Path, neighbour: MakeNeighbour) -> None:
    other = neighbour(data_dir)
    dsn = other.started()
    with start(data_dir) as server:
        server.kill()
        with pytest.raises(ConnectionRefusedError):
            value(dsn, "SELECT 1")
        server.restart()
        assert value(dsn, "SELECT word FROM note") == "kept"
        before = server_pid(data_dir)
        server.restart("immediate")
        assert server_pid(data_dir) != before
        assert value(dsn, "SELECT word FROM note") == "kept"
        assert server.stop() is False
        with pytest.raises(StartFailedError, match="start it anew"):
            server.restart()
    assert other.leave() is True


def test_a_fast_stop_does_not_wait_for_open_connections(data_dir: Path) -> None:
    server = start(data_dir)

    async def hold() -> None:
        connection = await asyncpg.connect(server.dsn())
        started = time.monotonic()
        assert server.stop("fast") is True
        assert time.monotonic() - started < 10
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await connection.fetchval("SELECT 1")

    run(hold())


@pytest.mark.parametrize("content", ["stranger", "empty", "nonsense", "gone"])
def test_a_stale_pid_file_does_not_keep_the_server_down(data_dir: Path, programs: Programs, content: str) -> None:
    account = programs.account
    # A process of the server's own account: PostgreSQL itself would take it for a running server.
    with subprocess.Popen(
        ["sleep", "60"], user=account.uid if account else None, group=account.gid if account else None
    ) as stranger:
        pids = {"stranger": f"{stranger.pid}\n", "empty": "", "nonsense": "??\n", "gone": "4194304\n"}
        for stale in (data_dir / "cluster" / "postmaster.pid", data_dir / "socket" / ".s.PGSQL.5432.lock"):
            stale.write_text(pids[content] and f"{pids[content]}{data_dir}/cluster\n1\n5432\n{data_dir}/socket\n\n")
            if account:
                os.chown(stale, account.uid, account.gid)
        try:
            with start(data_dir) as server:
                assert value(server.dsn(), "SELECT word FROM note") == "kept"
        finally:
            stranger.kill()


def test_a_server_of_which_processes_are_left_is_not_started_beside_them(data_dir: Path) -> None:
    server = start(data_dir)
    postmaster = psutil.Process(server_pid(data_dir))
    find = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'"
    left = psutil.Process(value(server.dsn(user="postgres"), find))
    left.suspend()
    postmaster.kill()
    timer = threading.Timer(0.4, left.kill)
    started = time.monotonic()
    timer.start()
    server.restart()
    assert time.monotonic() - started >= 0.4
    timer.join()
    assert value(server.dsn(), "SELECT word FROM note") == "kept"
    server.stop()


def test_a_server_that_is_not_ours_is_left_alone(data_dir: Path, programs: Programs) -> None:
    def pg_ctl(*arguments: str) -> None:
        answer = programs.run(
            "pg_ctl", *arguments, timeout=20, environment={"PGDATA": str(data_dir / "cluster")}, cwd=data_dir
        )
        assert answer.returncode == 0, answer.stdout

    pg_ctl(
        "start",
        "--wait",
        "--log=foreign.log",
        "--options=-c listen_addresses= -c unix_socket_directories=/tmp -c port=5439",
    )
    pid = server_pid(data_dir)
    with pytest.raises(DataDirInUseError, match=f"did not start.*{pid}"):
        start(data_dir)
    assert server_pid(data_dir) == pid
    assert runs(pid)
    pg_ctl("stop", "--wait")


def test_a_server_whose_process_is_out_of_sight_is_left_alone(data_dir: Path, neighbour: MakeNeighbour) -> None:
    neighbour(data_dir).started()
    pid_file = data_dir / "cluster" / "postmaster.pid"
    truth = pid_file.read_text()
    # As seen from another container: the process id means nothing here, but the socket answers.
    pid_file.write_text(truth.replace(str(server_pid(data_dir)), "4194304", 1))
    with pytest.raises(DataDirInUseError, match="cannot be seen from here"):
        start(data_dir)
    pid_file.write_text(truth)


def test_a_start_does_not_wait_for_another_one_for_ever(data_dir: Path) -> None:
    with (
        start(data_dir) as server,
        server._files.start_lock(server._account, 1),
        pytest.raises(DataDirInUseError, match="starting or stopping"),
    ):
        EmbeddedPostgres.start(data_dir, timeout=0.2)


def test_a_server_that_does_not_answer_is_reported(data_dir: Path) -> None:
    with start(data_dir):
        process = psutil.Process(server_pid(data_dir))
        process.suspend()
        try:
            with pytest.raises(StartFailedError, match="within 1 s"):
                EmbeddedPostgres.start(data_dir, settings={"fsync": "off"}, timeout=1)
        finally:
            process.resume()


def test_a_forked_child_does_not_stop_its_parents_server(data_dir: Path) -> None:
    with start(data_dir) as server:
        child = os.fork()
        if child == 0:
            os._exit(0 if server.stop() is False else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert value(server.dsn(), "SELECT word FROM note") == "kept"
        assert server.stop() is True


def test_an_interrupt_at_the_terminal_does_not_reach_the_server(data_dir: Path, neighbour: MakeNeighbour) -> None:
    # Ctrl-C goes to the whole process group of the terminal; the server must be in none of it.
    with start(data_dir):
        assert os.getpgid(server_pid(data_dir)) != os.getpgid(0)
        assert os.getsid(server_pid(data_dir)) != os.getsid(0)
