"""The knobs: what goes wrong on purpose goes wrong just so, and the same way for the same seed."""

import pytest

from app.telephony.simulator import CallStatus, Pace, Signature, SimCall, SimEventKind, Trouble
from tests.telephony.simulated_hotline import CALLER, HOTLINE, STATUS, VOICE, Hotline, line_to

DIAL = (
    f'<Dial><Client statusCallback="{STATUS}" statusCallbackEvent="initiated ringing answered completed">lin</Client>'
    "</Dial>"
)


@pytest.fixture
def hotline(hotline: Hotline) -> Hotline:
    hotline.will(VOICE, DIAL)
    return hotline


async def call_with(hotline: Hotline, trouble: Trouble, script: str = "", speed: float = 50) -> SimCall:
    agent = "answer after 1s, hang up after 1s"
    async with line_to(hotline, default_agent=agent, trouble=trouble, clock=Pace(speed)) as line:
        call = await line.call(CALLER, HOTLINE, script=script)
        await call.finished()
        return call


def sequences(hotline: Hotline, call: SimCall) -> list[str]:
    return [told["SequenceNumber"] for told in hotline.to(STATUS) if told["CallSid"] == call.legs[0].sid]


async def test_webhooks_come_several_times_at_once(hotline: Hotline) -> None:
    call = await call_with(hotline, Trouble(webhook_copies=5))

    copies = hotline.to(VOICE)
    assert len(copies) == 5
    assert len({request.headers["i-twilio-idempotency-token"] for request in copies}) == 1
    assert len({request.headers["x-twilio-signature"] for request in copies}) == 1
    assert all(request.pairs == copies[0].pairs for request in copies)
    kinds = [event.kind for event in call.events]
    last_sent = max(n for n, e in enumerate(call.events) if e.kind is SimEventKind.REQUEST_SENT and VOICE in e.text)
    assert kinds.index(SimEventKind.RESPONSE_RECEIVED) > last_sent  # at once: all were sent before the first answer
    assert kinds.count(SimEventKind.TWIML_RECEIVED) == 1
    assert len(call.legs) == 1


async def test_status_callbacks_come_twice(hotline: Hotline) -> None:
    call = await call_with(hotline, Trouble(status_copies=2))

    assert sequences(hotline, call) == ["0", "0", "1", "1", "2", "2", "3", "3"]


async def test_status_callbacks_come_in_another_order(hotline: Hotline) -> None:
    call = await call_with(hotline, Trouble(status_shuffle=5, seed=1))

    assert sorted(sequences(hotline, call)) == ["0", "1", "2", "3"]
    assert sequences(hotline, call) != ["0", "1", "2", "3"]


async def test_status_callbacks_overtake_each_other(hotline: Hotline) -> None:
    call = await call_with(hotline, Trouble(status_delay=20.0, seed=3))

    assert sorted(sequences(hotline, call)) == ["0", "1", "2", "3"]
    assert sequences(hotline, call) != ["0", "1", "2", "3"]


async def test_status_callbacks_are_lost_but_counted(hotline: Hotline) -> None:
    call = await call_with(hotline, Trouble(status_drop=0.5, seed=2))

    lost = [str(e.data["sequence"]) for e in call.events if e.kind is SimEventKind.TROUBLE and e.leg_sid]
    assert lost
    assert sorted(lost + sequences(hotline, call)) == ["0", "1", "2", "3"]


async def test_all_status_callbacks_can_be_lost(hotline: Hotline) -> None:
    await call_with(hotline, Trouble(status_drop=1.0))

    assert hotline.to(STATUS) == []


async def test_the_same_seed_makes_the_same_trouble(hotline: Hotline) -> None:
    trouble = Trouble(status_shuffle=5, status_drop=0.3, seed=7)
    orders = []
    for _ in range(2):
        hotline.requests.clear()
        call = await call_with(hotline, trouble)
        orders.append(sequences(hotline, call))

    assert orders[0] == orders[1]


