"""What goes over the wire to the service: signed forms, the right addresses, and what happens when no answer comes."""

import asyncio
import re
from email.utils import parsedate_to_datetime

import pytest
from starlette.responses import RedirectResponse, Response
from twilio.request_validator import RequestValidator

from app.telephony.simulator import CallStatus, Line, SimCall, SimEventKind
from tests.telephony.simulated_hotline import (
    ACCOUNT_SID,
    AUTH_TOKEN,
    CALLER,
    FALLBACK,
    HOTLINE,
    PUBLIC_URL,
    STATUS,
    VOICE,
    Hotline,
    Received,
    line_to,
    twiml,
)


async def finished(line: Line, from_: str = CALLER, *, caller_name: str | None = None) -> SimCall:
    call = await line.call(from_, HOTLINE, caller_name=caller_name)
    await call.finished()
    return call


async def test_a_call_arrives_as_twilio_sends_it(hotline: Hotline, line: Line) -> None:
    hotline.will(VOICE, "<Hangup/>")

    call = await finished(line, caller_name="鲁先生 <b>&</b> 😀")

    (request,) = hotline.to(VOICE)
    assert request.method == "POST"
    assert request.signed
    assert re.fullmatch("CA[0-9a-f]{32}", request["CallSid"])
    assert request["CallSid"] == call.sid
    assert {
        name: request[name]
        for name in "AccountSid ApiVersion From Caller To Called Direction CallStatus FromCountry ToCountry".split()
    } == {
        "AccountSid": ACCOUNT_SID,
        "ApiVersion": "2010-04-01",
        "From": CALLER,
        "Caller": CALLER,
        "To": HOTLINE,
        "Called": HOTLINE,
        "Direction": "inbound",
        "CallStatus": "ringing",
        "FromCountry": "CN",
        "ToCountry": "US",
    }
    assert request["FromCity"] == ""
    assert request["CallerName"] == "鲁先生 <b>&</b> 😀"
    assert request.headers["host"] == "hotline.example"
    assert request.headers["user-agent"] == "TwilioProxy/1.1"
    assert request.headers["content-type"] == "application/x-www-form-urlencoded; charset=utf-8"
    assert request.headers["i-twilio-idempotency-token"]


@pytest.mark.parametrize("from_", ["", "anonymous", "+266696687", "sip:lu@example.com", "95588"])
async def test_any_caller_can_call(hotline: Hotline, line: Line, from_: str) -> None:
    hotline.will(VOICE, "<Hangup/>")

    call = await finished(line, from_)

    assert [(request["From"], request.signed) for request in hotline.requests] == [(from_, True), (from_, True)]
    assert call.status is CallStatus.COMPLETED


async def test_the_end_of_a_call_is_told(hotline: Hotline, line: Line) -> None:
    hotline.will(VOICE, '<Pause length="4"/>')

    call = await finished(line)

    (told,) = hotline.to(STATUS)
    assert told.signed
    assert (told["CallSid"], told["CallStatus"], told["SequenceNumber"]) == (call.sid, "completed", "0")
    assert told["CallbackSource"] == "call-progress-events"
    assert (told["CallDuration"], told["Duration"]) == ("0", "0")  # it was never picked up but for the hanging up
    assert parsedate_to_datetime(told["Timestamp"]).tzinfo is not None


async def test_relative_addresses_are_those_of_the_document(hotline: Hotline, line: Line) -> None:
    hotline.will(VOICE, "<Redirect>menu/first?a=1&amp;b=</Redirect>")
    hotline.will("/telephony/twilio/menu/first", '<Redirect method="GET">/second?c=%2B1</Redirect>')
    hotline.will("/second", "<Hangup/>")

    call = await finished(line)

    requests = [request for request in hotline.requests if request.path != STATUS]
    assert [(request.method, request.path, request.signed) for request in requests] == [
        ("POST", VOICE, True),
        ("POST", "/telephony/twilio/menu/first", True),
        ("GET", "/second", True),
    ]
    assert requests[2]["CallSid"] == call.sid  # a GET has them in its query
    assert requests[2]["c"] == "+1"
    assert len({request.headers["i-twilio-idempotency-token"] for request in requests}) == 3


async def test_http_redirects_are_followed_and_signed_anew(hotline: Hotline, line: Line) -> None:
    hotline.will(VOICE, RedirectResponse("/moved", 307))
    hotline.will("/moved", RedirectResponse(f"{PUBLIC_URL}/there", 302))
    hotline.will("/there", "<Hangup/>")

    call = await finished(line)

    assert [(r.method, r.path, r.signed) for r in hotline.requests[:3]] == [
        ("POST", VOICE, True),
        ("POST", "/moved", True),
        ("GET", "/there", True),
    ]
    assert call.status is CallStatus.COMPLETED


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Response(status_code=500), "11200"),
        (Response("no", 403, media_type="application/xml"), "11200"),
        (RedirectResponse(VOICE, 307), "11215"),
        (twiml("<Response><Say>AT&T</Say></Response>"), "12100"),
        (twiml("<?xml version='1.0'?><html/>"), "12102"),
        (Response('{"a": 1}', media_type="application/json"), "12300"),
        (twiml(f"<Say>{'x' * 70_000}</Say>"), "11750"),
    ],
)
async def test_a_bad_answer_goes_to_the_fallback(hotline: Hotline, line: Line, answer: Response, code: str) -> None:
    hotline.will(VOICE, answer)
    hotline.will(FALLBACK, "<Say>One moment</Say>")

    call = await finished(line)

    (request,) = hotline.to(FALLBACK)
    assert request.signed
    assert (request["ErrorCode"], request["ErrorUrl"], request["CallSid"]) == (code, PUBLIC_URL + VOICE, call.sid)
    assert call.transcript == "hotline (en-US): One moment"


