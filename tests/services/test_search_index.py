"""What customers are found by stays in step with what they are."""

import asyncio
from uuid import UUID

from sqlalchemy import func, select, text, update

from app.db import Database
from app.domain.search_terms import BOUNDARY, index_numbers
from app.models import Customer, CustomerSearch
from app.models.base import new_id
from app.services import search_index
from app.services.search_index import Findable, fill, refresh, terms_of
from tests.factories import make_customer


async def held(database: Database) -> dict[UUID, CustomerSearch]:
    async with database.session_scope() as session:
        return {row.customer_id: row for row in await session.scalars(select(CustomerSearch))}


async def somebody_waits(database: Database) -> None:
    """Until a transaction of this database waits for another's lock."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with asyncio.timeout(10), database.session_scope() as watcher:
        while not await watcher.scalar(waiting):  # noqa: ASYNC110 - nobody tells us, the server has to be asked
            await asyncio.sleep(0)


def test_the_fields_of_a_customer() -> None:
    lu = Findable(
        "person", "魯建國", "鲁", "Lu Jianguo", "Lu", "male", "lu@example.com", ["+8613800138000"], ["13800138000"]
    )

    assert terms_of(lu).fields.strip(BOUNDARY).split(BOUNDARY) == [
        "鲁建国",
        "lujianguo",
        "ljg",
        "luexamplecom",
        "8613800138000",
        "13800138000",
    ]


def test_a_name_of_signs_only_is_found_by_nothing() -> None:
    assert terms_of(Findable("company", "%_|", email=None)).grams == set()


async def test_filling_brings_everybody_in_step_who_is_not(database: Database) -> None:
    async with database.session_scope() as session:
        ids = [(await make_customer(session, "13800138000", name=f"客户{n}")).id for n in range(30)]
        await refresh(session, ids[:5])
    first = await held(database)

    assert await fill(database) == 25
    assert await fill(database) == 0
    rows = await held(database)
    assert [row.no for row in sorted(rows.values(), key=lambda row: row.customer_id)] == sorted(
        row.no for row in rows.values()
    ), "numbered as they came"
    assert {no: rows[no].grams for no in first} == {no: first[no].grams for no in first}

    async with database.session_scope() as session:
        await session.execute(update(Customer).where(Customer.id.in_(ids[:3])).values(name="改名"))
    assert await fill(database) == 3
    changed = await held(database)
    assert all("|改名|" in changed[each].fields for each in ids[:3])
    assert {row.no for row in changed.values()} == {row.no for row in rows.values()}


async def test_many_and_few_are_written_alike(database: Database) -> None:
    async with database.session_scope() as session:
        ids = [(await make_customer(session, name="王" * (n + 1))).id for n in range(25)]
        await refresh(session, ids)
    many = await held(database)
    async with database.session_scope() as session:
        for each in ids:
            await refresh(session, [each])

    few = await held(database)
    assert {key: (row.no, row.fields, sorted(row.grams)) for key, row in many.items()} == {
        key: (row.no, row.fields, sorted(row.grams)) for key, row in few.items()
    }


async def test_a_long_fill_goes_in_batches(database: Database) -> None:
    async with database.session_scope() as session:
        await session.execute(
            text(
                "INSERT INTO customers (id, name) SELECT gen_random_uuid(), '批' || i FROM generate_series(1, 12000) i"
            )
        )

    assert await fill(database) == 12_000
    assert await fill(database) == 0
    async with database.session_scope() as session:
        assert await session.scalar(select(func.count()).select_from(CustomerSearch)) == 12_000


async def test_filling_while_a_name_is_changed_keeps_the_new_name(database: Database) -> None:
    """The writer has not committed when the filling begins: filling waits, and reads what was written."""
    async with database.session_scope() as session:
        customer = await make_customer(session, name="旧名")
    async with database.session_scope() as writer:
        await writer.execute(update(Customer).where(Customer.id == customer.id).values(name="新名"))
        filling = asyncio.create_task(fill(database))
        await somebody_waits(database)
        await refresh(writer, [customer.id])
    await filling

    assert "|新名|" in (await held(database))[customer.id].fields
    assert await fill(database) == 0


async def test_two_fillings_at_once(database: Database) -> None:
    async with database.session_scope() as session:
        for n in range(60):
            await make_customer(session, name=f"双{n}")

    await asyncio.gather(fill(database), fill(database))

    rows = await held(database)
    assert len(rows) == 60
    for row in rows.values():
        name = row.fields.split(BOUNDARY)[1]
        assert sorted(row.grams) == sorted(index_numbers(terms_of(Findable("company", name)).grams, row.no))


async def test_nobody_is_refreshed_who_is_not_there(database: Database) -> None:
    async with database.session_scope() as session:
        await search_index.refresh(session, [new_id()])

    assert await held(database) == {}
