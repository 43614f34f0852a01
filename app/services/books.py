"""Books: who owns which customers; assigned by hand, moved, or given out by rules."""

import heapq
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import delete, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import Invalid
from app.models.base import new_id
from app.models.books import BookRule as RuleRow
from app.models.customers import Customer
from app.models.people import Agent
from app.schemas.books import (
    AssignCustomers,
    BookRead,
    BookRule,
    BookRules,
    Books,
    Moved,
    RuleApplied,
    RulesApplied,
)
from app.schemas.screen_pop import PopOwner
from app.services.customers import UnknownOwner, id_or_code

MOST_PROSPECTS: Final = 20_000
"""So many prospects are given out at a time."""


class UnknownCustomers(Invalid):
    """Some of the ids or codes are no customer's; `unknown` names the first ten."""

    code = "unknown_customers"


# Locked in the order of their ids, as everybody does who locks several customers.
_GIVE: Final = text("""
WITH given AS (
    SELECT * FROM unnest(CAST(:customers AS uuid[]), CAST(:owners AS uuid[]), CAST(:changes AS uuid[]))
        AS g(customer_id, owner_id, change_id)
),
locked AS MATERIALIZED (
    SELECT c.id, c.owner_id AS old, given.owner_id AS new, given.change_id
    FROM customers c JOIN given ON given.customer_id = c.id
    WHERE c.owner_id IS DISTINCT FROM given.owner_id AND c.merged_into_id IS NULL
    ORDER BY c.id FOR NO KEY UPDATE OF c
),
changed AS (
    UPDATE customers c SET owner_id = locked.new, version = c.version + 1, updated_at = now()
    FROM locked WHERE c.id = locked.id
)
INSERT INTO customer_changes (id, customer_id, at, agent_id, field, old, new)
SELECT change_id, id, CAST(:now AS timestamptz), CAST(:by AS uuid), 'owner_id', to_jsonb(CAST(old AS text)),
       to_jsonb(CAST(new AS text))
FROM locked
""")


async def give(
    session: AsyncSession, owners: Mapping[UUID, UUID | None], by: UUID | None, at: datetime | None = None
) -> int:
    """Give customers to owners (None: to nobody), and write it into their history; returns how many changed.

    Args:
        at: when that was; now when left out.
    """
    if not owners:
        return 0
    done = await session.execute(
        _GIVE,
        {
            "customers": list(owners),
            "owners": list(owners.values()),
            "changes": [new_id() for _ in owners],
            "now": at or datetime.now(UTC),
            "by": by,
        },
    )
    return int(done.rowcount)  # type: ignore[attr-defined]  # an INSERT's result is a cursor's


async def list_books(session: AsyncSession) -> Books:
    """Everybody's book by size, and the prospects."""
    mine = Customer.merged_into_id.is_(None)
    rows = await session.execute(
        select(Agent.id, Agent.name, Agent.active, func.count())
        .join(Customer, Customer.owner_id == Agent.id)
        .where(mine)
        .group_by(Agent.id)
        .order_by(func.count().desc(), Agent.name, Agent.id)
    )
    prospects = await session.scalar(
        select(func.count()).select_from(Customer).where(mine, Customer.owner_id.is_(None))
    )
    return Books(
        items=[
            BookRead(owner=PopOwner(id=agent_id, name=name), active=active, customers=count)
            for agent_id, name, active, count in rows
        ],
        prospects=prospects or 0,
    )


async def assign(session: AsyncSession, given: AssignCustomers, by: UUID) -> Moved:
    """Give the named customers to one owner: all of them or, if one is unknown, none.

    Raises:
        UnknownCustomers: of some of them.
        UnknownOwner: nobody active has that id.
    """
    if given.owner_id is not None:
        await _check_managers(session, [given.owner_id])
    read = {ref: id_or_code(ref) for ref in given.customers}
    ids = [customer_id for customer_id, _ in read.values() if customer_id is not None]
    codes = [code for _, code in read.values() if code is not None]
    rows = await session.execute(
        select(Customer.id, Customer.code).where(Customer.id.in_(ids) | Customer.code.in_(codes))
    )
    found: dict[UUID, str] = {row.id: row.code for row in rows}
    known = {*found, *found.values()}
    unknown = [ref for ref, (customer_id, code) in read.items() if (customer_id or code) not in known]
    if unknown:
        raise UnknownCustomers("Some of them are no customer's id or code; nothing was changed.", unknown=unknown[:10])
    return Moved(changed=await give(session, dict.fromkeys(found, given.owner_id), by))


