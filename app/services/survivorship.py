"""Working the customers' own fields out of their source records, by one SQL statement for any number of customers.

The rule is `domain/survivorship.py`. `settle` applies it after an edit by hand or a merge; the import
(`services/imports/`) builds its statements of the same pieces.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.survivorship import DERIVED, FIELDS, HAND, OWN, RESERVED, Record, Word
from app.domain.survivorship import settle as settle_records
from app.models.base import NEW_ID
from app.models.customers import SourceRecord
from app.models.records import Source

_TEXTS: Final = frozenset(
    "email region city postcode address national_id occupation income_band marital_status education industry "
    "company_size site".split()
)
_SETTLED: Final[Mapping[str, str]] = {
    "kind": "COALESCE({m}.said->>'kind', 'person')",
    "name": "{m}.said->>'name'",
    "surname": "COALESCE({m}.said->>'surname', '')",
    "latin_name": "COALESCE({m}.said->>'latin_name', '')",
    "latin_surname": "COALESCE({m}.said->>'latin_surname', '')",
    "title": "COALESCE({m}.said->>'title', '')",
    "gender": "COALESCE({m}.said->>'gender', 'unknown')",
    "do_not_call": "CAST({m}.said->>'do_not_call' AS boolean)",
    "language": "COALESCE({m}.said->>'language', {m}.derived->>'language')",
    "time_zone": "COALESCE({m}.said->>'time_zone', {m}.derived->>'time_zone')",
    "birth_date": "CAST({m}.said->>'birth_date' AS date)",
    "contacts": "NULLIF({m}.said->'contacts', CAST('null' AS jsonb))",
    **{name: f"{{m}}.said->>'{name}'" for name in _TEXTS},
}


def settled_columns(merged: str) -> str:
    """SQL for all `FIELDS`, in their order, out of a relation with `said` and `derived` (jsonb): a merge of records.

    `name` and `do_not_call` are null where nobody says anything of them; a customer then keeps what they have.
    """
    return ", ".join(f"{_SETTLED[name].format(m=merged)} AS {name}" for name in FIELDS)


BY_PRECEDENCE: Final = (
    f"CASE WHEN r.source = '{HAND}' THEN 1 WHEN r.source IN ('{OWN}', '{DERIVED}') THEN -1 ELSE 0 END, "
    "COALESCE(s.trusted, true), COALESCE(s.rank, 0), r.said_at, r.id"
)
"""The order of source records `r` with their sources `s` in which a later one is believed more."""

_COMPARED: Final = tuple(name for name in FIELDS if name not in ("name", "do_not_call"))
_NEW: Final = "COALESCE(new.name, old.name), COALESCE(new.do_not_call, old.do_not_call), " + ", ".join(
    f"new.{name}" for name in _COMPARED
)
_OLD: Final = "old.name, old.do_not_call, " + ", ".join(f"old.{name}" for name in _COMPARED)
_SET: Final = "name, do_not_call, " + ", ".join(_COMPARED)
_PAIRS: Final = ", ".join(
    f"('{name}', to_jsonb(old.{name}), to_jsonb("
    + (f"COALESCE(new.{name}, old.{name})" if name in ("name", "do_not_call") else f"new.{name}")
    + "))"
    for name in FIELDS
)

SETTLE: Final = f"""
WITH merged AS (
    SELECT r.customer_id, jsonb_merge(CAST(r.fields AS jsonb) ORDER BY {BY_PRECEDENCE}) AS said,
           jsonb_merge(CAST(r.derived AS jsonb) ORDER BY {BY_PRECEDENCE}) AS derived
    FROM source_records r LEFT JOIN sources s ON s.key = r.source
    WHERE r.customer_id = ANY(CAST(:customer_ids AS uuid[]))
    GROUP BY r.customer_id
),
new AS MATERIALIZED (SELECT m.customer_id AS id, {settled_columns("m")} FROM merged m),
old AS MATERIALIZED (SELECT * FROM customers WHERE id = ANY(CAST(:customer_ids AS uuid[]))),
differing AS MATERIALIZED (
    SELECT new.id FROM new JOIN old ON old.id = new.id WHERE ({_NEW}) IS DISTINCT FROM ({_OLD})
),
changed AS (
    UPDATE customers
    SET ({_SET}) = ROW({_NEW}), version = customers.version + CAST(:rise AS integer), updated_at = now()
    FROM differing JOIN new ON new.id = differing.id JOIN old ON old.id = differing.id
    WHERE customers.id = differing.id
    RETURNING customers.id
),
told AS (
    INSERT INTO customer_changes (id, customer_id, agent_id, source, import_id, field, old, new)
    SELECT {NEW_ID}, old.id, CAST(:agent_id AS uuid), CAST(:source AS text), CAST(:import_id AS uuid),
           pair.field, pair.old, pair.new
    FROM differing JOIN new ON new.id = differing.id JOIN old ON old.id = differing.id
    CROSS JOIN LATERAL (VALUES {_PAIRS}) AS pair(field, old, new)
    WHERE pair.old IS DISTINCT FROM pair.new
)
SELECT id FROM changed
"""
"""Settles `:customer_ids`, whose rows are locked, and gives the ids of those whose record changed by it.

