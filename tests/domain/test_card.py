"""The words on a caller's card."""

from copy import deepcopy
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.domain.card import AlertKind, Warranty, address_as, alerts, finish_pop, greeting, iso, pending_alerts, warranty

SHANGHAI = ZoneInfo("Asia/Shanghai")
TODAY = date(2026, 11, 21)


def customer(**fields: Any) -> dict[str, Any]:
    return {
        "id": "01900000-0000-7000-a000-000000000001",
        "code": "C0001024",
        "owner": {"id": "01900000-0000-7000-9000-000000000001", "name": "李莉"},
        "kind": "person",
        "name": "鲁大伟",
        "surname": "鲁",
        "latin_name": "Lu Dawei",
        "latin_surname": "Lu",
        "title": "",
        "gender": "male",
        "tier": None,
        "do_not_call": False,
        **fields,
    }


def bought(**fields: Any) -> dict[str, Any]:
    return {
        "product": "空调",
        "product_en": "air conditioner",
        "quantity": 3,
        "unit": "台",
        "purchased_on": "2025-10-18",
        "warranty_until": None,
        **fields,
    }


def known(**fields: Any) -> dict[str, Any]:
    person = customer(**fields)
    return {**person, "address_as": address_as(person)}


# How to address them --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "zh", "en"),
    [
        ({}, "鲁先生", "Mr Lu"),
        ({"gender": "female"}, "鲁女士", "Ms Lu"),
        ({"gender": "unknown"}, "鲁大伟", "Lu Dawei"),
        ({"title": "博士"}, "鲁博士", "Dr Lu"),
        ({"title": "经理"}, "鲁经理", "Mr Lu"),
        ({"title": "Dr"}, "鲁先生", "Dr Lu"),
        ({"title": "老师", "gender": "unknown"}, "鲁老师", "Lu Dawei"),
        ({"title": "Dr", "gender": "unknown"}, "鲁大伟", "Dr Lu"),
        ({"surname": "", "latin_surname": ""}, "鲁大伟", "Lu Dawei"),
        (
            {"name": "欧阳娜娜", "surname": "欧阳", "latin_surname": "Ouyang", "gender": "female"},
            "欧阳女士",
            "Ms Ouyang",
        ),
        ({"name": "John Smith", "surname": "Smith", "latin_surname": "Smith"}, "Smith先生", "Mr Smith"),
        ({"name": "Лев Толстой", "surname": "", "latin_name": "", "latin_surname": ""}, "Лев Толстой", "Лев Толстой"),
        ({"kind": "company", "name": "恒通酒店", "latin_name": "Hengtong Hotels"}, "恒通酒店", "Hengtong Hotels"),
        ({"kind": "company", "name": "恒通酒店", "latin_name": ""}, "恒通酒店", "恒通酒店"),
    ],
)
def test_address_as(fields: dict[str, Any], zh: str, en: str) -> None:
    assert address_as(customer(**fields)) == {"zh": zh, "en": en}


# The sentence to open with --------------------------------------------------------------------------------------------


def test_mr_lu_is_greeted_with_his_air_conditioners() -> None:
    assert greeting(known(), [bought()], "unique", TODAY) == {
        "zh": "您好，请问是鲁先生吗？您去年10月在我们这里买了三台空调，对吗？有什么可以帮您？",
        "en": "Hello, is that Mr Lu? You bought three air conditioners from us last October, is that right? "
        "What can I do for you?",
    }


def test_who_bought_nothing_is_only_asked_for() -> None:
    assert greeting(known(), [], "unique", TODAY) == {
        "zh": "您好，请问是鲁先生吗？有什么可以帮您？",
        "en": "Hello, is that Mr Lu? What can I do for you?",
    }


def test_the_latest_purchase_is_spoken_of() -> None:
    said = greeting(known(), [bought(product_en="fan", quantity=1), bought()], "unique", TODAY)

    assert "a fan from us" in said["en"]
    assert "conditioner" not in said["en"]


@pytest.mark.parametrize("outcome", ["several", "unknown", "withheld"])
def test_nobody_is_named_who_was_not_recognised(outcome: str) -> None:
    said = greeting(None, [], outcome, TODAY)

    assert said["zh"].startswith("您好，")
    assert "May I" in said["en"]
    assert "鲁" not in said["zh"]


