"""A person's rights: all that is held on them, being forgotten, and who looked at them."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import func, select, text

from app.models import (
    AgentEvent,
    Base,
    CarrierEvent,
    ComplaintChange,
    ComplaintLink,
    ComplaintMail,
    Customer,
    Goodwill,
    Handover,
    Recording,
    Role,
    SourceRecord,
)
from app.models.base import new_id
from app.services import erasing, exporting
from tests.api.customers.support import URL, a_call, a_contact, create, found, refusal
from tests.factories import make_complaint
from tests.support import Served, SignedIn, SignIn, sign_in_as

NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
async def admin(app_server: Served) -> AsyncIterator[SignedIn]:
    person = await sign_in_as(app_server, Role.ADMIN, name="管理员")
    async with person.http:
        yield person


def hanging() -> set[str]:
    return {
        table.name
        for table in Base.metadata.tables.values()
        if any(key.column.table.name == "customers" for key in table.foreign_keys)
    }


def test_every_table_with_a_customer_in_it_is_exported() -> None:
    assert hanging() <= exporting.EXPORTED.keys() | exporting.LEFT_OUT.keys(), "say in services/exporting.py"


def test_every_table_with_a_customer_in_it_is_erased() -> None:
    assert hanging() <= erasing.ERASED.keys() | erasing.KEPT.keys(), "say in services/erasing.py"


def test_what_stays_of_a_row_is_there() -> None:
    assert {column.name for column in Customer.__table__.columns} >= erasing.KEPT_COLUMNS


NAME, NUMBER, EMAIL = "呼延遗忘", "+8615900007788", "forget.me@example.com"


async def a_whole_life(app_server: Served, http: httpx.AsyncClient) -> tuple[dict[str, Any], dict[str, Any]]:
    """A customer with something in every table, and another one with whom they share a number."""
    neighbour = await create(http, name="邻居", phones=[{"number": "+862155667788"}])
    double = await create(http, name=f"{NAME}二", phones=[{"number": NUMBER}])
    made = await create(
        http,
        name=NAME,
        phones=[{"number": NUMBER}, {"number": "+862155667788"}],
        email=EMAIL,
        national_id="11010519491231002X",
        address="遗忘路7号",
        note=f"{NAME}说",
        tier="core",
        region="江苏",
    )
    one = f"{URL}/{made['id']}"
    await http.post(
        f"{one}/purchases",
        json={
            "product": "空调",
            "purchased_on": "2025-10-18",
            "serial_number": "YW-7788-1",
            "amount": "3299.00",
            "currency": "CNY",
        },
    )
    await http.post(
        f"{one}/contracts",
        json={"number": "YW-1", "title": f"{NAME}合同", "starts_on": "2026-01-01", "ends_on": "2026-12-31"},
    )
    await http.post(f"{one}/notes", json={"body": f"{NAME}来过"})
    await http.patch(one, json={"occupation": f"{NAME}的工作"})
    async with app_server.database.session_scope() as session:
        mine = a_call(
            UUID(made["id"]),
            NOW,
            from_raw=NUMBER,
            from_e164=NUMBER,
            caller_name=NAME,
            caller={"raw": NUMBER},
            notes=NAME,
        )
        unlinked = a_call(UUID(made["id"]), NOW, from_raw=NUMBER, from_e164=NUMBER, match_outcome="several")
        unlinked.customer_id = None
        shared = a_call(UUID(neighbour["id"]), NOW, from_raw="+862155667788", from_e164="+862155667788")
        session.add_all([mine, unlinked, shared])
        await session.flush()
        agent_id = await session.scalar(text("SELECT id FROM agents LIMIT 1"))
        complaint = await make_complaint(
            session,
            UUID(made["id"]),
            agent_id,
            contact=EMAIL,
            what_happened=f"{NAME}很生气",
            serial_number="YW-7788-1",
            resolution=NAME,
            root_cause=NAME,
            prevention=NAME,
            paused_at=NOW,
            pause_reason=f"等{NAME}",
        )
        theirs = {"complaint_id": complaint.id}
        session.add_all(
            [
                ComplaintChange(**theirs, at=NOW, what="note", detail={"note": NAME}),
                ComplaintMail(**theirs, message_id="<1@example>", sender=EMAIL, subject=NAME, body=NAME),
                ComplaintLink(**theirs, url=f"https://example.com/{NAME}", at=NOW),
                Handover(**theirs, to_agent_id=agent_id, reason=NAME, note=NAME, asked_at=NOW),
                Goodwill(**theirs, amount=100, currency="CNY", reason=NAME, note=NAME, asked_at=NOW),
            ]
        )
        session.add_all(
            [
                a_contact(UUID(made["id"]), NOW, summary=f"{NAME}问保修"),
                Recording(
                    call_id=mine.id, provider_recording_id="RE7788", kind="call", url="https://carrier.example/RE7788"
                ),
                SourceRecord(
                    source="crm",
                    external_id="7788",
                    customer_id=UUID(made["id"]),
                    payload={"姓名": NAME},
                    fields={"name": NAME},
                ),
                CarrierEvent(
                    id=new_id(),
                    provider="twilio",
                    provider_call_id=mine.provider_call_id,
                    kind="voice",
                    dedupe_key="voice:7788",
                    params={"From": NUMBER, "CallerName": NAME},
                    received_at=NOW,
                ),
                AgentEvent(
                    agent_id=agent_id,
                    no=901,
                    type="call.offered",
                    call_id=mine.id,
                    at=NOW,
                    data={"screen_pop": {"customer": {"name": NAME}}},
                ),
                AgentEvent(
                    agent_id=agent_id,
                    no=902,
                    type="call.offered",
                    call_id=shared.id,
                    at=NOW,
                    data={"screen_pop": {"match": {"candidates": [{"name": NAME}]}}},
                ),
            ]
        )
    merged = await http.post(f"{one}/merge", json={"other": double["code"], "reason": "same"})
    assert merged.status_code == 201, merged.text
    return {**made, "survivor": merged.json()["survivor"]["id"], "merge": merged.json()["id"]}, neighbour


async def where(app_server: Served, *needles: str) -> dict[str, int]:
    """The tables that hold any of these words, whatever in, and in how many rows."""
    tables = {}
    async with app_server.database.session_scope() as session:
        for table in Base.metadata.tables:
            rows = await session.scalars(text(f'SELECT CAST(to_jsonb(t) AS text) FROM "{table}" t'))
            count = sum(any(needle in row for needle in needles) for row in map(str, rows))
            if count:
                tables[table] = count
    return tables


class Reading(HTMLParser):
    """What a browser would show, and the tags that it would obey."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.shown = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.shown += data


