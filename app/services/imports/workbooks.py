"""A sheet of somebody's workbook as rows of text cells.

XLSX is read by `xlsx`, row by row, so its size hardly matters. XLS, XLSB and ODS are read by calamine, which holds the
whole sheet in memory, so theirs is limited (`held.py`).
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.services.imports.held import Held
from app.services.imports.tables import Row, chosen_sheet, locked
from app.services.imports.xlsx.package import Package
from app.services.imports.xlsx.workbook import Workbook

LARGEST_STREAMED: Final = 8 * 1024**3
"""So many bytes a workbook may unpack to; one of a million rows and a dozen columns has less than a tenth of it."""
LARGEST_HELD: Final = 1024**3
"""The same where calamine holds it."""

_OF_OTHERS: Final = ("xl/workbook.bin", "content.xml")
"""By these parts archives are known whose workbooks are no XLSX."""
_ENCRYPTED: Final = "EncryptedPackage".encode("utf-16-le")


@dataclass(frozen=True, slots=True)
class Sheet:
    """An open sheet.

    Attributes:
        rows: of them at least those with anything in them, and of each at least what is not empty at its end.
        progress: which part of it has been read, from 0 to 1.
    """

    name: str
    rows: Iterator[Row]
    progress: Callable[[], float]
    close: Callable[[], None]


def open_sheet(path: Path, name: str | None, *, is_zip: bool, widest: int) -> Sheet:
    """Open a sheet of a workbook; whoever asks closes it.

    Args:
        name: the sheet's; None for the first one.
        widest: so many cells of a row are needed. Of what stands further right it is enough to know that it is there.

    Raises:
        BadFile: `encrypted`, `zip_bomb`, `not_a_table`, `no_sheet`, `too_large`. Reading on may raise the same, and
            `no_room`.
    """
    if not is_zip:
        if _ENCRYPTED in path.read_bytes():
            raise locked()
        return _held(path, name, widest)
    with ExitStack() as opened:
        package = opened.enter_context(closing(Package(path)))
        if any(map(package.has, _OF_OTHERS)):
            package.check_size(LARGEST_HELD)
            return _held(path, name, widest)
        package.check_size(LARGEST_STREAMED)
        workbook = opened.enter_context(closing(Workbook(package)))
        chosen = chosen_sheet(name, list(workbook.sheets))
        return Sheet(chosen, workbook.rows(chosen, widest=widest), workbook.progress, opened.pop_all().close)


def _held(path: Path, name: str | None, widest: int) -> Sheet:
    held = Held(path, name, widest=widest)
    return Sheet(held.name, held.rows, held.progress, held.close)
