"""The verbs that need no file of their own, and the table of all of them."""

from collections.abc import Mapping

from app.telephony.simulator.calls import CallOver, Fetch, Instructions
from app.telephony.simulator.dialling import dial
from app.telephony.simulator.ears import Ears
from app.telephony.simulator.events import SimEventKind
from app.telephony.simulator.interpreter import Handler, TwimlRun, resolve
from app.telephony.simulator.params import pairs
from app.telephony.simulator.queueing import enqueue, leave
from app.telephony.simulator.recording import record
from app.telephony.simulator.records import CallStatus
from app.telephony.simulator.twiml import Document, Verb

PROMPTS = ("Say", "Play", "Pause")


async def utter(run: TwimlRun, verb: Verb, _document: Document) -> None:
    """`<Say>`, `<Play>`, `<Pause>`. A Pause alone does not pick up the call, which lets it ring a while."""
    if verb.name != "Pause":
        run.call.mark_answered()
    for seconds in run.speak(verb):
        await run.wait(seconds)


async def gather(run: TwimlRun, verb: Verb, document: Document) -> Instructions | None:
    """`<Gather>`: keys until enough, a finishing key or silence; none at all falls through to the next verb.

    https://www.twilio.com/docs/voice/twiml/gather. Speech is not played: only keys are ever heard.
    """
    run.call.mark_answered()
    if "dtmf" not in verb.attributes.get("input", "dtmf").split():
        run.call.warn("only keys are simulated: this <Gather> listens for speech and will hear nothing")
    timeout = 5 if verb.attributes.get("timeout") == "auto" else run.number(verb, "timeout", 5, least=0)
    finish_on = verb.attributes.get("finishOnKey", "#")
    enough = run.number(verb, "numDigits", 0)
    digits, finished_on = "", None
    with run.call.listening(verb.name) as ears:
        key = await _prompt(run, verb, ears)
        while True:
            if key is None:
                run.took_time()
                key = await run.call.race(ears.next_key(timeout))
            if key is None:
                break
            if key in finish_on:
                finished_on = key
                break
            digits += key
            if len(digits) == enough:
                break
            key = None
    if not digits and not verb.flag("actionOnEmptyResult"):
        return None
    extra = pairs(("Digits", digits), ("FinishedOnKey", finished_on))
    return run.target(verb, document, "action", extra) or Fetch(document.url, run.method(verb), extra)


async def redirect(run: TwimlRun, verb: Verb, document: Document) -> Instructions:
    """`<Redirect>`: other instructions, from the same URL where none is given."""
    url = resolve(document, verb.text)
    run.call.emit(SimEventKind.REDIRECTED, f"redirected to {url}", url=url, by="twiml")
    return Fetch(url, run.method(verb))


async def hang_up(run: TwimlRun, _verb: Verb, _document: Document) -> None:
    """`<Hangup>`. It picks up first: only `<Reject>` keeps a call from being answered."""
    run.call.mark_answered()
    run.call.end(CallStatus.COMPLETED, "the hotline hung up")
    raise CallOver


async def reject(run: TwimlRun, verb: Verb, _document: Document) -> None:
    """`<Reject>`: it ends as busy or no-answer, by its reason (https://www.twilio.com/docs/voice/twiml/reject)."""
    if run.call.record.answered_second is not None:
        run.call.warn("12200: <Reject> comes too late, the call was answered before")
        run.call.end(CallStatus.COMPLETED, "rejected after it was answered")
    elif verb.attributes.get("reason", "rejected") == "busy":
        run.call.end(CallStatus.BUSY, "rejected as busy")
    else:
        run.call.end(CallStatus.NO_ANSWER, "rejected")
    raise CallOver


HANDLERS: Mapping[str, Handler] = {
    "Say": utter,
    "Play": utter,
    "Pause": utter,
    "Gather": gather,
    "Dial": dial,
    "Enqueue": enqueue,
    "Leave": leave,
    "Record": record,
    "Redirect": redirect,
    "Hangup": hang_up,
    "Reject": reject,
}


async def _prompt(run: TwimlRun, gather: Verb, ears: Ears) -> str | None:
    """Utter what stands in a Gather until it ends or a key is pressed, which is given."""
    for verb in gather.children:
        if verb.name not in PROMPTS:
            run.call.warn(f"12200: <{verb.name}> is not allowed within <Gather>")
            continue
        run.check_attributes(verb)
        for seconds in run.speak(verb):
            run.took_time()
            if (key := await run.call.race(ears.next_key(seconds))) is not None:
                return key
    return None
