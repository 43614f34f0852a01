"""Daily call lists: each account manager's customers of one working day, and all that decides who is on them."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, HasId, HasTimes


class Team(HasId, HasTimes, Base):
    """Account managers who share the weights and quotas of their lists."""

    __tablename__ = "teams"
    __table_args__ = (Index("uq_teams_name_lower", func.lower(text("name")), unique=True),)

    name: Mapped[str]


class TeamMember(Base):
    """Whose team somebody is in: one at most."""

    __tablename__ = "team_members"

    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True)
    team_id: Mapped[UUID] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"), index=True)


class ListSettings(HasId, HasTimes, Base):
    """How a team's lists are made; the row without a team holds for everybody else.

    `weights`, `quotas` and `sources` hold what differs from the defaults of `domain/list_reasons.py`. `festivals` are
    days on which customers are greeted: `day`, `name_zh`, `name_en`.
    """

    __tablename__ = "list_settings"
    __table_args__ = (
        UniqueConstraint("team_id", postgresql_nulls_not_distinct=True),
        CheckConstraint("size BETWEEN 1 AND 500", name="size"),
    )

    team_id: Mapped[UUID | None] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"))
    size: Mapped[int] = mapped_column(server_default=text("60"))
    weights: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    quotas: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    sources: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    festivals: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'::jsonb"))


class AbsenceKind(StrEnum):
    """Why an account manager does not work their list."""

    SICK = "sick"
    LEAVE = "leave"
    LEFT = "left"


class ManagerAbsence(HasId, Base):
    """From `first_day` to `last_day` (None: for good) somebody else works the manager's lists, if anybody is named."""

    __tablename__ = "manager_absences"
    __table_args__ = (
        CheckConstraint("last_day >= first_day", name="last_day"),
        CheckConstraint("stand_in_id <> manager_id", name="somebody_else"),
        Index("ix_manager_absences_manager_id_first_day", "manager_id", "first_day"),
    )

    manager_id: Mapped[UUID] = mapped_column(ForeignKey("agents.id", ondelete="CASCADE"))
    first_day: Mapped[date]
    last_day: Mapped[date | None]
    kind: Mapped[AbsenceKind]
    stand_in_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"), index=True)
    created_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class CallList(HasId, Base):
    """One manager's customers of one working day, as it was when it was made; later only entries are added or worked.

    `manager_id` is whose book it is of, `made_for_id` who works it: the manager, or whoever stands in for them (None:
    nobody does). `notices` are things that whoever works it is to know, each a `code` with its values, put into words
    by `domain/list_reasons.py`. `inputs` are what decided, beside the customers themselves: weights, quotas and sources
    as they were, `working_days` of the month, `eligible` customers, and of the places how many `reserved` were needed
    for coverage.
    """

    __tablename__ = "call_lists"
    __table_args__ = (
        UniqueConstraint("manager_id", "day", postgresql_include=["id"]),
        Index("ix_call_lists_day", "day"),
        Index("ix_call_lists_made_for_id_day", "made_for_id", "day"),
    )

    manager_id: Mapped[UUID] = mapped_column(ForeignKey("agents.id", ondelete="CASCADE"))
    day: Mapped[date]
    made_for_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"))
    made_at: Mapped[datetime] = mapped_column(server_default=func.now())
    size: Mapped[int]
    notices: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'::jsonb"))
    inputs: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))


class EntrySource(StrEnum):
    """What brought a customer onto a list."""

    PROMISED = "promised"
    """A call was promised for that day, or earlier and is still owed."""
    CARRIED_OVER = "carried_over"
    """Nobody worked their last entry."""
    COVERAGE = "coverage"
    """It is their turn: everybody is listed once in each month's number of working days."""
    RANKED = "ranked"
    """They came first by their score."""
    PINNED = "pinned"
    """Put there by hand the day before."""
    ADDED = "added"
    """A call was promised after the list had been made."""


class EntryState(StrEnum):
    """How far the work on an entry is: `open` → `taken` → `done` | `skipped`."""

    OPEN = "open"
    TAKEN = "taken"
    DONE = "done"
    SKIPPED = "skipped"


class EntryOutcome(StrEnum):
    """What came of calling."""

    REACHED = "reached"
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    WRONG_NUMBER = "wrong_number"
    REFUSED = "refused"


