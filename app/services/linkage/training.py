"""Learning the model from the data themselves: nobody has to say of any pair whether it is one person.

u comes from pairs drawn at random, which are two people's all but surely. m comes from expectation maximisation
(Splink's) over pairs that agree in a name, and again over pairs that agree in a birth date: in neither do people who
merely live together abound, whom it would take for one. What few data say is drawn towards what is usual, so that five
records are decided sensibly, too.
"""

from typing import Any, Final

import duckdb
from splink import DuckDBAPI, Linker, block_on
from splink.internals.exceptions import EMTrainingException

from app.domain.linkage import Field
from app.services.linkage.comparisons import create_macros, settings
from app.services.linkage.model import USUAL, LinkageModel, Probabilities, usual_probabilities
from app.services.linkage.workspace import first_row, number

_SEED: Final = 20261122
_RANDOM_PAIRS: Final = 1_000_000
_EM_PAIRS: Final = 300_000
_LEAST_FOR_EM: Final = 200
"""With fewer records than this what is usual is all there is."""
_USUAL_COUNTS_AS: Final = 60.0
"""What is usual weighs as much as so many pairs of one person."""
_LEAST_M: Final = 0.002
_FOUND_BY_SURE_RULES: Final = 0.7
_FEWEST_DUPLICATES: Final = 0.02
_MOST_DUPLICATES: Final = 4.0

_EXACT: Final[dict[tuple[Field, str], str]] = {
    (Field.GIVEN_NAME, "same"): "given_key",
    (Field.SURNAME, "same"): "surname_key",
    (Field.BIRTH_DATE, "same"): "birth",
    (Field.NATIONAL_ID, "same"): "national_id",
    (Field.EMAIL, "same"): "email",
}

_SURE_PAIRS: Final = """
WITH keyed AS (
    SELECT id, unnest([
        hash(1, name_pair, birth), hash(2, national_id, given), hash(3, email, given), hash(4, name_pair, phones[1]),
        hash(5, name_pair, home)
    ]) AS key,
    unnest([
        name_pair || birth, national_id || given, email || given, name_pair || phones[1], name_pair || home
    ]) IS NOT NULL AS filled
    FROM people
),
shared AS (SELECT key FROM keyed WHERE filled GROUP BY key HAVING count(*) BETWEEN 2 AND 100)
SELECT count(*) FROM (
    SELECT DISTINCT l.id, r.id FROM keyed l JOIN shared USING (key) JOIN keyed r ON r.key = l.key AND l.id < r.id
    WHERE l.filled AND r.filled
)
"""

_FEWEST_UNDER_ONE_ROOF: Final = 30
_STRANGERS_WITHOUT_HOUSEHOLDS: Final = 0.02
"""Of the pairs under one roof, so many may have nothing in common through errors alone."""

_UNDER_ONE_ROOF: Final = """
WITH places AS (
    SELECT id, given, birth, home AS place FROM people WHERE home IS NOT NULL AND home_crowd BETWEEN 2 AND 12
    UNION ALL
    SELECT id, given, birth, phones[1] FROM people WHERE phones[1] IS NOT NULL AND phone_crowd BETWEEN 2 AND 12
)
SELECT
    count(*) FILTER (l.given[1] <> r.given[1] AND l.birth[1:4] <> r.birth[1:4] AND l.birth[5:] <> r.birth[5:]),
    count(*) FILTER (l.given = r.given OR l.birth = r.birth)
FROM places l JOIN places r ON l.place = r.place AND l.id < r.id
WHERE l.given IS NOT NULL AND r.given IS NOT NULL AND l.birth IS NOT NULL AND r.birth IS NOT NULL
"""


def linker(db: duckdb.DuckDBPyConnection, model: LinkageModel) -> Linker:
    """A Splink linker over `people`."""
    create_macros(db)
    api = DuckDBAPI(connection=db)
    return Linker(
        api.register("people"),
        settings(model.probabilities, model.prior, by_frequency=model.records >= _LEAST_FOR_EM),
        log_level=None,
        validate_settings=False,
    )


def train(db: duckdb.DuckDBPyConnection) -> LinkageModel:
    """Learn a model from `people`; the same people give the same model."""
    records = number(db, "SELECT count(*) FROM people")
    prior = _prior(db, records)
    if records < _LEAST_FOR_EM:
        return LinkageModel(usual_probabilities(records), prior, records)
    with_u = _learn_u(db, usual_probabilities(records), prior, records)
    return LinkageModel(_learn_m(db, with_u, prior, records), prior, records, _homes_are_shared(db))


