"""Finding customers by what somebody has at hand: a code, part of a name, a number in any spelling, an e-mail address.

Each way to search is a query of its own, because one query with ORs would use no index; each gives its newest
customers, and the page is the newest of all of them. That is exact: the first n of a union lie within the first n of
its parts.
"""

import re
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, func, select, text, union
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.caller_text import clean
from app.models.customers import Customer, CustomerPhone
from app.models.people import Agent
from app.schemas.customers import CustomerSummary
from app.schemas.listing import Listing
from app.schemas.screen_pop import PopOwner
from app.services.hotline import Hotline
from app.services.paging import Page, decode_cursor, encode_cursor

_CODE: Final = re.compile(r"[Cc]([0-9]{1,12})")
_DIGITS_AND_SEPARATORS: Final = re.compile(r"\+?[0-9][0-9\s().\-/]*")
_LEAST_ENDING: Final = 4
_TRIGRAM: Final = 3
_PLAN_ANEW: Final = text("SET LOCAL plan_cache_mode = force_custom_plan")
_LIKE_SPECIAL: Final = re.compile(r"([\\%_])")


async def search_customers(session: AsyncSession, q: str, page: Page, hotline: Hotline) -> Listing[CustomerSummary]:
    """Customers that fit `q`, the newest first; all of them when it is empty.

    What fits: a code or its beginning; a name that contains `q`, in either case; a number that is `q` in E.164, is the
    same national number in another country, or ends in its digits (four at least); an e-mail address that is `q`.

    Raises:
        BadCursor: the page's cursor is none of this list.
    """
    before: UUID | None = decode_cursor(page.cursor, UUID)[0] if page.cursor else None
    wanted = select(Customer, Agent.name).outerjoin(Agent, Agent.id == Customer.owner_id)
    if q:
        # Whether an index or the key is the shorter way depends on how common the words are: plan each search anew.
        await session.execute(_PLAN_ANEW)
        parts = [_newest(part, before, page.limit + 1) for part in _ways_to_find(q, hotline)]
        wanted = wanted.where(Customer.id.in_(union(*(select(part.subquery().c.id) for part in parts))))
    elif before is not None:
        wanted = wanted.where(Customer.id < before)
    rows = (await session.execute(wanted.order_by(Customer.id.desc()).limit(page.limit + 1))).all()
    shown = rows[: page.limit]
    phones = await _primary_numbers(session, [customer.id for customer, _ in shown])
    return Listing(
        items=[_summary(customer, owner, phones.get(customer.id), hotline) for customer, owner in shown],
        next=encode_cursor(shown[-1][0].id) if len(rows) > page.limit else None,
    )


def _ways_to_find(q: str, hotline: Hotline) -> list[Select[Any]]:
    """For each way that `q` can be meant, a query for `id`s of customers."""
    ways: list[Select[Any]] = [_by_name(q)]
    code = _CODE.fullmatch(q)
    if code is not None:
        first = f"C{code[1]}"
        # A range and not LIKE: only in some collations can the unique index serve a pattern.
        ways.append(
            select(Customer.id.label("id")).where(Customer.code >= first, Customer.code <= f"{first}999999999999")
        )
    if "@" in q:
        ways.append(select(Customer.id.label("id")).where(func.lower(Customer.email) == q.lower()))
    number = hotline.number(q)
    phone_id = CustomerPhone.customer_id.label("id")
    if number.e164 is not None:
        ways.append(select(phone_id).where(CustomerPhone.e164 == number.e164))
    if number.bucket is not None:
        ways.append(
            select(phone_id).where(
                CustomerPhone.bucket == number.bucket, CustomerPhone.national_number == number.national_number
            )
        )
    typed = clean(q)
    digits = re.sub(r"[^0-9]", "", typed)
    if len(digits) >= _LEAST_ENDING and _DIGITS_AND_SEPARATORS.fullmatch(typed):
        ways.append(select(phone_id).where(func.reverse(CustomerPhone.e164).like(f"{digits[::-1]}%")))
    return ways


def _by_name(q: str) -> Select[Any]:
    found = select(Customer.id.label("id"))
    if len(q) < _TRIGRAM:
        # Two characters hold no trigram: read along the key, newest first, until the page is full.
        has_case = q.lower() != q.upper()
        name = func.lower(Customer.name) if has_case else Customer.name
        return found.where(func.strpos(name, q.lower()) > 0)
    literal = _LIKE_SPECIAL.sub(r"\\\1", q)
    return found.where(Customer.name.ilike(f"%{literal}%"))


def _newest(part: Select[Any], before: UUID | None, limit: int) -> Select[Any]:
    column = part.selected_columns[0]
    if before is not None:
        part = part.where(column.element < before)
    return part.distinct().order_by(column.desc()).limit(limit)


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
        owner=PopOwner(id=customer.owner_id, name=owner) if customer.owner_id and owner else None,
        phone=(hotline.number(e164).national or e164) if e164 else None,
        do_not_call=customer.do_not_call,
        created_at=customer.created_at,
    )