class CallListEntry(HasId, Base):
    """A customer on a list. Nobody is on two lists of one day.

    `reasons` says why they are there, each a `code` with its values, the weightiest first; `score` is the sum of what
    these weigh. `reserved_by_id` holds the entry until `reserved_until`. `attempt_id` and `call_id` are of the last
    call that was placed for it.
    """

    __tablename__ = "call_list_entries"
    __table_args__ = (
        UniqueConstraint("customer_id", "day"),
        UniqueConstraint("list_id", "position", deferrable=True, initially="DEFERRED"),
        CheckConstraint("position > 0", name="position"),
        CheckConstraint("(state = 'taken') = (reserved_until IS NOT NULL)", name="taken"),
        # What was left over, of all lists of a month.
        Index(
            "ix_call_list_entries_unworked",
            "list_id",
            postgresql_include=["customer_id", "day"],
            postgresql_where=text("state IN ('open', 'taken')"),
        ),
        Index("ix_call_list_entries_reserved_until", "reserved_until", postgresql_where=text("state = 'taken'")),
        Index("ix_call_list_entries_call_id", "call_id", postgresql_where=text("call_id IS NOT NULL")),
        Index("ix_call_list_entries_attempt_id", "attempt_id", postgresql_where=text("attempt_id IS NOT NULL")),
        {"postgresql_with": {"fillfactor": "85"}},
    )

    list_id: Mapped[UUID] = mapped_column(ForeignKey("call_lists.id", ondelete="CASCADE"))
    day: Mapped[date]
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"))
    position: Mapped[int]
    score: Mapped[float]
    source: Mapped[EntrySource]
    reasons: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    carried_over: Mapped[bool] = mapped_column(server_default=text("false"))
    added_later: Mapped[bool] = mapped_column(server_default=text("false"))
    state: Mapped[EntryState] = mapped_column(server_default=EntryState.OPEN.value)
    outcome: Mapped[EntryOutcome | None]
    skip_reason: Mapped[str] = mapped_column(server_default="")
    reserved_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"))
    reserved_until: Mapped[datetime | None]
    worked_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"))
    worked_at: Mapped[datetime | None]
    attempt_id: Mapped[UUID | None] = mapped_column(ForeignKey("dial_attempts.id", ondelete="SET NULL"))
    call_id: Mapped[UUID | None] = mapped_column(ForeignKey("calls.id", ondelete="SET NULL"))


class LeftOutReason(StrEnum):
    """Why somebody of the book was not to be on a list."""

    DO_NOT_CALL = "do_not_call"
    CONSENT_WITHDRAWN = "consent_withdrawn"
    OPEN_COMPLAINT = "open_complaint"
    """The complaint's owner calls."""
    CLOSED_WINDOW = "closed_window"
    """Where they are, nobody may be called on that day."""
    CALLED_TODAY = "called_today"
    ON_ANOTHER_LIST = "on_another_list"
    NO_NUMBER = "no_number"
    DROPPED = "dropped"
    """Taken off by hand the day before; `note` says why."""
    NO_ROOM = "no_room"
    """A call was promised, and the list was full."""


class CallListLeftOut(Base):
    """From `first_day` to `last_day` (None: still) somebody of a manager's book is left out of their lists, and why.

    Written when a list is made on which that begins or ends, so that whoever is left out for a year is one row. Its
    days that have no list mean nothing.
    """

    __tablename__ = "call_list_left_out"
    __table_args__ = (
        CheckConstraint("last_day >= first_day", name="last_day"),
        Index("ix_call_list_left_out_manager_id_last_day", "manager_id", "last_day"),
        Index(
            "ix_call_list_left_out_still",
            "manager_id",
            "customer_id",
            postgresql_include=["reason", "first_day"],
            postgresql_where=text("last_day IS NULL"),
        ),
    )

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"), primary_key=True)
    manager_id: Mapped[UUID] = mapped_column(ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True)
    first_day: Mapped[date] = mapped_column(primary_key=True)
    last_day: Mapped[date | None]
    reason: Mapped[LeftOutReason]
    note: Mapped[str] = mapped_column(server_default="")


class ListStanding(Base):
    """From which day on a customer waits for their turn: the clock of the coverage, one row a customer.

    `counted_on` is the last working day on which they were on a list, were left out of one, or were not yet in the
    book of `manager_id`.
    """

    __tablename__ = "list_standings"
    __table_args__ = (
        # Without `counted_on`, which changes each day: so a row stays where it is, beside the others of its book.
        Index("ix_list_standings_manager_id_customer_id", "manager_id", "customer_id"),
        {"postgresql_with": {"fillfactor": "70"}},
    )

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"), primary_key=True)
    manager_id: Mapped[UUID]
    counted_on: Mapped[date]


class RearrangementKind(StrEnum):
    """What is to be different on tomorrow's list."""

    PIN = "pin"
    """On the list, whatever the score says."""
    MOVE = "move"
    """At this position, if they are on it."""
    DROP = "drop"


class ListRearrangement(HasId, Base):
    """One wish for a list that is not made yet."""

    __tablename__ = "list_rearrangements"
    __table_args__ = (
        UniqueConstraint("customer_id", "manager_id", "day"),
        Index("ix_list_rearrangements_manager_id_day", "manager_id", "day"),
        CheckConstraint("position BETWEEN 1 AND 500", name="position"),
        CheckConstraint("kind <> 'drop' OR reason <> ''", name="drop_has_reason"),
        CheckConstraint("kind <> 'move' OR position IS NOT NULL", name="move_has_position"),
    )

    manager_id: Mapped[UUID] = mapped_column(ForeignKey("agents.id", ondelete="CASCADE"))
    day: Mapped[date]
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"))
    kind: Mapped[RearrangementKind]
    position: Mapped[int | None]
    reason: Mapped[str] = mapped_column(String(500), server_default="")
    by_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
