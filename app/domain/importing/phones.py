"""Reading telephone numbers by the million: the commonest national forms quickly, everything else by the library.

What comes out is what `parse_number` would say; a property test holds the two against each other.
"""

import re
from functools import lru_cache, partial
from typing import Final, NamedTuple

from app.domain.importing.cells import BadCell, digits
from app.domain.importing.columns import Column, all_of
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


_line: Final = partial(tuple.__new__, Line)
"""Makes one of its seven parts, in half the time of a call by names."""

Phones = list[tuple[str, Line]]
"""Numbers, each with how it was written."""

_MOBILE_DIGITS: Final = 11
_BLOCK: Final = 5
_MOBILES: Final = all_of("1[3-9][0-9]{9}")
_MOBILE: Final = re.compile(r"(?:\+86|0086|86)?[ -]?(1[3-9][0-9])[ -]?([0-9]{4})[ -]?([0-9]{4})")
_FIXED: Final = re.compile(r"0(10|2[0-9]|[3-9][0-9]{2}(?=-?[2-8]))-?([1-9][0-9]{6,7})")
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
        national = sample = None
        if mobile := _MOBILE.fullmatch(text):
            national = mobile[1] + mobile[2] + mobile[3]
            sample = _sample(national[:_BLOCK], _MOBILE_DIGITS, True)
        elif fixed := _FIXED.fullmatch(text):
            national = fixed[1] + fixed[2]
            sample = _sample(fixed[1] + fixed[2][:3], len(national), False)
        if national is not None and sample is not None:
            return _like(sample, national)
    return _read_by_library(text, region)


def _like(sample: Line, national: str) -> Line:
    """A number of the same block."""
    e164 = f"+86{national}"
    return _line((e164, national, bucket_of(e164), *sample[3:]))


def read_mobiles(column: Column, region: str) -> list[Phones] | None:
    """The numbers in a column that holds nothing but plain mobile numbers, at one look; None when it holds others."""
    if region != "CN" or not column.consists_of(_MOBILES):
        return None
    blocks = {cell[:_BLOCK] for cell in column.cells if cell}
    samples = {block: sample for block in blocks if (sample := _sample(block, _MOBILE_DIGITS, True))}
    if len(samples) < len(blocks):
        return None
    return [[(cell, _like(samples[cell[:_BLOCK]], cell))] if cell else [] for cell in column.cells]


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


def read_cell(cell: str, region: str) -> Phones:
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
