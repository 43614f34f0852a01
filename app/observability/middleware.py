"""Every request has an id, and leaves one line in the log."""

import re
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from time import perf_counter
from typing import Any

import structlog

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

REQUEST_ID_HEADER = b"x-request-id"
_ACCEPTED_ID = re.compile(rb"[A-Za-z0-9_-]{1,64}")
_LONGEST_PATH = 200
_UNLOGGED = frozenset({"/healthz", "/metrics"})

log = structlog.get_logger()


class RequestContext:
    """ASGI middleware: binds `request_id` for the log, answers with it, and writes one line a request.

    The id is the request's own X-Request-ID when that is 1 to 64 of `A–Z a–z 0–9 _ -`, else a fresh one. It is also at
    `scope["state"]["request_id"]`. The line names the parameters of a path instead of showing them; a path that no
    route took is logged masked and cut. `/healthz` and `/metrics` leave no line.

    What is bound stays bound when the application raises, so that the server's own report of it carries the id.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; raises what the application raises."""
        kind = scope["type"]
        if kind == "http":
            await self._serve_request(scope, receive, send)
        elif kind == "websocket":
            await self._serve_socket(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _serve_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = perf_counter()
        request_id = begin_request(scope)
        # Nobody has seen any other answer than the server's own for an exception.
        status = 500

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (REQUEST_ID_HEADER, request_id.encode())]
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        finally:
            if scope["path"] not in _UNLOGGED:
                log_request(scope, status, started)

    async def _serve_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = perf_counter()
        begin_request(scope)
        # RFC 6455, section 7.4.1: 1006 is what neither side ever sends: the connection just broke off.
        code = 1006

        async def receive_and_note() -> Message:
            nonlocal code
            message = await receive()
            if message["type"] == "websocket.disconnect":
                code = message.get("code", code)
            return message

        async def send_and_note(message: Message) -> None:
            nonlocal code
            if message["type"] == "websocket.close":
                code = message.get("code", 1000)
            await send(message)

        try:
            await self.app(scope, receive_and_note, send_and_note)
        finally:
            log.info("socket closed", path=_path(scope), code=code, ms=_ms_since(started))


def begin_request(scope: Scope) -> str:
    """Bind the request's id for the log, and nothing that an earlier request may have left; returns the id."""
    request_id = _given_id(scope) or secrets.token_hex(8)
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=request_id)
    scope.setdefault("state", {})["request_id"] = request_id
    return request_id


def log_request(scope: Scope, status: int, started: float) -> None:
    """Write a request's one line; `started` is what `perf_counter` said when it came."""
    log.info("request", method=scope["method"], path=_path(scope), status=status, ms=_ms_since(started))


def _given_id(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == REQUEST_ID_HEADER:
            return value.decode() if _ACCEPTED_ID.fullmatch(value) else None
    return None


def _path(scope: Scope) -> str:
    """The path with its parameters named, as in `/calls/{call_id}`: what they hold is nobody's business here.

    Put together from what ASGI and Starlette promise to leave in the scope; the matched route's own template lacks the
    prefixes of the routers around it.
    """
    path: str = scope["path"]
    parameters = scope.get("path_params")
    if not parameters:
        return path[:_LONGEST_PATH]
    names = {str(value): f"{{{name}}}" for name, value in parameters.items() if value != ""}
    return "/".join(names.get(part, part) for part in path.split("/"))[:_LONGEST_PATH]


def _ms_since(started: float) -> float:
    return round((perf_counter() - started) * 1000, 1)
