"""Duplicates among the customers: out of PostgreSQL, through the engine, and back as questions for a person.

Nothing is held open meanwhile: the customers are read in one transaction, the answers written in another. Who changed
or went away in between is looked at again by the next run, which reads an hour's changes twice.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import duckdb
import pyarrow as pa
import structlog
from sqlalchemy import ARRAY, Row, Uuid, bindparam, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import Database
from app.domain.customer_facts import CustomerKind
from app.domain.linkage import LEVELS, Outcome
from app.domain.person_columns import Column
from app.models.base import new_id
from app.models.customers import Customer, CustomerPhone
from app.models.duplicates import LinkageModelRow, LinkageRun
from app.services.customers import CustomerErased
from app.services.linkage.engine import Linked, Progress, link
from app.services.linkage.model import LinkageModel
from app.services.linkage.people import RECORDS
from app.services.linkage.workspace import workspace
from app.services.merge_moves import CustomerBusy
from app.services.reviews import NoSuchReview, merge_unasked, sure_reviews

log = structlog.get_logger(__name__)

_BATCH: Final = 20_000
_WRITTEN_AT_ONCE: Final = 2_000
_READ_TWICE: Final = timedelta(hours=1)
"""A change is dated by the beginning of its transaction, which may end later than somebody has looked."""

_PHONES: Final = func.array(
    select(CustomerPhone.e164)
    .where(CustomerPhone.customer_id == Customer.id, CustomerPhone.wrong_since.is_(None))
    .scalar_subquery()
).label("phones")

_COLUMNS: Final = (
    Customer.id,
    Customer.kind,
    Customer.name,
    Customer.gender,
    Customer.birth_date,
    Customer.national_id,
    Customer.email,
    Customer.address,
    Customer.city,
    Customer.region,
    Customer.postcode,
    Customer.updated_at,
    _PHONES,
)

_WRITE: Final = text("""
    INSERT INTO duplicate_reviews (id, low_id, high_id, score, suggested, reasons, model_id)
    SELECT said.id, said.low_id, said.high_id, said.score, said.suggested, said.reasons, :model_id
    FROM jsonb_to_recordset(CAST(:rows AS jsonb))
        AS said (id uuid, low_id uuid, high_id uuid, score float8, suggested text, reasons jsonb)
    JOIN customers low ON low.id = said.low_id AND low.merged_into_id IS NULL
    JOIN customers high ON high.id = said.high_id AND high.merged_into_id IS NULL
    FOR KEY SHARE OF low, high
    ON CONFLICT (low_id, high_id) DO UPDATE
    SET score = excluded.score, suggested = excluded.suggested, reasons = excluded.reasons,
        model_id = excluded.model_id, updated_at = now()
    WHERE duplicate_reviews.status = 'open'
""")

_FORGET: Final = text("""
    DELETE FROM duplicate_reviews
    WHERE status = 'open' AND updated_at < now()
    AND (:everybody OR low_id = ANY (:fresh) OR high_id = ANY (:fresh))
