"""The rows of a sheet, one after the other as its document streams by."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from app.domain.importing.sheet_values import Shown, iso_text, number_text
from app.services.imports.tables import Row, damaged
from app.services.imports.xlsx.markup import (
    PLAIN_TEXT,
    Attributes,
    Handlers,
    Markup,
    Plain,
    RichText,
    plainly_said,
    repeated,
    unescaped,
)

LAST_ROW: Final = 1_048_576
LAST_COLUMN: Final = 16_384

_DIGITS: Final = "0123456789"
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PLACE: Final = r'<c r="([A-Z]{1,3})[0-9]{1,7}"(?: s="([0-9]{1,6})")?'
_HELD: Final = r'(?: t="([nsb])")?(?:/>|>(?:<v>([0-9A-Za-z.+-]{1,32})</v>)?</c>)'
_INLINE: Final = rf' t="inlineStr"><is>{PLAIN_TEXT}</is></c>'
_CELL: Final = f"{_PLACE}(?:{_HELD}|{_INLINE})"
_ATTRIBUTE: Final = ' (?!r=|xmlns)[A-Za-z0-9:]+="[^"<>&]*"'
_ROW: Final = f'<row r="[0-9]{{1,7}}"{repeated(_ATTRIBUTE)}>{repeated(_CELL)}</row>'
_PLAIN_ROWS: Final = re.compile(repeated(_ROW).encode())
_PLAIN_CELL: Final = re.compile(_PLACE + _HELD)
_PLAIN_CELL_OR_TEXT: Final = re.compile(_CELL)

Cell = tuple[str, str, str, str]
"""Where it stands (the letters of its column, or none), its style, its type, and what it holds."""


def read_rows(
    blocks: Iterator[bytes], strings: Mapping[int, str], formats: Mapping[str, Shown], *, is_1904: bool, widest: int
) -> Iterator[Row]:
    """The rows that have anything in them, each with its number and its cells as far as the last that is not empty.

    Args:
        formats: what the styles of cells show numbers as, where that is not a number.
        is_1904: days are counted from 1904 on.
        widest: so many cells of a row are told; what stands further right is told as the one after them.

    Raises:
        BadFile: the sheet is damaged, or its rows are not in their order.
    """
    rows = _Rows(strings, _meanings(formats, is_1904=is_1904), widest)
    markup = Markup("worksheet", lambda before: _handlers(before, rows, markup.mark), plain=_plain(rows))
    for _ in markup.feed(blocks):
        yield from rows.done
        rows.done.clear()


def _meanings(formats: Mapping[str, Shown], *, is_1904: bool) -> dict[str, Callable[[str, str], str]]:
    """What a cell says by its type, given what it holds and its style; one that is of no other type says what it holds.

    Texts that cells share are not among them.
    """

    def number(held: str, style: str) -> str:
        return number_text(held, formats.get(style, Shown.NUMBER), is_1904=is_1904)

    return {
        "": number,
        "n": number,
        "b": lambda held, _: "false" if held in ("0", "false") else "true",
        "d": lambda held, _: iso_text(held),
        "str": lambda held, _: unescaped(held),
        # An error is no value.
        "e": lambda *_: "",
    }


class _Columns(dict[str, int]):
    """Where a column is, from 0 on, by its letters."""

    def __missing__(self, letters: str) -> int:
        place = 0
        for letter in letters[:4].upper():
            place = place * 26 + ord(letter) - ord("A") + 1
        if not (letters.isascii() and letters.isalpha() and place <= LAST_COLUMN):
            raise damaged(f"there is no column {letters[:20]!r}")
        self[letters] = place - 1
        return place - 1


class _Rows:
    """Makes rows out of what is told of their cells."""

    def __init__(
        self, strings: Mapping[int, str], meanings: Mapping[str, Callable[[str, str], str]], widest: int
    ) -> None:
        self.done: list[Row] = []
        self._strings = strings
        self._meanings = meanings
        self._widest = widest
        self._columns = _Columns()
        self._number = 0

    def add(self, told: str | None, cells: Iterable[Cell]) -> None:
        """A row.

        Args:
            told: where it says that it stands, or one of its cells does; None if nothing does.
        """
        try:
            self._number = _number(told, self._number)
            texts = self._texts(cells)
        except ValueError as error:
            raise damaged(f"there is no number where one should be, {error}") from None
        if texts:
            self.done.append((self._number, texts))

    def _texts(self, cells: Iterable[Cell]) -> list[str]:
        # Of all that is done with a workbook this is done most often: what it needs is at hand.
        columns, strings, meanings, widest = self._columns, self._strings, self._meanings, self._widest
        texts: list[str] = []
        column, width = -1, 0
        for letters, style, kind, held in cells:
            column = columns[letters] if letters else column + 1
            if not held:
                continue
            if kind == "s":
                text = strings[int(held)]
            elif kind in meanings:
                text = meanings[kind](held, style)
            else:
                text = held
            if text:
                if column == width <= widest:
                    texts.append(text)
                else:
                    place = min(column, widest)
                    texts.extend([""] * (place + 1 - width))
                    texts[place] = text
                width = len(texts)
        return texts


def _plain(rows: _Rows) -> Plain:
    def told(text: str) -> None:
        for row in text.split("</row>")[:-1]:
            begin = len('<row r="')
            cells = _PLAIN_CELL.findall(row) if "<is>" not in row else _with_texts(row)
            rows.add(row[begin : row.index('"', begin)], cells)

    return Plain(b"</row>", _PLAIN_ROWS, told)


def _with_texts(row: str) -> list[Cell]:
    return [
        (letters, style, "inlineStr", plainly_said(kept, text)) if text else (letters, style, kind, held)
        for letters, style, kind, held, kept, text in _PLAIN_CELL_OR_TEXT.findall(row)
    ]


def _handlers(before: str, rows: _Rows, mark: Callable[[], None]) -> Handlers:
    row_name, cell_name, value_name = f"{before}row", f"{before}c", f"{before}v"
    rich = RichText(before)
    texts, said = rich.texts, rich.said
    row: Attributes | None = None
    cell: Attributes | None = None
    held: str | None = ""
    cells: list[Cell] = []
    reference: str | None = None

    def start(name: str, attributes: Attributes) -> None:
        nonlocal row, cell, held, cells, reference
        if name == value_name:
            if held is None:
                raise damaged("a value stands in a value")
            held = None
            texts.clear()
        elif name == cell_name:
            if cell is not None or row is None:
                raise damaged("a cell stands where none may")
            if len(cells) == LAST_COLUMN:
                raise damaged(f"a row has more than {LAST_COLUMN:,} cells")
            cell, held = attributes, ""
        elif name == row_name:
            if row is not None:
                raise damaged("a row stands in a row")
            row, cells, reference = attributes, [], None
            texts.clear()
        else:
            rich.start(name, attributes)

    def end(name: str) -> None:
        nonlocal row, cell, held, reference
        if name == value_name:
            held = "".join(texts)
        elif name == cell_name:
            assert cell is not None
            letters, kind = "", cell.get("t", "")
            if "r" in cell:
                reference = cell["r"]
                letters = reference.rstrip(_DIGITS) or reference
            if said or kind == "inlineStr":
                # What such a cell holds besides is only the same text again.
                kind, held = "inlineStr", rich.take()
            cells.append((letters, cell.get("s", ""), kind, held or ""))
            cell = None
        elif name == row_name:
            assert row is not None
            rows.add(row.get("r", reference), cells)
            row = None
            mark()
        else:
            rich.end(name)

    return Handlers(start, end, texts)


def _number(told: str | None, before: int) -> int:
    """A row's number; one that does not tell it comes right after the row before. Raises ValueError: it tells none."""
    number = before + 1 if told is None else int(told.lstrip(_LETTERS))
    if number <= before:
        raise damaged(f"row {number} stands after row {before}")
    if number > LAST_ROW:
        raise damaged(f"row {number} is below the last that a sheet can have, {LAST_ROW:,}")
    return number
