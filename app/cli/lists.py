"""`callcard lists …`: making daily lists by hand."""

from datetime import UTC, date, datetime

from sqlalchemy import func, select

from app.cli.console import CommandFailed, note, say
from app.cli.database import current_database
from app.config import Settings
from app.errors import AppError
from app.models.people import Agent
from app.services.calendars import read_calendars
from app.services.call_lists.making import Made, make_lists
from app.services.hotline import Hotline


async def make(settings: Settings, day: str | None, manager: str | None) -> None:
    """Make the lists of a day that are missing, and say how many.

    Raises:
        CommandFailed, EmbeddedPostgresError: the day or the manager is none, or the database is not to be had.
    """
    now = datetime.now(UTC)
    wanted = now.astimezone(settings.zone).date() if day is None else _read_day(day)
    hotline = Hotline(settings.region, settings.zone, settings.company, settings.fallback_number)
    async with current_database(settings) as database, database.session_scope() as session:
        wanted_ids = None
        if manager is not None:
            manager_id = await session.scalar(select(Agent.id).where(func.lower(Agent.email) == manager.lower()))
            if manager_id is None:
                raise CommandFailed(f"There is nobody with the e-mail address {manager}.")
            wanted_ids = [manager_id]
        try:
            made = await make_lists(
                session, wanted, now, await read_calendars(session, hotline), manager_ids=wanted_ids
            )
        except AppError as error:
            raise CommandFailed(f"{error.detail} ({error.code})") from None
    _tell(made)


def _tell(made: Made) -> None:
    if not made.lists:
        say(f"{made.day}: nothing was missing.")
        return
    say(f"{made.day}: {made.lists:,} lists were made, with {made.entries:,} customers on them.")
    if made.notices:
        note(f"{made.notices:,} of them have something to say: GET /api/v1/call-lists?day={made.day}")


def _read_day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise CommandFailed(f"--date takes a day such as 2026-11-27, not {text!r}.") from None
