"""Setting up the hotline over REST: queues, numbers, hours, closed days, members."""

import asyncio
from collections.abc import AsyncIterator
from itertools import count
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import func, select

from app.models import DnisRoute, Queue, QueueMember, Role
from app.services.paging import encode_cursor
from tests.factories import make_agent, make_customer
from tests.support import Served, SignedIn, SignIn, sign_in_as

QUEUES, CLOSURES, LOOKUP = "/api/v1/queues", "/api/v1/closures", "/api/v1/lookup"
_keys = count(1)
_numbers = count(10_000_000)


@pytest.fixture(scope="module")
def app_server(file_server: Served) -> Served:
    """One server for all tests here: each makes queues of its own."""
    return file_server


@pytest.fixture(scope="module")
async def supervisor(app_server: Served) -> AsyncIterator[SignedIn]:
    person = await sign_in_as(app_server, Role.SUPERVISOR)
    async with person.http:
        yield person


@pytest.fixture(scope="module")
def http(supervisor: SignedIn) -> httpx.AsyncClient:
    return supervisor.http


def refusal(response: httpx.Response) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, response.json()["code"]


async def create(http: httpx.AsyncClient, **given: Any) -> dict[str, Any]:
    body = {"key": f"queue-{next(_keys)}", "name_zh": "售后", "name_en": "After sales", **given}
    answer = await http.post(QUEUES, json=body)
    assert answer.status_code == 201, answer.text
    queue: dict[str, Any] = answer.json()
    return queue


def a_number() -> str:
    """A fixed line in Shanghai that no other test has, in E.164."""
    return f"+86215{next(_numbers) % 10_000_000:07}"


async def read(http: httpx.AsyncClient, ref: str) -> dict[str, Any]:
    answer = await http.get(f"{QUEUES}/{ref}")
    assert answer.status_code == 200, answer.text
    queue: dict[str, Any] = answer.json()
    return queue


# Queues ---------------------------------------------------------------------------------------------------------------


async def test_a_queue_is_created_with_what_calls_need(http: httpx.AsyncClient) -> None:
    answer = await http.post(QUEUES, json={"key": "service", "name_zh": "售后服务", "name_en": "After-sales service"})

    queue = answer.json()
    assert answer.status_code == 201
    assert await read(http, "service") == await read(http, queue["id"]) == queue
    assert (await http.get(answer.headers["location"])).json() == queue
    assert {key: queue[key] for key in queue if key not in ("id", "created_at", "updated_at")} == {
        "key": "service",
        "name_zh": "售后服务",
        "name_en": "After-sales service",
        "language": "zh-CN",
        "time_zone": None,
        "is_default": False,
        "ring_seconds": 20,
        "wait_seconds": 10,
        "max_wait_seconds": 1200,
        "record_calls": False,
        "fallback_number": None,
        "numbers": [],
        "openings": [],
        "members": [],
    }


async def test_a_key_is_taken_once(http: httpx.AsyncClient) -> None:
    queue = await create(http)
    body = {"key": queue["key"], "name_zh": "x", "name_en": "x"}

    assert refusal(await http.post(QUEUES, json=body)) == (409, "key_taken")
    at_once = await asyncio.gather(*(http.post(QUEUES, json={**body, "key": "at-once"}) for _ in range(4)))
    assert sorted(answer.status_code for answer in at_once) == [201, 409, 409, 409]


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": ""},
        {"key": "Service"},
        {"key": "1st"},
        {"key": "a/b"},
        {"key": "a" * 41},
        {"key": "a\n"},
        {"name_zh": ""},
        {"name_en": "a\x00"},
        {"language": "x"},
        {"time_zone": "Asia/Nowhere"},
        {"ring_seconds": 4},
        {"ring_seconds": 121},
        {"wait_seconds": 2},
        {"max_wait_seconds": 7201},
        {"max_wait_seconds": None},
        {"fallback_number": ""},
        {"members": []},
    ],
)
async def test_a_queue_that_does_not_fit_is_refused(http: httpx.AsyncClient, wrong: dict[str, Any]) -> None:
    body = {"key": f"queue-{next(_keys)}", "name_zh": "x", "name_en": "x", **wrong}

    assert refusal(await http.post(QUEUES, json=body)) == (422, "invalid")


