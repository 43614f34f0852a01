"""Where a complaint stands, and what may become of it.

    open ──start──> in_progress ──resolve──> resolved ──close──> closed
      └────────────resolve──────────────────────^  │                │
    reopened <──────────────reopen─────────────────┴────────────────┘
      └──start──> in_progress, or resolve at once

The customer's own word at a callback goes further: `satisfied` closes a complaint wherever it stands.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class ComplaintState(StrEnum):
    """Where a complaint stands. It is *settled* when it is `resolved` or `closed`, and *open* until it is `closed`."""

    OPEN = "open"
    IN_PROGRESS = "in_progress"
    RESOLVED = "resolved"
    """We say that it is done; the next-day callback asks the customer."""
    CLOSED = "closed"
    REOPENED = "reopened"


class ComplaintAct(StrEnum):
    """What moves a complaint from one state to the next."""

    START = "start"
    RESOLVE = "resolve"
    CLOSE = "close"
    SATISFIED = "satisfied"
    """The customer said at a callback that it works now."""
    REOPEN = "reopen"


SETTLED: Final = frozenset({ComplaintState.RESOLVED, ComplaintState.CLOSED})
"""States in which no clock runs."""

_NEXT: Final[Mapping[ComplaintAct, tuple[frozenset[ComplaintState], ComplaintState]]] = {
    ComplaintAct.START: (frozenset({ComplaintState.OPEN, ComplaintState.REOPENED}), ComplaintState.IN_PROGRESS),
    ComplaintAct.RESOLVE: (
        frozenset({ComplaintState.OPEN, ComplaintState.REOPENED, ComplaintState.IN_PROGRESS}),
        ComplaintState.RESOLVED,
    ),
    ComplaintAct.CLOSE: (frozenset({ComplaintState.RESOLVED}), ComplaintState.CLOSED),
    ComplaintAct.SATISFIED: (frozenset(ComplaintState) - {ComplaintState.CLOSED}, ComplaintState.CLOSED),
    ComplaintAct.REOPEN: (SETTLED, ComplaintState.REOPENED),
}


def next_state(state: ComplaintState, act: ComplaintAct) -> ComplaintState | None:
    """The state after an act, or None where the state does not allow it."""
    allowed, then = _NEXT[act]
    return then if state in allowed else None
