"""The demo's data: what is in it, that it is always the same, and that it belongs to nobody."""

from collections import Counter, defaultdict
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.config import Environment
from app.db import Database
from app.domain.customer_facts import Channel, CustomerKind
from app.domain.phone_numbers import NumberKind, parse_number
from app.embedded_postgres import EmbeddedPostgres
from app.models import Base, Dcwh, Role, Tier
from app.schemas.screen_pop import ScreenPop
from app.services.demo import story
from app.services.demo.ledger import Rows
from app.services.demo_data import DemoNotAllowed, DemoSummary, NotEmpty, is_empty, make_rows, seed
from app.services.hotline import Hotline, open_state, read_hotline
from app.services.names import latin
from app.services.screen_pop import look_up
from tests.support import fresh_database

ZONE = ZoneInfo("Asia/Shanghai")
TODAY = date(2026, 11, 21)
NOON = datetime(2026, 11, 21, 4, tzinfo=UTC)
EMPTY = Hotline(region="CN", zone=ZONE, company="Callcard", fallback_number=None)


@pytest.fixture(scope="module")
def rows() -> Rows:
    return make_rows(TODAY, ZONE, "hash")


async def fill(database: Database, environment: Environment = Environment.DEVELOPMENT) -> DemoSummary:
    async with database.session_scope() as session:
        return await seed(session, TODAY, zone=ZONE, password_hash="hash", environment=environment)


async def everything(database: Database) -> dict[str, str]:
    async with database.session_scope() as session:
        return {
            name: await session.scalar(
                text(f"SELECT coalesce(string_agg(t::text, E'\n' ORDER BY t::text), '') FROM {name} t")
            )
            for name in Base.metadata.tables
        }


async def test_two_databases_are_filled_alike(postgres_with_template: EmbeddedPostgres) -> None:
    contents = []
    for _ in range(2):
        async with fresh_database(postgres_with_template) as dsn:
            database = Database(dsn, pool_size=1, lane_size=0)
            await fill(database)
            contents.append(await everything(database))
            await database.aclose()

    assert contents[0] == contents[1]
    assert len(contents[0]["customers"].splitlines()) == 2_000


async def test_it_is_put_into_an_empty_database_once(database: Database) -> None:
    summary = await fill(database)
    assert summary.counts["customers"] == 2_000
    before = await everything(database)

    with pytest.raises(NotEmpty):
        await fill(database)

    assert await everything(database) == before


async def test_it_is_for_development_only(database: Database) -> None:
    with pytest.raises(DemoNotAllowed):
        await fill(database, Environment.PRODUCTION)

    async with database.session_scope() as session:
        assert await is_empty(session)


async def test_every_example_shows_what_it_says(database: Database) -> None:
    await fill(database)
    async with database.session_scope() as session:
        hotline = await read_hotline(session, EMPTY)
        pops = {
            each.number: ScreenPop.model_validate(await look_up(session, hotline.number(each.number), hotline, NOON))
            for each in story.EXAMPLES
        }
    outcomes = {number: pop.match.outcome.value for number, pop in pops.items()}
    assert outcomes == {
        story.LU_NUMBER: "unique",
        story.HOUSEHOLD_NUMBER: "several",
        story.HOTEL_NUMBER: "unique",
        story.WHITFIELD_NUMBER: "unique",
        story.QUIET_NUMBER: "unique",
        story.UNKNOWN_NUMBER: "unknown",
        "anonymous": "withheld",
    }

    lu = pops[story.LU_NUMBER]
    assert lu.customer is not None
    assert lu.customer.code == "C0001001"
    assert lu.customer.owner is not None
    assert lu.customer.owner.name == "李莉"
    assert "鲁先生" in lu.greeting.zh
    assert "去年10月" in lu.greeting.zh
    assert "三台空调" in lu.greeting.zh
    assert lu.greeting.en == (
        "Hello, is that Mr Lu? You bought three air conditioners from us last October, is that right? "
        "What can I do for you?"
    )
    assert (lu.purchases[0].quantity, lu.purchases[0].unit) == (3, "台")
    assert [bought.warranty.value for bought in lu.purchases] == ["in_warranty", "expired"]
    assert {contact.channel for contact in lu.interactions} == {
        Channel.CALL,
        Channel.VISIT,
        Channel.EMAIL,
        Channel.FAX,
    }
    assert [contract.expired for contract in lu.contracts] == [False]

    household = pops[story.HOUSEHOLD_NUMBER]
    assert household.customer is None
    assert {candidate.name for candidate in household.match.candidates} == {"陈建平", "林淑芬", "陈思琪"}
    hotel = pops[story.HOTEL_NUMBER]
    assert {alert.kind.value for alert in hotel.alerts} == {"vip", "contract_expired"}
    olivia = pops[story.WHITFIELD_NUMBER].customer
    assert olivia is not None
    assert (olivia.language, olivia.address_as.en) == ("en", "Ms Whitfield")
    assert [alert.kind.value for alert in pops[story.QUIET_NUMBER].alerts] == ["do_not_call"]


