"""Each process's picture of the hotline, read anew every few seconds; kept as it was while the database is away."""

import asyncio

import structlog

from app.db import Database, is_outage
from app.services.hotline import REFRESH_SECONDS, Hotline, read_hotline

log = structlog.get_logger("callcard.hotline")


class HotlineKeeper:
    """Holds the newest `Hotline` for everybody in this process.

    Args:
        database: where it is read from.
        empty: what settings decide; it is the picture until the first `refresh`.
    """

    def __init__(self, database: Database, empty: Hotline) -> None:
        self._database = database
        self._empty = empty
        self._now = empty
        self._reading = asyncio.Lock()

    @property
    def now(self) -> Hotline:
        """The hotline as last read."""
        return self._now

    async def refresh(self) -> Hotline:
        """Read it anew, as one does after a change of one's own. Raises what the database raises."""
        # One at a time: of two at once, the one that read first could end last and put the older picture up.
        async with self._reading, self._database.session_scope() as session:
            self._now = await read_hotline(session, self._empty)
        return self._now

    async def keep(self) -> None:
        """Refresh every few seconds until cancelled. An outage is logged once and the old picture kept."""
        away = False
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            try:
                await self.refresh()
            except Exception as error:
                if not is_outage(error):
                    raise
                if not away:
                    log.warning("the set-up cannot be read; the last one is kept", error=type(error).__name__)
                away = True
            else:
                away = False
