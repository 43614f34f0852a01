"""Customers who may be one person: what was learnt to tell them, when it was looked, what was said of each pair."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.linkage import Outcome
from app.models.base import Base, HasId, HasTimes


class ReviewStatus(StrEnum):
    """Where the question stands: open, one person and merged, two people (never asked again)."""

    OPEN = "open"
    MERGED = "merged"
    DIFFERENT = "different"


class LinkageModelRow(HasId, Base):
    """What a run learnt from the customers, so that later runs and checks decide by the same measure. Never changed."""

    __tablename__ = "linkage_models"

    parameters: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class LinkageRun(HasId, Base):
    """One search for duplicates. `seen_up_to` is the database's time at which the customers were read."""

    __tablename__ = "linkage_runs"

    model_id: Mapped[UUID] = mapped_column(ForeignKey("linkage_models.id"))
    incremental: Mapped[bool]
    seen_up_to: Mapped[datetime]
    customers: Mapped[int]
    found: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class DuplicateReview(HasId, HasTimes, Base):
    """Two customers who may be one. `low_id` < `high_id`; a pair has one row, whatever becomes of it.

    `score` is in bits, `reasons` says field by field what they are made of: `[{"field", "level", "bits"}]`.
    """

    __tablename__ = "duplicate_reviews"
    __table_args__ = (
        UniqueConstraint("low_id", "high_id"),
        CheckConstraint("low_id < high_id", name="low_is_lower"),
        CheckConstraint("suggested = ANY ('{same,maybe}'::text[])", name="suggested_is_no_refusal"),
        CheckConstraint("(decided_at IS NULL) = (status = 'open')", name="decided_when_not_open"),
        Index("ix_duplicate_reviews_high_id", "high_id"),
        Index("ix_duplicate_reviews_status_score", "status", text("score DESC"), text("id DESC")),
    )

    low_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"))
    high_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"))
    score: Mapped[float]
    suggested: Mapped[Outcome]
    reasons: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    status: Mapped[ReviewStatus] = mapped_column(server_default=ReviewStatus.OPEN.value)
    model_id: Mapped[UUID | None] = mapped_column(ForeignKey("linkage_models.id", ondelete="SET NULL"))
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"))
    decided_at: Mapped[datetime | None]
