"""Links between customers, what they agreed to, and their value on the card."""

import asyncio
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from app.models import Role
from tests.api.customers.support import URL, all_pages, create, refusal
from tests.support import SignIn


async def test_a_link_shows_on_both_cards_each_from_its_own_end(http: httpx.AsyncClient) -> None:
    father, son = await create(http, name="鲁建国"), await create(http, name="鲁小明")

    made = await http.post(
        f"{URL}/{son['code']}/links", json={"other": father["code"], "kind": "parent", "note": "同住"}
    )

    assert made.status_code == 201
    link = made.json()
    assert (link["kind"], link["customer"]["name"], link["note"], link["agent"]["name"]) == (
        "parent",
        "鲁建国",
        "同住",
        "李娜",
    )
    (of_son,) = (await http.get(f"{URL}/{son['id']}/card")).json()["links"]
    (of_father,) = (await http.get(f"{URL}/{father['id']}/card")).json()["links"]
    assert of_son == link
    assert (of_father["id"], of_father["kind"], of_father["customer"]["code"]) == (link["id"], "child", son["code"])
    assert (await http.get(f"{URL}/{father['id']}/links")).json() == {"items": [of_father], "next": None}


@pytest.mark.parametrize(
    ("kind", "inverse"),
    [
        ("parent", "child"),
        ("employer", "employee"),
        ("parent_company", "subsidiary"),
        ("spouse", "spouse"),
        ("household", "household"),
    ],
)
async def test_the_same_link_from_the_other_end_is_there_already(
    http: httpx.AsyncClient, kind: str, inverse: str
) -> None:
    one, other = await create(http), await create(http)
    assert (await http.post(f"{URL}/{one['id']}/links", json={"other": other["id"], "kind": kind})).status_code == 201

    again = await http.post(f"{URL}/{one['id']}/links", json={"other": other["id"], "kind": kind})
    reverse = await http.post(f"{URL}/{other['id']}/links", json={"other": one["id"], "kind": inverse})

    assert refusal(again) == refusal(reverse) == (409, "linked_already")
    assert len((await http.get(f"{URL}/{one['id']}/links")).json()["items"]) == 1


async def test_two_people_link_the_same_pair_from_both_ends_at_once(http: httpx.AsyncClient, signed_in: SignIn) -> None:
    colleague = await signed_in(Role.AGENT)
    for _ in range(10):
        one, other = await create(http), await create(http)

        answers = await asyncio.gather(
            http.post(f"{URL}/{one['id']}/links", json={"other": other["id"], "kind": "spouse"}),
            colleague.http.post(f"{URL}/{other['id']}/links", json={"other": one["id"], "kind": "spouse"}),
        )

        assert sorted(answer.status_code for answer in answers) == [201, 409]


@pytest.mark.parametrize(
    ("other", "code"),
    [
        ("C9999999", "unknown_other"),
        ("01900000-0000-7000-8000-00000000dead", "unknown_other"),
        ("self", "linked_to_themselves"),
    ],
)
async def test_what_cannot_be_linked(http: httpx.AsyncClient, other: str, code: str) -> None:
    made = await create(http)
    named = made["code"] if other == "self" else other

    answer = await http.post(f"{URL}/{made['id']}/links", json={"other": named, "kind": "sibling"})

    assert refusal(answer) == (422, code)
    assert (await http.get(f"{URL}/{made['id']}/links")).json()["items"] == []


async def test_a_link_is_taken_away_from_both_cards_and_from_nobody_elses(http: httpx.AsyncClient) -> None:
    one, other, stranger = await create(http), await create(http), await create(http)
    link = (await http.post(f"{URL}/{one['id']}/links", json={"other": other["id"], "kind": "partner"})).json()

    assert refusal(await http.delete(f"{URL}/{stranger['id']}/links/{link['id']}")) == (404, "no_such_link")
    assert (await http.delete(f"{URL}/{other['id']}/links/{link['id']}")).status_code == 204
    assert refusal(await http.delete(f"{URL}/{one['id']}/links/{link['id']}")) == (404, "no_such_link")

    for customer in (one, other):
        assert (await http.get(f"{URL}/{customer['id']}/card")).json()["links"] == []


