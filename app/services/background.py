"""Work that runs beside everything else for as long as a process does."""

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack

import structlog

log = structlog.get_logger("callcard.background")


def run_beside(work: Coroutine[None, None, None], stack: AsyncExitStack, *, patience: float = 1) -> None:
    """Run `work` until `stack` closes. It is not meant to end before; if it fails, that is logged.

    Args:
        patience: seconds in which it may put its things away once it is cancelled, before it is cancelled again.
    """
    task = asyncio.create_task(work)
    task.add_done_callback(_log_failure)

    async def end() -> None:
        # Again, should the first time be lost: a driver that is cancelled at a bad moment may raise an error of its
        # own, and work that goes on after errors goes on after that one.
        while not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=patience)

    stack.push_async_callback(end)


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("background work has ended", exc_info=error)
