"""Finding the same person twice: how well and how fast, on people who are made up and labelled."""

import json
import os
import subprocess
import sys
from typing import Any

from bench.dataset import FOLDER
from bench.people import write_people
from bench.report import Goal, Section

_SEEDS_OF_QUALITY = (2, 3)
_SMALL = 50_000


def measure_dedupe(records: int) -> list[Section]:
    """`callcard dedupe evaluate` as a process of its own, so that time and memory are the command's."""
    large = _evaluate(records, seed=1)
    small = {f"{_SMALL:,}, seed {seed}": _evaluate(_SMALL, seed) for seed in _SEEDS_OF_QUALITY}
    alone = _evaluate(_SMALL, seed=4, sharing=0.0)
    rows = {f"{records:,}, seed 1": large, **small, f"{_SMALL:,}, nobody shares a home": alone}
    quality = Section(
        f"Finding the same person twice: {records:,} records, 30 % of people share a home",
        ["records", "precision", "recall", "F1", "merged unasked: precision", "… recall", "seconds", "peak MB"],
        [[name, *_figures(found)] for name, found in rows.items()],
        goals=[
            Goal("F1", large["f1"], at_least=0.97),
            Goal("precision", large["precision"], at_least=0.995),
            Goal("precision of what is merged unasked", large["merged_unasked"]["precision"], at_least=0.9995),
            Goal("seconds", large["seconds"], at_most=240),
            Goal("peak MB", large["peak_memory_mb"], at_most=2000),
        ],
        notes=[
            "Seconds a step: " + ", ".join(f"{step} {seconds:.1f}" for step, seconds in large["steps"].items()) + ".",
            f"{large['pairs_compared']:,} pairs were compared, of {large['true_pairs']:,} that are one person's.",
        ],
    )
    return [quality]


def _figures(found: dict[str, Any]) -> list[str]:
    merged = found["merged_unasked"]
    return [
        f"{found['precision']:.5f}", f"{found['recall']:.5f}", f"{found['f1']:.5f}", f"{merged['precision']:.5f}",
        f"{merged['recall']:.5f}", f"{found['seconds']:.1f}", f"{found['peak_memory_mb']}",
    ]  # fmt: skip


def _evaluate(records: int, seed: int, sharing: float = 0.3) -> dict[str, Any]:
    folder = FOLDER / f"people-{seed}-{sharing}"
    people, truth = write_people(folder, records, seed, sharing)
    command = [sys.executable, "-m", "app.cli", "dedupe", "evaluate", "--json", "--scratch", str(folder)]
    ran = subprocess.run(
        [*command, "--records", str(people), "--truth", str(truth)],
        capture_output=True,
        text=True,
        env=os.environ,
        check=False,
    )
    if ran.returncode:
        raise RuntimeError(ran.stderr)
    people.unlink()
    truth.unlink()
    return json.loads(ran.stdout)