""").bindparams(bindparam("fresh", type_=ARRAY(Uuid)))


@dataclass(frozen=True, slots=True)
class Found:
    """What a run came to.

    Attributes:
        incremental: whether only what changed was compared with everybody.
        customers, fresh: how many were read, and how many of them had changed.
        same, maybe: pairs put up for review, by what is suggested; those decided earlier are not among them.
        merged: pairs that were made one unasked, for they agree so strongly.
        seconds: by step.
    """

    incremental: bool
    customers: int
    fresh: int
    same: int
    maybe: int
    merged: int
    seconds: dict[str, float]


@dataclass(frozen=True, slots=True)
class _Before:
    """What earlier runs left: the model with its id, and since when changes are new; None for everything."""

    model: LinkageModel | None
    model_id: UUID | None
    since: datetime | None


async def find_duplicates(
    database: Database,
    *,
    incremental: bool,
    merges: bool = True,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> Found:
    """Look for customers who are one person, and put every pair that may be up for review.

    Pairs that agree so strongly that nobody need be asked are merged, each in a transaction of its own. A pair that
    somebody has decided on stays decided. An open one that no longer looks like one is taken down.

    Args:
        incremental: compare what changed since the last run with everybody, by the model that is kept; without an
            earlier run, or when the model is of another version, all with all.
        merges: False leaves also the sure ones up for review.
        folder: where to work; None for the system's folder for temporary files.
        progress: told the name of each step as it begins.
    """
    started = time.perf_counter()
    with workspace(folder) as db:
        async with database.session_scope() as session:
            before = await _before(session) if incremental else _Before(None, None, None)
            seen_up_to: datetime = (await session.execute(select(func.now()))).scalar_one()
            fresh = await _read_customers(session, db, before.since)
        read = time.perf_counter() - started
        found = await asyncio.to_thread(link, db, before.model, progress, only_fresh=before.since is not None)
        if progress is not None:
            progress("write")
        writing = time.perf_counter()
        async with database.session_scope() as session:
            counted = await _write(session, db, found, before, fresh, seen_up_to)
        steps = {"read": read, **counted.seconds, "write": time.perf_counter() - writing}
    merging = time.perf_counter()
    if merges and progress is not None:
        progress("merge")
    merged = await _merge_sure(database) if merges else 0
    return replace(counted, merged=merged, seconds={**steps, "merge": time.perf_counter() - merging})


async def _merge_sure(database: Database) -> int:
    async with database.session_scope() as session:
        sure = await sure_reviews(session)
    merged = 0
    for review_id in sure:
        try:
            async with database.session_scope() as session:
                merged += await merge_unasked(session, review_id)
        except (CustomerBusy, CustomerErased, NoSuchReview) as error:
            # It stays open, for a person or for the next run.
            log.info("not_merged", review_id=str(review_id), because=error.code)
    return merged


async def _before(session: AsyncSession) -> _Before:
    last = (
        await session.execute(
            select(LinkageRun.seen_up_to, LinkageModelRow.id, LinkageModelRow.parameters)
            .join(LinkageModelRow, LinkageModelRow.id == LinkageRun.model_id)
            .order_by(LinkageRun.id.desc())
            .limit(1)
        )
    ).one_or_none()
    model = None if last is None else LinkageModel.from_json(last.parameters)
    if last is None or model is None:
        return _Before(None, None, None)
    return _Before(model, last.id, last.seen_up_to - _READ_TWICE)


async def _read_customers(session: AsyncSession, db: duckdb.DuckDBPyConnection, since: datetime | None) -> list[UUID]:
    """Fill `records` and `fresh` (ids of `records`). Returns the customers that are new or changed since then."""
    db.execute(RECORDS)
    db.execute("CREATE OR REPLACE TABLE fresh (id BIGINT)")
    rows = await session.stream(
        select(*_COLUMNS)
        .where(Customer.merged_into_id.is_(None))
        .order_by(Customer.id)
        .execution_options(yield_per=_BATCH)
    )
    fresh: list[UUID] = []
    start = 0
    async for batch in _batches(rows.partitions(_BATCH)):
        new = [at for at, row in enumerate(batch) if since is None or row.updated_at >= since]
        fresh += [batch[at].id for at in new] if since is not None else []
        _insert(db, "records", _records(batch, start))
        _insert(db, "fresh", pa.table({"id": pa.array([start + at for at in new], pa.int64())}))
        start += len(batch)
    return fresh


async def _batches(partitions: AsyncIterator[Any]) -> AsyncIterator[list[Row[Any]]]:
    async for partition in partitions:
        yield list(partition)


def _insert(db: duckdb.DuckDBPyConnection, table: str, batch: pa.Table) -> None:
    db.register("batch", batch)
    db.execute(f"INSERT INTO {table} BY NAME SELECT * FROM batch")
    db.unregister("batch")


def _records(batch: list[Row[Any]], start: int) -> pa.Table:
    # A company has no surname; its name stands where a person's given name does.
    is_company = [row.kind is CustomerKind.COMPANY for row in batch]
    texts = {
        "record": [str(row.id) for row in batch],
        "kind": [row.kind.value for row in batch],
        Column.NAME.value: [None if company else row.name for company, row in zip(is_company, batch, strict=True)],
        Column.GIVEN_NAME.value: [
            row.name if company else None for company, row in zip(is_company, batch, strict=True)
        ],
        Column.SEX.value: [row.gender.value for row in batch],
        Column.DATE_OF_BIRTH.value: [row.birth_date and row.birth_date.isoformat() for row in batch],
        Column.NATIONAL_ID.value: [row.national_id for row in batch],
        Column.EMAIL.value: [row.email for row in batch],
        Column.ADDRESS_1.value: [row.address for row in batch],
        Column.SUBURB.value: [row.city or row.region for row in batch],
        Column.POSTCODE.value: [row.postcode for row in batch],
    }
    return pa.table(
        {
            "id": pa.array(range(start, start + len(batch)), pa.int64()),
            "phones": pa.array([row.phones for row in batch], pa.list_(pa.string())),
            **{name: pa.array(values, pa.string()) for name, values in texts.items()},
        }
    )


async def _write(
    session: AsyncSession,
    db: duckdb.DuckDBPyConnection,
    found: Linked,
    before: _Before,
    fresh: list[UUID],
    seen_up_to: datetime,
) -> Found:
    model_id = before.model_id
    if model_id is None:
        kept = LinkageModelRow(id=new_id(), parameters=found.model.as_json())
        session.add(kept)
        await session.flush()
        model_id = kept.id
    counts = {Outcome.SAME: 0, Outcome.MAYBE: 0}
    pairs = _pairs(db, found)
    while some := list(islice(pairs, _WRITTEN_AT_ONCE)):
        await session.execute(_WRITE, {"rows": json.dumps(some), "model_id": model_id})
        for pair in some:
            counts[Outcome(pair["suggested"])] += 1
    incremental = before.since is not None
    await session.execute(_FORGET, {"everybody": not incremental, "fresh": fresh})
    session.add(
        LinkageRun(
            model_id=model_id,
            incremental=incremental,
            seen_up_to=seen_up_to,
            customers=found.records,
            found=sum(counts.values()),
        )
    )
    return Found(
        incremental=incremental,
        customers=found.records,
        fresh=len(fresh) if incremental else found.records,
        same=counts[Outcome.SAME],
        maybe=counts[Outcome.MAYBE],
        merged=0,
        seconds=found.seconds,
    )


def _pairs(db: duckdb.DuckDBPyConnection, found: Linked) -> Iterator[dict[str, Any]]:
    """Every pair that is to be asked about, as a row of `duplicate_reviews`."""
    group_of = {record: number for number, group in enumerate(found.sure) for record in group}
    rows = db.execute(f"""
        SELECT s.a, s.b, l.record, r.record, s.weight, {", ".join(f"s.{field}" for field in LEVELS)}
        FROM scored s JOIN people l ON l.id = s.a JOIN people r ON r.id = s.b
        WHERE s.veto IS NULL AND l.kind = r.kind ORDER BY s.a, s.b
    """)
    while batch := rows.fetchmany(_WRITTEN_AT_ONCE):
        for a, b, low, high, weight, *standing in batch:
            levels = dict(zip(LEVELS, standing, strict=True))
            first, second = sorted((UUID(low), UUID(high)))
            is_sure = a in group_of and group_of[a] == group_of.get(b)
            yield {
                "id": str(new_id()),
                "low_id": str(first),
                "high_id": str(second),
                "score": round(weight, 2),
                "suggested": Outcome.SAME if is_sure else Outcome.MAYBE,
                "reasons": found.model.reasons(levels),
            }
