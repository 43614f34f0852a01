"""Who is calling: the outcome of looking a number up, and why each candidate is one."""

from enum import StrEnum


class MatchOutcome(StrEnum):
    """One customer; more than one and no guess; nobody; no number was shown."""

    UNIQUE = "unique"
    SEVERAL = "several"
    UNKNOWN = "unknown"
    WITHHELD = "withheld"


class MatchReason(StrEnum):
    """By which step a candidate was found, the strongest first."""

    EXACT = "exact"
    """The very number, in E.164."""

    OTHER_COUNTRY = "other_country"
    """The same national number under another country code."""

    SAME_ENDING = "same_ending"
    """The last 8 digits agree and the phone-number library calls it the same line."""

    BY_HAND = "by_hand"
    """An agent linked or created the customer."""
