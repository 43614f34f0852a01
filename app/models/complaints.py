"""Complaints: what was complained of, whose it is, by when, and everything that happened to it."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import BigInteger, Text

from app.domain.complaint_states import ComplaintState
from app.domain.customer_facts import Channel
from app.models.base import Base, HasId, HasTimes
from app.models.people import Role


class Severity(StrEnum):
    """How bad it is; decides by when it is to be settled (`complaint_severities`)."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    CRITICAL = "critical"


class Want(StrEnum):
    """What a customer who complains wants."""

    BE_TAKEN_SERIOUSLY = "be_taken_seriously"
    RESPECT = "respect"
    ACTION_NOW = "action_now"
    COMPENSATION = "compensation"
    SOMEONE_HELD_TO_ACCOUNT = "someone_held_to_account"
    NEVER_AGAIN = "never_again"
    BE_HEARD = "be_heard"


class ComplaintCategory(HasId, HasTimes, Base):
    """A node of the tree of what is complained of. `key` is its name for programs, `severity` where nobody says one."""

    __tablename__ = "complaint_categories"

    key: Mapped[str] = mapped_column(unique=True)
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("complaint_categories.id"), index=True)
    name_zh: Mapped[str]
    name_en: Mapped[str]
    severity: Mapped[Severity] = mapped_column(server_default=Severity.NORMAL.value)
    position: Mapped[int] = mapped_column(server_default=text("0"))
    active: Mapped[bool] = mapped_column(server_default=text("true"))


class SeverityRule(Base):
    """How many minutes of working time a severity allows, and at which shares of them (percent) somebody is told."""

    __tablename__ = "complaint_severities"
    __table_args__ = (CheckConstraint("due_minutes BETWEEN 1 AND 100000", name="due_minutes"),)

    severity: Mapped[Severity] = mapped_column(primary_key=True)
    due_minutes: Mapped[int]
    warn_percent: Mapped[list[int]] = mapped_column(ARRAY(BigInteger()), server_default=text("'{50,80,100}'"))


class Partner(HasId, HasTimes, Base):
    """A firm that settles complaints for us, such as a repair shop. `due_minutes` is its own time, in working time."""

    __tablename__ = "partners"
    __table_args__ = (CheckConstraint("due_minutes BETWEEN 1 AND 100000", name="due_minutes"),)

    name: Mapped[str] = mapped_column(unique=True)
    phone: Mapped[str] = mapped_column(server_default="")
    email: Mapped[str | None]
    region: Mapped[str] = mapped_column(server_default="")
    due_minutes: Mapped[int]
    active: Mapped[bool] = mapped_column(server_default=text("true"))


class GoodwillLimit(Base):
    """How much a role may give of its own accord on one complaint, in a currency. Without a row: nothing."""

    __tablename__ = "goodwill_limits"
    __table_args__ = (CheckConstraint("amount >= 0", name="amount"),)

    role: Mapped[Role] = mapped_column(primary_key=True)
    currency: Mapped[str] = mapped_column(String(3), primary_key=True)
    amount: Mapped[Decimal]


class DailyCode(Base):
    """The last number of a day's codes that can be read out, by their first letter; the row is the lock."""

    __tablename__ = "daily_codes"

    letter: Mapped[str] = mapped_column(String(1), primary_key=True)
    day: Mapped[str] = mapped_column(String(8), primary_key=True)
    last: Mapped[int]


