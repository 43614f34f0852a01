"""Persons out of pairs."""

from hypothesis import given
from hypothesis import strategies as st

from app.services.linkage.clustering import connected, pairs_within, split, with_identical

RECORDS = st.integers(0, 7)
PAIRS = st.tuples(RECORDS, RECORDS).filter(lambda pair: pair[0] < pair[1])


def test_a_chain_of_links_hangs_together() -> None:
    assert connected([(3, 4), (1, 2), (2, 3), (8, 9)]) == [[1, 2, 3, 4], [8, 9]]


def test_a_veto_parts_a_chain_at_its_weakest_link() -> None:
    weights = {(1, 2): 20.0, (2, 3): 5.0, (1, 3): 9.0}

    assert split([1, 2, 3], weights, {(1, 3)}.__contains__, 3.0) == [[1, 2], [3]]


def test_two_groups_are_not_joined_by_one_light_pair() -> None:
    weights = {(1, 2): 20.0, (3, 4): 20.0, (2, 3): 4.0}

    assert split([1, 2, 3, 4], weights, lambda _: False, 3.0) == [[1, 2], [3, 4]]


def test_what_repeats_a_record_goes_with_it() -> None:
    assert with_identical([[1, 2]], [(2, 5), (3, 4), (3, 6), (1, 2)]) == [[1, 2, 5], [3, 4, 6]]


@given(st.dictionaries(PAIRS, st.floats(-8, 30), max_size=20), st.sets(PAIRS, max_size=8))
def test_no_vetoed_pair_is_ever_within_a_person(
    weights: dict[tuple[int, int], float], vetoed: set[tuple[int, int]]
) -> None:
    records = list(range(8))

    groups = split(records, weights, vetoed.__contains__, 3.0)

    assert sorted(record for group in groups for record in group) == records
    assert vetoed.isdisjoint(pairs_within(groups))


@given(st.dictionaries(PAIRS, st.floats(-8, 30), max_size=20), st.sets(PAIRS, max_size=8), st.randoms())
def test_the_order_of_pairs_does_not_matter(weights, vetoed, random) -> None:  # type: ignore[no-untyped-def]
    shuffled = list(weights.items())
    random.shuffle(shuffled)

    assert split(list(range(8)), weights, vetoed.__contains__, 3.0) == split(
        list(range(8)), dict(shuffled), vetoed.__contains__, 3.0
    )
