"""The statement that ranks all books at once chooses as the pure rule does, and a year of lists covers everybody."""

import random
from datetime import date, timedelta
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import Database
from app.domain.list_days import ListDay
from app.domain.list_ranking import Candidate, Weights, choose
from app.models import CallListEntry, Customer, ListStanding
from app.models.call_lists import EntrySource, EntryState
from app.services.call_lists.making import clock_of, make_lists
from tests.call_lists.support import at, calendars, entries_of, make, make_manager, size_is
from tests.factories import make_customer

FRIDAY = date(2026, 11, 27)
WEIGHTS = Weights()


def random_customer(rng: random.Random, day: date) -> dict[str, object]:
    return {
        "sales_stage": rng.randrange(8),
        "intention": rng.choice((None, "unlikely", "possible", "good", "very_likely")),
        "contract_state": rng.choice(("none", "in_contract", "expired")),
        "last_contact_at": rng.choice((None, at(day - timedelta(days=rng.randrange(1, 60)), rng.randrange(24)))),
        "next_call_at": rng.choice((None, None, at(day, 10), at(day - timedelta(days=3)), at(day + timedelta(days=1)))),
    }


def as_candidate(customer: Customer, clock: ListDay, counted_on: date | None, left_over: bool) -> Candidate[UUID]:
    """What the rule is told of a customer."""
    promised = customer.next_call_at
    if promised is not None and (
        promised >= at(clock.day + timedelta(days=1), 0)
        or (customer.last_contact_at is not None and customer.last_contact_at >= promised)
    ):
        promised = None
    waited = len(clock.passed) + 1
    if customer.last_contact_at is not None:
        waited = sum(at(day, 0) > customer.last_contact_at for day in (*clock.passed, clock.day))
    score = (
        (WEIGHTS.promised if promised else 0)
        + {5: WEIGHTS.stage_5, 4: WEIGHTS.stage_4}.get(customer.sales_stage, 0)
        + {"very_likely": WEIGHTS.very_likely, "good": WEIGHTS.good}.get(customer.intention or "", 0)
        + (WEIGHTS.contract_expired if customer.contract_state == "expired" else 0)
        + (WEIGHTS.carried_over if left_over else 0)
        + WEIGHTS.waiting * min(waited, WEIGHTS.waiting_most)
    )
    return Candidate(
        key=customer.id,
        due_in=clock.waits(counted_on) if counted_on else clock.round_days,
        score=score,
        waited=waited,
        promised_at=promised,
        is_left_over=left_over,
    )


async def empty(session: AsyncSession) -> None:
    await session.execute(text("TRUNCATE call_lists, customers, list_settings, agents CASCADE"))


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(1, 12))
async def test_the_statement_lists_whom_the_rule_chooses(database: Database, seed: int, size: int) -> None:
    rng = random.Random(seed)
    async with database.session_scope() as session:
        await empty(session)
        await size_is(session, size)
        managers = [await make_manager(session) for _ in range(3)]
        clock = clock_of((await calendars(session)).main, FRIDAY)
        customers = [
            await make_customer(
                session, f"+8613{number:09d}", owner_id=rng.choice(managers).id, **random_customer(rng, FRIDAY)
            )
            for number in range(90)
        ]
        counted = {each.id: rng.choice((None, *clock.passed[-25:])) for each in customers}
        session.add_all(
            ListStanding(customer_id=each.id, manager_id=each.owner_id, counted_on=counted[each.id])
            for each in customers
            if counted[each.id] is not None
        )

    async with database.session_scope() as session:
        await make(session, FRIDAY)

    async with database.session_scope() as session:
        for manager in managers:
            book = [each for each in customers if each.owner_id == manager.id]
            picks = choose(
                [as_candidate(each, clock, counted[each.id], left_over=False) for each in book],
                size,
                clock.round_days,
            )
            entries = await entries_of(session, manager, FRIDAY)
            assert [(entry.customer_id, entry.score) for entry in entries] == [
                (pick.candidate.key, pick.candidate.score) for pick in picks
            ]
            assert [entry.source is EntrySource.COVERAGE for entry in entries] == [
                pick.layer in (1, 4) and pick.candidate.promised_at is None for pick in picks
            ]


