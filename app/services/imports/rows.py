"""What the rows of a file say: from cells to the text that PostgreSQL's COPY takes.

Runs in a process of its own beside the one that talks to the database (`helper.py`), because for a million rows it is
the larger part of the work that is not the database's.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

import orjson
from uuid_utils import uuid7

from app.domain.customer_facts import MOST_PHONES, Channel, CustomerKind, Direction, Gender, MaritalStatus
from app.domain.identity import national_id_form
from app.domain.importing.cells import (
    BadCell,
    digits,
    read_amount,
    read_count,
    read_date,
    read_time,
    read_truth,
    read_value,
    tidy,
)
from app.domain.importing.headers import USUAL_VALUES
from app.domain.importing.mapping import Mapping, MappingError, plain_header
from app.domain.importing.phones import Line, follows_from, read_cell
from app.domain.survivorship import FIELDS
from app.services.names import latin

LONGEST_ID: Final = 200
_REMEMBERED: Final = 4_000
"""So many different cells of a column are remembered with what they mean."""
_VERSION: Final = b"1"
"""Raised when rows are read otherwise than before, so that the next run of an old file reads them anew."""

Cells = Sequence[str]
_RANGES: Final[dict[str, type[StrEnum]]] = {
    "gender": Gender,
    "kind": CustomerKind,
    "marital_status": MaritalStatus,
    "channel": Channel,
    "direction": Direction,
}
_LONGEST: Final = {
    "title": 40, "city": 40, "postcode": 40, "income_band": 40, "education": 40, "company_size": 40, "language": 35,
    "surname": 40, "email": 254, "summary": 4000, "resolution": 4000, "unit": 40, "model": 100,
}  # fmt: skip
_USUAL_LENGTH: Final = 200


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


@dataclass(slots=True)
class Batch:
    """The rows of a chunk as COPY's text, table by table, and those that were not taken.

    Of fresh rows `customers`, `records` and `phones` are those tables' own; the others are put beside them first
    (`staged`, `staged_phones`), and so are all items.
    """

    customers: list[str] = field(default_factory=list)
    records: list[str] = field(default_factory=list)
    phones: list[str] = field(default_factory=list)
    staged: list[str] = field(default_factory=list)
    staged_phones: list[str] = field(default_factory=list)
    items: list[str] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)


CUSTOMER_COLUMNS: Final = ("id", "settled_at", *FIELDS)
RECORD_COLUMNS: Final = tuple("id customer_id source external_id content_hash said_at payload fields derived".split())
STAGED_COLUMNS: Final = tuple("row_no id external_id fingerprint said_at payload fields derived".split())
PHONE_COLUMNS: Final = tuple("id customer_id e164 national_number bucket raw extension line_type is_primary".split())
STAGED_PHONE_COLUMNS: Final = ("row_no", *PHONE_COLUMNS[:1], *PHONE_COLUMNS[2:])
ITEM_COLUMNS: Final = tuple("row_no id customer_id kind external_id told".split())


@dataclass(frozen=True, slots=True)
class House:
    """What rows are read by besides their mapping: the house's region and zone, its own numbers, and the source."""

    region: str
    zone: str
    own_numbers: frozenset[str]
    source: str


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

    def fingerprint(self, cells: Cells) -> bytes:
        """Of all that the row says of the customer, and of how it is read."""
        own = self._salt.copy()
        told = cells if self._told is None else [cells[place] for place in self._told]
        own.update("\x1f".join(told).encode("utf-8", "surrogatepass"))
        return own.digest()


