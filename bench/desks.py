"""The agents' side: their WebSockets, opened as a browser does: cookie, Origin, compression offered."""

import asyncio
import struct
import zlib
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import cast

from app.dependencies import SESSION_COOKIE
from bench.dataset import AGENTS, session_secret
from bench.servers import PUBLIC_URL

_AT_ONCE = 10
_FIN, _COMPRESSED = 0x80, 0x40
_TEXT, _CLOSE, _PING, _PONG = 0x1, 0x8, 0x9, 0xA
_NO_MASK = b"\0\0\0\0"  # RFC 6455, 5.3 asks for a key; one of zeros leaves the payload as it is

Received = Callable[["Desk", bytes], None]


class Desk(asyncio.Protocol):
    """One agent's open stream; every message goes to `received` as JSON in UTF-8."""

    def __init__(self, agent: int, received: Received) -> None:
        self.agent = agent
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.is_lost = False
        self._received = received
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._inflate: zlib._Decompress | None = None
        self._forgets = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(
            (
                "GET /api/v1/agent/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Key: {b64encode(self.agent.to_bytes(16)).decode()}\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
                f"Origin: {PUBLIC_URL}\r\nCookie: {SESSION_COOKIE}={session_secret(self.agent)}\r\n\r\n"
            ).encode()
        )

    def connection_lost(self, _exc: Exception | None) -> None:
        self.is_lost = True
        if not self.opened.done():
            self.opened.set_exception(ConnectionError(f"the stream of agent {self.agent} was refused"))

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        if not self.opened.done():
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self.opened.set_exception(ConnectionError(head.decode("latin-1")))
                return
            if b"permessage-deflate" in head:
                self._forgets = b"server_no_context_takeover" in head
                self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
            self._buffer = rest
            self.opened.set_result(None)
        while self._take_frame():
            pass

    def _take_frame(self) -> bool:
        """Take one frame (RFC 6455, 5.2) from the buffer, if it holds a whole one."""
        buffer = self._buffer
        if len(buffer) < 2:
            return False
        length, start = buffer[1], 2
        if length == 126:
            start = 4
            if len(buffer) < start:
                return False
            (length,) = struct.unpack_from("!H", buffer, 2)
        elif length == 127:
            start = 10
            if len(buffer) < start:
                return False
            (length,) = struct.unpack_from("!Q", buffer, 2)
        if len(buffer) < start + length:
            return False
        payload, self._buffer = buffer[start : start + length], buffer[start + length :]
        kind = buffer[0] & 0x0F
        assert buffer[0] & _FIN, "no message of ours comes in pieces"
        if kind == _TEXT:
            if buffer[0] & _COMPRESSED:
                payload = self._inflated(payload)
            self._received(self, payload)
        elif kind == _PING:
            self._send(_PONG, payload)
        elif kind == _CLOSE:
            self.is_lost = True
        return True

    def _inflated(self, payload: bytes) -> bytes:
        # RFC 7692, 7.2.2
        assert self._inflate is not None
        text = self._inflate.decompress(payload + b"\x00\x00\xff\xff")
        if self._forgets:
            self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        return text

    def acknowledge(self, event_id: str) -> None:
        """Say that an event is on the screen."""
        self._send(_TEXT, f'{{"type":"ack","id":"{event_id}"}}'.encode())

    def _send(self, kind: int, payload: bytes) -> None:
        assert self._transport is not None
        assert len(payload) < 126, "longer ones have another header"
        self._transport.write(bytes((_FIN | kind, 0x80 | len(payload))) + _NO_MASK + payload)

    def close(self) -> None:
        """Hang up without a word, as closing a laptop does."""
        if self._transport is not None:
            self._transport.close()


@asynccontextmanager
async def desks(port: int, received: Received) -> AsyncIterator[list[Desk]]:
    """The open streams of all agents. Raises ConnectionError when one is refused."""
    loop = asyncio.get_running_loop()
    made: list[Desk] = []
    try:
        for first in range(1, AGENTS + 1, _AT_ONCE):
            some = range(first, min(first + _AT_ONCE, AGENTS + 1))
            opened = await asyncio.gather(
                *(loop.create_connection(partial(Desk, agent, received), "127.0.0.1", port) for agent in some)
            )
            for _, desk in opened:
                made.append(desk)
            await asyncio.gather(*(desk.opened for desk in made[first - 1 :]))
        yield made
    finally:
        for desk in made:
            desk.close()
