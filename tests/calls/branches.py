"""A queue of a test's own within a shared hotline: it meets none of the others' callers, agents or numbers."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

from app.models import Closure, Customer, DnisRoute, QueueOpening
from app.models.people import Role
from app.telephony.simulator import SimCall, SimEventKind
from tests.calls.carrier import Pairs, call_sid, rung, status, voice
from tests.calls.conftest import Desk, Hotline
from tests.factories import make_customer, make_queue
from tests.support import SignedIn, sign_in_as

_dialled = count(1)
_callers = count(1)


def new_caller() -> str:
    """A Chinese mobile number from which nobody has called yet."""
    return f"+86139{next(_callers):08d}"


@dataclass(slots=True)
class Branch(Hotline):
    """A hotline of which this test has one queue and the number that leads to it."""

    dialled: str

    async def ring(self, from_: str | None = None, script: str = "") -> SimCall:
        """A simulated call to this queue, from a new number unless given, once it was answered for the first time."""
        call = await self.line.call(new_caller() if from_ is None else from_, self.dialled, script=script)
        await call.wait_for(SimEventKind.TWIML_RECEIVED)
        return call

    async def waiting(self, from_: str | None = None, script: str = "") -> SimCall:
        """The same, once it stands in line."""
        call = await self.ring(from_, script)
        await self.until("EXISTS (SELECT FROM calls WHERE provider_call_id = :sid AND state = 'waiting')", sid=call.sid)
        return call

    async def talk(self, desk: Desk, from_: str | None = None) -> str:
        """A conversation with an agent from its ring to its end; gives our id of the call, not yet wrapped up."""
        call = await self.ring(from_)
        call_id = str((await desk.until("call.offered"))["data"]["call_id"])
        await self.answer(call)
        await desk.until("call.answered", call_id=call_id)
        call.hang_up()
        await desk.until("call.ended", call_id=call_id)
        await desk.until("presence.changed", state="wrap_up")
        return call_id

    def form(self, sid: str, from_: str, **more: str) -> Pairs:
        """What the carrier posts about a call to this queue."""
        return voice(sid, from_, self.dialled, **more)

    async def posted(self, from_: str | None = None, wire: Hotline | None = None) -> tuple[str, str | None]:
        """A call that is no more than its first request: its sid, and the client that our answer rings, if any."""
        sid = call_sid()
        answer = await (wire or self).wire.twiml("voice", self.form(sid, from_ or new_caller()))
        return sid, rung(answer)

    async def over(self, sid: str) -> None:
        """The carrier says that a call is over."""
        await self.wire.tell(status(sid, "completed", 9))

    async def customer(self, *phones: str, **fields: Any) -> Customer:
        """A new customer."""
        async with self.served.database.session_scope() as session:
            return await make_customer(session, *phones, **fields)

    async def boss(self, role: Role = Role.ADMIN) -> SignedIn:
        """Somebody who may do more than an agent; at no desk."""
        person = await sign_in_as(self.served, role)
        await self.stack.enter_async_context(person.http)
        return person

    async def id_of(self, call: SimCall) -> str:
        """Our id of a simulated call."""
        return str((await self.call_row(call.sid))["id"])


@asynccontextmanager
async def open_branch(
    hotline: Hotline,
    *,
    openings: Sequence[QueueOpening] = (),
    closures: Sequence[Closure] = (),
    dnis_language: str | None = None,
    **queue: Any,
) -> AsyncIterator[Branch]:
    """One more queue, with a number of its own. At the end whoever is still on the line hangs up."""
    dialled = f"+8621555{next(_dialled):05d}"
    async with hotline.served.database.session_scope() as session:
        made = await make_queue(session, **queue)
        session.add(DnisRoute(number=dialled, queue_id=made.id, language=dnis_language))
        for row in (*openings, *closures):
            row.queue_id = made.id
            session.add(row)
    await hotline.served.runtime.hotline.refresh()
    shared = {each.name: getattr(hotline, each.name) for each in dataclasses.fields(hotline)}
    yield Branch(**{**shared, "queue": made}, dialled=dialled)
    live = [call for call in hotline.line.calls if call.parent is None and not call.ended]
    for call in live:
        call.hang_up()
    await asyncio.gather(*(call.finished() for call in live))


def said(call: SimCall) -> list[str]:
    """What the caller heard, a sentence each."""
    return [event.data["words"] for event in call.events if event.kind is SimEventKind.SAID]


async def hears(call: SimCall, words: str, seconds: float = 8) -> None:
    """Wait until the caller has heard a sentence with these words."""
    async with asyncio.timeout(seconds):
        assert await call.journal.until(lambda: any(words in each for each in said(call))), call.transcript
