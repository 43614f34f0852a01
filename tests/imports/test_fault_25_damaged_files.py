"""Fault 25: what spreadsheets and people do to files. Rows are rejected with reasons, nothing is half done."""

import csv
import io
import zipfile
from pathlib import Path

import pytest

from app.db import Database
from app.models import Customer, ImportState, SourceRecord
from app.services.imports import files, workbooks
from app.services.imports.jobs import rejects_as_csv
from tests.imports.support import (
    HEADER,
    LU,
    MAPPING,
    WANG,
    count,
    customer_of,
    ended,
    everything,
    feed,
    phones_of,
    rejects,
    table,
)
from tests.imports.workbooks import ods


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
async def test_fault_25_any_encoding_and_delimiter(
    database: Database, tmp_path: Path, encoding: str, delimiter: str
) -> None:
    text = table(LU, WANG).replace(",", delimiter)

    job = await feed(database, tmp_path / "a.csv", text.encode(encoding))

    assert (job.state, ended(job)) == (ImportState.DONE, (2, 0, 0, 0)), job.error
    lu = await customer_of(database, "S-1")
    assert (lu.name, lu.gender, lu.email, lu.city, str(lu.birth_date)) == (
        "鲁大伟",
        "male",
        "lu@example.com",
        "南京",
        "1978-03-12",
    )
    assert (lu.surname, lu.latin_name, lu.time_zone, lu.language) == ("鲁", "Lu Dawei", "Asia/Shanghai", "zh-CN")
    assert await phones_of(database, lu) == [("+8613800138000", True), ("+862162345678", False)]


async def test_fault_25_what_spreadsheets_do_is_undone_or_rejected(database: Database, tmp_path: Path) -> None:
    rows = {
        "N-1,a,男,1.38E+10,,,,": "digits_lost",
        "N-2,a,男,1.3800138000E+10,,,,": "+8613800138000",
        "N-3,a,男,13800138000.0,,,,": "+8613800138000",
        "N-4,a,男,１３８００１３８０００,,,,": "+8613800138000",
        "N-5,a,男, 138 0013 8000　,,,,": "+8613800138000",
        "N-6,a,男,13800138000/13900139000,,,,": "+8613800138000",
        "N-7,a,男,13800138000 13900139000,,,,": "+8613800138000",
        'N-8,a,男,"=""13800138000""",,,,': "+8613800138000",
        "N-9,=cmd|' /C calc'!A0,男,,,,,": "formula",
        "N-10,@SUM(1+1)*cmd|' /C calc'!A0,男,,,,,": "formula",
        "N-11,a,男,12345,,,,": "bad_phone",
        "N-12,a,男,无,-,,,": None,
        "N-13,a,男,+862112345678,,,,": "own_number",
        "N-14,a,男,2162345678,,,,": "+862162345678",
        "N-15,a,男,,,nonsense,,": "bad_email",
        "N-16,a,男,,,,2月30日,": "bad_date",
        "N-17,a,男,,,,1985-02-30,": "bad_date",
        "N-18,a,外星人,,,,,": "bad_value",
        "N-19,,男,,,,,": "no_name",
        ",a,男,,,,,": "no_id",
        "1.2E+15,a,男,,,,,": "digits_lost",
        "N-20,a": "too_few_cells",
        "N-21,a,男,,,,,南京,更多": "too_many_cells",
        f"N-22,{'长' * 201},男,,,,,": "too_long",
        "N-23,a,男,,,,,南京,,": None,
        "N-24,鲁\x1f大伟,男,,,,,": None,
        "N-25,a,男,13800138000\\,,,,": "+8613800138000",
    }

    job = await feed(database, tmp_path / "a.csv", table(*rows))

    codes = {no - 2: code for no, code in await rejects(database, job)}
    expected = {place: code for place, code in enumerate(rows.values()) if code and not code.startswith("+")}
    assert codes == expected
    assert (job.state, ended(job)) == (ImportState.DONE, (len(rows) - len(expected), 0, 0, len(expected)))
    for row, wanted in rows.items():
        if wanted is not None and wanted.startswith("+"):
            customer = await customer_of(database, row.partition(",")[0])
            assert (await phones_of(database, customer))[0] == (wanted, True), row
    assert len(await phones_of(database, await customer_of(database, "N-6"))) == 2
    assert (await customer_of(database, "N-24")).name == "鲁 大伟"
    assert job.reasons == {code: list(expected.values()).count(code) for code in expected.values()}
    assert await count(database, Customer) == job.created


@pytest.mark.parametrize(
    ("date", "read"),
    [
        ("1985-07-01", "1985-07-01"),
        ("1985/7/1", "1985-07-01"),
        ("1985年7月1日", "1985-07-01"),
        ("19850701", "1985-07-01"),
        ("31229", "1985-07-01"),
        ("１９８５．７．１", "1985-07-01"),
        ("1985-07-01 00:00:00", "1985-07-01"),
    ],
)
async def test_fault_25_dates_and_serials(database: Database, tmp_path: Path, date: str, read: str) -> None:
    await feed(database, tmp_path / "a.csv", table(f"S-1,a,男,,,,{date},"))

    assert str((await customer_of(database, "S-1")).birth_date) == read


async def test_fault_25_the_header_may_stand_in_row_three(database: Database, tmp_path: Path) -> None:
    text = "客户清单,,,,,,,\r\n导出时间 2026-11-21,,,,,,,\r\n" + table(LU, ",,,,,,,", WANG)

    job = await feed(database, tmp_path / "a.csv", text)

    assert ended(job) == (2, 0, 0, 0)
    assert job.row_no == 6


