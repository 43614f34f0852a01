"""The mapping: which column of a file is what, as people write it in TOML. `docs/importing.md` explains it."""

import hashlib
import json
import re
import tomllib
import unicodedata
from collections.abc import Mapping as AnyMapping
from dataclasses import dataclass, field
from typing import Any, Final

CUSTOMER_FIELDS: Final = frozenset(
    "id name given_name surname latin_name title kind gender phone email language time_zone region city postcode "
    "address birth_date national_id occupation income_band marital_status education industry company_size site "
    "do_not_call said_at".split()
)
ITEM_FIELDS: Final[AnyMapping[str, frozenset[str]]] = {
    "purchase": frozenset(
        "id product product_en model serial_number quantity unit amount currency date warranty_until".split()
    ),
    "contract": frozenset("id number title amount currency starts_on ends_on".split()),
    "interaction": frozenset("id at channel direction summary".split()),
    "complaint": frozenset("id at channel summary resolution".split()),
    "contact": frozenset("name role phone email".split()),
    "usage": frozenset({"at"}),
}
NEEDED: Final[AnyMapping[str, tuple[str, ...]]] = {
    "purchase": ("product", "date"),
    "contract": ("number", "starts_on", "ends_on"),
    "interaction": ("at", "summary"),
    "complaint": ("at", "summary"),
    "contact": ("name",),
    "usage": ("at",),
}
SEVERAL: Final = frozenset({"id", "phone", "name", "address"})
"""What may stand in several columns: parts of an id, further numbers, parts of a name or an address."""
LARGEST: Final = 256 * 1024

_KEY: Final = re.compile(r"[a-z][a-z0-9_-]{0,39}")


class MappingError(ValueError):
    """The mapping cannot be used; the message says what to change."""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What a mapping says of the file itself; None is found out. `header_row` counts from 1."""

    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    header_row: int | None = None


@dataclass(frozen=True, slots=True)
class Mapping:
    """A mapping that makes sense in itself; whether its columns are in a file is seen when that is opened.

    Attributes:
        columns: by field (`name`, `purchase.product`), the columns that hold it, as written in the header.
        usage: by key of a series, the column with its value.
        constants: by field, a value that holds for every row.
        values: by field, what the file's words mean in ours.
        date_formats: `strptime` formats, tried before the ones that are always understood.
        zone: IANA zone in which the file's times without one are told; None is the house's.
        region: ISO 3166-1 alpha-2; where numbers without a country code are read; None is the house's.
        pad: by field, the digits to which a number is filled up with zeros that a spreadsheet took away.
    """

    columns: AnyMapping[str, tuple[str, ...]]
    usage: AnyMapping[str, str] = field(default_factory=dict)
    constants: AnyMapping[str, str] = field(default_factory=dict)
    values: AnyMapping[str, AnyMapping[str, str]] = field(default_factory=dict)
    date_formats: tuple[str, ...] = ()
    zone: str | None = None
    region: str | None = None
    pad: AnyMapping[str, int] = field(default_factory=dict)
    file: FileFacts = FileFacts()
    source: str | None = None

    def named(self) -> list[str]:
        """Every column that is named, each once."""
        return list(dict.fromkeys([*(name for names in self.columns.values() for name in names), *self.usage.values()]))

    def items(self) -> list[str]:
        """Which kinds of things the rows hold besides customers."""
        kinds = {name.partition(".")[0] for name in (*self.columns, *self.constants) if "." in name}
        return [kind for kind in ITEM_FIELDS if kind in kinds or (kind == "usage" and self.usage)]

    def digest(self) -> bytes:
        """Equal for mappings that read rows alike."""
        told = [
            {key: list(names) for key, names in self.columns.items()},
            *(dict(part) for part in (self.usage, self.constants, self.pad)),
            {key: dict(words) for key, words in self.values.items()},
            self.date_formats,
            self.zone,
            self.region,
        ]
        return hashlib.blake2b(json.dumps(told, sort_keys=True).encode(), digest_size=16).digest()


def plain_header(text: str) -> str:
    """A column's name as it is compared: without case, width, spaces and colons."""
    return re.sub(r"[\s:：*_\-]+", "", unicodedata.normalize("NFKC", text)).casefold()


def parse_mapping(written: str) -> Mapping:
    """The mapping out of the text of a TOML file.

    Raises:
        MappingError: it is no TOML, too long, or `read_mapping` refuses it.
    """
    if len(written) > LARGEST:
        raise MappingError("The mapping is too long.")
    try:
        told = tomllib.loads(written)
    except tomllib.TOMLDecodeError as error:
        raise MappingError(f"The mapping is no TOML: {error}") from None
    return read_mapping(told)