@pytest.mark.parametrize("signature", [Signature.WRONG, Signature.MISSING])
async def test_requests_are_signed_wrong_or_not_at_all(hotline: Hotline, signature: Signature) -> None:
    await call_with(hotline, Trouble(signature=signature))

    assert hotline.requests
    assert not any(request.signed for request in hotline.requests)
    assert all(("x-twilio-signature" in r.headers) is (signature is Signature.WRONG) for r in hotline.requests)


async def test_forwarded_headers_are_spoofed(hotline: Hotline) -> None:
    await call_with(hotline, Trouble(spoof_forwarded=True))

    request = hotline.to(VOICE)[0]
    assert request.signed  # the signature is still of the public URL
    assert request.headers["x-forwarded-host"] == "attacker.example"
    assert "attacker.example" in request.headers["forwarded"]


async def test_more_parameters_are_sent_and_signed(hotline: Hotline) -> None:
    extra = (("Extra", ""), ("Extra", "鲁 & 先生"), ("Extra", "2"), *((f"Many{n}", str(n)) for n in range(300)))

    await call_with(hotline, Trouble(extra_params=extra))

    assert all(request.signed for request in hotline.requests)
    assert [value for name, value in hotline.to(VOICE)[0].pairs if name == "Extra"] == ["", "鲁 & 先生", "2"]


@pytest.mark.parametrize("kind", [SimEventKind.RINGING, SimEventKind.DIALLED, SimEventKind.LEG_RINGING])
async def test_the_caller_hangs_up_when_something_happens(hotline: Hotline, kind: SimEventKind) -> None:
    call = await call_with(hotline, Trouble(hang_up_on=kind))

    kinds = [event.kind for event in call.events]
    assert kinds.index(kind) < kinds.index(SimEventKind.ENDED)
    assert SimEventKind.LEG_ANSWERED not in kinds
    assert [told["CallStatus"] for told in hotline.to(STATUS) if told["CallSid"] == call.sid] == [call.status]


async def test_the_caller_can_hang_up_at_any_point(hotline: Hotline) -> None:
    hotline.will(
        VOICE,
        '<Gather numDigits="1" action="/menu"><Say>Press 1</Say></Gather><Hangup/>',
    )
    hotline.will("/menu", f'<Dial action="/result" timeout="3">{DIAL.removeprefix("<Dial>")}')
    hotline.will("/result", '<Record maxLength="3" action="/done"/>')
    hotline.will("/done", "<Say>Goodbye</Say>")
    whole = len((await call_with(hotline, Trouble(), "press 1", speed=250)).events)
    assert whole > 30  # that is how much there is to interrupt

    for point in range(1, whole):
        hotline.requests.clear()
        call = await call_with(hotline, Trouble(hang_up_after=point), "press 1", speed=250)

        assert call.ended
        assert [e.kind for e in call.events].count(SimEventKind.ENDED) == 1
        assert all(leg.ended for leg in call.legs)
        told = [told for told in hotline.to(STATUS) if told["CallSid"] == call.sid]
        assert [t["CallStatus"] for t in told] == [call.status]
        for leg in call.legs:
            ends = [t for t in hotline.to(STATUS) if t["CallSid"] == leg.sid and "CallDuration" in dict(t.pairs)]
            assert [t["CallStatus"] for t in ends] == [leg.status]


async def test_trouble_is_for_one_call_where_it_is_given_to_one(hotline: Hotline) -> None:
    async with line_to(hotline, default_agent="busy") as line:
        await (await line.call(CALLER, HOTLINE, trouble=Trouble(signature=Signature.WRONG))).finished()
        call = await line.call(CALLER, HOTLINE)
        await call.finished()

    assert [request.signed for request in hotline.to(VOICE)] == [False, True]
    assert call.status is CallStatus.COMPLETED


@pytest.mark.parametrize("settings", [{"webhook_copies": 0}, {"status_copies": 0}, {"status_drop": 1.5}])
def test_knobs_that_make_no_sense_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="status_drop"):
        Trouble(**settings)  # type: ignore[arg-type]  # one of several types
