"""Reading telephone numbers by the million: the commonest national forms quickly, everything else by the library.

What comes out is what `parse_number` would say; a property test holds the two against each other.
"""

import re
from functools import lru_cache
from typing import Final, NamedTuple

from app.domain.derived import derive_from
from app.domain.importing.cells import BadCell, digits
from app.domain.phone_numbers import LineType, bucket_of, parse_number


class Line(NamedTuple):
    """A number as a row of `customer_phones` holds it; `country` and `zones` tell what follows from it."""

    e164: str
    national_number: str
    bucket: str
    line_type: LineType
    extension: str
    country: str | None
    zones: tuple[str, ...]


_MOBILE: Final = re.compile(r"(?:\+86|0086|86)?[ -]?(1[3-9][0-9])[ -]?([0-9]{4})[ -]?([0-9]{4})")
_FIXED: Final = re.compile(r"0(10|2[0-9]|[3-9][0-9]{2})-?([2-8][0-9]{6,7})")
_SEVERAL: Final = re.compile(r"[;,/|\n、，；]|\s和\s|\s或\s|或|\s{2,}")


# What kind of line a number of these forms is follows, in the plan of China, from the first five digits of a mobile
# number, and from the area, the first three digits and the length of a fixed line: the rest may be anything.
@lru_cache(maxsize=65_536)
def _sample(block: str, length: int, is_mobile: bool) -> Line | None:
    """A number of a block, if all of the block are such lines of China; None where the library has to be asked."""
    national = block.ljust(length, "0")
    line = _read_by_library(national if is_mobile else f"0{national}", "CN")
    wanted = LineType.MOBILE if is_mobile else LineType.FIXED_LINE
    return line if line is not None and line.line_type is wanted and line.e164 == f"+86{national}" else None


def read_line(text: str, region: str) -> Line | None:
    """One number as somebody wrote it, or None when it is none that can be rung."""
    if region == "CN":
        mobile = _MOBILE.fullmatch(text)
        fixed = None if mobile else _FIXED.fullmatch(text)
        national = sample = None
        if mobile:
            national = mobile[1] + mobile[2] + mobile[3]
            sample = _sample(national[:5], 11, True)
        elif fixed:
            national = fixed[1] + fixed[2]
            sample = _sample(fixed[1] + fixed[2][:3], len(national), False)
        if national is not None and sample is not None:
            e164 = f"+86{national}"
            return Line(e164, national, bucket_of(e164), sample.line_type, "", "CN", sample.zones)
    return _read_by_library(text, region)


@lru_cache(maxsize=16_384)
def _read_by_library(text: str, region: str) -> Line | None:
    number = parse_number(text, region)
    if number.e164 is None or number.national_number is None:
        return None
    return Line(
        number.e164,
        number.national_number,
        bucket_of(number.e164),
        number.line_type,
        number.extension or "",
        number.region,
        number.time_zones,
    )


def read_cell(cell: str, region: str) -> list[tuple[str, Line]]:
    """All the numbers in a cell, each with how it was written; people put two into one.

    Raises:
        BadCell `bad_phone`: something in it is no number that can be rung.
        BadCell `digits_lost`: a spreadsheet shortened it.
    """
    text = digits(cell)
    line = read_line(text, region)
    if line is not None:
        return [(text, line)]
    parts = [part.strip() for part in _SEVERAL.split(text) if part.strip()]
    if len(parts) < 2:
        parts = text.split()
    lines = [(part, read_line(part, region)) for part in parts]
    if len(lines) < 2 or any(line is None for _, line in lines):
        raise BadCell("bad_phone", f"{cell[:64]!r} is no phone number.")
    return [(part, line) for part, line in lines if line is not None]


@lru_cache(maxsize=4096)
def follows_from(country: str | None, zones: tuple[str, ...], region: str | None) -> tuple[tuple[str, str], ...]:
    """`domain.derived.derive_from`, remembered."""
    return tuple(derive_from(country, zones, region).items())
