"""The carrier's side: `POST /telephony/twilio/…`, signed, answered in TwiML.

Twilio posts forms. The signature is checked against the configured public URL before anything else is looked at; a
wrong or missing one is 403 and leaves no row. Whatever fails after that, the caller hears something sensible.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import structlog
from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from app.dependencies import CarrierDesk
from app.errors import AppError, BadRequest, NotAllowed, TooLarge
from app.observability import metrics
from app.observability.logging import bind_call
from app.observability.middleware import REQUEST_ID_HEADER, begin_request, log_request
from app.routers.problems import problem_response
from app.routers.security_headers import SECURITY_HEADERS
from app.schemas.problem import problems
from app.services.spool import Spooled
from app.telephony.port import Answer, EventKind
from app.telephony.twilio_events import IDEMPOTENCY_HEADER, ROUTES, call_event
from app.telephony.twilio_form import MAX_BODY_BYTES, parse_form
from app.telephony.twilio_signature import SIGNATURE_HEADER
from app.telephony.twiml import MEDIA_TYPE, SAFE_GOODBYE, render

_FORM: Final = b"application/x-www-form-urlencoded"
_JSON: Final = b"application/json"
_SIGNATURE: Final = SIGNATURE_HEADER.lower().encode()
_IDEMPOTENCY: Final = IDEMPOTENCY_HEADER.lower().encode()
_TOOK: Final = {kind: metrics.webhook_seconds.labels(route=kind) for kind in EventKind}

log = structlog.get_logger(__name__)


class BadSignature(NotAllowed):
    """The request was not signed by the carrier, or not for this address."""

    code = "bad_signature"
    title = "Wrong or missing signature"


class NotAForm(BadRequest):
    """Signed, but not a form."""

    status = 415
    code = "not_a_form"
    title = "Not a form"


async def answer(kind: EventKind, scope: Scope, receive: Receive) -> Response:
    """Check, understand and answer one request of the carrier's.

    Raises:
        BadSignature, NotAForm, TooLarge, TooManyFields, BadCallSid: nothing was done.
    """
    started = time.perf_counter()
    desk = scope["app"].state.runtime.carrier_desk
    assert desk is not None, "these routes are mounted only where there is a token to check signatures with"
    headers = dict(scope["headers"])
    target = scope["raw_path"].decode("ascii")
    if scope["query_string"]:
        target += "?" + scope["query_string"].decode("latin-1")
    signature = _text(headers.get(_SIGNATURE))
    body = await _body(headers, receive)
    content_type = headers.get(b"content-type", _FORM).partition(b";")[0].strip().lower()
    if content_type != _FORM:
        # Twilio signs what is no form by the SHA-256 of the body (its bodySHA256 parameter).
        if content_type == _JSON and desk.checker.valid_json(target, body, signature):
            raise NotAForm("This route takes the carrier's form posts.")
        _refuse()
    form = parse_form(body)
    if not desk.checker.valid(target, form, signature):
        _refuse()
    query = scope["query_string"].decode("latin-1")
    event = call_event(kind, form, datetime.now(UTC), idempotency_token=_text(headers.get(_IDEMPOTENCY)), query=query)
    bind_call(event.call_id)
    raw = Spooled(kind, body.decode("latin-1"), event.received_at, query=query)
    try:
        said = await desk.reception.answer(event, raw)
        response = _spoken(said, desk, event.received_at)
    except Exception as error:
        if kind in _TOLD and isinstance(error, AppError):
            raise
        metrics.voice_errors.inc()
        log.exception("carrier_request_failed", route=kind, provider_call_id=event.call_id)
        if kind in _TOLD:
            raise
        await desk.reception.keep_failed(raw)
        response = Response(_safe(kind, desk), media_type=MEDIA_TYPE)
    _TOOK[kind].observe(time.perf_counter() - started)
    return response


class CarrierDoor:
    """ASGI application: the carrier's posts, straight to `answer`.

    It does what the application's middleware does for everything else (an id, a line in the log, errors as problems,
    security headers) without its layers, which took a third of a ringing call's time in this process.
    """

    ROUTES: Final = {path: kind for kind, path in ROUTES.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one post to one of `ROUTES`."""
        started = time.perf_counter()
        request_id = begin_request(scope)
        # Nobody has seen any other answer than the server's own for an exception.
        status = 500
        try:
            try:
                response = await answer(self.ROUTES[scope["path"]], scope, receive)
            except Exception as error:  # noqa: BLE001 - the outermost place: whatever it is, it is answered
                response = problem_response(error, scope)
            response.raw_headers += [*SECURITY_HEADERS, (REQUEST_ID_HEADER, request_id.encode())]
            await response(scope, receive, send)
            status = response.status_code
        finally:
            log_request(scope, status, started)