class Complaint(HasId, HasTimes, Base):
    """A customer's grievance, with one owner from first word to last: an agent (`owner_id`) or a partner.

    `code` can be read out: K, the local day, the number of the day (K20261122-0007). `settle_by` is by when the
    severity wants it settled; `due_at` is the owner's own time, which is the same for an agent and the partner's for a
    partner. Both move by the working time for which the clock is paused. The owner's clock began at `clock_from` with
    `allowed_seconds` of working time and has stood for `paused_seconds` of it; `warned_percent` is the last share of
    it that was told, `warn_at` when the next one is to be (None while paused or settled).

    Without a customer it is one of somebody whom nobody has recognised yet, whose word came by mail (`contact`).
    """

    __tablename__ = "complaints"
    __table_args__ = (
        Index("ix_complaints_customer_id_opened_at", "customer_id", text("opened_at DESC"), text("id DESC")),
        Index(
            "ix_complaints_customer_id_open",
            "customer_id",
            "opened_at",
            postgresql_include=["owner_id"],
            postgresql_where=text("state <> 'closed'"),
        ),
        Index("ix_complaints_opened_at_id", "opened_at", "id"),
        Index("ix_complaints_due_at", "due_at", "id", postgresql_where=text("state NOT IN ('resolved', 'closed')")),
        Index("ix_complaints_warn_at", "warn_at", postgresql_where=text("warn_at IS NOT NULL")),
        Index("ix_complaints_owner_id_state", "owner_id", "state"),
        Index("ix_complaints_partner_id_state", "partner_id", "state"),
        Index("ix_complaints_category_id_opened_at", "category_id", "opened_at"),
        Index(
            "ix_complaints_product_batch",
            "product",
            "batch",
            "opened_at",
            postgresql_where=text("batch <> ''"),
        ),
        Index("ix_complaints_article_id", "article_id"),
        Index("ix_complaints_resolved_at", "resolved_at", postgresql_where=text("resolved_at IS NOT NULL")),
        CheckConstraint("num_nonnulls(owner_id, partner_id) = 1", name="one_owner"),
        CheckConstraint("satisfaction BETWEEN 1 AND 5", name="satisfaction"),
        CheckConstraint("(paused_at IS NULL) = (pause_reason IS NULL)", name="paused_with_reason"),
        CheckConstraint("warn_at IS NULL OR (paused_at IS NULL AND state NOT IN ('resolved', 'closed'))", name="clock"),
        CheckConstraint(
            "wants <@ '{be_taken_seriously,respect,action_now,compensation,someone_held_to_account,never_again,"
            "be_heard}'::text[]",
            name="wants",
        ),
    )

    code: Mapped[str] = mapped_column(unique=True)
    customer_id: Mapped[UUID | None] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"))
    contact: Mapped[str] = mapped_column(server_default="")
    call_id: Mapped[UUID | None] = mapped_column(ForeignKey("calls.id", ondelete="SET NULL"), index=True)
    queue_id: Mapped[UUID | None] = mapped_column(ForeignKey("queues.id", ondelete="SET NULL"), index=True)
    purchase_id: Mapped[UUID | None] = mapped_column(ForeignKey("purchases.id", ondelete="SET NULL"), index=True)
    product: Mapped[str] = mapped_column(server_default="")
    batch: Mapped[str] = mapped_column(server_default="")
    serial_number: Mapped[str] = mapped_column(server_default="")
    category_id: Mapped[UUID | None] = mapped_column(ForeignKey("complaint_categories.id"))
    severity: Mapped[Severity]
    what_happened: Mapped[str]
    wants: Mapped[list[str]] = mapped_column(ARRAY(Text()), server_default=text("'{}'"))
    channel: Mapped[Channel]
    state: Mapped[ComplaintState] = mapped_column(server_default=ComplaintState.OPEN.value)
    owner_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id"))
    partner_id: Mapped[UUID | None] = mapped_column(ForeignKey("partners.id"))
    opened_at: Mapped[datetime]
    opened_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"))
    settle_by: Mapped[datetime]
    due_at: Mapped[datetime]
    clock_from: Mapped[datetime]
    allowed_seconds: Mapped[int]
    paused_seconds: Mapped[int] = mapped_column(server_default=text("0"))
    warned_percent: Mapped[int] = mapped_column(server_default=text("0"))
    warn_at: Mapped[datetime | None]
    paused_at: Mapped[datetime | None]
    pause_reason: Mapped[str | None]
    escalated_at: Mapped[datetime | None]
    first_response_at: Mapped[datetime | None]
    resolved_at: Mapped[datetime | None]
    resolved_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"))
    closed_at: Mapped[datetime | None]
    reopened_at: Mapped[datetime | None]
    reopen_count: Mapped[int] = mapped_column(server_default=text("0"))
    handover_count: Mapped[int] = mapped_column(server_default=text("0"))
    article_id: Mapped[UUID | None] = mapped_column(ForeignKey("articles.id", ondelete="SET NULL"))
    resolution: Mapped[str] = mapped_column(server_default="")
    root_cause: Mapped[str] = mapped_column(server_default="")
    prevention: Mapped[str] = mapped_column(server_default="")
    satisfaction: Mapped[int | None]
    version: Mapped[int] = mapped_column(server_default=text("1"))


class ComplaintChange(HasId, Base):
    """One thing that happened to a complaint. Rows are only ever added.

    `what` is a word such as `opened`, `started`, `paused`, `handed_over`, `resolved`, `note`; `detail` says from what
    to what, and why.
    """

    __tablename__ = "complaint_changes"
    __table_args__ = (Index("ix_complaint_changes_complaint_id_at", "complaint_id", "at", "id"),)

    complaint_id: Mapped[UUID] = mapped_column(ForeignKey("complaints.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    agent_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"))
    what: Mapped[str] = mapped_column(String(32))
    detail: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))


