"""The numbers of a customer."""

import asyncio
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select

from app.domain.customer_facts import MOST_PHONES
from app.models import CustomerPhone
from tests.api.customers.support import OURS, URL, a_mobile, create, found, refusal
from tests.support import Served


async def test_phones_come_and_go_and_one_is_primary(http: httpx.AsyncClient) -> None:
    made = await create(http)
    phones = f"{URL}/{made['code']}/phones"
    numbers = [a_mobile(), a_mobile(), a_mobile()]

    added = [(await http.post(phones, json={"number": number, "label": "手机"})).json() for number in numbers]
    assert [phone["is_primary"] for phone in added] == [True, False, False]

    promoted = (await http.put(f"{phones}/{added[2]['id']}/primary")).json()
    assert [(phone["e164"], phone["is_primary"]) for phone in promoted["items"]] == [
        (numbers[2], True),
        (numbers[0], False),
        (numbers[1], False),
    ]
    assert (await http.put(f"{phones}/{added[2]['id']}/primary")).json() == promoted

    assert (await http.delete(f"{phones}/{added[2]['id']}")).status_code == 204
    left = (await http.get(phones)).json()["items"]
    assert [(phone["e164"], phone["is_primary"]) for phone in left] == [(numbers[0], True), (numbers[1], False)]
    assert refusal(await http.delete(f"{phones}/{added[2]['id']}")) == (404, "no_such_phone")

    for phone in left:
        assert (await http.delete(f"{phones}/{phone['id']}")).status_code == 204
    assert (await http.get(phones)).json() == {"items": [], "next": None}


async def test_a_number_they_have_is_not_added_again(http: httpx.AsyncClient) -> None:
    number = a_mobile()
    made = await create(http, phones=[{"number": number, "label": "first"}])

    again = await http.post(f"{URL}/{made['id']}/phones", json={"number": number[3:], "label": "second"})

    assert again.status_code == 200
    assert again.json() == made["phones"][0]
    assert (await http.get(f"{URL}/{made['id']}")).json()["version"] == 1


async def test_the_same_number_at_once_is_one_phone(http: httpx.AsyncClient) -> None:
    made = await create(http)
    number = a_mobile()
    answers = await asyncio.gather(
        *(http.post(f"{URL}/{made['id']}/phones", json={"number": number}) for _ in range(4))
    )

    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 201]
    assert len({answer.json()["id"] for answer in answers}) == 1


async def test_two_customers_may_share_a_number(http: httpx.AsyncClient) -> None:
    number = a_mobile()
    one, other = await create(http, phones=[{"number": number}]), await create(http, phones=[{"number": number}])

    assert await found(http, number) == [other["id"], one["id"]]


async def test_a_change_of_phones_is_a_change_of_the_record(http: httpx.AsyncClient) -> None:
    made = await create(http, phones=[{"number": a_mobile()}])
    one = f"{URL}/{made['id']}"

    second = (await http.post(f"{one}/phones", json={"number": a_mobile()})).json()
    assert (await http.get(one)).headers["etag"] == '"2"'
    await http.put(f"{one}/phones/{second['id']}/primary")
    assert (await http.get(one)).headers["etag"] == '"3"'
    await http.delete(f"{one}/phones/{second['id']}")
    assert (await http.get(one)).headers["etag"] == '"4"'


async def test_somebody_elses_phone_is_not_theirs(http: httpx.AsyncClient) -> None:
    mine = await create(http, phones=[{"number": a_mobile()}])
    theirs = await create(http, phones=[{"number": a_mobile()}])
    phone = theirs["phones"][0]["id"]

    assert refusal(await http.delete(f"{URL}/{mine['id']}/phones/{phone}")) == (404, "no_such_phone")
    assert refusal(await http.put(f"{URL}/{mine['id']}/phones/{phone}/primary")) == (404, "no_such_phone")
    assert (await http.get(f"{URL}/{theirs['id']}/phones")).json()["items"][0]["id"] == phone


async def test_a_customer_has_so_many_phones_and_no_more(http: httpx.AsyncClient) -> None:
    made = await create(http, phones=[{"number": a_mobile()} for _ in range(MOST_PHONES)])

    refused = await http.post(f"{URL}/{made['id']}/phones", json={"number": a_mobile()})

    assert refusal(refused) == (409, "too_many_phones")
    assert len((await http.get(f"{URL}/{made['id']}/phones")).json()["items"]) == MOST_PHONES


@pytest.mark.parametrize(("number", "expected"), [("10086", "bad_number"), (OURS, "own_number")])
async def test_not_every_number_can_be_added(http: httpx.AsyncClient, number: str, expected: str) -> None:
    made = await create(http)

    assert refusal(await http.post(f"{URL}/{made['id']}/phones", json={"number": number})) == (422, expected)


async def test_a_number_of_seven_digits_has_a_bucket_too(app_server: Served, http: httpx.AsyncClient) -> None:
    # Saint Helena: +290 and four or five digits.
    made = await create(http, phones=[{"number": "+290 22158"}])

    async with app_server.database.session_scope() as session:
        phone = await session.scalar(select(CustomerPhone).where(CustomerPhone.customer_id == UUID(made["id"])))
    assert phone is not None
    assert (phone.e164, phone.bucket, phone.national_number) == ("+29022158", "29022158", "22158")
