"""A column at one look, held against what its cells mean one by one."""

import json
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.domain.importing.cells import NOTHING, BadCell, tidy
from app.domain.importing.columns import BETWEEN, look_at, tidied
from app.domain.importing.mapping import CUSTOMER_FIELDS, Mapping, parse_mapping
from app.domain.importing.phones import read_cell, read_mobiles
from app.services.imports.copy_text import PHONE_COLUMNS, RECORD_COLUMNS, tell
from app.services.imports.keys import How, Keys
from app.services.imports.meanings import Meanings
from app.services.imports.rows import House, RowReader, Rows, ToRead

WORDS = st.sampled_from(sorted(NOTHING)).flatmap(
    lambda word: st.tuples(*(st.sampled_from((char, char.upper())) for char in word)).map("".join)
)
USUAL = st.sampled_from(["", "南京", "a b", "a@b.cn", "13800138000", "13900139000", "1985-07-01"])
UNUSUAL = st.sampled_from(
    [
        "=1+1",
        "+1",
        "-5",
        "@x",
        " a",
        "a ",
        "a  b",
        "\u3000",
        "a\tb",
        "\x00",
        "\\",
        '"',
        BETWEEN,
        f"a@b.cn{BETWEEN}c",
        "x" * 201,
        f"{'a' * 65}@b.cn",
        "a@b@c",
        "15412345678",
        "13800138000/13900139000",
        "13800138000\\",
    ]
)
CELLS = st.one_of(USUAL, UNUSUAL, WORDS, st.emails(), st.text(max_size=12))
COLUMNS = st.one_of(
    st.lists(CELLS, min_size=1, max_size=6),
    st.tuples(st.lists(USUAL, max_size=4), st.one_of(UNUSUAL, WORDS)).map(lambda told: [*told[0], told[1]]),
    st.lists(st.sampled_from(["", "13800138000", "13900139000"]), min_size=1, max_size=6),
)
READ_APART = {"id", "name", "surname", "given_name", "address", "phone"}


def by_itself(cell: str) -> str:
    """The cell tidied, or why it cannot be."""
    try:
        return tidy(cell)
    except BadCell as refused:
        return refused.code


@given(COLUMNS)
@example(["@x"])
@example(["a", "+x(1)"])
@example(["-x|1", ""])
@example(["a", " b"])
@example(["a ", "b"])
@example(["N/a"])
def test_a_tidy_column_is_tidy_cell_by_cell(cells: list[str]) -> None:
    wrong: dict[int, BadCell] = {}

    column = look_at(cells)
    texts = tidied(column, wrong).cells

    assert not column.is_tidy or [by_itself(cell) for cell in column.cells] == list(column.cells)
    assert [wrong[place].code if place in wrong else text for place, text in enumerate(texts)] == [
        by_itself(cell) for cell in cells
    ]


def test_a_tidy_column_is_known_as_one() -> None:
    assert look_at(["鲁大伟", "", "a b", "138-0013-8000", "N/A Ltd."]).is_tidy
    assert look_at(["鲁大伟", "A\\B"]).is_tidy
    assert not look_at(["鲁大伟", "A\\B"]).is_plain


@given(COLUMNS)
def test_a_plain_column_needs_no_escapes(cells: list[str]) -> None:
    column = look_at(cells)

    if column.is_plain:
        assert [orjson.dumps(cell).decode() for cell in column.cells] == [f'"{cell}"' for cell in column.cells]
        assert not set("\\\t\n\r") & set("".join(column.cells))


@given(COLUMNS)
@example([f"a@b.cn{BETWEEN}c@d.cn"])
@example([f"{'a' * 65}@b.cn"])
@example([f"a@{'b' * 253}"])
@example(["", "x" * 201])
def test_what_a_field_leaves_as_it_is_means_itself(cells: list[str]) -> None:
    column = tidied(look_at(cells), {})
    meanings = Meanings(Mapping({"id": ("a",)}), "CN", ZoneInfo("Asia/Shanghai"))

    for meaning in map(meanings.of, sorted(CUSTOMER_FIELDS - READ_APART)):
        if meaning.leaves is not None and meaning.leaves(column):
            assert [meaning.of_cell(cell) for cell in column.cells if cell] == list(filter(None, column.cells))


@pytest.mark.parametrize("name", ["email", "city", "occupation"])
def test_usual_cells_are_left_at_one_look(name: str) -> None:
    leaves = Meanings(Mapping({"id": ("a",)}), "CN", ZoneInfo("Asia/Shanghai")).of(name).leaves

    assert leaves is not None
    assert leaves(look_at(["a@b.cn", "", "user.1+x@example.com"]))


@given(COLUMNS)
@example([f"13800138000{BETWEEN}13900139000"])
@example(["13800138000", "15412345678"])
def test_mobiles_are_read_as_cell_by_cell(cells: list[str]) -> None:
    column = look_at(cells)

    read = read_mobiles(column, "CN")

    assert read is None or read == [read_cell(cell, "CN") if cell else [] for cell in column.cells]


def test_a_column_of_mobiles_is_known_as_one() -> None:
    column = look_at(["13800138000", "", "13900139000"])

    assert read_mobiles(column, "CN") is not None
    assert read_mobiles(column, "US") is None


