"""The REST subset: as Twilio's published description has it, over a socket, and going wrong on request."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from app.telephony.simulator import Line, RestFault, RestProblem, SimEventKind, Trouble, rest_app, serve_rest
from app.telephony.simulator.serving import serve_app
from tests.telephony.contract import check_request, check_response, requires_contract
from tests.telephony.simulated_hotline import (
    ACCOUNT_SID,
    AUTH_TOKEN,
    CALLER,
    HOTLINE,
    PUBLIC_URL,
    VOICE,
    Hotline,
    hotline_served,
    line_to,
)

CALLS = f"/2010-04-01/Accounts/{ACCOUNT_SID}/Calls.json"
CREATE = [("To", CALLER), ("From", HOTLINE), ("Url", f"{PUBLIC_URL}/outbound")]


@pytest.fixture(scope="module")
async def served() -> AsyncIterator[Hotline]:
    async with hotline_served() as hotline:
        yield hotline


@pytest.fixture
def hotline(served: Hotline) -> Hotline:
    served.forget()
    served.will("/outbound", "<Say>This is your callback</Say>")
    return served


@pytest.fixture
async def line(hotline: Hotline) -> AsyncIterator[Line]:
    async with line_to(hotline, api_keys={"SK" + "1" * 32: "key secret"}) as line:
        yield line


@pytest.fixture(scope="module")
async def switchboard() -> AsyncIterator["Switchboard"]:
    board = Switchboard()
    async with serve_app(board) as board.url:
        yield board


@pytest.fixture
async def api(line: Line, switchboard: "Switchboard") -> AsyncIterator["Api"]:
    switchboard.app = rest_app(line)
    async with httpx.AsyncClient(base_url=switchboard.url, auth=(ACCOUNT_SID, AUTH_TOKEN), verify=False) as client:
        yield Api(client)


class Switchboard:
    """One socket for the API of whichever line is under test: starting and stopping a server takes a while."""

    app: ASGIApp
    url = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


class Api:
    """Sends requests, and notes each with its answer for the contract."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.exchanges: list[tuple[str, str, list[tuple[str, str]], int, Any]] = []

    async def post(self, path: str, form: list[tuple[str, str]]) -> httpx.Response:
        return await self._send(self.client.build_request("POST", path, data=_data(form)), form)

    async def get(self, path: str, **query: str) -> httpx.Response:
        return await self._send(self.client.build_request("GET", path, params=query or None), [])

    async def _send(self, request: httpx.Request, form: list[tuple[str, str]]) -> httpx.Response:
        response = await self.client.send(request)
        target = request.url.raw_path.decode()
        self.exchanges.append((request.method, target, form, response.status_code, response.json()))
        return response


def _data(form: list[tuple[str, str]]) -> dict[str, list[str]]:
    names = dict.fromkeys(name for name, _ in form)
    return {name: [value for given, value in form if given == name] for name in names}


def path_of(sid: str) -> str:
    return CALLS.replace(".json", f"/{sid}.json")


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


async def ringing(line: Line, hotline: Hotline) -> tuple[str, str]:
    hotline.will(VOICE, '<Dial action="/result"><Client>lin</Client></Dial>')
    hotline.will("/result", "<Hangup/>")
    line.set_script("client:lin", "live")
    call = await line.call(CALLER, HOTLINE)
    leg_sid = (await call.wait_for(SimEventKind.LEG_RINGING)).leg_sid
    assert leg_sid is not None
    return call.sid, leg_sid


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


# --- refusing


@pytest.mark.parametrize(
    ("form", "code"),
    [
        (CREATE[1:], 21201),
        ([CREATE[0], CREATE[2]], 21213),
        (CREATE[:2], 21205),
        ([*CREATE[:2], ("Url", "outbound")], 21205),
        ([*CREATE, ("StatusCallback", "ftp://hotline.example")], 21205),
        ([*CREATE, ("Timeout", "soon")], 20001),
        ([*CREATE, ("Timeout", "601")], 20001),
    ],
)
async def test_a_create_that_lacks_something_is_refused(
    line: Line, api: Api, form: list[tuple[str, str]], code: int
) -> None:
    refused = await api.post(CALLS, form)

    assert refused.status_code == 400
    assert refused.json() == {
        "code": code,
        "message": refused.json()["message"],
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": 400,
    }
    assert line.calls == ()


async def test_an_update_that_says_nothing_is_refused(hotline: Hotline, line: Line, api: Api) -> None:
    sid, _ = await ringing(line, hotline)

    for form in ([], [("Status", "paused")], [("Status", "completed"), ("Url", f"{PUBLIC_URL}/elsewhere")]):
        assert (await api.post(path_of(sid), form)).json()["code"] == 20001
    line.find(sid).hang_up()
    await line.find(sid).finished()


