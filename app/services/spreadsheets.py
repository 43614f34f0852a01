"""Tables as files that people open in a spreadsheet: CSV and XLSX, neither of which runs anything.

What somebody typed as a name may begin like a formula. In CSV such a cell is made text by an apostrophe (`harmless`, as
OWASP advises); in XLSX it is written as text, which is never run, and made harmless all the same, because it may be
saved as CSV some day.
"""

import asyncio
import csv
import io
import tempfile
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

from app.domain.importing.cells import harmless

Row = Sequence[str | int | float | date | None]

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_BLOCK: Final = 1 << 16
_WIDTH: Final = 14


async def as_csv(header: Sequence[str], parts: AsyncIterator[Iterable[Row]]) -> AsyncIterator[bytes]:
    """A table in UTF-8 with a byte order mark, by which spreadsheets know it, a part at a time."""
    yield _BYTE_ORDER_MARK + _lines([header])
    async for part in parts:
        yield _lines(part)


async def as_xlsx(header: Sequence[str], parts: AsyncIterator[Iterable[Row]]) -> AsyncIterator[bytes]:
    """The same as a workbook of one sheet, its first row frozen.

    It is put together in a file, row by row, so that memory does not grow with the table; and in a thread, because it
    is work.
    """
    import xlsxwriter  # noqa: PLC0415 - for its weight: 16 MB that workers who never write a workbook do not need

    with tempfile.TemporaryDirectory(prefix="callcard-xlsx-") as folder:
        path = Path(folder) / "table.xlsx"
        book = xlsxwriter.Workbook(
            path,
            {
                "constant_memory": True,
                "tmpdir": folder,
                "strings_to_formulas": False,
                "strings_to_urls": False,
                "strings_to_numbers": False,
            },
        )
        sheet = book.add_worksheet()
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, len(header) - 1, _WIDTH)
        bold, day = book.add_format({"bold": True}), book.add_format({"num_format": "yyyy-mm-dd"})
        for column, title in enumerate(header):
            sheet.write_string(0, column, title, bold)
        row_no = 1
        async for part in parts:
            rows = list(part)
            await asyncio.to_thread(_write, sheet, row_no, rows, day)
            row_no += len(rows)
        await asyncio.to_thread(book.close)
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                yield block


def _lines(rows: Iterable[Row]) -> bytes:
    file = io.StringIO(newline="")
    csv.writer(file).writerows([harmless(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    return file.getvalue().encode("utf-8", "replace")


def _write(sheet: Any, first: int, rows: Sequence[Row], day: Any) -> None:
    for row_no, row in enumerate(rows, start=first):
        for column, cell in enumerate(row):
            if isinstance(cell, str):
                sheet.write_string(row_no, column, harmless(cell))
            elif isinstance(cell, date):
                sheet.write_datetime(row_no, column, cell, day)
            elif cell is not None:
                sheet.write_number(row_no, column, cell)
