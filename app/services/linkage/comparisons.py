"""How Splink is to compare two rows of `people`: the levels of `domain.linkage` as SQL, and the model's settings."""

from collections.abc import Mapping
from typing import Any, Final

import duckdb

from app.domain.linkage import LEVELS, Field
from app.services.linkage.model import Probabilities

_PLACE: Final = "street_a, street_b, unit_a, unit_b, house_a, house_b, suburb_a, suburb_b, postcode_a, postcode_b"

# Macros and not SQL in one piece: Splink parses every condition many times over, and long ones take it seconds.
MACROS: Final = (
    # Two texts resemble each other (Jaro-Winkler). Measured only where they begin or end alike: it is dear.
    """alike(a, b, least) AS (a[1] = b[1] OR a[-2:] = b[-2:]) AND jaro_winkler_similarity(a, b) >= least""",
    # At most so many letters were slipped (Damerau-Levenshtein), measured only where the lengths allow it.
    """slips(a, b, most) AS abs(length(a) - length(b)) <= most AND (a[:2] = b[:2] OR a[-2:] = b[-2:] OR length(a) <= 4)
    AND damerau_levenshtein(a, b) <= most""",
    "as_one(condition) AS CASE WHEN condition THEN 1 ELSE 0 END",
    """swapped(given_a, given_b, surname_a, surname_b) AS
    given_a = surname_b AND surname_a = given_b AND given_a <> surname_a
    OR given_a = surname_b AND alike(surname_a, given_b, 0.85) AND given_a <> given_b
    OR surname_a = given_b AND alike(given_a, surname_b, 0.85) AND given_a <> given_b""",
    # A Chinese name is one to four syllables: what two of them have in common is soon too little, so only a slip of one
    # letter (lin, ling) is near, and nothing is merely similar. Lengths are 0 for names that are not Chinese.
    """given_near(a, b, length_a, length_b) AS
    length_a > 0 AND length_a = length_b AND slips(a, b, 1)
    OR (length_a = 0 OR length_b = 0) AND length(a) >= 3 AND length(b) >= 3
    AND (alike(a, b, 0.93) OR slips(a, b, 1))""",
    """given_similar(a, b, length_a, length_b, initials_a, initials_b) AS
    (length_a = 0 OR length_b = 0) AND (
        alike(a, b, 0.84)
        OR length(a) >= 5 AND length(b) >= 5 AND slips(a, b, 2)
        OR length(a) >= 3 AND length(b) >= 3 AND (starts_with(a, b) OR starts_with(b, a))
    )
    OR a = initials_b OR b = initials_a""",
    "surname_near(a, b) AS length(a) >= 3 AND length(b) >= 3 AND slips(a, b, 1) OR alike(a, b, 0.93)",
    """surname_similar(a, b) AS
    alike(a, b, 0.84) OR length(a) >= 5 AND length(b) >= 5 AND slips(a, b, 2)
    OR (length(a) = 1 OR length(b) = 1) AND a[1] = b[1]""",
    "date_parts(a, b) AS as_one(a[1:4] = b[1:4]) + as_one(a[5:6] = b[5:6]) + as_one(a[7:8] = b[7:8])",
    """date_slips(a, b, n) AS
    (date_parts(a, b) >= 1 OR length(a) <> length(b)) AND damerau_levenshtein(a, b) <= n""",
    "date_turned(a, b) AS a[1:4] = b[1:4] AND a[5:6] = b[7:8] AND a[7:8] = b[5:6]",
    # Two Chinese identity numbers of twins differ in two places at least, one of them the check digit.
    """id_near(a, b) AS
    length(a) >= 6 AND length(b) >= 6 AND slips(a, b, CASE WHEN least(length(a), length(b)) >= 12 THEN 1 ELSE 2 END)""",
    """email_near(a, b) AS
    split_part(a, '@', 1) = split_part(b, '@', 1) AND length(split_part(a, '@', 1)) >= 5 OR slips(a, b, 2)""",
    """street_agrees(street_a, street_b, unit_a, unit_b) AS
    alike(street_a, street_b, 0.9) OR street_a = unit_b OR unit_a = street_b""",
    "suburb_agrees(a, b) AS a = b OR alike(a, b, 0.9)",
    "postcode_agrees(a, b) AS a = b OR slips(a, b, 1)",
    f"""agreeing({_PLACE}) AS
    as_one(street_agrees(street_a, street_b, unit_a, unit_b)) + as_one(house_a = house_b)
    + as_one(suburb_agrees(suburb_a, suburb_b)) + as_one(postcode_agrees(postcode_a, postcode_b))""",
    f"""compared({_PLACE}) AS
    as_one(street_a IS NOT NULL AND street_b IS NOT NULL) + as_one(house_a IS NOT NULL AND house_b IS NOT NULL)
    + as_one(suburb_a IS NOT NULL AND suburb_b IS NOT NULL)
    + as_one(postcode_a IS NOT NULL AND postcode_b IS NOT NULL)""",
    f"neighbours({_PLACE}) AS house_a = house_b OR suburb_a = suburb_b OR postcode_a = postcode_b",
    # At home together: street and house, or three of the four parts; an address in one long text without any number.
    f"""at_home({_PLACE}) AS
    house_a = house_b AND street_agrees(street_a, street_b, unit_a, unit_b)
    OR neighbours({_PLACE}) AND agreeing({_PLACE}) >= 3
    OR length(street_a) >= 10 AND street_a = street_b AND compared({_PLACE}) = 1""",
    f"""partly_home({_PLACE}) AS
    neighbours({_PLACE}) AND street_agrees(street_a, street_b, unit_a, unit_b) AND agreeing({_PLACE}) = 2""",
    f"""in_area({_PLACE}) AS
    suburb_agrees(suburb_a, suburb_b) OR postcode_agrees(postcode_a, postcode_b)
    OR street_agrees(street_a, street_b, unit_a, unit_b)""",
    """line_near(a, b) AS (a[1][:4] = b[1][:4] OR a[1][-4:] = b[1][-4:]) AND damerau_levenshtein(a[1], b[1]) <= 1""",
)
"""What the conditions below call; `create_macros` puts them into a database."""

