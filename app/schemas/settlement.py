"""How fast complaints were settled, and what came of it."""

from enum import StrEnum

from pydantic import BaseModel, Field


class SettlementClass(StrEnum):
    """The training material's four classes of customers."""

    FAST = "fast"
    """Settled within the severity's due time, and never reopened."""
    SETTLED = "settled"
    """Settled, but later, or not at the first time."""
    NOT_SETTLED = "not_settled"
    NEVER_COMPLAINED = "never_complained"
    """They said 1 or 2 of 5 in a callback, and have never complained."""


class SettlementRow(BaseModel):
    """One class. A customer is in one class, by their latest complaint of the period."""

    kind: SettlementClass
    customers: int
    observed: int = Field(description="For how many of them the days after it are over.")
    bought_again: int = Field(description="How many of the observed bought again within these days.")
    share: float | None = Field(description="Of the observed, who bought again; null for nobody.")
    training_share: float = Field(description="The training material's figure.")
    median_hours: float | None = Field(description="Half of them were settled within so many hours on the clock.")


class Settlement(BaseModel):
    """All four classes."""

    within_days: int
    classes: list[SettlementRow]
