"""Time as the simulator sees it.

Two kinds of time are kept apart. *Call time* is how long people ring, talk and wait: it runs as fast as `Pace.speed`
says, so that a test of a 20-second ring takes a fraction of a second. *Wall time* is what timestamps in requests say:
it is always the real one, because the service compares it with its own clock.
"""

import asyncio
import time
import unicodedata
from datetime import UTC, datetime
from typing import Protocol

CJK_CHARACTERS_PER_SECOND = 4.5
OTHER_CHARACTERS_PER_SECOND = 15.0


class Clock(Protocol):
    """Where the simulator takes all of its time from."""

    def now(self) -> datetime:
        """Wall time, aware, UTC."""

    def seconds(self) -> float:
        """Call time in seconds since some fixed moment."""

    async def sleep(self, seconds: float) -> None:
        """Let `seconds` of call time pass."""


class Pace:
    """Call time that runs `speed` times as fast as the wall clock (1 is real time, 50 is for tests).

    Raises ValueError where `speed` is not a positive number.
    """

    def __init__(self, speed: float = 1.0) -> None:
        if not 0 < speed < float("inf"):
            raise ValueError(f"speed must be a positive number, not {speed!r}")
        self.speed = speed

    def now(self) -> datetime:
        """Wall time, aware, UTC."""
        return datetime.now(UTC)

    def seconds(self) -> float:
        """Call time in seconds since some fixed moment."""
        return time.monotonic() * self.speed

    async def sleep(self, seconds: float) -> None:
        """Let `seconds` of call time pass."""
        await asyncio.sleep(seconds / self.speed)


def speech_seconds(text: str) -> float:
    """How long a voice takes to say `text`, in seconds: at least half a second, Chinese by the character."""
    wide = sum(1 for character in text if unicodedata.east_asian_width(character) in "WF")
    return max(0.5, wide / CJK_CHARACTERS_PER_SECOND + (len(text) - wide) / OTHER_CHARACTERS_PER_SECOND)
