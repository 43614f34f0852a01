"""Two people compared without a database: the levels of `comparisons`, for a question that has to be answered at once.

Numbers are compared and addresses are not. A test holds every level against the SQL of `comparisons`.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rapidfuzz.distance import DamerauLevenshtein, JaroWinkler

from app.domain.linkage import LEVELS, MISSING, Field, level_number
from app.services.linkage.naming import NOTHING, NamePart, given_name, surname, whole_name

_NO_NUMBER: Final = re.compile(r"0*|1*|9*")
_CHINESE_MOBILE: Final = re.compile(r"(00)?(86)?1[3-9][0-9]{9}")
_LEAST_DIGITS: Final = 6
_KEPT_DIGITS: Final = 9
_SEXES: Final = {"male": "m", "female": "f", "m": "m", "f": "f"}


@dataclass(frozen=True, slots=True)
class Person:
    """What is compared of somebody; `lines` are numbers without what spellings differ in."""

    given: NamePart
    surname: NamePart
    birth: str | None
    sex: str | None
    national_id: str | None
    email: str | None
    lines: tuple[str, ...]


def person(
    *,
    name: str | None = None,
    given: str | None = None,
    family: str | None = None,
    birth: str | None = None,
    sex: str | None = None,
    national_id: str | None = None,
    email: str | None = None,
    phones: Sequence[str] = (),
) -> Person:
    """Somebody as they are compared.

    Args:
        name: in one, or `given` and `family`.
        birth: ISO 8601.
        phones: in any spelling.
    """
    own, theirs = whole_name(name) if name else (NOTHING, NOTHING)
    read_id = re.sub(r"[^0-9A-Z]", "", unicodedata.normalize("NFKC", national_id or "").upper())
    return Person(
        given=given_name(given) if given else own,
        surname=surname(family) if family else theirs,
        birth=birth.replace("-", "") if birth else None,
        sex=_SEXES.get((sex or "").lower()),
        national_id=None if len(read_id) < 4 or re.fullmatch("0*|1*|9*|X*", read_id) else read_id,
        email=email.strip().lower() if email and "@" in email else None,
        lines=tuple(sorted({line for phone in phones if (line := line_of(phone)) is not None})),
    )


def line_of(phone: str) -> str | None:
    """A number without country code and trunk prefix, as far as can be told; None for what is none."""
    digits = re.sub(r"[^0-9]", "", unicodedata.normalize("NFKC", phone))
    if len(digits.lstrip("0")) < _LEAST_DIGITS or _NO_NUMBER.fullmatch(digits):
        return None
    return digits[-11:] if _CHINESE_MOBILE.fullmatch(digits) else digits.lstrip("0")[-_KEPT_DIGITS:]


def compare(a: Person, b: Person, *, is_crowded: Callable[[str], bool] = lambda _: False) -> dict[Field, int]:
    """The level of every field.

    Args:
        is_crowded: whether more share this line than a household does.
    """
    named = {
        Field.GIVEN_NAME: _given(a, b),
        Field.SURNAME: _surname(a, b),
        Field.BIRTH_DATE: _birth(a.birth, b.birth),
        Field.SEX: _equal(a.sex, b.sex),
        Field.NATIONAL_ID: _equal(a.national_id, b.national_id, _id_near),
        Field.EMAIL: _equal(a.email, b.email, _email_near),
        Field.CONTACT: _contact(a, b, is_crowded),
    }
    return {field: MISSING if name is None else level_number(field, name) for field, name in named.items()}


def weigh(levels: Mapping[Field, int], bits: Mapping[Field, float], prior_bits: float) -> float:
    """What all fields say together, in bits."""
    return prior_bits + sum(bits[field] for field in LEVELS if levels[field] != MISSING)


def _alike(a: str | None, b: str | None, least: float) -> bool:
    if not a or not b or (a[0] != b[0] and a[-2:] != b[-2:]):
        return False
    return JaroWinkler.similarity(a, b) >= least


def _slips(a: str, b: str, most: int) -> bool:
    if abs(len(a) - len(b)) > most or not (a[:2] == b[:2] or a[-2:] == b[-2:] or len(a) <= 4):
        return False
    return DamerauLevenshtein.distance(a, b, score_cutoff=most) <= most


def _is_swapped(a: Person, b: Person) -> bool:
    given_a, given_b, surname_a, surname_b = a.given.latin, b.given.latin, a.surname.latin, b.surname.latin
    if given_a is None or given_b is None or surname_a is None or surname_b is None:
        return False
    if given_a == surname_b and surname_a == given_b and given_a != surname_a:
        return True
    if given_a == given_b:
        return False
    return (given_a == surname_b and _alike(surname_a, given_b, 0.85)) or (
        surname_a == given_b and _alike(given_a, surname_b, 0.85)
    )


def _given(first: Person, second: Person) -> str | None:
    a, b = first.given, second.given
    if a.latin is None or b.latin is None:
        return None
    if a.key == b.key:
        return "same"
    if a.latin == b.latin or a.full == b.full:
        return "sounds_the_same"
    if _is_swapped(first, second):
        return "swapped"
    both_chinese = a.length > 0 and b.length > 0
    if both_chinese:
        if a.length == b.length and _slips(a.latin, b.latin, 1):
            return "near"
    elif min(len(a.latin), len(b.latin)) >= 3 and (_alike(a.latin, b.latin, 0.93) or _slips(a.latin, b.latin, 1)):
        return "near"
    return "similar" if _given_similar(a, b, both_chinese=both_chinese) else "differs"


def _given_similar(a: NamePart, b: NamePart, *, both_chinese: bool) -> bool:
    assert a.latin is not None
    assert b.latin is not None
    if a.latin == b.initials or b.latin == a.initials:
        return True
    if both_chinese:
        return False
    shorter = min(len(a.latin), len(b.latin))
    return (
        _alike(a.latin, b.latin, 0.84)
        or (shorter >= 5 and _slips(a.latin, b.latin, 2))
        or (shorter >= 3 and (a.latin.startswith(b.latin) or b.latin.startswith(a.latin)))
    )


def _surname(first: Person, second: Person) -> str | None:
    a, b = first.surname.latin, second.surname.latin
    # Swapped names speak once, with the given name.
    if a is None or b is None or _is_swapped(first, second):
        return None
    if first.surname.key == second.surname.key:
        return "same"
    if a == b:
        return "sounds_the_same"
    shorter = min(len(a), len(b))
    if (shorter >= 3 and _slips(a, b, 1)) or _alike(a, b, 0.93):
        return "near"
    if _alike(a, b, 0.84) or (shorter >= 5 and _slips(a, b, 2)) or (shorter == 1 and a[0] == b[0]):
        return "similar"
    return "differs"


def _birth(a: str | None, b: str | None) -> str | None:
    if a is None or b is None:
        return None
    if a == b:
        return "same"
    parts = (a[:4] == b[:4]) + (a[4:6] == b[4:6]) + (a[6:8] == b[6:8])
    slips = DamerauLevenshtein.distance(a, b) if parts >= 1 or len(a) != len(b) else len(a)
    if slips <= 1 or (a[:4] == b[:4] and a[4:6] == b[6:8] and a[6:8] == b[4:6]):
        return "near"
    return "similar" if parts == 2 or slips <= 2 else "differs"


def _equal(a: str | None, b: str | None, near: Callable[[str, str], bool] | None = None) -> str | None:
    if a is None or b is None:
        return None
    if a == b:
        return "same"
    return "near" if near is not None and near(a, b) else "differs"


def _id_near(a: str, b: str) -> bool:
    # Two Chinese identity numbers of twins differ in two places at least, one of them the check digit.
    shorter = min(len(a), len(b))
    return shorter >= 6 and _slips(a, b, 1 if shorter >= 12 else 2)


def _email_near(a: str, b: str) -> bool:
    mine, theirs = a.partition("@")[0], b.partition("@")[0]
    return (mine == theirs and len(mine) >= 5) or _slips(a, b, 2)


def _contact(a: Person, b: Person, is_crowded: Callable[[str], bool]) -> str | None:
    if not a.lines or not b.lines:
        return None
    shared = set(a.lines) & set(b.lines)
    if shared:
        return "partly" if all(is_crowded(line) for line in shared) else "phone_and_area"
    one, other = a.lines[0], b.lines[0]
    near = one[:4] == other[:4] or one[-4:] == other[-4:]
    return "partly" if near and DamerauLevenshtein.distance(one, other) <= 1 else "differs"
