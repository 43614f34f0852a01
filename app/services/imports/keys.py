"""By what a row is known before it is read, and that it was not taken."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from app.domain.importing.cells import BadCell, digits, tidy
from app.domain.importing.columns import all_of, each, look_at
from app.domain.importing.mapping import Mapping, MappingError, plain_header

LONGEST_ID: Final = 200
_VERSION: Final = b"1"
"""Raised when rows are read otherwise than before, so that the next run of an old file reads them anew."""

_USUAL_ID: Final = all_of("(?:[A-Za-z][A-Za-z_-]{0,49})?[0-9]{1,50}")

Cells = Sequence[str]


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that was not taken, and why: a stable code, and words for whoever mends it."""

    row_no: int
    code: str
    detail: str


class How(IntEnum):
    """What is known of a row before it is read."""

    FRESH = 0
    """The source has never told of this customer: all of it is new."""
    KNOWN = 1
    """The source has told of this customer, and something else."""
    ITEMS_ONLY = 2
    """The customer is as the row says, or the file says nothing of customers; what else it tells is asked for."""


class MissingColumns(MappingError):
    """The header lacks columns that the mapping names."""

    def __init__(self, missing: list[str], header: Cells) -> None:
        seen = ", ".join(repr(name) for name in header if name)[:500]
        super().__init__(f"The file has no column {', '.join(repr(name) for name in missing)}. It has {seen}.")
        self.missing = missing


def places_of(mapping: Mapping, header: Cells) -> dict[str, int]:
    """Where each column that the mapping names stands. Raises MissingColumns."""
    where = {plain_header(name): place for place, name in reversed(list(enumerate(header)))}
    found = {name: where.get(plain_header(name)) for name in mapping.named()}
    missing = [name for name, place in found.items() if place is None]
    if missing:
        raise MissingColumns(missing, header)
    return {name: place for name, place in found.items() if place is not None}


class Keys:
    """Tells the id and the fingerprint of a row before it is read: most rows of a second run need no more."""

    def __init__(self, mapping: Mapping, header: Cells) -> None:
        places = places_of(mapping, header)
        self._places = [places[name] for name in mapping.columns["id"]]
        self.has_items = bool([kind for kind in mapping.items() if kind != "contact"])
        of_customer = [names for name, names in mapping.columns.items() if name != "id" and _is_of_customer(name)]
        self.has_customer = bool(of_customer) or any(_is_of_customer(name) for name in mapping.constants)
        # Where a row tells a purchase too, the customer is said again with each: only what is said of them counts then.
        told = [places[name] for names in (mapping.columns["id"], *of_customer) for name in names]
        self._told = told if self.has_items else None
        self._pad = mapping.pad.get("id", 0)
        self._width = len(header)
        self._salt = hashlib.blake2b(
            b"\x1f".join((_VERSION, mapping.digest(), *(name.encode() for name in header))), digest_size=16
        )

    def external_id(self, cells: Cells) -> str:
        """By which the source knows the customer.

        Raises:
            BadCell: there is none, it is too long or lost digits, or the row is not as wide as the header.
        """
        if len(cells) != self._width:
            if any(cell.strip() for cell in cells[self._width :]):
                raise BadCell("too_many_cells", f"The row has {len(cells)} cells, the header {self._width}.")
            if len(cells) < self._width:
                raise BadCell("too_few_cells", f"The row has {len(cells)} cells, the header {self._width}.")
        parts = [tidy(digits(tidy(cells[place]))) for place in self._places]
        if not any(parts):
            raise BadCell("no_id", "The row has no id.")
        key = "/".join(parts)
        if len(key) > LONGEST_ID:
            raise BadCell("too_long", f"The id is longer than {LONGEST_ID} characters.")
        return key.zfill(self._pad) if self._pad and key.isdecimal() else key

    def external_ids(self, rows: Sequence[Cells], wrong: dict[int, BadCell]) -> Sequence[str]:
        """The same of many rows; of one that has none, why is noted at its place."""
        if len(self._places) == 1 and not self._pad and set(map(len, rows)) == {self._width}:
            place = self._places[0]
            column = look_at([cells[place] for cells in rows])
            if column.consists_of(_USUAL_ID) and "" not in column.cells:
                return column.cells
        return each(self.external_id, rows, wrong, otherwise="")

    def fingerprint(self, cells: Cells) -> bytes:
        """Of all that the row says of the customer, and of how it is read."""
        own = self._salt.copy()
        told = cells if self._told is None else [cells[place] for place in self._told]
        own.update("\x1f".join(told).encode("utf-8", "surrogatepass"))
        return own.digest()


def _is_of_customer(name: str) -> bool:
    return "." not in name or name.startswith("contact.")
