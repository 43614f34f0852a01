"""What the law asks of us: who looked at whom, and who was forgotten."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, HasId


class Looked(StrEnum):
    """At what of a customer somebody looked."""

    RECORD = "record"
    CARD = "card"
    TIMELINE = "timeline"
    HISTORY = "history"
    EXPORT = "export"


class CardView(HasId, Base):
    """Somebody looked at a customer. Cards that came with a call are in `agent_events`, with when they were shown."""

    __tablename__ = "card_views"
    __table_args__ = (
        Index("ix_card_views_at_id", text("at DESC"), text("id DESC")),
        Index("ix_card_views_customer_id_at", "customer_id", text("at DESC"), text("id DESC")),
        Index("ix_card_views_agent_id_at", "agent_id", text("at DESC"), text("id DESC")),
    )

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"))
    agent_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"))
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    looked_at: Mapped[Looked]
    via: Mapped[str]


class Erasure(HasId, Base):
    """A customer was forgotten: when, by whom and why, and how many rows of which table that touched."""

    __tablename__ = "erasures"

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"), index=True)
    erased_at: Mapped[datetime] = mapped_column(server_default=func.now())
    by_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"))
    reason: Mapped[str]
    rows: Mapped[dict[str, Any]]
