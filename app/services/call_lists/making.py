"""Making the lists of a day: for every manager who has none yet, by one statement, each exactly once.

A list is first claimed by its header (`UNIQUE(manager_id, day)`): of two makers at once the second waits, finds it
there and leaves it alone. Headers, entries, clocks and what the managers are told are one transaction.
"""

import json
from collections.abc import Mapping, Sequence, Set
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import after_commit
from app.domain.list_days import ListDay, list_day
from app.domain.list_ranking import moved
from app.domain.working_calendar import CalendarUnknown, WorkingCalendar
from app.errors import Conflict, NotFound
from app.models.base import NEW_ID, new_id
from app.models.call_lists import CallList, CallListEntry, ListRearrangement
from app.models.people import Agent
from app.services.calendars import Calendars, calendar_not_known
from app.services.call_lists.inputs import Header, ranking_parameters
from app.services.call_lists.notices import notices_of
from app.services.call_lists.ranking import RANKED, REASONS, SOURCE
from app.services.call_lists.rules import TeamRules, read_rules
from app.services.foreign_keys import no_look_ups

MADE_FROM: Final = time(5)
"""From this time of a working day on, by the organisation's clock, its lists are made."""


class NotAWorkingDay(Conflict):
    """A list is asked for of a day on which nobody works."""

    code = "not_a_working_day"
    title = "No list on a day that is not worked"


class DayOutOfReach(Conflict):
    """A list is asked for of a day that is over, or that lies beyond the next working day."""

    code = "day_out_of_reach"
    title = "No list can be made of that day"


class NoSuchManager(NotFound):
    """There is nobody of that id."""

    code = "no_such_manager"
    title = "No such person"


@dataclass(frozen=True, slots=True)
class Made:
    """What making the lists of a day gave.

    Attributes:
        day: the day.
        lists: how many lists were made now; those that were there already are not counted.
        entries: how many customers are on them.
        notices: how many of the lists have something to say.
    """

    day: date
    lists: int
    entries: int
    notices: int


