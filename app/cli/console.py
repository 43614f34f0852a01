"""How commands speak: to standard output what was asked for, to standard error what went wrong, in a sentence."""

import asyncio
import gc
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final

import typer
from rich.console import Console
from rich.text import Text

from app.config import ConfigError
from app.embedded_postgres import EmbeddedPostgresError
from app.errors import AppError

out: Final = Console(highlight=False)
err: Final = Console(stderr=True, highlight=False)

INTERRUPTED: Final = 130
"""The exit code of a command that Ctrl-C ended: 128 and the signal's number, as shells count."""


class CommandFailed(Exception):
    """A command cannot do what was asked; the message says why and what to do, in a sentence or two."""

    def __init__(self, message: str, *, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def say(*parts: str | Text, style: str = "") -> None:
    """Print a line that the terminal, not we, may wrap. Strings are printed as they are, whatever they contain."""
    line = Text(style=style)
    for part in parts:
        line.append_text(part if isinstance(part, Text) else Text(part))
    out.print(line, soft_wrap=True)


def note(message: str) -> None:
    """Say something beside the matter, on standard error."""
    err.print(Text(message, style="dim"), soft_wrap=True)


@contextmanager
def troubles_told() -> Iterator[None]:
    """Turn the troubles that are to be expected into a sentence and an exit code; anything else is a bug and shows."""
    # What has been loaded stays, and is not looked through again.
    gc.freeze()
    gc.enable()
    try:
        yield
    except CommandFailed as failed:
        raise _failed(str(failed), failed.exit_code) from None
    except ConfigError as error:
        raise _failed("\n".join(error.problems)) from None
    except EmbeddedPostgresError as error:
        raise _failed(str(error)) from None
    except AppError as error:
        raise _failed(error.detail) from None
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def run(main: Callable[[], Awaitable[None]]) -> None:
    """Run an asynchronous command to its end, its troubles told."""

    async def whole() -> None:
        await main()

    with troubles_told():
        asyncio.run(whole())


def reason(error: BaseException) -> str:
    """What an error says for itself, in one line; never an address with a password in it."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = str(error).strip().splitlines()
    return text[0] if text else type(error).__name__


def preferred_language() -> str:
    """`zh` or `en`, as the terminal's locale asks (LC_ALL, LC_MESSAGES, LANG)."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(name):
            return "zh" if value.lower().startswith("zh") else "en"
    return "en"


def _failed(message: str, exit_code: int = 1) -> typer.Exit:
    err.print(Text(message, style="red"), soft_wrap=True)
    return typer.Exit(exit_code)
