"""Duplicates among the customers of a database."""

from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import select, text, update

from app.db import Database
from app.domain.customer_facts import CustomerKind, Gender
from app.domain.linkage import Outcome
from app.models import Customer, DuplicateReview, LinkageModelRow, LinkageRun, Merge, ReviewStatus
from app.services.linkage.finding import find_duplicates
from app.services.merging import undo
from tests.factories import make_agent, make_customer

LU: dict[str, Any] = {
    "name": "鲁大伟",
    "birth_date": date(1975, 3, 12),
    "gender": Gender.MALE,
    "address": "南京市中山路18号3座1201室",
}


async def add(database: Database, *phones: str, **fields: Any) -> Customer:
    async with database.session_scope() as session:
        return await make_customer(session, *phones, **fields)


async def reviews(database: Database) -> dict[tuple[str, str], DuplicateReview]:
    """By the names of the two."""
    async with database.session_scope() as session:
        names = {row.id: row.name for row in await session.execute(select(Customer.id, Customer.name))}
        found = await session.scalars(select(DuplicateReview))
        return {(names[review.low_id], names[review.high_id]): review for review in found}


async def test_the_same_person_is_suggested_and_a_housemate_is_not(database: Database, tmp_path: Path) -> None:
    await add(database, "13800138000", **LU)
    await add(database, "138 0013 8000", **{**LU, "name": "魯大偉"})
    await add(database, "13800138000", **{**LU, "name": "鲁小伟"})
    await add(database, "13800138000", **{**LU, "name": "鲁大玮", "birth_date": None})
    await add(database, "13900139000", name="王芳")

    found = await find_duplicates(database, incremental=False, merges=False, folder=tmp_path)

    assert (found.customers, found.fresh, found.incremental) == (5, 5, False)
    said = await reviews(database)
    assert {pair: review.suggested for pair, review in said.items()} == {
        ("鲁大伟", "魯大偉"): Outcome.SAME,
        ("鲁大伟", "鲁大玮"): Outcome.MAYBE,
        ("魯大偉", "鲁大玮"): Outcome.MAYBE,
    }
    sure = said["鲁大伟", "魯大偉"]
    assert {reason["field"]: reason["level"] for reason in sure.reasons} == {
        "given_name": "same",
        "surname": "same",
        "birth_date": "same",
        "sex": "same",
        "contact": "phone_and_home",
    }
    assert sure.status is ReviewStatus.OPEN
    assert sure.score > said["鲁大伟", "鲁大玮"].score


async def test_a_second_run_asks_nothing_twice_and_what_was_decided_stays(database: Database, tmp_path: Path) -> None:
    await add(database, "13800138000", **LU)
    await add(database, "13800138000", **{**LU, "name": "魯大偉"})
    await add(database, "13800138000", **{**LU, "name": "鲁大玮", "birth_date": None})
    await find_duplicates(database, incremental=False, merges=False, folder=tmp_path)
    async with database.session_scope() as session:
        await session.execute(
            update(DuplicateReview)
            .where(DuplicateReview.suggested == Outcome.SAME)
            .values(status=ReviewStatus.DIFFERENT, decided_at=text("now()"), score=0)
        )

    await find_duplicates(database, incremental=False, merges=False, folder=tmp_path)

    said = await reviews(database)
    assert len(said) == 3
    decided = said["鲁大伟", "魯大偉"]
    assert (decided.status, decided.score) == (ReviewStatus.DIFFERENT, 0)


async def test_what_no_longer_looks_alike_is_taken_down(database: Database, tmp_path: Path) -> None:
    await add(database, "13800138000", **LU)
    twin = await add(database, "13800138000", **{**LU, "name": "魯大偉"})
    await find_duplicates(database, incremental=False, merges=False, folder=tmp_path)
    assert len(await reviews(database)) == 1
    async with database.session_scope() as session:
        await session.execute(
            update(Customer).where(Customer.id == twin.id).values(name="鲁晓明", updated_at=text("now()"))
        )

    await find_duplicates(database, incremental=True, merges=False, folder=tmp_path)

    assert await reviews(database) == {}


