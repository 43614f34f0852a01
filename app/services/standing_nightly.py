"""What a night does to where customers stand: contracts run out, values are compared, and what was missed is caught up.

Run again it changes nothing; of several at once one does it. Whoever is late misses nothing, for each run looks at all.
"""

from dataclasses import dataclass
from datetime import date
from typing import Final

from sqlalchemy import CursorResult, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.models.base import NEW_ID
from app.services.standing import follow_contracts, warmth

BY_VALUE: Final = "by_value"
"""What the history says of a tier."""

_LOCK: Final = 0x7374616E
_TAKE_TURN: Final = text("SELECT pg_try_advisory_xact_lock(:lock)")

# Whoever changes several customers locks them in the order of their ids, so that two never wait for each other.
_LAST_CONTACTS: Final = text("""
WITH contact AS (
    SELECT customer_id, max(at) AS at FROM (
        SELECT customer_id, at FROM interactions WHERE at <= now()
        UNION ALL SELECT customer_id, answered_at FROM calls WHERE answered_at IS NOT NULL
    ) AS contacts GROUP BY customer_id
),
differing AS MATERIALIZED (
    SELECT c.id, contact.at FROM customers c JOIN contact ON contact.customer_id = c.id
    WHERE c.last_contact_at IS DISTINCT FROM contact.at AND c.merged_into_id IS NULL
    ORDER BY c.id FOR NO KEY UPDATE OF c
)
UPDATE customers c SET last_contact_at = differing.at FROM differing WHERE c.id = differing.id
""")
_DCWH: Final = text(f"""
WITH differing AS MATERIALIZED (
    SELECT c.id, {warmth("c.sales_stage", "c.intention", "c.contract_state")} AS dcwh FROM customers c
    WHERE c.dcwh IS DISTINCT FROM {warmth("c.sales_stage", "c.intention", "c.contract_state")}
      AND c.merged_into_id IS NULL
    ORDER BY c.id FOR NO KEY UPDATE
)
UPDATE customers c SET dcwh = differing.dcwh, version = c.version + 1, updated_at = now()
FROM differing WHERE c.id = differing.id
""")
TIERS: Final = f"""
WITH live AS MATERIALIZED (SELECT id FROM customers WHERE merged_into_id IS NULL AND erased_at IS NULL),
paid AS (
    SELECT p.customer_id, p.currency,
           sum(p.amount) / GREATEST((CAST(:today AS date) - min(p.purchased_on)) / 365.25, 1) AS a_year
    FROM purchases p JOIN live ON live.id = p.customer_id WHERE p.amount > 0 GROUP BY p.customer_id, p.currency
),
placed AS (
    SELECT customer_id, min(place) AS place FROM (
        SELECT customer_id, (rank() OVER best - 0.5) / count(*) OVER (PARTITION BY currency) AS place
        FROM paid WINDOW best AS (PARTITION BY currency ORDER BY a_year DESC)
    ) AS by_currency GROUP BY customer_id
),
ranked AS (
    SELECT live.id, placed.place IS NOT NULL AS has_paid, count(*) OVER () AS total,
           row_number() OVER (ORDER BY placed.place NULLS LAST, live.id) - 1 AS before
    FROM live LEFT JOIN placed ON placed.customer_id = live.id
),
tiered AS MATERIALIZED (
    SELECT id, CASE WHEN has_paid AND before * 100 < total THEN 'core'
                    WHEN has_paid AND before * 100 < total * 20 THEN 'value'
                    WHEN before * 100 < total * 50 THEN 'potential' ELSE 'low' END AS tier
    FROM ranked
),
differing AS MATERIALIZED (
    SELECT c.id, c.tier AS old, tiered.tier AS new FROM customers c JOIN tiered ON tiered.id = c.id
    WHERE c.tier IS DISTINCT FROM tiered.tier ORDER BY c.id FOR NO KEY UPDATE OF c
),
changed AS (
    UPDATE customers c SET tier = differing.new, version = c.version + 1, updated_at = now()
    FROM differing WHERE c.id = differing.id
),
told AS (
    INSERT INTO customer_changes (id, customer_id, field, old, new, why)
    SELECT {NEW_ID}, id, 'tier', to_jsonb(old), to_jsonb(new), '{BY_VALUE}' FROM differing
)
SELECT count(*) FROM differing
"""
"""Gives everybody the tier of their place among all customers, the worthiest first (`docs/standing.md`).

A place is a share within the customers who pay in the same currency, so that money is never converted: the best of
each come first. The older customer comes first of two with the same place.
"""
_TIERS: Final = text(TIERS)


@dataclass(frozen=True, slots=True)
class Looked:
    """How many customers a run changed, by what."""

    contracts: int
    last_contacts: int
    dcwh: int
    tiers: int


async def look_at_all(session: AsyncSession, today: date) -> Looked | None:
    """Have everybody stand where they stand on `today`, the house's date. None when somebody else is at it."""
    if not await session.scalar(_TAKE_TURN, {"lock": _LOCK}):
        return None
    contracts = await follow_contracts(session, today)
    contacts = await session.execute(_LAST_CONTACTS)
    warmed = await session.execute(_DCWH)
    assert isinstance(contacts, CursorResult)
    assert isinstance(warmed, CursorResult)
    tiers = int(await session.scalar(_TIERS, {"today": today}) or 0)
    return Looked(contracts, contacts.rowcount, warmed.rowcount, tiers)
