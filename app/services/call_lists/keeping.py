"""Looking after the lists of today: made once the day has begun, and what is promised meanwhile added."""

from datetime import datetime

import structlog

from app.db import Database
from app.services.calendars import CalendarNotKnown, read_calendars
from app.services.call_lists.adding import add_promised
from app.services.call_lists.making import MADE_FROM, NotAWorkingDay, make_lists
from app.services.hotline import Hotline

log = structlog.get_logger("callcard.call_lists")


async def keep_lists(database: Database, hotline: Hotline, now: datetime) -> None:
    """Make whatever list of today is missing, from `MADE_FROM` on, and add what was promised since.

    May be called at any time, by several at once, and late. A year whose holidays nobody knows is an error in the log,
    each time: no list is made until somebody has confirmed it.
    """
    async with database.session_scope() as session:
        calendars = await read_calendars(session, hotline)
        local = now.astimezone(calendars.main.zone)
        if local.time() < MADE_FROM:
            return
        try:
            made = await make_lists(session, local.date(), now, calendars)
        except NotAWorkingDay:
            return
        except CalendarNotKnown as error:
            log.error("no list can be made: the calendar is not known", **error.extra)
            return
    if made.lists:
        log.info("lists are made", day=str(made.day), lists=made.lists, entries=made.entries, notices=made.notices)
    async with database.session_scope() as session:
        added = await add_promised(session, now, calendars.main.zone)
    if added:
        log.info("promised calls are added to the lists", entries=added)
