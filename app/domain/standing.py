"""Where a customer stands in selling: how warm they are, and what a contract does to their stage.

`docs/standing.md` explains the rules for people. `services/standing.py` has them in SQL as well, where many customers
are looked at together; a test holds the two against each other.
"""

from enum import StrEnum
from typing import Final


class Tier(StrEnum):
    """By value: the top 1 %, the next 19 %, the next 30 %, the rest."""

    CORE = "core"
    VALUE = "value"
    POTENTIAL = "potential"
    LOW = "low"


class Dcwh(StrEnum):
    """Denial, cold (C), warm (B), hot (A)."""

    DENIAL = "denial"
    COLD = "cold"
    WARM = "warm"
    HOT = "hot"


class Intention(StrEnum):
    """How likely the customer is to buy, as the last contact saw it."""

    UNLIKELY = "unlikely"
    UNCLEAR = "unclear"
    POSSIBLE = "possible"
    GOOD = "good"
    VERY_LIKELY = "very_likely"


class ContractState(StrEnum):
    """Where a customer's contracts stand; `in_contract` turns to `expired` when the last day of the last has passed."""

    NONE = "none"
    IN_CONTRACT = "in_contract"
    EXPIRED = "expired"


STAGES: Final = range(8)
"""0 not reached yet, 1 new in the book, 2 contact with the key person, 3 plans to buy, 4 leans to us, 5 contract sent,
6 in contract, 7 contract expired."""

UNTOUCHED: Final = frozenset({0, 1})
LEANING: Final = frozenset({4, 5})
INTERESTED: Final = frozenset({3, 6, 7})
SIGNED: Final = 6
RUN_OUT: Final = 7

_GRADES: Final = {Dcwh.HOT: "A", Dcwh.WARM: "B", Dcwh.COLD: "C", Dcwh.DENIAL: None}


def dcwh(stage: int, intention: Intention | None, contract: ContractState) -> Dcwh:
    """How warm a customer is. The first line that fits decides:

    1. unlikely to buy: denial; cold while a contract is in force, for they did buy.
    2. stage 4 or 5, or very likely to buy: hot.
    3. stage 3, 6 or 7, a good intention, or any contract, also one that has run out: warm.
    4. else cold.
    """
    if intention is Intention.UNLIKELY:
        return Dcwh.COLD if contract is ContractState.IN_CONTRACT else Dcwh.DENIAL
    if stage in LEANING or intention is Intention.VERY_LIKELY:
        return Dcwh.HOT
    if stage in INTERESTED or intention is Intention.GOOD or contract is not ContractState.NONE:
        return Dcwh.WARM
    return Dcwh.COLD


def grade(warmth: Dcwh) -> str | None:
    """A, B or C, as salespeople say it; None for denial."""
    return _GRADES[warmth]


def stage_after(stage: int, before: ContractState, after: ContractState) -> int:
    """The stage once a customer's contracts stand otherwise than before.

    What was signed is stage 6, whatever it was. What ran out is stage 7, unless they are being talked with about the
    next one already (stages 2 to 5).
    """
    if before is after:
        return stage
    if after is ContractState.IN_CONTRACT:
        return SIGNED
    if after is ContractState.EXPIRED and (stage == SIGNED or stage in UNTOUCHED):
        return RUN_OUT
    return stage


def progress(stage: int) -> int:
    """How far a stage is on the way to a contract; a contract that ran out stands between stages 1 and 2.

    Of two stages the one with the greater number here is further on.
    """
    return (0, 1, 3, 4, 5, 6, 7, 2)[stage]
