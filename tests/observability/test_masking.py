"""No telephone number gets into the log, and what is no number stays readable."""

from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.observability.masking import LONGEST_TEXT, mask_event, mask_numbers


class Outcome(StrEnum):
    UNIQUE = "unique"


@pytest.mark.parametrize(
    "number",
    [
        "+8613800138000",
        "+86 138 0013 8000",
        "+86-138-0013-8000",
        "＋8613800138000",
        "＋86 138 0013 8000",
        "+1 (415) 555-2671",
        "+1.415.555.2671",
        "%2B8613800138000",
        "13800138000",
        "008613800138000",
        "４１５５５５２６７１",
        "010-62345678",
        "0755 86013388",
        "5552671",
        "123456789012345",
    ],
)
@pytest.mark.parametrize(
    "around",
    [
        "{}",
        "call from {}",
        "From={}&To=x",
        "sip:{}@host",
        "/lookup/name/{}",
        "({}),",
        "tel.{}",
        "phone-{}-office",
        "来电{}。",
    ],
)
def test_a_number_is_hidden_wherever_it_stands(number: str, around: str) -> None:
    masked = mask_numbers(around.format(number))

    assert masked.count("*") >= 3
    assert number not in masked
    assert masked.startswith(around.partition("{}")[0])
    assert masked.endswith(around.partition("{}")[2])


@pytest.mark.parametrize(
    "text",
    [
        "95588 and 10086 are short codes",
        "019aa7b2-51c3-7e90-8a41-123456789012",
        "CA1234567890123456789012345678901a",
        "12345678-1234-7e90-8a41-123456789012 C0001024",
        "backup-20261121-153000.tar",
        "T20261122-0007",
        "2026-11-21T22:03:05.123456Z",
        "2026-11-21 22:03",
        "took 0.123456789 s",
        "1234567.25 yuan",
        "192.168.100.200:65535",
        "1.2.3.4",
        "line 120 of 1000",
        "+1 to that",
        "",
    ],
)
def test_what_is_no_number_stays_as_it_is(text: str) -> None:
    assert mask_numbers(text) == text


@given(st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True), st.text(), st.text())
def test_an_international_number_is_hidden_in_any_text(number: str, before: str, after: str) -> None:
    assert number not in mask_numbers(f"{before} {number} {after}")


@given(st.text())
def test_masking_twice_is_masking_once(text: str) -> None:
    assert mask_numbers(mask_numbers(text)) == mask_numbers(text)


@pytest.mark.parametrize("between", [" ", ",", ", ", "/", "->", " and "])
@pytest.mark.parametrize("first", ["+8613800138000", "+86 138 0013 8000", "13800138000"])
def test_of_two_numbers_side_by_side_both_are_hidden(first: str, between: str) -> None:
    masked = mask_numbers(f"{first}{between}13900139000{between}+8613700137000")

    assert masked.endswith(f"{between}139****9000{between}+86137****7000")
    assert "*" in masked.partition(between + "139")[0]


def test_numbers_are_hidden_however_deep_and_nothing_else_is_changed() -> None:
    call = UUID("019aa7b2-51c3-7e90-8a41-123456789012")
    masked = mask_event(
        None,
        "info",
        {
            "event": "from +8613800138000",
            "params": {"From": ["+8613800138000"], "+8613800138000": {"x": ("13800138000",)}},
            "error": ValueError("+8613800138000"),
            "raw": b"+8613800138000",
            "outcome": Outcome.UNIQUE,
            "count": 13800138000,
            "ratio": 0.5,
            "found": True,
            "nothing": None,
            "call": call,
            "at": datetime(2026, 11, 21, tzinfo=UTC),
            "money": Decimal("1234567.25"),
            "call_id": "12345678901",
        },
    )

    assert masked == {
        "event": "from +86138****8000",
        "params": {"From": ["+86138****8000"], "+86138****8000": {"x": ["138****8000"]}},
        "error": "ValueError('+86138****8000')",
        "raw": "b'+86138****8000'",
        "outcome": "unique",
        "count": 13800138000,
        "ratio": 0.5,
        "found": True,
        "nothing": None,
        "call": str(call),
        "at": "2026-11-21 00:00:00+00:00",
        "money": "1234567.25",
        "call_id": "12345678901",
    }


def test_what_a_stranger_sends_cannot_fill_the_log() -> None:
    assert len(mask_numbers("名" * 1_000_000)) == LONGEST_TEXT + 1
