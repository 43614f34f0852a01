"""Background work: jobs run when their time comes, on any worker, and none is lost with a worker that is killed."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path

import pytest
from procrastinate.schema import SchemaManager
from sqlalchemy import text

from app import worker
from app.db import Database
from app.worker import PeriodicJob, Work
from tests.calls.conftest import until
from tests.support import serving, settings_for

ROOT = Path(__file__).parent.parent
EVERY_SECOND = "* * * * * *"
EVERY_NEW_YEAR = "0 0 1 1 *"


@pytest.fixture
async def work(database_url: str, tmp_path: Path) -> AsyncIterator[Work]:
    async with AsyncExitStack() as stack:
        yield await worker.open_work(settings_for(database_url, tmp_path), database_url, stack)


async def jobs_left(database: Database, condition: str) -> int:
    async with database.session_scope() as session:
        found = await session.scalar(text(f"SELECT count(*) FROM procrastinate.procrastinate_jobs WHERE {condition}"))
        return int(found or 0)


async def is_worked(database: Database) -> bool:
    async with database.session_scope() as session:
        return bool(await session.scalar(text("SELECT count(*) FROM procrastinate.procrastinate_workers")))


def test_the_schema_is_the_one_of_the_installed_version() -> None:
    """A newer procrastinate may want a migration; this is where that is noticed."""
    assert (ROOT / "migrations" / "procrastinate.sql").read_text("utf-8") == SchemaManager.get_schema()


async def test_a_job_runs_again_and_again_and_leaves_nothing_behind(work: Work, database: Database) -> None:
    ran = asyncio.Semaphore(0)

    async def job(_: Work, now: datetime) -> None:
        assert now.tzinfo is not None
        ran.release()

    working = asyncio.create_task(worker.run(work, [PeriodicJob("count", EVERY_SECOND, job)]))
    async with asyncio.timeout(10):
        await ran.acquire()
        await ran.acquire()
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)

    assert await jobs_left(database, "status NOT IN ('todo', 'doing')") == 0


async def test_a_job_that_fails_does_not_stop_the_others(work: Work) -> None:
    ran = asyncio.Semaphore(0)

    async def broken(_: Work, __: datetime) -> None:
        raise RuntimeError("a bug")

    async def sound(_: Work, __: datetime) -> None:
        ran.release()

    jobs = [PeriodicJob("broken", EVERY_SECOND, broken), PeriodicJob("sound", EVERY_SECOND, sound)]
    working = asyncio.create_task(worker.run(work, jobs))
    async with asyncio.timeout(10):
        await ran.acquire()
        await ran.acquire()
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)


async def test_what_a_killed_worker_was_at_is_taken_up_again(work: Work, database: Database) -> None:
    """Left over: a job that is being done by a worker of which nothing is heard any more."""

    ran: list[datetime] = []

    async def job(_: Work, now: datetime) -> None:
        ran.append(now)

    app = worker.jobs_app(work, [PeriodicJob("count", EVERY_NEW_YEAR, job)])
    async with app.open_async():
        await app.configure_task("callcard.count", queueing_lock="count").defer_async(timestamp=0)
        async with database.session_scope() as session:
            await session.execute(text("SET LOCAL search_path TO procrastinate"))
            await session.execute(
                text("""
                WITH dead AS (
                    INSERT INTO procrastinate_workers (last_heartbeat)
                    VALUES (now() - interval '10 minutes') RETURNING id
                )
                UPDATE procrastinate_jobs SET status = 'doing', worker_id = dead.id FROM dead
                """)
            )
        assert await worker.take_up_stalled(app) == 1
        assert await worker.take_up_stalled(app) == 0
        await app.run_worker_async(wait=False, delete_jobs="always", install_signal_handlers=False)

    assert len(ran) == 1
    assert await jobs_left(database, "task_name = 'callcard.count'") == 0


async def test_in_development_serving_does_it_too(database_url: str, database: Database, tmp_path: Path) -> None:
    async with serving(settings_for(database_url, tmp_path, run_worker=None)):
        await until(lambda: is_worked(database), "a worker is there")

    assert not await is_worked(database)


async def test_the_command_works_until_it_is_told_to_stop(
    database_url: str, database: Database, tmp_path: Path
) -> None:
    env = {**os.environ, "DATABASE_URL": database_url, "CALLCARD_DATA_DIR": str(tmp_path)}
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "app.cli", "worker", env=env, cwd=ROOT)
    await until(lambda: is_worked(database), "a worker is there", 20)

    process.send_signal(signal.SIGTERM)

    assert await asyncio.wait_for(process.wait(), 10) == 0
