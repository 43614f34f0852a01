"""The routes an agent's screen uses around a call: presence, the softphone's token, taking calls, lists, the trace."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest

from app.models.people import Role
from tests.calls.branches import Branch, new_caller, open_branch
from tests.calls.carrier import ACCOUNT_SID, AUTH_TOKEN
from tests.calls.conftest import Desk, Hotline, MakeHotline
from tests.support import sign_in_as

NO_CARRIER = dict.fromkeys(
    ("twilio_account_sid", "twilio_auth_token", "twilio_api_key", "twilio_api_secret", "twilio_api_base_url")
)


@pytest.fixture
async def branch(standing: Hotline) -> AsyncIterator[Branch]:
    async with open_branch(standing) as opened:
        yield opened


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a refusal, which must be one."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["code"]


async def put_presence(desk: Desk, state: str) -> httpx.Response:
    return await desk.http.put("/api/v1/agent/presence", json={"state": state})


# --- presence


async def test_who_talks_is_busy_whatever_they_say(branch: Branch) -> None:
    desk = await branch.desk()
    call = await branch.ring()
    await branch.answer(call)
    await desk.until("call.answered")

    for state in ("available", "break", "offline"):
        answer = await put_presence(desk, state)
        assert problem(answer) == (409, "busy_with_call")
        assert answer.json()["call_id"] == await branch.id_of(call)

    now = (await desk.http.get("/api/v1/agent/presence")).json()
    assert (now["state"], now["call_id"]) == ("on_call", await branch.id_of(call))


async def test_who_is_offered_a_call_is_not_available_by_saying_so(branch: Branch) -> None:
    desk = await branch.desk()
    sid, _ = await branch.posted()

    answer = await put_presence(desk, "available")

    assert problem(answer) == (409, "busy_with_call")
    assert answer.json()["call_id"] == str((await branch.call_row(sid))["id"])
    assert await desk.presence() == "reserved"


@pytest.mark.parametrize("state", ["break", "offline"])
async def test_who_chooses_something_else_while_a_call_is_offered_declines_it(branch: Branch, state: str) -> None:
    desk, sid = await branch.desk(), (await branch.posted())[0]

    now = await desk.be(state)

    assert (now["state"], now["call_id"]) == (state, None)
    await desk.until("call.cleared", reason="declined")
    assert "declined" in await branch.trace_of(sid)
    other = await branch.desk()
    call = await branch.call_row(sid)
    answer = await branch.wire.twiml("wait", branch.form(sid, call["from_raw"], status="in-progress"))
    assert other.agent.identity in answer


@pytest.mark.parametrize("state", ["reserved", "on_call", "wrap_up", "asleep"])
async def test_what_only_calls_make_of_one_cannot_be_chosen(branch: Branch, state: str) -> None:
    desk = await branch.desk()

    assert (await put_presence(desk, state)).status_code == 422

    assert await desk.presence() == "available"


async def test_to_say_the_same_again_changes_nothing(branch: Branch) -> None:
    desk = await branch.desk()
    since = (await desk.http.get("/api/v1/agent/presence")).json()["since"]

    assert (await desk.be("available"))["since"] == since

    assert [message["type"] for message in await desk.rest()] == []


async def test_who_is_writing_up_may_leave_it_and_take_the_next_call(branch: Branch) -> None:
    desk = await branch.desk()
    await branch.talk(desk)

    assert (await desk.be("available"))["state"] == "available"

    assert (await branch.posted())[1] == desk.agent.identity


# --- the softphone's token


async def test_a_voice_token_is_for_ones_own_softphone_for_an_hour(branch: Branch) -> None:
    desk = await branch.desk()

    answer = await desk.http.post("/api/v1/agent/voice-token")

    assert answer.status_code == 201, answer.text
    given = answer.json()
    assert given["identity"] == desk.agent.identity
    claims: dict[str, Any] = jwt.decode(given["token"], AUTH_TOKEN, algorithms=["HS256"])
    assert claims["grants"]["identity"] == desk.agent.identity
    assert claims["grants"]["voice"]["incoming"] == {"allow": True}
    assert (claims["iss"], claims["sub"]) == ("SK" + "1" * 32, ACCOUNT_SID)
    left = datetime.fromtimestamp(claims["exp"], UTC) - datetime.now(UTC)
    assert timedelta(minutes=59) < left <= timedelta(hours=1)
    assert abs(datetime.fromisoformat(given["expires_at"]).timestamp() - claims["exp"]) < 5


@pytest.mark.parametrize(
    "missing", [NO_CARRIER, {name: None for name in NO_CARRIER if "api" in name}], ids=["no carrier", "no API key"]
)
async def test_without_a_carrier_there_is_no_voice_token(make_hotline: MakeHotline, missing: dict[str, None]) -> None:
    hotline = await make_hotline(**missing)
    desk = await hotline.desk()

    assert problem(await desk.http.post("/api/v1/agent/voice-token")) == (503, "no_carrier")


# --- taking and turning down


async def test_a_call_is_taken_in_one_tab_and_the_other_is_told(branch: Branch) -> None:
    desk = await branch.desk(name="林小雨")
    call_id = str((await branch.call_row((await branch.posted())[0]))["id"])

    taken = await desk.accept(call_id, "left")
    assert taken.status_code == 200, taken.text
    assert (taken.json()["accepted_by"]["name"], taken.json()["accepted_tab"]) == ("林小雨", "left")
    assert (await desk.accept(call_id, "left")).status_code == 200
    refused = await desk.accept(call_id, "right")

    assert problem(refused) == (409, "already_accepted")
    assert (refused.json()["by"], refused.json()["tab"]) == ("林小雨", "left")


async def test_a_call_that_is_offered_to_somebody_else_can_be_neither_taken_nor_declined(branch: Branch) -> None:
    await branch.desk(name="林小雨")
    call_id = str((await branch.call_row((await branch.posted())[0]))["id"])
    other = await branch.desk()

    taken = await other.accept(call_id)

    assert problem(taken) == (409, "not_offered")
    assert taken.json()["by"] == "林小雨"
    assert problem(await other.decline(call_id)) == (409, "not_offered")


async def test_a_call_whose_caller_has_left_can_be_neither_taken_nor_declined(branch: Branch) -> None:
    desk = await branch.desk()
    sid, _ = await branch.posted()
    await branch.over(sid)
    call_id = str((await branch.call_row(sid))["id"])

    taken = await desk.accept(call_id)

    assert problem(taken) == (409, "not_offered")
    assert "by" not in taken.json()
    assert problem(await desk.decline(call_id)) == (409, "not_offered")


@pytest.mark.parametrize("act", ["accept", "decline"])
async def test_there_must_be_a_call_to_take(branch: Branch, act: str) -> None:
    desk = await branch.desk()

    answer = await desk.http.post(f"/api/v1/calls/{uuid4()}/{act}", json={"tab": "one"})

    assert problem(answer) == (404, "no_such_call")


async def test_a_call_that_is_talked_in_cannot_be_declined(branch: Branch) -> None:
    desk = await branch.desk()
    call = await branch.ring()
    await branch.answer(call)
    await desk.until("call.answered")

    assert problem(await desk.decline(await branch.id_of(call))) == (409, "not_offered")

    assert await desk.presence() == "on_call"


# --- reading


async def pages(http: httpx.AsyncClient, limit: int, **wanted: Any) -> list[list[str]]:
    """The carrier's ids of the calls on each page of a list."""
    found: list[list[str]] = []
    cursor: str | None = None
    while not found or cursor:
        params = {"limit": limit, **wanted, **({"cursor": cursor} if cursor else {})}
        answer = await http.get("/api/v1/calls", params=params)
        assert answer.status_code == 200, answer.text
        found.append([item["provider_call_id"] for item in answer.json()["items"]])
        cursor = answer.json()["next"]
    return found


