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
                "dcwh": "cold",
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


@pytest.mark.parametrize("q", ["mcgonagall", "GONAG", "Minerva McG", "mcgonagall minerva", "mc", "mi"])
async def test_by_any_part_of_a_latin_name_in_either_case(http: httpx.AsyncClient, q: str) -> None:
    made = await create(http, name="Minerva McGonagall")

    assert made["id"] in await found(http, q)


async def test_signs_that_mean_something_in_patterns_mean_nothing(http: httpx.AsyncClient) -> None:
    percent = await create(http, name="100% Wolle 50%")
    underscore = await create(http, name="snake_case_gmbh")

    assert await found(http, "100% w") == [percent["id"]]
    assert await found(http, "100wolle") == [percent["id"]]
    assert await found(http, "e_case g") == [underscore["id"]]
    assert await found(http, "snake%gmbh") == [underscore["id"]], "two words of one name"
    for nothing in ("%", "_", "%%%", "___", "\\", "|", "。"):
        assert await found(http, nothing) == []


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


@pytest.mark.parametrize(
    "part", ["866", "6912", "+8669", "0086 6912", "0691234", "(0691) 2340", "2340776", "776", "-34"]
)
async def test_by_any_part_of_a_number_with_or_without_what_is_dialled_before_it(
    http: httpx.AsyncClient, part: str
) -> None:
    number = "+8669123407761"
    ids = await found(http, number) or [(await create(http, phones=[{"number": number}]))["id"]]

    assert (await found(http, part) == ids) is (part != "-34")


async def test_two_digits_are_no_part_of_a_number(http: httpx.AsyncClient) -> None:
    await create(http, phones=[{"number": "+8615912340777"}])
    company = await create(http, name="77号咖啡馆", kind="company")

    assert await found(http, "77") == [company["id"]]
    assert await found(http, "0") == []


async def test_numbers_that_begin_with_it_stand_before_those_that_hold_it(http: httpx.AsyncClient) -> None:
    begins = await create(http, phones=[{"number": "+49 30 4747 1212"}])
    holds = await create(http, phones=[{"number": "+49 40 3047 4712"}])

    assert await found(http, "030 47471") == [begins["id"], holds["id"]]
    assert await found(http, "304747") == [begins["id"], holds["id"]]


async def test_by_any_part_of_an_email_address_in_either_case(http: httpx.AsyncClient) -> None:
    whole = await create(http, email="Only.Me@Example.com")
    longer = await create(http, email="not.only.me@example.com")

    assert await found(http, "only.me@example.COM") == [whole["id"], longer["id"]], "the whole one first"
    assert await found(http, "ly.me@exam") == [longer["id"], whole["id"]]
    assert await found(http, "not.on") == [longer["id"]]
    assert (await found(http, "only"))[0] == whole["id"], "one that begins with it before one that holds it"


CHINESE = [
    *(
        "鲁建国",
        "魯建國",
        "鲁",
        "建国",
        "建國",
        "国",
        "鲁建",
        "鲁jianguo",
        "鲁jg",
        "lujianguo",
        "luj",
        "lu jian guo",
        "Lu Jianguo",
    ),
    *("jianguo", "ljg", "lj", "jg", "l", "lu", "gu", "uji", "ｌｕｊｉａｎｇｕｏ", "LUJIANGUO"),
    *("鲁先生", "魯先生", "鲁先", "luxiansheng", "lu xian sheng", "luxian", "luxs", "lxs", "Mr Lu", "mr. lu", "鲁经理"),
]


@pytest.mark.parametrize("q", CHINESE)
async def test_by_a_chinese_name_as_it_is_typed(http: httpx.AsyncClient, q: str) -> None:
    made = await create(http, name="鲁建国", gender="male")

    assert made["id"] in await found(http, q)


@pytest.mark.parametrize(
    "q", ["鲁女士", "lunvshi", "luns", "Ms Lu", "wjg", "jgl", "guojian", "鲁国", "luan", "鲁建国先生"]
)
async def test_what_a_chinese_name_is_not_found_by(http: httpx.AsyncClient, q: str) -> None:
    made = await create(http, name="鲁建国", gender="male")

    assert made["id"] not in await found(http, q)


@pytest.mark.parametrize(
    ("name", "given", "q"),
    [
        ("鲁先生", {}, "luxiansheng"),
        ("鲁先生", {}, "lxs"),
        ("陸國鍾", {"gender": "female"}, "陆国钟"),
        ("陆国钟", {}, "陸國鍾"),
        ("陸小姐", {}, "陆女士"),
        ("陸國鍾", {"gender": "female"}, "陆小姐"),
        ("陸國鍾", {"gender": "female"}, "lxj"),
        ("赵敏", {}, "赵女士"),
        ("赵敏", {}, "zhaoxs"),
        ("欧阳娜娜", {"gender": "female"}, "歐陽小姐"),
        ("欧阳娜娜", {"gender": "female"}, "ouyangxiaojie"),
        ("欧阳娜娜", {"gender": "female"}, "oynn"),
        ("吕蒙", {}, "lvmeng"),
        ("吕蒙", {}, "lümeng"),
        ("吕蒙", {}, "lumeng"),
        ("单雄信", {}, "shanxiongxin"),
        ("单雄信", {}, "danxiongx"),
        ("尉迟恭", {}, "yuchigong"),
        ("陳大文", {"latin_name": "Chan Tai Man", "latin_surname": "Chan"}, "chan tai"),
        ("陳大文", {"latin_name": "Chan Tai Man", "latin_surname": "Chan"}, "Ms Chan"),
        ("陳大文", {"latin_name": "Chan Tai Man", "latin_surname": "Chan"}, "chendawen"),
        ("José Müller-Lüdenscheidt", {}, "jose muller"),
        ("José Müller-Lüdenscheidt", {}, "ludensch"),
        ("Jose Muller", {}, "José Müller"),
        ("Søren Kierkegaard", {}, "soren"),
        ("李慧 Lisa", {}, "lisa"),
        ("李慧 Lisa", {}, "lihuilisa"),
        ("买买提·阿卜杜拉", {}, "买买提阿卜"),
        ("买买提·阿卜杜拉", {}, "abudula"),
    ],
)
async def test_by_names_of_every_kind(http: httpx.AsyncClient, name: str, given: dict[str, str], q: str) -> None:
    made = await create(http, name=name, **given)

    assert made["id"] in await found(http, q)


