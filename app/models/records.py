"""What surrounds a customer's record: who feeds it, how it changed, what was noted and what was used."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Numeric, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, HasId, HasTimes


class Source(HasTimes, Base):
    """A system that feeds customers in, and how far it is believed.

    Where sources disagree, one that is `trusted` beats one that is not, then the higher `rank` beats the lower, then
    the newest word counts. A source without a row here is trusted, with rank 0. After a change of trust its customers
    are settled anew, in the order of their ids: `settled_to` is the last that was, None when all are.
    """

    __tablename__ = "sources"

    key: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(server_default="")
    rank: Mapped[int] = mapped_column(server_default=text("0"))
    trusted: Mapped[bool] = mapped_column(server_default=text("true"))
    settled_to: Mapped[UUID | None]


class CustomerChange(HasId, Base):
    """One field of a customer's record that changed. Rows are only ever added.

    By an agent (`agent_id`) or by what a source says (`source`, and the import that brought it). `why` is what the
    agent gave as the reason, or a word of ours for what follows by a rule (`services/standing.py`).
    """

    __tablename__ = "customer_changes"
    __table_args__ = (Index("ix_customer_changes_customer_id_at", "customer_id", text("at DESC"), text("id DESC")),)

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    agent_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"))
    source: Mapped[str | None]
    import_id: Mapped[UUID | None]
    field: Mapped[str]
    old: Mapped[Any] = mapped_column(JSONB(none_as_null=True), nullable=True)
    new: Mapped[Any] = mapped_column(JSONB(none_as_null=True), nullable=True)
    why: Mapped[str] = mapped_column(server_default="")


class StageMove(HasId, Base):
    """A customer who went from one sales stage to another. Rows are only ever added.

    The same is in `customer_changes`, for whoever reads of one customer; here it is for counting: `owner_id` is in
    whose book they were then. `at` is the moment itself and not the transaction's beginning: of two who move a customer
    at once, one waited.
    """

    __tablename__ = "stage_moves"
    __table_args__ = (
        Index("ix_stage_moves_at", "at", "id"),
        Index("ix_stage_moves_customer_id_at", "customer_id", "at", "id"),
    )

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    from_stage: Mapped[int]
    to_stage: Mapped[int]
    owner_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"))
    agent_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"))
    why: Mapped[str] = mapped_column(server_default="")


class CustomerNote(HasId, Base):
    """Something that somebody noted of a customer. Notes are added, never changed."""

    __tablename__ = "customer_notes"
    __table_args__ = (Index("ix_customer_notes_customer_id_at", "customer_id", text("at DESC"), text("id DESC")),)

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"))
    agent_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"))
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    body: Mapped[str]


class CustomerUsage(HasId, Base):
    """What a source measured of a customer's use: a value of a key at a time, such as visits or hours a month."""

    __tablename__ = "customer_usage"
    __table_args__ = (UniqueConstraint("customer_id", "source", "key", "at"),)

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"))
    source: Mapped[str]
    key: Mapped[str]
    at: Mapped[datetime]
    value: Mapped[Decimal] = mapped_column(Numeric(18, 4))
