"""The rules and states of placing calls: when to try again, and when a carrier is to be left alone."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base
from app.models.callbacks import DialResult


class NextStep(StrEnum):
    """What follows when a promised call did not reach the customer."""

    RETRY = "retry"
    """The same number again, after the wait."""
    NEXT_NUMBER = "next_number"
    """The customer's next number; escalated where they have no other."""
    ESCALATE = "escalate"
    """A supervisor's now."""


class RetryRule(Base):
    """What follows from one result: wait so many minutes, at most so many attempts with this result, then escalate."""

    __tablename__ = "retry_rules"
    __table_args__ = (
        CheckConstraint("wait_minutes BETWEEN 1 AND 10080", name="wait_minutes"),
        CheckConstraint("most_attempts BETWEEN 1 AND 20", name="most_attempts"),
        CheckConstraint("result <> 'answered'", name="not_reached"),
    )

    result: Mapped[DialResult] = mapped_column(primary_key=True)
    wait_minutes: Mapped[int]
    most_attempts: Mapped[int]
    next_step: Mapped[NextStep]


class CarrierPause(Base):
    """A carrier that asked to be left alone `until` then; `times` in a row, on which the next pause depends."""

    __tablename__ = "carrier_pauses"

    provider: Mapped[str] = mapped_column(primary_key=True)
    until: Mapped[datetime]
    times: Mapped[int]
