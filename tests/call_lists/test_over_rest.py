"""Daily lists over REST: reading them, tomorrow's, the rules, and absences."""

from collections.abc import Iterator
from datetime import date
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from sqlalchemy import text

from app.models import Role
from tests.api.customers.support import refusal
from tests.call_lists.support import at, listed, make, make_book
from tests.support import Served, SignedIn, SignIn

URL = "/api/v1/call-lists"
FRIDAY, MONDAY = date(2026, 11, 27), date(2026, 11, 30)


@pytest.fixture(autouse=True)
def friday_evening() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(at(FRIDAY, 16, 30), tick=True) as traveller:
        yield traveller


@pytest.fixture
async def manager(app_server: Served, signed_in: SignIn) -> SignedIn:
    return await signed_in(Role.ACCOUNT_MANAGER, name="林经理")


async def put_rules(supervisor: SignedIn, **rules: Any) -> dict[str, Any]:
    answer = await supervisor.http.put(f"{URL}/rules", json={"default": rules})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_list_is_read_by_whose_it_is_and_by_supervisors(
    app_server: Served, manager: SignedIn, signed_in: SignIn
) -> None:
    supervisor, somebody = await signed_in(Role.SUPERVISOR), await signed_in(Role.ACCOUNT_MANAGER)
    async with app_server.database.session_scope() as session:
        book = await make_book(session, manager.agent, 3)
        book[0].do_not_call = True
        await session.flush()
        await make(session, FRIDAY)

    (mine,) = (await manager.http.get(URL, params={"day": str(FRIDAY)})).json()["items"]
    whole = (await manager.http.get(f"{URL}/{mine['id']}")).json()
    everybodys = (await supervisor.http.get(URL)).json()["items"]

    assert (mine["listed"], mine["worked"], mine["manager"]["name"]) == (2, 0, "林经理")
    assert [notice["code"] for notice in mine["notices"]] == ["short_list"]
    assert {entry["customer"]["id"] for entry in whole["entries"]} == {str(each.id) for each in book[1:]}
    assert whole["entries"][0]["reasons"][-1]["in_words"] == {"zh": "从未联系过", "en": "never called yet"}
    assert [(out["customer"]["id"], out["reason"]) for out in whole["left_out"]] == [(str(book[0].id), "do_not_call")]
    assert whole["inputs"]["weights"]["promised"] == 3000
    assert {each["manager"]["id"] for each in everybodys} == {str(manager.agent.id), str(somebody.agent.id)}
    assert (await somebody.http.get(URL, params={"day": str(FRIDAY)})).json()["items"][0]["listed"] == 0
    theirs = {"day": str(FRIDAY), "manager": str(manager.agent.id)}
    assert refusal(await somebody.http.get(URL, params=theirs)) == (403, "not_your_list")
    assert refusal(await somebody.http.get(f"{URL}/{mine['id']}")) == (403, "not_your_list")
    assert refusal(await manager.http.get(f"{URL}/{uuid4()}")) == (404, "no_such_list")


async def test_tomorrows_list_is_seen_rearranged_and_made_as_it_was_seen(
    app_server: Served, manager: SignedIn, signed_in: SignIn
) -> None:
    await put_rules(await signed_in(Role.SUPERVISOR), size=4)
    async with app_server.database.session_scope() as session:
        book = await make_book(session, manager.agent, 6, last_contact_at=at(date(2026, 11, 20)))
        stranger = (await make_book(session, (await signed_in()).agent, 1))[0]
    refs = {each.id: str(each.id) for each in book}

    seen = (await manager.http.get(f"{URL}/preview")).json()
    first, second, third, fourth = (entry["customer"]["id"] for entry in seen["entries"])
    missing = next(ref for ref in refs.values() if ref not in (first, second, third, fourth))
    wishes = [
        {"customer": missing, "kind": "pin", "position": 1},
        {"customer": first, "kind": "drop", "reason": "周末见面"},
        {"customer": second, "kind": "move", "position": 4},
    ]
    put = await manager.http.put(f"{URL}/preview", json={"wishes": wishes})
    wished = put.json()
    unknown = await manager.http.put(f"{URL}/preview", json={"wishes": [{"customer": stranger.code, "kind": "pin"}]})
    twice = await manager.http.put(f"{URL}/preview", json={"wishes": [wishes[0], {**wishes[0], "position": 2}]})
    without = await manager.http.put(f"{URL}/preview", json={"wishes": [{"customer": first, "kind": "drop"}]})

    assert (seen["day"], seen["size"], len(seen["entries"])) == (str(MONDAY), 4, 4)
    order = [entry["customer"]["id"] for entry in wished["entries"]]
    assert (order[0], order[3], len(order), first in order) == (missing, second, 4, False)
    assert [(out["customer"]["id"], out["reason"], out["note"]) for out in wished["left_out"]] == [
        (first, "dropped", "周末见面")
    ]
    assert refusal(unknown) == (422, "not_in_the_book")
    assert refusal(twice) == (422, "wishes_collide")
    assert refusal(without) == (422, "invalid")

    async with app_server.database.session_scope() as session:
        await make(session, MONDAY, at(FRIDAY, 18))
        assert [str(each) for each in await listed(session, manager.agent, MONDAY)] == order
    assert refusal(await manager.http.put(f"{URL}/preview", json={"wishes": []})) == (409, "list_is_made")


