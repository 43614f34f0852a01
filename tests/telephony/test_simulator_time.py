"""Time in the simulator: it can be hurried, and whatever was in time counts even where it is noticed too late."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest

from app.telephony.simulator import Pace
from app.telephony.simulator.clock import speech_seconds
from app.telephony.simulator.ears import Ears


async def test_call_time_runs_as_fast_as_is_wanted() -> None:
    pace = Pace(200)
    real, call = time.monotonic(), pace.seconds()

    await pace.sleep(10)

    assert 0.05 <= time.monotonic() - real < 5
    assert pace.seconds() - call >= 10


def test_timestamps_are_never_hurried() -> None:
    assert abs(Pace(1000).now() - datetime.now(UTC)) < timedelta(seconds=5)


@pytest.mark.parametrize("speed", [0, -1, float("inf"), float("nan")])
def test_time_does_not_stand_still_or_run_backwards(speed: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        Pace(speed)


def test_speech_takes_time_by_its_length() -> None:
    assert speech_seconds("") == 0.5
    assert speech_seconds("x" * 150) == pytest.approx(10)
    assert speech_seconds("鲁先生您好鲁先生") == pytest.approx(8 / 4.5)


class _HandClock(Pace):
    """A clock whose sleeps end when a test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.up = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        await self.up.wait()


@pytest.mark.parametrize("turns", [0, 1, 2])
async def test_a_key_in_time_counts_though_the_time_is_up(turns: int) -> None:
    clock = _HandClock()
    ears = Ears(clock)
    listening = asyncio.create_task(ears.next_key(5))
    for _ in range(3):
        await asyncio.sleep(0)  # lets it start to listen

    clock.up.set()
    for _ in range(turns):  # of the event loop, until the listener would notice that the time is up
        await asyncio.sleep(0)
    ears.hear("12")

    assert await listening == "1"
    assert await ears.next_key(5) == "2"
    assert await ears.next_key(5) is None
