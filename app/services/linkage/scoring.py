"""Weighing the pairs with Splink, and telling the vetoed from the others: the rules of `domain.linkage` as SQL."""

from typing import Final

import duckdb

from app.domain.linkage import (
    LEVELS,
    MAYBE_BITS,
    MISSING,
    SAME_BITS,
    SURE,
    VETOES,
    Condition,
    Conditions,
    Field,
    level_number,
)
from app.services.linkage.model import LinkageModel
from app.services.linkage.training import linker
from app.services.linkage.workspace import number

_CHUNK: Final = 2_000_000
"""So many pairs are weighed at a time: what Splink keeps of each pair meanwhile would not fit into memory for all."""

_GAMMAS: Final = ", ".join(f"gamma_{field} AS {field}" for field in LEVELS)


def score(
    db: duckdb.DuckDBPyConnection,
    model: LinkageModel,
    *,
    pairs: str = "pairs",
    into: str = "scored",
    least: float | None = MAYBE_BITS,
) -> None:
    """Make a table of the pairs that weigh at least so many bits, vetoed or not; None for all of them.

    Its columns: `a` < `b` (ids of `people`), `weight` in bits, the level of every field, `veto` (NULL or its name) and
    `sure` (what is personal agrees in full).
    """
    db.execute(f"""
        CREATE OR REPLACE TABLE {into} (
            a BIGINT, b BIGINT, weight DOUBLE, {", ".join(f"{field} TINYINT" for field in LEVELS)},
            veto VARCHAR, sure BOOLEAN
        )
    """)
    weighing = linker(db, model)
    vetoes = _veto_sql(homes_are_shared=model.homes_are_shared)
    api = weighing._db_api  # noqa: SLF001 - the only way to register a table for it
    for start in range(0, number(db, f"SELECT count(*) FROM {pairs}"), _CHUNK):
        db.execute(
            "CREATE OR REPLACE TABLE chunk AS"
            f" SELECT * FROM {pairs} WHERE rowid >= {start} AND rowid < {start + _CHUNK}"
        )
        weighing.table_management.register_blocked_pairs_for_predict(api.register("chunk"))
        weighed = weighing.inference.predict(threshold_match_weight=least, warning_mode="never")
        db.execute(f"""
            INSERT INTO {into}
            SELECT *, {vetoes} AS veto, ({_any_of(SURE)}) AND weight >= {SAME_BITS} AS sure
            FROM (SELECT id_l AS a, id_r AS b, match_weight AS weight, {_GAMMAS} FROM {weighed.physical_name})
        """)
        weighed.drop_table_from_database_and_remove_from_cache()
    db.execute("DROP TABLE IF EXISTS chunk")
    api.delete_tables_created_by_splink_from_db()  # type: ignore[no-untyped-call]  # the library has not typed it


def _veto_sql(*, homes_are_shared: bool) -> str:
    cases = [
        f"WHEN ({_all_of(rule.when)}) AND NOT"
        f" ({_any_of(rule.unless if homes_are_shared else rule.unless + rule.unless_alone)}) THEN '{rule.veto.value}'"
        for rule in VETOES
    ]
    return f"CASE {' '.join(cases)} END"


def _any_of(rows: tuple[Conditions, ...]) -> str:
    return " OR ".join(f"({_all_of(row)})" for row in rows) or "false"


def _all_of(conditions: Conditions) -> str:
    return " AND ".join(map(_condition, conditions)) or "true"


def _condition(condition: Condition) -> str:
    field: Field = condition.field
    parts = [f"{field} <> {MISSING}"]
    if condition.at_least is not None:
        parts.append(f"{field} >= {level_number(field, condition.at_least)}")
    if condition.at_most is not None:
        parts.append(f"{field} <= {level_number(field, condition.at_most)}")
    return f"({' AND '.join(parts)})"
