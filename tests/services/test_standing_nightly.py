"""What a night does to where customers stand: contracts run out, values are compared, what was missed is caught up."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from app.db import Database
from app.models import Contract, Customer, CustomerChange, Purchase, StageMove
from app.services.standing_nightly import Looked, look_at_all
from tests.api.customers.support import a_call, a_contact
from tests.factories import make_agent, make_customer

TODAY = date(2026, 11, 24)


async def tonight(database: Database, today: date = TODAY) -> Looked:
    async with database.session_scope() as session:
        looked = await look_at_all(session, today)
    assert looked is not None
    return looked


async def test_a_contract_runs_out_overnight(database: Database) -> None:
    async with database.session_scope() as session:
        manager = await make_agent(session)
        customer = await make_customer(
            session, owner_id=manager.id, sales_stage=6, contract_state="in_contract", dcwh="warm"
        )
        session.add(Contract(customer_id=customer.id, number="1", starts_on=date(2026, 1, 1), ends_on=TODAY))

    assert (await tonight(database)).contracts == 0, "its last day is part of it"
    assert (await tonight(database, TODAY + timedelta(days=1))).contracts == 1
    assert (await tonight(database, TODAY + timedelta(days=1))).contracts == 0, "again, nothing is left to do"

    async with database.session_scope() as session:
        now = await session.get_one(Customer, customer.id)
        move = (await session.scalars(select(StageMove))).one()
        changes = await session.execute(select(CustomerChange.field, CustomerChange.new, CustomerChange.why))
    assert (now.contract_state, now.sales_stage, now.dcwh, now.tier) == ("expired", 7, "warm", "potential")
    assert (move.from_stage, move.to_stage, move.owner_id, move.agent_id, move.why) == (
        6, 7, manager.id, None, "contract_ran_out",
    )  # fmt: skip
    assert {tuple(change) for change in changes} == {
        ("contract_state", "expired", "contract_ran_out"),
        ("sales_stage", 7, "contract_ran_out"),
        ("tier", "potential", "by_value"),
    }


async def test_what_was_missed_is_caught_up(database: Database) -> None:
    at = datetime(2026, 11, 20, 9, tzinfo=UTC)
    async with database.session_scope() as session:
        customer = await make_customer(session, intention="very_likely", dcwh="cold")
        session.add_all(
            [
                a_contact(customer.id, at - timedelta(days=3)),
                a_call(customer.id, at - timedelta(minutes=1), answered_at=at),
                a_call(customer.id, at + timedelta(hours=1)),
            ]
        )

    looked = await tonight(database)

    assert (looked.last_contacts, looked.dcwh) == (1, 1)
    async with database.session_scope() as session:
        now = await session.get_one(Customer, customer.id)
    assert (now.last_contact_at, now.dcwh) == (at, "hot"), "nobody answered the last call"


async def test_two_nights_at_once_are_one(database: Database) -> None:
    async with database.session_scope() as session:
        for _ in range(20):
            await make_customer(session)

    async def night() -> Looked | None:
        async with database.session_scope() as session:
            return await look_at_all(session, TODAY)

    looked = await asyncio.gather(*(night() for _ in range(4)))

    assert sum(each.tiers for each in looked if each is not None) == 20
    async with database.session_scope() as session:
        assert await session.scalar(text("SELECT count(*) FROM customer_changes")) == 20


def expected_tiers(paid: list[tuple[str, int] | None]) -> list[str]:
    """By the words of docs/standing.md: place within the currency, the older first; then 1, 19, 30, 50 of a hundred."""
    payers: dict[str, list[int]] = {}
    for each in paid:
        if each is not None:
            payers.setdefault(each[0], []).append(each[1])

    def place(each: tuple[str, int] | None) -> float:
        if each is None:
            return 2.0
        amounts = payers[each[0]]
        return (sum(amount > each[1] for amount in amounts) + 0.5) / len(amounts)

    order = sorted(range(len(paid)), key=lambda number: (place(paid[number]), number))
    tiers = [""] * len(paid)
    for before, number in enumerate(order):
        share = before / len(paid)
        payer = paid[number] is not None
        tiers[number] = (
            "core" if share < 0.01 and payer else "value" if share < 0.2 and payer else
            "potential" if share < 0.5 else "low"
        )  # fmt: skip
    return tiers


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.none() | st.tuples(st.sampled_from(["CNY", "USD"]), st.integers(1, 9)), min_size=1, max_size=130))
async def test_tiers_are_shares_of_all_customers(database: Database, paid: list[tuple[str, int] | None]) -> None:
    async with database.session_scope() as session:
        await session.execute(text("TRUNCATE customers CASCADE"))
        made = [Customer(name="x") for _ in paid]
        session.add_all(made)
        await session.flush()
        ids = sorted(customer.id for customer in made)
        session.add_all(
            Purchase(
                customer_id=customer_id,
                product="空调",
                amount=Decimal(each[1]),
                currency=each[0],
                purchased_on=TODAY - timedelta(days=9),
            )
            for customer_id, each in zip(ids, paid, strict=True)
            if each is not None
        )
    await tonight(database)
    async with database.session_scope() as session:
        tiers = (await session.scalars(select(Customer.tier).order_by(Customer.id))).all()
    assert list(tiers) == expected_tiers(paid)
    assert (await tonight(database)).tiers == 0, "stable"
