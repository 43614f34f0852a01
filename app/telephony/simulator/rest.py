"""The part of Twilio's REST API that a hotline needs, as an ASGI app over a `Line`.

Calls can be created, fetched, updated and listed (https://www.twilio.com/docs/voice/api/call-resource). Beside that,
under `/simulator`, the people can be told what to do by hand:

    GET  /simulator/calls                          live calls and their legs
    POST /simulator/legs/{CallSid}/answer          pick up the ringing phone
    POST /simulator/legs/{CallSid}/decline         decline the ringing call
    POST /simulator/legs/{CallSid}/hang-up         hang up, or let it ring no longer

Everything wants HTTP basic auth: the account's sid and token, or one of the line's API keys.
"""

import base64
import binascii
import hmac
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.telephony.simulator.call_filters import BadFilter, select
from app.telephony.simulator.calls import CallStateError, Fetch, Inline, Instructions
from app.telephony.simulator.line import Line, OutboundRequest
from app.telephony.simulator.records import API_VERSION
from app.telephony.simulator.statuses import StatusCallback
from app.telephony.simulator.trouble import RestFault, RestProblem, Trouble

MAX_PAGE_SIZE = 1000
MAX_BODY_BYTES = 64 * 1024
MAX_RING_SECONDS = 600

Form = list[tuple[str, str]]
Endpoint = Callable[[Request], Awaitable[Response]]