class HandoverState(StrEnum):
    """Whether whoever is to take a complaint over has said yes."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"


class Handover(HasId, Base):
    """A complaint that is to get another owner: it keeps its own until the receiver accepts.

    To an agent, to a queue (any member may accept; the first one has it), or to a partner (whose answer one of us
    enters). A complaint has at most one that is pending.
    """

    __tablename__ = "handovers"
    __table_args__ = (
        Index("ix_handovers_complaint_id_asked_at", "complaint_id", "asked_at", "id"),
        Index("uq_handovers_pending", "complaint_id", unique=True, postgresql_where=text("state = 'pending'")),
        Index("ix_handovers_to_agent_id", "to_agent_id", postgresql_where=text("state = 'pending'")),
        Index("ix_handovers_to_queue_id", "to_queue_id", postgresql_where=text("state = 'pending'")),
        CheckConstraint("num_nonnulls(to_agent_id, to_partner_id, to_queue_id) = 1", name="one_receiver"),
        CheckConstraint("(state = 'pending') = (answered_at IS NULL)", name="answered_at"),
    )

    complaint_id: Mapped[UUID] = mapped_column(ForeignKey("complaints.id", ondelete="CASCADE"))
    state: Mapped[HandoverState] = mapped_column(server_default=HandoverState.PENDING.value)
    from_agent_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id"))
    from_partner_id: Mapped[UUID | None] = mapped_column(ForeignKey("partners.id"))
    to_agent_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id"))
    to_partner_id: Mapped[UUID | None] = mapped_column(ForeignKey("partners.id"))
    to_queue_id: Mapped[UUID | None] = mapped_column(ForeignKey("queues.id", ondelete="CASCADE"))
    reason: Mapped[str]
    asked_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"))
    asked_at: Mapped[datetime]
    answered_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"))
    answered_at: Mapped[datetime | None]
    note: Mapped[str] = mapped_column(server_default="")


class GoodwillState(StrEnum):
    """What became of a gift that was asked for."""

    ASKED = "asked"
    APPROVED = "approved"
    REFUSED = "refused"


class Goodwill(HasId, Base):
    """Money given beyond what is owed: within the giver's limit approved at once, above it a supervisor decides."""

    __tablename__ = "goodwill"
    __table_args__ = (
        Index("ix_goodwill_complaint_id_asked_at", "complaint_id", "asked_at", "id"),
        Index("ix_goodwill_asked", "asked_at", postgresql_where=text("state = 'asked'")),
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
        CheckConstraint("(state = 'asked') = (decided_at IS NULL)", name="decided_at"),
    )

    complaint_id: Mapped[UUID] = mapped_column(ForeignKey("complaints.id", ondelete="CASCADE"))
    state: Mapped[GoodwillState] = mapped_column(server_default=GoodwillState.ASKED.value)
    amount: Mapped[Decimal]
    currency: Mapped[str] = mapped_column(String(3))
    reason: Mapped[str]
    asked_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"))
    asked_at: Mapped[datetime]
    decided_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"))
    decided_at: Mapped[datetime | None]
    note: Mapped[str] = mapped_column(server_default="")


class ComplaintLink(HasId, Base):
    """An attachment: where a photo, an invoice or a film lies. Only the address is kept."""

    __tablename__ = "complaint_links"
    __table_args__ = (Index("ix_complaint_links_complaint_id_at", "complaint_id", "at", "id"),)

    complaint_id: Mapped[UUID] = mapped_column(ForeignKey("complaints.id", ondelete="CASCADE"))
    url: Mapped[str]
    title: Mapped[str] = mapped_column(server_default="")
    at: Mapped[datetime]
    agent_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"))


class ComplaintMail(HasId, Base):
    """A mail that began a complaint or belongs to one. By `message_id` (RFC 5322) a mail that is told twice is one."""

    __tablename__ = "complaint_mails"
    __table_args__ = (Index("ix_complaint_mails_complaint_id_received_at", "complaint_id", "received_at", "id"),)

    complaint_id: Mapped[UUID] = mapped_column(ForeignKey("complaints.id", ondelete="CASCADE"))
    message_id: Mapped[str] = mapped_column(unique=True)
    sender: Mapped[str]
    subject: Mapped[str]
    body: Mapped[str]
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())
