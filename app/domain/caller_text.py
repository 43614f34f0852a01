"""What networks and people write where a phone number is expected, before it is read as one."""

import re
import unicodedata
from typing import Final

READ_LENGTH: Final = 250
"""Characters looked at; the library refuses to read more, and a cache key should not be 10 KB long."""

# Twilio passes a withheld caller on as a word, or as that word typed on a keypad with a plus before it ("Why am I
# getting calls from these strange numbers?", Twilio support 223179988; changelog of 2022-11-16 on withheld caller ids).
_WITHHELD_KEYPAD: Final = frozenset(
    {
        "266696687",  # ANONYMOUS
        "7378742833",  # RESTRICTED
        "2562533",  # BLOCKED
        "8656696",  # UNKNOWN
        "86282452253",  # UNAVAILABLE
    }
)
_WITHHELD_WORDS: Final = frozenset(
    {
        "anonymous", "restricted", "unavailable", "unknown", "private", "withheld", "blocked", "hidden", "no caller id",
        "no number", "not available", "out of area", "private number", "private caller", "unknown number",
        "unknown caller", "blocked number", "withheld number", "number withheld", "caller id blocked",
        "匿名", "匿名来电", "未知", "未知号码", "未知来电", "隐藏号码", "私人号码", "无号码", "无主叫号码",
        "无来电显示",
    }
)  # fmt: skip
_ALL_ZEROS: Final = re.compile(r"\+?0+")
_WORD_SEPARATORS: Final = re.compile(r"[\s_\-]+")


def is_withheld(text: str) -> bool:
    """Whether a cleaned text is what networks send in place of a number that the caller keeps back.

    That is one of the words or keypad numbers above, nothing at all, or only zeros. The keypad numbers count with and
    without their plus, but only as bare digits: (737) 874-2833 is somebody's number.
    """
    if text.removeprefix("+") in _WITHHELD_KEYPAD:
        return True
    words = _WORD_SEPARATORS.sub(" ", text).strip("\"' ").casefold()
    # Exchanges that have no number to pass on send blanks or zeros.
    return not words or words in _WITHHELD_WORDS or _ALL_ZEROS.fullmatch(words) is not None


def storable(text: str) -> str:
    """The text without what no database text can hold: NUL and lone surrogates."""
    return "".join(char for char in text if char != "\0" and not "\ud800" <= char <= "\udfff")


def clean(text: str) -> str:
    """The text as a person would read it, at most 250 characters.

    Compatibility forms are folded (NFKC: full-width digits become ASCII), invisible characters such as bidi marks and
    zero-width spaces are dropped, and every run of blanks and control characters becomes one space.
    """
    kept = []
    for char in unicodedata.normalize("NFKC", text):
        category = unicodedata.category(char)
        if category in ("Cc", "Zs", "Zl", "Zp"):
            kept.append(" ")
        elif category not in ("Cf", "Cs"):
            kept.append(char)
    return " ".join("".join(kept)[:READ_LENGTH].split())
