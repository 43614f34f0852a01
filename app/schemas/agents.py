"""The people who work here, and the API tokens that act for them."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StrictBool

from app.domain.scopes import Scope
from app.models.people import Role
from app.schemas.common import EmailAddress, FilledLine, LanguageTag, left_out
from app.schemas.queues import QueueKey
from app.schemas.session import NewPassword

MOST_QUEUES = 50

QueueKeys = Annotated[list[QueueKey], Field(max_length=MOST_QUEUES, description="The queues whose calls they take.")]


class AgentCreate(BaseModel):
    """Somebody new."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "email": "li.na@example.com",
                    "name": "李娜",
                    "role": "agent",
                    "password": "three words for you",
                    "queues": ["hotline"],
                }
            ]
        },
    )

    email: EmailAddress
    name: FilledLine
    role: Role = Role.AGENT
    language: LanguageTag = "zh-CN"
    password: NewPassword | None = Field(default=None, description="Without one nobody can sign in; tokens work.")
    queues: QueueKeys = []


class AgentUpdate(BaseModel):
    """What is to change; everything left out stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"role": "supervisor"}]})

    email: EmailAddress = left_out()
    name: FilledLine = left_out()
    role: Role = left_out()
    language: LanguageTag = left_out()
    password: NewPassword = left_out()
    active: StrictBool = left_out()
    queues: QueueKeys = left_out()


class AgentRead(BaseModel):
    """A person who works here."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    "id": "0192f0c4-7a3e-7cc0-9d2b-6f1f8f3a1b02",
                    "email": "li.na@example.com",
                    "name": "李娜",
                    "role": "agent",
                    "language": "zh-CN",
                    "identity": "agent_0192f0c47a3e7cc09d2b6f1f8f3a1b02",
                    "active": True,
                    "queues": ["hotline"],
                    "created_at": "2026-11-20T08:00:00Z",
                }
            ]
        },
    )

    id: UUID
    email: str
    name: str
    role: Role
    language: str
    identity: str = Field(description="The name their softphone registers under.")
    active: bool = Field(description="False for those who may no longer sign in.")
    queues: list[str]
    created_at: datetime


class TokenCreate(BaseModel):
    """A token for a program."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"name": "exchange", "scopes": ["lookup"], "expires_at": "2027-06-30T00:00:00Z"}]
        },
    )

    name: FilledLine = Field(description="Which program it is for.")
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=50, description="Within what the role may do.")]
    expires_at: AwareDatetime | None = Field(
        default=None, description="Within ten years; null for a token that only ends by being revoked."
    )


class TokenRead(BaseModel):
    """A token, without its secret."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    "id": "0192f0c4-7a3e-7cc0-9d2b-6f1f8f3a1b03",
                    "name": "exchange",
                    "scopes": ["lookup"],
                    "created_at": "2026-11-21T08:00:00Z",
                    "expires_at": "2027-06-30T00:00:00Z",
                    "last_used_at": None,
                    "revoked_at": None,
                }
            ]
        },
    )

    id: UUID
    name: str
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute.")
    revoked_at: datetime | None


class NewToken(TokenRead):
    """A token that was just made, with the secret that is shown this once."""

    token: str = Field(description="For the Authorization header: `Bearer cc_…`.", examples=["cc_" + "x" * 43])
