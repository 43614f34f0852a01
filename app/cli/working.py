"""`callcard worker`: background work until told to stop, or one round of it."""

from contextlib import AsyncExitStack
from datetime import UTC, datetime

from app import worker
from app.cli.console import CommandFailed, say
from app.cli.database import current_database
from app.config import Settings
from app.observability.logging import configure_logging


async def work(settings: Settings, once: str | None) -> None:
    """Work until SIGINT or SIGTERM. With `once`, do that job (or `all`) now and end.

    Raises:
        CommandFailed, EmbeddedPostgresError: there is no such job, or the database is not to be had.
    """
    configure_logging(settings.log_format.value)
    jobs = worker.PERIODIC if once is None else _named(once)
    async with current_database(settings) as database, AsyncExitStack() as stack:
        opened = await worker.open_work(settings, database.dsn, stack)
        if once is None:
            await worker.run(opened, jobs, handle_signals=True)
            return
        for job in jobs:
            await job.run(opened, datetime.now(UTC))
            say(f"{job.name}: done")


def _named(name: str) -> tuple[worker.PeriodicJob, ...]:
    found = tuple(job for job in worker.PERIODIC if name in (job.name, "all"))
    if not found and name != "all":
        names = ", ".join(job.name for job in worker.PERIODIC)
        raise CommandFailed(f"There is no job {name!r}; there are: {names}.")
    return found
