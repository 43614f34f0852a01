"""Keeps `customer_search` in step: what each customer is found by, worked out from their record and numbers.

Whoever writes a customer's name, e-mail, gender or numbers calls `refresh` in the same transaction. What is written in
bulk may be left to `fill` afterwards, which finds by itself who is out of date: whose `updated_at` is not the one that
the search was worked out from.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import Database
from app.domain.customer_facts import CustomerKind, Gender
from app.domain.search_terms import (
    BOUNDARY,
    FEMALE,
    MALE,
    first_gram,
    fold,
    han_grams,
    index_numbers,
    is_han,
    letter_grams,
    runs,
    squeeze,
    surname_gram,
    words,
)
from app.services.names import readings, simplified

BATCH: Final = 20_000
"""Customers that `fill` does in one transaction."""
SMALL_BATCH: Final = 300
"""The same where a service has other things to do: some 10 ms of work."""

_GENDERS: Final = {Gender.MALE.value: MALE, Gender.FEMALE.value: FEMALE}

# Locked one after the other, so that two who do the same do not wait for each other; and before anything is read, so
# that what is read is what whoever held the lock has left.
_LOCK: Final = text("SELECT id FROM customers WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE")
_READ: Final = text("""
SELECT known.*, coalesce(no, nextval('customer_search_no_seq')) AS no FROM (
    SELECT c.id, c.kind, c.name, c.surname, c.latin_name, c.latin_surname, c.gender, c.email, c.updated_at AS as_of,
           c.merged_into_id IS NOT NULL OR c.erased_at IS NOT NULL AS is_hidden,
           ARRAY(SELECT p.e164 FROM customer_phones p WHERE p.customer_id = c.id ORDER BY p.id) AS e164s,
           ARRAY(SELECT p.national_number FROM customer_phones p WHERE p.customer_id = c.id ORDER BY p.id)
               AS national_numbers,
           (SELECT s.no FROM customer_search s WHERE s.customer_id = c.id) AS had
    FROM customers c WHERE c.id = ANY(:ids) ORDER BY c.id OFFSET 0
) known CROSS JOIN LATERAL (SELECT known.had AS no) given
""")
_STAGE: Final = text("""
CREATE TEMPORARY TABLE IF NOT EXISTS staged_search (LIKE customer_search) ON COMMIT DROP
""")
_WRITE: Final = """
INSERT INTO customer_search (customer_id, no, fields, grams, as_of) {source}
ON CONFLICT (customer_id) DO UPDATE SET fields = EXCLUDED.fields, grams = EXCLUDED.grams, as_of = EXCLUDED.as_of
"""
_WRITE_ONE: Final = text(_WRITE.format(source="VALUES (:customer_id, :no, :fields, CAST(:grams AS integer[]), :as_of)"))
_WRITE_STAGED: Final = text(
    _WRITE.format(source="SELECT customer_id, no, fields, grams, as_of FROM staged_search ORDER BY no")
)
_UNLIKE: Final = """
FROM customers c LEFT JOIN customer_search s ON s.customer_id = c.id WHERE s.as_of IS DISTINCT FROM c.updated_at
"""
_OUT_OF_DATE: Final = text(f"SELECT c.id {_UNLIKE} AND c.id > :after ORDER BY c.id LIMIT :limit")
_COUNT_OUT_OF_DATE: Final = text(f"SELECT count(*) {_UNLIKE}")
# The index takes in a batch's grams all at once, in a fifth of the time that it would take one by one.
_BULK_LIMIT: Final = text("SELECT set_config('gin_pending_list_limit', '256MB', true)")
_IN_BULK: Final = text("ALTER INDEX ix_customer_search_grams SET (fastupdate = on)")
_TAKE_IN: Final = text("SELECT gin_clean_pending_list('ix_customer_search_grams')")
_ONE_BY_ONE: Final = text("ALTER INDEX ix_customer_search_grams SET (fastupdate = off)")
_FEW: Final = 20
_COLUMNS: Final = ("customer_id", "no", "fields", "grams", "as_of")


@dataclass(frozen=True, slots=True)
class Findable:
    """What a customer is found by, as it stands in their record."""

    kind: str
    name: str
    surname: str = ""
    latin_name: str = ""
    latin_surname: str = ""
    gender: str = Gender.UNKNOWN.value
    email: str | None = None
    e164s: Sequence[str] = ()
    national_numbers: Sequence[str] = ()


class Terms(NamedTuple):
    """`fields` with boundaries around them, and the `grams` that lead there."""

    fields: str
    grams: set[str]


def terms_of(customer: Findable) -> Terms:
    """A customer's fields and grams; some 15 µs of work, or 40 for a name that was not met lately."""
    named, grams_of_name = _name_terms(customer.name, customer.latin_name)
    fields = dict.fromkeys(named)
    grams = set(grams_of_name)
    if customer.email:
        _add_letters(fold(customer.email), fields, grams)
    if customer.kind == CustomerKind.PERSON and customer.surname:
        grams |= _surname_grams(customer.surname, customer.latin_surname, customer.gender)
    for number in (*customer.e164s, *customer.national_numbers):
        digits = number.removeprefix("+")
        if digits and digits not in fields:
            fields[digits] = None
            grams.add(first_gram(digits))
            grams.update(letter_grams(digits))
    return Terms(BOUNDARY.join(("", *fields, "")), grams)


