"""Purchases, contracts and contacts of a customer."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.api.customers.support import URL, all_pages, create, refusal
from tests.support import SignedIn

PURCHASE = {"product": "空调", "purchased_on": "2025-10-18"}
CONTRACT = {"number": "HT-1", "starts_on": "2025-01-01", "ends_on": "2025-12-31"}


async def test_purchases_are_written_down_and_listed_latest_first(http: httpx.AsyncClient) -> None:
    made = await create(http)
    url = f"{URL}/{made['id']}/purchases"
    days = ["2024-05-01", "2025-10-18", "2024-05-01", "2023-01-31", "2024-05-01"]
    added = []
    for place, day in enumerate(days):
        answer = await http.post(url, json={"product": f"产品{place}", "purchased_on": day})
        assert answer.status_code == 201
        added.append(answer.json())

    pages = await all_pages(http, url, limit=2)

    assert [len(page) for page in pages] == [2, 2, 1]
    # Of one day, as they were written down.
    assert [item for page in pages for item in page] == [added[1], added[0], added[2], added[4], added[3]]


async def test_a_purchase_says_what_is_known_of_it(http: httpx.AsyncClient) -> None:
    made = await create(http)
    given = {
        "product": "空调",
        "product_en": "air conditioner",
        "model": "KFR-35GW",
        "serial_number": "A1",
        "quantity": 3,
        "unit": "台",
        "amount": "8997",
        "currency": "CNY",
        "purchased_on": "2025-10-18",
        "warranty_until": "2199-12-31",
        "source": "shop",
    }

    read = (await http.post(f"{URL}/{made['id']}/purchases", json=given)).json()

    assert {key: read[key] for key in given} == {**given, "amount": "8997.00"}
    assert read["warranty"] == "in_warranty"
    assert (await http.get(f"{URL}/{made['id']}/purchases")).json()["items"] == [read]


@pytest.mark.parametrize(
    ("until", "state"), [("2020-01-01", "expired"), ("2199-12-31", "in_warranty"), (None, "unknown")]
)
async def test_the_warranty_of_a_purchase(http: httpx.AsyncClient, until: str | None, state: str) -> None:
    made = await create(http)
    given = {"product": "风扇", "purchased_on": "2019-12-31", "warranty_until": until}

    assert (await http.post(f"{URL}/{made['id']}/purchases", json=given)).json()["warranty"] == state


@pytest.mark.parametrize(
    "wrong",
    [
        {"product": ""},
        {"quantity": 0},
        {"quantity": -1},
        {"quantity": 1.5},
        {"quantity": 10**30},
        {"amount": "1"},
        {"currency": "CNY"},
        {"amount": "1", "currency": "RMB!"},
        {"amount": "1", "currency": "cny"},
        {"amount": "-0.01", "currency": "CNY"},
        {"amount": "1.001", "currency": "CNY"},
        {"amount": "1000000000000", "currency": "CNY"},
        {"amount": "1e400", "currency": "CNY"},
        {"amount": "NaN", "currency": "CNY"},
        {"amount": "Infinity", "currency": "CNY"},
        {"purchased_on": None},
        {"purchased_on": "2025-02-30"},
        {"purchased_on": "1899-12-31"},
        {"purchased_on": 0},
        {"purchased_on": 20251018},
        {"purchased_on": "20251018"},
        {"purchased_on": "1729209600"},
        {"purchased_on": "0001-01-01"},
        {"warranty_until": "2025-10-17"},
        {"warranty_until": "9999-12-31"},
    ],
)
async def test_a_purchase_that_does_not_fit_is_refused(http: httpx.AsyncClient, wrong: dict[str, Any]) -> None:
    made = await create(http)

    refused = await http.post(f"{URL}/{made['id']}/purchases", json={**PURCHASE, **wrong})

    assert refusal(refused) == (422, "invalid")
    assert (await http.get(f"{URL}/{made['id']}/purchases")).json()["items"] == []


async def test_the_largest_amount_is_kept_to_the_cent(http: httpx.AsyncClient) -> None:
    made = await create(http)
    given = {**PURCHASE, "amount": "999999999999.99", "currency": "VND"}

    await http.post(f"{URL}/{made['id']}/purchases", json=given)

    assert (await http.get(f"{URL}/{made['id']}/purchases")).json()["items"][0]["amount"] == "999999999999.99"


async def test_nothing_was_bought_on_a_day_to_come(http: httpx.AsyncClient) -> None:
    made = await create(http)
    url = f"{URL}/{made['id']}/purchases"
    today_somewhere = (datetime.now(UTC) + timedelta(hours=14)).date()
    tomorrow = {**PURCHASE, "purchased_on": (today_somewhere + timedelta(days=1)).isoformat()}
    today = {**PURCHASE, "purchased_on": datetime.now(UTC).date().isoformat()}

    assert refusal(await http.post(url, json=tomorrow)) == (422, "in_the_future")
    assert (await http.post(url, json=today)).status_code == 201


async def test_contracts_the_one_that_ends_last_first(http: httpx.AsyncClient) -> None:
    made = await create(http)
    url = f"{URL}/{made['id']}/contracts"
    old = (await http.post(url, json={**CONTRACT, "amount": "1200", "currency": "CNY"})).json()
    running = (await http.post(url, json={**CONTRACT, "number": "HT-2", "ends_on": "2199-12-31"})).json()
    older = (await http.post(url, json={**CONTRACT, "number": "HT-0", "ends_on": "2025-06-30"})).json()

    pages = await all_pages(http, url, limit=1)

    assert pages == [[running], [old], [older]]
    assert [contract["expired"] for contract in (running, old, older)] == [False, True, True]
    assert (old["amount"], old["currency"], running["amount"]) == ("1200.00", "CNY", None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"number": ""},
        {"ends_on": "2024-12-31"},
        {"starts_on": None},
        {"amount": "1"},
        {"currency": "EUR"},
        {"ends_on": "2200-01-01"},
    ],
)
async def test_a_contract_that_does_not_fit_is_refused(http: httpx.AsyncClient, wrong: dict[str, Any]) -> None:
    made = await create(http)

    assert refusal(await http.post(f"{URL}/{made['id']}/contracts", json={**CONTRACT, **wrong})) == (422, "invalid")


async def test_a_contact_is_written_down_in_ones_own_name(http: httpx.AsyncClient, agent: SignedIn) -> None:
    made = await create(http)
    url = f"{URL}/{made['id']}/interactions"

    given = {"channel": "email", "direction": "inbound", "at": "2026-01-02T03:04:05+08:00", "summary": "问保修\n两次"}
    written = await http.post(url, json=given)
    now = await http.post(url, json={"channel": "visit", "direction": "outbound", "summary": "上门"})

    assert (written.status_code, now.status_code) == (201, 201)
    read = written.json()
    assert (read["at"], read["summary"], read["agent"], read["call_id"]) == (
        "2026-01-01T19:04:05Z",
        "问保修\n两次",
        {"id": str(agent.agent.id), "name": "李娜"},
        None,
    )
    assert abs(datetime.fromisoformat(now.json()["at"]) - datetime.now(UTC)) < timedelta(minutes=1)
    assert await all_pages(http, url, limit=1) == [[now.json()], [read]]


@pytest.mark.parametrize(
    "wrong",
    [
        {"summary": ""},
        {"summary": "a\x00"},
        {"channel": "pigeon"},
        {"direction": None},
        {"at": "2026-01-02T03:04:05"},
        {"at": "1969-12-31T23:59:59Z"},
        {"at": "0001-01-01T00:00:00+14:00"},
        {"at": 1e30},
        {"at": 0},
        {"at": "1729209600"},
    ],
)
async def test_a_contact_that_does_not_fit_is_refused(http: httpx.AsyncClient, wrong: dict[str, Any]) -> None:
    made = await create(http)
    given = {"channel": "sms", "direction": "inbound", "summary": "x", **wrong}

    assert refusal(await http.post(f"{URL}/{made['id']}/interactions", json=given)) == (422, "invalid")


async def test_no_contact_was_at_a_time_to_come(http: httpx.AsyncClient) -> None:
    made = await create(http)
    url = f"{URL}/{made['id']}/interactions"
    given = {"channel": "sms", "direction": "inbound", "summary": "x"}
    soon, later = (datetime.now(UTC) + timedelta(minutes=minutes) for minutes in (4, 6))

    assert refusal(await http.post(url, json={**given, "at": later.isoformat()})) == (422, "in_the_future")
    assert refusal(await http.post(url, json={**given, "at": "9999-12-31T23:59:59-14:00"})) == (422, "in_the_future")
    assert (await http.post(url, json={**given, "at": soon.isoformat()})).status_code == 201
