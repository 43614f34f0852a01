"""Text made comparable, cut into grams, and grams turned into numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.search_terms import (
    BOUNDARY,
    SEGMENT_BITS,
    fold,
    gram_number,
    index_numbers,
    read_typed,
    runs,
    segment_number,
    segment_of,
    squeeze,
)

TEXT = st.text(st.sampled_from("abcluxiGgÜüß ÉéÅå陸陆鲁建国先生0123456789-·.@|%_ａ１\U00020000"), max_size=40)


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Müller", "muller"),
        ("ＬＵ １２", "lu 12"),
        ("Straße", "strasse"),
        ("Søren Łukasz", "soren lukasz"),
        ("İstanbul", "istanbul"),
        ("陸·國", "陸·國"),
        ("ﬁne", "fine"),
        ("がく", "かく"),
    ],
)
def test_folding(text: str, folded: str) -> None:
    assert fold(text) == folded


@given(TEXT)
def test_what_is_folded_and_squeezed_is_so_for_good(text: str) -> None:
    once = squeeze(fold(text))

    assert squeeze(fold(once)) == once
    assert BOUNDARY not in once
    assert "".join(runs(once)) == once


@given(st.sets(st.text(min_size=1, max_size=3), max_size=20), st.integers(0, 1 << 40))
def test_a_query_meets_what_the_index_holds(grams: set[str], no: int) -> None:
    """The database mixes (XOR) a query's numbers with each segment's; the index was written with them mixed."""
    held = index_numbers(grams, no)

    assert set(held) == {gram_number(gram) ^ segment_number(segment_of(no)) for gram in grams}
    assert all(-(1 << 31) <= number < 1 << 31 for number in held)


def test_segments_do_not_share_numbers() -> None:
    here, there = index_numbers(["王"], 0), index_numbers(["王"], 1 << SEGMENT_BITS)

    assert here != there
    assert here == index_numbers(["王"], (1 << SEGMENT_BITS) - 1)


@given(TEXT)
def test_anything_may_be_typed(text: str) -> None:
    typed = read_typed(fold(text))

    assert bool(typed.grams) == bool(typed.whole)
    assert all(part.isalnum() for part in typed.runs)
    assert len(typed.addressed) < 40


@pytest.mark.parametrize(
    ("typed", "addressed"),
    [
        ("鲁先生", {"=鲁=m"}),
        ("鲁先", {"=鲁=m"}),
        ("欧阳小姐", {"=欧阳=f"}),
        ("鲁总", {"=鲁=m", "=鲁=f"}),
        ("luxiansheng", {"=lu=m"}),
        ("lxs", {"=l=m"}),
        ("oyxj", {"=oy=f"}),
        ("mr lu", {"=lu=m"}),
        ("mrs. van gogh", {"=vangogh=f"}),
        ("dr lu", {"=lu=m", "=lu=f"}),
        ("先生", set()),
        ("xiansheng", set()),
        ("鲁建国先生", set()),
        ("mr", set()),
        ("lu", set()),
        ("", set()),
    ],
)
def test_how_somebody_is_addressed(typed: str, addressed: set[str]) -> None:
    assert set(read_typed(typed).addressed) == addressed
