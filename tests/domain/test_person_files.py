"""Headers of files of people, and their names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.person_columns import Column, guess_columns, header_key
from app.domain.person_names import fold, full_form


@pytest.mark.parametrize(
    ("header", "column"),
    [
        (" soc_sec_id", Column.NATIONAL_ID),
        ("Date of Birth", Column.DATE_OF_BIRTH),
        ("FIRST NAME", Column.GIVEN_NAME),
        ("\ufeffrec_id", Column.ID),
        ("E-Mail", Column.EMAIL),
        ("Postal-Code", Column.POSTCODE),
        ("手机号码", Column.PHONE),
        ("姓名", Column.NAME),
        ("ＰＨＯＮＥ", Column.PHONE),
    ],
)
def test_headers_are_known_in_any_spelling(header: str, column: Column) -> None:
    assert guess_columns(["something", header]) == {1: column}


def test_the_first_of_two_alike_counts_except_for_numbers() -> None:
    assert guess_columns(["id", "rec_id", "phone", "mobile"]) == {0: Column.ID, 2: Column.PHONE, 3: Column.PHONE}


@given(st.text(max_size=40))
def test_any_header_has_a_key(header: str) -> None:
    assert header_key(header_key(header)) == header_key(header)


@pytest.mark.parametrize(
    ("name", "folded"),
    [("O'Brien-Łoś", "obrien los"), ("  JOSÉ  María ", "jose maria"), ("Weiß3", "weiss"), ("鲁", "鲁"), ("-", "")],
)
def test_names_are_folded(name: str, folded: str) -> None:
    assert fold(name) == folded


def test_short_forms_stand_for_names() -> None:
    assert full_form("bob") == full_form("robert") == "robert"
    assert full_form("bobby lee") == "robert"
    assert full_form("dawei") == "dawei"


@given(st.text(max_size=30))
def test_folding_twice_changes_nothing(name: str) -> None:
    assert fold(fold(name)) == fold(name)
