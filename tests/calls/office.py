"""An office that has promised calls, and a carrier that only counts: for what a simulated call would take too long."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import text

from app.db import Database
from app.models import Queue
from app.models.base import new_id
from app.models.callbacks import Callback, CallbackMode, CallbackReason
from app.models.routing import Presence
from app.services.dialler import Dialler, DialLimits
from app.services.hotline import Hotline as HotlineSetup
from app.services.hotline_keeper import HotlineKeeper
from app.services.outbound import hear_status
from app.services.steady_clock import SteadyClock
from app.telephony.port import (
    CallEvent,
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
_numbers = count(10_000_000)


def noon_zone() -> str:
    """A zone in which it is between noon and one o'clock, so that no test of a day's windows meets midnight."""
    offset = 12 - datetime.now(UTC).hour
    # POSIX counts these westward.
    return f"Etc/GMT{-offset:+d}" if offset else "Etc/GMT"


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

    async def customer_of(self, callback_id: UUID) -> Any:
        """Whom a callback is for."""
        (row,) = await self.rows(
            "SELECT c.* FROM customers c JOIN callbacks b ON b.customer_id = c.id WHERE b.id = :id", id=callback_id
        )
        return row

    async def callback(self, callback_id: UUID) -> Any:
        """One callback as it stands."""
        (row,) = await self.rows("SELECT * FROM callbacks WHERE id = :id", id=callback_id)
        return row

    async def promised(self, count: int, **fields: Any) -> list[UUID]:
        """Automatic callbacks of customers of their own, due a minute ago."""
        due = datetime.now(UTC) - timedelta(minutes=1)
        made = []
        async with self.database.session_scope() as session:
            for _ in range(count):
                number = next(_numbers)
                customer = await make_customer(session, f"+86139{number:08}", time_zone=fields.get("zone"))
                callback = Callback(
                    **{
                        "id": new_id(),
                        "code": f"T20261127-{number}",
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

    async def heard(self, status: CarrierStatus, *, leg: str | None = None, **more: Any) -> None:
        """The carrier says how the agent's leg of the last call stands, or the customer's where `leg` names it."""
        (attempt,) = await self.rows("SELECT id, provider_call_id FROM dial_attempts ORDER BY started_at DESC LIMIT 1")
        event = CallEvent(
            EventKind.OUTBOUND_STATUS,
            "twilio",
            leg or attempt.provider_call_id,
            datetime.now(UTC),
            status=status,
            parent_call_id=attempt.provider_call_id if leg else None,
            attempt_id=attempt.id,
            **more,
        )
        async with self.database.session_scope() as session:
            await hear_status(session, event, self.hotline.now, DialLimits())

    async def not_reached(self, status: CarrierStatus, **more: Any) -> None:
        """The customer's phone was rung and this came of it; the agent is free again."""
        await self.heard(CarrierStatus.IN_PROGRESS)
        await self.heard(status, leg=f"CA{new_id().hex}", **more)

    async def rows(self, sql: str, **values: Any) -> list[Any]:
        async with self.database.session_scope() as session:
            found = await session.execute(text(sql), values)
            return list(found.all()) if found.returns_rows else []

    async def states(self) -> dict[str, int]:
        return {row.state: row.n for row in await self.rows("SELECT state, count(*) AS n FROM callbacks GROUP BY 1")}


async def open_office(database: Database) -> Office:
    """A default queue with one number, in a new database."""
    async with database.session_scope() as session:
        queue = await make_queue(session, numbers=(OURS,))
    keeper = HotlineKeeper(database, HotlineSetup("CN", ZoneInfo("Asia/Shanghai"), "鲁班", None))
    found = Office(database, keeper, queue.id)
    await found.rows("UPDATE queues SET is_default = false")
    await found.rows("UPDATE queues SET is_default = true WHERE id = :id", id=queue.id)
    await found.rows("UPDATE calling_windows SET opens = '00:00', closes = '00:00'")
    await keeper.refresh()
    return found
