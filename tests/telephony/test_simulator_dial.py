"""Dial: agents and numbers ring, answer, decline or do not; callers hang up; everything is told."""

from collections.abc import AsyncIterator

import pytest

from app.telephony.simulator import CallStateError, CallStatus, Line, NotHappened, SimCall, SimEventKind
from tests.telephony.simulated_hotline import CALLER, HOTLINE, STATUS, VOICE, Hotline, finished, line_to, the

EVENTS = "initiated ringing answered completed"
CLIENT = f'<Client statusCallback="{STATUS}" statusCallbackEvent="{EVENTS}">lin</Client>'


@pytest.fixture
def hotline(hotline: Hotline) -> Hotline:
    hotline.will(VOICE, f'<Dial action="/result" timeout="20">{CLIENT}</Dial>')
    hotline.will("/result", "<Say>after</Say>")
    return hotline


@pytest.fixture
async def line(hotline: Hotline) -> AsyncIterator[Line]:
    async with line_to(hotline, status_path="") as line:
        yield line


def statuses(hotline: Hotline) -> list[str]:
    return [told["CallStatus"] for told in hotline.to(STATUS)]


async def test_an_agent_answers_and_hangs_up(hotline: Hotline, line: Line) -> None:
    line.set_script("client:lin", "answer after 2s, hang up after 10s")

    call = await finished(line)

    (leg,) = call.legs
    assert (leg.record.to, leg.record.from_, leg.record.parent_sid) == ("client:lin", CALLER, call.sid)
    told = hotline.to(STATUS)
    assert all(request.signed for request in told)
    assert [(t["CallStatus"], t["SequenceNumber"]) for t in told] == [
        ("initiated", "0"),
        ("ringing", "1"),
        ("in-progress", "2"),
        ("completed", "3"),
    ]
    assert {(t["CallSid"], t["ParentCallSid"], t["Direction"], t["To"]) for t in told} == {
        (leg.sid, call.sid, "outbound-dial", "client:lin")
    }
    assert [t.get("CallDuration") for t in told] == [None, None, None, told[3]["CallDuration"]]
    assert 10 <= int(told[3]["CallDuration"]) < 60
    (result,) = hotline.to("/result")
    assert (result["DialCallStatus"], result["DialCallSid"], result["DialBridged"]) == ("completed", leg.sid, "true")
    assert 10 <= int(result["DialCallDuration"]) < 60
    assert result["CallSid"] == call.sid
    assert call.transcript.splitlines() == ["client:lin answers", "hotline (en-US): after"]
    ringing, answered = the(call, SimEventKind.LEG_RINGING), the(call, SimEventKind.LEG_ANSWERED)
    assert answered.seconds - ringing.seconds >= 2
    assert ringing.leg_sid == leg.sid


@pytest.mark.parametrize(
    ("script", "status", "told"),
    [
        ("busy", "busy", ["initiated", "busy"]),
        ("decline after 1s", "busy", ["initiated", "ringing", "busy"]),
        ("no answer", "no-answer", ["initiated", "ringing", "no-answer"]),
        ("answer after 25s", "no-answer", ["initiated", "ringing", "no-answer"]),
        ("unreachable", "failed", ["initiated", "failed"]),
    ],
)
async def test_an_agent_who_does_not_answer(
    hotline: Hotline, line: Line, script: str, status: str, told: list[str]
) -> None:
    line.set_script("client:lin", script)

    call = await finished(line)

    (result,) = hotline.to("/result")
    assert (result["DialCallStatus"], result["DialBridged"], result.get("DialCallDuration")) == (status, "false", None)
    assert statuses(hotline) == told
    assert call.transcript == "hotline (en-US): after"
    assert the(call, SimEventKind.LEG_ENDED).data["status"] == status


async def test_it_rings_as_long_as_is_said(hotline: Hotline, line: Line) -> None:
    line.set_script("client:lin", "no answer")

    call = await finished(line)

    rang = the(call, SimEventKind.LEG_ENDED).seconds - the(call, SimEventKind.LEG_RINGING).seconds
    assert 20 <= rang < 80


async def test_without_an_action_the_next_verb_comes(hotline: Hotline, line: Line) -> None:
    hotline.will(VOICE, '<Dial timeout="5"><Client>lin</Client></Dial><Dial>+12025550111</Dial><Say>Nobody</Say>')
    line.set_script("client:lin", "no answer")
    line.set_script("+12025550111", "busy")

    call = await finished(line)

    assert [(leg.record.to, leg.status) for leg in call.legs] == [
        ("client:lin", CallStatus.NO_ANSWER),
        ("+12025550111", CallStatus.BUSY),
    ]
    assert call.transcript == "hotline (en-US): Nobody"


