"""What the rows of a file say of customers, their numbers, and of what else there is.

Customers are read column by column, some rows at once, for nearly all cells of a column are as they should be; what
else rows tell is read row by row (`items.py`). Runs in a process of its own beside the one that talks to the database
(`helper.py`), because for a million rows it is the larger part of the work that is not the database's.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from app.domain.customer_facts import MOST_PHONES
from app.domain.importing.cells import BadCell, tidy
from app.domain.importing.columns import Column, each, look_at, tidied
from app.domain.importing.mapping import Mapping
from app.domain.importing.phones import Line, Phones, read_cell, read_mobiles
from app.domain.survivorship import FIELDS
from app.services.imports.items import Item, ItemReader
from app.services.imports.keys import Cells, How, places_of
from app.services.imports.meanings import USUAL_LENGTH, Meaning, Meanings, within
from app.services.names import LatinForms, latin

_AT_ONCE: Final = 250
"""So many rows are best read together: of more, one bad cell would have too many others looked at singly, and what they
say would not stay near the processor."""
_REMEMBERED: Final = 32_768
"""So many different cells of a column are remembered with what they mean: as many as there are days in 90 years."""
_READ_APART: Final = frozenset({"id", "name", "surname", "given_name", "address", "phone"})
_NO_FORMS: Final = LatinForms("", "", "")


class ToRead(NamedTuple):
    """Rows that are to be read, side by side: their numbers, ids, fingerprints and cells, and `How` each is."""

    numbers: Sequence[int]
    external_ids: Sequence[str]
    fingerprints: Sequence[bytes]
    cells: Sequence[Cells]
    hows: list[How]

    def parts(self) -> Iterator["ToRead"]:
        """All of them, as many together as are best read together."""
        for first in range(0, len(self.numbers), _AT_ONCE):
            yield ToRead._make(column[first : first + _AT_ONCE] for column in self)

    def only(self, places: Sequence[int]) -> "ToRead":
        """Those at these places."""
        return ToRead._make([column[place] for place in places] for column in self)


@dataclass(frozen=True, slots=True)
class House:
    """What rows are read by besides their mapping: the house's region and zone, its own numbers, and the source."""

    region: str
    zone: str
    own_numbers: frozenset[str]
    source: str


class Said(NamedTuple):
    """What each of some rows says of a field; None where it says nothing.

    Attributes:
        is_plain: all of it is text that stands for itself in JSON and in COPY's text.
    """

    values: Sequence[Any]
    is_plain: bool

    def or_else(self, other: "Said | None") -> "Said":
        """What is said here, and what the other says where nothing is."""
        if other is None or None not in self.values:
            return self
        both = zip(self.values, other.values, strict=True)
        return Said(
            [otherwise if value is None else value for value, otherwise in both], self.is_plain and other.is_plain
        )


@dataclass(slots=True)
class Rows:
    """Some rows, side by side.

    Attributes:
        columns: as the file has them, in the order of its header.
        wrong: by place, why a row is not taken; what is said of it otherwise counts for nothing.
        fields: what they say of the customer's fields, and of when the source said so (`said_at`).
        items: what each tells besides the customer.
    """

    numbers: Sequence[int]
    external_ids: Sequence[str]
    fingerprints: Sequence[bytes]
    cells: Sequence[Cells]
    hows: Sequence[How]
    columns: list[Column]
    wrong: dict[int, BadCell] = field(default_factory=dict)
    fields: dict[str, Said] = field(default_factory=dict)
    phones: list[Phones] = field(default_factory=list)
    items: list[list[Item]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.numbers)

    def refuse(self, place: int, code: str, detail: str) -> None:
        """Take a row not; whatever is found first in it is why."""
        self.wrong.setdefault(place, BadCell(code, detail))

    def read_as(self, how: How) -> list[int]:
        """The places of the rows that are read so and were not refused."""
        if not self.wrong and set(self.hows) == {how}:
            return list(range(len(self)))
        return [place for place, each_how in enumerate(self.hows) if each_how == how and place not in self.wrong]


