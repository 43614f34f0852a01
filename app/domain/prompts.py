"""What callers hear, in every language that the hotline speaks.

One dictionary a language. A further language is one more dictionary, one phrase-maker for opening times and one entry
in `_CATALOGUE`; a test holds every language to the same prompts and the same placeholders.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Final


class Prompt(StrEnum):
    """The sentences, each with the values that it wants."""

    GREETING = "greeting"
    """Values: `company`."""
    RECORDING_NOTICE = "recording_notice"
    ONE_MOMENT = "one_moment"
    """Before the first agent's phone rings."""
    STILL_TRYING = "still_trying"
    """An agent did not answer; the next one's phone rings."""
    WAITING = "waiting"
    """Values: `place` in the queue, from 2; see `waiting_prompt`."""
    WAITING_NEXT = "waiting_next"
    """For place 1."""
    OFFER_CALLBACK = "offer_callback"
    """While waiting: press 1."""
    CALLBACK_PROMISED = "callback_promised"
    CLOSED = "closed"
    """Said after the greeting, as are the next two. Values: `opens_at`, a phrase made by `opening_phrase`."""
    CLOSED_FOR = "closed_for"
    """Values: `closure`, the name of the day; `opens_at` as for `CLOSED`."""
    CLOSED_UNTIL_FURTHER_NOTICE = "closed_until_further_notice"
    """No next opening is known."""
    NOBODY_AVAILABLE = "nobody_available"
    """All agents are busy or away: leave a message."""
    TROUBLE = "trouble"
    """Something of ours broke: leave a message."""
    AFTER_THE_BEEP = "after_the_beep"
    MESSAGE_KEPT = "message_kept"
    """After a message was left."""
    GOODBYE = "goodbye"


_CHINESE: Final[Mapping[Prompt, str]] = {
    Prompt.GREETING: "您好，欢迎致电{company}。",
    Prompt.RECORDING_NOTICE: "为了提升服务质量，本次通话将被录音。",
    Prompt.ONE_MOMENT: "正在为您转接客服，请您稍候。",
    Prompt.STILL_TRYING: "正在为您转接下一位客服，请您不要挂机。",
    Prompt.WAITING: "客服人员都在通话中，您目前排在第{place}位，请您耐心等候。",
    Prompt.WAITING_NEXT: "客服人员都在通话中，您是下一位，请您不要挂机。",
    Prompt.OFFER_CALLBACK: "如果您不方便等待，请按1，我们会保留您的排队位置，并给您回电。",
    Prompt.CALLBACK_PROMISED: "好的，已经为您登记。轮到您时，我们会拨打您的来电号码，请您保持电话畅通。再见。",
    Prompt.CLOSED: "现在是非服务时间，我们将于{opens_at}恢复人工服务。",
    Prompt.CLOSED_FOR: "{closure}期间人工服务暂停，我们将于{opens_at}恢复人工服务。",
    Prompt.CLOSED_UNTIL_FURTHER_NOTICE: "人工服务目前暂停，给您带来不便，敬请谅解。",
    Prompt.NOBODY_AVAILABLE: "非常抱歉，目前没有空闲的客服。请您留言，我们会尽快与您联系。",
    Prompt.TROUBLE: "非常抱歉，系统暂时出现故障。请您留言，我们会尽快与您联系。",
    Prompt.AFTER_THE_BEEP: "请您在提示音后留言，留言结束后按井号键或直接挂机。",
    Prompt.MESSAGE_KEPT: "您的留言我们已经收到，会尽快与您联系。",
    Prompt.GOODBYE: "感谢您的来电，再见。",
}

