"""Background work: `callcard worker`, and in development a part of `callcard serve`.

Jobs run on procrastinate, on the same PostgreSQL, in a schema of its own. A job only says "look now": what is to be
done stands in our own tables, so a job that is lost, late or run twice changes nothing. To add one, write a plain
`async def` that makes what is missing and stops, and enter it in `PERIODIC`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import procrastinate
import structlog
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException

from app.config import Settings
from app.db import Database, is_outage
from app.services import standing_nightly
from app.services.background import run_beside
from app.services.call_lists.keeping import keep_lists
from app.services.callbacks.dialling import dial_all_due
from app.services.carrier_acts import CarrierActs
from app.services.complaints import escalating
from app.services.dialler import Dialler, dialler_of
from app.services.hotline import Hotline
from app.services.hotline_keeper import HotlineKeeper
from app.services.hub import Hub
from app.services.reconciling import reconcile
from app.telephony.carriers import carrier_of
from app.telephony.port import Carrier, CarrierError
from app.telephony.twiml import Links

SCHEMA: Final = "procrastinate"
"""Where procrastinate's own tables are."""

_CONCURRENCY: Final = 4
_STALLED_SECONDS: Final = 30.0
_AGAIN_SECONDS: Final = 5.0
_TASK_PREFIX: Final = "callcard."

log = structlog.get_logger("callcard.worker")


@dataclass(frozen=True, slots=True)
class Work:
    """What jobs work with. `carrier` and `dialler` are None where no carrier is set up."""

    settings: Settings
    database: Database
    hotline: HotlineKeeper
    carrier: Carrier | None
    dialler: Dialler | None


@dataclass(frozen=True, slots=True)
class PeriodicJob:
    """Something that is looked after again and again.

    Args:
        name: as the command line and the log call it.
        cron: when, in UTC: minute, hour, day, month, weekday, and seconds if a sixth field is given.
        run: does it; it is given the moment of it. It may be run late, twice, or by two workers at once.
    """

    name: str
    cron: str
    run: Callable[[Work, datetime], Awaitable[object]]


async def _keep_lists(work: Work, now: datetime) -> None:
    await keep_lists(work.database, work.hotline.now, now)


async def _look_at_standings(work: Work, now: datetime) -> object:
    async with work.database.session_scope() as session:
        return await standing_nightly.look_at_all(session, now.astimezone(work.settings.zone).date())


async def _tell_of_complaints(work: Work, now: datetime) -> object:
    return await escalating.tell_of_due_times(work.database, work.hotline.now, now)


async def _dial_callbacks(work: Work, now: datetime) -> object:
    return await dial_all_due(work.dialler, now) if work.dialler is not None else None


async def _reconcile(work: Work, now: datetime) -> object:
    if work.dialler is None:
        return None
    try:
        return await reconcile(work.dialler, now)
    except CarrierError as error:
        log.warning("the carrier could not be asked", error=str(error))
        return None


PERIODIC: Final[tuple[PeriodicJob, ...]] = (
    PeriodicJob("callbacks", "* * * * * */5", _dial_callbacks),
    PeriodicJob("reconcile", "* * * * * */10", _reconcile),
    # The house's midnight may be any hour of UTC; whatever is in order already is only read.
    PeriodicJob("standing", "2 * * * *", _look_at_standings),
    PeriodicJob("complaints", "* * * * *", _tell_of_complaints),
    PeriodicJob("lists", "* * * * *", _keep_lists),
)
"""All periodic jobs. Each can also be run by hand: `callcard worker --once NAME`."""


async def open_work(settings: Settings, dsn: str, stack: AsyncExitStack) -> Work:
    """Open what jobs work with; `stack` closes it.

    Raises:
        sqlalchemy.exc.DBAPIError, OSError: the database cannot be reached.
    """
    database = Database(dsn, pool_size=settings.database_pool, lane_size=1)
    stack.push_async_callback(database.aclose)
    empty = Hotline(settings.region, settings.zone, settings.company, settings.fallback_number)
    hotline = HotlineKeeper(database, empty)
    await hotline.refresh()
    carrier = carrier_of(settings)
    # What jobs tell agents is to reach the processes that hold their streams.
    run_beside(Hub(database, settings.zone).run(), stack)
    run_beside(hotline.keep(), stack)
    if carrier is not None:
        stack.push_async_callback(carrier.aclose)
        acts = CarrierActs(carrier, Links(settings.public_url).wait)
        database.on_commit(acts.committed)
        run_beside(acts.run(), stack)
    address = Links(settings.public_url).about
    return Work(settings, database, hotline, carrier, dialler_of(settings, database, hotline, carrier, address))


async def run(work: Work, jobs: Sequence[PeriodicJob] = PERIODIC, *, handle_signals: bool = False) -> None:
    """Work until cancelled or, with `handle_signals`, told to stop; while the database is away, wait for it."""
    logging.getLogger("procrastinate").setLevel(logging.WARNING)
    while True:
        try:
            app = jobs_app(work, jobs)
            async with app.open_async():
                await app.run_worker_async(
                    name="callcard",
                    concurrency=_CONCURRENCY,
                    delete_jobs="always",
                    install_signal_handlers=handle_signals,
                    stalled_worker_timeout=_STALLED_SECONDS,
                )
        except (ConnectorException, OSError) as error:
            log.warning("the database is away; jobs wait", error=type(error).__name__)
        else:
            return
        await asyncio.sleep(_AGAIN_SECONDS)


def jobs_app(work: Work, jobs: Sequence[PeriodicJob]) -> procrastinate.App:
    """procrastinate with our jobs, each of which waits in the queue once at most."""
    connector = procrastinate.PsycopgConnector(
        conninfo=work.database.dsn,
        kwargs={"options": f"-c search_path={SCHEMA}", "application_name": "callcard worker"},
        min_size=1,
        max_size=_CONCURRENCY + 2,
    )
    app = procrastinate.App(connector=connector)
    for job in jobs:
        _register(app, work, job)

    @app.periodic(cron="* * * * *")
    @app.task(name=f"{_TASK_PREFIX}stalled", queueing_lock="stalled")
    async def _take_up_stalled(timestamp: int) -> None:  # noqa: ARG001 - procrastinate gives the tick
        await take_up_stalled(app)

    return app


def _register(app: procrastinate.App, work: Work, job: PeriodicJob) -> None:
    @app.periodic(cron=job.cron)
    @app.task(name=_TASK_PREFIX + job.name, queueing_lock=job.name)
    async def _run(timestamp: int) -> None:  # noqa: ARG001 - the tick may be long past
        try:
            await job.run(work, datetime.now(UTC))
        except Exception as error:
            if not is_outage(error):
                raise
            log.warning("the database was away during a job", job=job.name, error=type(error).__name__)


async def take_up_stalled(app: procrastinate.App) -> int:
    """Have jobs done again whose worker was killed; one that waits anew already is dropped. Gives how many."""
    found = list(await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=_STALLED_SECONDS))
    for job in found:
        try:
            await app.job_manager.retry_job(job)
        except AlreadyEnqueued:
            await app.job_manager.finish_job(job, procrastinate.jobs.Status.FAILED, delete_job=True)
    if found:
        log.warning("stalled jobs are taken up again", jobs=len(found))
    return len(found)
