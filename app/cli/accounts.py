"""`callcard agent add` and `callcard token create`: people and programs let in by whoever runs the machine."""

import secrets
import sys
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

import typer
from pydantic import BaseModel, SecretStr, ValidationError
from rich.text import Text
from sqlalchemy import func, select

from app.cli.console import CommandFailed, note, say
from app.cli.database import current_database
from app.config import Settings
from app.models import Agent
from app.schemas.agents import AgentCreate, TokenCreate
from app.services.agents import add_agent
from app.services.tokens import create_token

_OPTIONS: Final = {"scopes": "scope", "queues": "queue", "expires_at": "days"}
"""Fields that options call otherwise."""

_Payload = TypeVar("_Payload", bound=BaseModel)


def ask_password(from_stdin: bool) -> tuple[SecretStr, bool]:
    """A new password, and whether it was made up here: read from standard input, asked for, or generated.

    Raises:
        CommandFailed: standard input is empty.
    """
    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
        if not password:
            raise CommandFailed("Standard input has no password in its first line.")
        return SecretStr(password), False
    if sys.stdin.isatty():
        password = typer.prompt(
            "Password (empty: make one up)", hide_input=True, confirmation_prompt=True, default="", show_default=False
        )
        if password:
            return SecretStr(password), False
    return SecretStr(secrets.token_urlsafe(12)), True


async def add(
    settings: Settings, *, email: str, name: str, role: str, language: str, queues: list[str], password_stdin: bool
) -> None:
    """Add a person and print what they sign in with.

    Raises:
        CommandFailed, AppError: something given does not fit, or the e-mail is taken.
    """
    password, made_up = ask_password(password_stdin)
    new = _valid(AgentCreate, email=email, name=name, role=role, language=language, queues=queues, password=password)
    async with current_database(settings) as database, database.session_scope() as session:
        person = await add_agent(session, new, None)
    queues_said = f", queues: {', '.join(person.queues)}" if person.queues else ""
    say(f"Added {person.name} <{person.email}>, {person.role.value}{queues_said}")
    if made_up:
        say("Password: ", Text(password.get_secret_value(), style="bold"))
        note("It is shown this once.")
    if not person.queues:
        note("They are in no queue yet, so only callers whom they know come to them; --queue hotline puts them in one.")


async def make_token(settings: Settings, *, agent: str, name: str, scopes: list[str], days: int | None) -> None:
    """Make an API token and print it.

    Raises:
        CommandFailed, AppError: something given does not fit, or goes beyond the person's role.
    """
    expires_at = None if days is None else datetime.now(UTC) + timedelta(days=days)
    new = _valid(TokenCreate, name=name, scopes=set(scopes), expires_at=expires_at)
    async with current_database(settings) as database, database.session_scope() as session:
        agent_id = await session.scalar(select(Agent.id).where(func.lower(Agent.email) == agent.strip().lower()))
        if agent_id is None:
            raise CommandFailed(f"Nobody signs in as {agent}. Add them with: callcard agent add --email {agent}")
        _, secret = await create_token(session, agent_id, new, None)
    say(Text(secret, style="bold"))
    ends = "" if expires_at is None else f" and ends on {expires_at:%Y-%m-%d}"
    note(f"It is shown this once{ends}. Programs send it in a header: Authorization: Bearer cc_…")


def _valid(schema: type[_Payload], **given: object) -> _Payload:
    try:
        return schema.model_validate(given)
    except ValidationError as error:
        problems = [(str(problem["loc"][0]), problem["msg"]) for problem in error.errors()]
        said = (f"--{_OPTIONS.get(field, field)}: {message}" for field, message in problems)
        raise CommandFailed("\n".join(said), exit_code=2) from None
