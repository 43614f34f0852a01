"""Who is on a manager's daily list, and in which order: the pure rule. `docs/call-lists.md` works it out with a pencil.

A customer's score is the sum of what their reasons weigh, so the list is in that order. Who is on it is decided in
five layers, each only as far as there are places left:

1. **reserved**: whose turn cannot wait, by when it is due;
2. promised times and what was put there by hand;
3. what was left over from earlier lists;
4. **pace**: whose turn comes next, as many a day as an even pace takes;
5. the rest by score.

Why everybody has their turn
----------------------------
Let a list have `c` places, and D(k) be how many customers are due within the next k working days, this one included.
All are in time as long as D(k) ≤ c·k for every k: the first k lists have that many places. Of this day's places

    reserved = max over k of D(k) - c·(k - 1)

cannot be given to anybody else, for the k - 1 lists after it have only c·(k - 1). If that many customers are listed in
the order in which they are due, then D(k + 1) counted from tomorrow is at most c·k again, for those who are not new:

- whoever is listed today is due again last of all, on the last day that anybody is (`list_days`: a later listing never
  is due before an earlier one), and so is who is new in the book or may be called again;
- so only the largest k sees them, and for that one D(k) is the whole book, N: it holds while N ≤ c·k, which is the
  condition of the promise: N ≤ 60·W.

By induction D(k) ≤ c·k on every day, `reserved` is never more than c, and nobody is late. What the other places are
given to does not occur in the argument: priorities may repeat as they like. That nobody's turn is put off to the very
last days, when promised times would have to stand back, is what the pace is for: max over k of D(k)/k places a day
are the fewest that, given every day, would do.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final, Generic, TypeVar
from uuid import UUID

SIZE: Final = 60
"""So many customers a list has where nobody says otherwise."""

Key = TypeVar("Key", UUID, int)


@dataclass(frozen=True, slots=True)
class Weights:
    """What each reason weighs, from 0 on.

    The defaults keep the order promised – stages 4 and 5 – good intention – contract expired – the rest, for each
    weighs more than all that come after it together.

    Attributes:
        waiting: for each working day since the last contact, `waiting_most` of them at most.
    """

    promised: float = 3000
    stage_5: float = 1400
    stage_4: float = 1300
    very_likely: float = 700
    good: float = 600
    contract_expired: float = 300
    carried_over: float = 50
    win_back: float = 50
    contract_ending_7: float = 50
    contract_ending_14: float = 40
    contract_ending_30: float = 30
    birthday: float = 40
    warranty_ending: float = 30
    festival: float = 20
    waiting: float = 1
    waiting_most: float = 50


@dataclass(frozen=True, slots=True)
class Quotas:
    """How many customers a day a source may give its weight to; the first by tier, then by who waited longest."""

    birthday: int = 20
    contract_ending: int = 20
    warranty_ending: int = 10
    festival: int = 10
    win_back: int = 5


@dataclass(frozen=True, slots=True)
class Sources:
    """Which sources of reasons are switched on."""

    birthday: bool = True
    contract_ending: bool = True
    warranty_ending: bool = True
    festival: bool = True
    win_back: bool = True


WEIGHT_NAMES: Final = tuple(field.name for field in fields(Weights))
QUOTA_NAMES: Final = tuple(field.name for field in fields(Quotas))


@dataclass(frozen=True, slots=True)
class Candidate(Generic[Key]):
    """A customer who may be on the list.

    Attributes:
        key: tells customers apart, and decides where nothing else does.
        due_in: within how many working days they must be listed, this one being 1.
        score: the sum of what their reasons weigh.
        waited: working days since the last contact.
        promised_at: when they were promised a call, if that is due by the day's end.
        is_left_over: their last entry was never worked.
        is_pinned: put there by hand.
    """

    key: Key
    due_in: int
    score: float = 0
    waited: int = 0
    promised_at: datetime | None = None
    is_left_over: bool = False
    is_pinned: bool = False


@dataclass(frozen=True, slots=True)
class Need:
    """What the coverage asks of one day.

    Attributes:
        reserved: so many must be listed now, in the order in which they are due.
        pace: so many should be.
        late: so many will be late, whatever is listed.
        fits: the whole book has room within one round.
    """

    reserved: int
    pace: int
    late: int
    fits: bool


def need(due_in: Sequence[int], size: int, round_days: int) -> Need:
    """What the coverage asks of a list of `size` places, given within how many days each customer is due.

    When the book has no room within one round, the promise cannot be kept: nothing is reserved then, so that promised
    times go first, and all places that are left go by whose turn it is.
    """
    within = Counter(max(due, 1) for due in due_in)
    fits = len(due_in) <= size * round_days
    reserved = pace = late = so_far = 0
    for days in sorted(within):
        so_far += within[days]
        reserved = max(reserved, so_far - size * (days - 1))
        pace = max(pace, -(-so_far // days))
        late = max(late, so_far - size * days)
    return Need(min(reserved, size) if fits else 0, min(pace, size), late, fits)


@dataclass(frozen=True, slots=True)
class Pick(Generic[Key]):
    """A customer on the list, in its order. `layer` is 1 to 5, as above."""

    candidate: Candidate[Key]
    layer: int


def choose(candidates: Sequence[Candidate[Key]], size: int, round_days: int) -> list[Pick[Key]]:
    """The list: `size` customers, or all if they are fewer, the best first.

    The order is total and depends on nothing but the candidates: score, then the earlier promise, then who waited
    longer, then the key.
    """
    wanted = need([each.due_in for each in candidates], size, round_days)
    by_turn = sorted(candidates, key=lambda each: (each.due_in, *_order(each)))
    picks = []
    for turn, each in enumerate(by_turn, start=1):
        if turn <= wanted.reserved:
            layer = 1
        elif each.promised_at is not None or each.is_pinned:
            layer = 2
        elif each.is_left_over:
            layer = 3
        elif turn <= wanted.pace:
            layer = 4
        else:
            layer = 5
        picks.append(Pick(each, layer))
    picks.sort(key=lambda pick: (pick.layer, *_order(pick.candidate)))
    return sorted(picks[:size], key=lambda pick: _order(pick.candidate))


def moved(order: Sequence[Key], positions: Mapping[Key, int]) -> list[Key]:
    """A list with some of its customers at given positions (from 1; beyond the end: last), the others in their order.

    Of two at one position, and of those beyond the end, whoever came first in the list stays first.
    """
    wished = sorted((key for key in order if key in positions), key=lambda key: positions[key])
    found = [key for key in order if key not in positions]
    for key in wished:
        found.insert(positions[key] - 1, key)
    return found


def _order(each: Candidate[Key]) -> tuple[float, float, int, Key]:
    promised = each.promised_at.timestamp() if each.promised_at else float("inf")
    return (-each.score, promised, -each.waited, each.key)
