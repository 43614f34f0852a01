"""Telephone numbers are hidden in whatever is logged, under any key and however deep."""

import re
from collections.abc import Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from uuid import UUID

from structlog.typing import EventDict, WrappedLogger

from app.domain.phone_numbers import mask_number

# The longest ordinary line is far shorter; what is longer is cut, for somebody else chose its length.
LONGEST_TEXT = 8_000

# What identifies a line and never holds a number. Ids are hexadecimal or of our own making.
_KEPT_KEYS = frozenset({"timestamp", "level", "logger", "request_id", "call_id"})

# ITU-T E.164 allows 15 digits; below 7 a number reaches nobody from outside. Bare digits count only where they are no
# part of an id (a UUID has four hexadecimal digits on the other side of its hyphens) and of no fraction.
_NOT_AFTER = r"(?<! [\da-zA-Z_] ) (?<! \d\. ) (?<! [\da-fA-F]{4}- )"
_NOT_BEFORE = r"(?! [\da-zA-Z_] | -[\da-fA-F]{4} | \.\d )"
_NUMBER = re.compile(
    rf"""
    # International; `%2B` is the plus sign inside an address of the web.
    (?: \+ | ＋ | %2[Bb] ) (?: \d{{7,}} | \d (?: [ ().-]{{0,2}} \d ){{6,14}} (?!\d) )
    # A Chinese land line, as in 010-62345678.
    | {_NOT_AFTER} 0 \d{{2,3}} [ -] \d{{7,8}} {_NOT_BEFORE}
    | {_NOT_AFTER} \d{{7,15}} {_NOT_BEFORE}
    """,
    re.VERBOSE,
)
_PLAIN = (int, float, bool, type(None))
_HARMLESS = (UUID, date, time, timedelta, Decimal)


def mask_numbers(text: str) -> str:
    """`text` with every telephone number in it masked as `domain.phone_numbers.mask_number` does, and cut when huge.

    A number is 7 to 15 digits, written with a plus sign, as a Chinese land line or bare. Digits that belong to an id,
    a date, an IP address or a fraction are left alone.
    """
    if len(text) > LONGEST_TEXT:
        text = text[:LONGEST_TEXT] + "…"
    return _NUMBER.sub(_masked, text)


def mask_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A structlog processor: every value of the event masked, and turned into what JSON can hold."""
    for key, value in event.items():
        if key not in _KEPT_KEYS:
            event[key] = _mask(value)
    return event


def _masked(found: re.Match[str]) -> str:
    return mask_number(found[0])


def _mask(value: object) -> object:
    if isinstance(value, str):
        return mask_numbers(str(value.value) if isinstance(value, Enum) else value)
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, Mapping):
        return {mask_numbers(str(key)): _mask(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_mask(item) for item in value]
    if isinstance(value, _HARMLESS):
        return str(value)
    return mask_numbers(repr(value))
