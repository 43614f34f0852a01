"""`<Dial>` with `<Client>` and `<Number>` (https://www.twilio.com/docs/voice/twiml/dial)."""

import asyncio
from collections.abc import Sequence

from app.telephony.simulator.calls import CallOver, Fetch, Instructions, Redirected, SimCall
from app.telephony.simulator.events import SimEventKind
from app.telephony.simulator.interpreter import TwimlRun, resolve
from app.telephony.simulator.params import pairs
from app.telephony.simulator.recording import recorded
from app.telephony.simulator.records import CallRecord, CallStatus, Direction, mail_time, new_sid
from app.telephony.simulator.ringing import ring
from app.telephony.simulator.statuses import StatusCallback
from app.telephony.simulator.twiml import Document, Verb
from app.telephony.simulator.waiting import first_of

MAX_NOUNS = 10
DETECTION_SECONDS = 3.0


async def dial(run: TwimlRun, verb: Verb, document: Document) -> Instructions | None:
    """`<Dial>`: ring all at once, talk with the first to answer, then ask `action` or go on with the next verb.

    A caller who hangs up ends the legs; `action` is asked then too, but its answer has nobody to play to. A leg that
    the REST API redirects goes its own way.
    """
    return await _Dialling(run, verb, document).play()


class _Dialling:
    """One `<Dial>`."""

    def __init__(self, run: TwimlRun, verb: Verb, document: Document) -> None:
        self._run = run
        self._call = run.call
        self._verb = verb
        self._document = document
        self._legs: list[SimCall] = []
        self._listened: dict[str, Fetch] = {}
        self._winner: SimCall | None = None
        self._talked_from: float | None = None
        self._talked_at = ""

    async def play(self) -> Instructions | None:
        call, verb = self._call, self._verb
        if not verb.flag("answerOnBridge"):
            call.mark_answered()
        timeout = self._run.number(verb, "timeout", 30)
        time_limit = self._run.number(verb, "timeLimit", 14_400)
        self._legs = [self._leg(noun) for noun in self._nouns()]
        to = [leg.record.to for leg in self._legs]
        call.emit(SimEventKind.DIALLED, f"dials {', '.join(to) or 'nobody'}", to=to, timeout=timeout)
        self._run.took_time()
        try:
            await self._ring(timeout)
            if self._winner is not None:
                await self._talk(self._winner, time_limit)
        except CallOver:
            self._end_legs(CallStatus.NO_ANSWER, "the caller hung up")
            action = self._run.target(verb, self._document, "action", await self._result())
            if action is not None:
                await call.tell(action.url, action.method, action.extra)
            raise
        except Redirected:
            self._end_legs(CallStatus.CANCELED, "the call went elsewhere")
            await self._result()
            raise
        return self._run.target(verb, self._document, "action", await self._result())

    def _nouns(self) -> list[Verb]:
        if not self._verb.children:
            return [Verb("Number", {}, self._verb.text, ())] if self._verb.text else []
        nouns = []
        for noun in self._verb.children:
            if noun.name in ("Client", "Number"):
                self._run.check_attributes(noun)
                nouns.append(noun)
            else:
                self._call.warn(f"<{noun.name}> in <Dial> is not simulated")
        if len(nouns) > MAX_NOUNS:
            self._call.warn(f"13223: more than {MAX_NOUNS} parties in one <Dial>; the others are not rung")
        return nouns[:MAX_NOUNS]

    def _leg(self, noun: Verb) -> SimCall:
        call, now = self._call, self._call.clock.now()
        # <Client> may hold its name in an <Identity> (with <Parameter>s beside it).
        name = next((child.text for child in noun.children if child.name == "Identity"), noun.text)
        to = f"client:{name}" if noun.name == "Client" else name
        callback_url = noun.attributes.get("statusCallback")
        callback = None
        if callback_url is not None:
            callback = StatusCallback.of(
                resolve(self._document, callback_url),
                noun.attributes.get("statusCallbackMethod", "POST"),
                noun.attributes.get("statusCallbackEvent", ""),
            )
        record = CallRecord(
            sid=new_sid("CA"),
            account_sid=call.record.account_sid,
            parent_sid=call.sid,
            from_=self._verb.attributes.get("callerId", call.record.from_),
            to=to,
            direction=Direction.OUTBOUND_DIAL,
            created_at=now,
            updated_at=now,
            started_at=now,
            status=CallStatus.INITIATED,
        )
        if noun.attributes.get("machineDetection") and (url := noun.attributes.get("amdStatusCallback")) is not None:
            method = self._run.method(noun, "amdStatusCallbackMethod")
            self._listened[record.sid] = Fetch(resolve(self._document, url), method)
        script = call.conversation.exchange.people.script_of(to)
        return SimCall(call.conversation, record, script=script.then, parent=call, status_callback=callback)

    async def _ring(self, seconds: int) -> None:
        ringing = [asyncio.create_task(self._ring_leg(leg, seconds)) for leg in self._legs]
        try:
            self._winner = await self._call.race(_first_answer(ringing))
        finally:
            for task in ringing:
                task.cancel()
        self._end_legs(CallStatus.CANCELED, "answered elsewhere", but=self._winner)
        if self._winner is not None and self._winner.ended:  # given up in the very moment of answering
            self._winner = None

    async def _ring_leg(self, leg: SimCall, seconds: int) -> SimCall | None:
        script = self._call.conversation.exchange.people.script_of(leg.record.to)
        return leg if await ring(leg, script, seconds) else None

    async def _talk(self, leg: SimCall, time_limit: int) -> None:
        leg.mark_answered()
        self._call.mark_answered()
        self._talked_from = self._call.clock.seconds()
        self._talked_at = mail_time(self._call.clock.now())
        leg.emit(SimEventKind.LEG_ANSWERED, f"{leg.record.to} answers", to=leg.record.to)
        leg.start_acting()
        if (told := self._listened.get(leg.sid)) is not None:
            leg.conversation.spawn(self._tell_who_answered(leg, told))
        await self._call.race(_parted(leg, time_limit))
        try:
            leg.check()
        except CallOver:
            return
        except Redirected as redirected:
            leg.conversation.spawn(self._run.for_leg(leg).run(redirected.to))
            return
        leg.end(CallStatus.COMPLETED, "time limit")

    async def _tell_who_answered(self, leg: SimCall, told: Fetch) -> None:
        """Some seconds into the conversation, beside it (https://www.twilio.com/docs/voice/answering-machine-detection)."""
        await leg.clock.sleep(DETECTION_SECONDS)
        is_machine = leg.conversation.exchange.people.script_of(leg.record.to).is_machine
        leg.record.answered_by = "machine_start" if is_machine else "human"
        milliseconds = round(DETECTION_SECONDS * 1000)
        await leg.tell(told.url, told.method, pairs(("MachineDetectionDuration", milliseconds)))

    def _end_legs(self, unanswered: CallStatus, reason: str, *, but: SimCall | None = None) -> None:
        for leg in self._legs:
            if leg is not but:
                leg.end(CallStatus.COMPLETED if leg.record.answered_second is not None else unanswered, reason)

    async def _result(self) -> tuple[tuple[str, str], ...]:
        """What `action` is told; a recording, if one is made, is told on the way."""
        if self._winner is None or self._talked_from is None:
            statuses = [leg.status for leg in self._legs]
            order = (CallStatus.BUSY, CallStatus.NO_ANSWER, CallStatus.CANCELED)
            status = next((status for status in order if status in statuses), CallStatus.FAILED)
            sid = self._legs[0].sid if self._legs else None
            return pairs(("DialCallStatus", status), ("DialCallSid", sid), ("DialBridged", "false"))
        seconds = round(self._call.clock.seconds() - self._talked_from)
        recording_sid, recording_url = None, None
        if seconds and self._verb.attributes.get("record", "do-not-record") not in ("do-not-record", "false"):
            recording_sid, recording_url = await recorded(
                self._run,
                self._verb,
                self._document,
                seconds=seconds,
                source="DialVerb",
                started_at=self._talked_at,
            )
        return pairs(
            ("DialCallStatus", CallStatus.COMPLETED),
            ("DialCallSid", self._winner.sid),
            ("DialCallDuration", seconds),
            ("DialBridged", "true"),
            ("RecordingSid", recording_sid),
            ("RecordingUrl", recording_url),
        )


async def _first_answer(ringing: Sequence[asyncio.Task[SimCall | None]]) -> SimCall | None:
    """The leg that picks up first, or None."""
    for answer in asyncio.as_completed(ringing):
        if (leg := await answer) is not None:
            return leg
    return None


async def _parted(leg: SimCall, seconds: float) -> None:
    """Until the leg is over or goes its own way, or `seconds` are up."""
    await first_of(leg.interrupted.wait(), leg.clock.sleep(seconds))