async def test_calls_are_listed_page_by_page_the_latest_first_each_once(branch: Branch) -> None:
    desk = await branch.desk(available=False)
    sids = [(await branch.posted())[0] for _ in range(7)]
    # Several came in the same moment.
    await branch.execute(
        "UPDATE calls SET received_at = (SELECT max(received_at) FROM calls WHERE queue_id = :id) "
        "WHERE provider_call_id = ANY(:sids)",
        id=branch.queue.id,
        sids=sids[3:6],
    )

    listed = await pages(desk.http, 3, queue_id=branch.queue.id)

    assert [len(page) for page in listed] == [3, 3, 1]
    assert sorted(sid for page in listed for sid in page) == sorted(sids)
    assert [sid for page in listed for sid in page][4:] == sids[2::-1]
    assert await pages(desk.http, 7, queue_id=branch.queue.id) == [[sid for page in listed for sid in page]]


async def test_a_call_that_comes_meanwhile_neither_shifts_nor_repeats_a_page(branch: Branch) -> None:
    desk = await branch.desk(available=False)
    sids = [(await branch.posted())[0] for _ in range(4)]
    first = (await desk.http.get("/api/v1/calls", params={"queue_id": branch.queue.id, "limit": 2})).json()

    await branch.posted()

    params = {"queue_id": branch.queue.id, "limit": 2, "cursor": first["next"]}
    second = (await desk.http.get("/api/v1/calls", params=params)).json()
    assert [item["provider_call_id"] for item in second["items"]] == sids[1::-1]
    assert second["next"] is None


