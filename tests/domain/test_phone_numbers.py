"""Whatever a network or a person writes as a phone number is read, never rejected with an exception."""

import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import phonenumbers
import phonenumbers.timezone
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from app.domain import phone_numbers
from app.domain.caller_text import is_withheld
from app.domain.phone_numbers import (
    RAW_LENGTH,
    LineType,
    NumberKind,
    PhoneNumber,
    mask_number,
    parse_number,
    same_line,
)

PROJECT = Path(__file__).parents[2]
MOBILE = "+8613800138000"
BEIJING = "+861062345678"

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=80)
REGIONS = st.sampled_from(["CN", "US", "DE", "IT", "AR", "GB", "IS", "cn", "ZZ", "", "001"])
REAL_NUMBERS = [
    MOBILE,
    BEIJING,
    "010-62345678",
    "+14155552671",
    "+390612345678",
    "+5491123456789",
    "4008123123",
    "10086",
]
DEBRIS = st.sampled_from(
    [
        "+", "00", "0", "86", "-", " ", "(", ")", "ext.", ";ext=", "x", "转", "分机", "tel:", "sip:", "sips:",
        "client:", "<", ">", "@", ";user=phone", ";phone-context=", "%2B", "%", "anonymous", '"', "*", "#", "/", ",",
        "E+10", "\u202e", "\u200b", "\xa0", "\ufeff", "\0", "\ud800", "＋", "８", "٣", "①", "²", "𝟠",
    ]
)  # fmt: skip


@st.composite
def mutated_numbers(draw: st.DrawFn) -> str:
    """A real number with bits of what surrounds numbers in the wild put in, or with bits cut out."""
    text = draw(st.sampled_from(REAL_NUMBERS))
    for _ in range(draw(st.integers(1, 5))):
        position = draw(st.integers(0, len(text)))
        cut = draw(st.integers(0, 2))
        text = text[:position] + draw(DEBRIS) + text[position + cut :]
    return text


def assert_sound(number: PhoneNumber) -> None:
    """What every reader of a `PhoneNumber` relies on."""
    number.raw.encode()
    assert len(number.raw) <= RAW_LENGTH
    assert "\0" not in number.raw
    assert number.is_number == (number.kind is NumberKind.NUMBER) == (number.e164 is not None)
    if number.e164 is None:
        assert not number.is_valid
        assert number.bucket is None
        assert number.national_number is None
        assert number.line_type is LineType.UNKNOWN
    else:
        assert re.fullmatch(r"\+[1-9][0-9]{6,14}", number.e164)
        assert number.national_number is not None
        assert number.e164.endswith(number.national_number)
        assert number.bucket is None or (len(number.bucket) == 8 and number.e164.endswith(number.bucket))
        assert number.is_valid == (number.line_type is not LineType.UNKNOWN)
        assert number.region is None or re.fullmatch("[A-Z]{2}", number.region)
    assert isinstance(number.time_zones, tuple)


@settings(max_examples=300, deadline=None)
@given(ANY_TEXT, REGIONS)
def test_fault_12_reading_never_raises_on_any_text(text: str, region: str) -> None:
    assert_sound(parse_number(text, region))


@settings(max_examples=500, deadline=None)
@given(mutated_numbers(), REGIONS)
def test_fault_12_reading_never_raises_on_damaged_numbers(text: str, region: str) -> None:
    assert_sound(parse_number(text, region))


@settings(max_examples=300, deadline=None)
@given(mutated_numbers())
@example("118390612345678")  # a carrier's prefix, then a trunk zero
def test_an_e164_form_is_read_as_itself(text: str) -> None:
    number = parse_number(text, "CN")
    if number.e164 is not None:
        for region in ("CN", "US", "ZZ"):
            again = parse_number(number.e164, region)
            assert (again.e164, again.region, again.line_type) == (number.e164, number.region, number.line_type)


@pytest.mark.parametrize(
    "raw",
    [
        None, "", "   ", "\t\u200b", "anonymous", "Anonymous", "Restricted", "unavailable", "UNKNOWN", "private",
        "withheld", "Blocked", "No Caller ID", "no-caller-id", "ａｎｏｎｙｍｏｕｓ", '"Anonymous"', "<unknown>",
        '"Lu" <>', "匿名", "未知号码", "0", "0000000000",
        "+266696687", "266696687", "+7378742833", "7378742833", "+2562533", "2562533", "+8656696", "8656696",
        "+86282452253", "86282452253", "\u202a+266696687\u202c",
        "sip:anonymous@anonymous.invalid", '"Anonymous" <sip:anonymous@anonymous.invalid;user=phone>',
        "sip:x1y2@anonymous.invalid:5060", "sip:+266696687@pstn.example.com", "sip:Restricted@10.0.0.1",
        "sip:@", "sip:@example.com", "client:Anonymous", "tel:anonymous", "tel:+266696687",
    ],
)  # fmt: skip
def test_fault_12_withheld(raw: str | None) -> None:
    number = parse_number(raw, "CN")
    assert number.kind is NumberKind.WITHHELD
    assert number.e164 is None
    assert_sound(number)


