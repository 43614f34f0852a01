"""The simulated carrier: one account, its numbers and its people."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

from app.telephony.simulator.calls import CallStateError, Fetch, Instructions, SimCall
from app.telephony.simulator.clock import Clock, Pace
from app.telephony.simulator.conversation import Conversation
from app.telephony.simulator.events import SimEvent, SimEventKind
from app.telephony.simulator.exchange import Exchange
from app.telephony.simulator.interpreter import TwimlRun
from app.telephony.simulator.people import People
from app.telephony.simulator.records import CallRecord, CallStatus, Direction, new_sid
from app.telephony.simulator.ringing import ring
from app.telephony.simulator.scripts import CallerScript
from app.telephony.simulator.statuses import StatusCallback
from app.telephony.simulator.trouble import NO_TROUBLE, Trouble
from app.telephony.simulator.verbs import HANDLERS
from app.telephony.simulator.webhooks import Webhooks


@dataclass(frozen=True, slots=True)
class OutboundRequest:
    """A call that the REST API is to place. `ring_seconds` is how long it may ring."""

    to: str
    from_: str
    instructions: Instructions
    ring_seconds: int = 60
    status_callback: StatusCallback | None = None
    fallback: Fetch | None = None
    detect_machine: bool = False


class Line:
    """Stands where Twilio stands: places calls to the service, follows its TwiML, and takes its REST requests.

    Use it as an async context manager, in the event loop that it is to run in.

    Args:
        account_sid: `AC` and 32 hexadecimal digits.
        auth_token: signs requests to the service and guards the REST API.
        public_url: the origin that the service believes to be its own; all URLs are signed with it.
        connect_url: the origin to connect to instead, where the public one does not lead there.
        api_keys: further user names and secrets for the REST API (`SK…`).
        api_url: the origin in recording URLs.
        voice_path, fallback_path, status_path: what is configured for the number that is called ("" for none).
        agents, numbers: scripts of those who are called, by client identity and by number; see `scripts`.
        default_agent, default_number: the script of everybody else.
        clock: call time; `Pace(50)` is 50 times as fast as real time.
        webhook_timeout: seconds of *wall* time that the service has for an answer.
        trouble: what goes wrong; can be replaced at any time and then counts for new calls.
        on_event: is called with every event of every call; must not block.

    Raises ScriptError for a script that is not understood.
    """

    def __init__(
        self,
        *,
        account_sid: str,
        auth_token: str,
        public_url: str,
        connect_url: str | None = None,
        api_keys: Mapping[str, str] | None = None,
        api_url: str = "https://api.twilio.com",
        voice_path: str = "/telephony/twilio/voice",
        fallback_path: str = "/telephony/twilio/fallback",
        status_path: str = "/telephony/twilio/status",
        agents: Mapping[str, str] | None = None,
        default_agent: str = "answer after 2s",
        numbers: Mapping[str, str] | None = None,
        default_number: str = "answer after 1s",
        clock: Clock | None = None,
        webhook_timeout: float = 15.0,
        trouble: Trouble = NO_TROUBLE,
        on_event: Callable[[SimEvent], None] | None = None,
    ) -> None:
        self.account_sid = account_sid
        self.credentials = {account_sid: auth_token, **(api_keys or {})}
        public_url = public_url.rstrip("/")
        self._voice_url = public_url + voice_path
        self._fallback = Fetch(public_url + fallback_path) if fallback_path else None
        self._status_callback = StatusCallback(public_url + status_path) if status_path else None
        self._webhooks = Webhooks(
            auth_token=auth_token, public_url=public_url, connect_url=connect_url, timeout=webhook_timeout
        )
        self._exchange = Exchange(
            account_sid=account_sid,
            api_url=api_url,
            clock=clock or Pace(),
            webhooks=self._webhooks,
            people=People(
                agents=agents or {},
                default_agent=default_agent,
                numbers=numbers or {},
                default_number=default_number,
            ),
            trouble=trouble,
            on_event=on_event,
        )
        self._conversations: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Cut off whatever goes on, callbacks included, and give back connections."""
        for task in self._conversations:
            task.cancel()
        await asyncio.gather(*self._conversations, return_exceptions=True)
        await self._webhooks.aclose()

    # --- calls to the service

    async def call(
        self,
        from_: str,
        to: str,
        *,
        script: str = "",
        caller_name: str | None = None,
        from_country: str | None = None,
        trouble: Trouble | None = None,
    ) -> SimCall:
        """Place a call from `from_` (raw, as a network would send it) to the number `to`; returns at once.

        `script` says what the caller does (see `scripts`; nothing: stays on the line). `trouble` replaces the line's.
        Raises ScriptError.
        """
        acts = CallerScript.parse(script)
        record = self._record(from_, to, Direction.INBOUND, CallStatus.RINGING)
        record.started_at = record.created_at
        record.caller_name = caller_name
        conversation = Conversation(self._exchange, record.sid, trouble or self._exchange.trouble)
        call = SimCall(
            conversation,
            record,
            script=acts,
            status_callback=self._status_callback,
            fallback=self._fallback,
            from_country=from_country,
        )
        call.emit(SimEventKind.RINGING, f"{from_ or '(no number)'} calls {to}", **{"from": from_, "to": to})
        conversation.spawn(TwimlRun(call, HANDLERS).run(Fetch(self._voice_url)))
        call.start_acting()
        self._supervise(conversation)
        return call

    # --- calls by the service

    async def place(self, request: OutboundRequest) -> SimCall:
        """Place a call as the REST API does; returns at once, while it is queued."""
        record = self._record(request.from_, request.to, Direction.OUTBOUND_API, CallStatus.QUEUED)
        conversation = Conversation(self._exchange, record.sid, self._exchange.trouble)
        call = SimCall(
            conversation,
            record,
            script=self._exchange.people.script_of(request.to).then,
            status_callback=request.status_callback,
            fallback=request.fallback,
        )
        conversation.spawn(self._carry_out(call, request))
        self._supervise(conversation)
        return call

    def redirect(self, sid: str, instructions: Instructions) -> SimCall:
        """Give a live call other instructions; relative URLs are not allowed. Raises KeyError, CallStateError."""
        call = self.find(sid)
        call.redirect(instructions)
        return call

    def complete(self, sid: str) -> SimCall:
        """End a call wherever it stands; an ended one is left as it is. Raises KeyError."""
        call = self.find(sid)
        answered = call.record.answered_second is not None
        call.end(CallStatus.COMPLETED if answered else CallStatus.CANCELED, "ended by the REST API")
        return call

    def cancel(self, sid: str) -> SimCall:
        """End a call that is not in progress yet; any other is left as it is. Raises KeyError."""
        call = self.find(sid)
        if call.status in (CallStatus.QUEUED, CallStatus.INITIATED, CallStatus.RINGING):
            call.end(CallStatus.CANCELED, "canceled by the REST API")
        return call

    # --- the people

    async def answer(self, leg_sid: str) -> None:
        """Have the ringing phone picked up. Raises KeyError, CallStateError."""
        self.find(leg_sid).answer()

    async def decline(self, leg_sid: str) -> None:
        """Have the ringing call declined. Raises KeyError, CallStateError."""
        self.find(leg_sid).decline()

    async def hang_up(self, sid: str) -> None:
        """Have the person of a call or leg hang up; raises KeyError, and CallStateError where it is over."""
        call = self.find(sid)
        if call.ended:
            raise CallStateError(f"{sid} is over")
        call.hang_up()

    def set_script(self, to: str, script: str) -> None:
        """Give `to` (`client:NAME` or a number) another script from its next call on; raises ScriptError."""
        self._exchange.people.set(to, script)

    # --- the books

    @property
    def trouble(self) -> Trouble:
        """What goes wrong in new calls and REST requests."""
        return self._exchange.trouble

    @trouble.setter
    def trouble(self, trouble: Trouble) -> None:
        self._exchange.trouble = trouble

    @property
    def calls(self) -> tuple[SimCall, ...]:
        """All calls and legs, ended ones too, oldest first."""
        return tuple(self._exchange.calls.values())

    def find(self, sid: str) -> SimCall:
        """One call or leg; raises KeyError."""
        return self._exchange.calls[sid]

    def _record(self, from_: str, to: str, direction: Direction, status: CallStatus) -> CallRecord:
        now = self._exchange.clock.now()
        return CallRecord(
            sid=new_sid("CA"),
            account_sid=self.account_sid,
            from_=from_,
            to=to,
            direction=direction,
            created_at=now,
            updated_at=now,
            status=status,
        )

    async def _carry_out(self, call: SimCall, request: OutboundRequest) -> None:
        call.record.started_at = call.clock.now()
        if await ring(call, self._exchange.people.script_of(request.to), request.ring_seconds):
            if request.detect_machine:
                call.record.answered_by = "human"
            call.mark_answered()
            call.start_acting()
            await TwimlRun(call, HANDLERS).run(request.instructions)

    def _supervise(self, conversation: Conversation) -> None:
        task = asyncio.create_task(conversation.supervise())
        self._conversations.add(task)
        task.add_done_callback(self._conversations.discard)
