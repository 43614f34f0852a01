"""The day's plan: which calls are important, which are urgent, and which belong into the golden hours.

The training material's four quadrants. What is urgent gets done anyway; what is important and not urgent is what
tomorrow's contracts are made of, and is put off for ever unless it has its own time. So of the golden hours, in which
customers are reached and listen, a third is kept for it, and nothing unimportant comes into them while anything
important waits.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import time
from enum import StrEnum
from typing import Final
from uuid import UUID

from app.domain.standing import LEANING, Dcwh, Intention, Tier


class Quadrant(StrEnum):
    """Important or not, urgent or not."""

    IMPORTANT_URGENT = "important_urgent"
    IMPORTANT = "important"
    URGENT = "urgent"
    NEITHER = "neither"


@dataclass(frozen=True, slots=True)
class Hours:
    """A part of the working day, on the wall clock; `golden` where customers are reached best."""

    begins: time
    ends: time
    golden: bool

    @property
    def minutes(self) -> int:
        """How long it is."""
        return (self.ends.hour - self.begins.hour) * 60 + self.ends.minute - self.begins.minute


DAY: Final = (
    Hours(time(9), time(10), golden=False),
    Hours(time(10), time(11, 30), golden=True),
    Hours(time(11, 30), time(12), golden=False),
    Hours(time(13, 30), time(14), golden=False),
    Hours(time(14), time(16), golden=True),
    Hours(time(16), time(18), golden=False),
)
"""The working day. Before ten people begin their day, around noon they eat, towards the evening they leave."""

MINUTES_A_CALL: Final = 6.0
"""Reading the card, ringing, talking, and saying what came of it, on an average of who answers and who does not."""

KEPT_FOR_IMPORTANT: Final = 3
"""Of so many places in the golden hours one is kept for what is important and not urgent."""

URGENT_REASONS: Final = frozenset(
    {"promised", "promise_owed", "carried_over", "contract_ending", "warranty_ending", "birthday", "festival"}
)
IMPORTANT_REASONS: Final = frozenset({"contract_expired", "contract_ending", "win_back"})
"""Codes of `domain/list_reasons.py`."""

CONTRACT_SENT: Final = 5
_IMPORTANT_TIERS: Final = frozenset({Tier.CORE, Tier.VALUE})
_LIKELY: Final = frozenset({Intention.GOOD, Intention.VERY_LIKELY})


@dataclass(frozen=True, slots=True)
class Listed:
    """A customer on a day's list. `at` is the wall clock for which a call was promised, None for any."""

    entry_id: UUID
    reasons: Collection[str]
    stage: int
    intention: Intention | None
    dcwh: Dcwh | None
    tier: Tier | None
    at: time | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the day and who is to be called in it, in this order."""

    hours: Hours
    entry_ids: tuple[UUID, ...]


def is_important(entry: Listed) -> bool:
    """Much may come of the call: a good or likely buyer, a contract to win or to renew, a customer of value."""
    return (
        entry.tier in _IMPORTANT_TIERS
        or entry.dcwh is Dcwh.HOT
        or entry.stage in LEANING
        or entry.intention in _LIKELY
        or not IMPORTANT_REASONS.isdisjoint(entry.reasons)
    )


def is_urgent(entry: Listed) -> bool:
    """Tomorrow is too late: promised, left over, a contract that lies with them, a day that does not come again."""
    return entry.stage == CONTRACT_SENT or not URGENT_REASONS.isdisjoint(entry.reasons)


def quadrant_of(entry: Listed) -> Quadrant:
    """Where a customer stands among the four."""
    if is_important(entry):
        return Quadrant.IMPORTANT_URGENT if is_urgent(entry) else Quadrant.IMPORTANT
    return Quadrant.URGENT if is_urgent(entry) else Quadrant.NEITHER


def plan(entries: Sequence[Listed], day: Sequence[Hours] = DAY) -> list[Part]:
    """The parts of the day, in their order, with everybody on the list once.

    Each part has room by its length. Who was promised a time is called in the part in which it lies, full or not. Then
    the golden parts are filled: two that are important and urgent, one that is only important, and so on; what is left
    of their room goes to the urgent, then to the rest. The other parts take whoever is left: important and urgent
    first, then urgent, important, the rest. Within a quadrant the order of the list stays.

    Args:
        entries: in the order of the list.
        day: not empty.
    """
    parts: list[list[UUID]] = [[] for _ in day]
    rooms = _rooms(len(entries), day)
    waiting: dict[Quadrant, list[UUID]] = {quadrant: [] for quadrant in Quadrant}
    for entry in sorted(entries, key=lambda each: (each.at is None, each.at or time(0))):
        if entry.at is None:
            waiting[quadrant_of(entry)].append(entry.entry_id)
        else:
            parts[_part_of(entry.at, day)].append(entry.entry_id)
    order = _golden_order(waiting)
    for number, hours in enumerate(day):
        if hours.golden:
            _fill(parts[number], rooms[number], order)
    left = set(order)
    others = [
        entry_id
        for quadrant in (Quadrant.IMPORTANT_URGENT, Quadrant.URGENT, Quadrant.IMPORTANT, Quadrant.NEITHER)
        for entry_id in waiting[quadrant]
        if entry_id in left
    ]
    for number, room in enumerate(rooms):
        _fill(parts[number], room, others)
    # Promised times may have taken more room than their part has, and rooms are whole calls.
    parts[-1] += others
    return [Part(hours, tuple(entry_ids)) for hours, entry_ids in zip(day, parts, strict=True)]


def _golden_order(waiting: dict[Quadrant, list[UUID]]) -> list[UUID]:
    both, kept = list(waiting[Quadrant.IMPORTANT_URGENT]), list(waiting[Quadrant.IMPORTANT])
    order: list[UUID] = []
    while both or kept:
        wants_kept = len(order) % KEPT_FOR_IMPORTANT == KEPT_FOR_IMPORTANT - 1
        order.append((kept if kept and (wants_kept or not both) else both).pop(0))
    return [*order, *waiting[Quadrant.URGENT], *waiting[Quadrant.NEITHER]]


def _rooms(count: int, day: Sequence[Hours]) -> list[int]:
    """How many calls fit into each part, at `MINUTES_A_CALL`; on a list that is too long for that, at fewer."""
    total = sum(hours.minutes for hours in day)
    each = min(MINUTES_A_CALL, total / max(count, 1))
    return [int(hours.minutes / each) for hours in day]


def _part_of(at: time, day: Sequence[Hours]) -> int:
    """The part in which a time lies; else the next one, else the last."""
    return next((number for number, hours in enumerate(day) if at < hours.ends), len(day) - 1)


def _fill(part: list[UUID], room: int, order: list[UUID]) -> None:
    while order and len(part) < room:
        part.append(order.pop(0))
