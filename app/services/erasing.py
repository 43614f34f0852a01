"""Forgetting a customer: their identity goes, the figures stay.

How often they rang, what they bought and for how much, how far they came: that stays, with a customer who is nobody.
Who they are, what they said and what was written of them goes, wherever it is: in their record and those merged into
it, their calls and what the carrier told of these, the cards that agents were shown, the journals of merges.

What cannot be reached from here is named in the answer or in `docs/customers.md`: recordings that the carrier holds,
the systems that feed us, what was written of them in somebody else's notes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import CursorResult, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.models.base import new_id
from app.models.customers import Customer
from app.models.rights import Erasure
from app.services import search_index
from app.services.merge_moves import lock_both

NAME_OF_NOBODY: Final = "已删除 (erased)"

KEPT_COLUMNS: Final = frozenset(
    "id code kind tier dcwh sales_stage intention contract_state last_contact_at owner_id region language time_zone "
    "merged_into_id settled_at version created_at updated_at erased_at".split()
)
"""What stays of a customer's row. Every other column is emptied, also one that is added some day."""

_NOT_EMPTY: Final = {"name": f"'{NAME_OF_NOBODY}'", "gender": "'unknown'", "do_not_call": "true"}

_PROMISED: Final = "customer_id = ANY(:ids) OR (customer_id IS NULL AND call_id = ANY(:calls))"
_OF_CALLS: Final = "provider_call_id IN (SELECT provider_call_id FROM calls WHERE id = ANY(:calls))"
_OF_LEGS: Final = "provider_call_id IN (SELECT provider_call_id FROM legs WHERE call_id = ANY(:calls))"
_OF_COMPLAINTS: Final = "complaint_id IN (SELECT id FROM complaints WHERE customer_id = ANY(:ids))"
_SHOWN: Final = "json_build_object('call_id', call_id, 'erased', true)"
_NOBODY_OF: Final = (
    "jsonb_build_object('id', {0}->'id', 'code', {0}->'code', 'name', '" + NAME_OF_NOBODY + "', 'erased', true)"
)

ERASED: Final[Mapping[str, str]] = {
    "customer_phones": "DELETE FROM customer_phones WHERE customer_id = ANY(:ids)",
    "source_records": "DELETE FROM source_records WHERE customer_id = ANY(:ids)",
    "customer_notes": "DELETE FROM customer_notes WHERE customer_id = ANY(:ids)",
    "customer_links": "DELETE FROM customer_links WHERE customer_id = ANY(:ids) OR other_id = ANY(:ids)",
    "duplicate_reviews": "DELETE FROM duplicate_reviews WHERE low_id = ANY(:ids) OR high_id = ANY(:ids)",
    "complaint_changes": f"UPDATE complaint_changes SET detail = '{{}}' WHERE {_OF_COMPLAINTS}",
    "complaint_mails": f"UPDATE complaint_mails SET sender = '', subject = '', body = '' WHERE {_OF_COMPLAINTS}",
    "complaint_links": f"DELETE FROM complaint_links WHERE {_OF_COMPLAINTS}",
    "handovers": f"UPDATE handovers SET reason = '', note = '' WHERE {_OF_COMPLAINTS}",
    "goodwill": f"UPDATE goodwill SET reason = '', note = '' WHERE {_OF_COMPLAINTS}",
    "complaints": "UPDATE complaints SET contact = '', serial_number = '', what_happened = '', resolution = '', "
    "root_cause = '', prevention = '', pause_reason = CASE WHEN pause_reason IS NULL THEN NULL ELSE '' END, "
    "version = version + 1 WHERE customer_id = ANY(:ids)",
    "callback_changes": "UPDATE callback_changes SET detail = '{}' WHERE callback_id IN "
    f"(SELECT id FROM callbacks WHERE {_PROMISED})",
    "callbacks": "UPDATE callbacks SET subject = '', note = '', to_e164 = NULL, claimed_by_id = NULL, "
    "claimed_until = NULL, ended_at = coalesce(ended_at, now()), "
    "state = CASE WHEN state = 'done' THEN state ELSE 'cancelled' END, version = version + 1 "
    f"WHERE {_PROMISED}",
    "call_list_entries": "UPDATE call_list_entries SET reasons = '[]', skip_reason = '' WHERE customer_id = ANY(:ids)",
    "call_list_left_out": "UPDATE call_list_left_out SET note = '' WHERE customer_id = ANY(:ids)",
    "list_rearrangements": "DELETE FROM list_rearrangements WHERE customer_id = ANY(:ids)",
    "dial_attempts": "UPDATE dial_attempts SET to_e164 = NULL WHERE customer_id = ANY(:ids) OR call_id = ANY(:calls)",
    "consents": "UPDATE consents SET note = '' WHERE customer_id = ANY(:ids)",
    "customer_changes": "UPDATE customer_changes SET old = NULL, new = NULL, why = '' WHERE customer_id = ANY(:ids)",
    "stage_moves": "UPDATE stage_moves SET why = '' WHERE customer_id = ANY(:ids)",
    "interactions": "UPDATE interactions SET summary = '' WHERE customer_id = ANY(:ids)",
    "purchases": "UPDATE purchases SET serial_number = '' WHERE customer_id = ANY(:ids)",
    "contracts": "UPDATE contracts SET number = '', title = '' WHERE customer_id = ANY(:ids)",
    "carrier_events": f"UPDATE carrier_events SET params = '{{}}' WHERE {_OF_CALLS} OR {_OF_LEGS}",
    "recordings": "DELETE FROM recordings WHERE call_id = ANY(:calls)",
    "agent_events": f"UPDATE agent_events SET data = {_SHOWN} WHERE call_id = ANY(:shown)",
    "calls": "UPDATE calls SET from_raw = '', from_e164 = NULL, caller_name = '', caller = NULL, notes = '', "
    "to_raw = CASE WHEN direction = 'outbound' THEN '' ELSE to_raw END WHERE id = ANY(:calls)",
    "merge_moves": "UPDATE merge_moves SET before = NULL WHERE merge_id IN "
    "(SELECT id FROM merges WHERE survivor_id = ANY(:ids) OR absorbed_id = ANY(:ids))",
    "merges": f"UPDATE merges SET survivor_before = {_NOBODY_OF.format('survivor_before')}, "
    f"absorbed_before = {_NOBODY_OF.format('absorbed_before')}, survivor_after = '{{}}', reason = '' "
    "WHERE survivor_id = ANY(:ids) OR absorbed_id = ANY(:ids)",
    "customers": "UPDATE customers SET "
    + ", ".join(
        f"{column.name} = " + _NOT_EMPTY.get(column.name, "NULL" if column.nullable else "''")
        for column in Customer.__table__.columns
        if column.name not in KEPT_COLUMNS
    )
    + ", erased_at = coalesce(erased_at, now()), settled_at = now(), version = version + 1, updated_at = now() "
    "WHERE id = ANY(:ids)",
}
"""Table by table what is done to the rows of one customer, in this order."""

