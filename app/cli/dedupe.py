"""`callcard dedupe …`: finding the same person twice, and measuring how well."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich.table import Table

from app.cli.console import CommandFailed, err, note, out, say, troubles_told
from app.cli.database import current_database
from app.config import Settings
from app.db import Database
from app.domain.person_columns import Column, known
from app.services.linkage.evaluation import Evaluation, Score, TruthKind, evaluate
from app.services.linkage.finding import find_duplicates


def read_mapping(entries: Sequence[str]) -> dict[Column, list[str]]:
    """`date_of_birth=Born` and the like, by column.

    Raises:
        CommandFailed: one is not of that form, or names no column that is known.
    """
    mapping: dict[Column, list[str]] = {}
    for entry in entries:
        name, equals, header = entry.partition("=")
        if not equals or name not in list(Column):
            raise CommandFailed(
                f"--mapping takes COLUMN=HEADER, where COLUMN is one of {known(Column)}; not {entry!r}."
            )
        mapping.setdefault(Column(name), []).append(header)
    return mapping


def run_evaluate(
    records: Path, truth: Path, mapping: Sequence[str], kind: str | None, folder: Path | None, *, as_json: bool
) -> None:
    """Evaluate and print."""
    with troubles_told():
        columns = read_mapping(mapping)
        how = _read_kind(kind)
        if as_json or not err.is_terminal:
            found = evaluate(records, truth, mapping=columns, kind=how, folder=folder)
        else:
            with err.status("read") as status:
                found = evaluate(records, truth, mapping=columns, kind=how, folder=folder, progress=status.update)
        if as_json:
            say(json.dumps(_as_json(found), ensure_ascii=False, indent=2))
        else:
            _print(found)
        if found.unknown:
            note(f"{found.unknown} ids of {truth.name} are no record's in {records.name}; they do not count.")


def _read_kind(kind: str | None) -> TruthKind | None:
    if kind is not None and kind not in list(TruthKind):
        raise CommandFailed(f"--truth-kind is pairs or clusters, not {kind!r}.")
    return None if kind is None else TruthKind(kind)


def _as_json(found: Evaluation) -> dict[str, object]:
    return {
        "records": found.records,
        "pairs_compared": found.pairs,
        "columns": {header: column.value for header, column in found.columns.items()},
        "homes_are_shared": found.homes_are_shared,
        **_score_as_json(found.linked),
        "merged_unasked": _score_as_json(found.merged),
        "unknown_ids": found.unknown,
        "seconds": round(found.seconds, 2),
        "steps": {step: round(seconds, 2) for step, seconds in found.steps.items()},
        "peak_memory_mb": round(found.peak_memory / 1e6),
    }


def _score_as_json(score: Score) -> dict[str, float]:
    return {
        "precision": round(score.precision, 6),
        "recall": round(score.recall, 6),
        "f1": round(score.f1, 6),
        "true_pairs": score.there,
        "found_pairs": score.found,
        "right_pairs": score.right,
    }


def _print(found: Evaluation) -> None:
    table = Table(title=f"{found.records:,} records, {found.linked.there:,} true pairs")
    for heading in ("", "precision", "recall", "F1", "pairs found", "of them right"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, score in (("one person", found.linked), ("sure enough to merge unasked", found.merged)):
        table.add_row(
            name,
            f"{score.precision:.4f}",
            f"{score.recall:.4f}",
            f"{score.f1:.4f}",
            f"{score.found:,}",
            f"{score.right:,}",
        )
    out.print(table)
    steps = ", ".join(f"{step} {seconds:.1f}" for step, seconds in found.steps.items())
    memory = f"{found.peak_memory / 1e6:,.0f} MB"
    say(f"{found.seconds:.1f} s ({steps}); {found.pairs:,} pairs compared; peak memory {memory}.")
    say("Columns: " + ", ".join(f"{header} ({column.value})" for header, column in found.columns.items()) + ".")


async def run_find(settings: Settings, folder: Path | None, *, incremental: bool, merges: bool = True) -> None:
    """Look for duplicates among the customers and print what was found."""
    async with current_database(settings) as database:
        await find_and_tell(database, folder, incremental=incremental, merges=merges)


async def find_and_tell(database: Database, folder: Path | None, *, incremental: bool, merges: bool) -> None:
    """The same in a database that is open."""
    find = partial(find_duplicates, database, incremental=incremental, merges=merges, folder=folder)
    if err.is_terminal:
        with err.status("read") as status:
            found = await find(progress=status.update)
    else:
        found = await find()
    compared = f"{found.fresh:,} new or changed of {found.customers:,}" if found.incremental else f"{found.customers:,}"
    say(f"Customers compared: {compared}.")
    say(f"Found: {found.same:,} pairs that are the same beyond doubt, of which {found.merged:,} were merged.")
    say(f"Put up for review: {found.maybe:,} that may be.")
    say(", ".join(f"{step} {seconds:.1f} s" for step, seconds in found.seconds.items()))
