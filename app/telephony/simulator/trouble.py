"""What can be made to go wrong on purpose.

The same `seed` makes the same trouble for the same calls in the same order.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from app.telephony.simulator.events import SimEventKind


class Signature(StrEnum):
    """How requests are signed."""

    RIGHT = "right"
    WRONG = "wrong"
    MISSING = "missing"


class RestProblem(StrEnum):
    """How a REST request goes wrong."""

    TOO_MANY_REQUESTS = "too_many_requests"  # 429 with Retry-After
    SERVER_ERROR = "server_error"  # 500
    UNAVAILABLE = "unavailable"  # 503
    NO_ANSWER = "no_answer"  # the connection stays open and silent until the client gives up


@dataclass(frozen=True, slots=True)
class RestFault:
    """One REST request that goes wrong.

    `carried_out`: what was asked is done all the same and only the answer is lost. `retry_after` is in seconds.
    `only_create`: waits for the next request that creates a call and lets others through.
    """

    problem: RestProblem
    carried_out: bool = False
    retry_after: int = 1
    only_create: bool = True


@dataclass(frozen=True, slots=True)
class Trouble:
    """The knobs. The default is no trouble at all.

    Attributes:
        webhook_copies: every TwiML request is sent this often at once, with the same idempotency token.
        status_copies: likewise every status callback.
        status_shuffle: this many status callbacks are held back together and sent in a random order (0: in order).
        status_delay: each status callback waits a random time up to this many seconds of call time, so that they
            overtake each other.
        status_drop: the share of status callbacks (0 to 1) that is never sent, though it was numbered.
        signature: how requests are signed.
        spoof_forwarded: adds X-Forwarded-Host, -Proto, -For and Forwarded headers that claim another origin.
        extra_params: pairs added to every form, signed as well; names may repeat and values be blank.
        rest_faults: used up one by one by REST requests.
        hang_up_on: the caller hangs up as soon as an event of this kind happens.
        hang_up_after: the caller hangs up after this many events of the call.
        seed: of all chance.
    """

    webhook_copies: int = 1
    status_copies: int = 1
    status_shuffle: int = 0
    status_delay: float = 0.0
    status_drop: float = 0.0
    signature: Signature = Signature.RIGHT
    spoof_forwarded: bool = False
    extra_params: tuple[tuple[str, str], ...] = ()
    rest_faults: tuple[RestFault, ...] = field(default=())
    hang_up_on: SimEventKind | None = None
    hang_up_after: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.webhook_copies < 1 or self.status_copies < 1:
            raise ValueError("at least one copy of everything is sent; to lose status callbacks use status_drop")
        if not 0 <= self.status_drop <= 1:
            raise ValueError(f"status_drop is a share from 0 to 1, not {self.status_drop!r}")


NO_TROUBLE = Trouble()

SPOOFED_HEADERS = (
    ("X-Forwarded-Host", "attacker.example"),
    ("X-Forwarded-Proto", "gopher"),
    ("X-Forwarded-For", "203.0.113.66"),
    ("X-Forwarded-Port", "1"),
    ("X-Original-URL", "/attacker"),
    ("Forwarded", 'for=203.0.113.66;host="attacker.example";proto=gopher'),
)
