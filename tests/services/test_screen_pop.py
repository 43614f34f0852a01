"""The screen pop of a number, on a real database. Every pop is held against its schema."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import event, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import Database
from app.domain.business_time import OpeningHours
from app.domain.call_states import CallState, CarrierStatus
from app.domain.card import AlertKind, Warranty
from app.domain.customer_facts import Channel, CustomerKind, Direction, Gender
from app.domain.matching import MatchOutcome, MatchReason
from app.domain.phone_numbers import LineType, NumberKind
from app.embedded_postgres import EmbeddedPostgres
from app.models import (
    Call,
    Contract,
    Customer,
    CustomerPhone,
    Interaction,
    Purchase,
    Tier,
)
from app.models.base import new_id
from app.schemas.screen_pop import ScreenPop
from app.services.hotline import Hotline, QueueSetup, Route
from app.services.screen_pop import MOST_CANDIDATES, look_up
from tests.factories import make_agent, make_customer
from tests.support import fresh_database

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 11, 21, 3, tzinfo=UTC)
TODAY = date(2026, 11, 21)
OURS = "+862112345678"

QUEUE = QueueSetup(
    id=new_id(),
    key="hotline",
    name_zh="客服热线",
    name_en="Hotline",
    language="zh-CN",
    ring_seconds=20,
    wait_seconds=10,
    max_wait_seconds=1200,
    record_calls=False,
    fallback_number=None,
    hours=OpeningHours(SHANGHAI),
)
HOTLINE = Hotline("CN", SHANGHAI, "Callcard", None, default=QUEUE, routes={OURS: Route(QUEUE, None)})


@pytest.fixture(scope="module")
async def database(postgres_with_template: EmbeddedPostgres) -> AsyncIterator[Database]:
    """One database for all tests here, because none of them commits."""
    async with fresh_database(postgres_with_template) as dsn:
        opened = Database(dsn, pool_size=1, lane_size=0)
        yield opened
        await opened.aclose()


@pytest.fixture
async def session(database: Database) -> AsyncIterator[AsyncSession]:
    """One transaction, rolled back after the test."""
    async with AsyncSession(database.engine, expire_on_commit=False) as opened:
        yield opened


async def pop_for(session: AsyncSession, raw: str | None, now: datetime = NOW) -> ScreenPop:
    await session.flush()
    return ScreenPop.model_validate(await look_up(session, HOTLINE.number(raw), HOTLINE, now))


def contacted(customer: Customer, at: datetime, **fields: Any) -> Interaction:
    return Interaction(
        **{
            "customer_id": customer.id,
            "channel": Channel.EMAIL,
            "direction": Direction.INBOUND,
            "at": at,
            "summary": "问保修",
            **fields,
        }
    )


def called(from_e164: str, at: datetime, customer: Customer | None = None) -> Call:
    return Call(
        provider="twilio",
        provider_call_id=f"CA{new_id().hex}",
        direction=Direction.INBOUND,
        state=CallState.COMPLETED,
        customer_status=CarrierStatus.COMPLETED,
        from_raw=from_e164,
        from_e164=from_e164,
        to_raw=OURS,
        language="zh-CN",
        match_outcome=MatchOutcome.UNIQUE if customer else MatchOutcome.UNKNOWN,
        customer_id=customer.id if customer else None,
        received_at=at,
        heard_at=at,
    )


def bought(customer: Customer, **fields: Any) -> Purchase:
    return Purchase(
        **{
            "customer_id": customer.id,
            "product": "空调",
            "product_en": "air conditioner",
            "quantity": 3,
            "unit": "台",
            "purchased_on": date(2025, 10, 18),
            **fields,
        }
    )


def signed(customer: Customer, ends_on: date, **fields: Any) -> Contract:
    return Contract(
        **{"customer_id": customer.id, "number": "HT-1", "starts_on": date(2024, 1, 1), "ends_on": ends_on, **fields}
    )


async def mr_lu(session: AsyncSession, *phones: str, **fields: Any) -> Customer:
    named = {"name": "鲁大伟", "surname": "鲁", "latin_name": "Lu Dawei", "latin_surname": "Lu", "gender": Gender.MALE}
    return await make_customer(session, *(phones or ("138 0013 8000",)), **{**named, **fields})


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    """What is asked of the database meanwhile."""
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(database.engine.sync_engine, "before_cursor_execute", note)


# Who it is ------------------------------------------------------------------------------------------------------------


async def test_mr_lu_and_his_air_conditioners(session: AsyncSession) -> None:
    lu = await mr_lu(session)
    session.add(bought(lu, amount=Decimal("8997.00"), currency="CNY", warranty_until=date(2027, 10, 17)))

    pop = await pop_for(session, "+8613800138000")

    assert pop.call is None
    assert pop.match.outcome is MatchOutcome.UNIQUE
    assert [(found.customer_id, found.reason) for found in pop.match.candidates] == [(lu.id, MatchReason.EXACT)]
    assert pop.customer is not None
    assert (pop.customer.id, pop.customer.code, pop.customer.name) == (lu.id, lu.code, "鲁大伟")
    assert pop.customer.address_as.model_dump() == {"zh": "鲁先生", "en": "Mr Lu"}
    assert pop.greeting.zh == "您好，请问是鲁先生吗？您去年10月在我们这里买了三台空调，对吗？有什么可以帮您？"
    assert pop.greeting.en == (
        "Hello, is that Mr Lu? You bought three air conditioners from us last October, is that right? "
        "What can I do for you?"
    )
    purchase = pop.purchases[0]
    assert (purchase.product, purchase.quantity, purchase.amount, purchase.currency, purchase.warranty) == (
        "空调",
        3,
        Decimal("8997.00"),
        "CNY",
        Warranty.IN_WARRANTY,
    )
    assert pop.caller.model_dump() == {
        "kind": NumberKind.NUMBER,
        "raw": "+8613800138000",
        "e164": "+8613800138000",
        "national": "138 0013 8000",
        "region": "CN",
        "line_type": LineType.MOBILE,
        "time_zone": "Asia/Shanghai",
    }
    assert (pop.alerts, pop.complaints, pop.callbacks, pop.interactions, pop.contracts) == ([], [], [], [], [])


@pytest.mark.parametrize(
    "spelling", ["138 0013 8000", "008613800138000", "１３８００１３８０００", "sip:+8613800138000@a.example"]
)
async def test_any_spelling_is_the_same_number(session: AsyncSession, spelling: str) -> None:
    lu = await mr_lu(session)

    pop = await pop_for(session, spelling)

    assert pop.customer is not None
    assert pop.customer.id == lu.id


async def test_fault_13_three_customers_on_one_number_are_a_chooser_and_no_guess(session: AsyncSession) -> None:
    owner = await make_agent(session, name="李娜")
    shop = await make_customer(session, "025-8666 1234", name="恒通酒店", kind=CustomerKind.COMPANY, tier=Tier.CORE)
    wife = await make_customer(session, "025-8666 1234", name="王芳", owner_id=owner.id)
    lu = await mr_lu(session, "138 0013 8000", "025-8666 1234", do_not_call=True)
    session.add_all([bought(lu), signed(shop, date(2025, 1, 1)), contacted(wife, NOW - timedelta(days=9))])
    session.add_all([contacted(lu, NOW - timedelta(days=2)), contacted(lu, NOW - timedelta(days=400))])

    pop = await pop_for(session, "+862586661234")

    assert pop.match.outcome is MatchOutcome.SEVERAL
    assert not pop.match.more
    # Whoever was in touch last stands first; who never was stands last.
    assert [(found.customer_id, found.name, found.owner) for found in pop.match.candidates] == [
        (lu.id, "鲁大伟", None),
        (wife.id, "王芳", "李娜"),
        (shop.id, "恒通酒店", None),
    ]
    assert {found.reason for found in pop.match.candidates} == {MatchReason.EXACT}
    assert pop.match.candidates[0].last_contact_at == NOW - timedelta(days=2)
    # Nothing of any of them is told as if it were the caller's.
    assert pop.customer is None
    assert (pop.purchases, pop.contracts, pop.interactions, pop.alerts) == ([], [], [], [])
    assert "鲁" not in pop.greeting.zh
    assert pop.greeting.en == "Hello, good to hear from you. May I ask who is calling?"


async def test_a_switchboard_shows_twelve_and_says_that_there_are_more(session: AsyncSession) -> None:
    for number in range(MOST_CANDIDATES):
        await make_customer(session, "025-8666 1234", name=f"员工{number}")
    exactly = await pop_for(session, "025-8666 1234")
    await make_customer(session, "025-8666 1234", name="又一员工")
    beyond = await pop_for(session, "025-8666 1234")

    assert (len(exactly.match.candidates), exactly.match.more) == (MOST_CANDIDATES, False)
    assert (len(beyond.match.candidates), beyond.match.more) == (MOST_CANDIDATES, True)


async def test_an_unknown_caller_is_nobody(session: AsyncSession) -> None:
    await mr_lu(session)

    pop = await pop_for(session, "+8613900139000")

    assert pop.match.outcome is MatchOutcome.UNKNOWN
    assert pop.match.candidates == []
    assert pop.customer is None
    assert pop.greeting.en == "Hello, thank you for calling. May I have your name, please?"


@pytest.mark.parametrize("caller", ["+8613800138000", "+85213800138000"], ids=["the number", "the number abroad"])
async def test_whoever_rings_from_a_number_known_to_be_wrong_is_somebody_else(
    session: AsyncSession, caller: str
) -> None:
    lu = await mr_lu(session)
    assert (await pop_for(session, caller)).customer is not None

    await session.execute(update(CustomerPhone).where(CustomerPhone.customer_id == lu.id).values(wrong_since=NOW))

    pop = await pop_for(session, caller)
    assert (pop.match.outcome, pop.customer) == (MatchOutcome.UNKNOWN, None)


@pytest.mark.parametrize(
    ("raw", "kind", "outcome"),
    [
        ("anonymous", NumberKind.WITHHELD, MatchOutcome.WITHHELD),
        ("+266696687", NumberKind.WITHHELD, MatchOutcome.WITHHELD),
        ("", NumberKind.WITHHELD, MatchOutcome.WITHHELD),
        (None, NumberKind.WITHHELD, MatchOutcome.WITHHELD),
        ("10086", NumberKind.SHORT_CODE, MatchOutcome.UNKNOWN),
        ("sip:alice@example.com", NumberKind.SIP, MatchOutcome.UNKNOWN),
        ("client:agent_7", NumberKind.SIP, MatchOutcome.UNKNOWN),
        ("not a number", NumberKind.INVALID, MatchOutcome.UNKNOWN),
        ("\0'; DROP TABLE customers; --", NumberKind.INVALID, MatchOutcome.UNKNOWN),
    ],
)
async def test_fault_12_what_is_no_number_is_an_outcome(
    session: AsyncSession, raw: str | None, kind: NumberKind, outcome: MatchOutcome
) -> None:
    await mr_lu(session)

    pop = await pop_for(session, raw)

    assert (pop.caller.kind, pop.match.outcome, pop.caller.e164) == (kind, outcome, None)
    assert (pop.match.candidates, pop.customer, pop.alerts) == ([], None, [])


async def test_our_own_number_is_never_a_customer(session: AsyncSession) -> None:
    # It stood in somebody's record before it became ours.
    await make_customer(session, OURS)

    pop = await pop_for(session, OURS)

    assert pop.caller.e164 == OURS
    assert (pop.match.outcome, pop.match.candidates) == (MatchOutcome.UNKNOWN, [])


# Likenesses -----------------------------------------------------------------------------------------------------------


async def test_the_same_national_number_in_another_country(session: AsyncSession) -> None:
    lu = await mr_lu(session, "+1 202 555 0123")

    pop = await pop_for(session, "+862025550123")

    assert [(found.customer_id, found.reason) for found in pop.match.candidates] == [(lu.id, MatchReason.OTHER_COUNTRY)]
    assert pop.match.outcome is MatchOutcome.UNIQUE
    assert pop.customer is not None
    assert pop.customer.id == lu.id


async def test_a_number_without_its_area_code_is_the_same_line(session: AsyncSession) -> None:
    lu = await mr_lu(session, "010-6234 5678")

    pop = await pop_for(session, "62345678")

    assert [(found.customer_id, found.reason) for found in pop.match.candidates] == [(lu.id, MatchReason.SAME_ENDING)]
    assert pop.match.outcome is MatchOutcome.UNIQUE


async def test_two_lines_that_end_alike_are_both_shown(session: AsyncSession) -> None:
    await mr_lu(session, "010-6234 5678")
    await make_customer(session, "021-6234 5678", name="王芳")

    pop = await pop_for(session, "62345678")

    assert pop.match.outcome is MatchOutcome.SEVERAL
    assert {found.name for found in pop.match.candidates} == {"鲁大伟", "王芳"}


async def test_one_customer_found_by_two_phones_is_one_customer(session: AsyncSession) -> None:
    lu = await mr_lu(session, "010-6234 5678", "021-6234 5678")

    pop = await pop_for(session, "62345678")

    assert [found.customer_id for found in pop.match.candidates] == [lu.id]
    assert pop.match.outcome is MatchOutcome.UNIQUE


@pytest.mark.parametrize(
    ("theirs", "caller"),
    [
        ("010-6234 5678", "021-6234 5678"),  # another city
        ("138 6234 5678", "139 6234 5678"),  # another mobile number
        ("010-6234 5678", "138 6234 5678"),
        ("+44 20 6234 5678", "010-6234 5678"),
    ],
)
async def test_a_shared_ending_alone_is_nobody(session: AsyncSession, theirs: str, caller: str) -> None:
    await mr_lu(session, theirs)
    assert HOTLINE.number(theirs).bucket == HOTLINE.number(caller).bucket, "the bucket is to collide"

    pop = await pop_for(session, caller)

    assert (pop.match.outcome, pop.match.candidates) == (MatchOutcome.UNKNOWN, [])


async def test_the_very_number_goes_before_a_likeness(session: AsyncSession) -> None:
    await mr_lu(session, "+1 202 555 0123")
    exact = await make_customer(session, "+862025550123", name="王芳")

    pop = await pop_for(session, "+862025550123")

    assert [(found.customer_id, found.reason) for found in pop.match.candidates] == [(exact.id, MatchReason.EXACT)]


async def test_a_number_of_seven_digits_is_the_very_number_too(session: AsyncSession) -> None:
    # Niue: +683 and four digits, one less than what others are looked up by.
    lu = await mr_lu(session, "+683 4002")

    pop = await pop_for(session, "+6834002")

    assert [(found.customer_id, found.reason) for found in pop.match.candidates] == [(lu.id, MatchReason.EXACT)]


async def test_another_country_goes_before_a_likeness(session: AsyncSession) -> None:
    abroad = await make_customer(session, "+1 202 555 0123", name="Abroad")
    await make_customer(session, "+8625550123", name="Alike")

    pop = await pop_for(session, "+862025550123")

    assert [found.customer_id for found in pop.match.candidates] == [abroad.id]


@pytest.mark.parametrize(
    ("raw", "times"),
    [("+8613800138000", 1), ("+8613900139000", 1), ("anonymous", 1), (OURS, 1), ("+861062345678", 2)],
)
async def test_the_database_is_asked_twice_only_to_verify(
    database: Database, session: AsyncSession, raw: str, times: int
) -> None:
    await mr_lu(session, "138 0013 8000", "021-6234 5678")
    await session.flush()

    with statements(database) as asked:
        await look_up(session, HOTLINE.number(raw), HOTLINE, NOW)

    assert len(asked) == times


# What the card says ---------------------------------------------------------------------------------------------------


async def test_the_latest_purchase_and_contact_stand_first(session: AsyncSession) -> None:
    agent = await make_agent(session, name="李娜")
    lu = await mr_lu(session)
    session.add_all([bought(lu, product=f"产品{month}", purchased_on=date(2025, month, 1)) for month in range(1, 13)])
    session.add_all([contacted(lu, NOW - timedelta(days=days), summary=f"{days}") for days in (7, 3, 1, 5, 9, 11)])
    session.add(contacted(lu, NOW - timedelta(hours=1), agent_id=agent.id, channel=Channel.CHAT, summary="0"))

    pop = await pop_for(session, "13800138000")

    assert [purchase.product for purchase in pop.purchases] == [f"产品{month}" for month in range(12, 2, -1)]
    assert [contact.summary for contact in pop.interactions] == ["0", "1", "3", "5", "7"]
    assert (pop.interactions[0].agent, pop.interactions[0].channel) == ("李娜", Channel.CHAT)
    assert pop.interactions[1].agent is None


@pytest.mark.parametrize(
    ("now", "warranty", "expired"),
    [
        # The last second of the last day, and the first after it, at the hotline (UTC+8).
        (datetime(2026, 11, 21, 15, 59, 59, tzinfo=UTC), Warranty.IN_WARRANTY, False),
        (datetime(2026, 11, 21, 16, 0, 0, tzinfo=UTC), Warranty.EXPIRED, True),
    ],
)
async def test_warranty_and_contract_hold_through_their_last_day(
    session: AsyncSession, now: datetime, warranty: Warranty, expired: bool
) -> None:
    lu = await mr_lu(session)
    session.add_all([bought(lu, warranty_until=TODAY), signed(lu, TODAY)])

    pop = await pop_for(session, "13800138000", now)

    assert pop.purchases[0].warranty is warranty
    assert pop.contracts[0].expired is expired
    assert [alert.kind for alert in pop.alerts] == ([AlertKind.CONTRACT_EXPIRED] if expired else [])


async def test_all_alerts(session: AsyncSession) -> None:
    lu = await mr_lu(session, do_not_call=True, tier=Tier.CORE)
    session.add_all([signed(lu, date(2026, 3, 31)), signed(lu, date(2025, 3, 31))])
    session.add_all([called("+8613800138000", NOW - timedelta(days=days), lu) for days in (1, 6, 8)])

    pop = await pop_for(session, "13800138000")

    assert [alert.model_dump(exclude_none=True) for alert in pop.alerts] == [
        {"kind": AlertKind.DO_NOT_CALL},
        {"kind": AlertKind.VIP},
        {"kind": AlertKind.REPEAT_CALLER, "count": 2},
        {"kind": AlertKind.CONTRACT_EXPIRED, "on": date(2026, 3, 31)},
    ]
    assert pop.customer is not None
    assert pop.customer.do_not_call


async def test_a_stranger_who_calls_again_is_known_to_have_called(session: AsyncSession) -> None:
    session.add_all([called("+8613900139000", NOW - timedelta(days=1)), called("+8613900139001", NOW)])

    pop = await pop_for(session, "+8613900139000")

    assert [(alert.kind, alert.count) for alert in pop.alerts] == [(AlertKind.REPEAT_CALLER, 1)]


async def test_hostile_text_in_a_record_arrives_as_it_is(session: AsyncSession) -> None:
    name = "<script>alert('鲁')</script> \u202e\U0001f600\"\\"
    await make_customer(session, "13800138000", name=name, note="a:b :now ::x")

    pop = await pop_for(session, "13800138000")

    assert pop.customer is not None
    assert (pop.customer.name, pop.customer.note) == (name, "a:b :now ::x")


async def test_looking_up_writes_nothing(session: AsyncSession) -> None:
    await pop_for(session, "+8613900139000")

    # A transaction gets a number of its own with the first thing that it writes.
    assert await session.scalar(text("SELECT pg_current_xact_id_if_assigned()")) is None
