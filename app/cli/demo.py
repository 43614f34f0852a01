"""`callcard demo`: an empty database filled, a carrier made up, and everything that can be typed next."""

import asyncio
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from rich.table import Table
from rich.text import Text
from sqlalchemy import select

from app.cli.console import CommandFailed, out, say
from app.cli.database import current_database
from app.cli.demo_file import DemoCarrier, demo_file, made_up, read_demo, write_demo
from app.config import Settings
from app.db import Database
from app.domain.scopes import Scope
from app.errors import NotSignedIn
from app.models import Agent
from app.schemas.agents import TokenCreate
from app.services.access import ROLE_SCOPES, who_by_token
from app.services.demo.story import EXAMPLES
from app.services.demo_data import DemoNotAllowed, is_empty, people, seed
from app.services.passwords import hash_password
from app.services.tokens import create_token

_DESK_SCOPES: Final = frozenset({Scope.AGENT, Scope.CALLS_READ, Scope.CALLS_WRITE, Scope.CUSTOMERS_READ, Scope.LOOKUP})


async def prepare(settings: Settings, port: int) -> DemoCarrier:
    """Fill the database if it is empty, and keep what `callcard ring` needs to know.

    Raises:
        DemoNotAllowed: this is not development.
        CommandFailed: the database holds something else than this demo.
    """
    if settings.is_production:
        raise DemoNotAllowed("The demo prints its logins, so it runs in development only (CALLCARD_ENV=development).")
    service_url = f"http://127.0.0.1:{port}"
    kept = read_demo(settings.data_dir)
    async with current_database(settings) as database:
        async with database.session_scope() as session:
            empty = await is_empty(session)
        if empty:
            demo = await _fill(database, settings, service_url, port + 1)
        elif kept is not None and await _is_of(database, kept):
            demo = replace(kept, service_url=service_url, rest_port=port + 1)
        else:
            raise CommandFailed(
                "The database is in use already and holds no demo of this folder's, so it is left alone. `callcard "
                "serve` serves it as it is; for the demo choose an empty one (CALLCARD_DATA_DIR or DATABASE_URL)."
            )
    try:
        write_demo(settings.data_dir, demo)
    except OSError as error:
        raise CommandFailed(f"{demo_file(settings.data_dir)} cannot be written: {error.strerror}") from error
    return demo


async def _fill(database: Database, settings: Settings, service_url: str, rest_port: int) -> DemoCarrier:
    password = f"demo-{secrets.token_hex(2)}-{secrets.token_hex(2)}"
    today = datetime.now(settings.zone).date()
    tokens: dict[str, str] = {}
    async with database.session_scope() as session:
        summary = await seed(
            session,
            today,
            zone=settings.zone,
            password_hash=await hash_password(password),
            environment=settings.env,
        )
        ids = {row.email: row.id for row in await session.execute(select(Agent.id, Agent.email))}
        for person in summary.agents:
            wanted = TokenCreate(name="callcard ring", scopes=set(_DESK_SCOPES & ROLE_SCOPES[person.role]))
            _, tokens[person.email] = await create_token(session, ids[person.email], wanted, None)
    return made_up(service_url, rest_port, hotline_number=summary.hotline_number, tokens=tokens, password=password)


async def _is_of(database: Database, demo: DemoCarrier) -> bool:
    """Whether the kept demo was made for this very database."""
    async with database.session_scope() as session:
        try:
            await who_by_token(session, next(iter(demo.tokens.values()), ""))
        except NotSignedIn:
            return False
    return True


def settings_of(demo: DemoCarrier) -> dict[str, str]:
    """The environment in which the service believes in the demo's carrier."""
    return {
        "CALLCARD_PUBLIC_URL": demo.service_url,
        "TWILIO_ACCOUNT_SID": demo.account_sid,
        "TWILIO_AUTH_TOKEN": demo.auth_token,
        "TWILIO_API_KEY": demo.api_key,
        "TWILIO_API_SECRET": demo.api_secret,
        "TWILIO_API_BASE_URL": demo.rest_url,
    }


def run_demo(settings: Settings, port: int, serve: Callable[[Callable[[], None]], None] | None) -> None:
    """Prepare the demo and, where `serve` is given, call it with what is to be printed once it serves.

    Raises what `prepare` and `serve` raise.
    """
    demo = asyncio.run(prepare(settings, port))
    if serve is None:
        tell(demo)
        return
    os.environ.update(settings_of(demo))
    serve(lambda: tell(demo))


def tell(demo: DemoCarrier) -> None:
    """Print who can sign in, and what to type next."""
    command = command_name()
    say("")
    say(Text("Callcard demo", style="bold green"), f"  {demo.service_url}    (Ctrl-C ends it / 按 Ctrl-C 结束)")
    say("")
    table = Table.grid(padding=(0, 3))
    for person in people():
        table.add_row(f"  {person.email}", Text(person.name), person.role.replace("_", " "))
    out.print(table)
    say("  password / 密码: ", Text(demo.password, style="bold"))
    say("")
    say(Text("Now open a second terminal and let Mr Lu ring / 另开一个终端，让鲁先生打进来：", style="bold"))
    say("")
    _print_lines((f"{command} ring --from {example.number}", f"{example.en} / {example.zh}") for example in EXAMPLES)
    say("")
    lily = next(iter(demo.tokens), "")
    _print_lines(
        (
            (
                f"{command} listen --agent {lily} --available",
                "be the agent yourself: Enter takes the call / 自己当座席",
            ),
            (f"{command} ring --help", "what else a caller can do / 更多选项"),
        )
    )
    say("")


def _print_lines(lines: Iterable[tuple[str, str]]) -> None:
    rows = [(Text(f"  {typed}", style="cyan"), shown) for typed, shown in lines]
    widest = max(typed.cell_len for typed, _ in rows)
    for typed, shown in rows:
        typed.pad_right(widest - typed.cell_len)
        # Not a table, which would fold what is there to be copied.
        say(typed, "  ", Text(shown, style="dim"))


def command_name() -> str:
    """How this very command is typed again: `callcard` where the shell finds it, else by its path."""
    given = Path(sys.argv[0])
    if given.name == "__main__.py":
        return f"{_short(Path(sys.executable))} -m app.cli"
    found = shutil.which("callcard")
    is_on_path = found is not None and Path(found).resolve() == given.resolve()
    return "callcard" if is_on_path else _short(given)


def _short(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
