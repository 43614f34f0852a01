"""Books: the rules by which prospects get an account manager, and claims to customers."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Uuid, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.books import ClaimOutcome, ClaimReason
from app.models.base import Base, HasId


class BookRule(Base):
    """One rule: prospects that fit `conditions` go to whichever of `manager_ids` has the smallest book.

    Rules are tried by `position`; a book is full with `most` customers.
    """

    __tablename__ = "book_rules"
    __table_args__ = (CheckConstraint("most BETWEEN 1 AND 100000", name="most"),)

    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str]
    conditions: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    manager_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()))
    most: Mapped[int] = mapped_column(server_default=text("1000"))


class Claim(HasId, Base):
    """Somebody said that a customer is theirs, and what the rule made of it. Rows are only ever added."""

    __tablename__ = "claims"
    __table_args__ = (Index("ix_claims_customer_id_at", "customer_id", text("at DESC"), text("id DESC")),)

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"))
    agent_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"))
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    outcome: Mapped[ClaimOutcome]
    reason: Mapped[ClaimReason]
    contact_at: Mapped[datetime | None]
    owner_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"))
    protected_until: Mapped[datetime | None]