async def test_an_incremental_run_compares_what_is_new_with_everybody(database: Database, tmp_path: Path) -> None:
    first = await add(database, "13800138000", **LU)
    old = await add(database, "13800138000", **{**LU, "name": "魯大偉"})
    await find_duplicates(database, incremental=True, merges=False, folder=tmp_path)
    async with database.session_scope() as session:
        await session.execute(text("DELETE FROM duplicate_reviews"))
        await session.execute(text("UPDATE customers SET updated_at = now() - interval '2 days'"))
    await add(database, "13800138000", **{**LU, "name": "Lu Dawei"})

    found = await find_duplicates(database, incremental=True, merges=False, folder=tmp_path)

    assert (found.incremental, found.fresh, found.customers) == (True, 1, 3)
    said = await reviews(database)
    assert {other for pair in said for other in pair} == {"鲁大伟", "魯大偉", "Lu Dawei"}
    assert (first.name, old.name) not in said
    async with database.session_scope() as session:
        runs = list(await session.scalars(select(LinkageRun).order_by(LinkageRun.id)))
        models = list(await session.scalars(select(LinkageModelRow.id)))
    assert [run.incremental for run in runs] == [False, True]
    assert {run.model_id for run in runs} == set(models)
    assert len(models) == 1


async def test_a_merged_customer_and_a_company_are_no_persons_double(database: Database, tmp_path: Path) -> None:
    lu = await add(database, "13800138000", **LU)
    await add(database, "13800138000", **{**LU, "merged_into_id": lu.id})
    await add(database, "13800138000", name="鲁大伟", kind=CustomerKind.COMPANY, address=LU["address"])

    await find_duplicates(database, incremental=False, merges=False, folder=tmp_path)

    assert await reviews(database) == {}


async def test_an_empty_database_has_nobody_twice(database: Database, tmp_path: Path) -> None:
    found = await find_duplicates(database, incremental=True, merges=False, folder=tmp_path)

    assert (found.customers, found.same, found.maybe) == (0, 0, 0)


async def test_somebody_who_decides_is_kept_when_they_leave(database: Database, tmp_path: Path) -> None:
    await add(database, "13800138000", **LU)
    await add(database, "13800138000", **{**LU, "name": "魯大偉"})
    await find_duplicates(database, incremental=False, merges=False, folder=tmp_path)
    async with database.session_scope() as session:
        agent = await make_agent(session)
        await session.execute(
            update(DuplicateReview).values(status=ReviewStatus.DIFFERENT, decided_at=text("now()"), decided_by=agent.id)
        )
    async with database.session_scope() as session:
        await session.execute(text("DELETE FROM agents"))

    (review,) = (await reviews(database)).values()

    assert (review.status, review.decided_by) == (ReviewStatus.DIFFERENT, None)


async def test_who_agrees_in_everything_is_merged_unasked_and_nobody_else(database: Database, tmp_path: Path) -> None:
    lu = await add(database, "13800138000", **LU)
    twice = await add(database, "138 0013 8000", **{**LU, "name": "魯大偉"})
    thrice = await add(database, "13800138000", **{**LU, "name": "Lu Dawei"})
    housemate = await add(database, "13800138000", **{**LU, "name": "鲁小伟"})

    found = await find_duplicates(database, incremental=False, folder=tmp_path)
    again = await find_duplicates(database, incremental=False, folder=tmp_path)

    async with database.session_scope() as session:
        into = {
            row.id: row.merged_into_id for row in await session.execute(select(Customer.id, Customer.merged_into_id))
        }
        merges = list(await session.scalars(select(Merge)))
        statuses = list(await session.scalars(select(DuplicateReview.status)))
    assert found.merged >= 1
    assert again.merged == 0
    assert into[twice.id] == lu.id
    assert into[housemate.id] is None
    assert into[thrice.id] in (None, lu.id)
    assert all(made.by_id is None and "strong agreement" in made.reason for made in merges)
    assert statuses.count(ReviewStatus.MERGED) == found.merged


async def test_a_merge_that_was_taken_back_is_not_made_again(database: Database, tmp_path: Path) -> None:
    await add(database, "13800138000", **LU)
    await add(database, "138 0013 8000", **{**LU, "name": "魯大偉"})
    assert (await find_duplicates(database, incremental=False, folder=tmp_path)).merged == 1
    async with database.session_scope() as session:
        await undo(session, (await session.scalars(select(Merge.id))).one(), by=None)

    found = await find_duplicates(database, incremental=False, folder=tmp_path)

    assert found.merged == 0
    (review,) = (await reviews(database)).values()
    assert review.status is ReviewStatus.DIFFERENT
