"""XLSX as it streams by, held against what calamine reads of the same files, which holds them whole."""

import io
import re
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch
from xml.sax.saxutils import escape, quoteattr

import pytest
import xlsxwriter
from hypothesis import example, given
from hypothesis import strategies as st
from python_calamine import load_workbook

from app.domain.importing.sheet_values import as_text
from app.services.imports.tables import BadFile, Row
from app.services.imports.workbooks import open_sheet
from app.services.imports.xlsx import package, strings
from app.services.imports.xlsx.markup import Markup
from tests.imports.workbooks import MAIN, PACKAGE, RELATION, archive_of, shared, sheet_of

WIDEST = 500
STRICT = "http://purl.oclc.org/ooxml/spreadsheetml/main"

TEXTS = st.text(" \t\n<>&\"'aZ09=+_.鲁é😀\u00a0\u3000\u200b", max_size=9)
NUMBERS = st.one_of(
    st.integers(-600_000, 2_900_000),
    st.floats(-600_000, 2_900_000),
    st.sampled_from([13800138000, 1e13, 1e17, 1e300, -0.0, 0.1 + 0.2, 59, 60, 61, 0.999999, 28561.5, 45951.75]),
)
STYLES = ["General", "0.00", "yyyy-mm-dd", "yyyy/m/d h:mm", "[h]:mm:ss", '[$-804]yyyy"年"m"月"', '"d"0', "h:mm AM/PM"]
STYLE_PART = (
    f"<styleSheet {MAIN}><numFmts>"
    + "".join(f"<numFmt numFmtId='{165 + no}' formatCode={quoteattr(code)}/>" for no, code in enumerate(STYLES))
    + "</numFmts><cellStyleXfs><xf numFmtId='14'/></cellStyleXfs><cellXfs>"
    + "".join(f"<xf numFmtId='{number}'/>" for number in (0, 14, 22, 46, *range(165, 165 + len(STYLES))))
    + "</cellXfs></styleSheet>"
)


@contextmanager
def opened(content: bytes, sheet: str | None = None, *, block: int = 1 << 16) -> Iterator[Iterator[Row]]:
    """The rows of a workbook, of whose parts so many bytes are read at once."""
    with tempfile.TemporaryDirectory() as folder, patch.object(package, "_BLOCK", block):
        path = Path(folder) / "a.xlsx"
        path.write_bytes(content)
        found = open_sheet(path, sheet, is_zip=True, widest=WIDEST)
        try:
            yield found.rows
        finally:
            found.close()


def ours(content: bytes, sheet: str | None = None, *, block: int = 1 << 16) -> dict[int, list[str]]:
    with opened(content, sheet, block=block) as rows:
        return dict(rows)


def calamines(content: bytes) -> dict[int, list[str]]:
    """The same rows by calamine, without what is empty at their ends."""
    sheet = load_workbook(io.BytesIO(content)).get_sheet_by_index(0)
    left = [""] * (sheet.start[1] if sheet.start else 0)
    rows = {}
    for number, values in enumerate(sheet.iter_rows(), start=1):
        cells = [*left, *map(as_text, values)]
        while cells and not cells[-1]:
            cells.pop()
        if cells:
            rows[number] = cells
    return rows


