"""The same trouble again: of this customer in this category, or of anybody with this batch of the product."""

from typing import Final

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models.complaints import Complaint
from app.schemas.complaints import Repeat, RepeatKind

_SHOWN: Final = 5


async def repeats(session: AsyncSession, complaint: Complaint) -> list[Repeat]:
    """What came before a complaint that is like it, by kind: how often, and the latest of them."""
    found = []
    if complaint.customer_id is not None and complaint.category_id is not None:
        same = and_(Complaint.customer_id == complaint.customer_id, Complaint.category_id == complaint.category_id)
        found.append(await _before(session, complaint, RepeatKind.CUSTOMER, same))
    if complaint.batch:
        same = and_(Complaint.batch == complaint.batch, Complaint.product == complaint.product, Complaint.batch != "")
        found.append(await _before(session, complaint, RepeatKind.BATCH, same))
    return [repeat for repeat in found if repeat.count]


async def _before(session: AsyncSession, complaint: Complaint, kind: RepeatKind, same: ColumnElement[bool]) -> Repeat:
    rows = await session.execute(
        select(Complaint.code, func.count().over().label("count"))
        .where(same, Complaint.id != complaint.id, Complaint.opened_at <= complaint.opened_at)
        .order_by(Complaint.opened_at.desc(), Complaint.id.desc())
        .limit(_SHOWN)
    )
    shown = rows.all()
    return Repeat(kind=kind, count=shown[0].count if shown else 0, codes=[row.code for row in shown])
