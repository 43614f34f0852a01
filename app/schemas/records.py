"""What surrounds a customer's record: whose word a field is, how it changed, notes, and what was used."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.schemas.common import EmailAddress, FilledLine, FilledNote, Line, Word
from app.schemas.screen_pop import PopOwner


class CompanyContact(BaseModel):
    """A person at a company."""

    model_config = ConfigDict(extra="forbid")

    name: FilledLine
    role: Word = ""
    phone: Line = ""
    email: EmailAddress | None = None


class FieldOrigin(BaseModel):
    """Whose word the value of a field is."""

    source: str = Field(
        description="A feeding system's key; `hand` when somebody typed it here; `derived` or, with `is_derived`, any "
        "source where it follows from what that said; `own` for what stood here before any source was heard."
    )
    said_at: datetime
    agent: PopOwner | None = Field(description="Who typed it.")
    is_derived: bool


class ChangeRead(BaseModel):
    """One field of a customer's record that changed."""

    id: UUID
    at: datetime
    field: str
    old: Any = Field(description="Null when there was none. National ids are masked as on the record.")
    new: Any
    agent: PopOwner | None = Field(description="Who did it; null when a source or the service itself did.")
    source: str | None = Field(description="The system whose word it was.")
    import_id: UUID | None
    why: str = Field(
        description="As whoever did it said; or `contract_signed`, `contract_ran_out`, `by_value` for what follows by "
        "itself. Empty where nobody said."
    )


class CustomerNoteCreate(BaseModel):
    """Something worth knowing of a customer."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"body": "下周装修，空调改到十二月再装。"}]}
    )

    body: FilledNote


class CustomerNoteRead(BaseModel):
    """What somebody noted; it stays as it was written."""

    id: UUID
    at: datetime
    agent: PopOwner | None
    body: str


class UsageRead(BaseModel):
    """A value that a source measured."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    source: str
    key: str
    at: datetime
    value: Decimal


class UsageSeries(BaseModel):
    """One thing that a source measures of a customer, with the newest value."""

    source: str
    key: str
    at: datetime
    value: Decimal
    values: int = Field(description="How many there are; `/customers/{id}/usage` lists them.")