class RowReader:
    """Reads the rows of one file by its mapping.

    Args:
        header: the columns as the file names them.

    Raises:
        MissingColumns: the mapping names columns that the file lacks.
    """

    def __init__(self, mapping: Mapping, header: Cells, house: House) -> None:
        self._mapping = mapping
        self._house = house
        self._region = mapping.region or house.region
        self._zone = ZoneInfo(mapping.zone or house.zone)
        self._header = tuple(name or f"#{place + 1}" for place, name in enumerate(header))
        places = places_of(mapping, header)
        self._of = {field: tuple(places[name] for name in names) for field, names in mapping.columns.items()}
        self._usage = {key: places[column] for key, column in mapping.usage.items()}
        self._values = {
            name: {
                word.casefold(): meaning
                for word, meaning in {**USUAL_VALUES.get(_part(name), {}), **mapping.values.get(name, {})}.items()
            }
            for name in {*mapping.columns, *mapping.values}
            if name in mapping.values or _part(name) in USUAL_VALUES
        }
        self._check_values()
        self._plain = [
            # What a column holds is mostly a few words again and again.
            (field, self._of[field][0], self._cleaner(field), dict[str, Any]())
            for field in self._of
            if "." not in field and field not in _READ_APART
        ]
        self._has_name = any(name in self._of for name in ("name", "surname", "given_name"))
        self._kinds = mapping.items()
        self._constants = self._read_constants()

    def _check_values(self) -> None:
        for name, words in self._values.items():
            allowed = _RANGES.get(_part(name))
            wrong = [word for word in words.values() if allowed is not None and word not in set(allowed)]
            if wrong and allowed is not None:
                raise MappingError(
                    f"`values.{name}` has {wrong[0]!r}; there are {', '.join(repr(str(each)) for each in allowed)}."
                )

    def _read_constants(self) -> dict[str, Any]:
        try:
            return {
                field: self._cleaner(field)(value)
                for field, value in self._mapping.constants.items()
                if "." not in field
            }
        except BadCell as wrong:
            raise MappingError(f"`constants`: {wrong.detail}") from None

    def _cleaner(self, name: str) -> Callable[[str], Any]:
        part = _part(name)
        words = self._values.get(name)
        if words is not None:
            return lambda text: _meant(text, words, part)
        formats = self._mapping.date_formats
        if part == "birth_date":
            return lambda text: read_date(text, formats).isoformat()
        if part == "said_at":
            return lambda text: read_time(text, formats, self._zone).isoformat()
        if part == "do_not_call":
            return read_truth
        if part == "national_id":
            return lambda text: _within(national_id_form(digits(text)), 32)
        if part == "email":
            return _email
        if part == "time_zone":
            return _zone
        if part == "postcode":
            width = self._mapping.pad.get(name, 6 if self._region == "CN" else 0)
            return lambda text: _filled_up(digits(text), width)
        width = self._mapping.pad.get(name, 0)
        longest = _LONGEST.get(part, _USUAL_LENGTH)
        if width:
            return lambda text: _within(_filled_up(digits(text), width), longest)
        return lambda text: _within(text, longest)

    def read(self, row_no: int, external_id: str, fingerprint: bytes, cells: Cells, how: How, batch: Batch) -> None:
        """Put what one row says into `batch`, or why it is not taken; never half of it."""
        if "\x00" in "".join(cells):
            cells = [cell.replace("\x00", "") for cell in cells]
        try:
            said, said_at = self._said(cells)
            if how is How.FRESH and "name" not in said:
                raise BadCell("no_name", "A new customer needs a name.")
            phones = self._phones(cells)
            items = [(kind, self._item(kind, external_id, cells)) for kind in self._kinds if kind in _ITEMS]
            usage = self._used(cells) if "usage" in self._kinds else []
        except BadCell as wrong:
            batch.rejects.append(Reject(row_no, wrong.code, wrong.detail))
            return
        customer_id = str(uuid7()) if how is How.FRESH else _NULL
        if how is How.ITEMS_ONLY:
            batch.staged.append(f"{row_no}\t{_NULL}\t{_escaped(external_id)}{_NOTHING_SAID}")
        else:
            payload = _json({name: cell for name, cell in zip(self._header, cells, strict=False) if cell})
            first = next(iter(phones.values()), None)
            follows = (
                follows_from(first[1].country, first[1].zones, said.get("region"))
                if first
                else follows_from(None, (), said.get("region"))
            )
            told = (
                f"\t{_escaped(external_id)}\t\\\\x{fingerprint.hex()}\t{said_at or _NOW}\t{payload}\t{_json(said)}\t"
                f"{_json_of_pairs(follows)}\n"
            )
            lines = [
                f"\t{line.e164}\t{line.national_number}\t{line.bucket}\t{_escaped(raw[:64])}\t{_escaped(line.extension)}\t"
                f"{line.line_type.value}\t{'t' if place == 0 else 'f'}\n"
                for place, (raw, line) in enumerate(phones.values())
            ]
            if how is How.FRESH:
                batch.customers.append(f"{customer_id}\t{_NOW}\t{_columns(said, follows)}\n")
                batch.records.append(f"{uuid7()}\t{customer_id}\t{self._house.source}{told}")
                batch.phones.extend(f"{uuid7()}\t{customer_id}{line}" for line in lines)
            else:
                batch.staged.append(f"{row_no}\t{uuid7()}{told}")
                batch.staged_phones.extend(f"{row_no}\t{uuid7()}{line}" for line in lines)
        for kind, item in items:
            if item is not None:
                key, thing = item
                batch.items.append(f"{row_no}\t{uuid7()}\t{customer_id}\t{kind}\t{_escaped(key)}\t{_json(thing)}\n")
        for key, at, value in usage:
            measured = _json({"at": at, "value": value})
            batch.items.append(f"{row_no}\t{uuid7()}\t{customer_id}\tusage\t{key}\t{measured}\n")

    def _said(self, cells: Cells) -> tuple[dict[str, Any], str | None]:
        """What a row says of the customer's fields, and when the source said so. Raises BadCell."""
        said = {**self._constants}
        for name, place, clean, known in self._plain:
            cell = cells[place]
            if cell:
                value = known.get(cell)
                if value is None:
                    text = tidy(cell)
                    if not text:
                        continue
                    value = clean(text)
                    if len(known) < _REMEMBERED:
                        known[cell] = value
                said[name] = value
        self._add_name(cells, said)
        if "address" in self._of:
            address = self._joined("address", cells)
            if address:
                said["address"] = _within(address, 200)
        if said.get("do_not_call") is False:
            # That a system does not know of any objection is no permission.
            del said["do_not_call"]
        contact = self._contact(cells)
        if contact is not None:
            said["contacts"] = [contact]
        return said, said.pop("said_at", None)

    def _joined(self, name: str, cells: Cells) -> str:
        """What the columns of a field say together."""
        places = self._of[name]
        if len(places) == 1:
            return tidy(cells[places[0]])
        return " ".join(filter(None, (tidy(cells[place]) for place in places)))

    def _text(self, name: str, cells: Cells) -> str:
        """What a column says of a field of one column, or the constant; empty for nothing."""
        places = self._of.get(name)
        text = tidy(cells[places[0]]) if places else ""
        return text or self._mapping.constants.get(name, "")

    def _add_name(self, cells: Cells, said: dict[str, Any]) -> None:
        if not self._has_name:
            return
        if "name" in self._of:
            name = self._joined("name", cells)
        else:
            surname, given = self._text("surname", cells), self._text("given_name", cells)
            is_latin = f"{surname}{given}".isascii()
            name = f"{given} {surname}".strip() if is_latin else f"{surname}{given}"
        if not name:
            raise BadCell("no_name", "The row has no name.")
        said["name"] = _within(name, 200)
        forms = ("", "", "") if said.get("kind") == "company" else _name_forms(name)
        for form_of, form in zip(("latin_name", "latin_surname", "surname"), forms, strict=True):
            said.setdefault(form_of, form[:200])

    def _phones(self, cells: Cells) -> dict[str, tuple[str, Line]]:
        phones: dict[str, tuple[str, Line]] = {}
        for place in self._of.get("phone", ()):
            text = tidy(cells[place])
            if text and text != "0":
                for raw, line in read_cell(text, self._region):
                    if line.e164 in self._house.own_numbers:
                        raise BadCell("own_number", f"{raw!r} is one of the hotline's own numbers.")
                    phones.setdefault(line.e164, (raw, line))
        if len(phones) > MOST_PHONES:
            raise BadCell("too_many_phones", f"A customer has at most {MOST_PHONES} numbers.")
        return phones

    def _contact(self, cells: Cells) -> dict[str, Any] | None:
        if "contact" not in self._kinds:
            return None
        name = _within(self._text("contact.name", cells), 200)
        if not name:
            return None
        email = self._text("contact.email", cells)
        return {
            "name": name,
            "role": _within(self._text("contact.role", cells), 40),
            "phone": _within(digits(self._text("contact.phone", cells)), 200),
            "email": _email(email) if email else None,
        }

    def _used(self, cells: Cells) -> list[tuple[str, str, str]]:
        values = [(key, tidy(cells[place])) for key, place in self._usage.items()]
        if not any(text for _, text in values):
            return []
        at = self._time("usage.at", cells)
        return [(key, at, str(read_value(text))) for key, text in values if text]

    def _item(self, kind: str, external_id: str, cells: Cells) -> tuple[str, dict[str, Any]] | None:
        """A thing that the row tells besides the customer, and by what the source knows it; None when it tells none.

        A purchase is known by its order and what was bought, for an order may have several lines; what has no id, by
        all that is said of it.
        """
        places = [place for name, places in self._of.items() if name.startswith(f"{kind}.") for place in places]
        if not any(tidy(cells[place]) for place in places):
            return None
        told = _ITEMS[kind](self, cells)
        key = _within(digits(self._text("contract.number" if kind == "contract" else f"{kind}.id", cells)), LONGEST_ID)
        if not key:
            return f"{kind}#{_short_hash(external_id, *map(str, told.values()))}", told
        if kind == "purchase":
            return f"{key}#{_short_hash(told['product'], told['model'], told['serial_number'])}", told
        return key, told

    def _date(self, name: str, cells: Cells) -> str | None:
        text = self._text(name, cells)
        return read_date(text, self._mapping.date_formats).isoformat() if text else None

    def _time(self, name: str, cells: Cells) -> str:
        text = self._text(name, cells)
        if not text:
            raise BadCell("missing", f"The row has no {name}.")
        return read_time(text, self._mapping.date_formats, self._zone).isoformat()

    def _needed(self, name: str, cells: Cells, longest: int = _USUAL_LENGTH) -> str:
        text = self._text(name, cells)
        if not text:
            raise BadCell("missing", f"The row has no {name}.")
        return _within(text, longest)

    def _money(self, kind: str, cells: Cells) -> dict[str, Any]:
        text = self._text(f"{kind}.amount", cells)
        if not text:
            return {"amount": None, "currency": None}
        currency = self._text(f"{kind}.currency", cells) or ("CNY" if self._region == "CN" else "")
        words = {"人民币": "CNY", "元": "CNY", "rmb": "CNY", "¥": "CNY", "美元": "USD", "$": "USD", "欧元": "EUR"}
        currency = words.get(currency.casefold(), currency.upper())
        if len(currency) != 3 or not (currency.isascii() and currency.isalpha()):
            raise BadCell("bad_value", f"{currency!r} is no currency (ISO 4217), which an amount needs.")
        return {"amount": str(read_amount(text)), "currency": currency}

    def _purchase(self, cells: Cells) -> dict[str, Any]:
        quantity = self._text("purchase.quantity", cells)
        on = self._date("purchase.date", cells)
        if on is None:
            raise BadCell("missing", "The row has no purchase.date.")
        return {
            "product": self._needed("purchase.product", cells),
            "product_en": _within(self._text("purchase.product_en", cells), 200),
            "model": _within(self._text("purchase.model", cells), 200),
            "serial_number": _within(digits(self._text("purchase.serial_number", cells)), 200),
            "quantity": read_count(quantity) if quantity else 1,
            "unit": _within(self._text("purchase.unit", cells), 40),
            **self._money("purchase", cells),
            "purchased_on": on,
            "warranty_until": self._date("purchase.warranty_until", cells),
        }

    def _contract(self, cells: Cells) -> dict[str, Any]:
        starts, ends = self._date("contract.starts_on", cells), self._date("contract.ends_on", cells)
        if starts is None or ends is None:
            raise BadCell("missing", "A contract has a first and a last day.")
        if ends < starts:
            raise BadCell("bad_date", "The contract ends before it begins.")
        return {
            "number": self._needed("contract.number", cells),
            "title": _within(self._text("contract.title", cells), 200),
            **self._money("contract", cells),
            "starts_on": starts,
            "ends_on": ends,
        }

    def _contact_made(self, cells: Cells) -> dict[str, Any]:
        return {
            "kind": "contact",
            "at": self._time("interaction.at", cells),
            "channel": self._word("interaction.channel", cells, "call"),
            "direction": self._word("interaction.direction", cells, "inbound"),
            "summary": self._needed("interaction.summary", cells, 4000),
        }

    def _complaint(self, cells: Cells) -> dict[str, Any]:
        summary, resolution = self._needed("complaint.summary", cells, 4000), self._text("complaint.resolution", cells)
        return {
            "kind": "complaint",
            "at": self._time("complaint.at", cells),
            "channel": self._word("complaint.channel", cells, "call"),
            "direction": "inbound",
            "summary": _within(f"{summary}\n→ {resolution}" if resolution else summary, 4000),
        }

    def _word(self, name: str, cells: Cells, otherwise: str) -> str:
        text = self._text(name, cells)
        words = self._values.get(name) or USUAL_VALUES[_part(name)]
        return _meant(text, words, _part(name)) if text else otherwise


