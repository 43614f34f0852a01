"""The REST subset: creating, changing and listing calls, as Twilio's published description has it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

import pytest

from app.telephony.simulator import Line, RestFault, RestProblem, SimEventKind, Trouble
from tests.telephony.contract import check_request, check_response, requires_contract
from tests.telephony.simulated_api import CALLS, CREATE, Api, path_of, ringing
from tests.telephony.simulated_hotline import CALLER, HOTLINE, PUBLIC_URL, VOICE, Hotline, line_to


@pytest.fixture
def hotline(hotline: Hotline) -> Hotline:
    hotline.will("/outbound", "<Say>This is your callback</Say>")
    return hotline


@pytest.fixture
async def line(hotline: Hotline) -> AsyncIterator[Line]:
    async with line_to(hotline, api_keys={"SK" + "1" * 32: "key secret"}) as line:
        yield line


# --- creating


async def test_a_call_is_placed_and_follows_its_url(hotline: Hotline, line: Line, api: Api) -> None:
    line.set_script(CALLER, "answer after 3s")
    events = [("StatusCallbackEvent", event) for event in ("initiated", "ringing", "answered", "completed")]

    created = await api.post(CALLS, [*CREATE, ("StatusCallback", f"{PUBLIC_URL}/progress"), *events])

    assert created.status_code == 201
    body = created.json()
    assert (body["status"], body["to"], body["from"], body["direction"]) == ("queued", CALLER, HOTLINE, "outbound-api")
    call = line.find(body["sid"])
    await call.finished()
    (outbound,) = hotline.to("/outbound")
    assert outbound.signed
    assert (outbound["CallStatus"], outbound["Direction"], outbound["CallSid"]) == (
        "in-progress",
        "outbound-api",
        call.sid,
    )
    assert [(t["CallStatus"], t["SequenceNumber"], t.signed) for t in hotline.to("/progress")] == [
        ("initiated", "0", True),
        ("ringing", "1", True),
        ("in-progress", "2", True),
        ("completed", "3", True),
    ]
    fetched = (await api.get(path_of(call.sid))).json()
    assert (fetched["status"], fetched["start_time"] is None, fetched["end_time"] is None) == (
        "completed",
        False,
        False,
    )
    assert int(fetched["duration"]) >= 1


async def test_only_the_end_is_told_unless_more_is_asked_for(hotline: Hotline, line: Line, api: Api) -> None:
    created = await api.post(CALLS, [*CREATE, ("StatusCallback", f"{PUBLIC_URL}/progress")])
    await line.find(created.json()["sid"]).finished()

    assert [t["CallStatus"] for t in hotline.to("/progress")] == ["completed"]


@pytest.mark.parametrize(
    ("script", "ring_seconds", "status"),
    [
        ("busy", "60", "busy"),
        ("no answer", "5", "no-answer"),
        ("unreachable", "60", "failed"),
        ("decline", "60", "busy"),
    ],
)
async def test_a_call_that_is_not_answered(
    hotline: Hotline, line: Line, api: Api, script: str, ring_seconds: str, status: str
) -> None:
    line.set_script("client:lin", script)
    form = [("To", "client:lin"), *CREATE[1:], ("Timeout", ring_seconds), ("StatusCallback", f"{PUBLIC_URL}/progress")]

    created = await api.post(CALLS, form)
    await line.find(created.json()["sid"]).finished()

    assert hotline.to("/outbound") == []
    assert [t["CallStatus"] for t in hotline.to("/progress")] == [status]
    fetched = (await api.get(path_of(created.json()["sid"]))).json()
    assert (fetched["status"], fetched["duration"]) == (status, None)


async def test_instructions_can_come_with_the_request(line: Line, api: Api) -> None:
    form = [*CREATE[:2], ("Twiml", "<Response><Say>Hello</Say></Response>"), ("MachineDetection", "Enable")]

    created = await api.post(CALLS, form)
    call = line.find(created.json()["sid"])
    await call.finished()

    assert call.transcript == "hotline (en-US): Hello"
    assert (await api.get(path_of(call.sid))).json()["answered_by"] == "human"


async def test_the_callee_acts_by_their_script(hotline: Hotline, line: Line, api: Api) -> None:
    hotline.will("/outbound", '<Gather numDigits="1" action="/menu"><Say>Does it work?</Say></Gather>')
    hotline.will("/menu", "<Hangup/>")
    line.set_script(CALLER, "answer after 1s, press 1")

    created = await api.post(CALLS, CREATE)
    await line.find(created.json()["sid"]).finished()

    assert hotline.to("/menu")[0]["Digits"] == "1"


async def test_a_url_that_fails_goes_to_the_fallback_of_the_request(hotline: Hotline, line: Line, api: Api) -> None:
    hotline.will("/outbound", "<Broken")
    hotline.will("/other", "<Say>Sorry</Say>")

    created = await api.post(CALLS, [*CREATE, ("FallbackUrl", f"{PUBLIC_URL}/other")])
    call = line.find(created.json()["sid"])
    await call.finished()

    assert hotline.to("/other")[0]["ErrorCode"] == "12100"
    assert call.transcript == "hotline (en-US): Sorry"


# --- changing


async def test_a_live_call_is_redirected(hotline: Hotline, line: Line, api: Api) -> None:
    sid, leg_sid = await ringing(line, hotline)
    hotline.will("/elsewhere", "<Say>Elsewhere</Say>")

    updated = await api.post(path_of(sid), [("Url", f"{PUBLIC_URL}/elsewhere"), ("Method", "POST")])
    call = line.find(sid)
    await call.finished()

    assert (updated.status_code, updated.json()["status"]) == (200, "in-progress")
    assert call.transcript == "hotline (en-US): Elsewhere"
    assert line.find(leg_sid).status == "canceled"
    assert hotline.to("/result") == []


async def test_a_redirect_takes_a_caller_out_of_the_queue(hotline: Hotline, line: Line, api: Api) -> None:
    hotline.will(VOICE, '<Enqueue waitUrl="/wait" action="/left">hotline</Enqueue>')
    hotline.will("/wait", '<Pause length="600"/>')
    call = await line.call(CALLER, HOTLINE)
    await call.wait_for(SimEventKind.PAUSED)

    await api.post(path_of(call.sid), [("Twiml", "<Response><Say>Your turn</Say></Response>")])
    await call.finished()

    assert hotline.to("/left")[0]["QueueResult"] == "redirected"
    assert call.transcript == "hotline (en-US): Your turn"


async def test_a_redirected_leg_goes_its_own_way(hotline: Hotline, line: Line, api: Api) -> None:
    sid, leg_sid = await ringing(line, hotline)
    assert (await api.post(path_of(leg_sid), [("Url", f"{PUBLIC_URL}/away")])).json()["code"] == 21220  # not answered
    hotline.will("/away", "<Say>You are alone now</Say>")
    await line.answer(leg_sid)
    await line.find(sid).wait_for(SimEventKind.LEG_ANSWERED)

    assert (await api.post(path_of(leg_sid), [("Url", f"{PUBLIC_URL}/away")])).status_code == 200
    await line.find(sid).finished()

    assert hotline.to("/away")[0]["CallSid"] == leg_sid
    assert hotline.to("/result")[0]["DialCallStatus"] == "completed"
    assert line.find(leg_sid).status == "completed"


async def test_a_live_call_is_ended(hotline: Hotline, line: Line, api: Api) -> None:
    sid, leg_sid = await ringing(line, hotline)

    untouched = await api.post(path_of(sid), [("Status", "canceled")])  # only what is not in progress is canceled
    ended = await api.post(path_of(sid), [("Status", "completed")])
    again = await api.post(path_of(sid), [("Status", "completed")])
    redirected = await api.post(path_of(sid), [("Url", f"{PUBLIC_URL}/elsewhere")])
    await line.find(sid).finished()

    assert [r.json()["status"] for r in (untouched, ended, again)] == ["in-progress", "completed", "completed"]
    assert (redirected.status_code, redirected.json()["code"]) == (400, 21220)
    assert line.find(leg_sid).status == "no-answer"


@pytest.mark.parametrize("status", ["canceled", "completed"])
async def test_a_ringing_outbound_call_is_canceled(line: Line, api: Api, status: str) -> None:
    line.set_script(CALLER, "no answer")
    sid = (await api.post(CALLS, CREATE)).json()["sid"]
    await line.find(sid).wait_for(SimEventKind.RINGING)

    ended = await api.post(path_of(sid), [("Status", status)])
    await line.find(sid).finished()

    assert ended.json()["status"] == "canceled"


# --- listing


async def test_calls_are_listed_by_page_newest_first(line: Line, api: Api) -> None:
    line.set_script(CALLER, "busy")
    sids = [(await api.post(CALLS, CREATE)).json()["sid"] for _ in range(5)]
    line.set_script("+8613900000000", "busy")
    await api.post(CALLS, [("To", "+8613900000000"), *CREATE[1:]])

    found = []
    page: str | None = f"{CALLS}?PageSize=2&To=%2B8613812345678"
    while page is not None:
        body = (await api.get(page)).json()
        assert len(body["calls"]) <= 2
        found += [call["sid"] for call in body["calls"]]
        page = body["next_page_uri"]

    assert found == sids[::-1]


async def test_calls_are_filtered(hotline: Hotline, line: Line, api: Api) -> None:
    sid, leg_sid = await ringing(line, hotline)
    line.set_script(CALLER, "busy")
    busy = (await api.post(CALLS, CREATE)).json()["sid"]
    await line.find(busy).finished()
    today = datetime.now(UTC).date()
    second = datetime.now(UTC).replace(microsecond=0)

    async def found(**query: str) -> set[str]:
        return {call["sid"] for call in (await api.get(CALLS, **query)).json()["calls"]}

    assert await found() == {sid, leg_sid, busy}
    assert await found(From=HOTLINE) == {busy}
    assert await found(Status="busy") == {busy}
    assert await found(Status="ringing") == {leg_sid}
    assert await found(ParentCallSid=sid) == {leg_sid}
    assert await found(**{"StartTime>": (second - timedelta(hours=1)).isoformat()}) == {sid, leg_sid, busy}
    assert await found(**{"StartTime>": (second + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")}) == set()
    assert await found(**{"StartTime<": (today - timedelta(days=1)).isoformat()}) == set()
    assert await found(**{"StartTime<": (today + timedelta(days=1)).isoformat()}) == {sid, leg_sid, busy}
    assert await found(**{"EndTime<": (today + timedelta(days=1)).isoformat()}) == {busy}
    assert (await api.get(CALLS, StartTime="yesterday")).json()["code"] == 20001
    line.find(sid).hang_up()
    await line.find(sid).finished()


# --- the contract


@requires_contract
async def test_requests_and_answers_are_as_twilio_describes_them(hotline: Hotline, line: Line, api: Api) -> None:
    sid, leg_sid = await ringing(line, hotline)
    form = [
        *CREATE,
        ("StatusCallback", f"{PUBLIC_URL}/progress"),
        ("StatusCallbackEvent", "ringing"),
        ("StatusCallbackEvent", "completed"),
        ("Timeout", "20"),
        ("MachineDetection", "Enable"),
    ]
    created = (await api.post(CALLS, form)).json()["sid"]
    await line.find(created).finished()
    await api.get(path_of(created))
    await api.get(path_of(leg_sid))
    await api.post(path_of(sid), [("Url", f"{PUBLIC_URL}/elsewhere"), ("Method", "GET")])
    await api.post(path_of(sid), [("Status", "completed")])
    await api.get(CALLS, **{"To": CALLER, "Status": "completed", "StartTime>": "2026-01-01T00:00:00Z", "PageSize": "1"})
    await api.get(CALLS, ParentCallSid=sid, PageSize="1", Page="1")
    await api.post(CALLS, CREATE[:2])
    await api.get(path_of("CA" + "0" * 32))
    line.trouble = Trouble(rest_faults=(RestFault(RestProblem.TOO_MANY_REQUESTS, only_create=False),))
    await api.get(CALLS)
    await line.find(sid).finished()

    operations = set()
    for method, target, form, status, body in api.exchanges:
        if status < 400:
            operations.add(check_request(method, target, form))
        operations.add(check_response(method, target, status, body))
    assert operations == {"CreateCall", "FetchCall", "UpdateCall", "ListCall"}
    assert [status for *_, status, _ in api.exchanges] == [201, 200, 200, 200, 200, 200, 200, 400, 404, 429]
    (page,) = [body for _, target, _, _, body in api.exchanges if "PageSize=1" in target and "To=" in target]
    assert dict(parse_qsl(page["first_page_uri"].partition("?")[2]))["To"] == CALLER


async def test_requests_at_once_are_calls_of_their_own(line: Line, api: Api) -> None:
    line.set_script(CALLER, "busy")

    created = await asyncio.gather(*(api.post(CALLS, CREATE) for _ in range(10)))

    assert len({response.json()["sid"] for response in created}) == 10
