"""How any error is answered: `application/problem+json` (RFC 9457), over HTTP and when a WebSocket is opened."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPMethod, HTTPStatus
from typing import Any, Final, cast

import structlog
from fastapi import FastAPI, Request, Response, WebSocket
from fastapi.exceptions import RequestValidationError, WebSocketRequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import ASGIApp, HTTPExceptionHandler, Message, Receive, Scope, Send
from starlette.websockets import WebSocketState

from app.db import is_outage
from app.domain.working_calendar import CalendarUnknown
from app.errors import AppError, BadRequest, Invalid, NotAllowed, NotFound, NotSignedIn, TooLarge, Unavailable
from app.schemas.problem import MEDIA_TYPE, FieldError, Problem
from app.services.calendars import calendar_not_known

log = structlog.get_logger("callcard.problems")

_OUTAGE_RETRY_SECONDS: Final = 2
_INTERNAL_ERROR_CLOSE: Final = 1011  # RFC 6455, section 7.4.1

# What the framework itself refuses, by status.
_FRAMEWORK_KINDS: Final = {kind.status: kind for kind in (BadRequest, NotSignedIn, NotAllowed, NotFound, TooLarge)}


def answer_errors(app: FastAPI) -> None:
    """Have every error of `app` answered as a problem. Middleware added later stands around this."""
    # The framework's type is for a handler of one kind of connection; this one takes both.
    handler = cast("HTTPExceptionHandler", _answer_expected)
    kinds = (AppError, CalendarUnknown, HTTPException, RequestValidationError, WebSocketRequestValidationError)
    for kind in kinds:
        app.add_exception_handler(kind, handler)
    app.add_middleware(_UnexpectedErrors)


async def _answer_expected(connection: Request | WebSocket, error: Exception) -> Response | None:
    response = _response_to(error, connection.scope)
    if isinstance(connection, Request):
        return response
    if connection.application_state is WebSocketState.CONNECTING:
        await connection.send_denial_response(response)
    else:
        await connection.close(_INTERNAL_ERROR_CLOSE)
    return None


class _UnexpectedErrors:
    """ASGI middleware: an error that nobody expected is a 503 when the database is away, else a logged 500.

    The framework's own place for these is outside of all middleware, where an answer gets no request id.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection. Raises what happens after an answer has begun, for then there is no other."""
        begun = False

        async def send_and_note(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, send_and_note)
        except Exception as error:
            if begun or scope["type"] == "lifespan":
                raise
            await problem_response(error, scope)(scope, receive, send)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What is told about an error."""

    status: int
    code: str
    title: str
    detail: str
    extra: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


def _answer_to(error: Exception) -> _Answer:
    if isinstance(error, CalendarUnknown):
        # Raised in the middle of many a rule that counts days; said in the same words wherever.
        error = calendar_not_known(error)
    if isinstance(error, AppError):
        headers = dict(error.headers)
        if "retry_after" in error.extra:
            headers["Retry-After"] = str(math.ceil(error.extra["retry_after"]))
        if "location" in error.extra:
            headers["Location"] = error.extra["location"]
        return _Answer(error.status, error.code, error.title, error.detail, error.extra, headers)
    if isinstance(error, HTTPException):
        kind = _FRAMEWORK_KINDS.get(error.status_code)
        standard = HTTPStatus(error.status_code)
        code, title = (kind.code, kind.title) if kind else (standard.name.lower(), standard.phrase)
        return _Answer(error.status_code, code, title, f"{error.detail}.", headers=error.headers or {})
    if isinstance(error, (RequestValidationError, WebSocketRequestValidationError)):
        wrong = [FieldError(loc=list(each["loc"]), msg=each["msg"]).model_dump() for each in error.errors()]
        detail = "What was sent does not fit; `errors` says where."
        return _Answer(Invalid.status, Invalid.code, Invalid.title, detail, {"errors": wrong})
    if is_outage(error):
        detail = "The database cannot be reached right now. Try again in a moment."
        headers = {"Retry-After": str(_OUTAGE_RETRY_SECONDS)}
        return _Answer(Unavailable.status, Unavailable.code, Unavailable.title, detail, headers=headers)
    detail = "This is our mistake, and it has been logged; `instance` names the request."
    return _Answer(AppError.status, AppError.code, AppError.title, detail)


def problem_response(error: Exception, scope: Scope) -> Response:
    """The answer to an error that ended a request; one that nobody expected is logged."""
    if not isinstance(error, AppError):
        if is_outage(error):
            log.warning("the database is away", error=type(error).__name__)
        else:
            log.error("unexpected error", exc_info=error)
    return _response_to(error, scope)


def _response_to(error: Exception, scope: Scope) -> Response:
    answer = _answer_to(error)
    request_id = scope.get("state", {}).get("request_id")
    problem = Problem(
        type=f"urn:callcard:problem:{answer.code}",
        title=answer.title,
        status=answer.status,
        detail=answer.detail,
        code=answer.code,
        instance=f"urn:callcard:request:{request_id}" if request_id else None,
        **answer.extra,
    )
    # Escaped to ASCII: a payload's wrong member may be named with half of a surrogate pair, which UTF-8 cannot carry.
    body = json.dumps(problem.model_dump(mode="python", exclude_none=True))
    headers = dict(answer.headers)
    if answer.status == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_methods_at(scope))
    return Response(body, answer.status, headers, MEDIA_TYPE)


def _methods_at(scope: Scope) -> list[str]:
    """Every method that the address takes (RFC 9110, 15.5.6); the framework names those of its first route there."""
    routes = scope["app"].routes
    return [
        method
        for method in HTTPMethod
        if any(route.matches({**scope, "method": method.value})[0] is Match.FULL for route in routes)
    ]
