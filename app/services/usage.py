"""What sources measured of a customer's use: values of a key over time."""

from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from app.models.records import CustomerUsage
from app.schemas.listing import Listing
from app.schemas.records import UsageRead, UsageSeries
from app.services.paging import Page, cut, latest_first


async def list_usage(session: AsyncSession, customer_id: UUID, page: Page) -> Listing[UsageRead]:
    """All that was measured of a customer, the latest first.

    Raises:
        BadCursor: the page's cursor is none of this list.
    """
    wanted = select(CustomerUsage).where(CustomerUsage.customer_id == customer_id)
    rows = (await session.scalars(latest_first(wanted, page, CustomerUsage.at, CustomerUsage.id))).all()
    shown, more = cut(rows, page, lambda row: (row.at, row.id))
    return Listing(items=[UsageRead.model_validate(row) for row in shown], next=more)


async def latest_usage(session: AsyncSession, customer_id: UUID) -> list[UsageSeries]:
    """The newest value of each thing that is measured of a customer, by source and key."""
    count = func.count().over(partition_by=(CustomerUsage.source, CustomerUsage.key)).label("values_count")
    rows = await session.execute(
        select(CustomerUsage.source, CustomerUsage.key, CustomerUsage.at, CustomerUsage.value, count)
        .ext(distinct_on(CustomerUsage.source, CustomerUsage.key))
        .where(CustomerUsage.customer_id == customer_id)
        .order_by(CustomerUsage.source, CustomerUsage.key, CustomerUsage.at.desc())
    )
    return [
        UsageSeries(source=row.source, key=row.key, at=row.at, value=row.value, values=row.values_count) for row in rows
    ]
