"""What `callcard demo` tells `callcard ring` and `callcard listen`: a file in the data directory, for us alone."""

import json
import os
import secrets
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from app.cli.console import CommandFailed

_NAME: Final = "demo.json"


@dataclass(frozen=True, slots=True)
class DemoCarrier:
    """The demo's carrier and its people: everything here was made up for one database and opens nothing else.

    Attributes:
        service_url: where the service listens; its public URL too.
        rest_port: where `callcard ring` serves the carrier's REST API.
        account_sid, auth_token, api_key, api_secret: the carrier account that the service believes to have.
        hotline_number: the number that callers dial.
        password: of all the demo's agents.
        tokens: API tokens by agent's e-mail, the first being who takes the calls.
    """

    service_url: str
    rest_port: int
    account_sid: str
    auth_token: str
    api_key: str
    api_secret: str
    hotline_number: str
    password: str
    tokens: dict[str, str]

    @property
    def rest_url(self) -> str:
        """The origin of the carrier's REST API."""
        return f"http://127.0.0.1:{self.rest_port}"


def made_up(
    service_url: str, rest_port: int, *, hotline_number: str, tokens: dict[str, str], password: str
) -> DemoCarrier:
    """A carrier with fresh random secrets."""
    return DemoCarrier(
        service_url=service_url,
        rest_port=rest_port,
        account_sid=f"AC{secrets.token_hex(16)}",
        auth_token=secrets.token_hex(16),
        api_key=f"SK{secrets.token_hex(16)}",
        api_secret=secrets.token_hex(16),
        hotline_number=hotline_number,
        password=password,
        tokens=tokens,
    )


def demo_file(data_dir: Path) -> Path:
    """Where it is kept."""
    return data_dir / _NAME


def write_demo(data_dir: Path, demo: DemoCarrier) -> None:
    """Keep it, readable by this user only; replaces an older one in one step. Raises OSError."""
    data_dir.mkdir(parents=True, exist_ok=True)
    # mkstemp makes the file for its owner alone (0600), before anything is in it.
    handle, draft = tempfile.mkstemp(dir=data_dir, prefix=f".{_NAME}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(asdict(demo), file, ensure_ascii=False, indent=2)
        Path(draft).replace(demo_file(data_dir))
    except OSError:
        Path(draft).unlink(missing_ok=True)
        raise


def read_demo(data_dir: Path) -> DemoCarrier | None:
    """What was kept, None where there is nothing.

    Raises:
        CommandFailed: it cannot be read, or is not ours.
    """
    path = demo_file(data_dir)
    try:
        return DemoCarrier(**json.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise CommandFailed(
            f"{path} cannot be read ({error}). Remove it and start the demo on an empty database."
        ) from error
