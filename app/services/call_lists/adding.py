"""What was promised for today after today's list had been made: added on top of it, and marked."""

from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import CursorResult, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.models.base import NEW_ID

_PROMISED: Final = """
SELECT l.id AS list_id, l.manager_id, c.id, c.next_call_at, CAST(l.inputs->'weights'->>'promised' AS float8) AS score
FROM customers c JOIN call_lists l ON l.manager_id = c.owner_id AND l.day = :day
WHERE c.next_call_at >= :day_start AND c.next_call_at < :day_end
  AND (c.last_contact_at IS NULL OR c.last_contact_at < c.next_call_at)
  AND c.merged_into_id IS NULL AND c.erased_at IS NULL AND NOT c.do_not_call
  AND NOT EXISTS (SELECT FROM call_list_entries e WHERE e.customer_id = c.id AND e.day = :day)
  AND NOT EXISTS (
      SELECT FROM call_list_left_out o WHERE o.customer_id = c.id AND o.manager_id = l.manager_id
        AND o.first_day <= :day AND (o.last_day IS NULL OR o.last_day >= :day)
  )
  AND NOT EXISTS (SELECT FROM complaints k WHERE k.customer_id = c.id AND k.state <> 'closed')
  AND 'withdrawn' IS DISTINCT FROM (
      SELECT w.state FROM consents w WHERE w.customer_id = c.id AND w.purpose = 'marketing_call'
      ORDER BY w.at DESC, w.id DESC LIMIT 1
  )
"""
# In the order of their ids, so that two who add at once do not wait for each other in a ring.
_LOCK: Final = text(f"""
SELECT id FROM call_lists WHERE id IN (SELECT list_id FROM ({_PROMISED}) AS promised) ORDER BY id FOR UPDATE
""")
_ADD: Final = text(f"""
WITH promised AS ({_PROMISED}),
added AS (
    INSERT INTO call_list_entries (id, list_id, day, customer_id, position, score, source, reasons, added_later)
    SELECT {NEW_ID}, p.list_id, :day, p.id,
           (SELECT coalesce(max(e.position), 0) FROM call_list_entries e WHERE e.list_id = p.list_id)
               + row_number() OVER (PARTITION BY p.list_id ORDER BY p.next_call_at, p.id),
           p.score, 'added', jsonb_build_array(jsonb_build_object(
               'code', 'promised', 'time', to_char(p.next_call_at AT TIME ZONE :zone, 'HH24\\:MI'))), true
    FROM promised p
    ON CONFLICT (customer_id, day) DO NOTHING
    RETURNING customer_id
)
INSERT INTO list_standings (customer_id, manager_id, counted_on)
SELECT p.id, p.manager_id, :day FROM promised p JOIN added ON added.customer_id = p.id ORDER BY p.manager_id, p.id
ON CONFLICT (customer_id) DO UPDATE SET manager_id = excluded.manager_id, counted_on = excluded.counted_on
""")


async def add_promised(session: AsyncSession, now: datetime, zone: ZoneInfo) -> int:
    """Add to today's lists whom somebody has promised a call for today since they were made. Gives how many."""
    day = now.astimezone(zone).date()
    values = {
        "day": day,
        "day_start": datetime.combine(day, time(0), tzinfo=zone),
        "day_end": datetime.combine(day + timedelta(days=1), time(0), tzinfo=zone),
    }
    if not (await session.scalars(_LOCK, values)).all():
        return 0
    done = await session.execute(_ADD, {**values, "zone": zone.key})
    assert isinstance(done, CursorResult)
    return done.rowcount