@pytest.mark.parametrize("word", ["ANONYMOUS", "RESTRICTED", "BLOCKED", "UNKNOWN", "UNAVAILABLE"])
def test_fault_12_a_withheld_word_typed_on_a_keypad_is_withheld(word: str) -> None:
    keys = {
        letter: key
        for key, letters in zip("23456789", "ABC DEF GHI JKL MNO PQRS TUV WXYZ".split(), strict=True)
        for letter in letters
    }
    typed = "".join(keys[letter] for letter in word)
    assert is_withheld("+" + typed)
    assert parse_number("+" + typed, "US").kind is NumberKind.WITHHELD


@pytest.mark.parametrize("raw", ["(737) 874-2833", "+17378742833"])
def test_a_line_whose_digits_spell_restricted_is_still_a_line(raw: str) -> None:
    assert parse_number(raw, "US").e164 == "+17378742833"


@pytest.mark.parametrize(
    ("raw", "digits"),
    [
        ("10086", "10086"), ("95588", "95588"), ("12345", "12345"), ("110", "110"), ("12", "12"), ("801", "801"),
        ("１００８６", "10086"), ("100-86", "10086"), ("+95588", "95588"), ("+8610086", "10086"), ("+8695588", "95588"),
        ("sip:10086@ims.example.com;user=phone", "10086"), ("tel:7042;phone-context=example.com", "7042"),
    ],
)  # fmt: skip
def test_fault_12_short_codes(raw: str, digits: str) -> None:
    number = parse_number(raw, "CN")
    assert (number.kind, number.national, number.e164) == (NumberKind.SHORT_CODE, digits, None)


@pytest.mark.parametrize(
    "raw",
    [
        "sip:alice@example.com", "sips:alice@example.com", "<sip:alice@example.com>", '"Lu" <sip:alice@example.com>',
        "sip:8001@10.0.0.1:5060;transport=tcp", "sip:13800138000@pbx.example.com", "alice@example.com",
        "sip:example.com", "sip:", "SIP:%ff%00@x", "sip:+999@example.com", "client:agent_7",
        '"sip:+8613800138000@a" <sip:alice@example.com>', "sip:alice@example.com;user=phone",
        "sip:+8614112345678@example.com",
    ],
)  # fmt: skip
def test_fault_12_sip_addresses(raw: str) -> None:
    number = parse_number(raw, "CN")
    assert (number.kind, number.e164) == (NumberKind.SIP, None)


@pytest.mark.parametrize(
    ("raw", "extension"),
    [
        ("sip:+8613800138000@sip.example.com", None),
        ("sips:+8613800138000@sip.example.com;transport=tls", None),
        ('"Lu" <sip:+8613800138000@sip.example.com;user=phone>', None),
        ("<sip:+8613800138000@sip.example.com>;tag=9fxced76sl", None),
        ("sip:13800138000@sip.example.com;user=phone", None),
        ("sip:13800138000@sip.example.com;USER=Phone", None),
        ("sip:%2B86-138-0013-8000:secret@sip.example.com", None),
        ("sip:+8613800138000;ext=12@sip.example.com;user=phone", "12"),
        ("tel:+86-138-0013-8000", None),
        ("tel:+86-138-0013-8000;ext=12", "12"),
        ("tel:13800138000;phone-context=+86", None),
        ('"Lu" <13800138000>', None),
    ],
)
def test_fault_12_addresses_of_phone_numbers_are_numbers(raw: str, extension: str | None) -> None:
    number = parse_number(raw, "CN")
    assert (number.kind, number.e164, number.extension) == (NumberKind.NUMBER, MOBILE, extension)


@pytest.mark.parametrize(
    "raw", ["1", "abc", "+", "*100#", "1.38E+10", "+9991234567", "13800138000/13900139000", "1" * 40]
)
def test_fault_12_what_cannot_be_read_is_invalid(raw: str) -> None:
    assert parse_number(raw, "CN") == PhoneNumber(raw=raw, kind=NumberKind.INVALID)


