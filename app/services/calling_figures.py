"""Figures of calling for whoever judges by figures: one statement, whatever the period, the grouping and the people.

Every fact has a day and the manager whose it is: of a list its own, of a call whoever talked, of a move in whose book
the customer was then, of a contract and of a book as they are now. Days are the house's.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.standing import STAGES, progress
from app.errors import Invalid
from app.schemas.calling_figures import CallingFigures, FigureBy, FigureGroup
from app.services.periods import Period

MOST_ROWS: Final = 5_000
"""So many rows are told as JSON; more come as a file."""

_AT_ONCE: Final = 500
_PROGRESS: Final = "(ARRAY[" + ", ".join(str(progress(stage)) for stage in STAGES) + "])[{} + 1]"

FIGURES: Final = f"""
WITH facts AS (
    SELECT l.manager_id AS owner_id, e.day, e.customer_id,
           1 AS listed,
           CASE WHEN e.outcome IS NOT NULL THEN 1 ELSE 0 END AS called,
           CASE WHEN e.outcome IN ('reached', 'refused') THEN 1 ELSE 0 END AS reached,
           0 AS talk, 0 AS moved_on, 0 AS moved_back, 0 AS won, 0 AS renewed,
           CASE WHEN e.source IN ('promised', 'added') THEN 1 ELSE 0 END AS promises,
           CASE WHEN e.source IN ('promised', 'added') AND e.outcome IS NOT NULL
                 AND CAST(e.worked_at AT TIME ZONE :zone AS date) = e.day THEN 1 ELSE 0 END AS kept,
           e.outcome IS NOT NULL AS covers
    FROM call_list_entries e JOIN call_lists l ON l.id = e.list_id
    WHERE e.day BETWEEN :first_day AND :last_day
    UNION ALL
    SELECT c.answered_by_id, CAST(c.received_at AT TIME ZONE :zone AS date), c.customer_id, 0, 0, 0,
           CAST(extract(epoch FROM c.ended_at - c.answered_at) AS integer), 0, 0, 0, 0, 0, 0, true
    FROM calls c
    WHERE c.received_at >= :start AND c.received_at < :end AND c.direction = 'outbound'
      AND c.answered_at IS NOT NULL AND c.ended_at IS NOT NULL
    UNION ALL
    SELECT m.owner_id, CAST(m.at AT TIME ZONE :zone AS date), m.customer_id, 0, 0, 0, 0,
           CASE WHEN step.further > 0 THEN 1 ELSE 0 END, CASE WHEN step.further < 0 THEN 1 ELSE 0 END, 0, 0, 0, 0, false
    FROM stage_moves m
    CROSS JOIN LATERAL (
        SELECT {_PROGRESS.format("m.to_stage")} - {_PROGRESS.format("m.from_stage")} AS further
    ) AS step
    WHERE m.at >= :start AND m.at < :end
    UNION ALL
    SELECT c.owner_id, s.starts_on, s.customer_id, 0, 0, 0, 0, 0, 0,
           CASE WHEN earlier.is_there THEN 0 ELSE 1 END, CASE WHEN earlier.is_there THEN 1 ELSE 0 END, 0, 0, false
    FROM contracts s JOIN customers c ON c.id = s.customer_id
    CROSS JOIN LATERAL (
        SELECT EXISTS (
            SELECT FROM contracts o
            WHERE o.customer_id = s.customer_id AND (o.starts_on, o.id) < (s.starts_on, s.id)
        ) AS is_there
    ) AS earlier
    WHERE s.starts_on BETWEEN :first_day AND :last_day
    UNION ALL
    SELECT b.owner_id, due.day, b.customer_id, 0, 0, 0, 0, 0, 0, 0, 0, 1,
           CASE WHEN b.state = 'done' AND CAST(b.ended_at AT TIME ZONE :zone AS date) <= due.day THEN 1 ELSE 0 END,
           false
    FROM callbacks b
    CROSS JOIN LATERAL (SELECT CAST(b.first_due_at AT TIME ZONE :zone AS date) AS day) AS due
    WHERE b.first_due_at >= :start AND b.first_due_at < :end AND b.state <> 'cancelled'
      AND NOT EXISTS (
          SELECT FROM call_list_entries e
          WHERE e.customer_id = b.customer_id AND e.day = due.day AND e.source IN ('promised', 'added')
      )
    UNION ALL
    -- Whoever has a book and did nothing all the period has a row too.
    SELECT owner_id, CAST(:first_day AS date), NULL, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, false FROM customers
    WHERE owner_id IS NOT NULL AND merged_into_id IS NULL AND erased_at IS NULL AND CAST(:group AS text) = 'period'
    GROUP BY owner_id
),
people AS (
    SELECT a.id AS owner_id, CASE CAST(:by AS text) WHEN 'team' THEN t.id ELSE a.id END AS who_id,
           CASE CAST(:by AS text) WHEN 'team' THEN COALESCE(t.name, '') ELSE a.name END AS who
    FROM agents a LEFT JOIN team_members m ON m.agent_id = a.id LEFT JOIN teams t ON t.id = m.team_id
    WHERE CAST(:manager_id AS uuid) IS NULL OR a.id = :manager_id
),
books AS (
    SELECT people.who_id, count(*) AS book
    FROM customers c JOIN people ON people.owner_id = c.owner_id
    WHERE c.merged_into_id IS NULL AND c.erased_at IS NULL GROUP BY people.who_id
)
SELECT told.first_day, told.who_id, told.who, told.listed, told.called, told.reached, told.talk AS talk_seconds,
       COALESCE(books.book, 0) AS book, told.covered,
       round(CAST(told.covered AS numeric) / NULLIF(books.book, 0), 4) AS coverage,
       told.moved_on, told.moved_back, told.won AS contracts_won, told.renewed AS contracts_renewed,
       told.promises, told.kept AS promises_kept
