"""The rows of a sheet, one after the other as its document streams by."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, Protocol

from app.domain.importing.sheet_values import Shown, iso_text, number_text
from app.services.imports.tables import Row
from app.services.imports.xlsx.markup import Attributes, Handlers, Markup, RichText, damaged, unescaped

LAST_ROW: Final = 1_048_576
LAST_COLUMN: Final = 16_384

_DIGITS: Final = "0123456789"

Meaning = Callable[[str, Attributes], str]


class Texts(Protocol):
    """Texts that cells mean by a number."""

    def __getitem__(self, number: int, /) -> str:
        """One of them."""


def read_rows(
    blocks: Iterator[bytes], strings: Texts, formats: Mapping[str, Shown], *, is_1904: bool, widest: int
) -> Iterator[Row]:
    """The rows that have anything in them, each with its number and its cells as far as the last that is not empty.

    Args:
        formats: what the styles of cells show numbers as, where that is not a number.
        is_1904: days are counted from 1904 on.
        widest: so many cells of a row are told; what stands further right is told as the one after them.

    Raises:
        BadFile: the sheet is damaged, or its rows are not in their order.
    """
    done: list[Row] = []
    meanings = _meanings(formats, is_1904=is_1904)
    for _ in Markup("worksheet", lambda before: _handlers(before, done, strings, meanings, widest)).feed(blocks):
        yield from done
        done.clear()


def _meanings(formats: Mapping[str, Shown], *, is_1904: bool) -> dict[str | None, Meaning]:
    """What a cell says by its type, given what it holds; one that is of no other type says just that."""

    def number(held: str, cell: Attributes) -> str:
        return number_text(held, formats.get(cell.get("s", ""), Shown.NUMBER), is_1904=is_1904)

    return {
        None: number,
        "n": number,
        "b": lambda held, _: "false" if held in ("0", "false") else "true",
        "d": lambda held, _: iso_text(held),
        "str": lambda held, _: unescaped(held),
        # An error is no value, and what a cell with a text of its own holds besides is only that text again.
        "e": lambda *_: "",
        "inlineStr": lambda *_: "",
    }


def _handlers(
    before: str, done: list[Row], strings: Texts, meanings: dict[str | None, Meaning], widest: int
) -> Handlers:
    # Called five times a cell: what they share are variables, not attributes, and the commonest is asked for first.
    row_name, cell_name, value_name = f"{before}row", f"{before}c", f"{before}v"
    rich = RichText(before)
    texts, said = rich.texts, rich.said
    columns: dict[str, int] = {}
    row: Attributes | None = None
    cell: Attributes | None = None
    held: str | None = ""
    cells: list[str] = []
    number = column = 0
    reference: str | None = None

    def start(name: str, attributes: Attributes) -> None:
        nonlocal row, cell, held, cells, column, reference
        if name == value_name:
            if held is None:
                raise damaged("a value stands in a value")
            held = None
            texts.clear()
        elif name == cell_name:
            if cell is not None or row is None:
                raise damaged("a cell stands where none may")
            cell, held = attributes, ""
        elif name == row_name:
            if row is not None:
                raise damaged("a row stands in a row")
            row, cells, column, reference = attributes, [], 0, None
            texts.clear()
        else:
            rich.start(name, attributes)

    def end(name: str) -> None:
        nonlocal row, cell, held, column, number, reference
        if name == value_name:
            held = "".join(texts)
        elif name == cell_name:
            assert cell is not None
            if "r" in cell:
                reference = cell["r"]
                letters = reference.rstrip(_DIGITS)
                if letters not in columns:
                    columns[letters] = _column(letters)
                column = columns[letters]
            elif column >= LAST_COLUMN:
                raise damaged(f"a row has more than {LAST_COLUMN:,} cells")
            text = ""
            if held:
                kind = cell.get("t")
                if kind == "s":
                    text = strings[_whole(held)]
                else:
                    text = meanings[kind](held, cell) if kind in meanings else held
            if said:
                text = rich.take()
            if text:
                place = min(column, widest)
                if place == len(cells):
                    cells.append(text)
                else:
                    cells.extend([""] * (place + 1 - len(cells)))
                    cells[place] = text
            column += 1
            cell = None
        elif name == row_name:
            assert row is not None
            number = _number(row.get("r", reference), number)
            if cells:
                done.append((number, cells))
            row = None
        else:
            rich.end(name)

    return Handlers(start, end, texts)


def _whole(told: str) -> int:
    try:
        return int(told)
    except ValueError:
        raise damaged(f"there is {told[:20]!r} where a number should be") from None


def _column(letters: str) -> int:
    """Where a column is, from 0 on."""
    place = 0
    for letter in letters[:4].upper():
        place = place * 26 + ord(letter) - ord("A") + 1
    if not (letters.isascii() and letters.isalpha() and place <= LAST_COLUMN):
        raise damaged(f"there is no column {letters[:20]!r}")
    return place - 1


def _number(told: str | None, before: int) -> int:
    """A row's number: the one it tells, or one of its cells does by its place, else the one after the row before."""
    number = before + 1 if told is None else _whole(told.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"))
    if number <= before:
        raise damaged(f"row {number} stands after row {before}")
    if number > LAST_ROW:
        raise damaged(f"row {number} is below the last that a sheet can have, {LAST_ROW:,}")
    return number
