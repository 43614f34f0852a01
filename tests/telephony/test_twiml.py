"""Each answer as TwiML: what Twilio is told to do, in the caller's language, whatever the texts hold."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import get_args
from uuid import UUID
from xml.etree import ElementTree as ET  # our own output, not a stranger's

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.prompts import LANGUAGES, Prompt, opening_phrase, prompt, waiting_prompt
from app.telephony.port import (
    Answer,
    CallbackPromised,
    ForwardCall,
    HangUp,
    RingAgent,
    RingCustomer,
    TakeVoicemail,
    VoicemailReason,
    Wait,
)
from app.telephony.twiml import MAX_LENGTH, SAFE_ANSWER, SAFE_GOODBYE, VOICES, Links, render, safe_answer

BASE = "https://hotline.example"
LINKS = Links(BASE)
NOW = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)
SHANGHAI = timezone(timedelta(hours=8))
OPENS_AT = datetime(2026, 11, 23, 9, 0, tzinfo=SHANGHAI)

CHINESE = {"language": "cmn-CN", "voice": "Polly.Zhiyu"}
ENGLISH = {"language": "en-US", "voice": "Polly.Joanna"}


def verbs(twiml: str) -> list[ET.Element]:
    assert twiml.startswith('<?xml version="1.0" encoding="UTF-8"?>')
    root = ET.fromstring(twiml.encode())
    assert root.tag == "Response"
    return list(root)


def tags(twiml: str) -> list[str]:
    return [verb.tag for verb in verbs(twiml)]


def said(parent: ET.Element | str) -> list[str]:
    elements = verbs(parent) if isinstance(parent, str) else list(parent)
    return [element.text or "" for element in elements if element.tag == "Say"]


def only(twiml: str, tag: str) -> ET.Element:
    [element] = [verb for verb in verbs(twiml) if verb.tag == tag]
    return element


def test_ringing_an_agent() -> None:
    twiml = render(RingAgent("anna", 20, "zh-CN", greeting="您好,欢迎致电长虹。"), LINKS)
    assert tags(twiml) == ["Say", "Say", "Dial"]
    assert said(twiml) == ["您好,欢迎致电长虹。", prompt(Prompt.ONE_MOMENT, "zh-CN")]
    dial = only(twiml, "Dial")
    assert dial.attrib == {
        "action": f"{BASE}/telephony/twilio/dial-result",
        "method": "POST",
        "timeout": "20",
        "answerOnBridge": "true",
    }
    [client] = dial
    assert (client.tag, client.text) == ("Client", "anna")
    assert client.attrib == {
        "statusCallback": f"{BASE}/telephony/twilio/status",
        "statusCallbackEvent": "initiated ringing answered completed",
        "statusCallbackMethod": "POST",
    }


def test_ringing_the_next_agent_does_not_greet_again() -> None:
    twiml = render(RingAgent("bert", 15, "en", greeting="Hello.", first=False), LINKS)
    assert said(twiml) == [prompt(Prompt.STILL_TRYING, "en")]
    assert only(twiml, "Dial").attrib["timeout"] == "15"


def test_a_recorded_call_is_announced() -> None:
    twiml = render(RingAgent("anna", 20, "en", record=True, notice=True, caller_id="+864001234567"), LINKS)
    assert said(twiml) == [prompt(Prompt.RECORDING_NOTICE, "en"), prompt(Prompt.ONE_MOMENT, "en")]
    assert only(twiml, "Dial").attrib | {"timeout": ""} == {
        "action": f"{BASE}/telephony/twilio/dial-result",
        "method": "POST",
        "timeout": "",
        "answerOnBridge": "true",
        "callerId": "+864001234567",
        "record": "record-from-answer-dual",
        "recordingStatusCallback": f"{BASE}/telephony/twilio/recording",
        "recordingStatusCallbackMethod": "POST",
    }


def test_ringing_the_customer_of_a_call_that_we_place() -> None:
    attempt = UUID("01930000-0000-7000-8000-00000000000a")
    twiml = render(RingCustomer("+8613912345678", "+864001234567", 30, attempt, detect_machine=True), LINKS)
    dial = only(twiml, "Dial")
    assert tags(twiml) == ["Dial"]
    assert dial.attrib == {
        "action": f"{BASE}/telephony/twilio/outbound-result?attempt={attempt}",
        "method": "POST",
        "timeout": "30",
        "answerOnBridge": "true",
        "callerId": "+864001234567",
    }
    [number] = dial
    assert (number.tag, number.text) == ("Number", "+8613912345678")
    assert number.attrib == {
        "statusCallback": f"{BASE}/telephony/twilio/outbound-status?attempt={attempt}",
        "statusCallbackEvent": "initiated ringing answered completed",
        "statusCallbackMethod": "POST",
        "machineDetection": "Enable",
        "amdStatusCallback": f"{BASE}/telephony/twilio/outbound-machine?attempt={attempt}",
        "amdStatusCallbackMethod": "POST",
    }


@pytest.mark.parametrize("place", [1, 2, 17])
def test_waiting_with_an_offer(place: int) -> None:
    twiml = render(Wait("zh-CN", place, 12, greeting="您好。"), LINKS)
    assert tags(twiml) == ["Say", "Gather", "Redirect"]
    gather = only(twiml, "Gather")
    assert gather.attrib == {
        "action": f"{BASE}/telephony/twilio/wait",
        "method": "POST",
        "input": "dtmf",
        "numDigits": "1",
        "timeout": "12",
    }
    assert said(gather) == [waiting_prompt(place, "zh-CN"), prompt(Prompt.OFFER_CALLBACK, "zh-CN")]
    redirect = only(twiml, "Redirect")
    assert (redirect.text, redirect.attrib) == (f"{BASE}/telephony/twilio/wait", {"method": "POST"})


def test_waiting_without_place_and_offer() -> None:
    twiml = render(Wait("en", None, 5, offer_callback=False), LINKS)
    assert tags(twiml) == ["Say", "Pause", "Redirect"]
    assert said(twiml) == [prompt(Prompt.ONE_MOMENT, "en")]
    assert only(twiml, "Pause").attrib == {"length": "5"}


def test_promising_a_callback_ends_the_call() -> None:
    twiml = render(CallbackPromised("en"), LINKS)
    assert tags(twiml) == ["Say", "Hangup"]
    assert said(twiml) == [prompt(Prompt.CALLBACK_PROMISED, "en")]


def test_voicemail() -> None:
    twiml = render(TakeVoicemail("en", VoicemailReason.NOBODY), LINKS)
    assert tags(twiml) == ["Say", "Say", "Record", "Say", "Hangup"]
    assert said(twiml) == [
        prompt(Prompt.NOBODY_AVAILABLE, "en"),
        prompt(Prompt.AFTER_THE_BEEP, "en"),
        prompt(Prompt.GOODBYE, "en"),
    ]
    assert only(twiml, "Record").attrib == {
        "action": f"{BASE}/telephony/twilio/voicemail",
        "method": "POST",
        "maxLength": "180",
        "timeout": "5",
        "finishOnKey": "#",
        "playBeep": "true",
        "recordingStatusCallback": f"{BASE}/telephony/twilio/recording",
        "recordingStatusCallbackMethod": "POST",
    }


def test_voicemail_with_a_callback_instead() -> None:
    twiml = render(TakeVoicemail("zh-CN", VoicemailReason.TROUBLE, offer_callback=True), LINKS)
    assert tags(twiml) == ["Say", "Gather", "Say", "Record", "Say", "Hangup"]
    gather = only(twiml, "Gather")
    assert gather.attrib["action"] == f"{BASE}/telephony/twilio/wait?reason=trouble"
    assert gather.attrib["numDigits"] == "1"
    assert said(gather) == [prompt(Prompt.OFFER_CALLBACK, "zh-CN")]


OPENING = opening_phrase(OPENS_AT, NOW, "en")


@pytest.mark.parametrize(
    ("reason", "opens_at", "closure", "expected"),
    [
        (VoicemailReason.ASKED, OPENS_AT, "National Day", []),
        (VoicemailReason.NOBODY, None, "", [prompt(Prompt.NOBODY_AVAILABLE, "en")]),
        (VoicemailReason.TROUBLE, None, "", [prompt(Prompt.TROUBLE, "en")]),
        (VoicemailReason.CLOSED, OPENS_AT, "", [prompt(Prompt.CLOSED, "en", opens_at=OPENING)]),
        (
            VoicemailReason.CLOSED,
            OPENS_AT,
            "National Day",
            [prompt(Prompt.CLOSED_FOR, "en", closure="National Day", opens_at=OPENING)],
        ),
        (VoicemailReason.CLOSED, None, "National Day", [prompt(Prompt.CLOSED_UNTIL_FURTHER_NOTICE, "en")]),
    ],
)
def test_why_nobody_answers(
    reason: VoicemailReason, opens_at: datetime | None, closure: str, expected: list[str]
) -> None:
    twiml = render(TakeVoicemail("en", reason, opens_at=opens_at, closure=closure), LINKS, now=NOW)
    assert said(twiml) == [*expected, prompt(Prompt.AFTER_THE_BEEP, "en"), prompt(Prompt.GOODBYE, "en")]


def test_when_we_open_is_said_anew_each_day_and_in_the_hotlines_zone() -> None:
    closed = TakeVoicemail("en", VoicemailReason.CLOSED, opens_at=OPENS_AT)
    on_saturday = render(closed, LINKS, now=datetime(2026, 11, 21, 12, 0, tzinfo=UTC))
    on_sunday = render(closed, LINKS, now=datetime(2026, 11, 22, 12, 0, tzinfo=UTC))
    assert "Monday at 9 am" in on_saturday
    assert "tomorrow at 9 am" in on_sunday
    # The same moment, hence an equal answer, but another clock on the wall.
    in_tokyo = TakeVoicemail("en", VoicemailReason.CLOSED, opens_at=OPENS_AT.astimezone(timezone(timedelta(hours=9))))
    assert in_tokyo == closed
    assert "tomorrow at 10 am" in render(in_tokyo, LINKS, now=datetime(2026, 11, 22, 12, 0, tzinfo=UTC))


def test_forwarding_a_call() -> None:
    twiml = render(ForwardCall("+8613800000000", "en", caller_id="+864001234567"), LINKS)
    assert tags(twiml) == ["Say", "Dial"]
    dial = only(twiml, "Dial")
    assert dial.attrib == {
        "action": f"{BASE}/telephony/twilio/dial-result",
        "method": "POST",
        "timeout": "30",
        "answerOnBridge": "true",
        "callerId": "+864001234567",
    }
    [number] = dial
    assert (number.tag, number.text, number.attrib) == ("Number", "+8613800000000", {})


def test_hanging_up() -> None:
    assert tags(render(HangUp("en"), LINKS)) == ["Hangup"]
    assert said(render(HangUp("en", message_kept=True), LINKS)) == [prompt(Prompt.MESSAGE_KEPT, "en")]
    assert tags(render(HangUp("en", message_kept=True), LINKS)) == ["Say", "Hangup"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_a_voice(language: str) -> None:
    spoken_language, voice = VOICES[language]
    [say, _] = verbs(render(HangUp(language, message_kept=True), LINKS))
    assert say.attrib == {"language": spoken_language, "voice": voice}


@pytest.mark.parametrize(
    ("language", "attributes"), [("zh-CN", CHINESE), ("en", ENGLISH), ("en-GB", ENGLISH), ("", CHINESE)]
)
def test_the_language_is_the_callers_or_the_closest(language: str, attributes: dict[str, str]) -> None:
    every: list[Answer] = [
        RingAgent("anna", 20, language, greeting="Hi.", record=True),
        Wait(language, 1, 5, greeting="Hi."),
    ]
    for answer in every:
        for element in ET.fromstring(render(answer, LINKS).encode()).iter("Say"):
            assert element.attrib == attributes


# What may stand in a text: markup, emoji, marks that turn text around, controls that XML forbids, lone surrogates.
HOSTILE = st.text(
    st.sampled_from("a鲁<>&'\"{}😀\u202e\u2066\0\x01\x0b\x1f\x7f\x85\ud800\udfff\ufffe\uffff\r\n\t "), max_size=40
)
LONG = st.sampled_from(["<Hangup/>" * 1200, "&" * 10_000, "😀" * 5000, "字" * 5000, "\0" * 10_000, "]]>" * 3000])
TEXT = HOSTILE | LONG
LANGUAGE = st.sampled_from([*LANGUAGES, "xx", ""])
IDENTITY = st.text(st.sampled_from("ab_&<😀\x01"), min_size=1, max_size=64)


def answers() -> st.SearchStrategy[Answer]:
    moments = st.datetimes(min_value=datetime(2026, 1, 1), max_value=datetime(2030, 1, 1), timezones=st.just(SHANGHAI))  # noqa: DTZ001  # hypothesis wants bounds without a zone
    return st.one_of(
        st.builds(RingAgent, IDENTITY, st.integers(1, 600), LANGUAGE, TEXT, st.booleans(), st.booleans(), HOSTILE),
        st.builds(Wait, LANGUAGE, st.none() | st.integers(0, 10**6), st.integers(0, 600), TEXT, st.booleans()),
        st.builds(CallbackPromised, LANGUAGE),
        st.builds(TakeVoicemail, LANGUAGE, st.sampled_from(VoicemailReason), st.none() | moments, TEXT, st.booleans()),
        st.builds(ForwardCall, HOSTILE, LANGUAGE, HOSTILE),
        st.builds(HangUp, LANGUAGE, st.booleans()),
        st.builds(RingCustomer, HOSTILE, HOSTILE, st.integers(1, 600), st.uuids(), st.booleans()),
    )


ALLOWED = {
    "Response": {"Say", "Dial", "Gather", "Redirect", "Pause", "Record", "Hangup"},
    "Gather": {"Say"},
    "Dial": {"Client", "Number"},
}


def nestings(element: ET.Element) -> Iterator[tuple[str, str]]:
    for child in element:
        yield element.tag, child.tag
        yield from nestings(child)


@given(answers())
@settings(deadline=None, max_examples=300)
def test_fault_14_hostile_texts_stay_texts(answer: Answer) -> None:
    twiml = render(answer, Links("https://" + "a" * 100 + ".example/callcard"), now=NOW)
    root = ET.fromstring(twiml.encode())
    assert len(twiml) < MAX_LENGTH
    assert not set(twiml) & set("\0\x01\x0b\x1f\x7f\x85\u202e\u2066\ufffe\uffff\r\n")
    for parent, child in nestings(root):
        assert child in ALLOWED.get(parent, set())
    assert twiml == render(answer, Links("https://" + "a" * 100 + ".example/callcard"), now=NOW)


def test_every_answer_is_tried_above() -> None:
    built = {strategy.__name__ for strategy in get_args(Answer)}
    assert built == {"RingAgent", "Wait", "CallbackPromised", "TakeVoicemail", "ForwardCall", "HangUp", "RingCustomer"}


def test_a_hostile_greeting_is_said_and_cut() -> None:
    [greeting, _] = said(render(RingAgent("anna", 20, "en", greeting=" <b>\n\u202e&\0 hi" * 200), LINKS))
    assert greeting.startswith("<b> & hi <b> & hi")
    assert "\u202e" not in greeting
    assert len(greeting) < 600


def test_the_safe_answer_asks_for_a_message_in_every_language() -> None:
    assert tags(SAFE_ANSWER) == ["Say"] * 4 + ["Record"] + ["Say"] * 2 + ["Hangup"]
    assert [say.attrib["language"] for say in verbs(SAFE_ANSWER) if say.tag == "Say"] == (
        ["cmn-CN"] * 2 + ["en-US"] * 2 + ["cmn-CN", "en-US"]
    )
    # Relative: Twilio takes it from the address that it asked.
    assert only(SAFE_ANSWER, "Record").attrib["action"] == "/telephony/twilio/voicemail"
    assert len(SAFE_ANSWER) < MAX_LENGTH


def test_the_safe_answer_with_a_fallback_number() -> None:
    twiml = safe_answer(LINKS, "+8613800000000")
    assert tags(twiml) == ["Say"] * 2 + ["Dial"] + ["Say"] * 4 + ["Record"] + ["Say"] * 2 + ["Hangup"]
    dial = only(twiml, "Dial")
    # Without an action: after a failed attempt the same document goes on, instead of asking a broken service again.
    assert dial.attrib == {"timeout": "30", "answerOnBridge": "true"}
    assert [(number.tag, number.text) for number in dial] == [("Number", "+8613800000000")]
    assert only(twiml, "Record").attrib["action"] == f"{BASE}/telephony/twilio/voicemail"
    assert len(twiml) < MAX_LENGTH


def test_the_safe_goodbye_ends_the_call() -> None:
    assert tags(SAFE_GOODBYE) == ["Say", "Say", "Hangup"]
    assert said(SAFE_GOODBYE) == [prompt(Prompt.GOODBYE, language) for language in LANGUAGES]


def test_opening_without_a_zone_is_refused() -> None:
    naive = TakeVoicemail("en", VoicemailReason.CLOSED, opens_at=datetime(2026, 11, 23, 9))  # noqa: DTZ001  # the point
    with pytest.raises(ValueError, match="zone"):
        render(naive, LINKS, now=NOW)
