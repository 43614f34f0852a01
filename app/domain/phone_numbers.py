"""Phone numbers: the one place that knows the `phonenumbers` library.

Whatever arrives as a caller or is typed into a record is *read*, never rejected: the outcome says what it is (a number,
a withheld caller, a short code, an address, or nothing that can be read), and the raw form is kept beside it.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

import phonenumbers
from phonenumbers import PhoneNumber as LibraryNumber
from phonenumbers import PhoneNumberFormat, PhoneNumberType, ValidationResult
from phonenumbers.timezone import UNKNOWN_TIMEZONE
from phonenumbers.tzdata import TIMEZONE_DATA, TIMEZONE_LONGEST_PREFIX

from app.domain.caller_text import READ_LENGTH, clean, is_withheld, storable

RAW_LENGTH: Final = 64
"""So many characters of what came are kept as `PhoneNumber.raw`."""

BUCKET_DIGITS: Final = 8
"""So many last digits of an E.164 number make its bucket."""

_CACHE_SIZE: Final = 16_384
"""About 0.7 KB an entry: 11 MB when full, out of the 200 MB that a worker may take."""

_SHORT_CODE_DIGITS: Final = 6
_E164_MOST_DIGITS: Final = 15


class NumberKind(StrEnum):
    """What a caller's or a record's number turned out to be."""

    NUMBER = "number"
    """Usable: it has an E.164 form."""
    WITHHELD = "withheld"
    """The caller, or a network on the way, kept it back."""
    SHORT_CODE = "short_code"
    """A service number or an internal extension (10086, 95588, 110, 801): too short to be dialled from abroad."""
    SIP = "sip"
    """An address that is no phone number: `sip:alice@example.com`, `client:agent_7`."""
    INVALID = "invalid"
    """Nothing that can be read as any of these."""


class LineType(StrEnum):
    """The kind of line that the numbering plan gives a number to."""

    MOBILE = "mobile"
    FIXED_LINE = "fixed_line"
    FIXED_LINE_OR_MOBILE = "fixed_line_or_mobile"
    TOLL_FREE = "toll_free"
    PREMIUM_RATE = "premium_rate"
    SHARED_COST = "shared_cost"
    VOIP = "voip"
    PERSONAL = "personal"
    PAGER = "pager"
    UAN = "uan"
    VOICEMAIL = "voicemail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class PhoneNumber:
    """How a text was read as a phone number.

    Attributes:
        raw: the text as it came, cut at 64 characters; only what no database text can hold (NUL, lone surrogates) is
            left out.
        kind: what it is.
        e164: `+` and 7 to 15 digits (ITU-T E.164) when `kind` is `number`, else None.
        national: for people to read, without the extension: `138 0013 8000`; a short code's digits.
        national_number: the national significant digits, with Italian leading zeros.
        extension: digits to dial after the line answers.
        region: ISO 3166-1 alpha-2 (`CN`); None when unknown or when the number belongs to no country (+800, +883).
        line_type: from the numbering plan; `unknown` when the number is not valid in it.
        bucket: the last 8 digits of `e164`, None when it has fewer.
        is_valid: the numbering plan knows the number. A `number` that is not valid has a possible length only: a range
            newer than our copy of the plan, or a line stored without its area code. It serves to match, not to dial.
    """

    raw: str
    kind: NumberKind
    e164: str | None = None
    national: str | None = None
    national_number: str | None = None
    extension: str | None = None
    region: str | None = None
    line_type: LineType = LineType.UNKNOWN
    bucket: str | None = None
    is_valid: bool = False

    @property
    def is_number(self) -> bool:
        """True when there is an E.164 form to store, compare or look up."""
        return self.kind is NumberKind.NUMBER

    @property
    def time_zones(self) -> tuple[str, ...]:
        """IANA zones in which the number may be; empty when that is not known. Worked out when asked for."""
        if self.e164 is None or self.national_number is None or not self.is_valid:
            return ()
        # As the library's `time_zones_for_number`, which works out anew what is known here: that costs as much as
        # reading the number did.
        country_code = self.e164[1 : len(self.e164) - len(self.national_number)]
        line_type = _LIBRARY_TYPES[self.line_type]
        is_geographical = phonenumbers.is_number_type_geographical(line_type, int(country_code))
        digits = self.e164[1:] if is_geographical else country_code
        for length in range(TIMEZONE_LONGEST_PREFIX, 0, -1):
            zones = TIMEZONE_DATA.get(digits[:length])
            if zones is not None:
                return tuple(zone for zone in zones if zone != UNKNOWN_TIMEZONE)
        return ()


_LINE_TYPES: Final = {
    PhoneNumberType.MOBILE: LineType.MOBILE,
    PhoneNumberType.FIXED_LINE: LineType.FIXED_LINE,
    PhoneNumberType.FIXED_LINE_OR_MOBILE: LineType.FIXED_LINE_OR_MOBILE,
    PhoneNumberType.TOLL_FREE: LineType.TOLL_FREE,
    PhoneNumberType.PREMIUM_RATE: LineType.PREMIUM_RATE,
    PhoneNumberType.SHARED_COST: LineType.SHARED_COST,
    PhoneNumberType.VOIP: LineType.VOIP,
    PhoneNumberType.PERSONAL_NUMBER: LineType.PERSONAL,
    PhoneNumberType.PAGER: LineType.PAGER,
    PhoneNumberType.UAN: LineType.UAN,
    PhoneNumberType.VOICEMAIL: LineType.VOICEMAIL,
}

_LIBRARY_TYPES: Final = {ours: theirs for theirs, ours in _LINE_TYPES.items()}


def _mobile_plan(region: str) -> str:
    """The pattern of a region's mobile numbers, out of the library's copy of the numbering plan."""
    plan = phonenumbers.PhoneMetadata.metadata_for_region(region)
    assert plan is not None
    assert plan.mobile is not None
    return str(plan.mobile.national_number_pattern)


_PLAIN: Final = re.compile(r"\+?[0-9]{7,15}")
_CHINESE_MOBILE: Final = re.compile(rf"(\+86)?({_mobile_plan('CN')})")
_SHORT_CODE: Final = re.compile(rf"\+?[0-9]{{2,{_SHORT_CODE_DIGITS}}}")
_IN_BRACKETS: Final = re.compile(r"<([^<>]*)>[^<>]*\Z")
_SCHEME: Final = re.compile(r"(sips?|tel|client):(.*)", re.IGNORECASE | re.DOTALL)
_BARE_ADDRESS: Final = re.compile(r"[^\s@]+@[^\s@]+")
_USER_IS_PHONE: Final = re.compile(r";\s*user\s*=\s*phone\b", re.IGNORECASE)
_SEPARATORS: Final = re.compile(r"[\s().\-\u2010-\u2015]+")
_CHINESE_EXTENSION: Final = re.compile(r"\s*(?:分机号?|分機號?|内线|內線|转接|轉接|转|轉)[\s:]*([0-9]{1,7})\s*\Z")
_HYPHENED_EXTENSION: Final = re.compile(r"(.*[0-9])\s*[-\u2010-\u2015]\s*([0-9]{1,5})\Z", re.DOTALL)
_LETTERS: Final = re.compile(r"[A-Za-z]")


def parse_number(raw: str | None, default_region: str) -> PhoneNumber:
    """Read a text as a phone number; never raises, whatever the text.

    Understood besides plain numbers: full-width digits, bidi marks, zero-width and no-break spaces; `00` and trunk
    prefixes; a country code written twice or after a trunk zero where no other reading is possible; extensions
    (`;ext=`, `x123`, `转123`, `分机 123`, `010-62345678-801`); `tel:` URIs (RFC 3966); SIP addresses with or without a
    display name. The user part of a SIP address is read as a number when the address says `user=phone`
    (RFC 3261, 19.1.6) or when it starts with `+` and is valid; every other SIP address, and every `client:` identity
    of a carrier's soft phone, is of the kind `sip`. Numbers spelt in letters (1-800-FLOWERS) are refused: no network
    sends them, and read under another country's plan they become somebody else's line.

    Args:
        raw: what the carrier or the record says; None and blanks count as withheld.
        default_region: ISO 3166-1 alpha-2 region in whose plan a number without a country code is read, e.g. `CN`.
    """
    return _read_text((raw or "")[:READ_LENGTH], default_region.upper())


@lru_cache(maxsize=_CACHE_SIZE)
def _read_text(text: str, region: str) -> PhoneNumber:
    if _PLAIN.fullmatch(text):
        if is_withheld(text):
            return _withheld(text)
        mobile = _CHINESE_MOBILE.fullmatch(text)
        if mobile and (mobile[1] or region == "CN"):
            return _chinese_mobile(text, mobile[2])
        return _read_number(text, region, raw=text)
    raw = storable(text)[:RAW_LENGTH]
    cleaned = clean(text)
    bracketed = _IN_BRACKETS.search(cleaned)
    subject = bracketed[1].strip() if bracketed else cleaned.strip("\"'<> ")
    if is_withheld(subject):
        return _withheld(raw)
    scheme = _SCHEME.match(subject)
    if scheme is None:
        if _BARE_ADDRESS.fullmatch(subject):
            return _read_address(subject, region, raw)
        return _read_number(subject, region, raw)
    name, rest = scheme[1].lower(), scheme[2]
    if name == "client":
        return _withheld(raw) if is_withheld(rest) else PhoneNumber(raw=raw, kind=NumberKind.SIP)
    if name == "tel":
        return _withheld(raw) if is_withheld(rest.partition(";")[0]) else _read_number(subject, region, raw)
    return _read_address(rest, region, raw)


def bucket_of(e164: str) -> str:
    """The last 8 digits of an E.164 number, all of a shorter one: what it is kept and looked up by."""
    return e164.removeprefix("+")[-BUCKET_DIGITS:]


def _chinese_mobile(raw: str, digits: str) -> PhoneNumber:
    """What `_read_number` gives for a mobile number of China, by far the commonest caller, in a tenth of the time."""
    return PhoneNumber(
        raw=raw,
        kind=NumberKind.NUMBER,
        e164=f"+86{digits}",
        national=f"{digits[:3]} {digits[3:7]} {digits[7:]}",
        national_number=digits,
        region="CN",
        line_type=LineType.MOBILE,
        bucket=digits[-BUCKET_DIGITS:],
        is_valid=True,
    )


def _read_address(address: str, region: str, raw: str) -> PhoneNumber:
    """Read `user[:password]@host[;parameters]`, the part of a SIP URI after its scheme (RFC 3261, 19.1)."""
    user_part, at, host_part = address.partition("@")
    user = clean(unquote(user_part.partition(":")[0]))
    host = re.split(r"[;:?]", host_part if at else address, maxsplit=1)[0].lower()
    # RFC 3323, 4.1: a caller who asks for privacy comes from the host anonymous.invalid.
    if (at and is_withheld(user.partition(";")[0])) or host.endswith("anonymous.invalid"):
        return _withheld(raw)
    is_phone = _USER_IS_PHONE.search(host_part if at else address) is not None
    if is_phone or user.startswith("+"):
        number = _read_number(user, region, raw)
        if number.is_valid or (is_phone and number.kind in (NumberKind.NUMBER, NumberKind.SHORT_CODE)):
            return number
    return PhoneNumber(raw=raw, kind=NumberKind.SIP)


def _read_number(text: str, region: str, raw: str) -> PhoneNumber:
    compact = _SEPARATORS.sub("", text)
    number, line_type = _best_reading(text, region)
    is_valid = line_type is not LineType.UNKNOWN
    if _SHORT_CODE.fullmatch(compact) and (
        # Some plans have lines of five or six digits.
        not is_valid or number is None or phonenumbers.is_valid_short_number_for_region(number, region)
    ):
        return PhoneNumber(raw=raw, kind=NumberKind.SHORT_CODE, national=compact.lstrip("+"))
    if number is None:
        return PhoneNumber(raw=raw, kind=NumberKind.INVALID)

    extension, number.extension = number.extension or None, None
    national_number = phonenumbers.national_significant_number(number)
    if not is_valid and len(national_number) <= _SHORT_CODE_DIGITS:
        # +86 10086: carriers put the country before a service number.
        is_short = len(national_number) > 1 and phonenumbers.is_possible_short_number(number)
        return PhoneNumber(
            raw=raw,
            kind=NumberKind.SHORT_CODE if is_short else NumberKind.INVALID,
            national=national_number if is_short else None,
        )
    e164 = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    if len(e164) > 1 + _E164_MOST_DIGITS or not (is_valid or _is_plausible(number, e164)):
        return PhoneNumber(raw=raw, kind=NumberKind.INVALID)
    number_region = phonenumbers.region_code_for_number(number)
    return PhoneNumber(
        raw=raw,
        kind=NumberKind.NUMBER,
        e164=e164,
        national=phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL),
        national_number=national_number,
        extension=extension,
        region=None if number_region == phonenumbers.REGION_CODE_FOR_NON_GEO_ENTITY else number_region,
        line_type=line_type,
        bucket=e164[-BUCKET_DIGITS:] if len(e164) > BUCKET_DIGITS else None,
        is_valid=is_valid,
    )


def _is_plausible(number: LibraryNumber, e164: str) -> bool:
    """Whether a number that the plan does not know may be one: of a length that can be dialled from anywhere (which
    `is_possible_number` does not ask for), and with an E.164 form that means the same when it is read again."""
    is_possible = phonenumbers.is_possible_number_with_reason(number) == ValidationResult.IS_POSSIBLE
    return is_possible and _library_parse(e164, "ZZ") == number


def _best_reading(text: str, region: str) -> tuple[LibraryNumber | None, LineType]:
    """The library's own reading; where that is not valid, another one that is, if there is any.

    The line type is `unknown` for a number that is not valid, and only for such.
    """
    text = _CHINESE_EXTENSION.sub(r" ext. \1", text)
    first = _library_parse(text, region)
    line_type = LineType.UNKNOWN if first is None else _line_type(first)
    if line_type is LineType.UNKNOWN:
        for other in _second_readings(text, region, first):
            other_type = _line_type(other)
            if other_type is not LineType.UNKNOWN:
                return other, other_type
    if first is None or _is_spelt_in_letters(first, text):
        return None, LineType.UNKNOWN
    return first, line_type


def _line_type(number: LibraryNumber) -> LineType:
    return _LINE_TYPES.get(phonenumbers.number_type(number), LineType.UNKNOWN)


def _second_readings(text: str, region: str, first: LibraryNumber | None) -> Iterator[LibraryNumber]:
    compact = _SEPARATORS.sub("", text)
    digits = compact.lstrip("+0")
    # 442079460958 and 08613800138000: an international number whose plus was lost. With 11 digits or fewer it could as
    # well be a national one of a new range.
    if not compact.startswith("+") and len(digits) > 11 and digits.isascii() and digits.isdecimal():
        number = _library_parse("+" + digits, region)
        if number is not None:
            yield number
    if first is not None and not phonenumbers.is_possible_number(first):
        # +86 86 138 0013 8000: the country code twice.
        code, national = str(first.country_code), phonenumbers.national_significant_number(first)
        if national.startswith(code):
            number = _library_parse("+" + national, region)
            if number is not None:
                number.extension = first.extension
                yield number
        # 010-62345678-801: how Chinese offices write the extension of a fixed line.
        hyphened = _HYPHENED_EXTENSION.fullmatch(text)
        if hyphened:
            number = _library_parse(hyphened[1], region)
            if number is not None and phonenumbers.number_type(number) == PhoneNumberType.FIXED_LINE:
                number.extension = hyphened[2]
                yield number


def _library_parse(text: str, region: str) -> LibraryNumber | None:
    try:
        return phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None


def _is_spelt_in_letters(number: LibraryNumber, text: str) -> bool:
    if not _LETTERS.search(text):
        return False
    digits = "".join(str(unicodedata.decimal(char)) for char in text if char.isdecimal())
    return phonenumbers.national_significant_number(number)[-6:] not in digits


def _withheld(raw: str) -> PhoneNumber:
    return PhoneNumber(raw=raw, kind=NumberKind.WITHHELD)


def same_line(a_e164: str, b_e164: str) -> bool:
    """Whether two E.164 numbers that share a bucket are one line, by the phone library's own comparison.

    Exactly equal numbers are. Where the library finds only that one's national digits end in the other's, that is not
    enough (62345678 is the end of a Beijing fixed line and of a stranger's mobile number), so what is missing has to be
    something that people leave out: the area code of a fixed line, Italian leading zeros, or the token that some
    countries put before mobile numbers dialled from abroad (Argentina's 9). Different countries never match; nor does
    anything that is not a number.
    """
    a, b = _library_parse(a_e164, "ZZ"), _library_parse(b_e164, "ZZ")
    if a is None or b is None:
        return False
    match phonenumbers.is_number_match(a, b):
        case phonenumbers.MatchType.EXACT_MATCH | phonenumbers.MatchType.NSN_MATCH:
            return True
        case phonenumbers.MatchType.SHORT_NSN_MATCH:
            return _is_abbreviation(a, b) or _is_abbreviation(b, a)
        case _:
            return False


def _is_abbreviation(short: LibraryNumber, full: LibraryNumber) -> bool:
    short_digits = phonenumbers.national_significant_number(short)
    full_digits = phonenumbers.national_significant_number(full)
    if not full_digits.endswith(short_digits) or not phonenumbers.is_valid_number(full):
        return False
    missing = full_digits.removesuffix(short_digits)
    if missing and missing == phonenumbers.country_mobile_token(full.country_code or 0):
        return True
    if phonenumbers.is_valid_number(short):
        return False
    return not missing.strip("0") or len(missing) == phonenumbers.length_of_geographical_area_code(full)


def zones_of_region(region: str) -> tuple[str, ...]:
    """IANA zones in which the numbers of a country (ISO 3166-1 alpha-2) may be; empty when it has none of its own."""
    zones = TIMEZONE_DATA.get(str(phonenumbers.country_code_for_region(region.upper())), ())
    return tuple(zone for zone in zones if zone != UNKNOWN_TIMEZONE)


def calling_code(region: str) -> str | None:
    """With which digits, after the plus, numbers of a country (ISO 3166-1 alpha-2) begin; None where nobody knows."""
    code = phonenumbers.country_code_for_region(region.upper())
    return str(code) if code else None


def mask_number(text: str) -> str:
    """A number, or whatever came as one, fit for a log: `+86138****8000`, `138 **** 8000`, `sip:+86138****8000@…`.

    Of seven digits or more at least four are hidden, and of any text at most nine are shown: the first five and the
    last four of a long number, fewer of a short one. Short codes (up to six digits) stay as they are. The host of an
    address is dropped, so is what a log should not obey (control characters, bidi marks), and everything is cut at 64
    characters.
    """
    address, at, _host = clean(text[:RAW_LENGTH])[:RAW_LENGTH].partition("@")
    shown = address + "@…" if at else address
    count = sum(char.isdigit() for char in shown)
    if count <= _SHORT_CODE_DIGITS:
        return shown
    tail = 4 if count > 9 else 2
    head = min(5, count - 4 - tail)
    masked, position = [], 0
    for char in shown:
        if char.isdigit():
            masked.append(char if position < head or position >= count - tail else "*")
            position += 1
        else:
            masked.append(char)
    return "".join(masked)


def describe_region(e164: str, language: str) -> str | None:
    """Where a number belongs, in words: `北京市`, `Beijing`; only the country where the plan says no more; or None.

    For reports and commands, not for the path of a call: the first use loads the library's places, which takes about
    130 MB of memory and 2.5 seconds.

    Args:
        e164: the number, with its `+`.
        language: BCP 47 tag, e.g. `zh-CN`; falls back to English where the library has no such name.
    """
    from phonenumbers import geocoder  # noqa: PLC0415 - for its weight, which no worker that answers calls should carry

    number = _library_parse(e164, "ZZ")
    if number is None:
        return None
    primary, *subtags = language.replace("_", "-").split("-")
    script = next((tag.title() for tag in subtags if len(tag) == 4), None)
    # The reader's region stays untold: given one, the library says of numbers elsewhere no more than their country.
    return geocoder.description_for_number(number, primary.lower(), script) or None
