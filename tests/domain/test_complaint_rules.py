"""A complaint's states and its clock, whatever happens to it."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from app.domain.business_time import Opening
from app.domain.complaint_clock import Clock
from app.domain.complaint_states import SETTLED, ComplaintAct, ComplaintState, next_state
from app.domain.help_words import MOST_GRAMS, grams_of
from app.domain.working_calendar import WorkingCalendar

WEEK = tuple(Opening(day, time(9), time(18)) for day in range(5))
CALENDAR = WorkingCalendar(ZoneInfo("Europe/Berlin"), WEEK)
PERCENTS = (50, 80, 100)

moments = st.integers(0, 2 * 365 * 86400).map(
    lambda seconds: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)
spans = st.integers(60, 40 * 3600).map(lambda seconds: timedelta(seconds=seconds))


@given(st.lists(st.sampled_from(ComplaintAct)))
def test_no_way_through_the_states_leads_past_their_rules(acts: list[ComplaintAct]) -> None:
    state, was = ComplaintState.OPEN, [ComplaintState.OPEN]
    for act in acts:
        then = next_state(state, act)
        if then is None:
            continue
        # Only what is resolved is closed, but for the customer's own word; only what was settled is reopened.
        if act is ComplaintAct.CLOSE:
            assert state is ComplaintState.RESOLVED
        if act is ComplaintAct.REOPEN:
            assert state in SETTLED
        if act is ComplaintAct.RESOLVE:
            assert state not in SETTLED
        assert then is not state
        state = then
        was.append(state)
    assert ComplaintState.REOPENED not in was or SETTLED & set(was[: was.index(ComplaintState.REOPENED)])
    assert was.count(ComplaintState.OPEN) == 1


@given(began=moments, allowed=spans)
def test_a_due_time_is_so_much_working_time_later(began: datetime, allowed: timedelta) -> None:
    clock = Clock(began, allowed)

    reached = [clock.moment(percent, CALENDAR) for percent in PERCENTS]

    assert reached == sorted(reached)
    for percent, moment in zip(PERCENTS, reached, strict=True):
        gone = CALENDAR.working_time_between(began, moment)
        assert abs(gone - allowed * percent / 100) < timedelta(milliseconds=1)


@given(
    began=moments,
    allowed=spans,
    pauses=st.lists(st.tuples(st.integers(0, 10 * 86400), st.integers(0, 10 * 86400)), max_size=4),
)
def test_a_clock_that_stood_is_due_later_by_the_working_time_for_which_it_stood(
    began: datetime, allowed: timedelta, pauses: list[tuple[int, int]]
) -> None:
    clock, at, stood = Clock(began, allowed), began, timedelta(0)
    due = clock.moment(100, CALENDAR)
    for running, standing in pauses:
        since = at + timedelta(seconds=running)
        at = since + timedelta(seconds=standing)
        clock = clock.stood_still(since, at, CALENDAR)
        stood += CALENDAR.working_time_between(since, at)

    later = clock.moment(100, CALENDAR)

    assert clock.paused == stood
    assert CALENDAR.working_time_between(due, later) == stood


@given(began=moments, allowed=spans, told=st.sampled_from((0, *PERCENTS)), after=st.integers(0, 30 * 86400))
def test_what_is_told_is_the_greatest_share_that_is_gone_and_was_not_told(
    began: datetime, allowed: timedelta, told: int, after: int
) -> None:
    clock, now = Clock(began, allowed), began + timedelta(seconds=after)

    reached = clock.reached(PERCENTS, told, CALENDAR, now)

    gone = [percent for percent in PERCENTS if clock.moment(percent, CALENDAR) <= now and percent > told]
    assert reached == (max(gone) if gone else None)
    upcoming = clock.next_warning(PERCENTS, reached or told, CALENDAR)
    assert upcoming is None or upcoming > now


def test_text_is_cut_for_finding_answers() -> None:
    assert grams_of("空调不启动") == ["空调", "调不", "不启", "启动"]
    assert grams_of("The remote controls", "ＲＥＭＯＴＥ") == ["remote", "control"]
    assert grams_of("", "！", "a") == []


@given(st.text(max_size=300))
def test_any_text_can_be_cut(text: str) -> None:
    grams = grams_of(text)

    assert len(grams) == len(set(grams)) <= MOST_GRAMS
    assert "" not in grams
