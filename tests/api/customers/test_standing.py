"""Where a customer stands in selling: what is said of it, what follows from contracts and contacts, and its history."""

import asyncio
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select

from app.models import StageMove
from tests.api.customers.support import URL, a_call, create, refusal
from tests.support import Served, SignedIn


def days(count: int) -> str:
    """The day so many days from now, by the house's calendar."""
    return (datetime.now(UTC) + timedelta(hours=8, days=count)).date().isoformat()


async def signed(http: httpx.AsyncClient, customer: dict[str, Any], number: str, until: int) -> dict[str, Any]:
    """The customer, once they have a contract that ends in so many days."""
    contract = {"number": number, "starts_on": days(until - 365), "ends_on": days(until)}
    assert (await http.post(f"{URL}/{customer['id']}/contracts", json=contract)).status_code == 201
    read: dict[str, Any] = (await http.get(f"{URL}/{customer['id']}")).json()
    return read


async def moves_of(app_server: Served, customer: dict[str, Any]) -> list[tuple[int, int, str]]:
    async with app_server.database.session_scope() as session:
        moves = await session.scalars(
            select(StageMove).where(StageMove.customer_id == UUID(customer["id"])).order_by(StageMove.at, StageMove.id)
        )
        return [(move.from_stage, move.to_stage, move.why) for move in moves]


async def test_a_contract_decides_where_they_stand(app_server: Served, http: httpx.AsyncClient) -> None:
    made = await create(http, sales_stage=4, intention="good")
    assert (made["contract_state"], made["dcwh"], made["grade"]) == ("none", "hot", "A")

    ended = await signed(http, made, "HT-1", -1)
    assert (ended["contract_state"], ended["sales_stage"]) == ("expired", 4), "they are talked with already"
    today = await signed(http, made, "HT-2", 0)

    assert (today["contract_state"], today["sales_stage"], today["dcwh"]) == ("in_contract", 6, "warm")
    assert today["version"] == 3
    assert await moves_of(app_server, made) == [(4, 6, "contract_signed")]
    changes = (await http.get(f"{URL}/{made['id']}/history")).json()["items"]
    assert {(each["field"], each["old"], each["new"], each["why"], each["agent"]["name"]) for each in changes[:4]} == {
        ("contract_state", "none", "expired", "contract_ran_out", "李娜"),
        ("contract_state", "expired", "in_contract", "contract_signed", "李娜"),
        ("sales_stage", 4, 6, "contract_signed", "李娜"),
        ("dcwh", "hot", "warm", "contract_signed", "李娜"),
    }


async def test_a_contact_of_any_kind_is_the_last_one(
    app_server: Served, http: httpx.AsyncClient, agent: SignedIn
) -> None:
    made = await create(http)
    assert made["last_contact_at"] is None
    one = f"{URL}/{made['id']}"
    for at in ("2026-11-02T09:00:00Z", "2026-11-01T09:00:00Z"):
        written = {"channel": "email", "direction": "outbound", "at": at, "summary": "报价"}
        assert (await http.post(f"{one}/interactions", json=written)).status_code == 201
    assert (await http.get(one)).json()["last_contact_at"] == "2026-11-02T09:00:00Z", "an older one changes nothing"

    at = datetime(2026, 11, 3, 9, tzinfo=UTC)
    async with app_server.database.session_scope() as session:
        call = a_call(UUID(made["id"]), at, answered_at=at, answered_by_id=agent.agent.id)
        session.add(call)
    assert (await http.put(f"/api/v1/calls/{call.id}/wrap-up", json={"disposition": "resolved"})).status_code == 200
    assert (await http.get(one)).json()["last_contact_at"] == "2026-11-03T09:00:00Z"
    assert (await http.get(one)).json()["version"] == 1, "nobody has to read the record again for it"


async def test_what_a_patch_changes_of_the_stage_is_a_move(app_server: Served, http: httpx.AsyncClient) -> None:
    made = await create(http)

    await http.patch(f"{URL}/{made['id']}", json={"sales_stage": 3})
    changed = (await http.patch(f"{URL}/{made['id']}", json={"intention": "very_likely", "sales_stage": 3})).json()

    assert (changed["dcwh"], changed["version"]) == ("hot", 3)
    assert await moves_of(app_server, made) == [(0, 3, "")]


def put(http: httpx.AsyncClient, customer: dict[str, Any], **given: Any) -> Awaitable[httpx.Response]:
    return http.put(f"{URL}/{customer['id']}/standing", json={"why": "打过电话", **given})


async def test_what_a_contact_changed_is_said_at_once(app_server: Served, http: httpx.AsyncClient) -> None:
    made = await create(http)
    at = (datetime.now(UTC) + timedelta(days=3)).replace(microsecond=0)

    answer = await put(
        http, made, sales_stage=4, intention="good", next_call_at=at.isoformat(), note="等样品", why="试用满意"
    )

    now = answer.json()
    assert answer.status_code == 200
    assert (now["sales_stage"], now["intention"], now["dcwh"], now["grade"]) == (4, "good", "hot", "A")
    assert datetime.fromisoformat(now["next_call_at"]) == at
    assert now["version"] == 2
    history = (await http.get(f"{URL}/{made['id']}/history")).json()["items"]
    assert {each["field"] for each in history[:4]} == {"sales_stage", "intention", "next_call_at", "dcwh"}
    assert {(each["why"], each["agent"]["name"]) for each in history[:4]} == {("试用满意", "李娜")}
    assert await moves_of(app_server, made) == [(0, 4, "试用满意")]
    assert [note["body"] for note in (await http.get(f"{URL}/{made['id']}/notes")).json()["items"]] == ["等样品"]

    # The same again is no change; what is left out stays; null takes the promise back.
    assert (await put(http, made, sales_stage=4)).json()["version"] == 2
    taken_back = (await put(http, made, next_call_at=None)).json()
    assert (taken_back["next_call_at"], taken_back["sales_stage"], taken_back["version"]) == (None, 4, 3)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"next_call_at": "2026-01-01T00:00:00Z"}, "bad_next_call"),
        ({"next_call_at": "9999-12-31T23:59:59-14:00"}, "bad_next_call"),
        ({"next_call_at": "2026-12-01"}, "invalid"),
        ({"sales_stage": 8}, "invalid"),
        ({"sales_stage": None}, "invalid"),
        ({"why": ""}, "invalid"),
        ({"dcwh": "hot"}, "invalid"),
    ],
)
async def test_what_nobody_can_say_changes_nothing(http: httpx.AsyncClient, given: dict[str, Any], code: str) -> None:
    made = await create(http)

    assert refusal(await put(http, made, **{"note": "n", "intention": "good", **given})) == (422, code)

    read = (await http.get(f"{URL}/{made['id']}")).json()
    assert (read["version"], read["intention"]) == (1, None)
    assert (await http.get(f"{URL}/{made['id']}/notes")).json()["items"] == []


async def test_two_who_move_a_customer_at_once_do_it_one_after_the_other(
    app_server: Served, http: httpx.AsyncClient
) -> None:
    made = await create(http)

    answers = await asyncio.gather(*(put(http, made, sales_stage=stage) for stage in (2, 3, 4, 5)))

    assert {answer.status_code for answer in answers} == {200}
    moves = await moves_of(app_server, made)
    assert [move[0] for move in moves] == [0, *(move[1] for move in moves[:-1])], "each begins where the last ended"
    assert (await http.get(f"{URL}/{made['id']}")).json()["sales_stage"] == moves[-1][1]