@st.composite
def sheets(draw: st.DrawFn) -> bytes:
    """Workbooks as programs write them that take the standard at its word."""
    prefix = draw(st.sampled_from(["", "x:"]))
    namespace = draw(st.sampled_from([MAIN.split('"')[1], STRICT]))
    between = draw(st.sampled_from(["", "\n  "]))
    has_places = draw(st.booleans())
    strings: list[str] = []

    def element(name: str, attributes: str, content: str) -> str:
        return f"<{prefix}{name}{attributes}>{between}{content}{between}</{prefix}{name}>"

    def text(said: str) -> str:
        keeps = draw(st.sampled_from(["", ' xml:space="preserve"']))
        return f"<{prefix}t{keeps}>{escape(said)}</{prefix}t>"

    def rich(said: str) -> str:
        if draw(st.booleans()):
            return text(said)
        aloud = element("rPh", ' sb="0" eb="1"', text("read aloud"))
        return (
            element("r", "", element("rPr", "", f"<{prefix}b/>") + text(said[:3]))
            + element("r", "", text(said[3:]))
            + draw(st.sampled_from(["", aloud]))
        )

    def value(held: str) -> str:
        return f"<{prefix}v>{held}</{prefix}v>"

    def cell(place: str) -> str:
        kind = draw(st.sampled_from("number number n shared shared inline str bool error day empty".split()))
        number = draw(NUMBERS)
        # Of so many days calamine makes an error of Python's.
        style = (
            ""
            if number > 999_999_999
            else draw(st.sampled_from(["", *(f' s="{no}"' for no in range(4 + len(STYLES)))]))
        )
        formula = draw(st.sampled_from(["", f"<{prefix}f>A1&amp;B1</{prefix}f>"]))
        match kind:
            case "number":
                told, content = "", formula + value(repr(number))
            case "n":
                told, content = ' t="n"', formula + value(repr(number))
            case "shared":
                strings.append(rich(draw(TEXTS)))
                told, content = ' t="s"', value(str(draw(st.integers(0, len(strings) - 1))))
            case "inline":
                told, content = ' t="inlineStr"', element("is", "", rich(draw(TEXTS)))
            case "str":
                told, content = ' t="str"', formula + value(escape(draw(TEXTS)))
            case "bool":
                told, content = ' t="b"', formula + value(draw(st.sampled_from("01")))
            case "error":
                told, content = ' t="e"', formula + value("#N/A")
            case "day":
                told, content = ' t="d"', value(draw(st.datetimes()).replace(microsecond=0).isoformat())
            case _:
                return f"<{prefix}c{place}{style}/>"
        return element("c", place + style + told, content)

    rows, number = [], 0
    for _ in range(draw(st.integers(0, 5))):
        number += draw(st.integers(1, 3)) if has_places else 1
        cells, column = [], 0
        for _ in range(draw(st.integers(0, 5))):
            column += draw(st.integers(1, 3)) if has_places else 1
            place = f' r="{chr(ord("A") + column - 1)}{number}"' if has_places else ""
            cells.append(cell(place))
        rows.append(element("row", f' r="{number}" spans="1:9"' if has_places else "", "".join(cells)))
    declared = f'xmlns{":" + prefix[:-1] if prefix else ""}="{namespace}"'
    items = "".join(element("si", "", item) for item in strings)
    is_1904 = draw(st.sampled_from(["", '<workbookPr date1904="1"/>', '<workbookPr date1904="false"/>']))
    sheet = '<sheets><sheet name="S" sheetId="1" r:id="rId1"/></sheets>'
    return sheet_of(
        "",
        sheet=f"<{prefix}worksheet {declared}>{element('sheetData', '', ''.join(rows))}</{prefix}worksheet>",
        strings=f"<{prefix}sst {declared}>{items}</{prefix}sst>",
        styles=STYLE_PART,
        workbook=f'<workbook {MAIN} xmlns:r="{RELATION}">{is_1904}{sheet}</workbook>',
    )


@given(sheets(), st.sampled_from([7, 30, 150, 1 << 16]))
def test_a_sheet_is_read_as_by_calamine(content: bytes, block: int) -> None:
    assert ours(content, block=block) == calamines(content)


VALUES = st.one_of(
    TEXTS,
    st.text("a\x00\x07\x1f", max_size=4),
    st.booleans(),
    st.integers(-(10**14), 10**14),
    st.floats(allow_nan=False, allow_infinity=False),
    st.timedeltas(timedelta(0), timedelta(days=9999)),
    st.dates(date(1900, 3, 1)),
    st.times(),
    st.builds(datetime.combine, st.dates(date(1900, 3, 1)), st.times()),
)


@given(st.lists(st.lists(VALUES, max_size=6), max_size=6), st.booleans())
@example([["<a>", " b ", "c\nd", "\x07"]], False)
def test_what_xlsxwriter_writes_is_read_as_by_calamine(rows: list[list[Any]], is_streamed: bool) -> None:
    file = io.BytesIO()
    with xlsxwriter.Workbook(
        file, {"constant_memory": is_streamed, "default_date_format": "yyyy-mm-dd hh:mm:ss"}
    ) as book:
        sheet = book.add_worksheet("客户")
        for number, row in enumerate(rows):
            for column, value in enumerate(row):
                if isinstance(value, str):
                    sheet.write_string(number, column, value)
                else:
                    sheet.write(number, column, value)

    assert ours(file.getvalue()) == calamines(file.getvalue())


def row(*cells: str) -> str:
    return f'<row r="1">{"".join(cells)}</row>'


def inline(markup: str) -> str:
    return f'<c t="inlineStr"><is>{markup}</is></c>'


