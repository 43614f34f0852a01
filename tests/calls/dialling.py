"""What tests of placed calls share: a hotline whose customers may be called at any hour, and a customer to call."""

from typing import Any

from app.telephony.simulator import SimCall
from tests.calls.conftest import Desk, Hotline, MakeHotline, until
from tests.factories import make_customer

CUSTOMER = "+8613912345678"


async def calling_hotline(make_hotline: MakeHotline, *, agents: str = "answer after 1s", **given: Any) -> Hotline:
    """A hotline on the default queue, whose calling windows never close."""
    hotline = await make_hotline(
        line={"default_agent": agents, "default_number": "answer after 2s, hang up after 10s", **given.pop("line", {})},
        **given,
    )
    await hotline.execute("UPDATE queues SET is_default = false")
    await hotline.execute("UPDATE queues SET is_default = true WHERE id = :id", id=hotline.queue.id)
    await hotline.execute("UPDATE calling_windows SET opens = '00:00', closes = '00:00'")
    await hotline.served.runtime.hotline.refresh()
    return hotline


async def customer_of(hotline: Hotline, *phones: str, **fields: Any) -> str:
    """A new customer's code."""
    async with hotline.served.database.session_scope() as session:
        return (await make_customer(session, *(phones or (CUSTOMER,)), **fields)).code


async def call(desk: Desk, **wanted: Any) -> dict[str, Any]:
    """Place a call, which succeeds."""
    answer = await desk.http.post("/api/v1/calls", json=wanted)
    assert answer.status_code == 201, answer.text
    placed: dict[str, Any] = answer.json()
    return placed


async def refused(desk: Desk, status: int = 409, **wanted: Any) -> dict[str, Any]:
    """Try to place a call, which is refused; the problem."""
    answer = await desk.http.post("/api/v1/calls", json=wanted)
    assert answer.status_code == status, answer.text
    problem: dict[str, Any] = answer.json()
    return problem


async def attempt_of(hotline: Hotline, call_id: str) -> dict[str, Any]:
    """The placing of a call."""
    return await hotline.one("SELECT * FROM dial_attempts WHERE call_id = :id", id=call_id)


async def ended(hotline: Hotline, call_id: str, seconds: float = 10) -> dict[str, Any]:
    """The placing of a call, once it is over."""

    async def over() -> bool:
        return (await attempt_of(hotline, call_id))["ended_at"] is not None

    await until(over, "the attempt is over", seconds)
    return await attempt_of(hotline, call_id)


def rung(hotline: Hotline, number: str = CUSTOMER) -> list[SimCall]:
    """How often a phone rang, by the carrier's own book."""
    return [sim for sim in hotline.line.calls if sim.record.to == number]


def agents_rung(hotline: Hotline) -> list[SimCall]:
    """Calls that were placed through the carrier's API."""
    return [sim for sim in hotline.line.calls if sim.record.direction.value == "outbound-api"]
