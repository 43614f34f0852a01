"""How warm a customer is, and what a contract does to their stage: a rule for every case, the same in SQL."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from app.db import Database
from app.domain.standing import STAGES, ContractState, Dcwh, Intention, dcwh, grade, stage_after
from app.services import standing

NONE, IN_CONTRACT, EXPIRED = ContractState.NONE, ContractState.IN_CONTRACT, ContractState.EXPIRED
EVERY_CASE = list(product(STAGES, [None, *Intention], ContractState))
WARMER = [Dcwh.DENIAL, Dcwh.COLD, Dcwh.WARM, Dcwh.HOT]
"""From the coldest on."""
LIKELIER = [Intention.UNLIKELY, Intention.UNCLEAR, Intention.POSSIBLE, Intention.GOOD, Intention.VERY_LIKELY]

stages = st.sampled_from(STAGES)
intentions = st.none() | st.sampled_from(Intention)
contracts = st.sampled_from(ContractState)


@pytest.mark.parametrize(
    ("stage", "intention", "contract", "warmth", "letter"),
    [
        (0, None, NONE, Dcwh.COLD, "C"),
        (1, Intention.UNCLEAR, NONE, Dcwh.COLD, "C"),
        (2, Intention.POSSIBLE, NONE, Dcwh.COLD, "C"),
        (2, Intention.GOOD, NONE, Dcwh.WARM, "B"),
        (3, None, NONE, Dcwh.WARM, "B"),
        (4, None, NONE, Dcwh.HOT, "A"),
        (5, Intention.POSSIBLE, NONE, Dcwh.HOT, "A"),
        (0, Intention.VERY_LIKELY, NONE, Dcwh.HOT, "A"),
        (6, Intention.UNCLEAR, IN_CONTRACT, Dcwh.WARM, "B"),
        (7, None, EXPIRED, Dcwh.WARM, "B"),
        (2, None, EXPIRED, Dcwh.WARM, "B"),
        (5, Intention.UNLIKELY, NONE, Dcwh.DENIAL, None),
        (7, Intention.UNLIKELY, EXPIRED, Dcwh.DENIAL, None),
        (6, Intention.UNLIKELY, IN_CONTRACT, Dcwh.COLD, "C"),
    ],
)
def test_warmth(stage: int, intention: Intention | None, contract: ContractState, warmth: Dcwh, letter: str) -> None:
    assert dcwh(stage, intention, contract) is warmth
    assert grade(warmth) == letter


@given(stages, st.sampled_from(LIKELIER), st.sampled_from(LIKELIER), contracts)
def test_whoever_is_likelier_to_buy_is_never_colder(
    stage: int, one: Intention, other: Intention, contract: ContractState
) -> None:
    less, more = sorted((one, other), key=LIKELIER.index)

    assert WARMER.index(dcwh(stage, less, contract)) <= WARMER.index(dcwh(stage, more, contract))


@given(stages, intentions, contracts)
def test_a_contract_never_cools(stage: int, intention: Intention | None, contract: ContractState) -> None:
    assert WARMER.index(dcwh(stage, intention, contract)) >= WARMER.index(dcwh(stage, intention, NONE))


@pytest.mark.parametrize(
    ("stage", "before", "after", "expected"),
    [
        (5, NONE, IN_CONTRACT, 6),
        (0, NONE, IN_CONTRACT, 6),
        (7, EXPIRED, IN_CONTRACT, 6),
        (6, IN_CONTRACT, EXPIRED, 7),
        (1, NONE, EXPIRED, 7),
        (4, IN_CONTRACT, EXPIRED, 4),
        (4, IN_CONTRACT, IN_CONTRACT, 4),
        (6, IN_CONTRACT, NONE, 6),
    ],
)
def test_what_a_contract_does_to_the_stage(
    stage: int, before: ContractState, after: ContractState, expected: int
) -> None:
    assert stage_after(stage, before, after) == expected


async def test_the_database_has_the_same_rules(database: Database) -> None:
    warmth = standing.warmth("stage", "intention", "contract")
    stage = standing.stage_after("stage", "contract")
    statement = text(
        f"SELECT {warmth} AS dcwh, {stage} AS stage FROM (SELECT CAST(:stage AS bigint) AS stage, "
        "CAST(:intention AS text) AS intention, CAST(:contract AS text) AS contract) AS told"
    )
    async with database.session_scope() as session:
        for stage_no, intention, contract in EVERY_CASE:
            told = {"stage": stage_no, "intention": intention, "contract": contract}
            row = (await session.execute(statement, told)).one()
            assert row.dcwh == dcwh(stage_no, intention, contract), told
            another = next(each for each in ContractState if each is not contract)
            assert row.stage == stage_after(stage_no, another, contract), told