async def test_the_service_hotline_never_closes_and_the_sales_hotline_does(database: Database) -> None:
    summary = await fill(database)
    async with database.session_scope() as session:
        hotline = await read_hotline(session, EMPTY)
    service, sales = (hotline.route(number) for number in (summary.hotline_number, "+862190002000"))
    assert service is not None
    assert sales is not None
    hours = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=5 * step) for step in range(4 * 365)]

    assert all(open_state(service.queue, at).is_open for at in hours)
    spring_festival = open_state(sales.queue, datetime.combine(date(2027, 2, 6), time(11), ZONE))
    assert not spring_festival.is_open
    assert spring_festival.closure is not None
    assert spring_festival.closure.name_zh == "春节"
    monday = open_state(sales.queue, datetime.combine(date(2026, 11, 23), time(11), ZONE))
    sunday = open_state(sales.queue, datetime.combine(date(2026, 11, 22), time(11), ZONE))
    assert (monday.is_open, sunday.is_open) == (True, False)


def test_people_of_the_house(rows: Rows) -> None:
    assert Counter(agent["role"] for agent in rows.agents) == {
        Role.AGENT: 3,
        Role.ACCOUNT_MANAGER: 1,
        Role.SUPERVISOR: 1,
    }
    assert len(rows.agent_presence) == 5
    assert {queue["name_zh"] for queue in rows.queues} == {"客服热线", "销售热线"}
    assert [queue["is_default"] for queue in rows.queues] == [True, False]
    lily = next(agent for agent in rows.agents if agent["identity"] == "lily")
    assert sum(customer["owner_id"] == lily["id"] for customer in rows.customers) == 1_000


def test_there_is_some_of_everything(rows: Rows) -> None:
    customers = rows.customers
    assert {customer["sales_stage"] for customer in customers} == set(range(8))
    assert {customer["dcwh"] for customer in customers} == set(Dcwh)
    assert {contact["channel"] for contact in rows.interactions} == set(Channel)
    kinds = Counter(customer["kind"] for customer in customers)
    assert kinds[CustomerKind.COMPANY] > 300
    assert kinds[CustomerKind.PERSON] > 1_200
    assert sum(customer["language"] == "en" for customer in customers) > 80
    assert 10 < sum(customer["do_not_call"] for customer in customers) < 200
    ends = [contract["ends_on"] for contract in rows.contracts]
    assert sum(day >= TODAY for day in ends) > 100
    assert sum(day < TODAY for day in ends) > 100
    warranty = [bought["warranty_until"] for bought in rows.purchases]
    assert sum(day is not None and day >= TODAY for day in warranty) > 300
    assert sum(day is not None and day < TODAY for day in warranty) > 300


def test_tiers_are_1_19_30_and_50_in_a_hundred_by_what_was_paid(rows: Rows) -> None:
    assert Counter(customer["tier"] for customer in rows.customers) == {
        Tier.CORE: 20,
        Tier.VALUE: 380,
        Tier.POTENTIAL: 600,
        Tier.LOW: 1_000,
    }
    paid: dict[Any, Any] = defaultdict(int)
    for row in (*rows.purchases, *rows.contracts):
        if row["currency"] == "CNY":
            paid[row["customer_id"]] += row["amount"]
    at_home = [customer for customer in rows.customers if customer["region"] == "CN"]
    for higher, lower in ((Tier.CORE, Tier.VALUE), (Tier.VALUE, Tier.POTENTIAL), (Tier.POTENTIAL, Tier.LOW)):
        least = min(paid[customer["id"]] for customer in at_home if customer["tier"] is higher)
        most = max(paid[customer["id"]] for customer in at_home if customer["tier"] is lower)
        assert least >= most


