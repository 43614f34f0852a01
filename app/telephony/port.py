"""The port to a telephone carrier: what it tells us, what we answer, what we may ask of it.

Everything above `app.telephony` speaks in these words; only the adapters below know a carrier's own.
A carrier posts a signed request, the adapter turns it into a `CallEvent`, a service decides on an `Answer`,
and the adapter renders the answer in the carrier's own language.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from app.domain.call_states import CarrierStatus


class EventKind(StrEnum):
    """Which of the carrier's routes an event came in by."""

    VOICE = "voice"
    DIAL_RESULT = "dial_result"
    WAIT = "wait"
    VOICEMAIL = "voicemail"
    RECORDING = "recording"
    STATUS = "status"
    FALLBACK = "fallback"
    OUTBOUND = "outbound"
    """The agent of a call that we place has picked up: what now?"""
    OUTBOUND_RESULT = "outbound_result"
    OUTBOUND_STATUS = "outbound_status"
    OUTBOUND_MACHINE = "outbound_machine"
    """Whether a person or a machine answered the customer's phone."""


@dataclass(frozen=True, slots=True)
class CallEvent:
    """One thing a carrier told us, after its signature was verified.

    `call_id` is the carrier's id of the call it speaks of, `parent_call_id` that of the customer's call when it speaks
    of another party's leg. `occurred_at` is the carrier's own time of it and `seconds` how long a leg that is over
    lasted, where it tells them. Numbers are raw, as the carrier sent them. `params` holds every parameter as it came
    (of a repeated one the last value) and is what the inbox keeps. `is_message` is true of a recording made after the
    beep. `attempt_id` names the placing of a call by us that it is about; `is_machine` is of its customer's end, and
    `is_not_in_service` says that the number that was rung leads nowhere.
    """

    kind: EventKind
    provider: str
    call_id: str
    received_at: datetime
    from_raw: str = ""
    to_raw: str = ""
    parent_call_id: str | None = None
    occurred_at: datetime | None = None
    seconds: int | None = None
    caller_name: str = ""
    status: CarrierStatus | None = None
    sequence: int | None = None
    digits: str = ""
    dial_status: CarrierStatus | None = None
    dial_call_id: str | None = None
    recording_id: str | None = None
    recording_url: str | None = None
    recording_seconds: int | None = None
    is_message: bool = False
    error_code: str | None = None
    error_url: str | None = None
    idempotency_token: str | None = None
    attempt_id: UUID | None = None
    is_machine: bool | None = None
    is_not_in_service: bool = False
    params: Mapping[str, str] = field(default_factory=dict)


class VoicemailReason(StrEnum):
    """Why a caller is asked to leave a message."""

    CLOSED = "closed"
    NOBODY = "nobody"
    ASKED = "asked"
    TROUBLE = "trouble"


@dataclass(frozen=True, slots=True)
class RingAgent:
    """Greet (only `first`), say the recording `notice`, and ring one agent's client for `ring_seconds`."""

    identity: str
    ring_seconds: int
    language: str
    greeting: str = ""
    first: bool = True
    record: bool = False
    notice: bool = False
    caller_id: str = ""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nobody is free: say the place in the queue (1 is next), offer to call back, come again in `seconds`.

    `place` is None when it is not known (the database is slow); then only "one moment" is said.
    """

    language: str
    place: int | None
    seconds: int
    greeting: str = ""
    offer_callback: bool = True


@dataclass(frozen=True, slots=True)
class CallbackPromised:
    """The caller pressed 1: confirm that their place is kept and who will be called, then hang up."""

    language: str


@dataclass(frozen=True, slots=True)
class TakeVoicemail:
    """Say why nobody answers (and when we open, if `opens_at` says so) and record a message.

    `opens_at` is local time at the hotline. `offer_callback` lets the caller press 1 instead of speaking.
    """

    language: str
    reason: VoicemailReason
    opens_at: datetime | None = None
    closure: str = ""
    offer_callback: bool = False


@dataclass(frozen=True, slots=True)
class ForwardCall:
    """Keep the caller by ringing a plain telephone number."""

    number: str
    language: str
    caller_id: str = ""


@dataclass(frozen=True, slots=True)
class HangUp:
    """End the call; `message_kept` thanks the caller for the message they left."""

    language: str
    message_kept: bool = False


@dataclass(frozen=True, slots=True)
class RingCustomer:
    """The agent has picked up: ring the customer whom `attempt_id` is to reach, with our number shown.

    Not recorded: the customer would have to be told first.
    """

    number: str
    caller_id: str
    ring_seconds: int
    attempt_id: UUID
    detect_machine: bool = False


Answer = RingAgent | Wait | CallbackPromised | TakeVoicemail | ForwardCall | HangUp | RingCustomer


@dataclass(frozen=True, slots=True)
class DialRequest:
    """Ring `to` (a client identity as `client:NAME`, or E.164) and then do as the answer at `url` says."""

    to: str
    from_: str
    url: str
    status_url: str
    ring_seconds: int = 20


@dataclass(frozen=True, slots=True)
class CarrierCall:
    """A call as the carrier's own records have it."""

    call_id: str
    to: str
    from_: str
    status: CarrierStatus
    created_at: datetime | None
    parent_call_id: str | None = None
    """Of a leg, the call that it was dialled from."""


@dataclass(frozen=True, slots=True)
class RedirectCall:
    """Let a live call come and ask again, because its answer has changed (an agent became free for it)."""

    call_id: str


@dataclass(frozen=True, slots=True)
class EndCall:
    """End a live call."""

    call_id: str


CarrierAct = RedirectCall | EndCall
"""What a use case wants of the carrier once its transaction stands."""


class CarrierError(Exception):
    """The carrier did not do what it was asked.

    CarrierError
    ├── CarrierRefused      it said no for good (4xx)
    ├── CarrierBusy         it said not now (429); `retry_after` seconds if it told
    └── CarrierUnknown      5xx or no answer: it may or may not have been done; look before asking again
    """


class CarrierRefused(CarrierError):
    """The carrier said no for good; `code` is its own error code."""

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


class CarrierBusy(CarrierError):
    """The carrier said not now; `retry_after` is in seconds where it told."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class CarrierUnknown(CarrierError):
    """No usable answer came: what was asked may or may not have happened."""


class Carrier(Protocol):
    """What we may ask of a carrier. No database transaction is held across any of these."""

    @property
    def name(self) -> str:
        """The provider's name as kept in `calls.provider`."""

    async def dial(self, request: DialRequest) -> CarrierCall:
        """Place a call; raises CarrierError."""

    async def redirect(self, call_id: str, url: str) -> None:
        """Let a live call fetch new instructions from `url`; raises CarrierError."""

    async def hang_up(self, call_id: str) -> None:
        """End a live call; ending an ended one is no error. Raises CarrierError."""

    async def fetch(self, call_id: str) -> CarrierCall:
        """The carrier's own record of one call; raises CarrierError."""

    async def list_calls(self, *, to: str, started_after: datetime) -> list[CarrierCall]:
        """The carrier's own records of calls to `to` since `started_after`; raises CarrierError."""

    def voice_token(self, identity: str, *, seconds: int) -> str:
        """A token with which one client identity may take calls for `seconds`; raises CarrierRefused if not set up."""

    async def aclose(self) -> None:
        """Give back connections."""
