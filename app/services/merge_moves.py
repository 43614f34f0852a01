"""The rows of two customers who become one: which tables hold them, how they are locked, moved, and moved back.

A test walks the foreign keys to customers and fails where a table stands neither in `MOVED` nor in `STAYING`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import Conflict

MOVED: Final = (
    "source_records",
    "calls",
    "purchases",
    "contracts",
    "interactions",
    "customer_notes",
    "customer_usage",
    "consents",
    "claims",
    "complaints",
    "callbacks",
    "dial_attempts",
    "call_list_entries",
    "customer_links",
    "customer_phones",
)
"""Tables whose rows go to the survivor."""

STAYING: Final = {
    "customers": "a signpost to the absorbed one is turned to the survivor",
    "customer_changes": "the history of a record stays with it, and the survivor's shows both",
    "stage_moves": "who went from which stage to which stays true, and counts as the survivor's",
    "customer_search": "worked out anew",
    "card_views": "who looked at which of them stays true",
    "duplicate_reviews": "what was decided on two of them stays decided, and leads to the survivor",
    "erasures": "whoever was forgotten is not merged",
    "call_list_left_out": "why which of them was left out of a list stays true",
    "list_rearrangements": "what was wished for a list concerns whom it named",
    "list_standings": "the survivor waits for their turn as before",
    "merges": "who was merged into whom stays as it was",
}
"""Tables that refer to customers and are treated otherwise, and how."""

_SAME: Final[Mapping[str, str]] = {
    "customer_phones": "theirs.e164 = ours.e164",
    "call_list_entries": "theirs.day = ours.day",
    "customer_usage": "(theirs.source, theirs.key, theirs.at) = (ours.source, ours.key, ours.at)",
}
"""Where both may have the same and only one can be kept: what makes two rows the same."""


_ATTEMPTS: Final = 5
_LOCK_NOT_AVAILABLE: Final = "55P03"


class CustomerBusy(Conflict):
    """Somebody else is writing to one of the two for longer than we wait, such as an import."""

    code = "customer_busy"


class _CallsCameIn(Exception):
    """Calls of the two were written and locked by somebody between our locks."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two customers, one of whom takes in the other."""

    survivor_id: UUID
    absorbed_id: UUID

    @property
    def ids(self) -> dict[str, UUID]:
        """As the statements here name them."""
        return {"survivor": self.survivor_id, "absorbed": self.absorbed_id}


_LOCK_TIMEOUT: Final = text("SELECT set_config('lock_timeout', '5s', true)")
_LOCK_CALLS: Final = text("SELECT id FROM calls WHERE customer_id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE")
_LOCK_CUSTOMERS: Final = text("SELECT id FROM customers WHERE id = ANY(:ids) ORDER BY id FOR UPDATE")
_OTHER_CALLS: Final = "SELECT id FROM calls WHERE customer_id = ANY(:ids) AND id <> ALL(:locked)"
_COUNT_OTHER_CALLS: Final = text(f"SELECT count(*) FROM ({_OTHER_CALLS}) AS others")
_LOCK_OTHER_CALLS: Final = text(f"{_OTHER_CALLS} FOR NO KEY UPDATE SKIP LOCKED")


async def lock_both(session: AsyncSession, ids: list[UUID]) -> None:
    """Hold both customers and their calls. Whoever holds a call may want its customer, so calls come first.

    Raises:
        CustomerBusy: somebody else holds one of them.
    """
    await session.execute(_LOCK_TIMEOUT)
    for _ in range(_ATTEMPTS):
        try:
            async with session.begin_nested():
                locked = list(await session.scalars(_LOCK_CALLS, {"ids": ids}))
                await session.execute(_LOCK_CUSTOMERS, {"ids": ids})
                others = {"ids": ids, "locked": locked}
                late = len((await session.scalars(_LOCK_OTHER_CALLS, others)).all())
                if late != await session.scalar(_COUNT_OTHER_CALLS, others):
                    raise _CallsCameIn
        except _CallsCameIn:
            continue
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) == _LOCK_NOT_AVAILABLE:
                break
            raise
        return
    raise CustomerBusy("Somebody else is writing to one of the two right now. Try again in a moment.")


