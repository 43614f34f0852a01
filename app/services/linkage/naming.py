"""Names as they are compared: in Latin letters, in simplified characters, and in full."""

from collections.abc import Callable
from typing import Final, NamedTuple

from app.domain.person_names import fold, full_form
from app.services.names import has_han, latin, pinyin, simplified, surname_pinyin


class NamePart(NamedTuple):
    """A given name or a surname.

    Attributes:
        key: what is equal only in equal names: simplified characters, or Latin letters.
        latin: in Latin letters without blanks; Chinese in pinyin.
        full: the name that an English short form stands for; otherwise as `latin`.
        initials: the first letter of each word or character.
        length: characters of a Chinese name, 0 of any other.
    """

    key: str | None
    latin: str | None
    full: str | None
    initials: str | None
    length: int


NOTHING: Final = NamePart(None, None, None, None, 0)


def given_name(text: str) -> NamePart:
    """A given name as it is compared."""
    return _chinese(text, pinyin) if has_han(text) else _latin(text)


def surname(text: str) -> NamePart:
    """A surname as it is compared; Chinese ones are read as surnames are (单 is Shan)."""
    return _chinese(text, surname_pinyin) if has_han(text) else _latin(text)


def whole_name(text: str) -> tuple[NamePart, NamePart]:
    """Given name and surname of a name written in one, in the order that is usual for its script."""
    forms = latin(text)
    if has_han(text):
        written = "".join(text.split())
        given = written.removeprefix(forms.surname) if forms.surname else written
        return given_name(given), surname(forms.surname)
    if not forms.surname:
        return _latin(text), NOTHING
    before, comma, after = text.partition(",")
    given = after if comma else before.strip().removesuffix(forms.surname)
    return _latin(given), _latin(forms.surname)


def _chinese(text: str, read: Callable[[str], str]) -> NamePart:
    characters = fold(simplified(text)).replace(" ", "")
    if not characters:
        return NOTHING
    syllables = [pinyin(character) for character in characters]
    in_letters = fold(read(characters)).replace(" ", "")
    return NamePart(characters, in_letters, in_letters, "".join(s[0] for s in syllables), len(characters))


def _latin(text: str) -> NamePart:
    folded = fold(text)
    if not folded:
        return NOTHING
    words = folded.split(" ")
    return NamePart(
        folded.replace(" ", ""), folded.replace(" ", ""), full_form(folded), "".join(word[0] for word in words), 0
    )
