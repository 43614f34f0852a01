"""Making daily lists on the database."""

import asyncio
from datetime import date, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import func, select, text

from app.db import Database
from app.domain.list_reasons import NoticeCode, left_out_in_words, notice_in_words, reason_in_words
from app.models import (
    AgentEvent,
    CallList,
    CallListLeftOut,
    Consent,
    DialAttempt,
    EntryState,
    LeftOutReason,
    ManagerAbsence,
)
from app.services.calendars import CalendarNotKnown
from app.services.call_lists.keeping import keep_lists
from app.services.call_lists.making import DayOutOfReach, NoSuchManager, NotAWorkingDay
from tests.call_lists.support import (
    HOTLINE,
    at,
    entries_of,
    listed,
    make,
    make_book,
    make_manager,
    size_is,
    the_list,
)
from tests.factories import make_customer

FRIDAY = date(2026, 11, 27)
MONDAY = date(2026, 11, 30)


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
        told = (await session.scalars(select(AgentEvent).where(AgentEvent.agent_id == manager.id))).one()
    assert (made.lists, made.entries) == (1, 5)
    assert [entry.customer_id for entry in entries[:3]] == [book[3].id, book[2].id, book[1].id]
    assert [[reason_in_words(reason)["en"] for reason in entry.reasons] for entry in entries[:3]] == [
        ["promised for today 10:30", "not called for 4 working days"],
        ["stage 4 (leans to us)", "not called for 4 working days"],
        ["good intention", "not called for 4 working days"],
    ]
    assert (one.made_for_id, one.size, one.inputs["eligible"], one.inputs["working_days"]) == (manager.id, 5, 6, 21)
    assert book[4].id not in {entry.customer_id for entry in entries}
    assert (told.no, told.type) == (1, "call_list.ready")
    assert [each["list_id"] for each in told.data["lists"]] == [str(one.id)]


async def test_fault_22_a_make_up_saturday_has_a_list_and_spring_festival_has_none(database: Database) -> None:
    async with database.session_scope() as session:
        manager = await make_manager(session)
        await make_book(session, manager, 61)

    for day in (date(2026, 2, 17), date(2026, 2, 21)):
        async with database.session_scope() as session:
            with pytest.raises(NotAWorkingDay) as refused:
                await make(session, day)
            assert refused.value.code == "not_a_working_day"
        await keep_lists(database, HOTLINE, at(day))
    await keep_lists(database, HOTLINE, at(date(2026, 2, 28), 4, 59))
    async with database.session_scope() as session:
        assert await session.scalar(select(func.count()).select_from(CallList)) == 0

    await keep_lists(database, HOTLINE, at(date(2026, 2, 28), 15))

    async with database.session_scope() as session:
        assert len(await listed(session, manager, date(2026, 2, 28))) == 60


async def test_fault_22_a_year_without_data_is_refused_loudly_and_said_before(
    database: Database, capfd: pytest.CaptureFixture[str]
) -> None:
    async with database.session_scope() as session:
        manager = await make_manager(session)
        await make_book(session, manager, 1)
        # The tests' own template knows the next years.
        await session.execute(text("DELETE FROM calendar_years"))
        await make(session, date(2026, 12, 31))
        notices = (await the_list(session, manager, date(2026, 12, 31))).notices
    assert {"code": "calendar_ends", "year": 2027} in notices

    async with database.session_scope() as session:
        with pytest.raises(CalendarNotKnown) as refused:
            await make(session, date(2027, 1, 4))
    assert (refused.value.code, refused.value.extra) == ("calendar_unknown", {"country": "CN", "year": 2027})
    await keep_lists(database, HOTLINE, at(date(2027, 1, 4), 9))
    assert "no list can be made: the calendar is not known" in capfd.readouterr().err
    async with database.session_scope() as session:
        assert await session.scalar(select(func.count()).select_from(CallList)) == 1


