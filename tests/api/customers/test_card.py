"""A customer's timeline and card."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import func, select

from app.models import Base, Customer, Interaction, Role, SourceRecord
from app.services.paging import encode_cursor
from tests.api.customers.support import URL, a_call, a_contact, a_mobile, all_pages, create, refusal
from tests.factories import make_customer
from tests.support import Served, SignedIn, SignIn


async def test_the_timeline_merges_calls_and_contacts(
    app_server: Served, http: httpx.AsyncClient, agent: SignedIn
) -> None:
    at = datetime(2026, 11, 1, 12, tzinfo=UTC)
    hour = timedelta(hours=1)
    async with app_server.database.session_scope() as session:
        lu = await make_customer(session)
        somebody = await make_customer(session)
        written_up = a_call(lu.id, at + 3 * hour, answered_by_id=agent.agent.id, disposition="resolved", notes="n")
        only_noted = a_call(lu.id, at + hour, notes="没人接")
        contacts = [
            a_contact(lu.id, at + 2 * hour),
            a_contact(lu.id, at),
            a_contact(lu.id, at),
            # The history of the first call, which is not to show twice.
            a_contact(lu.id, at + 3 * hour, channel="call", call_id=written_up.id, summary="空调不启动"),
        ]
        session.add_all([written_up, only_noted, a_call(somebody.id, at + hour), a_contact(somebody.id, at)])
        await session.flush()
        session.add_all(contacts)

    pages = await all_pages(http, f"{URL}/{lu.code}/timeline", limit=2)
    entries = [entry for page in pages for entry in page]

    assert [len(page) for page in pages] == [2, 2, 1]
    same_time = sorted((str(contact.id) for contact in contacts[1:3]), reverse=True)
    assert [(entry["kind"], entry["id"], entry["summary"]) for entry in entries] == [
        ("call", str(written_up.id), "空调不启动"),
        ("interaction", str(contacts[0].id), "问保修"),
        ("call", str(only_noted.id), "没人接"),
        ("interaction", same_time[0], "问保修"),
        ("interaction", same_time[1], "问保修"),
    ]
    call = entries[0]
    assert (call["at"], call["channel"], call["agent"]) == (
        "2026-11-01T15:00:00Z",
        "call",
        {"id": str(agent.agent.id), "name": "李娜"},
    )
    assert (call["call"]["state"], call["call"]["disposition"]) == ("completed", "resolved")
    assert (entries[1]["call"], entries[1]["agent"], entries[1]["direction"]) == (None, None, "outbound")


async def test_the_history_of_a_call_stays_when_the_call_turns_out_to_be_somebody_elses(
    app_server: Served, http: httpx.AsyncClient
) -> None:
    at = datetime(2026, 11, 1, 12, tzinfo=UTC)
    async with app_server.database.session_scope() as session:
        lu, somebody = await make_customer(session), await make_customer(session)
        call = a_call(somebody.id, at)
        session.add(call)
        await session.flush()
        session.add(a_contact(lu.id, at, channel="call", call_id=call.id, summary="写在鲁名下"))

    entries = (await http.get(f"{URL}/{lu.id}/timeline")).json()["items"]

    assert [(entry["kind"], entry["summary"]) for entry in entries] == [("interaction", "写在鲁名下")]


@pytest.mark.parametrize("part", ["timeline", "interactions", "purchases", "contracts"])
@pytest.mark.parametrize(
    "cursor",
    [
        "nonsense",
        encode_cursor("2026-01-01T00:00:00", uuid4()),
        encode_cursor("2026-13-01", uuid4()),
        encode_cursor("0001-01-01T00:00:00+14:00", "x"),
        encode_cursor(uuid4()),
    ],
    ids=["nonsense", "no zone", "no month", "no id", "too short"],
)
async def test_a_bad_cursor_of_a_part_is_refused(http: httpx.AsyncClient, part: str, cursor: str) -> None:
    made = await create(http)

    assert refusal(await http.get(f"{URL}/{made['id']}/{part}", params={"cursor": cursor})) == (400, "bad_cursor")


@pytest.mark.parametrize(
    ("moment", "status"),
    [("0001-01-01T00:00:00+14:00", 400), ("9999-12-31T23:59:59-14:00", 400), ("0001-01-01T00:00:00Z", 200)],
)
async def test_a_cursor_from_the_ends_of_time_breaks_nothing(http: httpx.AsyncClient, moment: str, status: int) -> None:
    made = await create(http)

    for part in ("timeline", "interactions"):
        answer = await http.get(f"{URL}/{made['id']}/{part}", params={"cursor": encode_cursor(moment, uuid4())})
        assert answer.status_code == status


async def test_the_card_has_all_that_is_known(app_server: Served, http: httpx.AsyncClient, signed_in: SignIn) -> None:
    supervisor = await signed_in(Role.SUPERVISOR, name="王主管")
    made = await create(
        supervisor.http,
        gender="male",
        phones=[{"number": a_mobile()}],
        owner_id=str(supervisor.agent.id),
        tier="core",
        do_not_call=True,
    )
    one = f"{URL}/{made['id']}"
    last_year = datetime.now(UTC).year - 1
    purchase = {
        "product": "空调",
        "product_en": "air conditioner",
        "quantity": 3,
        "unit": "台",
        "purchased_on": f"{last_year}-01-18",
        "warranty_until": "2199-12-31",
    }
    contract = {"number": "HT-1", "starts_on": "2025-01-01", "ends_on": "2025-12-31"}
    await http.post(f"{one}/purchases", json={"product": "更早", "purchased_on": "2019-01-01"})
    bought = (await http.post(f"{one}/purchases", json=purchase)).json()
    signed = (await http.post(f"{one}/contracts", json=contract)).json()
    await http.post(f"{one}/interactions", json={"channel": "sms", "direction": "inbound", "summary": "短信"})
    async with app_server.database.session_scope() as session:
        session.add_all(
            a_call(UUID(made["id"]), datetime.now(UTC) - timedelta(days=days), notes=f"{days}") for days in range(1, 13)
        )
        session.add(SourceRecord(source="shop", external_id="S-1", customer_id=UUID(made["id"]), payload={"a": 1}))

    card = (await http.get(f"{one}/card")).json()

    assert card["customer"] == (await http.get(one)).json()
    assert card["customer"]["owner"] == {"id": str(supervisor.agent.id), "name": "王主管"}
    assert card["greeting"]["zh"] == "您好，请问是鲁先生吗？您去年1月在我们这里买了三台空调，对吗？有什么可以帮您？"
    assert "is that Mr Lu? You bought three air conditioners from us last January" in card["greeting"]["en"]
    assert [alert["kind"] for alert in card["alerts"]] == ["do_not_call", "vip", "repeat_caller", "contract_expired"]
    assert card["alerts"][2]["count"] == 6
    assert card["purchases"][0] == bought
    assert card["contracts"] == [signed]
    assert (card["complaints"], card["callbacks"]) == ([], [])
    assert [entry["summary"] for entry in card["timeline"]["items"]] == ["短信", *map(str, range(1, 13))]
    assert [entry["summary"] for entry in card["calls"]] == [str(days) for days in range(1, 11)]
    assert [(source["source"], source["external_id"]) for source in card["sources"]] == [("shop", "S-1")]


async def test_the_card_of_somebody_new(http: httpx.AsyncClient) -> None:
    made = await create(http, name="John Smith")

    card = (await http.get(f"{URL}/{made['code']}/card")).json()

    assert card["greeting"]["en"] == "Hello, is that John Smith? What can I do for you?"
    assert card["alerts"] == card["purchases"] == card["contracts"] == card["calls"] == card["sources"] == []
    assert card["timeline"] == {"items": [], "next": None}


def test_whatever_hangs_on_a_customer_is_on_the_card() -> None:
    shown = {
        "customer_phones": "customer.phones",
        "purchases": "purchases",
        "contracts": "contracts",
        "interactions": "timeline",
        "calls": "timeline",
        "source_records": "sources",
        "customer_notes": "timeline",
        "customer_usage": "usage",
        "customer_links": "links",
        "consents": "consents",
        "claims": "claims",
        "complaints": "complaints",
        "callbacks": "callbacks",
        "call_list_entries": "lists",
        "customer_changes": "changes",
        "duplicate_reviews": "duplicates",
        # A signpost to the customer that this one was merged into.
        "customers": "customer.merged_into_id",
    }

    hanging = {
        table.name
        for table in Base.metadata.tables.values()
        if any(key.column.table.name == Customer.__tablename__ for key in table.foreign_keys)
    }

    # Worked out; among the changes; `/customers/{ref}/merges`; `/audit`; `/call-lists`; with their callbacks; and who
    # was forgotten has no card that says more.
    told_elsewhere = {
        "customer_search",
        "stage_moves",
        "merges",
        "card_views",
        "erasures",
        "dial_attempts",
        "call_list_left_out",
        "list_rearrangements",
        "list_standings",
    }
    assert hanging - told_elsewhere == shown.keys(), (
        "a table with a customer in it belongs on the card (schemas/customers.CustomerCard)"
    )


async def test_reading_changes_nothing_of_a_customer(app_server: Served, http: httpx.AsyncClient) -> None:
    made = await create(http)
    one = f"{URL}/{made['id']}"
    for path in (one, f"{one}/card", f"{one}/timeline", f"{one}/phones"):
        await http.get(path)

    async with app_server.database.session_scope() as session:
        version = await session.scalar(select(Customer.version).where(Customer.id == UUID(made["id"])))
        contacts = await session.scalar(
            select(func.count()).select_from(Interaction).where(Interaction.customer_id == UUID(made["id"]))
        )
    assert (version, contacts) == (1, 0)
