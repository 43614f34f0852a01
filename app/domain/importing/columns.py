"""A column of some rows at one look: mostly all of its cells are as they should be, and one search says so.

What a cell means is decided by the functions of `cells.py` alone. Here is only found out where they would change
nothing; property tests hold the two against each other.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Final, TypeVar

from app.domain.importing.cells import NOTHING, BadCell, tidy

BETWEEN: Final = "~"
"""Stands between the cells, and around them, where they are looked at together; seldom in a cell, and printable."""

_Cell = TypeVar("_Cell")
_BLANKS: Final = re.compile(rf"  |{BETWEEN} | {BETWEEN}")
_SIGNS: Final = re.compile(rf"{BETWEEN}[=+\-@]")
_NOTHING: Final = frozenset(
    "".join(written) for word in NOTHING for written in product(*({char, char.upper()} for char in word))
)


@dataclass(frozen=True, slots=True)
class Column:
    """Cells of one column, and the same as one text with `BETWEEN` before, between and after them."""

    cells: Sequence[str]
    text: str
    is_printable: bool

    @property
    def is_plain(self) -> bool:
        """Whether every cell stands for itself in JSON and in COPY's text."""
        return self.is_printable and '"' not in self.text and "\\" not in self.text

    @property
    def is_tidy(self) -> bool:
        """Whether `tidy` would leave every cell as it is; what is not sure counts as no."""
        return (
            self.is_printable
            and not (" " in self.text and _BLANKS.search(self.text))
            and not _SIGNS.search(self.text)
            and _NOTHING.isdisjoint(self.cells)
        )

    def consists_of(self, cells: re.Pattern[str]) -> bool:
        """Whether every cell is empty or of a form; `cells` is what `all_of` made of it."""
        return self.text.count(BETWEEN) == len(self.cells) + 1 and cells.fullmatch(self.text) is not None


def all_of(form: str) -> re.Pattern[str]:
    """A pattern for `consists_of` out of one for a cell, which must not match a text with `BETWEEN` in it."""
    return re.compile(f"{BETWEEN}(?:(?:{form})?{BETWEEN})*")


def look_at(cells: Sequence[str]) -> Column:
    """Cells as a column; without NUL, which no database keeps."""
    text = f"{BETWEEN}{BETWEEN.join(cells)}{BETWEEN}"
    if "\x00" in text:
        return look_at([cell.replace("\x00", "") for cell in cells])
    return Column(cells, text, text.isprintable())


def tidied(column: Column, wrong: dict[int, BadCell]) -> Column:
    """A column with each cell tidied; a cell that cannot be is empty, and why is noted at its place."""
    return column if column.is_tidy else look_at(each(tidy, column.cells, wrong, otherwise=""))


def each(
    meaning: Callable[[_Cell], Any], cells: Sequence[_Cell], wrong: dict[int, BadCell], otherwise: Any
) -> list[Any]:
    """What each cell means; `otherwise` for an empty one, and for one that is refused, which is noted at its place."""
    meant = []
    for place, cell in enumerate(cells):
        value = otherwise
        if cell:
            try:
                value = meaning(cell)
            except BadCell as refused:
                # Whatever is found first in a row is why it is not taken.
                wrong.setdefault(place, refused)
        meant.append(value)
    return meant
