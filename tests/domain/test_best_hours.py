"""At which hour a customer is best rung."""

from hypothesis import given
from hypothesis import strategies as st

from app.domain.best_hours import Try, best_hour, chances

WORKING = range(9, 18)
tries = st.lists(st.builds(Try, st.integers(0, 23), st.booleans()), max_size=60)


def test_who_answers_in_the_afternoon_is_rung_in_the_afternoon() -> None:
    told = [Try(9, False)] * 4 + [Try(15, True)] * 3 + [Try(15, False)]

    found = best_hour(told, WORKING)

    assert found is not None
    assert (found.hour, found.tries) == (15, 8)
    assert 0.5 < found.chance < 0.75, "three of four, and not quite believed"


def test_one_answer_says_less_than_many() -> None:
    once, often = best_hour([Try(11, True)], WORKING), best_hour([Try(11, True)] * 20, WORKING)

    assert once is not None
    assert often is not None
    assert once.chance < 0.6
    assert often.chance > 0.9


def test_the_hours_beside_it_count_a_little() -> None:
    found = chances([Try(10, True)] * 5 + [Try(16, False)] * 5, WORKING)

    assert found[10] > found[9] == found[11] > found[13] > found[17] > found[16]


def test_of_nobody_who_ever_answered_there_is_a_best_hour() -> None:
    assert best_hour([Try(9, False)] * 9, WORKING) is None
    assert best_hour([], WORKING) is None
    assert best_hour([Try(9, True)], []) is None


@given(tries, st.sets(st.integers(0, 23), min_size=1))
def test_a_chance_is_a_chance_and_one_more_answer_never_lowers_it(told: list[Try], hours: set[int]) -> None:
    before = chances(told, hours)
    hour = min(hours)

    after = chances([*told, Try(hour, True)], hours)

    assert all(0 < chance < 1 for chance in before.values())
    assert after[hour] > before[hour]
    assert all(after[each] > before[each] for each in hours)
    found = best_hour(told, hours)
    assert found is None or (found.hour in hours and round(max(before.values()), 3) == found.chance)


@given(tries, st.randoms())
def test_the_order_of_what_happened_does_not_matter(told: list[Try], random: st.DataObject) -> None:
    shuffled = list(told)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    assert best_hour(shuffled, WORKING) == best_hour(told, WORKING)