_READ_APART: Final = frozenset({"id", "name", "surname", "given_name", "address", "phone"})
_ITEMS: Final[dict[str, Callable[[RowReader, Cells], dict[str, Any]]]] = {
    "purchase": RowReader._purchase,  # noqa: SLF001 - its own
    "contract": RowReader._contract,  # noqa: SLF001
    "interaction": RowReader._contact_made,  # noqa: SLF001
    "complaint": RowReader._complaint,  # noqa: SLF001
}
_NULL: Final = "\\N"
_NOW: Final = "now"
"""PostgreSQL's own word for the moment at which the transaction began."""
_NOTHING_SAID: Final = f"\t{_NULL}\t{_NULL}\t{_NULL}\t{_NULL}\t{_NULL}\n"


def _is_of_customer(name: str) -> bool:
    return "." not in name or name.startswith("contact.")


def _part(name: str) -> str:
    return name.rpartition(".")[2]


def _meant(text: str, words: dict[str, str] | Any, part: str) -> str:
    meaning = words.get(text.casefold())
    if meaning is None:
        allowed = _RANGES.get(part)
        if allowed is None:
            return _within(text, _LONGEST.get(part, _USUAL_LENGTH))
        raise BadCell(
            "bad_value", f"{text[:60]!r} means no {part} that we know; `values.{part}` can say what it means."
        )
    return str(meaning)


