"""Who is on a daily list: the order, and that everybody has their turn, over simulated months."""

import random
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.list_days import ListDay, list_day
from app.domain.list_ranking import Candidate, Weights, choose, moved, need

NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)


@dataclass(frozen=True)
class WeekdaysWithout:
    """Monday to Friday, but for some days off, and with some days of a weekend that are worked."""

    off: frozenset[date]
    made_up: frozenset[date] = frozenset()

    def is_working_day(self, day: date) -> bool:
        return day in self.made_up or (day.weekday() < 5 and day not in self.off)


CHINA_2026 = WeekdaysWithout(
    off=frozenset(
        date(2026, month, day)
        for month, days in {
            1: (1, 2),
            2: (16, 17, 18, 19, 20, 23),
            4: (6,),
            5: (1, 4, 5),
            6: (19,),
            9: (25,),
            10: (1, 2, 5, 6, 7),
        }.items()
        for day in days
    ),
    made_up=frozenset(
        {date(2026, 1, 4), date(2026, 2, 14), date(2026, 2, 28), date(2026, 5, 9), date(2026, 9, 20)}
        | {date(2026, 10, 10)}
    ),
)


def days_of(calendar: WeekdaysWithout, first: date, count: int) -> list[ListDay]:
    found: list[ListDay] = []
    day = first
    while len(found) < count:
        clock = list_day(calendar, day)
        if clock is not None:
            found.append(clock)
        day += timedelta(days=1)
    return found


@dataclass
class Book:
    """One manager's customers through the months: for each, the day that their clock counts from."""

    counted_on: dict[int, date] = field(default_factory=dict)
    listed: dict[int, list[int]] = field(default_factory=dict)
    eligible_since: dict[int, int] = field(default_factory=dict)

    def join(self, key: int, number: int, clock: ListDay) -> None:
        self.counted_on[key] = clock.previous
        self.eligible_since[key] = number

    def leave(self, key: int) -> None:
        del self.counted_on[key], self.eligible_since[key]

    def list_of(self, number: int, clock: ListDay, size: int, rng: random.Random) -> list[int]:
        """A day's list, with priorities that change from day to day and always want the same few."""
        favourites = range(size)
        candidates = [
            Candidate(
                key=key,
                due_in=clock.waits(day),
                score=rng.choice((0, 1, 500)) + (3000 if key in favourites else 0),
                waited=rng.randrange(3),
                promised_at=NOON if key in favourites or rng.random() < 0.05 else None,
                is_left_over=rng.random() < 0.2,
                is_pinned=rng.random() < 0.01,
            )
            for key, day in self.counted_on.items()
        ]
        keys = [pick.candidate.key for pick in choose(candidates, size, clock.round_days)]
        for key in keys:
            self.counted_on[key] = clock.day
            self.listed.setdefault(key, []).append(number)
        return keys


@settings(max_examples=12, deadline=None)
@given(size=st.integers(1, 6), slack=st.sampled_from((0.0, 0.02, 0.2)), seed=st.integers(0, 2**32 - 1))
def test_in_a_year_everybody_is_listed_in_every_window_of_a_months_working_days(
    size: int, slack: float, seed: int
) -> None:
    """Holidays, make-up Saturdays, customers who come, go and may not be called for a while; and a full book."""
    rng = random.Random(seed)
    clocks = days_of(CHINA_2026, date(2026, 1, 4), 240)
    # The shortest month decides what a manager can call in any window: February has 16 working days in 2026.
    shortest = min(clock.month_days for clock in clocks)
    most = max(1, round(size * shortest * (1 - slack)))
    book = Book()
    barred: set[int] = set()
    keys = iter(range(10**6))
    for number, clock in enumerate(clocks):
        while len(book.counted_on) < most:
            back = barred.pop() if barred and rng.random() < 0.5 else next(keys)
            book.join(back, number, clock)
        listed = book.list_of(number, clock, size, rng)
        assert len(listed) == len(set(listed)) == min(size, len(book.counted_on))
        for key, since in book.eligible_since.items():
            for window in range(max(since, number - 40), number + 1):
                # The window that begins on day `window`: over by now?
                if window + clocks[window].month_days - 1 == number:
                    assert any(window <= at <= number for at in book.listed.get(key, ())), (key, window, number)
        for key in rng.sample(sorted(book.counted_on), k=min(len(book.counted_on), rng.randrange(3))):
            book.leave(key)
            book.listed.pop(key, None)
            if rng.random() < 0.5:
                barred.add(key)


