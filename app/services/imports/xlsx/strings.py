"""The texts that a workbook keeps once for all its cells.

There may be millions of them, in any order. They are kept in a temporary file; memory holds where each of them ends,
and those that came by or were asked for of late. They are read no further than somebody asks: the first rows of a sheet
mostly need the first texts.
"""

import os
import re
import tempfile
from array import array
from collections.abc import Iterator
from itertools import accumulate, starmap
from typing import Final

from app.services.imports.tables import BadFile, damaged
from app.services.imports.xlsx.markup import (
    PLAIN_TEXT,
    Attributes,
    Handlers,
    Markup,
    Plain,
    RichText,
    plainly_said,
    repeated,
)

MOST: Final = 1 << 25
"""So many texts are taken: 128 MiB of where they end."""

_LARGEST: Final = (1 << 32) - 1
"""So many bytes of texts: where one ends is told in four bytes."""
_AT_HAND: Final = 2 << 20
_AGAIN: Final = 32 << 20
"""So many bytes of texts, or nearly, are kept of what came by of late, and of what was looked up."""
_EACH: Final = 150
"""What a short text weighs in a dictionary beside its letters."""
_PLAIN_ITEMS: Final = re.compile(repeated(f"<si>{PLAIN_TEXT}</si>").encode())
_PLAIN_TEXT: Final = re.compile(PLAIN_TEXT)


class SharedStrings(dict[int, str]):
    """Texts by their number, from 0 on. Whoever made it closes it.

    As a dictionary it has those that are at hand; the others are found when they are asked for.

    Args:
        blocks: of the document that has them.
    """

    def __init__(self, blocks: Iterator[bytes]) -> None:
        super().__init__()
        self._ends = array("I", [0])
        self._fresh: list[str] = []
        self._weight = 0
        # What was asked for when it was not at hand any more is mostly asked for again.
        self._again: dict[int, str] = {}
        self._weight_again = 0
        try:
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed by `close`
        except OSError as error:
            raise _no_room(error) from None
        self._markup = Markup("sst", self._handlers, plain=Plain(b"</si>", _PLAIN_ITEMS, self._tell))
        self._turns = self._markup.feed(blocks)

    def close(self) -> None:
        """Give the temporary file back."""
        self._file.close()

    def __missing__(self, number: int) -> str:
        text = self._again.get(number)
        if text is None:
            text = self._looked_up(number)
            if self._weight_again > _AGAIN:
                self._again.clear()
                self._weight_again = 0
            self._again[number] = text
            self._weight_again += _EACH + len(text)
        self._keep_at_hand({number: text}, len(text))
        return text

    def _looked_up(self, number: int) -> str:
        while number >= len(self._ends) - 1:
            for _ in self._turns:
                self._take_in()
                break
            else:
                raise damaged(f"a cell says text {number}, and there are {len(self._ends) - 1}")
        if number < 0:
            raise damaged(f"a cell says text {number}")
        start, end = self._ends[number], self._ends[number + 1]
        return os.pread(self._file.fileno(), end - start, start).decode()

    def _take_in(self) -> None:
        """Keep what the last block told."""
        texts = [text.encode() for text in self._fresh]
        sizes = list(map(len, texts))
        count = len(self._ends) - 1
        if count + len(texts) > MOST or self._ends[-1] + sum(sizes) > _LARGEST:
            raise BadFile("zip_bomb", f"The workbook has more than {count:,} different texts. Save it as CSV.")
        left = memoryview(b"".join(texts))
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            raise _no_room(error) from None
        self._ends.extend(accumulate(sizes, initial=self._ends.pop()))
        self._keep_at_hand(dict(enumerate(self._fresh, start=count)), sum(sizes))
        self._fresh.clear()

    def _keep_at_hand(self, texts: dict[int, str], length: int) -> None:
        if self._weight > _AT_HAND:
            self.clear()
            self._weight = 0
        self.update(texts)
        self._weight += _EACH * len(texts) + length

    def _tell(self, items: str) -> None:
        """Items that are plain."""
        self._fresh += starmap(plainly_said, _PLAIN_TEXT.findall(items))

    def _handlers(self, before: str) -> Handlers:
        item, rich, fresh = f"{before}si", RichText(before), self._fresh
        is_open = False

        def start(name: str, attributes: Attributes) -> None:
            nonlocal is_open
            if name != item:
                rich.start(name, attributes)
            elif is_open:
                raise damaged("a text stands in a text")
            else:
                is_open = True

        def end(name: str) -> None:
            nonlocal is_open
            if name == item:
                is_open = False
                fresh.append(rich.take())
                self._markup.mark()
            else:
                rich.end(name)

        return Handlers(start, end, rich.texts)


def _no_room(error: OSError) -> BadFile:
    return BadFile("no_room", f"While a workbook is read, its texts need room for temporary files: {error.strerror}.")