async def test_a_patch_changes_what_is_given_and_is_in_force_at_once(
    app_server: Served, http: httpx.AsyncClient
) -> None:
    queue = await create(http)

    answer = await http.patch(
        f"{QUEUES}/{queue['key']}",
        json={"ring_seconds": 25, "time_zone": "Europe/Berlin", "fallback_number": "021-5555 0123", "language": "en"},
    )

    after = answer.json()
    assert {key for key in queue if queue[key] != after[key]} == {
        "ring_seconds",
        "time_zone",
        "fallback_number",
        "language",
        "updated_at",
    }
    assert (after["fallback_number"], after["ring_seconds"]) == ("+862155550123", 25)
    # The very process that answered rings by it from now on.
    in_force = app_server.runtime.hotline.now.queues[UUID(queue["id"])]
    assert (in_force.ring_seconds, in_force.language, in_force.fallback_number) == (25, "en", "+862155550123")
    cleared = (await http.patch(f"{QUEUES}/{queue['key']}", json={"fallback_number": None, "time_zone": None})).json()
    assert (cleared["fallback_number"], cleared["time_zone"], cleared["ring_seconds"]) == (None, None, 25)


@pytest.mark.parametrize("wrong", [{"key": "other"}, {"name_zh": None}, {"ring_seconds": None}, {"numbers": []}])
async def test_a_patch_that_does_not_fit_is_refused(http: httpx.AsyncClient, wrong: dict[str, Any]) -> None:
    queue = await create(http)

    assert refusal(await http.patch(f"{QUEUES}/{queue['key']}", json=wrong)) == (422, "invalid")
    assert await read(http, queue["key"]) == queue


async def test_the_fallback_number_can_be_rung_and_is_not_ours(http: httpx.AsyncClient) -> None:
    queue = await create(http)
    ours = a_number()
    await http.put(f"{QUEUES}/{queue['key']}/numbers/{ours}")

    for number, expected in [("10086", "bad_number"), ("+86 1", "bad_number"), (ours, "own_number")]:
        assert refusal(await http.patch(f"{QUEUES}/{queue['key']}", json={"fallback_number": number})) == (
            422,
            expected,
        )
        body = {"key": "never", "name_zh": "x", "name_en": "x", "fallback_number": number}
        assert refusal(await http.post(QUEUES, json=body)) == (422, expected)


async def test_one_queue_is_the_default(app_server: Served, http: httpx.AsyncClient) -> None:
    async def defaults() -> list[str]:
        items = (await http.get(QUEUES, params={"limit": 200})).json()["items"]
        return [queue["key"] for queue in items if queue["is_default"]]

    first, second = await create(http), await create(http)
    await http.patch(f"{QUEUES}/{first['key']}", json={"is_default": True})
    assert await defaults() == [first["key"]]
    third = await create(http, is_default=True)
    assert await defaults() == [third["key"]]

    refused = await http.patch(f"{QUEUES}/{third['key']}", json={"is_default": False})
    assert refusal(refused) == (409, "default_needed")
    assert (await http.patch(f"{QUEUES}/{first['key']}", json={"is_default": False})).status_code == 200
    assert (await http.patch(f"{QUEUES}/{third['key']}", json={"is_default": True})).status_code == 200
    default = app_server.runtime.hotline.now.default
    assert default is not None
    assert default.key == third["key"]

    # Several at once: each is answered, and one is left.
    others = [first, second, await create(http), await create(http)]
    at_once = await asyncio.gather(
        *(http.patch(f"{QUEUES}/{queue['key']}", json={"is_default": True}) for queue in others)
    )
    assert [answer.status_code for answer in at_once] == [200] * 4
    assert len(await defaults()) == 1
    await http.patch(f"{QUEUES}/hotline", json={"is_default": True})