async def test_a_number_answers_after_a_second_unless_told_otherwise(hotline: Hotline, line: Line) -> None:
    hotline.will(VOICE, '<Dial callerId="+12025550100" action="/result"><Number>+12025550111</Number></Dial>')

    call = await line.call(CALLER, HOTLINE, script="hang up when answered after 3s")
    await call.finished()

    (leg,) = call.legs
    assert (leg.record.to, leg.record.from_) == ("+12025550111", "+12025550100")
    rang = the(call, SimEventKind.LEG_ANSWERED).seconds - the(call, SimEventKind.LEG_RINGING).seconds
    assert 1 <= rang < 60


async def test_the_caller_gives_up_while_it_rings(hotline: Hotline, line: Line) -> None:
    line.set_script("client:lin", "no answer")

    call = await finished(line, "hang up when ringing after 5s")

    assert statuses(hotline) == ["initiated", "ringing", "no-answer"]
    (result,) = hotline.to("/result")
    assert (result["DialCallStatus"], result["CallStatus"]) == ("no-answer", "completed")
    assert call.transcript == ""
    assert the(call, SimEventKind.ENDED).data["reason"] == "hung up"
    assert the(call, SimEventKind.ENDED).seconds - the(call, SimEventKind.LEG_RINGING).seconds >= 5


async def test_the_caller_hangs_up_after_talking(hotline: Hotline, line: Line) -> None:
    call = await finished(line, "hang up when answered after 5s")

    (leg,) = call.legs
    assert leg.status is CallStatus.COMPLETED
    assert statuses(hotline) == ["initiated", "ringing", "in-progress", "completed"]
    (result,) = hotline.to("/result")
    assert (result["DialCallStatus"], result["CallStatus"]) == ("completed", "completed")
    assert 5 <= int(result["DialCallDuration"]) < 60


@pytest.mark.parametrize(("attribute", "status"), [("", "in-progress"), (' answerOnBridge="true"', "ringing")])
async def test_answering_on_the_bridge_keeps_the_call_ringing(
    hotline: Hotline, line: Line, attribute: str, status: str
) -> None:
    hotline.will(VOICE, f'<Dial action="/result" timeout="3"{attribute}>{CLIENT}</Dial>')
    line.set_script("client:lin", "no answer")

    await finished(line)

    assert hotline.to("/result")[0]["CallStatus"] == status


async def test_a_caller_who_gives_up_before_the_bridge_was_never_answered(hotline: Hotline, line: Line) -> None:
    hotline.will(VOICE, f'<Dial answerOnBridge="true">{CLIENT}</Dial>')
    line.set_script("client:lin", "no answer")

    assert (await finished(line, "hang up when ringing")).status is CallStatus.NO_ANSWER


async def test_answering_on_the_bridge_answers_both(hotline: Hotline, line: Line) -> None:
    hotline.will(VOICE, f'<Dial answerOnBridge="true">{CLIENT}</Dial>')

    call = await finished(line, "hang up when answered after 5s")

    assert call.status is CallStatus.COMPLETED
    assert the(call, SimEventKind.ANSWERED).seconds >= the(call, SimEventKind.LEG_RINGING).seconds + 2


async def test_the_first_of_several_to_answer_talks(hotline: Hotline, line: Line) -> None:
    hotline.will(VOICE, '<Dial action="/result"><Client>wang</Client><Client>lin</Client><Number>+1202</Number></Dial>')
    line.set_script("client:wang", "answer after 9s")
    line.set_script("client:lin", "answer after 3s, hang up after 2s")
    line.set_script("+1202", "busy")

    call = await finished(line)

    assert [leg.status for leg in call.legs] == [CallStatus.CANCELED, CallStatus.COMPLETED, CallStatus.BUSY]
    assert hotline.to("/result")[0]["DialCallSid"] == call.legs[1].sid


async def test_a_recorded_conversation_is_told(hotline: Hotline, line: Line) -> None:
    hotline.will(
        VOICE,
        '<Dial action="/result" record="record-from-answer-dual" recordingStatusCallback="/recording">'
        "<Client>lin</Client></Dial>",
    )
    line.set_script("client:lin", "answer, hang up after 6s")

    call = await finished(line)

    (recording,), (result,) = hotline.to("/recording"), hotline.to("/result")
    assert (recording["RecordingSource"], recording["RecordingChannels"]) == ("DialVerb", "2")
    assert recording["RecordingSid"] == result["RecordingSid"] == the(call, SimEventKind.RECORDED).data["recording_sid"]
    assert 6 <= int(recording["RecordingDuration"]) < 60


async def test_nobody_to_dial_fails_at_once(hotline: Hotline, line: Line) -> None:
    hotline.will(VOICE, '<Dial action="/result"><Conference>room</Conference></Dial>')

    call = await finished(line)

    assert hotline.to("/result")[0]["DialCallStatus"] == "failed"
    assert [e.text for e in call.events if e.kind is SimEventKind.WARNING] == [
        "<Conference> in <Dial> is not simulated"
    ]