@pytest.mark.parametrize(
    "q", ["中国银行", "银行", "yinhang", "zgyh", "gongshang", "南京分行", "nanjing", "njfh", "GmbH", "icbc"]
)
async def test_by_a_company_and_its_parts(http: httpx.AsyncClient, q: str) -> None:
    made = await create(http, name="中国银行工商部（ICBC）南京分行 GmbH", kind="company")

    assert made["id"] in await found(http, q)


async def test_by_two_things_at_once(http: httpx.AsyncClient) -> None:
    made = await create(http, name="郜两样", phones=[{"number": "+8615966771188"}])
    await create(http, name="郜两样", phones=[{"number": "+8615966772299"}])

    assert await found(http, "郜 1188") == [made["id"]]
    assert await found(http, "gao 677118") == [made["id"]]


async def test_who_begins_with_it_stands_before_who_holds_it(http: httpx.AsyncClient) -> None:
    first = await create(http, name="隗海")
    holds = await create(http, name="李隗")
    newer = await create(http, name="隗江")

    assert await found(http, "隗") == [newer["id"], first["id"], holds["id"]]


async def test_by_serial_number_whole_or_begun(http: httpx.AsyncClient) -> None:
    mine = await create(http, name="serial one")
    other = await create(http, name="serial two")
    for customer, serial in ((mine, "QvQ-35gw/0001"), (other, "QVQ-35GW/00019")):
        bought = {"product": "空调", "purchased_on": "2025-10-18", "serial_number": serial}
        assert (await http.post(f"{URL}/{customer['id']}/purchases", json=bought)).status_code == 201

    assert await found(http, "qvq-35gw/0001") == [other["id"], mine["id"]]
    assert await found(http, "QVQ-35GW/00019") == [other["id"]]
    assert await found(http, "qvq-3") == [other["id"], mine["id"]]
    assert await found(http, "qvq") == []
    assert await found(http, "QVQ-35GW/0002") == []


async def test_a_code_without_its_zeros(http: httpx.AsyncClient) -> None:
    made = await create(http)

    assert (await found(http, f"c{int(made['code'][1:])}"))[0] == made["id"]


async def test_what_is_changed_is_found_as_it_is_now(http: httpx.AsyncClient) -> None:
    made = await create(http, name="旧名儿")
    one = f"{URL}/{made['id']}"

    await http.patch(one, json={"name": "新名儿", "email": "new@fresh.example"})
    phone = (await http.post(f"{one}/phones", json={"number": "+8615999990001"})).json()

    assert await found(http, "旧名儿") == []
    assert await found(http, "新名儿") == await found(http, "fresh.ex") == await found(http, "99999000") == [made["id"]]
    await http.delete(f"{one}/phones/{phone['id']}")
    assert await found(http, "99999000") == []


async def test_pages_lead_through_all_stages_and_show_nobody_twice(http: httpx.AsyncClient) -> None:
    exact = await create(http, phones=[{"number": "+86135813581"}])
    begins = [await create(http, phones=[{"number": f"+86135813581{place}"}]) for place in range(3)]
    holds = [await create(http, phones=[{"number": f"+4930135813581{place}"}]) for place in range(3)]

    pages = await all_pages(http, URL, q="135813581", limit=2)

    ids = [customer["id"] for page in pages for customer in page]
    assert ids == [each["id"] for each in (exact, *begins[::-1], *holds[::-1])]
    assert [len(page) for page in pages] == [2, 2, 2, 1]


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
        {"q": "lu", "cursor": encode_cursor(uuid4())},
        {"q": "lu", "cursor": encode_cursor(4, "1")},
        {"q": "lu", "cursor": encode_cursor(-1, "1")},
        {"q": "lu", "cursor": encode_cursor(0, "x")},
        {"q": "lu", "cursor": encode_cursor(2, "x")},
        {"q": "lu", "cursor": encode_cursor(3, "1e5")},
    ],
)
async def test_a_bad_cursor_is_refused(http: httpx.AsyncClient, params: dict[str, str]) -> None:
    assert refusal(await http.get(URL, params=params)) == (400, "bad_cursor")


@pytest.mark.parametrize("params", [{"q": "a\x00b"}, {"q": "x" * 101}, {"limit": 0}, {"limit": 201}, {"limit": "many"}])
async def test_a_search_that_does_not_fit_is_refused(http: httpx.AsyncClient, params: dict[str, Any]) -> None:
    assert refusal(await http.get(URL, params=params)) == (422, "invalid")