async def test_queues_are_listed_by_key(http: httpx.AsyncClient) -> None:
    for key in ("zz-b", "zz-a", "zz-c"):
        await create(http, key=key)

    everything: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await http.get(QUEUES, params={"limit": 2, **cursor})).json()
        everything += [queue["key"] for queue in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}

    assert everything == sorted(everything)
    assert len(everything) == len(set(everything))
    assert {"hotline", "zz-a", "zz-b", "zz-c"} <= set(everything)
    for bad in ("nonsense", encode_cursor("a\x00"), encode_cursor("a", "b")):
        assert refusal(await http.get(QUEUES, params={"cursor": bad})) == (400, "bad_cursor")


@pytest.mark.parametrize("ref", ["nothing", str(UUID(int=7)), "%00", "A" * 200, "鲁"])
async def test_a_queue_that_is_not_there(http: httpx.AsyncClient, ref: str) -> None:
    agent = uuid4()
    for method, path, body in [
        ("GET", "", None),
        ("PATCH", "", {"ring_seconds": 20}),
        ("PUT", "/numbers/+862155550199", None),
        ("DELETE", "/numbers/+862155550199", None),
        ("PUT", "/openings", {"openings": []}),
        ("PUT", f"/members/{agent}", None),
        ("DELETE", f"/members/{agent}", None),
    ]:
        answer = await http.request(method, f"{QUEUES}/{ref}{path}", json=body)
        assert refusal(answer) == (404, "no_such_queue"), (method, path)


# Who may --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [Role.AGENT, Role.ACCOUNT_MANAGER, Role.ANALYST])
async def test_only_supervisors_and_administrators_set_up(
    signed_in: SignIn, http: httpx.AsyncClient, role: Role
) -> None:
    queue = await create(http)
    person = (await signed_in(role)).http
    one = f"{QUEUES}/{queue['key']}"

    assert (await person.get(QUEUES)).status_code == 200
    assert (await person.get(one)).json() == queue
    assert (await person.get(CLOSURES)).status_code == 200
    for method, path, body in [
        ("POST", QUEUES, {"key": "x", "name_zh": "x", "name_en": "x"}),
        ("PATCH", one, {"ring_seconds": 30}),
        ("PUT", f"{one}/numbers/+862155550199", None),
        ("DELETE", f"{one}/numbers/+862155550199", None),
        ("PUT", f"{one}/openings", {"openings": []}),
        ("PUT", f"{one}/members/{uuid4()}", None),
        ("DELETE", f"{one}/members/{uuid4()}", None),
        ("POST", CLOSURES, {"day": "2027-02-06", "name_zh": "春节", "name_en": "Spring Festival"}),
        ("DELETE", f"{CLOSURES}/{uuid4()}", None),
    ]:
        assert refusal(await person.request(method, path, json=body)) == (403, "scope_missing"), (method, path)
    assert await read(http, queue["key"]) == queue


async def test_an_administrator_sets_up(signed_in: SignIn) -> None:
    assert (await create((await signed_in(Role.ADMIN)).http))["key"]


async def test_nobody_unknown_sees_the_set_up(client: httpx.AsyncClient) -> None:
    for path in (QUEUES, f"{QUEUES}/hotline", CLOSURES):
        assert refusal(await client.get(path)) == (401, "not_signed_in")


# Numbers --------------------------------------------------------------------------------------------------------------


async def test_a_number_leads_to_a_queue_from_that_moment(app_server: Served, http: httpx.AsyncClient) -> None:
    queue = await create(http)
    number = a_number()
    spelt = f"0{number[3:5]}-{number[5:9]} {number[9:]}"
    async with app_server.database.session_scope() as session:
        await make_customer(session, number)
    before = (await http.get(LOOKUP, params={"number": number})).json()

    put = await http.put(f"{QUEUES}/{queue['key']}/numbers/{quote(spelt)}", json={"language": "en_gb"})

    assert put.status_code == 200
    assert put.json() == {"number": number, "queue_id": queue["id"], "language": "en-GB"}
    assert (await read(http, queue["key"]))["numbers"] == [put.json()]
    # Our own numbers are never a customer's: the answer shows that the change was read before it was confirmed.
    after = (await http.get(LOOKUP, params={"number": number})).json()
    assert (before["match"]["outcome"], after["match"]["outcome"]) == ("unique", "unknown")
    route = app_server.runtime.hotline.now.route(spelt)
    assert route is not None
    assert (route.queue.key, route.language) == (queue["key"], "en-GB")

    assert (await http.delete(f"{QUEUES}/{queue['key']}/numbers/{number}")).status_code == 204
    assert (await http.get(LOOKUP, params={"number": number})).json()["match"]["outcome"] == "unique"
    again = await http.delete(f"{QUEUES}/{queue['key']}/numbers/{number}")
    assert refusal(again) == (404, "not_part_of_it")


