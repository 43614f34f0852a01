"""Promising a call: when, whose, under which code; by several at once on a real database."""

import asyncio
from collections import Counter
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import Database
from app.domain.business_time import Opening
from app.domain.calling_windows import CallingWindows, NeverOpen, Place
from app.domain.promised_times import STEP, choose_slot, next_day_slots, soonest
from app.domain.working_calendar import CalendarUnknown, WorkingCalendar
from app.models import Calendar, CalendarYear, Callback, CallbackChange, CallbackReason, CallingWindow, Customer
from app.models import Closure as ClosureRow
from app.models.base import new_id
from app.services.callbacks.scheduling import promise
from app.services.callbacks.times import DueInThePast, NoLegalTime, OutsideWindow
from app.services.hotline import Hotline
from tests.api.customers.support import a_call, a_mobile
from tests.domain.test_calling_windows import NINE_TO_NINE, WINDOWS, ZONES, says_the_wall
from tests.domain.test_working_calendar import CALENDARS, MOMENTS, WORKDAYS
from tests.factories import make_agent, make_customer

SHANGHAI = ZoneInfo("Asia/Shanghai")
HOTLINE = Hotline("CN", SHANGHAI, "Callcard", None)
# A Thursday, and a working day in China like the Friday after it.
NOW = datetime(2026, 11, 26, 15, tzinfo=SHANGHAI)


# Properties -----------------------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(
    CALENDARS,
    WINDOWS.filter(bool) | st.just(NINE_TO_NINE),
    st.lists(st.sampled_from(ZONES), max_size=3, unique=True),
    MOMENTS,
    st.uuids(),
    st.data(),
)
def test_fault_21_fault_22_a_promise_is_legal_and_never_before_the_next_working_day(
    calendar: WorkingCalendar,
    windows: tuple[Opening, ...],
    zones: list[str],
    now: datetime,
    key: UUID,
    data: st.DataObject,
) -> None:
    calling = CallingWindows(calendar.zone, windows)
    place = Place(None, " ".join(zones) or None)
    try:
        slots = next_day_slots(now, calendar, calling, place)
    except (CalendarUnknown, NeverOpen):
        return
    taken = data.draw(st.dictionaries(st.sampled_from(slots), st.integers(0, 3)))
    slot = choose_slot(slots, taken, key)

    today = now.astimezone(calendar.zone).date()
    day = slot.astimezone(calendar.zone).date()
    assert calendar.is_working_day(day)
    assert day >= calendar.next_working_day(today)
    assert slot > now
    for zone in zones or [str(calendar.zone)]:
        assert says_the_wall(windows, zone, slot)
    assert taken.get(slot, 0) == min(taken.get(each, 0) for each in slots)


@settings(max_examples=100, deadline=None)
@given(CALENDARS, WINDOWS.filter(bool) | st.just(NINE_TO_NINE), st.sampled_from(ZONES), MOMENTS)
def test_fault_21_who_rang_us_is_called_as_soon_as_it_may_be(
    calendar: WorkingCalendar, windows: tuple[Opening, ...], zone: str, now: datetime
) -> None:
    calling = CallingWindows(calendar.zone, windows)
    try:
        at = soonest(now, calendar, calling, Place(None, zone))
    except NeverOpen:
        return

    assert at >= now
    assert says_the_wall(windows, zone, at)


def test_nobody_has_forty_at_nine() -> None:
    calendar = WorkingCalendar(SHANGHAI, WORKDAYS)
    slots = next_day_slots(NOW, calendar, CallingWindows(SHANGHAI, NINE_TO_NINE), Place("CN", "Asia/Shanghai"))
    assert (slots[0], slots[-1]) == (NOW + timedelta(hours=18), NOW + timedelta(hours=27) - STEP)

    one_after_the_other: Counter[datetime] = Counter()
    for _ in range(40):
        one_after_the_other[choose_slot(slots, one_after_the_other, new_id())] += 1
    at_the_same_moment = Counter(choose_slot(slots, {}, UUID(int=number)) for number in range(400))

    assert max(one_after_the_other.values()) == 2
    assert len(one_after_the_other) == len(slots) == 36
    assert max(at_the_same_moment.values()) < 30


