"""`<Enqueue>` and `<Leave>` (https://www.twilio.com/docs/voice/twiml/enqueue)."""

import asyncio
from dataclasses import dataclass, field

from app.telephony.simulator.calls import CallOver, Fetch, Instructions, Redirected, SimCall
from app.telephony.simulator.events import SimEventKind
from app.telephony.simulator.interpreter import WAIT_VERBS, Diverted, TwimlRun, resolve
from app.telephony.simulator.params import pairs
from app.telephony.simulator.records import new_sid
from app.telephony.simulator.twiml import Document, Verb

SECONDS_BETWEEN_EMPTY_ROUNDS = 1.0


@dataclass(slots=True)
class CallQueue:
    """A named queue: who waits, first come first, and since when (call time)."""

    name: str
    sid: str = field(default_factory=lambda: new_sid("QU"))
    waiting: dict[str, float] = field(default_factory=dict)

    def describe(self, call: SimCall) -> tuple[tuple[str, str], ...]:
        """What a request for a queue's wait instructions carries on top."""
        now = call.clock.seconds()
        waits = [now - since for since in self.waiting.values()]
        return pairs(
            ("QueueSid", self.sid),
            ("QueuePosition", list(self.waiting).index(call.sid) + 1),
            ("QueueTime", round(now - self.waiting[call.sid])),
            ("AvgQueueTime", round(sum(waits) / len(waits))),
            ("CurrentQueueSize", len(self.waiting)),
        )


class LeaveQueue(Exception):
    """`<Leave>` was played."""


async def leave(run: TwimlRun, _verb: Verb, _document: Document) -> None:
    """`<Leave>`: out of the queue, on with the document that had the `<Enqueue>`."""
    if any(run.call.sid in queue.waiting for queue in run.call.conversation.exchange.queues.values()):
        raise LeaveQueue
    run.call.warn("12200: <Leave> where nobody waits in a queue")


async def enqueue(run: TwimlRun, verb: Verb, document: Document) -> Instructions | None:
    """`<Enqueue>`: wait by the instructions of `waitUrl`, again and again, until left, redirected or hung up.

    Then `action` is asked with QueueResult; its answer counts after `<Leave>` only, and without an action the next verb
    comes. Nobody is ever bridged out of a queue here.
    """
    call = run.call
    call.mark_answered()
    queues = call.conversation.exchange.queues
    queue = queues.setdefault(verb.text, CallQueue(verb.text))
    since = queue.waiting[call.sid] = call.clock.seconds()
    position = len(queue.waiting)
    call.emit(SimEventKind.QUEUED, f"waits as number {position} in {verb.text!r}", queue=verb.text, position=position)
    result = "system-error"
    try:
        await _wait(run, verb, document, queue)
    except LeaveQueue:
        result = "leave"
    except CallOver:
        result = "hangup"
        raise
    except Redirected:
        result = "redirected"
        raise
    finally:
        del queue.waiting[call.sid]
        seconds = round(call.clock.seconds() - since)
        call.emit(
            SimEventKind.LEFT_QUEUE,
            f"left {verb.text!r} after {seconds} s: {result}",
            queue=verb.text,
            result=result,
            seconds=seconds,
        )
        extra = pairs(("QueueResult", result), ("QueueSid", queue.sid), ("QueueTime", seconds))
        action = run.target(verb, document, "action", extra)
        if action is not None and result in ("hangup", "redirected"):
            await call.tell(action.url, action.method, action.extra)
    return action


async def _wait(run: TwimlRun, verb: Verb, document: Document, queue: CallQueue) -> None:
    wait_url = verb.attributes.get("waitUrl")
    if wait_url is None:  # Twilio's own music, without end
        await run.call.race(asyncio.Event().wait())
        return
    first = Fetch(resolve(document, wait_url), run.method(verb, "waitUrlMethod"))
    following: Instructions = first
    while True:
        started = run.call.clock.seconds()
        if isinstance(following, Fetch):
            following = Fetch(following.url, following.method, (*following.extra, *queue.describe(run.call)))
        music, is_fallback = await run.load(following)
        if is_fallback:
            raise Diverted(music)
        leads_to = await run.play(music, WAIT_VERBS)
        if leads_to is None and run.call.clock.seconds() - started < SECONDS_BETWEEN_EMPTY_ROUNDS:
            await run.wait(SECONDS_BETWEEN_EMPTY_ROUNDS)
        following = leads_to or first