async def test_calls_are_found_by_state_customer_agent_and_time(branch: Branch) -> None:
    caller = new_caller()
    lu = await branch.customer(caller)
    desk = await branch.desk()
    talked = await branch.talk(desk, caller)
    left = await branch.waiting()
    left.hang_up()
    await left.finished()
    waiting = await branch.waiting(caller)
    sids = {
        "talked": (await branch.one("SELECT provider_call_id FROM calls WHERE id = :id", id=talked))[
            "provider_call_id"
        ],
        "left": left.sid,
        "waiting": waiting.sid,
    }
    split = (await branch.call_row(left.sid))["received_at"].isoformat()

    for wanted, names in (
        ({"state": "completed"}, ["talked"]),
        ({"state": "abandoned"}, ["left"]),
        ({"state": "waiting"}, ["waiting"]),
        ({"customer_id": lu.id}, ["waiting", "talked"]),
        ({"agent_id": desk.agent.id}, ["talked"]),
        ({"since": split}, ["waiting", "left"]),
        ({"until": split}, ["talked"]),
        ({"customer_id": lu.id, "state": "waiting"}, ["waiting"]),
        ({"promised": True}, []),
        ({"state": "voicemail"}, []),
    ):
        listed = await pages(desk.http, 50, queue_id=branch.queue.id, **wanted)
        assert listed == [[sids[name] for name in names]], wanted


async def test_lists_refuse_what_is_no_filter_or_cursor(branch: Branch) -> None:
    desk = await branch.desk(available=False)

    assert problem(await desk.http.get("/api/v1/calls?cursor=bm9uZQ")) == (400, "bad_cursor")
    for query in ("state=asleep", "queue_id=1", "since=yesterday", "since=2026-11-21T12:00:00"):
        assert (await desk.http.get(f"/api/v1/calls?{query}")).status_code == 422, query