_STANDING_IN: Final = """
SELECT a.id, a.name, a.active, b.id AS absence_id, b.stand_in_id
FROM agents a
LEFT JOIN LATERAL (
    SELECT m.id, stand_in.id AS stand_in_id FROM manager_absences m
    LEFT JOIN agents stand_in ON stand_in.id = m.stand_in_id AND stand_in.active
    WHERE m.manager_id = a.id AND m.first_day <= :day AND (m.last_day IS NULL OR m.last_day >= :day)
    ORDER BY stand_in.id IS NULL, m.first_day DESC, m.id DESC LIMIT 1
) AS b ON true
"""
_MANAGER: Final = text(f"{_STANDING_IN} WHERE a.id = :manager_id")
# Whoever owns customers has a list, and every account manager, if only to learn that their book is empty.
_MANAGERS: Final = text(f"""
{_STANDING_IN}
WHERE ((a.active AND a.role = 'account_manager') OR EXISTS (
        SELECT FROM customers c WHERE c.owner_id = a.id AND c.merged_into_id IS NULL AND c.erased_at IS NULL))
  AND (CAST(:manager_ids AS uuid[]) IS NULL OR a.id = ANY(:manager_ids))
  AND NOT EXISTS (SELECT FROM call_lists l WHERE l.manager_id = a.id AND l.day = :day)
ORDER BY a.id
""")
# By one maker at a time, so that each manager's lists are made day after day: who is left out is written down as a span
# of days. What the statements after this one see is what the maker before has left.
_CLAIM: Final = text("""
WITH turn AS MATERIALIZED (SELECT pg_advisory_xact_lock(hashtextextended('call lists', 0)))
INSERT INTO call_lists (id, manager_id, day, made_for_id, made_at, size, inputs)
SELECT given.id, given.manager_id, :day, given.made_for_id, :now, given.size, given.inputs
FROM turn, jsonb_to_recordset(CAST(:lists AS jsonb)) AS given(
    id uuid, manager_id uuid, made_for_id uuid, size int, inputs jsonb
)
ON CONFLICT (manager_id, day) DO NOTHING RETURNING id
""")
_FILL: Final = text(f"""
{RANKED},
entries AS (
    INSERT INTO call_list_entries (id, list_id, day, customer_id, position, score, source, reasons, carried_over)
    SELECT {NEW_ID}, e.list_id, :day, e.customer_id, e.place, e.score, {SOURCE}, {REASONS}, e.left_over IS NOT NULL
    FROM chosen e WHERE e.place IS NOT NULL
    ORDER BY e.customer_id
    ON CONFLICT (customer_id, day) DO NOTHING
),
still_out AS MATERIALIZED (
    SELECT no, customer_id FROM chosen
    WHERE out_reason = was_out AND out_reason <> 'dropped' AND out_since <= :day
),
back AS (
    UPDATE call_list_left_out o SET last_day = :day - 1 FROM list l
    WHERE o.manager_id = l.manager_id AND o.last_day IS NULL AND o.first_day < :day AND NOT EXISTS (
        SELECT FROM still_out still WHERE still.no = l.no AND still.customer_id = o.customer_id
    )
),
left_out AS (
    INSERT INTO call_list_left_out (customer_id, manager_id, first_day, last_day, reason, note)
    SELECT customer_id, manager_id, :day, CASE WHEN out_since > :day THEN out_since - 1 END, out_reason,
           coalesce(note, '')
    FROM chosen WHERE out_reason IS NOT NULL AND (no, customer_id) NOT IN (SELECT no, customer_id FROM still_out)
    ORDER BY customer_id
    ON CONFLICT (customer_id, manager_id, first_day)
        DO UPDATE SET reason = excluded.reason, note = excluded.note, last_day = excluded.last_day
),
clocks AS (
    INSERT INTO list_standings (customer_id, manager_id, counted_on)
    SELECT customer_id, manager_id, CASE WHEN place IS NULL THEN :previous ELSE :day END FROM chosen
    WHERE place IS NOT NULL OR (is_new AND (out_reason IS NULL OR out_reason IN ('dropped', 'no_room')))
    ORDER BY manager_id, customer_id
    ON CONFLICT (customer_id) DO UPDATE SET manager_id = excluded.manager_id, counted_on = excluded.counted_on
)
SELECT no, CAST(max(CAST(figures AS text)) AS jsonb) AS figures, count(place) AS listed,
       count(*) FILTER (WHERE out_reason = 'no_room') AS no_room,
       EXISTS (
           SELECT FROM list_rearrangements r
           WHERE r.manager_id = chosen.manager_id AND r.day = :day AND r.position IS NOT NULL
       ) AS is_rearranged
FROM chosen CROSS JOIN (SELECT set_config('plan_cache_mode', 'force_generic_plan', true)) AS from_here_plans_are_kept
GROUP BY no, manager_id ORDER BY no
""")
# Agents' events are numbered under the lock of each one's presence row, in one order, as the very last thing: calls
# ring meanwhile.
_FINISH: Final = text("""
WITH finished AS (
    UPDATE call_lists l SET notices = given.notices, inputs = l.inputs || given.figures
    FROM jsonb_to_recordset(CAST(:lists AS jsonb)) AS given(id uuid, notices jsonb, figures jsonb)
    WHERE l.id = given.id RETURNING l.*
),
told AS (
    SELECT l.made_for_id AS agent_id, jsonb_agg(jsonb_build_object(
        'list_id', l.id, 'manager_id', l.manager_id, 'day', l.day, 'size', l.inputs->'listed'
    ) ORDER BY l.manager_id) AS lists
    FROM finished l WHERE l.made_for_id IS NOT NULL GROUP BY l.made_for_id
),
locked AS MATERIALIZED (
    SELECT p.agent_id FROM agent_presence p WHERE p.agent_id IN (SELECT agent_id FROM told)
    ORDER BY p.agent_id FOR NO KEY UPDATE
),
numbered AS (
    UPDATE agent_presence p SET last_event_no = last_event_no + 1
    FROM locked WHERE p.agent_id = locked.agent_id RETURNING p.agent_id, p.last_event_no
)
INSERT INTO agent_events (agent_id, no, type, at, data)
SELECT told.agent_id, numbered.last_event_no, 'call_list.ready', :now, jsonb_build_object('lists', told.lists)
FROM told JOIN numbered ON numbered.agent_id = told.agent_id
RETURNING agent_id, no
""")
_MOVE: Final = text("""
UPDATE call_list_entries e SET position = wished.position
FROM unnest(CAST(:order AS uuid[])) WITH ORDINALITY AS wished(customer_id, position)
WHERE e.list_id = :list_id AND e.customer_id = wished.customer_id AND e.position <> wished.position
""")


