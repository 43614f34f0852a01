"""The states of a call and of its legs, and how what the carrier says moves them.

Carriers repeat themselves, overtake themselves and leave gaps, so a state is never *set*: what is known already and
what has just been heard are *joined*, and the join is commutative, associative and idempotent. The same messages in any
order, any number of times, therefore end in the same state, and nothing leaves a terminal state for a live one.
"""

from enum import StrEnum


class CarrierStatus(StrEnum):
    """What a carrier says of one leg, in Twilio's words with underscores.

    Rising order of certainty: a leg that is said to be both `no_answer` and `completed` was completed.
    """

    QUEUED = "queued"
    INITIATED = "initiated"
    RINGING = "ringing"
    IN_PROGRESS = "in_progress"
    FAILED = "failed"
    BUSY = "busy"
    CANCELED = "canceled"
    NO_ANSWER = "no_answer"
    COMPLETED = "completed"

    @property
    def is_terminal(self) -> bool:
        """True when the leg is over."""
        return self in _LEG_TERMINAL


class CallState(StrEnum):
    """Where a whole call stands.

    `ringing` (offered to an agent, or about to be) → `waiting` (in the queue) → `in_progress` (an agent answered) →
    one of the ends: `failed`, `abandoned` (the caller left before anybody answered), `not_reached` (whom we called did
    not answer), `callback` (they pressed 1), `voicemail` (they left a message), `completed`.
    """

    RINGING = "ringing"
    WAITING = "waiting"
    IN_PROGRESS = "in_progress"
    FAILED = "failed"
    ABANDONED = "abandoned"
    NOT_REACHED = "not_reached"
    CALLBACK = "callback"
    VOICEMAIL = "voicemail"
    COMPLETED = "completed"

    @property
    def is_terminal(self) -> bool:
        """True when the call is over."""
        return self in _CALL_TERMINAL


_LEG_ORDER = {status: rank for rank, status in enumerate(CarrierStatus)}
_LEG_TERMINAL = frozenset(
    {
        CarrierStatus.FAILED,
        CarrierStatus.CANCELED,
        CarrierStatus.NO_ANSWER,
        CarrierStatus.BUSY,
        CarrierStatus.COMPLETED,
    }
)
_CALL_ORDER = {state: rank for rank, state in enumerate(CallState)}
_CALL_TERMINAL = frozenset(
    {
        CallState.FAILED,
        CallState.ABANDONED,
        CallState.NOT_REACHED,
        CallState.CALLBACK,
        CallState.VOICEMAIL,
        CallState.COMPLETED,
    }
)


def join_leg(known: CarrierStatus, heard: CarrierStatus) -> CarrierStatus:
    """The status of a leg of which `known` was believed and `heard` has now been said."""
    return max(known, heard, key=_LEG_ORDER.__getitem__)


def join_call(known: CallState, heard: CallState) -> CallState:
    """The state of a call that stood at `known` when `heard` became true as well."""
    return max(known, heard, key=_CALL_ORDER.__getitem__)


def call_state(
    customer_leg: CarrierStatus,
    *,
    was_waiting: bool,
    agent_answered: bool,
    callback_promised: bool,
    left_voicemail: bool,
) -> CallState:
    """The state of a call from the facts known of it; every fact only ever turns from false to true.

    Args:
        customer_leg: the joined status of the customer's own leg.
        was_waiting: the call has been in a queue.
        agent_answered: some agent's leg was answered.
        callback_promised: the caller pressed 1.
        left_voicemail: a message was recorded.
    """
    if not customer_leg.is_terminal:
        if agent_answered:
            return CallState.IN_PROGRESS
        return CallState.WAITING if was_waiting else CallState.RINGING
    if agent_answered:
        return CallState.COMPLETED
    if left_voicemail:
        return CallState.VOICEMAIL
    if callback_promised:
        return CallState.CALLBACK
    if customer_leg in (CarrierStatus.FAILED, CarrierStatus.BUSY):
        return CallState.FAILED
    return CallState.ABANDONED


def placed_call_state(customer_leg: CarrierStatus, *, answered: bool, is_over: bool) -> CallState:
    """The state of a call that we placed: it rings until the customer answers, and then until it is over.

    Args:
        customer_leg: the joined status of the customer's leg.
        answered: it was answered.
        is_over: nobody is being rung for it any more.
    """
    if not is_over and not customer_leg.is_terminal:
        return CallState.IN_PROGRESS if answered else CallState.RINGING
    if answered:
        return CallState.COMPLETED
    return CallState.FAILED if customer_leg is CarrierStatus.FAILED else CallState.NOT_REACHED
