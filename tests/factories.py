"""Rows that tests begin with. Everything has a default; two of a kind never collide."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.customer_facts import Channel
from app.domain.phone_numbers import bucket_of, parse_number
from app.models import (
    Agent,
    AgentPresence,
    Complaint,
    Customer,
    CustomerPhone,
    DnisRoute,
    Presence,
    Queue,
    QueueMember,
    Role,
    Severity,
)
from app.models.base import new_id

_numbers = count(1)


async def make_agent(
    session: AsyncSession,
    *,
    role: Role = Role.AGENT,
    queues: list[Queue] | None = None,
    presence: Presence = Presence.OFFLINE,
    **fields: Any,
) -> Agent:
    """A person with a presence row; `available` ones count as such since now. `password_hash` is none by default."""
    no = next(_numbers)
    agent = Agent(
        **{
            "email": f"agent{no}@example.com",
            "name": f"Agent {no}",
            "role": role,
            "language": "zh-CN",
            "identity": f"agent_{no}",
            "active": True,
            **fields,
        }
    )
    session.add(agent)
    await session.flush()
    since = datetime.now(UTC) if presence is Presence.AVAILABLE else None
    session.add(AgentPresence(agent_id=agent.id, state=presence, available_since=since))
    session.add_all(QueueMember(queue_id=queue.id, agent_id=agent.id) for queue in queues or [])
    await session.flush()
    return agent


async def make_queue(session: AsyncSession, *, numbers: tuple[str, ...] = (), **fields: Any) -> Queue:
    """A queue, always open, with the dialled numbers (E.164) that lead to it."""
    no = next(_numbers)
    queue = Queue(**{"key": f"queue-{no}", "name_zh": f"队列{no}", "name_en": f"Queue {no}", **fields})
    session.add(queue)
    await session.flush()
    session.add_all(DnisRoute(number=number, queue_id=queue.id) for number in numbers)
    await session.flush()
    return queue


async def make_customer(
    session: AsyncSession, *phones: str, name: str = "鲁大海", region: str = "CN", **fields: Any
) -> Customer:
    """A customer with phones as people write them; the first is the primary one."""
    customer = Customer(name=name, **fields)
    session.add(customer)
    await session.flush()
    for position, raw in enumerate(phones):
        session.add(phone_row(customer.id, raw, region, is_primary=position == 0))
    await session.flush()
    await session.refresh(customer)
    return customer


async def make_complaint(session: AsyncSession, customer_id: UUID | None, owner_id: UUID, **fields: Any) -> Complaint:
    """A complaint of an hour ago that has eight hours, as it stands after being opened."""
    no = next(_numbers)
    opened = datetime.now(UTC) - timedelta(hours=1)
    complaint = Complaint(
        **{
            "id": new_id(),
            "code": f"K20261101-{no:04}",
            "customer_id": customer_id,
            "owner_id": owner_id,
            "severity": Severity.HIGH,
            "what_happened": "三台空调都不启动",
            "channel": Channel.CALL,
            "opened_at": opened,
            "settle_by": opened + timedelta(hours=8),
            "due_at": opened + timedelta(hours=8),
            "clock_from": opened,
            "allowed_seconds": 8 * 3600,
            **fields,
        }
    )
    session.add(complaint)
    await session.flush()
    return complaint


def phone_row(customer_id: UUID, raw: str, region: str = "CN", **fields: Any) -> CustomerPhone:
    """The row for a phone as somebody wrote it, which must be a number."""
    number = parse_number(raw, region)
    assert number.e164 is not None, f"{raw!r} is no number"
    return CustomerPhone(
        **{
            "customer_id": customer_id,
            "e164": number.e164,
            "national_number": number.national_number,
            "bucket": bucket_of(number.e164),
            "raw": number.raw,
            "extension": number.extension or "",
            "line_type": number.line_type,
            **fields,
        }
    )
