"""Our Twilio adapter and the simulated Twilio, written apart, understand each other over the wire."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from app.domain.call_states import CarrierStatus
from app.telephony.port import (
    Answer,
    CallbackPromised,
    CarrierBusy,
    CarrierRefused,
    CarrierUnknown,
    DialRequest,
    ForwardCall,
    HangUp,
    RingAgent,
    RingCustomer,
    TakeVoicemail,
    VoicemailReason,
    Wait,
)
from app.telephony.simulator import Line, RestFault, RestProblem, SimEventKind, Trouble, serve_rest
from app.telephony.twilio import TwilioCarrier
from app.telephony.twiml import Links, render, safe_answer
from tests.telephony.simulated_hotline import (
    ACCOUNT_SID,
    AUTH_TOKEN,
    CALLER,
    HOTLINE,
    PUBLIC_URL,
    VOICE,
    Hotline,
)

DIAL = DialRequest(
    to=CALLER, from_=HOTLINE, url=f"{PUBLIC_URL}/outbound", status_url=f"{PUBLIC_URL}/progress", ring_seconds=5
)


@pytest.fixture
async def carrier(line: Line) -> AsyncIterator[TwilioCarrier]:
    async with serve_rest(line) as url:
        carrier = TwilioCarrier(account_sid=ACCOUNT_SID, auth_token=AUTH_TOKEN, api_base_url=url, timeout=0.6)
        yield carrier
        await carrier.aclose()


async def test_a_call_is_dialled_looked_up_redirected_and_ended(
    hotline: Hotline, line: Line, carrier: TwilioCarrier
) -> None:
    hotline.will("/outbound", '<Pause length="600"/>')
    hotline.will("/elsewhere", '<Say>Elsewhere</Say><Pause length="600"/>')
    before = datetime.now(UTC)

    placed = await carrier.dial(DIAL)
    call = line.find(placed.call_id)
    assert (placed.to, placed.from_, placed.status) == (CALLER, HOTLINE, CarrierStatus.QUEUED)
    await call.wait_for(SimEventKind.PAUSED)
    assert (await carrier.fetch(call.sid)).status is CarrierStatus.IN_PROGRESS
    await carrier.redirect(call.sid, f"{PUBLIC_URL}/elsewhere")
    await call.wait_for(SimEventKind.SAID)
    await carrier.hang_up(call.sid)
    await call.finished()
    await carrier.hang_up(call.sid)  # ended already: no error

    assert [c.call_id for c in await carrier.list_calls(to=CALLER, started_after=before)] == [call.sid]
    assert await carrier.list_calls(to=CALLER, started_after=before + timedelta(hours=1)) == []
    assert [told["CallStatus"] for told in hotline.to("/progress")] == [
        "initiated",
        "ringing",
        "in-progress",
        "completed",
    ]
    with pytest.raises(CarrierRefused) as refused:
        await carrier.redirect(call.sid, f"{PUBLIC_URL}/elsewhere")
    assert refused.value.code == "21220"


async def test_trouble_is_understood(line: Line, carrier: TwilioCarrier) -> None:
    line.set_script(CALLER, "busy")
    before = datetime.now(UTC)
    line.trouble = Trouble(
        rest_faults=(
            RestFault(RestProblem.TOO_MANY_REQUESTS, retry_after=7),
            RestFault(RestProblem.UNAVAILABLE),
            RestFault(RestProblem.NO_ANSWER, carried_out=True),
        )
    )

    with pytest.raises(CarrierBusy) as busy:
        await carrier.dial(DIAL)
    assert busy.value.retry_after == 7
    with pytest.raises(CarrierUnknown):
        await carrier.dial(DIAL)
    assert await carrier.list_calls(to=CALLER, started_after=before) == []
    with pytest.raises(CarrierUnknown):
        await carrier.dial(DIAL)
    assert len(await carrier.list_calls(to=CALLER, started_after=before)) == 1


ATTEMPT = UUID("01930000-0000-7000-8000-00000000000a")
VOICEMAIL = TakeVoicemail("zh-CN", VoicemailReason.NOBODY, offer_callback=True)


@pytest.mark.parametrize(
    "twiml",
    [
        pytest.param(render(answer, Links(PUBLIC_URL)), id=type(answer).__name__)
        for answer in (
            RingAgent("lin", 20, "zh-CN", greeting="鲁先生您好", record=True, caller_id=CALLER),
            Wait("en", 2, 8, greeting="Hello"),
            VOICEMAIL,
            CallbackPromised("en"),
            ForwardCall("+12025550111", "en", caller_id=HOTLINE),
            HangUp("zh-CN", message_kept=True),
            RingCustomer("+12025550111", HOTLINE, 20, ATTEMPT, detect_machine=True),
        )
    ]
    + [pytest.param(safe_answer(Links(PUBLIC_URL), "+12025550111"), id="safe_answer")],
)
async def test_everything_we_answer_is_twiml_that_is_known(hotline: Hotline, line: Line, twiml: str) -> None:
    goodbye = render(HangUp("en"), Links(PUBLIC_URL))
    hotline.will(VOICE, twiml)
    for route in ("dial-result", "wait", "voicemail", "outbound-result"):
        hotline.will(f"/telephony/twilio/{route}", goodbye)
    line.set_script("client:lin", "answer after 1s, hang up after 4s")
    line.set_script("+12025550111", "no answer")

    call = await line.call(CALLER, HOTLINE)
    ended = await call.finished()

    assert [event.text for event in call.events if event.kind is SimEventKind.WARNING] == []
    assert call.journal.find(SimEventKind.FALLBACK) is None
    assert ended.data["status"] == "completed"
    assert all(request.signed for request in hotline.requests)


def test_every_kind_of_answer_is_tried() -> None:
    assert len(Answer.__args__) == 7
