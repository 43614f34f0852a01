"""Persons out of pairs: records that belong together, without joining what a veto keeps apart.

Pairs alone would chain: a father's record resembles one in which somebody mixed up two people, that one the son's, and
all are one. So two groups of records are joined, the heaviest pair first, only if no pair across them is vetoed and
together they speak for it.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

Pair = tuple[int, int]

UNRELATED_BITS: Final = -8.0
"""What a pair counts that is too light to have been kept."""


class _Groups:
    """Which record is in which group; joining in nearly constant time (union by size, paths halved)."""

    def __init__(self) -> None:
        self._parent: dict[int, int] = {}
        self.members: dict[int, list[int]] = {}

    def find(self, record: int) -> int:
        parent = self._parent
        if record not in parent:
            parent[record] = record
            self.members[record] = [record]
            return record
        while parent[record] != record:
            parent[record] = parent[parent[record]]
            record = parent[record]
        return record

    def join(self, a: int, b: int) -> None:
        if len(self.members[a]) < len(self.members[b]):
            a, b = b, a
        self._parent[b] = a
        self.members[a] += self.members.pop(b)


def connected(links: Iterable[Pair]) -> list[list[int]]:
    """The records that hang together by any chain of links, sorted within and by their first."""
    groups = _Groups()
    for a, b in links:
        first, second = groups.find(a), groups.find(b)
        if first != second:
            groups.join(first, second)
    return sorted(sorted(members) for members in groups.members.values())


def split(
    records: list[int],
    weights: Mapping[Pair, float],
    is_vetoed: Callable[[Pair], bool],
    least: float,
    *,
    all_known: bool = True,
) -> list[list[int]]:
    """Persons among records that hang together.

    Args:
        records: all that hang together, sorted.
        weights: of the pairs (lower id first) that are known, in bits.
        is_vetoed: whether a pair is.
        least: from this weight on a pair is a link, and two groups are one person if their pairs weigh it on average.
        all_known: a pair without a weight is too light to have one; otherwise it says nothing.
    """
    inside = set(records)
    links = sorted(
        ((weight, pair) for pair, weight in weights.items() if weight >= least and inside.issuperset(pair)),
        key=lambda link: (-link[0], link[1]),
    )
    groups = _Groups()
    for record in records:
        groups.find(record)
    for _, pair in links:
        if is_vetoed(pair):
            continue
        a, b = groups.find(pair[0]), groups.find(pair[1])
        if a == b:
            continue
        across = [(min(x, y), max(x, y)) for x in groups.members[a] for y in groups.members[b]]
        if any(is_vetoed(other) for other in across):
            continue
        known = [weights[other] for other in across if other in weights]
        unknown = (len(across) - len(known)) * UNRELATED_BITS if all_known else 0.0
        counted = len(across) if all_known else len(known)
        if sum(known) + unknown >= least * counted:
            groups.join(a, b)
    return sorted(sorted(members) for members in groups.members.values())


def with_identical(persons: list[list[int]], identical: Iterable[Pair]) -> list[list[int]]:
    """Persons with the records that repeat one of theirs, of which there may be more than any key brings together.

    Args:
        identical: each a record and one that repeats it.
    """
    groups = [list(group) for group in persons]
    number_of = {record: number for number, group in enumerate(groups) for record in group}
    for first, record in identical:
        if record in number_of:
            continue
        if first not in number_of:
            number_of[first] = len(groups)
            groups.append([first])
        number_of[record] = number_of[first]
        groups[number_of[first]].append(record)
    return sorted(sorted(group) for group in groups)


def pairs_within(groups: Iterable[list[int]]) -> Iterable[Pair]:
    """Every pair of records in the same group, the lower id first; groups are sorted."""
    for members in groups:
        for position, a in enumerate(members):
            for b in members[position + 1 :]:
                yield a, b
