"""The commands as a person runs them: processes of their own on a real database. What they do is tested beside."""

import gc
import json
import re
import socket
import stat
import subprocess
import sys
from pathlib import Path

from sqlalchemy import select, text

from app import migrate
from app.cli import load_quickly
from app.cli.console import troubles_told
from app.db import Database
from app.domain.scopes import Scope
from app.models import Agent, AgentPresence, Presence, Role
from app.services.access import who_by_token
from app.services.passwords import verify_password
from tests.cli.conftest import ROOT, Callcard, environment, run, squeezed

PRODUCTION = {
    "CALLCARD_ENV": "production",
    "CALLCARD_PUBLIC_URL": "https://hotline.example.com",
    "CALLCARD_SECRET_KEY": "kX2v-Q8rT0yLw4zB7nH1mJ6cD9sF3gPa",
}


def test_help_is_there_without_reading_what_commands_need() -> None:
    heavy = [
        "sqlalchemy",
        "pydantic",
        "fastapi",
        "uvicorn",
        "httpx",
        "twilio",
        "phonenumbers",
        "asyncpg",
        "splink",
        "duckdb",
    ]
    found = subprocess.run(
        [sys.executable, "-c", f"import sys, app.cli; print([name for name in {heavy} if name in sys.modules])"],
        env=environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert found.stdout.strip() == "[]"


def test_the_search_for_garbage_is_left_out_only_while_a_command_is_loaded() -> None:
    load_quickly()
    assert not gc.isenabled()

    with troubles_told():
        assert gc.isenabled()


async def test_help_names_every_command(tmp_path: Path) -> None:
    shown = await run(tmp_path, "--help")

    assert shown.code == 0
    for command in ("serve", "migrate", "demo", "ring", "listen", "doctor", "agent", "token", "dedupe"):
        assert re.search(rf"^│ {command} ", shown.out, re.MULTILINE)


async def test_migrate_brings_an_empty_database_up_to_date(callcard: Callcard, empty_database_url: str) -> None:
    first = await callcard("migrate", DATABASE_URL=empty_database_url)
    second = await callcard("migrate", DATABASE_URL=empty_database_url)

    assert (first.code, second.code) == (0, 0)
    assert "it was at nothing" in first.out
    assert "already" in second.out
    database = Database(empty_database_url, pool_size=1, lane_size=0)
    assert await migrate.is_current(database.engine)
    await database.aclose()


async def test_an_unreachable_database_is_said_in_a_sentence_without_its_password(callcard: Callcard) -> None:
    ran = await callcard("migrate", DATABASE_URL="postgresql://somebody:hunter2@127.0.0.1:1/callcard")

    assert ran.code == 1
    assert ran.err.startswith("The database cannot be reached")
    assert "hunter2" not in ran.out + ran.err


async def test_wrong_settings_are_named_in_one_go(callcard: Callcard) -> None:
    ran = await callcard("migrate", CALLCARD_TIME_ZONE="Middle/Earth", CALLCARD_REGION="China")

    assert ran.code == 1
    assert "CALLCARD_TIME_ZONE" in ran.err
    assert "CALLCARD_REGION" in ran.err


async def test_doctor_ends_well_where_nothing_fails_and_badly_where_something_does(
    callcard: Callcard, empty_database_url: str
) -> None:
    good = await callcard("doctor")
    bad = await callcard("doctor", DATABASE_URL=empty_database_url)

    assert good.code == 0
    assert "0 failed" in good.out
    assert bad.code == 1
    assert "fail schema at nothing" in squeezed(bad.out)
    assert "-> Run: callcard migrate" in squeezed(bad.out)


async def test_an_agent_is_added_and_a_token_made_for_them(callcard: Callcard, database: Database) -> None:
    added = await callcard(
        "agent", "add", "--email", "li.na@example.com", "--name", "李娜", "--role", "supervisor", "--queue", "hotline"
    )

    assert added.code == 0
    assert "Added 李娜 <li.na@example.com>, supervisor, queues: hotline" in added.out
    password = re.search(r"Password: (\S+)", added.out)
    assert password is not None
    async with database.session_scope() as session:
        agent = (await session.scalars(select(Agent))).one()
        presence = await session.get_one(AgentPresence, agent.id)
        members = await session.scalar(text("SELECT count(*) FROM queue_members"))
    assert (agent.role, agent.name, presence.state, members) == (Role.SUPERVISOR, "李娜", Presence.OFFLINE, 1)
    assert (await verify_password(password[1], agent.password_hash)).right

    arguments = ("token", "create", "--agent", "Li.Na@example.com", "--name", "exchange")
    made = await callcard(*arguments, "--scope", "lookup", "--scope", "calls:read", "--days", "30")

    assert made.code == 0
    secret = made.out.strip()
    assert re.fullmatch(r"cc_\S{40,}", secret)
    async with database.session_scope() as session:
        signed = await who_by_token(session, secret)
        days = await session.scalar(
            text("SELECT round(extract(epoch FROM expires_at - now()) / 86400) FROM api_tokens")
        )
    assert (signed.email, signed.scopes, days) == ("li.na@example.com", {Scope.LOOKUP, Scope.CALLS_READ}, 30)


async def test_what_the_services_refuse_is_said_in_a_sentence(callcard: Callcard) -> None:
    ran = await callcard("agent", "add", "--email", "a@example.com", "--name", "A", "--queue", "nowhere")

    assert ran.code == 1
    assert ran.err.strip() == "There is no queue 'nowhere'."


async def test_the_demo_fills_an_empty_database_and_says_what_to_type(
    callcard: Callcard, database: Database, tmp_path: Path
) -> None:
    first = await callcard("demo", "--no-serve", "--port", "8765")

    assert first.code == 0
    assert "ring --from +8613800138000" in first.out
    assert "lily@example.com" in first.out
    kept = tmp_path / "data" / "demo.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    demo = json.loads(kept.read_text())
    assert demo["password"] in first.out
    assert demo["auth_token"] not in first.out
    async with database.session_scope() as session:
        agent = (await session.scalars(select(Agent).where(Agent.email == "lily@example.com"))).one()
        signed = await who_by_token(session, demo["tokens"]["lily@example.com"])
    assert (await verify_password(demo["password"], agent.password_hash)).right
    assert signed.may(Scope.AGENT)

    again = await callcard("demo", "--no-serve", "--port", "8766")

    assert again.code == 0
    assert demo["password"] in again.out
    assert json.loads(kept.read_text()) == {**demo, "service_url": "http://127.0.0.1:8766", "rest_port": 8767}


async def test_a_port_that_is_taken_is_said(callcard: Callcard) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = await callcard("serve", "--port", str(port))

    assert ran.code == 1
    assert f"Port {port} is taken" in ran.err


async def test_production_does_not_serve_an_old_schema(callcard: Callcard, empty_database_url: str) -> None:
    ran = await callcard("serve", DATABASE_URL=empty_database_url, **PRODUCTION)

    assert ran.code == 1
    assert "Run: callcard migrate" in ran.err


async def test_what_cannot_ring_is_said_in_a_sentence(tmp_path: Path) -> None:
    arguments = ("--from", "hello", "--auth-token", "x", "--to", "+862190001000")
    ran = await run(tmp_path, "ring", *arguments, CALLCARD_DATA_DIR=str(tmp_path))

    assert ran.code == 2
    assert "--from hello: this cannot be read as a telephone number" in squeezed(ran.err)
    assert ran.out == ""