@pytest.mark.parametrize(
    ("day", "zh", "en"),
    [
        ("2026-11-21", "这个月", "this month"),
        ("2026-11-01", "这个月", "this month"),
        ("2026-10-31", "上个月", "last month"),
        ("2026-09-30", "今年9月", "in September"),
        ("2026-01-01", "今年1月", "in January"),
        ("2025-12-31", "去年12月", "last December"),
        ("2025-10-18", "去年10月", "last October"),
        ("2024-10-18", "2024年10月", "in October 2024"),
    ],
)
def test_when_it_was(day: str, zh: str, en: str) -> None:
    said = greeting(known(), [bought(purchased_on=day)], "unique", TODAY)

    assert f"您{zh}在我们这里" in said["zh"]
    assert f"from us {en}, is" in said["en"]


def test_in_january_december_is_last_month_and_not_last_year() -> None:
    said = greeting(known(), [bought(purchased_on="2025-12-31")], "unique", date(2026, 1, 1))

    assert "上个月" in said["zh"]
    assert "last month" in said["en"]


@pytest.mark.parametrize(
    ("fields", "zh", "en"),
    [
        ({"quantity": 1}, "一台空调", "an air conditioner"),
        ({"quantity": 2}, "两台空调", "two air conditioners"),
        ({"quantity": 10}, "十台空调", "ten air conditioners"),
        ({"quantity": 11}, "11台空调", "11 air conditioners"),
        ({"quantity": 2, "unit": ""}, "两件空调", "two air conditioners"),
        ({"product_en": "battery"}, "三台空调", "three batteries"),
        ({"product_en": "key tray"}, "三台空调", "three key trays"),
        ({"product_en": "box"}, "三台空调", "three boxes"),
        ({"product_en": "watch"}, "三台空调", "three watches"),
        ({"product_en": ""}, "三台空调", "3 × 空调"),
        ({"product_en": "", "quantity": 1}, "一台空调", "空调"),
        ({"product_en": "fan", "quantity": 1}, "一台空调", "a fan"),
        ({"product_en": "UPS", "quantity": 1}, "一台空调", "a UPS"),
        ({"product_en": "USB hub", "quantity": 1}, "一台空调", "a USB hub"),
        ({"product_en": "LED lamp", "quantity": 1}, "一台空调", "an LED lamp"),
        ({"product_en": "8-inch screen", "quantity": 1}, "一台空调", "an 8-inch screen"),
        ({"product_en": "universal charger", "quantity": 1}, "一台空调", "a universal charger"),
    ],
)
def test_what_it_was(fields: dict[str, Any], zh: str, en: str) -> None:
    said = greeting(known(), [bought(**fields)], "unique", TODAY)

    assert f"买了{zh}，对吗？" in said["zh"]
    assert f"You bought {en} from us" in said["en"]


# Warranty and alerts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("until", "state"),
    [
        ("2026-11-22", Warranty.IN_WARRANTY),
        ("2026-11-21", Warranty.IN_WARRANTY),
        ("2026-11-20", Warranty.EXPIRED),
        (None, Warranty.UNKNOWN),
    ],
)
def test_a_warranty_holds_through_its_last_day(until: str | None, state: Warranty) -> None:
    assert warranty(until, "2026-11-21") is state


def test_alerts_stand_in_order_of_gravity() -> None:
    expired = [{"expired": True, "ends_on": "2026-03-31"}, {"expired": True, "ends_on": "2025-03-31"}]

    pending = [{"kind": AlertKind.OPEN_COMPLAINT, "count": 1}]

    assert alerts(customer(do_not_call=True, tier="core"), expired, 2, pending) == [
        {"kind": AlertKind.DO_NOT_CALL},
        {"kind": AlertKind.VIP},
        {"kind": AlertKind.OPEN_COMPLAINT, "count": 1},
        {"kind": AlertKind.REPEAT_CALLER, "count": 2},
        {"kind": AlertKind.CONTRACT_EXPIRED, "on": "2026-03-31"},
    ]


def test_nothing_to_warn_of() -> None:
    running = [{"expired": False, "ends_on": "2027-03-31"}, {"expired": True, "ends_on": "2025-03-31"}]

    assert alerts(customer(tier="value"), running, 0, []) == []
    assert alerts(None, [], 0, []) == []


def test_what_is_overdue_and_what_is_not_closed() -> None:
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    late, later = "2026-11-20T23:00:00Z", "2026-11-21T12:00:00Z"
    complaints = [{"state": state, "due_at": late} for state in ("closed", "resolved", "open")]
    callbacks = [{"first_due_at": later}, {"first_due_at": "2026-11-19T01:00:00Z"}]

    assert pending_alerts(complaints, callbacks, now) == [
        {"kind": AlertKind.OVERDUE_PROMISE, "count": 2, "on": "2026-11-19"},
        {"kind": AlertKind.OPEN_COMPLAINT, "count": 2},
    ]
    assert pending_alerts([{"state": "closed", "due_at": late}], callbacks[:1], now) == []