async def test_what_is_not_there_is_not_found(api: Api) -> None:
    missing = path_of("CA" + "0" * 32)
    for response in (
        await api.get(missing),
        await api.post(missing, [("Status", "completed")]),
        await api.get(CALLS.replace(ACCOUNT_SID, "AC" + "6" * 32)),
        await api.get("/2010-04-01/Accounts.json"),
    ):
        assert (response.status_code, response.json()["code"]) == (404, 20404)
    refused = await api.client.put(missing)
    assert (refused.status_code, refused.json()["code"]) == (405, 20004)


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Basic !"}, {"Authorization": "Bearer x"}, {"Authorization": "Basic QUM6eA=="}],
)
@pytest.mark.parametrize("path", [CALLS, "/simulator/calls"])
async def test_nobody_gets_in_without_the_token(api: Api, path: str, headers: dict[str, str]) -> None:
    async with httpx.AsyncClient(base_url=api.client.base_url, verify=False) as stranger:
        refused = await stranger.get(path, headers=headers)

    assert (refused.status_code, refused.json()["code"]) == (401, 20003)


async def test_a_line_can_be_served_on_a_port_of_its_own(line: Line) -> None:
    async with serve_rest(line) as url:
        port = httpx.URL(url).port
        async with httpx.AsyncClient(auth=(ACCOUNT_SID, AUTH_TOKEN), verify=False) as client:
            assert (await client.get(url + CALLS)).json()["calls"] == []
        with pytest.raises(OSError, match="in use"):
            async with serve_rest(line, port=port or 0):
                pass


async def test_an_api_key_gets_in(api: Api) -> None:
    response = await api.client.get(CALLS, auth=("SK" + "1" * 32, "key secret"))

    assert response.status_code == 200


async def test_a_body_without_end_is_cut(api: Api) -> None:
    refused = await api.client.post(CALLS, content=b"To=" + b"1" * 1_000_000)

    assert refused.status_code == 413


# --- going wrong


@pytest.mark.parametrize("carried_out", [False, True])
@pytest.mark.parametrize(
    ("problem", "status", "code"),
    [
        (RestProblem.TOO_MANY_REQUESTS, 429, 20429),
        (RestProblem.SERVER_ERROR, 500, 20500),
        (RestProblem.UNAVAILABLE, 503, 20503),
    ],
)
async def test_a_create_goes_wrong_once(
    line: Line, api: Api, problem: RestProblem, status: int, code: int, carried_out: bool
) -> None:
    line.set_script(CALLER, "busy")
    line.trouble = Trouble(rest_faults=(RestFault(problem, carried_out=carried_out, retry_after=7),))

    assert (await api.get(CALLS)).status_code == 200  # it is for creating only
    first = await api.post(CALLS, CREATE)
    calls_after_first = len(line.calls)
    second = await api.post(CALLS, CREATE)

    assert (first.status_code, first.json()["code"], first.json()["status"]) == (status, code, status)
    assert first.headers.get("Retry-After") == ("7" if status == 429 else None)
    assert calls_after_first == int(carried_out)
    assert second.status_code == 201


@pytest.mark.parametrize("carried_out", [False, True])
async def test_the_answer_to_a_create_is_lost(line: Line, api: Api, carried_out: bool) -> None:
    line.set_script(CALLER, "busy")
    line.trouble = Trouble(rest_faults=(RestFault(RestProblem.NO_ANSWER, carried_out=carried_out),))

    with pytest.raises(httpx.ReadTimeout):
        await api.client.post(CALLS, data=dict(CREATE), timeout=0.3)

    # What a service can do then: ask what there is to that number.
    listed = (await api.get(CALLS, To=CALLER)).json()["calls"]
    assert len(listed) == int(carried_out)


async def test_any_request_can_go_wrong(line: Line, api: Api) -> None:
    line.trouble = Trouble(rest_faults=(RestFault(RestProblem.UNAVAILABLE, only_create=False),) * 2)

    assert [(await api.get(CALLS)).status_code for _ in range(3)] == [503, 503, 200]


# --- by hand


async def test_agents_can_be_told_over_http(hotline: Hotline, line: Line, api: Api) -> None:
    sid, leg_sid = await ringing(line, hotline)

    (live,) = (await api.client.get("/simulator/calls")).json()["calls"]
    assert (live["sid"], live["from"], live["status"]) == (sid, CALLER, "in-progress")
    assert live["legs"] == [{"sid": leg_sid, "to": "client:lin", "status": "ringing"}]

    answers = [
        (await api.client.post(f"/simulator/legs/{leg}/{action}")).status_code
        for leg, action in [
            (leg_sid, "applaud"),
            ("CA" + "0" * 32, "answer"),
            (leg_sid, "answer"),
            (leg_sid, "answer"),
        ]
    ]
    assert answers == [404, 404, 204, 409]
    await line.find(sid).wait_for(SimEventKind.LEG_ANSWERED)
    assert (await api.client.post(f"/simulator/legs/{leg_sid}/hang-up")).status_code == 204
    await line.find(sid).finished()
    assert (await api.client.get("/simulator/calls")).json() == {"calls": []}


async def test_a_declined_leg_over_http(hotline: Hotline, line: Line, api: Api) -> None:
    sid, leg_sid = await ringing(line, hotline)

    assert (await api.client.post(f"/simulator/legs/{leg_sid}/decline")).status_code == 204
    await line.find(sid).finished()

    assert line.find(leg_sid).status == "busy"


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
