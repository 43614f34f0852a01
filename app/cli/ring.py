"""`callcard ring`: a customer rings, and everything that follows is printed as it happens.

The carrier is the simulator, run in this process: it signs its requests as Twilio does and posts them to the running
service, so what is seen is the production path. Cards come over the agents' own streams.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from app.cli.console import CommandFailed, note
from app.cli.course import Course
from app.cli.service import AgentStream, Refused, Service, StreamMessage
from app.cli.words import Lang
from app.schemas.screen_pop import ScreenPop
from app.telephony.simulator import CallStateError, Line, Pace, SimCall, SimEventKind, serve_rest

NOBODY: Final = "none"
"""As a script for the agents: nobody is signed in, and whoever is rung does not answer."""

_ANSWERS: Final = "answer after 3s"
_LIVE: Final = "live"
_STREAM_SECONDS: Final = 5.0
_NO_CARD_SECONDS: Final = 0.5
_DECISION_EVERY_SECONDS: Final = 0.2
_DECISIONS: Final = {"accepted": Line.answer, "declined": Line.decline}


@dataclass(frozen=True, slots=True)
class Carrier:
    """The carrier that the service believes in.

    `rest_port` is where the service looks for its REST API; None where that is nothing of ours.
    """

    account_sid: str
    auth_token: str
    public_url: str
    rest_port: int | None = None
    api_keys: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RingPlan:
    """Who rings whom, and who picks up.

    Attributes:
        caller, dialled: as the network sends them.
        acts: what the caller does, in the simulator's words.
        agent: what agents' phones do; `none` for nobody; None for whatever suits: an agent who is there already
            decides for themselves, and where nobody is, one is signed in and answers after 3 s.
        service_url: where the service is.
        carrier: whom to be.
        tokens: API tokens of agents whose cards are to be shown; the first that can is signed in.
        speed: how much faster than life people ring, talk and wait.
        lang: of what is printed.
    """

    caller: str
    dialled: str
    acts: str
    agent: str | None
    service_url: str
    carrier: Carrier
    tokens: tuple[str, ...]
    speed: float
    lang: Lang


@dataclass(slots=True)
class _Desk:
    """An agent whose stream is watched; `is_ours` if we signed them in, and so answer for what they are shown."""

    service: Service
    name: str
    stream: AgentStream
    is_ours: bool = False


async def ring(plan: RingPlan) -> None:
    """Ring, and print until the call is over and its trace told.

    Raises:
        ScriptError: what somebody is to do is not understood.
        CommandFailed: the service is not there, or does not take the call.
    """
    async with AsyncExitStack() as stack:
        services = [await stack.enter_async_context(Service(plan.service_url, token)) for token in plan.tokens or ("",)]
        await services[0].check()
        desks = [await _desk(service) for service in services if service.token]
        script = await _man_a_desk(desks, plan.agent, stack)
        ringing = _Ringing(plan, desks, Course(plan.lang), services[0])
        line = await stack.enter_async_context(
            Line(
                account_sid=plan.carrier.account_sid,
                auth_token=plan.carrier.auth_token,
                public_url=plan.carrier.public_url,
                connect_url=plan.service_url,
                api_keys=plan.carrier.api_keys,
                default_agent="no answer" if script == NOBODY else script,
                clock=Pace(plan.speed),
                on_event=ringing.course.event,
            )
        )
        if plan.carrier.rest_port is not None:
            await _serve_rest(line, plan.carrier.rest_port, stack)
        await stack.enter_async_context(ringing.watching())
        call = await line.call(plan.caller, plan.dialled, script=plan.acts)
        with _hung_up_by_ctrl_c(call):
            beside = [asyncio.create_task(ringing.tell_match_without_card(call))]
            if script.startswith(_LIVE):
                beside.append(asyncio.create_task(ringing.pass_on_decisions(line, call)))
            ended = await call.finished()
            await _ended(beside)
        if not ringing.course.got_twiml:
            raise CommandFailed(_why_refused(ringing.course.first_status, plan))
        await ringing.tell_trace(call)
        if ended.data["status"] == "failed":
            raise CommandFailed(f"The call failed: {ended.data['reason']}")


class _Ringing:
    """One call that is being watched from both of its ends."""

    def __init__(self, plan: RingPlan, desks: list[_Desk], course: Course, reader: Service) -> None:
        self.course = course
        self._plan = plan
        self._desks = desks
        self._reader = reader
        self._call_id: str | None = None
        self._carded = asyncio.Event()

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Watch every desk's stream; goes on once all are open."""
        tasks = [asyncio.create_task(self._watch(desk)) for desk in self._desks]
        try:
            for desk, task in zip(self._desks, tasks, strict=True):
                await _opened(desk, task)
            yield
        finally:
            for desk, task in zip(self._desks, tasks, strict=True):
                await desk.stream.close()
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self, desk: _Desk) -> None:
        async for message in desk.stream.messages():
            await self._told(desk, message)

    async def _told(self, desk: _Desk, message: StreamMessage) -> None:
        if message.type == "call.offered":
            pop = ScreenPop.model_validate(message.data["screen_pop"])
            if self._is_this(pop):
                self._call_id = str(message.data["call_id"])
                self._carded.set()
                self.course.card(pop, datetime.now(UTC), desk.name)
        if desk.is_ours:
            await desk.stream.acknowledge(message)

    def _is_this(self, pop: ScreenPop) -> bool:
        rang_at = self.course.rang_at
        if pop.call is None or rang_at is None:
            return False
        if self._call_id is not None:
            return str(pop.call.id) == self._call_id
        # Clocks of two machines may differ a little; the number is the better sign.
        return pop.caller.raw == self._plan.caller and (pop.call.received_at - rang_at).total_seconds() > -60

    async def pass_on_decisions(self, line: Line, call: SimCall) -> None:
        """Where a live agent takes or declines the call on their screen, have their phone do the same."""
        async for event in call.follow():
            if event.kind is SimEventKind.LEG_RINGING and event.leg_sid is not None:
                leg = line.find(event.leg_sid)
                while not await self._decided(line, event.leg_sid):
                    try:
                        await asyncio.wait_for(leg.over.wait(), _DECISION_EVERY_SECONDS)
                    except TimeoutError:
                        continue
                    break

    async def _decided(self, line: Line, leg_sid: str) -> bool:
        if self._call_id is None or not self._plan.tokens:
            return False
        trace = await self._reader.request("GET", f"/calls/{self._call_id}/trace")
        decision = None
        for step in trace["steps"]:
            # What was said to an earlier offer does not hold for this one.
            decision = None if step["step"] == "reserved" else _DECISIONS.get(step["step"], decision)
        if decision is None:
            return False
        # The phone may have stopped ringing while we asked.
        with suppress(CallStateError):
            await decision(line, leg_sid)
        return True

    async def tell_match_without_card(self, call: SimCall) -> None:
        """Where no agent gets a card, say whom the caller was matched with all the same."""
        async for event in call.follow():
            if event.kind is SimEventKind.TWIML_RECEIVED:
                break
        try:
            await asyncio.wait_for(self._carded.wait(), _NO_CARD_SECONDS)
        except TimeoutError:
            found = await self._find(call)
            if found is not None and not self._carded.is_set():
                customer = found["customer"]
                name = f"{customer['name']} {customer['code']}" if customer else ""
                self.course.match(datetime.now(UTC), found["match_outcome"], name)

    async def tell_trace(self, call: SimCall) -> None:
        """Print the call's trace, where a token lets us read it."""
        if self._call_id is None:
            found = await self._find(call)
            self._call_id = found["id"] if found else None
        if self._call_id is not None:
            self.course.trace(await self._reader.request("GET", f"/calls/{self._call_id}/trace"))

    async def _find(self, call: SimCall) -> dict[str, Any] | None:
        if not self._reader.token:
            return None
        items = (await self._reader.request("GET", "/calls", limit="20"))["items"]
        return next((item for item in items if item["provider_call_id"] == call.sid), None)