@pytest.mark.parametrize(
    ("cells", "read"),
    [
        ((inline("<t>a_x000D_b_x005F_x000D__x4e2d_</t>"),), ["a\rb_x000D_中"]),
        ((inline("<t>_xD83D__xDE00_</t>"),), ["_xD83D__xDE00_"]),
        ((inline("<t>a&#13;\r\nb&#x4e2d;</t>"),), ["a\r\nb中"]),
        ((inline("<t><![CDATA[<a> ]]>&amp;</t>"),), ["<a> &"]),
        ((inline("<t> a </t>"), inline('<t xml:space="preserve"> a </t>')), ["a", " a "]),
        ((inline("<t>王</t><rPh sb='0' eb='1'><t>ワン</t></rPh><phoneticPr fontId='1'/>"),), ["王"]),
        ((inline("<t>a</t><!-- <t>b</t> --><?t b?>"),), ["a"]),
        ((inline("<t>a</t>").replace("</c>", "<v>b</v></c>"),), ["a"]),
        ((inline("<is/>"), "<c><v/></c>", "<c/>", "<c t='s'><v/></c>", "<c><v>1</v></c>"), ["", "", "", "", "1"]),
        (("<c t='str'><f>A2&amp;\"x\"</f><v> a_x0009_b </v></c>",), [" a\tb "]),
        (("<c t='e'><v>#N/A</v></c>", "<c t='e'><v>#SPILL!</v></c>", "<c t='b'><v>true</v></c>"), ["", "", "true"]),
        (("<c><v>abc</v></c>", "<c><v>1_000</v></c>", "<c t='n'><v>n/a</v></c>"), ["abc", "1_000", "n/a"]),
        (("<c><v>1.38E+10</v></c>", "<c><v>13800138000.0</v></c>"), ["13800000000", "13800138000"]),
        (("<c s='99'><v>5</v></c>", "<c s='x'><v>0.10</v></c>"), ["5", "0.1"]),
        (("<c t='new'><v>a</v></c>",), ["a"]),
        (("<c t='d'><v>2026-11-27T00:00:00</v></c>",), ["2026-11-27"]),
        (("<c t='d'><v>2026-11-27T10:00Z</v></c>",), ["2026-11-27T10:00Z"]),
        (("<c r='C1'><v>3</v></c>", "<c r='a1'><v>1</v></c>", "<c><v>2</v></c>"), ["1", "2", "3"]),
        (("<c r='B1'><v>2</v></c>", "<c><v>3</v></c>", "<c r='AA1'><v>27</v></c>"), ["", "2", "3", *[""] * 23, "27"]),
        (("<c r='XFD1'><v>1</v></c>",), [*[""] * WIDEST, "1"]),
        (("<f>A1</f>", "<c><v>1</v><extLst><ext><x>2</x></ext></extLst></c>", "\n  text"), ["1"]),
    ],
)  # fmt: skip
def test_cells_as_programs_write_them(cells: tuple[str, ...], read: list[str]) -> None:
    assert ours(sheet_of(row(*cells))) == {1: read}


def test_rows_as_programs_write_them() -> None:
    """Without numbers, with numbers in their cells only, with nothing in them."""
    rows = "<row><c><v>1</v></c></row><row/><row><c r='B5'><v>5</v></c></row><row><c><v>6</v></c></row><row r='9'/>"

    assert ours(sheet_of(rows)) == {1: ["1"], 5: ["", "5"], 6: ["6"]}


def test_a_sheet_may_have_cells_at_both_ends() -> None:
    """Of which calamine would make 17 thousand million cells."""
    rows = "<row r='1'><c r='A1'><v>1</v></c></row><row r='1048576'><c r='XFD1048576'><v>2</v></c></row>"

    assert ours(sheet_of(rows)) == {1: ["1"], 1_048_576: [*[""] * WIDEST, "2"]}


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("0.00_m;[Red]-0.00", "45951.5"),
        ('#,##0 "days"', "45951.5"),
        ("0\\d*y", "45951.5"),
        ("0;yyyy", "45951.5"),
        ("[Blue][h]:mm", "45951 days, 12:00:00"),
        ('[$-804]yyyy"年"m"月"', "2025-10-21 12:00:00"),
        ('上午/下午h"时"', "2025-10-21 12:00:00"),
    ],
)
def test_formats_by_their_code(code: str, shown: str) -> None:
    styles = (
        f"<styleSheet {MAIN}><numFmts><numFmt numFmtId='14' formatCode={quoteattr(code)}/></numFmts>"
        "<cellXfs><xf numFmtId='14'/></cellXfs></styleSheet>"
    )

    assert ours(sheet_of(row("<c s='0'><v>45951.5</v></c>"), styles=styles)) == {1: [shown]}


