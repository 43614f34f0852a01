"""Is this caller already here? Customers who may be the person that is being typed in, from PostgreSQL alone.

Each way in which they may have been found before (number, e-mail, identity number, birth date, name in pinyin) is read
from an index and gives so many at most; those few are compared in full, by the same levels and the same measure as a
search through all customers. Addresses are not compared: they are typed last.
"""

import math
from typing import Final
from uuid import UUID

from sqlalchemy import Row, Select, func, literal, or_, select, text, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.customer_facts import CustomerKind, Gender
from app.domain.identity import national_id_form
from app.domain.linkage import Field, Outcome, decide, level_number
from app.models.customers import Customer, CustomerPhone
from app.models.duplicates import LinkageModelRow
from app.schemas.listing import Listing
from app.schemas.similarity import Reason, SimilarCustomer, SimilarQuery
from app.services.hotline import Hotline
from app.services.linkage.comparing import Person, compare, person, weigh
from app.services.linkage.model import LinkageModel, usual_model
from app.services.names import latin

_SHOWN: Final = 10
_BY_NUMBER: Final = 60
_BY_ID: Final = 20
_BY_BIRTH: Final = 200
_BY_NAME: Final = 50
_A_HOUSEHOLD: Final = 12
"""So many may share a number before it says little."""
_SOUNDS: Final = "sounds_the_same"


async def similar_customers(session: AsyncSession, asked: SimilarQuery, hotline: Hotline) -> Listing[SimilarCustomer]:
    """At most ten customers who may be the person asked about, the likeliest first."""
    ways = _ways_to_find(asked, hotline)
    if not ways:
        return Listing(items=[], next=None)
    model = await _model(session)
    # Which index serves each way is plain; a generic plan would be made for the commonest values.
    await session.execute(text("SET LOCAL plan_cache_mode = force_custom_plan"))
    found = union_all(*(select(way.subquery()) for way in ways)).subquery()
    candidates = (await session.execute(_candidates(select(found.c.id)))).all()
    me = _asked_for(asked)
    their = {row.id: _theirs(row) for row in candidates}
    crowded = _crowded_lines(their)
    namesakes = sum(_has_my_name(me, other) for other in their.values())
    said = []
    for row in candidates:
        levels = compare(me, their[row.id], is_crowded=crowded.__contains__)
        bits = model.bits(levels)
        weight = weigh(levels, bits, model.prior_bits)
        if 0 < namesakes < _BY_NAME and _has_my_name(me, their[row.id]):
            weight += _rarity(model, bits, namesakes)
        outcome = decide(weight, levels)
        if outcome is not Outcome.DIFFERENT:
            said.append((weight, outcome, levels, row))
    said.sort(key=lambda each: (-each[0], each[3].id))
    return Listing(
        items=[
            SimilarCustomer(
                id=row.id,
                code=row.code,
                name=row.name,
                kind=row.kind,
                region=row.region,
                phones=[hotline.number(e164).national or e164 for e164 in row.phones],
                score=round(weight, 2),
                suggested=outcome,
                reasons=[Reason(**reason) for reason in model.reasons(levels)],
            )
            for weight, outcome, levels, row in said[:_SHOWN]
        ],
        next=None,
    )


def _ways_to_find(asked: SimilarQuery, hotline: Hotline) -> list[Select[UUID]]:
    numbers = [hotline.number(phone) for phone in asked.phones]
    ways: list[Select[UUID]] = []
    buckets = sorted({number.bucket for number in numbers if number.bucket})
    if buckets:
        theirs = (CustomerPhone.bucket.in_(buckets), CustomerPhone.wrong_since.is_(None))
        ways.append(select(CustomerPhone.customer_id.label("id")).where(*theirs).limit(_BY_NUMBER))
    customer_id = Customer.id.label("id")
    here = select(customer_id).where(Customer.merged_into_id.is_(None))
    if asked.email:
        ways.append(here.where(func.lower(Customer.email) == asked.email.lower()).limit(_BY_ID))
    if asked.national_id:
        ways.append(here.where(Customer.national_id == national_id_form(asked.national_id)).limit(_BY_ID))
    if asked.birth_date:
        ways.append(here.where(Customer.birth_date == asked.birth_date).limit(_BY_BIRTH))
    spellings = _spellings(asked.name)
    if spellings:
        same_name = or_(*(func.lower(Customer.latin_name) == literal(spelling) for spelling in spellings))
        ways.append(here.where(Customer.latin_name != "", same_name).limit(_BY_NAME))
    return ways


def _spellings(name: str) -> list[str]:
    """How the name may be written in Latin letters: surname first, as Chinese names are kept, or last."""
    words = latin(name).latin_name.lower().replace(",", " ").split()
    if not words:
        return []
    turned = [[words[-1], *words[:-1]], [*words[1:], words[0]]]
    return sorted({" ".join(order) for order in [words, *turned]})


def _candidates(ids: Select[UUID]) -> Select[*tuple[object, ...]]:
    phones = func.array(
        select(CustomerPhone.e164)
        .where(CustomerPhone.customer_id == Customer.id)
        .order_by(CustomerPhone.is_primary.desc(), CustomerPhone.id)
        .scalar_subquery()
    )
    return select(
        Customer.id,
        Customer.code,
        Customer.kind,
        Customer.name,
        Customer.region,
        Customer.gender,
        Customer.birth_date,
        Customer.national_id,
        Customer.email,
        phones.label("phones"),
    ).where(Customer.id.in_(ids), Customer.merged_into_id.is_(None))


async def _model(session: AsyncSession) -> LinkageModel:
    """The model of the last run; what is usual where none is kept."""
    kept = await session.scalar(select(LinkageModelRow.parameters).order_by(LinkageModelRow.id.desc()).limit(1))
    model = None if kept is None else LinkageModel.from_json(kept)
    if model is not None:
        return model
    # An estimate: counting a million rows takes longer than all else here.
    rows = await session.scalar(text("SELECT reltuples::bigint FROM pg_class WHERE oid = 'customers'::regclass"))
    return usual_model(max(int(rows or 0), 1000))


def _asked_for(asked: SimilarQuery) -> Person:
    return person(
        name=asked.name or None,
        birth=asked.birth_date.isoformat() if asked.birth_date else None,
        sex=None if asked.gender is Gender.UNKNOWN else asked.gender.value,
        national_id=asked.national_id,
        email=asked.email,
        phones=asked.phones,
    )


def _theirs(row: Row[*tuple[object, ...]]) -> Person:
    is_company = row.kind is CustomerKind.COMPANY
    return person(
        name=None if is_company else row.name,
        given=row.name if is_company else None,
        birth=row.birth_date.isoformat() if row.birth_date else None,
        sex=row.gender.value,
        national_id=row.national_id,
        email=row.email,
        phones=row.phones,
    )


def _crowded_lines(people: dict[UUID, Person]) -> frozenset[str]:
    sharers: dict[str, int] = {}
    for each in people.values():
        for line in each.lines:
            sharers[line] = sharers.get(line, 0) + 1
    return frozenset(line for line, count in sharers.items() if count > _A_HOUSEHOLD)


def _has_my_name(me: Person, other: Person) -> bool:
    levels = compare(me, other)
    return all(levels[field] >= level_number(field, _SOUNDS) for field in (Field.GIVEN_NAME, Field.SURNAME))


def _rarity(model: LinkageModel, bits: dict[Field, float], namesakes: int) -> float:
    """How much more a name says of which there are so few than names in general do."""
    general = bits[Field.GIVEN_NAME] + bits[Field.SURNAME]
    return max(0.0, math.log2(model.records / namesakes) - 1 - general)
