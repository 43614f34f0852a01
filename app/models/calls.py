"""Calls, their legs and recordings, what the carrier said, and what every call went through."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.call_states import CallState, CarrierStatus
from app.domain.customer_facts import Direction
from app.domain.matching import MatchOutcome, MatchReason
from app.domain.routing import ReservedBecause
from app.models.base import Base, HasId


class CallStage(StrEnum):
    """What the conversation was about, in the customer's life with us."""

    PRE_SALE = "pre_sale"
    SALE = "sale"
    AFTER_SALE = "after_sale"


class Disposition(StrEnum):
    """How a call ended, as the agent says."""

    RESOLVED = "resolved"
    INFORMATION = "information"
    ORDER = "order"
    COMPLAINT = "complaint"
    FOLLOW_UP = "follow_up"
    TRANSFERRED = "transferred"
    WRONG_NUMBER = "wrong_number"
    SPAM = "spam"
    OTHER = "other"


class HeardOfUs(StrEnum):
    """The caller's answer to "how did you hear of us?"."""

    EXISTING_CUSTOMER = "existing_customer"
    RECOMMENDATION = "recommendation"
    SEARCH = "search"
    SOCIAL_MEDIA = "social_media"
    ADVERTISEMENT = "advertisement"
    SHOP = "shop"
    EVENT = "event"
    OTHER = "other"


class Call(HasId, Base):
    """One conversation with a customer.

    `state` is worked out from the facts beside it (`customer_status`, `queued_at`, `answered_at`, `kept_place_at`,
    `voicemail_at`) by `domain.call_states.call_state` and is never set by hand. A call of which only a status callback
    has been heard is a *stub*; the voice webhook, should it come, completes it. One that we place has no
    `provider_call_id` until the carrier has taken it; it is the agent's leg then, for the agent is rung first, while
    `customer_status` and `answered_at` are still the customer's. `routed` is the first decision (made
    at `routed_at`), from which a repeated webhook is answered word for word. `heard_at` is when the carrier last asked
    what to do: a waiting caller of whom nothing is heard any more does not hold up the queue.
    """

    __tablename__ = "calls"
    __table_args__ = (
        UniqueConstraint("provider", "provider_call_id"),
        Index("ix_calls_received_at_id", "received_at", "id"),
        Index("ix_calls_customer_id_received_at", "customer_id", text("received_at DESC")),
        Index("ix_calls_from_e164_received_at", "from_e164", text("received_at DESC")),
        Index(
            "ix_calls_waiting",
            "queue_id",
            "queued_at",
            "id",
            postgresql_where=text("queued_at IS NOT NULL AND left_queue_at IS NULL"),
        ),
        CheckConstraint("octet_length(caller_name) <= 1024", name="caller_name_length"),
    )

    provider: Mapped[str]
    provider_call_id: Mapped[str | None]
    direction: Mapped[Direction]
    state: Mapped[CallState]
    customer_status: Mapped[CarrierStatus]
    is_stub: Mapped[bool] = mapped_column(server_default=text("false"))
    from_raw: Mapped[str]
    from_e164: Mapped[str | None] = mapped_column(String(20))
    to_raw: Mapped[str]
    caller_name: Mapped[str] = mapped_column(server_default="")
    caller: Mapped[dict[str, Any] | None]
    language: Mapped[str]
    queue_id: Mapped[UUID | None] = mapped_column(ForeignKey("queues.id"))
    match_outcome: Mapped[MatchOutcome]
    match_reason: Mapped[MatchReason | None]
    customer_id: Mapped[UUID | None] = mapped_column(ForeignKey("customers.id", ondelete="SET NULL"))
    routed: Mapped[dict[str, Any] | None]
    answered_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"))
    accepted_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"))
    accepted_tab: Mapped[str] = mapped_column(server_default="")
    received_at: Mapped[datetime]
    heard_at: Mapped[datetime]
    routed_at: Mapped[datetime | None]
    queued_at: Mapped[datetime | None]
    left_queue_at: Mapped[datetime | None]
    kept_place_at: Mapped[datetime | None]
    answered_at: Mapped[datetime | None]
    voicemail_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    disposition: Mapped[Disposition | None]
    stage: Mapped[CallStage | None]
    heard_of_us: Mapped[HeardOfUs | None]
    notes: Mapped[str] = mapped_column(server_default="")
    wrapped_up_at: Mapped[datetime | None]
    wrapped_up_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"))


class LegKind(StrEnum):
    """Whose end of the call a leg is; the customer's own is the call itself."""

    AGENT = "agent"
    NUMBER = "number"


