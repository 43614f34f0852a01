"""Carrier requests on disk while the database is away: fsynced one by one, replayed once and in order.

A file a request, named by a UUIDv7 so that their names sort by time. A file appears under its name complete or not at
all, and goes away after what it says is in the database; killed at any instant, a process leaves only files that
the next one replays, and what was replayed already is recognised by the database's own unique keys. Any process that
sees the same folder may replay, one at a time (an advisory lock on the folder).
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import structlog

from app.models.base import new_id
from app.observability import metrics

_SUFFIX: Final = ".json"
_DRAFT_SECONDS: Final = 60
"""A draft so old belongs to a process that was killed before it had told anybody that it has the request."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Spooled:
    """A verified carrier request as it came: the route's name, its form body, when, and its address's `query`.

    `sent_elsewhere` is true where the caller was sent to the fallback number or to voicemail. `name` is the one under
    which it waits; empty until then.
    """

    route: str
    body: str
    received_at: datetime
    sent_elsewhere: bool = False
    name: str = ""
    query: str = ""


class Spool:
    """The folder and, for when even the disk refuses, what is kept in memory.

    Args:
        folder: made if it is not there.

    Raises:
        OSError: the folder cannot be made or read.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._refused: dict[str, Spooled] = {}
        self._cannot_go: set[str] = set()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._forget_drafts()
        metrics.spool_depth.set(self.depth())

    def put(self, item: Spooled) -> bool:
        """Keep a request: on return it has reached the disk. Blocks for as long as the disk takes.

        Returns:
            False when the disk would not take it (full, read-only): it is then kept in memory only, and the log says
            so.
        """
        metrics.spooled.inc()
        name = f"{new_id()}{_SUFFIX}"
        try:
            self._write(name, item)
        except OSError as error:
            self._refused[name] = replace(item, name=name)
            log.critical("spool_refused", error=error.strerror, route=item.route, folder=str(self._folder))
            return False
        finally:
            metrics.spool_depth.set(self.depth())
        return True

    def _write(self, name: str, item: Spooled) -> None:
        draft = self._folder / f".{name}"
        content = json.dumps(
            {
                "route": item.route,
                "body": item.body,
                "received_at": item.received_at.isoformat(),
                "sent_elsewhere": item.sent_elsewhere,
                "query": item.query,
            }
        )
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

    def _forget_drafts(self) -> None:
        for draft in self._folder.glob(f".*{_SUFFIX}"):
            if draft.stat().st_mtime < time.time() - _DRAFT_SECONDS:
                draft.unlink(missing_ok=True)

    def depth(self) -> int:
        """How many requests wait."""
        return len(self._files()) + len(self._refused)

    @property
    def is_refused(self) -> bool:
        """True while requests are kept in memory only, because the disk would not take them."""
        return bool(self._refused)

    def _files(self) -> list[str]:
        try:
            names = {path.name for path in self._folder.iterdir()}
        except OSError as error:
            log.error("spool_unreadable", error=error.strerror, folder=str(self._folder))
            return []
        waiting = {name for name in names if name.endswith(_SUFFIX) and not name.startswith(".")}
        return sorted(waiting - self._cannot_go)

    @contextmanager
    def claimed(self) -> Iterator[bool]:
        """Be the one who replays: yields whether nobody else is."""
        try:
            lock = (self._folder / ".lock").open("a", encoding="ascii")
        except OSError as error:
            # Whoever cannot lock reads no files either, but what is in memory is nobody else's.
            log.error("spool_unreadable", error=error.strerror, folder=str(self._folder))
            yield True
            return
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True

    def waiting(self) -> Iterator[Spooled]:
        """What waits, the oldest first. A file that makes no sense is set aside, with an error in the log."""
        for name in sorted([*self._files(), *self._refused]):
            item = self._refused.get(name) or self._read(name)
            if item is not None:
                yield item

    def _read(self, name: str) -> Spooled | None:
        try:
            content: dict[str, Any] = json.loads((self._folder / name).read_text(encoding="utf-8"))
            return Spooled(
                route=content["route"],
                body=content["body"],
                received_at=datetime.fromisoformat(content["received_at"]),
                sent_elsewhere=content.get("sent_elsewhere", False),
                name=name,
                query=content.get("query", ""),
            )
        except (ValueError, KeyError, TypeError) as error:
            self.set_aside(Spooled("", "", datetime.now(UTC), name=name), error)
        except FileNotFoundError:
            pass  # another process has been quicker
        except OSError as error:
            log.error("spool_unreadable", error=error.strerror, name=name)
        return None

    def done(self, item: Spooled) -> None:
        """Forget a request that is in the database now."""
        if self._refused.pop(item.name, None) is None:
            try:
                (self._folder / item.name).unlink(missing_ok=True)
                self._sync_folder()
            except OSError as error:
                self._leave(item, error)
        metrics.spool_depth.set(self.depth())

    def set_aside(self, item: Spooled, error: Exception) -> None:
        """Keep a request that cannot be replayed out of the others' way, in `failed/`, and say so loudly."""
        log.error("spool_set_aside", name=item.name, route=item.route, exc_info=error)
        if self._refused.pop(item.name, None) is None:
            aside = self._folder / "failed"
            try:
                aside.mkdir(exist_ok=True, mode=0o700)
                (self._folder / item.name).replace(aside / item.name)
            except OSError as problem:
                self._leave(item, problem)
        metrics.spool_depth.set(self.depth())

    def _leave(self, item: Spooled, error: OSError) -> None:
        """Pass over a file that the disk does not let go, so that it does not hold up the others."""
        self._cannot_go.add(item.name)
        log.critical("spool_not_cleared", name=item.name, error=error.strerror)
