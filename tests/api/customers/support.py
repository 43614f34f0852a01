"""What the tests of customers share."""

from datetime import datetime
from itertools import count
from typing import Any
from uuid import UUID

import httpx

from app.domain.call_states import CallState, CarrierStatus
from app.domain.customer_facts import Direction
from app.domain.matching import MatchOutcome
from app.models import Call, Interaction
from app.models.base import new_id
from tests.factories import make_queue
from tests.support import Served

URL = "/api/v1/customers"
OURS = "+862112345678"
"""A number of the hotline's own."""

_mobiles = count()


async def with_our_number(served: Served) -> Served:
    """The same server, once it has a queue behind that number."""
    async with served.database.session_scope() as session:
        await make_queue(session, numbers=(OURS,))
    await served.runtime.hotline.refresh()
    return served


def a_mobile() -> str:
    """A Chinese mobile number that no other test has, in E.164."""
    return f"+86138{next(_mobiles):04}7351"


def refusal(response: httpx.Response) -> tuple[int, str]:
    """Status and code of a problem."""
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, response.json()["code"]


async def create(http: httpx.AsyncClient, **given: Any) -> dict[str, Any]:
    """A new customer, as it was answered."""
    answer = await http.post(URL, json={"name": "鲁大伟", **given})
    assert answer.status_code == 201, answer.text
    customer: dict[str, Any] = answer.json()
    return customer


async def found(http: httpx.AsyncClient, q: str) -> list[str]:
    """The ids of the first page of a search."""
    answer = await http.get(URL, params={"q": q})
    assert answer.status_code == 200, answer.text
    return [customer["id"] for customer in answer.json()["items"]]


async def all_pages(http: httpx.AsyncClient, url: str, **params: Any) -> list[list[dict[str, Any]]]:
    """The items of every page of a list."""
    pages = []
    cursor: dict[str, str] = {}
    while True:
        answer = await http.get(url, params={**params, **cursor})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        pages.append(page["items"])
        if page["next"] is None:
            return pages
        cursor = {"cursor": page["next"]}


def a_call(customer_id: UUID, at: datetime, **fields: Any) -> Call:
    """A call with a customer, not yet in a session."""
    return Call(
        **{
            "id": new_id(),
            "provider": "twilio",
            "provider_call_id": f"CA{new_id().hex}",
            "direction": Direction.INBOUND,
            "state": CallState.COMPLETED,
            "customer_status": CarrierStatus.COMPLETED,
            "from_raw": "x",
            "to_raw": "y",
            "language": "zh-CN",
            "match_outcome": MatchOutcome.UNIQUE,
            "customer_id": customer_id,
            "received_at": at,
            "heard_at": at,
            **fields,
        }
    )


def a_contact(customer_id: UUID, at: datetime, **fields: Any) -> Interaction:
    """A contact with a customer, not yet in a session."""
    return Interaction(
        **{
            "id": new_id(),
            "customer_id": customer_id,
            "channel": "email",
            "direction": Direction.OUTBOUND,
            "at": at,
            "summary": "问保修",
            **fields,
        }
    )