def test_numbers_are_shared_and_several_and_foreign(rows: Rows) -> None:
    owners = Counter(phone["e164"] for phone in rows.customer_phones)
    assert sum(count >= 3 for count in owners.values()) > 20
    numbers = Counter(phone["customer_id"] for phone in rows.customer_phones)
    assert sum(count >= 2 for count in numbers.values()) > 500
    assert all(numbers[customer["id"]] for customer in rows.customers)
    primary = Counter(phone["customer_id"] for phone in rows.customer_phones if phone["is_primary"])
    assert set(primary.values()) == {1}
    assert len({phone["e164"][:3] for phone in rows.customer_phones}) >= 6


# What no subscriber has: see app/services/demo/numbers.py for who says so.
FREE = (
    *("+861349", story.LU_NUMBER),
    *("+44207946", "+44161496", "+3319900", "+493023125", "+468465004", "+6125550", "+6127010"),
    *(f"+1{area}55501" for area in (206, 425, 253, 212, 718, 646)),
)
AREA_CODES = (
    "+8621",
    "+8610",
    "+8620",
    "+86755",
    "+86571",
    "+8625",
    "+86512",
    "+8628",
    "+8627",
    "+8622",
    "+8623",
    "+86431",
)


def test_no_number_belongs_to_anybody(rows: Rows) -> None:
    for number in {phone["e164"] for phone in rows.customer_phones}:
        assert number.startswith((*FREE, *(f"{code}9" for code in AREA_CODES))), number
        parsed = parse_number(number, "CN")
        assert parsed.kind is NumberKind.NUMBER
        assert parsed.is_valid, f"{number} would not be shown as a number is"


def test_raw_forms_are_read_as_the_number_they_stand_for(rows: Rows) -> None:
    assert len({phone["raw"].count(" ") for phone in rows.customer_phones}) > 1
    for phone in rows.customer_phones:
        read = parse_number(phone["raw"], "CN")
        assert (read.e164, read.bucket, read.national_number) == (
            phone["e164"],
            phone["bucket"],
            phone["national_number"],
        )


def test_latin_names_are_those_that_pinyin_gives(rows: Rows) -> None:
    people = [row for row in rows.customers if row["kind"] is CustomerKind.PERSON and row["region"] == "CN"]
    assert people
    for person in people:
        assert latin(person["name"]) == (person["latin_name"], person["latin_surname"], person["surname"])


@settings(deadline=None, max_examples=40)
@given(st.dates(date(2025, 1, 1), date(2034, 12, 31)))
@example(date(2028, 2, 29))
@example(date(2027, 1, 1))
@example(date(2026, 10, 31))
def test_on_any_day_the_story_lies_before_it(today: date) -> None:
    rows = make_rows(today, ZONE, "hash", total=60)
    midnight = datetime.combine(today, time(0), ZONE)
    lu = rows.customers[0]
    air_conditioners = [bought for bought in rows.purchases if bought["customer_id"] == lu["id"]][-1]

    assert (air_conditioners["purchased_on"].year, air_conditioners["purchased_on"].month) == (today.year - 1, 10)
    assert all(contact["at"] < midnight for contact in rows.interactions)
    assert all(bought["purchased_on"] < today for bought in rows.purchases)
    assert all(contract["starts_on"] < today for contract in rows.contracts)
    assert all(contract["starts_on"] <= contract["ends_on"] for contract in rows.contracts)
    assert all(customer["created_at"] <= customer["updated_at"] < midnight for customer in rows.customers)
    assert len(rows.customers) == 60
    ids = [row["id"] for table in (rows.customers, rows.purchases, rows.interactions) for row in table]
    assert len(set(ids)) == len(ids)
    assert {made.version for made in ids} == {7}