async def test_fault_22_two_schedulers_make_one_list_of_exactly_sixty(database: Database) -> None:
    async with database.session_scope() as session:
        managers = [await make_manager(session) for _ in range(3)]
        for manager in managers:
            await make_book(session, manager, 70)

    async def schedule() -> int:
        async with database.session_scope() as session:
            return (await make(session, FRIDAY)).lists

    lists = await asyncio.gather(*(schedule() for _ in range(4)))
    async with database.session_scope() as session:
        again = await make(session, FRIDAY)
        for manager in managers:
            entries = await entries_of(session, manager, FRIDAY)
            assert [entry.position for entry in entries] == list(range(1, 61))
        assert await session.scalar(select(func.count()).select_from(AgentEvent)) == 3
    assert sum(lists) == 3
    assert (again.lists, again.entries) == (0, 0)


@pytest.mark.usefixtures("both_ways")
async def test_who_is_left_out_and_why(database: Database) -> None:
    async with database.session_scope() as session:
        await size_is(session, 20)
        manager, other = await make_manager(session), await make_manager(session)
        book = await make_book(session, manager, 9)
        book[0].do_not_call = True
        for state, when in (("granted", 1), ("withdrawn", 2)):
            session.add(
                Consent(
                    customer_id=book[1].id,
                    purpose="marketing_call",
                    state=state,
                    at=at(date(2026, 11, when)),
                    channel="call",
                )
            )
        for state, when in (("withdrawn", 1), ("granted", 2)):
            session.add(
                Consent(
                    customer_id=book[2].id,
                    purpose="marketing_call",
                    state=state,
                    at=at(date(2026, 11, when)),
                    channel="call",
                )
            )
        book[3].last_contact_at = at(FRIDAY, 5)
        session.add(DialAttempt(customer_id=book[4].id, provider="twilio", started_at=at(FRIDAY, 5)))
        book[5].erased_at = at(FRIDAY)
        book[6].merged_into_id = book[2].id
        nobodys = await make_customer(session, owner_id=manager.id)
        wrong = await make_customer(session, "138 0013 8000", owner_id=manager.id)
        # Half past nine in Shanghai is dinner time there, and six o'clock the middle of the night.
        book[8].time_zone = "America/Los_Angeles"
        await session.flush()
        await session.execute(
            text("UPDATE customer_phones SET wrong_since = now() WHERE customer_id = :id"), {"id": wrong.id}
        )
        taken = (await make_book(session, other, 1))[0]
        await make(session, FRIDAY, manager_ids=[other.id])
        taken.owner_id = manager.id
        complains = (await make_book(session, manager, 1))[0]
        await session.flush()
        await session.execute(
            text(
                "INSERT INTO complaints (id, code, customer_id, category_id, channel, severity, what_happened, "
                "owner_id, opened_at, settle_by, due_at, clock_from, allowed_seconds) SELECT gen_random_uuid(), 'K1', "
                ":customer, (SELECT id FROM complaint_categories LIMIT 1), 'call', 'normal', '不制冷', :owner, now(), "
                "now(), now(), now(), 60"
            ),
            {"customer": complains.id, "owner": other.id},
        )

    async with database.session_scope() as session:
        await make(session, FRIDAY, at(FRIDAY, 9))

    async with database.session_scope() as session:
        out = {
            row.customer_id: row.reason
            for row in await session.scalars(select(CallListLeftOut).where(CallListLeftOut.manager_id == manager.id))
        }
        assert set(await listed(session, manager, FRIDAY)) == {book[2].id, book[7].id, book[8].id}
    assert out == {
        book[0].id: LeftOutReason.DO_NOT_CALL,
        book[1].id: LeftOutReason.CONSENT_WITHDRAWN,
        book[3].id: LeftOutReason.CALLED_TODAY,
        book[4].id: LeftOutReason.CALLED_TODAY,
        nobodys.id: LeftOutReason.NO_NUMBER,
        wrong.id: LeftOutReason.NO_NUMBER,
        taken.id: LeftOutReason.ON_ANOTHER_LIST,
        complains.id: LeftOutReason.OPEN_COMPLAINT,
    }


