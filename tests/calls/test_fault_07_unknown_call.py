"""The carrier speaks of a call that nobody has heard of: it is kept, and joined up should the call turn up."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from tests.calls.carrier import CALLER, Pairs, call_sid, leg_status, said_at, status, verbs, voice
from tests.calls.conftest import Hotline
from tests.factories import make_agent

EARLIER = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)


@pytest.mark.parametrize("said", ["ringing", "in-progress", "completed", "no-answer", "failed"])
async def test_fault_07_a_status_for_an_unknown_call_is_taken_and_kept(standing: Hotline, said: str) -> None:
    sid = call_sid()

    await standing.wire.tell(status(sid, said, 0))

    kept = await standing.rows("SELECT params FROM carrier_events WHERE provider_call_id = :sid", sid=sid)
    assert [row["params"]["CallStatus"] for row in kept] == [said]
    stub = await standing.call_row(sid)
    assert (stub["is_stub"], stub["from_raw"], stub["queue_id"]) == (True, CALLER, None)
    assert (stub["ended_at"] is not None) == (said in ("completed", "no-answer", "failed"))


async def test_fault_07_a_word_that_nobody_knows_is_kept_too(standing: Hotline) -> None:
    sid = call_sid()

    await standing.wire.tell(status(sid, "in-limbo", 0))
    await standing.wire.tell(status(sid, "in-limbo", 0))

    kept = await standing.rows("SELECT params FROM carrier_events WHERE provider_call_id = :sid", sid=sid)
    assert [row["params"]["CallStatus"] for row in kept] == ["in-limbo"]
    assert await standing.rows("SELECT id FROM calls WHERE provider_call_id = :sid", sid=sid) == []


async def test_fault_07_a_leg_of_an_unknown_call_is_kept_with_it(standing: Hotline) -> None:
    async with standing.served.database.session_scope() as session:
        agent = await make_agent(session)
    sid, known, stranger = call_sid(), call_sid(), call_sid()

    await standing.wire.tell(leg_status(known, sid, agent.identity, "ringing", 1))
    await standing.wire.tell(leg_status(stranger, sid, "nobody-of-ours", "completed", 3, CallDuration="9"))

    legs = await standing.rows(
        "SELECT l.provider_call_id, l.agent_id, l.status FROM legs l JOIN calls c ON c.id = l.call_id "
        "WHERE c.provider_call_id = :sid AND c.is_stub ORDER BY l.offered_at, l.id",
        sid=sid,
    )
    assert {leg["provider_call_id"]: (leg["agent_id"], leg["status"]) for leg in legs} == {
        known: (agent.id, "ringing"),
        stranger: (None, "completed"),
    }


async def test_fault_07_the_call_turns_up_and_goes_on(hotline: Hotline) -> None:
    desk = await hotline.desk()
    sid = call_sid()
    await hotline.wire.tell(status(sid, "ringing", 0))
    stub = await hotline.call_row(sid)

    twiml = await hotline.wire.twiml("voice", voice(sid, CallerName="LU"))

    assert "Dial" in verbs(twiml)
    offered = await desk.until("call.offered")
    call = await hotline.call_row(sid)
    assert (call["id"], call["is_stub"], call["state"]) == (stub["id"], False, "ringing")
    assert offered["data"]["call_id"] == str(call["id"])
    assert (call["caller_name"], call["from_e164"], call["queue_id"]) == ("LU", CALLER, hotline.queue.id)
    await hotline.wire.tell(status(sid, "completed", 1))
    await desk.until("call.cleared", reason="caller_left")


async def test_fault_07_the_call_turns_up_when_it_is_over(hotline: Hotline) -> None:
    desk = await hotline.desk()
    sid = call_sid()
    await hotline.wire.tell(status(sid, "completed", 2, Timestamp=said_at(EARLIER)))

    first = await hotline.wire.twiml("voice", voice(sid))
    again = await hotline.wire.twiml("voice", voice(sid))
    later = await hotline.wire.twiml("wait", voice(sid, status="completed"))

    assert await desk.presence() == "available"
    assert [message["type"] for message in await desk.rest()] == []
    call = await hotline.call_row(sid)
    assert (call["is_stub"], call["state"], call["ended_at"]) == (False, "abandoned", EARLIER)
    assert (call["queued_at"], call["from_e164"]) == (None, CALLER)
    counts = await hotline.counts()
    assert (counts["calls"], counts["legs"]) == (1, 0)
    assert "Dial" not in verbs(first)
    assert again == first
    assert verbs(later) == ["Hangup"]


def messages(sid: str) -> list[tuple[str, Pairs]]:
    return [
        ("voice", voice(sid)),
        ("status", status(sid, "completed", 3, Timestamp=said_at(EARLIER))),
        (
            "voicemail",
            voice(
                sid,
                status="completed",
                RecordingSid="RE" + sid[2:],
                RecordingUrl="https://x.test/1",
                RecordingDuration="7",
            ),
        ),
        (
            "recording",
            [
                ("AccountSid", "AC" + "5" * 32),
                ("CallSid", sid),
                ("RecordingSid", "RE" + sid[2:]),
                ("RecordingUrl", "https://x.test/1"),
                ("RecordingDuration", "7"),
                ("RecordingSource", "RecordVerb"),
            ],
        ),
    ]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))), ids=lambda order: "".join(map(str, order)))
async def test_fault_07_a_message_left_in_an_unknown_call_is_found_whatever_came_first(
    standing: Hotline, order: tuple[int, ...]
) -> None:
    sid = call_sid()

    for number in order:
        route, form = messages(sid)[number]
        answer = await standing.wire.post(route, form)
        assert answer.status_code in (200, 204), answer.text

    call = await standing.call_row(sid)
    assert (call["is_stub"], call["state"], call["ended_at"]) == (False, "voicemail", EARLIER)
    assert (call["from_e164"], call["left_queue_at"] is None) == (CALLER, call["queued_at"] is None)
    recording = await standing.one("SELECT kind, url, seconds FROM recordings WHERE call_id = :id", id=call["id"])
    assert recording == {"kind": "voicemail", "url": "https://x.test/1", "seconds": 7}