async def _ended(tasks: list[asyncio.Task[None]]) -> None:
    """Have what goes on beside a call end with it; raises what one of them failed with."""
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            raise result


async def _desk(service: Service) -> _Desk:
    me = await service.request("GET", "/session")
    return _Desk(service, me["agent"]["name"], service.stream())


async def _opened(desk: _Desk, watching: asyncio.Task[None]) -> None:
    """Wait until the desk's stream stands; raises CommandFailed where it is refused or nobody answers."""
    opened = asyncio.create_task(desk.stream.opened.wait())
    await asyncio.wait([opened, watching], timeout=_STREAM_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    if watching.done():
        watching.result()
    if not opened.done():
        opened.cancel()
        raise CommandFailed(f"The stream of {desk.name} does not open: {desk.stream.lost or 'no answer'}")


async def _man_a_desk(desks: list[_Desk], agent: str | None, stack: AsyncExitStack) -> str:
    """Have somebody there to take the call; gives the script that agents' phones follow."""
    if agent == NOBODY:
        return NOBODY
    for desk in desks:
        if (await desk.service.request("GET", "/agent/presence"))["state"] == "available":
            return agent or _LIVE
    for desk in desks:
        try:
            await desk.service.request("PUT", "/agent/presence", {"state": "available"})
        except Refused as refused:
            if refused.code != "busy_with_call":
                raise
            continue
        desk.is_ours = True
        stack.push_async_callback(_leave, desk)
        return agent or _ANSWERS
    if desks:
        note("Every agent is on a call; the caller waits until one is free.")
    return agent or _ANSWERS


async def _leave(desk: _Desk) -> None:
    try:
        await desk.service.request("PUT", "/agent/presence", {"state": "offline"})
    except CommandFailed as failed:
        note(f"{desk.name} could not be signed off again: {failed}")


async def _serve_rest(line: Line, port: int, stack: AsyncExitStack) -> None:
    try:
        await stack.enter_async_context(serve_rest(line, port=port))
    except OSError:
        note(f"Port {port} is taken (another `callcard ring`?): this call goes on without the carrier's REST API.")


@contextmanager
def _hung_up_by_ctrl_c(call: SimCall) -> Iterator[None]:
    """While this lasts, Ctrl-C hangs up instead of ending the command."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, call.hang_up)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)


def _why_refused(status: int, plan: RingPlan) -> str:
    if status == 404:
        return "The service does not take calls: it has no TWILIO_AUTH_TOKEN. `callcard demo` sets one up."
    if status == 403:
        return (
            "The service refused the call's signature: it has another TWILIO_AUTH_TOKEN, or its CALLCARD_PUBLIC_URL is "
            f"not {plan.carrier.public_url}. Restart `callcard demo`, or give --auth-token and --public-url."
        )
    return f"The service gave no instructions for the call (HTTP {status or 'no answer'}); its log says why."
