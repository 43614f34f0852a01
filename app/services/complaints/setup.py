"""How complaints are set up: categories, what severities allow, partners, and how much goodwill a role may give."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.complaint_states import SETTLED
from app.errors import Conflict, Invalid, NotFound
from app.models.complaints import Complaint, ComplaintCategory, GoodwillLimit, Partner, Severity, SeverityRule
from app.models.people import Role
from app.schemas.help import (
    CategoryCreate,
    CategoryRead,
    CategoryUpdate,
    GoodwillLimitRead,
    GoodwillLimitUpdate,
    PartnerCreate,
    PartnerRead,
    PartnerUpdate,
    SeverityRead,
    SeverityUpdate,
)
from app.schemas.screen_pop import BothLanguages
from app.services.complaints.clock import rule_of


class UnknownCategory(Invalid):
    """What is named as category is none, or none that is offered any more."""

    code = "unknown_category"


class NoSuchCategory(NotFound):
    """There is no category of that id or key."""

    code = "no_such_category"
    title = "No such category"


class NoSuchPartner(NotFound):
    """There is no partner of that id."""

    code = "no_such_partner"
    title = "No such partner"


class NameTaken(Conflict):
    """Another one has that name."""

    code = "name_taken"
    title = "That name is taken"


class OwnAncestor(Conflict):
    """A category cannot stand under itself."""

    code = "category_under_itself"


async def category_named(session: AsyncSession, ref: str) -> ComplaintCategory | None:
    """A category by id or key."""
    try:
        return await session.get(ComplaintCategory, UUID(ref))
    except ValueError:
        return await session.scalar(select(ComplaintCategory).where(ComplaintCategory.key == ref))


async def offered_category(session: AsyncSession, ref: str) -> ComplaintCategory:
    """A category that complaints may have. Raises UnknownCategory."""
    found = await category_named(session, ref)
    if found is None or not found.active:
        raise UnknownCategory("That is no category of complaints. `GET /complaint-categories` lists them.")
    return found


async def categories_under(session: AsyncSession, ref: str) -> frozenset[UUID]:
    """A category, offered still or not, and all that stand under it. Raises UnknownCategory."""
    top = await category_named(session, ref)
    if top is None:
        raise UnknownCategory("That is no category of complaints. `GET /complaint-categories` lists them.")
    under = select(ComplaintCategory.id).where(ComplaintCategory.id == top.id).cte(recursive=True)
    under = under.union_all(select(ComplaintCategory.id).join(under, ComplaintCategory.parent_id == under.c.id))
    return frozenset(await session.scalars(select(under.c.id)))


async def list_categories(session: AsyncSession) -> list[CategoryRead]:
    """The whole tree, as it is walked: each category before those under it, neighbours in their order."""
    rows = list(
        await session.scalars(select(ComplaintCategory).order_by(ComplaintCategory.position, ComplaintCategory.key))
    )
    under: dict[UUID | None, list[ComplaintCategory]] = {}
    for row in rows:
        under.setdefault(row.parent_id, []).append(row)
    keys = {row.id: row.key for row in rows}
    found: list[CategoryRead] = []

    def walk(parent: UUID | None) -> None:
        for row in under.get(parent, ()):
            found.append(_category_read(row, keys.get(row.parent_id) if row.parent_id else None))
            walk(row.id)

    walk(None)
    return found


async def add_category(session: AsyncSession, given: CategoryCreate) -> CategoryRead:
    """A new category. Raises NameTaken, UnknownCategory."""
    parent = await offered_category(session, given.parent) if given.parent else None
    row = ComplaintCategory(**given.model_dump(exclude={"parent"}), parent_id=parent.id if parent else None)
    await _add(session, row)
    return _category_read(row, parent.key if parent else None)


async def change_category(session: AsyncSession, ref: str, given: CategoryUpdate) -> CategoryRead:
    """Change what is given. Raises NoSuchCategory, UnknownCategory, OwnAncestor."""
    # All of them, so that two who move categories at once cannot make a ring together.
    await session.execute(select(ComplaintCategory.id).order_by(ComplaintCategory.id).with_for_update())
    row = await category_named(session, ref)
    if row is None:
        raise NoSuchCategory("There is no such category.")
    values = given.model_dump(exclude_unset=True)
    if "parent" in values:
        parent_ref = values.pop("parent")
        parent = await offered_category(session, parent_ref) if parent_ref else None
        above = parent
        while above is not None:
            if above.id == row.id:
                raise OwnAncestor("A category cannot stand under itself.")
            above = await session.get(ComplaintCategory, above.parent_id) if above.parent_id else None
        row.parent_id = parent.id if parent else None
    _change(row, values)
    await session.flush()
    parent = await session.get(ComplaintCategory, row.parent_id) if row.parent_id else None
    return _category_read(row, parent.key if parent else None)


def _category_read(row: ComplaintCategory, parent: str | None) -> CategoryRead:
    return CategoryRead(
        id=row.id,
        key=row.key,
        parent=parent,
        name=BothLanguages(zh=row.name_zh, en=row.name_en),
        severity=row.severity,
        position=row.position or 0,
        active=row.active is not False,
    )


async def list_partners(session: AsyncSession) -> list[PartnerRead]:
    """All partners by name, with how much each has to settle."""
    unsettled = (
        select(Complaint.partner_id, func.count().label("count"))
        .where(Complaint.partner_id.is_not(None), Complaint.state.not_in(SETTLED))
        .group_by(Complaint.partner_id)
        .subquery()
    )
    rows = await session.execute(
        select(Partner, func.coalesce(unsettled.c.count, 0))
        .outerjoin(unsettled, unsettled.c.partner_id == Partner.id)
        .order_by(Partner.name)
    )
    return [_partner_read(partner, count) for partner, count in rows]


async def add_partner(session: AsyncSession, given: PartnerCreate) -> PartnerRead:
    """A new partner. Raises NameTaken."""
    row = Partner(**given.model_dump(), active=True)
    await _add(session, row)
    return _partner_read(row, 0)


async def change_partner(session: AsyncSession, partner_id: UUID, given: PartnerUpdate) -> PartnerRead:
    """Change what is given. Raises NoSuchPartner, NameTaken."""
    row = await session.get(Partner, partner_id, with_for_update=True)
    if row is None:
        raise NoSuchPartner("There is no such partner.")
    try:
        async with session.begin_nested():
            _change(row, given.model_dump(exclude_unset=True))
            await session.flush()
    except IntegrityError:
        raise NameTaken("Another partner has that name.") from None
    return next(partner for partner in await list_partners(session) if partner.id == partner_id)


def _partner_read(row: Partner, unsettled: int) -> PartnerRead:
    stored = {name: getattr(row, name) for name in PartnerRead.model_fields if name != "unsettled"}
    return PartnerRead(**stored, unsettled=unsettled)


async def list_severities(session: AsyncSession) -> list[SeverityRead]:
    """What each severity allows, the least grave first."""
    rows = {row.severity: row for row in await session.scalars(select(SeverityRule))}
    return [SeverityRead.model_validate(rows[severity]) for severity in Severity]


async def change_severity_rule(session: AsyncSession, severity: Severity, given: SeverityUpdate) -> SeverityRead:
    """Say what a severity allows from now on."""
    row = await rule_of(session, severity)
    row.due_minutes, row.warn_percent = given.due_minutes, sorted(given.warn_percent)
    await session.flush()
    return SeverityRead.model_validate(row)


async def list_goodwill_limits(session: AsyncSession) -> list[GoodwillLimitRead]:
    """What roles may give; who may supervise complaints needs no limit."""
    rows = await session.scalars(select(GoodwillLimit).order_by(GoodwillLimit.role, GoodwillLimit.currency))
    return [GoodwillLimitRead.model_validate(row) for row in rows]


async def set_goodwill_limit(session: AsyncSession, role: Role, given: GoodwillLimitUpdate) -> GoodwillLimitRead:
    """Say how much a role may give in a currency."""
    await session.execute(
        insert(GoodwillLimit)
        .values(role=role, **given.model_dump())
        .on_conflict_do_update(
            index_elements=[GoodwillLimit.role, GoodwillLimit.currency], set_={"amount": given.amount}
        )
    )
    return GoodwillLimitRead(role=role, **given.model_dump())


async def _add(session: AsyncSession, row: ComplaintCategory | Partner) -> None:
    try:
        async with session.begin_nested():
            session.add(row)
            await session.flush()
    except IntegrityError:
        raise NameTaken("There is one of that name already.") from None


def _change(row: ComplaintCategory | Partner, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        setattr(row, name, value)
