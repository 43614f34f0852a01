"""What the tests of complaints share."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import select

from app.models import AgentEvent, Customer, Purchase, Queue
from tests.api.customers.support import a_call, a_mobile
from tests.factories import make_customer
from tests.support import Served, SignedIn

URL = "/api/v1/complaints"
MAIL_SECRET = "whsec_dGhpcyBpcyBhIHNlY3JldCBmb3IgdGhlIHRlc3Rz"
RESOLVED = {"resolution": "重置遥控器", "root_cause": "久未使用", "prevention": "换季提醒"}


@dataclass(frozen=True)
class Desks:
    """A queue with three agents, their supervisor, and an analyst."""

    served: Served
    queue: Queue
    lily: SignedIn
    chen: SignedIn
    wang: SignedIn
    boss: SignedIn
    analyst: SignedIn

    async def customer(self, *, phone: bool = True, **fields: Any) -> Customer:
        """Somebody new who bought three air conditioners."""
        async with self.served.database.session_scope() as session:
            customer = await make_customer(session, *([a_mobile()] if phone else []), name="鲁建国", **fields)
            session.add(
                Purchase(
                    customer_id=customer.id,
                    product="空调",
                    quantity=3,
                    serial_number="251018000001",
                    purchased_on=date(2025, 10, 18),
                )
            )
            return customer

    async def call(self, customer: Customer | None, by: SignedIn, **fields: Any) -> UUID:
        """A call that somebody took."""
        async with self.served.database.session_scope() as session:
            call = a_call(
                customer.id if customer else None,  # type: ignore[arg-type]
                datetime.now(UTC),
                answered_by_id=by.agent.id,
                queue_id=self.queue.id,
                **fields,
            )
            session.add(call)
            return call.id

    async def complaint(self, by: SignedIn, customer: Customer | None = None, **given: Any) -> dict[str, Any]:
        """A complaint that somebody logged, without a call."""
        customer = customer or await self.customer()
        body = {"customer": customer.code, "category": "product.noise", "what_happened": "夜里很吵", **given}
        return answered(await by.http.post(URL, json=body), 201)

    async def told(self, who: SignedIn, complaint: dict[str, Any]) -> list[str]:
        """The kinds of events that somebody was told of a complaint, in order."""
        async with self.served.database.session_scope() as session:
            events = await session.scalars(
                select(AgentEvent).where(AgentEvent.agent_id == who.agent.id).order_by(AgentEvent.no)
            )
            return [event.type.value for event in events if event.data.get("complaint_id") == complaint["id"]]


def answered(response: httpx.Response, status: int = 200) -> dict[str, Any]:
    """What was answered, if it was with this status."""
    assert response.status_code == status, response.text
    body: dict[str, Any] = response.json()
    return body


async def act(who: SignedIn, complaint: dict[str, Any], what: str, **given: Any) -> httpx.Response:
    """Do something with a complaint."""
    return await who.http.post(f"{URL}/{complaint['code']}/{what}", json=given)


def happened(complaint: dict[str, Any]) -> list[str]:
    """What happened to a complaint, the earliest first."""
    return [change["what"] for change in reversed(complaint["changes"])]