async def test_forgetting_leaves_no_name_and_no_number_anywhere(
    app_server: Served, http: httpx.AsyncClient, admin: SignedIn
) -> None:
    made, neighbour = await a_whole_life(app_server, http)
    code = (await http.get(f"{URL}/{made['survivor']}")).json()["code"]
    needles = (NAME, NUMBER, NUMBER[3:], EMAIL, "11010519491231002X", "遗忘路", "YW-7788-1")
    before = await where(app_server, *needles)
    assert {
        "customers",
        "customer_phones",
        "calls",
        "carrier_events",
        "agent_events",
        "merges",
        "interactions",
        "source_records",
        "customer_changes",
        "customer_notes",
        "customer_search",
        "purchases",
        "complaints",
        "complaint_changes",
        "complaint_mails",
        "complaint_links",
        "handovers",
        "goodwill",
    } <= before.keys()

    answer = await admin.http.post(f"{URL}/{made['id']}/erase", json={"reason": "书面要求"})

    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["customer_id"], told["code"], told["recordings_at_carrier"]) == (made["survivor"], code, ["RE7788"])
    assert await where(app_server, *needles) == {}
    # The figures are what they were.
    card = (await http.get(f"{URL}/{code}/card")).json()
    assert (card["customer"]["name"], card["customer"]["tier"], card["customer"]["region"]) == (
        erasing.NAME_OF_NOBODY,
        "core",
        "江苏",
    )
    assert card["customer"]["do_not_call"] is True
    assert [(each["product"], each["amount"]) for each in card["purchases"]] == [("空调", "3299.00")]
    assert len(card["contracts"]) == 1
    assert len(card["calls"]) == 1
    # Of the neighbour, whose number it is too, nothing is gone but the card that showed both.
    assert await found(http, "+862155667788") == [neighbour["id"]]
    calls = (await http.get("/api/v1/calls", params={"customer_id": neighbour["id"]})).json()["items"]
    assert [call["from_e164"] for call in calls] == ["+862155667788"]
    # Nothing can be written of nobody, nobody is found, and they stay merged.
    assert await found(http, NAME) == await found(http, NUMBER) == []
    assert refusal(await http.patch(f"{URL}/{code}", json={"name": "x"})) == (409, "customer_erased")
    assert refusal(await http.post(f"{URL}/{code}/phones", json={"number": NUMBER})) == (409, "customer_erased")
    assert refusal(await http.post(f"/api/v1/merges/{made['merge']}/undo")) == (409, "customer_erased")
    third = await create(http)
    refused = await http.post(f"{URL}/{code}/merge", json={"other": third["id"], "reason": "x"})
    assert refusal(refused) == (409, "customer_erased")
    assert (await admin.http.post(f"{URL}/{code}/erase", json={"reason": "again"})).status_code == 200


