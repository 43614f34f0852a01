"""`callcard lists make`."""

from datetime import UTC, datetime, timedelta

from app.db import Database
from tests.call_lists.support import ZONE, calendars, listed, make_book, make_manager
from tests.cli.conftest import Callcard


async def test_lists_are_made_by_hand_once(callcard: Callcard, database: Database) -> None:
    today = datetime.now(UTC).astimezone(ZONE).date()
    async with database.session_scope() as session:
        manager = await make_manager(session)
        await make_book(session, manager, 3)
        calendar = (await calendars(session)).main
        day = today if calendar.is_working_day(today) else calendar.next_working_day(today)

    first = await callcard("lists", "make", "--date", str(day), "--manager", manager.email.upper())
    again = await callcard("lists", "make", "--date", str(day))
    over = await callcard("lists", "make", "--date", str(today - timedelta(days=400)))

    assert (first.code, first.out) == (0, f"{day}: 1 lists were made, with 3 customers on them.\n")
    assert again.out == f"{day}: nothing was missing.\n"
    assert over.code == 1
    async with database.session_scope() as session:
        assert len(await listed(session, manager, day)) == 3


async def test_what_is_wrong_is_told(callcard: Callcard) -> None:
    bad_day = await callcard("lists", "make", "--date", "29.2.")
    nobody = await callcard("lists", "make", "--manager", "nobody@example.com")

    assert (bad_day.code, nobody.code) == (1, 1)
    assert "--date takes a day such as 2026-11-27" in bad_day.err
    assert "nobody@example.com" in nobody.err