async def test_tomorrows_list_is_not_shown_before_sixteen_nor_to_others(
    manager: SignedIn, signed_in: SignIn, friday_evening: time_machine.Traveller
) -> None:
    somebody = await signed_in(Role.ACCOUNT_MANAGER)
    theirs = {"manager": str(manager.agent.id)}
    assert refusal(await somebody.http.get(f"{URL}/preview", params=theirs)) == (403, "not_your_list")
    assert refusal(await somebody.http.put(f"{URL}/preview", params=theirs, json={"wishes": []})) == (
        403,
        "not_your_list",
    )
    supervisor = await signed_in(Role.SUPERVISOR)
    assert (await supervisor.http.get(f"{URL}/preview", params=theirs)).status_code == 200
    assert refusal(await supervisor.http.get(f"{URL}/preview", params={"manager": str(uuid4())})) == (
        404,
        "no_such_manager",
    )

    friday_evening.move_to(at(FRIDAY, 15, 59))

    assert refusal(await manager.http.get(f"{URL}/preview")) == (409, "too_early")


async def test_rules_are_a_teams_own_and_bad_ones_are_refused(
    app_server: Served, manager: SignedIn, signed_in: SignIn
) -> None:
    supervisor = await signed_in(Role.SUPERVISOR)
    other = await signed_in(Role.ACCOUNT_MANAGER)
    team = {"name": "大客户组", "members": [str(manager.agent.id)], "size": 2, "weights": {"stage_4": 5000}}
    given = {"default": {"size": 3}, "teams": [team]}

    stored = await supervisor.http.put(f"{URL}/rules", json=given)
    for bad, code in (
        ({"default": {"weights": {"promised": -1}}}, "invalid"),
        ({"default": {"size": 0}}, "invalid"),
        ({"teams": [team, {**team, "name": "别的组"}]}, "teams_collide"),
        ({"teams": [{**team, "members": [str(uuid4())]}]}, "unknown_people"),
    ):
        assert refusal(await supervisor.http.put(f"{URL}/rules", json=bad)) == (422, code)
    assert refusal(await manager.http.put(f"{URL}/rules", json=given)) == (403, "scope_missing")
    async with app_server.database.session_scope() as session:
        book = await make_book(session, manager.agent, 5)
        await make_book(session, other.agent, 5)
        book[2].sales_stage, book[3].next_call_at = 4, at(FRIDAY, 9)
        await session.flush()
        await make(session, FRIDAY)
        mine, theirs = await listed(session, manager.agent, FRIDAY), await listed(session, other.agent, FRIDAY)

    assert stored.status_code == 200
    read = (await manager.http.get(f"{URL}/rules")).json()
    assert (read["default"]["size"], read["teams"][0]["members"]) == (3, [str(manager.agent.id)])
    assert read["teams"][0]["weights"]["stage_4"] == 5000
    # Stage 4 weighs more than a promised time in that team.
    assert mine == [book[2].id, book[3].id]
    assert len(theirs) == 3


async def test_absences_are_kept_and_somebody_stands_in(
    app_server: Served, manager: SignedIn, signed_in: SignIn
) -> None:
    supervisor, stand_in = await signed_in(Role.SUPERVISOR), await signed_in(Role.ACCOUNT_MANAGER)
    given = {
        "manager_id": str(manager.agent.id),
        "first_day": str(FRIDAY),
        "last_day": str(MONDAY),
        "kind": "sick",
        "stand_in_id": str(stand_in.agent.id),
    }

    made = await supervisor.http.post(f"{URL}/absences", json=given)
    backwards = await supervisor.http.post(f"{URL}/absences", json={**given, "last_day": "2026-11-01"})
    nobody = await supervisor.http.post(f"{URL}/absences", json={**given, "stand_in_id": str(uuid4())})
    async with app_server.database.session_scope() as session:
        await make_book(session, manager.agent, 1)
        await make(session, FRIDAY)

    assert (made.status_code, refusal(backwards), refusal(nobody)) == (
        201,
        (422, "invalid"),
        (422, "unknown_people"),
    )
    assert refusal(await manager.http.post(f"{URL}/absences", json=given)) == (403, "scope_missing")
    todays = (await stand_in.http.get(URL)).json()["items"]
    assert {each["manager"]["id"]: each["made_for"]["id"] for each in todays} == {
        str(manager.agent.id): str(stand_in.agent.id),
        str(stand_in.agent.id): str(stand_in.agent.id),
    }
    assert [each["id"] for each in (await supervisor.http.get(f"{URL}/absences")).json()["items"]] == [
        made.json()["id"]
    ]
    path = f"{URL}/absences/{made.json()['id']}"
    assert (await supervisor.http.delete(path)).status_code == 204
    assert refusal(await supervisor.http.delete(path)) == (404, "no_such_absence")


async def test_nobody_can_read_a_year_that_is_not_known(
    app_server: Served, signed_in: SignIn, friday_evening: time_machine.Traveller
) -> None:
    async with app_server.database.session_scope() as session:
        await session.execute(text("DELETE FROM calendar_years"))
    friday_evening.move_to(at(date(2026, 12, 31), 17))
    manager = await signed_in(Role.ACCOUNT_MANAGER)

    assert refusal(await manager.http.get(f"{URL}/preview")) == (409, "calendar_unknown")
