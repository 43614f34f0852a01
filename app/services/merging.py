"""Merging two customers who are one, and taking it back.

The customer with the older code takes in the other: numbers, calls, purchases and all else that hangs on them is
moved, and the other stays behind as a signpost (`merged_into_id`) that keeps its own fields. What was moved is written
down row by row (`merge_moves`), so that taking the merge back moves exactly that. What came to the survivor afterwards
stays with them, except what the other's own source records say.

Locks: the calls of both, in the order of their ids, then both customers `FOR UPDATE`. Whoever writes something new of a
customer holds a lock that this waits for, or waits for this and then finds the signpost: a trigger on the tables that
people and the carrier write to follows it (`follow_merged_customer` in the migrations).
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.standing import ContractState, Intention, dcwh
from app.errors import Conflict, NotFound
from app.models.base import new_id
from app.models.customers import Customer
from app.models.merging import Merge, MergeMove
from app.models.people import Agent
from app.schemas.merges import MergedCustomer, MergeRead
from app.schemas.screen_pop import PopOwner
from app.services import search_index
from app.services.customers import CustomerErased, CustomerMoved, require_named
from app.services.merge_moves import (
    MOVED,
    Pair,
    lock_both,
    move,
    move_back,
    tables_holding,
    turn_signposts,
    turn_signposts_back,
)
from app.services.record_history import log_changes
from app.services.survivorship import ADOPT, Cause, settle

_KEPT_APART: Final = frozenset({"id", "code", "version", "created_at", "updated_at", "merged_into_id"})
"""Columns of a customer that a merge neither fills in nor restores."""
_FILLED_IN: Final = ("tier", "intention", "owner_id")
_STRONGER: Final = (ContractState.NONE, ContractState.EXPIRED, ContractState.IN_CONTRACT)
"""Of two contract states the later one here is that of both together."""
_LONGEST_NOTE: Final = 4000


class SameCustomer(Conflict):
    """A customer cannot be merged with themselves."""

    code = "same_customer"


class AlreadyMerged(Conflict):
    """One of the two was merged into somebody already: `customer_id` and `customer_code` say into whom."""

    code = "already_merged"


class NoSuchMerge(NotFound):
    """There is no merge of that id."""

    code = "no_such_merge"
    title = "No such merge"


class MergeUndone(Conflict):
    """The merge was taken back already."""

    code = "merge_undone"


class MergeNotLast(Conflict):
    """Merges are taken back in the opposite order: `undo_first` is the one whose turn it is."""

    code = "merge_not_last"


async def merge(session: AsyncSession, survivor_id: UUID, absorbed_id: UUID, *, by: UUID | None, reason: str) -> Merge:
    """Make one customer of two. The one with the older code takes in the other, whichever is named first.

    Args:
        by: the agent who does it; None for the service itself.

    Raises:
        SameCustomer, NotFound: there are not two.
        AlreadyMerged: one of them is none any more.
        CustomerErased: one of them was forgotten.
        CustomerBusy: somebody else holds one of them.
    """
    if survivor_id == absorbed_id:
        raise SameCustomer("That is one customer already.")
    await lock_both(session, [survivor_id, absorbed_id])
    rows = await _rows(session, [survivor_id, absorbed_id])
    if len(rows) < 2:
        raise NotFound("There is no such customer.")
    for row in rows.values():
        if row["merged_into_id"] is not None:
            raise await _already_merged(session, row)
        _refuse_erased(row)
    older, newer = sorted(rows.values(), key=lambda row: (len(row["code"]), row["code"]))
    pair = Pair(UUID(older["id"]), UUID(newer["id"]))
    made = Merge(
        id=new_id(),
        survivor_id=pair.survivor_id,
        absorbed_id=pair.absorbed_id,
        by_id=by,
        reason=reason,
        survivor_before=older,
        absorbed_before=newer,
    )
    session.add(made)
    await session.flush()
    await _adopt(session, made)
    for table in await tables_holding(session, pair):
        await move(session, made.id, table, pair)
    await turn_signposts(session, made.id, pair)
    await _fill_in(session, older, newer)
    await settle(session, [pair.survivor_id], Cause(agent_id=by), rise=0)
    made.survivor_after = (await _rows(session, [pair.survivor_id]))[pair.survivor_id]
    await log_changes(session, pair.survivor_id, {"merged": (None, _named(made, newer))}, by)
    await log_changes(session, pair.absorbed_id, {"merged_into": (None, _named(made, older))}, by)
    await search_index.refresh(session, [pair.survivor_id, pair.absorbed_id])
    await session.refresh(made)
    return made


async def undo(session: AsyncSession, merge_id: UUID, *, by: UUID | None) -> Merge:
    """Take a merge back: both are as they were, and the survivor keeps what came to them since.

    Raises:
        NoSuchMerge: there is none.
        MergeUndone: it was taken back before.
        CustomerErased: they were forgotten meanwhile.
        MergeNotLast: another one has to be taken back first.
        CustomerBusy: somebody else holds one of them.
    """
    made = await find_merge(session, merge_id)
    pair = Pair(made.survivor_id, made.absorbed_id)
    await lock_both(session, [pair.survivor_id, pair.absorbed_id])
    # Only now nobody else can be at it.
    await session.refresh(made, with_for_update=True)
    await _check_turn(session, made)
    for row in (await _rows(session, [pair.survivor_id, pair.absorbed_id])).values():
        _refuse_erased(row)
    await session.execute(
        update(Customer.__table__)  # type: ignore[arg-type]  # it is a Table, typed as any FROM clause
        .where(Customer.id == pair.absorbed_id)
        .values(merged_into_id=None, version=Customer.version + 1, updated_at=func.now())
    )
    for table in MOVED:
        await move_back(session, made.id, table, pair)
    await turn_signposts_back(session, made.id, pair)
    heard = await session.scalar(_HEARD_SINCE, {"since": made.merged_at, **pair.ids})
    await _restore(session, made, settled=bool(heard))
    if heard:
        await settle(session, [pair.survivor_id, pair.absorbed_id], Cause(agent_id=by), rise=0)
    made.undone_at = func.now()
    made.undone_by_id = by
    await session.flush()
    await session.execute(_NOT_ONE, {"by": by, **pair.ids})
    await log_changes(session, pair.survivor_id, {"merged": (_named(made, made.absorbed_before), None)}, by)
    await log_changes(session, pair.absorbed_id, {"merged_into": (_named(made, made.survivor_before), None)}, by)
    await search_index.refresh(session, [pair.survivor_id, pair.absorbed_id])
    await session.refresh(made)
    return made


# Whoever takes a merge back says that the two are two, and is not asked about them again.
_NOT_ONE: Final = text("""
UPDATE duplicate_reviews SET status = 'different', decided_by = :by, decided_at = now(), updated_at = now()
WHERE status = 'merged' AND low_id = least(CAST(:survivor AS uuid), CAST(:absorbed AS uuid))
  AND high_id = greatest(CAST(:survivor AS uuid), CAST(:absorbed AS uuid))
