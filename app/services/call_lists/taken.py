"""What somebody sees who took an entry: the card, the numbers that may be right, and when the customer answers."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.models.call_lists import CallListEntry
from app.models.rights import Looked
from app.schemas.list_work import BestHourRead, TakenEntry, WorkEntry
from app.services import contact_masking
from app.services.access import Signed
from app.services.call_lists.working import best_hour_of
from app.services.call_lists.worklist import entry_read, read_lines
from app.services.card_views import note_view
from app.services.customer_card import read_card
from app.services.customer_phones import phone_read, phones_of
from app.services.hotline import Hotline


async def read_entry(session: AsyncSession, entry_id: UUID, hotline: Hotline, by: Signed) -> WorkEntry:
    """An entry as `by` may see it."""
    (line,) = await read_lines(session, CallListEntry.id == entry_id)
    return contact_masking.entry_for(by, entry_read(line, hotline))


async def read_taken(
    session: AsyncSession, entry_id: UUID, hotline: Hotline, by: Signed, now: datetime, customer_years: int
) -> TakenEntry:
    """An entry with all that it takes to call, as `by` may see it; that they looked is written down."""
    (line,) = await read_lines(session, CallListEntry.id == entry_id)
    await note_view(session, line.customer.id, Looked.CARD, by)
    card = await read_card(session, line.customer, hotline, now, by, customer_years)
    best = await best_hour_of(session, line.customer, hotline)
    return TakenEntry(
        entry=contact_masking.entry_for(by, entry_read(line, hotline)),
        card=contact_masking.card_for(by, card),
        numbers=[
            contact_masking.phone_for(by, phone_read(phone, hotline))
            for phone in await phones_of(session, line.customer.id)
            if phone.wrong_since is None
        ],
        best_hour=BestHourRead(hour=best.hour, chance=best.chance, tries=best.tries) if best else None,
    )
