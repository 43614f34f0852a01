"""The REST subset says no in Twilio's shape, goes wrong on request, and lets people be told what to do by hand."""

from base64 import b64encode
from collections.abc import AsyncIterator

import httpx
import pytest

from app.telephony.simulator import Line, RestFault, RestProblem, SimEventKind, Trouble, serve_rest
from tests.telephony.simulated_api import CALLS, CREATE, Api, path_of, ringing
from tests.telephony.simulated_hotline import ACCOUNT_SID, AUTH_TOKEN, CALLER, PUBLIC_URL, Hotline, line_to


@pytest.fixture
def hotline(hotline: Hotline) -> Hotline:
    hotline.will("/outbound", "<Say>This is your callback</Say>")
    return hotline


@pytest.fixture
async def line(hotline: Hotline) -> AsyncIterator[Line]:
    async with line_to(hotline, api_keys={"SK" + "1" * 32: "key secret"}) as line:
        yield line


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


def basic(user: str, password: str, scheme: str = "Basic") -> str:
    return f"{scheme} {b64encode(f'{user}:{password}'.encode()).decode()}"


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Basic !",
        "Basic /w==",
        basic(ACCOUNT_SID, AUTH_TOKEN, scheme="Bearer"),
        basic(ACCOUNT_SID, "guess"),
        basic(ACCOUNT_SID, ""),
        basic("AC" + "6" * 32, ""),
        basic("SK" + "1" * 32, AUTH_TOKEN),
    ],
)
@pytest.mark.parametrize("path", [CALLS, "/simulator/calls"])
async def test_nobody_gets_in_without_the_token(api: Api, path: str, authorization: str) -> None:
    async with httpx.AsyncClient(base_url=api.client.base_url, verify=False) as stranger:
        refused = await stranger.get(path, headers={"Authorization": authorization})

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