async def test_one_call_is_shown_with_its_legs(branch: Branch) -> None:
    first, second = await branch.desk(), await branch.desk()
    branch.line.set_script(f"client:{first.agent.identity}", "decline after 1s")
    call = await branch.ring()
    await branch.answer(call, 2)
    await second.until("call.answered")

    read = (await first.http.get(f"/api/v1/calls/{await branch.id_of(call)}")).json()

    assert (read["state"], read["provider_call_id"], read["to_raw"]) == ("in_progress", call.sid, branch.dialled)
    assert read["queue"] == {"id": str(branch.queue.id), "key": branch.queue.key}
    assert (read["caller"]["e164"], read["caller"]["region"]) == (call.record.from_, "CN")
    assert [(leg["agent"]["name"], leg["status"]) for leg in read["legs"]] == [
        (first.agent.name, "busy"),
        (second.agent.name, "in_progress"),
    ]
    assert read["legs"][0]["declined_at"] is not None
    assert read["legs"][1]["answered_at"] == read["answered_at"]
    assert problem(await first.http.get(f"/api/v1/calls/{uuid4()}")) == (404, "no_such_call")


async def test_the_trace_tells_what_happened_when_and_to_whom(branch: Branch) -> None:
    desk = await branch.desk()
    call = await branch.ring()
    await desk.until("call.offered")
    await branch.answer(call)
    await desk.until("call.answered")
    call.hang_up()
    await desk.until("call.ended")
    call_id = await branch.id_of(call)
    await desk.wrap_up(call_id)

    trace = (await desk.http.get(f"/api/v1/calls/{call_id}/trace")).json()

    assert (trace["call_id"], trace["state"]) == (call_id, "completed")
    steps = {step["step"]: step for step in trace["steps"]}
    order = ["received", "matched", "reserved", "pushed", "shown", "answered", "ended", "wrapped_up"]
    assert [step["step"] for step in trace["steps"]] == order
    assert steps["matched"]["detail"] == {"outcome": "unknown"}
    assert steps["reserved"]["detail"] == {"because": "longest_available"}
    assert steps["pushed"]["detail"]["open_streams"] == 1
    assert {name for name, step in steps.items() if step["agent"]} == {
        "reserved",
        "pushed",
        "shown",
        "answered",
        "wrapped_up",
    }
    assert all(step["agent"]["name"] == desk.agent.name for step in trace["steps"] if step["agent"])
    after = [step["after_ms"] for step in trace["steps"]]
    assert after[0] == 0
    assert after == sorted(after)
    received = datetime.fromisoformat(steps["received"]["at"])
    for step in trace["steps"]:
        seconds = (datetime.fromisoformat(step["at"]) - received).total_seconds()
        assert step["after_ms"] == pytest.approx(seconds * 1000, abs=0.1)
    assert problem(await desk.http.get(f"/api/v1/calls/{uuid4()}/trace")) == (404, "no_such_call")


async def test_the_trace_says_when_no_browser_was_there_to_show_the_card(branch: Branch) -> None:
    desk = await sign_in_as(branch.served, queues=[branch.queue])
    async with desk.http:
        assert (await desk.http.put("/api/v1/agent/presence", json={"state": "available"})).status_code == 200
        sid, client = await branch.posted()
        assert client == desk.agent.identity

        path = f"/api/v1/calls/{(await branch.call_row(sid))['id']}/trace"
        steps = (await desk.http.get(path)).json()["steps"]

    assert (steps[-1]["step"], steps[-1]["detail"]["open_streams"]) == ("pushed", 0)


async def test_calls_are_for_people_who_are_signed_in(branch: Branch) -> None:
    sid, _ = await branch.posted()
    path = f"/api/v1/calls/{(await branch.call_row(sid))['id']}"
    analyst = await branch.boss(Role.ANALYST)
    async with branch.served.client() as nobody:
        for given in ("", "/trace"):
            assert (await nobody.get(path + given)).status_code == 401
            assert (await analyst.http.get(path + given)).status_code == 200
        assert (await nobody.post(path + "/accept", json={"tab": "one"})).status_code == 401
    assert problem(await analyst.http.post(path + "/accept", json={"tab": "one"})) == (403, "scope_missing")
