"""Finding customers by what somebody has at hand."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest

from app.models import Role
from app.services.paging import encode_cursor
from tests.api.customers.support import URL, a_mobile, all_pages, create, found, refusal
from tests.support import SignIn


async def test_without_words_the_newest_stand_first(http: httpx.AsyncClient) -> None:
    made = [(await create(http))["id"] for _ in range(3)]

    assert (await found(http, ""))[:3] == made[::-1]
    assert (await found(http, "  "))[:3] == made[::-1]


async def test_a_search_shows_who_and_whose(http: httpx.AsyncClient, signed_in: SignIn) -> None:
    supervisor = await signed_in(Role.SUPERVISOR, name="王主管")
    number = a_mobile()
    made = await create(
        supervisor.http,
        name="翟搜索",
        owner_id=str(supervisor.agent.id),
        phones=[{"number": number}, {"number": a_mobile()}],
        tier="core",
        do_not_call=True,
    )

    answer = (await http.get(URL, params={"q": "翟搜索"})).json()

    assert answer == {
        "items": [
            {
                "id": made["id"],
                "code": made["code"],
                "kind": "person",
                "name": "翟搜索",
                "latin_name": "Zhai Sousuo",
                "tier": "core",
                "dcwh": None,
                "region": None,
                "owner": {"id": str(supervisor.agent.id), "name": "王主管"},
                "phone": f"{number[3:6]} {number[6:10]} {number[10:]}",
                "do_not_call": True,
                "created_at": made["created_at"],
            }
        ],
        "next": None,
    }


async def test_by_code_whole_or_begun(http: httpx.AsyncClient) -> None:
    made = await create(http)

    assert await found(http, made["code"]) == [made["id"]]
    assert await found(http, f" {made['code'].lower()} ") == [made["id"]]
    assert made["id"] in await found(http, made["code"][:-1])
    assert made["id"] not in await found(http, f"{made['code']}0")
    assert await found(http, f"C{'9' * 12}") == []


@pytest.mark.parametrize("q", ["鄂", "鄂温", "温克", "克", "鄂温克酒店", "温克酒店有"])
async def test_by_any_part_of_a_chinese_name(http: httpx.AsyncClient, q: str) -> None:
    made = await create(http, name="鄂温克酒店有限公司", kind="company")

    assert made["id"] in await found(http, q)


@pytest.mark.parametrize("q", ["mcgonagall", "GONAG", "Minerva McG", "a m", "mc"])
async def test_by_any_part_of_a_latin_name_in_either_case(http: httpx.AsyncClient, q: str) -> None:
    made = await create(http, name="Minerva McGonagall")

    assert made["id"] in await found(http, q)


async def test_signs_that_mean_something_in_patterns_mean_themselves(http: httpx.AsyncClient) -> None:
    percent = await create(http, name="100% Wolle 50%")
    underscore = await create(http, name="snake_case_gmbh")
    backslash = await create(http, name="back\\slash\\")

    assert await found(http, "0% W") == [percent["id"]]
    assert await found(http, "e_c") == [underscore["id"]]
    assert await found(http, "k\\sl") == [backslash["id"]]
    assert await found(http, "h\\") == [backslash["id"]]
    assert set(await found(http, "%")) == {percent["id"]}
    assert set(await found(http, "_")) == {underscore["id"]}
    assert await found(http, "%%%") == []
    assert await found(http, "___") == []


@pytest.mark.parametrize("spell", [
    lambda number: number,
    lambda number: number[3:],
    lambda number: f"00{number[1:]}",
    lambda number: f"{number[:3]} {number[3:6]}-{number[6:10]}-{number[10:]}",
    lambda number: f"tel:{number}",
    lambda number: number.translate({ord(str(digit)): 0xFF10 + digit for digit in range(10)}),
    lambda number: number[-8:],
    lambda number: number[-4:],
    lambda number: f"{number[-8:-4]} {number[-4:]}",
])  # fmt: skip
async def test_by_number_in_any_spelling_or_its_end(http: httpx.AsyncClient, spell: Callable[[str], str]) -> None:
    number = "+8615912349876"
    ids = await found(http, number) or [(await create(http, phones=[{"number": a_mobile()}, {"number": number}]))["id"]]

    assert await found(http, spell(number)) == ids


async def test_by_the_same_national_number_of_another_country(http: httpx.AsyncClient) -> None:
    made = await create(http, phones=[{"number": "+1 202 555 0188"}])

    assert await found(http, "+862025550188") == [made["id"]]
    assert await found(http, "+492125550188") == [], "the ending of a whole number is no match"


async def test_three_digits_are_no_ending(http: httpx.AsyncClient) -> None:
    await create(http, phones=[{"number": "+8615912340777"}])

    assert await found(http, "777") == []
    assert len(await found(http, "0777")) == 1


async def test_by_whole_email_address_in_either_case(http: httpx.AsyncClient) -> None:
    made = await create(http, email="Only.Me@Example.com")

    assert await found(http, "only.me@example.COM") == [made["id"]]
    assert await found(http, "me@example.com") == []


async def test_who_is_found_in_several_ways_is_shown_once(http: httpx.AsyncClient) -> None:
    made = await create(
        http, name="58580001 GmbH", phones=[{"number": "+49 30 58580001"}, {"number": "+49 40 58580001"}]
    )

    assert await found(http, "58580001") == [made["id"]]


async def test_pages_of_a_search_are_whole_and_stay_so(http: httpx.AsyncClient) -> None:
    made = [
        (await create(http, name=f"Pagebert {number}", phones=[{"number": a_mobile()}, {"number": a_mobile()}]))["id"]
        for number in range(7)
    ]

    first = (await http.get(URL, params={"q": "pagebert", "limit": 3})).json()
    # Whoever comes meanwhile is newer, and moves nobody.
    await create(http, name="Pagebert the late")
    second = (await http.get(URL, params={"q": "pagebert", "limit": 3, "cursor": first["next"]})).json()
    third = (await http.get(URL, params={"q": "pagebert", "limit": 3, "cursor": second["next"]})).json()

    ids = [customer["id"] for page in (first, second, third) for customer in page["items"]]
    assert ids == made[::-1]
    assert [len(page["items"]) for page in (first, second, third)] == [3, 3, 1]
    assert third["next"] is None


async def test_pages_by_number_count_customers_and_not_phones(http: httpx.AsyncClient) -> None:
    made = [
        (
            await create(
                http, phones=[{"number": f"+4930{place}46464"}, {"number": f"+4940{place}46464"}], name=f"k{place}"
            )
        )["id"]
        for place in range(5)
    ]

    pages = await all_pages(http, URL, q="46464", limit=2)

    assert [[customer["id"] for customer in page] for page in pages] == [made[4:2:-1], made[2:0:-1], made[:1]]


@pytest.mark.parametrize(
    "params",
    [
        {"cursor": "nonsense"},
        {"cursor": "x" * 500},
        {"cursor": encode_cursor("not an id")},
        {"cursor": encode_cursor(uuid4(), 1)},
        {"q": "lu", "cursor": "eyJhIjogMX0"},
    ],
)
async def test_a_bad_cursor_is_refused(http: httpx.AsyncClient, params: dict[str, str]) -> None:
    assert refusal(await http.get(URL, params=params)) == (400, "bad_cursor")


@pytest.mark.parametrize("params", [{"q": "a\x00b"}, {"q": "x" * 101}, {"limit": 0}, {"limit": 201}, {"limit": "many"}])
async def test_a_search_that_does_not_fit_is_refused(http: httpx.AsyncClient, params: dict[str, Any]) -> None:
    assert refusal(await http.get(URL, params=params)) == (422, "invalid")
