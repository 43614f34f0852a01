"""Whose word counts."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.survivorship import DERIVED, HAND, OWN, Record, settle

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)


def record(no: int, source: str, day: int = 0, **more: Any) -> Record:
    fields = more.pop("fields", {"name": f"{source}{no}"})
    return Record(UUID(int=no), source, MONDAY + timedelta(days=day), fields, **more)


def name(*records: Record) -> Any:
    return settle(records)["name"].value


def test_a_hand_edit_beats_every_source() -> None:
    by_hand = record(1, HAND, day=0, trusted=False, rank=-9)
    source = record(2, "sales", day=9, rank=99)

    assert name(by_hand, source) == name(source, by_hand) == "hand1"


def test_a_trusted_source_beats_another_whatever_its_rank_and_age() -> None:
    assert name(record(1, "sales", day=0, rank=1), record(2, "web", day=9, rank=99, trusted=False)) == "sales1"


def test_a_higher_rank_beats_a_newer_word() -> None:
    assert name(record(1, "sales", day=0, rank=2), record(2, "shop", day=9, rank=1)) == "sales1"


def test_of_equals_the_newest_counts_and_at_the_same_moment_the_later_record() -> None:
    assert name(record(1, "sales", day=1), record(2, "shop", day=0)) == "sales1"
    assert name(record(1, "sales"), record(2, "shop")) == "shop2"


@pytest.mark.parametrize("ourselves", [OWN, DERIVED])
def test_what_stood_before_is_the_last_to_be_believed(ourselves: str) -> None:
    assert name(record(1, ourselves, day=9, rank=99), record(2, "web", trusted=False, rank=-9)) == "web2"


def test_each_field_is_decided_alone() -> None:
    words = settle([
        record(1, "sales", rank=2, fields={"name": "鲁大伟"}),
        record(2, "shop", rank=1, fields={"name": "卢大伟", "email": "lu@example.com"}),
    ])  # fmt: skip

    assert {key: (word.value, word.record.source) for key, word in words.items()} == {
        "name": ("鲁大伟", "sales"),
        "email": ("lu@example.com", "shop"),
    }


def test_to_say_that_there_is_none_is_a_word_too() -> None:
    by_hand, shop = record(1, HAND, fields={"email": None}), record(2, "shop", fields={"email": "lu@example.com"})

    assert settle([by_hand, shop])["email"].value is None


def test_what_nobody_says_is_derived() -> None:
    shop = record(1, "shop", fields={"name": "x"}, derived={"time_zone": "Asia/Shanghai", "language": "zh-CN"})
    sales = record(2, "sales", fields={"language": "en-GB"}, rank=-1)
    words = settle([shop, sales])

    assert (words["time_zone"].value, words["time_zone"].is_derived) == ("Asia/Shanghai", True)
    assert (words["language"].value, words["language"].is_derived) == ("en-GB", False)
    no_zone = settle([shop, record(3, HAND, fields={"time_zone": None})])["time_zone"]
    assert (no_zone.value, no_zone.is_derived) == ("Asia/Shanghai", True)


@given(st.permutations([record(no, source, day) for no, (source, day) in enumerate([("a", 1), ("b", 1), (HAND, 0)])]))
def test_the_order_in_which_records_are_read_does_not_matter(records: list[Record]) -> None:
    assert name(*records) == "hand2"
