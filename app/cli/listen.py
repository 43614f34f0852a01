"""`callcard listen`: an agent's stream in a terminal. Cards are printed, and Enter takes the call that is offered."""

import asyncio
import os
import signal
import sys
from contextlib import AsyncExitStack, suppress
from datetime import datetime
from secrets import token_hex
from typing import Any

from rich.text import Text

from app.cli.card import card, plain
from app.cli.console import CommandFailed, note, out, say
from app.cli.service import AgentStream, Service, StreamMessage
from app.cli.words import Lang, word
from app.schemas.screen_pop import ScreenPop

_READ_BYTES = 1024


async def listen(url: str, token: str, lang: Lang, *, available: bool) -> None:
    """Print an agent's events until Ctrl-C.

    Args:
        available: have the agent take calls meanwhile, and go offline in the end.

    Raises:
        CommandFailed: the service is not there, or refuses the token.
    """
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(Service(url, token))
        await service.check()
        me = (await service.request("GET", "/session"))["agent"]
        listening = asyncio.create_task(_Listener(service, lang).run())
        stack.push_async_callback(_ended, listening)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, listening.cancel)
            stack.callback(loop.remove_signal_handler, number)
        if available:
            await service.request("PUT", "/agent/presence", {"state": "available"})
            stack.push_async_callback(_go_offline, service)
        say(Text(f"{me['name']} <{me['email']}>", style="bold"), Text(f"  ({word('keys', lang)})", style="dim"))
        with suppress(asyncio.CancelledError):
            await listening


class _Listener:
    """One terminal; `tab` is the name under which it takes calls."""

    def __init__(self, service: Service, lang: Lang) -> None:
        self._service = service
        self._lang = lang
        self._tab = f"terminal-{token_hex(3)}"
        self._offered: str | None = None
        self._accepting: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Print messages as they come; never ends of itself."""
        stream = self._service.stream()
        watching = asyncio.create_task(self._tell_breaks(stream))
        self._hear_enter()
        try:
            async for message in stream.messages():
                self._print(message)
                await stream.acknowledge(message)
        finally:
            watching.cancel()
            await stream.close()
            asyncio.get_running_loop().remove_reader(sys.stdin)

    def _hear_enter(self) -> None:
        try:
            asyncio.get_running_loop().add_reader(sys.stdin, self._typed)
        except (OSError, ValueError):
            note("There is no keyboard here, so calls can only be watched.")

    def _typed(self) -> None:
        if not os.read(sys.stdin.fileno(), _READ_BYTES):
            asyncio.get_running_loop().remove_reader(sys.stdin)
        elif self._offered is None:
            note("No call is being offered.")
        else:
            task = asyncio.create_task(self._accept(self._offered))
            self._accepting.add(task)
            task.add_done_callback(self._accepting.discard)

    async def _accept(self, call_id: str) -> None:
        try:
            await self._service.request("POST", f"/calls/{call_id}/accept", {"tab": self._tab})
        except CommandFailed as failed:
            note(str(failed))
        else:
            say(Text(word("accepted", self._lang), style="bold green"))

    def _print(self, message: StreamMessage) -> None:
        if message.type == "call.offered":
            self._offered = str(message.data["call_id"])
            out.print(card(ScreenPop.model_validate(message.data["screen_pop"]), self._lang))
            say(Text(word("press_enter", self._lang), style="bold"))
            return
        if message.type in ("call.cleared", "call.ended", "call.answered"):
            self._offered = None
        at = datetime.fromisoformat(message.at).astimezone()
        said = ", ".join(f"{name} {value}" for name, value in _scalars(message.data))
        say(Text(f"{at:%H:%M:%S}  ", style="cyan"), Text(f"{message.type:<17}"), plain(said))

    async def _tell_breaks(self, stream: AgentStream) -> None:
        while True:
            await stream.opened.wait()
            await stream.broken.wait()
            note(f"{word('connection_lost', self._lang)}: {stream.lost}")


def _scalars(data: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in data.items() if isinstance(value, (str, int, float)) and value != ""]


async def _ended(listening: asyncio.Task[None]) -> None:
    listening.cancel()
    with suppress(asyncio.CancelledError):
        await listening


async def _go_offline(service: Service) -> None:
    try:
        await service.request("PUT", "/agent/presence", {"state": "offline"})
    except CommandFailed as failed:
        note(str(failed))
