"""Making daily lists on the database."""

from datetime import date

from app.db import Database
from app.domain.list_reasons import reason_in_words
from tests.call_lists.support import at, entries_of, make, make_book, make_manager, size_is, the_list

FRIDAY = date(2026, 11, 27)


async def test_a_list_of_the_best_first_each_with_its_reasons(database: Database) -> None:
    async with database.session_scope() as session:
        await size_is(session, 5)
        manager = await make_manager(session)
        book = await make_book(session, manager, 7, last_contact_at=at(date(2026, 11, 23)))
        book[1].intention, book[2].sales_stage, book[3].next_call_at = "good", 4, at(FRIDAY, 10, 30)
        book[4].do_not_call = True

    async with database.session_scope() as session:
        made = await make(session, FRIDAY)

    async with database.session_scope() as session:
        entries = await entries_of(session, manager, FRIDAY)
        one = await the_list(session, manager, FRIDAY)
    assert (made.lists, made.entries) == (1, 5)
    assert [entry.customer_id for entry in entries[:3]] == [book[3].id, book[2].id, book[1].id]
    assert [[reason_in_words(reason)["en"] for reason in entry.reasons] for entry in entries[:3]] == [
        ["promised for today 10:30", "not called for 4 working days"],
        ["stage 4 (leans to us)", "not called for 4 working days"],
        ["good intention", "not called for 4 working days"],
    ]
    assert (one.made_for_id, one.size, one.inputs["eligible"], one.inputs["working_days"]) == (manager.id, 5, 6, 21)
    assert book[4].id not in {entry.customer_id for entry in entries}