@pytest.mark.parametrize(
    "raw",
    [
        MOBILE, "13800138000", "138 0013 8000", "138-0013-8000", "+86 138 0013 8000", "8613800138000",
        "008613800138000", "0086 138 0013 8000", "013800138000", "+86013800138000", "08613800138000",
        "+868613800138000", "+8608613800138000", "1795113800138000", "１３８００１３８０００",
        "＋８６１３８００１３８０００", "\u202a+86 138 0013 8000\u202c", "\u200e13800138000\u200f",
        "138\u200b0013\ufeff8000", "+86\xa0138\u202f0013\u30008000",
        "手机：13800138000", "Tel: 138 0013 8000", "13800138000\n", "\x0013800138000",
    ],
)  # fmt: skip
def test_one_mobile_number_in_many_spellings(raw: str) -> None:
    number = parse_number(raw, "CN")
    assert number.e164 == MOBILE
    assert number.is_valid
    assert number.extension is None


@pytest.mark.parametrize(
    "raw",
    [
        "010-62345678 x801", "010-62345678 ext. 801", "010-62345678;ext=801", "010-62345678转801",
        "010-62345678 转 801", "010-62345678 分机：801", "010-62345678分机号801", "(010)62345678轉801",
        "010-62345678-801", "+86 10 6234 5678#801",
    ],
)  # fmt: skip
def test_extensions(raw: str) -> None:
    number = parse_number(raw, "CN")
    assert (number.e164, number.extension, number.national) == (BEIJING, "801", "010 6234 5678")


@pytest.mark.parametrize(
    ("raw", "default_region", "e164"),
    [
        ("011 86 13800138000", "US", MOBILE),
        ("(415) 555-2671", "US", "+14155552671"),
        ("8613800138000", "US", MOBILE),
        ("442079460958", "CN", "+442079460958"),
        ("14155552671", "CN", "+8614155552671"),  # 11 digits: a new Chinese range rather than San Francisco
        ("020 7946 0958", "gb", "+442079460958"),
        ("+39 06 1234 5678", "CN", "+390612345678"),
        ("+86 (0)10 6234 5678", "DE", BEIJING),
        ("+86 (0)10 6234 5678", "ZZ", BEIJING),
    ],
)
def test_default_region_and_foreign_numbers(raw: str, default_region: str, e164: str) -> None:
    assert parse_number(raw, default_region).e164 == e164


def test_what_is_known_of_a_mobile_number() -> None:
    number = parse_number(" 138 0013 8000", "CN")
    assert number == PhoneNumber(
        raw=" 138 0013 8000",
        kind=NumberKind.NUMBER,
        e164=MOBILE,
        national="138 0013 8000",
        national_number="13800138000",
        extension=None,
        region="CN",
        line_type=LineType.MOBILE,
        bucket="00138000",
        is_valid=True,
    )
    assert number.time_zones == ("Asia/Shanghai",)


@pytest.mark.parametrize(
    ("e164", "region", "line_type", "zones"),
    [
        (BEIJING, "CN", LineType.FIXED_LINE, ("Asia/Shanghai",)),
        ("+864008123123", "CN", LineType.SHARED_COST, ("Asia/Shanghai",)),
        ("+868008101234", "CN", LineType.TOLL_FREE, ("Asia/Shanghai",)),
        ("+14155552671", "US", LineType.FIXED_LINE_OR_MOBILE, ("America/Los_Angeles",)),
        ("+80012345678", None, LineType.TOLL_FREE, ()),
        ("+883510000000094", None, LineType.VOIP, ()),
    ],
)
def test_region_line_type_and_zones(e164: str, region: str | None, line_type: LineType, zones: tuple[str, ...]) -> None:
    number = parse_number(e164, "CN")
    assert (number.e164, number.region, number.line_type, number.time_zones) == (e164, region, line_type, zones)


def test_italian_leading_zero_is_part_of_the_national_number() -> None:
    assert parse_number("+390612345678", "CN").national_number == "0612345678"


def test_a_number_shorter_than_a_bucket_has_none() -> None:
    number = parse_number("+6834002", "CN")
    assert (number.e164, number.bucket) == ("+6834002", None)


@pytest.mark.parametrize("raw", ["+8614112345678", "62345678"])
def test_a_possible_number_that_the_plan_does_not_know_is_kept_to_match_with(raw: str) -> None:
    number = parse_number(raw, "CN")
    assert number.is_number
    assert not number.is_valid
    assert number.bucket == raw[-8:]
    assert number.time_zones == ()


@pytest.mark.parametrize(
    ("raw", "region"), [("1-800-FLOWERS", "CN"), ("1-800-FLOWERS", "US"), ("call 800 FLOWERS", "US")]
)
def test_numbers_spelt_in_letters_are_refused(raw: str, region: str) -> None:
    assert parse_number(raw, region).kind is NumberKind.INVALID


