"""Workbooks as small as they can be (ECMA-376), made by hand: no library that writes them is needed for a few cells."""

import io
import zipfile
from collections.abc import Sequence
from xml.sax.saxutils import escape

_MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PARTS = {
    "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    '<Override PartName="/xl/workbook.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>',
    "_rels/.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    f'<Relationship Id="rId1" Type="{_RELATION}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/styles.xml": f'<styleSheet {_MAIN}><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs>'
    "</styleSheet>",
}


def workbook(**sheets: Sequence[Sequence[str | float | None]]) -> bytes:
    """A workbook with these sheets; a text that begins with `@` is a day's serial number, shown as a date."""
    names = list(sheets)
    parts = dict(_PARTS)
    listed = "".join(f'<sheet name="{name}" sheetId="{no}" r:id="rId{no}"/>' for no, name in enumerate(names, 1))
    parts["xl/workbook.xml"] = f'<workbook {_MAIN} xmlns:r="{_RELATION}"><sheets>{listed}</sheets></workbook>'
    relations = "".join(
        f'<Relationship Id="rId{no}" Type="{_RELATION}/worksheet" Target="worksheets/sheet{no}.xml"/>'
        for no in range(1, len(names) + 1)
    )
    relations += f'<Relationship Id="rId99" Type="{_RELATION}/styles" Target="styles.xml"/>'
    parts["xl/_rels/workbook.xml.rels"] = (
        f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{relations}</Relationships>'
    )
    for no, name in enumerate(names, 1):
        rows = "".join(
            f'<row r="{row}">{"".join(_cell(row, column, value) for column, value in enumerate(cells))}</row>'
            for row, cells in enumerate(sheets[name], 1)
        )
        parts[f"xl/worksheets/sheet{no}.xml"] = f"<worksheet {_MAIN}><sheetData>{rows}</sheetData></worksheet>"
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, f'<?xml version="1.0" encoding="UTF-8"?>{content}')
    return file.getvalue()


def _cell(row: int, column: int, value: str | float | None) -> str:
    place = f"{chr(ord('A') + column)}{row}"
    if value is None:
        return ""
    if isinstance(value, str) and value.startswith("@"):
        return f'<c r="{place}" s="1"><v>{value[1:]}</v></c>'
    if isinstance(value, str):
        return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is></c>'
    return f'<c r="{place}"><v>{value}</v></c>'
