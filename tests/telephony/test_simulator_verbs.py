"""Every verb but Dial: what the caller hears, what is asked of the service, and where it goes on."""

import pytest

from app.telephony.simulator import CallStatus, Line, SimEventKind
from tests.telephony.simulated_hotline import CALLER, HOTLINE, STATUS, VOICE, Hotline, finished, the, warnings

# --- Say, Play, Pause, Hangup, Reject, Redirect, what is not known


async def test_the_caller_hears_what_is_said_and_played(hotline: Hotline, line: Line) -> None:
    hotline.will(
        VOICE,
        '<Say language="zh-CN" voice="alice">鲁先生<break/>您好</Say><Say loop="2">Hi</Say><Play>/a.mp3</Play>'
        '<Play digits="1w2"/>',
    )

    call = await finished(line)

    assert call.transcript.splitlines() == [
        "hotline (zh-CN): 鲁先生您好",
        "hotline (en-US): Hi",
        "hotline (en-US): Hi",
        "hotline plays /a.mp3",
        "hotline plays keys 1w2",
    ]
    assert warnings(call) == []


async def test_saying_and_waiting_take_their_time(hotline: Hotline, line: Line) -> None:
    hotline.will(VOICE, f'<Say>{"x" * 60}</Say><Pause length="10"/>')

    call = await finished(line)

    said, paused, ended = (
        the(call, kind).seconds for kind in (SimEventKind.SAID, SimEventKind.PAUSED, SimEventKind.ENDED)
    )
    assert 4 <= paused - said < 60
    assert 10 <= ended - paused < 60


async def test_a_pause_first_lets_it_ring(hotline: Hotline, line: Line) -> None:
    hotline.will(VOICE, '<Pause length="3"/><Redirect>/next</Redirect>')
    hotline.will("/next", "<Say>Hi</Say><Redirect>/last</Redirect>")
    hotline.will("/last", "<Hangup/><Say>never</Say>")

    call = await finished(line)

    assert [hotline.to(path)[0]["CallStatus"] for path in (VOICE, "/next", "/last")] == [
        "ringing",
        "ringing",
        "in-progress",
    ]
    assert the(call, SimEventKind.ENDED).data["reason"] == "the hotline hung up"
    assert "never" not in call.transcript


@pytest.mark.parametrize(("reason", "status"), [("busy", "busy"), ("rejected", "no-answer")])
async def test_a_rejected_call_is_never_answered(hotline: Hotline, line: Line, reason: str, status: str) -> None:
    hotline.will(VOICE, f'<Reject reason="{reason}"/><Say>never</Say>')

    call = await finished(line)

    assert call.status == status
    assert call.transcript == ""
    assert call.journal.find(SimEventKind.ANSWERED) is None
    assert [told["CallStatus"] for told in hotline.to(STATUS)] == [status]


async def test_a_reject_that_comes_too_late_hangs_up(hotline: Hotline, line: Line) -> None:
    hotline.will(VOICE, "<Say>Hi</Say><Reject/>")

    call = await finished(line)

    assert call.status is CallStatus.COMPLETED
    assert warnings(call) == ["12200: <Reject> comes too late, the call was answered before"]


async def test_what_is_not_known_is_warned_of_and_passed_over(hotline: Hotline, line: Line) -> None:
    hotline.will(
        VOICE,
        '<say>lower case</say><Sms>Hi</Sms><Say lang="zh">Hello</Say><Pause length="soon"/><Leave/>'
        '<Redirect method="PUT">/next</Redirect>',
    )
    hotline.will("/next", "<Hangup/>")

    call = await finished(line)

    assert call.transcript == "hotline (en-US): Hello"
    told = " ".join(warnings(call))
    for what in ("<say>", "<Sms>", "'lang'", "length='soon'", "<Leave>", "'PUT'"):
        assert what in told


# --- Gather


async def test_keys_go_to_the_action_and_cut_the_prompt_short(hotline: Hotline, line: Line) -> None:
    hotline.will(
        VOICE,
        '<Gather numDigits="1" action="/menu" timeout="5"><Say>Press 1</Say><Pause length="60"/><Say>never</Say>'
        "</Gather>",
    )
    hotline.will("/menu", "<Say>Thank you</Say>")

    call = await finished(line, "press 1")

    (request,) = hotline.to("/menu")
    assert (request.signed, request["Digits"], request.get("FinishedOnKey")) == (True, "1", None)
    assert call.transcript.splitlines() == [
        "hotline (en-US): Press 1",
        f"{CALLER} presses 1",
        "hotline (en-US): Thank you",
    ]


async def test_a_finishing_key_ends_a_longer_entry(hotline: Hotline, line: Line) -> None:
    hotline.will(VOICE, '<Gather action="/menu" finishOnKey="*"/>')
    hotline.will("/menu", "<Hangup/>")

    await finished(line, "press 12#3*")

    assert (hotline.to("/menu")[0]["Digits"], hotline.to("/menu")[0]["FinishedOnKey"]) == ("12#3", "*")


async def test_an_entry_ends_by_silence_after_the_last_key(hotline: Hotline, line: Line) -> None:
    hotline.will(VOICE, '<Gather action="/menu" timeout="5" numDigits="9"/>')
    hotline.will("/menu", "<Hangup/>")

    await finished(line, "press 1, press 2 after 4s")

    assert hotline.to("/menu")[0]["Digits"] == "12"


