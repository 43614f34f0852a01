"""Every caller is spoken to, in a language that they follow, with nothing left out of the sentence."""

from datetime import UTC, datetime, timedelta
from string import Formatter
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.prompts import (
    _CATALOGUE,
    LANGUAGES,
    Prompt,
    choose_language,
    opening_phrase,
    prompt,
    waiting_prompt,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")
FRIDAY_EVENING = datetime(2026, 11, 20, 20, 0, tzinfo=SHANGHAI)


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("key", Prompt)
def test_every_prompt_is_in_every_language_with_the_same_placeholders(key: Prompt) -> None:
    texts = [_CATALOGUE[language].texts[key] for language in LANGUAGES]
    assert all(text.strip() for text in texts)
    assert len(set(texts)) == len(LANGUAGES)
    assert [placeholders(text) for text in texts] == [placeholders(texts[0])] * len(LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_language_has_prompts_that_nobody_asks_for(language: str) -> None:
    assert set(_CATALOGUE[language].texts) == set(Prompt)


@pytest.mark.parametrize("key", Prompt)
def test_chinese_prompts_are_punctuated_as_chinese_and_address_politely(key: Prompt) -> None:
    text = prompt(key, "zh-CN", company="公司", place=2, opens_at="明天上午九点", closure="春节")
    assert text.endswith("。")
    assert not set(text) & set(",.?!:;你")


def test_the_greeting_names_the_company_as_it_is() -> None:
    assert prompt(Prompt.GREETING, "zh-CN", company="{美的} & 子") == "您好，欢迎致电{美的} & 子。"
    assert prompt(Prompt.GREETING, "en", company="A{0}") == "Hello, and thank you for calling A{0}."


def test_a_value_left_out_is_an_error() -> None:
    with pytest.raises(KeyError, match="company"):
        prompt(Prompt.GREETING, "en")


@pytest.mark.parametrize(
    ("language", "spoken"), [("zh-Hant-TW", "zh-CN"), ("en-GB", "en"), ("fr", "zh-CN"), ("", "zh-CN")]
)
def test_a_language_that_is_not_in_the_catalogue_gets_the_closest(language: str, spoken: str) -> None:
    assert prompt(Prompt.GOODBYE, language) == prompt(Prompt.GOODBYE, spoken)


@pytest.mark.parametrize(
    ("place", "language", "part"),
    [(1, "zh-CN", "您是下一位"), (2, "zh-CN", "第2位"), (1, "en", "next in line"), (12, "en", "number 12 in line")],
)
def test_the_place_in_the_queue(place: int, language: str, part: str) -> None:
    assert part in waiting_prompt(place, language)


@pytest.mark.parametrize(
    ("opens", "chinese", "english"),
    [
        ((2026, 11, 20, 22, 5), "今天晚上十点零五分", "today at 10:05 pm"),
        ((2026, 11, 21, 9, 0), "明天上午九点", "tomorrow at 9 am"),
        ((2026, 11, 22, 0, 0), "后天凌晨零点", "Sunday at 12 am"),
        ((2026, 11, 23, 14, 30), "下周一下午两点半", "Monday at 2:30 pm"),
        ((2026, 11, 25, 12, 0), "下周三中午十二点", "Wednesday at noon"),
        ((2026, 11, 26, 12, 20), "下周四中午十二点二十分", "Thursday at 12:20 pm"),
        ((2026, 11, 27, 9, 45), "十一月二十七日，星期五，上午九点四十五分", "Friday, November 27 at 9:45 am"),
        ((2027, 1, 4, 8, 0), "明年一月四日，星期一，早上八点", "Monday, January 4, 2027, at 8 am"),
    ],
)
def test_opening_times_as_one_says_them(opens: tuple[int, int, int, int, int], chinese: str, english: str) -> None:
    opens_at = datetime(*opens, tzinfo=SHANGHAI)
    assert opening_phrase(opens_at, FRIDAY_EVENING, "zh-CN") == chinese
    assert opening_phrase(opens_at, FRIDAY_EVENING, "en") == english


def test_this_week_is_not_next_week() -> None:
    monday = datetime(2026, 11, 16, 20, 0, tzinfo=SHANGHAI)
    assert opening_phrase(datetime(2026, 11, 20, 9, 0, tzinfo=SHANGHAI), monday, "zh-CN") == "本周五上午九点"
    assert opening_phrase(datetime(2026, 11, 22, 9, 0, tzinfo=SHANGHAI), monday, "zh-CN") == "本周日上午九点"


def test_today_is_the_hotlines_day_not_utc() -> None:
    """At 16:30 UTC it is half past midnight in Shanghai, so 9 o'clock is the same day's."""
    now = datetime(2026, 11, 20, 16, 30, tzinfo=UTC)
    assert opening_phrase(datetime(2026, 11, 21, 9, 0, tzinfo=SHANGHAI), now, "en") == "today at 9 am"


def test_opening_times_need_a_zone() -> None:
    naive = FRIDAY_EVENING.replace(tzinfo=None)
    with pytest.raises(ValueError, match="zone"):
        opening_phrase(naive, FRIDAY_EVENING, "en")
    with pytest.raises(ValueError, match="zone"):
        opening_phrase(FRIDAY_EVENING, naive, "en")


@given(st.integers(0, 400 * 24 * 60), st.sampled_from(LANGUAGES))
def test_every_minute_of_400_days_can_be_said(minutes: int, language: str) -> None:
    opens_at = FRIDAY_EVENING + timedelta(minutes=minutes)
    phrase = opening_phrase(opens_at, FRIDAY_EVENING, language)
    assert prompt(Prompt.CLOSED, language, opens_at=phrase).count(phrase) == 1
    # One phrase, one time: nothing is rounded away.
    other = opening_phrase(opens_at + timedelta(minutes=1), FRIDAY_EVENING, language)
    assert phrase != other


@pytest.mark.parametrize(
    ("wishes", "chosen"),
    [
        (("zh-Hans-CN", "en"), "zh-CN"),
        (("zh-TW", "en"), "zh-CN"),
        (("ZH_cn", "en"), "zh-CN"),
        (("yue-HK", "en"), "zh-CN"),
        (("en-GB", "zh-CN"), "en"),
        (("en_US", "zh-CN"), "en"),
        ((None, "CN", "en"), "zh-CN"),
        ((None, "TW", "en"), "zh-CN"),
        ((None, "HK", "en"), "zh-CN"),
        ((None, "MO", "en"), "zh-CN"),
        ((None, "SG", "zh-CN"), "en"),
        ((None, "DE", "zh-CN"), "en"),
        (("fr-FR", "CN", "en"), "zh-CN"),
        (("fr-FR", None, "en"), "en"),
        (("  ", "", "zh-CN"), "zh-CN"),
        (("english", "zh-CN"), "zh-CN"),
        (("tlh", None), "zh-CN"),
        ((), "zh-CN"),
    ],
)
def test_language_choice(wishes: tuple[str | None, ...], chosen: str) -> None:
    assert choose_language(*wishes) == chosen


@given(st.lists(st.none() | st.text(max_size=12)))
def test_some_language_is_always_chosen(wishes: list[str | None]) -> None:
    assert choose_language(*wishes) in LANGUAGES
