"""Finding customers while somebody types: a code, part of a name or number, an e-mail address, a serial number.

Whoever fits comes in four stages, each a query on an index of its own and each the newest first, until the page is
full:

1. those whose code, number, e-mail address or product's serial number is what was typed, or whose serial number begins
   with it;
2. those whose code begins with it;
3. those one of whose fields begins with it: name, surname, pinyin, initials, e-mail, national number;
4. those who have all its words in any of their fields, or can be addressed so (`鲁先生`, `luxs`).

Nobody is shown twice: a stage leaves out whoever fits an earlier one. What fields and grams are, and why nothing here
reads more than a few thousand rows, is told in `app.domain.search_terms`.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import Select, TextClause, func, select, text, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.caller_text import clean
from app.domain.search_terms import (
    BOUNDARY,
    SEGMENT_BITS,
    TypedText,
    fold,
    gram_number,
    read_typed,
    segment_number,
    segment_of,
)
from app.models.customers import Customer, CustomerPhone
from app.models.people import Agent
from app.schemas.customers import CustomerSummary
from app.schemas.listing import Listing
from app.schemas.screen_pop import PopOwner
from app.services.hotline import Hotline
from app.services.names import simplified
from app.services.paging import BadCursor, Page, cut, decode_cursor, plain_text

_CODE: Final = re.compile(r"[Cc]([0-9]{1,12})")
_CODE_DIGITS: Final = 7
_DIGITS_AND_SEPARATORS: Final = re.compile(r"\+?[0-9(][0-9\s().\-/]*")
_TRUNK_ZERO: Final = re.compile(r"\(0\)")
_LEAST_OF_A_NUMBER: Final = 3
_LEAST_OF_A_SERIAL: Final = 4
_MOST_ALIKE: Final = 200
"""So many customers at most are found in one exact way; of a switchboard's, the others are found as containing it."""
_MOST_SERIALS: Final = 50
"""A beginning that more serial numbers share names no product; whoever looks for one types on."""
_LARGEST_NO: Final = 2**62

# The array's statistics know nothing of segments: a plan is to be made for the index of grams, always.
_BY_INDEX: Final = text("""
SELECT set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true),
       coalesce((SELECT max(no) FROM customer_search), 0) AS largest
""")

# Ranges and not LIKE: a plan that is made once knows no pattern.
_BY_SERIAL: Final = text("""
SELECT customer_id, upper(serial_number) AS serial FROM purchases
WHERE serial_number <> '' AND upper(serial_number) ~>=~ :first AND upper(serial_number) ~<~ :after
ORDER BY upper(serial_number) USING ~<~ LIMIT :limit
""")

_FITS: Final = """
SELECT found.customer_id, found.no
FROM unnest(CAST(:segments AS integer[]), CAST(:mixes AS integer[])) AS segment(no, mix)
CROSS JOIN LATERAL (
    SELECT array_agg(gram # segment.mix) AS grams FROM unnest(CAST(:grams AS integer[])) AS gram
) wanted
CROSS JOIN LATERAL (
    SELECT fits.customer_id, fits.no FROM (
        SELECT s.customer_id, s.no, s.fields, s.grams FROM customer_search s WHERE s.grams {operator} wanted.grams
        OFFSET 0 -- a fence: by grams, never along the numbers
    ) fits
    WHERE fits.no < CAST(:before AS bigint) AND fits.no >> CAST(:bits AS integer) = segment.no
      AND fits.customer_id <> ALL(CAST(:without AS uuid[])) AND {condition}
      AND (CAST(:code AS text) IS NULL OR NOT EXISTS (
          SELECT FROM customers c WHERE c.id = fits.customer_id
          AND c.code BETWEEN CAST(:code AS text) AND CAST(:code AS text) || '999999999999'
      ))
    ORDER BY fits.no DESC LIMIT CAST(:limit AS integer)
) found
LIMIT CAST(:limit AS integer)
"""
_CONTAINS: Final = "fits.fields LIKE ALL(CAST(:patterns AS text[]))"
_BEGINS: Final = "fits.fields LIKE ANY(CAST(:begins AS text[]))"
_NOT_SHOWN: Final = f"NOT {_BEGINS}"
_BEGINNING: Final = text(_FITS.format(operator="@>", condition=_BEGINS))
_CONTAINING: Final = text(_FITS.format(operator="@>", condition=f"{_CONTAINS} AND {_NOT_SHOWN}"))
_ADDRESSED: Final = text(_FITS.format(operator="&&", condition=_NOT_SHOWN))


class _Found(NamedTuple):
    """One customer of a stage, and where in the stage they stand: what a cursor names."""

    customer_id: UUID
    place: str


@dataclass(frozen=True, slots=True)
class _Search:
    """What is looked for, and what the stages need to know of each other.

    Of several ways to read what was `typed`, those after the first are only for the beginnings of fields.
    """

    session: AsyncSession
    typed: tuple[TypedText, ...]
    code: str | None
    exact: tuple[UUID, ...]
    largest_no: int


