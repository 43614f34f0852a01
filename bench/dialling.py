"""Promised calls that are all due: how fast they go from claim to dial, beside a bare loop that only marks them.

    python -m bench dialling

(a) is the loop that any queue on PostgreSQL begins with: one row by `SELECT … FOR UPDATE SKIP LOCKED`, one `UPDATE`, a
commit. (b) is the worker's own `dial_due`, with a carrier that takes every call at once: rules checked, call, attempt,
leg and card written, the agent reserved, the carrier asked, its id stored. Every worker is a process of its own; each
round works on a fresh copy of the same database.
"""

import asyncio
import json
import statistics
import sys
import time
from datetime import UTC, datetime
from itertools import count
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import uvloop

from app import migrate
from app.db import Database
from app.domain.call_states import CarrierStatus
from app.embedded_postgres import EmbeddedPostgres
from app.services.callbacks.dialling import dial_due
from app.services.dialler import Dialler
from app.services.hotline import Hotline
from app.services.hotline_keeper import HotlineKeeper
from app.telephony.port import CarrierCall, DialRequest, EventKind
from bench.report import Goal, Section

DUE: Final = 100_000
_NAME: Final = "bench_dialling"
_COPY: Final = "bench_dialling_copy"

_FILL: Final = """
INSERT INTO queues (id, key, name_zh, name_en, is_default) VALUES (gen_random_uuid(), 'bench', '回访', 'Bench', false);
UPDATE queues SET is_default = (key = 'bench');
INSERT INTO dnis_routes (number, queue_id) SELECT '+862155501000', id FROM queues WHERE key = 'bench';
UPDATE calling_windows SET opens = '00:00', closes = '00:00';
CREATE TEMPORARY TABLE one AS SELECT n, gen_random_uuid() AS customer, gen_random_uuid() AS agent
FROM generate_series(1, {due}) n;
INSERT INTO customers (id, name, surname) SELECT customer, '鲁' || n, '鲁' FROM one;
INSERT INTO customer_phones (id, customer_id, e164, national_number, bucket, raw, line_type, is_primary)
SELECT gen_random_uuid(), customer, '+86139' || lpad(n::text, 8, '0'), '139' || lpad(n::text, 8, '0'),
       lpad(n::text, 8, '0'), '139' || lpad(n::text, 8, '0'), 'mobile', true FROM one;
INSERT INTO purchases (id, customer_id, product, quantity, purchased_on)
SELECT gen_random_uuid(), customer, '空调', 3, current_date - 400 FROM one;
INSERT INTO agents (id, email, name, role, language, identity)
SELECT agent, n || '@bench.example', '客服' || n, 'agent', 'zh-CN', 'agent_' || n FROM one;
INSERT INTO agent_presence (agent_id, state, available_since)
SELECT agent, 'available', now() - n * interval '1 ms' FROM one;
INSERT INTO queue_members (queue_id, agent_id) SELECT q.id, agent FROM one, queues q WHERE q.key = 'bench';
INSERT INTO callbacks (
    id, code, customer_id, reason, mode, queue_id, zone, region, due_at, first_due_at, open_to_all_at
)
SELECT gen_random_uuid(), 'T20261127-' || n, customer, 'next_day', 'automatic', q.id, 'Asia/Shanghai', 'CN', due, due,
       due
FROM (SELECT *, now() - interval '1 hour' + n * interval '36 ms' AS due FROM one) promised, queues q
WHERE q.key = 'bench';
"""

_TAKE: Final = """
SELECT id FROM callbacks WHERE state IN ('scheduled', 'retry') AND due_at <= now()
ORDER BY due_at, id LIMIT $1 FOR UPDATE SKIP LOCKED
"""
_MARK: Final = """
UPDATE callbacks SET state = 'dialing', claimed_until = now() + interval '4 hours', attempts = attempts + 1
WHERE id = ANY ($1)
"""


class _AtOnce:
    """A carrier that takes every call at once."""

    name = "twilio"

    def __init__(self, worker: int) -> None:
        self._ids = (f"CA{worker:08x}{number:024x}" for number in count())

    async def dial(self, request: DialRequest) -> CarrierCall:
        return CarrierCall(next(self._ids), request.to, request.from_, CarrierStatus.QUEUED, datetime.now(UTC))


