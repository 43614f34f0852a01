"""XML that somebody sent, read block by block, with nothing in it that could grow beyond measure."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple, NoReturn
from xml.parsers import expat
from xml.sax.saxutils import unescape

from app.services.imports.tables import damaged

MAIN: Final = (
    "http://schemas.openxmlformats.org/spreadsheetml/2006/main",
    "http://purl.oclc.org/ooxml/spreadsheetml/main",
)
"""What a spreadsheet's own names belong to: as Excel writes it, and in the strict form of ISO 29500."""
LONGEST_TEXT: Final = 1 << 20
"""Of a cell, in characters; Excel takes 32,767."""


def repeated(pattern: str) -> str:
    """A pattern any number of times, as many as there are and never fewer.

    It is not written `(?:…)*+`, of which Python before 3.11.5 takes a beginning for the whole (python/cpython#106052).
    """
    return f"(?>(?:{pattern})*)"


_PLAIN: Final = r"[^<&\x00-\x08\x0b-\x1f]*+"
PLAIN_TEXT: Final = rf'<t( xml:space="preserve")?>({_PLAIN}{repeated(f"&(?:amp|lt|gt);{_PLAIN}")})</t>'
"""A text element that one look can tell, as a pattern: whether its spaces count, and what stands in it."""

_SPACE: Final = "http://www.w3.org/XML/1998/namespace space"
_LONGEST_TAG: Final = 1 << 20
_DEEPEST: Final = 64
_BLANKS: Final = " \t\r\n"
_ESCAPED: Final = re.compile("_x(?!D[89A-F])([0-9A-F]{4})_", re.IGNORECASE)
"""A character that XML cannot hold; halves of a pair are none."""

Attributes = dict[str, str]


class Handlers(NamedTuple):
    """What is called when an element begins and ends; `texts` takes what stands between, in pieces."""

    start: Callable[[str, Attributes], None]
    end: Callable[[str], object]
    texts: list[str] | None = None


class Plain(NamedTuple):
    """What a document mostly consists of, in the form that nearly all programs write, which one look can tell.

    Attributes:
        end: with which each of these elements ends.
        form: of any number of them in UTF-8, one right behind the other; such that it cannot mean anything else.
        told: what is called for them.
    """

    end: bytes
    form: re.Pattern[bytes]
    told: Callable[[str], None]


class Markup:
    """A document that is told as its blocks are fed in. Names are told as `namespace name`.

    Args:
        root: what the outermost element must be called.
        handlers: who is told of all elements in it, given what stands before a name of the outermost one's namespace.
        namespaces: the outermost element must be of one of them.
        plain: what need not be told element by element, once `mark` was called at the end of such an element.
    """

    def __init__(
        self,
        root: str,
        handlers: Callable[[str], Handlers],
        *,
        namespaces: tuple[str, ...] = MAIN,
        plain: Plain | None = None,
    ) -> None:
        self._root = root
        self._handlers = handlers
        self._namespaces = namespaces
        self._plain = plain
        self._texts: list[str] = []
        self._is_utf_8 = True
        self._fed = 0
        self._marked = -1
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.XmlDeclHandler = self._declare
        self._parser.StartDoctypeDeclHandler = _refuse
        self._parser.StartElementHandler = self._begin

    def mark(self) -> None:
        """What has just ended may be followed by what is plain."""
        self._marked = self._parser.CurrentByteIndex

    def feed(self, blocks: Iterable[bytes]) -> Iterator[None]:
        """Gives a turn after each block, when what stands in it has been told.

        Raises:
            BadFile: it is no XML, another document, or something in it does not end.
        """
        left = b""
        for block in blocks:
            piece, left = self._cut(left + block)
            if not self._is_plain(piece):
                self._parse(piece)
            yield
        self._parse(left)
        self._parse(b"", is_last=True)
        yield

    def _cut(self, piece: bytes) -> tuple[bytes, bytes]:
        """What can be told by now, and what has come in of the next element."""
        if self._plain is None or self._plain.end not in piece:
            return piece, b""
        end = piece.rfind(self._plain.end) + len(self._plain.end)
        return piece[:end], piece[end:]

    def _is_plain(self, piece: bytes) -> bool:
        """Tell a piece at once, if that can be; gives whether it was."""
        plain = self._plain
        # Marked where the parser stands: neither in another element nor in a comment.
        if plain is None or self._marked != self._fed - len(plain.end) or not self._is_utf_8:
            return False
        if not plain.form.fullmatch(piece):
            return False
        try:
            text = piece.decode()
        except UnicodeDecodeError:
            # The parser says better what is wrong with it.
            return False
        plain.told(text)
        return True

    def _parse(self, piece: bytes, *, is_last: bool = False) -> None:
        try:
            self._parser.Parse(piece, is_last)
        except expat.ExpatError as error:
            raise damaged(str(error)) from None
        self._fed += len(piece)
        # What has no end yet the parser keeps, and begins anew with every piece.
        if self._fed - max(self._parser.CurrentByteIndex, 0) > _LONGEST_TAG:
            raise damaged(f"a tag is longer than {_LONGEST_TAG:,} bytes")
        _check_length(sum(map(len, self._texts)))

    def _declare(self, _: str, encoding: str | None, __: int) -> None:
        self._is_utf_8 = encoding is None or encoding.casefold() == "utf-8"

    def _begin(self, name: str, _: Attributes) -> None:
        namespace, local = name.rpartition(" ")[::2]
        if namespace not in self._namespaces or local != self._root:
            raise damaged(f"there is {local!r} where {self._root!r} should be")
        told = self._handlers(f"{namespace} ")
        self._parser.StartElementHandler = told.start
        self._parser.EndElementHandler = told.end
        if told.texts is not None:
            self._texts = told.texts
            self._parser.CharacterDataHandler = told.texts.append


