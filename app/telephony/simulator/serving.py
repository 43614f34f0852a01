"""Serves the simulated REST API on a socket, beside whatever else the process does."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import uvicorn
from starlette.types import ASGIApp
from uvicorn.config import WSProtocolType

from app.telephony.simulator.line import Line
from app.telephony.simulator.rest import rest_app


@contextlib.asynccontextmanager
async def serve_app(
    app: ASGIApp, *, host: str = "127.0.0.1", port: int = 0, ws: WSProtocolType = "none"
) -> AsyncIterator[str]:
    """Serve an ASGI app, but for its lifespan, while the context lasts; gives its base URL (`http://127.0.0.1:PORT`).

    Port 0 takes a free one. Raises OSError where the address cannot be had.

    Uvicorn's own loop is left out: it waits a tenth of a second at a time and takes the process's signals.
    """
    # asyncio sends at once (TCP_NODELAY) only on sockets that are expressly TCP; on others an answer's body waits 40 ms
    # behind its head for the client's delayed acknowledgement.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws=ws,
            proxy_headers=False,
            timeout_graceful_shutdown=1,
        )
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup([listening])
        try:
            yield f"http://{host}:{listening.getsockname()[1]}"
        finally:
            await _stop(server)


async def _stop(server: uvicorn.Server) -> None:
    for each in server.servers:
        each.close()
    # The ends of clients that are closed reach the loop within a round or two. Whoever is still there is shut out.
    for _ in range(20):
        if not server.server_state.connections:
            return
        await asyncio.sleep(0)
    await server.shutdown()


@contextlib.asynccontextmanager
async def serve_rest(line: Line, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve `rest_app(line)` likewise."""
    async with serve_app(rest_app(line), host=host, port=port) as url:
        yield url
