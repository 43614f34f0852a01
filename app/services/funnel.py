"""The funnel: how many customers stand where, who went on, and what moved.

Where somebody stood at a moment in the past follows from where they stand now and the moves since, so that nothing has
to be written down for those who never moved. Customers are counted in the book in which they are now, and whoever was
merged as the one who took them in.
"""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.domain.standing import STAGES, progress
from app.models.customers import Customer
from app.models.people import Agent
from app.models.records import StageMove
from app.schemas.calls import CustomerRef
from app.schemas.listing import Listing
from app.schemas.screen_pop import PopOwner
from app.schemas.standing import FunnelStage, ManagerFunnel, StageMoveRead
from app.services.paging import Page, cut, latest_first

_PROGRESS: Final = "(ARRAY[" + ", ".join(str(progress(stage)) for stage in STAGES) + "])[{} + 1]"

_FUNNEL: Final = text(f"""
WITH moves AS MATERIALIZED (
    SELECT COALESCE(c.merged_into_id, c.id) AS customer_id, m.id, m.at, m.from_stage, m.to_stage
    FROM stage_moves m JOIN customers c ON c.id = m.customer_id
    WHERE m.at >= :start
),
since_start AS (SELECT DISTINCT ON (customer_id) customer_id, from_stage FROM moves ORDER BY customer_id, at, id),
since_end AS (
    SELECT DISTINCT ON (customer_id) customer_id, from_stage FROM moves WHERE at >= :end ORDER BY customer_id, at, id
),
book AS MATERIALIZED (
    SELECT c.id, c.owner_id, c.created_at < :start AS was_there,
           COALESCE(since_start.from_stage, c.sales_stage) AS first_stage,
           COALESCE(since_end.from_stage, c.sales_stage) AS last_stage
    FROM customers c
    LEFT JOIN since_start ON since_start.customer_id = c.id
    LEFT JOIN since_end ON since_end.customer_id = c.id
    WHERE c.merged_into_id IS NULL AND c.created_at < :end
      AND (CAST(:manager_id AS uuid) IS NULL OR c.owner_id = :manager_id)
),
counts AS (
    SELECT owner_id, first_stage, last_stage, was_there, count(*) AS n FROM book
    GROUP BY owner_id, first_stage, last_stage, was_there
),
steps AS (
    SELECT DISTINCT book.owner_id, book.id, step.stage, step.what, book.first_stage, book.was_there
    FROM moves m JOIN book ON book.id = m.customer_id
    CROSS JOIN LATERAL (VALUES
        (m.to_stage, 'entered'),
        (m.from_stage, CASE WHEN {_PROGRESS.format("m.to_stage")} > {_PROGRESS.format("m.from_stage")}
                            THEN 'on' ELSE 'back' END)
    ) AS step(stage, what)
    WHERE m.at < :end
),
told AS (
    SELECT owner_id, first_stage AS stage, CASE WHEN was_there THEN n ELSE 0 END AS at_start,
           CASE WHEN was_there THEN 0 ELSE n END AS entered, 0 AS moved_on, 0 AS moved_back, 0 AS at_end, n AS seen
    FROM counts
    UNION ALL SELECT owner_id, last_stage, 0, 0, 0, 0, n, 0 FROM counts
    UNION ALL
    -- Whoever was new at a stage and comes back to it has entered it once.
    SELECT owner_id, stage, 0,
           CASE WHEN what = 'entered' AND (was_there OR stage <> first_stage) THEN 1 ELSE 0 END,
           CASE WHEN what = 'on' THEN 1 ELSE 0 END, CASE WHEN what = 'back' THEN 1 ELSE 0 END, 0,
           CASE WHEN what = 'entered' AND stage <> first_stage THEN 1 ELSE 0 END
    FROM steps
)
SELECT owner_id, stage, sum(at_start) AS at_start, sum(entered) AS entered, sum(moved_on) AS moved_on,
       sum(moved_back) AS moved_back, sum(at_end) AS at_end, sum(seen) AS seen
FROM told GROUP BY owner_id, stage
""")
_COUNTED: Final = ("at_start", "entered", "moved_on", "moved_back", "at_end", "seen")


async def read_funnel(
    session: AsyncSession, start: datetime, end: datetime, manager_id: UUID | None
) -> tuple[list[FunnelStage], list[ManagerFunnel]]:
    """The funnel from `start` until before `end`, of everybody together and book by book; of one book if asked."""
    rows = (await session.execute(_FUNNEL, {"start": start, "end": end, "manager_id": manager_id})).all()
    by_owner: dict[UUID | None, dict[int, dict[str, int]]] = {}
    for row in rows:
        by_owner.setdefault(row.owner_id, {})[row.stage] = {name: int(getattr(row, name)) for name in _COUNTED}
    names = {
        agent.id: agent.name
        for agent in await session.scalars(select(Agent).where(Agent.id.in_([each for each in by_owner if each])))
    }
    managers = [
        ManagerFunnel(
            manager=PopOwner(id=owner_id, name=names[owner_id]) if owner_id is not None else None,
            stages=_stages([counts]),
        )
        for owner_id, counts in sorted(
            by_owner.items(), key=lambda each: (each[0] is None, names.get(each[0], "") if each[0] else "", each[0])
        )
    ]
    return _stages(list(by_owner.values())), managers


def _stages(books: list[dict[int, dict[str, int]]]) -> list[FunnelStage]:
    """Every stage, with the counts of all these books together: nobody is in two."""
    return [
        _stage(stage, {name: sum(book.get(stage, {}).get(name, 0) for book in books) for name in _COUNTED})
        for stage in STAGES
    ]


def _stage(stage: int, counted: dict[str, int]) -> FunnelStage:
    seen = counted.pop("seen")
    conversion = round(counted["moved_on"] / seen, 4) if seen else None
    return FunnelStage(stage=stage, conversion=conversion, **counted)


async def list_moves(
    session: AsyncSession, start: datetime, end: datetime, manager_id: UUID | None, page: Page
) -> Listing[StageMoveRead]:
    """Who moved from `start` until before `end`, the latest first; of one book (as it was then) if asked.

    Raises:
        BadCursor: the page's cursor is none of this list.
    """
    owner, mover = aliased(Agent), aliased(Agent)
    wanted = (
        select(StageMove, Customer, owner.name, mover.name)
        .join(Customer, Customer.id == StageMove.customer_id)
        .outerjoin(owner, owner.id == StageMove.owner_id)
        .outerjoin(mover, mover.id == StageMove.agent_id)
        .where(StageMove.at >= start, StageMove.at < end)
    )
    if manager_id is not None:
        wanted = wanted.where(StageMove.owner_id == manager_id)
    rows = (await session.execute(latest_first(wanted, page, StageMove.at, StageMove.id))).all()
    shown, more = cut(rows, page, lambda row: (row[0].at, row[0].id))
    return Listing(
        items=[
            StageMoveRead(
                id=move.id,
                at=move.at,
                customer=CustomerRef.model_validate(customer),
                from_stage=move.from_stage,
                to_stage=move.to_stage,
                manager=PopOwner.found(move.owner_id, owner_name),
                agent=PopOwner.found(move.agent_id, mover_name),
                why=move.why,
            )
            for move, customer, owner_name, mover_name in shown
        ],
        next=more,
    )
