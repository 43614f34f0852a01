"""The funnel over REST: who stands where, who went on, whose figures one may see."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from app.models import Customer, Role, StageMove
from app.services.merging import merge
from tests.api.customers.support import refusal
from tests.factories import make_customer
from tests.support import Served, SignedIn, SignIn

FUNNEL = "/api/v1/reports/funnel"
NOW = datetime.now(UTC)


async def moved(
    app_server: Served, manager: SignedIn, since: int, *moves: tuple[int, int, int], **fields: Any
) -> Customer:
    """A customer in a book since so many days, with moves so many days ago; they stand where the last one led."""
    async with app_server.database.session_scope() as session:
        customer = await make_customer(
            session,
            owner_id=manager.agent.id,
            created_at=NOW - timedelta(days=since),
            **{"sales_stage": moves[-1][2] if moves else 0, **fields},
        )
        session.add_all(
            StageMove(
                customer_id=customer.id,
                at=NOW - timedelta(days=days),
                from_stage=was,
                to_stage=now,
                owner_id=manager.agent.id,
                why="w",
            )
            for days, was, now in moves
        )
        return customer


def told(stage: dict[str, Any]) -> tuple[int, ...]:
    return tuple(stage[name] for name in ("at_start", "entered", "moved_on", "moved_back", "at_end"))


async def test_the_funnel_of_a_book(app_server: Served, signed_in: SignIn) -> None:
    manager = await signed_in(Role.ACCOUNT_MANAGER, name="林")
    supervisor = await signed_in(Role.SUPERVISOR)
    await moved(app_server, manager, 100, sales_stage=1)
    await moved(app_server, manager, 100, (3, 1, 2))
    await moved(app_server, manager, 100, (5, 1, 3), (4, 3, 2), (3, 2, 3))
    await moved(app_server, manager, 100, (50, 1, 4), (2, 4, 5))
    await moved(app_server, manager, 100, (2, 6, 7))
    await moved(app_server, manager, 3, (2, 0, 1))
    await moved(app_server, manager, 100, (20, 1, 2))

    answer = await supervisor.http.get(FUNNEL, params={"manager": str(manager.agent.id)})

    funnel = answer.json()
    assert answer.status_code == 200
    assert [told(stage) for stage in funnel["stages"]] == [
        (0, 1, 1, 0, 0),
        (3, 1, 2, 0, 2),
        (1, 2, 1, 0, 2),
        (0, 1, 0, 1, 1),
        (1, 0, 1, 0, 0),
        (0, 1, 0, 0, 1),
        (1, 0, 0, 1, 0),
        (0, 1, 0, 0, 1),
    ]
    assert [stage["conversion"] for stage in funnel["stages"]] == [1.0, 0.5, 0.3333, 0.0, 1.0, 0.0, 0.0, 0.0]
    assert funnel["managers"] == [{"manager": {"id": str(manager.agent.id), "name": "林"}, "stages": funnel["stages"]}]
    everybody = (await supervisor.http.get(FUNNEL)).json()
    assert {"id": str(manager.agent.id), "name": "林"} in [book["manager"] for book in everybody["managers"]]
    assert all(
        everybody["stages"][stage]["at_end"] == sum(book["stages"][stage]["at_end"] for book in everybody["managers"])
        for stage in range(8)
    )

    # A period of the past: as it was then, whatever happened since.
    day = (NOW + timedelta(hours=8)).date()
    before = {"from": str(day - timedelta(days=60)), "to": str(day - timedelta(days=30))}
    past = (await manager.http.get(FUNNEL, params=before)).json()
    assert [told(stage) for stage in past["stages"]][:5] == [
        (0, 0, 0, 0, 0),
        (5, 0, 1, 0, 4),
        (0, 0, 0, 0, 0),
        (0, 0, 0, 0, 0),
        (0, 1, 0, 0, 1),
    ]


async def test_whoever_was_merged_counts_as_who_took_them_in(app_server: Served, signed_in: SignIn) -> None:
    manager = await signed_in(Role.ACCOUNT_MANAGER)
    older = await moved(app_server, manager, 100, sales_stage=2)
    newer = await moved(app_server, manager, 100, (3, 1, 4))
    async with app_server.database.session_scope() as session:
        await merge(session, older.id, newer.id, by=None, reason="same")

    stages = (await manager.http.get(FUNNEL)).json()["stages"]

    assert sum(stage["at_end"] for stage in stages) == 1
    assert (stages[4]["entered"], stages[1]["moved_on"]) == (1, 1)


async def test_what_moved_since_last_week(app_server: Served, signed_in: SignIn) -> None:
    manager, other = await signed_in(Role.ACCOUNT_MANAGER, name="林"), await signed_in(Role.ACCOUNT_MANAGER)
    customer = await moved(app_server, manager, 100, (20, 0, 1), (5, 1, 3), (1, 3, 5))
    async with app_server.database.session_scope() as session:
        # The book has changed hands; the moves are still of whose book it was.
        await session.execute(update(Customer).where(Customer.id == customer.id).values(owner_id=other.agent.id))
        assert len((await session.scalars(select(StageMove).where(StageMove.customer_id == customer.id))).all()) == 3

    first = (await manager.http.get(f"{FUNNEL}/moves", params={"limit": 1})).json()
    second = (await manager.http.get(f"{FUNNEL}/moves", params={"limit": 1, "cursor": first["next"]})).json()

    moves = [*first["items"], *second["items"]]
    assert [(move["from_stage"], move["to_stage"], move["customer"]["code"]) for move in moves] == [
        (3, 5, customer.code),
        (1, 3, customer.code),
    ]
    assert (moves[0]["manager"]["name"], moves[0]["agent"], moves[0]["why"], second["next"]) == ("林", None, "w", None)
    assert (await other.http.get(f"{FUNNEL}/moves")).json()["items"] == []


async def test_one_sees_ones_own_figures(signed_in: SignIn) -> None:
    manager, other = await signed_in(Role.ACCOUNT_MANAGER), await signed_in(Role.ACCOUNT_MANAGER)
    analyst = await signed_in(Role.ANALYST)
    asked = {"manager": str(other.agent.id)}

    for path in (FUNNEL, f"{FUNNEL}/moves"):
        assert refusal(await manager.http.get(path, params=asked)) == (403, "not_allowed")
        assert (await manager.http.get(path, params={"manager": str(manager.agent.id)})).status_code == 200
        assert (await analyst.http.get(path, params=asked)).status_code == 200


@pytest.mark.parametrize(
    ("first", "last", "code"),
    [
        ("2026-11-02", "2026-11-01", "bad_period"),
        ("2024-01-01", "2026-11-01", "bad_period"),
        ("20261101", "2026-11-02", "invalid"),
    ],
)
async def test_a_period_that_is_none(http: httpx.AsyncClient, first: str, last: str, code: str) -> None:
    assert refusal(await http.get(FUNNEL, params={"from": first, "to": last})) == (422, code)
