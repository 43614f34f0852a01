"""`callcard serve`: uvicorn with what a hotline needs of it, one process or several."""

import asyncio
import errno
import os
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final, NoReturn

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from app.cli.console import CommandFailed
from app.cli.database import current_database
from app.config import LogFormat, Settings, load_settings
from app.embedded_postgres import EmbeddedPostgres
from app.observability import metrics
from app.observability.logging import configure_logging

_APPLICATION: Final = "app.main:create_app"

# Ping every 10 s, wait 10 s for the pong: a client that is half open is found within 20 s.
_PING_SECONDS: Final = 10.0
_GRACEFUL_SECONDS: Final = 10
_LARGEST_MESSAGE: Final = 16 * 1024
# A worker that says nothing for so long is replaced; a new one has its modules to read first, on a busy machine.
_SILENT_SECONDS: Final = 30


class _Config(uvicorn.Config):
    """Uvicorn's settings, with our own logging in every process; sent to workers, so it holds nothing but values."""

    def __init__(self, *, host: str, port: int, workers: int, log_format: LogFormat) -> None:
        self._log_format = log_format
        super().__init__(
            _APPLICATION,
            factory=True,
            host=host,
            port=port,
            workers=workers,
            ws_ping_interval=_PING_SECONDS,
            ws_ping_timeout=_PING_SECONDS,
            # A card is 3 KB: compressing it costs more than sending it, and a compressor's memory for every open tab.
            ws_per_message_deflate=False,
            ws_max_size=_LARGEST_MESSAGE,
            timeout_graceful_shutdown=_GRACEFUL_SECONDS,
            timeout_worker_healthcheck=_SILENT_SECONDS,
            access_log=False,
            log_config=None,
            # Forwarded headers are believed from our own proxies only, and the application knows those.
            proxy_headers=False,
            server_header=False,
        )

    def configure_logging(self) -> None:
        """Called by uvicorn in each process before anything is said."""
        configure_logging(self._log_format.value)


class _Server(uvicorn.Server):
    """A server that says when it serves."""

    def __init__(self, config: uvicorn.Config, once_serving: Callable[[], None] | None) -> None:
        super().__init__(config)
        self._once_serving = once_serving

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start as uvicorn does, then say so."""
        await super().startup(sockets)
        if self.started and self._once_serving is not None:
            self._once_serving()


class _Workers(Multiprocess):
    """Several processes; one that ends is replaced, and its gauges are taken out of the figures."""

    def keep_subprocess_alive(self) -> None:
        """Called by uvicorn twice a second."""
        before = {process.pid for process in self.processes}
        super().keep_subprocess_alive()
        for pid in before - {process.pid for process in self.processes}:
            if pid is not None:
                metrics.forget_process(pid)


def settings_for_port(port: int) -> Settings:
    """The settings, with a public URL that fits the port where none was set. Raises ConfigError."""
    settings = load_settings()
    if not settings.is_production and "public_url" not in settings.model_fields_set:
        os.environ["CALLCARD_PUBLIC_URL"] = f"http://127.0.0.1:{port}"
        settings = load_settings()
    return settings


@contextmanager
def held_database(settings: Settings) -> Iterator[None]:
    """Keep the embedded database up while this lasts, through restarts of workers; nothing to do for another one.

    On SIGTERM the block is left as on any exception, so that the database is shut down, too.

    Raises:
        CommandFailed, EmbeddedPostgresError: the database cannot be reached, or its schema is another version's.
    """
    signal.signal(signal.SIGTERM, _leave)
    server = None
    if settings.database_url is None:
        server = EmbeddedPostgres.start(settings.data_dir / "postgres")
    try:
        asyncio.run(_check(settings))
        yield
    finally:
        if server is not None:
            server.stop()


async def _check(settings: Settings) -> None:
    async with current_database(settings):
        pass


def _leave(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


def serve(
    settings: Settings, host: str, port: int, workers: int, *, once_serving: Callable[[], None] | None = None
) -> None:
    """Serve until told to stop (SIGINT, SIGTERM): no more connections then, and ten seconds for what is under way.

    The processes read the settings from the environment themselves.

    Raises:
        CommandFailed: the address cannot be had, or the service did not start; its log says why.
    """
    config = _Config(host=host, port=port, workers=workers, log_format=settings.log_format)
    with _listen(host, port) as listener, suppress(KeyboardInterrupt):
        exit_code = _serve_alone(config, listener, once_serving) if workers == 1 else _serve_together(config, listener)
        if exit_code:
            raise CommandFailed("The service did not start; what went wrong stands above.", exit_code=exit_code)


def _serve_alone(config: _Config, listener: socket.socket, once_serving: Callable[[], None] | None) -> int:
    server = _Server(config, once_serving)
    server.run([listener])
    return 0 if server.started else STARTUP_FAILURE


def _serve_together(config: _Config, listener: socket.socket) -> int:
    with tempfile.TemporaryDirectory(prefix="callcard-metrics-") as folder:
        # Before any worker is born: the metrics library looks for it when it is imported.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        supervisor = _Workers(config, [listener])
        supervisor.run()
        failed = any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes)
    return STARTUP_FAILURE if failed else 0


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, *_, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.create_server((str(where[0]), port), family=family, backlog=2048)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CommandFailed(
                f"Port {port} is taken, perhaps by another Callcard. Stop that, or choose another port with --port."
            ) from error
        raise CommandFailed(f"Cannot listen at {host}:{port}: {error.strerror or error}") from error
    listener.set_inheritable(True)
    return listener
