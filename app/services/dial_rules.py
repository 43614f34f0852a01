"""Whether somebody may be called now: what `domain/dialling.py` asks for, gathered for many calls at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.calling_windows import NeverOpen, Place, place_of
from app.domain.dialling import DialFacts, DialPurpose, DialRefusal, Forbidden, forbidden_by_facts
from app.domain.phone_numbers import PhoneNumber, bucket_of
from app.models.customers import Customer
from app.models.relations import ConsentPurpose, ConsentState
from app.services.calendars import Calendars
from app.services.hotline import Hotline

CALLS_A_DAY: Final = 3
"""How often one number is rung on one day at most, where no setting says otherwise."""

_FACTS: Final = text(f"""
SELECT asked.n, coalesce(c.erased_at IS NOT NULL, false) AS is_erased,
       coalesce(c.do_not_call, EXISTS (
           SELECT FROM customer_phones p JOIN customers d ON d.id = p.customer_id
           WHERE p.bucket = asked.bucket AND p.e164 = asked.e164 AND p.wrong_since IS NULL AND d.do_not_call
       )) AS do_not_call,
       coalesce((
           SELECT said.state = '{ConsentState.WITHDRAWN}' FROM consents said
           WHERE said.customer_id = asked.customer_id AND said.purpose = '{ConsentPurpose.MARKETING_CALL}'
           ORDER BY said.at DESC, said.id DESC LIMIT 1
       ), false) AS is_withdrawn,
       theirs.is_being_dialled, theirs.calls_today
FROM unnest(
    CAST(:customers AS uuid[]), CAST(:numbers AS varchar[]), CAST(:buckets AS varchar[]),
    CAST(:since AS timestamptz[]), CAST(:but_for AS uuid[])
) WITH ORDINALITY AS asked (customer_id, e164, bucket, since, but_for, n)
LEFT JOIN customers c ON c.id = asked.customer_id
-- By the number alone: the few that are open are many where everybody is called at once.
CROSS JOIN LATERAL (
    SELECT coalesce(bool_or(a.ended_at IS NULL), false) AS is_being_dialled,
           count(*) FILTER (
               WHERE a.started_at >= asked.since AND a.result IN ('answered', 'no_answer', 'busy', 'voicemail')
           ) AS calls_today
    FROM dial_attempts a WHERE a.to_e164 = asked.e164 AND a.id IS DISTINCT FROM asked.but_for
) theirs
ORDER BY asked.n
""")


@dataclass(frozen=True, slots=True)
class Asked:
    """A call that somebody wants to place. `but_for` is the placing of it that is under way already, if one is."""

    customer_id: UUID | None
    number: PhoneNumber | None
    place: Place
    purpose: DialPurpose
    but_for: UUID | None = None


async def may_dial(
    session: AsyncSession,
    customer: Customer | None,
    e164: str | None,
    *,
    hotline: Hotline,
    calendars: Calendars,
    now: datetime,
    purpose: DialPurpose,
    calls_a_day: int = CALLS_A_DAY,
    but_for: UUID | None = None,
) -> DialRefusal | None:
    """Why a number may not be called now, or None where it may.

    Args:
        customer: whose it is; None where only the number is known.
        e164: the number; None where the customer has none.
        calls_a_day: how often one number is rung on one day of its place at most.
        but_for: the placing of this very call, where it has begun.
    """
    number = hotline.number(e164) if e164 else None
    place = place_of(
        number, zone=customer.time_zone if customer else None, region=customer.region if customer else None
    )
    asked = Asked(customer.id if customer else None, number, place, purpose, but_for)
    return (await refusals(session, [asked], hotline=hotline, calendars=calendars, at=(now,), calls_a_day=calls_a_day))[
        0
    ]


async def refusals(
    session: AsyncSession,
    asked: Sequence[Asked],
    *,
    hotline: Hotline,
    calendars: Calendars,
    at: tuple[datetime, ...],
    calls_a_day: int,
) -> list[DialRefusal | None]:
    """`may_dial` for many calls, in their order.

    Args:
        at: the moment; several where clocks disagree, and then the calling window has to be open at each.
    """
    numbers = [call.number.e164 if call.number else None for call in asked]
    rows = await session.execute(
        _FACTS,
        {
            "customers": [call.customer_id for call in asked],
            "numbers": numbers,
            "buckets": [bucket_of(number) if number else None for number in numbers],
            "since": [_day_began(call.place, min(at), hotline.zone) for call in asked],
            "but_for": [call.but_for for call in asked],
        },
    )
    return [
        _refusal(
            call,
            DialFacts(
                call.number,
                is_ours=bool(call.number and call.number.e164 and hotline.is_ours(call.number.e164)),
                is_erased=row.is_erased,
                do_not_call=row.do_not_call,
                is_withdrawn=row.is_withdrawn,
                is_being_dialled=row.is_being_dialled,
                calls_today=row.calls_today,
            ),
            calendars,
            at,
            calls_a_day,
        )
        for call, row in zip(asked, rows, strict=True)
    ]


def _refusal(
    call: Asked, facts: DialFacts, calendars: Calendars, at: tuple[datetime, ...], calls_a_day: int
) -> DialRefusal | None:
    why = forbidden_by_facts(facts, call.purpose, calls_a_day)
    if why is not None:
        return DialRefusal(why)
    for moment in at:
        if not calendars.windows.is_open(moment, call.place.region, call.place.zone):
            try:
                return DialRefusal(
                    Forbidden.WINDOW_CLOSED, calendars.windows.next_open(max(at), call.place.region, call.place.zone)
                )
            except NeverOpen:
                return DialRefusal(Forbidden.WINDOW_CLOSED)
    return None


def _day_began(place: Place, now: datetime, zone: ZoneInfo) -> datetime:
    """When the callee's day began, or ours where they may be in several zones."""
    theirs = zone
    if place.zone and " " not in place.zone:
        try:
            theirs = ZoneInfo(place.zone)
        except (KeyError, ValueError, OSError):
            theirs = zone
    return now.astimezone(theirs).replace(hour=0, minute=0, second=0, microsecond=0)
