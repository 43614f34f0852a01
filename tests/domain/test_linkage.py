"""The verdict on two records."""

from hypothesis import given
from hypothesis import strategies as st

from app.domain.linkage import LEVELS, MISSING, SAME_BITS, Field, Outcome, Veto, decide, level_name, level_number, veto

STANDINGS = st.fixed_dictionaries({field: st.integers(MISSING, len(levels) - 1) for field, levels in LEVELS.items()})


def standing(**names: str) -> dict[Field, int]:
    return {Field(field): level_number(Field(field), name) for field, name in names.items()}


ALL_AGREES = standing(given_name="same", surname="same", birth_date="same", contact="phone_and_home")


def test_levels_count_from_below() -> None:
    assert level_number(Field.SEX, "differs") == 0
    assert level_name(Field.SEX, 1) == "same"
    assert level_name(Field.SEX, MISSING) == "missing"


def test_the_probabilities_that_are_usual_add_up() -> None:
    for levels in LEVELS.values():
        assert abs(sum(level.m for level in levels) - 1) < 1e-9
        assert abs(sum(level.u for level in levels) - 1) < 0.01


def test_strong_agreement_is_the_same_person_and_weak_is_asked_about() -> None:
    assert decide(SAME_BITS, ALL_AGREES) is Outcome.SAME
    assert decide(SAME_BITS - 0.1, ALL_AGREES) is Outcome.MAYBE
    assert decide(-10.0, ALL_AGREES) is Outcome.DIFFERENT


def test_no_weight_makes_the_same_person_of_what_is_not_personal() -> None:
    assert decide(60.0, standing(surname="same", contact="phone_and_home")) is Outcome.DIFFERENT
    assert decide(60.0, standing(given_name="same", surname="same", contact="phone_and_home")) is Outcome.MAYBE


def test_what_forbids() -> None:
    assert veto({**ALL_AGREES, Field.GIVEN_NAME: 0}) is Veto.GIVEN_NAMES_DIFFER
    assert veto({**ALL_AGREES, Field.BIRTH_DATE: 0}) is Veto.BIRTH_DATES_DIFFER
    assert veto(standing(given_name="similar", birth_date="near", sex="differs")) is Veto.SEXES_DIFFER
    assert veto({**ALL_AGREES, Field.SEX: 0}) is None
    assert veto(standing(email="same")) is Veto.NOTHING_PERSONAL
    assert veto({**ALL_AGREES, Field.GIVEN_NAME: 0, Field.NATIONAL_ID: 2}) is None


def test_where_nobody_shares_a_home_an_odd_name_is_an_error() -> None:
    odd = {**ALL_AGREES, Field.GIVEN_NAME: 0}

    assert veto(odd, homes_are_shared=False) is None
    assert veto({**odd, Field.BIRTH_DATE: 0}, homes_are_shared=False) is Veto.GIVEN_NAMES_DIFFER


@given(STANDINGS, st.floats(-50, 100))
def test_a_veto_stands_above_every_weight(levels: dict[Field, int], weight: float) -> None:
    if veto(levels) is not None:
        assert decide(weight, levels) is Outcome.DIFFERENT


@given(STANDINGS, st.floats(-50, 100), st.floats(0, 50))
def test_more_weight_never_parts(levels: dict[Field, int], weight: float, more: float) -> None:
    order = [Outcome.DIFFERENT, Outcome.MAYBE, Outcome.SAME]

    assert order.index(decide(weight + more, levels)) >= order.index(decide(weight, levels))
