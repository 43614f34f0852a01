"""Who is left out of the lists, written down as a span of days, and as each day's list shows it."""

from datetime import date

import pytest
from sqlalchemy import select

from app.db import Database
from app.models import Agent, CallListLeftOut, Customer, ListStanding, Role
from app.models.call_lists import ListRearrangement, RearrangementKind
from tests.call_lists.support import at, listed, make, make_book, make_manager, size_is
from tests.support import Served, SignIn

pytestmark = pytest.mark.usefixtures("both_ways")

THURSDAY, FRIDAY, MONDAY, TUESDAY = date(2026, 11, 26), date(2026, 11, 27), date(2026, 11, 30), date(2026, 12, 1)

Span = tuple[date, date | None, str, str]


async def spans(database: Database, customer: Customer, manager: Agent) -> list[Span]:
    async with database.session_scope() as session:
        rows = await session.scalars(
            select(CallListLeftOut)
            .where(CallListLeftOut.customer_id == customer.id, CallListLeftOut.manager_id == manager.id)
            .order_by(CallListLeftOut.first_day)
        )
        return [(row.first_day, row.last_day, row.reason.value, row.note) for row in rows]


async def test_who_is_left_out_for_days_is_one_span_and_each_list_shows_its_day(
    app_server: Served, signed_in: SignIn
) -> None:
    database = app_server.database
    manager = await signed_in(Role.ACCOUNT_MANAGER)
    async with database.session_scope() as session:
        customer, other = await make_book(session, manager.agent, 2)
        customer.do_not_call = True
    for day in (THURSDAY, FRIDAY):
        async with database.session_scope() as session:
            await make(session, day)
    async with database.session_scope() as session:
        (await session.get_one(Customer, customer.id)).do_not_call = False
        (await session.get_one(Customer, other.id)).last_contact_at = at(MONDAY, 5)
        await session.flush()
        await make(session, MONDAY)

    assert await spans(database, customer, manager.agent) == [(THURSDAY, date(2026, 11, 29), "do_not_call", "")]
    assert await spans(database, other, manager.agent) == [(MONDAY, None, "called_today", "")]
    shown = {}
    for day in (THURSDAY, FRIDAY, MONDAY):
        (one,) = (await manager.http.get("/api/v1/call-lists", params={"day": str(day)})).json()["items"]
        whole = (await manager.http.get(f"/api/v1/call-lists/{one['id']}")).json()
        shown[day] = [(out["customer"]["id"], out["reason"]) for out in whole["left_out"]]
    assert shown == {
        THURSDAY: [(str(customer.id), "do_not_call")],
        FRIDAY: [(str(customer.id), "do_not_call")],
        MONDAY: [(str(other.id), "called_today")],
    }


async def test_another_reason_is_another_span_and_so_is_each_drop_by_hand(database: Database) -> None:
    async with database.session_scope() as session:
        manager = await make_manager(session)
        changed, dropped = await make_book(session, manager, 2)
        changed.do_not_call = True
        for day, why in ((THURSDAY, "在出差"), (FRIDAY, "还在出差")):
            session.add(
                ListRearrangement(
                    manager_id=manager.id, day=day, customer_id=dropped.id, kind=RearrangementKind.DROP, reason=why
                )
            )
        await session.flush()
        await make(session, THURSDAY)
    async with database.session_scope() as session:
        there = await session.get_one(Customer, changed.id)
        there.do_not_call, there.last_contact_at = False, at(FRIDAY, 5)
        await session.flush()
        await make(session, FRIDAY)

    assert await spans(database, changed, manager) == [
        (THURSDAY, THURSDAY, "do_not_call", ""),
        (FRIDAY, None, "called_today", ""),
    ]
    assert await spans(database, dropped, manager) == [
        (THURSDAY, THURSDAY, "dropped", "在出差"),
        (FRIDAY, None, "dropped", "还在出差"),
    ]


async def test_the_turn_of_who_comes_back_begins_anew_but_not_after_one_days_drop(database: Database) -> None:
    """Both were last counted a month ago and would be late: one was not to be called since, the other only dropped."""
    async with database.session_scope() as session:
        await size_is(session, 1)
        manager = await make_manager(session)
        barred, dropped = await make_book(session, manager, 2)
        barred.do_not_call = True
        session.add_all(
            ListStanding(customer_id=each.id, manager_id=manager.id, counted_on=date(2026, 10, 28))
            for each in (barred, dropped)
        )
        session.add(
            ListRearrangement(
                manager_id=manager.id, day=FRIDAY, customer_id=dropped.id, kind=RearrangementKind.DROP, reason="出差"
            )
        )
        await session.flush()
        await make(session, FRIDAY)
    async with database.session_scope() as session:
        (await session.get_one(Customer, barred.id)).do_not_call = False
        await session.flush()
        await make(session, MONDAY)
        assert await listed(session, manager, MONDAY) == [dropped.id]
        rows = await session.execute(select(ListStanding.customer_id, ListStanding.counted_on))
        counted = {row.customer_id: row.counted_on for row in rows}

    assert counted == {barred.id: FRIDAY, dropped.id: MONDAY}


async def test_who_goes_to_another_book_is_left_out_of_that_one_from_then_on(database: Database) -> None:
    async with database.session_scope() as session:
        first, second = await make_manager(session), await make_manager(session)
        customer = (await make_book(session, first, 1))[0]
        customer.do_not_call = True
        await session.flush()
        await make(session, FRIDAY)
    async with database.session_scope() as session:
        (await session.get_one(Customer, customer.id)).owner_id = second.id
        await session.flush()
        await make(session, MONDAY)

    assert await spans(database, customer, first) == [(FRIDAY, date(2026, 11, 29), "do_not_call", "")]
    assert await spans(database, customer, second) == [(MONDAY, None, "do_not_call", "")]


async def test_todays_list_made_after_tomorrows_tells_its_own_day_only(database: Database) -> None:
    async with database.session_scope() as session:
        manager = await make_manager(session)
        customer = (await make_book(session, manager, 1))[0]
        customer.do_not_call = True
        await session.flush()
        await make(session, MONDAY, at(FRIDAY, 17))
        (await session.get_one(Customer, customer.id)).last_contact_at = at(FRIDAY, 17)
        (await session.get_one(Customer, customer.id)).do_not_call = False
        await session.flush()
        await make(session, FRIDAY, at(FRIDAY, 17, 5))
        await make(session, TUESDAY, at(MONDAY, 17))

    assert await spans(database, customer, manager) == [
        (FRIDAY, date(2026, 11, 29), "called_today", ""),
        (MONDAY, MONDAY, "do_not_call", ""),
    ]