@pytest.mark.usefixtures("both_ways")
async def test_a_place_whose_window_is_closed_while_we_work_is_left_out(database: Database) -> None:
    async with database.session_scope() as session:
        manager = await make_manager(session)
        book = await make_book(session, manager, 3)
        book[0].time_zone = "America/Los_Angeles"
        abroad = await make_customer(session, "+49 30 901820", owner_id=manager.id)
        await session.execute(
            text(
                "INSERT INTO calling_windows (id, region, weekday, opens, closes) "
                "VALUES (gen_random_uuid(), 'DE', 6, '09:00', '10:00')"
            )
        )
        # We work in the morning, when it is evening there: from 16:00 on the day before, and nobody calls after 12.
        await session.execute(text("UPDATE calling_windows SET opens = '09:00', closes = '12:00' WHERE region IS NULL"))

    async with database.session_scope() as session:
        await make(session, FRIDAY)
        left_out = {row.customer_id: row.reason for row in await session.scalars(select(CallListLeftOut))}

    assert left_out == {book[0].id: LeftOutReason.CLOSED_WINDOW, abroad.id: LeftOutReason.CLOSED_WINDOW}


async def test_what_was_not_worked_is_left_over_and_counts_among_the_places(database: Database) -> None:
    async with database.session_scope() as session:
        await size_is(session, 3)
        manager = await make_manager(session)
        await make_book(session, manager, 30)
        await make(session, FRIDAY)
        first, second, third = await entries_of(session, manager, FRIDAY)
        first.state, second.state = EntryState.DONE, EntryState.SKIPPED

    async with database.session_scope() as session:
        await make(session, MONDAY)
        entries = await entries_of(session, manager, MONDAY)

    left = [entry for entry in entries if entry.carried_over]
    assert len(entries) == 3
    assert [entry.customer_id for entry in left] == [third.customer_id]
    assert {"code": "carried_over", "day": "2026-11-27"} in left[0].reasons


async def test_what_is_promised_after_the_list_was_made_is_added_on_top_and_marked(database: Database) -> None:
    async with database.session_scope() as session:
        await size_is(session, 3)
        manager = await make_manager(session)
        book = await make_book(session, manager, 9)
    await keep_lists(database, HOTLINE, at(FRIDAY))
    async with database.session_scope() as session:
        on_it = await listed(session, manager, FRIDAY)
        late, tomorrow, unwanted = [each.id for each in book if each.id not in on_it][:3]
        for customer_id, when in ((late, at(FRIDAY, 16)), (tomorrow, at(MONDAY, 10)), (unwanted, at(FRIDAY, 17))):
            await session.execute(
                text("UPDATE customers SET next_call_at = :at, do_not_call = id = :unwanted WHERE id = :id"),
                {"at": when, "id": customer_id, "unwanted": unwanted},
            )

    await asyncio.gather(*(keep_lists(database, HOTLINE, at(FRIDAY, 9)) for _ in range(3)))

    async with database.session_scope() as session:
        entries = await entries_of(session, manager, FRIDAY)
    assert [entry.customer_id for entry in entries] == [*on_it, late]
    assert [entry.added_later for entry in entries] == [False, False, False, True]
    assert [reason_in_words(reason)["zh"] for reason in entries[-1].reasons] == ["约定今天 16:00 联系"]


async def test_more_promises_than_places_are_said_and_kept(database: Database) -> None:
    async with database.session_scope() as session:
        await size_is(session, 3)
        manager = await make_manager(session)
        book = await make_book(session, manager, 5)
        for hour, customer in enumerate(book, start=9):
            customer.next_call_at = at(FRIDAY, hour)

    async with database.session_scope() as session:
        await make(session, FRIDAY)
        one = await the_list(session, manager, FRIDAY)
        assert await listed(session, manager, FRIDAY) == [each.id for each in book[:3]]
        out = (await session.execute(select(CallListLeftOut.customer_id, CallListLeftOut.reason))).all()
    assert {"code": "promises_without_room", "count": 2} in one.notices
    assert {(row.customer_id, row.reason) for row in out} == {(each.id, "no_room") for each in book[3:]}
    await keep_lists(database, HOTLINE, at(FRIDAY, 9))
    async with database.session_scope() as session:
        assert len(await listed(session, manager, FRIDAY)) == 3