_HOLDING: Final = text(
    " UNION ALL ".join(
        f"SELECT '{table}' WHERE EXISTS (SELECT FROM {table} WHERE customer_id = :absorbed)"
        + (" OR EXISTS (SELECT FROM customer_links WHERE other_id = :absorbed)" if table == "customer_links" else "")
        for table in MOVED
    )
)


async def tables_holding(session: AsyncSession, pair: Pair) -> list[str]:
    """Those of `MOVED` that hold anything of the absorbed customer, of whom most tables hold nothing.

    Nobody adds to them meanwhile, for a row that refers to a customer waits for whoever has locked both: but for an
    entry of a list that is being made (decision 0025).
    """
    found = set(await session.scalars(_HOLDING, pair.ids))
    return [table for table in MOVED if table in found]


async def move(session: AsyncSession, merge_id: UUID, table: str, pair: Pair) -> None:
    """Have the survivor own the other's rows of a table, and write down which they were."""
    values = {"merge": merge_id, **pair.ids}
    if table in _SAME:
        await session.execute(
            text(f"""
            WITH gone AS (
                DELETE FROM {table} theirs USING {table} ours
                WHERE theirs.customer_id = :absorbed AND ours.customer_id = :survivor AND {_SAME[table]}
                RETURNING theirs.*
            )
            INSERT INTO merge_moves (merge_id, table_name, row_id, set_aside, before)
            SELECT :merge, '{table}', gone.id, true, to_jsonb(gone) FROM gone
            """),
            values,
        )
    if table in _MOVE_OTHERWISE:
        for statement in _MOVE_OTHERWISE[table]:
            await session.execute(statement, values)
        return
    await session.execute(
        text(f"""
        WITH moved AS (UPDATE {table} SET customer_id = :survivor WHERE customer_id = :absorbed RETURNING id)
        INSERT INTO merge_moves (merge_id, table_name, row_id) SELECT :merge, '{table}', id FROM moved
        """),
        values,
    )


_MOVE_PHONES: Final = text("""
WITH was AS (SELECT id, is_primary FROM customer_phones WHERE customer_id = :absorbed),
moved AS (
    UPDATE customer_phones SET customer_id = :survivor, is_primary = is_primary AND NOT EXISTS (
        SELECT FROM customer_phones ours WHERE ours.customer_id = :survivor AND ours.is_primary
    ) WHERE customer_id = :absorbed RETURNING id
)
INSERT INTO merge_moves (merge_id, table_name, row_id, before)
SELECT :merge, 'customer_phones', was.id, jsonb_build_object('is_primary', was.is_primary)
FROM was JOIN moved ON moved.id = was.id
""")
# What linked the two with each other, or would be there twice, is set aside.
_SET_LINKS_ASIDE: Final = text("""
WITH gone AS (
    DELETE FROM customer_links theirs
    WHERE (theirs.customer_id = :absorbed OR theirs.other_id = :absorbed)
      AND (theirs.customer_id = :survivor OR theirs.other_id = :survivor OR EXISTS (
          SELECT FROM customer_links ours WHERE ours.kind = theirs.kind
          AND ours.customer_id = CASE theirs.customer_id WHEN :absorbed THEN :survivor ELSE theirs.customer_id END
          AND ours.other_id = CASE theirs.other_id WHEN :absorbed THEN :survivor ELSE theirs.other_id END
      ))
    RETURNING theirs.*
)
INSERT INTO merge_moves (merge_id, table_name, row_id, set_aside, before)
SELECT :merge, 'customer_links', gone.id, true, to_jsonb(gone) FROM gone
""")
_MOVE_LINKS: Final = text("""
WITH was AS (
    SELECT id, customer_id = :absorbed AS is_first FROM customer_links
    WHERE customer_id = :absorbed OR other_id = :absorbed
),
moved AS (
    UPDATE customer_links l SET customer_id = CASE WHEN was.is_first THEN :survivor ELSE l.customer_id END,
                                other_id = CASE WHEN was.is_first THEN l.other_id ELSE :survivor END
    FROM was WHERE l.id = was.id RETURNING l.id
)
INSERT INTO merge_moves (merge_id, table_name, row_id, before)
SELECT :merge, 'customer_links', was.id, jsonb_build_object('is_first', was.is_first)
FROM was JOIN moved ON moved.id = was.id
""")
_LINKS_BACK: Final = text("""
UPDATE customer_links l SET customer_id = CASE WHEN was.is_first THEN :absorbed ELSE l.customer_id END,
                            other_id = CASE WHEN was.is_first THEN l.other_id ELSE :absorbed END
FROM (
    SELECT row_id, CAST(before->>'is_first' AS boolean) AS is_first FROM merge_moves
    WHERE merge_id = :merge AND table_name = 'customer_links' AND NOT set_aside
) was
WHERE l.id = was.row_id AND CASE WHEN was.is_first THEN l.customer_id ELSE l.other_id END = :survivor
""")
_MOVE_OTHERWISE: Final = {"customer_phones": (_MOVE_PHONES,), "customer_links": (_SET_LINKS_ASIDE, _MOVE_LINKS)}
_PHONES_BACK: Final = text("""
UPDATE customer_phones p SET customer_id = :absorbed, is_primary = CAST(m.before->>'is_primary' AS boolean)
FROM merge_moves m
WHERE m.merge_id = :merge AND m.table_name = 'customer_phones' AND NOT m.set_aside AND p.id = m.row_id
  AND p.customer_id = :survivor
""")
_KEEP_ONE_PRIMARY: Final = text("""
UPDATE customer_phones SET is_primary = true WHERE id = (
    SELECT id FROM customer_phones WHERE customer_id = :customer_id
    AND NOT EXISTS (SELECT FROM customer_phones p WHERE p.customer_id = :customer_id AND p.is_primary)
    ORDER BY id LIMIT 1
)
""")


