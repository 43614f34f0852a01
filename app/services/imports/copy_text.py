"""How rows are told to PostgreSQL: the text that its COPY takes, table by table."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any, Final

import orjson
from uuid_utils import uuid7

from app.domain.derived import derive_from
from app.domain.phone_numbers import RAW_LENGTH
from app.domain.survivorship import DERIVABLE, FIELDS
from app.services.imports.keys import How, Reject
from app.services.imports.rows import Rows, Said, as_it_stands, said

NULL: Final = "\\N"
NOW: Final = "now"
"""PostgreSQL's own word for the moment at which the transaction began."""

RECORD_COLUMNS: Final = tuple("id customer_id source external_id content_hash said_at payload fields derived".split())
STAGED_COLUMNS: Final = tuple("row_no id external_id fingerprint said_at payload fields derived".split())
PHONE_COLUMNS: Final = tuple("customer_id id e164 national_number bucket raw extension line_type is_primary".split())
STAGED_PHONE_COLUMNS: Final = ("row_no", *PHONE_COLUMNS[1:])
ITEM_COLUMNS: Final = tuple("row_no id customer_id kind external_id told".split())

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
_TAB: Final = repeat("\t")
_NOTHING_SAID: Final = f"\t{NULL}" * 5
_TAILS: Final = [f"{number:03x}" for number in range(1 << 12)]


@dataclass(slots=True)
class Batch:
    """Some rows as lines of COPY's text, table by table, and those that were not taken.

    Of fresh rows `customers`, `records` and `phones` are those tables' own; the others are put beside them first
    (`staged`, `staged_phones`), and so are all items. The columns of customers are those of which rows of the file may
    say something, the same for all of its batches with fresh rows.
    """

    customer_columns: tuple[str, ...] = ()
    customers: list[str] = field(default_factory=list)
    records: list[str] = field(default_factory=list)
    phones: list[str] = field(default_factory=list)
    staged: list[str] = field(default_factory=list)
    staged_phones: list[str] = field(default_factory=list)
    items: list[str] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)

    def texts(self) -> list[bytes]:
        """What COPY takes, table by table in the order above."""
        tables = (self.customers, self.records, self.phones, self.staged, self.staged_phones, self.items)
        return ["\n".join([*lines, ""]).encode() for lines in tables]


def tell(rows: Rows, header: Sequence[str], source: str) -> Batch:
    """What rows say, or why they are not taken; never half of one."""
    batch = Batch()
    for place, wrong in sorted(rows.wrong.items()):
        batch.rejects.append(Reject(rows.numbers[place], wrong.code, wrong.detail))
    ids = _new_ids(len(rows))
    fresh, known = rows.read_as(How.FRESH), rows.read_as(How.KNOWN)
    if fresh or known:
        derived, follows = _derive(rows)
        record = _record(rows, header, derived)
        if fresh:
            customers = _customers(ids, rows.fields, follows)
            batch.customer_columns = tuple(customers)
            batch.customers.extend(_picked(list(map("\t".join, zip(*customers.values(), strict=False))), fresh))
            batch.records.extend(
                _picked(_lines(_new_ids(len(rows)), _TAB, ids, repeat(f"\t{source}\t"), *record), fresh)
            )
            batch.phones.extend(_phones(rows, fresh, ids))
        if known:
            batch.staged.extend(_picked(_lines(map(str, rows.numbers), _TAB, ids, _TAB, *record), known))
            batch.staged_phones.extend(_phones(rows, known, rows.numbers))
    for place in rows.read_as(How.ITEMS_ONLY):
        batch.staged.append(f"{rows.numbers[place]}\t{NULL}\t{_escaped(rows.external_ids[place])}{_NOTHING_SAID}")
    if rows.items:
        batch.items.extend(_items(rows, ids))
    return batch


def _new_ids(count: int) -> list[str]:
    """So many new ids, each greater than the one before: UUIDs of version 7 whose last bits count."""
    ids: list[str] = []
    while len(ids) < count:
        ids += map(uuid7().hex[:-3].__add__, _TAILS[: count - len(ids)])
    return ids


def _escaped(text: str) -> str:
    """A text as COPY reads it, if it holds neither a tab nor the end of a line, which no tidy text does."""
    return text.replace("\\", "\\\\") if "\\" in text else text


def _json(value: Any) -> str:
    return _escaped(orjson.dumps(value).decode())


def _lines(*pieces: Iterable[str]) -> list[str]:
    """The pieces of each row put together."""
    return list(map("".join, zip(*pieces, strict=False)))


def _picked(lines: list[str], places: Sequence[int]) -> list[str]:
    return lines if len(places) == len(lines) else [lines[place] for place in places]