def said(values: Sequence[Any]) -> Said:
    """Values of a field, one a row."""
    try:
        return Said(values, look_at(["".join(filter(None, values))]).is_plain)
    except TypeError:
        # Yes and no, and contacts, are no text.
        return Said(values, is_plain=False)


def as_it_stands(column: Column) -> Said:
    """What the cells of a column say, taken at their word."""
    cells = column.cells
    return Said([cell or None for cell in cells] if "" in cells else cells, column.is_plain)


class _Field:
    """A field that one column tells by itself."""

    def __init__(self, name: str, place: int, meaning: Meaning) -> None:
        self.name = name
        self.place = place
        self._meaning = meaning
        # What a column holds is mostly a few words again and again.
        self._known: dict[str, Any] = {}

    def read(self, column: Column, wrong: dict[int, BadCell]) -> Said:
        if self._meaning.leaves is not None:
            texts = tidied(column, wrong)
            if self._meaning.leaves(texts):
                return as_it_stands(texts)
        values = list(map(self._known.get, column.cells))
        if None in values:
            values = each(self._of_cell, column.cells, wrong, otherwise=None)
        return said(values)

    def _of_cell(self, cell: str) -> Any:
        if cell in self._known:
            return self._known[cell]
        text = tidy(cell)
        value = self._meaning.of_cell(text) if text else None
        if len(self._known) < _REMEMBERED:
            self._known[cell] = value
        return value