def test_fault_14_ten_kilobytes_are_cut() -> None:
    number = parse_number("💥\u202e<script>&" + "9" * 10_000, "CN")
    assert number.raw == "💥\u202e<script>&" + "9" * (RAW_LENGTH - 11)
    assert number.kind is NumberKind.INVALID


def test_fault_14_raw_holds_nothing_that_a_database_refuses() -> None:
    assert parse_number("\0\ud83d138\0 0013 8000", "CN").raw == "138 0013 8000"


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        (MOBILE, MOBILE, True),
        (BEIJING, "+8662345678", True),  # stored without its area code
        ("+8657187654321", "+8687654321", True),
        ("+390612345678", "+39612345678", True),  # without its leading zero
        ("+5491123456789", "+541123456789", True),  # Argentina's mobile token
        ("+8613862345678", "+8662345678", False),  # a mobile that ends in a local number
        (BEIJING, "+862162345678", False),  # the same local number in another city
        (BEIJING, "+8613862345678", False),
        (MOBILE, "+13800138000", False),
        ("+14155552671", "+15105552671", False),
        (MOBILE, "nonsense", False),
        ("", "", False),
    ],
)
def test_same_line(a: str, b: str, same: bool) -> None:
    assert same_line(a, b) is same
    assert same_line(b, a) is same


@settings(max_examples=200, deadline=None)
@given(ANY_TEXT, ANY_TEXT)
def test_same_line_never_raises(a: str, b: str) -> None:
    assert same_line(a, b) is same_line(b, a)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (MOBILE, "+86138****8000"),
        ("13800138000", "138****8000"),
        ("138 0013 8000", "138 **** 8000"),
        ("+14155552671", "+141****2671"),
        ("+6834002", "+6****02"),
        ("１３８００１３８０００", "138****8000"),
        ("sip:+8613800138000@192.168.100.200:5060", "sip:+86138****8000@…"),
        ("10086", "10086"),
        ("anonymous", "anonymous"),
        ("", ""),
        ("13800138000\nlevel=error", "138****8000 level=error"),
    ],
)
def test_masking(text: str, masked: str) -> None:
    assert mask_number(text) == masked


@settings(max_examples=300, deadline=None)
@given(st.one_of(ANY_TEXT, mutated_numbers(), st.text("0123456789+٣８²- @", max_size=100)))
def test_masking_never_shows_more_than_a_few_digits(text: str) -> None:
    assume("*" not in unicodedata.normalize("NFKC", text))
    masked = mask_number(text)
    masked.encode()
    shown, hidden = sum(char.isdigit() for char in masked), masked.count("*")
    assert hidden >= 4 or (hidden == 0 and shown <= 6)
    assert shown <= 9


def test_places_in_words_and_their_weight_only_when_asked_for() -> None:
    """In a process of its own, because loading the places takes 130 MB."""
    script = f"""
import sys
from app.domain.phone_numbers import describe_region, parse_number
parse_number({BEIJING!r}, "CN").time_zones
assert "phonenumbers.geocoder" not in sys.modules
assert "phonenumbers.carrier" not in sys.modules
print(*(describe_region({BEIJING!r}, language) for language in ("zh-CN", "zh-Hant-TW", "en-GB", "fr")), sep="|")
print(*(describe_region(text, "en") for text in ("+14155552671", "+80012345678", "nonsense")), sep="|")
"""
    result = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines() == ["北京市|北京市|Beijing|Beijing", "San Francisco, CA|None|None"]


@settings(max_examples=500, deadline=None)
@given(st.from_regex(r"(\+86)?1[0-9]{10}", fullmatch=True, alphabet="+0123456789"), st.sampled_from(["CN", "US", "DE"]))
def test_the_short_way_for_chinese_mobiles_reads_as_the_library_does(raw: str, region: str) -> None:
    assume(not is_withheld(raw))
    assert parse_number(raw, region) == phone_numbers._read_number(raw, region, raw=raw)


def test_zones_are_those_of_the_library() -> None:
    compared = 0
    for region in phonenumbers.SUPPORTED_REGIONS:
        for line_type in phonenumbers.PhoneNumberType.values():
            sample = phonenumbers.example_number_for_type(region, line_type)
            if sample is None:
                continue
            number = parse_number(phonenumbers.format_number(sample, phonenumbers.PhoneNumberFormat.E164), region)
            if number.is_valid:
                known = phonenumbers.timezone.time_zones_for_number(phonenumbers.parse(number.e164))
                assert number.time_zones == tuple(zone for zone in known if zone != "Etc/Unknown"), number.e164
                compared += 1
    assert compared > 500