class Leg(HasId, Base):
    """One party rung for a call: an offer to an agent, or a plain number.

    An offer is written when the agent is reserved, with why (`because`), the number of the event that brought them the
    card, and how many tabs it could reach (`open_streams`); the carrier's id is filled in when the carrier first
    speaks of it.
    """

    __tablename__ = "legs"
    __table_args__ = (
        UniqueConstraint("provider_call_id"),
        Index("ix_legs_call_id", "call_id"),
    )

    call_id: Mapped[UUID] = mapped_column(ForeignKey("calls.id", ondelete="CASCADE"))
    kind: Mapped[LegKind]
    agent_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"))
    status: Mapped[CarrierStatus]
    provider_call_id: Mapped[str | None]
    because: Mapped[ReservedBecause | None]
    event_no: Mapped[int | None]
    open_streams: Mapped[int | None]
    offered_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    declined_at: Mapped[datetime | None]


class RecordingKind(StrEnum):
    """Why something was recorded."""

    CALL = "call"
    VOICEMAIL = "voicemail"


class Recording(HasId, Base):
    """A recording that the carrier holds; `url` is where."""

    __tablename__ = "recordings"

    call_id: Mapped[UUID] = mapped_column(ForeignKey("calls.id", ondelete="CASCADE"), index=True)
    provider_recording_id: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[RecordingKind]
    url: Mapped[str]
    seconds: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class CarrierEvent(HasId, Base):
    """The inbox: every verified thing a carrier said, once; deliveries of one `dedupe_key` are the same thing."""

    __tablename__ = "carrier_events"
    __table_args__ = (
        UniqueConstraint("provider", "dedupe_key"),
        Index("ix_carrier_events_provider_call_id", "provider_call_id"),
    )

    provider: Mapped[str]
    provider_call_id: Mapped[str]
    kind: Mapped[str]
    dedupe_key: Mapped[str]
    params: Mapped[dict[str, Any]] = mapped_column(JSON)
    received_at: Mapped[datetime]


class AgentEventType(StrEnum):
    """What an agent's stream says."""

    CALL_OFFERED = "call.offered"
    CALL_ANSWERED = "call.answered"
    CALL_ENDED = "call.ended"
    CALL_CLEARED = "call.cleared"
    PRESENCE_CHANGED = "presence.changed"
    CALLBACK_DUE = "callback.due"
    CALL_LIST_READY = "call_list.ready"
    CALLBACK_ESCALATED = "callback.escalated"
    COMPLAINT_OPENED = "complaint.opened"
    """A mail brought a complaint that is yours now, or belongs to one of yours; its `mail` says which."""
    COMPLAINT_OFFERED = "complaint.offered"
    """Somebody asks you to take a complaint over."""
    COMPLAINT_ANSWERED = "complaint.answered"
    """Whom you asked to take a complaint over has said yes or no."""
    COMPLAINT_DUE_SOON = "complaint.due_soon"
    COMPLAINT_OVERDUE = "complaint.overdue"
    """To the owner, and to every supervisor."""
    COMPLAINT_REOPENED = "complaint.reopened"
    COMPLAINT_GOODWILL_ASKED = "complaint.goodwill_asked"
    COMPLAINT_GOODWILL_DECIDED = "complaint.goodwill_decided"


class AgentEvent(Base):
    """The push log: what was told to an agent, numbered without gaps per agent (see `AgentPresence.last_event_no`)."""

    __tablename__ = "agent_events"
    __table_args__ = (
        Index("ix_agent_events_call_id", "call_id"),
        Index("ix_agent_events_at", "at"),
    )

    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True)
    no: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    type: Mapped[AgentEventType]
    call_id: Mapped[UUID | None] = mapped_column(ForeignKey("calls.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    acked_at: Mapped[datetime | None]


class TraceStep(StrEnum):
    """What a call went through; read in order they answer "why did no pop appear?"."""

    RECEIVED = "received"
    SPOOLED = "spooled"
    REPLAYED = "replayed"
    MATCHED = "matched"
    RESERVED = "reserved"
    NO_AGENT = "no_agent"
    PUSHED = "pushed"
    SHOWN = "shown"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    ANSWERED = "answered"
    NOT_ANSWERED = "not_answered"
    WAITING = "waiting"
    PLACE_KEPT = "place_kept"
    CLOSED = "closed"
    VOICEMAIL = "voicemail"
    FORWARDED = "forwarded"
    FALLBACK = "fallback"
    RELEASED = "released"
    ENDED = "ended"
    LINKED = "linked"
    WRAPPED_UP = "wrapped_up"
    PLACED = "placed"
    NOT_PLACED = "not_placed"
    CUSTOMER_RUNG = "customer_rung"


class CallTrace(HasId, Base):
    """One step of a call that no other row tells of; `services.calls.get_trace` puts it in line with those that do."""

    __tablename__ = "call_trace"
    __table_args__ = (Index("ix_call_trace_call_id_at", "call_id", "at"),)

    call_id: Mapped[UUID] = mapped_column(ForeignKey("calls.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    step: Mapped[TraceStep]
    agent_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"))
    detail: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
