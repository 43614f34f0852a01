"""Whose word a field is, how the record changed, notes and usage, over REST."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest

from app.models import CustomerUsage, Role, Source, SourceRecord
from app.services.survivorship import Cause, settle
from tests.api.customers.support import URL, a_contact, a_mobile, all_pages, create, refusal
from tests.support import Served, SignedIn, SignIn

ID_CARD = "32010619780312123X"


async def says(served: Served, customer_id: str, source: str, fields: dict[str, Any], **more: Any) -> None:
    async with served.database.session_scope() as session:
        session.add(
            SourceRecord(
                source=source,
                external_id=f"{source}-{customer_id}",
                customer_id=UUID(customer_id),
                payload=fields,
                fields=fields,
                **more,
            )
        )
        await session.flush()
        await settle(session, [UUID(customer_id)], Cause(source=source))


async def test_a_field_tells_whose_word_it_is(app_server: Served, http: httpx.AsyncClient, agent: SignedIn) -> None:
    made = await create(http, phones=[{"number": a_mobile()}], city="南京", note="n")
    said_at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    await says(app_server, made["id"], "shop", {"city": "上海", "email": "lu@example.com"}, said_at=said_at)

    read = (await http.get(f"{URL}/{made['id']}")).json()
    me = {"id": str(agent.agent.id), "name": agent.agent.name}
    origins = read["provenance"]

    assert (read["city"], read["email"], read["time_zone"]) == ("南京", "lu@example.com", "Asia/Shanghai")
    assert origins["city"].items() >= {"source": "hand", "agent": me, "is_derived": False}.items()
    assert origins["email"] == {
        "source": "shop",
        "said_at": "2026-01-02T03:04:05Z",
        "agent": None,
        "is_derived": False,
    }
    assert origins["time_zone"].items() >= {"source": "derived", "agent": None, "is_derived": True}.items()
    assert origins["note"].items() >= {"source": "hand", "agent": me}.items()
    assert "birth_date" not in origins
    card = (await http.get(f"{URL}/{made['id']}/card")).json()
    assert card["customer"] == read
    assert [source["source"] for source in card["sources"]] == ["shop"]


async def test_a_hand_edit_holds_against_what_a_source_says_later(app_server: Served, http: httpx.AsyncClient) -> None:
    made = await create(http)
    await says(app_server, made["id"], "shop", {"email": "shop@example.com", "name": "Shop"})
    await http.patch(f"{URL}/{made['id']}", json={"email": "hand@example.com"})
    await says(app_server, made["id"], "sales", {"email": "sales@example.com", "city": "上海"})

    read = (await http.get(f"{URL}/{made['id']}")).json()

    # The name was typed when the customer was made.
    assert (read["name"], read["email"], read["city"]) == ("鲁大伟", "hand@example.com", "上海")
    emptied = (await http.patch(f"{URL}/{made['id']}", json={"email": None})).json()
    assert (emptied["email"], emptied["provenance"]["email"]["source"]) == (None, "hand")


async def test_a_trusted_source_beats_a_newer_one(app_server: Served, http: httpx.AsyncClient) -> None:
    async with app_server.database.session_scope() as session:
        session.add_all([Source(key="ledger", rank=10), Source(key="flyer", rank=90, trusted=False)])
    made = await create(http)
    old = datetime(2020, 1, 1, tzinfo=UTC)
    await says(app_server, made["id"], "ledger", {"city": "南京"}, said_at=old)
    await says(app_server, made["id"], "flyer", {"city": "上海", "education": "本科"})

    read = (await http.get(f"{URL}/{made['id']}")).json()

    assert (read["city"], read["education"]) == ("南京", "本科")


async def test_the_background_is_kept_and_read_back(http: httpx.AsyncClient) -> None:
    person = {
        "birth_date": "1978-03-12",
        "occupation": "酒店经理",
        "income_band": "20-30万",
        "marital_status": "married",
        "education": "本科",
        "city": "南京",
        "postcode": "210005",
    }
    company = {
        "kind": "company",
        "industry": "酒店",
        "company_size": "200-500",
        "site": "https://hotel.example.com",
        "contacts": [{"name": "王经理", "role": "采购", "phone": "025-8888 8888", "email": "wang@example.com"}],
    }
    one, other = await create(http, **person), await create(http, **company)

    assert one.items() >= person.items()
    assert other.items() >= company.items()
    cleared = (await http.patch(f"{URL}/{other['id']}", json={"contacts": None, "industry": None})).json()
    assert (cleared["contacts"], cleared["industry"]) == (None, None)


@pytest.mark.parametrize("wrong", [{"national_id": "***"}, {"birth_date": "1778-01-01"}, {"marital_status": "x"},
                                   {"contacts": [{}]}])  # fmt: skip
async def test_a_background_that_does_not_fit_is_refused(http: httpx.AsyncClient, wrong: dict[str, Any]) -> None:
    assert refusal(await http.post(URL, json={"name": "x", **wrong})) == (422, "invalid")


async def test_a_national_id_is_masked_for_who_does_not_need_it(http: httpx.AsyncClient, signed_in: SignIn) -> None:
    supervisor = (await signed_in(Role.SUPERVISOR)).http
    made = await create(http, national_id="320106 19780312 123x")
    one = f"{URL}/{made['id']}"
    await http.patch(one, json={"national_id": "E12345678"})

    for who in (http, (await signed_in(Role.ANALYST)).http):
        assert (await who.get(one)).json()["national_id"] == "*****5678"
        assert (await who.get(f"{one}/card")).json()["customer"]["national_id"] == "*****5678"
        for text in ((await who.get(f"{one}/history")).text, (await who.get(f"{one}/card")).text):
            assert ID_CARD not in text
            assert "E12345678" not in text
    assert made["national_id"] == "**************123X"
    assert (await supervisor.get(one)).json()["national_id"] == "E12345678"
    (change,) = (await supervisor.get(f"{one}/history")).json()["items"]
    assert (change["field"], change["old"], change["new"]) == ("national_id", ID_CARD, "E12345678")


async def test_every_change_is_in_the_history(
    app_server: Served, http: httpx.AsyncClient, agent: SignedIn, signed_in: SignIn
) -> None:
    supervisor = await signed_in(Role.SUPERVISOR, name="王主管")
    made = await create(http)
    one = f"{URL}/{made['id']}"
    await http.patch(one, json={"email": "a@example.com", "tier": "core"})
    await supervisor.http.patch(one, json={"owner_id": str(agent.agent.id)})
    await says(app_server, made["id"], "shop", {"city": "上海"})
    number = a_mobile()
    phone = (await http.post(f"{one}/phones", json={"number": number})).json()
    await http.delete(f"{one}/phones/{phone['id']}")

    pages = await all_pages(http, f"{one}/history", limit=3)
    changes = [change for page in pages for change in page]
    told = {(each["field"], each["old"], each["new"], (each["agent"] or {}).get("name"), each["source"])
            for each in changes}  # fmt: skip

    me = agent.agent.name
    assert told == {
        ("email", None, "a@example.com", me, None),
        ("tier", None, "core", me, None),
        ("owner_id", None, str(agent.agent.id), "王主管", None),
        ("city", None, "上海", None, "shop"),
        ("phone", None, number, me, None),
        ("time_zone", None, "Asia/Shanghai", None, None),
        ("language", None, "zh-CN", None, None),
        ("phone", number, None, me, None),
    }
    assert [len(page) for page in pages] == [3, 3, 2]
    assert [each["at"] for each in changes] == sorted((each["at"] for each in changes), reverse=True)
    card = (await http.get(f"{one}/card")).json()
    assert card["changes"] == changes


async def test_notes_are_added_and_shown_in_the_timeline(
    app_server: Served, http: httpx.AsyncClient, agent: SignedIn
) -> None:
    made = await create(http)
    one = f"{URL}/{made['id']}"
    async with app_server.database.session_scope() as session:
        session.add(a_contact(UUID(made["id"]), datetime.now(UTC) - timedelta(hours=1)))
    notes = [(await http.post(f"{one}/notes", json={"body": f"第{no}条\n续"})).json() for no in range(3)]

    pages = await all_pages(http, f"{one}/notes", limit=2)
    entries = [entry for page in await all_pages(http, f"{one}/timeline", limit=2) for entry in page]

    assert [note for page in pages for note in page] == notes[::-1]
    assert notes[0]["agent"] == {"id": str(agent.agent.id), "name": agent.agent.name}
    assert [(entry["kind"], entry["channel"], entry["summary"]) for entry in entries] == [
        ("note", None, "第2条\n续"),
        ("note", None, "第1条\n续"),
        ("note", None, "第0条\n续"),
        ("interaction", "email", "问保修"),
    ]
    assert refusal(await http.post(f"{one}/notes", json={"body": " "})) == (422, "invalid")


async def test_usage_is_listed_and_the_card_shows_the_newest(app_server: Served, http: httpx.AsyncClient) -> None:
    made = await create(http)
    start = datetime(2026, 10, 1, tzinfo=UTC)
    async with app_server.database.session_scope() as session:
        session.add_all(
            CustomerUsage(
                customer_id=UUID(made["id"]), source="shop", key=key, at=start + timedelta(days=day), value=Decimal(day)
            )
            for key in ("visits", "orders")
            for day in range(3)
        )

    values = [value for page in await all_pages(http, f"{URL}/{made['id']}/usage", limit=4) for value in page]
    card = (await http.get(f"{URL}/{made['id']}/card")).json()

    assert [value["at"] for value in values] == sorted((value["at"] for value in values), reverse=True)
    assert len(values) == 6
    assert card["usage"] == [
        {"source": "shop", "key": key, "at": "2026-10-03T00:00:00Z", "value": "2.0000", "values": 3}
        for key in ("orders", "visits")
    ]


@pytest.mark.parametrize("part", ["history", "notes", "usage"])
async def test_the_parts_of_a_record_are_refused_as_the_others_are(
    client: httpx.AsyncClient, http: httpx.AsyncClient, part: str
) -> None:
    made = await create(http)

    assert refusal(await client.get(f"{URL}/{made['id']}/{part}")) == (401, "not_signed_in")
    assert refusal(await http.get(f"{URL}/C9999999/{part}")) == (404, "no_such_customer")
    assert refusal(await http.get(f"{URL}/{made['id']}/{part}", params={"cursor": "x"})) == (400, "bad_cursor")


async def test_an_edit_while_a_source_speaks_loses_nothing(app_server: Served, http: httpx.AsyncClient) -> None:
    made = await create(http)

    await asyncio.gather(
        http.patch(f"{URL}/{made['id']}", json={"email": "hand@example.com"}),
        says(app_server, made["id"], "shop", {"email": "shop@example.com", "city": "上海"}),
        http.patch(f"{URL}/{made['id']}", json={"address": "中山路18号"}),
        says(app_server, made["id"], "sales", {"email": "sales@example.com", "occupation": "经理"}),
    )

    read = (await http.get(f"{URL}/{made['id']}")).json()
    assert (read["email"], read["city"], read["address"], read["occupation"]) == (
        "hand@example.com",
        "上海",
        "中山路18号",
        "经理",
    )
    assert read["version"] == 5