async def test_no_key_falls_through_to_the_next_verb(hotline: Hotline, line: Line) -> None:
    hotline.will(VOICE, '<Gather action="/menu" timeout="2"><Say>Press 1</Say></Gather><Say>Goodbye</Say>')

    call = await finished(line)

    assert hotline.to("/menu") == []
    assert call.transcript.splitlines()[-1] == "hotline (en-US): Goodbye"
    listening, ended = the(call, SimEventKind.LISTENING), the(call, SimEventKind.ENDED)
    assert ended.seconds - listening.seconds >= 2.5


async def test_no_key_can_be_asked_about(hotline: Hotline, line: Line) -> None:
    hotline.will(VOICE, '<Gather action="/menu" timeout="1" actionOnEmptyResult="true"/>')
    hotline.will("/menu", "<Hangup/>")

    await finished(line)

    assert hotline.to("/menu")[0]["Digits"] == ""


async def test_without_an_action_the_same_document_is_asked_again(hotline: Hotline, line: Line) -> None:
    hotline.will(VOICE, '<Gather numDigits="1"/>', "<Hangup/>")

    await finished(line, "press 7")

    assert [request.get("Digits") for request in hotline.to(VOICE)] == [None, "7"]


async def test_each_press_is_for_a_menu_of_its_own(hotline: Hotline, line: Line) -> None:
    hotline.will(VOICE, '<Say>Welcome</Say><Gather numDigits="1" action="/first"/>')
    hotline.will("/first", '<Say>And now</Say><Gather numDigits="1" action="/second"/>')
    hotline.will("/second", "<Hangup/>")

    await finished(line, "press 1, press 2")

    assert (hotline.to("/first")[0]["Digits"], hotline.to("/second")[0]["Digits"]) == ("1", "2")


async def test_keys_that_nobody_listens_to_are_lost(hotline: Hotline, line: Line) -> None:
    hotline.will(VOICE, f'<Say>{"x" * 90}</Say><Gather numDigits="1" action="/menu" timeout="1"/>')

    call = await finished(line, "press 1 after 2s")

    assert the(call, SimEventKind.DIGITS).data == {"digits": "1", "heard": False}
    assert hotline.to("/menu") == []


async def test_keys_can_be_pressed_by_hand(hotline: Hotline, line: Line) -> None:
    hotline.will(VOICE, '<Gather numDigits="1" action="/menu" timeout="600"/>')
    hotline.will("/menu", "<Hangup/>")

    call = await line.call(CALLER, HOTLINE)
    await call.wait_for(SimEventKind.LISTENING)
    call.press("5")
    await call.finished()

    assert hotline.to("/menu")[0]["Digits"] == "5"


# --- Record

RECORD = (
    '<Record action="/done" recordingStatusCallback="/recording" maxLength="30" timeout="4"/><Say>Nothing heard</Say>'
)


async def test_a_message_is_recorded_until_silence(hotline: Hotline, line: Line) -> None:
    hotline.will(VOICE, RECORD)
    hotline.will("/done", "<Say>Thank you</Say>")

    call = await finished(line, "leave a message of 6s")

    (done,), (recording,) = hotline.to("/done"), hotline.to("/recording")
    assert done.signed
    assert recording.signed
    assert (done["RecordingDuration"], done["Digits"]) == ("6", "")
    assert done["RecordingSid"].startswith("RE")
    assert done["RecordingUrl"].endswith(f"/Recordings/{done['RecordingSid']}")
    assert {name: recording[name] for name in ("CallSid", "RecordingSid", "RecordingUrl")} == {
        name: done[name] for name in ("CallSid", "RecordingSid", "RecordingUrl")
    }
    assert (recording["RecordingStatus"], recording["RecordingDuration"]) == ("completed", "6")
    assert recording.get("From") is None  # Twilio tells ids only
    assert call.transcript == "hotline (en-US): Thank you"
    ended = the(call, SimEventKind.ENDED).seconds - the(call, SimEventKind.LISTENING).seconds
    assert ended >= 10


async def test_a_key_ends_a_message(hotline: Hotline, line: Line) -> None:
    hotline.will(VOICE, RECORD)
    hotline.will("/done", "<Hangup/>")

    await finished(line, "leave a message of 3s, press #")

    assert (hotline.to("/done")[0]["RecordingDuration"], hotline.to("/done")[0]["Digits"]) == ("3", "#")


async def test_only_finishing_keys_end_a_message_and_length_does(hotline: Hotline, line: Line) -> None:
    hotline.will(VOICE, '<Record action="/done" finishOnKey="#" maxLength="8"/>')
    hotline.will("/done", "<Hangup/>")

    await finished(line, "press 1 after 2s, leave a message of 60s")

    assert (hotline.to("/done")[0]["RecordingDuration"], hotline.to("/done")[0]["Digits"]) == ("8", "")


async def test_hanging_up_ends_a_message_and_is_told(hotline: Hotline, line: Line) -> None:
    hotline.will(VOICE, RECORD)
    hotline.will("/done", "<Say>never</Say>")

    call = await finished(line, "leave a message of 4s, hang up")

    (done,) = hotline.to("/done")
    assert (done["Digits"], done["RecordingDuration"], done["CallStatus"]) == ("hangup", "4", "completed")
    assert len(hotline.to("/recording")) == 1
    assert "never" not in call.transcript


@pytest.mark.parametrize("event", ["completed", "completed absent"])
async def test_saying_nothing_records_nothing(hotline: Hotline, line: Line, event: str) -> None:
    hotline.will(VOICE, RECORD.replace("<Record", f'<Record recordingStatusCallbackEvent="{event}"'))

    call = await finished(line, "say nothing")

    assert hotline.to("/done") == []
    assert [request["RecordingStatus"] for request in hotline.to("/recording")] == ["absent"] * ("absent" in event)
    assert call.transcript == "hotline (en-US): Nothing heard"
