"""What stands around an agent's open sockets: who is connected, who is gone, and the housekeeping."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import Database, is_outage
from app.models.calls import AgentEventType
from app.observability import metrics
from app.services import call_flow, presence
from app.services.agent_log import acknowledge
from app.services.hotline_keeper import HotlineKeeper
from app.services.offering import serve_next
from app.services.spool import Spool

GONE_AFTER_SECONDS: Final = 5.0
"""How long after their last socket closed an agent is still taken to be there: time enough to reload a page."""
ROUND_SECONDS: Final = 3.0
"""How often the housekeeper goes round."""
SETTLE_SECONDS: Final = 10.0
"""How long after an outage nobody is taken to be gone or late: first everybody has to say again that they are there."""

log = structlog.get_logger(__name__)


class Sockets:
    """The open sockets of this process, vouched for in the database, and what happens when one closes.

    Args:
        database: where connections and presence are kept.
        hotline: for giving away what a gone agent was offered.
        spool: what the carrier said while the database was away.
    """

    def __init__(self, database: Database, hotline: HotlineKeeper, spool: Spool) -> None:
        self._database = database
        self._hotline = hotline
        self._spool = spool
        self._disturbed_at = time.monotonic()
        self._open: dict[UUID, UUID] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    async def opened(self, agent_id: UUID) -> UUID:
        """Note an open socket; returns the connection's id."""
        async with self._database.session_scope() as session:
            connection_id = await presence.connected(session, agent_id, datetime.now(UTC))
        self._open[connection_id] = agent_id
        return connection_id

    def closed(self, connection_id: UUID) -> None:
        """Note that a socket has closed; if it was the agent's last, they are put offline a few seconds later."""
        agent_id = self._open.pop(connection_id)
        task = asyncio.create_task(self._leave(connection_id, agent_id))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _leave(self, connection_id: UUID, agent_id: UUID) -> None:
        try:
            async with self._database.session_scope() as session:
                gone_at = datetime.now(UTC) + timedelta(seconds=GONE_AFTER_SECONDS)
                await presence.closing(session, connection_id, gone_at)
            await asyncio.sleep(GONE_AFTER_SECONDS)
            async with self._database.session_scope() as session:
                await presence.disconnected(session, connection_id)
                await presence.put_offline_if_gone(session, agent_id, self._hotline.now, datetime.now(UTC))
        except Exception as error:
            # The housekeeper finds the connection that nobody vouches for, once the database is back.
            if is_outage(error):
                log.warning("disconnect_not_noted", agent_id=str(agent_id))
            else:
                log.exception("disconnect_failed", agent_id=str(agent_id))

    async def shown(self, agent_id: UUID, no: int) -> None:
        """Note that a tab has shown an event; the first showing of a card is what the pop's latency is measured by.

        While the database is away it is not noted: that is no reason to close a stream over which cards will come.
        """
        now = datetime.now(UTC)
        try:
            async with self._database.session_scope() as session:
                event = await acknowledge(session, agent_id, no, now)
        except Exception as error:
            if not is_outage(error):
                raise
            log.warning("shown_not_noted", agent_id=str(agent_id), event_no=no, error=type(error).__name__)
            return
        if event is not None and event.type == AgentEventType.CALL_OFFERED:
            metrics.pop_seconds.observe((now - event.at).total_seconds())

    async def keep_house(self) -> None:
        """Go round every few seconds until cancelled. Every process does; locks make one of them enough.

        Who has just left when this ends is left to the others: a process that stops puts nobody offline.
        """
        try:
            while True:
                await asyncio.sleep(ROUND_SECONDS)
                for duty in (self._vouch, self._clear_up, self._serve_idle):
                    await self._do(duty)
        finally:
            for task in self._leaving:
                task.cancel()

    async def _do(self, duty: Callable[[AsyncSession, datetime], Awaitable[None]]) -> None:
        began = time.monotonic()
        try:
            async with self._database.session_scope() as session:
                await duty(session, datetime.now(UTC))
        except Exception as error:
            # One failed round must not end all the later ones; an outage has been logged by whoever met it first.
            self._disturbed_at = time.monotonic()
            if not is_outage(error):
                log.exception("housekeeping_failed")
        if time.monotonic() - began > ROUND_SECONDS:
            self._disturbed_at = time.monotonic()

    async def _vouch(self, session: AsyncSession, now: datetime) -> None:
        if self._open:
            await presence.vouch(session, self._open, now)

    async def _clear_up(self, session: AsyncSession, now: datetime) -> None:
        # After an outage the record is behind: other processes have not vouched for their sockets yet, and an agent's
        # answer may still be in the spool. Whoever acted upon the record now would cut off people who talk.
        if time.monotonic() - self._disturbed_at < SETTLE_SECONDS or await asyncio.to_thread(self._spool.depth) > 0:
            return
        hotline = self._hotline.now
        for agent_id in sorted(await presence.gone_agents(session, now)):
            await presence.put_offline_if_gone(session, agent_id, hotline, now)
        for agent_id in sorted(await presence.overdue_reservations(session, now)):
            await presence.end_overdue_reservation(session, agent_id, hotline, now)
        await call_flow.forget_silent_callers(session, hotline, now)

    async def _serve_idle(self, session: AsyncSession, now: datetime) -> None:
        """The net under `serve_next`: somebody waits and somebody is free, so bring them together."""
        for free in await call_flow.idle_though_somebody_waits(session, limit=20):
            # A call served before them in this round may have gone to them: to their own customer's account manager.
            await session.refresh(free)
            await serve_next(session, free, self._hotline.now, now)
