"""A first start, and what server it gives."""

import os
import stat
from pathlib import Path

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from app.embedded_postgres.programs import Programs
from tests.embedded_postgres.support import run, server_pid, start, value


def test_the_first_start_makes_a_database_and_the_next_one_finds_it(tmp_path: Path) -> None:
    data_dir = tmp_path / "new" / "db"
    (data_dir / "lost+found").mkdir(parents=True)  # a mount point is as good as an empty directory
    with start(data_dir) as server:
        assert server.version().startswith("18.")
        assert (
            value(server.dsn(), "SELECT current_database()::text || ' of ' || current_user") == "callcard of callcard"
        )
        value(server.dsn(), "CREATE TABLE note AS SELECT '鲁先生' AS word")
    assert not (data_dir / "cluster" / "postmaster.pid").exists()
    with start(data_dir) as server:
        assert value(server.dsn(), "SELECT word FROM note") == "鲁先生"
        assert value(server.dsn("postgres", user="postgres"), "SELECT current_user::text") == "postgres"


def test_the_server_is_set_up_as_promised(data_dir: Path) -> None:
    promised = {
        "server_encoding": "UTF8",
        "data_checksums": "on",
        "TimeZone": "UTC",
        "listen_addresses": "",
        "max_connections": "200",
    }
    with start(data_dir) as server:
        assert {name: value(server.dsn(), f"SHOW {name}") for name in promised} == promised
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        buffers = value(server.dsn(), "SELECT pg_size_bytes(current_setting('shared_buffers'))")
        assert buffers == min(max(memory // 8, 2**27), 2**32) // 2**20 * 2**20


def test_text_follows_unicode_and_not_the_machine(data_dir: Path) -> None:
    with start(data_dir) as server:
        assert value(server.dsn(), "SELECT lower('ÉÀ') || upper('ß')") == "éàß"
        assert (
            value(server.dsn(), "SELECT string_agg(c, '' ORDER BY c) FROM unnest('{b,a,B,é,鲁}'::text[]) c") == "Babé鲁"
        )
        value(server.dsn(), "CREATE EXTENSION pg_trgm")
        assert value(server.dsn(), "SELECT similarity('鲁先生', '鲁先生们') > 0.3") is True


def test_the_application_is_no_superuser_but_may_make_databases(data_dir: Path) -> None:
    with start(data_dir) as server:
        assert value(server.dsn(), "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
        value(server.dsn(), 'CREATE DATABASE "a b/?&"')
        assert value(server.dsn("a b/?&"), "SELECT current_database()::text") == "a b/?&"


def test_an_import_may_go_without_look_ups(data_dir: Path) -> None:
    may = "SELECT has_parameter_privilege('session_replication_role', 'SET')"
    with start(data_dir) as server:
        assert value(server.dsn(), may) is True
        value(server.dsn(user="postgres"), "REVOKE SET ON PARAMETER session_replication_role FROM callcard")
        assert value(server.dsn(), may) is False
    with start(data_dir) as server:
        assert value(server.dsn(), may) is True, "also where an earlier version made the database"


def test_the_dsn_serves_sqlalchemy_too(data_dir: Path) -> None:
    with start(data_dir) as server:

        async def ask() -> str:
            engine = create_async_engine(make_url(server.dsn()).set(drivername="postgresql+asyncpg"))
            async with engine.connect() as connection:
                answer = await connection.scalar(text("SELECT current_user::text"))
            await engine.dispose()
            return str(answer)

        assert run(ask()) == "callcard"


def test_a_database_that_is_missing_is_made_again(data_dir: Path) -> None:
    with start(data_dir) as server:
        value(server.dsn("postgres", user="postgres"), "ALTER DATABASE callcard RENAME TO away")
    with start(data_dir) as server:
        assert value(server.dsn(), "SELECT to_regclass('note')") is None
        value(server.dsn("postgres", user="postgres"), "DROP DATABASE callcard")
        value(server.dsn("postgres", user="postgres"), "ALTER DATABASE away RENAME TO callcard")


def test_the_settings_of_a_start_hold_for_its_server(data_dir: Path) -> None:
    for wanted in ("off", "on"):
        with start(data_dir, synchronous_commit=wanted) as server:
            assert value(server.dsn(), "SHOW synchronous_commit") == wanted


@pytest.mark.parametrize("name", ["listen_addresses", "unix_socket_directories", "port", "a; b", "Work_Mem"])
def test_what_the_module_must_rule_cannot_be_set(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="cannot be set"):
        start(tmp_path / "db", **{name: "x"})
    assert not (tmp_path / "db").exists()


def test_a_path_that_no_socket_or_driver_takes_gets_a_short_socket(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    odd = tmp_path / ("鲁, a:b \"$(touch oops)' `touch oops`" + "x" * 90)
    data_dir.rename(odd)
    try:
        with start(odd) as server:
            assert value(server.dsn(), "SELECT word FROM note") == "kept"
            socket_dir = Path(str(make_url(server.dsn()).query["host"]))
            assert socket_dir.parent == Path("/tmp")
            assert stat.S_IMODE(socket_dir.stat().st_mode) == 0o700
            with start(odd) as second:
                assert second.dsn() == server.dsn()
        assert not socket_dir.exists()
        assert not [*odd.rglob("oops"), *Path.cwd().glob("oops")]
    finally:
        odd.rename(data_dir)


def test_the_server_inherits_neither_our_secrets_nor_our_postgresql_variables(
    data_dir: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "do-not-tell")
    for name in ("PGPORT", "PGHOST", "PGDATA", "PGOPTIONS", "PGUSER", "PGDATABASE", "PGSERVICE"):
        monkeypatch.setenv(name, "nonsense")
    with start(data_dir):
        environment = Path(f"/proc/{server_pid(data_dir)}/environ").read_bytes()
    assert b"PATH=" in environment
    assert b"do-not-tell" not in environment
    assert b"nonsense" not in environment


def test_the_log_does_not_grow_for_ever(data_dir: Path) -> None:
    log, old = data_dir / "server.log", data_dir / "server.log.old"
    os.truncate(log, 20 * 1024 * 1024)
    with start(data_dir):
        assert 0 < log.stat().st_size < 100_000
    assert old.stat().st_size == 20 * 1024 * 1024
    old.unlink()


def test_the_log_does_not_quote_customers(data_dir: Path) -> None:
    with start(data_dir) as server:
        value(server.dsn(), "CREATE TABLE phone (number text UNIQUE)")
        value(server.dsn(), "INSERT INTO phone VALUES (concat('+8613', '800138000'))")
        with pytest.raises(Exception, match="duplicate key"):
            value(server.dsn(), "INSERT INTO phone VALUES (concat('+8613', '800138000'))")
    said = (data_dir / "server.log").read_text()
    assert "duplicate key" in said
    assert "+8613800138000" not in said
