"""Merging customers, and taking it back."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.schemas.common import FilledLine, FilledWord
from app.schemas.screen_pop import PopOwner


class MergeCreate(BaseModel):
    """The other customer who is the same, and why."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"other": "C0001042", "reason": "same number and birth date"}]}
    )

    other: FilledWord = Field(description="Id or code.")
    reason: FilledLine


class MergedCustomer(BaseModel):
    """One of the two, as they were when they were merged."""

    id: UUID
    code: str
    name: str


class MergeRead(BaseModel):
    """A merge: the customer with the older code took in the other."""

    id: UUID
    survivor: MergedCustomer
    absorbed: MergedCustomer
    merged_at: datetime
    by: PopOwner | None = Field(description="None when the service did it by itself.")
    reason: str
    moved: dict[str, int] = Field(
        description="How many rows of which kind went to the survivor.",
        examples=[{"customer_phones": 1, "calls": 3, "purchases": 2}],
    )
    undone_at: datetime | None
    undone_by: PopOwner | None
