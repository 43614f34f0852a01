"""A PostgreSQL of one's own, and the ways in which it goes away."""

import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import psutil

from app.embedded_postgres import EmbeddedPostgres
from app.embedded_postgres.postmaster import Postmaster
from tests.support import TEMPLATE, make_template

# Unlike the server that all tests share, what this one has committed survives that it is killed.
SETTINGS = {"fsync": "off", "full_page_writes": "off"}


class OwnServer:
    """A server that may be killed, stopped and frozen, with databases at the newest schema."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server = EmbeddedPostgres.start(folder, settings=SETTINGS)
        self._has_template = False

    async def away(self, how: str, dsn: str) -> None:
        """Take it away: `killed`, `stopped`, `frozen`, or only for one database: `full`, `read only`."""
        name = urlsplit(dsn).path.strip("/")
        match how:
            case "killed":
                self._server.kill()
            case "stopped":
                postmaster = self._postmaster()
                assert postmaster is not None
                assert postmaster.end(signal.SIGQUIT, 10)
            case "frozen":
                for process in self._processes():
                    process.suspend()
            case "full":
                await self.as_superuser(f"ALTER DATABASE {name} CONNECTION LIMIT 0")
                await self._disconnect(name)
            case "read only":
                await self.as_superuser(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
                await self._disconnect(name)
            case _:
                raise ValueError(how)

    async def back(self, dsn: str) -> None:
        """Bring it back, whatever was done."""
        if self._postmaster() is None:
            self._server.restart()
        self._thaw()
        name = urlsplit(dsn).path.strip("/")
        await self.as_superuser(f"ALTER DATABASE {name} CONNECTION LIMIT -1")
        await self.as_superuser(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        await self._disconnect(name)

    async def _disconnect(self, name: str) -> None:
        # Settings of a database hold for new sessions only.
        await self.as_superuser(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE datname = '{name}' AND pid <> pg_backend_pid()"
        )

    @asynccontextmanager
    async def database(self) -> AsyncIterator[str]:
        """The address of a new database."""
        if not self._has_template:
            await make_template(self._server)
            self._has_template = True
        name = f"own_{uuid4().hex}"
        dsn = self._server.dsn(name)
        await self.as_superuser(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} OWNER callcard")
        try:
            yield dsn
        finally:
            await self.back(dsn)
            await self.as_superuser(f"DROP DATABASE {name} WITH (FORCE)")

    @contextmanager
    def running(self) -> Iterator["OwnServer"]:
        """Kill it in the end, however it was left."""
        try:
            yield self
        finally:
            self._thaw()
            self._server.kill()

    async def as_superuser(self, statement: str, dsn: str | None = None) -> None:
        """Run one statement in a database, or in `postgres`."""
        database = urlsplit(dsn).path.strip("/") if dsn else "postgres"
        connection = await asyncpg.connect(self._server.dsn(database, user="postgres"))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    @contextmanager
    def small_disk(self) -> Iterator[Path]:
        """A file system of 512 KB where the server may write; takes root."""
        cluster = self._folder.resolve() / "cluster"
        # Beside the data, where the server's account can go.
        place = cluster.with_name(f"small-{uuid4().hex}")
        place.mkdir()
        owner = cluster.stat()
        options = f"size=512k,mode=700,uid={owner.st_uid},gid={owner.st_gid}"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], check=True)
        try:
            yield place
        finally:
            subprocess.run(["umount", "--lazy", str(place)], check=True)
            place.rmdir()

    def _thaw(self) -> None:
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):
                process.resume()

    def _postmaster(self) -> Postmaster | None:
        return Postmaster.find(self._folder.resolve() / "cluster")

    def _processes(self) -> list[psutil.Process]:
        postmaster = self._postmaster()
        if postmaster is None:
            return []
        parent = psutil.Process(postmaster.pid)
        return [parent, *parent.children(recursive=True)]
