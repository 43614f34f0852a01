"""What `callcard doctor` finds, and what it says to do."""

from pathlib import Path

import asyncpg
import pytest
import time_machine
from sqlalchemy import make_url, text

from app.cli.doctor import Finding, Verdict, examine
from app.db import Database
from app.embedded_postgres import EmbeddedPostgres
from tests.factories import make_agent, make_customer

OK, WARN, FAIL = Verdict.OK, Verdict.WARN, Verdict.FAIL
TOKEN = "a1b2c3d4e5f6a7b8a1b2c3d4e5f6a7b8"


@pytest.fixture(autouse=True)
def here(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("CALLCARD_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("CALLCARD_PUBLIC_URL", "http://127.0.0.1:1")


async def found(name: str) -> list[Finding]:
    return [finding async for finding in examine() if finding.name == name]


async def test_a_good_installation(database: Database) -> None:
    async with database.session_scope() as session:
        await make_agent(session)
    verdicts = {finding.name: finding.verdict async for finding in examine()}

    assert verdicts == {
        "Python": OK,
        "settings": OK,
        "data directory": OK,
        "database": OK,
        "clock": OK,
        "foreign keys": OK,
        "schema": OK,
        "calendar": OK,
        "spool": OK,
        "Twilio": WARN,
        "public URL": WARN,
    }


async def test_a_role_that_must_look_foreign_keys_up(
    postgres: EmbeddedPostgres, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = make_url(database_url).database
    admin = await asyncpg.connect(postgres.dsn(name, user="postgres"))
    await admin.execute(f'CREATE ROLE "plain_{name}" LOGIN')
    await admin.execute(f'GRANT SELECT ON ALL TABLES IN SCHEMA public TO "plain_{name}"')
    monkeypatch.setenv("DATABASE_URL", postgres.dsn(name, user=f"plain_{name}"))

    (finding,) = await found("foreign keys")

    await admin.execute(f'DROP OWNED BY "plain_{name}"; DROP ROLE "plain_{name}"')
    await admin.close()
    assert finding.verdict is WARN
    assert f'GRANT SET ON PARAMETER session_replication_role TO "plain_{name}"' in finding.advice


async def test_nobody_to_take_calls() -> None:
    (finding,) = await found("people")

    assert finding.verdict is WARN
    assert "callcard agent add" in finding.advice


async def test_customers_who_are_not_found_as_they_are(database: Database) -> None:
    async with database.session_scope() as session:
        await make_agent(session)
        await make_customer(session)
    (finding,) = await found("search")

    assert (finding.verdict, finding.advice) == (WARN, "Run: callcard migrate")


@pytest.mark.parametrize(
    ("today", "verdict", "year"), [("2095-10-01", OK, None), ("2095-11-20", WARN, 2096), ("2096-01-02", FAIL, 2096)]
)
async def test_fault_22_a_year_that_nobody_knows_is_said_before_it_begins(
    database: Database, today: str, verdict: Verdict, year: int | None
) -> None:
    async with database.session_scope() as session:
        await session.execute(text("INSERT INTO calendar_years (calendar_id, year) SELECT id, 2095 FROM calendars"))
    with time_machine.travel(f"{today}T12:00:00+08:00", tick=True):
        (finding,) = await found("calendar")

    assert finding.verdict is verdict
    assert year is None or f"PUT /api/v1/calendar/years/{year}" in finding.advice


async def test_a_database_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://somebody:hunter2@127.0.0.1:1/callcard")
    (finding,) = await found("database")

    assert finding.verdict is FAIL
    assert "cannot be reached" in finding.said
    assert "hunter2" not in finding.said + finding.advice


async def test_an_embedded_database_is_not_made_for_a_look(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DATABASE_URL")
    (finding,) = await found("database")

    assert (finding.verdict, finding.said) == (WARN, "the embedded one, not made yet")
    assert not (tmp_path / "data" / "postgres").exists()


async def test_every_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLCARD_ENV", "production")
    findings = await found("settings")

    assert [finding.verdict for finding in findings] == [FAIL, FAIL]
    assert "CALLCARD_PUBLIC_URL must begin with https://" in findings[0].said
    assert "CALLCARD_SECRET_KEY must be set" in findings[1].said


async def test_what_waits_for_the_database_and_what_was_set_aside(tmp_path: Path) -> None:
    spool = tmp_path / "data" / "spool"
    (spool / "failed").mkdir(parents=True)
    (spool / "1.json").touch()
    (waiting,) = await found("spool")
    (spool / "failed" / "2.json").touch()
    (aside,) = await found("spool")

    assert (waiting.verdict, waiting.said) == (WARN, "1 carrier requests wait for the database")
    assert (aside.verdict, aside.said) == (WARN, "1 carrier requests set aside, 1 waiting")
    assert str(spool / "failed") in aside.advice


async def test_a_folder_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("CALLCARD_DATA_DIR", str(tmp_path / "file" / "data"))
    (finding,) = await found("data directory")

    assert finding.verdict is FAIL


@pytest.mark.parametrize(("free", "verdict"), [(99 * 1024**2, FAIL), (1024**3 - 1, WARN), (1024**3, OK)])
async def test_room_on_the_disk(monkeypatch: pytest.MonkeyPatch, free: int, verdict: Verdict) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _path: type("Usage", (), {"free": free})())
    (finding,) = await found("data directory")

    assert finding.verdict is verdict


async def test_half_a_twilio_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", TOKEN)
    findings = await found("Twilio")
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", f"AC{TOKEN}")
    monkeypatch.setenv("TWILIO_API_KEY", f"SK{TOKEN}")
    monkeypatch.setenv("TWILIO_API_SECRET", TOKEN)
    whole = await found("Twilio")

    assert [finding.verdict for finding in findings] == [WARN, WARN]
    assert "TWILIO_ACCOUNT_SID" in findings[0].said
    assert "TWILIO_API_KEY" in findings[1].said
    assert whole == [Finding("Twilio", OK, f"account AC{TOKEN}")]
