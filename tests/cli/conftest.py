"""Commands as a person runs them: processes of their own, with an environment and a folder of their own."""

import asyncio
import os
import re
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SECONDS = 60


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str


def environment(**more: str) -> dict[str, str]:
    """What a command is to find: nothing of this machine's settings, and the project on its path."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        "PYTHONPYCACHEPREFIX": os.environ["PYTHONPYCACHEPREFIX"],
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": "error",
        "COLUMNS": "100",
        "LANG": "C.UTF-8",
        **more,
    }


async def start(folder: Path, *arguments: str, **more: str) -> asyncio.subprocess.Process:
    """Start `callcard` in a folder; whoever asks ends it."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "app.cli",
        *arguments,
        cwd=folder,
        env=environment(**more),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def run(folder: Path, *arguments: str, stdin: str = "", **more: str) -> Ran:
    """Run `callcard` to its end."""
    process = await start(folder, *arguments, **more)
    try:
        async with asyncio.timeout(SECONDS):
            out, err = await process.communicate(stdin.encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    assert "Traceback" not in err.decode(), err.decode()
    return Ran(process.returncode, out.decode(), err.decode())


Callcard = Callable[..., Awaitable[Ran]]
"""`await callcard("agent", "add", …, stdin="…", CALLCARD_ENV="production")`."""


@pytest.fixture
def callcard(database_url: str, tmp_path: Path) -> Callcard:
    """Runs commands on the test's own database, in a folder of the test's own."""

    async def call(*arguments: str, stdin: str = "", **more: str) -> Ran:
        given = {"DATABASE_URL": database_url, "CALLCARD_DATA_DIR": str(tmp_path / "data"), **more}
        return await run(tmp_path, *arguments, stdin=stdin, **given)

    return call


def squeezed(text: str) -> str:
    """Text without the line breaks and blanks that depend on the terminal's width."""
    return re.sub(r"\s+", " ", text)
