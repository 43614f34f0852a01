"""A workbook of the rows of a CSV file, as Excel writes it: every text once, and cells that mean it by its number.

XlsxWriter writes texts so only if it holds all of them, and the cells too; so the two large parts are written here.
"""

import csv
import io
import zipfile
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

import xlsxwriter
from xlsxwriter.utility import xl_col_to_name

_MAIN: Final = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_SHEET: Final = "xl/worksheets/sheet1.xml"
_STRINGS: Final = "xl/sharedStrings.xml"
_DECLARED: Final = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'


def make_workbook(table: Path, path: Path) -> None:
    """Write the rows of a CSV file into a workbook of one sheet; all of them as texts."""
    bare = io.BytesIO()
    with xlsxwriter.Workbook(bare) as workbook:
        workbook.add_worksheet("客户").write_string(0, 0, "")
    numbers: dict[str, int] = {}
    with zipfile.ZipFile(bare) as parts, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as archive:
        for name in parts.namelist():
            if name not in (_SHEET, _STRINGS):
                archive.writestr(name, parts.read(name))
        with table.open(encoding="utf-8", newline="") as rows, archive.open(_SHEET, "w", force_zip64=True) as sheet:
            sheet.write(f"{_DECLARED}<worksheet {_MAIN}><sheetData>".encode())
            for row_no, cells in enumerate(csv.reader(rows), start=1):
                told = "".join(
                    f'<c r="{xl_col_to_name(column)}{row_no}" t="s"><v>{numbers.setdefault(text, len(numbers))}</v></c>'
                    for column, text in enumerate(cells)
                    if text
                )
                sheet.write(f'<row r="{row_no}" spans="1:{len(cells)}">{told}</row>'.encode())
            sheet.write(b"</sheetData></worksheet>")
        with archive.open(_STRINGS, "w", force_zip64=True) as strings:
            strings.write(f'{_DECLARED}<sst {_MAIN} uniqueCount="{len(numbers)}">'.encode())
            for text in numbers:
                strings.write(f"<si><t>{escape(text)}</t></si>".encode())
            strings.write(b"</sst>")