async def test_who_left_or_is_sick_has_somebody_to_stand_in(database: Database) -> None:
    async with database.session_scope() as session:
        gone, sick, alone = [await make_manager(session, name=name) for name in ("走了", "病了", "没人代")]
        stand_in = await make_manager(session)
        for manager in (gone, sick, alone):
            await make_book(session, manager, 2)
        gone.active = False
        session.add_all(
            [
                ManagerAbsence(manager_id=gone.id, first_day=date(2026, 1, 1), kind="left", stand_in_id=stand_in.id),
                ManagerAbsence(
                    manager_id=sick.id, first_day=FRIDAY, last_day=FRIDAY, kind="sick", stand_in_id=stand_in.id
                ),
                ManagerAbsence(manager_id=alone.id, first_day=FRIDAY, last_day=FRIDAY, kind="leave"),
            ]
        )

    async with database.session_scope() as session:
        await make(session, FRIDAY)

    async with database.session_scope() as session:
        lists = {row.manager_id: row for row in await session.scalars(select(CallList))}
        told = (await session.scalars(select(AgentEvent).where(AgentEvent.agent_id == stand_in.id))).one()
    assert {manager: each.made_for_id for manager, each in lists.items()} == {
        gone.id: stand_in.id,
        sick.id: stand_in.id,
        alone.id: None,
        stand_in.id: stand_in.id,
    }
    assert notice_in_words(lists[gone.id].notices[0])["en"] == "You stand in for 走了."
    assert lists[alone.id].notices[0]["code"] == NoticeCode.NOBODY_STANDS_IN
    assert [notice["code"] for notice in lists[stand_in.id].notices] == ["empty_book"]
    assert {each["manager_id"] for each in told.data["lists"]} == {str(gone.id), str(sick.id), str(stand_in.id)}


async def test_a_book_of_fifty_thousand_says_that_nobody_can_call_them_all(database: Database) -> None:
    async with database.session_scope() as session:
        manager = await make_manager(session)
        await session.execute(
            text(
                "INSERT INTO customers (id, name, owner_id) SELECT gen_random_uuid(), '客户', :owner "
                "FROM generate_series(1, 50000)"
            ),
            {"owner": manager.id},
        )
        await session.execute(
            text(
                "INSERT INTO customer_phones (id, customer_id, e164, national_number, bucket, raw) SELECT "
                "gen_random_uuid(), id, '+8613800138000', '13800138000', '00138000', '' FROM customers"
            )
        )

    async with database.session_scope() as session:
        made = await make(session, FRIDAY)
        one = await the_list(session, manager, FRIDAY)

    assert made.entries == 60
    assert notice_in_words(one.notices[0])["en"] == (
        "50000 customers, and 21 days of 60 have room for 1260: one round takes 834 days."
    )


async def test_only_today_and_the_next_working_day_have_lists(database: Database) -> None:
    async with database.session_scope() as session:
        manager = await make_manager(session)
        await make_book(session, manager, 1)
        for day in (FRIDAY - timedelta(days=1), MONDAY + timedelta(days=1)):
            with pytest.raises(DayOutOfReach):
                await make(session, day, at(FRIDAY))
        with pytest.raises(NoSuchManager):
            await make(session, FRIDAY, manager_ids=[uuid4()])
        assert (await make(session, MONDAY, at(FRIDAY))).entries == 1


def test_every_code_has_its_words() -> None:
    for reason in LeftOutReason:
        assert left_out_in_words(reason)["zh"]


@pytest.mark.usefixtures("both_ways")
async def test_foreign_keys_are_looked_up_again_once_lists_are_made(database: Database) -> None:
    async with database.session_scope() as session:
        manager = await make_manager(session)
        await make_book(session, manager, 3)

    async with database.session_scope() as session:
        made = await make(session, FRIDAY)
        role = await session.scalar(text("SHOW session_replication_role"))

    assert made.entries == 3
    assert role == "origin"