_Stage = Callable[[_Search, str | None, int], Awaitable[list[_Found]]]


async def search_customers(session: AsyncSession, q: str, page: Page, hotline: Hotline) -> Listing[CustomerSummary]:
    """Customers that fit `q`, the best first and the newest first among equals; all of them when it is empty.

    Raises:
        BadCursor: the page's cursor is none of this list.
    """
    if not q:
        return await _everybody(session, page, hotline)
    number, place = decode_cursor(page.cursor, int, plain_text) if page.cursor else (0, None)
    if not 0 <= number < len(_STAGES):
        raise BadCursor("The cursor is not one of this list. Begin again without it.")
    search = await _begin(session, q, hotline)
    found: list[tuple[int, _Found]] = []
    for stage in range(number, len(_STAGES)):
        more = await _STAGES[stage](search, place, page.limit + 1 - len(found))
        found += [(stage, each) for each in more]
        place = None
        if len(found) > page.limit:
            break
    shown, following = cut(found, page, lambda each: (each[0], each[1].place))
    return Listing(items=await _summaries(session, [each.customer_id for _, each in shown], hotline), next=following)


async def _everybody(session: AsyncSession, page: Page, hotline: Hotline) -> Listing[CustomerSummary]:
    before: UUID | None = decode_cursor(page.cursor, UUID)[0] if page.cursor else None
    wanted = select(Customer.id).where(Customer.merged_into_id.is_(None), Customer.erased_at.is_(None))
    if before is not None:
        wanted = wanted.where(Customer.id < before)
    ids = list(await session.scalars(wanted.order_by(Customer.id.desc()).limit(page.limit + 1)))
    shown, more = cut(ids, page, lambda customer_id: (customer_id,))
    return Listing(items=await _summaries(session, shown, hotline), next=more)


async def _begin(session: AsyncSession, q: str, hotline: Hotline) -> _Search:
    code = _CODE.fullmatch(q)
    largest = (await session.execute(_BY_INDEX)).one().largest
    return _Search(
        session,
        tuple(map(read_typed, _readings_of(q))),
        f"C{code[1]}" if code else None,
        await _exact(session, q, hotline),
        largest,
    )


def _readings_of(q: str) -> list[str]:
    """What was typed, folded; of part of a number its digits, and these without the zeros that are dialled before it.

    `0086 138` is the beginning of a number in E.164, and `010-6234` of a national number; both are kept without zeros.
    """
    typed = clean(q)
    if not _DIGITS_AND_SEPARATORS.fullmatch(typed):
        return [fold(simplified(q))]
    digits = re.sub(r"[^0-9]", "", _TRUNK_ZERO.sub("", typed))
    bare = digits.lstrip("0")
    return [digits, bare] if digits != bare and len(bare) >= _LEAST_OF_A_NUMBER else [digits]


async def _exact(session: AsyncSession, q: str, hotline: Hotline) -> tuple[UUID, ...]:
    """Whoever `q` names, the newest first."""
    ways = [way.limit(_MOST_ALIKE).subquery() for way in _ways_to_name(q, hotline)]
    found = set(await session.scalars(union_all(*(select(way.c.id) for way in ways)))) if ways else set()
    serial = q.upper()
    if len(serial) >= _LEAST_OF_A_SERIAL and serial.isascii():
        values = {"first": serial, "after": serial[:-1] + chr(ord(serial[-1]) + 1), "limit": _MOST_SERIALS + 1}
        rows = (await session.execute(_BY_SERIAL, values)).all()
        found.update(row.customer_id for row in rows if len(rows) <= _MOST_SERIALS or row.serial == serial)
    return tuple(sorted(found, reverse=True))


def _ways_to_name(q: str, hotline: Hotline) -> list[Select[Any]]:
    """For each way that `q` can be the whole of something, a query for `id`s of customers."""
    ways: list[Select[Any]] = []
    code = _CODE.fullmatch(q)
    if code is not None:
        # A code for ever leads to whoever has taken in its customer.
        now = func.coalesce(Customer.merged_into_id, Customer.id)
        ways.append(select(now.label("id")).where(Customer.code == f"C{code[1].zfill(_CODE_DIGITS)}"))
    if "@" in q:
        ways.append(
            _newest_of(
                select(Customer.id.label("id")).where(
                    func.lower(Customer.email) == q.lower(), Customer.merged_into_id.is_(None)
                )
            )
        )
    number = hotline.number(q)
    phone_id = CustomerPhone.customer_id.label("id")
    if number.e164 is not None:
        ways.append(_newest_of(select(phone_id).where(CustomerPhone.is_number(number.e164))))
    if number.bucket is not None:
        ways.append(
            _newest_of(
                select(phone_id).where(
                    CustomerPhone.bucket == number.bucket,
                    CustomerPhone.national_number == number.national_number,
                    CustomerPhone.wrong_since.is_(None),
                )
            )
        )
    return ways


