"""What sources measured of a customer's use: values of a key over time."""

from uuid import UUID

from sqlalchemy import func, literal, select, tuple_
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from app.models.records import CustomerUsage
from app.schemas.listing import Listing
from app.schemas.records import UsageRead, UsageSeries
from app.services.paging import Page, aware_time, decode_cursor, encode_cursor


async def list_usage(session: AsyncSession, customer_id: UUID, page: Page) -> Listing[UsageRead]:
    """All that was measured of a customer, the latest first.

    Raises:
        BadCursor: the page's cursor is none of this list.
    """
    wanted = select(CustomerUsage).where(CustomerUsage.customer_id == customer_id)
    if page.cursor:
        at, before = decode_cursor(page.cursor, aware_time, UUID)
        wanted = wanted.where(tuple_(CustomerUsage.at, CustomerUsage.id) < tuple_(literal(at), literal(before)))
    ordered = wanted.order_by(CustomerUsage.at.desc(), CustomerUsage.id.desc()).limit(page.limit + 1)
    rows = (await session.scalars(ordered)).all()
    shown = rows[: page.limit]
    return Listing(
        items=[UsageRead.model_validate(row) for row in shown],
        next=encode_cursor(shown[-1].at, shown[-1].id) if len(rows) > page.limit else None,
    )


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
