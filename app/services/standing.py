"""Where a customer stands in selling, kept in step with everything that it follows from.

The rules are `domain/standing.py`. Whoever changes a stage or an intention goes through `with_warmth` and `move_of`; a
contract that is written or runs out, through `follow_contracts`; a contact, through `note_contact`.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.standing import dcwh
from app.errors import Invalid
from app.models.base import NEW_ID
from app.models.customers import Customer
from app.models.records import StageMove
from app.schemas.records import CustomerNoteCreate
from app.schemas.screen_pop import PopOwner
from app.schemas.standing import StandingUpdate
from app.services.record_history import add_note, log_changes
from app.services.survivorship import NOBODY, Cause

CONTRACT_SIGNED: Final = "contract_signed"
CONTRACT_RAN_OUT: Final = "contract_ran_out"
"""What the history says of a stage that follows from contracts."""

LONGEST_AHEAD: Final = timedelta(days=400)
"""So far ahead a call may be promised."""

_WARMING: Final = frozenset({"sales_stage", "intention", "contract_state"})


class BadNextCall(Invalid):
    """The next call is promised for a time that has passed, or more than 400 days ahead."""

    code = "bad_next_call"


def warmth(stage: str, intention: str, contract: str) -> str:
    """SQL for `domain.standing.dcwh` of three expressions."""
    return (
        f"CASE WHEN {intention} = 'unlikely' THEN CASE {contract} WHEN 'in_contract' THEN 'cold' ELSE 'denial' END "
        f"WHEN {stage} IN (4, 5) OR {intention} = 'very_likely' THEN 'hot' "
        f"WHEN {stage} IN (3, 6, 7) OR {intention} = 'good' OR {contract} <> 'none' THEN 'warm' ELSE 'cold' END"
    )


def stage_after(stage: str, after: str) -> str:
    """SQL for `domain.standing.stage_after` where the contract state does change."""
    return (
        f"CASE WHEN {after} = 'in_contract' THEN 6 "
        f"WHEN {after} = 'expired' AND {stage} IN (0, 1, 6) THEN 7 ELSE {stage} END"
    )


def with_warmth(customer: Customer, changes: Mapping[str, tuple[Any, Any]]) -> dict[str, tuple[Any, Any]]:
    """Changes of a customer's columns (was, is) with that of `dcwh`, if it follows from them that it changes."""
    if not _WARMING & changes.keys():
        return dict(changes)
    now = {name: changes[name][1] if name in changes else getattr(customer, name) for name in _WARMING}
    follows = dcwh(now["sales_stage"], now["intention"], now["contract_state"])
    return dict(changes) if follows is customer.dcwh else {**changes, "dcwh": (customer.dcwh, follows)}


def move_of(
    customer: Customer, changes: Mapping[str, tuple[Any, Any]], by: UUID | None, why: str = ""
) -> list[StageMove]:
    """The move from one sales stage to another among the changes, to be added to the session; none if there is none."""
    if "sales_stage" not in changes:
        return []
    before, after = changes["sales_stage"]
    owner_id = changes["owner_id"][1] if "owner_id" in changes else customer.owner_id
    return [
        StageMove(customer_id=customer.id, from_stage=before, to_stage=after, owner_id=owner_id, agent_id=by, why=why)
    ]


async def place(
    session: AsyncSession, customer: Customer, given: Mapping[str, Any], *, by: UUID | None, why: str
) -> bool:
    """Have a locked customer stand where `given` says (columns and their values). True when that changes anything.

    What changed is in the history, with `by` and `why`, and the record has a new version.
    """
    differing = {
        name: (getattr(customer, name), value) for name, value in given.items() if getattr(customer, name) != value
    }
    if not differing:
        return False
    changes = with_warmth(customer, differing)
    session.add_all(move_of(customer, changes, by, why))
    await session.execute(
        update(Customer.__table__)  # type: ignore[arg-type]  # it is a Table, typed as any FROM clause
        .where(Customer.id == customer.id)
        .values(
            **{name: new for name, (_, new) in changes.items()}, version=Customer.version + 1, updated_at=func.now()
        )
    )
    await log_changes(session, customer.id, changes, by, why)
    await session.refresh(customer)
    return True


async def say(session: AsyncSession, customer: Customer, given: StandingUpdate, me: PopOwner, now: datetime) -> None:
    """Write down where a locked customer stands, as `me` saw it, with the note that goes with it.

    Raises:
        BadNextCall: of `next_call_at`.
    """
    changes = given.model_dump(exclude_unset=True, exclude={"note", "why"})
    check_next_call(changes.get("next_call_at"), now)
    await place(session, customer, changes, by=me.id, why=given.why)
    if "note" in given.model_fields_set:
        await add_note(session, customer, CustomerNoteCreate(body=given.note), me)


def check_next_call(at: datetime | None, now: datetime) -> None:
    """Raises BadNextCall where nobody can promise to call at this time."""
    if at is not None and not now < at <= now + LONGEST_AHEAD:
        raise BadNextCall(f"The next call is to come, within {LONGEST_AHEAD.days} days.")