async def test_a_number_leads_to_one_queue(http: httpx.AsyncClient) -> None:
    one, other = await create(http), await create(http)
    number = a_number()
    await http.put(f"{QUEUES}/{one['key']}/numbers/{number}", json={"language": "en"})

    moved = await http.put(f"{QUEUES}/{other['key']}/numbers/{number}")

    assert moved.json() == {"number": number, "queue_id": other["id"], "language": None}
    assert (await read(http, one["key"]))["numbers"] == []
    refused = await http.delete(f"{QUEUES}/{one['key']}/numbers/{number}")
    assert refusal(refused) == (404, "not_part_of_it")


@pytest.mark.parametrize("dialled", ["95588", "sip:hotline@pbx.example", "client:hotline"])
async def test_what_callers_dial_need_not_be_a_telephone_number(
    app_server: Served, http: httpx.AsyncClient, dialled: str
) -> None:
    queue = await create(http)
    url = f"{QUEUES}/{queue['key']}/numbers/{quote(dialled, safe='')}"

    assert (await http.put(url)).json()["number"] == dialled
    route = app_server.runtime.hotline.now.route(dialled)
    assert route is not None
    assert route.queue.key == queue["key"]
    assert (await http.delete(url)).status_code == 204


@pytest.mark.parametrize("dialled", ["anonymous", "nonsense", "%00", "%20", "1"])
async def test_what_nobody_can_dial(http: httpx.AsyncClient, dialled: str) -> None:
    assert refusal(await http.put(f"{QUEUES}/hotline/numbers/{dialled}")) == (422, "bad_number")


async def test_the_same_number_put_at_once(app_server: Served, http: httpx.AsyncClient) -> None:
    queues = [await create(http) for _ in range(4)]
    number = a_number()

    answers = await asyncio.gather(*(http.put(f"{QUEUES}/{queue['key']}/numbers/{number}") for queue in queues))

    assert [answer.status_code for answer in answers] == [200] * 4
    async with app_server.database.session_scope() as session:
        routes = (await session.scalars(select(DnisRoute).where(DnisRoute.number == number))).all()
    assert len(routes) == 1


# Hours ----------------------------------------------------------------------------------------------------------------


def window(weekday: int, opens: str, closes: str) -> dict[str, Any]:
    return {"weekday": weekday, "opens": opens, "closes": closes}


async def test_a_week_is_replaced_as_a_whole(app_server: Served, http: httpx.AsyncClient) -> None:
    queue = await create(http)
    url = f"{QUEUES}/{queue['key']}/openings"
    first = [window(day, "09:00:00", "12:00:00") for day in range(7)]
    second = [window(6, "22:00", "06:00"), window(0, "13:00", "00:00"), window(0, "09:00", "12:00")]

    assert (await http.put(url, json={"openings": first})).json() == {"openings": first}
    put = await http.put(url, json={"openings": second})

    in_order = [
        window(0, "09:00:00", "12:00:00"),
        window(0, "13:00:00", "00:00:00"),
        window(6, "22:00:00", "06:00:00"),
    ]
    assert put.json() == {"openings": in_order}
    assert (await read(http, queue["key"]))["openings"] == in_order
    assert len(app_server.runtime.hotline.now.queues[UUID(queue["id"])].hours.openings) == 3
    assert (await http.put(url, json={"openings": []})).json() == {"openings": []}
    assert (await read(http, queue["key"]))["openings"] == []


