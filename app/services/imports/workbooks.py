"""A sheet of somebody's workbook as rows of text cells.

XLSX is read by `xlsx`, row by row, so its size hardly matters. XLS, XLSB and ODS are read through calamine, which holds
the whole sheet in memory, so theirs is limited.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from python_calamine import CalamineError, PasswordError, load_workbook

from app.domain.importing.sheet_values import as_text
from app.services.imports.tables import BadFile, Row
from app.services.imports.xlsx.markup import damaged
from app.services.imports.xlsx.package import Package
from app.services.imports.xlsx.workbook import Workbook

LARGEST_STREAMED: Final = 8 * 1024**3
"""So many bytes a workbook may unpack to; one of a million rows and a dozen columns has less than a tenth of it."""
LARGEST_HELD: Final = 1024**3
"""The same where calamine holds it."""

_OF_OTHERS: Final = ("xl/workbook.bin", "content.xml")
"""By these parts archives are known whose workbooks are no XLSX."""
_ENCRYPTED: Final = "EncryptedPackage".encode("utf-16-le")
_LOCKED: Final = "The workbook is locked with a password. Save it without one, and try again."


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
        BadFile: `encrypted`, `zip_bomb`, `not_a_table`, `no_sheet`. Reading on may raise the same, and `no_room`.
    """
    if not is_zip:
        if _ENCRYPTED in path.read_bytes():
            raise BadFile("encrypted", _LOCKED)
        return _held(path, name)
    with ExitStack() as opened:
        package = opened.enter_context(closing(Package(path)))
        if any(map(package.has, _OF_OTHERS)):
            package.check_size(LARGEST_HELD)
            return _held(path, name)
        package.check_size(LARGEST_STREAMED)
        workbook = opened.enter_context(closing(Workbook(package)))
        chosen = _chosen(name, list(workbook.sheets))
        return Sheet(chosen, workbook.rows(chosen, widest=widest), workbook.progress, opened.pop_all().close)


def _held(path: Path, name: str | None) -> Sheet:
    try:
        workbook = load_workbook(path)
        chosen = _chosen(name, workbook.sheet_names)
        sheet = workbook.get_sheet_by_name(chosen)
    except PasswordError:
        raise BadFile("encrypted", _LOCKED) from None
    except (CalamineError, OSError, ValueError) as error:
        raise damaged(str(error)) from None
    done = 0

    def rows() -> Iterator[Row]:
        nonlocal done
        for done, values in enumerate(sheet.iter_rows(), start=1):
            yield done, list(map(as_text, values))

    return Sheet(chosen, rows(), lambda: min(1.0, done / (sheet.total_height + 1)), _nothing)


def _chosen(name: str | None, names: Sequence[str]) -> str:
    if not names or (name is not None and name not in names):
        raise BadFile("no_sheet", f"There is no sheet {name!r}; there are {', '.join(names) or 'none'}.")
    return name or names[0]


def _nothing() -> None:
    """What there is to close of a sheet that is held in memory."""
