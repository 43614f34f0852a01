"""The day's plan: four quadrants, golden hours first, and a share for what is important and not urgent."""

from datetime import time
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.day_plan import (
    DAY,
    IMPORTANT_REASONS,
    KEPT_FOR_IMPORTANT,
    URGENT_REASONS,
    Listed,
    Quadrant,
    plan,
    quadrant_of,
)
from app.domain.list_reasons import ReasonCode
from app.domain.standing import Dcwh, Intention, Tier

_numbers = count(1)


def listed(*reasons: str, **fields: Any) -> Listed:
    return Listed(
        **{
            "entry_id": UUID(int=next(_numbers)),
            "reasons": reasons,
            "stage": 1,
            "intention": None,
            "dcwh": Dcwh.COLD,
            "tier": Tier.LOW,
            **fields,
        }
    )


BOTH, IMPORTANT, URGENT, NEITHER = Quadrant


@pytest.mark.parametrize(
    ("entry", "quadrant"),
    [
        (listed("waiting"), NEITHER),
        (listed("waiting", tier=Tier.VALUE), IMPORTANT),
        (listed("waiting", intention=Intention.GOOD), IMPORTANT),
        (listed("contract_expired"), IMPORTANT),
        (listed("stage", stage=4), IMPORTANT),
        (listed("stage", stage=5), BOTH),
        (listed("contract_ending"), BOTH),
        (listed("promised", tier=Tier.CORE), BOTH),
        (listed("promised"), URGENT),
        (listed("birthday"), URGENT),
        (listed("carried_over", dcwh=Dcwh.HOT), BOTH),
    ],
)
def test_where_a_customer_stands_among_the_four(entry: Listed, quadrant: Quadrant) -> None:
    assert quadrant_of(entry) is quadrant


def test_the_reasons_are_those_of_lists() -> None:
    assert set(ReasonCode) >= URGENT_REASONS | IMPORTANT_REASONS


def test_a_day_of_sixty() -> None:
    both = [listed("promise_owed", tier=Tier.CORE) for _ in range(30)]
    important = [listed("waiting", tier=Tier.VALUE) for _ in range(10)]
    urgent = [listed("birthday") for _ in range(5)]
    rest = [listed("waiting") for _ in range(14)]
    promised = listed("promised", at=time(16, 40))

    parts = plan([*rest, *urgent, *important, *both, promised])

    golden = [entry_id for part in parts if part.hours.golden for entry_id in part.entry_ids]
    kept = {entry.entry_id for entry in important}
    assert len(golden) == 35, "three and a half hours, at six minutes a call"
    assert [entry_id in kept for entry_id in golden[:6]] == [False, False, True] * 2
    assert set(golden) <= kept | {entry.entry_id for entry in both}
    assert promised.entry_id == parts[-1].entry_ids[0]
    assert parts[-1].entry_ids[-1] == rest[-1].entry_id


entries = st.lists(
    st.builds(
        listed,
        st.sampled_from(sorted(ReasonCode)),
        stage=st.integers(0, 7),
        intention=st.none() | st.sampled_from(Intention),
        tier=st.none() | st.sampled_from(Tier),
        dcwh=st.none() | st.sampled_from(Dcwh),
        at=st.none() | st.none() | st.none() | st.times(),
    ),
    max_size=90,
)


@given(entries)
def test_a_plan_has_everybody_once_and_keeps_what_is_important(listed_ones: list[Listed]) -> None:
    parts = plan(listed_ones)

    placed = [entry_id for part in parts for entry_id in part.entry_ids]
    assert sorted(placed) == sorted(entry.entry_id for entry in listed_ones)
    assert [part.hours for part in parts] == list(DAY)
    by_id = {entry.entry_id: entry for entry in listed_ones}
    golden = [by_id[each] for part in parts if part.hours.golden for each in part.entry_ids if by_id[each].at is None]
    in_golden = {quadrant: [entry for entry in golden if quadrant_of(entry) is quadrant] for quadrant in Quadrant}
    free = {
        quadrant: sum(quadrant_of(entry) is quadrant and entry.at is None for entry in listed_ones)
        for quadrant in Quadrant
    }
    share = len(golden) // KEPT_FOR_IMPORTANT
    assert len(in_golden[IMPORTANT]) >= min(share, free[IMPORTANT]), "it gets its share"
    if in_golden[URGENT] or in_golden[NEITHER]:
        assert len(in_golden[BOTH]) == free[BOTH]
        assert len(in_golden[IMPORTANT]) == free[IMPORTANT], "nothing unimportant before anything important"
    for part in parts[:-1]:
        assert all(by_id[each].at is None or by_id[each].at < part.hours.ends for each in part.entry_ids)
    for quadrant in Quadrant:
        order = [entry.entry_id for entry in golden if quadrant_of(entry) is quadrant]
        assert order == [entry.entry_id for entry in listed_ones if entry.entry_id in order], "the list's order stays"
