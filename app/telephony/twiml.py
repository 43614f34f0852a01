"""Our answers in Twilio's own language, TwiML (https://www.twilio.com/docs/voice/twiml).

All of it is built by the `twilio` package's `VoiceResponse`, which escapes; texts are made fit for XML before that.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from twilio.twiml.voice_response import Dial, Gather, VoiceResponse

from app.domain.prompts import LANGUAGES, Prompt, choose_language, opening_phrase, prompt, waiting_prompt
from app.telephony.port import (
    Answer,
    CallbackPromised,
    EventKind,
    ForwardCall,
    HangUp,
    RingAgent,
    RingCustomer,
    TakeVoicemail,
    VoicemailReason,
    Wait,
)
from app.telephony.twilio_events import ATTEMPT_PARAMETER, ROUTES

MEDIA_TYPE: Final = "text/xml; charset=utf-8"

MAX_LENGTH: Final = 4000
"""TwiML stays below this many characters (Twilio's limit where it is handed over in a request)."""

REASON_PARAMETER: Final = "reason"
"""In the query of the wait route when the key was pressed instead of leaving a message: a VoicemailReason."""

FORWARD_RING_SECONDS: Final = 30
MESSAGE_SECONDS: Final = 180

_SILENCE_SECONDS: Final = 5  # the recording ends after so much of it; Twilio's default
_KEY_SECONDS: Final = 3  # for pressing 1 before the beep
_GREETING_LENGTH: Final = 600
_CLOSURE_LENGTH: Final = 200
_LEG_EVENTS: Final = "initiated ringing answered completed"

# Twilio's list of voices has Mandarin as "cmn-CN", the name that Amazon Polly and Google use; "zh-CN" belonged to the
# voice "alice", which is deprecated. A language and a voice that do not fit can make <Say> fail.
# https://www.twilio.com/docs/voice/twiml/say/text-speech#available-voices-and-languages
VOICES: Final[Mapping[str, tuple[str, str]]] = {
    "zh-CN": ("cmn-CN", "Polly.Zhiyu"),
    "en": ("en-US", "Polly.Joanna"),
}
"""For each of `app.domain.prompts.LANGUAGES` the `language` and the `voice` of `<Say>`."""


@dataclass(frozen=True, slots=True)
class Links:
    """Where Twilio finds us next.

    Args:
        base: the public address without a slash at its end; blank for addresses relative to whatever Twilio asked for.
    """

    base: str

    @property
    def dial_result(self) -> str:
        """What became of ringing somebody."""
        return self.base + ROUTES[EventKind.DIAL_RESULT]

    @property
    def wait(self) -> str:
        """The caller waited or pressed a key."""
        return self.base + ROUTES[EventKind.WAIT]

    @property
    def voicemail(self) -> str:
        """The caller left a message."""
        return self.base + ROUTES[EventKind.VOICEMAIL]

    @property
    def recording(self) -> str:
        """A recording can be fetched."""
        return self.base + ROUTES[EventKind.RECORDING]

    @property
    def status(self) -> str:
        """A leg's progress."""
        return self.base + ROUTES[EventKind.STATUS]

    def about(self, kind: EventKind, attempt_id: UUID) -> str:
        """A route of a call that we place, for one placing of it."""
        return f"{self.base}{ROUTES[kind]}?{urlencode({ATTEMPT_PARAMETER: str(attempt_id)})}"


def render(answer: Answer, links: Links, *, now: datetime | None = None) -> str:
    """The TwiML for an answer: an XML document of fewer than `MAX_LENGTH` characters, the same for the same arguments.

    Args:
        answer: what is to happen. Its texts may hold anything: what XML 1.0 forbids and bidi marks are dropped, what is
            too long to be said is cut.
        links: where Twilio finds us next.
        now: aware; what "tomorrow" is reckoned from when the answer says when we open. None for the clock's time.

    Raises:
        ValueError: `opens_at` is a time without a zone.
    """
    opening = ""
    if isinstance(answer, TakeVoicemail) and answer.opens_at is not None:
        # A part of the cache's key: it changes at midnight, and times that are equal may be on different clocks.
        opening = opening_phrase(answer.opens_at, now or datetime.now(UTC), answer.language)
    return _render(answer, links, opening)


@lru_cache(maxsize=1024)
def _render(answer: Answer, links: Links, opening: str) -> str:
    response = VoiceResponse()
    match answer:
        case RingAgent():
            _ring_agent(response, answer, links)
        case Wait():
            _wait(response, answer, links)
        case CallbackPromised():
            _say(response, prompt(Prompt.CALLBACK_PROMISED, answer.language), answer.language)
            response.hangup()
        case TakeVoicemail():
            _take_voicemail(response, answer, links, opening)
        case ForwardCall():
            _say(response, prompt(Prompt.ONE_MOMENT, answer.language), answer.language)
            _dial(response, FORWARD_RING_SECONDS, answer.caller_id, action=links.dial_result, method="POST").number(
                _fit_for_xml(answer.number)
            )
        case RingCustomer():
            _ring_customer(response, answer, links)
        case HangUp():
            if answer.message_kept:
                _say(response, prompt(Prompt.MESSAGE_KEPT, answer.language), answer.language)
            response.hangup()
    return str(response)


def safe_answer(links: Links, fallback_number: str | None = None) -> str:
    """TwiML that keeps a caller when nothing else works; make it at start-up, for it knows neither caller nor language.

    In every language of the hotline: with a fallback number that number rings, and a message can be left if nobody
    answers there; without one a message can be left at once. The dial has no action, so that a service that fails
    again and again cannot ring that number again and again.

    Not for a failure *after* a message was left (the voicemail route): that would ask for another; see `SAFE_GOODBYE`.
    """
    response = VoiceResponse()
    if fallback_number:
        for language in LANGUAGES:
            _say(response, prompt(Prompt.ONE_MOMENT, language), language)
        _dial(response, FORWARD_RING_SECONDS, "").number(_fit_for_xml(fallback_number))
    for language in LANGUAGES:
        _say(response, prompt(Prompt.TROUBLE, language), language)
        _say(response, prompt(Prompt.AFTER_THE_BEEP, language), language)
    _record(response, links)
    for language in LANGUAGES:
        _say(response, prompt(Prompt.GOODBYE, language), language)
    response.hangup()
    return str(response)


def _safe_goodbye() -> str:
    response = VoiceResponse()
    for language in LANGUAGES:
        _say(response, prompt(Prompt.GOODBYE, language), language)
    response.hangup()
    return str(response)


def _ring_agent(response: VoiceResponse, answer: RingAgent, links: Links) -> None:
    if answer.first:
        _say(response, answer.greeting, answer.language)
    if answer.notice:
        _say(response, prompt(Prompt.RECORDING_NOTICE, answer.language), answer.language)
    moment = Prompt.ONE_MOMENT if answer.first else Prompt.STILL_TRYING
    _say(response, prompt(moment, answer.language), answer.language)
    recording: dict[str, str] = {}
    if answer.record:
        recording = {
            "record": "record-from-answer-dual",
            "recording_status_callback": links.recording,
            "recording_status_callback_method": "POST",
        }
    dial = _dial(response, answer.ring_seconds, answer.caller_id, action=links.dial_result, method="POST", **recording)
    dial.client(
        _fit_for_xml(answer.identity),
        status_callback=links.status,
        status_callback_event=_LEG_EVENTS,
        status_callback_method="POST",
    )


def _ring_customer(response: VoiceResponse, answer: RingCustomer, links: Links) -> None:
    attempt = answer.attempt_id
    action = links.about(EventKind.OUTBOUND_RESULT, attempt)
    dial = _dial(response, answer.ring_seconds, answer.caller_id, action=action, method="POST")
    # Detection at a dialled <Number> listens beside the conversation and never holds it up.
    listening: dict[str, str] = {}
    if answer.detect_machine:
        listening = {
            "machine_detection": "Enable",
            "amd_status_callback": links.about(EventKind.OUTBOUND_MACHINE, attempt),
            "amd_status_callback_method": "POST",
        }
    dial.number(
        _fit_for_xml(answer.number),
        status_callback=links.about(EventKind.OUTBOUND_STATUS, attempt),
        status_callback_event=_LEG_EVENTS,
        status_callback_method="POST",
        **listening,
    )


def _wait(response: VoiceResponse, answer: Wait, links: Links) -> None:
    _say(response, answer.greeting, answer.language)
    if answer.place is None:
        place = prompt(Prompt.ONE_MOMENT, answer.language)
    else:
        place = waiting_prompt(answer.place, answer.language)
    if answer.offer_callback:
        # Its time-out begins when all is said, and the key may be pressed at any moment until it ends.
        gather = _gather(response, links.wait, answer.seconds)
        _say(gather, place, answer.language)
        _say(gather, prompt(Prompt.OFFER_CALLBACK, answer.language), answer.language)
    else:
        _say(response, place, answer.language)
        response.pause(length=answer.seconds)
    response.redirect(links.wait, method="POST")


def _take_voicemail(response: VoiceResponse, answer: TakeVoicemail, links: Links, opening: str) -> None:
    _say(response, _why_nobody_answers(answer, opening), answer.language)
    if answer.offer_callback:
        action = f"{links.wait}?{urlencode({REASON_PARAMETER: answer.reason.value})}"
        gather = _gather(response, action, _KEY_SECONDS)
        _say(gather, prompt(Prompt.OFFER_CALLBACK, answer.language), answer.language)
    _say(response, prompt(Prompt.AFTER_THE_BEEP, answer.language), answer.language)
    _record(response, links)
    # Only reached when nothing was said after the beep: <Record> then asks nobody what to do next.
    _say(response, prompt(Prompt.GOODBYE, answer.language), answer.language)
    response.hangup()


def _why_nobody_answers(answer: TakeVoicemail, opening: str) -> str:
    match answer.reason:
        case VoicemailReason.ASKED:
            return ""
        case VoicemailReason.NOBODY:
            return prompt(Prompt.NOBODY_AVAILABLE, answer.language)
        case VoicemailReason.TROUBLE:
            return prompt(Prompt.TROUBLE, answer.language)
        case VoicemailReason.CLOSED:
            closure = _fit_for_xml(answer.closure, _CLOSURE_LENGTH)
            if not opening:
                return prompt(Prompt.CLOSED_UNTIL_FURTHER_NOTICE, answer.language)
            if not closure:
                return prompt(Prompt.CLOSED, answer.language, opens_at=opening)
            return prompt(Prompt.CLOSED_FOR, answer.language, closure=closure, opens_at=opening)


def _say(parent: VoiceResponse | Gather, text: str, language: str) -> None:
    """Append a <Say>, or nothing for a text in which there is nothing to say."""
    if said := _fit_for_xml(text, _GREETING_LENGTH):
        spoken_language, voice = VOICES[choose_language(language)]
        parent.say(said, language=spoken_language, voice=voice)


def _gather(response: VoiceResponse, action: str, seconds: int) -> Gather:
    return response.gather(input="dtmf", num_digits=1, action=action, method="POST", timeout=seconds)


def _dial(response: VoiceResponse, ring_seconds: int, caller_id: str, **attributes: Any) -> Dial:
    # answerOnBridge: the caller hears ringing, and is not charged for being answered, until somebody does answer.
    return response.dial(
        timeout=ring_seconds, answer_on_bridge=True, caller_id=_fit_for_xml(caller_id) or None, **attributes
    )


def _record(response: VoiceResponse, links: Links) -> None:
    response.record(
        action=links.voicemail,
        method="POST",
        max_length=MESSAGE_SECONDS,
        timeout=_SILENCE_SECONDS,
        finish_on_key="#",
        play_beep=True,
        recording_status_callback=links.recording,
        recording_status_callback_method="POST",
    )


# What is no Char of XML 1.0 (https://www.w3.org/TR/xml/#charsets), controls that it only advises against, and the marks
# that turn text around, which nobody can hear but which hide what a log shows.
_UNFIT = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
_ESCAPED_LENGTHS = {"&": len("&amp;"), "<": len("&lt;"), ">": len("&gt;")}


def _fit_for_xml(text: str, length: int | None = None) -> str:
    """The text on one line without what XML forbids, cut so that it is at most `length` characters when escaped."""
    fit = " ".join(_UNFIT.sub("", text).split())
    if length is None:
        return fit
    room = length
    for index, char in enumerate(fit):
        room -= _ESCAPED_LENGTHS.get(char, 1)
        if room < 0:
            return fit[:index]
    return fit


SAFE_ANSWER: Final = safe_answer(Links(""))
"""The safe answer that needs not even settings."""

SAFE_GOODBYE: Final = _safe_goodbye()
"""The end of a call when something fails after the caller has left a message."""
