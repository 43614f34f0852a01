"""How a customer is found while somebody types: text made comparable, cut into grams, and grams turned into numbers.

A customer's texts (name, pinyin, initials, e-mail, numbers) are kept as *fields*: lower case, without accents and
separators, so that "Müller-Lüdenscheidt" is `mullerludenscheidt`. An index over *grams* finds who may fit, and the
fields decide who does. The grams of a text:

- Chinese: every character, and every two beside each other;
- letters and digits: every three beside each other; two at the beginning of a word or syllable; `^` and one at the
  beginning of a field;
- how a person is addressed: `=` with their surname, in characters, in pinyin or by its initial, and a gender.

Every customer has a running number, and a gram's number in the index differs from one segment of 32,768 customers to
the next. So a search reads segment by segment, the newest first, and stops when the page is full: a surname that
seventy thousand people share costs no more than a rare one.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

SEGMENT_BITS: Final = 15
"""A segment holds 2 to the power of so many customers."""

BOUNDARY: Final = "|"
"""Stands before, between and after fields; no field contains it."""

_HAN: Final = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af〇"
_RUNS: Final = re.compile(f"[{_HAN}]+|[^{_HAN}]+")
_IS_HAN: Final = re.compile(f"[{_HAN}]")
_NOT_SEPARATED: Final = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"}
)
_GRAM: Final = 3
_ENOUGH: Final = 4
_LONGEST_QUERY_RUN: Final = 40


MALE: Final = "m"
FEMALE: Final = "f"

_TITLES: Final[tuple[tuple[str, str, str, str], ...]] = (
    ("先生", "xiansheng", "xs", MALE),
    ("女士", "nvshi", "ns", FEMALE),
    ("女士", "nushi", "ns", FEMALE),
    ("小姐", "xiaojie", "xj", FEMALE),
    ("太太", "taitai", "tt", FEMALE),
    ("夫人", "furen", "fr", FEMALE),
    ("总", "zong", "z", MALE + FEMALE),
    ("经理", "jingli", "jl", MALE + FEMALE),
    ("老师", "laoshi", "ls", MALE + FEMALE),
    ("博士", "boshi", "bs", MALE + FEMALE),
    ("教授", "jiaoshou", "js", MALE + FEMALE),
    ("医生", "yisheng", "ys", MALE + FEMALE),
    ("主任", "zhuren", "zr", MALE + FEMALE),
    ("师傅", "shifu", "sf", MALE + FEMALE),
)
"""What follows a surname: in characters, in pinyin, by initials, and whom it can mean."""

_ENGLISH_TITLES: Final = {
    "mr": MALE,
    "sir": MALE,
    "mrs": FEMALE,
    "ms": FEMALE,
    "miss": FEMALE,
    "madam": FEMALE,
    "dr": MALE + FEMALE,
    "prof": MALE + FEMALE,
    "professor": MALE + FEMALE,
}

# One or two syllables of Hanyu Pinyin, and a few that are none; only to tell where a surname may end.
_SURNAME: Final = re.compile(
    "(?:(?:zh|ch|sh|[bpmfdtnlgkhjqxrzcsyw])?"
    "(?:iang|iong|uang|ueng|ang|eng|ing|ong|iao|ian|uai|uan|ai|ei|ao|ou|an|en|er|ia|ie|iu|in|ua|uo|ui|un|ue|ve|[aeiouv])){1,2}"
)
_LEAST_OF_A_TITLE: Final = 2
_LONGEST_SURNAME: Final = 2


def fold(text: str) -> str:
    """Text in the form in which it is compared: full width made narrow, lower case, no accents.

    Chinese characters and separators stay. `ü` becomes `u`, as people type it who have no such key.
    """
    if text.isascii():
        return text.lower()
    narrow = unicodedata.normalize("NFKC", text).casefold().translate(_NOT_SEPARATED)
    return "".join(char for char in unicodedata.normalize("NFD", narrow) if not unicodedata.combining(char))


def squeeze(folded: str) -> str:
    """A folded text without anything that is neither letter nor digit."""
    return folded if folded.isalnum() else "".join(filter(str.isalnum, folded))


def words(folded: str) -> list[str]:
    """The words of a folded text; whatever is neither letter nor digit separates them."""
    return "".join(char if char.isalnum() else " " for char in folded).split()


def runs(text: str) -> list[str]:
    """A squeezed text cut where Chinese and other characters meet."""
    return _RUNS.findall(text)


def is_han(run: str) -> bool:
    """Whether a run is of Chinese characters."""
    return bool(run) and _IS_HAN.match(run) is not None


def han_grams(run: str) -> Iterator[str]:
    """The grams of a run of Chinese characters: each, and each two beside each other."""
    yield from run
    for first in range(len(run) - 1):
        yield run[first : first + 2]


def letter_grams(run: str) -> Iterator[str]:
    """Three beside each other, of a run of letters and digits."""
    for first in range(len(run) - _GRAM + 1):
        yield run[first : first + _GRAM]


def surname_gram(surname: str, gender: str) -> str:
    """The gram of somebody who can be addressed so, `gender` being `MALE` or `FEMALE`; who may be either has both."""
    return f"={surname}={gender}"


def first_gram(field: str) -> str:
    """The gram of a field's beginning: one character, or three digits of a number."""
    return f"^{field[:_GRAM]}" if field[0].isdigit() and len(field) >= _GRAM else f"^{field[0]}"


