"""The way to PostgreSQL: one engine for use cases, one lean pool for the ringing call, and the only commit.

A request or a job is one transaction: `Database.session_scope()` opens it, commits it, and only then hands on what was
noted in `after_commit(session)`: whom to wake, what to ask of the carrier. Nothing is said to anybody about a
transaction that may still fail, and no NOTIFY is sent inside one (it would serialise every commit).

The voice webhook goes through `Database.lane` instead: asyncpg without an ORM, where one statement is one
transaction. `docs/call-path.md` has the figures that decided it.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from app.telephony.port import CarrierAct

ASKED_AFTER_SECONDS = 5.0
"""A connection that has rested for longer is asked whether it is still there before it is used."""

_NOTES = "after_commit"
_USED_AT = "used_at"

_OUTAGES = (
    OSError,
    TimeoutError,
    PoolTimeout,
    asyncpg.InterfaceError,
    # What the driver says when its connection breaks in the middle of things.
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.TransactionRollbackError,
)

# The lane's statements are large and look everything up by index. Planned anew they cost more than they run; and a plan
# that was made while a table was still empty must not read it from end to end ever after.
_LANE_SETTINGS = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "jit": "off"}


@dataclass(slots=True)
class AfterCommit:
    """What is to happen once the transaction stands: agents to wake, up to which event; acts of the carrier."""

    agents: dict[UUID, int] = field(default_factory=dict)
    acts: list[CarrierAct] = field(default_factory=list)


def after_commit(session: AsyncSession) -> AfterCommit:
    """The notes of this session's transaction, to be added to by services."""
    notes: AfterCommit = session.info.setdefault(_NOTES, AfterCommit())
    return notes


class Statement:
    """One SQL text with `:name` parameters, usable on the lane (as `$1`) and in a session (as it is).

    Args:
        text: SQL; every parameter is cast where its type does not follow from its place. A colon that is not a
            parameter's (other than `::`) is not allowed.
    """

    _NAME = re.compile(r"(?<![:\w]):([a-z_][a-z0-9_]*)")

    def __init__(self, text: str) -> None:
        self.text = text
        names: dict[str, int] = {}
        self.sql = self._NAME.sub(lambda found: f"${names.setdefault(found[1], len(names) + 1)}", text)
        self.names = tuple(names)

    def args(self, **values: Any) -> list[Any]:
        """The values in the order in which `sql` counts them. Raises KeyError for a missing one."""
        return [values[name] for name in self.names]


def is_outage(error: BaseException) -> bool:
    """True when the same may do later: the database is away, full, starting or too slow, or it ended a deadlock by us.

    False when we asked wrongly.
    """
    if isinstance(error, DBAPIError) and error.orig is not None:
        error = error.orig.__cause__ or error.orig
    return isinstance(error, _OUTAGES)


def async_url(dsn: str) -> URL:
    """SQLAlchemy's form of a `postgresql://` (or `postgres://`) address, for asyncpg."""
    return make_url(dsn.replace("postgres://", "postgresql://", 1)).set(drivername="postgresql+asyncpg")


def driver_dsn(dsn: str) -> str:
    """asyncpg's own form of an address that may carry a SQLAlchemy driver name."""
    url = make_url(dsn.replace("postgres://", "postgresql://", 1)).set(drivername="postgresql")
    return url.render_as_string(hide_password=False)


def _check_alive(connection: Any, entry: ConnectionPoolEntry, _given_out: Any) -> None:
    """No connection is given out that has ended; the pool makes another instead.

    What the server ended we have been told of. Of what the network lost nothing is heard, so a connection is asked
    after it has rested: asking each time costs a transaction of its own, as much as many a request.
    """
    if connection.driver_connection.is_closed():
        raise DisconnectionError("the server ended it")
    if time.monotonic() - entry.info.get(_USED_AT, time.monotonic()) > ASKED_AFTER_SECONDS:
        try:
            connection.ping()
        except Exception as error:
            raise DisconnectionError("it does not answer") from error


def _note_use(_connection: Any, entry: ConnectionPoolEntry) -> None:
    entry.info[_USED_AT] = time.monotonic()


async def _keep_as_is(_connection: asyncpg.Connection) -> None:
    """Nothing on the lane changes a connection's settings, so the pool need not reset them after every use."""


class Database:
    """Connections to one PostgreSQL.

    Args:
        dsn: `postgresql://…`; a Unix socket is named by `?host=/folder`.
        pool_size: connections for use cases (through SQLAlchemy).
        lane_size: connections for the ringing call (asyncpg); 0 leaves the lane closed.
        settings: server settings for every connection, such as `{"synchronous_commit": "off"}`.
    """

    def __init__(
        self,
        dsn: str,
        *,
        pool_size: int = 10,
        lane_size: int = 8,
        settings: dict[str, str] | None = None,
    ) -> None:
        self.dsn = driver_dsn(dsn)
        self._settings = {"application_name": "callcard", "TimeZone": "UTC", **(settings or {})}
        self._lane_size = lane_size
        self._lane: asyncpg.Pool | None = None
        self._lane_opening = asyncio.Lock()
        self.engine: AsyncEngine = create_async_engine(
            async_url(dsn),
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=3,
            connect_args={"server_settings": self._settings, "timeout": 3},
        )
        event.listen(self.engine.sync_engine, "checkout", _check_alive)
        event.listen(self.engine.sync_engine, "checkin", _note_use)
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)
        self._listeners: list[Callable[[AfterCommit], None]] = []

    def on_commit(self, listener: Callable[[AfterCommit], None]) -> None:
        """Have `listener` called, without waiting for it, with the notes of every transaction that was committed."""
        self._listeners.append(listener)

    def announce(self, notes: AfterCommit) -> None:
        """Hand notes of something already committed (by the lane) to the listeners."""
        for listener in self._listeners:
            listener(notes)

    @asynccontextmanager
    async def session_scope(self) -> AsyncIterator[AsyncSession]:
        """One transaction: committed when the block ends, rolled back when it raises."""
        async with self._sessions() as session:
            yield session
            await session.commit()
            notes: AfterCommit | None = session.info.pop(_NOTES, None)
        if notes is not None:
            self.announce(notes)

    async def lane(self) -> asyncpg.Pool:
        """The lean pool, opened at first use and again after the database was away.

        Raises:
            OSError, asyncpg.PostgresError, TimeoutError: the database cannot be reached; `is_outage` knows them.
        """
        if self._lane is not None:
            return self._lane
        async with self._lane_opening:
            if self._lane is None:
                self._lane = await asyncpg.create_pool(
                    self.dsn,
                    min_size=min(2, self._lane_size),
                    max_size=self._lane_size,
                    timeout=3,
                    reset=_keep_as_is,
                    max_inactive_connection_lifetime=0,
                    max_cached_statement_lifetime=0,
                    # The driver would not keep a statement as long as the ringing call's: it was planned for each call.
                    max_cacheable_statement_size=0,
                    server_settings={**self._settings, **_LANE_SETTINGS},
                )
            return self._lane

    async def connect(self) -> asyncpg.Connection:
        """A connection of its own, for listening; the caller closes it. Raises what `lane` raises."""
        return await asyncpg.connect(self.dsn, server_settings=self._settings, timeout=3)

    async def aclose(self) -> None:
        """Close every connection."""
        if self._lane is not None:
            self._lane.terminate()
        await self.engine.dispose()