@pytest.mark.parametrize(("style", "shown"), [(14, "2025-10-21"), (31, "2025-10-21"), (57, "2025-10-21"), (9, "45951")])
def test_formats_that_have_no_code(style: int, shown: str) -> None:
    """Those of Chinese dates too, which calamine takes for numbers."""
    styles = f"<styleSheet {MAIN}><cellXfs><xf numFmtId='0'/><xf numFmtId='{style}'/></cellXfs></styleSheet>"

    assert ours(sheet_of(row("<c s='1'><v>45951</v></c>"), styles=styles)) == {1: [shown]}


def test_texts_that_cells_share_are_found_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """More of them than are kept at hand."""
    monkeypatch.setattr(strings, "_AT_HAND", 999)
    monkeypatch.setattr(strings, "_AGAIN", 9_999)
    numbers = [0, 99, 0, 5000, *range(0, 6000, 13), 17, 5999]
    texts = shared(*(f"<t>客户{no} {'x' * (no % 90)}</t>" for no in range(6000)))
    rows = "".join(f"<row><c t='s'><v>{no}</v></c></row>" for no in numbers)

    read = ours(sheet_of(rows, strings=texts))

    assert list(read.values()) == [[f"客户{no} {'x' * (no % 90)}".strip()] for no in numbers]


def test_texts_are_read_no_further_than_they_are_asked_for() -> None:
    """So a sheet's first rows are there at once, however many texts stand between."""
    texts = shared("<t>a</t>", *["<t>b</t>"] * 90_000, "<t>c</t>").replace("<t>c</t>", "<t>c</u>")
    rows = "<row><c t='s'><v>0</v></c></row>" * 9_000 + "<row><c t='s'><v>90001</v></c></row>"

    with opened(sheet_of(rows, strings=texts)) as read:
        assert next(read) == (1, ["a"])
        with pytest.raises(BadFile, match="mismatched tag"):
            list(read)


PLAIN_ROWS = "".join(
    f'<row r="{no}" spans="1:3" x14ac:dyDescent="0.2"><c r="A{no}" t="s"><v>{no % 4}</v></c><c r="B{no}" s="1"/>'
    f'<c r="C{no}" s="1"><v>{45951 + no}</v></c><c r="D{no}" t="b"><v>1</v></c>'
    f'<c r="E{no}" t="inlineStr"><is><t> &lt;{no}</t></is></c></row>'
    for no in range(1, 30)
)
PLAIN_TEXTS = ("<t>王</t>", "<t> a&lt;b </t>", '<t xml:space="preserve"> _x0026_amp;&amp; </t>', "<t/>")


