"""Contacts with customers on any channel."""

from datetime import UTC, datetime
from typing import Annotated, Final
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.domain.customer_facts import Channel, Direction
from app.schemas.common import FilledNote, Moment, Word
from app.schemas.screen_pop import PopOwner

_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _since_1970(at: datetime) -> datetime:
    if at < _EARLIEST:
        raise ValueError("must not be before 1970")
    return at


class InteractionCreate(BaseModel):
    """A contact that took place. Calls through the hotline write their own when they are wrapped up."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "channel": "email",
                    "direction": "inbound",
                    "at": "2026-11-20T09:30:00Z",
                    "summary": "问保修期还有多久。",
                }
            ]
        },
    )

    channel: Channel
    direction: Direction
    at: Annotated[Moment, AfterValidator(_since_1970)] | None = Field(
        default=None, description="When it was, not in the future; now when left out."
    )
    summary: FilledNote
    source: Word = Field(default="", description="The system that says so.")


class InteractionRead(BaseModel):
    """One contact. `agent` is who of us it was with, or who wrote it down."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    channel: Channel
    direction: Direction
    at: datetime
    agent: PopOwner | None
    call_id: UUID | None
    summary: str
    source: str
    created_at: datetime