@lru_cache(maxsize=1 << 15)
def _name_terms(name: str, latin_name: str) -> tuple[tuple[str, ...], frozenset[str]]:
    fields: dict[str, None] = {}
    grams: set[str] = set()
    _add_name(fold(simplified(name)), fields, grams)
    if latin_name:
        _add_name(fold(latin_name), fields, grams)
    return tuple(fields), frozenset(grams)


def _add_name(folded: str, fields: dict[str, None], grams: set[str]) -> None:
    parts = words(folded)
    whole = "".join(parts)
    if not whole or whole in fields:
        return
    name_runs = runs(whole)
    if not any(map(is_han, name_runs)):
        _add_letters(folded, fields, grams)
        if len(parts) > 1:
            # A surname is typed first as often as last.
            turned = "".join((parts[-1], *parts[:-1]))
            fields[turned] = None
            grams.update(letter_grams(turned))
        return
    fields[whole] = None
    grams.add(first_gram(whole))
    usual: list[str] = []
    other: list[str] = []
    for run in name_runs:
        if is_han(run):
            grams.update(han_grams(run))
            read, also = readings(run)
            usual += read
            other += also
        else:
            grams.update(letter_grams(run))
            grams.add(run[:2])
            usual.append(run)
            other.append(run)
    for syllables in (usual, other) if other != usual else (usual,):
        _add_field("".join(syllables), fields, grams)
        grams.update(syllable[:2] for syllable in syllables)
        initials = "".join(syllable[0] for syllable in syllables)
        _add_field(initials, fields, grams)
        grams.update(initials[first : first + 2] for first in range(len(initials) - 1))


def _add_letters(folded: str, fields: dict[str, None], grams: set[str]) -> None:
    parts = words(folded)
    _add_field("".join(parts), fields, grams)
    for part in parts:
        grams.add(part[:2])
        grams.add(first_gram(part))


def _add_field(field: str, fields: dict[str, None], grams: set[str]) -> None:
    if field and field not in fields:
        fields[field] = None
        grams.add(first_gram(field))
        grams.update(letter_grams(field))


@lru_cache(maxsize=1 << 13)
def _surname_grams(surname: str, latin_surname: str, gender: str) -> frozenset[str]:
    surname = squeeze(fold(simplified(surname)))
    spelt = {surname, squeeze(fold(latin_surname))}
    if is_han(surname):
        for syllables in readings(surname):
            spelt.add("".join(syllables))
            spelt.add("".join(syllable[0] for syllable in syllables))
    spelt.discard("")
    known = _GENDERS.get(gender)
    return frozenset(surname_gram(each, letter) for each in spelt for letter in ((known,) if known else (MALE, FEMALE)))


async def refresh(session: AsyncSession, customer_ids: Iterable[UUID]) -> None:
    """Bring the search of these customers in step with what this transaction has written of them (flushed).

    Locks their rows, in the order of their ids.
    """
    ids = list(set(customer_ids))
    if not ids:
        return
    await session.execute(_LOCK, {"ids": ids})
    rows = [_row(found) for found in (await session.execute(_READ, {"ids": ids})).mappings()]
    if len(rows) <= _FEW:
        for row in rows:
            await session.execute(_WRITE_ONE, dict(zip(_COLUMNS, row, strict=True)))
        return
    await session.execute(_STAGE)
    await session.execute(text("TRUNCATE staged_search"))
    raw = await (await session.connection()).get_raw_connection()
    driver: Any = raw.driver_connection
    await driver.copy_records_to_table("staged_search", records=rows, columns=_COLUMNS)
    await session.execute(_WRITE_STAGED)


async def fill(database: Database, *, in_bulk: bool = True) -> int:
    """Bring everybody who is out of date in step, batch by batch in transactions of their own; gives how many.

    May be broken off at any time, and may run beside itself.

    Args:
        in_bulk: the quick way, for a process of its own: a million customers take about three minutes, in which
            searches are slower, for they read what is pending of the index. False takes several times as long, in
            small steps that hold up neither searches nor this process's other work.
    """
    batch = BATCH if in_bulk else SMALL_BATCH
    done = 0
    after = UUID(int=0)
    while True:
        async with database.session_scope() as session:
            ids = list(await session.scalars(_OUT_OF_DATE, {"after": after, "limit": batch}))
            if in_bulk and len(ids) == batch and not after.int:
                await session.execute(_IN_BULK)
            await session.execute(_BULK_LIMIT)
            await refresh(session, ids)
            if in_bulk and (after.int or len(ids) == batch):
                await session.execute(_TAKE_IN)
        done += len(ids)
        if len(ids) < batch:
            break
        after = ids[-1]
    if in_bulk and after.int:
        async with database.session_scope() as session:
            await session.execute(_ONE_BY_ONE)
            await session.execute(_TAKE_IN)
    return done


async def count_out_of_date(session: AsyncSession) -> int:
    """How many customers `fill` would do."""
    return int(await session.scalar(_COUNT_OUT_OF_DATE) or 0)


def _row(found: Any) -> tuple[Any, ...]:
    if found["is_hidden"]:
        return found["id"], found["no"], "", [], found["as_of"]
    terms = terms_of(
        Findable(
            found["kind"],
            found["name"],
            found["surname"],
            found["latin_name"],
            found["latin_surname"],
            found["gender"],
            found["email"],
            found["e164s"],
            found["national_numbers"],
        )
    )
    return found["id"], found["no"], terms.fields, index_numbers(terms.grams, found["no"]), found["as_of"]