def test_a_thousand_customers_are_all_listed_in_each_month_whatever_the_priorities_do() -> None:
    rng = random.Random(1)
    clocks = days_of(CHINA_2026, date(2026, 3, 1), 66)
    book = Book()
    for key in range(1000):
        book.join(key, 0, clocks[0])
    for number, clock in enumerate(clocks):
        assert len(book.list_of(number, clock, 60, rng)) == 60
    for first in range(len(clocks)):
        last = first + clocks[first].month_days - 1
        if last < len(clocks):
            assert all(any(first <= at <= last for at in listed) for listed in book.listed.values())
    assert len(book.listed) == 1000


def test_an_even_pace_leaves_room_for_priorities_on_every_day() -> None:
    """1,000 customers and 22 days: 46 a day by turn, so 14 places for whoever is wanted again and again."""
    asked = need([22] * 1000, 60, 22)

    assert (asked.reserved, asked.pace, asked.late, asked.fits) == (0, 46, 0, True)


def test_a_book_too_large_for_the_month_leaves_promised_times_their_places() -> None:
    candidates = [Candidate(key=key, due_in=1 + key % 22, score=0) for key in range(2000)]
    promised = [Candidate(key=5000 + key, due_in=22, score=3000, promised_at=NOON) for key in range(30)]

    picks = choose([*candidates, *promised], 60, 22)

    assert not need([each.due_in for each in candidates], 60, 22).fits
    assert [pick.candidate.key for pick in picks[:30]] == list(range(5000, 5030))
    assert {pick.candidate.due_in for pick in picks[30:]} == {1}


KEYS = st.lists(
    st.builds(
        Candidate,
        key=st.integers(0, 10**6),
        due_in=st.integers(-3, 9),
        score=st.sampled_from((0.0, 1.0, 600.0, 3000.0)),
        waited=st.integers(0, 3),
        promised_at=st.sampled_from((None, NOON, NOON + timedelta(hours=1))),
        is_left_over=st.booleans(),
        is_pinned=st.booleans(),
    ),
    unique_by=lambda each: each.key,
    max_size=60,
)


@given(candidates=KEYS, size=st.integers(1, 8), round_days=st.integers(9, 12), seed=st.integers(0, 2**32 - 1))
def test_the_order_is_total_and_does_not_depend_on_how_customers_come(
    candidates: list[Candidate[int]], size: int, round_days: int, seed: int
) -> None:
    shuffled = list(candidates)
    random.Random(seed).shuffle(shuffled)

    picks = choose(candidates, size, round_days)

    assert picks == choose(shuffled, size, round_days)
    assert len({pick.candidate.key for pick in picks}) == len(picks) == min(size, len(candidates))
    scores = [pick.candidate.score for pick in picks]
    assert scores == sorted(scores, reverse=True)


@given(candidates=KEYS, size=st.integers(1, 8), round_days=st.integers(9, 12))
def test_a_promised_time_stands_back_only_for_what_cannot_wait(
    candidates: list[Candidate[int]], size: int, round_days: int
) -> None:
    picks = choose(candidates, size, round_days)
    asked = need([each.due_in for each in candidates], size, round_days)
    listed = {pick.candidate.key for pick in picks}
    owed = [each for each in candidates if each.promised_at and each.key not in listed]

    if owed:
        assert {pick.layer for pick in picks} <= {1, 2}
        assert sum(pick.layer == 1 for pick in picks) == asked.reserved


