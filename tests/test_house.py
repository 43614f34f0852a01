"""Rules of the house that no linter knows."""

import ast
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
MODULES = sorted((ROOT / "app").rglob("*.py"))
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-build.lock")


def calls_of(method: str, tree: ast.AST) -> Iterator[ast.Attribute]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr == method)


def locked(name: str) -> dict[str, str]:
    """Versions by canonical name; every one must be pinned and carry at least one hash."""
    text = (ROOT / name).read_text("utf-8")
    entries = re.split(r"\n(?=\S)", text.strip())
    versions = {}
    for entry in entries:
        pinned = re.match(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?==(\S+)", entry)
        assert pinned is not None, f"{name}: {entry.splitlines()[0]} is not pinned"
        assert "--hash=sha256:" in entry, f"{name}: {pinned[1]} has no hash"
        versions[canonicalize_name(pinned[1])] = pinned[2]
    return versions


def test_there_is_a_house() -> None:
    assert len(MODULES) > 10


def test_only_db_commits() -> None:
    committing = [
        str(path.relative_to(ROOT)) for path in MODULES if any(calls_of("commit", ast.parse(path.read_text("utf-8"))))
    ]

    assert committing == ["app/db.py"]


def test_no_pattern_repeats_a_group_possessively() -> None:
    """Python before 3.11.5, as Debian 12 has it, takes a beginning of such a group for the whole."""
    possessive = re.compile(r"\)(?:[*+?]|\{\d*,?\d*\})\+")
    found = [
        f"{path.relative_to(ROOT)}: {each.value}"
        for path in MODULES
        for each in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(each, ast.Constant) and isinstance(each.value, str) and possessive.search(each.value)
    ]

    # Where it is explained.
    assert [each for each in found if "106052" not in each] == []


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(ROOT)) for path in MODULES if not ast.get_docstring(ast.parse(path.read_text("utf-8")))
    ]

    assert silent == []


def test_the_locks_are_in_step_with_what_is_asked_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    runtime, everything, build = (locked(name) for name in LOCKS)

    for wanted, versions in [
        (project["project"]["dependencies"], runtime),
        (project["project"]["dependencies"] + project["dependency-groups"]["dev"], everything),
        (project["build-system"]["requires"] + ["uv", "editables"], build),
    ]:
        for requirement in map(Requirement, wanted):
            version = versions.get(canonicalize_name(requirement.name))
            assert version is not None, f"{requirement} is not locked: make lock"
            assert requirement.specifier.contains(version, prereleases=True), (
                f"{requirement}, locked {version}: make lock"
            )
    assert runtime.items() <= everything.items(), "the tests run against other versions than production: make lock"


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_tells_no_address(name: str) -> None:
    assert "://" not in (ROOT / name).read_text("utf-8")


def test_make_alone_explains_every_target() -> None:
    make = shutil.which("make")
    if make is None:
        pytest.skip("make is not on this machine")
    told = subprocess.run([make, "-s"], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    phony = re.search(r"^\.PHONY: help (.+)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert phony is not None
    assert set(re.findall(r"^  make (\w+) +\S", told, re.MULTILINE)) == set(phony[1].split())
    assert len(told.splitlines()) < 25


def test_ci_can_be_run_as_it_is_checked_out() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