FROM (
    SELECT CASE CAST(:group AS text) WHEN 'period' THEN CAST(:first_day AS date)
                       ELSE CAST(date_trunc(CAST(:group AS text), CAST(f.day AS timestamp)) AS date) END AS first_day,
           people.who_id, people.who,
           sum(f.listed) AS listed, sum(f.called) AS called, sum(f.reached) AS reached, sum(f.talk) AS talk,
           sum(f.moved_on) AS moved_on, sum(f.moved_back) AS moved_back, sum(f.won) AS won, sum(f.renewed) AS renewed,
           sum(f.promises) AS promises, sum(f.kept) AS kept,
           count(DISTINCT c.id) FILTER (WHERE f.covers AND mine.owner_id IS NOT NULL) AS covered
    FROM facts f JOIN people ON people.owner_id = f.owner_id
    LEFT JOIN customers c ON c.id = f.customer_id AND c.merged_into_id IS NULL AND c.erased_at IS NULL
    LEFT JOIN people mine ON mine.owner_id = c.owner_id AND mine.who_id IS NOT DISTINCT FROM people.who_id
    GROUP BY 1, people.who_id, people.who
) AS told LEFT JOIN books ON books.who_id IS NOT DISTINCT FROM told.who_id
ORDER BY told.first_day, told.who, told.who_id
"""
"""The figures, a row for each part of the period and each manager or team of whom there is anything to tell."""

_FIGURES: Final = text(FIGURES)


class TooManyRows(Invalid):
    """There are more rows than JSON is good for: ask for a file, or for weeks or months."""

    code = "too_many_rows"


@dataclass(frozen=True, slots=True)
class Asked:
    """Which figures: of what period, in days of which zone, in what parts, by whom; of one manager or, None, of all."""

    period: Period
    zone: ZoneInfo
    group: FigureGroup
    by: FigureBy
    manager_id: UUID | None


async def read_figures(session: AsyncSession, asked: Asked) -> list[CallingFigures]:
    """The rows in their order: by day, then by name.

    Raises:
        TooManyRows: there are more than 5,000.
    """
    rows: list[CallingFigures] = []
    async for part in stream_figures(session, asked):
        rows += part
        if len(rows) > MOST_ROWS:
            raise TooManyRows("There are too many rows for JSON. Ask for csv or xlsx, or for weeks or months.")
    return rows


async def stream_figures(session: AsyncSession, asked: Asked) -> AsyncIterator[list[CallingFigures]]:
    """The same rows, some hundred at a time, however many there are."""
    values: dict[str, Any] = {
        "first_day": asked.period.first_day,
        "last_day": asked.period.last_day,
        "start": asked.period.start,
        "end": asked.period.end,
        "zone": asked.zone.key,
        "group": asked.group.value,
        "by": asked.by.value,
        "manager_id": asked.manager_id,
    }
    found = await session.stream(_FIGURES, values)
    async for part in found.partitions(_AT_ONCE):
        yield [CallingFigures.model_validate(row) for row in part]