def _text(header: bytes | None) -> str | None:
    return None if header is None else header.decode("latin-1")


def _refuse() -> None:
    metrics.rejected_signatures.inc()
    raise BadSignature(
        "The signature does not fit this request. CALLCARD_PUBLIC_URL must be the address that the carrier calls, "
        "and TWILIO_AUTH_TOKEN the account's own."
    )


async def _body(headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
    """The body, or TooLarge as soon as it is known to be more than anybody's form."""
    declared = headers.get(b"content-length", b"")
    if declared.isdigit() and int(declared) > MAX_BODY_BYTES:
        raise TooLarge(f"A carrier's form has at most {MAX_BODY_BYTES} bytes.")
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            raise TooLarge(f"A carrier's form has at most {MAX_BODY_BYTES} bytes.")
        if not message.get("more_body", False):
            return bytes(body)


def _spoken(said: Answer | None, desk: CarrierDesk, now: datetime) -> Response:
    if said is None:
        return Response(status_code=204)
    return Response(render(said, desk.links, now=now), media_type=MEDIA_TYPE)


def _safe(kind: EventKind, desk: CarrierDesk) -> str:
    """What keeps the caller when all else fails, without asking for a message twice or ringing a number for ever."""
    if kind in (EventKind.VOICEMAIL, EventKind.OUTBOUND, EventKind.OUTBOUND_RESULT):
        # It is an agent of ours who hears it, and nobody was to leave a message.
        return SAFE_GOODBYE
    return desk.safe_answer_after_dialling if kind is EventKind.DIAL_RESULT else desk.safe_answer


_TOLD: Final = {EventKind.STATUS, EventKind.RECORDING, EventKind.OUTBOUND_STATUS, EventKind.OUTBOUND_MACHINE}
_SUMMARIES: Final = {
    EventKind.VOICE: "A call rings.",
    EventKind.DIAL_RESULT: "What became of ringing somebody.",
    EventKind.WAIT: "A turn of the wait loop, or a key pressed in it.",
    EventKind.VOICEMAIL: "A message was left.",
    EventKind.RECORDING: "A recording can be fetched.",
    EventKind.STATUS: "A call's or leg's progress, in any order and any number of times.",
    EventKind.FALLBACK: "The carrier could not use our last answer (ErrorCode, ErrorUrl).",
    EventKind.OUTBOUND: "The agent of a call that we place has picked up.",
    EventKind.OUTBOUND_RESULT: "What became of ringing the customer of a call that we place.",
    EventKind.OUTBOUND_STATUS: "The progress of either leg of a call that we place.",
    EventKind.OUTBOUND_MACHINE: "Whether a machine answered the customer's phone.",
}
_REQUEST_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            _FORM.decode(): {
                "schema": {
                    "type": "object",
                    "required": ["CallSid"],
                    "properties": {
                        "CallSid": {"type": "string", "pattern": "^CA[0-9a-fA-F]{32}$"},
                        "From": {"type": "string"},
                        "To": {"type": "string"},
                        "CallStatus": {"type": "string"},
                    },
                    "additionalProperties": {"type": "string"},
                },
                "example": {
                    "CallSid": "CA0123456789abcdef0123456789abcdef",
                    "From": "+8613800138000",
                    "To": "+862155501000",
                    "CallStatus": "ringing",
                },
            }
        },
    },
    "parameters": [
        {
            "name": SIGNATURE_HEADER,
            "in": "header",
            "required": True,
            "schema": {"type": "string"},
            "description": "HMAC-SHA1 over the public URL and the form, keyed with the account's auth token.",
        }
    ],
}


def _handler(kind: EventKind) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        return await answer(kind, request.scope, request.receive)

    return handle


router = APIRouter(tags=["the carrier"])
for _kind in EventKind:
    router.add_api_route(
        ROUTES[_kind],
        _handler(_kind),
        methods=["POST"],
        operation_id=f"twilio_{_kind.value}",
        summary=_SUMMARIES[_kind],
        response_class=Response,
        status_code=204 if _kind in _TOLD else 200,
        response_model=None,
        responses={
            **({} if _kind in _TOLD else {200: {"description": "TwiML.", "content": {"text/xml": {}}}}),
            **problems(BadSignature, NotAForm, TooLarge, BadRequest),
        },
        openapi_extra=_REQUEST_BODY,
    )
