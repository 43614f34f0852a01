"""What is learnt, and how good it is, on people who are made up and labelled."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.domain.linkage import LEVELS, Outcome, decide
from app.domain.linkage import veto as veto_of
from app.services.linkage.engine import link
from app.services.linkage.evaluation import evaluate
from app.services.linkage.model import LinkageModel
from app.services.linkage.reading import read_people
from app.services.linkage.workspace import workspace
from bench.people import write_people


def test_people_who_share_homes_are_told_apart(tmp_path: Path) -> None:
    found = evaluate(*write_people(tmp_path, 3000, seed=11), folder=tmp_path)

    assert found.homes_are_shared
    assert found.linked.precision >= 0.995
    assert found.linked.f1 >= 0.97
    assert found.merged.precision == 1.0
    assert found.merged.recall >= 0.6


def test_nobody_is_believed_to_share_a_home_who_does_not(tmp_path: Path) -> None:
    found = evaluate(*write_people(tmp_path, 1500, seed=12, sharing=0.0), folder=tmp_path)

    assert not found.homes_are_shared
    assert found.linked.precision >= 0.995
    assert found.linked.f1 >= 0.97


@dataclass(frozen=True, slots=True)
class Run:
    """What one run over the same records gave."""

    model: LinkageModel
    persons: list[list[int]]
    sure: list[list[int]]
    scored: list[tuple[Any, ...]]


def run(folder: Path, records: Path, model: LinkageModel | None = None) -> Run:
    with workspace(folder) as db:
        read_people(db, records, folder)
        found = link(db, model)
        scored = db.execute(f"SELECT weight, veto, sure, {', '.join(LEVELS)} FROM scored").fetchall()
    return Run(found.model, found.persons, found.sure, scored)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("people")


@pytest.fixture(scope="module")
def records(folder: Path) -> Path:
    return write_people(folder, 2000, seed=13)[0]


@pytest.fixture(scope="module")
def first(folder: Path, records: Path) -> Run:
    return run(folder, records)


def test_the_same_records_give_the_same_model_and_the_same_persons(folder: Path, records: Path, first: Run) -> None:
    again = run(folder, records)

    assert again.model == first.model
    assert (again.persons, again.sure) == (first.persons, first.sure)


def test_a_model_is_kept_and_used_again(folder: Path, records: Path, first: Run) -> None:
    kept = LinkageModel.from_json(json.loads(json.dumps(first.model.as_json())))

    assert kept == first.model
    assert run(folder, records, kept).persons == first.persons
    assert LinkageModel.from_json({**first.model.as_json(), "version": 0}) is None


def test_levels_speak_for_the_same_person_at_the_top_and_against_at_the_bottom(first: Run) -> None:
    for field, levels in first.model.probabilities.items():
        assert list(levels) == [level.name for level in LEVELS[field]]
        assert sum(m for m, _ in levels.values()) == pytest.approx(1.0)
        ratios = [m / u for m, u in levels.values()]
        assert ratios[0] > 1 > ratios[-1], field


def test_the_database_decides_as_the_rules_do(first: Run) -> None:
    assert len(first.scored) > 500
    outcomes = set()
    for weight, veto, sure, *levels in first.scored:
        standing = dict(zip(LEVELS, levels, strict=True))
        assert veto == veto_of(standing, homes_are_shared=first.model.homes_are_shared)
        outcome = decide(weight, standing, homes_are_shared=first.model.homes_are_shared)
        assert (outcome is Outcome.SAME) == (sure and veto is None)
        outcomes.add(outcome)
    assert outcomes == set(Outcome)