async def test_fault_25_duplicate_rows(database: Database, tmp_path: Path) -> None:
    """The same again is no news; another word on the same customer in one file is nobody's to choose."""
    text = table(LU, WANG, LU, LU.replace("南京", "苏州"))

    job = await feed(database, tmp_path / "a.csv", text)
    again = await feed(database, tmp_path / "a.csv", text)

    assert (ended(job), await rejects(database, job)) == ((2, 0, 1, 1), [(5, "duplicate_id")])
    assert (ended(again), await rejects(database, again)) == ((0, 0, 3, 1), [(5, "duplicate_id")])
    assert (await customer_of(database, "S-1")).city == "南京"


async def test_fault_25_a_second_run_changes_nothing(database: Database, tmp_path: Path) -> None:
    text = table(LU, "S-3,=cmd|x,,,,,,", *(f"T-{no},客户{no},,,,,," for no in range(50)))
    await feed(database, tmp_path / "a.csv", text, chunk=7)
    before = await everything(database)

    again = await feed(database, tmp_path / "a.csv", text, chunk=11)

    assert ended(again) == (0, 0, 51, 1)
    assert await everything(database) == before


async def test_fault_25_the_rejects_come_out_harmless_in_the_files_own_columns(
    database: Database, tmp_path: Path
) -> None:
    job = await feed(database, tmp_path / "a.csv", table("S-3,=cmd|' /C calc'!A0,男,+8613800138000,-1,,,", LU))
    async with database.session_scope() as session:
        content = b"".join([part async for part in rejects_as_csv(session, job)])

    assert content.startswith(b"\xef\xbb\xbf")
    header, row = list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))
    assert header == ["row", "reason", "detail", *HEADER.split(",")]
    assert row[:2] == ["2", "formula"]
    assert row[3:] == ["S-3", "'=cmd|' /C calc'!A0", "男", "+8613800138000", "-1", "", "", ""]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty_file"),
        (b"\xef\xbb\xbf\r\n", "empty_file"),
        (table(LU).encode() + b"\xff\xfe\xfa\r\n", "bad_encoding"),
        (LU.encode(), "no_header"),
        (table(LU, header=HEADER.replace("姓名", "x")).encode(), "bad_mapping"),
        ((table(LU) + 'S-2,"never closed,').encode(), "broken_quotes"),
        (b"%PDF-1.7 and so on", "not_a_table"),
        (b"PK\x03\x04 and nothing more", "not_a_table"),
        (b"a,b\x00c,d\r\n" * 9, "not_a_table"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"), "encrypted"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_fault_25_a_bad_file_says_what_is_wrong(
    database: Database, tmp_path: Path, content: bytes, code: str
) -> None:
    job = await feed(database, tmp_path / "a.csv", content)

    assert (job.state, job.error_code) == (ImportState.FAILED, code)
    assert job.error
    assert "Traceback" not in job.error


async def test_fault_25_a_truncated_file_is_taken_row_by_row(database: Database, tmp_path: Path) -> None:
    text = table(LU, WANG)[:-40]

    job = await feed(database, tmp_path / "a.csv", text)

    assert (ended(job), await rejects(database, job)) == ((1, 0, 0, 1), [(3, "too_few_cells")])
    whole = await feed(database, tmp_path / "a.csv", table(LU, WANG))
    assert ended(whole) == (1, 0, 1, 0)


async def test_fault_25_a_bomb_and_a_giant(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bombs = []
    for name in ("xl/workbook.xml", "content.xml"):
        bomb = io.BytesIO()
        with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name, b"<workbook/>")
            for no in range(20):
                archive.writestr(f"xl/worksheets/sheet{no}.xml", bytes(1 << 20))
        bombs.append(bomb.getvalue())
    monkeypatch.setattr(workbooks, "LARGEST_STREAMED", 10 << 20)
    monkeypatch.setattr(workbooks, "LARGEST_HELD", 10 << 20)
    monkeypatch.setattr(files, "LARGEST_FILE", 1 << 20)

    bombed = [await feed(database, tmp_path / "a.xlsx", bomb) for bomb in bombs]
    giant = await feed(database, tmp_path / "a.csv", table(LU) + " " * (1 << 20))

    assert [job.error_code for job in (*bombed, giant)] == ["zip_bomb", "zip_bomb", "too_large"]
    assert await count(database, Customer) == 0


async def test_fault_25_a_cell_far_away_ends_no_process_but_its_own(database: Database, tmp_path: Path) -> None:
    """A file of a thousand bytes for whose cells calamine wants six gigabytes."""
    none = '<table:table-cell table:number-columns-repeated="{}"/>'
    far = none.format(9_998) + '<table:table-cell office:value-type="string"><text:p>x</text:p></table:table-cell>'
    content = ods(客户=[HEADER.split(","), *["<table:table-cell/>"] * 9_997, far])

    job = await feed(database, tmp_path / "a.ods", content)

    assert (job.state, job.error_code) == (ImportState.FAILED, "too_large")
    assert job.error is not None
    assert "far away" in job.error


async def test_fault_25_half_of_a_row_is_none_of_it(database: Database, tmp_path: Path) -> None:
    """The name and one number are right, the second number is not: no customer, no number, no record."""
    job = await feed(database, tmp_path / "a.csv", table("S-1,鲁大伟,男,13800138000,1.38E+10,,,"))

    assert ended(job) == (0, 0, 0, 1)
    assert await count(database, Customer) == await count(database, SourceRecord) == 0


@pytest.mark.parametrize(
    "wrong", ['[columns]\nid = "客户编号"\nnope = "姓名"', "[columns]\nname = '姓名'", "not toml", "x = 1"]
)
async def test_fault_25_a_wrong_mapping_is_told(wrong: str) -> None:
    from app.domain.importing.mapping import MappingError, parse_mapping

    with pytest.raises(MappingError):
        parse_mapping(wrong)
    assert parse_mapping(MAPPING)
