"""Connections that ended while nobody used them are not given out again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app import db
from app.db import Database


class Network:
    """What lies between us and the server; what it has forgotten it ends at the next word."""

    def __init__(self) -> None:
        self._forgotten: set[asyncio.Transport] = set()
        self._open: set[asyncio.Transport] = set()

    def forget(self) -> None:
        """Forget all connections that there are; neither side hears of it."""
        self._forgotten |= self._open

    @asynccontextmanager
    async def to(self, socket: Path, near: Path) -> AsyncIterator[None]:
        """Lead from one socket to another."""
        loop = asyncio.get_running_loop()

        async def open_(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            far_reader, far_writer = await asyncio.open_unix_connection(str(socket))
            self._open.add(writer.transport)
            back = loop.create_task(_carry(far_reader, writer))
            while words := await reader.read(1 << 16):
                if writer.transport in self._forgotten:
                    writer.transport.abort()
                    break
                far_writer.write(words)
            far_writer.close()
            await back

        async with await asyncio.start_unix_server(open_, str(near)):
            yield


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while words := await reader.read(1 << 16):
        writer.write(words)
    writer.close()


async def _backend(database: Database) -> int:
    async with database.session_scope() as session:
        pid = await session.scalar(text("SELECT pg_backend_pid()"))
    assert isinstance(pid, int)
    return pid


async def test_a_connection_is_used_again(database: Database) -> None:
    assert await _backend(database) == await _backend(database)


async def test_a_connection_that_the_server_ended_is_not_given_out(database: Database) -> None:
    first = await _backend(database)
    connection = await database.connect()
    await connection.execute("SELECT pg_terminate_backend($1, 5000)", first)
    await connection.close()

    assert await _backend(database) != first


async def test_a_connection_that_rested_and_does_not_answer_is_not_given_out(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder,), (port,) = (parse_qs(urlsplit(database_url).query)[name] for name in ("host", "port"))
    network = Network()
    async with network.to(Path(folder) / f".s.PGSQL.{port}", tmp_path / f".s.PGSQL.{port}"):
        database = Database(database_url.replace(folder, str(tmp_path)), pool_size=1, lane_size=0)
        try:
            first = await _backend(database)
            network.forget()
            monkeypatch.setattr(db, "ASKED_AFTER_SECONDS", -1)
            assert await _backend(database) != first

            network.forget()
            monkeypatch.setattr(db, "ASKED_AFTER_SECONDS", 5)
            with pytest.raises(DBAPIError) as failed:
                await _backend(database)
            assert db.is_outage(failed.value)
            await _backend(database)
        finally:
            await database.aclose()
