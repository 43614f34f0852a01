"""What the ranking statement is given: the day, the books, the rules of their teams, and when people may be called."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.calling_windows import CallingWindows, NeverOpen
from app.domain.list_days import ListDay
from app.domain.list_ranking import Quotas, Sources, Weights
from app.domain.phone_numbers import calling_code
from app.domain.working_calendar import CalendarUnknown, WorkingCalendar
from app.services.calendars import Calendars
from app.services.call_lists.occasions import BOOK

# What lists are made of is read every day, and in memory.
_PREPARE: Final = text(f"""
SELECT set_config('plan_cache_mode', :plans, true), set_config('seq_page_cost', '0.5', true),
       set_config('random_page_cost', '0.5', true), set_config('jit', 'off', true),
       set_config('work_mem', '64MB', true), set_config('max_parallel_workers_per_gather', '0', true),
       ARRAY(SELECT DISTINCT c.time_zone FROM unnest(CAST(:managers AS uuid[])) AS l(manager_id)
             JOIN customers c ON {BOOK} WHERE c.time_zone IS NOT NULL) AS zones
""")
_FEW: Final = 20
"""Up to so many lists are made by the plan that a connection keeps, for planning takes as long as making one list."""
_MANY: Final = 100
"""From so many lists on it is quicker to look at all customers than at those of each book (see `occasions.py`)."""
_GREETED_DAYS: Final = 5
_LOST_DAYS: Final = 20
_LEFT_OVER_DAYS: Final = 45
CONTRACT_DAYS: Final = (7, 14, 30)
WARRANTY_DAYS: Final = 30
FESTIVAL_DAYS: Final = 5
"""So many working days before a festival its greetings begin."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How a team's lists are made. `festivals` are (day, name_zh, name_en)."""

    size: int
    weights: Weights
    quotas: Quotas
    sources: Sources
    festivals: tuple[tuple[date, str, str], ...] = ()

    def festival_near(self, days: Sequence[date]) -> dict[str, str] | None:
        """The first festival on one of these days, as its reason has it."""
        near = sorted(each for each in self.festivals if each[0] in days)
        if not self.sources.festival or not near:
            return None
        day, name_zh, name_en = near[0]
        return {"day": day.isoformat(), "name_zh": name_zh, "name_en": name_en}


@dataclass(frozen=True, slots=True)
class Header:
    """A list that is to be filled: whose book, and the number of its rules."""

    list_id: UUID
    manager_id: UUID
    rules_no: int


async def ranking_parameters(
    session: AsyncSession, clock: ListDay, calendars: Calendars, headers: Sequence[Header], rules: Sequence[Rules]
) -> dict[str, Any]:
    """What the ranking statement is given for these lists. The database is set for it until the transaction ends."""
    manager_ids = [header.manager_id for header in headers]
    # One book is read by index, a thousand from end to end.
    plans = "force_generic_plan" if len(headers) <= _FEW else "force_custom_plan"
    zones = (await session.execute(_PREPARE, {"plans": plans, "managers": manager_ids})).one().zones
    hours = _working_hours(calendars.main, clock.day)
    next_days = _days_after(calendars.main, clock.day)
    return {
        **_of_day(clock, next_days[0], calendars.main.zone),
        "rules": _told(rules, clock, next_days[-1]),
        "closed_zones": [each for each in zones if not _may_be_called(calendars.windows, hours, None, each)],
        "closed_codes": [
            f"+{code}%"
            for region in calendars.windows.by_region
            if (code := calling_code(region)) and not _may_be_called(calendars.windows, hours, region, None)
        ],
        "are_many": len(headers) >= _MANY,
        "nos": list(range(len(headers))),
        "list_ids": [header.list_id for header in headers],
        "manager_ids": manager_ids,
        "rule_nos": [header.rules_no for header in headers],
    }


