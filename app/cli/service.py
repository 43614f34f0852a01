"""The running service, as a program meets it: REST with an API token, and an agent's stream."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlencode, urlsplit, urlunsplit

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from app.cli.console import CommandFailed

_API: Final = "/api/v1"
_LONGEST_PAUSE: Final = 5.0


class Refused(CommandFailed):
    """The service answered with an error; `code` is the problem's, `status` the HTTP status."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class StreamMessage:
    """One message of an agent's stream; `type` and `data` are as in the API."""

    id: str
    type: str
    at: str
    data: dict[str, Any]


class Service:
    """A client of the service at `url` with one API token. Use it as an async context manager."""

    def __init__(self, url: str, token: str | None) -> None:
        self.url = url.rstrip("/")
        self.token = token
        self._http = httpx.AsyncClient(
            base_url=self.url,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=10,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def check(self) -> None:
        """Raises CommandFailed where no Callcard answers."""
        try:
            answer = await self._http.get("/healthz")
        except httpx.HTTPError as error:
            raise self._not_running(error) from error
        if answer.status_code != 200 or not answer.text.startswith("{"):
            raise CommandFailed(f"What answers at {self.url} is not Callcard (HTTP {answer.status_code} for /healthz).")

    async def request(self, method: str, path: str, body: dict[str, Any] | None = None, **query: str) -> Any:
        """One request below `/api/v1`; gives the JSON that came back, None for an empty answer.

        Raises:
            Refused: the service answered with an error; its detail is the message.
            CommandFailed: it did not answer.
        """
        try:
            answer = await self._http.request(method, _API + path, json=body, params=query)
        except httpx.HTTPError as error:
            raise self._not_running(error) from error
        if answer.is_success:
            return answer.json() if answer.content else None
        try:
            problem = answer.json()
        except ValueError:
            problem = {}
        if not isinstance(problem, dict):
            problem = {}
        said = problem.get("detail") or problem.get("title") or answer.reason_phrase
        raise Refused(
            answer.status_code, str(problem.get("code", "")), f"{method} {_API}{path}: {answer.status_code} {said}"
        )

    def stream(self) -> "AgentStream":
        """The stream of the agent whom the token acts for."""
        return AgentStream(self.url, self.token or "")

    def _not_running(self, error: httpx.HTTPError) -> CommandFailed:
        why = "" if isinstance(error, httpx.ConnectError) else f" ({type(error).__name__})"
        return CommandFailed(
            f"Callcard does not answer at {self.url}{why}. Start it in another terminal: callcard demo"
        )


class AgentStream:
    """An agent's events, over as many connections as it takes.

    `opened` is set while a connection stands, `broken` after one broke until the next stands; `lost` says why it did.
    """

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._token = token
        self._socket: ClientConnection | None = None
        self._last_id: str | None = None
        self._is_closed = False
        self.opened = asyncio.Event()
        self.broken = asyncio.Event()
        self.lost = ""

    async def messages(self) -> AsyncIterator[StreamMessage]:
        """Every message from now on, each once, until `close`; connects again after a break, however long that takes.

        Raises:
            CommandFailed: the token is refused.
        """
        pause = 0.2
        while True:
            try:
                async with self._connect() as socket:
                    self._socket, pause = socket, 0.2
                    self.opened.set()
                    self.broken.clear()
                    async for text in socket:
                        message = _message(text)
                        self._last_id = message.id
                        yield message
            except InvalidStatus as error:
                status = error.response.status_code
                if 400 <= status < 500:
                    raise CommandFailed(
                        f"The stream at {self._url} is refused (HTTP {status}); is the token right?"
                    ) from error
                self.lost = f"HTTP {status}"
            except (OSError, TimeoutError, ConnectionClosed, InvalidHandshake) as error:
                self.lost = str(error) or type(error).__name__
            else:
                self.lost = "closed by the service"
            self._socket = None
            if self._is_closed:
                return
            if self.opened.is_set():
                self.opened.clear()
                self.broken.set()
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def close(self) -> None:
        """End the stream as one who leaves does (RFC 6455, 7.4.1: code 1000)."""
        self._is_closed = True
        if self._socket is not None:
            await self._socket.close()

    async def acknowledge(self, message: StreamMessage) -> None:
        """Say that a message was shown; a lost connection is no matter, for it is sent again then."""
        if self._socket is not None:
            try:
                await self._socket.send(json.dumps({"type": "ack", "id": message.id}))
            except ConnectionClosed as error:
                self.lost = str(error)

    def _connect(self) -> connect:
        parts = urlsplit(self._url)
        query = urlencode({"after": self._last_id}) if self._last_id is not None else ""
        scheme = "wss" if parts.scheme == "https" else "ws"
        return connect(
            urlunsplit((scheme, parts.netloc, f"{parts.path}{_API}/agent/stream", query, "")),
            additional_headers={"Authorization": f"Bearer {self._token}"},
            ping_interval=10,
            ping_timeout=10,
            close_timeout=1,
            max_size=4 * 1024 * 1024,
            proxy=None,
        )


def _message(text: str | bytes) -> StreamMessage:
    content = json.loads(text)
    return StreamMessage(str(content["id"]), content["type"], content["at"], content["data"])