async def test_weeks_put_at_once_do_not_mix(http: httpx.AsyncClient) -> None:
    queue = await create(http)
    weeks = [[window(day, f"{hour:02}:00:00", f"{hour + 1:02}:00:00") for day in range(5)] for hour in range(8, 12)]

    answers = await asyncio.gather(
        *(http.put(f"{QUEUES}/{queue['key']}/openings", json={"openings": week}) for week in weeks)
    )

    assert [answer.status_code for answer in answers] == [200] * 4
    assert (await read(http, queue["key"]))["openings"] in weeks


@pytest.mark.parametrize(
    "openings",
    [
        [window(7, "09:00", "18:00")],
        [window(-1, "09:00", "18:00")],
        [window(0, "25:00", "18:00")],
        [window(0, "09:00:30", "18:00")],
        [{"weekday": 0, "opens": 32400, "closes": "18:00"}],
        [window(0, "09:00+08:00", "18:00")],
        [window(0, "09:00", "18:00"), window(0, "09:00", "12:00")],
        [window(0, "09:00", "18:00"), window(0, "17:59", "20:00")],
        [window(0, "22:00", "06:00"), window(1, "05:59", "18:00")],
        [window(6, "22:00", "06:00"), window(0, "05:59", "18:00")],
        [window(0, "00:00", "00:00"), window(0, "12:00", "13:00")],
        [window(day, f"{hour:02}:00", f"{hour:02}:30") for day in range(7) for hour in range(11)],
        None,
    ],
)
async def test_a_week_that_does_not_fit_is_refused(http: httpx.AsyncClient, openings: Any) -> None:
    queue = await create(http)
    url = f"{QUEUES}/{queue['key']}/openings"
    kept = {"openings": [window(2, "10:00:00", "11:00:00")]}
    await http.put(url, json=kept)

    assert refusal(await http.put(url, json={"openings": openings})) == (422, "invalid")
    assert (await read(http, queue["key"]))["openings"] == kept["openings"]


@pytest.mark.parametrize(
    "openings",
    [
        [window(0, "09:00", "12:00"), window(0, "12:00", "18:00")],
        [window(0, "22:00", "06:00"), window(1, "06:00", "22:00")],
        [window(6, "22:00", "06:00"), window(0, "06:00", "22:00")],
        [window(day, "00:00", "00:00") for day in range(7)],
        [window(0, "09:00", "09:00")],
    ],
)
async def test_windows_may_touch(http: httpx.AsyncClient, openings: list[dict[str, Any]]) -> None:
    queue = await create(http)

    put = await http.put(f"{QUEUES}/{queue['key']}/openings", json={"openings": openings})

    assert put.status_code == 200
    assert len(put.json()["openings"]) == len(openings)


# Closed days ----------------------------------------------------------------------------------------------------------


async def test_days_with_hours_of_their_own(app_server: Served, http: httpx.AsyncClient) -> None:
    queue, other = await create(http), await create(http)
    closed = {"day": "2097-02-06", "name_zh": "春节", "name_en": "Spring Festival"}
    worked = {**closed, "day": "2097-02-09", "name_zh": "调休", "opens": "09:00:00", "closes": "18:00:00"}

    for_all = (await http.post(CLOSURES, json=closed)).json()
    its_own = (await http.post(CLOSURES, json={**worked, "queue_id": queue["id"]})).json()
    same_day = (await http.post(CLOSURES, json={**worked, "day": closed["day"], "queue_id": queue["id"]})).json()
    others = (await http.post(CLOSURES, json={**closed, "queue_id": other["id"]})).json()

    assert for_all == {**closed, "id": for_all["id"], "queue_id": None, "opens": None, "closes": None}
    assert its_own == {**worked, "id": its_own["id"], "queue_id": queue["id"]}
    for ref in (queue["id"], queue["key"]):
        listed = (await http.get(CLOSURES, params={"queue": ref})).json()["items"]
        assert listed == [for_all, same_day, its_own]
    everything = (await http.get(CLOSURES)).json()["items"]
    assert others in everything
    pages = []
    cursor: dict[str, str] = {}
    while cursor or not pages:
        page = (await http.get(CLOSURES, params={"limit": 1, **cursor})).json()
        pages += page["items"]
        cursor = {"cursor": page["next"]} if page["next"] else {}
    assert pages == everything
    # The queue's own day stands above the one for all.
    hours = app_server.runtime.hotline.now.queues[UUID(queue["id"])].hours
    assert [closure.hours is not None for closure in hours.closures] == [True, True]

    assert refusal(await http.post(CLOSURES, json=closed)) == (409, "closure_exists")
    assert refusal(await http.post(CLOSURES, json={**worked, "queue_id": queue["id"]})) == (409, "closure_exists")
    assert (await http.delete(f"{CLOSURES}/{for_all['id']}")).status_code == 204
    assert refusal(await http.delete(f"{CLOSURES}/{for_all['id']}")) == (404, "not_part_of_it")
    assert (await http.post(CLOSURES, json=closed)).status_code == 201


