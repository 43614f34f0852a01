"""Serves the simulated REST API on a socket, beside whatever else the process does."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import uvicorn
from starlette.types import ASGIApp

from app.telephony.simulator.line import Line
from app.telephony.simulator.rest import rest_app


class _Server(uvicorn.Server):
    """A server that leaves signals to the process it is a guest in, and tells when it serves."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.serving = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.serving.set()


@contextlib.asynccontextmanager
async def serve_app(app: ASGIApp, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve an ASGI app while the context lasts; gives its base URL (`http://127.0.0.1:PORT`).

    Port 0 takes a free one. Raises OSError where the address cannot be had.
    """
    # asyncio sends at once (TCP_NODELAY) only on sockets that are expressly TCP; on others an answer's body waits 40 ms
    # behind its head for the client's delayed acknowledgement.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen()
        server = _Server(
            uvicorn.Config(
                app, log_config=None, access_log=False, lifespan="off", ws="none", timeout_graceful_shutdown=1
            )
        )
        running = asyncio.create_task(server.serve(sockets=[listening]))
        await server.serving.wait()
        try:
            yield f"http://{host}:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await running


@contextlib.asynccontextmanager
async def serve_rest(line: Line, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve `rest_app(line)` likewise."""
    async with serve_app(rest_app(line), host=host, port=port) as url:
        yield url
