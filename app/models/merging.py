"""Two customers who are one: who was merged into whom, and what was moved by it, so that it can be taken back."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, HasId


class Merge(HasId, Base):
    """One merge: the customer with the older code (`survivor_id`) took in the other.

    `survivor_before` and `survivor_after` are the survivor's row before and after; taking the merge back restores what
    was not changed since. `absorbed_before` is the other's row. Without `by_id` it was done by the service itself.
    """

    __tablename__ = "merges"
    __table_args__ = (
        Index("ix_merges_survivor_id_merged_at", "survivor_id", text("merged_at DESC"), text("id DESC")),
        Index("ix_merges_absorbed_id", "absorbed_id"),
    )

    survivor_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"))
    absorbed_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"))
    merged_at: Mapped[datetime] = mapped_column(server_default=func.now())
    by_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"))
    reason: Mapped[str]
    survivor_before: Mapped[dict[str, Any]]
    absorbed_before: Mapped[dict[str, Any]]
    survivor_after: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    undone_at: Mapped[datetime | None]
    undone_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"))


class MergeMove(Base):
    """One row that a merge moved to the survivor.

    `before` holds what else it was, where it was more than moved: a number that the survivor had too is set aside
    whole, and one that stopped being the primary one is noted.
    """

    __tablename__ = "merge_moves"

    merge_id: Mapped[UUID] = mapped_column(ForeignKey("merges.id", ondelete="CASCADE"), primary_key=True)
    table_name: Mapped[str] = mapped_column(primary_key=True)
    row_id: Mapped[UUID] = mapped_column(primary_key=True)
    set_aside: Mapped[bool] = mapped_column(server_default=text("false"))
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
