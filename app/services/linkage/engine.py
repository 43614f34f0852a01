"""The whole of it: `people` in, persons out."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import duckdb
import pyarrow as pa

from app.domain.linkage import LINK_BITS
from app.services.linkage.blocking import find_pairs
from app.services.linkage.clustering import Pair, connected, pairs_within, split, with_identical
from app.services.linkage.model import LinkageModel
from app.services.linkage.people import prepare
from app.services.linkage.scoring import score
from app.services.linkage.training import train

_LARGEST_CHECKED: Final = 150
"""In larger heaps of records the pairs that no key brought together are not compared after all."""

Progress = Callable[[str], None]


@dataclass(slots=True)
class Linked:
    """What a run found.

    Attributes:
        model: by which it was decided.
        records, pairs: how many there were, and how many were compared.
        persons: ids of `people` of those who have more than one record.
        sure: the same, by sure pairs alone.
        seconds: how long each step took.
    """

    model: LinkageModel
    records: int
    pairs: int
    persons: list[list[int]]
    sure: list[list[int]]
    seconds: dict[str, float] = field(default_factory=dict)


class _Clock:
    def __init__(self, progress: Progress | None) -> None:
        self.seconds: dict[str, float] = {}
        self._progress = progress
        self._step: str | None = None
        self._since = 0.0

    def start(self, step: str) -> None:
        self.stop()
        self._step, self._since = step, time.perf_counter()
        if self._progress is not None:
            self._progress(step)

    def stop(self) -> None:
        if self._step is not None:
            self.seconds[self._step] = time.perf_counter() - self._since
            self._step = None


def link(
    db: duckdb.DuckDBPyConnection,
    model: LinkageModel | None = None,
    progress: Progress | None = None,
    *,
    only_fresh: bool = False,
) -> Linked:
    """Find out which of the `records` are one person's; leaves `people` and `scored` behind.

    Args:
        db: a workspace with the table `records`.
        model: by which to decide; None to learn one from these records.
        progress: told the name of each step as it begins.
        only_fresh: compare only pairs of which one is in the table `fresh` (of ids).
    """
    clock = _Clock(progress)
    clock.start("prepare")
    records = prepare(db)
    clock.start("train")
    model = model or train(db)
    clock.start("block")
    pairs = find_pairs(db, only_with="id IN (SELECT id FROM fresh)" if only_fresh else None)
    clock.start("score")
    score(db, model)
    db.execute("DROP TABLE pairs")
    clock.start("cluster")
    identical = db.execute("SELECT first, id FROM identical ORDER BY first, id").fetchall()
    persons = find_persons(db, model, LINK_BITS)
    sure = with_identical(_sure_within(db, persons), identical)
    persons = with_identical(persons, identical)
    clock.stop()
    return Linked(model, records, pairs, persons, sure, clock.seconds)


def find_persons(db: duckdb.DuckDBPyConnection, model: LinkageModel, least: float) -> list[list[int]]:
    """Groups of records that are one person's, by the pairs in `scored`; those of one record are left out."""
    links = db.execute(f"SELECT a, b FROM scored WHERE veto IS NULL AND weight >= {least} ORDER BY a, b").fetchall()
    heaps = connected(links)
    persons = [heap for heap in heaps if len(heap) == 2]
    larger = [heap for heap in heaps if len(heap) > 2]
    if not larger:
        return persons
    _score_the_rest(db, model, larger)
    db.register("in_heaps", pa.table({"id": [record for heap in larger for record in heap]}))
    weights: dict[Pair, float] = {}
    vetoed: set[Pair] = set()
    for table in ("scored", "scored_within"):
        rows = db.execute(
            f"SELECT a, b, weight, veto IS NOT NULL FROM {table} WHERE a IN (FROM in_heaps) AND b IN (FROM in_heaps)"
        )
        while batch := rows.fetchmany(50_000):
            for a, b, weight, is_vetoed in batch:
                weights[a, b] = weight
                if is_vetoed:
                    vetoed.add((a, b))
    db.unregister("in_heaps")
    by_first: dict[int, dict[Pair, float]] = {}
    for pair, weight in weights.items():
        by_first.setdefault(pair[0], {})[pair] = weight
    for heap in larger:
        own = {pair: weight for record in heap for pair, weight in by_first.get(record, {}).items()}
        groups = split(heap, own, vetoed.__contains__, least, all_known=len(heap) <= _LARGEST_CHECKED)
        persons += [group for group in groups if len(group) > 1]
    return sorted(persons)


def _score_the_rest(db: duckdb.DuckDBPyConnection, model: LinkageModel, heaps: list[list[int]]) -> None:
    """Compare the pairs within heaps that no key brought together, or that were too light to be kept."""
    within = list(pairs_within(heap for heap in heaps if len(heap) <= _LARGEST_CHECKED))
    table = pa.table({"a": [a for a, _ in within], "b": [b for _, b in within]})
    db.register("within", table)
    db.execute("""
        CREATE OR REPLACE TABLE pairs_within AS
        SELECT w.a AS join_key_l, w.b AS join_key_r, '0' AS match_key FROM within w
        WHERE NOT EXISTS (SELECT 1 FROM scored s WHERE s.a = w.a AND s.b = w.b)
    """)
    db.unregister("within")
    score(db, model, pairs="pairs_within", into="scored_within", least=None)
    db.execute("DROP TABLE pairs_within")


def _sure_within(db: duckdb.DuckDBPyConnection, persons: list[list[int]]) -> list[list[int]]:
    """The parts of persons that sure pairs hold together."""
    db.register(
        "memberships",
        pa.table(
            {
                "person": [number for number, group in enumerate(persons) for _ in group],
                "id": [record for group in persons for record in group],
            },
            schema=pa.schema([("person", pa.int64()), ("id", pa.int64())]),
        ),
    )
    links = db.execute("""
        SELECT s.a, s.b FROM scored s JOIN memberships l ON l.id = s.a JOIN memberships r ON r.id = s.b
        WHERE s.sure AND s.veto IS NULL AND l.person = r.person ORDER BY s.a, s.b
    """).fetchall()
    db.unregister("memberships")
    return connected(links)
