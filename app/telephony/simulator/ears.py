"""Keys that a person presses while somebody listens."""

import asyncio

from app.telephony.simulator.clock import Clock


class Ears:
    """Hears keys one at a time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._keys: asyncio.Queue[str] = asyncio.Queue()

    def hear(self, digits: str) -> None:
        """Keys were pressed."""
        for key in digits:
            self._keys.put_nowait(key)

    async def next_key(self, seconds: float) -> str | None:
        """The next key within `seconds` of call time, or None.

        A key that was pressed before the time was up is never missed, however late both are noticed.
        """
        getting = asyncio.create_task(self._keys.get())
        sleeping = asyncio.create_task(self._clock.sleep(seconds))
        try:
            await asyncio.wait({getting, sleeping}, return_when=asyncio.FIRST_COMPLETED)
            if getting.done():
                return getting.result()
            return None if self._keys.empty() else self._keys.get_nowait()
        finally:
            getting.cancel()
            sleeping.cancel()