async def make_lists(
    session: AsyncSession,
    day: date,
    now: datetime,
    calendars: Calendars,
    *,
    manager_ids: Sequence[UUID] | None = None,
) -> Made:
    """Make the lists of a day that are missing: all, or those of some managers. Again it adds nothing.

    Raises:
        NotAWorkingDay: nobody works on that day.
        CalendarNotKnown: nobody knows whether that day is worked.
        DayOutOfReach: it is over, or beyond the next working day.
        NoSuchManager: one of `manager_ids` is nobody's.
    """
    clock = clock_of(calendars.main, day)
    _check_reach(calendars.main, day, now)
    managers = (
        await session.execute(_MANAGERS, {"day": day, "manager_ids": list(manager_ids) if manager_ids else None})
    ).all()
    await _check_known(session, set(manager_ids or ()) - {manager.id for manager in managers})
    if not managers:
        return Made(day, 0, 0, 0)
    team_rules = await read_rules(session)
    claimed = await _claim(session, managers, team_rules, clock, now)
    if not claimed:
        return Made(day, 0, 0, 0)
    headers = [Header(list_id, manager.id, team_rules.number(manager.id)) for list_id, manager in claimed.items()]
    wanted = await ranking_parameters(session, clock, calendars, headers, team_rules.rules)
    # Nobody deletes a customer or a manager, and the lists are this transaction's. But a database that is told not to
    # look forgets what plans it keeps, so that a few lists are made quicker with looking.
    async with no_look_ups(session) if wanted["are_many"] else nullcontext():
        figures = (await session.execute(_FILL, wanted)).all()
    rearranged = {
        header.manager_id: header.list_id for header, row in zip(headers, figures, strict=True) if row.is_rearranged
    }
    if rearranged:
        await _rearrange(session, day, rearranged)
    finished = []
    entries = 0
    for header, manager, row in zip(headers, claimed.values(), figures, strict=True):
        rules = team_rules.rules[header.rules_no]
        counts = {"listed": row.listed, "no_room": row.no_room}
        told = {name: int(value) for name, value in row.figures.items()} | counts
        notices = notices_of(manager, told, rules, clock)
        finished.append({"id": str(header.list_id), "notices": notices, "figures": told})
        entries += row.listed
    for event in await session.execute(_FINISH, {"lists": json.dumps(finished), "now": now}):
        after_commit(session).agents[event.agent_id] = event.no
    return Made(day, len(headers), entries, sum(bool(each["notices"]) for each in finished))


async def manager_of(session: AsyncSession, manager_id: UUID, day: date) -> Row[Any]:
    """One account manager, with whoever stands in for them on a day.

    Raises:
        NoSuchManager: there is nobody of that id.
    """
    found = (await session.execute(_MANAGER, {"day": day, "manager_id": manager_id})).one_or_none()
    if found is None:
        raise NoSuchManager("There is nobody of that id.")
    return found


def figures_of(rows: Sequence[Row[Any]]) -> dict[str, int]:
    """One list's figures, of the rows of its ranking."""
    (figures,) = [row.figures for row in rows if row.figures is not None]
    return {
        **{name: int(value) for name, value in figures.items()},
        "no_room": sum(row.out_reason == "no_room" for row in rows),
    }