KEPT: Final = {
    "customer_usage": "figures without a name",
    "list_standings": "since when nobody waits for their turn",
    "claims": "who of us claimed somebody, who is nobody now",
    "customer_search": "worked out anew, to nothing",
    "card_views": "who looked when, at a customer who is nobody",
    "erasures": "that they were forgotten",
}
"""Tables that refer to customers and stay as they are, and why."""

_IDS: Final = text("SELECT id FROM customers WHERE id = :id OR merged_into_id = :id")
_NUMBERS: Final = text("""
SELECT DISTINCT p.e164, EXISTS (
    SELECT FROM customer_phones o
    WHERE o.bucket = p.bucket AND o.e164 = p.e164 AND o.wrong_since IS NULL AND o.customer_id <> ALL(:ids)
) AS is_shared FROM customer_phones p WHERE p.customer_id = ANY(:ids)
""")
_CALLS: Final = text("""
SELECT id FROM calls WHERE customer_id = ANY(:ids)
UNION SELECT id FROM calls WHERE customer_id IS NULL AND from_e164 = ANY(:numbers)
UNION SELECT call_id FROM dial_attempts WHERE customer_id IS NULL AND to_e164 = ANY(:numbers) AND call_id IS NOT NULL
""")
_SHOWN_CALLS: Final = text("SELECT id FROM calls WHERE from_e164 = ANY(:numbers)")
_RECORDINGS: Final = text("SELECT provider_recording_id FROM recordings WHERE call_id = ANY(:calls) ORDER BY id")


@dataclass(frozen=True, slots=True)
class Erased:
    """What was done, and the carrier's ids of recordings that are still to be deleted there."""

    erasure: Erasure
    recordings: list[str]


async def erase(session: AsyncSession, customer_id: UUID, *, by: UUID | None, reason: str) -> Erased:
    """Forget a customer, who is no signpost, with everybody who was merged into them. May be done again.

    A number that others have too is taken from this customer's calls only; where a card of a shared number showed them
    among others, the card goes.

    Raises:
        CustomerBusy: somebody else holds their record or calls.
    """
    await lock_both(session, [customer_id])
    ids = list(await session.scalars(_IDS, {"id": customer_id}))
    numbers = (await session.execute(_NUMBERS, {"ids": ids})).all()
    own = [row.e164 for row in numbers if not row.is_shared]
    calls = list(await session.scalars(_CALLS, {"ids": ids, "numbers": own}))
    shown = [*calls, *await session.scalars(_SHOWN_CALLS, {"numbers": [row.e164 for row in numbers]})]
    recordings = list(await session.scalars(_RECORDINGS, {"calls": calls}))
    values = {"ids": ids, "calls": calls, "shown": shown}
    rows: dict[str, int] = {}
    for table, statement in ERASED.items():
        wanted = {name: value for name, value in values.items() if f":{name}" in statement}
        done = await session.execute(text(statement), wanted)
        assert isinstance(done, CursorResult)
        rows[table] = done.rowcount
    erasure = Erasure(id=new_id(), customer_id=customer_id, by_id=by, reason=reason, rows=rows)
    session.add(erasure)
    await session.flush()
    await search_index.refresh(session, ids)
    await session.refresh(erasure)
    return Erased(erasure, recordings)
