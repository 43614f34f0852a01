"""Who looked at whom: every look at a customer is written down, and supervisors can read it."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models.customers import Customer
from app.models.people import Agent
from app.models.rights import CardView, Looked
from app.schemas.listing import Listing
from app.schemas.merges import MergedCustomer
from app.schemas.rights import ViewRead
from app.schemas.screen_pop import PopOwner
from app.services.access import Signed
from app.services.paging import Page, cut, latest_first


async def note_view(session: AsyncSession, customer_id: UUID, looked_at: Looked, by: Signed) -> None:
    """Write down that `by` looks at a customer, in the transaction that shows them."""
    await note_views(session, [customer_id], looked_at, by)


async def note_views(session: AsyncSession, customer_ids: Iterable[UUID], looked_at: Looked, by: Signed) -> None:
    """The same of several customers who are shown at once."""
    session.add_all(
        CardView(customer_id=customer_id, agent_id=by.agent_id, looked_at=looked_at, via=by.via.value)
        for customer_id in customer_ids
    )
    await session.flush()


async def list_views(
    session: AsyncSession, page: Page, *, customer_id: UUID | None = None, agent_id: UUID | None = None
) -> Listing[ViewRead]:
    """Who looked at whom, the latest first; of one customer or by one agent if asked.

    Raises:
        BadCursor: the page's cursor is none of this list.
    """
    wanted = (
        select(CardView, Customer, Agent.name)
        .join(Customer, Customer.id == CardView.customer_id)
        .outerjoin(Agent, Agent.id == CardView.agent_id)
    )
    if customer_id is not None:
        wanted = wanted.where(CardView.customer_id == customer_id)
    if agent_id is not None:
        wanted = wanted.where(CardView.agent_id == agent_id)
    rows = (await session.execute(latest_first(wanted, page, CardView.at, CardView.id))).all()
    shown, more = cut(rows, page, lambda row: (row[0].at, row[0].id))
    return Listing(
        items=[
            ViewRead(
                id=view.id,
                at=view.at,
                agent=PopOwner.found(view.agent_id, name),
                customer=MergedCustomer(id=customer.id, code=customer.code, name=customer.name),
                looked_at=view.looked_at,
                via=view.via,
            )
            for view, customer, name in shown
        ],
        next=more,
    )