def read_mapping(told: AnyMapping[str, Any]) -> Mapping:
    """The mapping out of parsed TOML (or the same as JSON).

    Raises:
        MappingError: something in it is unknown, missing or of the wrong kind.
    """
    unknown = told.keys() - {"source", "region", "file", "columns", "values", "dates", "constants", "pad", "usage"}
    if unknown:
        raise MappingError(f"The mapping has a part that means nothing: {_words(unknown)}.")
    columns = {name: _column_names(name, given) for name, given in _flat(told.get("columns", {}), "columns").items()}
    constants = {name: _text(given, name) for name, given in _flat(told.get("constants", {}), "constants").items()}
    for name in (*columns, *constants):
        _check_field(name)
    usage = {_key(name): _text(column, f"usage.{name}") for name, column in _table(told, "usage").items()}
    if "id" not in columns:
        raise MappingError("The mapping needs a column for `id`: by which the source itself knows a customer.")
    _check_items({*columns, *constants}, has_usage=bool(usage))
    values = {
        name: {_text(word, name): _text(meaning, name) for word, meaning in _table({name: words}, name).items()}
        for name, words in _flat(told.get("values", {}), "values", leaves=dict).items()
    }
    dates = _table(told, "dates")
    _only(dates, {"formats", "zone"}, "dates")
    file = _table(told, "file")
    _only(file, {"encoding", "delimiter", "sheet", "header_row"}, "file")
    header_row = file.get("header_row")
    if header_row is not None and (not isinstance(header_row, int) or not 1 <= header_row <= 1000):
        raise MappingError("`file.header_row` is a line number, from 1 on.")
    delimiter = _optional(file, "delimiter")
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
        raise MappingError("`file.delimiter` is one character.")
    formats = dates.get("formats", [])
    if not isinstance(formats, list) or not all(isinstance(each, str) for each in formats):
        raise MappingError('`dates.formats` is a list such as ["%d/%m/%Y"].')
    pad = _table(told, "pad")
    if not all(isinstance(width, int) and 1 <= width <= 40 for width in pad.values()):
        raise MappingError("`pad` gives a number of digits for a field.")
    source = _optional(told, "source")
    return Mapping(
        columns=columns,
        usage=usage,
        constants=constants,
        values=values,
        date_formats=tuple(formats),
        zone=_optional(dates, "zone"),
        region=_optional(told, "region"),
        pad={str(name): width for name, width in pad.items()},
        file=FileFacts(_optional(file, "encoding"), delimiter, _optional(file, "sheet"), header_row),
        source=source if source is None else _key(source),
    )


def _flat(told: Any, where: str, leaves: type = object) -> dict[str, Any]:
    """`{purchase: {product: …}}`, as TOML reads a dotted key, to `{"purchase.product": …}`."""
    if not isinstance(told, dict):
        raise MappingError(f"`{where}` is a table.")
    flat: dict[str, Any] = {}
    for name, given in told.items():
        if name in ITEM_FIELDS and isinstance(given, dict):
            flat.update({f"{name}.{part}": below for part, below in given.items()})
        else:
            flat[name] = given
    if not all(isinstance(given, leaves) for given in flat.values()):
        raise MappingError(f"`{where}` has a table for each field.")
    return flat


def _column_names(name: str, given: Any) -> tuple[str, ...]:
    names = given if isinstance(given, list) else [given]
    if not names or not all(isinstance(each, str) and each.strip() for each in names):
        raise MappingError(f"`columns.{name}` is the name of a column, or a list of names.")
    if len(names) > 1 and name not in SEVERAL:
        raise MappingError(f"`columns.{name}` can be one column only; several may hold {_words(SEVERAL)}.")
    return tuple(names)


def _check_field(name: str) -> None:
    kind, dot, part = name.partition(".")
    known = part in ITEM_FIELDS.get(kind, ()) if dot else name in CUSTOMER_FIELDS
    if not known:
        choice = ITEM_FIELDS.get(kind, CUSTOMER_FIELDS) if dot else CUSTOMER_FIELDS
        raise MappingError(f"There is no field `{name}`. There are {_words(choice)}.")


def _check_items(given: set[str], *, has_usage: bool) -> None:
    for kind, needed in NEEDED.items():
        is_there = any(name.startswith(f"{kind}.") for name in given) or (kind == "usage" and has_usage)
        missing = [part for part in needed if f"{kind}.{part}" not in given]
        if is_there and missing:
            raise MappingError(f"A {kind} needs {_words(f'{kind}.{part}' for part in missing)} too.")


def _table(told: AnyMapping[str, Any], name: str) -> dict[str, Any]:
    table = told.get(name, {})
    if not isinstance(table, dict):
        raise MappingError(f"`{name}` is a table.")
    return table


def _only(table: AnyMapping[str, Any], known: set[str], where: str) -> None:
    if unknown := table.keys() - known:
        raise MappingError(f"`{where}` has something that means nothing: {_words(unknown)}.")


def _optional(table: AnyMapping[str, Any], name: str) -> str | None:
    return None if table.get(name) is None else _text(table[name], name)


def _text(given: Any, name: str) -> str:
    if not isinstance(given, str):
        raise MappingError(f"`{name}` is a text in quotation marks.")
    return given


def _key(given: str) -> str:
    if not _KEY.fullmatch(given):
        raise MappingError(f"{given!r} is no key: small letters, digits, - and _, beginning with a letter.")
    return given


def _words(names: Any) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))
