"""Where a customer stands in selling: what is said of it, what follows from contracts and contacts, and its history."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import select

from app.models import StageMove
from tests.api.customers.support import URL, a_call, create
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