class ApiError(Exception):
    """An answer in Twilio's shape for errors (https://www.twilio.com/docs/api/errors)."""

    def __init__(self, status: int, code: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = headers

    def response(self) -> Response:
        """The answer itself."""
        body = {
            "code": self.code,
            "message": str(self),
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }
        return JSONResponse(body, self.status, self.headers)


def rest_app(line: Line) -> Starlette:
    """The ASGI app over `line`; to be run in the event loop that the line runs in."""
    api = _RestApi(line)
    account = f"/{API_VERSION}/Accounts/{{account_sid}}"
    return Starlette(
        routes=[
            Route(f"{account}/Calls.json", api.guarded(api.create, creates=True), methods=["POST"]),
            Route(f"{account}/Calls.json", api.guarded(api.list_calls), methods=["GET"]),
            Route(f"{account}/Calls/{{sid}}.json", api.guarded(api.fetch), methods=["GET"]),
            Route(f"{account}/Calls/{{sid}}.json", api.guarded(api.update), methods=["POST"]),
            Route("/simulator/calls", api.guarded(api.live), methods=["GET"]),
            Route("/simulator/legs/{sid}/{action}", api.guarded(api.act), methods=["POST"]),
        ],
        exception_handlers={ApiError: _api_error, HTTPException: _http_error},
    )


class _RestApi:
    def __init__(self, line: Line) -> None:
        self._line = line
        self._faults_of: Trouble | None = None
        self._faults: list[RestFault] = []

    def guarded(self, endpoint: Endpoint, *, creates: bool = False) -> Endpoint:
        """`endpoint` behind authentication, in front of which whatever is to go wrong goes wrong."""

        async def guarded(request: Request) -> Response:
            self._authenticate(request)
            if request.path_params.get("account_sid", self._line.account_sid) != self._line.account_sid:
                raise _not_found(request)
            fault = None if request.url.path.startswith("/simulator/") else self._next_fault(creates=creates)
            if fault is None:
                return await endpoint(request)
            if fault.carried_out:
                await endpoint(request)
            return await _go_wrong(fault, request)

        return guarded

    async def create(self, request: Request) -> Response:
        """POST Calls.json"""
        form = await _form(request)
        to, from_ = form.get("To"), form.get("From")
        if not to:
            raise ApiError(400, 21201, "No 'To' number is specified")
        if not from_:
            raise ApiError(400, 21213, "No 'From' number is specified")
        instructions = _instructions(form)
        if instructions is None:
            raise ApiError(400, 21205, "Url parameter is required.")
        timeout = form.get("Timeout", "60")
        if not timeout.isdecimal() or not 1 <= int(timeout) <= MAX_RING_SECONDS:
            raise ApiError(400, 20001, f"Timeout must be a number of seconds from 1 to {MAX_RING_SECONDS}")
        callback_url = _url(form, "StatusCallback")
        fallback_url = _url(form, "FallbackUrl")
        callback = None
        if callback_url is not None:
            events = " ".join(form.all("StatusCallbackEvent"))
            callback = StatusCallback.of(callback_url, form.get("StatusCallbackMethod", "POST"), events)
        call = await self._line.place(
            OutboundRequest(
                to=to,
                from_=from_,
                instructions=instructions,
                ring_seconds=int(timeout),
                status_callback=callback,
                fallback=Fetch(fallback_url, form.get("FallbackMethod", "POST")) if fallback_url else None,
                detect_machine=bool(form.get("MachineDetection")),
            )
        )
        return JSONResponse(call.record.as_json(), 201)

    async def fetch(self, request: Request) -> Response:
        """GET Calls/{sid}.json"""
        try:
            return JSONResponse(self._line.find(request.path_params["sid"]).record.as_json())
        except KeyError:
            raise _not_found(request) from None

    async def update(self, request: Request) -> Response:
        """POST Calls/{sid}.json"""
        form = await _form(request)
        sid = request.path_params["sid"]
        instructions, status = _instructions(form), form.get("Status")
        if instructions is not None and status:
            raise ApiError(400, 20001, "Status cannot be given together with Url or Twiml")
        try:
            if instructions is not None:
                call = self._line.redirect(sid, instructions)
            elif status == "completed":
                call = self._line.complete(sid)
            elif status == "canceled":
                call = self._line.cancel(sid)
            else:
                raise ApiError(400, 20001, "Url, Twiml or Status (completed or canceled) is required")
        except KeyError:
            raise _not_found(request) from None
        except CallStateError:
            raise ApiError(400, 21220, "Invalid call state: Call is not in-progress. Cannot redirect.") from None
        return JSONResponse(call.record.as_json())

    async def list_calls(self, request: Request) -> Response:
        """GET Calls.json, newest first"""
        query = request.query_params
        try:
            found = select([call.record for call in reversed(self._line.calls)], query.multi_items())
        except BadFilter as error:
            raise ApiError(400, 20001, str(error)) from None
        size, page = query.get("PageSize", "50"), query.get("Page", "0")
        if not size.isdecimal() or not page.isdecimal() or int(size) < 1:
            raise ApiError(400, 20001, "PageSize and Page must be numbers")
        per_page, number = min(int(size), MAX_PAGE_SIZE), int(page)
        start = per_page * number
        shown = found[start : start + per_page]
        kept = [(name, value) for name, value in query.multi_items() if name not in ("PageSize", "Page", "PageToken")]

        def uri_of(page: int) -> str:
            return f"{request.url.path}?{urlencode([*kept, ('PageSize', per_page), ('Page', page)])}"

        return JSONResponse(
            {
                "calls": [record.as_json() for record in shown],
                "page": number,
                "page_size": per_page,
                "start": start,
                "end": start + max(len(shown) - 1, 0),
                "uri": uri_of(number),
                "first_page_uri": uri_of(0),
                "next_page_uri": uri_of(number + 1) if start + per_page < len(found) else None,
                "previous_page_uri": uri_of(number - 1) if number else None,
            }
        )

    async def live(self, _request: Request) -> Response:
        """GET /simulator/calls"""
        calls = [
            {
                "sid": call.sid,
                "from": call.record.from_,
                "to": call.record.to,
                "direction": call.record.direction,
                "status": call.status,
                "legs": [
                    {"sid": leg.sid, "to": leg.record.to, "status": leg.status} for leg in call.legs if not leg.ended
                ],
            }
            for call in self._line.calls
            if call.parent is None and not call.ended
        ]
        return JSONResponse({"calls": calls})

    async def act(self, request: Request) -> Response:
        """POST /simulator/legs/{sid}/{action}"""
        actions = {"answer": self._line.answer, "decline": self._line.decline, "hang-up": self._line.hang_up}
        action, sid = actions.get(request.path_params["action"]), request.path_params["sid"]
        if action is None:
            raise _not_found(request)
        try:
            await action(sid)
        except KeyError:
            raise _not_found(request) from None
        except CallStateError as error:
            raise ApiError(409, 21220, str(error)) from None
        return Response(status_code=204)

    def _authenticate(self, request: Request) -> None:
        scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
        try:
            user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            user, password = "", ""
        expected = self._line.credentials.get(user, "")
        right = hmac.compare_digest(expected.encode(), password.encode())
        if scheme.lower() != "basic" or not expected or not right:
            raise ApiError(401, 20003, "Authenticate", {"WWW-Authenticate": 'Basic realm="Twilio API"'})

    def _next_fault(self, *, creates: bool) -> RestFault | None:
        """The fault that this request meets, each once for as long as the line has that trouble."""
        if self._faults_of is not self._line.trouble:
            self._faults_of = self._line.trouble
            self._faults = [*self._line.trouble.rest_faults]
        for index, fault in enumerate(self._faults):
            if creates or not fault.only_create:
                return self._faults.pop(index)
        return None


class _Form:
    """A form's pairs; `get` gives the last of a repeated name, and the default for a blank one too."""

    def __init__(self, pairs: Form) -> None:
        self._pairs = pairs

    def get(self, name: str, default: str = "") -> str:
        return dict(self._pairs).get(name) or default

    def all(self, name: str) -> list[str]:
        return [value for given, value in self._pairs if given == name]


async def _form(request: Request) -> _Form:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise ApiError(413, 20001, "Request entity too large")
    return _Form(parse_qsl(body.decode("utf-8", errors="replace"), keep_blank_values=True))


def _instructions(form: _Form) -> Instructions | None:
    url = _url(form, "Url")
    if url is not None:  # where both are given, Twilio takes the Url
        return Fetch(url, form.get("Method", "POST"))
    twiml = form.get("Twiml")
    return Inline(twiml) if twiml else None


def _url(form: _Form, name: str) -> str | None:
    """An http(s) URL with a host, or None where the form has none."""
    url = form.get(name)
    if not url:
        return None
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ApiError(400, 21205, f"{name} is not a valid URL: {url}")
    return url


async def _go_wrong(fault: RestFault, request: Request) -> Response:
    if fault.problem is RestProblem.NO_ANSWER:
        while (await request.receive())["type"] != "http.disconnect":
            pass  # what is left of the request's body
        return Response()
    if fault.problem is RestProblem.TOO_MANY_REQUESTS:
        raise ApiError(429, 20429, "Too Many Requests", {"Retry-After": str(fault.retry_after)})
    if fault.problem is RestProblem.UNAVAILABLE:
        raise ApiError(503, 20503, "Service Unavailable")
    raise ApiError(500, 20500, "Internal Server Error")


def _not_found(request: Request) -> ApiError:
    return ApiError(404, 20404, f"The requested resource {request.url.path} was not found")


async def _api_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return error.response()


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return _not_found(request).response()
    return ApiError(error.status_code, 20004, error.detail, dict(error.headers or {})).response()