@pytest.mark.parametrize(
    ("now", "first"),
    [
        # 14 February 2026 is a Saturday on which Spring Festival is made up for.
        (datetime(2026, 2, 13, 20, 59, 59, tzinfo=SHANGHAI), datetime(2026, 2, 14, 9, tzinfo=SHANGHAI)),
        (datetime(2026, 2, 14, 10, tzinfo=SHANGHAI), datetime(2026, 2, 24, 9, tzinfo=SHANGHAI)),
        # A minute before midnight it is still today, at midnight it is tomorrow.
        (datetime(2028, 2, 28, 23, 59, tzinfo=SHANGHAI), datetime(2028, 2, 29, 9, tzinfo=SHANGHAI)),
        (datetime(2028, 2, 29, tzinfo=SHANGHAI), datetime(2028, 3, 1, 9, tzinfo=SHANGHAI)),
    ],
)
def test_fault_22_the_next_working_day_of_the_state_council(now: datetime, first: datetime) -> None:
    calendar = WorkingCalendar(SHANGHAI, WORKDAYS, country="CN", confirmed=frozenset({2028}))

    slots = next_day_slots(now, calendar, CallingWindows(SHANGHAI, NINE_TO_NINE), Place("CN", "Asia/Shanghai"))

    assert slots[0] == first


def test_fault_21_where_it_is_night_while_we_work_the_evening_is_called() -> None:
    calendar = WorkingCalendar(SHANGHAI, WORKDAYS)
    place = Place("BR", "America/Sao_Paulo")

    slots = next_day_slots(NOW, calendar, CallingWindows(SHANGHAI, NINE_TO_NINE), place)

    # Nine in the morning in São Paulo is eight in the evening in Shanghai, when nobody is on duty there.
    assert {slot.astimezone(SHANGHAI).date() for slot in slots} == {date(2026, 11, 27)}
    assert all(9 <= slot.astimezone(ZoneInfo("America/Sao_Paulo")).hour < 21 for slot in slots)


# On a database --------------------------------------------------------------------------------------------------------


async def next_day(session: AsyncSession, customer: Customer | None, **given: object) -> Callback:
    return await promise(
        session,
        **{  # type: ignore[arg-type]
            "reason": CallbackReason.NEXT_DAY,
            "customer": customer,
            "hotline": HOTLINE,
            "now": NOW,
            **given,
        },
    )


async def test_the_next_working_day_in_the_customers_window_with_the_agents_name_on_it(session: AsyncSession) -> None:
    agent = await make_agent(session)
    customer = await make_customer(session, a_mobile())

    made = await next_day(session, customer, owner_id=agent.id, subject="空调不启动", by=agent.id)

    due = made.due_at.astimezone(SHANGHAI)
    assert due.date() == date(2026, 11, 27)
    assert 9 <= due.hour < 18
    assert (made.state, made.first_due_at, made.owner_id, made.created_by_id) == (
        "scheduled",
        made.due_at,
        agent.id,
        agent.id,
    )
    assert (made.zone, made.region, made.to_e164) == ("Asia/Shanghai", "CN", None)
    # Two hours of working time after it was due, the weekend not counted.
    opens = made.open_to_all_at
    assert opens is not None
    late = (due.hour, due.minute) > (16, 0)
    assert opens - made.due_at == (timedelta(days=2, hours=17) if late else timedelta(hours=2))
    assert made.code == "T20261126-0001"
    (change,) = await session.scalars(select(CallbackChange).where(CallbackChange.callback_id == made.id))
    assert (change.what, change.agent_id, change.detail["reason"]) == ("promised", agent.id, "next_day")


async def test_the_clock_of_the_customer_counts(session: AsyncSession) -> None:
    customer = await make_customer(session, a_mobile(), time_zone="America/New_York")

    made = await next_day(session, customer)

    assert 9 <= made.due_at.astimezone(ZoneInfo("America/New_York")).hour < 21
    assert (made.owner_id, made.open_to_all_at) == (None, made.due_at)


async def test_what_closes_all_queues_is_no_working_day(session: AsyncSession) -> None:
    session.add(ClosureRow(day=date(2026, 11, 27), name_zh="搬家", name_en="Moving house"))
    # A make-up day of our own.
    hours = {"opens": datetime(2000, 1, 1, 10).time(), "closes": datetime(2000, 1, 1, 12).time()}  # noqa: DTZ001
    session.add(ClosureRow(day=date(2026, 11, 28), name_zh="补班", name_en="Made up", **hours))
    customer = await make_customer(session, a_mobile())
    await session.flush()

    made = await next_day(session, customer)

    assert made.due_at.astimezone(SHANGHAI).date() == date(2026, 11, 28)
    assert 10 <= made.due_at.astimezone(SHANGHAI).hour < 12


