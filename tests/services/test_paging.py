"""Cursors come from outside and may be anything."""

import base64
import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.services.paging import BadCursor, aware_time, decode_cursor, encode_cursor, plain_text

KEY = (
    st.datetimes(timezones=st.just(UTC)),
    st.uuids(),
    st.integers(),
    st.text(st.characters(exclude_categories=["Cs"])),
)


@settings(deadline=None)
@given(st.tuples(*KEY))
def test_a_key_comes_back_as_it_was(key: tuple[datetime, UUID, int, str]) -> None:
    readers = (aware_time, UUID, int, str)
    cursor = encode_cursor(*key)

    assert cursor.replace("-", "").replace("_", "").isalnum()
    if len(cursor) <= 1024:
        assert decode_cursor(cursor, *readers) == key


@settings(deadline=None)
@given(st.text())
def test_anything_else_is_refused(cursor: str) -> None:
    with pytest.raises(BadCursor):
        decode_cursor(cursor, aware_time, UUID)


def packed(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


@pytest.mark.parametrize(
    "value",
    [
        ["2026-11-21T08:00:00", "x"],
        ["2026-11-21T08:00:00+00:00", "a\0b"],
        ["2026-11-21T08:00:00+00:00", "\ud800"],
        ["2026-11-21T08:00:00+00:00"],
        ["2026-11-21T08:00:00+00:00", "a", "b"],
        ["2026-11-21T08:00:00+00:00", 1],
        {"0": "a", "1": "b"},
        None,
        ["2026-11-21T08:00:00+00:00", "a" * 2000],
    ],
)
def test_what_the_database_could_not_take_is_refused(value: object) -> None:
    with pytest.raises(BadCursor):
        decode_cursor(packed(value), aware_time, plain_text)


def test_brackets_without_end_are_refused() -> None:
    with pytest.raises(BadCursor):
        decode_cursor(base64.urlsafe_b64encode(b"[" * 700).decode(), str)
