"""Whose customer it is when somebody claims one: settled by a written rule, so that nobody has to fight it out.

A *valid contact* is a call that was answered by the account manager, or another contact that they wrote down; a note is
none. It counts for the *protection period* after it.

1. Whoever claims must have had a valid contact with the customer within the protection period.
2. A prospect without an owner goes to whoever claims them.
3. An owner is protected for the protection period after they were given the customer, and after each valid contact of
   theirs. When that is over, whoever claims the customer gets them.
4. Where the owner has the customer by a claim of their own, the first valid contact decides: if the claimant's first
   one within the protection period was earlier, the customer is theirs, whoever claimed first.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final


class ClaimOutcome(StrEnum):
    """Whether the claimant has the customer now."""

    GRANTED = "granted"
    REFUSED = "refused"


class ClaimReason(StrEnum):
    """Which part of the rule decided."""

    NO_VALID_CONTACT = "no_valid_contact"
    ALREADY_YOURS = "already_yours"
    NO_OWNER = "no_owner"
    PROTECTION_OVER = "protection_over"
    EARLIER_CONTACT = "earlier_contact"
    OWNER_PROTECTED = "owner_protected"


IN_WORDS: Final[Mapping[ClaimReason, tuple[str, str]]] = {
    ClaimReason.NO_VALID_CONTACT: (
        "保护期内您与该客户没有有效联系（接通的电话或已登记的联系），请先联系客户再认领。",
        "Within the protection period you had no answered call and wrote down no contact. Get in touch, then claim.",
    ),
    ClaimReason.ALREADY_YOURS: ("该客户已经在您名下。", "This customer is yours already."),
    ClaimReason.NO_OWNER: ("该客户没有归属人，现归您所有。", "The customer had no owner and is yours now."),
    ClaimReason.PROTECTION_OVER: (
        "原归属人的保护期已过，该客户现归您所有。",
        "The owner's protection period is over; the customer is yours now.",
    ),
    ClaimReason.EARLIER_CONTACT: (
        "保护期内您的首次有效联系早于原归属人，该客户现归您所有。",
        "Your first valid contact in the protection period was before the owner's; the customer is yours now.",
    ),
    ClaimReason.OWNER_PROTECTED: (
        "该客户在归属人的保护期内，保护期结束后可以再次认领。",
        "The customer's owner is still protected. Claim again when that is over.",
    ),
}
"""What the claimant is told, zh and en."""


@dataclass(frozen=True, slots=True)
class Holding:
    """How the present owner stands with the customer.

    Attributes:
        since: when they were given the customer.
        last_contact: their latest valid contact.
        claimed_by: the valid contact that decided the claim by which they have the customer; None when they were given
            it by hand or by a rule.
    """

    since: datetime
    last_contact: datetime | None
    claimed_by: datetime | None = None

    def protected_until(self, protection: timedelta) -> datetime:
        """When the protection ends."""
        return max(self.since, self.last_contact or self.since) + protection


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a claim, and until when the owner is protected where that is why it was refused."""

    outcome: ClaimOutcome
    reason: ClaimReason
    protected_until: datetime | None = None


def settle_claim(
    first_contact: datetime | None, holding: Holding | None, now: datetime, protection: timedelta
) -> Verdict:
    """Settle a claim at `now` by somebody who is not the owner.

    Args:
        first_contact: the claimant's first valid contact within the protection period; None when there was none.
        holding: of the present owner; None when there is no owner.
        now: when it was claimed.
        protection: the protection period.
    """
    if first_contact is None:
        return Verdict(ClaimOutcome.REFUSED, ClaimReason.NO_VALID_CONTACT)
    if holding is None:
        return Verdict(ClaimOutcome.GRANTED, ClaimReason.NO_OWNER)
    until = holding.protected_until(protection)
    if until <= now:
        return Verdict(ClaimOutcome.GRANTED, ClaimReason.PROTECTION_OVER)
    if holding.claimed_by is not None and first_contact < holding.claimed_by:
        return Verdict(ClaimOutcome.GRANTED, ClaimReason.EARLIER_CONTACT)
    return Verdict(ClaimOutcome.REFUSED, ClaimReason.OWNER_PROTECTED, until)
