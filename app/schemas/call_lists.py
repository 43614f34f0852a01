"""Daily call lists: the lists themselves, their entries, and how teams want them made."""

from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel, Field

from app.models.call_lists import EntryOutcome, EntrySource, EntryState
from app.schemas.screen_pop import BothLanguages, PopOwner


class ReasonRead(BaseModel):
    """Why somebody is on a list."""

    code: str
    in_words: BothLanguages


class ListedRead(BaseModel):
    """One day on which a customer was on a list, as their card shows it."""

    list_id: UUID
    entry_id: UUID
    day: date
    manager: PopOwner = Field(description="Of whose book the list is.")
    position: int
    source: EntrySource
    reasons: list[ReasonRead]
    state: EntryState
    outcome: EntryOutcome | None
    skip_reason: str
    worked_at: datetime | None