@given(
    st.lists(st.one_of(CELLS, st.from_regex(r"\A[A-Za-z_-]{0,3}[0-9]{0,4}[.eE]?[0-9]{0,2}\Z")), min_size=1, max_size=6)
)
@example([f"1{BETWEEN}2"])
@example(["1E20"])
@example(["=1"])
def test_ids_are_told_as_row_by_row(cells: list[str]) -> None:
    keys = Keys(Mapping({"id": ("a",)}), ["a"])
    wrong: dict[int, BadCell] = {}

    ids = keys.external_ids([[cell] for cell in cells], wrong)

    for place, cell in enumerate(cells):
        if place in wrong:
            with pytest.raises(BadCell):
                keys.external_id([cell])
        else:
            assert ids[place] == keys.external_id([cell])


def test_usual_ids_are_known_as_such() -> None:
    keys, ids = Keys(Mapping({"id": ("a",)}), ["a", "b"]), ("S00000001", "C-17", "42")

    assert tuple(keys.external_ids([[id_, ""] for id_ in ids], {})) == ids


MAPPING = parse_mapping("""
[columns]
id = "a"
name = "b"
email = "c"
city = ["d"]
phone = ["e", "f"]
birth_date = "g"
do_not_call = "h"
"purchase.product" = "d"
"purchase.date" = "g"
[constants]
do_not_call = "yes"
gender = "female"
""")
HEADER = list("abcdefgh")
HOUSE = House("CN", "Asia/Shanghai", frozenset({"+8613900139000"}), "sales")
CUSTOMER_COLUMNS = set(
    "id settled_at name surname latin_name latin_surname gender do_not_call email language time_zone city "
    "birth_date".split()
)
ROWS = st.lists(st.tuples(*[CELLS] * len(HEADER)), min_size=1, max_size=8)


def read(rows: list[tuple[str, ...]], how: How) -> Rows:
    reader = RowReader(MAPPING, HEADER, HOUSE)
    places = range(len(rows))
    ids = [f"S-{place}" for place in places]
    return reader.read(ToRead(places, ids, [b""] * len(rows), rows, [how] * len(rows)))


def said(rows: Rows, place: int) -> Any:
    """All that a row says, or why it is not taken."""
    if place in rows.wrong:
        return rows.wrong[place].code, rows.wrong[place].detail
    fields = {name: of_rows.values[place] for name, of_rows in rows.fields.items()}
    return fields, rows.phones[place], rows.items[place]


@given(ROWS, st.sampled_from(How))
def test_rows_say_the_same_side_by_side_and_alone(rows: list[tuple[str, ...]], how: How) -> None:
    together = read(rows, how)
    alone = [said(read([row], how), 0) for row in rows]

    # What has no id of its own is known by the customer's, which counts the rows here.
    assert [told[:2] for told in map(partial(said, together), range(len(rows)))] == [told[:2] for told in alone]


@given(ROWS)
@example([("", 'A\\B"', "", "", "13800138000\\", "", "", "")])
def test_what_is_told_is_what_is_said(rows: list[tuple[str, ...]]) -> None:
    read_rows = read(rows, How.FRESH)

    batch = tell(read_rows, HEADER, "sales")

    taken = [place for place in range(len(rows)) if place not in read_rows.wrong]
    assert [reject.row_no for reject in batch.rejects] == sorted(read_rows.wrong)
    assert len(batch.customers) == len(batch.records) == len(taken)
    assert set(batch.customer_columns) == (CUSTOMER_COLUMNS if taken else set()), "whatever the rows say"
    for place, customer, record in zip(taken, batch.customers, batch.records, strict=True):
        fields, phones, _ = said(read_rows, place)
        columns = dict(zip(batch.customer_columns, unescaped(customer), strict=True))
        told = dict(zip(RECORD_COLUMNS, unescaped(record), strict=True))
        assert (told["customer_id"], told["source"], told["external_id"]) == (columns["id"], "sales", f"S-{place}")
        cells = {name: cell.replace("\x00", "") for name, cell in zip(HEADER, rows[place], strict=True)}
        payload = json.loads(told["payload"] or "")
        assert list(payload.items()) == [(name, cell) for name, cell in cells.items() if cell], "in the file's order"
        assert json.loads(told["fields"] or "") == {name: value for name, value in fields.items() if value is not None}
        for name in ("name", "email", "city", "birth_date", "surname", "latin_name", "gender"):
            assert columns[name] == fields[name]
        assert columns["do_not_call"] == ("t" if fields["do_not_call"] else "f")
        lines = [dict(zip(PHONE_COLUMNS, unescaped(line), strict=True)) for line in batch.phones]
        assert [
            (line["e164"], line["raw"], line["is_primary"]) for line in lines if line["customer_id"] == columns["id"]
        ] == [(line.e164, raw[:64], "f" if no else "t") for no, (raw, line) in enumerate(phones)]
    # Nobody looks afterwards whether they are there.
    assert {unescaped(line)[0] for line in batch.phones} <= {unescaped(line)[0] for line in batch.customers}
    ids = [line.partition("\t")[0] for line in (*batch.customers, *batch.records, *batch.items)]
    ids += [line.split("\t")[1] for line in batch.phones]
    assert len(set(ids)) == len(batch.customers) + len(batch.records) + len(batch.phones) + len({*batch.items})


def unescaped(line: str) -> list[str | None]:
    """The cells of a line of COPY's text."""
    cells = line.split("\t")
    assert all(cell == "\\N" or "\\" not in cell.replace("\\\\", "") for cell in cells), "a lone backslash is a command"
    return [None if cell == "\\N" else cell.replace("\\\\", "\\") for cell in cells]