async def reordered(session: AsyncSession, day: date, orders: Mapping[UUID, Sequence[UUID]]) -> dict[UUID, list[UUID]]:
    """The customers of lists, by manager, in the order that was wished for; only of lists of which one was."""
    wishes: dict[UUID, dict[UUID, int]] = {}
    for wish in await session.scalars(
        select(ListRearrangement).where(
            ListRearrangement.day == day,
            ListRearrangement.manager_id.in_(list(orders)),
            ListRearrangement.position.is_not(None),
        )
    ):
        assert wish.position is not None
        wishes.setdefault(wish.manager_id, {})[wish.customer_id] = wish.position
    return {manager_id: moved(orders[manager_id], wished) for manager_id, wished in wishes.items()}


async def _rearrange(session: AsyncSession, day: date, lists: Mapping[UUID, UUID]) -> None:
    """Move entries of these lists, by manager, to where they were wished the day before."""
    orders: dict[UUID, list[UUID]] = {}
    for row in await session.execute(
        select(CallList.manager_id, CallListEntry.customer_id)
        .join(CallList, CallList.id == CallListEntry.list_id)
        .where(CallListEntry.list_id.in_(list(lists.values())))
        .order_by(CallListEntry.list_id, CallListEntry.position)
    ):
        orders.setdefault(row.manager_id, []).append(row.customer_id)
    for manager_id, order in (await reordered(session, day, orders)).items():
        await session.execute(_MOVE, {"list_id": lists[manager_id], "order": order})


async def _check_known(session: AsyncSession, ids: Set[UUID]) -> None:
    """Raises NoSuchManager unless each of them is somebody's."""
    if ids and await session.scalar(select(func.count()).where(Agent.id.in_(ids))) != len(ids):
        raise NoSuchManager("There is nobody of that id.")


def next_working_day(calendar: WorkingCalendar, day: date) -> date:
    """The working day after a day.

    Raises:
        CalendarNotKnown: nobody knows which it is.
    """
    try:
        return calendar.next_working_day(day)
    except CalendarUnknown as error:
        raise calendar_not_known(error) from None


def clock_of(calendar: WorkingCalendar, day: date) -> ListDay:
    """The clock of the coverage on a day.

    Raises:
        NotAWorkingDay: nobody works on that day.
        CalendarNotKnown: nobody knows whether that day is worked.
    """
    try:
        clock = _clock(calendar, day)
    except CalendarUnknown as error:
        raise calendar_not_known(error) from None
    if clock is None:
        raise NotAWorkingDay(f"{day} is not a working day: there is no list.")
    return clock


_clock: Final = lru_cache(maxsize=32)(list_day)
"""All lists of a day have one, and to count it more than a year of days is looked at."""


def _check_reach(calendar: WorkingCalendar, day: date, now: datetime) -> None:
    """Raises DayOutOfReach unless `day`, which is known to be worked, is today or the next working day."""
    today = now.astimezone(calendar.zone).date()
    between = (today + timedelta(days=ahead) for ahead in range(1, (day - today).days))
    # After 30 days it is out of reach whatever the calendar says.
    if day < today or (day - today).days > 30 or any(map(calendar.is_working_day, between)):
        raise DayOutOfReach("Lists are made of this day and of the next working day, of no other.")


async def _claim(
    session: AsyncSession, managers: Sequence[Row[Any]], team_rules: TeamRules, clock: ListDay, now: datetime
) -> dict[UUID, Row[Any]]:
    """Write the headers of lists that nobody has made meanwhile: by their ids whose they are."""
    new = {new_id(): manager for manager in managers}
    lists = []
    for list_id, manager in new.items():
        rules = team_rules.rules[team_rules.number(manager.id)]
        is_here = manager.active and manager.absence_id is None
        made_for = manager.id if is_here else manager.stand_in_id
        inputs = {
            "weights": asdict(rules.weights),
            "quotas": asdict(rules.quotas),
            "sources": asdict(rules.sources),
            "working_days": clock.month_days,
            "round_days": clock.round_days,
        }
        lists.append(
            {
                "id": str(list_id),
                "manager_id": str(manager.id),
                "made_for_id": str(made_for) if made_for else None,
                "size": rules.size,
                "inputs": inputs,
            }
        )
    ids = set(await session.scalars(_CLAIM, {"day": clock.day, "now": now, "lists": json.dumps(lists)}))
    return {list_id: manager for list_id, manager in new.items() if list_id in ids}