@lru_cache(maxsize=1 << 17)
def gram_number(gram: str) -> int:
    """A gram as a signed 32-bit number, before it is mixed with its segment's. Two grams seldom share one."""
    # A checksum would not do: what two of them have in common, a third pair has too, and mixing shows it.
    return int.from_bytes(hashlib.blake2b(gram.encode(), digest_size=4).digest(), "big", signed=True)


@lru_cache(maxsize=1 << 12)
def segment_number(segment: int) -> int:
    """What the numbers of a segment's grams are mixed with (XOR)."""
    told = hashlib.blake2b(segment.to_bytes(8, "big"), digest_size=4, person=b"segment")
    return int.from_bytes(told.digest(), "big", signed=True)


def segment_of(no: int) -> int:
    """The segment of the customer with this running number."""
    return no >> SEGMENT_BITS


def index_numbers(grams: Iterable[str], no: int) -> list[int]:
    """What stands in the index for a customer: a number for each gram, in their segment."""
    mix = segment_number(segment_of(no))
    return [gram_number(gram) ^ mix for gram in grams]


@dataclass(frozen=True, slots=True)
class TypedText:
    """What somebody typed, as it is searched for.

    Attributes:
        whole: all of it, squeezed: a field that begins with it fits better than one that contains it.
        runs: each must be contained in a field.
        grams: all of them are a customer's who fits; none if nothing can be searched for.
        whole_grams: the same for `whole` at the beginning of a field.
        addressed: any one of them is enough: `luxs` means every Mr Lu.
    """

    whole: str
    runs: tuple[str, ...]
    grams: tuple[str, ...]
    whole_grams: tuple[str, ...]
    addressed: tuple[str, ...]


def read_typed(folded: str) -> TypedText:
    """Take apart what was typed.

    Args:
        folded: as `fold` gives it, with simplified characters.
    """
    whole = squeeze(folded)[: 2 * _LONGEST_QUERY_RUN]
    # An e-mail address is one word, however many dots it has.
    pieces = [whole] if "@" in folded else words(folded)
    parts = [run[:_LONGEST_QUERY_RUN] for piece in pieces for run in runs(piece)]
    grams = _grams_of(parts)
    if not grams:
        parts = runs(whole)
        grams = _grams_of(parts) or ([first_gram(whole)] if whole else [])
    whole_grams = _grams_of(runs(whole)) or grams
    if whole and not (whole[0].isdigit() and len(whole) < _GRAM):
        whole_grams = [first_gram(whole), *whole_grams]
    return TypedText(whole, tuple(parts), _enough(grams), _enough(whole_grams), _addressed(folded, whole))


def _enough(grams: Sequence[str]) -> tuple[str, ...]:
    """A few of the grams, far from each other: more of them take longer to look up than they spare."""
    different = list(dict.fromkeys(grams))
    step = (len(different) - 1) / (_ENOUGH - 1)
    return tuple(different) if step <= 1 else tuple(different[round(place * step)] for place in range(_ENOUGH))


def _grams_of(parts: Sequence[str]) -> list[str]:
    """The grams that everybody has who has all these runs. One letter alone narrows nothing down."""
    grams: list[str] = []
    for run in parts:
        if is_han(run):
            grams += [run] if len(run) == 1 else [run[first : first + 2] for first in range(len(run) - 1)]
        elif len(run) >= _GRAM:
            grams += letter_grams(run)
        elif len(run) == _GRAM - 1:
            grams.append(run)
    return grams


def _addressed(folded: str, whole: str) -> tuple[str, ...]:
    """The grams of whoever can be addressed so: `鲁先生`, `luxiansheng`, `luxs`, `lxs`, `Mr Lu`, and begun ones."""
    found: dict[str, None] = {}
    title, _, rest = folded.partition(" ")
    genders = _ENGLISH_TITLES.get(title.rstrip("."))
    surname = squeeze(rest)
    if genders and surname:
        found.update(dict.fromkeys(surname_gram(surname, gender) for gender in genders))
    for characters, pinyin, initials, genders in _TITLES:
        for surname in _before(whole, characters, pinyin, initials):
            found.update(dict.fromkeys(surname_gram(surname, gender) for gender in genders))
    return tuple(found)


def _before(whole: str, characters: str, pinyin: str, initials: str) -> Iterator[str]:
    """The surnames that may stand before a title or its beginning."""
    if is_han(whole[:1]):
        for length in range(1, len(characters) + 1):
            surname = whole.removesuffix(characters[:length])
            if surname != whole and 0 < len(surname) <= _LONGEST_SURNAME:
                yield surname
        return
    for length in range(_LEAST_OF_A_TITLE, len(pinyin) + 1):
        surname = whole.removesuffix(pinyin[:length])
        if surname != whole and _SURNAME.fullmatch(surname):
            yield surname
    surname = whole.removesuffix(initials)
    is_surname = _SURNAME.fullmatch(surname) or (surname.isalpha() and len(surname) <= _LONGEST_SURNAME)
    if surname != whole and len(initials) >= _LEAST_OF_A_TITLE and is_surname:
        yield surname
