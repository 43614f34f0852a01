"""A file of people into the table `records`."""

import codecs
import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb

from app.domain.person_columns import Column, guess_columns, header_key, known
from app.errors import Invalid
from app.services.linkage.people import RECORDS
from app.services.linkage.workspace import first_row

_DELIMITERS: Final = ",;\t|"
_SAMPLE: Final = 1 << 16


class UnreadableFile(Invalid):
    """A file is no table of people; the detail says what is wrong with it."""

    code = "unreadable_file"


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file is written.

    Attributes:
        path: of a copy in UTF-8, or the file itself.
        delimiter: between its columns.
        headers: as they stand in its first line.
    """

    path: Path
    delimiter: str
    headers: list[str]


def look_at(path: Path, scratch: Path) -> Layout:
    """Find out how a CSV file is written.

    Args:
        path: the file: UTF-8, UTF-16 or GB 18030, with or without a byte order mark.
        scratch: a folder for a copy, should the file have to be recoded.

    Raises:
        UnreadableFile: it is not there, empty, or no text.
    """
    try:
        with path.open("rb") as file:
            sample = file.read(_SAMPLE)
    except OSError as error:
        raise UnreadableFile(f"{path.name} cannot be read: {error.strerror}.") from error
    if not sample.strip():
        raise UnreadableFile(f"{path.name} is empty.")
    source = _in_utf8(path, sample, scratch)
    with source.open(encoding="utf-8-sig", newline="") as text:
        first = text.readline()
    delimiter = max(_DELIMITERS, key=first.count)
    headers = next(csv.reader(io.StringIO(first), delimiter=delimiter, skipinitialspace=True), [])
    return Layout(source, delimiter, headers)


def read_table(db: duckdb.DuckDBPyConnection, layout: Layout, into: str, *, has_header: bool = True) -> None:
    """Read a whole file as text into a table with columns `c0`, `c1`, …

    Raises:
        UnreadableFile: it is no table.
    """
    names = [f"c{position}" for position in range(len(layout.headers))]
    columns = ", ".join(f"'{name}': 'VARCHAR'" for name in names)
    try:
        db.execute(
            f"CREATE OR REPLACE TABLE {into} AS SELECT {', '.join(names)}"
            f" FROM read_csv($path, header = {str(has_header).lower()},"
            f" auto_detect = false, delim = $delimiter, quote = '\"', escape = '\"', columns = {{{columns}}},"
            " null_padding = true, strict_mode = false, parallel = false, encoding = 'utf-8', max_line_size = 4000000)",
            {"path": str(layout.path), "delimiter": layout.delimiter},
        )
    except duckdb.Error as error:
        raise UnreadableFile(f"{layout.path.name} is no table: {str(error).splitlines()[0]}") from error


def read_people(
    db: duckdb.DuckDBPyConnection, path: Path, scratch: Path, mapping: Mapping[Column, Sequence[str]] | None = None
) -> dict[str, Column]:
    """Read a file of people into `records`.

    Args:
        mapping: which headers hold a column, where the file's own words do not tell.

    Returns:
        Which header was taken for which column.

    Raises:
        UnreadableFile: it is no table, says nothing of people, has no ids, or has one twice.
    """
    layout = look_at(path, scratch)
    columns = _columns(layout, mapping or {})
    by_column: dict[Column, list[int]] = {}
    for position, column in columns.items():
        by_column.setdefault(column, []).append(position)
    if not by_column.keys() - {Column.ID}:
        raise UnreadableFile(
            f"None of {path.name}'s columns is known; name them with --mapping. Known are: {known(Column)}."
        )
    if Column.ID not in by_column and 0 not in columns:
        # A first column that is nothing else is what records are called by; that it tells them apart is checked below.
        columns = {0: Column.ID, **columns}
        by_column[Column.ID] = [0]
    if Column.ID not in by_column:
        raise UnreadableFile(f"{path.name} has no column of ids; name it with --mapping id=COLUMN.")
    # Ids count as the file does, so that the same file gives the same.
    db.execute("SET preserve_insertion_order = true")
    read_table(db, layout, "file")
    taken = {column: f"c{positions[0]}" for column, positions in by_column.items()}
    fields = [column for column in Column if column not in {Column.ID, Column.PHONE}]
    # Several numbers in a cell, and several cells of numbers.
    phones = [f"string_split_regex(coalesce(c{at}, ''), '[;,/、，；]')" for at in by_column.get(Column.PHONE, [])]
    db.execute(RECORDS)
    db.execute(
        f"INSERT INTO records SELECT row_number() OVER () AS id, trim({taken[Column.ID]}), NULL,"
        f" flatten([{', '.join(phones)}]::VARCHAR[][]), "
        + ", ".join(f"trim({taken[column]})" if column in taken else "NULL" for column in fields)
        + " FROM file"
    )
    db.execute("SET preserve_insertion_order = false")
    db.execute("DROP TABLE file")
    _check_ids(db, path)
    return {layout.headers[position].strip(): column for position, column in columns.items()}


def _columns(layout: Layout, mapping: Mapping[Column, Sequence[str]]) -> dict[int, Column]:
    positions = {header_key(header): position for position, header in enumerate(layout.headers)}
    columns = guess_columns(layout.headers)
    for column, headers in mapping.items():
        columns = {position: guessed for position, guessed in columns.items() if guessed is not column}
        for header in headers:
            position = positions.get(header_key(header))
            if position is None:
                raise UnreadableFile(f"There is no column {header!r}; there are: {', '.join(layout.headers)}.")
            columns[position] = column
    return columns


def _check_ids(db: duckdb.DuckDBPyConnection, path: Path) -> None:
    if first_row(db, "SELECT true FROM records WHERE record IS NULL OR record = '' LIMIT 1"):
        raise UnreadableFile(f"A record of {path.name} has no id.")
    row = first_row(db, "SELECT record FROM records GROUP BY record HAVING count(*) > 1 LIMIT 1")
    if row:
        raise UnreadableFile(f"The id {row[0]!r} stands twice in {path.name}.")


def _in_utf8(path: Path, sample: bytes, scratch: Path) -> Path:
    encoding = _encoding(path, sample)
    if encoding == "utf-8":
        return path
    recoded = scratch / f"{path.stem}.utf-8.csv"
    try:
        with path.open(encoding=encoding, newline="") as source, recoded.open("w", encoding="utf-8", newline="") as to:
            while chunk := source.read(1 << 20):
                to.write(chunk)
    except UnicodeError as error:
        raise UnreadableFile(f"{path.name} is neither UTF-8, UTF-16 nor GB 18030.") from error
    return recoded


def _encoding(path: Path, sample: bytes) -> str:
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "gb18030"
    return "utf-8"
