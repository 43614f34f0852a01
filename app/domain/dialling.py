"""Whether a customer may be called now: the rules, checked for lists and promises, and again when they are dialled.

The first rule that forbids it is told. What it needs to know is gathered by `services/dial_rules.py`.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from app.domain.phone_numbers import LineType, PhoneNumber


class DialPurpose(StrEnum):
    """Why we call: a marketing call needs a customer who has not withdrawn their consent to such calls."""

    SERVICE = "service"
    MARKETING = "marketing"


class Forbidden(StrEnum):
    """Why a call may not be placed, gravest first."""

    CUSTOMER_ERASED = "customer_erased"
    DO_NOT_CALL = "do_not_call"
    CONSENT_WITHDRAWN = "consent_withdrawn"
    NO_NUMBER = "no_number"
    NUMBER_NOT_ALLOWED = "number_not_allowed"
    """Short codes, emergency and premium-rate numbers, and what is no valid number."""
    OWN_NUMBER = "own_number"
    ALREADY_DIALLING = "already_dialling"
    CALLED_TOO_OFTEN = "called_too_often"
    WINDOW_CLOSED = "window_closed"

    @property
    def is_passing(self) -> bool:
        """True where waiting helps."""
        return self in _PASSING

    @property
    def is_theirs(self) -> bool:
        """True where it is the customer who does not want it, or is forgotten: nothing is promised to them any more."""
        return self in _THEIRS

    @property
    def words(self) -> dict[str, str]:
        """The reason for people, in each language of the product."""
        zh, en = _WORDS[self]
        return {"zh": zh, "en": en}


_THEIRS: Final = frozenset({Forbidden.CUSTOMER_ERASED, Forbidden.DO_NOT_CALL, Forbidden.CONSENT_WITHDRAWN})
_PASSING: Final = frozenset({Forbidden.ALREADY_DIALLING, Forbidden.CALLED_TOO_OFTEN, Forbidden.WINDOW_CLOSED})

_WORDS: Final = {
    Forbidden.CUSTOMER_ERASED: ("该客户的资料已删除。", "This customer has been forgotten."),
    Forbidden.DO_NOT_CALL: ("该客户要求不再致电。", "This customer does not want to be called."),
    Forbidden.CONSENT_WITHDRAWN: (
        "该客户已撤回营销电话授权。",
        "This customer has withdrawn consent to marketing calls.",
    ),
    Forbidden.NO_NUMBER: ("没有可拨打的号码。", "There is no number to call."),
    Forbidden.NUMBER_NOT_ALLOWED: ("此号码不允许拨打。", "Numbers of this kind are not called."),
    Forbidden.OWN_NUMBER: ("这是我们自己的号码。", "This is a number of our own."),
    Forbidden.ALREADY_DIALLING: ("正在拨打此号码。", "This number is being called right now."),
    Forbidden.CALLED_TOO_OFTEN: ("今天已多次致电该号码。", "This number has been called often enough today."),
    Forbidden.WINDOW_CLOSED: ("对方当地现在不宜致电。", "It is no time to call at the customer's place."),
}

_NEVER_CALLED: Final = frozenset({LineType.PREMIUM_RATE, LineType.SHARED_COST, LineType.PAGER, LineType.VOICEMAIL})


@dataclass(frozen=True, slots=True)
class DialRefusal:
    """A call that may not be placed. `until` is when it may be tried again, where that is known."""

    why: Forbidden
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class DialFacts:
    """What is known of a call that is to be placed.

    Attributes:
        number: whom to call; None where there is no number.
        is_ours: it is one of our own.
        is_erased, do_not_call, is_withdrawn: of the customer, False for a number that belongs to nobody known.
        is_being_dialled: another call to the same number is under way.
        calls_today: how often the number was rung on this day of the callee's.
    """

    number: PhoneNumber | None
    is_ours: bool = False
    is_erased: bool = False
    do_not_call: bool = False
    is_withdrawn: bool = False
    is_being_dialled: bool = False
    calls_today: int = 0


def forbidden_by_facts(facts: DialFacts, purpose: DialPurpose, calls_a_day: int) -> Forbidden | None:
    """The first rule but the calling window that forbids the call, or None. `calls_a_day` is the most to one number."""
    if facts.is_erased:
        return Forbidden.CUSTOMER_ERASED
    if facts.do_not_call:
        return Forbidden.DO_NOT_CALL
    if purpose is DialPurpose.MARKETING and facts.is_withdrawn:
        return Forbidden.CONSENT_WITHDRAWN
    if facts.number is None:
        return Forbidden.NO_NUMBER
    if not facts.number.is_number or not facts.number.is_valid or facts.number.line_type in _NEVER_CALLED:
        return Forbidden.NUMBER_NOT_ALLOWED
    if facts.is_ours:
        return Forbidden.OWN_NUMBER
    if facts.is_being_dialled:
        return Forbidden.ALREADY_DIALLING
    if facts.calls_today >= calls_a_day:
        return Forbidden.CALLED_TOO_OFTEN
    return None
