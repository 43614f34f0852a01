"""`python -m bench [WHAT]`: run the measures and print what they gave; `--help` names them."""

import argparse
import asyncio
import fcntl
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from bench.dataset import FOLDER, ONE_MILLION, TEN_MILLION, bench_server, connect
from bench.dedupe import measure_dedupe
from bench.dialling import measure_dialling
from bench.imports import measure_imports
from bench.latency import measure_latency
from bench.lists import measure_lists
from bench.machine import describe, fdatasync_reading
from bench.pop import measure_pop
from bench.report import Section
from bench.search import measure_search
from bench.similar import measure_similar
from bench.voice import measure_voice

_README = Path(__file__).resolve().parent / "README.md"
_FROM, _TO = "<!-- results -->", "<!-- end of results -->"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure Callcard; see bench/README.md.")
    parser.add_argument(
        "what",
        nargs="?",
        default="all",
        choices=tuple("all voice latency pop search memory import dedupe similar dialling lists".split()),
        help="what to measure; `memory` is what `voice` ends with; the last four are not in `all`",
    )
    parser.add_argument("--quick", action="store_true", help="seconds instead of minutes: a look, not a figure")
    parser.add_argument("--pairs", type=int, help="pairs of (a) and (b) in `voice` (default: 7; 2 when quick)")
    parser.add_argument(
        "--xlsx", action="store_true", help="in `import`: the file as a workbook; made once, in two minutes"
    )
    parser.add_argument(
        "--ten-million",
        action="store_true",
        help="the pop at 10,000,000 customers, too: some 20 GB and ten minutes, once",
    )
    parser.add_argument("--record", action="store_true", help="put the results into bench/README.md")
    return parser.parse_args()


async def _measure(asked: argparse.Namespace) -> str:
    datasets = (ONE_MILLION, TEN_MILLION) if asked.ten_million else (ONE_MILLION,)
    sections: list[Section] = []
    if asked.what == "import":
        return await _measure_import(asked)
    if asked.what == "dedupe":
        return "\n".join(str(section) for section in measure_dedupe(records=50_000 if asked.quick else 1_000_000))
    if asked.what == "lists":
        managers, rounds = (200, 2) if asked.quick else (1000, 3)
        return str(await measure_lists(managers=managers, book=1000, rounds=rounds))
    if asked.what == "similar":
        size, questions = (50_000, 500) if asked.quick else (1_000_000, 2_000)
        return "\n".join(str(section) for section in await measure_similar(customers=size, questions=questions))
    if asked.what == "dialling":
        rounds, seconds = (1, 3.0) if asked.quick else (3, 4.0)
        return str(await measure_dialling(rounds=rounds, seconds=seconds))
    async with bench_server(*datasets) as server:
        connection = await connect(server, ONE_MILLION)
        facts = await describe(connection, server.version())
        await connection.close()
        facts.append(("disk", str(fdatasync_reading(FOLDER))))
        if asked.what in ("all", "voice", "memory"):
            pairs = asked.pairs or (2 if asked.quick else 7)
            tables = await measure_voice(server, pairs=pairs, seconds=1.5 if asked.quick else 4.0)
            sections += tables[1:] if asked.what == "memory" else tables
        if asked.what in ("all", "latency"):
            sections.append(await measure_latency(server, seconds=15 if asked.quick else 60))
        if asked.what in ("all", "pop"):
            sections += await measure_pop(server, numbers=500 if asked.quick else 4000, ten_million=asked.ten_million)
        if asked.what in ("all", "search"):
            sections.append(await measure_search(server, rounds=3 if asked.quick else 20))
        if asked.what in ("all", "import"):
            sections.append(await measure_imports(server, rows=100_000 if asked.quick else 1_000_000))
    machine = Section(f"The machine, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC", ["", ""], [list(fact) for fact in facts])
    return "\n".join(str(section) for section in (machine, *sections))


async def _measure_import(asked: argparse.Namespace) -> str:
    """The import alone needs none of the million customers that the other measures begin with."""
    async with bench_server() as server:
        rows = 100_000 if asked.quick else 1_000_000
        return str(await measure_imports(server, rows=rows, as_workbook=asked.xlsx))


@contextmanager
def _alone() -> Iterator[None]:
    """Nobody else's bench beside ours; and told to stop (SIGTERM), we end as tidily as on an error."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to stop"))
    with (FOLDER / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit("Another bench is running; two would measure each other.")
        yield


def _record(results: str) -> None:
    text = _README.read_text(encoding="utf-8")
    before, _, rest = text.partition(_FROM)
    after = rest.partition(_TO)[2]
    _README.write_text(f"{before}{_FROM}\n\n{results}\n{_TO}{after}", encoding="utf-8")


def main() -> None:
    """Run what was asked for."""
    asked = _arguments()
    with _alone(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        results = runner.run(_measure(asked))
    print(results)
    if asked.record:
        _record(results)


if __name__ == "__main__":
    main()
