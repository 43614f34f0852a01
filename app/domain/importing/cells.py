"""A cell of somebody's spreadsheet, and what spreadsheets do to it.

Numbers that were shortened to `1.38E+10`, text that Excel was told to keep (`="0123"`), formulas, dates as serial
numbers, digits of full width, blanks of every kind.
"""

import re
import unicodedata
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo


class BadCell(ValueError):
    """A cell that cannot be what its column says. `code` is stable; the message is for whoever mends the file."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


NOTHING: Final = frozenset(
    {
        "-",
        "--",
        "—",
        "——",
        "/",
        "\\",
        "n/a",
        "na",
        "null",
        "none",
        "nil",
        "无",
        "無",
        "暂无",
        "空",
        "未知",
        "不详",
        "#n/a",
        "nan",
    }
)
"""What people write where there is nothing."""

FIRST_DAY: Final = date(1900, 1, 1)
LAST_DAY: Final = date(2199, 12, 31)

_SPACES: Final = re.compile(r"[\s\u200b\ufeff]+")
_KEPT_AS_TEXT: Final = re.compile(r'="(.*)"', re.DOTALL)
_FORMULA: Final = re.compile(r"[=@][^\s]|[+\-][^0-9\s(].*[|(!]|[+\-][0-9.]+[+\-*/].*[|(!]", re.DOTALL)
_SHORTENED: Final = re.compile(r"([0-9])(?:[.,]([0-9]+))?[eE]\+?([0-9]{1,2})")
_WHOLE: Final = re.compile(r"([0-9]+)\.0+")
_SERIAL: Final = re.compile(r"([0-9]{5})(?:\.[0-9]+)?")
_SERIALS: Final = range(15_000, 110_000)
"""Serial days of Excel from 1941 to 2201; smaller numbers are years or nonsense."""
_EPOCH: Final = datetime(1899, 12, 30)  # noqa: DTZ001 - a spreadsheet's days have no zone
_DATE: Final = re.compile(
    r"([12][0-9]{3})\s*[-/.年]\s*([0-9]{1,2})\s*[-/.月]\s*([0-9]{1,2})\s*日?"
    r"(?:[T\s]+([0-9]{1,2})[:：]([0-9]{2})(?:[:：]([0-9]{2})(?:\.[0-9]+)?)?)?\s*(Z|[+-][0-9]{2}:?[0-9]{2})?"
)
_COMPACT_DATE: Final = re.compile(r"([12][0-9]{3})([01][0-9])([0-3][0-9])")
_MONEY: Final = re.compile(r"[\s,，¥￥$€£元]|CNY|RMB|USD|EUR", re.IGNORECASE)
_TRUE: Final = frozenset({"1", "true", "yes", "y", "t", "是", "有", "√", "对"})
_FALSE: Final = frozenset({"0", "false", "no", "n", "f", "否", "没有", "×", "不"})


def tidy(cell: str) -> str:
    """A cell without what only looks like nothing: spaces around it and inside it, NUL, marks of direction.

    Raises:
        BadCell `formula`: it is one, and would be run by whoever opens our export in a spreadsheet.
    """
    if cell.isprintable() and "  " not in cell:
        text = cell.strip()
    else:
        text = _SPACES.sub(" ", "".join(char for char in cell if _is_kept(char))).strip()
    if text and text[0] in "=+-@":
        kept = _KEPT_AS_TEXT.fullmatch(text)
        if kept:
            return kept[1].replace('""', '"').strip()
        if _FORMULA.match(text):
            raise BadCell("formula", "It is a formula and not a value.")
    return "" if len(text) < 5 and text.casefold() in NOTHING else text


def _is_kept(char: str) -> bool:
    return unicodedata.category(char) not in ("Cc", "Cs", "Cf") or char.isspace()


def digits(text: str) -> str:
    """A number that stands for something (an id, a telephone), with the digits that a spreadsheet may have hidden.

    Raises:
        BadCell `digits_lost`: it was shortened to a power of ten, and what it was cannot be known.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).strip()
    if text.isdecimal():
        return text
    if len(text) > 2 and ("." in text or "e" in text or "E" in text):
        whole = _WHOLE.fullmatch(text)
        if whole:
            return whole[1]
        shortened = _SHORTENED.fullmatch(text)
        if shortened:
            first, rest, power = shortened[1], shortened[2] or "", int(shortened[3])
            if len(rest) < power:
                raise BadCell("digits_lost", f"A spreadsheet shortened it to {text}; its last digits are lost.")
            return first + rest[:power]
    return text