def _newest_of(way: Select[Any]) -> Select[Any]:
    # OFFSET 0 is a fence: whoever fits is looked up first and put in order afterwards, never sought along the key.
    fits = way.offset(0).subquery()
    return select(fits.c.id).order_by(fits.c.id.desc())


async def _named(search: _Search, place: str | None, limit: int) -> list[_Found]:
    before = UUID(int=2**128 - 1) if place is None else _read(place, UUID)
    return [_Found(each, str(each)) for each in search.exact if each < before][:limit]


async def _code_begins(search: _Search, place: str | None, limit: int) -> list[_Found]:
    if search.code is None:
        return []
    # A range and not LIKE: only in some collations can the unique index serve a pattern.
    wanted = select(Customer.id, Customer.code).where(
        Customer.code >= search.code,
        Customer.code <= f"{search.code}999999999999",
        Customer.id.not_in(search.exact),
        Customer.merged_into_id.is_(None),
    )
    if place is not None:
        wanted = wanted.where(Customer.code < place)
    rows = await search.session.execute(wanted.order_by(Customer.code.desc()).limit(limit))
    return [_Found(row.id, row.code) for row in rows]


async def _begins(search: _Search, place: str | None, limit: int) -> list[_Found]:
    found: set[_Found] = set()
    for typed in search.typed:
        found.update(await _by_grams(search, _BEGINNING, typed.whole_grams, place, limit))
    return _newest(found, limit)


async def _contains(search: _Search, place: str | None, limit: int) -> list[_Found]:
    typed = search.typed[0]
    found = set(await _by_grams(search, _CONTAINING, typed.grams, place, limit))
    found.update(await _by_grams(search, _ADDRESSED, typed.addressed, place, limit))
    return _newest(found, limit)


def _newest(found: set[_Found], limit: int) -> list[_Found]:
    return sorted(found, key=lambda each: -int(each.place))[:limit]


async def _by_grams(
    search: _Search, statement: TextClause, grams: Sequence[str], place: str | None, limit: int
) -> list[_Found]:
    if not grams:
        return []
    before = _LARGEST_NO if place is None else _read(place, int)
    segments = list(range(segment_of(max(0, min(before, search.largest_no))), -1, -1))
    values = {
        "segments": segments,
        "mixes": [segment_number(segment) for segment in segments],
        "bits": SEGMENT_BITS,
        "grams": [gram_number(gram) for gram in grams],
        "begins": [f"%{BOUNDARY}{typed.whole}%" for typed in search.typed],
        "without": list(search.exact),
        "code": search.code,
        "before": max(0, min(before, _LARGEST_NO)),
        "limit": limit,
    }
    if statement is _CONTAINING:
        values["patterns"] = [f"%{run}%" for run in search.typed[0].runs]
    return [_Found(row.customer_id, str(row.no)) for row in await search.session.execute(statement, values)]


def _read(place: str, reader: Callable[[str], Any]) -> Any:
    try:
        return reader(place)
    except ValueError:
        raise BadCursor("The cursor is not one of this list. Begin again without it.") from None


_STAGES: Final[tuple[_Stage, ...]] = (_named, _code_begins, _begins, _contains)


async def _summaries(session: AsyncSession, ids: Sequence[UUID], hotline: Hotline) -> list[CustomerSummary]:
    """The customers of these ids, in this order."""
    rows = await session.execute(
        select(Customer, Agent.name).outerjoin(Agent, Agent.id == Customer.owner_id).where(Customer.id.in_(ids))
    )
    known = {customer.id: (customer, owner) for customer, owner in rows}
    phones = await _primary_numbers(session, list(known))
    return [_summary(*known[each], phones.get(each), hotline) for each in ids if each in known]


async def _primary_numbers(session: AsyncSession, customer_ids: list[UUID]) -> dict[UUID, str]:
    rows = await session.execute(
        select(CustomerPhone.customer_id, CustomerPhone.e164).where(
            CustomerPhone.customer_id.in_(customer_ids), CustomerPhone.is_primary
        )
    )
    return {row.customer_id: row.e164 for row in rows}


def _summary(customer: Customer, owner: str | None, e164: str | None, hotline: Hotline) -> CustomerSummary:
    return CustomerSummary(
        id=customer.id,
        code=customer.code,
        kind=customer.kind,
        name=customer.name,
        latin_name=customer.latin_name,
        tier=customer.tier,
        dcwh=customer.dcwh,
        region=customer.region,
        owner=PopOwner.found(customer.owner_id, owner),
        phone=(hotline.number(e164).national or e164) if e164 else None,
        do_not_call=customer.do_not_call,
        created_at=customer.created_at,
    )