""")


async def find_merge(session: AsyncSession, merge_id: UUID) -> Merge:
    """A merge by its id. Raises NoSuchMerge."""
    made = await session.get(Merge, merge_id)
    if made is None:
        raise NoSuchMerge("There is no such merge.")
    return made


async def read_merge(session: AsyncSession, made: Merge) -> MergeRead:
    """A merge as it is shown."""
    people = {
        agent.id: PopOwner(id=agent.id, name=agent.name)
        for agent in await session.scalars(select(Agent).where(Agent.id.in_({made.by_id, made.undone_by_id})))
    }
    counted = await session.execute(
        select(MergeMove.table_name, func.count()).where(MergeMove.merge_id == made.id).group_by(MergeMove.table_name)
    )
    moved = {table: count for table, count in counted if table in MOVED}
    return MergeRead(
        id=made.id,
        survivor=_merged(made.survivor_before),
        absorbed=_merged(made.absorbed_before),
        merged_at=made.merged_at,
        by=people.get(made.by_id) if made.by_id else None,
        reason=made.reason,
        moved=moved,
        undone_at=made.undone_at,
        undone_by=people.get(made.undone_by_id) if made.undone_by_id else None,
    )


async def merges_of(session: AsyncSession, customer_id: UUID) -> list[Merge]:
    """The merges in which a customer took somebody in or was taken in, the latest first, taken back or not."""
    found = await session.scalars(
        select(Merge)
        .where((Merge.survivor_id == customer_id) | (Merge.absorbed_id == customer_id))
        .order_by(Merge.merged_at.desc(), Merge.id.desc())
    )
    return list(found)


def require_unmerged(customer: Customer, ref: str) -> None:
    """Raises AlreadyMerged when `ref` is somebody who was merged into this customer."""
    try:
        require_named(customer, ref)
    except CustomerMoved as moved:
        told = {name: moved.extra[name] for name in ("customer_id", "customer_code")}
        raise AlreadyMerged(f"{ref} was merged into {customer.code} already.", **told) from None


def _merged(row: Mapping[str, Any]) -> MergedCustomer:
    return MergedCustomer(id=row["id"], code=row["code"], name=row["name"])


def _named(made: Merge, row: Mapping[str, Any]) -> dict[str, str]:
    return {"merge_id": str(made.id), "code": row["code"]}


def _refuse_erased(row: Mapping[str, Any]) -> None:
    if row["erased_at"] is not None:
        raise CustomerErased(f"{row['code']} was forgotten, and cannot be merged or taken apart any more.")


async def _already_merged(session: AsyncSession, row: Mapping[str, Any]) -> AlreadyMerged:
    into = (await _rows(session, [UUID(row["merged_into_id"])]))[UUID(row["merged_into_id"])]
    return AlreadyMerged(
        f"{row['code']} was merged into {into['code']} already.", customer_id=into["id"], customer_code=into["code"]
    )


_ROWS: Final = text("SELECT id, CAST(to_jsonb(customers) AS text) AS row FROM customers WHERE id = ANY(:ids)")


async def _rows(session: AsyncSession, ids: list[UUID]) -> dict[UUID, dict[str, Any]]:
    """Customers' rows as JSON, by id."""
    return {found.id: json.loads(found.row) for found in await session.execute(_ROWS, {"ids": ids})}