async def move_back(session: AsyncSession, merge_id: UUID, table: str, pair: Pair) -> None:
    """Undo `move`: whatever of it the survivor still has goes back, and what was set aside returns."""
    values = {"merge": merge_id, **pair.ids}
    if table == "customer_phones":
        await session.execute(_PHONES_BACK, values)
        await session.execute(_KEEP_ONE_PRIMARY, {"customer_id": pair.survivor_id})
    elif table == "customer_links":
        await session.execute(_LINKS_BACK, values)
    else:
        await session.execute(
            text(f"""
            UPDATE {table} t SET customer_id = :absorbed FROM merge_moves m
            WHERE m.merge_id = :merge AND m.table_name = '{table}' AND NOT m.set_aside AND t.id = m.row_id
              AND t.customer_id = :survivor
            """),
            values,
        )
    if table in _SAME or table == "customer_links":
        await session.execute(
            text(f"""
            INSERT INTO {table} SELECT was.* FROM merge_moves m
            CROSS JOIN LATERAL jsonb_populate_record(CAST(NULL AS {table}), m.before) AS was
            WHERE m.merge_id = :merge AND m.table_name = '{table}' AND m.set_aside
            ON CONFLICT DO NOTHING
            """),
            {"merge": merge_id},
        )


_TURN_SIGNPOSTS: Final = text("""
WITH turned AS (
    UPDATE customers SET merged_into_id = :survivor WHERE merged_into_id = :absorbed RETURNING id
),
signpost AS (
    UPDATE customers SET merged_into_id = :survivor, version = version + 1, updated_at = now() WHERE id = :absorbed
)
INSERT INTO merge_moves (merge_id, table_name, row_id) SELECT :merge, 'customers', id FROM turned
""")
_SIGNPOSTS_BACK: Final = text("""
UPDATE customers c SET merged_into_id = :absorbed FROM merge_moves m
WHERE m.merge_id = :merge AND m.table_name = 'customers' AND c.id = m.row_id AND c.merged_into_id = :survivor
""")


async def turn_signposts(session: AsyncSession, merge_id: UUID, pair: Pair) -> None:
    """Whoever is merged points to who took them in, at one remove, however many merges there were."""
    await session.execute(_TURN_SIGNPOSTS, {"merge": merge_id, **pair.ids})


async def turn_signposts_back(session: AsyncSession, merge_id: UUID, pair: Pair) -> None:
    """Undo `turn_signposts`, but for the absorbed customer's own."""
    await session.execute(_SIGNPOSTS_BACK, {"merge": merge_id, **pair.ids})
