"""Who a call is offered to, and why.

The order of preference, from the design: the owner of the caller's open complaint, their account manager, the last
agent who spoke with them, then whoever of the queue has been available longest. Personal preference needs a caller who
was recognised beyond doubt, and goes past the queue; everybody else stands in line, and nobody is offered a free agent
while somebody who came earlier still waits.
"""

from enum import StrEnum


class ReservedBecause(StrEnum):
    """Why this agent was chosen, the strongest reason first."""

    COMPLAINT_OWNER = "complaint_owner"
    """The latest of their complaints that are not closed is this agent's."""
    ACCOUNT_MANAGER = "account_manager"
    LAST_AGENT = "last_agent"
    LONGEST_AVAILABLE = "longest_available"
    DIALLING = "dialling"
    """It is they who call the customer."""


class LeaveReason(StrEnum):
    """Why an agent lost the call that was offered to them."""

    NO_ANSWER = "no_answer"
    DECLINED = "declined"
    UNREACHABLE = "unreachable"
    CALLER_LEFT = "caller_left"
    WENT_OFFLINE = "went_offline"
    TOOK_TOO_LONG = "took_too_long"
