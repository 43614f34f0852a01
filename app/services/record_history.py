"""How a customer's record changed, and what people noted of them. Both are only ever added to."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from pydantic_core import to_jsonable_python
from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.identity import mask_national_id
from app.models.customers import Customer
from app.models.people import Agent
from app.models.records import CustomerChange, CustomerNote
from app.schemas.listing import Listing
from app.schemas.records import ChangeRead, CustomerNoteCreate, CustomerNoteRead
from app.schemas.screen_pop import PopOwner
from app.services.paging import Page, cut, latest_first

_MASKED: Final = "national_id"


async def log_changes(
    session: AsyncSession,
    customer_id: UUID,
    changes: Mapping[str, tuple[Any, Any]],
    agent_id: UUID | None,
    why: str = "",
) -> None:
    """Write down what changed by somebody's hand: by field, what it was and what it is, and why if they said.

    What the source records decide is written down where it is settled (`services/survivorship.py`).
    """
    session.add_all(
        CustomerChange(
            customer_id=customer_id,
            agent_id=agent_id,
            field=field,
            old=to_jsonable_python(old),
            new=to_jsonable_python(new),
            why=why,
        )
        for field, (old, new) in changes.items()
    )
    await session.flush()


async def read_history(
    session: AsyncSession, customer_id: UUID, page: Page, *, may_see_identity: bool
) -> Listing[ChangeRead]:
    """The changes of a customer's record and of those that were merged into it, the latest first.

    National ids are masked for who may not see them.

    Raises:
        BadCursor: the page's cursor is none of this list.
    """
    wanted = (
        select(CustomerChange, Agent.name)
        .outerjoin(Agent, Agent.id == CustomerChange.agent_id)
        .where(
            or_(
                CustomerChange.customer_id == customer_id,
                CustomerChange.customer_id.in_(select(Customer.id).where(Customer.merged_into_id == customer_id)),
            )
        )
    )
    rows = (await session.execute(latest_first(wanted, page, CustomerChange.at, CustomerChange.id))).all()
    shown, more = cut(rows, page, lambda row: (row[0].at, row[0].id))

    def told(change: CustomerChange, value: Any) -> Any:
        hidden = change.field == _MASKED and not may_see_identity
        return mask_national_id(value) if hidden else value

    return Listing(
        items=[
            ChangeRead(
                id=change.id,
                at=change.at,
                field=change.field,
                old=told(change, change.old),
                new=told(change, change.new),
                agent=PopOwner.found(change.agent_id, name),
                source=change.source,
                import_id=change.import_id,
                why=change.why,
            )
            for change, name in shown
        ],
        next=more,
    )


async def add_note(
    session: AsyncSession, customer: Customer, given: CustomerNoteCreate, agent: PopOwner
) -> CustomerNoteRead:
    """Note something of a customer in one's own name."""
    note = CustomerNote(customer_id=customer.id, agent_id=agent.id, body=given.body)
    session.add(note)
    await session.flush()
    await session.refresh(note)
    return CustomerNoteRead(id=note.id, at=note.at, agent=agent, body=note.body)


async def list_notes(session: AsyncSession, customer_id: UUID, page: Page) -> Listing[CustomerNoteRead]:
    """What was noted of a customer, the latest first.

    Raises:
        BadCursor: the page's cursor is none of this list.
    """
    wanted = (
        select(CustomerNote, Agent.name)
        .outerjoin(Agent, Agent.id == CustomerNote.agent_id)
        .where(CustomerNote.customer_id == customer_id)
    )
    rows = (await session.execute(latest_first(wanted, page, CustomerNote.at, CustomerNote.id))).all()
    shown, more = cut(rows, page, lambda row: (row[0].at, row[0].id))
    return Listing(
        items=[
            CustomerNoteRead(id=note.id, at=note.at, agent=PopOwner.found(note.agent_id, name), body=note.body)
            for note, name in shown
        ],
        next=more,
    )