def _within(text: str, longest: int) -> str:
    if len(text) > longest:
        raise BadCell("too_long", f"{text[:30]!r}… is longer than {longest} characters.")
    return text


def _email(text: str) -> str:
    name, at, host = text.partition("@")
    if not at or not 1 <= len(name) <= 64 or not host or "@" in host or " " in text or len(text) > 254:
        raise BadCell("bad_email", f"{text[:60]!r} is no e-mail address.")
    return text


@lru_cache(maxsize=1024)
def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        raise BadCell("bad_value", f"{text[:60]!r} is no time zone (IANA).") from None
    return text


def _filled_up(text: str, width: int) -> str:
    return text.zfill(width) if text.isdecimal() else text


@lru_cache(maxsize=65_536)
def _name_forms(name: str) -> tuple[str, str, str]:
    return latin(name)


def _short_hash(*parts: str) -> str:
    return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=9).hexdigest()


def _json(told: Any) -> str:
    text = orjson.dumps(told).decode()
    return text.replace("\\", "\\\\") if "\\" in text else text


_IF_NOTHING_IS_SAID: Final = {
    "kind": "person",
    "surname": "",
    "latin_name": "",
    "latin_surname": "",
    "title": "",
    "gender": "unknown",
    "do_not_call": "f",
}
"""As `services/survivorship.py` has it: a single record settles to what it says itself."""
_NOTHING: Final = [_IF_NOTHING_IS_SAID.get(name, _NULL) for name in FIELDS]
_PLACE: Final = {name: place for place, name in enumerate(FIELDS)}


def _columns(said: dict[str, Any], follows: tuple[tuple[str, str], ...]) -> str:
    """A new customer's own columns, in the order of `FIELDS`."""
    cells = _NOTHING.copy()
    for name, value in follows:
        cells[_PLACE[name]] = value
    for name, value in said.items():
        if value.__class__ is str:
            cells[_PLACE[name]] = value.replace("\\", "\\\\") if "\\" in value else value
        elif value is not None:
            cells[_PLACE[name]] = "t" if value is True else _json(value)
    return "\t".join(cells)


def _json_of_pairs(pairs: tuple[tuple[str, str], ...]) -> str:
    return _json(dict(pairs)) if pairs else _NULL


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\") if "\\" in text else text