def birthdays_on(days: Sequence[date]) -> list[int]:
    """The birthdays (month x 100 + day) that are kept on these days: who was born on 29 February has 28 in most years.

    (The day after, 1 March, is what the law has; people would rather be greeted too early than too late.)
    """
    found = [day.month * 100 + day.day for day in days]
    found += [229 for day in days if (day.month, day.day) == (2, 28) and (day + timedelta(days=1)).month == 3]
    return found


@lru_cache(maxsize=8)
def _of_day(clock: ListDay, next_day: date, zone: ZoneInfo) -> Mapping[str, Any]:
    """The part that follows from the day, once for all lists of it. `next_day` is the working day after it."""
    day = clock.day
    # What falls on days off is told on the working day before (birthdays) or after (what is to end).
    greeted = [day + timedelta(days=ahead) for ahead in range((next_day - day).days)]
    since = [day - timedelta(days=back) for back in range((day - clock.previous).days)]
    return {
        "day": day,
        "day_start": _midnight(day, zone),
        "day_end": _midnight(day + timedelta(days=1), zone),
        "zone": zone.key,
        "previous": clock.previous,
        "passed": list(clock.passed),
        "due_in": list(clock.due_in),
        "midnights": [_midnight(each, zone) for each in (*clock.passed, day)],
        "left_over_since": day - timedelta(days=_LEFT_OVER_DAYS),
        "greeted_since": _midnight(_days_ago(clock, _GREETED_DAYS), zone),
        "lost_since": _midnight(_days_ago(clock, _LOST_DAYS), zone),
        "birthdays": birthdays_on(greeted),
        "contracts_ending": [each + timedelta(days=ahead) for each in since for ahead in CONTRACT_DAYS],
        "in_14": min(since) + timedelta(days=CONTRACT_DAYS[1]),
        "in_30": min(since) + timedelta(days=CONTRACT_DAYS[2]),
        "warranties_ending": [each + timedelta(days=WARRANTY_DAYS) for each in since],
    }


def _told(rules: Sequence[Rules], clock: ListDay, festivals_until: date) -> str:
    """The rules as the statement reads them; a festival that is no later than that day has its greetings now."""
    ahead = (festivals_until - clock.day).days
    festival_days = [clock.day + timedelta(days=days) for days in range(ahead + 1)]
    return json.dumps(
        [
            {
                "rule_no": number,
                "size": each.size,
                "round_days": clock.round_days,
                "weights": list(asdict(each.weights).values()),
                "quotas": list(asdict(each.quotas).values()),
                **asdict(each.sources),
                "festival": each.festival_near(festival_days),
            }
            for number, each in enumerate(rules)
        ]
    )


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(0), tzinfo=zone).astimezone(UTC)


def _days_ago(clock: ListDay, count: int) -> date:
    """The working day so many before, or the first that is known."""
    return clock.passed[-count] if len(clock.passed) >= count else clock.previous


def _days_after(calendar: WorkingCalendar, day: date) -> list[date]:
    """The next working days, as far as they are known: up to how early a festival's greetings begin."""
    days: list[date] = []
    try:
        while len(days) < FESTIVAL_DAYS:
            days.append(calendar.next_working_day(days[-1] if days else day))
    except CalendarUnknown:
        pass
    return days or [day + timedelta(days=1)]


def _working_hours(calendar: WorkingCalendar, day: date) -> tuple[datetime, datetime]:
    """From when to when we work on a day, breaks included."""
    begins = calendar.next_moment(datetime.combine(day, time(0), tzinfo=calendar.zone))
    # Nothing is asked of the day after, which nobody may know yet.
    ends = datetime.combine(day, time.max, tzinfo=calendar.zone)
    worked = calendar.working_time_between(begins, ends)
    return begins, max(calendar.add_working_time(begins, worked), begins)


def _may_be_called(
    windows: CallingWindows, hours: tuple[datetime, datetime], region: str | None, zone: str | None
) -> bool:
    """Whether there is a moment of our working hours at which somebody of that place may be called."""
    begins, ends = hours
    try:
        return windows.next_open(begins, region, zone) < ends
    except NeverOpen:
        return False
