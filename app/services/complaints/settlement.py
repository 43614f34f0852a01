"""How fast complaints were settled, in the training material's four classes, and who of them bought again."""

from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.schemas.settlement import Settlement, SettlementClass, SettlementRow

TRAINING: Final = {
    SettlementClass.FAST: 0.82,
    SettlementClass.SETTLED: 0.54,
    SettlementClass.NOT_SETTLED: 0.19,
    SettlementClass.NEVER_COMPLAINED: 0.09,
}
"""The share that buys again, as the training material has it."""

# A customer is counted once, by their latest complaint of the period; `since` is from when on a purchase counts.
_CLASSES: Final = text("""
WITH latest AS (
    SELECT DISTINCT ON (customer_id) customer_id, opened_at, resolved_at, settle_by, reopen_count,
           state IN ('resolved', 'closed') AS is_settled
    FROM complaints
    WHERE opened_at >= :start AND opened_at < :end AND customer_id IS NOT NULL
    ORDER BY customer_id, opened_at DESC, id DESC
),
silent AS (
    SELECT customer_id, max(ended_at) AS since FROM callbacks b
    WHERE ended_at >= :start AND ended_at < :end AND satisfaction <= 2 AND customer_id IS NOT NULL
      AND complaint_id IS NULL
      AND NOT EXISTS (SELECT FROM complaints c WHERE c.customer_id = b.customer_id)
    GROUP BY customer_id
),
classed AS (
    SELECT customer_id, coalesce(resolved_at, opened_at) AS since, resolved_at - opened_at AS took,
           CASE WHEN NOT is_settled THEN 'not_settled'
                WHEN resolved_at <= settle_by AND reopen_count = 0 THEN 'fast' ELSE 'settled' END AS class
    FROM latest
    UNION ALL
    SELECT customer_id, since, NULL, 'never_complained' FROM silent
),
followed AS (
    SELECT class, took, since + make_interval(days => CAST(:days AS integer)) <= :now AS is_over,
           EXISTS (
               SELECT FROM purchases p WHERE p.customer_id = classed.customer_id
               AND p.purchased_on > CAST(since AT TIME ZONE :zone AS date)
               AND p.purchased_on <= CAST(since AT TIME ZONE :zone AS date) + CAST(:days AS integer)
           ) AS bought
    FROM classed
)
SELECT class, count(*) AS customers, count(*) FILTER (WHERE is_over) AS observed,
       count(*) FILTER (WHERE is_over AND bought) AS bought_again,
       CAST(extract(epoch FROM percentile_cont(0.5) WITHIN GROUP (ORDER BY took)) / 3600 AS float) AS median_hours
FROM followed GROUP BY class
""")


async def settlement(
    session: AsyncSession, start: datetime, end: datetime, *, within_days: int, zone: str, now: datetime
) -> Settlement:
    """Customers who complained in a period, or were unhappy in it and never did, by class.

    Args:
        start, end: the period, its end not included.
        within_days: how long after the matter was settled (or, unsettled, came up) a purchase counts. Who has not had
            so much time yet is counted, but not among the `observed`, of whom the share is told.
        zone: the house's, for the days of purchases.
    """
    values = {"start": start, "end": end, "days": within_days, "zone": zone, "now": now}
    rows = {row["class"]: row for row in (await session.execute(_CLASSES, values)).mappings()}
    classes = []
    for kind in SettlementClass:
        row = rows.get(kind.value)
        observed, bought = (row["observed"], row["bought_again"]) if row else (0, 0)
        classes.append(
            SettlementRow(
                kind=kind,
                customers=row["customers"] if row else 0,
                observed=observed,
                bought_again=bought,
                share=round(bought / observed, 4) if observed else None,
                training_share=TRAINING[kind],
                median_hours=round(row["median_hours"], 2) if row and row["median_hours"] is not None else None,
            )
        )
    return Settlement(within_days=within_days, classes=classes)