@lru_cache(maxsize=16_384)
def read_date(text: str, formats: tuple[str, ...] = ()) -> date:
    """A day, in one of `formats` or any that cannot be misread; a serial number of Excel is one too.

    Raises:
        BadCell `bad_date`: it is none, or not between 1900 and 2199.
    """
    return _moment(text, formats)[0].date()


def read_time(text: str, formats: tuple[str, ...], zone: ZoneInfo) -> datetime:
    """A moment in UTC; told without an offset it is local to `zone`. Raises BadCell as `read_date` does."""
    moment, has_zone = _moment(text, formats)
    try:
        return (moment if has_zone else moment.replace(tzinfo=zone)).astimezone(UTC)
    except OverflowError:
        raise BadCell("bad_date", f"{text!r} is no time.") from None


@lru_cache(maxsize=16_384)
def _moment(text: str, formats: tuple[str, ...]) -> tuple[datetime, bool]:
    text = unicodedata.normalize("NFKC", text).strip()
    moment = _by_format(text, formats) or _by_form(text)
    if moment is None or not FIRST_DAY <= moment.date() <= LAST_DAY:
        raise BadCell("bad_date", f"{text!r} is no date that can be read.")
    return moment, moment.tzinfo is not None


def _by_format(text: str, formats: tuple[str, ...]) -> datetime | None:
    for form in formats:
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007 - what has no zone gets the mapping's
        except ValueError:
            continue
    return None


def _by_form(text: str) -> datetime | None:
    found = _DATE.fullmatch(text)
    compact = None if found else _COMPACT_DATE.fullmatch(text)
    try:
        if found:
            year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
            moment = datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 - see above
            if found[7]:
                sign = found[7].replace("Z", "+00:00")
                return datetime.fromisoformat(
                    f"{moment.isoformat()}{sign if ':' in sign else sign[:3] + ':' + sign[3:]}"
                )
            return moment
        if compact:
            return datetime(int(compact[1]), int(compact[2]), int(compact[3]))  # noqa: DTZ001 - see above
    except ValueError:
        return None
    serial = _SERIAL.fullmatch(text)
    if serial and int(serial[1]) in _SERIALS:
        return _EPOCH + timedelta(days=round(float(text) * 86400) / 86400)
    return None


def read_amount(text: str) -> Decimal:
    """An amount of money in hundredths. Raises BadCell `bad_amount`: it is none, negative, or beyond 12 digits."""
    try:
        amount = Decimal(_MONEY.sub("", unicodedata.normalize("NFKC", text)))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0 or amount >= Decimal(10) ** 12:
        raise BadCell("bad_amount", f"{text!r} is no amount.")
    return amount.quantize(Decimal("0.01"))


def read_value(text: str) -> Decimal:
    """A measured number. Raises BadCell `bad_number`."""
    try:
        value = Decimal(unicodedata.normalize("NFKC", text).replace(",", ""))
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or abs(value) >= Decimal(10) ** 14:
        raise BadCell("bad_number", f"{text!r} is no number.")
    return value


def read_count(text: str) -> int:
    """How many, from 1 on. Raises BadCell `bad_number`."""
    value = read_value(text)
    if value != value.to_integral_value() or not 1 <= value <= 1_000_000_000:
        raise BadCell("bad_number", f"{text!r} is no number of things.")
    return int(value)


def read_truth(text: str) -> bool:
    """Yes or no. Raises BadCell `bad_value`."""
    word = text.casefold()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise BadCell("bad_value", f"{text!r} is neither yes nor no.")


_DANGEROUS: Final = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")
"""The full-width ones too: a spreadsheet that is set to Chinese or Japanese reads them alike."""


def harmless(cell: str) -> str:
    """A cell for a file that may be opened in a spreadsheet: what would be run as a formula there is made text.

    As OWASP advises (CSV injection): an apostrophe before it. A number is left alone, and so is a telephone number.
    """
    if cell.startswith(_DANGEROUS) and not re.fullmatch(r"[+\-]?[0-9][0-9 .,()\-]*", cell):
        return f"'{cell}"
    return cell