A row with only the values that it has already is not written. What changed is in the history, by `:agent_id`, or by
`:source` and `:import_id`.
"""

LOCK: Final = "SELECT id FROM customers WHERE id = ANY(CAST(:customer_ids AS uuid[])) ORDER BY id FOR NO KEY UPDATE"
"""Whoever changes several customers locks them in the order of their ids, so that two never wait for each other."""

ADOPT: Final = f"""
WITH fresh AS (
    UPDATE customers SET settled_at = now()
    WHERE id = ANY(CAST(:customer_ids AS uuid[])) AND settled_at IS NULL RETURNING *
)
INSERT INTO source_records (id, source, external_id, customer_id, payload, fields, said_at)
SELECT {NEW_ID}, '{OWN}', CAST(id AS text), id, '{{}}',
       json_strip_nulls(json_build_object({
    ", ".join(
        f"'{name}', NULLIF(to_jsonb({name}), '{default}')"
        for name, default in (
            *((name, '""') for name in FIELDS if name not in ("gender", "do_not_call")),
            ("gender", '"unknown"'),
            ("do_not_call", "false"),
        )
    )
})), created_at
FROM fresh
ON CONFLICT (source, external_id) DO NOTHING
"""
"""What a row says that was written before any source was heard becomes a record too: the last one to be believed."""

_LOCK: Final = text(LOCK)
_ADOPT: Final = text(ADOPT)
_SETTLE: Final = text(SETTLE)


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a record changes: an agent's doing, or what a source says, in the course of an import."""

    agent_id: UUID | None = None
    source: str | None = None
    import_id: UUID | None = None


NOBODY: Final = Cause()
"""The service itself."""


async def settle(
    session: AsyncSession, customer_ids: Sequence[UUID], cause: Cause = NOBODY, *, rise: int = 1
) -> set[UUID]:
    """Work the fields of these customers out of their source records anew.

    To be called whenever records were written, moved or taken away. Locks the customers in the order of their ids.
    Rows held by the session as objects are stale afterwards and want a refresh.

    Args:
        cause: for the history of those that change.
        rise: by so much the version of those that change rises; 0 where the same request has raised it already.

    Gives:
        whose record changed.
    """
    if not customer_ids:
        return set()
    ids = {"customer_ids": list(customer_ids)}
    await session.execute(_LOCK, ids)
    await session.execute(_ADOPT, ids)
    why = {"agent_id": cause.agent_id, "source": cause.source, "import_id": cause.import_id, "rise": rise}
    return set((await session.scalars(_SETTLE, {**ids, **why})).all())


_SAY_BY_HAND: Final = text(f"""
INSERT INTO source_records (id, source, external_id, customer_id, payload, fields, said_at, agent_id)
SELECT {NEW_ID}, '{HAND}', CAST(CAST(:customer_id AS uuid) AS text) || '/' || said.key, CAST(:customer_id AS uuid),
       json_build_object(said.key, said.value), json_build_object(said.key, said.value), clock_timestamp(),
       CAST(:agent_id AS uuid)
FROM jsonb_each(CAST(:said AS jsonb)) AS said
ON CONFLICT (source, external_id) DO UPDATE SET customer_id = excluded.customer_id, payload = excluded.payload,
    fields = excluded.fields, said_at = excluded.said_at, agent_id = excluded.agent_id, updated_at = now()
""")

_SAY_DERIVED: Final = text(f"""
INSERT INTO source_records (id, source, external_id, customer_id, payload, derived)
VALUES ({NEW_ID}, '{DERIVED}', CAST(CAST(:customer_id AS uuid) AS text), CAST(:customer_id AS uuid), '{{}}',
        CAST(:derived AS json))
ON CONFLICT (source, external_id) DO UPDATE SET derived = excluded.derived, said_at = now(), updated_at = now()
WHERE CAST(source_records.derived AS jsonb) IS DISTINCT FROM CAST(excluded.derived AS jsonb)
    OR source_records.customer_id <> excluded.customer_id
""")


async def say_by_hand(
    session: AsyncSession, customer_id: UUID, values: Mapping[str, Any], agent_id: UUID | None
) -> None:
    """Keep what somebody typed of a locked customer as records of the source `hand`, one a field. `settle` follows.

    Before the first of them, what the row said until then is kept as a record of its own.
    """
    await session.execute(_ADOPT, {"customer_ids": [customer_id]})
    said = json.dumps({name: value for name, value in values.items() if name in FIELDS}, default=_as_json)
    # Clocks that are read twice may show the same: of two edits the later one has to be the later.
    await session.execute(_SAY_BY_HAND, {"customer_id": customer_id, "said": said, "agent_id": agent_id})


async def say_derived(session: AsyncSession, customer_id: UUID, derived: Mapping[str, str]) -> None:
    """Keep what follows from the numbers and the place that were typed of a customer. `settle` follows."""
    await session.execute(_SAY_DERIVED, {"customer_id": customer_id, "derived": json.dumps(dict(derived))})


async def words_of(session: AsyncSession, customer_id: UUID) -> dict[str, Word]:
    """For each field of a customer the word that counts, and whose it is."""
    rows = await session.execute(
        select(SourceRecord, Source.trusted, Source.rank)
        .outerjoin(Source, Source.key == SourceRecord.source)
        .where(SourceRecord.customer_id == customer_id)
    )
    return settle_records(
        Record(
            id=row.id,
            source=row.source,
            said_at=row.said_at,
            fields=row.fields,
            derived=row.derived or {},
            trusted=trusted is not False,
            rank=rank or 0,
            agent_id=row.agent_id,
        )
        for row, trusted, rank in rows
    )


def is_reserved(source: str) -> bool:
    """True for the names that mean ourselves and that no feeding system can have."""
    return source in RESERVED


def _as_json(value: object) -> str:
    if isinstance(value, date | datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is no field's value")
