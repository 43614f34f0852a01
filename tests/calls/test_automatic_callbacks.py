"""Automatic callbacks: who gets them, what is tried again, and that each is dialled once, whatever dies or races."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from app.db import Database
from app.models import Queue
from app.models.base import new_id
from app.models.callbacks import Callback, CallbackMode, CallbackReason
from app.models.routing import Presence
from app.services.callbacks.dialling import dial_all_due, dial_due
from app.services.dialler import Dialler, DialLimits
from app.services.hotline import Hotline as HotlineSetup
from app.services.hotline_keeper import HotlineKeeper
from app.services.steady_clock import SteadyClock
from app.telephony.port import (
    CarrierBusy,
    CarrierCall,
    CarrierRefused,
    CarrierStatus,
    CarrierUnknown,
    DialRequest,
    EventKind,
)
from tests.factories import make_agent, make_customer, make_queue

OURS = "+862155501000"


class CountingCarrier:
    """A carrier that takes every call at once and remembers it; `will` has other answers, used up one by one."""

    name = "twilio"

    def __init__(self) -> None:
        self.calls: list[CarrierCall] = []
        self.requests: list[DialRequest] = []
        self.will: list[Exception | str] = []

    async def dial(self, request: DialRequest) -> CarrierCall:
        self.requests.append(request)
        said = self.will.pop(0) if self.will else None
        if isinstance(said, CarrierBusy | CarrierRefused):
            raise said
        await asyncio.sleep(0)
        call = CarrierCall(
            f"CA{len(self.calls):032x}", request.to, request.from_, CarrierStatus.QUEUED, datetime.now(UTC)
        )
        if said != "nothing happened":
            self.calls.append(call)
        if said is not None:
            raise CarrierUnknown("no usable answer")
        return call

    async def list_calls(self, *, to: str, started_after: datetime) -> list[CarrierCall]:
        return [call for call in self.calls if call.to == to]

    async def fetch(self, call_id: str) -> CarrierCall:
        return next(call for call in self.calls if call.call_id == call_id)

    async def redirect(self, call_id: str, url: str) -> None:
        raise NotImplementedError

    async def hang_up(self, call_id: str) -> None:
        return

    def voice_token(self, identity: str, *, seconds: int) -> str:
        raise NotImplementedError

    async def aclose(self) -> None:
        return


class Office:
    """A queue, a carrier that counts, and promises; every hour is a good one to call."""

    def __init__(self, database: Database, hotline: HotlineKeeper, queue_id: UUID) -> None:
        self.database = database
        self.hotline = hotline
        self.queue_id = queue_id
        self.carrier = CountingCarrier()

    def dialler(self, clock: SteadyClock | None = None, **limits: int) -> Dialler:
        def address(kind: EventKind, attempt_id: UUID) -> str:
            return f"https://hotline.example/{kind}?attempt={attempt_id}"

        return Dialler(self.database, self.hotline, self.carrier, address, DialLimits(**limits), clock or SteadyClock())

    async def agents(self, count: int) -> list[UUID]:
        async with self.database.session_scope() as session:
            queue = await session.get_one(Queue, self.queue_id)
            return [(await make_agent(session, queues=[queue], presence=Presence.AVAILABLE)).id for _ in range(count)]

    async def promised(self, count: int, **fields: Any) -> list[UUID]:
        """Automatic callbacks of customers of their own, due a minute ago."""
        due = datetime.now(UTC) - timedelta(minutes=1)
        made = []
        async with self.database.session_scope() as session:
            for _ in range(count):
                number = f"+86139{new_id().int % 10**8:08}"
                customer = await make_customer(session, number)
                callback = Callback(
                    **{
                        "id": new_id(),
                        "code": f"T{new_id()}",
                        "customer_id": customer.id,
                        "reason": CallbackReason.NEXT_DAY,
                        "mode": CallbackMode.AUTOMATIC,
                        "queue_id": self.queue_id,
                        "zone": "Asia/Shanghai",
                        "region": "CN",
                        "due_at": due,
                        "first_due_at": due,
                        **fields,
                    }
                )
                session.add(callback)
                made.append(callback.id)
        return made

    async def rows(self, sql: str, **values: Any) -> list[Any]:
        async with self.database.session_scope() as session:
            found = await session.execute(text(sql), values)
            return list(found.all()) if found.returns_rows else []

    async def states(self) -> dict[str, int]:
        return {row.state: row.n for row in await self.rows("SELECT state, count(*) AS n FROM callbacks GROUP BY 1")}


@pytest.fixture
async def office(database: Database) -> Office:
    async with database.session_scope() as session:
        queue = await make_queue(session, numbers=(OURS,))
    keeper = HotlineKeeper(database, HotlineSetup("CN", ZoneInfo("Asia/Shanghai"), "鲁班", None))
    found = Office(database, keeper, queue.id)
    await found.rows("UPDATE queues SET is_default = false")
    await found.rows("UPDATE queues SET is_default = true WHERE id = :id", id=queue.id)
    await found.rows("UPDATE calling_windows SET opens = '00:00', closes = '00:00'")
    await keeper.refresh()
    return found


async def test_the_owner_first_then_anybody_of_the_queue(office: Office) -> None:
    owner, other = await office.agents(2)
    later = datetime.now(UTC) + timedelta(hours=1)
    before = datetime.now(UTC) - timedelta(seconds=1)
    (theirs,) = await office.promised(1, owner_id=owner, open_to_all_at=later)
    (second,) = await office.promised(1, owner_id=owner, open_to_all_at=later)
    dialler = office.dialler()

    assert await dial_due(dialler) == 1
    assert await dial_due(dialler) == 0
    await office.rows("UPDATE callbacks SET open_to_all_at = :at", at=before)
    assert await dial_due(dialler) == 1

    attempts = await office.rows("SELECT callback_id, agent_id FROM dial_attempts ORDER BY started_at")
    assert [tuple(row) for row in attempts] == [(theirs, owner), (second, other)]
    assert await office.states() == {"dialing": 2}
    presence = await office.rows("SELECT state FROM agent_presence WHERE agent_id = ANY(:ids)", ids=[owner, other])
    assert {row.state for row in presence} == {"reserved"}


async def test_ten_workers_and_a_thousand_callbacks(office: Office) -> None:
    """Each is dialled once, and no agent has two."""
    await office.agents(1000)
    await office.promised(1000)
    dialler = office.dialler()

    await asyncio.gather(*(dial_all_due(dialler, datetime.now(UTC)) for _ in range(10)))

    assert await office.states() == {"dialing": 1000}
    assert len(office.carrier.requests) == 1000
    assert len({request.to for request in office.carrier.requests}) == 1000
    (row,) = await office.rows(
        "SELECT count(*) AS n, count(DISTINCT callback_id) AS callbacks, count(provider_call_id) AS placed "
        "FROM dial_attempts"
    )
    assert tuple(row) == (1000, 1000, 1000)