async def test_an_export_tells_everything(http: httpx.AsyncClient, admin: SignedIn) -> None:
    made = await create(
        http,
        name="简出口",
        email="out@example.com",
        phones=[{"number": "+8615900001122"}],
        national_id="11010519491231002X",
    )
    one = f"{URL}/{made['id']}"
    await http.post(f"{one}/notes", json={"body": "<script>alert('备注')</script>"})
    await http.post(f"{one}/purchases", json={"product": "空调", "purchased_on": "2025-10-18"})

    answer = await admin.http.get(f"{one}/export")
    told = answer.json()
    page = await admin.http.get(f"{one}/export", params={"format": "html"})

    assert answer.headers["content-disposition"] == f'attachment; filename="{made["code"]}.json"'
    assert told.keys() == {"exported_at", *exporting.EXPORTED}
    assert told["customers"][0]["national_id"] == "11010519491231002X"
    assert [row["e164"] for row in told["customer_phones"]] == ["+8615900001122"]
    assert [row["product"] for row in told["purchases"]] == ["空调"]
    assert [row["looked_at"] for row in told["card_views"]] == ["export"]
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    read = Reading()
    read.feed(page.text)
    assert "script" not in read.tags
    for word in (
        "简出口",
        "out@example.com",
        "+8615900001122",
        "<script>alert('备注')</script>",
        "电话 Numbers",
        "2025-10-18",
    ):
        assert word in read.shown
    assert json.dumps(told)


async def test_who_may_export_and_erase(http: httpx.AsyncClient, signed_in: SignIn, admin: SignedIn) -> None:
    made = await create(http)
    one = f"{URL}/{made['id']}"
    supervisor = (await signed_in(Role.SUPERVISOR)).http
    analyst = (await signed_in(Role.ANALYST)).http

    for person in (http, analyst):
        assert refusal(await person.get(f"{one}/export")) == (403, "scope_missing")
    assert (await supervisor.get(f"{one}/export")).status_code == 200
    for person in (http, analyst, supervisor):
        assert refusal(await person.post(f"{one}/erase", json={"reason": "x"})) == (403, "scope_missing")
        assert (await person.get(one)).json()["name"] == made["name"]
    assert refusal(await admin.http.post(f"{one}/erase", json={"reason": ""})) == (422, "invalid")
    assert refusal(await admin.http.post(f"{URL}/C9999999/erase", json={"reason": "x"})) == (404, "no_such_customer")


async def test_every_look_at_a_customer_is_written_down(
    app_server: Served, http: httpx.AsyncClient, agent: SignedIn, signed_in: SignIn
) -> None:
    made = await create(http, name="被看的")
    one = f"{URL}/{made['code']}"
    for path in ("", "/card", "/timeline", "/history"):
        assert (await http.get(one + path)).status_code == 200
    await http.get(URL, params={"q": "被看的"})
    supervisor = await signed_in(Role.SUPERVISOR)

    first = (await supervisor.http.get("/api/v1/audit", params={"customer": made["code"], "limit": 3})).json()
    second = (
        await supervisor.http.get("/api/v1/audit", params={"customer": made["id"], "limit": 3, "cursor": first["next"]})
    ).json()

    assert [view["looked_at"] for view in first["items"] + second["items"]] == ["history", "timeline", "card", "record"]
    assert second["next"] is None
    assert first["items"][0] == {
        "id": first["items"][0]["id"],
        "at": first["items"][0]["at"],
        "agent": {"id": str(agent.agent.id), "name": "李娜"},
        "customer": {"id": made["id"], "code": made["code"], "name": "被看的"},
        "looked_at": "history",
        "via": "session",
    }
    theirs = await supervisor.http.get("/api/v1/audit", params={"agent_id": str(supervisor.agent.id)})
    assert theirs.json()["items"] == []
    assert refusal(await http.get("/api/v1/audit")) == (403, "scope_missing")
    assert refusal(await supervisor.http.get("/api/v1/audit", params={"customer": "C9999999"})) == (
        404,
        "no_such_customer",
    )
    assert refusal(await supervisor.http.get("/api/v1/audit", params={"cursor": "x"})) == (400, "bad_cursor")
    async with app_server.database.session_scope() as session:
        assert await session.scalar(select(func.count()).select_from(text("card_views"))) >= 4