async def work(session: AsyncSession, day: date, rng: random.Random, sick: set[UUID]) -> None:
    """What a day brings: entries are worked, though not all, by a sick manager none; customers stand otherwise."""
    for entry in await session.scalars(select(CallListEntry).where(CallListEntry.day == day)):
        customer = await session.get_one(Customer, entry.customer_id)
        if customer.owner_id not in sick and rng.random() < 0.9:
            entry.state = EntryState.DONE
            customer.last_contact_at = at(day, 11)
            customer.next_call_at = at(day + timedelta(days=1), 10) if rng.random() < 0.3 else None
            customer.sales_stage = rng.choice((1, 2, 4, 5))
            customer.intention = rng.choice((None, "good"))


async def test_in_twelve_months_everybody_is_listed_in_every_window_of_a_months_working_days(
    database: Database,
) -> None:
    """Two full books: holidays, make-up Saturdays, sick days, customers who come and go, priorities that change."""
    rng = random.Random(5)
    size = 2
    async with database.session_scope() as session:
        await size_is(session, size)
        managers = [await make_manager(session) for _ in range(2)]
        calendar = (await calendars(session)).main
        days = calendar.working_days(date(2026, 1, 1), date(2026, 12, 31))
        months = [clock_of(calendar, day).month_days for day in days]
        full = size * min(months)
        numbers = iter(range(10**6))
        in_book = {
            manager.id: [
                (await make_customer(session, f"+8613{next(numbers):09d}", owner_id=manager.id)).id
                for _ in range(full - 3 * nth)
            ]
            for nth, manager in enumerate(managers)
        }
        came = dict.fromkeys([key for book in in_book.values() for key in book], 0)
    left: dict[UUID, int] = {}
    for number, day in enumerate(days):
        async with database.session_scope() as session:
            made = await make_lists(session, day, at(day), await calendars(session))
            assert (made.lists, made.entries) == (2, 2 * size)
        async with database.session_scope() as session:
            sick = {manager.id for nth, manager in enumerate(managers) if number % 30 in range(10 * nth, 10 * nth + 5)}
            await work(session, day, rng, sick)
            if rng.random() < 0.2:
                book = rng.choice(list(in_book.values()))
                gone = book.pop(rng.randrange(len(book)))
                left[gone] = number
                owner_id = (await session.get_one(Customer, gone)).owner_id
                await session.execute(update(Customer).where(Customer.id == gone).values(do_not_call=True))
                new = await make_customer(session, f"+8613{next(numbers):09d}", owner_id=owner_id)
                book.append(new.id)
                came[new.id] = number + 1

    async with database.session_scope() as session:
        listed: dict[UUID, list[int]] = {}
        for customer_id, day in await session.execute(select(CallListEntry.customer_id, CallListEntry.day)):
            listed.setdefault(customer_id, []).append(days.index(day))
        twice = await session.scalar(
            select(func.count()).select_from(
                select(CallListEntry.customer_id)
                .group_by(CallListEntry.customer_id, CallListEntry.day)
                .having(func.count() > 1)
                .subquery()
            )
        )
    assert twice == 0
    assert date(2026, 2, 28) in days
    windows = 0
    for key, first in came.items():
        last = left.get(key, len(days) - 1)
        for begins in range(first, last + 1):
            ends = begins + months[begins] - 1
            if ends <= last:
                windows += 1
                assert any(begins <= on <= ends for on in listed.get(key, ())), (key, days[begins], days[ends])
    assert windows > 10_000


async def test_a_list_that_is_lost_and_made_again_is_the_same(database: Database) -> None:
    """The same inputs give the same list: nothing in it is left to chance or to the order of rows."""
    rng = random.Random(7)
    async with database.session_scope() as session:
        await size_is(session, 10)
        manager = await make_manager(session)
        for number in range(40):
            await make_customer(session, f"+8613{number:09d}", owner_id=manager.id, **random_customer(rng, FRIDAY))

    found = []
    for _ in range(2):
        async with database.session_scope() as session:
            await make(session, FRIDAY)
            found.append(
                [(each.customer_id, each.score, each.reasons) for each in await entries_of(session, manager, FRIDAY)]
            )
            await session.execute(text("TRUNCATE call_lists, call_list_left_out, list_standings CASCADE"))
        async with database.session_scope() as session:
            await session.execute(text("UPDATE customers SET note = 'elsewhere' WHERE sales_stage % 2 = 0"))

    assert len(found[0]) == 10
    assert found[0] == found[1]
