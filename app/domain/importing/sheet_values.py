"""What the cell of a workbook says, as text.

A workbook keeps a date as a number of days, and that it is a date only in the format in which the number is shown.
"""

import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from enum import IntEnum
from typing import Any, Final

_FIRST_DAY: Final = datetime(1899, 12, 30)  # noqa: DTZ001 - a spreadsheet's days have no zone
_DAYS_UNTIL_1904: Final = 1462
_NO_LEAP_DAY: Final = 60
"""Lotus counted a 29 February 1900, and everybody after it: before that day, numbers are one less."""
_DAY: Final = 86_400_000
"""In milliseconds, the finest that spreadsheets show."""

_PARTS: Final = re.compile(r'"[^"]*"?|[\\_*].|\[[^\]]*\]?|.', re.DOTALL)
_ELAPSED: Final = re.compile(r"\[(?:h+|m+|s+)\]", re.IGNORECASE)
_OF_MOMENTS: Final = frozenset("dmhysDMHYS")


class Shown(IntEnum):
    """What a number is shown as."""

    NUMBER = 0
    MOMENT = 1
    SPAN = 2


BUILT_IN: Final = {
    # From 27 and from 50 on there are the dates of Chinese, Japanese and Korean, which have no code in the file.
    **dict.fromkeys(map(str, [*range(14, 23), *range(27, 37), 45, 47, *range(50, 59)]), Shown.MOMENT),
    "46": Shown.SPAN,
}
"""Formats that are known by their number alone; all others show numbers (ECMA-376, 18.8.30)."""


def shown_by(code: str) -> Shown:
    """What a number format makes of a number, by what it does with the positive ones."""
    for part in _PARTS.findall(code):
        if part == ";":
            break
        if part in _OF_MOMENTS:
            return Shown.MOMENT
        if _ELAPSED.fullmatch(part):
            return Shown.SPAN
    return Shown.NUMBER


def number_text(told: str, shown: Shown, *, is_1904: bool) -> str:
    """What a number says as it is shown; whatever is none says itself.

    Args:
        is_1904: the workbook counts days from 1904 on, as those of old Macs do.
    """
    try:
        number = float(told)
    except ValueError:
        return told
    if "_" in told:
        # Python reads 1_000, and nobody else does.
        return told
    if shown is not Shown.NUMBER:
        try:
            return as_text(_span(number) if shown is Shown.SPAN else _moment(number, is_1904=is_1904))
        except (OverflowError, ValueError):
            # No calendar reaches so far.
            pass
    return as_text(number)


def iso_text(told: str) -> str:
    """What a date says that is kept as ISO 8601 writes it."""
    try:
        moment = datetime.fromisoformat(told) if "T" in told else None
    except ValueError:
        moment = None
    return told if moment is None or moment.tzinfo is not None else as_text(moment)


def as_text(value: Any) -> str:
    """A value as people see it; the same whichever kind of workbook it comes out of."""
    return _TEXTS.get(type(value), str)(value)


def _moment(number: float, *, is_1904: bool) -> datetime | date | time:
    days = number + _DAYS_UNTIL_1904 if is_1904 else number
    moment = _FIRST_DAY + _milliseconds(days if days >= _NO_LEAP_DAY else days + 1)
    if number < 1:
        return moment.time()
    return moment.date() if number.is_integer() else moment


def _span(number: float) -> timedelta:
    return _milliseconds(number)


def _milliseconds(days: float) -> timedelta:
    # Halves are rounded away from zero.
    return timedelta(milliseconds=int(days * _DAY + (0.5 if days >= 0 else -0.5)))


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 1e17 else str(value)


def _date_and_time(value: datetime) -> str:
    return value.isoformat(" ") if value.time() != time.min else value.date().isoformat()


_TEXTS: Final[dict[type, Callable[[Any], str]]] = {
    type(None): lambda _: "",
    bool: lambda value: "true" if value else "false",
    float: _number,
    datetime: _date_and_time,
    date: date.isoformat,
    time: time.isoformat,
}
