"""Occasions to call: birthdays, what is about to end, festivals, customers who were lost."""

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import Database
from app.models import Agent, Contract, Customer, Purchase
from app.services.call_lists.inputs import birthdays_on
from tests.call_lists.support import at, entries_of, make, make_book, make_manager, size_is

pytestmark = pytest.mark.usefixtures("both_ways")

FRIDAY = date(2026, 11, 27)
LATELY = at(date(2026, 11, 24))


async def codes(session: AsyncSession, manager: Agent, day: date) -> dict[Any, set[str]]:
    """What occasions each customer on a list has."""
    usual = {"waiting", "never_called", "their_turn", "contract_expired"}
    return {
        entry.customer_id: found
        for entry in await entries_of(session, manager, day)
        if (found := {reason["code"] for reason in entry.reasons} - usual)
    }


def contract(customer: Customer, ends_on: date) -> Contract:
    return Contract(customer_id=customer.id, number="HT", starts_on=ends_on - timedelta(days=365), ends_on=ends_on)


async def test_birthdays_of_a_weekend_are_greeted_on_friday(database: Database) -> None:
    async with database.session_scope() as session:
        manager = await make_manager(session)
        book = await make_book(session, manager, 6, last_contact_at=LATELY)
        for customer, born in zip(book, ("11-26", "11-27", "11-28", "11-29", "11-30"), strict=False):
            customer.birth_date = date.fromisoformat(f"1980-{born}")

    async with database.session_scope() as session:
        await make(session, FRIDAY)
        assert await codes(session, manager, FRIDAY) == {each.id: {"birthday"} for each in book[1:4]}
        first = (await entries_of(session, manager, FRIDAY))[0]
    assert first.reasons[0] == {"code": "birthday", "name": "鲁大海", "day": first.reasons[0]["day"]}


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2026, 2, 27), [227]),
        (date(2026, 2, 28), [228, 229]),
        (date(2028, 2, 28), [228]),
        (date(2028, 2, 29), [229]),
        (date(2027, 3, 1), [301]),
    ],
)
def test_who_was_born_on_29_february_is_greeted_every_year_once(day: date, expected: list[int]) -> None:
    assert birthdays_on([day]) == expected


async def test_on_the_make_up_saturday_of_28_february_both_are_greeted(database: Database) -> None:
    day = date(2026, 2, 28)
    async with database.session_scope() as session:
        manager = await make_manager(session)
        book = await make_book(session, manager, 3, last_contact_at=at(date(2026, 2, 26)))
        book[0].birth_date, book[1].birth_date = date(1980, 2, 29), date(1980, 2, 28)
        await session.flush()
        await make(session, day)
        assert await codes(session, manager, day) == {book[0].id: {"birthday"}, book[1].id: {"birthday"}}


async def test_contracts_and_warranties_that_end_are_told_once_at_each_mark(database: Database) -> None:
    async with database.session_scope() as session:
        manager = await make_manager(session)
        book = await make_book(session, manager, 9, last_contact_at=LATELY)
        for customer, days in zip(book, (7, 14, 30, 8, 31), strict=False):
            session.add(contract(customer, FRIDAY + timedelta(days=days)))
        # Renewed already: there is nothing to be said of the old one.
        session.add_all([contract(book[5], FRIDAY + timedelta(days=7)), contract(book[5], date(2028, 1, 1))])
        for customer, days in ((book[6], 30), (book[7], 29)):
            session.add(
                Purchase(
                    customer_id=customer.id,
                    product="空调",
                    purchased_on=date(2025, 1, 1),
                    warranty_until=FRIDAY + timedelta(days=days),
                )
            )

    async with database.session_scope() as session:
        await make(session, FRIDAY)
        found = await codes(session, manager, FRIDAY)
        scores = {entry.customer_id: entry.score for entry in await entries_of(session, manager, FRIDAY)}
    assert found == {
        **{each.id: {"contract_ending"} for each in book[:3]},
        book[6].id: {"warranty_ending"},
    }
    # Waiting for three days weighs three.
    assert [scores[each.id] for each in book[:4]] == [53, 43, 33, 3]


async def test_what_ends_on_a_day_off_is_told_on_the_working_day_after_the_mark(database: Database) -> None:
    monday = date(2026, 11, 30)
    async with database.session_scope() as session:
        manager = await make_manager(session)
        book = await make_book(session, manager, 3, last_contact_at=LATELY)
        for customer, ends_on in zip(book, (date(2026, 12, 5), date(2026, 12, 7), date(2026, 12, 4)), strict=True):
            session.add(contract(customer, ends_on))
        await session.flush()
        await make(session, monday)
        found = await codes(session, manager, monday)
    assert found == {book[0].id: {"contract_ending"}, book[1].id: {"contract_ending"}}


async def test_festivals_and_lost_core_customers_within_their_quotas(database: Database) -> None:
    async with database.session_scope() as session:
        await size_is(
            session,
            60,
            quotas={"win_back": 1, "festival": 2},
            festivals=[{"day": "2026-12-01", "name_zh": "店庆", "name_en": "our anniversary"}],
        )
        manager = await make_manager(session)
        lost = {"tier": "core", "sales_stage": 7, "contract_state": "expired"}
        first = (await make_book(session, manager, 1, last_contact_at=at(date(2026, 9, 1)), **lost))[0]
        second = (await make_book(session, manager, 1, last_contact_at=at(date(2026, 10, 1)), **lost))[0]
        lately = (await make_book(session, manager, 1, last_contact_at=LATELY, **lost))[0]
        session.add_all(contract(each, date(2026, 8, 1)) for each in (first, second, lately))
        await make_book(session, manager, 3, tier="low")

    async with database.session_scope() as session:
        await make(session, FRIDAY)
        assert await codes(session, manager, FRIDAY) == {first.id: {"win_back", "festival"}, second.id: {"festival"}}


async def test_sources_are_switched_off_by_team(database: Database) -> None:
    off = dict.fromkeys(("birthday", "contract_ending", "warranty_ending", "festival", "win_back"), False)
    async with database.session_scope() as session:
        await size_is(
            session, 60, sources=off, festivals=[{"day": "2026-11-27", "name_zh": "店庆", "name_en": "anniversary"}]
        )
        manager = await make_manager(session)
        book = await make_book(session, manager, 2, tier="core", sales_stage=7, contract_state="expired")
        book[0].birth_date = date(1990, 11, 27)
        session.add(contract(book[0], FRIDAY + timedelta(days=7)))
        session.add(
            Purchase(
                customer_id=book[1].id,
                product="空调",
                purchased_on=date(2025, 1, 1),
                warranty_until=FRIDAY + timedelta(days=30),
            )
        )
        await session.flush()
        await make(session, FRIDAY)
        assert await codes(session, manager, FRIDAY) == {}
