"""Agents and how they prove who they are: sessions, API tokens, counted sign-in attempts."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, Index, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Text

from app.models.base import Base, HasId, HasTimes


class Role(StrEnum):
    """What a person does here; `app.services.access` says what each may."""

    AGENT = "agent"
    ACCOUNT_MANAGER = "account_manager"
    SUPERVISOR = "supervisor"
    ANALYST = "analyst"
    ADMIN = "admin"


class Agent(HasId, HasTimes, Base):
    """A person who signs in. `identity` is the name their softphone registers under with the carrier."""

    __tablename__ = "agents"
    __table_args__ = (Index("uq_agents_email_lower", func.lower(text("email")), unique=True),)

    email: Mapped[str]
    name: Mapped[str]
    role: Mapped[Role]
    language: Mapped[str] = mapped_column(server_default="zh-CN")
    identity: Mapped[str] = mapped_column(unique=True)
    password_hash: Mapped[str | None]
    active: Mapped[bool] = mapped_column(server_default=text("true"))


class AgentSession(HasId, Base):
    """One signed-in browser. Only the SHA-256 of its cookie is kept."""

    __tablename__ = "agent_sessions"

    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agents.id", ondelete="CASCADE"), index=True)
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime] = mapped_column(index=True)
    user_agent: Mapped[str] = mapped_column(server_default="")
    address: Mapped[str] = mapped_column(server_default="")


class ApiToken(HasId, Base):
    """A token for a program, shown once when made. Only its SHA-256 is kept; it acts as `agent_id`, within `scopes`."""

    __tablename__ = "api_tokens"

    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agents.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class SignInAttempts(Base):
    """Failed sign-ins counted per key (an address, an account from an address, a known device) and window."""

    __tablename__ = "sign_in_attempts"

    key: Mapped[str] = mapped_column(primary_key=True)
    window_started_at: Mapped[datetime] = mapped_column(index=True)
    failures: Mapped[int] = mapped_column(server_default=text("0"))
