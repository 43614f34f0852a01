"""The course of a call on a terminal, line by line, with the milliseconds since it rang."""

import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from rich.padding import Padding
from rich.text import Text

from app.cli.card import card, match_words, plain, who
from app.cli.console import out, say
from app.cli.words import Lang, word
from app.schemas.screen_pop import ScreenPop
from app.telephony.simulator import SimEvent, SimEventKind

_LONGEST_TWIML: Final = 2_000

# What the carrier did, as `word`s; a kind that is not here says nothing that a person wants to read.
_TOLD: Final = {
    SimEventKind.SAID: "caller_hears",
    SimEventKind.PLAYED: "caller_hears",
    SimEventKind.DIGITS: "caller_presses",
    SimEventKind.LEG_RINGING: "agent_rings",
    SimEventKind.LEG_ANSWERED: "agent_answers",
    SimEventKind.LEG_ENDED: "agent_leg_ended",
    SimEventKind.QUEUED: "waits",
    SimEventKind.LEFT_QUEUE: "left_queue",
    SimEventKind.RECORDED: "recorded",
    SimEventKind.FALLBACK: "fallback",
    SimEventKind.WARNING: "warning",
    SimEventKind.ENDED: "ended",
}
_LOUD: Final = {SimEventKind.WARNING: "yellow", SimEventKind.FALLBACK: "bold yellow", SimEventKind.ENDED: "bold"}
_TEXT_OF: Final[Mapping[SimEventKind, Callable[[Mapping[str, Any]], str]]] = {
    SimEventKind.SAID: lambda data: data["words"],
    SimEventKind.DIGITS: lambda data: data["digits"],
    SimEventKind.LEG_RINGING: lambda data: data["to"],
    SimEventKind.LEG_ANSWERED: lambda data: data["to"],
    SimEventKind.ENDED: lambda data: f"{data['reason']} ({data['status']})",
}


class Course:
    """Prints what happens to one call. `rang_at` is when it rang, None before that."""

    def __init__(self, lang: Lang) -> None:
        self.lang = lang
        self.rang_at: datetime | None = None
        self.first_status = 0
        self.got_twiml = False
        self._answer_ms = 0.0
        self._twiml = ""

    def event(self, event: SimEvent) -> None:
        """Print what the carrier did."""
        data = event.data
        if event.kind is SimEventKind.RINGING and event.leg_sid is None:
            self.rang_at = event.at
            self.line(event.at, "rings", f"{data['from'] or '-'} -> {data['to']}", style="bold")
        elif event.kind is SimEventKind.RESPONSE_RECEIVED:
            self.first_status = self.first_status or data["status"]
            self._answer_ms = data["milliseconds"]
        elif event.kind is SimEventKind.TWIML_RECEIVED:
            self.got_twiml = True
            self.line(event.at, "twiml", f"{urlsplit(data['url']).path}, {self._answer_ms:.0f} ms")
            # A caller in line hears the same every few seconds.
            same = data["twiml"] == self._twiml
            for line in [word("as_before", self.lang)] if same else _indented(data["twiml"]):
                say(Text(f"{'':13}{line}", style="dim"))
            self._twiml = data["twiml"]
        elif (key := _TOLD.get(event.kind)) is not None:
            text_of = _TEXT_OF.get(event.kind)
            self.line(event.at, key, text_of(data) if text_of else event.text, style=_LOUD.get(event.kind, ""))

    def card(self, pop: ScreenPop, at: datetime, agent: str) -> None:
        """Print the match and the card that an agent was pushed."""
        self.match(at, pop.match.outcome, who(pop, self.lang))
        because = f" ({word(pop.call.reserved_because, self.lang)})" if pop.call is not None else ""
        self.line(at, "card_for", f"{agent}{because}", style="bold green")
        out.print(Padding(card(pop, self.lang), (0, 0, 0, 2)))

    def match(self, at: datetime, outcome: str, found: str = "") -> None:
        """Print whom the number was matched with."""
        words = match_words(outcome, self.lang)
        self.line(at, "match", words if found in ("", words) else f"{words}: {found}", style="bold")

    def line(self, at: datetime, key: str, text: str, *, style: str = "") -> None:
        """Print one line: milliseconds, what it is, and more of it."""
        milliseconds = 0.0 if self.rang_at is None else (at - self.rang_at).total_seconds() * 1000
        label = Text(word(key, self.lang), style=style)
        label.pad_right(max(1, 14 - label.cell_len))
        say(Text(f"{milliseconds:8.0f} ms  ", style="cyan"), label, " ", Text(plain(text)))

    def trace(self, trace: dict[str, Any]) -> None:
        """Print the service's own record of the call, and how long the card took to be shown."""
        say("")
        say(Text(f"{word('trace', self.lang)} {trace['call_id']} ({trace['state']})", style="bold"))
        shown: float | None = None
        for step in trace["steps"]:
            detail = ", ".join(f"{name} {value}" for name, value in step["detail"].items())
            person = step["agent"]["name"] if step["agent"] else ""
            line = "  ".join(part for part in (f"{step['step']:<12}", person, detail) if part)
            say(Text(f"{step['after_ms']:8.0f} ms  ", style="cyan"), plain(line))
            if step["step"] == "shown" and shown is None:
                shown = step["after_ms"]
        if shown is not None:
            say(Text(f"{word('shown_after', self.lang)}: {shown:.0f} ms", style="bold green"))


def _indented(twiml: str) -> list[str]:
    """TwiML line by line, without its declaration; what is no XML as it came."""
    try:
        root = ET.fromstring(twiml)  # noqa: S314 - it has been read by the simulator, which takes no entities
    except ET.ParseError:
        return [plain(twiml)[:_LONGEST_TWIML]]
    ET.indent(root, "  ")
    return [plain(line) for line in ET.tostring(root, "unicode")[:_LONGEST_TWIML].splitlines()]