class RowReader:
    """Reads the rows of one file by its mapping.

    Args:
        header: the columns as the file names them.

    Raises:
        MappingError: the mapping names columns that the file lacks, or means by a word what there is not.
    """

    def __init__(self, mapping: Mapping, header: Cells, house: House) -> None:
        self._mapping = mapping
        self._own_numbers = house.own_numbers
        self._region = mapping.region or house.region
        self._width = len(header)
        zone = ZoneInfo(mapping.zone or house.zone)
        places = places_of(mapping, header)
        meanings = Meanings(mapping, self._region, zone)
        self._of = {name: [places[column] for column in columns] for name, columns in mapping.columns.items()}
        self._fields = [
            _Field(name, of_field[0], meanings.of(name))
            for name, of_field in self._of.items()
            if "." not in name and name not in _READ_APART
        ]
        self._has_name = any(name in self._of for name in ("name", "surname", "given_name"))
        self._constants = {
            name: value for name, value in meanings.constants().items() if name in FIELDS or name == "said_at"
        }
        self._items = ItemReader(mapping, places, meanings, self._region, zone)

    def read(self, rows: ToRead) -> Rows:
        """What rows say."""
        read = Rows(*rows, [look_at(column) for column in islice(zip(*rows.cells, strict=False), self._width)])
        self._add_fields(read)
        self._add_phones(read)
        if self._items.has_items:
            by_id = list(zip(rows.external_ids, rows.cells, strict=True))
            read.items = each(self._items.items, by_id, read.wrong, otherwise=[])
        return read

    def _add_fields(self, rows: Rows) -> None:
        fields = rows.fields
        fields.update({name: said([value] * len(rows)) for name, value in self._constants.items()})
        for of_field in self._fields:
            read = of_field.read(rows.columns[of_field.place], rows.wrong)
            fields[of_field.name] = read.or_else(fields.get(of_field.name))
        if self._has_name:
            self._add_name(rows)
        if "address" in self._of:
            addresses = self._within(USUAL_LENGTH, self._joined("address", rows), rows)
            fields["address"] = said([address or None for address in addresses]).or_else(fields.get("address"))
        if "do_not_call" in fields:
            # That a system does not know of any objection is no permission.
            fields["do_not_call"] = said([value or None for value in fields["do_not_call"].values])
        if self._items.has_contacts:
            contacts = each(self._items.contact, rows.cells, rows.wrong, otherwise=None)
            fields["contacts"] = said([contact and [contact] for contact in contacts])
        if "name" not in fields:
            for place in rows.read_as(How.FRESH):
                rows.refuse(place, "no_name", "A new customer needs a name.")

    def _joined(self, name: str, rows: Rows) -> Sequence[str]:
        """What the columns of a field say together; empty for nothing."""
        parts = [tidied(rows.columns[place], rows.wrong).cells for place in self._of[name]]
        return parts[0] if len(parts) == 1 else [" ".join(filter(None, of_row)) for of_row in zip(*parts, strict=True)]

    def _part_of_name(self, name: str, rows: Rows) -> Sequence[str]:
        texts = self._joined(name, rows) if name in self._of else [""] * len(rows)
        constant = self._mapping.constants.get(name, "")
        return [text or constant for text in texts]

    def _within(self, longest: int, texts: Sequence[str], rows: Rows) -> Sequence[str]:
        if max(map(len, texts)) <= longest:
            return texts
        return each(lambda text: within(text, longest), texts, rows.wrong, otherwise="")

    def _add_name(self, rows: Rows) -> None:
        fields = rows.fields
        if "name" in self._of:
            names = self._joined("name", rows)
        else:
            parts = zip(self._part_of_name("surname", rows), self._part_of_name("given_name", rows), strict=True)
            names = [
                f"{given} {surname}".strip() if f"{surname}{given}".isascii() else f"{surname}{given}"
                for surname, given in parts
            ]
        if "" in names:
            for place, name in enumerate(names):
                if not name:
                    rows.refuse(place, "no_name", "The row has no name.")
        names = self._within(USUAL_LENGTH, names, rows)
        fields["name"] = said(names)
        forms = list(map(_name_forms, names))
        if "kind" in fields:
            kinds = fields["kind"].values
            forms = [_NO_FORMS if kind == "company" else form for kind, form in zip(kinds, forms, strict=True)]
        for name, of_rows in zip(LatinForms._fields, zip(*forms, strict=True), strict=True):
            following = said(of_rows)
            fields[name] = fields[name].or_else(following) if name in fields else following

    def _add_phones(self, rows: Rows) -> None:
        rows.phones = [[]] * len(rows)
        for place in self._of.get("phone", ()):
            found = self._numbers(tidied(rows.columns[place], rows.wrong), rows.wrong)
            rows.phones = [
                _both(phones, more) if more else phones for phones, more in zip(rows.phones, found, strict=True)
            ]
        for place, phones in enumerate(rows.phones):
            if len(phones) > MOST_PHONES:
                rows.refuse(place, "too_many_phones", f"A customer has at most {MOST_PHONES} numbers.")

    def _numbers(self, column: Column, wrong: dict[int, BadCell]) -> list[Phones]:
        mobiles = read_mobiles(column, self._region)
        if mobiles is not None and self._own_numbers.isdisjoint(phones[0][1].e164 for phones in mobiles if phones):
            return mobiles
        return each(self._numbers_of_cell, column.cells, wrong, otherwise=[])

    def _numbers_of_cell(self, text: str) -> Phones:
        if text == "0":
            return []
        phones = read_cell(text, self._region)
        for raw, line in phones:
            if line.e164 in self._own_numbers:
                raise BadCell("own_number", f"{raw!r} is one of the hotline's own numbers.")
        return phones


def _both(phones: Phones, more: Phones) -> Phones:
    """Numbers of two cells; of the same number the first."""
    if not phones and len(more) == 1:
        return more
    by_number: dict[str, tuple[str, Line]] = {}
    for phone in chain(phones, more):
        by_number.setdefault(phone[1].e164, phone)
    return list(by_number.values())


def _name_forms(name: str) -> LatinForms:
    # Not remembered: there are so many names that looking for one costs as much as its parts do, which are.
    forms = latin(name)
    if len(forms.latin_name) <= USUAL_LENGTH:
        return forms
    return LatinForms(*(form[:USUAL_LENGTH] for form in forms))
