"""Adding customers, and who may."""

from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from app.domain.customer_facts import MOST_PHONES
from tests.api.customers.support import OURS, URL, a_mobile, create, found, refusal
from tests.support import Served


async def test_a_customer_is_created_and_read_back(http: httpx.AsyncClient) -> None:
    number = a_mobile()
    answer = await http.post(
        URL,
        json={
            "name": "  鲁大伟 ",
            "gender": "male",
            "phones": [{"number": number.removeprefix("+86"), "label": "mobile"}, {"number": "010-6234 5678 转 801"}],
            "email": "Lu@example.com",
            "language": "zh_cn",
            "time_zone": "Asia/Shanghai",
            "tier": "value",
            "sales_stage": 2,
            "intention": "good",
            "note": "喜欢晚上\n接电话",
        },
    )
    made = answer.json()
    read = await http.get(answer.headers["location"])

    assert answer.status_code == 201
    assert read.json() == made
    assert read.headers["etag"] == answer.headers["etag"] == '"1"'
    assert (made["name"], made["surname"]) == ("鲁大伟", "鲁")
    assert (made["latin_name"], made["latin_surname"]) == ("Lu Dawei", "Lu")
    assert made["address_as"] == {"zh": "鲁先生", "en": "Mr Lu"}
    assert made["language"] == "zh-CN"
    assert made["note"] == "喜欢晚上\n接电话"
    assert (made["owner"], made["do_not_call"], made["version"]) == (None, False, 1)
    assert made["created_at"].endswith("Z")
    mobile, office = made["phones"]
    assert (mobile["e164"], mobile["raw"], mobile["label"], mobile["is_primary"], mobile["line_type"]) == (
        number,
        number.removeprefix("+86"),
        "mobile",
        True,
        "mobile",
    )
    assert (office["e164"], office["extension"], office["national"], office["is_primary"]) == (
        "+861062345678",
        "801",
        "010 6234 5678",
        False,
    )


async def test_codes_count_up_and_address_a_customer_in_either_case(http: httpx.AsyncClient) -> None:
    first, second = await create(http), await create(http)

    assert int(second["code"][1:]) > int(first["code"][1:])
    for ref in (first["code"], first["code"].lower(), first["id"], first["id"].upper()):
        assert (await http.get(f"{URL}/{ref}")).json()["id"] == first["id"]


async def test_a_name_and_nothing_else_is_enough(http: httpx.AsyncClient) -> None:
    made = await create(http, name="John Smith")

    assert (made["kind"], made["surname"], made["phones"]) == ("person", "Smith", [])
    assert (made["email"], made["tier"], made["language"]) == (None, None, None)


async def test_a_company_has_no_surname(http: httpx.AsyncClient) -> None:
    made = await create(http, name="恒通酒店有限公司", kind="company", latin_name="Hengtong Hotels")

    assert (made["surname"], made["latin_surname"]) == ("", "")
    assert made["address_as"] == {"zh": "恒通酒店有限公司", "en": "Hengtong Hotels"}


async def test_what_somebody_knows_better_is_not_worked_out(http: httpx.AsyncClient) -> None:
    made = await create(http, name="单田芳", latin_name="Dan T. Fang", latin_surname="Dan", surname="")

    assert (made["latin_name"], made["latin_surname"], made["surname"]) == ("Dan T. Fang", "Dan", "")


async def test_the_same_number_twice_is_one_phone(http: httpx.AsyncClient) -> None:
    number = a_mobile()
    made = await create(
        http, phones=[{"number": number, "label": "first"}, {"number": f"00{number[1:]}"}, {"number": number[3:]}]
    )

    (phone,) = made["phones"]
    assert (phone["e164"], phone["label"], phone["is_primary"]) == (number, "first", True)


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("10086", "bad_number"),
        ("anonymous", "bad_number"),
        ("sip:alice@example.com", "bad_number"),
        ("nonsense", "bad_number"),
        ("12", "bad_number"),
        (OURS, "own_number"),
        ("021-1234 5678", "own_number"),
    ],
)
async def test_what_cannot_be_rung_is_no_phone_of_a_customer(
    app_server: Served, http: httpx.AsyncClient, number: str, expected: str
) -> None:
    name = f"名{uuid4().hex[:12]}"
    refused = await http.post(URL, json={"name": name, "phones": [{"number": a_mobile()}, {"number": number}]})

    assert refusal(refused) == (422, expected)
    assert refused.json()["errors"][0]["loc"] == ["body", "phones", 1, "number"]
    assert await found(http, name) == [], "nothing half done"


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "   "},
        {"name": None},
        {"name": "a\x00b"},
        {"name": "a\nb"},
        {"name": "\ud800"},
        {"name": "x" * 201},
        {"note": "x" * 4001},
        {"note": "a\x00b"},
        {"kind": "animal"},
        {"gender": "m"},
        {"tier": "gold"},
        {"sales_stage": 8},
        {"sales_stage": -1},
        {"sales_stage": None},
        {"email": "nobody"},
        {"email": "a b@example.com"},
        {"email": f"{'a' * 65}@example.com"},
        {"language": "Chinese"},
        {"language": "z"},
        {"time_zone": "Mars/Phobos"},
        {"time_zone": "America"},
        {"time_zone": "../../etc/passwd"},
        {"owner_id": "me"},
        {"phones": [{"number": ""}]},
        {"phones": [{"number": "1" * 65}]},
        {"phones": [{"number": "13800138000"}] * (MOST_PHONES + 1)},
        {"code": "C0000001"},
    ],
)
async def test_what_does_not_fit_is_refused(http: httpx.AsyncClient, wrong: dict[str, Any]) -> None:
    body = {"name": "鲁大伟", **wrong}
    # As httpx would not send half of a surrogate pair.
    content = httpx.Request("POST", URL, json={"name": "?"}).content.replace(b'"?"', b'"\\ud800"')
    if wrong.get("name") == "\ud800":
        refused = await http.post(URL, content=content, headers={"content-type": "application/json"})
    else:
        refused = await http.post(URL, json=body)

    assert refusal(refused) == (422, "invalid")


@pytest.mark.parametrize(
    ("given", "kept"),
    [("zh", "zh"), ("ZH-hans-cn", "zh-Hans-CN"), ("en_us", "en-US"), ("es-419", "es-419"), ("sl-ROZAJ", "sl-rozaj")],
)
async def test_language_tags_are_written_in_one_way(http: httpx.AsyncClient, given: str, kept: str) -> None:
    assert (await create(http, language=given))["language"] == kept


async def test_codes_go_on_after_the_ten_millionth(app_server: Served, http: httpx.AsyncClient) -> None:
    async with app_server.database.session_scope() as session:
        before = await session.scalar(text("SELECT last_value FROM customer_code_seq"))
        await session.execute(text("SELECT setval('customer_code_seq', 9999998)"))

    codes = [(await create(http))["code"] for _ in range(3)]

    async with app_server.database.session_scope() as session:
        await session.execute(text("SELECT setval('customer_code_seq', :at)"), {"at": before})
    assert codes == ["C9999999", "C10000000", "C10000001"]
