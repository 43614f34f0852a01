"""Twilio's parameters in the port's words, and what becomes of hostile ones."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.call_states import CarrierStatus
from app.telephony.port import CallEvent, EventKind
from app.telephony.twilio_events import ROUTES, BadCallSid, call_event
from app.telephony.twilio_form import FormFields
from tests.telephony.twilio_forms import CALL_SID, CHILD_CALL_SID, RECORDING_SID, VOICE

NOW = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)


def event(fields: dict[str, str] | None = None, *, kind: EventKind = EventKind.STATUS) -> CallEvent:
    return call_event(kind, FormFields([("CallSid", CALL_SID), *(fields or {}).items()]), NOW)


def test_an_incoming_call() -> None:
    assert call_event(EventKind.VOICE, FormFields(VOICE), NOW, idempotency_token="one-try") == CallEvent(
        kind=EventKind.VOICE,
        provider="twilio",
        call_id=CALL_SID,
        received_at=NOW,
        from_raw="+8613812345678",
        to_raw="+864001234567",
        caller_name="鲁先生",
        status=CarrierStatus.RINGING,
        idempotency_token="one-try",
        params=dict(VOICE),
    )


def test_the_result_of_a_dial() -> None:
    got = event({"DialCallStatus": "no-answer", "DialCallSid": CHILD_CALL_SID, "CallStatus": "in-progress"})
    assert got.dial_status is CarrierStatus.NO_ANSWER
    assert got.dial_call_id == CHILD_CALL_SID
    assert got.status is CarrierStatus.IN_PROGRESS


def test_the_status_of_an_agents_leg() -> None:
    got = event(
        {"ParentCallSid": CHILD_CALL_SID, "CallStatus": "initiated", "SequenceNumber": "0", "To": "client:anna"}
    )
    assert got.parent_call_id == CHILD_CALL_SID
    assert got.status is CarrierStatus.INITIATED
    assert got.sequence == 0
    assert got.to_raw == "client:anna"


def test_a_recording() -> None:
    url = "https://api.twilio.com/2010-04-01/Accounts/AC0/Recordings/RE3"
    got = event({"RecordingSid": RECORDING_SID, "RecordingUrl": url, "RecordingDuration": "7"})
    assert (got.recording_id, got.recording_url, got.recording_seconds) == (RECORDING_SID, url, 7)


def test_fault_11_an_error_that_led_to_the_fallback() -> None:
    got = event({"ErrorCode": "11200", "ErrorUrl": "https://hotline.example/voice"}, kind=EventKind.FALLBACK)
    assert (got.kind, got.error_code, got.error_url) == (EventKind.FALLBACK, "11200", "https://hotline.example/voice")


def test_what_was_not_said_is_none_or_blank() -> None:
    got = event()
    assert got == CallEvent(EventKind.STATUS, "twilio", CALL_SID, NOW, params={"CallSid": CALL_SID})


@pytest.mark.parametrize("status", list(CarrierStatus))
def test_every_status(status: CarrierStatus) -> None:
    spelt = status.value.replace("_", "-")
    assert event({"CallStatus": spelt, "DialCallStatus": spelt}).status is status
    assert event({"CallStatus": spelt, "DialCallStatus": spelt}).dial_status is status


def test_statuses_in_twilios_words() -> None:
    assert event({"CallStatus": "in-progress"}).status is CarrierStatus.IN_PROGRESS
    assert event({"CallStatus": "in_progress"}).status is None
    assert event({"CallStatus": "Ringing"}).status is None
    assert event({"DialCallStatus": "answered"}).dial_status is CarrierStatus.COMPLETED
    assert event({"CallStatus": "answered"}).status is None


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"From": "+1", "Caller": "+2"}, "+1"),
        ({"From": "", "Caller": "+2"}, "+2"),
        ({"Caller": "+2"}, "+2"),
        ({"From": "sip:" + "x" * 300}, "sip:" + "x" * 252),
        ({}, ""),
    ],
)
def test_fault_12_who_calls(fields: dict[str, str], expected: str) -> None:
    assert event(fields).from_raw == expected
    swapped = {{"From": "To", "Caller": "Called"}[name]: value for name, value in fields.items()}
    assert event(swapped).to_raw == expected


@pytest.mark.parametrize(
    "sid",
    ["", "CA", CALL_SID[:-1], CALL_SID + "1", CALL_SID + "\n", "AC" + "1" * 32, "CA" + "g" * 32, "../" + CALL_SID],
)
def test_a_garbled_call_sid_is_refused(sid: str) -> None:
    with pytest.raises(BadCallSid) as refused:
        call_event(EventKind.VOICE, FormFields([("CallSid", sid)]), NOW)
    assert refused.value.status == 400
    assert event({"ParentCallSid": sid, "DialCallSid": sid}).parent_call_id is None
    assert event({"ParentCallSid": sid, "DialCallSid": sid}).dial_call_id is None


def test_a_missing_call_sid_is_refused() -> None:
    with pytest.raises(BadCallSid):
        call_event(EventKind.VOICE, FormFields([("From", "+1")]), NOW)


@pytest.mark.parametrize("number", ["", "-1", "1.5", " 7", "1_0", "１２", "²", "9" * 10, "seven", "0x1", "7\0x"])
def test_a_bad_number_is_none(number: str) -> None:
    got = event({"SequenceNumber": number, "RecordingDuration": number})
    assert got.sequence is None
    assert got.recording_seconds is None


@pytest.mark.parametrize(
    ("timestamp", "expected"),
    [
        ("Sat, 21 Nov 2026 08:30:05 +0000", datetime(2026, 11, 21, 8, 30, 5, tzinfo=UTC)),
        ("Sat, 21 Nov 2026 16:30:05 +0800", datetime(2026, 11, 21, 8, 30, 5, tzinfo=UTC)),
        ("Sat, 21 Nov 2026 08:30:05 -0000", datetime(2026, 11, 21, 8, 30, 5, tzinfo=UTC)),
        ("2026-11-21T08:30:05Z", None),
        ("Sat, 31 Nov 2026 08:30:05 +0000", None),
        ("Fri, 31 Dec 9999 23:00:00 -2300", None),
        ("soon", None),
        ("", None),
    ],
)
def test_when_it_happened_and_how_long_the_leg_lasted(timestamp: str, expected: datetime | None) -> None:
    got = event({"Timestamp": timestamp, "CallDuration": "42"})
    assert got.occurred_at == expected
    assert got.occurred_at is None or got.occurred_at.tzinfo is UTC
    assert got.seconds == 42


@given(st.text(max_size=40) | st.from_regex(r"\A\w{3}, \d+ \w{3} \d+ \d+:\d+:\d+ [+-]\d+\Z"))
@settings(deadline=None)
def test_no_timestamp_breaks_an_event(timestamp: str) -> None:
    occurred_at = event({"Timestamp": timestamp}).occurred_at
    assert occurred_at is None or occurred_at.tzinfo is UTC


def test_of_a_repeated_parameter_the_last_counts() -> None:
    got = call_event(EventKind.WAIT, FormFields([("CallSid", CALL_SID), ("Digits", "2"), ("Digits", "1")]), NOW)
    assert got.digits == "1"
    assert got.params == {"CallSid": CALL_SID, "Digits": "1"}


def test_fault_14_long_and_hostile_caller_names_are_cut_but_kept() -> None:
    name = "<Hangup/>\u202e😀" * 1000
    got = event({"CallerName": name})
    assert got.caller_name == name[:256]
    assert got.params["CallerName"] == name[:2000]


@given(st.dictionaries(st.text(max_size=250), st.text(max_size=20) | st.just("\0a" * 2000), max_size=6))
@settings(deadline=None)
def test_fault_14_nothing_reaches_the_database_that_it_refuses(fields: dict[str, str]) -> None:
    got = call_event(EventKind.VOICE, FormFields([*fields.items(), *VOICE]), NOW, idempotency_token="t\0" * 300)
    texts = [got.from_raw, got.to_raw, got.caller_name, got.digits, got.idempotency_token or "", *got.params]
    assert got.call_id == CALL_SID
    assert not any("\0" in text or len(text) > 256 for text in texts)
    assert not any("\0" in value or len(value) > 2000 for value in got.params.values())


def test_each_kind_has_its_own_path() -> None:
    assert ROUTES[EventKind.DIAL_RESULT] == "/telephony/twilio/dial-result"
    assert set(ROUTES) == set(EventKind)
    assert len(set(ROUTES.values())) == len(EventKind)
