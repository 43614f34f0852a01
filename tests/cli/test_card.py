"""Cards on a terminal: what stands on them, in both languages, in few columns, and that they cannot be forged."""

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from app.cli.card import card, plain, who
from app.cli.words import Lang
from app.schemas.screen_pop import ScreenPop

CUSTOMER = UUID("0192f0c4-7a3e-7cc0-9d2b-6f1f8f3a1b02")


def pop(**parts: Any) -> ScreenPop:
    """Mr Lu's card; `parts` replace what stands on it."""
    document: dict[str, Any] = {
        "call": None,
        "caller": {
            "kind": "number",
            "raw": "+8613800138000",
            "e164": "+8613800138000",
            "national": "138 0013 8000",
            "region": "CN",
            "line_type": "mobile",
            "time_zone": "Asia/Shanghai",
        },
        "match": {"outcome": "unique", "more": False, "candidates": [candidate("鲁建国", "C0001001")]},
        "customer": {
            "id": CUSTOMER,
            "code": "C0001001",
            "kind": "person",
            "name": "鲁建国",
            "address_as": {"zh": "鲁先生", "en": "Mr Lu"},
            "language": "zh-CN",
            "time_zone": None,
            "region": "CN",
            "tier": "core",
            "dcwh": "hot",
            "sales_stage": 6,
            "intention": "good",
            "owner": {"id": CUSTOMER, "name": "李莉"},
            "do_not_call": False,
            "note": "老人怕冷",
        },
        "greeting": {"zh": "您好，请问是鲁先生吗？", "en": "Hello, is that Mr Lu?"},
        "purchases": [
            {
                "id": CUSTOMER,
                "product": "空调",
                "product_en": "air conditioner",
                "model": "KFR-35GW",
                "serial_number": "1",
                "quantity": 3,
                "unit": "台",
                "amount": "9897.00",
                "currency": "CNY",
                "purchased_on": "2025-10-18",
                "warranty_until": "2031-10-18",
                "warranty": "in_warranty",
            }
        ],
        "complaints": [],
        "interactions": [
            {
                "at": "2025-12-03T02:15:00Z",
                "channel": "fax",
                "direction": "outbound",
                "summary": "传真空调保修卡。",
                "agent": "王芳",
            }
        ],
        "callbacks": [],
        "contracts": [
            {
                "id": CUSTOMER,
                "number": "HT2025-00001",
                "title": "三年保养",
                "starts_on": "2025-10-18",
                "ends_on": "2028-10-17",
                "expired": False,
            }
        ],
        "alerts": [{"kind": "vip", "count": None, "on": None}, {"kind": "repeat_caller", "count": 2, "on": None}],
        **parts,
    }
    return ScreenPop.model_validate(document)


def candidate(name: str, code: str, **parts: Any) -> dict[str, Any]:
    return {
        "customer_id": CUSTOMER,
        "code": code,
        "name": name,
        "kind": "person",
        "tier": None,
        "reason": "exact",
        "owner": None,
        "last_contact_at": None,
        **parts,
    }


def unrecognised(outcome: str, **parts: Any) -> ScreenPop:
    return pop(
        **{
            "match": {"outcome": outcome, "more": False, "candidates": []},
            "customer": None,
            "purchases": [],
            "interactions": [],
            "contracts": [],
            "alerts": [],
            **parts,
        }
    )


def printed(shown: ScreenPop, lang: Lang = "en", width: int = 100) -> str:
    console = Console(width=width, color_system=None, force_terminal=False, legacy_windows=False)
    with console.capture() as capture:
        console.print(card(shown, lang))
    return capture.get()


def test_the_card_says_who_it_is_what_they_bought_and_what_was_said() -> None:
    text = printed(pop())

    for part in (
        "Mr Lu  C0001001",
        "Hello, is that Mr Lu?",
        "您好，请问是鲁先生吗？",
        "! VIP",
        "! calls in the last 7 days 2",
        "account manager 李莉",
        "6 in contract",
        "Note: 老人怕冷",
        "2025-10-18  3 x air conditioner",
        "9,897.00 CNY",
        "in warranty until 2031-10-18",
        "三年保养 HT2025-00001",
        "running until 2028-10-17",
        "2025-12-03  传真空调保修卡。",
        "fax (out) 王芳",
        "138 0013 8000  CN  mobile  Asia/Shanghai",
    ):
        assert part in text


def test_the_card_in_chinese() -> None:
    text = printed(pop(), "zh")

    for part in (
        "鲁先生  C0001001",
        "! 核心客户",
        "客户经理 李莉",
        "3 台 空调",
        "保修期内 至 2031-10-18",
        "传真 (去) 王芳",
        "手机",
    ):
        assert part in text
    assert text.index("您好") < text.index("Hello")


@pytest.mark.parametrize("width", [60, 80, 100, 140])
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_line_is_as_wide_as_the_frame_chinese_or_not(lang: Lang, width: int) -> None:
    widths = {cell_len(line) for line in printed(pop(), lang, width).splitlines()}

    assert widths == {min(width, 100)}


def test_several_customers_are_a_chooser_without_a_guess() -> None:
    candidates = [
        candidate("陈建平", "C0001002", last_contact_at="2025-10-17T02:00:00Z"),
        candidate("林淑芬", "C0001003", owner="李莉", reason="other_country"),
    ]
    shown = unrecognised("several", match={"outcome": "several", "more": True, "candidates": candidates})
    text = printed(shown)

    for part in (
        "Ask who it is",
        "1  C0001002  陈建平  the very number",
        "last contact 2025-10-17",
        "2  C0001003  林淑芬",
    ):
        assert part in text
    assert "account manager 李莉" in text
    assert "and others" in text
    assert who(shown, "zh") == "多位客户"


def test_nobody_we_know_and_nobody_who_shows() -> None:
    assert "nobody we know" in printed(unrecognised("unknown"))
    hidden = {"kind": "withheld", "raw": "", "e164": None, "national": None, "region": None, "line_type": "unknown"}
    assert "number withheld" in printed(unrecognised("withheld", caller={**hidden, "time_zone": None}))


def test_what_comes_from_outside_is_neither_obeyed_nor_read_as_markup() -> None:
    nasty = "[red]x[/red]\x1b[2J\x07\u202egnp.\u2066\n第二行"
    shown = pop()
    assert shown.customer is not None
    shown = shown.model_copy(update={"customer": shown.customer.model_copy(update={"note": nasty, "name": nasty})})
    text = printed(shown)

    assert "[red]x[/red][2Jgnp. 第二行" in text
    assert not any(char in text for char in "\x1b\x07\u202e\u2066")


@settings(deadline=None)
@given(st.text())
def test_plain_text_is_one_harmless_line(text: str) -> None:
    cleaned = plain(text)

    assert len(cleaned.splitlines()) <= 1
    assert "\x1b" not in cleaned
    assert plain(cleaned) == cleaned