async def test_a_regions_own_calendar_serves_its_customers(session: AsyncSession) -> None:
    session.add(Calendar(region="US", zone="America/Chicago"))
    customer = await make_customer(session, "+13125550123")

    made = await next_day(session, customer)

    # Thanksgiving is on the 26th there, and a calendar without hours works around the clock on other days.
    local = made.due_at.astimezone(ZoneInfo("America/Chicago"))
    assert local.date() == date(2026, 11, 27)
    assert 9 <= local.hour < 21


async def test_fault_22_a_year_that_nobody_knows_is_refused(session: AsyncSession) -> None:
    await session.execute(delete(CalendarYear))
    customer = await make_customer(session, a_mobile())
    far = datetime(2098, 12, 31, 15, tzinfo=SHANGHAI)

    with pytest.raises(CalendarUnknown) as refused:
        await next_day(session, customer, now=far)
    # Whoever has rung us is called all the same.
    missed = await next_day(session, customer, now=far, reason=CallbackReason.MISSED_CALL)

    assert (refused.value.country, refused.value.year) == ("CN", 2099)
    assert missed.due_at == far


@pytest.mark.parametrize(
    ("due", "kind"),
    [
        (NOW - timedelta(minutes=2), DueInThePast),
        (datetime(2026, 11, 27, 20, 59, 59, tzinfo=SHANGHAI), OutsideWindow),
        (datetime(2026, 11, 27, 3, tzinfo=SHANGHAI), OutsideWindow),
    ],
)
async def test_fault_21_no_promise_for_a_time_that_is_none(
    session: AsyncSession, due: datetime, kind: type[Exception]
) -> None:
    customer = await make_customer(session, a_mobile())

    with pytest.raises(kind):
        await next_day(session, customer, due_at=due)

    assert (await session.scalars(select(Callback))).all() == []


async def test_without_any_window_nothing_is_promised(session: AsyncSession) -> None:
    await session.execute(delete(CallingWindow))
    customer = await make_customer(session, a_mobile())

    for due_at in (None, NOW + timedelta(days=1)):
        with pytest.raises(NoLegalTime):
            await next_day(session, customer, due_at=due_at)


async def test_one_call_is_promised_once_for_each_reason(session: AsyncSession) -> None:
    customer = await make_customer(session, a_mobile())
    call = a_call(customer.id, NOW)
    session.add(call)
    await session.flush()

    first = await next_day(session, customer, call_id=call.id)
    again = await next_day(session, customer, call_id=call.id, subject="noch einmal")
    other = await next_day(session, customer, call_id=call.id, reason=CallbackReason.VOICEMAIL)

    assert again.id == first.id
    assert other.id != first.id
    assert other.due_at == NOW


async def test_hundred_who_promise_at_once_have_codes_of_their_own_and_a_day_that_is_spread(database: Database) -> None:
    async with database.session_scope() as session:
        agent = await make_agent(session)
        customer = await make_customer(session, a_mobile())

    async def one() -> Callback:
        async with database.session_scope() as session:
            return await next_day(session, customer, owner_id=agent.id)

    made = await asyncio.gather(*(one() for _ in range(100)))

    codes = {callback.code for callback in made}
    assert len(codes) == 100
    assert all(code.startswith("T20261126-") and 1 <= int(code[-4:]) <= 110 for code in codes)
    assert max(Counter(callback.due_at for callback in made).values()) <= 10
    async with database.session_scope() as session:
        tomorrow = await next_day(session, customer, now=NOW + timedelta(days=1))
        assert tomorrow.code == "T20261127-0001"


async def test_a_promise_taken_back_leaves_a_gap_and_nothing_else(database: Database) -> None:
    async with database.session_scope() as session:
        customer = await make_customer(session, a_mobile())
        await next_day(session, customer)
    async with database.session_scope() as session:
        await next_day(session, customer)
        await session.rollback()

    async with database.session_scope() as session:
        third = await next_day(session, customer)
        assert third.code == "T20261126-0003"
        assert len((await session.scalars(select(Callback))).all()) == 2