def _derive(rows: Rows) -> tuple[Sequence[str], dict[str, Said]]:
    """What follows from each row's number and place: as JSON, and by field."""
    regions = rows.fields["region"].values if "region" in rows.fields else repeat(None)
    keys = [
        (phones[0][1].country, phones[0][1].zones, region) if phones else (None, (), region)
        for phones, region in zip(rows.phones, regions, strict=False)
    ]
    follows = {key: dict(derive_from(*key)) for key in set(keys)}
    told = {key: (_json(pairs) if pairs else NULL, *map(pairs.get, DERIVABLE)) for key, pairs in follows.items()}
    texts, *values = zip(*[told[key] for key in keys], strict=True)
    return texts, {name: said(of_rows) for name, of_rows in zip(DERIVABLE, values, strict=True)}


def _record(rows: Rows, header: Sequence[str], derived: Sequence[str]) -> list[Iterable[str]]:
    """The pieces of source records from the id by which the source knows the customer on."""
    columns = zip(header, rows.columns, strict=True)
    payload = [(name or f"#{place}", as_it_stands(column)) for place, (name, column) in enumerate(columns, start=1)]
    fields = [(name, of_rows) for name, of_rows in rows.fields.items() if name != "said_at"]
    said_at = [at or NOW for at in rows.fields["said_at"].values] if "said_at" in rows.fields else repeat(NOW)
    return [
        list(map(_escaped, rows.external_ids)),
        repeat("\t\\\\x"),
        [fingerprint.hex() for fingerprint in rows.fingerprints],
        _TAB,
        said_at,
        _TAB,
        *_object(payload, len(rows)),
        _TAB,
        *_object(fields, len(rows)),
        _TAB,
        derived,
    ]


def _object(fields: Sequence[tuple[str, Said]], count: int) -> list[Iterable[str]]:
    """The pieces of a JSON object for each of so many rows, its members in the order of the fields."""
    pieces: list[Iterable[str]] = []
    start, end = "{", ""
    for name, of_rows in fields:
        if of_rows.is_plain and None not in of_rows.values:
            pieces += (repeat(f'{end}{start}{_json(name)}:"'), of_rows.values)
            start, end = ",", '"'
        elif pieces:
            pieces += (repeat(end), _members(name, of_rows))
            end = ""
        else:
            # Which member is the first, and has no comma before it, is another in each row.
            members = [_members(name, of_rows) for name, of_rows in fields]
            return [[f"{{{inside[1:]}}}" for inside in _lines(*members)]]
    return [*pieces, repeat(f"{end}}}")] if pieces else [["{}"] * count]


def _members(name: str, of_rows: Said) -> list[str]:
    """Of each row, a member of a JSON object with a comma before it, or nothing."""
    head = f",{_json(name)}:"
    if of_rows.is_plain:
        return [f'{head}"{value}"' if value is not None else "" for value in of_rows.values]
    return [f"{head}{_json(value)}" if value is not None else "" for value in of_rows.values]


def _customers(ids: Sequence[str], fields: dict[str, Said], follows: dict[str, Said]) -> dict[str, Iterable[str]]:
    """New customers by column, as far as anything is said; of the rest the table itself knows what nothing means."""
    columns: dict[str, Iterable[str]] = {"id": ids, "settled_at": repeat(NOW)}
    for name in FIELDS:
        of_rows = fields[name].or_else(follows.get(name)) if name in fields else follows.get(name)
        if of_rows is not None:
            columns[name] = _cells(of_rows, _IF_NOTHING_IS_SAID.get(name, NULL))
    return columns


def _cells(of_rows: Said, nothing: str) -> Sequence[str]:
    if of_rows.is_plain:
        if None not in of_rows.values:
            return of_rows.values
        return [nothing if value is None else value for value in of_rows.values]
    return [nothing if value is None else _cell(value) for value in of_rows.values]


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return _escaped(value)
    return "t" if value is True else _json(value)


def _phones(rows: Rows, places: Sequence[int], whose: Sequence[object]) -> Iterator[str]:
    """The numbers of these rows, each behind `whose` it is: the customer's id, or the row's number beside them."""
    ids = iter(_new_ids(sum(len(rows.phones[place]) for place in places)))
    for place in places:
        is_primary = "t"
        for raw, (e164, national_number, bucket, line_type, extension, _, _) in rows.phones[place]:
            as_written = f"{_escaped(raw[:RAW_LENGTH])}\t{_escaped(extension)}"
            number = f"{e164}\t{national_number}\t{bucket}\t{as_written}\t{line_type}"
            yield f"{whose[place]}\t{next(ids)}\t{number}\t{is_primary}"
            is_primary = "f"


def _items(rows: Rows, customer_ids: Sequence[str]) -> Iterator[str]:
    for place, items in enumerate(rows.items):
        if place in rows.wrong:
            continue
        customer_id = customer_ids[place] if rows.hows[place] == How.FRESH else NULL
        for id_, (kind, key, thing) in zip(_new_ids(len(items)), items, strict=True):
            yield f"{rows.numbers[place]}\t{id_}\t{customer_id}\t{kind}\t{_escaped(key)}\t{_json(thing)}"