async def test_the_latest_word_on_a_purpose_counts_and_all_are_kept(http: httpx.AsyncClient) -> None:
    made = await create(http)
    consents = f"{URL}/{made['id']}/consents"
    last_year = (datetime.now(UTC) - timedelta(days=365)).isoformat()
    for given in (
        {"purpose": "marketing_call", "state": "granted", "channel": "web", "at": last_year},
        {"purpose": "marketing_call", "state": "withdrawn", "channel": "call", "note": "不要再推销"},
        {"purpose": "recording", "state": "granted", "channel": "call"},
        # Heard of late: it does not undo what they said since.
        {"purpose": "marketing_call", "state": "granted", "channel": "email", "at": last_year},
    ):
        assert (await http.post(consents, json=given)).status_code == 201

    card = (await http.get(f"{URL}/{made['id']}/card")).json()
    pages = await all_pages(http, consents, limit=3)

    assert {consent["purpose"]: (consent["state"], consent["note"]) for consent in card["consents"]} == {
        "marketing_call": ("withdrawn", "不要再推销"),
        "recording": ("granted", ""),
    }
    assert [len(page) for page in pages] == [3, 1]
    assert [consent["channel"] for page in pages for consent in page] == ["call", "call", "email", "web"]
    assert card["consents"][0]["agent"]["name"] == "李娜"


async def test_nobody_agrees_at_a_time_to_come(http: httpx.AsyncClient) -> None:
    made = await create(http)
    given = {
        "purpose": "recording",
        "state": "granted",
        "channel": "call",
        "at": (datetime.now(UTC) + timedelta(hours=1)).isoformat(),
    }

    assert refusal(await http.post(f"{URL}/{made['id']}/consents", json=given)) == (422, "in_the_future")
    assert (await http.get(f"{URL}/{made['id']}/consents")).json()["items"] == []


async def test_who_may_only_read_links_nobody(http: httpx.AsyncClient, signed_in: SignIn) -> None:
    made, analyst = await create(http), await signed_in(Role.ANALYST)

    assert (await analyst.http.get(f"{URL}/{made['id']}/links")).status_code == 200
    link = await analyst.http.post(f"{URL}/{made['id']}/links", json={"other": made["code"], "kind": "spouse"})
    consent = {"purpose": "recording", "state": "granted", "channel": "call"}
    assert refusal(link) == refusal(await analyst.http.post(f"{URL}/{made['id']}/consents", json=consent))
    assert refusal(link) == (403, "scope_missing")


async def test_the_card_says_what_a_customer_is_worth_and_what_was_assumed(http: httpx.AsyncClient) -> None:
    made = await create(http)
    bought = f"{URL}/{made['id']}/purchases"
    today = datetime.now(UTC).date()
    for given in (
        # Two things of one day are one order.
        {"product": "空调", "amount": "6000.00", "currency": "CNY", "purchased_on": str(today - timedelta(days=30))},
        {"product": "支架", "amount": "200.00", "currency": "CNY", "purchased_on": str(today - timedelta(days=30))},
        {"product": "滤网", "amount": "100.00", "currency": "CNY", "purchased_on": str(today - timedelta(days=3))},
        {"product": "赠品", "purchased_on": str(today - timedelta(days=700))},
    ):
        assert (await http.post(bought, json=given)).status_code == 201

    value = (await http.get(f"{URL}/{made['id']}/card")).json()["value"]

    assert value["by_currency"] == [
        {
            "currency": "CNY",
            "orders": 2,
            "average_order": "3150.00",
            "orders_a_year": "2.0",
            "years": 5,
            "value": "31500.00",
        }
    ]
    assert "5年" in value["assumption"]["zh"]
    assert "5 years" in value["assumption"]["en"]