_ADOPT: Final = text(ADOPT)
_NOTE_OWN: Final = text("""
INSERT INTO merge_moves (merge_id, table_name, row_id)
SELECT :merge, 'own', id FROM source_records WHERE source = 'own' AND external_id = ANY(:ids)
""")
_FORGET_OWN: Final = text("""
DELETE FROM source_records r USING merge_moves m WHERE m.merge_id = :merge AND m.table_name = 'own' AND r.id = m.row_id
""")


async def _adopt(session: AsyncSession, made: Merge) -> None:
    """What a row said that no source has spoken of becomes a record, as with every first settling; undone with it."""
    unheard = [row["id"] for row in (made.survivor_before, made.absorbed_before) if row["settled_at"] is None]
    if unheard:
        await session.execute(_ADOPT, {"customer_ids": [UUID(each) for each in unheard]})
        await session.execute(_NOTE_OWN, {"merge": made.id, "ids": unheard})


async def _fill_in(session: AsyncSession, survivor: Mapping[str, Any], absorbed: Mapping[str, Any]) -> None:
    """What we have made of the survivor stands; where we have made nothing of them, what we made of the other."""
    values: dict[str, Any] = {
        name: absorbed[name] for name in _FILLED_IN if survivor[name] is None and absorbed[name] is not None
    }
    both_rows = (survivor, absorbed)
    values["sales_stage"] = max(row["sales_stage"] for row in both_rows)
    values["contract_state"] = max((ContractState(row["contract_state"]) for row in both_rows), key=_STRONGER.index)
    intention = values.get("intention", survivor["intention"])
    values["dcwh"] = dcwh(values["sales_stage"], Intention(intention) if intention else None, values["contract_state"])
    for name, which in (("next_call_at", min), ("last_contact_at", max)):
        moments = [datetime.fromisoformat(row[name]) for row in both_rows if row[name] is not None]
        values[name] = which(moments, default=None)
    notes = [row["note"] for row in both_rows if row["note"]]
    both = "\n".join(dict.fromkeys(notes))
    values["note"] = both if len(both) <= _LONGEST_NOTE else notes[0]
    await session.execute(
        update(Customer.__table__)  # type: ignore[arg-type]  # it is a Table, typed as any FROM clause
        .where(Customer.id == UUID(survivor["id"]))
        .values(**values, version=Customer.version + 1, updated_at=func.now())
    )


_HEARD_SINCE: Final = text("""
SELECT EXISTS (
    SELECT FROM source_records WHERE customer_id IN (:survivor, :absorbed) AND updated_at > CAST(:since AS timestamptz)
)
""")


async def _restore(session: AsyncSession, made: Merge, *, settled: bool) -> None:
    """Give the survivor back what they were before, in every field that has not changed since.

    Args:
        settled: sources were heard since, and what they say is settled anew: then what the rows said before any source
            was heard is needed, and was heard of first by the merge.
    """
    now = (await _rows(session, [made.survivor_id]))[made.survivor_id]
    restored = {
        name: value
        for name, value in made.survivor_before.items()
        if name not in _KEPT_APART
        and now.get(name) == made.survivor_after.get(name)
        and not (settled and name == "settled_at")
    }
    columns = ", ".join(name for name in restored if name in Customer.__table__.columns)
    await session.execute(
        text(f"""
        UPDATE customers SET ({columns}) = (
            SELECT {columns} FROM jsonb_populate_record(CAST(NULL AS customers), CAST(:restored AS jsonb))
        ), version = version + 1, updated_at = now() WHERE id = :id
        """),
        {"restored": json.dumps(restored), "id": made.survivor_id},
    )
    if settled:
        return
    await session.execute(_FORGET_OWN, {"merge": made.id})
    # Of the other nothing was changed but where they point to, and that they were settled.
    await session.execute(
        text("UPDATE customers SET settled_at = CAST(CAST(:at AS text) AS timestamptz) WHERE id = :id"),
        {"at": made.absorbed_before["settled_at"], "id": made.absorbed_id},
    )


async def _check_turn(session: AsyncSession, made: Merge) -> None:
    if made.undone_at is not None:
        raise MergeUndone("The merge was taken back already.")
    later = await session.scalar(
        select(Merge)
        .where(
            (Merge.survivor_id == made.survivor_id) | (Merge.absorbed_id == made.survivor_id),
            Merge.undone_at.is_(None),
            Merge.id != made.id,
            (Merge.merged_at > made.merged_at) | ((Merge.merged_at == made.merged_at) & (Merge.id > made.id)),
        )
        .order_by(Merge.merged_at.desc(), Merge.id.desc())
        .limit(1)
    )
    if later is not None:
        raise MergeNotLast(
            f"{later.survivor_before['code']} took in {later.absorbed_before['code']} later: take that back first.",
            undo_first=str(later.id),
        )