def _homes_are_shared(db: duckdb.DuckDBPyConnection) -> bool:
    """Whether those who share a home or a number are sometimes two people: nothing of name and birth date agrees."""
    strangers, same = first_row(db, _UNDER_ONE_ROOF)
    if strangers + same < _FEWEST_UNDER_ONE_ROOF:
        return True
    return bool(strangers > _STRANGERS_WITHOUT_HOUSEHOLDS * (strangers + same))


def _prior(db: duckdb.DuckDBPyConnection, records: int) -> float:
    """From the pairs that agree in full in two things, of which most people's duplicates agree in one."""
    all_pairs = max(1.0, records * (records - 1) / 2)
    sure = number(db, _SURE_PAIRS) / _FOUND_BY_SURE_RULES
    pairs = min(max(sure, _FEWEST_DUPLICATES * records, 0.5), _MOST_DUPLICATES * records)
    return min(pairs / all_pairs, 0.2)


def _learn_u(db: duckdb.DuckDBPyConnection, start: Probabilities, prior: float, records: int) -> Probabilities:
    model = linker(db, LinkageModel(start, prior, records))
    model.training.estimate_u_using_random_sampling(
        max_pairs=_RANDOM_PAIRS, seed=_SEED, min_count_per_level=None, num_chunks=1
    )
    seen = _read(model)
    drawn = min(_RANDOM_PAIRS, records * (records - 1) / 2)
    exact = {level: _chance_of_equality(db, column) for level, column in _EXACT.items()}
    learnt: dict[Field, dict[str, tuple[float, float]]] = {}
    for field, levels in start.items():
        learnt[field] = {}
        for name, (m, usual) in levels.items():
            found = exact.get((field, name)) or seen[field].get(name, (None, None))[1]
            # Draws too few to meet a rare level say only that it is rare.
            u = usual if found is None else found
            if (field, name) not in exact and found is not None and found * drawn < 20:
                u = (found * drawn + usual * 20) / (drawn + 20)
            # Some pairs drawn at random are one person's after all; in a small file they are most of those that agree.
            u = max(u - prior * m, u * 0.05, 1e-9)
            learnt[field][name] = (m, min(u, 0.9999))
    return learnt


def _chance_of_equality(db: duckdb.DuckDBPyConnection, column: str) -> float | None:
    """How likely it is that two records drawn at random have the same, of those that have any; exact, not drawn."""
    row = first_row(
        db,
        f"SELECT sum(n * (n - 1)::DOUBLE), sum(n)::DOUBLE FROM"
        f" (SELECT count(*)::DOUBLE AS n FROM people WHERE {column} IS NOT NULL GROUP BY {column})",
    )
    if row[1] is None or row[1] < 2:
        return None
    return max(float(row[0]) / (float(row[1]) * (float(row[1]) - 1)), 1e-9)


def _learn_m(db: duckdb.DuckDBPyConnection, start: Probabilities, prior: float, records: int) -> Probabilities:
    model = linker(db, LinkageModel(start, prior, records))
    for rule, needed in (
        (block_on("given", "surname"), "given IS NOT NULL AND surname IS NOT NULL"),
        (block_on("birth", "initials"), "birth IS NOT NULL AND initials IS NOT NULL"),
        (block_on("national_id"), "national_id IS NOT NULL"),
    ):
        if number(db, f"SELECT count(*) FROM people WHERE {needed}") < _LEAST_FOR_EM:
            continue
        try:
            model.training.estimate_parameters_using_expectation_maximisation(
                rule, estimate_without_term_frequencies=True, max_pairs=_EM_PAIRS
            )
        except EMTrainingException:
            # Nobody shares it: there is nothing to be learnt from.
            continue
    seen = _read(model)
    matches = prior * records * (records - 1) / 2
    trust = matches / (matches + _USUAL_COUNTS_AS)
    learnt: dict[Field, dict[str, tuple[float, float]]] = {}
    for field, levels in start.items():
        ms = {
            name: trust * seen[field].get(name, (usual, u))[0] + (1 - trust) * USUAL[field][name][0]
            for name, (usual, u) in levels.items()
        }
        ms = {name: max(m, _LEAST_M) for name, m in ms.items()}
        total = sum(ms.values())
        learnt[field] = {name: (_rounded(ms[name] / total), _rounded(u)) for name, (_, u) in levels.items()}
    return learnt


def _rounded(probability: float) -> float:
    """Without the last digits, which depend on the order in which two processors happened to add."""
    return float(f"{probability:.9g}")


def _read(model: Linker) -> dict[Field, dict[str, tuple[Any, Any]]]:
    """m and u of a linker's levels; None where it has learnt none."""
    found = model.misc.save_model_to_json()
    return {
        Field(comparison["output_column_name"]): {
            level["label_for_charts"]: (level.get("m_probability"), level.get("u_probability"))
            for level in comparison["comparison_levels"]
            if not level.get("is_null_level")
        }
        for comparison in found["comparisons"]
    }
