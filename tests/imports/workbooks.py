"""Workbooks as small as they can be (ECMA-376), made by hand: no library that writes them is needed for a few cells."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

from xlsxwriter.utility import xl_col_to_name

MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
_PARTS = {
    "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    '<Override PartName="/xl/workbook.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>',
    "_rels/.rels": '<Relationships xmlns="' + PACKAGE + '">'
    f'<Relationship Id="rId1" Type="{RELATION}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/styles.xml": f'<styleSheet {MAIN}><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs>'
    "</styleSheet>",
}


def workbook(**sheets: Sequence[Sequence[str | float | None]]) -> bytes:
    """A workbook with these sheets; a text that begins with `@` is a day's serial number, shown as a date."""
    names = list(sheets)
    parts = dict(_PARTS)
    listed = "".join(f'<sheet name="{name}" sheetId="{no}" r:id="rId{no}"/>' for no, name in enumerate(names, 1))
    parts["xl/workbook.xml"] = f'<workbook {MAIN} xmlns:r="{RELATION}"><sheets>{listed}</sheets></workbook>'
    relations = "".join(
        f'<Relationship Id="rId{no}" Type="{RELATION}/worksheet" Target="worksheets/sheet{no}.xml"/>'
        for no in range(1, len(names) + 1)
    )
    relations += f'<Relationship Id="rId99" Type="{RELATION}/styles" Target="styles.xml"/>'
    parts["xl/_rels/workbook.xml.rels"] = f'<Relationships xmlns="{PACKAGE}">{relations}</Relationships>'
    for no, name in enumerate(names, 1):
        rows = "".join(
            f'<row r="{row}">{"".join(_cell(row, column, value) for column, value in enumerate(cells))}</row>'
            for row, cells in enumerate(sheets[name], 1)
        )
        parts[f"xl/worksheets/sheet{no}.xml"] = f"<worksheet {MAIN}><sheetData>{rows}</sheetData></worksheet>"
    return archive_of(parts)


def ods(**sheets: Sequence[Sequence[str | None] | str]) -> bytes:
    """The same of OpenDocument, of texts only; a row may be given as its elements."""
    names = {name: f"urn:oasis:names:tc:opendocument:xmlns:{name}:1.0" for name in ("office", "table", "text")}
    tables = ""
    for name, rows in sheets.items():
        cells = [
            row
            if isinstance(row, str)
            else "".join(
                f'<table:table-cell office:value-type="string"><text:p>{escape(text or "")}</text:p></table:table-cell>'
                for text in row
            )
            for row in rows
        ]
        told = "".join(f"<table:table-row>{of_row or '<table:table-cell/>'}</table:table-row>" for of_row in cells)
        tables += f'<table:table table:name="{name}">{told}</table:table>'
    declared = " ".join(f'xmlns:{name}="{uri}"' for name, uri in names.items())
    body = f"<office:body><office:spreadsheet>{tables}</office:spreadsheet></office:body>"
    parts = {
        "META-INF/manifest.xml": "<manifest/>",
        "content.xml": f"<office:document-content {declared}>{body}</office:document-content>",
    }
    return archive_of(parts, mimetype="application/vnd.oasis.opendocument.spreadsheet")


def sheet_of(rows: str, *, is_packed: bool = True, **changed: str) -> bytes:
    """A workbook of one sheet out of the markup of its rows; `changed` are other parts, by the last bit of their name.

    A part of which `changed` says nothing is left as it is, one of which it says "" is left out.
    """
    names = {"styles": "xl/styles.xml", "strings": "xl/sharedStrings.xml", "sheet": "xl/worksheets/sheet1.xml"}
    names |= {"workbook": "xl/workbook.xml", "relations": "xl/_rels/workbook.xml.rels", "package": "_rels/.rels"}
    with zipfile.ZipFile(io.BytesIO(workbook(Sheet=[]))) as archive:
        parts = {name: archive.read(name).decode().partition("?>")[2] for name in archive.namelist()}
    parts[names["sheet"]] = f"<worksheet {MAIN}><sheetData>{rows}</sheetData></worksheet>"
    parts[names["relations"]] = parts[names["relations"]].replace(
        "</Relationships>",
        f'<Relationship Id="rId98" Type="{RELATION}/sharedStrings" Target="sharedStrings.xml"/></Relationships>',
    )
    parts |= {names[name]: content for name, content in changed.items()}
    return archive_of({name: content for name, content in parts.items() if content}, is_packed=is_packed)


def shared(*items: str) -> str:
    """The part of shared texts, out of the markup in each."""
    return f"<sst {MAIN}>{''.join(f'<si>{item}</si>' for item in items)}</sst>"


def archive_of(parts: Mapping[str, str], *, mimetype: str = "", is_packed: bool = True, **encodings: str) -> bytes:
    """An archive of parts that are XML, in UTF-8 or as `encodings` says for their names up to the dot."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED if is_packed else zipfile.ZIP_STORED) as archive:
        if mimetype:
            archive.writestr("mimetype", mimetype)
        for name, content in parts.items():
            encoding = encodings.get(name.partition(".")[0], "utf-8")
            archive.writestr(name, f'<?xml version="1.0" encoding="{encoding}"?>{content}'.encode(encoding))
    return file.getvalue()


def _cell(row: int, column: int, value: str | float | None) -> str:
    place = f"{xl_col_to_name(column)}{row}"
    if value is None:
        return ""
    if isinstance(value, str) and value.startswith("@"):
        return f'<c r="{place}" s="1"><v>{value[1:]}</v></c>'
    if isinstance(value, str):
        return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is></c>'
    return f'<c r="{place}"><v>{value}</v></c>'
