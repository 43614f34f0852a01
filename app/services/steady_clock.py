"""A clock for those who must not call anybody at the wrong hour because a machine's clock was set."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

MOST_APART: Final = timedelta(minutes=1)
"""Clocks that differ by no more are taken to agree."""

log = structlog.get_logger("callcard.clock")


@dataclass(frozen=True, slots=True)
class Reading:
    """What time it is, by those clocks that count: one moment where they agree, the earliest and the latest else."""

    earliest: datetime
    latest: datetime

    @property
    def moments(self) -> tuple[datetime, ...]:
        """Each of them once."""
        return (self.earliest,) if self.earliest == self.latest else (self.earliest, self.latest)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class SteadyClock:
    """The wall clock, doubted while it does not go with a stop-watch that was started with it.

    A wall clock that leaps by an hour may be right now or have been right before; nobody here can tell. Whatever must
    not come too early has to be due, and in its calling window, by both, until they agree again or the process is new.

    Args:
        wall: the wall clock, aware.
        stop_watch: seconds since any moment; it never leaps.
    """

    def __init__(
        self, wall: Callable[[], datetime] = _utc_now, stop_watch: Callable[[], float] = time.monotonic
    ) -> None:
        self._wall = wall
        self._stop_watch = stop_watch
        self._began_at = wall()
        self._began = stop_watch()
        self._doubted = False

    def read(self) -> Reading:
        """What time it is."""
        wall = self._wall()
        counted = self._began_at + timedelta(seconds=self._stop_watch() - self._began)
        doubted = abs(wall - counted) > MOST_APART
        if doubted and not self._doubted:
            log.error(
                "the clock has leapt; calls are placed only where both times allow it", wall=wall, counted=counted
            )
        self._doubted = doubted
        return Reading(min(wall, counted), max(wall, counted)) if doubted else Reading(wall, wall)
