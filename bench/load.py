"""The carrier's side: a lean HTTP/1.1 client that keeps connections busy with requests made and signed beforehand.

What it does per request, one write and a look for the end of the answer, costs a few microseconds: the two cores are
to be used by what is measured.
"""

import asyncio
import hmac
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast
from urllib.parse import quote_plus

from twilio.request_validator import RequestValidator

from app.telephony.simulator.params import call_params
from app.telephony.simulator.records import CallRecord, CallStatus, Direction
from app.telephony.twilio_form import parse_form
from bench.dataset import DIALLED
from bench.servers import ACCOUNT_SID, PUBLIC_URL

VOICE_PATH = "/telephony/twilio/voice"
_SID = "CA" + "0" * 32
_FROM = "+8613000000000"


class CallForms:
    """Makes the voice requests of calls, as Twilio would post and sign them.

    Args:
        path: where to.
        auth_token: "" leaves the signature out.
    """

    def __init__(self, path: str, auth_token: str) -> None:
        now = datetime.now(UTC)
        record = CallRecord(
            sid=_SID,
            account_sid=ACCOUNT_SID,
            from_=_FROM,
            to=DIALLED,
            direction=Direction.INBOUND,
            created_at=now,
            updated_at=now,
            status=CallStatus.RINGING,
        )
        pairs = call_params(record)
        # Only the call's id and the caller's number differ from call to call, so the rest is made once.
        self._body = "&".join(f"{name}={quote_plus(value)}" for name, value in pairs)
        self._signed = PUBLIC_URL + path + "".join(name + value for name, value in sorted(pairs))
        self._path = path
        self._key = auth_token.encode()

    def request(self, call_sid: str, number: str) -> bytes:
        """The bytes of the request of one call."""
        body = self._body.replace(_SID, call_sid).replace(quote_plus(_FROM), quote_plus(number)).encode()
        signature = ""
        if self._key:
            signed = self._signed.replace(_SID, call_sid).replace(_FROM, number).encode()
            signature = f"X-Twilio-Signature: {b64encode(hmac.digest(self._key, signed, 'sha1')).decode()}\r\n"
        head = (
            f"POST {self._path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: TwilioProxy/1.1\r\nAccept: */*\r\n"
            "Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n"
            f"I-Twilio-Idempotency-Token: {call_sid}\r\n{signature}Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def check(self, request: bytes) -> None:
        """Raises AssertionError unless Twilio's own validator takes the signature of `request`."""
        head, _, body = request.partition(b"\r\n\r\n")
        signature = next(line for line in head.decode().split("\r\n") if line.startswith("X-Twilio-Signature"))
        form = parse_form(body)
        is_valid = RequestValidator(self._key.decode()).validate(
            PUBLIC_URL + self._path, form, signature.partition(": ")[2]
        )
        assert is_valid, "the bench signs wrongly"


@dataclass(slots=True)
class Tally:
    """What became of the requests of one window; `seconds` from the first sent to the last answered."""

    answered: int = 0
    wrong: int = 0
    first_wrong: bytes = b""
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)


Answered = Callable[["Connection", bytes, float], None]


class Connection(asyncio.Protocol):
    """One kept-alive connection, one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._sent_at = 0.0
        self._answered: Answered | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes.
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, _exc: Exception | None) -> None:
        if self._answered is not None:
            self._answer(b"HTTP/1.1 000 connection lost\r\n\r\n")

    def send(self, request: bytes, answered: "Answered") -> None:
        """Send a request; `answered` gets this connection, the answer and how many seconds it took."""
        assert self._transport is not None
        assert self._answered is None, "one at a time"
        self._answered = answered
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        at = self._buffer.find(b"content-length: ", 0, end)
        length = int(self._buffer[at + 16 : self._buffer.index(b"\r", at)])
        if len(self._buffer) >= end + 4 + length:
            whole, self._buffer = self._buffer, b""
            self._answer(whole)

    def _answer(self, whole: bytes) -> None:
        seconds = time.perf_counter() - self._sent_at
        answered, self._answered = self._answered, None
        assert answered is not None, "an answer that nobody asked for"
        answered(self, whole, seconds)

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()


@asynccontextmanager
async def connections(port: int, count: int) -> AsyncIterator[list[Connection]]:
    """`count` connections to a service of this machine."""
    loop = asyncio.get_running_loop()
    made: list[Connection] = []
    try:
        for _ in range(count):
            _, protocol = await loop.create_connection(Connection, "127.0.0.1", port)
            made.append(protocol)
        yield made
    finally:
        for each in made:
            each.close()


async def closed_loop(made: Sequence[Connection], requests: Iterable[bytes], seconds: float, wanted: bytes) -> Tally:
    """Keep every connection busy for `seconds`, then wait for the answers that are still out.

    Args:
        requests: in the order in which they are sent; there must be enough.
        wanted: what the body of a right answer (200) contains.

    Raises:
        RuntimeError: `requests` did not last.
    """
    tally = Tally()
    left: Iterator[bytes] = iter(requests)
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    busy = len(made)
    ended_early = False
    started = time.perf_counter()
    deadline = started + seconds

    def answered(connection: Connection, answer: bytes, took: float) -> None:
        nonlocal busy, ended_early
        tally.latencies.append(took)
        if answer.startswith(b"HTTP/1.1 200") and wanted in answer:
            tally.answered += 1
        else:
            tally.wrong += 1
            tally.first_wrong = tally.first_wrong or answer
        if time.perf_counter() < deadline and not answer.startswith(b"HTTP/1.1 000"):
            request = next(left, None)
            if request is not None:
                connection.send(request, answered)
                return
            ended_early = True
        busy -= 1
        if not busy:
            done.set_result(None)

    for connection in made:
        connection.send(next(left), answered)
    await done
    tally.seconds = time.perf_counter() - started
    if ended_early:
        raise RuntimeError("There were too few requests for the time: raise the bench's own guess.")
    return tally