_SWAPPED: Final = "swapped(given_l, given_r, surname_l, surname_r)"
_PLACES: Final = "street_l, street_r, unit_l, unit_r, house_l, house_r, suburb_l, suburb_r, postcode_l, postcode_r"
_AT_HOME: Final = f"at_home({_PLACES})"
_HOME: Final = f"home_crowd_l <= 30 AND home_crowd_r <= 30 AND {_AT_HOME}"
_SAME_LINE: Final = "list_has_any(phones_l, phones_r)"
_PHONE: Final = f"least(phone_crowd_l, phone_crowd_r) <= 12 AND {_SAME_LINE}"

_MISSING: Final[Mapping[Field, str]] = {
    Field.GIVEN_NAME: "given_l IS NULL OR given_r IS NULL",
    # Swapped names speak once, with the given name.
    Field.SURNAME: f"surname_l IS NULL OR surname_r IS NULL OR {_SWAPPED}",
    Field.BIRTH_DATE: "birth_l IS NULL OR birth_r IS NULL",
    Field.SEX: "sex_l IS NULL OR sex_r IS NULL",
    Field.NATIONAL_ID: "national_id_l IS NULL OR national_id_r IS NULL",
    Field.EMAIL: "email_l IS NULL OR email_r IS NULL",
    Field.CONTACT: f"(len(phones_l) = 0 OR len(phones_r) = 0) AND compared({_PLACES}) = 0",
}