async def measure_dialling(*, rounds: int, seconds: float) -> Section:
    """Fill a database, then let one worker and two work on copies of it, in turns with the bare loop."""
    from bench.dataset import bench_server  # noqa: PLC0415 - workers need none of what it imports

    kinds = ("bare", "bare, 50 a transaction", "ours")
    figures: dict[tuple[str, int], list[float]] = {(kind, workers): [] for kind in kinds for workers in (1, 2)}
    async with bench_server() as server:
        await _fill(server)
        for _ in range(rounds):
            for (kind, workers), found in figures.items():
                found.append(await _round(server, kind, workers, seconds))
        await _drop(server, _COPY, _NAME)
    ratios = {
        (other, workers): statistics.median(
            ours / bare for ours, bare in zip(figures["ours", workers], figures[other, workers], strict=True)
        )
        for other in kinds[:2]
        for workers in (1, 2)
    }
    rows = [
        [kind, str(workers), f"{statistics.median(found):,.0f}", f"{min(found):,.0f} to {max(found):,.0f}"]
        for (kind, workers), found in figures.items()
    ]
    return Section(
        f"From claim to dial, {DUE:,} callbacks due in one hour",
        ["", "workers", "calls/s", f"in {rounds} rounds of {seconds:g} s"],
        rows,
        goals=[
            Goal(f"ours to the bare loop, {workers} worker{'s' if workers > 1 else ''}", ratios["bare", workers], 0.5)
            for workers in (1, 2)
        ],
        notes=[
            f"ours to the bare loop that also takes 50 a transaction, {workers} "
            f"worker{'s' if workers > 1 else ''}: {ratios[kinds[1], workers]:.2f}"
            for workers in (1, 2)
        ],
    )


async def _fill(server: EmbeddedPostgres) -> None:
    await _drop(server, _COPY, _NAME)
    admin = await asyncpg.connect(server.dsn("postgres", user="postgres"))
    await admin.execute(f"CREATE DATABASE {_NAME} OWNER callcard")
    await admin.close()
    await asyncio.to_thread(migrate.upgrade, server.dsn(_NAME))
    connection = await asyncpg.connect(server.dsn(_NAME))
    await connection.execute(_FILL.format(due=DUE))
    await connection.close()
    # Cleaned up before it is copied, and not while somebody is measured.
    connection = await asyncpg.connect(server.dsn(_NAME))
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


async def _drop(server: EmbeddedPostgres, *names: str) -> None:
    admin = await asyncpg.connect(server.dsn("postgres", user="postgres"))
    for name in names:
        await admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    await admin.close()


async def _round(server: EmbeddedPostgres, kind: str, workers: int, seconds: float) -> float:
    """Calls a second of all workers together."""
    await _drop(server, _COPY)
    admin = await asyncpg.connect(server.dsn("postgres", user="postgres"))
    await admin.execute(f"CREATE DATABASE {_COPY} TEMPLATE {_NAME} OWNER callcard")
    await admin.execute("CHECKPOINT")
    await admin.close()
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.dialling", kind, str(worker), server.dsn(_COPY), str(seconds)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        for worker in range(workers)
    ]
    for process in processes:
        assert process.stdout is not None
        await process.stdout.readline()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
    told = [json.loads((await process.communicate())[0]) for process in processes]
    return sum(done / took for done, took in told)


async def _work(kind: str, worker: int, dsn: str, seconds: float) -> tuple[int, float]:
    """One worker: says that it is ready, waits for its turn, and gives how many it did in how many seconds."""
    if kind != "ours":
        connection = await asyncpg.connect(dsn)
        _wait_for_the_start()
        began = time.perf_counter()
        done = await _bare(connection, 1 if kind == "bare" else 50, began + seconds)
        return done, time.perf_counter() - began
    database = Database(dsn, pool_size=2, lane_size=0)
    hotline = HotlineKeeper(database, Hotline("CN", ZoneInfo("Asia/Shanghai"), "Bench", None))
    await hotline.refresh()

    def address(kind: EventKind, attempt_id: UUID) -> str:
        return f"https://hotline.example/telephony/twilio/{kind}?attempt={attempt_id}"

    dialler = Dialler(database, hotline, _AtOnce(worker), address)  # type: ignore[arg-type]
    _wait_for_the_start()
    began = time.perf_counter()
    done = 0
    while time.perf_counter() < began + seconds and (claimed := await dial_due(dialler)):
        done += claimed
    return done, time.perf_counter() - began


async def _bare(connection: asyncpg.Connection, most: int, until: float) -> int:
    done = 0
    while time.perf_counter() < until:
        async with connection.transaction():
            ids = [row["id"] for row in await connection.fetch(_TAKE, most)]
            if not ids:
                break
            await connection.execute(_MARK, ids)
        done += len(ids)
    return done


def _wait_for_the_start() -> None:
    print("ready", flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    _, _kind, _worker, _dsn, _seconds = sys.argv
    print(json.dumps(uvloop.run(_work(_kind, int(_worker), _dsn, float(_seconds)))))