_ENGLISH: Final[Mapping[Prompt, str]] = {
    Prompt.GREETING: "Hello, and thank you for calling {company}.",
    Prompt.RECORDING_NOTICE: "This call is recorded to help us improve our service.",
    Prompt.ONE_MOMENT: "One moment please, we are connecting you.",
    Prompt.STILL_TRYING: "We are trying the next colleague for you. Please stay on the line.",
    Prompt.WAITING: "All our colleagues are on calls. You are number {place} in line. Thank you for waiting.",
    Prompt.WAITING_NEXT: "All our colleagues are on calls. You are next in line. Thank you for waiting.",
    Prompt.OFFER_CALLBACK: "If you would rather not wait, press 1 and we will call you back. Your place is kept.",
    Prompt.CALLBACK_PROMISED: (
        "Thank you. We will call you back on the number you are calling from when it is your turn. Goodbye."
    ),
    Prompt.CLOSED: "We are closed at the moment and open again {opens_at}.",
    Prompt.CLOSED_FOR: "We are closed for {closure} and open again {opens_at}.",
    Prompt.CLOSED_UNTIL_FURTHER_NOTICE: "We are closed at the moment. We are sorry about that.",
    Prompt.NOBODY_AVAILABLE: (
        "We are sorry, nobody is free to take your call. Please leave a message and we will call you back soon."
    ),
    Prompt.TROUBLE: (
        "We are sorry, we are having a technical problem. Please leave a message and we will call you back soon."
    ),
    Prompt.AFTER_THE_BEEP: "Please speak after the beep. When you are done, press the pound key or hang up.",
    Prompt.MESSAGE_KEPT: "Thank you, we have your message and will be in touch soon.",
    Prompt.GOODBYE: "Thank you for calling. Goodbye.",
}


def _chinese_opening(opens_at: datetime, now: datetime) -> str:
    days = (opens_at.date() - now.date()).days
    clock = _chinese_clock(opens_at)
    if days <= 2:
        return f"{('今天', '明天', '后天')[max(days, 0)]}{clock}"
    weekday = "一二三四五六日"[opens_at.weekday()]
    if days <= 6:
        is_this_week = opens_at.isocalendar()[:2] == now.isocalendar()[:2]
        return f"{'本周' if is_this_week else '下周'}{weekday}{clock}"
    years = opens_at.year - now.year
    year = ("", "明年")[years] if years <= 1 else f"{opens_at.year}年"
    return f"{year}{_chinese_number(opens_at.month)}月{_chinese_number(opens_at.day)}日，星期{weekday}，{clock}"


def _chinese_clock(moment: datetime) -> str:
    parts = ((5, "凌晨"), (8, "早上"), (11, "上午"), (12, "中午"), (17, "下午"), (23, "晚上"))
    part = next(name for last_hour, name in parts if moment.hour <= last_hour)
    hour = moment.hour if moment.hour <= 12 else moment.hour - 12
    spoken_hour = {0: "零", 2: "两"}.get(hour) or _chinese_number(hour)
    if moment.minute == 0:
        return f"{part}{spoken_hour}点"
    if moment.minute == 30:
        return f"{part}{spoken_hour}点半"
    zero = "零" if moment.minute < 10 else ""
    return f"{part}{spoken_hour}点{zero}{_chinese_number(moment.minute)}分"


def _chinese_number(number: int) -> str:
    """1 to 99, as it is spoken: 十一, 二十, 三十五."""
    digits = "零一二三四五六七八九"
    tens, ones = divmod(number, 10)
    if not tens:
        return digits[ones]
    return (digits[tens] if tens > 1 else "") + "十" + (digits[ones] if ones else "")


# Not strftime: its names follow the process's locale.
_ENGLISH_WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_ENGLISH_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def _english_opening(opens_at: datetime, now: datetime) -> str:
    days = (opens_at.date() - now.date()).days
    clock = _english_clock(opens_at)
    if days <= 1:
        return f"{('today', 'tomorrow')[max(days, 0)]} at {clock}"
    weekday = _ENGLISH_WEEKDAYS[opens_at.weekday()]
    if days <= 6:
        return f"{weekday} at {clock}"
    year = "" if opens_at.year == now.year else f", {opens_at.year},"
    return f"{weekday}, {_ENGLISH_MONTHS[opens_at.month - 1]} {opens_at.day}{year} at {clock}"


