"""Somebody's table file as rows of text cells, whatever it was written by.

CSV in UTF-8, UTF-16 (either with or without a byte order mark) or GB18030, which GBK and GB2312 are part of, with any
delimiter, read as it streams by; and workbooks.
"""

import codecs
import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from app.domain.importing.headers import field_of
from app.domain.importing.mapping import FileFacts, plain_header
from app.services.imports.tables import BadFile, Row
from app.services.imports.workbooks import open_sheet

LARGEST_FILE: Final = 2 * 1024**3
MOST_COLUMNS: Final = 500
HEADER_WITHIN: Final = 20
"""The header is looked for in so many first rows."""

_BLOCK: Final = 1 << 20
_ZIP: Final = b"PK\x03\x04"
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_BOMS: Final = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_DELIMITERS: Final = ",;\t|"
_BINARY: Final = (b"%PDF", b"\x89PNG", b"\xff\xd8\xff", b"\x1f\x8b", b"Rar!", b"7z\xbc\xaf")


@dataclass(frozen=True, slots=True)
class Table:
    """An open file: its header, and its rows one after the other.

    Attributes:
        header: names of the columns, tidied; empty for a column without one.
        rows: the rows below the header that are not blank, with the numbers they have in the file, from 1 on.
        progress: which part of the file has been read, from 0 to 1.
        encoding: of a text file; None for a workbook.
    """

    header: tuple[str, ...]
    header_row: int
    rows: Iterator[Row]
    progress: Callable[[], float]
    encoding: str | None
    delimiter: str | None
    sheet: str | None
    close: Callable[[], None]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_table(path: Path, facts: FileFacts, wanted: Sequence[str] | None) -> Table:
    """Open a file and find its header; whoever asks closes it.

    Args:
        facts: what is known of the file beforehand.
        wanted: the columns that are to be in the header, by which it is found; None looks for usual names.

    Raises:
        BadFile: `no_file`, `empty_file`, `too_large`, `encrypted`, `zip_bomb`, `not_a_table`, `bad_encoding`,
            `no_sheet`, `no_header`, `too_many_columns`. Reading on may raise `broken_quotes`, or, for a workbook,
            `not_a_table`, `zip_bomb` and `no_room`.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(_BLOCK)
    except OSError as error:
        raise BadFile("no_file", f"{path.name} cannot be read: {error.strerror}.") from None
    if size > LARGEST_FILE:
        raise BadFile(
            "too_large", f"The file has {size / 2**30:.1f} GiB; at most {LARGEST_FILE / 2**30:.0f} are taken."
        )
    if not start.strip(b"\x00\r\n\t ,;\xef\xbb\xbf\xff\xfe"):
        raise BadFile("empty_file", "The file is empty.")
    if start.startswith((_ZIP, _OLE)):
        return _open_workbook(path, facts, wanted, is_zip=start.startswith(_ZIP))
    if start.startswith(_BINARY):
        raise BadFile("not_a_table", "This is neither a CSV file nor a workbook.")
    return _open_text(path, size, facts, wanted)


def _open_text(path: Path, size: int, facts: FileFacts, wanted: Sequence[str] | None) -> Table:
    encoding = facts.encoding or _encoding_of(path)
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise BadFile("bad_encoding", f"There is no encoding {encoding!r}.") from None
    if facts.encoding is not None:
        _check_encoding(path, encoding)
    raw = path.open("rb")
    text = io.TextIOWrapper(io.BufferedReader(raw.detach(), _BLOCK), encoding=encoding, newline="")
    try:
        delimiter = facts.delimiter or _delimiter_of(text.read(64 * 1024))
        text.seek(0)
        header_row, header, rows = _find_header(
            _records(csv.reader(text, delimiter=delimiter, strict=True)), facts, wanted
        )
    except BadFile:
        text.close()
        raise

    def progress() -> float:
        return min(1.0, text.buffer.tell() / size) if not text.closed else 1.0

    return Table(header, header_row, rows, progress, encoding, delimiter, None, text.close)


def _records(reader: Any) -> Iterator[Row]:
    try:
        for number, cells in enumerate(reader, start=1):
            # The first cell is nearly always told, and ends the search.
            if any(map(str.strip, cells)):
                yield number, cells
    except csv.Error as error:
        raise BadFile(
            "broken_quotes",
            f"The file cannot be read on after line {reader.line_num}: {error}. A quotation mark may be open, or the "
            "file may have been cut off.",
        ) from None


def _encoding_of(path: Path) -> str:
    """UTF-8 or GB18030, whichever can read the whole of it; UTF-16 by its mark or its zero bytes."""
    with path.open("rb") as file:
        start = file.read(4096)
    for bom, name in _BOMS:
        if start.startswith(bom):
            _check_encoding(path, name)
            return name
    odd, even = start[1::2].count(0), start[0::2].count(0)
    if max(odd, even) > len(start) // 8:
        name = "utf-16-le" if odd > even else "utf-16-be"
        _check_encoding(path, name)
        return name
    for name in ("utf-8", "gb18030"):
        try:
            _check_encoding(path, name)
        except BadFile as wrong:
            if wrong.code != "bad_encoding":
                raise
        else:
            return name
    raise BadFile(
        "bad_encoding", "The file is neither UTF-8 nor GB18030 (GBK) nor UTF-16. Save it as UTF-8, and try again."
    )


def _check_encoding(path: Path, encoding: str) -> None:
    decoder = codecs.getincrementaldecoder(encoding)()
    place = 0
    with path.open("rb") as file:
        try:
            while block := file.read(_BLOCK):
                if "\x00" in decoder.decode(block):
                    raise BadFile("not_a_table", "This is neither a CSV file nor a workbook: it holds zero bytes.")
                place += len(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            where = place + error.start
            raise BadFile(
                "bad_encoding", f"The file is not {encoding} throughout: byte {where} does not fit. Save it as UTF-8."
            ) from None


def _delimiter_of(head: str) -> str:
    """Whichever cuts the first lines into the most columns, evenly."""
    lines = [line for line in head.splitlines()[: HEADER_WITHIN + 10] if line.strip()]

    def score(delimiter: str) -> tuple[int, int]:
        try:
            widths = [len(cells) for cells in csv.reader(lines, delimiter=delimiter)]
        except csv.Error:
            return (0, 0)
        usual = max(set(widths), key=lambda width: (widths.count(width), width), default=0)
        return (widths.count(usual) if usual > 1 else 0, usual)

    return max(_DELIMITERS, key=score)


def _open_workbook(path: Path, facts: FileFacts, wanted: Sequence[str] | None, *, is_zip: bool) -> Table:
    sheet = open_sheet(path, facts.sheet, is_zip=is_zip, widest=MOST_COLUMNS)
    try:
        filled = (row for row in sheet.rows if any(map(str.strip, row[1])))
        header_row, header, rows = _find_header(filled, facts, wanted)
    except BadFile:
        sheet.close()
        raise
    return Table(header, header_row, _widened(rows, len(header)), sheet.progress, None, None, sheet.name, sheet.close)


def _widened(rows: Iterator[Row], width: int) -> Iterator[Row]:
    """Rows at least as wide as the header: a workbook does not say how wide a row is."""
    for number, cells in rows:
        yield number, cells + [""] * (width - len(cells))


def _find_header(
    rows: Iterator[Row], facts: FileFacts, wanted: Sequence[str] | None
) -> tuple[int, tuple[str, ...], Iterator[Row]]:
    """The header's place and cells, and the rows below it."""
    first: list[Row] = []
    last = facts.header_row or HEADER_WITHIN
    for row in rows:
        first.append(row)
        if row[0] >= last:
            break
    if facts.header_row is not None:
        found = next((place for place, row in enumerate(first) if row[0] == facts.header_row), None)
    else:
        found = _best(first, wanted)
    if found is None:
        seen = ", ".join(first[0][1])[:200] if first else "nothing"
        raise BadFile("no_header", f"No header was found; the first row reads: {seen}")
    number, cells = first[found]
    header = [" ".join(cell.split()) for cell in cells]
    while header and not header[-1]:
        header.pop()
    if len(header) > MOST_COLUMNS:
        raise BadFile("too_many_columns", f"The file has more than {MOST_COLUMNS} columns.")

    def below() -> Iterator[Row]:
        yield from first[found + 1 :]
        yield from rows

    return number, tuple(header), below()


def _best(first: Sequence[Row], wanted: Sequence[str] | None) -> int | None:
    names = {plain_header(name) for name in wanted} if wanted is not None else None

    def known(cells: Sequence[str]) -> int:
        if names is not None:
            return len(names & {plain_header(cell) for cell in cells})
        return sum(field_of(cell) is not None for cell in cells)

    scores = [known(cells) for _, cells in first]
    best = max(scores, default=0)
    return scores.index(best) if best >= (1 if names is not None else 2) else None