_CONDITIONS: Final[Mapping[Field, Mapping[str, str]]] = {
    Field.GIVEN_NAME: {
        "same": "given_key_l = given_key_r",
        "sounds_the_same": "given_l = given_r OR given_full_l = given_full_r",
        "swapped": _SWAPPED,
        "near": "given_near(given_l, given_r, given_length_l, given_length_r)",
        "similar": "given_similar("
        "given_l, given_r, given_length_l, given_length_r, given_initials_l, given_initials_r)",
    },
    Field.SURNAME: {
        "same": "surname_key_l = surname_key_r",
        "sounds_the_same": "surname_l = surname_r",
        "near": "surname_near(surname_l, surname_r)",
        "similar": "surname_similar(surname_l, surname_r)",
    },
    Field.BIRTH_DATE: {
        "same": "birth_l = birth_r",
        "near": "date_slips(birth_l, birth_r, 1) OR date_turned(birth_l, birth_r)",
        "similar": "date_parts(birth_l, birth_r) = 2 OR date_slips(birth_l, birth_r, 2)",
    },
    Field.SEX: {"same": "sex_l = sex_r"},
    Field.NATIONAL_ID: {
        "same": "national_id_l = national_id_r",
        "near": "id_near(national_id_l, national_id_r)",
    },
    Field.EMAIL: {"same": "email_l = email_r", "near": "email_near(email_l, email_r)"},
    Field.CONTACT: {
        "phone_and_home": f"{_PHONE} AND {_HOME}",
        "phone_and_area": f"{_PHONE} AND (in_area({_PLACES}) OR compared({_PLACES}) = 0)",
        "phone": _PHONE,
        "home": _HOME,
        # Also numbers and homes that too many share to say more.
        "partly": f"{_SAME_LINE} OR line_near(phones_l, phones_r) OR home_crowd_l > 30 AND {_AT_HOME}"
        f" OR partly_home({_PLACES})",
        "area": f"in_area({_PLACES})",
    },
}

_WEIGHED_BY_FREQUENCY: Final[Mapping[tuple[Field, str], str]] = {
    (Field.GIVEN_NAME, "same"): "given_key",
    (Field.SURNAME, "same"): "surname_key",
}
"""Levels that speak the louder the rarer the value."""

_COMMONEST: Final = 1e-6


def create_macros(db: duckdb.DuckDBPyConnection) -> None:
    """Teach a database the functions that the conditions call."""
    for macro in MACROS:
        db.execute(f"CREATE OR REPLACE MACRO {macro}")


def settings(probabilities: Probabilities, prior: float, *, by_frequency: bool) -> dict[str, Any]:
    """The settings of a Splink model over `people`.

    Args:
        probabilities: m and u of every level.
        prior: the probability that two records drawn at random are one person's.
        by_frequency: whether the records are enough to tell a rare name from a common one.
    """
    return {
        "link_type": "dedupe_only",
        "unique_id_column_name": "id",
        "probability_two_random_records_match": prior,
        "comparisons": [_comparison(field, probabilities[field], by_frequency=by_frequency) for field in LEVELS],
        "blocking_rules_to_generate_predictions": [],
        "retain_matching_columns": True,
        "retain_intermediate_calculation_columns": False,
        "linker_uid": "callcard",
    }


def _comparison(
    field: Field, probabilities: Mapping[str, tuple[float, float]], *, by_frequency: bool
) -> dict[str, Any]:
    levels: list[dict[str, Any]] = [
        {"sql_condition": _MISSING[field], "label_for_charts": "missing", "is_null_level": True}
    ]
    for level in LEVELS[field]:
        m, u = probabilities[level.name]
        entry: dict[str, Any] = {
            "sql_condition": _CONDITIONS[field].get(level.name, "ELSE"),
            "label_for_charts": level.name,
            "m_probability": m,
            "u_probability": u,
        }
        column = _WEIGHED_BY_FREQUENCY.get((field, level.name))
        if column is not None and by_frequency:
            entry |= {"tf_adjustment_column": column, "tf_minimum_u_value": _COMMONEST}
        levels.append(entry)
    return {"output_column_name": field.value, "comparison_levels": levels}
