"""Two customers become one, and two again: nothing is lost, and nothing is forgotten."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import Database
from app.domain.books import ClaimOutcome, ClaimReason
from app.domain.customer_facts import Channel
from app.embedded_postgres import EmbeddedPostgres
from app.models import (
    Agent,
    Base,
    Call,
    Claim,
    Consent,
    ConsentPurpose,
    ConsentState,
    Contract,
    Customer,
    CustomerLink,
    CustomerNote,
    CustomerPhone,
    CustomerUsage,
    Interaction,
    LinkKind,
    Merge,
    Purchase,
    SourceRecord,
)
from app.services import merging
from app.services.merge_moves import MOVED, STAYING, CustomerBusy
from app.services.merging import AlreadyMerged, MergeNotLast, MergeUndone, SameCustomer, merge, undo
from app.services.search_index import refresh
from app.services.survivorship import say_by_hand, settle
from tests.api.customers.support import a_call, a_contact
from tests.factories import make_agent, make_complaint, make_customer, phone_row
from tests.support import fresh_database, somebody_waits

NOW = datetime(2026, 11, 1, 9, 30, tzinfo=UTC)
HISTORY = {"merges", "merge_moves", "customer_changes"}
"""What tells of a merge, and so is not as it was before it."""


@pytest.fixture(scope="module")
async def kept(postgres_with_template: EmbeddedPostgres) -> AsyncIterator[Database]:
    """One database for the examples of a property."""
    async with fresh_database(postgres_with_template) as dsn:
        opened = Database(dsn, pool_size=4, lane_size=0)
        yield opened
        await opened.aclose()


def test_every_table_with_a_customer_in_it_is_merged() -> None:
    referring = {
        table.name
        for table in Base.metadata.tables.values()
        if any(key.column.table.name == "customers" for key in table.foreign_keys)
    }

    assert referring == set(MOVED) | STAYING.keys(), "say in services/merge_moves.py what a merge does with it"


async def dump(session: AsyncSession) -> dict[str, dict[str, Any]]:
    """Every row of every table, but for versions, times of change and what tells of merges."""
    rows: dict[str, dict[str, Any]] = {}
    for table, described in sorted(Base.metadata.tables.items()):
        if table in HISTORY:
            continue
        found = await session.scalars(text(f"SELECT CAST(to_jsonb(t) AS text) FROM {table} t"))
        for row in map(json.loads, found):
            key = " ".join(str(row[column.name]) for column in described.primary_key)
            for name in ("version", "updated_at", "as_of") if table in ("customers", "customer_search") else ():
                row.pop(name, None)
            if "grams" in row:
                row["grams"] = sorted(row["grams"])
            rows[f"{table} {key}"] = row
    return rows


NUMBERS = ["138 0013 8001", "138 0013 8002", "021-6234 5678", "+1 202 555 0188"]


@st.composite
def customers(draw: st.DrawFn) -> dict[str, Any]:
    """What one customer has, in every table that a merge touches."""
    return {
        "name": draw(st.sampled_from(["鲁建国", "魯建國", "Lu Jianguo"])),
        "fields": draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "tier": st.sampled_from(["core", "low"]),
                    "dcwh": st.sampled_from(["hot", "cold"]),
                    "sales_stage": st.integers(0, 7),
                    "note": st.sampled_from(["", "a", "b"]),
                    "email": st.sampled_from(["a@example.com", "b@example.com"]),
                    "gender": st.sampled_from(["male", "female"]),
                    "do_not_call": st.booleans(),
                    "birth_date": st.sampled_from([NOW.date(), NOW.date() - timedelta(days=9000)]),
                    "contacts": st.just([{"name": "王"}]),
                },
            )
        ),
        "phones": draw(st.lists(st.sampled_from(NUMBERS), unique=True, max_size=3)),
        "hand": draw(
            st.dictionaries(st.sampled_from(["city", "email", "title"]), st.sampled_from(["x", "y"]), max_size=2)
        ),
        "sources": draw(st.dictionaries(st.sampled_from(["crm", "erp"]), st.sampled_from(["甲", "乙"]), max_size=2)),
        "rows": draw(st.integers(0, 2)),
        "usage": draw(st.lists(st.sampled_from(["visits", "hours"]), unique=True, max_size=2)),
        "links": draw(
            st.lists(st.tuples(st.integers(0, 3), st.sampled_from([LinkKind.SPOUSE, LinkKind.PARENT])), max_size=3)
        ),
    }


async def _some_agent(session: AsyncSession) -> UUID:
    return await session.scalar(select(Agent.id).limit(1)) or (await make_agent(session)).id


async def make(session: AsyncSession, what: dict[str, Any]) -> UUID:
    customer = await make_customer(session, *what["phones"], name=what["name"], **what["fields"])
    for no in range(what["rows"]):
        at = NOW - timedelta(days=no)
        session.add_all(
            [
                a_call(customer.id, at),
                a_contact(customer.id, at),
                Purchase(customer_id=customer.id, product="空调", purchased_on=at.date()),
                Contract(customer_id=customer.id, number=f"{no}", starts_on=at.date(), ends_on=at.date()),
                CustomerNote(customer_id=customer.id, body="n"),
                Consent(
                    customer_id=customer.id,
                    purpose=ConsentPurpose.RECORDING,
                    state=ConsentState.GRANTED,
                    at=at,
                    channel=Channel.CALL,
                ),
                Claim(
                    customer_id=customer.id, at=at, outcome=ClaimOutcome.REFUSED, reason=ClaimReason.NO_VALID_CONTACT
                ),
            ]
        )
        await make_complaint(session, customer.id, await _some_agent(session), opened_at=at)
    session.add_all(
        CustomerUsage(customer_id=customer.id, source="web", key=key, at=NOW, value=3) for key in what["usage"]
    )
    for source, name in what["sources"].items():
        session.add(
            SourceRecord(
                source=source,
                external_id=str(customer.id),
                customer_id=customer.id,
                payload={"n": name},
                fields={"name": name, "city": source},
                said_at=NOW + timedelta(days=len(what["phones"])),
            )
        )
    await session.flush()
    if what["hand"]:
        await say_by_hand(session, customer.id, what["hand"], None)
    if what["hand"] or what["sources"]:
        await settle(session, [customer.id])
    await refresh(session, [customer.id])
    return customer.id


async def link(session: AsyncSession, ids: list[UUID], stranger: UUID, people: list[dict[str, Any]]) -> None:
    """Links of the three with each other and with somebody else, from either end."""
    made = set()
    for customer_id, what in zip(ids, people, strict=True):
        for position, kind in what["links"]:
            other_id = [*ids, stranger][position]
            if other_id != customer_id and (customer_id, other_id, kind) not in made:
                made.add((customer_id, other_id, kind))
                session.add(CustomerLink(customer_id=customer_id, other_id=other_id, kind=kind))
        if what["links"]:
            session.add(CustomerLink(customer_id=stranger, other_id=customer_id, kind=LinkKind.OTHER))
    await session.flush()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=customers(), second=customers(), third=customers(), order=st.permutations([0, 1, 2]))
async def test_merging_and_taking_it_back_leaves_every_row_as_it_was(
    kept: Database, first: dict[str, Any], second: dict[str, Any], third: dict[str, Any], order: list[int]
) -> None:
    async with kept.session_scope() as session:
        ids = [await make(session, what) for what in (first, second, third)]
        stranger = (await make_customer(session)).id
        await link(session, ids, stranger, [first, second, third])
    async with kept.session_scope() as session:
        before = await dump(session)
    made = []
    # A chain: whoever is left of the first two is merged with the third.
    async with kept.session_scope() as session:
        made.append(await merge(session, ids[order[0]], ids[order[1]], by=None, reason="same"))
    async with kept.session_scope() as session:
        made.append(await merge(session, made[0].survivor_id, ids[order[2]], by=None, reason="same"))
    async with kept.session_scope() as session:
        merged = await dump(session)
        oldest = min(ids)
        linked = await session.execute(select(CustomerLink.customer_id, CustomerLink.other_id))
        assert {frozenset(pair) for pair in linked if oldest in pair} <= {frozenset((oldest, stranger))}
        for table in MOVED:
            owners = set(
                await session.scalars(
                    text(f"SELECT DISTINCT customer_id FROM {table} WHERE customer_id = ANY(:ids)"), {"ids": ids}
                )
            )
            assert owners <= {oldest}, table
        theirs = (await session.scalars(select(CustomerPhone).where(CustomerPhone.customer_id == oldest))).all()
        numbers = {number for what in (first, second, third) for number in what["phones"]}
        assert len(theirs) == len(numbers)
        assert sum(phone.is_primary for phone in theirs) == bool(theirs)
        signposts = await session.execute(select(Customer.id, Customer.merged_into_id).where(Customer.id.in_(ids)))
        assert {row.id: row.merged_into_id for row in signposts} == {
            each: None if each == oldest else oldest for each in ids
        }
    assert merged != before

    async with kept.session_scope() as session:
        with pytest.raises(MergeNotLast) as refused:
            await undo(session, made[0].id, by=None)
        assert refused.value.extra["undo_first"] == str(made[1].id)
        await undo(session, made[1].id, by=None)
    async with kept.session_scope() as session:
        points_to = select(Customer.merged_into_id).where(Customer.id == made[0].absorbed_id)
        assert await session.scalar(points_to) == made[0].survivor_id, "the signpost points where it pointed before"
        await undo(session, made[0].id, by=None)
        with pytest.raises(MergeUndone):
            await undo(session, made[0].id, by=None)

    async with kept.session_scope() as session:
        after = await dump(session)
    assert after == before


async def test_the_older_code_survives_whichever_is_named_first(database: Database) -> None:
    async with database.session_scope() as session:
        older, newer = await make_customer(session), await make_customer(session)
        made = await merge(session, newer.id, older.id, by=None, reason="same")

    assert (made.survivor_id, made.absorbed_id) == (older.id, newer.id)


async def test_what_came_afterwards_stays_and_what_the_other_source_says_goes(database: Database) -> None:
    async with database.session_scope() as session:
        older = await make_customer(session, "138 0013 8001", name="鲁大")
        newer = await make_customer(session, "138 0013 8002", name="鲁二")
        session.add(
            SourceRecord(
                source="crm", external_id="2", customer_id=newer.id, payload={}, fields={"name": "鲁二"}, said_at=NOW
            )
        )
        await session.flush()
        await settle(session, [newer.id])
    async with database.session_scope() as session:
        made = await merge(session, older.id, newer.id, by=None, reason="same")
    async with database.session_scope() as session:
        # The survivor gets a number, a call and a city; the other's source says a new name.
        session.add_all([phone_row(older.id, "138 0013 8003"), a_call(older.id, NOW)])
        await say_by_hand(session, older.id, {"city": "南京"}, None)
        await session.execute(
            text(
                "UPDATE source_records SET fields = jsonb_build_object('name', '鲁三'), said_at = now(), "
                "updated_at = clock_timestamp() WHERE source = 'crm'"
            )
        )
        await settle(session, [older.id])
    async with database.session_scope() as session:
        await undo(session, made.id, by=None)

    async with database.session_scope() as session:
        rows = {row.id: row for row in await session.scalars(select(Customer))}
        numbers = {
            each: sorted(
                (await session.scalars(select(CustomerPhone.e164).where(CustomerPhone.customer_id == each))).all()
            )
            for each in rows
        }
        assert (rows[older.id].name, rows[older.id].city) == ("鲁大", "南京")
        assert (rows[newer.id].name, rows[newer.id].city) == ("鲁三", None)
        assert numbers == {older.id: ["+8613800138001", "+8613800138003"], newer.id: ["+8613800138002"]}
        assert await session.scalar(select(Call.customer_id)) == older.id


async def test_a_number_that_was_removed_and_a_primary_one_that_goes_back(database: Database) -> None:
    async with database.session_scope() as session:
        older = await make_customer(session, "138 0013 8001", "138 0013 8009")
        newer = await make_customer(session, "138 0013 8002", "138 0013 8004")
        made = await merge(session, older.id, newer.id, by=None, reason="same")
    async with database.session_scope() as session:
        await session.execute(text("UPDATE customer_phones SET is_primary = false"))
        await session.execute(text("UPDATE customer_phones SET is_primary = true WHERE e164 = '+8613800138004'"))
        await session.execute(text("DELETE FROM customer_phones WHERE e164 = '+8613800138002'"))
    async with database.session_scope() as session:
        await undo(session, made.id, by=None)

    async with database.session_scope() as session:
        phones = await session.execute(select(CustomerPhone.customer_id, CustomerPhone.e164, CustomerPhone.is_primary))
        assert {(row.customer_id, row.e164, row.is_primary) for row in phones} == {
            (older.id, "+8613800138001", True),
            (older.id, "+8613800138009", False),
            (newer.id, "+8613800138004", False),
        }


async def test_what_is_made_of_the_survivor_stands_and_gaps_are_filled(database: Database) -> None:
    async with database.session_scope() as session:
        mine, other = await make_agent(session), await make_agent(session)
        older = await make_customer(session, owner_id=mine.id, note="甲", sales_stage=2)
        newer = await make_customer(session, owner_id=other.id, note="乙", sales_stage=5, tier="core")
        await merge(session, older.id, newer.id, by=mine.id, reason="same")
    async with database.session_scope() as session:
        now = await session.get_one(Customer, older.id)
        left = await session.get_one(Customer, newer.id)

    assert (now.owner_id, now.note, now.sales_stage, now.tier, now.version) == (mine.id, "甲\n乙", 5, "core", 2)
    assert (left.owner_id, left.note, left.sales_stage) == (other.id, "乙", 5), "the signpost keeps its own"


async def test_the_survivor_stands_where_the_two_came_furthest(database: Database) -> None:
    async with database.session_scope() as session:
        older = await make_customer(
            session, intention="possible", next_call_at=NOW + timedelta(days=2), last_contact_at=NOW
        )
        newer = await make_customer(
            session,
            sales_stage=6,
            contract_state="in_contract",
            dcwh="warm",
            next_call_at=NOW + timedelta(days=1),
            last_contact_at=NOW - timedelta(days=1),
        )
        made = await merge(session, older.id, newer.id, by=None, reason="same")
    async with database.session_scope() as session:
        now = await session.get_one(Customer, older.id)
        stands = (now.sales_stage, now.contract_state, now.dcwh, now.next_call_at, now.last_contact_at)
        assert stands == (6, "in_contract", "warm", NOW + timedelta(days=1), NOW)
        await undo(session, made.id, by=None)
    async with database.session_scope() as session:
        now = await session.get_one(Customer, older.id)
        assert (now.sales_stage, now.contract_state, now.next_call_at) == (0, "none", NOW + timedelta(days=2))


async def test_one_cannot_be_merged_with_oneself_nor_twice(database: Database) -> None:
    async with database.session_scope() as session:
        older, newer, third = [await make_customer(session) for _ in range(3)]
        await merge(session, older.id, newer.id, by=None, reason="same")
        with pytest.raises(SameCustomer):
            await merge(session, older.id, older.id, by=None, reason="same")
        with pytest.raises(AlreadyMerged) as refused:
            await merge(session, third.id, newer.id, by=None, reason="same")
        with pytest.raises(merging.NotFound):
            await merge(session, third.id, UUID(int=7), by=None, reason="same")

    assert refused.value.extra == {"customer_id": str(older.id), "customer_code": older.code}


async def test_of_merges_at_once_that_overlap_each_holds_or_is_told(database: Database) -> None:
    """Every pair of four, all at once, round after round: no deadlock, no half merge, everybody leads to one."""
    for seed in range(4):
        async with database.session_scope() as session:
            ids = [(await make_customer(session, f"138 0013 8{seed}{n}0")).id for n in range(4)]
            session.add_all(a_call(each, NOW) for each in ids)
        pairs = [(a, b) for a in ids for b in ids if a < b]
        Random(seed).shuffle(pairs)

        async def one(pair: tuple[UUID, UUID]) -> str:
            try:
                async with database.session_scope() as session:
                    await merge(session, *pair, by=None, reason="same")
            except AlreadyMerged:
                return "told"
            return "merged"

        outcomes = await asyncio.gather(*(one(pair) for pair in pairs))

        async with database.session_scope() as session:
            rows = (await session.scalars(select(Customer).where(Customer.id.in_(ids)))).all()
            left = {row.id for row in rows if row.merged_into_id is None}
            calls = set(await session.scalars(select(Call.customer_id).where(Call.customer_id.in_(ids))))
        assert outcomes.count("merged") == len(ids) - len(left) >= 2
        assert {row.merged_into_id for row in rows} <= left | {None}
        assert calls <= left


async def test_two_take_one_merge_back_at_once(database: Database) -> None:
    async with database.session_scope() as session:
        made = await merge(
            session, (await make_customer(session)).id, (await make_customer(session)).id, by=None, reason="same"
        )

    async def one() -> str:
        try:
            async with database.session_scope() as session:
                await undo(session, made.id, by=None)
        except MergeUndone:
            return "told"
        return "undone"

    assert sorted(await asyncio.gather(one(), one(), one())) == ["told", "told", "undone"]


async def test_whoever_is_held_for_long_is_not_waited_for_for_ever(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "app.services.merge_moves._LOCK_TIMEOUT", text("SELECT set_config('lock_timeout', '50ms', true)")
    )
    async with database.session_scope() as session:
        older, newer = await make_customer(session), await make_customer(session)
    async with database.session_scope() as other:
        await other.execute(text("SELECT 1 FROM customers WHERE id = :id FOR NO KEY UPDATE"), {"id": newer.id})
        with pytest.raises(CustomerBusy):
            async with database.session_scope() as session:
                await merge(session, older.id, newer.id, by=None, reason="same")

    async with database.session_scope() as session:
        assert (await session.scalars(select(Merge))).all() == []


@pytest.mark.parametrize("kind", [Call, Interaction, Purchase, CustomerNote])
async def test_what_is_written_of_somebody_who_is_being_merged_goes_to_the_survivor(
    database: Database, kind: type[Base]
) -> None:
    """Written by somebody who looked the customer up before the merge, and waits for it."""
    async with database.session_scope() as session:
        older, newer = await make_customer(session), await make_customer(session)
    row = {
        Call: lambda: a_call(newer.id, NOW),
        Interaction: lambda: a_contact(newer.id, NOW),
        Purchase: lambda: Purchase(customer_id=newer.id, product="空调", purchased_on=NOW.date()),
        CustomerNote: lambda: CustomerNote(customer_id=newer.id, body="n"),
    }[kind]()

    async def write() -> None:
        async with database.session_scope() as session:
            session.add(row)

    async with database.session_scope() as session:
        await merge(session, older.id, newer.id, by=None, reason="same")
        writing = asyncio.create_task(write())
        await somebody_waits(database)
    await writing

    async with database.session_scope() as session:
        assert await session.scalar(select(kind.__table__.c.customer_id)) == older.id