@pytest.mark.parametrize(
    "wrong",
    [
        {"day": "2097-02-30"},
        {"day": "3000-01-01"},
        {"day": None},
        {"name_zh": ""},
        {"opens": "09:00"},
        {"closes": "18:00"},
        {"opens": "09:00Z", "closes": "18:00Z"},
        {"queue_id": "hotline"},
    ],
)
async def test_a_closed_day_that_does_not_fit_is_refused(http: httpx.AsyncClient, wrong: dict[str, Any]) -> None:
    body = {"day": "2098-01-01", "name_zh": "元旦", "name_en": "New Year", **wrong}

    assert refusal(await http.post(CLOSURES, json=body)) == (422, "invalid")


async def test_a_closed_day_of_no_queue(http: httpx.AsyncClient) -> None:
    body = {"day": "2098-01-01", "name_zh": "元旦", "name_en": "New Year", "queue_id": str(uuid4())}

    assert refusal(await http.post(CLOSURES, json=body)) == (422, "unknown_queue")
    assert refusal(await http.get(CLOSURES, params={"queue": "nothing"})) == (404, "no_such_queue")
    assert refusal(await http.get(CLOSURES, params={"cursor": encode_cursor("2098")})) == (400, "bad_cursor")


# Members --------------------------------------------------------------------------------------------------------------


async def test_members_come_and_go(app_server: Served, http: httpx.AsyncClient) -> None:
    queue = await create(http)
    async with app_server.database.session_scope() as session:
        wang, li = await make_agent(session, name="王"), await make_agent(session, name="李", active=False)
    members = f"{QUEUES}/{queue['key']}/members"

    for agent in (wang, li, wang):
        assert (await http.put(f"{members}/{agent.id}")).status_code == 204
    assert (await read(http, queue["key"]))["members"] == [
        {"id": str(li.id), "name": "李", "active": False},
        {"id": str(wang.id), "name": "王", "active": True},
    ]
    async with app_server.database.session_scope() as session:
        rows = await session.scalar(
            select(func.count()).select_from(QueueMember).where(QueueMember.queue_id == UUID(queue["id"]))
        )
    assert rows == 2

    assert (await http.delete(f"{members}/{wang.id}")).status_code == 204
    assert refusal(await http.delete(f"{members}/{wang.id}")) == (404, "not_part_of_it")
    assert [member["name"] for member in (await read(http, queue["key"]))["members"]] == ["李"]
    assert refusal(await http.put(f"{members}/{uuid4()}")) == (404, "no_such_agent")
    assert refusal(await http.put(f"{members}/nobody")) == (422, "invalid")


async def test_the_first_queue_is_there_from_the_start(app_server: Served, http: httpx.AsyncClient) -> None:
    async with app_server.database.session_scope() as session:
        key = await session.scalar(select(Queue.key).where(Queue.key == "hotline"))

    assert key == "hotline"
    assert (await read(http, "hotline"))["name_en"] == "Hotline"
