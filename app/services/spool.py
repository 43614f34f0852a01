"""Carrier requests on disk while the database is away: fsynced one by one, replayed once and in order.

A file a request, named by a UUIDv7 so that their names sort by time. A file appears under its name complete or not at
all, and goes away after what it says is in the database; killed at any instant, a process leaves only files that
the next one replays, and what was replayed already is recognised by the database's own unique keys. Any process that
sees the same folder may replay, one at a time (an advisory lock on the folder).
"""

import fcntl
import json
import os
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import structlog

from app.models.base import new_id
from app.observability import metrics

_SUFFIX: Final = ".json"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Spooled:
    """A verified carrier request as it came: the route's name, its form body, and when.

    `name` is the file's; empty for one that the disk would not take and that is only in memory.
    """

    route: str
    body: str
    received_at: datetime
    name: str = ""


class Spool:
    """The folder and, for when even the disk refuses, a list in memory.

    Args:
        folder: made if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._refused: deque[Spooled] = deque()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        metrics.spool_depth.set(self.depth())

    def put(self, item: Spooled) -> bool:
        """Keep a request: on return it has reached the disk. Blocks for as long as the disk takes.

        Returns:
            False when the disk would not take it (full, read-only): it is then kept in memory only, and the log says
            so.
        """
        metrics.spooled.inc()
        try:
            self._write(item)
        except OSError as error:
            self._refused.append(item)
            log.critical("spool_refused", error=error.strerror, route=item.route, folder=str(self._folder))
            return False
        finally:
            metrics.spool_depth.set(self.depth())
        return True

    def _write(self, item: Spooled) -> None:
        name = f"{new_id()}{_SUFFIX}"
        draft = self._folder / f".{name}"
        content = json.dumps({"route": item.route, "body": item.body, "received_at": item.received_at.isoformat()})
        try:
            with draft.open("w", encoding="utf-8") as file:
                os.fchmod(file.fileno(), 0o600)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._folder / name)
        except OSError:
            draft.unlink(missing_ok=True)
            raise
        self._sync_folder()

    def _sync_folder(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def depth(self) -> int:
        """How many requests wait."""
        return sum(1 for _ in self._names()) + len(self._refused)

    @property
    def is_refused(self) -> bool:
        """True while requests are kept in memory only, because the disk would not take them."""
        return bool(self._refused)

    def _names(self) -> Iterator[str]:
        return iter(sorted(path.name for path in self._folder.glob(f"*{_SUFFIX}") if not path.name.startswith(".")))

    @contextmanager
    def claimed(self) -> Iterator[bool]:
        """Be the one who replays: yields whether nobody else is."""
        with (self._folder / ".lock").open("a", encoding="ascii") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True

    def waiting(self) -> Iterator[Spooled]:
        """What waits, the oldest first. A file that cannot be read is set aside, with an error in the log."""
        for name in self._names():
            try:
                content: dict[str, Any] = json.loads((self._folder / name).read_text(encoding="utf-8"))
                yield Spooled(
                    route=content["route"],
                    body=content["body"],
                    received_at=datetime.fromisoformat(content["received_at"]),
                    name=name,
                )
            except FileNotFoundError:
                continue
            except (ValueError, KeyError, TypeError) as error:
                self.set_aside(Spooled("", "", datetime.now(UTC), name), error)
        while self._refused:
            yield self._refused[0]

    def done(self, item: Spooled) -> None:
        """Forget a request that is in the database now."""
        if item.name:
            (self._folder / item.name).unlink(missing_ok=True)
            self._sync_folder()
        elif self._refused and self._refused[0] is item:
            self._refused.popleft()
        metrics.spool_depth.set(self.depth())

    def set_aside(self, item: Spooled, error: Exception) -> None:
        """Keep a request that cannot be replayed out of the others' way, in `failed/`, and say so loudly."""
        log.error("spool_set_aside", name=item.name, route=item.route, exc_info=error)
        if not item.name:
            self._refused.popleft()
            return
        aside = self._folder / "failed"
        aside.mkdir(exist_ok=True, mode=0o700)
        (self._folder / item.name).replace(aside / item.name)
        metrics.spool_depth.set(self.depth())
