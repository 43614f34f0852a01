"""When two records are one person: what is compared, how strongly that speaks, what forbids it, and the verdict.

The model is Fellegi and Sunter's. Every field of two records is put on a *level*, from "the same" down to "differs".
A level speaks with log2(m / u) *bits*: m is how often it is seen in two records of one person, u how often in two of
different people. The bits of all fields and those of the prior (how rare it is that two records drawn at random belong
together) add up to a weight; at 0 bits both are as likely. Missing values say nothing.

That model takes fields as independent, which people who live together are not: they share number, address and surname.
So number and address are one field here, whose levels speak once; and *vetoes* stand above the weight.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MISSING: Final = -1
"""The level of a field that one of the records lacks."""


class Field(StrEnum):
    """What is compared."""

    GIVEN_NAME = "given_name"
    SURNAME = "surname"
    BIRTH_DATE = "birth_date"
    SEX = "sex"
    NATIONAL_ID = "national_id"
    EMAIL = "email"
    CONTACT = "contact"
    """Number and address together, because they are shared together."""


class Outcome(StrEnum):
    """Of two records: one person; perhaps, let somebody look; two people."""

    SAME = "same"
    MAYBE = "maybe"
    DIFFERENT = "different"


class Veto(StrEnum):
    """Why two records are not one person's however much they share."""

    GIVEN_NAMES_DIFFER = "given_names_differ"
    BIRTH_DATES_DIFFER = "birth_dates_differ"
    SEXES_DIFFER = "sexes_differ"
    NOTHING_PERSONAL = "nothing_personal"
    """All that agrees is what people who live or work together share."""


@dataclass(frozen=True, slots=True)
class Level:
    """One outcome of comparing a field.

    Attributes:
        name: what is said to people and stored; stable.
        m, u: what is taken for m and u where the data themselves are too few to tell.
    """

    name: str
    m: float
    u: float


LEVELS: Final[Mapping[Field, tuple[Level, ...]]] = {
    Field.GIVEN_NAME: (
        Level("same", 0.82, 0.006),
        Level("sounds_the_same", 0.03, 0.002),
        Level("swapped", 0.02, 1e-5),
        Level("near", 0.07, 0.006),
        Level("similar", 0.04, 0.03),
        Level("differs", 0.02, 0.956),
    ),
    Field.SURNAME: (
        Level("same", 0.85, 0.006),
        Level("sounds_the_same", 0.02, 0.001),
        Level("near", 0.07, 0.004),
        Level("similar", 0.03, 0.02),
        Level("differs", 0.03, 0.969),
    ),
    Field.BIRTH_DATE: (
        Level("same", 0.88, 5e-5),
        Level("near", 0.07, 0.002),
        Level("similar", 0.03, 0.02),
        Level("differs", 0.02, 0.978),
    ),
    Field.SEX: (Level("same", 0.985, 0.5), Level("differs", 0.015, 0.5)),
    Field.NATIONAL_ID: (Level("same", 0.88, 1e-6), Level("near", 0.08, 1e-4), Level("differs", 0.04, 0.9998)),
    Field.EMAIL: (Level("same", 0.7, 1e-6), Level("near", 0.1, 1e-4), Level("differs", 0.2, 0.9998)),
    Field.CONTACT: (
        Level("phone_and_home", 0.4, 1e-6),
        Level("phone_and_area", 0.1, 1e-6),
        Level("phone", 0.1, 1e-6),
        Level("home", 0.2, 1e-6),
        Level("partly", 0.08, 1e-3),
        Level("area", 0.05, 0.02),
        Level("differs", 0.07, 0.978),
    ),
}
"""The levels of every field, the strongest first. A level's number counts from below: `differs` is 0."""

LINK_BITS: Final = 3.0
"""From this weight on two records count as one person's when a file is evaluated (odds of 8 to 1)."""

MAYBE_BITS: Final = -4.0
"""From this weight on somebody is asked (odds of 1 to 16)."""

SAME_BITS: Final = 12.0
"""From this weight on, and only if what is personal agrees in full, records are merged unasked (4,096 to 1)."""


def level_number(field: Field, name: str) -> int:
    """The number of a field's level; the lowest, `differs`, is 0."""
    levels = LEVELS[field]
    return len(levels) - 1 - [level.name for level in levels].index(name)


def level_name(field: Field, number: int) -> str:
    """The name of a field's level by its number; `missing` for a field that one of the records lacks."""
    levels = LEVELS[field]
    return "missing" if number == MISSING else levels[len(levels) - 1 - number].name


