"""A person's rights: being told, being forgotten, and who looked."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.models.rights import Looked
from app.schemas.common import FilledLine
from app.schemas.merges import MergedCustomer
from app.schemas.screen_pop import PopOwner


class ExportFormat(StrEnum):
    """For programs, or for people."""

    JSON = "json"
    HTML = "html"


class EraseRequest(BaseModel):
    """Why a customer is to be forgotten; without anything that says who they are, for it is kept."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"reason": "asked for it in writing"}]})

    reason: FilledLine


class ErasureRead(BaseModel):
    """What was done to forget a customer."""

    id: UUID
    customer_id: UUID
    code: str
    erased_at: datetime
    reason: str
    rows: dict[str, int] = Field(description="How many rows of which table were deleted or emptied.")
    recordings_at_carrier: list[str] = Field(
        description="Recordings that the carrier holds, by its ids: to be deleted there, for we forget them."
    )


class ViewRead(BaseModel):
    """Somebody looked at a customer."""

    id: UUID
    at: datetime
    agent: PopOwner | None
    customer: MergedCustomer
    looked_at: Looked
    via: str = Field(description="`session` or `token`.")
