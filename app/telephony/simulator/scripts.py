"""What the people do: scripts for callers and for those who are called, written as a line of plain words.

    CallerScript.parse("press 1, wait 3s, hang up after 8s")
    AgentScript.parse("answer after 1s, hang up after 10s")

A script is a list of phrases, done one after the other; commas (or "then") stand between them. A phrase's time counts
from the end of the phrase before it, that of the first one from when the call was placed (an agent's: answered).
Times are call time in seconds. Whoever has come to the end of a script stays on the line until the other side hangs up.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

LONGEST_SECONDS = 14_400.0  # a call of Twilio's lasts four hours at most
DEFAULT_MESSAGE_SECONDS = 5.0

CALLER_PHRASES = (
    "press 1 (when asked for keys)",
    "press 1 after 4s (listened to or not)",
    "wait 3s",
    "wait",
    "say nothing (silent when recorded)",
    "leave a message of 6s",
    "hang up",
    "hang up after 8s",
    "hang up when ringing",
    "hang up when ringing after 2s",
    "hang up when answered after 5s",
)
AGENT_PHRASES = (
    "answer",
    "answer after 2s",
    "machine answers after 2s",
    "no answer",
    "busy",
    "decline",
    "decline after 2s",
    "unreachable",
    "not in service",
    "live",
)


class ScriptError(ValueError):
    """A script that cannot be understood; the message names the phrase and lists those that can be."""

    def __init__(self, phrase: str, why: str, accepted: tuple[str, ...]) -> None:
        super().__init__(f"{phrase[:80]!r}: {why}. Accepted are: {'; '.join(accepted)}")
        self.phrase = phrase


class Moment(StrEnum):
    """From when a hang-up counts."""

    NOW = "now"
    RINGING = "ringing"  # a dialled party's phone rings
    ANSWERED = "answered"  # a dialled party has answered


@dataclass(frozen=True, slots=True)
class Press:
    """Press keys: `after` so many seconds, or (None) as soon as somebody asks for keys anew."""

    digits: str
    after: float | None = None

    def __str__(self) -> str:
        return f"press {self.digits}" + ("" if self.after is None else f" after {_seconds(self.after)}")


@dataclass(frozen=True, slots=True)
class Wait:
    """Let `seconds` go by."""

    seconds: float

    def __str__(self) -> str:
        return f"wait {_seconds(self.seconds)}"


@dataclass(frozen=True, slots=True)
class LeaveMessage:
    """Wait for the recording to start and speak for `seconds`."""

    seconds: float

    def __str__(self) -> str:
        return f"leave a message of {_seconds(self.seconds)}"


@dataclass(frozen=True, slots=True)
class HangUp:
    """Hang up `after` seconds, counted from `when`."""

    after: float = 0.0
    when: Moment = Moment.NOW

    def __str__(self) -> str:
        when = "" if self.when is Moment.NOW else f" when {self.when}"
        return f"hang up{when}" + (f" after {_seconds(self.after)}" if self.after else "")


Step = Press | Wait | LeaveMessage | HangUp


@dataclass(frozen=True, slots=True)
class CallerScript:
    """What one person does on the line. `silent`: says nothing when recorded; otherwise speaks for some seconds."""

    steps: tuple[Step, ...] = ()
    silent: bool = False

    @classmethod
    def parse(cls, text: str) -> Self:
        """From words; an empty text means: stay on the line. Raises ScriptError."""
        return cls(*_caller_steps(_phrases(text), CALLER_PHRASES))

    @property
    def message_seconds(self) -> float:
        """How long this person speaks when recorded."""
        if self.silent:
            return 0.0
        return next((s.seconds for s in self.steps if isinstance(s, LeaveMessage)), DEFAULT_MESSAGE_SECONDS)

    def __str__(self) -> str:
        return ", ".join((["say nothing"] if self.silent else []) + [str(step) for step in self.steps])


class Reaction(StrEnum):
    """What somebody does whose phone rings."""

    ANSWER = "answer"
    NO_ANSWER = "no answer"
    BUSY = "busy"
    DECLINE = "decline"
    UNREACHABLE = "unreachable"
    NOT_IN_SERVICE = "not in service"
    LIVE = "live"  # waits to be told


@dataclass(frozen=True, slots=True)
class AgentScript:
    """What one called party does: `reaction` `after` seconds of ringing and, once answered, `then`."""

    reaction: Reaction
    after: float = 0.0
    then: CallerScript = CallerScript()
    is_machine: bool = False

    @classmethod
    def parse(cls, text: str) -> Self:
        """From words, a reaction first, then (after answering) phrases as of a caller. Raises ScriptError."""
        accepted = AGENT_PHRASES + CALLER_PHRASES
        phrases = _phrases(text)
        if not phrases:
            raise ScriptError(text, "says nothing about answering", accepted)
        match = re.fullmatch(
            rf"(?:(answer|decline|machine answers)(?: after {_DURATION})?"
            r"|(no answer|busy|unreachable|not in service|live))",
            phrases[0],
        )
        if match is None:
            raise ScriptError(phrases[0], "must say first what is done when it rings", accepted)
        is_machine = match[1] == "machine answers"
        reaction = Reaction.ANSWER if is_machine else Reaction(match[1] or match[3])
        if len(phrases) > 1 and reaction not in (Reaction.ANSWER, Reaction.LIVE):
            raise ScriptError(phrases[1], f"nothing can come after {reaction.value!r}", accepted)
        then = CallerScript(*_caller_steps(phrases[1:], accepted))
        return cls(reaction, _duration(match[2] or "0", phrases[0], accepted), then, is_machine)

    def __str__(self) -> str:
        reaction = "machine answers" if self.is_machine else self.reaction.value
        first = reaction + (f" after {_seconds(self.after)}" if self.after else "")
        return ", ".join(part for part in (first, str(self.then)) if part)


_DURATION = r"([0-9]+(?:\.[0-9]+)?) ?(?:s|sec|secs|seconds?)?"
_PRESS = re.compile(rf"press ([0-9*#]+)(?: after {_DURATION})?")
_WAIT = re.compile(rf"wait {_DURATION}")
_MESSAGE = re.compile(rf"leave a message of {_DURATION}")
_HANG_UP = re.compile(rf"hang up(?: when (ringing|answered))?(?: after {_DURATION})?")


def _phrases(text: str) -> list[str]:
    spaced = " ".join(text.lower().split())
    return [part for part in (p.strip() for p in re.split(r"[,;，；、]| then ", spaced)) if part]


def _caller_steps(phrases: list[str], accepted: tuple[str, ...]) -> tuple[tuple[Step, ...], bool]:
    """The steps, and whether nothing is said."""
    steps: list[Step] = []
    silent = False
    for phrase in phrases:
        if steps and isinstance(steps[-1], HangUp):
            raise ScriptError(phrase, "nothing can come after hanging up", accepted)
        if phrase == "say nothing":
            silent = True
        elif phrase != "wait":  # staying on the line is what everybody does anyway
            steps.append(_step(phrase, accepted))
    if silent and any(isinstance(step, LeaveMessage) for step in steps):
        raise ScriptError("say nothing", "cannot go together with leaving a message", accepted)
    return tuple(steps), silent


def _step(phrase: str, accepted: tuple[str, ...]) -> Step:
    if match := _PRESS.fullmatch(phrase):
        return Press(match[1], None if match[2] is None else _duration(match[2], phrase, accepted))
    if match := _WAIT.fullmatch(phrase):
        return Wait(_duration(match[1], phrase, accepted))
    if match := _MESSAGE.fullmatch(phrase):
        return LeaveMessage(_duration(match[1], phrase, accepted))
    if match := _HANG_UP.fullmatch(phrase):
        return HangUp(_duration(match[2] or "0", phrase, accepted), Moment(match[1] or "now"))
    raise ScriptError(phrase, "is not understood", accepted)


def _duration(number: str, phrase: str, accepted: tuple[str, ...]) -> float:
    seconds = round(float(number), 3)
    if seconds > LONGEST_SECONDS:
        raise ScriptError(phrase, f"is longer than any call ({LONGEST_SECONDS:.0f} s)", accepted)
    return seconds


def _seconds(number: float) -> str:
    return f"{number:.3f}".rstrip("0").rstrip(".") + "s"
