"""People and tokens made on the machine itself."""

import io
from pathlib import Path

import pytest
from sqlalchemy import func, select

from app.cli import accounts
from app.cli.console import CommandFailed
from app.config import Settings
from app.db import Database
from app.errors import AppError
from app.models import Agent, ApiToken
from app.services.passwords import verify_password
from tests.factories import make_agent
from tests.support import settings_for


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> Settings:
    return settings_for(database_url, tmp_path)


async def add(here: Settings, **given: str | list[str]) -> None:
    defaults = {"email": "a@example.com", "name": "A", "role": "agent", "language": "zh-CN", "queues": []}
    await accounts.add(here, **{**defaults, **given}, password_stdin=True)  # type: ignore[arg-type]  # wrong on purpose


async def test_a_password_is_the_first_line_of_standard_input_and_never_printed(
    here: Settings, database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("three words for you\r\nnot this\n"))
    await add(here)

    assert "three words" not in "".join(capsys.readouterr())
    async with database.session_scope() as session:
        agent = (await session.scalars(select(Agent))).one()
    assert (await verify_password("three words for you", agent.password_hash)).right


@pytest.mark.parametrize(
    ("given", "password", "said"),
    [
        ({"role": "boss"}, "a good long password", "--role"),
        ({"email": "nobody"}, "a good long password", "--email"),
        ({"name": " "}, "a good long password", "--name"),
        ({}, "short", "--password"),
        ({}, "", "no password"),
        ({"queues": ["nowhere"]}, "a good long password", "There is no queue 'nowhere'."),
    ],
)
async def test_what_does_not_fit_a_person_is_said(
    here: Settings,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    given: dict[str, str | list[str]],
    password: str,
    said: str,
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(password))

    with pytest.raises((CommandFailed, AppError), match=said):
        await add(here, **given)

    async with database.session_scope() as session:
        assert await session.scalar(select(func.count()).select_from(Agent)) == 0


async def test_an_email_is_added_once(here: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("a good long password\n" * 2))
    await add(here)

    with pytest.raises(AppError, match="Somebody signs in with this e-mail address already"):
        await add(here, email="A@Example.com")


@pytest.mark.parametrize(
    ("agent", "scopes", "said"),
    [
        ("a@example.com", ["admin"], "Beyond what the role agent may do: admin."),
        ("a@example.com", ["everything"], "--scope: "),
        ("b@example.com", ["lookup"], "Nobody signs in as b@example.com"),
    ],
)
async def test_no_token_is_made_for_nobody_or_beyond_a_role(
    here: Settings, database: Database, agent: str, scopes: list[str], said: str
) -> None:
    async with database.session_scope() as session:
        await make_agent(session, email="a@example.com")

    with pytest.raises((CommandFailed, AppError), match=said):
        await accounts.make_token(here, agent=agent, name="x", scopes=scopes, days=None)

    async with database.session_scope() as session:
        assert await session.scalar(select(func.count()).select_from(ApiToken)) == 0
