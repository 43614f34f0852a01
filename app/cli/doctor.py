"""`callcard doctor`: what stands between this installation and a call that is answered, and what to do about it."""

import asyncio
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx
from rich.table import Table
from rich.text import Text
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app import migrate
from app.cli.console import CommandFailed, out, reason, say
from app.cli.database import address, outages_told
from app.config import ConfigError, Settings, load_settings
from app.db import Database
from app.embedded_postgres import EmbeddedPostgresError
from app.models import Agent
from app.services import search_index
from app.services.calendars import read_calendars
from app.services.hotline import Hotline

_OLDEST_PYTHON: Final = (3, 11)
_OLDEST_POSTGRES: Final = 15
_LITTLE_SPACE: Final = 1024**3
_NO_SPACE: Final = 100 * 1024**2
_SMALL_DRIFT: Final = 2.0
_LARGE_DRIFT: Final = 60.0
_NEXT_YEAR_MATTERS: Final = timedelta(days=45)


class Verdict(StrEnum):
    """`fail`: calls are not answered as they should be. `warn`: something is missing that may be meant so."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `advice` is what to do next, where there is something to do."""

    name: str
    verdict: Verdict
    said: str
    advice: str = ""


async def examine() -> AsyncIterator[Finding]:
    """Look at everything, what others depend on first."""
    yield _python()
    try:
        settings = load_settings()
    except ConfigError as error:
        for problem in error.problems:
            yield Finding("settings", Verdict.FAIL, problem, "Correct it in the environment or in .env.")
        return
    yield Finding("settings", Verdict.OK, f"CALLCARD_ENV={settings.env.value}")
    yield _data_dir(settings.data_dir)
    async for finding in _database(settings):
        yield finding
    yield _spool(settings.data_dir / "spool")
    for finding in _twilio(settings):
        yield finding
    yield await _public_url(settings)


async def report() -> bool:
    """Print every finding; True when none is a failure."""
    styles = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "bold red"}
    findings = []
    table = Table.grid(padding=(0, 2))
    for _ in range(3):
        table.add_column(overflow="fold")
    async for finding in examine():
        findings.append(finding)
        said = Text(finding.said)
        if finding.advice:
            said.append(f"\n-> {finding.advice}", style="bold" if finding.verdict is Verdict.FAIL else "")
        table.add_row(Text(finding.verdict.value, style=styles[finding.verdict]), Text(finding.name), said)
    out.print(table)
    failed = [finding for finding in findings if finding.verdict is Verdict.FAIL]
    warned = [finding for finding in findings if finding.verdict is Verdict.WARN]
    say("")
    say(f"{len(failed)} failed, {len(warned)} to look at, {len(findings) - len(failed) - len(warned)} in order.")
    return not failed


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info < _OLDEST_PYTHON:
        return Finding("Python", Verdict.FAIL, version, "Callcard needs 3.11 or newer.")
    return Finding("Python", Verdict.OK, version)


def _data_dir(folder: Path) -> Finding:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"probe")
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Finding(
            "data directory",
            Verdict.FAIL,
            f"{folder} cannot be written ({error.strerror})",
            "Calls that come while the database is away are kept there: name a folder of yours in CALLCARD_DATA_DIR.",
        )
    said = f"{folder}, {free / 1024**3:.1f} GiB free"
    if free < _NO_SPACE:
        return Finding("data directory", Verdict.FAIL, said, "Make room, or name another folder in CALLCARD_DATA_DIR.")
    if free < _LITTLE_SPACE:
        return Finding("data directory", Verdict.WARN, said, "Make room before it is needed.")
    return Finding("data directory", Verdict.OK, said)


async def _database(settings: Settings) -> AsyncIterator[Finding]:
    name = "database"
    if settings.database_url is None and not (settings.data_dir / "postgres").exists():
        yield Finding(name, Verdict.WARN, "the embedded one, not made yet", "callcard serve makes it.")
        return
    try:
        async with address(settings) as dsn, outages_told():
            database = Database(dsn, pool_size=1, lane_size=0)
            try:
                async with database.session_scope() as session:
                    for finding in await _connected(session, settings):
                        yield finding
                schema = await _schema(database)
                yield schema
                if schema.verdict is not Verdict.FAIL:
                    yield await _calendar(database, settings)
            finally:
                await database.aclose()
    except (CommandFailed, EmbeddedPostgresError) as error:
        advice = "Check DATABASE_URL, and that the server runs." if settings.database_url else ""
        yield Finding(name, Verdict.FAIL, str(error), advice)


async def _connected(session: AsyncSession, settings: Settings) -> list[Finding]:
    asked_at = datetime.now(UTC)
    row = (
        await session.execute(
            text("""
                SELECT current_setting('server_version_num')::integer / 10000 AS major, clock_timestamp() AS now,
                       current_user AS role, has_parameter_privilege('session_replication_role', 'SET') AS is_let
            """)
        )
    ).one()
    half_way = asked_at + (datetime.now(UTC) - asked_at) / 2
    said = f"PostgreSQL {row.major}, {'the embedded one' if settings.database_url is None else 'by DATABASE_URL'}"
    if row.major < _OLDEST_POSTGRES:
        reachable = Finding("database", Verdict.FAIL, said, "Callcard needs PostgreSQL 15 or newer.")
    else:
        reachable = Finding("database", Verdict.OK, said)
    drift = abs((row.now - half_way).total_seconds())
    verdict = Verdict.OK if drift < _SMALL_DRIFT else Verdict.WARN if drift < _LARGE_DRIFT else Verdict.FAIL
    advice = "" if verdict is Verdict.OK else "Have both machines set their clocks by NTP."
    clock = Finding("clock", verdict, f"{drift:.1f} s from the database's", advice)
    return [reachable, clock, _look_ups(row.role, row.is_let)]