async def test_a_time_limit_ends_the_talk(hotline: Hotline, line: Line) -> None:
    hotline.will(VOICE, '<Dial action="/result" timeLimit="4"><Client>lin</Client></Dial>')

    call = await finished(line)

    assert the(call, SimEventKind.LEG_ENDED).data["reason"] == "time limit"
    assert 4 <= int(hotline.to("/result")[0]["DialCallDuration"]) < 60


# --- live agents


@pytest.fixture
async def live(hotline: Hotline) -> AsyncIterator[Line]:
    async with line_to(hotline, status_path="", default_agent="live") as line:
        yield line


async def ringing(line: Line) -> tuple[SimCall, str]:
    call = await line.call(CALLER, HOTLINE)
    leg_sid = (await call.wait_for(SimEventKind.LEG_RINGING)).leg_sid
    assert leg_sid is not None
    return call, leg_sid


async def test_a_live_agent_answers_and_hangs_up(hotline: Hotline, live: Line) -> None:
    call, leg = await ringing(live)

    await live.answer(leg)
    await call.wait_for(SimEventKind.LEG_ANSWERED)
    await live.hang_up(leg)
    await call.finished()

    assert hotline.to("/result")[0]["DialCallStatus"] == "completed"
    with pytest.raises(CallStateError):
        await live.answer(leg)
    with pytest.raises(CallStateError):
        await live.hang_up(leg)


async def test_a_live_agent_declines(hotline: Hotline, live: Line) -> None:
    call, leg = await ringing(live)

    await live.decline(leg)
    await call.finished()

    assert hotline.to("/result")[0]["DialCallStatus"] == "busy"


async def test_one_phone_cannot_be_answered_twice(live: Line) -> None:
    call, leg = await ringing(live)

    await live.answer(leg)
    with pytest.raises(CallStateError, match="answered just now"):
        await live.decline(leg)

    call.hang_up()
    await call.finished()


async def test_what_cannot_be_answered_is_refused(live: Line) -> None:
    call, _ = await ringing(live)

    with pytest.raises(CallStateError):
        await live.answer(call.sid)  # the caller's own leg
    with pytest.raises(KeyError):
        await live.answer("CA" + "0" * 32)
    call.hang_up()
    await call.finished()


async def test_waiting_for_what_never_happens_says_what_did(live: Line) -> None:
    call, _ = await ringing(live)

    with pytest.raises(NotHappened, match=r"0\.01 s went by after \[ringing, .*leg_ringing"):
        await call.wait_for(SimEventKind.LEG_ANSWERED, timeout=0.01)
    call.hang_up()
    await call.finished()
    with pytest.raises(NotHappened, match="the call was over"):
        await call.wait_for(SimEventKind.LEG_ANSWERED)


async def test_events_can_be_followed_to_the_end(line: Line) -> None:
    line.set_script("client:lin", "answer, hang up after 1s")

    call = await line.call(CALLER, HOTLINE)
    followed = [event async for event in call.follow()]

    assert followed == list(call.events)
    assert [e.kind for e in followed if e.kind.startswith("leg_")] == [
        SimEventKind.LEG_RINGING,
        SimEventKind.LEG_ANSWERED,
        SimEventKind.LEG_ENDED,
    ]
    assert [e.seconds for e in followed] == sorted(e.seconds for e in followed)


@pytest.mark.parametrize(
    ("script", "answered_by"),
    [("answer, hang up after 10s", "human"), ("machine answers after 1s, hang up after 10s", "machine_start")],
)
async def test_who_answered_is_told_beside_the_conversation(
    hotline: Hotline, line: Line, script: str, answered_by: str
) -> None:
    number = '<Number machineDetection="Enable" amdStatusCallback="/machine">+12025550111</Number>'
    hotline.will(VOICE, f'<Dial action="/result">{number}</Dial>')
    hotline.will("/machine", "")
    line.set_script("+12025550111", script)

    call = await finished(line)

    (told,) = hotline.to("/machine")
    assert told.signed
    assert (told["CallSid"], told["AnsweredBy"]) == (call.legs[0].sid, answered_by)
    assert int(told["MachineDetectionDuration"]) > 0
    assert [event.text for event in call.events if event.kind is SimEventKind.WARNING] == []


async def test_a_number_that_is_not_in_service_is_told_by_its_code(hotline: Hotline, line: Line) -> None:
    number = f'<Number statusCallback="{STATUS}">+12025550111</Number>'
    hotline.will(VOICE, f'<Dial action="/result">{number}</Dial>')
    line.set_script("+12025550111", "not in service")

    await finished(line)

    (told,) = hotline.to(STATUS)
    assert (told["CallStatus"], told["SipResponseCode"]) == ("failed", "404")
    assert hotline.to("/result")[0]["DialCallStatus"] == "failed"
