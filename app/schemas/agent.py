"""The agent's own phone over REST: presence and the softphone's token."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.models.routing import Presence
from app.schemas.common import Word


class PresenceChoice(BaseModel):
    """What an agent may say of themselves; the other states come and go with calls."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"state": "available"}, {"state": "break", "reason": "lunch"}]}
    )

    state: Literal["offline", "available", "break"]
    reason: Word = ""


class PresenceRead(BaseModel):
    """What an agent is doing."""

    model_config = ConfigDict(from_attributes=True)

    state: Presence
    reason: str
    since: datetime
    call_id: UUID | None = Field(description="The call they are reserved for, on, or wrapping up.")


class VoiceToken(BaseModel):
    """What a softphone registers with."""

    token: str
    identity: str
    expires_at: datetime