def _look_ups(role: str, is_let: bool) -> Finding:
    name = "foreign keys"
    if is_let:
        return Finding(name, Verdict.OK, "not looked up for what is written together")
    return Finding(
        name,
        Verdict.WARN,
        "looked up for every row: imports take a quarter longer, the lists of many managers a tenth or more",
        f'A superuser may run: GRANT SET ON PARAMETER session_replication_role TO "{role}"; docs/importing.md.',
    )


async def _schema(database: Database) -> Finding:
    revision, head = await migrate.revision_of(database.engine), await asyncio.to_thread(migrate.head)
    if revision != head:
        return Finding(
            "schema", Verdict.FAIL, f"at {revision or 'nothing'}; this version needs {head}", "Run: callcard migrate"
        )
    async with database.session_scope() as session:
        agents = await session.scalar(select(func.count()).select_from(Agent).where(Agent.active))
        unfound = await search_index.count_out_of_date(session)
    if not agents:
        return Finding(
            "people", Verdict.WARN, "nobody can take calls", "callcard agent add --email … --name … --queue hotline"
        )
    if unfound:
        return Finding(
            "search", Verdict.WARN, f"{unfound:,} customers are not found as they are now", "Run: callcard migrate"
        )
    return Finding("schema", Verdict.OK, f"{revision}; {agents} people who can sign in")


async def _calendar(database: Database, settings: Settings) -> Finding:
    """Whether the working days of this year are known, and before it ends those of the next."""
    async with database.session_scope() as session:
        hotline = Hotline(settings.region, settings.zone, settings.company, settings.fallback_number)
        calendar = (await read_calendars(session, hotline)).main
    today = datetime.now(settings.zone).date()
    for day, verdict in ((today, Verdict.FAIL), (today + _NEXT_YEAR_MATTERS, Verdict.WARN)):
        if not calendar.is_known(day.year):
            return Finding(
                "calendar",
                verdict,
                f"the public holidays of {calendar.country} in {day.year} are not known: no call is promised then",
                f"Enter them (POST /api/v1/closures), then PUT /api/v1/calendar/years/{day.year}; docs/callbacks.md.",
            )
    return Finding("calendar", Verdict.OK, f"working days are known until {today + _NEXT_YEAR_MATTERS} at least")


def _spool(folder: Path) -> Finding:
    waiting = len(list(folder.glob("*.json"))) if folder.is_dir() else 0
    aside = len(list((folder / "failed").glob("*"))) if folder.is_dir() else 0
    if aside:
        advice = f"Look at {folder / 'failed'}: they could not be replayed, and the log says why."
        return Finding("spool", Verdict.WARN, f"{aside} carrier requests set aside, {waiting} waiting", advice)
    if waiting:
        advice = "They are replayed as soon as the service runs and reaches the database."
        return Finding("spool", Verdict.WARN, f"{waiting} carrier requests wait for the database", advice)
    return Finding("spool", Verdict.OK, "empty")


def _twilio(settings: Settings) -> list[Finding]:
    name = "Twilio"
    if not settings.twilio_auth_tokens:
        verdict = Verdict.FAIL if settings.is_production else Verdict.WARN
        advice = "Set TWILIO_AUTH_TOKEN from the Twilio console, or try `callcard demo`."
        return [Finding(name, verdict, "telephony is off: no TWILIO_AUTH_TOKEN", advice)]
    findings = []
    if settings.twilio_account_sid is None:
        findings.append(
            Finding(name, Verdict.WARN, "no TWILIO_ACCOUNT_SID: waiting callers are not fetched", "Set it as well.")
        )
    if settings.twilio_api_key is None:
        findings.append(
            Finding(
                name,
                Verdict.WARN,
                "no TWILIO_API_KEY: agents have no phone in their browser",
                "Make an API key in the Twilio console; set TWILIO_API_KEY and TWILIO_API_SECRET.",
            )
        )
    if settings.twilio_api_base_url is not None:
        verdict = Verdict.WARN if settings.is_production else Verdict.OK
        findings.append(Finding(name, verdict, f"asked at {settings.twilio_api_base_url}, not at Twilio's own address"))
    return findings or [Finding(name, Verdict.OK, f"account {settings.twilio_account_sid}")]


async def _public_url(settings: Settings) -> Finding:
    name, url = "public URL", settings.public_url
    try:
        async with httpx.AsyncClient(timeout=3, trust_env=False) as http:
            answer = await http.get(f"{url}/readyz")
    except httpx.HTTPError as error:
        said = f"{url} does not answer ({reason(error)})"
        return Finding(name, Verdict.WARN, said, "Start the service, and check the proxy in front of it.")
    if answer.status_code != 200:
        return Finding(name, Verdict.WARN, f"{url} is not ready (HTTP {answer.status_code})", "Its log says why.")
    if urlsplit(url).scheme != "https":
        advice = "Twilio reaches the service by CALLCARD_PUBLIC_URL: for real calls make it an https:// address."
        return Finding(name, Verdict.WARN, f"{url} answers, but is not https", advice)
    return Finding(name, Verdict.OK, f"{url} answers")