async def move(session: AsyncSession, from_id: UUID, to_id: UUID, by: UUID) -> Moved:
    """Hand a whole book over. Who hands over may have left; who receives may not.

    Raises:
        UnknownOwner: nobody active has the id `to_id`.
    """
    await _check_managers(session, [to_id])
    theirs = await session.scalars(select(Customer.id).where(Customer.owner_id == from_id))
    return Moved(changed=await give(session, dict.fromkeys(theirs, to_id), by))


async def read_rules(session: AsyncSession) -> BookRules:
    """The rules in their order."""
    rows = await session.scalars(select(RuleRow).order_by(RuleRow.position))
    return BookRules(
        rules=[
            BookRule(
                name=row.name,
                conditions=row.conditions,
                manager_ids=row.manager_ids,
                most=row.most,
            )
            for row in rows
        ]
    )


async def write_rules(session: AsyncSession, given: BookRules) -> BookRules:
    """Put these rules in the place of all that there were.

    Raises:
        UnknownOwner: one of the managers is nobody active.
    """
    await _check_managers(session, [manager for rule in given.rules for manager in rule.manager_ids])
    # Who else writes them waits: two sets of rules must not be mixed.
    await session.execute(text("LOCK TABLE book_rules IN SHARE ROW EXCLUSIVE MODE"))
    await session.execute(delete(RuleRow))
    session.add_all(
        RuleRow(
            position=position,
            name=rule.name,
            conditions=rule.conditions.model_dump(mode="json", exclude_none=True),
            manager_ids=list(dict.fromkeys(rule.manager_ids)),
            most=rule.most,
        )
        for position, rule in enumerate(given.rules)
    )
    await session.flush()
    return given


async def apply_rules(session: AsyncSession, by: UUID, *, dry_run: bool) -> RulesApplied:
    """Give prospects to account managers, rule by rule; the oldest prospects first.

    Who left since the rules were written gets nobody. Two who do this at once do it one after the other.

    Args:
        dry_run: only say what would be done.
    """
    await session.execute(text("LOCK TABLE book_rules IN SHARE ROW EXCLUSIVE MODE"))
    rules = (await read_rules(session)).rules
    sizes = {book.owner.id: book.customers for book in (await list_books(session)).items}
    active = set(await session.scalars(select(Agent.id).where(Agent.active)))
    given: dict[UUID, UUID | None] = {}
    applied: list[RuleApplied] = []
    more = False
    for rule in rules:
        room = MOST_PROSPECTS - len(given)
        prospects = await _prospects(session, rule, room + len(given) + 1)
        prospects = [customer_id for customer_id in prospects if customer_id not in given]
        more = more or len(prospects) > room
        takers = [(sizes.get(manager, 0), str(manager)) for manager in rule.manager_ids if manager in active]
        heapq.heapify(takers)
        assigned = 0
        for customer_id in prospects[:room]:
            if not takers or takers[0][0] >= rule.most:
                break
            size, manager = takers[0]
            given[customer_id] = UUID(manager)
            sizes[UUID(manager)] = size + 1
            heapq.heapreplace(takers, (size + 1, manager))
            assigned += 1
        applied.append(RuleApplied(name=rule.name, assigned=assigned, no_room=len(prospects[:room]) - assigned))
    if not dry_run:
        await give(session, given, by)
    return RulesApplied(rules=applied, more=more)


async def _prospects(session: AsyncSession, rule: BookRule, limit: int) -> Sequence[UUID]:
    wanted = select(Customer.id).where(Customer.owner_id.is_(None), Customer.merged_into_id.is_(None))
    conditions = rule.conditions
    if conditions.kind is not None:
        wanted = wanted.where(Customer.kind == conditions.kind)
    if conditions.tiers is not None:
        wanted = wanted.where(Customer.tier.in_(conditions.tiers))
    if conditions.regions is not None:
        wanted = wanted.where(Customer.region.in_(conditions.regions))
    return (await session.scalars(wanted.order_by(Customer.id).limit(limit))).all()


async def _check_managers(session: AsyncSession, ids: Sequence[UUID]) -> None:
    known = set(await session.scalars(select(Agent.id).where(Agent.id.in_(ids), Agent.active)))
    if not known.issuperset(ids):
        raise UnknownOwner("Who is to own customers must be one of the active agents.")
