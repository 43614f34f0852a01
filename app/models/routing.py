"""Where calls go: queues and their hours, dialled numbers, members, and what every agent is doing now."""

from datetime import date, datetime, time
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, HasId, HasTimes


class Queue(HasId, HasTimes, Base):
    """A line of callers. `key` is its name in commands and URLs; the one with `is_default` takes unrouted numbers."""

    __tablename__ = "queues"
    __table_args__ = (
        Index("uq_queues_is_default", "is_default", unique=True, postgresql_where=text("is_default")),
        CheckConstraint("ring_seconds BETWEEN 5 AND 120", name="ring_seconds"),
        CheckConstraint("wait_seconds BETWEEN 3 AND 60", name="wait_seconds"),
        CheckConstraint("max_wait_seconds BETWEEN 0 AND 7200", name="max_wait_seconds"),
    )

    key: Mapped[str] = mapped_column(unique=True)
    name_zh: Mapped[str]
    name_en: Mapped[str]
    language: Mapped[str] = mapped_column(server_default="zh-CN")
    time_zone: Mapped[str | None]
    is_default: Mapped[bool] = mapped_column(server_default=text("false"))
    ring_seconds: Mapped[int] = mapped_column(server_default=text("20"))
    wait_seconds: Mapped[int] = mapped_column(server_default=text("10"))
    max_wait_seconds: Mapped[int] = mapped_column(server_default=text("1200"))
    record_calls: Mapped[bool] = mapped_column(server_default=text("false"))
    fallback_number: Mapped[str | None]


class DnisRoute(Base):
    """A number of ours that callers dial, and the queue it leads to. Our own numbers are never a customer's."""

    __tablename__ = "dnis_routes"

    number: Mapped[str] = mapped_column(primary_key=True)
    queue_id: Mapped[UUID] = mapped_column(ForeignKey("queues.id", ondelete="CASCADE"), index=True)
    language: Mapped[str | None]


class QueueMember(Base):
    """An agent who takes calls of a queue."""

    __tablename__ = "queue_members"

    queue_id: Mapped[UUID] = mapped_column(ForeignKey("queues.id", ondelete="CASCADE"), primary_key=True)
    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True, index=True)


class QueueOpening(HasId, Base):
    """One weekly window (0 is Monday), local to the queue. A queue without any is always open.

    `closes` at or before `opens` means past midnight; 00:00 is the day's end.
    """

    __tablename__ = "queue_openings"
    __table_args__ = (
        CheckConstraint("weekday BETWEEN 0 AND 6", name="weekday"),
        UniqueConstraint("queue_id", "weekday", "opens"),
    )

    queue_id: Mapped[UUID] = mapped_column(ForeignKey("queues.id", ondelete="CASCADE"))
    weekday: Mapped[int]
    opens: Mapped[time]
    closes: Mapped[time]


class Closure(HasId, Base):
    """A named day on which the weekly hours do not hold: closed, or open from `opens` to `closes` if these are given.

    Without a queue it holds for all of them. A make-up working Saturday is one with hours.
    """

    __tablename__ = "closures"
    __table_args__ = (
        UniqueConstraint("queue_id", "day", postgresql_nulls_not_distinct=True),
        CheckConstraint("(opens IS NULL) = (closes IS NULL)", name="hours_both_or_none"),
    )

    queue_id: Mapped[UUID | None] = mapped_column(ForeignKey("queues.id", ondelete="CASCADE"))
    day: Mapped[date]
    name_zh: Mapped[str]
    name_en: Mapped[str]
    opens: Mapped[time | None]
    closes: Mapped[time | None]


class Presence(StrEnum):
    """What an agent is doing. Only `available` ones are reserved; only a call makes them `reserved` or `on_call`."""

    OFFLINE = "offline"
    AVAILABLE = "available"
    RESERVED = "reserved"
    ON_CALL = "on_call"
    WRAP_UP = "wrap_up"
    BREAK = "break"


class AgentPresence(Base):
    """One row an agent, and the lock under which everything that is told to that agent is put in order.

    `call_id` is the call they are reserved for, on, or wrapping up; no two agents hold one call. `last_event_no`
    counts the agent's events: whoever writes an event first raises it here, so the numbers of one agent become
    visible in their own order and a reader who has seen number n has missed nothing below it.
    """

    __tablename__ = "agent_presence"
    __table_args__ = (
        Index("ix_agent_presence_available", "available_since", postgresql_where=text("state = 'available'")),
        Index("uq_agent_presence_call_id", "call_id", unique=True, postgresql_where=text("call_id IS NOT NULL")),
        CheckConstraint(
            "state NOT IN ('reserved', 'on_call') OR call_id IS NOT NULL",
            name="busy_with_a_call",
        ),
        CheckConstraint("(state = 'available') = (available_since IS NOT NULL)", name="available_since"),
        {"postgresql_with": {"fillfactor": "70"}},
    )

    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True)
    state: Mapped[Presence] = mapped_column(server_default=Presence.OFFLINE.value)
    reason: Mapped[str] = mapped_column(server_default="")
    since: Mapped[datetime] = mapped_column(server_default=func.now())
    available_since: Mapped[datetime | None]
    call_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("calls.id", ondelete="SET NULL", use_alter=True, name="fk_agent_presence_call_id_calls")
    )
    reserved_until: Mapped[datetime | None]
    last_event_no: Mapped[int] = mapped_column(server_default=text("0"))


class AgentConnection(HasId, Base):
    """An open socket of an agent, held by some process of ours that says every few seconds that it still stands."""

    __tablename__ = "agent_connections"

    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agents.id", ondelete="CASCADE"), index=True)
    connected_at: Mapped[datetime] = mapped_column(server_default=func.now())
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
