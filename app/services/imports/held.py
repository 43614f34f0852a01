"""Workbooks that calamine reads (XLS, XLSB, ODS), in a process of their own.

calamine holds a whole sheet, with a place for every cell between the first and the last one, so that a file of a few
hundred bytes may want more memory than there is. Calls ring in the process that asks, and no file may end it: the
program that holds the workbook gets so much memory and no more. What it reads comes through a pipe, rows by the
hundred.
"""

import marshal
import resource
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any, BinaryIO, Final

from app.services.imports.tables import BadFile, Row, chosen_sheet, damaged, locked

MEMORY: Final = 2 * 1024**3
"""Bytes of addresses that the program may have in all."""

_LENGTH: Final = 4
_ROWS_AT_ONCE: Final = 500


class Held:
    """A sheet of a workbook that another process holds; whoever opens it closes it.

    Args:
        name: the sheet's; None for the first one.
        widest: so many cells of a row are needed. Of what stands further right the first that is not empty is told.
        memory: bytes that the process may have.

    Attributes:
        name: of the sheet that is read.
        rows: those with anything in them, without what is empty at their ends.

    Raises:
        BadFile: `encrypted`, `not_a_table`, `no_sheet`, `too_large`. Reading on may raise the last.
    """

    def __init__(self, path: Path, name: str | None, *, widest: int, memory: int = MEMORY) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", __name__, str(path), str(widest), str(memory), *([] if name is None else [name])],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._done = 0
        self._height: int
        self.name: str
        try:
            self.name, self._height = self._receive()
        except BaseException:
            self.close()
            raise
        self.rows = self._rows()

    def progress(self) -> float:
        """Which part of the sheet has been read, from 0 to 1."""
        return min(1.0, self._done / (self._height + 1))

    def close(self) -> None:
        """End the process, however far it is."""
        self._process.kill()
        self._process.wait()
        self._output.close()

    @property
    def _output(self) -> IO[bytes]:
        output = self._process.stdout
        assert output is not None
        return output

    def _rows(self) -> Iterator[Row]:
        while rows := self._receive():
            for self._done, cells in rows:
                yield self._done, cells

    def _receive(self) -> Any:
        size = self._output.read(_LENGTH)
        content = self._output.read(int.from_bytes(size))
        if len(size) < _LENGTH or len(content) < int.from_bytes(size):
            raise BadFile(
                "too_large",
                f"To read the workbook takes more than {MEMORY >> 20} MiB of memory, perhaps for a cell that stands "
                "far away from all others. Save the sheet as XLSX or CSV, and try again.",
            )
        told, wrong = marshal.loads(content)  # noqa: S302 - our own program's words
        if wrong:
            raise BadFile(*wrong)
        return told


def main(path: Path, widest: int, memory: int, name: str | None, answers: BinaryIO) -> None:
    """Tell the sheet's name and height, its rows, and that there are no more; or what is wrong with the workbook."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    try:
        for each in _told(path, widest, name):
            _answer(answers, (each, None))
        _answer(answers, (None, None))
    except BadFile as wrong:
        _answer(answers, (None, (wrong.code, wrong.detail)))
    answers.flush()


def _told(path: Path, widest: int, name: str | None) -> Iterator[Any]:
    # Only here: whoever asks for a sheet loads this file too, and needs neither.
    from python_calamine import CalamineError, PasswordError, load_workbook  # noqa: PLC0415 - see above

    from app.domain.importing.sheet_values import as_text  # noqa: PLC0415 - see above

    try:
        workbook = load_workbook(path)
        chosen = chosen_sheet(name, workbook.sheet_names)
        sheet = workbook.get_sheet_by_name(chosen)
    except PasswordError:
        raise locked() from None
    except (CalamineError, OSError, ValueError) as error:
        raise damaged(str(error)) from None
    yield chosen, sheet.total_height
    filled = (
        (number, cells)
        for number, values in enumerate(sheet.iter_rows(), start=1)
        if (cells := _cut([as_text(value) for value in values], widest))
    )
    while rows := list(islice(filled, _ROWS_AT_ONCE)):
        yield rows


def _cut(cells: list[str], widest: int) -> list[str]:
    beyond = next((cell for cell in cells[widest:] if cell.strip()), None)
    kept = cells[:widest]
    if beyond is not None:
        return [*kept, beyond]
    while kept and not kept[-1]:
        kept.pop()
    return kept


def _answer(answers: BinaryIO, told: Any) -> None:
    content = marshal.dumps(told)
    answers.write(len(content).to_bytes(_LENGTH) + content)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), next(iter(sys.argv[4:]), None), sys.stdout.buffer)
