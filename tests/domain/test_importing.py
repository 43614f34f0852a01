"""Cells, headers, mappings and quick numbers."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.domain.derived import derive, derive_from
from app.domain.importing.cells import BadCell, digits, harmless, read_amount, read_time, tidy
from app.domain.importing.headers import guess_columns, written_out
from app.domain.importing.mapping import MappingError, parse_mapping
from app.domain.importing.phones import read_line
from app.domain.phone_numbers import BUCKET_DIGITS, parse_number

DIGITS = "0123456789"


def grouped(national: str, prefix: str, gap: str) -> str:
    return f"{prefix}{national[:3]}{gap}{national[3:7]}{gap}{national[7:]}"


MOBILES = st.builds(
    grouped,
    st.from_regex(r"\A1[3-9][0-9]{9}\Z"),
    st.sampled_from(["", "+86", "86", "0086", "+86 ", "86-"]),
    st.sampled_from(["", " ", "-"]),
)
LINES = st.from_regex(r"\A0(10|2[0-9]|[3-9][0-9]{2})-?[2-8][0-9]{6,7}\Z")


@given(st.one_of(MOBILES, LINES, st.from_regex(r"\A[+0-9 \-]{5,16}\Z"), st.text(max_size=20)))
@example("17951138001")
@example("0210000000")
@example("02112345678")
@example("010-62345678")
@example("0755-95555")
def test_a_number_read_quickly_is_read_as_the_library_does(text: str) -> None:
    quick, number = read_line(text, "CN"), parse_number(text, "CN")

    if number.e164 is None:
        assert quick is None
        return
    assert quick is not None
    assert quick[:5] == (
        number.e164,
        number.national_number,
        number.bucket or number.e164.removeprefix("+")[-BUCKET_DIGITS:],
        number.line_type,
        number.extension or "",
    )
    for region in (None, "CN", "JP", "江苏"):
        assert derive_from(quick.country, quick.zones, region) == derive(number, region)


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("  a  b ", "a b"),
        ("\u3000鲁 大伟\u200b\ufeff", "鲁 大伟"),
        ('="00123"', "00123"),
        ("-", ""),
        ("N/A", ""),
        ("暂无", ""),
        ("+86 138 0013 8000", "+86 138 0013 8000"),
        ("-5", "-5"),
        ("a\nb", "a b"),
        ("2026-01-01", "2026-01-01"),
    ],
)
def test_a_cell_is_tidied(cell: str, text: str) -> None:
    assert tidy(cell) == text


@pytest.mark.parametrize(
    "cell", ["=1+1", "=cmd|' /C calc'!A0", "@SUM(A1)", "+cmd|' /C calc'!A0", "-2+3+cmd|' /C calc'!A0"]
)
def test_a_formula_is_refused(cell: str) -> None:
    with pytest.raises(BadCell) as refused:
        tidy(cell)
    assert refused.value.code == "formula"


@given(st.text(max_size=30))
def test_what_is_tidied_is_tidy(cell: str) -> None:
    try:
        text = tidy(cell)
    except BadCell:
        return
    assert text == text.strip()
    assert "\x00" not in text
    assert "\t" not in text
    assert "\n" not in text


@given(st.text(max_size=30))
def test_no_export_begins_like_a_formula(cell: str) -> None:
    kept = harmless(cell)

    assert kept.removeprefix("'") == cell or kept == cell
    assert not kept.startswith(("=", "@", "\t", "\r"))
    assert not kept.startswith(("+", "-")) or all(char in "0123456789+- .,()" for char in kept)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1.38001380E+10", None),
        ("1.380013800000e10", "13800138000"),
        ("123.0", "123"),
        ("1,38E+2", "138"),
        ("１２３", "123"),
        ("12.5", "12.5"),
        ("2E3", None),
    ],
)
def test_digits_that_are_there_are_found(text: str, number: str | None) -> None:
    if number is None:
        with pytest.raises(BadCell):
            digits(text)
    else:
        assert digits(text) == number


@pytest.mark.parametrize(("text", "amount"), [("¥1,234.5", "1234.50"), ("99元", "99.00"), ("0", "0.00")])
def test_amounts(text: str, amount: str) -> None:
    assert str(read_amount(text)) == amount


@pytest.mark.parametrize("text", ["-1", "NaN", "1e99", "x", "Infinity", "9999999999999"])
def test_what_is_no_amount(text: str) -> None:
    with pytest.raises(BadCell):
        read_amount(text)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-11-21 09:30", datetime(2026, 11, 21, 1, 30, tzinfo=UTC)),
        ("2026-11-21T09:30:15Z", datetime(2026, 11, 21, 9, 30, 15, tzinfo=UTC)),
        ("2026/11/21 09:30:15+0200", datetime(2026, 11, 21, 7, 30, 15, tzinfo=UTC)),
        ("46347.5", datetime(2026, 11, 21, 4, 0, tzinfo=UTC)),
        ("21/11/2026", datetime(2026, 11, 20, 16, 0, tzinfo=UTC)),
    ],
)
def test_times_are_local_unless_they_say_where(text: str, at: datetime) -> None:
    assert read_time(text, ("%d/%m/%Y",), ZoneInfo("Asia/Shanghai")) == at


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        (
            ["客户编号", "客户姓名", "手机号码", "备用电话", "出生日期", "等级"],
            {"id": ["客户编号"], "name": ["客户姓名"], "phone": ["手机号码", "备用电话"], "birth_date": ["出生日期"]},
        ),
        (
            ["Customer ID", "First Name", "Last Name", "Mobile", "E-mail", "Date of Birth"],
            {
                "id": ["Customer ID"],
                "given_name": ["First Name"],
                "surname": ["Last Name"],
                "phone": ["Mobile"],
                "email": ["E-mail"],
                "birth_date": ["Date of Birth"],
            },
        ),
        (
            ["会员号", "姓名", "订单号", "商品名称", "购买日期", "金额"],
            {
                "id": ["会员号"],
                "name": ["姓名"],
                "purchase.id": ["订单号"],
                "purchase.product": ["商品名称"],
                "purchase.date": ["购买日期"],
                "purchase.amount": ["金额"],
            },
        ),
        (["编号", "姓名", "订单号"], {"id": ["编号"], "name": ["姓名"]}),
    ],
)
def test_a_mapping_is_guessed_from_the_header(header: list[str], columns: dict[str, list[str]]) -> None:
    assert guess_columns(header) == columns
    read = parse_mapping(written_out(columns, "sales"))
    assert ({name: list(names) for name, names in read.columns.items()}, read.source) == (columns, "sales")


@given(
    st.dictionaries(
        st.sampled_from(["id", "name", "city"]), st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=1)
    )
)
def test_a_mapping_that_is_written_out_reads_back(columns: dict[str, list[str]]) -> None:
    columns = {"id": ["x"], **columns}

    assert {name: list(names) for name, names in parse_mapping(written_out(columns, None)).columns.items()} == columns


@pytest.mark.parametrize(
    "wrong",
    [
        {"columns": 1},
        {"columns": {}},
        {"columns": {"id": ["a"], "email": ["a", "b"]}},
        {"columns": {"id": "a"}, "file": {"delimiter": "ab"}},
        {"columns": {"id": "a"}, "dates": {"formats": "x"}},
        {"columns": {"id": "a"}, "pad": {"id": 0}},
        {"columns": {"id": "a", "purchase": {"product": "b"}}},
        {"columns": {"id": "a"}, "usage": {"BAD KEY": "b"}},
        {"columns": {"id": "a"}, "source": "Not A Key"},
        {"columns": {"id": "a"}, "values": {"gender": "x"}},
    ],
)
def test_a_mapping_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    from app.domain.importing.mapping import read_mapping

    with pytest.raises(MappingError):
        read_mapping(wrong)