def test_what_is_plain_needs_no_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of rows and texts as Excel writes them the parser sees the first ones only."""
    parsed: list[bytes] = []
    parse = Markup._parse
    monkeypatch.setattr(
        Markup, "_parse", lambda self, piece, **more: (parsed.append(piece), parse(self, piece, **more))
    )
    content = sheet_of(PLAIN_ROWS.replace("x14ac:", ""), strings=shared(*PLAIN_TEXTS[:3] * 30, PLAIN_TEXTS[3]))

    rows = ours(content, block=700)

    assert (len(rows), rows[5]) == (29, ["a<b", "", "2025-10-26", "true", "<5"])
    assert b"".join(parsed).count(b"</row>") < 8
    assert b"".join(parsed).count(b"</si>") < 40


@pytest.mark.parametrize(
    "hidden",
    ["<!--{}-->", "<![CDATA[{}]]>", "<?x {}?>", '<x xmlns="x">{}</x>', "<x:x xmlns:x='x'><![CDATA[{}]]></x:x>", "{}"],
)
def test_what_is_plain_is_read_as_by_the_parser(monkeypatch: pytest.MonkeyPatch, hidden: str) -> None:
    """However it is cut into blocks, and where what looks like rows is none."""
    row = '<row r="{0}"><c r="A{0}" t="s"><v>{1}</v></c></row>'
    before, between, after = (
        "".join(row.format(no, text) for no, text in told.items())
        for told in ({1: 0, 2: 1, 3: 2}, {4: 1, 5: 2}, {7: 4, 8: 5, 9: 6})
    )
    texts = "".join(f"<si>{text}</si>" for text in PLAIN_TEXTS)
    content = sheet_of(
        before + hidden.format(between) + after,
        strings=f"<sst {MAIN}>{texts}{hidden.format('<si><t>x</t></si>' * 3)}{texts}</sst>",
    )

    with monkeypatch.context() as changed:
        changed.setattr(Markup, "_is_plain", lambda self, piece: False)
        by_parser = ours(content)

    assert list(by_parser) == [1, 2, 3, *([4, 5] if hidden == "{}" else []), 7, 8, 9]
    assert all(ours(content, block=size) == by_parser for size in (*range(1, 90), *range(90, 700, 17)))


def test_what_is_plain_in_another_encoding_is_read_by_the_parser() -> None:
    """Its bytes would mean something in UTF-8, too."""
    texts = f'<?xml version="1.0" encoding="iso-8859-1"?>{shared(*["<t>Ã©</t>"] * 9)}'.encode("iso-8859-1")
    content = io.BytesIO(sheet_of(row("<c t='s'><v>8</v></c>")))
    with zipfile.ZipFile(content, "a") as archive:
        archive.writestr("xl/sharedStrings.xml", texts)

    assert ours(content.getvalue(), block=100) == {1: ["Ã©"]}


@given(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(max_size=3)), min_size=1, max_size=3), st.data())
def test_whatever_is_changed_in_a_file_is_an_error_with_words(
    harm: list[tuple[float, bytes]], data: st.DataObject
) -> None:
    """Or nothing that matters: never anything else."""
    is_packed = data.draw(st.booleans())
    content = bytearray(
        sheet_of(PLAIN_ROWS.replace("x14ac:", ""), strings=shared(*PLAIN_TEXTS), styles=STYLE_PART, is_packed=is_packed)
    )
    for where, others in harm:
        place = int(where * len(content))
        content[place : place + len(others)] = others

    with suppress(BadFile):
        ours(bytes(content), block=data.draw(st.sampled_from([50, 1 << 16])))


def test_parts_are_found_wherever_they_are() -> None:
    """In the archive's root, in another case, with backslashes, and in UTF-16."""
    parts = {
        "_RELS\\.RELS": f'<Relationships xmlns="{PACKAGE}"><Relationship Id="a" Type="{RELATION}/officeDocument" '
        'Target="/Book.xml"/></Relationships>',
        "_rels/book.XML.rels": f'<Relationships xmlns="{PACKAGE}">'
        f'<Relationship Id="b" Type="{RELATION}/worksheet" Target="./x/../Data.xml"/>'
        f'<Relationship Id="c" Type="{RELATION}/chartsheet" Target="chart.xml"/>'
        f'<Relationship Id="d" Type="{RELATION}/hyperlink" Target="http://example.com" TargetMode="External"/>'
        "</Relationships>",
        "book.xml": f'<workbook {MAIN} xmlns:q="{RELATION}"><sheets><sheet name="Chart" q:id="c"/>'
        '<sheet name="a &amp; b" state="veryHidden" q:id="b"/></sheets></workbook>',
        "data.xml": f"<worksheet {MAIN}><sheetData>{row(inline('<t>王</t>'))}</sheetData></worksheet>",
    }
    content = archive_of(parts)
    with_utf_16 = archive_of(parts, data="utf-16")

    assert ours(content) == ours(content, "a & b") == ours(with_utf_16) == {1: ["王"]}


