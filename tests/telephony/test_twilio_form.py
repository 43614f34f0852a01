"""The lean form parser gives exactly what the standard library's gives."""

from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.telephony.twilio_form import MAX_FIELDS, FormFields, TooManyFields, parse_form
from tests.telephony.twilio_forms import VOICE

# Made of the pieces at which a parser can go wrong, so that they meet often.
PIECES = st.sampled_from(
    [
        *(b"a", b"B", b"4", b"1", b"2", b"=", b"&", b"+", b"%", b"%2B", b"%2b", b"%26", b"%3D", b"%00", b"%E9", b"%B2"),
        *(b"%F0%9F%98%80", "鲁".encode(), b"\xe9", b"\xb2\x81", b"\x00", b";", b"#", b"\r\n", b" ", b"\xef\xbb\xbf"),
    ]
)
BODIES = st.lists(PIECES, max_size=40).map(b"".join) | st.binary(max_size=80)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def reference(body: bytes) -> list[tuple[str, str]]:
    return parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, encoding="utf-8", errors="replace")


@given(BODIES)
@example(b"a=%252B&%%2B41=%4%2B1&%2=%&+=%+&==")
@settings(deadline=None, max_examples=400)
def test_equals_the_standard_library(body: bytes) -> None:
    assert list(parse_form(body).pairs) == reference(body)


@given(st.lists(st.tuples(TEXT, TEXT), max_size=8))
@settings(deadline=None)
def test_fault_03_returns_what_was_encoded(fields: list[tuple[str, str]]) -> None:
    # A field with a blank name and a blank value is encoded as "=", and is a field all the same.
    assert list(parse_form(urlencode(fields).encode()).pairs) == fields


def test_fault_03_blank_repeated_and_utf8_fields_are_kept_in_order() -> None:
    form = parse_form(b"b=2&a=&b=1&name=%E9%B2%81+%E5%85%88&flag&b=2")
    assert list(form.pairs) == [("b", "2"), ("a", ""), ("b", "1"), ("name", "鲁 先"), ("flag", ""), ("b", "2")]
    assert form.last == {"b": "2", "a": "", "name": "鲁 先", "flag": ""}
    assert form.getall("b") == ["2", "1", "2"]
    assert form.getall("c") == []
    assert list(form) == ["b", "a", "name", "flag"]
    assert len(form) == 6


def test_a_typical_voice_form() -> None:
    assert list(parse_form(urlencode(VOICE).encode()).pairs) == VOICE


@pytest.mark.parametrize("count", [1, 3, MAX_FIELDS])
def test_as_many_fields_as_allowed(count: int) -> None:
    assert len(parse_form(b"&".join([b"a=1"] * count), max_fields=count)) == count


@pytest.mark.parametrize(
    ("body", "limit"), [(b"a=1&b=2", 1), (b"&" * 10_000, MAX_FIELDS), (b"a=1&" * 10_000, MAX_FIELDS)]
)
def test_fault_03_too_many_fields_are_refused(body: bytes, limit: int) -> None:
    with pytest.raises(TooManyFields) as refused:
        parse_form(body, max_fields=limit)
    assert refused.value.status == 400


def test_values_stay_out_of_the_repr() -> None:
    assert repr(FormFields([("From", "+8613812345678")])) == "FormFields(['From'])"
