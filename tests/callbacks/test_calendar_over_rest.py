"""Calendars and calling windows over REST."""

from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.domain.working_calendar import public_holidays
from tests.api.customers.support import refusal
from tests.callbacks.test_over_rest import customer_of
from tests.support import Served, SignedIn

URL = "/api/v1/calendar"
WEEK = [{"weekday": day, "opens": "09:00:00", "closes": "18:00:00"} for day in range(5)]
A_YEAR_NOBODY_KNOWS = 2098


async def test_as_it_comes(agent: SignedIn) -> None:
    told = (await agent.http.get(URL)).json()

    main = told["main"]
    assert told["regions"] == []
    assert (main["zone"], main["country"], main["open_to_all_after"]) == ("Asia/Shanghai", "CN", 120)
    assert main["openings"] == WEEK
    assert [year["is_known"] for year in main["years"][:2]] == [True, True]
    windows = (await agent.http.get(f"{URL}/windows")).json()["items"]
    assert [(each["region"], len(each["windows"])) for each in windows] == [(None, 7)]
    assert windows[0]["windows"][6] == {"weekday": 6, "opens": "09:00:00", "closes": "21:00:00"}


async def test_fault_22_a_year_without_data_is_refused_until_somebody_confirms_it(
    app_server: Served, agent: SignedIn, supervisor: SignedIn
) -> None:
    year = A_YEAR_NOBODY_KNOWS
    assert not public_holidays("CN", None, year).is_settled
    days = {"from": f"{year}-10-01", "to": f"{year}-10-10"}

    refused = await agent.http.get(f"{URL}/working-days", params=days)
    assert refusal(refused) == (409, "calendar_unknown")
    assert (refused.json()["country"], refused.json()["year"]) == ("CN", year)
    assert f"PUT /api/v1/calendar/years/{year}" in refused.json()["detail"]
    assert refusal(await agent.http.put(f"{URL}/years/{year}")) == (403, "scope_missing")

    named = {"day": f"{year}-10-09", "name_zh": "国庆节", "name_en": "National Day"}
    assert (await supervisor.http.post("/api/v1/closures", json=named)).status_code == 201
    confirmed = (await supervisor.http.put(f"{URL}/years/{year}")).json()["main"]
    assert (await supervisor.http.put(f"{URL}/years/{year}")).json()["main"] == confirmed
    told = next(each for each in confirmed["years"] if each["year"] == year)
    assert (told["is_known"], told["confirmed_by"]) == (True, str(supervisor.agent.id))
    items = (await agent.http.get(f"{URL}/working-days", params=days)).json()["items"]
    # What is entered holds, above the feast days that the library knows anyway.
    assert [item["is_working"] for item in items[7:]] == [True, False, True]
    assert items[8] == {"day": f"{year}-10-09", "is_working": False, "name_zh": "国庆节", "name_en": "National Day"}
    assert items[0]["name_zh"] == "国庆节"

    assert (await supervisor.http.delete(f"{URL}/years/{year}")).status_code == 204
    assert refusal(await agent.http.get(f"{URL}/working-days", params=days)) == (409, "calendar_unknown")


async def test_spring_festival_over_rest(agent: SignedIn) -> None:
    answer = await agent.http.get(f"{URL}/working-days", params={"from": "2026-02-13", "to": "2026-02-15"})

    assert [(item["is_working"], item["name_en"]) for item in answer.json()["items"]] == [
        (True, ""),
        (True, "Make-up working day"),
        (False, ""),
    ]
    backwards = await agent.http.get(f"{URL}/working-days", params={"from": "2026-02-13", "to": "2026-02-12"})
    assert refusal(backwards) == (400, "bad_range")