_FOLLOW_CONTRACTS: Final = f"""
WITH signed AS (
    SELECT customer_id, CASE WHEN max(ends_on) < :today THEN 'expired' ELSE 'in_contract' END AS state
    FROM contracts {{of_some}} GROUP BY customer_id
),
differing AS MATERIALIZED (
    SELECT c.id, c.sales_stage AS old_stage, c.contract_state AS old_state, c.dcwh AS old_dcwh, c.owner_id, c.intention,
           COALESCE(signed.state, 'none') AS state
    FROM customers c LEFT JOIN signed ON signed.customer_id = c.id
    WHERE c.contract_state <> COALESCE(signed.state, 'none') AND c.merged_into_id IS NULL AND c.erased_at IS NULL
      {{and_of_some}}
    ORDER BY c.id FOR NO KEY UPDATE OF c
),
staged AS MATERIALIZED (SELECT *, {stage_after("old_stage", "state")} AS stage FROM differing),
placed AS MATERIALIZED (SELECT *, {warmth("stage", "intention", "state")} AS dcwh FROM staged),
changed AS (
    UPDATE customers c SET contract_state = placed.state, sales_stage = placed.stage, dcwh = placed.dcwh,
                           version = c.version + 1, updated_at = now()
    FROM placed WHERE c.id = placed.id
),
told AS (
    INSERT INTO customer_changes (id, customer_id, agent_id, source, import_id, field, old, new, why)
    SELECT {NEW_ID}, placed.id, CAST(:agent_id AS uuid), CAST(:source AS text), CAST(:import_id AS uuid),
           pair.field, pair.old, pair.new,
           CASE state WHEN 'expired' THEN '{CONTRACT_RAN_OUT}' ELSE '{CONTRACT_SIGNED}' END
    FROM placed CROSS JOIN LATERAL (VALUES
        ('contract_state', to_jsonb(old_state), to_jsonb(state)),
        ('sales_stage', to_jsonb(old_stage), to_jsonb(stage)),
        ('dcwh', to_jsonb(old_dcwh), to_jsonb(dcwh))
    ) AS pair(field, old, new)
    WHERE pair.old IS DISTINCT FROM pair.new
),
moved AS (
    INSERT INTO stage_moves (id, customer_id, from_stage, to_stage, owner_id, agent_id, why)
    SELECT {NEW_ID}, id, old_stage, stage, owner_id, CAST(:agent_id AS uuid),
           CASE state WHEN 'expired' THEN '{CONTRACT_RAN_OUT}' ELSE '{CONTRACT_SIGNED}' END
    FROM placed WHERE stage <> old_stage
)
SELECT count(*) FROM placed
"""
_FOLLOW_ALL: Final = text(_FOLLOW_CONTRACTS.format(of_some="", and_of_some=""))
_FOLLOW_SOME: Final = text(
    _FOLLOW_CONTRACTS.format(
        of_some="WHERE customer_id = ANY(CAST(:customer_ids AS uuid[]))",
        and_of_some="AND c.id = ANY(CAST(:customer_ids AS uuid[]))",
    )
)


async def follow_contracts(
    session: AsyncSession, today: date, customer_ids: Sequence[UUID] | None = None, cause: Cause = NOBODY
) -> int:
    """Have contract state, stage and DCWH of these customers, or of all, follow from their contracts as on `today`.

    Gives how many changed. Objects of theirs that the session holds are stale afterwards.
    """
    values = {
        "today": today,
        "agent_id": cause.agent_id,
        "source": cause.source,
        "import_id": cause.import_id,
    }
    if customer_ids is None:
        return int(await session.scalar(_FOLLOW_ALL, values) or 0)
    return int(await session.scalar(_FOLLOW_SOME, {**values, "customer_ids": list(customer_ids)}) or 0)


_NOTE_CONTACT: Final = """
UPDATE customers SET last_contact_at = CAST(:at AS timestamptz)
WHERE id = (
    SELECT id FROM customers WHERE id = :customer_id AND (last_contact_at IS NULL OR last_contact_at < :at)
    FOR NO KEY UPDATE {how}
)
"""
_NOTE: Final = text(_NOTE_CONTACT.format(how=""))
_NOTE_UNLESS_HELD: Final = text(_NOTE_CONTACT.format(how="SKIP LOCKED"))


async def note_contact(session: AsyncSession, customer_id: UUID, at: datetime, *, wait: bool = True) -> None:
    """We spoke with a customer or wrote, at a time that may be earlier than the last one that is known.

    Args:
        wait: until nobody else holds the customer. What the carrier tells does not wait for an import: it is then left
            to the nightly look at all of them (`services/standing_nightly.py`).
    """
    await session.execute(_NOTE if wait else _NOTE_UNLESS_HELD, {"customer_id": customer_id, "at": at})