# The whole ------------------------------------------------------------------------------------------------------------


def gathered(**fields: Any) -> dict[str, Any]:
    return {
        "call": {"received_at": "2026-11-21T15:59:59+00:00"},
        "match": {
            "outcome": "unique",
            "reason": "exact",
            "candidates": [],
        },
        "customer": customer(),
        "purchases": [bought(warranty_until="2026-11-21")],
        "contracts": [{"ends_on": "2026-11-21"}],
        "complaints": [
            {"state": "open", "opened_at": "2026-11-20T01:02:03+00:00", "due_at": "2026-11-20T09:02:03+00:00"}
        ],
        "callbacks": [{"due_at": "2026-11-23T01:02:03+00:00", "first_due_at": "2026-11-22T01:02:03+00:00"}],
        "interactions": [{"at": "2026-11-20T01:02:03+00:00"}],
        "recent_calls": 0,
        **fields,
    }


def test_today_is_told_in_the_hotlines_zone() -> None:
    last_second, next_day = datetime(2026, 11, 21, 15, 59, 59, tzinfo=UTC), datetime(2026, 11, 21, 16, tzinfo=UTC)

    before, after = finish_pop(gathered(), last_second, SHANGHAI), finish_pop(gathered(), next_day, SHANGHAI)

    assert (before["purchases"][0]["warranty"], before["contracts"][0]["expired"]) == (Warranty.IN_WARRANTY, False)
    assert (after["purchases"][0]["warranty"], after["contracts"][0]["expired"]) == (Warranty.EXPIRED, True)


def test_times_end_in_z() -> None:
    pop = finish_pop(gathered(), datetime(2026, 11, 21, 16, tzinfo=UTC), SHANGHAI)

    assert pop["call"]["received_at"] == "2026-11-21T15:59:59Z"
    assert pop["interactions"][0]["at"] == "2026-11-20T01:02:03Z"
    assert (pop["complaints"][0]["opened_at"], pop["complaints"][0]["due_at"]) == (
        "2026-11-20T01:02:03Z",
        "2026-11-20T09:02:03Z",
    )
    assert (pop["callbacks"][0]["due_at"], pop["callbacks"][0]["first_due_at"]) == (
        "2026-11-23T01:02:03Z",
        "2026-11-22T01:02:03Z",
    )
    assert pop["match"]["candidates"][0]["last_contact_at"] == "2026-11-20T01:02:03Z"


def test_times_of_several_candidates_end_in_z() -> None:
    candidates = [{"last_contact_at": "2026-11-20T01:02:03.5+00:00"}, {"last_contact_at": None}]
    several = {"outcome": "several", "reason": None, "candidates": candidates}

    pop = finish_pop(gathered(customer=None, match=several), datetime(2026, 11, 21, 16, tzinfo=UTC), SHANGHAI)

    assert [candidate["last_contact_at"] for candidate in pop["match"]["candidates"]] == [
        "2026-11-20T01:02:03.5Z",
        None,
    ]


def test_the_only_candidate_is_the_customer_on_the_card() -> None:
    pop = finish_pop(gathered(), datetime(2026, 11, 21, 16, tzinfo=UTC), SHANGHAI)

    assert pop["match"] == {
        "outcome": "unique",
        "candidates": [
            {
                "customer_id": "01900000-0000-7000-a000-000000000001",
                "code": "C0001024",
                "name": "鲁大伟",
                "kind": "person",
                "tier": None,
                "reason": "exact",
                "owner": "李莉",
                "last_contact_at": "2026-11-20T01:02:03Z",
            }
        ],
    }


def test_what_only_made_the_words_is_not_sent() -> None:
    pop = finish_pop(gathered(), datetime(2026, 11, 21, tzinfo=UTC), SHANGHAI)

    assert pop["customer"]["address_as"] == {"zh": "鲁先生", "en": "Mr Lu"}
    assert not {"surname", "title", "gender", "latin_name", "latin_surname"} & pop["customer"].keys()
    assert "recent_calls" not in pop


def test_the_same_moment_reads_the_same() -> None:
    at = datetime(2026, 11, 21, 3, tzinfo=UTC)
    once = gathered()

    assert finish_pop(deepcopy(once), at, SHANGHAI) == finish_pop(once, at, SHANGHAI)


def test_iso_is_utc() -> None:
    assert iso(datetime(2026, 11, 21, 8, 30, tzinfo=SHANGHAI)) == "2026-11-21T00:30:00Z"