def read_markup(
    blocks: Iterable[bytes],
    root: str,
    started: Callable[[Sequence[str], Attributes], None],
    *,
    namespaces: tuple[str, ...] = MAIN,
) -> None:
    """All of a document that is small enough for that.

    Args:
        started: told of every element in the outermost one, with the names from there to it.

    Raises:
        BadFile: it is no XML, or another document.
    """
    path = [root]

    def handlers(before: str) -> Handlers:
        def start(name: str, attributes: Attributes) -> None:
            path.append(name.removeprefix(before))
            _check_depth(len(path))
            started(path, attributes)

        return Handlers(start, lambda _: path.pop())

    for _ in Markup(root, handlers, namespaces=namespaces).feed(blocks):
        continue


class RichText:
    """What a text element says: its runs together, without what is only there to be read aloud (`rPh`).

    It is told of all elements that nobody else knows, and sees to it that they do not stand too deep in each other.
    """

    def __init__(self, before: str) -> None:
        self.texts: list[str] = []
        self._text = f"{before}t"
        self._aloud = f"{before}rPh"
        self.said: list[str] = []
        self._length = 0
        self._is_kept = False
        self._aloud_at = 0
        self._depth = 0

    def start(self, name: str, attributes: Attributes) -> None:
        """An element begins."""
        self._depth += 1
        if name == self._text:
            self.texts.clear()
            self._is_kept = attributes.get(_SPACE) == "preserve"
        elif name == self._aloud:
            self._aloud_at = self._aloud_at or self._depth
        _check_depth(self._depth)

    def end(self, name: str) -> None:
        """An element ends."""
        if name == self._text and not self._aloud_at:
            text = said("".join(self.texts), is_kept=self._is_kept)
            if text:
                self.said.append(text)
                self._length += len(text)
                _check_length(self._length)
        elif self._depth == self._aloud_at:
            self._aloud_at = 0
        self._depth -= 1

    def take(self) -> str:
        """What was said since this was asked last."""
        said = "".join(self.said)
        self.said.clear()
        self._length = 0
        return said


def plainly_said(kept: str, text: str) -> str:
    """What a text says, given what `PLAIN_TEXT` finds of it."""
    return said(unescape(text) if "&" in text else text, is_kept=bool(kept))


def said(text: str, *, is_kept: bool) -> str:
    """What a text says, with the spaces at its ends or without."""
    return unescaped(text if is_kept else text.strip(_BLANKS))


def unescaped(text: str) -> str:
    """A text in which what stands for a character that XML cannot hold, as `_x000D_` does, is that character."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text


def _check_length(length: int) -> None:
    if length > LONGEST_TEXT:
        raise damaged(f"a cell holds more than {LONGEST_TEXT:,} characters")


def _check_depth(depth: int) -> None:
    if depth > _DEEPEST:
        raise damaged("its elements stand too deep in each other")


def _refuse(*_: object) -> NoReturn:
    raise damaged("it defines markup of its own, which no spreadsheet does")
