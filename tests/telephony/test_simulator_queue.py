"""Enqueue and Leave: waiting by the hotline's own instructions, and every way out."""

from app.telephony.simulator import Line, SimEventKind
from tests.telephony.simulated_hotline import CALLER, HOTLINE, VOICE, Hotline, finished, the, warnings

ENQUEUE = '<Enqueue action="/left" waitUrl="/wait">hotline</Enqueue><Say>after the queue</Say>'


async def test_waiting_is_by_the_wait_url_again_and_again(hotline: Hotline, line: Line) -> None:
    hotline.will(VOICE, ENQUEUE)
    hotline.will("/wait", '<Say>You are next</Say><Pause length="9"/>', '<Pause length="9"/>', "<Leave/>")
    hotline.will("/left", "<Say>Out</Say>")

    call = await finished(line)

    first, second, third = hotline.to("/wait")
    assert (first.signed, first["QueuePosition"], first["CurrentQueueSize"], first["QueueTime"]) == (
        True,
        "1",
        "1",
        "0",
    )
    assert first["QueueSid"].startswith("QU")
    assert int(second["QueueTime"]) >= 9
    assert int(third["QueueTime"]) >= 18
    (left,) = hotline.to("/left")
    assert (left["QueueResult"], left["QueueSid"]) == ("leave", first["QueueSid"])
    assert int(left["QueueTime"]) >= 18
    assert call.transcript.splitlines() == ["hotline (en-US): You are next", "hotline (en-US): Out"]


async def test_leaving_without_an_action_goes_on_after_the_queue(hotline: Hotline, line: Line) -> None:
    hotline.will(VOICE, ENQUEUE.replace(' action="/left"', ""))
    hotline.will("/wait", "<Leave/>")

    assert (await finished(line)).transcript == "hotline (en-US): after the queue"


async def test_keys_work_while_waiting(hotline: Hotline, line: Line) -> None:
    hotline.will(VOICE, ENQUEUE)
    hotline.will("/wait", '<Gather numDigits="1" action="/pressed" timeout="60"/>')
    hotline.will("/pressed", "<Say>We call you back</Say><Hangup/>")

    call = await finished(line, "press 1")

    assert hotline.to("/pressed")[0]["Digits"] == "1"
    assert call.transcript.splitlines()[-1] == "hotline (en-US): We call you back"
    assert hotline.to("/left")[0]["QueueResult"] == "hangup"


async def test_hanging_up_leaves_the_queue(hotline: Hotline, line: Line) -> None:
    hotline.will(VOICE, ENQUEUE)
    hotline.will("/wait", '<Pause length="5"/>')

    call = await finished(line, "hang up after 12s")

    (left,) = hotline.to("/left")
    assert (left["QueueResult"], left["CallStatus"]) == ("hangup", "completed")
    assert the(call, SimEventKind.LEFT_QUEUE).data["result"] == "hangup"


async def test_places_are_counted(hotline: Hotline, line: Line) -> None:
    hotline.will(VOICE, ENQUEUE.replace("/wait", "/silence"))
    hotline.will("/silence", '<Pause length="600"/>')

    first = await line.call(CALLER, HOTLINE)
    await first.wait_for(SimEventKind.PAUSED)
    second = await line.call("+8613900000000", HOTLINE)
    await second.wait_for(SimEventKind.PAUSED)

    assert [request["QueuePosition"] for request in hotline.to("/silence")] == ["1", "2"]
    first.hang_up()
    await first.finished()
    third = await line.call("+8613900000001", HOTLINE)
    await third.wait_for(SimEventKind.PAUSED)
    assert hotline.to("/silence")[-1]["QueuePosition"] == "2"
    assert hotline.to("/silence")[-1]["CurrentQueueSize"] == "2"


async def test_what_is_not_for_waiting_is_passed_over(hotline: Hotline, line: Line) -> None:
    hotline.will(VOICE, ENQUEUE)
    hotline.will("/wait", "<Dial>+12025550111</Dial><Leave/>")
    hotline.will("/left", "<Hangup/>")

    call = await finished(line)

    assert warnings(call) == ["12200: <Dial> is not allowed here"]


async def test_wait_instructions_that_fail_lead_to_the_fallback(hotline: Hotline, line: Line) -> None:
    hotline.will(VOICE, ENQUEUE)
    hotline.will("/wait", "<Broken")
    hotline.will("/telephony/twilio/fallback", "<Say>Leave a message</Say><Record maxLength='5' action='/done'/>")
    hotline.will("/done", "<Hangup/>")

    call = await finished(line)

    assert hotline.to("/telephony/twilio/fallback")[0]["ErrorUrl"].endswith("/wait")
    assert call.transcript == "hotline (en-US): Leave a message"
    assert len(hotline.to("/done")) == 1
