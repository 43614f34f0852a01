"""Periods that figures are asked for: whole days of the house, from the first to the last."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from app.domain.scopes import Scope
from app.errors import Invalid
from app.services.access import Signed

LONGEST_DAYS: Final = 400
_WEEK: Final = timedelta(days=7)


class BadPeriod(Invalid):
    """The last day is before the first, or there are more than 400 days between them."""

    code = "bad_period"


@dataclass(frozen=True, slots=True)
class Period:
    """Whole days of the house, both included; `start` and `end` (not included) are the instants."""

    first_day: date
    last_day: date
    start: datetime
    end: datetime


def read_period(first_day: date | None, last_day: date | None, zone: ZoneInfo, now: datetime) -> Period:
    """The days asked for; without a last day until today, without a first the week before.

    Raises:
        BadPeriod: there is no such period, or it is too long.
    """
    last = last_day or (
        now.astimezone(zone).date() if first_day is None else max(first_day, now.astimezone(zone).date())
    )
    first = first_day or last - _WEEK
    if not timedelta(0) <= last - first <= timedelta(days=LONGEST_DAYS):
        raise BadPeriod(f"A period begins before it ends, and has at most {LONGEST_DAYS} days.")
    return Period(first, last, _midnight(first, zone), _midnight(last + timedelta(days=1), zone))


def manager_asked_for(user: Signed, manager_id: UUID | None) -> UUID | None:
    """Whose figures are told: anybody's to who may read reports, else one's own. None is everybody's.

    Raises:
        NotAllowed: somebody else's are asked for by who may not.
    """
    if user.may(Scope.REPORTS_READ):
        return manager_id
    user.require_self(manager_id or user.agent_id)
    return user.agent_id


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(0), zone).astimezone(UTC)