SHEET = f"<worksheet {MAIN}><sheetData>{{}}</sheetData></worksheet>"
DOCTYPE = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    ("rows", "changed", "told"),
    [
        ("<row r='2'/><row r='2'/>", {}, "row 2 stands after row 2"),
        ("<row r='1048577'/>", {}, "row 1048577 is below"),
        ("<row r='x1y'/>", {}, "no number where one should be"),
        ("<row><row/></row>", {}, "a row stands in a row"),
        (row("<c><c/></c>"), {}, "a cell stands"),
        ("<c/>", {}, "a cell stands"),
        (row("<c><v><v/></v></c>"), {}, "a value stands"),
        (row("<c r='XFE1'/>"), {}, "no column 'XFE'"),
        (row("<c r='1'/>"), {}, "no column '1'"),
        (row(f"<c r='{'A' * 99}1'/>"), {}, "no column 'AAAA"),
        (row("<c/>" * 16_385), {}, "more than 16,384"),
        (row("<c t='s'><v>7</v></c>"), {"strings": shared("<t>a</t>")}, "text 7, and there are 1"),
        (row("<c t='s'><v>-1</v></c>"), {"strings": shared("<t>a</t>")}, "text -1"),
        (row("<c t='s'><v>a</v></c>"), {"strings": shared("<t>a</t>")}, "no number where one should be"),
        (row("<c t='s'><v>0</v></c>"), {}, "it has no /xl/sharedStrings.xml"),
        (row("<c t='s'><v>0</v></c>"), {"strings": f"<sst {MAIN}><si><si/></si></sst>"}, "a text stands in a text"),
        (row("<c t='s'><v>0</v></c>"), {"strings": SHEET}, "'worksheet' where 'sst' should be"),
        ("", {"sheet": f"<html>{'a' * 99}</html>"}, "'html' where 'worksheet' should be"),
        ("", {"sheet": f"{DOCTYPE}{SHEET}"}, "markup of its own"),
        ("", {"workbook": f"{DOCTYPE}<workbook/>"}, "markup of its own"),
        ("", {"sheet": SHEET.format("<row>") + " "}, "mismatched tag"),
        ("", {"sheet": SHEET.format("")[:-12]}, "no element found"),
        ("", {"sheet": SHEET.format("<a>" * 99 + "</a>" * 99)}, "too deep"),
        ("", {"styles": f"<styleSheet {MAIN}>{'<a>' * 99}{'</a>' * 99}</styleSheet>"}, "too deep"),
        (row(inline(f"<t>{'<a/>a' * 9}{'a' * (1 << 20)}</t>")), {}, "a cell holds more than"),
        (row(inline(f"<t>{'a' * 9_999}</t>" * 105)), {}, "a cell holds more than"),
        (row(f"<c><v>{'1' * (1 << 21)}</v></c>"), {}, "a cell holds more than"),
        (f"<row spans='{'1' * (1 << 21)}'/>", {}, "a tag is longer than"),
        ("", {"package": ""}, "an archive and no workbook"),
        ("", {"workbook": ""}, "it has no /xl/workbook.xml"),
        ("", {"sheet": ""}, "it has no /xl/worksheets/sheet1.xml"),
        ("", {"workbook": f"<workbook {MAIN}/>"}, "There is no sheet"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_workbook_is_told(rows: str, changed: dict[str, str], told: str) -> None:
    with pytest.raises(BadFile, match=re.escape(told)):
        ours(sheet_of(rows, **changed))


def test_what_no_workbook_needs_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Styles that fill the memory, texts without end."""
    asks = row("<c t='s'><v>0</v></c>")
    monkeypatch.setattr(package, "LARGEST_HELD", 9_999)
    monkeypatch.setattr(strings, "MOST", 99)

    with pytest.raises(BadFile, match=r"styles\.xml unpacks to more than"):
        ours(sheet_of(asks, styles=STYLE_PART + " " * 9_999))
    with pytest.raises(BadFile, match="different texts") as many:
        ours(sheet_of(asks, strings=shared(*["<t>a</t>"] * 100)))
    assert many.value.code == "zip_bomb"


def test_where_there_is_no_room_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    content = sheet_of(row("<c t='s'><v>0</v></c>"), strings=shared("<t>a</t>"))
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: io.FileIO("/dev/full", "w"))

    with pytest.raises(BadFile, match="No space left on device") as full:
        ours(content)
    assert full.value.code == "no_room"


@pytest.mark.parametrize("place", ["xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "xl/styles.xml"])
@pytest.mark.parametrize("harm", ["bytes", "end", "sum"])
def test_a_damaged_archive_is_told(place: str, harm: str) -> None:
    """Other bytes, none at all, or a sum that does not fit."""
    content = bytearray(sheet_of(row("<c t='s'><v>0</v></c>"), strings=shared("<t>a</t>")))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entry = archive.getinfo(place)
    start = entry.header_offset + 30 + len(place)
    match harm:
        case "bytes":
            content[start : start + entry.compress_size] = b"\xff" * entry.compress_size
        case "sum":
            listed = content.index(place.encode(), content.index(b"PK\x01\x02")) - 46
            content[listed + 16] ^= 1
            content[entry.header_offset + 14] ^= 1
        case _:
            del content[len(content) // 2 :]

    with pytest.raises(BadFile) as damaged:
        ours(bytes(content))
    assert damaged.value.code == "not_a_table"
