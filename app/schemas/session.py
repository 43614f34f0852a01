"""Signing in, who is signed in, and changing a password."""

from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from app.domain.scopes import Scope
from app.models.people import Role
from app.schemas.common import EmailAddress

SHORTEST_PASSWORD: Final = 10
LONGEST_PASSWORD: Final = 256

GivenPassword = Annotated[SecretStr, Field(min_length=1, max_length=LONGEST_PASSWORD)]
NewPassword = Annotated[
    SecretStr,
    Field(
        min_length=SHORTEST_PASSWORD,
        max_length=LONGEST_PASSWORD,
        description="Any characters; several words are easiest to remember and hardest to guess.",
    ),
]


class SignIn(BaseModel):
    """Who wants to sign in."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"email": "li.na@example.com", "password": "three words for you"}]},
    )

    email: EmailAddress
    password: GivenPassword


class PasswordChange(BaseModel):
    """The password as it is and as it is to be."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"current_password": "three words for you", "new_password": "four other words for you"}]
        },
    )

    current_password: GivenPassword
    new_password: NewPassword


class Me(BaseModel):
    """The person who is asking."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    email: str
    name: str
    role: Role
    language: str


class SessionRead(BaseModel):
    """Who is asking, by what, and what they may do."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "agent": {
                        "id": "0192f0c4-7a3e-7cc0-9d2b-6f1f8f3a1b02",
                        "email": "li.na@example.com",
                        "name": "李娜",
                        "role": "agent",
                        "language": "zh-CN",
                    },
                    "scopes": ["agent", "calls:read", "calls:write", "customers:read", "customers:write", "lookup"],
                    "via": "session",
                    "expires_at": "2026-11-21T20:00:00Z",
                }
            ]
        }
    )

    agent: Me
    scopes: list[Scope] = Field(description="What may be done with this session or token.")
    via: Literal["session", "token"]
    expires_at: datetime | None = Field(
        description="When it ends; null for a token without end. Being used prolongs a session, to a week at most."
    )
