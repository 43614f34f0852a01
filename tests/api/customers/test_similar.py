"""Is this caller already here?"""

from typing import Any

import httpx
import pytest
from sqlalchemy import update

from app.models import Customer, LinkageModelRow, Role
from app.services.linkage.model import usual_model
from tests.api.customers.support import URL, a_mobile, create
from tests.support import Served, sign_in_as

SIMILAR = f"{URL}/similar"


async def similar(http: httpx.AsyncClient, **asked: Any) -> list[dict[str, Any]]:
    answer = await http.post(SIMILAR, json=asked)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_a_caller_is_found_under_another_spelling_of_their_name(http: httpx.AsyncClient) -> None:
    phone = a_mobile()
    lu = await create(http, name="鲁大伟", birth_date="1975-03-12", gender="male", phones=[{"number": phone}])

    # Lu Dawei could be a Mr Dawei: that order is worth a look.
    for name, suggested in {
        "鲁大伟": "same",
        "魯大偉": "same",
        "鲁大玮": "same",
        "Dawei Lu": "same",
        "Lu Dawei": "maybe",
    }.items():
        (found,) = await similar(http, name=name, phones=[phone], birth_date="1975-03-12")
        assert (found["id"], found["code"], found["suggested"]) == (lu["id"], lu["code"], suggested), name
        assert found["reasons"][0]["bits"] > 0
        assert found["phones"][0].replace(" ", "") == phone.removeprefix("+86")


@pytest.mark.parametrize(
    "asked",
    [
        {"name": "鲁小明"},
        {"name": "鲁大伟", "birth_date": "2001-07-30"},
        {"birth_date": "2001-07-30"},
        {},
    ],
)
async def test_a_housemate_is_somebody_else(http: httpx.AsyncClient, asked: dict[str, str]) -> None:
    phone = a_mobile()
    await create(http, name="鲁大伟", birth_date="1975-03-12", phones=[{"number": phone}])

    assert await similar(http, phones=[phone], **asked) == []


async def test_somebody_without_a_number_is_found_by_each_other_key(http: httpx.AsyncClient) -> None:
    jane = await create(
        http,
        name="Jane Featherstonehaugh",
        email="Jane.F@example.com",
        national_id="QQ123456C",
        birth_date="1988-02-29",
    )

    for asked in (
        {"name": "Jane Featherstonehaugh", "email": "jane.f@example.com"},
        {"name": "J Featherstone", "national_id": "qq 123456 c"},
        {"name": "Jane Fetherstonhaugh", "birth_date": "1988-02-29"},
        {"name": "featherstonehaugh jane"},
    ):
        assert [found["id"] for found in await similar(http, **asked)] == [jane["id"]], asked


async def test_a_common_name_alone_finds_nobody(app_server: Served, http: httpx.AsyncClient) -> None:
    async with app_server.database.session_scope() as session:
        kept = LinkageModelRow(parameters=usual_model(1_000_000).as_json())
        session.add(kept)
    rare = await create(http, name="张伟国")
    for _ in range(14):
        await create(http, name="李国强")

    assert [found["id"] for found in await similar(http, name="张伟国")] == [rare["id"]]
    assert await similar(http, name="李国强") == []
    assert await similar(http, name="李国强", phones=["not a number"]) == []

    async with app_server.database.session_scope() as session:
        await session.delete(kept)


async def test_a_merged_customer_is_left_out(app_server: Served, http: httpx.AsyncClient) -> None:
    phone = a_mobile()
    kept = await create(http, name="欧阳娜娜", phones=[{"number": phone}])
    gone = await create(http, name="欧阳娜娜", phones=[{"number": phone}])
    async with app_server.database.session_scope() as session:
        await session.execute(update(Customer).where(Customer.id == gone["id"]).values(merged_into_id=kept["id"]))

    assert [found["id"] for found in await similar(http, name="欧阳娜娜", phones=[phone])] == [kept["id"]]


async def test_at_most_ten_the_likeliest_first(http: httpx.AsyncClient) -> None:
    phone = a_mobile()
    for at in range(12):
        more = {"birth_date": "1990-05-06"} if at == 7 else {}
        await create(http, name="司马相如", phones=[{"number": phone}], **more)

    found = await similar(http, name="司马相如", phones=[phone], birth_date="1990-05-06")

    assert len(found) == 10
    assert found[0]["suggested"] == "same"
    scores = [each["score"] for each in found]
    assert scores == sorted(scores, reverse=True)


async def test_what_makes_no_sense_is_refused(app_server: Served, http: httpx.AsyncClient) -> None:
    for asked in ({"birth_date": "12.3.1975"}, {"email": "nobody"}, {"shoe_size": 43}, {"phones": ["1"] * 21}):
        assert (await http.post(SIMILAR, json=asked)).status_code == 422
    analyst = await sign_in_as(app_server, Role.ANALYST)
    async with analyst.http, app_server.client() as nobody:
        assert (await analyst.http.post(SIMILAR, json={"name": "鲁"})).status_code == 200
        assert (await nobody.post(SIMILAR, json={"name": "鲁"})).status_code == 401
