"""Field types that several resources share: text that the database can hold, money, tags, dates.

What a person types is trimmed. NUL, which no PostgreSQL text can hold, and lone surrogates are refused; so are other
control characters, except line breaks and tabs where text may have several lines. Every text has a greatest length.
"""

import re
import unicodedata
from datetime import date, time
from decimal import Decimal
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, StringConstraints, WithJsonSchema

from app.domain.identity import national_id_form

FIRST_DAY: Final = date(1900, 1, 1)
LAST_DAY: Final = date(2199, 12, 31)
"""No date of a record lies outside of these; what does is a slip of the pen (0221-11-21)."""


_WALL_CLOCK: Final = "([01][0-9]|2[0-3]):[0-5][0-9](:00)?"


def left_out() -> Any:
    """The default of an optional field of a PATCH body: it may be left out, but null is no value of it.

    The value is never used, for `model_fields_set` says what was given; the schema shows no default.
    """
    return Field(default=None, json_schema_extra=_without_default)


def _without_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


def _one_line(text: str) -> str:
    if any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in text):
        raise ValueError("must be one line without control characters")
    return text


def _several_lines(text: str) -> str:
    if any(unicodedata.category(char) in ("Cc", "Cs") and char not in "\n\r\t" for char in text):
        raise ValueError("must have no control characters other than line breaks and tabs")
    return text


def _language_tag(text: str) -> str:
    language, *subtags = text.replace("_", "-").split("-")
    # RFC 5646, 2.1.1: case carries no meaning; this is the recommended one.
    cased = (
        tag.title() if len(tag) == 4 and tag.isalpha() else tag.upper() if len(tag) == 2 else tag.lower()
        for tag in subtags
    )
    return "-".join((language.lower(), *cased))


def _time_zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        raise ValueError("must be an IANA time zone, such as Asia/Shanghai") from None
    return text


def _to_cents(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"))


def _written_out(pattern: str, example: str) -> BeforeValidator:
    """Refuses what is not text of this pattern: numbers are else taken for seconds, and 20251018 for a day in 1970."""
    compiled = re.compile(pattern)

    def check(value: object) -> object:
        if isinstance(value, date | time) or (isinstance(value, str) and compiled.fullmatch(value)):
            return value
        raise ValueError(f"must be written like {example}")

    return BeforeValidator(check)


def _sensible_day(day: date) -> date:
    if not FIRST_DAY <= day <= LAST_DAY:
        raise ValueError(f"must lie between {FIRST_DAY} and {LAST_DAY}")
    return day


Word = Annotated[str, StringConstraints(strip_whitespace=True, max_length=40), AfterValidator(_one_line)]
Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200), AfterValidator(_one_line)]
FilledWord = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40), AfterValidator(_one_line)
]
FilledLine = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(_one_line)
]
Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=4000), AfterValidator(_several_lines)]
FilledNote = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000), AfterValidator(_several_lines)
]

EmailAddress = Annotated[
    str,
    # RFC 5321, 4.5.3.1: 64 octets before the @, 255 after it, 254 in all that a path leaves for an address.
    StringConstraints(strip_whitespace=True, max_length=254, pattern=r"^[^\s@]{1,64}@[^\s@]+$"),
    AfterValidator(_one_line),
]
NationalId = Annotated[
    str,
    BeforeValidator(lambda value: national_id_form(value) if isinstance(value, str) else value),
    StringConstraints(max_length=32, pattern=r"^[0-9A-Z][0-9A-Z/-]{3,31}$"),
    Field(
        description="An identity card's or passport's number; for a company, its registration.",
        examples=["320106197803121230"],
    ),
]
LanguageTag = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        max_length=35,
        pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z]{4})?([-_]([A-Za-z]{2}|[0-9]{3}))?([-_]([A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}))*$",
    ),
    AfterValidator(_language_tag),
    Field(description="BCP 47, such as zh-CN or en."),
]
TimeZone = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=64, pattern=r"^[A-Za-z0-9_+\-/]+$"),
    AfterValidator(_time_zone),
    Field(description="An IANA time zone, such as Asia/Shanghai."),
]

Amount = Annotated[
    Decimal,
    Field(ge=0, max_digits=14, decimal_places=2, description="At most 12 digits before the point and 2 after it."),
    AfterValidator(_to_cents),
]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$"), Field(description="ISO 4217, such as CNY.")]
Day = Annotated[date, _written_out("[0-9]{4}-[0-9]{2}-[0-9]{2}", "2026-11-21"), AfterValidator(_sensible_day)]
Moment = Annotated[
    AwareDatetime, _written_out("[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9:.]+([Zz]|[+-][0-9:]+)", "2026-11-21T09:30:00Z")
]
WallClock = Annotated[
    time,
    _written_out(_WALL_CLOCK, "09:00, without seconds or a zone"),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": f"^{_WALL_CLOCK}$",
            "description": "Hours and minutes on the wall, without a zone.",
            "examples": ["09:00:00"],
        }
    ),
]
