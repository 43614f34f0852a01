"""How well records are linked, held against a truth that somebody knows."""

import resource
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from app.domain.person_columns import Column, header_key
from app.services.linkage.clustering import connected
from app.services.linkage.engine import Progress, link
from app.services.linkage.reading import UnreadableFile, look_at, read_people, read_table
from app.services.linkage.workspace import first_row, number, workspace

_CLUSTER_HEADERS: Final = frozenset(
    "cluster cluster_id clusterid entity entity_id person person_id group group_id label truth true_id master_id "
    "customer_group 人 组".split()
)
_MATCH_HEADERS: Final = frozenset("match is_match matched duplicate is_duplicate same label".split())


class TruthKind(StrEnum):
    """How a file says who is who."""

    PAIRS = "pairs"
    """Two columns of ids: each row is two records of one person."""
    CLUSTERS = "clusters"
    """An id and whatever stands for the person."""


@dataclass(frozen=True, slots=True)
class Score:
    """Pairs of records: how many were called one person's, how many of these are, of how many there are."""

    found: int
    right: int
    there: int

    @property
    def precision(self) -> float:
        """The share of what was found that is right; 1 where nothing was found."""
        return self.right / self.found if self.found else 1.0

    @property
    def recall(self) -> float:
        """The share of what there is that was found; 1 where there is nothing."""
        return self.right / self.there if self.there else 1.0

    @property
    def f1(self) -> float:
        """The harmonic mean of the two."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What an evaluation gave.

    Attributes:
        records, pairs: how many there are, and how many were compared.
        columns: which header was taken for which column.
        homes_are_shared: whether people in this file were found to live together.
        linked: of all that were called one person's.
        merged: of those that would be merged unasked.
        unknown: ids of the truth that no record has.
        seconds, steps: in all, and by step.
        peak_memory: of this process, in bytes.
    """

    records: int
    pairs: int
    columns: Mapping[str, Column]
    homes_are_shared: bool
    linked: Score
    merged: Score
    unknown: int
    seconds: float
    steps: Mapping[str, float]
    peak_memory: int


def evaluate(
    records: Path,
    truth: Path,
    *,
    mapping: Mapping[Column, Sequence[str]] | None = None,
    kind: TruthKind | None = None,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Link a file's records by a model learnt from that file alone, and compare with the truth.

    The threshold is the one of `domain.linkage`; the truth is not read before all is decided.

    Args:
        records, truth: the two files.
        mapping: which headers hold a column, where the file's own words do not tell.
        kind: how the truth is written; None to see by its headers and ids.
        folder: where to work; None for the system's folder for temporary files.
        progress: told the name of each step as it begins.

    Raises:
        UnreadableFile: one of the two is no table of what it is to be.
    """
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="callcard-evaluate-", dir=folder) as scratch, workspace(folder) as db:
        columns = read_people(db, records, Path(scratch), mapping)
        linked = link(db, progress=progress)
        seconds = time.perf_counter() - started
        unknown = _read_truth(db, truth, Path(scratch), kind)
        there = number(db, "SELECT sum(n * (n - 1) / 2) FROM (SELECT count(*) AS n FROM truth GROUP BY cluster)")
        return Evaluation(
            records=linked.records,
            pairs=linked.pairs,
            columns=columns,
            homes_are_shared=linked.model.homes_are_shared,
            linked=_score(db, linked.persons, there),
            merged=_score(db, linked.sure, there),
            unknown=unknown,
            seconds=seconds,
            steps=linked.seconds,
            peak_memory=_peak_memory(),
        )


def _score(db: duckdb.DuckDBPyConnection, groups: list[list[int]], there: int) -> Score:
    memberships = pa.table(
        {
            "person": [position for position, group in enumerate(groups) for _ in group],
            "id": [record for group in groups for record in group],
        },
        schema=pa.schema([("person", pa.int64()), ("id", pa.int64())]),
    )
    db.register("memberships", memberships)
    right = number(
        db,
        "SELECT sum(n * (n - 1) / 2) FROM"
        " (SELECT count(*) AS n FROM memberships JOIN truth USING (id) GROUP BY person, cluster)",
    )
    db.unregister("memberships")
    return Score(found=sum(len(group) * (len(group) - 1) // 2 for group in groups), right=right, there=there)


def _read_truth(db: duckdb.DuckDBPyConnection, path: Path, scratch: Path, kind: TruthKind | None) -> int:
    """Make the table `truth` (`id` of `people`, `cluster`). Returns how many of its ids are no record's."""
    layout = look_at(path, scratch)
    if len(layout.headers) < 2:
        raise UnreadableFile(f"{path.name} needs two columns: ids of two records, or an id and a cluster.")
    headers = [header_key(header) for header in layout.headers]
    first = [header.strip() for header in layout.headers[:2]]
    has_header = not first_row(db, "SELECT true FROM people WHERE record = $id LIMIT 1", {"id": first[0]})
    read_table(db, layout, "answers", has_header=has_header)
    cluster_at = next((at for at, header in enumerate(headers) if has_header and header in _CLUSTER_HEADERS), None)
    match_at = next(
        (at for at, header in enumerate(headers) if has_header and at > 1 and header in _MATCH_HEADERS), None
    )
    if kind is None:
        kind = _kind(db, cluster_at if match_at is None else None)
    if kind is TruthKind.CLUSTERS:
        person = cluster_at if cluster_at is not None else 1
        record = 0 if person != 0 else 1
        db.execute(
            "CREATE OR REPLACE TABLE said AS"
            f" SELECT DISTINCT trim(c{record}) AS record, trim(c{person}) AS cluster FROM answers"
        )
        db.execute(
            "CREATE OR REPLACE TABLE truth AS"
            " SELECT p.id, any_value(s.cluster) AS cluster FROM said s JOIN people p USING (record) GROUP BY p.id"
        )
        return number(db, "SELECT count(DISTINCT record) FROM said s ANTI JOIN people p USING (record)")
    if match_at is not None:
        said = f"lower(trim(coalesce(c{match_at}, '0')))"
        db.execute(f"DELETE FROM answers WHERE {said} IN ('', '0', 'false', 'no', 'n', 'f')")
    pairs = db.execute(
        "SELECT DISTINCT a.id, b.id FROM answers s"
        " JOIN people a ON a.record = trim(s.c0) JOIN people b ON b.record = trim(s.c1)"
        " WHERE a.id <> b.id ORDER BY 1, 2"
    ).fetchall()
    groups = connected(pairs)
    answer = pa.table(
        {
            "id": [record for group in groups for record in group],
            "cluster": [str(position) for position, group in enumerate(groups) for _ in group],
        },
        schema=pa.schema([("id", pa.int64()), ("cluster", pa.string())]),
    )
    db.register("answer", answer)
    db.execute("CREATE OR REPLACE TABLE truth AS SELECT * FROM answer")
    db.unregister("answer")
    return number(
        db,
        "SELECT count(*) FROM (SELECT trim(c0) AS record FROM answers UNION SELECT trim(c1) FROM answers) s"
        " ANTI JOIN people p USING (record)",
    )


def _kind(db: duckdb.DuckDBPyConnection, cluster_at: int | None) -> TruthKind:
    if cluster_at is not None:
        return TruthKind.CLUSTERS
    # A cluster may be named after one of its records; then pairs with that record say the same.
    answers, ids = first_row(
        db, "SELECT count(*), count(p.record) FROM answers s LEFT JOIN people p ON p.record = trim(s.c1)"
    )
    return TruthKind.PAIRS if 2 * ids >= answers else TruthKind.CLUSTERS


def _peak_memory() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
