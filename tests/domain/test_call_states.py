"""Carriers repeat, overtake and skip: the end has to be the same."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import reduce
from itertools import product, repeat
from random import Random
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.call_states import CallState, CarrierStatus, call_state, join_call, join_leg

State = TypeVar("State", CarrierStatus, CallState)

LEG_STATUSES = st.sampled_from(CarrierStatus)
CALL_STATES = st.sampled_from(CallState)


@dataclass(frozen=True)
class Facts:
    customer_leg: CarrierStatus
    was_waiting: bool
    agent_answered: bool
    callback_promised: bool
    left_voicemail: bool

    def joined(self, other: "Facts") -> "Facts":
        booleans = {
            field.name: getattr(self, field.name) or getattr(other, field.name)
            for field in fields(self)
            if field.name != "customer_leg"
        }
        return Facts(customer_leg=join_leg(self.customer_leg, other.customer_leg), **booleans)

    def state(self) -> CallState:
        return call_state(
            self.customer_leg,
            was_waiting=self.was_waiting,
            agent_answered=self.agent_answered,
            callback_promised=self.callback_promised,
            left_voicemail=self.left_voicemail,
        )


ALL_FACTS = [Facts(*values) for values in product(CarrierStatus, *repeat((False, True), 4))]
FACTS = st.sampled_from(ALL_FACTS)


@st.composite
def told_twice(draw: st.DrawFn, messages: st.SearchStrategy[State]) -> tuple[list[State], list[State]]:
    """The same messages in two orders, some of them repeated in the second."""
    first = draw(st.lists(messages, min_size=1, max_size=8))
    repeats = draw(st.lists(st.sampled_from(first), max_size=8))
    return first, draw(st.permutations([*first, *repeats]))


@given(told_twice(LEG_STATUSES))
def test_fault_06_a_leg_ends_the_same_in_any_order_and_repetition(
    told: tuple[list[CarrierStatus], list[CarrierStatus]],
) -> None:
    first, second = told
    assert reduce(join_leg, first) is reduce(join_leg, second)


@given(told_twice(CALL_STATES))
def test_fault_06_a_call_ends_the_same_in_any_order_and_repetition(
    told: tuple[list[CallState], list[CallState]],
) -> None:
    first, second = told
    assert reduce(join_call, first) is reduce(join_call, second)


@pytest.mark.parametrize("heard", CarrierStatus)
@pytest.mark.parametrize("known", [status for status in CarrierStatus if status.is_terminal])
def test_fault_06_a_leg_that_is_over_stays_over(known: CarrierStatus, heard: CarrierStatus) -> None:
    assert join_leg(known, heard).is_terminal
    assert join_leg(heard, known).is_terminal


@pytest.mark.parametrize("heard", CallState)
@pytest.mark.parametrize("known", [state for state in CallState if state.is_terminal])
def test_fault_06_a_call_that_is_over_stays_over(known: CallState, heard: CallState) -> None:
    assert join_call(known, heard).is_terminal
    assert join_call(heard, known).is_terminal


def test_fault_06_completed_before_ringing_is_completed() -> None:
    told = [CarrierStatus.COMPLETED, CarrierStatus.RINGING, CarrierStatus.INITIATED, CarrierStatus.IN_PROGRESS]
    assert reduce(join_leg, told) is CarrierStatus.COMPLETED


def test_fault_06_what_is_learnt_later_never_moves_a_call_back() -> None:
    moved_back = [
        (before, learnt)
        for before, learnt in product(ALL_FACTS, repeat=2)
        if join_call(before.state(), before.joined(learnt).state()) is not before.joined(learnt).state()
    ]
    assert moved_back == []


@given(st.lists(FACTS, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_fault_06_a_stored_call_state_does_not_depend_on_the_order_of_its_facts(
    told: list[Facts], random: Random
) -> None:
    """Each message is joined to the facts known so far, and the state that follows to the state that is stored."""

    def stored(messages: list[Facts]) -> CallState:
        known, state = messages[0], messages[0].state()
        for message in messages[1:]:
            known = known.joined(message)
            state = join_call(state, known.state())
        return state

    shuffled = told[:]
    random.shuffle(shuffled)
    assert stored(told) is stored(shuffled)


@pytest.mark.parametrize("join", [join_leg, join_call])
def test_joins_keep_the_more_certain_of_two(join: Callable[..., CarrierStatus | CallState]) -> None:
    order = list(CarrierStatus if join is join_leg else CallState)
    for rank, lower in enumerate(order):
        for higher in order[rank:]:
            assert join(lower, higher) is higher
            assert join(higher, lower) is higher


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (Facts(CarrierStatus.RINGING, False, False, False, False), CallState.RINGING),
        (Facts(CarrierStatus.IN_PROGRESS, False, False, False, False), CallState.RINGING),
        (Facts(CarrierStatus.IN_PROGRESS, True, False, False, False), CallState.WAITING),
        (Facts(CarrierStatus.IN_PROGRESS, True, True, False, False), CallState.IN_PROGRESS),
        (Facts(CarrierStatus.COMPLETED, True, True, False, False), CallState.COMPLETED),
        (Facts(CarrierStatus.COMPLETED, True, False, True, False), CallState.CALLBACK),
        (Facts(CarrierStatus.COMPLETED, True, False, False, True), CallState.VOICEMAIL),
        (Facts(CarrierStatus.COMPLETED, True, False, True, True), CallState.VOICEMAIL),
        (Facts(CarrierStatus.COMPLETED, True, True, True, True), CallState.COMPLETED),
        (Facts(CarrierStatus.COMPLETED, True, False, False, False), CallState.ABANDONED),
        (Facts(CarrierStatus.CANCELED, False, False, False, False), CallState.ABANDONED),
        (Facts(CarrierStatus.FAILED, False, False, False, False), CallState.FAILED),
    ],
)
def test_the_state_that_follows_from_the_facts(facts: Facts, expected: CallState) -> None:
    assert facts.state() is expected
