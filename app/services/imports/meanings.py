"""What the cells of a customer's field mean by a mapping."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from app.domain.customer_facts import Channel, CustomerKind, Direction, Gender, MaritalStatus
from app.domain.identity import national_id_form
from app.domain.importing.cells import BadCell, digits, read_date, read_time, read_truth
from app.domain.importing.columns import BETWEEN, Column, all_of
from app.domain.importing.headers import USUAL_VALUES
from app.domain.importing.mapping import Mapping, MappingError

USUAL_LENGTH: Final = 200

_RANGES: Final[dict[str, type[StrEnum]]] = {
    "gender": Gender,
    "kind": CustomerKind,
    "marital_status": MaritalStatus,
    "channel": Channel,
    "direction": Direction,
}
_LONGEST: Final = {
    "title": 40, "city": 40, "postcode": 40, "income_band": 40, "education": 40, "company_size": 40, "language": 35,
    "surname": 40, "email": 254, "summary": 4000, "resolution": 4000, "unit": 40, "model": 100,
}  # fmt: skip
_USUAL_EMAIL: Final = all_of(rf"[^@ {BETWEEN}]{{1,64}}@[^@ {BETWEEN}]{{1,180}}")


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a tidy cell that is not empty means.

    Attributes:
        of_cell: tells it; raises BadCell.
        leaves: whether `of_cell` would leave every cell of a tidy column as it is; None where it seldom does.
    """

    of_cell: Callable[[str], Any]
    leaves: Callable[[Column], bool] | None = None


class Meanings:
    """Those of a mapping.

    Args:
        region: where numbers and postcodes are read.
        zone: in which times without one are told.

    Raises:
        MappingError: `values` has a word for something that there is not.
    """

    def __init__(self, mapping: Mapping, region: str, zone: ZoneInfo) -> None:
        self._mapping = mapping
        self._region = region
        self._zone = zone
        self._values = {
            name: {
                word.casefold(): meaning
                for word, meaning in {**USUAL_VALUES.get(_part(name), {}), **mapping.values.get(name, {})}.items()
            }
            for name in {*mapping.columns, *mapping.values}
            if name in mapping.values or _part(name) in USUAL_VALUES
        }
        for name, words in self._values.items():
            allowed = _RANGES.get(_part(name))
            wrong = [word for word in words.values() if allowed is not None and word not in set(allowed)]
            if wrong and allowed is not None:
                raise MappingError(
                    f"`values.{name}` has {wrong[0]!r}; there are {', '.join(repr(str(each)) for each in allowed)}."
                )

    def of(self, name: str) -> Meaning:
        """Of a customer's field."""
        words = self._values.get(name)
        if words is not None:
            return Meaning(lambda text: _meant(text, words, name))
        formats = self._mapping.date_formats
        width = self._mapping.pad.get(name, 6 if name == "postcode" and self._region == "CN" else 0)
        longest = _LONGEST.get(name, USUAL_LENGTH)
        match name:
            case "birth_date":
                return Meaning(lambda text: read_date(text, formats).isoformat())
            case "said_at":
                return Meaning(lambda text: read_time(text, formats, self._zone).isoformat())
            case "do_not_call":
                return Meaning(read_truth)
            case "national_id":
                return Meaning(lambda text: within(national_id_form(digits(text)), 32))
            case "email":
                return Meaning(email, lambda column: column.consists_of(_USUAL_EMAIL))
            case "time_zone":
                return Meaning(_zone)
            case "postcode":
                return Meaning(lambda text: _filled_up(digits(text), width))
        if width:
            return Meaning(lambda text: within(_filled_up(digits(text), width), longest))
        return Meaning(lambda text: within(text, longest), lambda column: max(map(len, column.cells)) <= longest)

    def constants(self) -> dict[str, Any]:
        """What the mapping says of every customer's fields. Raises MappingError."""
        try:
            return {
                name: self.of(name).of_cell(value) for name, value in self._mapping.constants.items() if "." not in name
            }
        except BadCell as wrong:
            raise MappingError(f"`constants`: {wrong.detail}") from None

    def word(self, name: str, text: str) -> str:
        """What a word means that stands for one of a few. Raises BadCell."""
        return _meant(text, self._values.get(name) or USUAL_VALUES[_part(name)], name)


def _part(name: str) -> str:
    return name.rpartition(".")[2]


def _meant(text: str, words: Any, name: str) -> str:
    part = _part(name)
    meaning = words.get(text.casefold())
    if meaning is None:
        if part not in _RANGES:
            return within(text, _LONGEST.get(part, USUAL_LENGTH))
        raise BadCell(
            "bad_value", f"{text[:60]!r} means no {part} that we know; `values.{part}` can say what it means."
        )
    return str(meaning)


def within(text: str, longest: int) -> str:
    """The text, if it is no longer than that. Raises BadCell."""
    if len(text) > longest:
        raise BadCell("too_long", f"{text[:30]!r}… is longer than {longest} characters.")
    return text


def email(text: str) -> str:
    """The text, if it can be an e-mail address. Raises BadCell."""
    name, at, host = text.partition("@")
    if not at or not 1 <= len(name) <= 64 or not host or "@" in host or " " in text or len(text) > 254:
        raise BadCell("bad_email", f"{text[:60]!r} is no e-mail address.")
    return text


@lru_cache(maxsize=1024)
def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        raise BadCell("bad_value", f"{text[:60]!r} is no time zone (IANA).") from None
    return text


def _filled_up(text: str, width: int) -> str:
    return text.zfill(width) if text.isdecimal() else text