def _english_clock(moment: datetime) -> str:
    if (moment.hour, moment.minute) == (12, 0):
        return "noon"
    minutes = f":{moment.minute:02}" if moment.minute else ""
    return f"{moment.hour % 12 or 12}{minutes} {'am' if moment.hour < 12 else 'pm'}"


@dataclass(frozen=True, slots=True)
class _Language:
    texts: Mapping[Prompt, str]
    opening: Callable[[datetime, datetime], str]
    also: frozenset[str]
    """Other primary language subtags that mean it."""
    regions: frozenset[str]
    """ISO 3166-1 regions whose callers hear it when nothing more is known of them."""


# Cantonese speakers follow a Mandarin hotline better than an English one. Singapore's common tongue is English.
_CATALOGUE: Final[Mapping[str, _Language]] = {
    "zh-CN": _Language(_CHINESE, _chinese_opening, frozenset({"cmn", "yue"}), frozenset({"CN", "HK", "MO", "TW"})),
    "en": _Language(_ENGLISH, _english_opening, frozenset(), frozenset()),
}

LANGUAGES: Final = tuple(_CATALOGUE)
"""The tags of the languages that the hotline speaks; the first is taken when nothing else is known."""

_WORLD_LANGUAGE: Final = "en"
"""For callers from a region that no language claims."""


def prompt(key: Prompt, language: str, **values: object) -> str:
    """The sentence in that language, or in the closest that there is (see `choose_language`).

    Plain text: whoever puts it into TwiML escapes it.

    Raises:
        KeyError: when a value that the sentence wants (see `Prompt`) is missing.
    """
    return _spoken(language).texts[key].format_map(values)


def waiting_prompt(place: int, language: str) -> str:
    """What a caller hears at that place in the queue; 1 is the next to be answered."""
    if place <= 1:
        return prompt(Prompt.WAITING_NEXT, language)
    return prompt(Prompt.WAITING, language, place=place)


def opening_phrase(opens_at: datetime, now: datetime, language: str) -> str:
    """An opening as one says it: `明天上午九点`, `下周一下午两点半`; `tomorrow at 9 am`, `Monday at 2:30 pm`.

    Args:
        opens_at: aware, in the hotline's own zone, whose clock is spoken.
        now: aware, in any zone.
        language: as for `prompt`.

    Raises:
        ValueError: when one of the times is naive.
    """
    if opens_at.utcoffset() is None or now.utcoffset() is None:
        raise ValueError("opening_phrase needs times with a zone")
    return _spoken(language).opening(opens_at, now.astimezone(opens_at.tzinfo))


def choose_language(*wishes: str | None) -> str:
    """The first of the wishes that can be fulfilled, as one of `LANGUAGES`; the last wish is the default.

    A wish is a language tag (BCP 47: `zh-Hans-CN`, `en-GB`, `en_US`), whose language counts and not its variant; or an
    ISO 3166-1 region in capitals (`CN`, from a caller's number), which always decides: the Chinese-speaking regions CN,
    HK, MO and TW for Chinese, every other for English. None, blanks and languages that are not spoken are passed over.
    """
    for wish in wishes:
        language = _language_of(wish.strip()) if wish else None
        if language:
            return language
    return LANGUAGES[0]


@lru_cache(maxsize=512)
def _language_of(wish: str) -> str | None:
    if len(wish) == 2 and wish.isascii() and wish.isalpha() and wish.isupper():
        return next((tag for tag, language in _CATALOGUE.items() if wish in language.regions), _WORLD_LANGUAGE)
    primary = wish.replace("_", "-").partition("-")[0].lower()
    for tag, language in _CATALOGUE.items():
        if primary == tag.partition("-")[0] or primary in language.also:
            return tag
    return None


def _spoken(language: str) -> _Language:
    return _CATALOGUE.get(language) or _CATALOGUE[choose_language(language)]
