"""A tiny real service on a socket that answers a carrier with canned TwiML and notes what it was asked."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from twilio.request_validator import RequestValidator

from app.telephony.simulator import Line, Pace, SimCall, SimEvent, SimEventKind
from app.telephony.simulator.serving import serve_app

ACCOUNT_SID = "AC" + "5" * 32
AUTH_TOKEN = "a token that only the carrier and the hotline know"
PUBLIC_URL = "https://hotline.example"
CALLER, HOTLINE = "+8613812345678", "+12025550100"

VOICE = "/telephony/twilio/voice"
FALLBACK = "/telephony/twilio/fallback"
STATUS = "/telephony/twilio/status"

Answer = str | Response | Callable[["Received"], Awaitable[Response]]


@dataclass(frozen=True)
class Received:
    """One request as it arrived; `signed` by Twilio's own validator against the public URL."""

    method: str
    path: str
    pairs: list[tuple[str, str]]
    headers: dict[str, str]
    signed: bool

    def __getitem__(self, name: str) -> str:
        return dict(self.pairs)[name]

    def get(self, name: str) -> str | None:
        return dict(self.pairs).get(name)


class Hotline:
    """`answers` by path, in order and the last one again and again; a path without any answers 204."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.url = ""
        self._answers: dict[str, list[Answer]] = {}

    def will(self, path: str, *answers: Answer) -> None:
        """Answer requests to `path` so; TwiML may come without its `<Response>`."""
        self._answers[path] = list(answers)

    def forget(self) -> None:
        """Start afresh."""
        self.requests.clear()
        self._answers.clear()

    def to(self, path: str) -> list[Received]:
        """What was asked of `path`."""
        return [request for request in self.requests if request.path == path]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        received = await self._note(request)
        answers = self._answers.get(received.path)
        if not answers:
            response = Response(status_code=204)
        else:
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            if isinstance(answer, str):
                response = twiml(answer)
            elif isinstance(answer, Response):
                response = answer
            else:
                response = await answer(received)
        await response(scope, receive, send)

    async def _note(self, request: Request) -> Received:
        pairs = parse_qsl((await request.body()).decode(), keep_blank_values=True)
        url = PUBLIC_URL + request.url.path + (f"?{request.url.query}" if request.url.query else "")
        validator = RequestValidator(AUTH_TOKEN)
        received = Received(
            method=request.method,
            path=request.url.path,
            pairs=pairs or parse_qsl(request.url.query, keep_blank_values=True),
            headers=dict(request.headers),
            signed=validator.validate(url, _Pairs(pairs), request.headers.get("X-Twilio-Signature", "")),
        )
        self.requests.append(received)
        return received


class _Pairs(dict[str, str]):
    """What the validator wants of a form whose names may repeat."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        super().__init__(pairs)
        self._pairs = pairs

    def getlist(self, name: str) -> list[str]:
        return [value for given, value in self._pairs if given == name]


def twiml(text: str, status: int = 200) -> Response:
    """An answer of TwiML, `<Response>` put around where it lacks one."""
    document = text if text.lstrip().startswith(("<?xml", "<Response", "<!DOCTYPE")) else f"<Response>{text}</Response>"
    return Response(document, status, media_type="application/xml")


@asynccontextmanager
async def hotline_served() -> AsyncIterator[Hotline]:
    """A hotline on a socket."""
    hotline = Hotline()
    async with serve_app(hotline) as url:
        hotline.url = url
        yield hotline


def line_to(hotline: Hotline, **settings: object) -> Line:
    """A carrier for it, a hundred times as fast as life unless told otherwise."""
    chosen: dict[str, object] = {
        "account_sid": ACCOUNT_SID,
        "auth_token": AUTH_TOKEN,
        "public_url": PUBLIC_URL,
        "connect_url": hotline.url,
        "clock": Pace(100),
        "webhook_timeout": 2.0,
        **settings,
    }
    return Line(**chosen)  # type: ignore[arg-type]  # the settings are checked by Line's own tests of them


async def finished(line: Line, script: str = "") -> SimCall:
    """A call that is over."""
    call = await line.call(CALLER, HOTLINE, script=script)
    await call.finished()
    return call


def the(call: SimCall, kind: SimEventKind) -> SimEvent:
    """The one event of a kind."""
    (event,) = (event for event in call.events if event.kind is kind)
    return event


def warnings(call: SimCall) -> list[str]:
    """What the carrier warned of."""
    return [event.text for event in call.events if event.kind is SimEventKind.WARNING]
