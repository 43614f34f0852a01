"""Promised calls, the attempts to make them and any other call that we place, and how a promise changed."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Sequence, String, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.dialling import DialPurpose
from app.models.base import Base, HasId, HasTimes

CALLBACK_NUMBERS = Sequence("callback_numbers", metadata=Base.metadata)
"""All callbacks are counted by one sequence, so that nobody who promises waits for somebody else who does."""


class CallbackReason(StrEnum):
    """Why we are to call."""

    NEXT_DAY = "next_day"
    """A complaint was logged: does it really work now?"""
    MISSED_CALL = "missed_call"
    VOICEMAIL = "voicemail"
    KEPT_PLACE = "kept_place"
    """The caller pressed 1 in the queue or after hours."""
    BY_HAND = "by_hand"


class CallbackMode(StrEnum):
    """Who begins: the agent by a click, or we, who ring the agent first and then the customer."""

    PREVIEW = "preview"
    AUTOMATIC = "automatic"


class CallbackState(StrEnum):
    """Where a promise stands, as stored. One that is `scheduled` or `retry` and whose time has come is shown as `due`.

    `scheduled` → `claimed` (an agent or a worker has it, until `claimed_until`) → `dialing` (an attempt is under way)
    → `done` | `retry` (to be tried again at `due_at`) | `escalated` (tried often enough: a supervisor's now) |
    `cancelled`.
    """

    SCHEDULED = "scheduled"
    CLAIMED = "claimed"
    DIALING = "dialing"
    RETRY = "retry"
    DONE = "done"
    ESCALATED = "escalated"
    CANCELLED = "cancelled"


class CallbackOutcome(StrEnum):
    """What the customer said, or that they did not."""

    WORKS_NOW = "works_now"
    STILL_BROKEN = "still_broken"
    ANSWERED = "answered"
    """They were talked to and no complaint was behind it."""
    REFUSED = "refused"
    NOT_REACHED = "not_reached"


class Callback(HasId, HasTimes, Base):
    """A promised call. The row is the truth; a background job only says "look at row X now".

    `code` can be read out: T, the local day on which it was promised, the number of the day (T20261122-0007). `due_at`
    is the next moment at which it may be called, `first_due_at` the one that was promised. `owner_id` is whose promise
    it is; from `open_to_all_at` on anybody of the queue may make it. `to_e164` is the number to call where one was
    given (a caller whom nobody knows, or by hand), else it is the customer's first number at the time of dialling.
    `zone` is the IANA zone (several with spaces between when it may be any of them, None when nobody knows) and
    `region` the place whose calling window holds. `claimed_until` frees a claim whose holder died. `told_due_at` is
    when its owner was told that it is due; None until then, and again when it is due at another time. Of one call
    (`call_id`) and reason there is one callback.
    """

    __tablename__ = "callbacks"
    __table_args__ = (
        Index(
            "ix_callbacks_due_at",
            "due_at",
            "id",
            postgresql_where=text("state IN ('scheduled', 'retry')"),
        ),
        Index(
            "ix_callbacks_to_tell",
            "due_at",
            postgresql_where=text("told_due_at IS NULL AND owner_id IS NOT NULL AND state IN ('scheduled', 'retry')"),
        ),
        *(
            Index(
                f"ix_callbacks_automatic_{whose}",
                whose,
                "due_at",
                "id",
                postgresql_where=text("state IN ('scheduled', 'retry') AND mode = 'automatic'"),
            )
            for whose in ("owner_id", "queue_id")
        ),
        Index("ix_callbacks_claimed_until", "claimed_until", postgresql_where=text("state IN ('claimed', 'dialing')")),
        Index("ix_callbacks_customer_id_due_at", "customer_id", text("due_at DESC"), text("id DESC")),
        Index("ix_callbacks_to_e164", "to_e164", postgresql_where=text("to_e164 IS NOT NULL")),
        Index("ix_callbacks_owner_id_due_at", "owner_id", "due_at", "id"),
        Index(
            "uq_callbacks_call_id_reason",
            "call_id",
            "reason",
            unique=True,
            postgresql_where=text("call_id IS NOT NULL"),
        ),
        CheckConstraint("satisfaction BETWEEN 1 AND 5", name="satisfaction"),
        CheckConstraint(
            "customer_id IS NOT NULL OR to_e164 IS NOT NULL OR state IN ('done', 'cancelled')", name="somebody"
        ),
        CheckConstraint("(state IN ('claimed', 'dialing')) = (claimed_until IS NOT NULL)", name="claimed_until"),
        {"postgresql_with": {"fillfactor": "80"}},
    )

    code: Mapped[str] = mapped_column(unique=True)
    customer_id: Mapped[UUID | None] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"))
    to_e164: Mapped[str | None] = mapped_column(String(20))
    call_id: Mapped[UUID | None] = mapped_column(ForeignKey("calls.id", ondelete="SET NULL"))
    complaint_id: Mapped[UUID | None] = mapped_column(ForeignKey("complaints.id", ondelete="SET NULL"), index=True)
    reason: Mapped[CallbackReason]
    mode: Mapped[CallbackMode] = mapped_column(server_default=CallbackMode.PREVIEW.value)
    queue_id: Mapped[UUID | None] = mapped_column(ForeignKey("queues.id", ondelete="SET NULL"), index=True)
    owner_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"))
    open_to_all_at: Mapped[datetime | None]
    zone: Mapped[str | None]
    region: Mapped[str | None]
    subject: Mapped[str] = mapped_column(server_default="")
    state: Mapped[CallbackState] = mapped_column(server_default=CallbackState.SCHEDULED.value)
    due_at: Mapped[datetime]
    first_due_at: Mapped[datetime]
    told_due_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    claimed_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"))
    claimed_until: Mapped[datetime | None]
    outcome: Mapped[CallbackOutcome | None]
    satisfaction: Mapped[int | None]
    note: Mapped[str] = mapped_column(server_default="")
    created_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"))
    ended_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(server_default=text("1"))


class CallbackDay(Base):
    """A local day on which calls were promised, and how far all callbacks had been counted (`base`) when it began.

    The number of a callback in its code is what has been counted since. A promise that is taken back leaves a gap.
    """

    __tablename__ = "callback_days"

    day: Mapped[date] = mapped_column(primary_key=True)
    base: Mapped[int]


class CallbackChange(HasId, Base):
    """One thing that happened to a promise. Rows are only ever added.

    `what` is a word such as `promised`, `rescheduled`, `cancelled`, `reassigned`, `claimed`, `dialed`, `retry`,
    `escalated`, `done`; `detail` says from what to what, and why.
    """

    __tablename__ = "callback_changes"
    __table_args__ = (Index("ix_callback_changes_callback_id_at", "callback_id", "at", "id"),)

    callback_id: Mapped[UUID] = mapped_column(ForeignKey("callbacks.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    agent_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"))
    what: Mapped[str] = mapped_column(String(32))
    detail: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))


class DialState(StrEnum):
    """How far the placing of a call came."""

    PLANNED = "planned"
    """The row is written, the carrier has not been asked or has not answered yet."""
    PLACED = "placed"
    """The carrier took it and said its id."""
    UNKNOWN = "unknown"
    """No usable answer came: to be looked for in the carrier's own list, never asked again."""
    REFUSED = "refused"
    """The carrier said no, or our own rules did at the last moment: nobody was rung."""
    ENDED = "ended"


class DialResult(StrEnum):
    """What became of the customer's phone."""

    ANSWERED = "answered"
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    VOICEMAIL = "voicemail"
    """A machine answered."""
    NOT_IN_SERVICE = "not_in_service"
    FAILED = "failed"
    AGENT_NOT_REACHED = "agent_not_reached"
    """The agent, who is rung first, did not answer: the customer was not rung."""


class DialAttempt(HasId, Base):
    """One placing of a call by us: written before the carrier is asked, so that nothing is ever dialled twice.

    A callback has at most one attempt that is not over (`ended_at`). `call_id` is the conversation's row; `provider`
    and `provider_call_id` are the carrier's own name for the agent's leg, which it creates for us. `is_machine` is what
    the carrier heard at the customer's end, if it listened; `asked_at` is when it was last asked how the call stands.
    """

    __tablename__ = "dial_attempts"
    __table_args__ = (
        UniqueConstraint("provider", "provider_call_id"),
        Index(
            "uq_dial_attempts_callback_id_open",
            "callback_id",
            unique=True,
            postgresql_where=text("callback_id IS NOT NULL AND ended_at IS NULL"),
        ),
        Index("ix_dial_attempts_callback_id", "callback_id"),
        Index("ix_dial_attempts_customer_id_started_at", "customer_id", text("started_at DESC")),
        Index("ix_dial_attempts_to_e164_started_at", "to_e164", text("started_at DESC")),
        # Today's, for the daily lists; they come in the order of time.
        Index("ix_dial_attempts_started_at", "started_at", postgresql_using="brin"),
        Index("ix_dial_attempts_open", "started_at", postgresql_where=text("ended_at IS NULL")),
        Index("ix_dial_attempts_call_id", "call_id"),
    )

    callback_id: Mapped[UUID | None] = mapped_column(ForeignKey("callbacks.id", ondelete="CASCADE"))
    customer_id: Mapped[UUID | None] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"))
    agent_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"))
    call_id: Mapped[UUID | None] = mapped_column(ForeignKey("calls.id", ondelete="SET NULL"))
    to_e164: Mapped[str | None] = mapped_column(String(20))
    from_e164: Mapped[str | None] = mapped_column(String(20))
    purpose: Mapped[DialPurpose] = mapped_column(server_default=DialPurpose.SERVICE.value)
    provider: Mapped[str]
    provider_call_id: Mapped[str | None]
    state: Mapped[DialState] = mapped_column(server_default=DialState.PLANNED.value)
    result: Mapped[DialResult | None]
    is_machine: Mapped[bool | None]
    error: Mapped[str] = mapped_column(server_default="")
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    answered_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    asked_at: Mapped[datetime | None]