def test_the_worked_example_of_the_documentation() -> None:
    """`docs/call-lists.md`, "With a pencil"."""
    waited = {"A": 2, "B": 1, "C": 3, "D": 2, "E": 3, "F": 3, "G": 2, "H": 1, "I": 1}
    due = {"A": 4, "B": 3, "C": 2, "D": 4, "E": 1, "F": 1, "G": 2, "H": 4, "I": 3}
    weights = Weights()
    more = {
        "A": weights.promised,
        "B": weights.stage_5 + weights.very_likely,
        "C": weights.stage_4,
        "D": weights.good,
        "E": weights.contract_expired,
    }
    candidates = [
        Candidate(
            key=ord(name),
            due_in=due[name],
            score=more.get(name, 0) + weights.waiting * waited[name],
            waited=waited[name],
            promised_at=NOON if name == "A" else None,
        )
        for name in waited
    ]

    asked = need([each.due_in for each in candidates], 5, 4)
    picks = choose(candidates, 5, 4)

    assert (asked.reserved, asked.pace) == (2, 3)
    assert "".join(chr(pick.candidate.key) for pick in picks) == "ABCEF"
    assert [pick.candidate.score for pick in picks] == [3002, 2101, 1303, 303, 3]


@given(order=st.lists(st.integers(0, 50), unique=True, max_size=12), data=st.data())
def test_who_is_moved_is_where_they_were_wished(order: list[int], data: st.DataObject) -> None:
    positions = data.draw(
        st.dictionaries(st.sampled_from(order or [0]), st.integers(1, len(order) or 1), max_size=5).filter(
            lambda wished: len(set(wished.values())) == len(wished)
        )
    )

    found = moved(order, positions)

    assert sorted(found) == sorted(order)
    for key, position in positions.items():
        if key in order:
            assert found[position - 1] == key
    assert [key for key in found if key not in positions] == [key for key in order if key not in positions]


def test_the_defaults_keep_the_order_of_the_design() -> None:
    """Each reason weighs more than all that come after it together."""
    weights = Weights()
    waiting = weights.waiting * weights.waiting_most
    small = (
        weights.carried_over
        + weights.win_back
        + weights.contract_ending_7
        + weights.birthday
        + weights.warranty_ending
        + weights.festival
        + waiting
    )
    rungs = [
        (weights.contract_expired, weights.contract_expired),
        (weights.good, weights.very_likely),
        (weights.stage_4, weights.stage_5),
        (weights.promised, weights.promised),
    ]
    below = small
    for least, most in rungs:
        assert least > below
        below += most


def test_the_clock_at_the_end_of_a_long_month_before_a_short_one() -> None:
    """January 2026 has 21 working days, February 16: the window that is February itself must see everybody."""
    clocks = days_of(CHINA_2026, date(2026, 1, 4), 60)
    last_of_january = [clock for clock in clocks if clock.day.month == 1][-1]
    first_of_february = next(clock for clock in clocks if clock.day.month == 2)

    assert (last_of_january.month_days, last_of_january.next_month_days) == (21, 16)
    assert first_of_february.month_days == 16
    # The window from 30 January on would have 21 days; that from 2 February on is over sooner.
    assert first_of_february.round_days == 16
    # The window from 7 January on has 18 days of January and 3 of February.
    assert first_of_february.waits(date(2026, 1, 6)) == 3
    assert first_of_february.waits(date(2026, 1, 29)) == 16
    assert first_of_february.waits(date(2026, 1, 1)) <= 0


def test_no_list_on_a_holiday_and_one_on_the_saturday_that_makes_up_for_it() -> None:
    assert list_day(CHINA_2026, date(2026, 2, 17)) is None
    assert list_day(CHINA_2026, date(2026, 3, 7)) is None
    assert list_day(CHINA_2026, date(2026, 2, 14)) is not None