async def test_the_house_may_work_otherwise(agent: SignedIn, supervisor: SignedIn) -> None:
    before = (await agent.http.get(URL)).json()["main"]
    given: dict[str, Any] = {
        "zone": "Europe/Berlin",
        "country": "DE",
        "subdivision": "BY",
        "openings": [*WEEK, {"weekday": 5, "opens": "09:00:00", "closes": "12:00:00"}],
        "open_to_all_after": 30,
    }

    changed = (await supervisor.http.put(URL, json=given)).json()["main"]

    assert {name: changed[name] for name in given} == given
    day = (await agent.http.get(f"{URL}/working-days", params={"from": "2026-01-06", "to": "2026-01-06"})).json()
    assert day["items"][0]["name_en"] == "Epiphany"
    assert day["items"][0]["is_working"] is False
    for wrong in ({"country": "XX"}, {"subdivision": "ZZ"}):
        answer = await supervisor.http.put(URL, json={**given, **wrong})
        assert refusal(answer) == (422, "unknown_place")
    overlapping = {**given, "openings": [WEEK[0], {**WEEK[0], "opens": "10:00:00"}]}
    assert refusal(await supervisor.http.put(URL, json=overlapping)) == (422, "invalid")
    assert refusal(await agent.http.put(URL, json=given)) == (403, "scope_missing")
    back = {name: before[name] for name in given} | {"zone": None, "country": None}
    assert (await supervisor.http.put(URL, json=back)).json()["main"] == before


async def test_a_region_of_its_own(app_server: Served, agent: SignedIn, supervisor: SignedIn) -> None:
    given = {
        "zone": "America/Chicago",
        "openings": WEEK,
        "days": [{"day": "2026-12-24", "name_zh": "平安夜", "name_en": "Christmas Eve", "opens": None, "closes": None}],
    }
    one = f"{URL}/regions/US"

    (region,) = (await supervisor.http.put(one, json=given)).json()["regions"]

    assert (region["region"], region["country"], region["open_to_all_after"]) == ("US", "US", None)
    assert region["days"] == given["days"]
    days = {"from": "2026-11-26", "to": "2026-11-27", "region": "US"}
    items = (await agent.http.get(f"{URL}/working-days", params=days)).json()["items"]
    assert [(item["is_working"], item["name_en"]) for item in items] == [(False, "Thanksgiving Day"), (True, "")]
    customer = await customer_of(app_server, "+13125550123")
    made = (await agent.http.post("/api/v1/callbacks", json={"customer": customer.code})).json()
    assert made["zone"] == "America/Chicago"
    assert (await supervisor.http.put(one, json=given)).json()["regions"] == [region]
    twice = {**given, "days": given["days"] * 2}
    assert refusal(await supervisor.http.put(one, json=twice)) == (422, "invalid")
    assert (await supervisor.http.delete(one)).status_code == 204
    assert refusal(await supervisor.http.delete(one)) == (404, "no_such_calendar")
    assert refusal(await supervisor.http.put(f"{URL}/years/2027?region=US")) == (404, "no_such_calendar")


@pytest.mark.parametrize(
    ("windows", "expected"),
    [
        ([{"weekday": 0, "opens": "22:00:00", "closes": "06:00:00"}], (422, "invalid")),
        ([{"weekday": 7, "opens": "09:00:00", "closes": "10:00:00"}], (422, "invalid")),
        ([], (409, "windows_needed")),
    ],
)
async def test_windows_that_are_none(
    supervisor: SignedIn, windows: list[dict[str, Any]], expected: tuple[int, str]
) -> None:
    before = (await supervisor.http.get(f"{URL}/windows")).json()

    assert refusal(await supervisor.http.put(f"{URL}/windows/default", json={"windows": windows})) == expected

    assert (await supervisor.http.get(f"{URL}/windows")).json() == before


async def test_windows_of_a_country(app_server: Served, agent: SignedIn, supervisor: SignedIn) -> None:
    windows = [{"weekday": day, "opens": "10:00:00", "closes": "00:00:00"} for day in range(7)]

    put = await supervisor.http.put(f"{URL}/windows/FR", json={"windows": windows})

    assert put.json()["items"][1] == {"region": "FR", "windows": windows}
    customer = await customer_of(app_server, "+33123456789")
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    half_past_nine = datetime.combine(tomorrow, time(9, 30), tzinfo=ZoneInfo("Europe/Paris"))
    early = {"customer": customer.code, "due_at": half_past_nine.isoformat()}
    refused = await agent.http.post("/api/v1/callbacks", json=early)
    assert refusal(refused) == (409, "outside_calling_window")
    assert (await supervisor.http.delete(f"{URL}/windows/FR")).status_code == 204
    assert (await agent.http.post("/api/v1/callbacks", json=early)).status_code == 201
    assert refusal(await supervisor.http.delete(f"{URL}/windows/FR")) == (404, "no_such_calendar")
    assert refusal(await supervisor.http.put(f"{URL}/windows/fr", json={"windows": windows})) == (422, "invalid")
