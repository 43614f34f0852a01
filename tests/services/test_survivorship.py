"""The SQL that settles customers does what the rule says."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text

from app.db import Database
from app.domain import survivorship as rule
from app.models import Customer, CustomerChange, Source, SourceRecord, new_id
from app.services.survivorship import Cause, say_by_hand, settle, words_of
from tests.factories import make_agent, make_customer

START = datetime(2026, 11, 1, tzinfo=UTC)
SOURCES = {"sales": (5, True), "shop": (5, True), "web": (9, False)}
# "other" has no row in `sources`.
NAMES = st.sampled_from(["hand", "own", "derived", "sales", "shop", "web", "other"])
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["鲁大伟", "Lu"]),
        "kind": st.sampled_from(["person", "company"]),
        "gender": st.sampled_from(["male", "female"]),
        "title": st.sampled_from(["", "博士"]),
        "email": st.sampled_from([None, "a@example.com", "b@example.com"]),
        "birth_date": st.sampled_from([None, "1978-03-12"]),
        "contacts": st.sampled_from([None, [{"name": "王"}]]),
        "do_not_call": st.booleans(),
        "time_zone": st.sampled_from([None, "Asia/Tokyo"]),
        "marital_status": st.sampled_from([None, "married"]),
    },
)
DERIVED = st.sampled_from([None, {}, {"time_zone": "Asia/Shanghai", "language": "zh-CN"}])
RECORDS = st.lists(st.tuples(NAMES, st.integers(0, 2), FIELDS, DERIVED), max_size=5)
IF_NOBODY_SAYS = {
    "kind": "person",
    "surname": "",
    "latin_name": "",
    "latin_surname": "",
    "title": "",
    "gender": "unknown",
}


async def fill(database: Database, customers: list[list[Any]]) -> list[UUID]:
    """A customer for each list of records (source, day, fields, derived)."""
    async with database.session_scope() as session:
        for key, (rank, trusted) in SOURCES.items():
            await session.merge(Source(key=key, rank=rank, trusted=trusted))
        ids = []
        for records in customers:
            # As an import leaves them: what the row itself says is nobody's word.
            customer = await make_customer(session, name="Nobody", settled_at=START)
            ids.append(customer.id)
            session.add_all(
                SourceRecord(
                    id=new_id(),
                    source=source,
                    external_id=str(uuid4()),
                    customer_id=customer.id,
                    payload={},
                    fields=fields,
                    derived=derived,
                    said_at=START + timedelta(days=day),
                )
                for source, day, fields, derived in records
            )
    return ids


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(customers=st.lists(RECORDS, min_size=1, max_size=8))
async def test_the_sql_is_the_rule(database: Database, customers: list[list[Any]]) -> None:
    ids = await fill(database, customers)
    async with database.session_scope() as session:
        changed = await settle(session, ids)
        again = await settle(session, ids)

        for customer_id in ids:
            customer = await session.get_one(Customer, customer_id)
            words = await words_of(session, customer_id)
            for field in rule.FIELDS:
                default = {**IF_NOBODY_SAYS, "name": "Nobody", "do_not_call": False}.get(field)
                expected = words[field].value if field in words else default
                value = getattr(customer, field)
                assert (value.isoformat() if isinstance(value, date) else value) == expected, field
            assert customer.version == (2 if customer_id in changed else 1)
        differing = set((await session.scalars(select(CustomerChange.customer_id))).all())
    assert changed <= set(ids)
    assert changed == differing & set(ids)
    assert again == set()


async def test_what_stood_before_any_source_is_kept_as_a_record(database: Database) -> None:
    async with database.session_scope() as session:
        lu = await make_customer(session, name="鲁大伟", email="old@example.com", city="南京", do_not_call=True)
        session.add(
            SourceRecord(source="shop", external_id="1", customer_id=lu.id, payload={}, fields={"email": "new@x.com"})
        )
        await session.flush()
        changed = await settle(session, [lu.id], Cause(source="shop"))
        await session.refresh(lu)
        words = await words_of(session, lu.id)

        assert changed == {lu.id}
        assert (lu.name, lu.email, lu.city, lu.do_not_call) == ("鲁大伟", "new@x.com", "南京", True)
        assert (words["email"].record.source, words["city"].record.source) == ("shop", "own")
        # Taken back by the source, the word from before counts again.
        await session.execute(text("UPDATE source_records SET fields = '{}' WHERE source = 'shop'"))
        await settle(session, [lu.id], Cause(source="shop"))
        await session.refresh(lu)
        assert (lu.email, lu.version) == ("old@example.com", 3)
        history = (await session.execute(select(CustomerChange).order_by(CustomerChange.at))).scalars().all()
        assert {(change.field, change.old, change.new, change.source) for change in history} == {
            ("email", "old@example.com", "new@x.com", "shop"),
            ("email", "new@x.com", "old@example.com", "shop"),
        }


async def test_a_hand_edit_counts_by_field_and_the_last_one_does(database: Database) -> None:
    async with database.session_scope() as session:
        agent = await make_agent(session)
        lu = await make_customer(session, name="鲁大伟", settled_at=START)
        shop = {"name": "Shop", "email": "shop@x.com", "birth_date": "1978-03-12"}
        session.add(SourceRecord(source="shop", external_id="1", customer_id=lu.id, payload={}, fields=shop))
        await session.flush()
        await say_by_hand(session, lu.id, {"email": "a@x.com", "birth_date": date(1980, 1, 2), "note": "x"}, agent.id)
        await say_by_hand(session, lu.id, {"email": "b@x.com"}, agent.id)
        await settle(session, [lu.id])
        await session.refresh(lu)
        words = await words_of(session, lu.id)

    assert (lu.name, lu.email, lu.birth_date) == ("Shop", "b@x.com", date(1980, 1, 2))
    assert words["email"].record.agent_id == agent.id
    assert "note" not in words


async def test_nobody_and_nothing(database: Database) -> None:
    async with database.session_scope() as session:
        lu = await make_customer(session, settled_at=START)

        assert await settle(session, []) == set()
        assert await settle(session, [lu.id, uuid4()]) == set()


async def test_those_who_settle_at_once_wait_for_each_other(database: Database) -> None:
    """Ten settle the same customers, named in different orders: nobody is killed for a deadlock, nothing is lost."""
    ids = await fill(database, [[("sales", 0, {"email": "a@example.com"}, None)]] * 20)

    async def edit(no: int) -> None:
        async with database.session_scope() as session:
            mine = ids if no % 2 else ids[::-1]
            await session.execute(
                text("UPDATE source_records SET fields = jsonb_concat(CAST(fields AS jsonb), "
                     "jsonb_build_object(CAST(:key AS text), 'x')) WHERE external_id = ANY(:external)"),
                {"key": ["city", "address", "education", "occupation"][no % 4], "external": [f"hand{no}"]},
            )  # fmt: skip
            session.add_all(
                SourceRecord(
                    source=f"s{no}", external_id=f"{no}/{customer_id}", customer_id=customer_id, payload={},
                    fields={["city", "address", "education", "occupation"][no % 4]: f"{no}"},
                )
                for customer_id in mine
            )  # fmt: skip
            await session.flush()
            await settle(session, mine)

    await asyncio.gather(*(edit(no) for no in range(10)))

    async with database.session_scope() as session:
        whole = func.count().filter(
            Customer.city.is_not(None),
            Customer.address.is_not(None),
            Customer.education.is_not(None),
            Customer.occupation.is_not(None),
        )
        assert await session.scalar(select(whole).where(Customer.id.in_(ids))) == 20
        last = await session.scalars(select(Customer.city).where(Customer.id.in_(ids)).distinct())
        assert len(last.all()) == 1


@pytest.mark.parametrize("merged", [True, False])
async def test_records_that_move_take_their_words_along(database: Database, merged: bool) -> None:
    """What merging and unmerging do: records go to another customer, and both are settled."""
    one, other = await fill(
        database, [[("shop", 0, {"name": "鲁大伟"}, None)], [("sales", 0, {"email": "a@example.com"}, None)]]
    )
    async with database.session_scope() as session:
        moved = text("UPDATE source_records SET customer_id = :to WHERE source = 'sales'")
        await session.execute(moved, {"to": one})
        await settle(session, [one, other])
        if not merged:
            await session.execute(moved, {"to": other})
            await settle(session, [one, other])
        emails = [(await session.get_one(Customer, each)).email for each in (one, other)]

    assert emails == (["a@example.com", None] if merged else [None, "a@example.com"])