async def test_no_answer_in_time_goes_to_the_fallback(hotline: Hotline) -> None:
    release = asyncio.Event()

    async def slow(_: Received) -> Response:
        await release.wait()
        return twiml("<Say>Too late</Say>")

    hotline.will(VOICE, slow)
    hotline.will(FALLBACK, "<Say>One moment</Say>")
    async with line_to(hotline, webhook_timeout=0.3) as line:
        call = await finished(line)
    release.set()

    assert hotline.to(FALLBACK)[0]["ErrorCode"] == "11200"
    assert call.transcript == "hotline (en-US): One moment"


async def test_no_connection_and_no_fallback_either_drops_the_call(hotline: Hotline) -> None:
    async with line_to(hotline, connect_url="http://127.0.0.1:9") as line:
        call = await finished(line)

    fallback = call.journal.find(SimEventKind.FALLBACK)
    assert fallback is not None
    assert fallback.data["error_code"] == "11205"
    assert "application error" in call.transcript
    ended = call.journal.find(SimEventKind.ENDED)
    assert ended is not None
    assert (ended.data["reason"], ended.data["status"]) == ("application error", "completed")
    assert any("the fallback failed too" in event.text for event in call.events)


async def test_a_number_without_fallback_drops_the_call(hotline: Hotline) -> None:
    hotline.will(VOICE, Response(status_code=500))
    async with line_to(hotline, fallback_path="") as line:
        call = await finished(line)

    assert hotline.to(FALLBACK) == []
    assert "application error" in call.transcript


@pytest.mark.parametrize("url", ["http://[broken", "menu: first", "mailto:lu@example.com", "http://\u00fc\ud800/"])
async def test_what_is_no_url_goes_to_the_fallback(hotline: Hotline, line: Line, url: str) -> None:
    hotline.will(
        VOICE,
        Response(f"<Response><Redirect>{url}</Redirect></Response>".encode(errors="replace"), media_type="text/xml"),
    )
    hotline.will(FALLBACK, "<Say>One moment</Say>")

    call = await finished(line)

    assert [request["ErrorCode"] for request in hotline.to(FALLBACK)] == ["11100"]
    assert call.transcript == "hotline (en-US): One moment"


async def test_an_unknown_charset_is_read_as_utf_8(hotline: Hotline, line: Line) -> None:
    answer = Response("<Response><Say>鲁先生</Say></Response>", headers={"Content-Type": "text/xml; charset=klingon"})
    hotline.will(VOICE, answer)

    assert (await finished(line)).transcript == "hotline (en-US): 鲁先生"


async def test_an_answer_in_words_is_said(hotline: Hotline, line: Line) -> None:
    hotline.will(VOICE, Response("Call again tomorrow", media_type="text/plain"))

    assert (await finished(line)).transcript == "hotline (en-US): Call again tomorrow"


async def test_documents_that_go_round_in_circles_are_cut(hotline: Hotline, line: Line) -> None:
    hotline.will(VOICE, f"<Redirect>{VOICE}</Redirect>")

    call = await finished(line)

    assert len(hotline.to(VOICE)) == 50
    assert any("goes round in circles" in event.text for event in call.events)


async def test_a_hang_up_while_the_service_thinks_is_told_and_the_request_ends_in_peace(
    hotline: Hotline, line: Line
) -> None:
    release = asyncio.Event()
    answered = asyncio.Event()

    async def thinking(_: Received) -> Response:
        await release.wait()
        answered.set()
        return twiml("<Say>Hello?</Say>")

    hotline.will(VOICE, thinking)
    call = await line.call(CALLER, HOTLINE)
    await call.wait_for(SimEventKind.REQUEST_SENT)
    call.hang_up()
    await call.wait_for(SimEventKind.ENDED)
    release.set()
    ended = await call.finished()

    assert answered.is_set()
    assert ended.data["status"] is CallStatus.NO_ANSWER
    assert call.transcript == ""
    assert [told["CallStatus"] for told in hotline.to(STATUS)] == ["no-answer"]
    assert "CallDuration" in dict(hotline.to(STATUS)[0].pairs)


async def test_the_public_url_is_signed_whatever_is_connected_to(hotline: Hotline) -> None:
    public = "https://Other.example:8443"
    async with line_to(hotline, public_url=f"{public}/", status_path="") as line:
        hotline.will(VOICE, "<Hangup/>")
        await finished(line)

    (request,) = hotline.requests
    assert not request.signed  # the hotline checks against its own public URL
    assert request.headers["host"] == "Other.example:8443"
    assert RequestValidator(AUTH_TOKEN).validate(
        public + VOICE, dict(request.pairs), request.headers["x-twilio-signature"]
    )


async def test_closing_the_line_cuts_whatever_goes_on(hotline: Hotline) -> None:
    hotline.will(VOICE, "<Dial><Client>lin</Client></Dial>")
    async with line_to(hotline, default_agent="live") as line:
        call = await line.call(CALLER, HOTLINE)
        await call.wait_for(SimEventKind.LEG_RINGING)

    assert call.journal.closed
    assert not call.ended
