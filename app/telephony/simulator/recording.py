"""`<Record>` (https://www.twilio.com/docs/voice/twiml/record), and the recordings that a `<Dial>` makes."""

from app.telephony.simulator.calls import CallOver, Fetch, Instructions, Redirected, SimCall
from app.telephony.simulator.ears import Ears
from app.telephony.simulator.events import SimEventKind
from app.telephony.simulator.interpreter import TwimlRun, resolve
from app.telephony.simulator.params import pairs
from app.telephony.simulator.records import API_VERSION, mail_time, new_sid
from app.telephony.simulator.twiml import Document, Verb

ANY_KEY = "1234567890*#"


async def record(run: TwimlRun, verb: Verb, document: Document) -> Instructions | None:
    """`<Record>`: the caller speaks until a key, silence, the greatest length or hanging up ends it.

    Silence at the end is trimmed. An empty recording asks nothing and falls through to the next verb.
    """
    call = run.call
    call.mark_answered()
    run.took_time()
    speech = call.script.message_seconds
    silence = run.number(verb, "timeout", 5)
    longest = run.number(verb, "maxLength", 3600)
    finish_on = verb.attributes.get("finishOnKey", ANY_KEY)
    started, started_at = call.clock.seconds(), call.clock.now()
    with call.listening(verb.name) as ears:
        ended_by: str | None = None
        interruption: CallOver | Redirected | None = None
        try:
            ended_by = await call.race(_finishing_key(ears, finish_on, call, min(longest, speech + silence)))
        except CallOver as over:
            ended_by, interruption = "hangup", over
        except Redirected as redirected:
            interruption = redirected
    seconds = round(min(speech, longest, call.clock.seconds() - started))
    if seconds < 1:
        if "absent" in verb.attributes.get("recordingStatusCallbackEvent", "").split():
            await _report(run, verb, document, status="absent", started_at=mail_time(started_at))
        if interruption is not None:
            raise interruption
        return None
    sid, url = await recorded(
        run, verb, document, seconds=seconds, source="RecordVerb", started_at=mail_time(started_at)
    )
    extra = pairs(
        ("RecordingSid", sid), ("RecordingUrl", url), ("RecordingDuration", seconds), ("Digits", ended_by or "")
    )
    action = run.target(verb, document, "action", extra)
    action = action or Fetch(document.url, run.method(verb), extra)
    if interruption is not None:
        if isinstance(interruption, CallOver):
            await call.tell(action.url, action.method, action.extra)
        raise interruption
    return action


async def recorded(
    run: TwimlRun, verb: Verb, document: Document, *, seconds: int, source: str, started_at: str
) -> tuple[str, str]:
    """Tell that a recording was made (event and `recordingStatusCallback`); gives its sid and URL."""
    sid = new_sid("RE")
    url = recording_url(run.call, sid)
    run.call.emit(
        SimEventKind.RECORDED,
        f"recorded {seconds} s ({source})",
        recording_sid=sid,
        url=url,
        seconds=seconds,
        source=source,
    )
    await _report(
        run, verb, document, status="completed", sid=sid, seconds=seconds, source=source, started_at=started_at
    )
    return sid, url


def recording_url(call: SimCall, sid: str) -> str:
    """Where Twilio says the recording is."""
    exchange = call.conversation.exchange
    return f"{exchange.api_url}/{API_VERSION}/Accounts/{exchange.account_sid}/Recordings/{sid}"


async def _report(
    run: TwimlRun,
    verb: Verb,
    document: Document,
    *,
    status: str,
    started_at: str,
    sid: str | None = None,
    seconds: int | None = None,
    source: str = "RecordVerb",
) -> None:
    """Have `recordingStatusCallback` told; the call goes on meanwhile."""
    callback = verb.attributes.get("recordingStatusCallback")
    wanted = verb.attributes.get("recordingStatusCallbackEvent", "completed").split()
    if callback is None or status not in wanted:
        return
    extra = pairs(
        ("RecordingSid", sid or new_sid("RE")),
        ("RecordingUrl", recording_url(run.call, sid) if sid else None),
        ("RecordingStatus", status),
        ("RecordingDuration", seconds),
        ("RecordingChannels", 2 if verb.attributes.get("record", "").endswith("-dual") else 1),
        ("RecordingStartTime", started_at),
        ("RecordingSource", source),
        ("RecordingTrack", "both"),
        ("ErrorCode", 0),
    )
    method = run.method(verb, "recordingStatusCallbackMethod")
    run.call.conversation.spawn(run.call.tell(resolve(document, callback), method, extra, ids_only=True))


async def _finishing_key(ears: Ears, finish_on: str, call: SimCall, seconds: float) -> str | None:
    """The key that ends the recording, or None when `seconds` are over."""
    until = call.clock.seconds() + seconds
    while (key := await ears.next_key(until - call.clock.seconds())) is not None:
        if key in finish_on:
            return key
    return None