@dataclass(frozen=True, slots=True)
class Condition:
    """That a field stands at least, or at most, at a level. A missing field fulfils neither."""

    field: Field
    at_least: str | None = None
    at_most: str | None = None

    def holds(self, levels: Mapping[Field, int]) -> bool:
        """Whether it does for two records whose fields stand at these levels."""
        number = levels.get(self.field, MISSING)
        if number == MISSING:
            return False
        if self.at_least is not None and number < level_number(self.field, self.at_least):
            return False
        return self.at_most is None or number <= level_number(self.field, self.at_most)


Conditions = tuple[Condition, ...]
"""All of them."""


@dataclass(frozen=True, slots=True)
class VetoRule:
    """A veto: holds when all of `when` holds, unless all of one of the `unless` does.

    `unless_alone` counts as well where people do not share homes and numbers: what would be a twin or a father of the
    same name elsewhere is an error of the record there.
    """

    veto: Veto
    when: Conditions
    unless: tuple[Conditions, ...]
    unless_alone: tuple[Conditions, ...] = ()


_SAME_ID: Final = Condition(Field.NATIONAL_ID, at_least="same")
_NEAR_ID: Final = Condition(Field.NATIONAL_ID, at_least="near")
_SAME_BIRTH: Final = Condition(Field.BIRTH_DATE, at_least="same")
_LIKE_GIVEN: Final = Condition(Field.GIVEN_NAME, at_least="similar")
_LIKE_SURNAME: Final = Condition(Field.SURNAME, at_least="similar")

VETOES: Final = (
    VetoRule(
        Veto.GIVEN_NAMES_DIFFER,
        when=(Condition(Field.GIVEN_NAME, at_most="differs"),),
        unless=((_SAME_ID,), (_NEAR_ID, _SAME_BIRTH)),
        unless_alone=((_SAME_BIRTH, Condition(Field.CONTACT, at_least="partly")),),
    ),
    VetoRule(
        Veto.BIRTH_DATES_DIFFER,
        when=(Condition(Field.BIRTH_DATE, at_most="differs"),),
        unless=((_SAME_ID, _LIKE_GIVEN), (_SAME_ID, _LIKE_SURNAME), (_NEAR_ID, _LIKE_GIVEN)),
        unless_alone=((_LIKE_GIVEN, Condition(Field.CONTACT, at_least="partly")),),
    ),
    VetoRule(
        Veto.SEXES_DIFFER,
        when=(Condition(Field.SEX, at_most="differs"),),
        unless=((_SAME_ID,), (Condition(Field.GIVEN_NAME, at_least="near"), _SAME_BIRTH)),
    ),
    VetoRule(
        Veto.NOTHING_PERSONAL,
        when=(),
        unless=(
            (_LIKE_GIVEN,),
            (Condition(Field.BIRTH_DATE, at_least="near"),),
            (_NEAR_ID,),
        ),
    ),
)
"""In the order in which they are told."""

_FULL_NAME: Final = (
    Condition(Field.GIVEN_NAME, at_least="near"),
    Condition(Field.SURNAME, at_least="near"),
)
SURE: Final[tuple[Conditions, ...]] = (
    (*_FULL_NAME, _SAME_BIRTH, Condition(Field.CONTACT, at_least="partly")),
    (*_FULL_NAME, _SAME_BIRTH, Condition(Field.EMAIL, at_least="near")),
    (*_FULL_NAME, _SAME_BIRTH, _NEAR_ID),
    (Condition(Field.GIVEN_NAME, at_least="near"), _SAME_ID, Condition(Field.BIRTH_DATE, at_least="near")),
)
"""What has to agree, one row of it in full, before records may be merged unasked."""


def veto(levels: Mapping[Field, int], *, homes_are_shared: bool = True) -> Veto | None:
    """The first veto that two records meet whose fields stand at these levels."""
    for rule in VETOES:
        exceptions = rule.unless if homes_are_shared else rule.unless + rule.unless_alone
        if _all_hold(rule.when, levels) and not any(_all_hold(unless, levels) for unless in exceptions):
            return rule.veto
    return None


def decide(weight: float, levels: Mapping[Field, int], *, homes_are_shared: bool = True) -> Outcome:
    """The verdict on two records.

    Args:
        weight: what all fields and the prior say together, in bits.
        levels: where each field stands.
        homes_are_shared: whether these records have people who live together; where in doubt, they do.
    """
    if veto(levels, homes_are_shared=homes_are_shared) is not None or weight < MAYBE_BITS:
        return Outcome.DIFFERENT
    if weight >= SAME_BITS and any(_all_hold(sure, levels) for sure in SURE):
        return Outcome.SAME
    return Outcome.MAYBE


def _all_hold(conditions: Conditions, levels: Mapping[Field, int]) -> bool:
    return all(condition.holds(levels) for condition in conditions)
