"""What the first rows of a file would say by a mapping, before anything is written."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from app.domain.importing.cells import BadCell
from app.domain.importing.mapping import Mapping
from app.services.imports.copy_text import tell
from app.services.imports.files import Table
from app.services.imports.keys import How, Keys
from app.services.imports.rows import House, RowReader, ToRead

ROWS: Final = 5
_NOT_SHOWN: Final = frozenset({"surname", "latin_surname"})


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """A row as it would be read: by field, or why it would be rejected."""

    row_no: int
    said: dict[str, str]
    reject: str | None


@dataclass(frozen=True, slots=True)
class Preview:
    """The first rows, and the fields that any of them says something of."""

    header_row: int
    fields: list[str]
    rows: list[PreviewRow]


def preview(mapping: Mapping, table: Table, house: House, rows: int = ROWS) -> Preview:
    """Read the first rows. Raises MappingError, BadFile."""
    keys, reader = Keys(mapping, table.header), RowReader(mapping, table.header, house)
    read = [_read(keys, reader, table.header, row_no, cells) for row_no, cells in islice(table.rows, rows)]
    fields = list(dict.fromkeys(name for row in read for name in row.said))
    return Preview(table.header_row, fields, read)


def _read(keys: Keys, reader: RowReader, header: Sequence[str], row_no: int, cells: Sequence[str]) -> PreviewRow:
    try:
        external_id = keys.external_id(cells)
    except BadCell as wrong:
        return PreviewRow(row_no, {}, wrong.detail)
    how = How.KNOWN if keys.has_customer else How.ITEMS_ONLY
    batch = tell(reader.read(ToRead([row_no], [external_id], [b""], [cells], [how])), header, "")
    if batch.rejects:
        return PreviewRow(row_no, {"id": external_id}, batch.rejects[0].detail)
    said = {"id": external_id}
    for line in batch.staged:
        fields = _columns(line)[6]
        if fields != "\\N":
            told = json.loads(fields)
            said |= {name: _shown(value) for name, value in told.items() if name not in _NOT_SHOWN and value != ""}
    if batch.staged_phones:
        said["phone"] = ", ".join(_columns(line)[2] for line in batch.staged_phones)
    for line in batch.items:
        _, _, _, kind, key, told = _columns(line)
        values = json.loads(told)
        if kind == "usage":
            said[f"usage.{key}"] = str(values["value"])
        else:
            said |= {f"{kind}.{name}": _shown(value) for name, value in values.items() if value not in ("", None)}
    return PreviewRow(row_no, said, None)


def _columns(line: str) -> list[str]:
    """The cells of a line of COPY's text."""
    return [cell if cell == "\\N" else cell.replace("\\\\", "\\") for cell in line.rstrip("\n").split("\t")]


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
