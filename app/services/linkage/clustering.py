"""Persons out of pairs: records that belong together, without joining what a veto keeps apart.

Pairs alone would chain: a father's record resembles one in which somebody mixed up two people, that one the son's, and
all are one. So two groups of records are joined, the heaviest pair first, only if no pair across them is vetoed and
together they speak for it.
"""

from collections import defaultdict
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
    records: list[int], weights: Mapping[Pair, float], is_vetoed: Callable[[Pair], bool], least: float
) -> list[list[int]]:
    """Persons among records that hang together.

    Args:
        records: all that hang together, sorted.
        weights: of the pairs (lower id first) that are known, in bits.
        is_vetoed: whether a pair is.
        least: from this weight on a pair is a link, and two groups are one person if their pairs weigh it on average.
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
        if sum(weights.get(other, UNRELATED_BITS) for other in across) >= least * len(across):
            groups.join(a, b)
    return sorted(sorted(members) for members in groups.members.values())


def pairs_within(groups: Iterable[list[int]]) -> Iterable[Pair]:
    """Every pair of records in the same group, the lower id first; groups are sorted."""
    for members in groups:
        for position, a in enumerate(members):
            for b in members[position + 1 :]:
                yield a, b


def by_record(pairs: Iterable[Pair]) -> dict[int, list[Pair]]:
    """Pairs by each of their records."""
    found: dict[int, list[Pair]] = defaultdict(list)
    for pair in pairs:
        found[pair[0]].append(pair)
        found[pair[1]].append(pair)
    return found
