"""What a mail says, as plain text: no markup, no control characters, no more than is kept."""

import re
import unicodedata
from html.parser import HTMLParser
from typing import Final

LONGEST_SUBJECT: Final = 200
LONGEST_BODY: Final = 4000

_CODE: Final = re.compile(r"\bK[0-9]{8}-[0-9]{4,9}\b", re.IGNORECASE)
_SILENT: Final = frozenset({"script", "style", "head", "title", "template"})
_BREAKS: Final = frozenset({"br", "p", "div", "li", "tr", "h1", "h2", "h3", "blockquote"})


class _Reader(HTMLParser):
    """Gathers what a person would read."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - its signature
        if tag in _SILENT:
            self._silent += 1
        elif tag in _BREAKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT and self._silent:
            self._silent -= 1

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.parts.append(data)


def text_of_html(html: str) -> str:
    """The text of a page, without scripts and styles; what is no HTML is taken as it can be read."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return "".join(reader.parts)


def subject_line(text: str) -> str:
    """A subject on one line, cut at 200 characters."""
    return " ".join(_clean(text).split())[:LONGEST_SUBJECT]


def body_text(text: str) -> str:
    """A body without trailing blanks and runs of empty lines, cut at 4,000 characters."""
    lines = "\n".join(line.strip() for line in _clean(text).splitlines())
    return re.sub(r"\n{3,}", "\n\n", lines).strip()[:LONGEST_BODY]


def complaint_codes(*texts: str) -> list[str]:
    """The codes of complaints that texts mention, in order, each once, in capitals."""
    return list(dict.fromkeys(code.upper() for text in texts for code in _CODE.findall(text)))


def _clean(text: str) -> str:
    """Without what PostgreSQL cannot hold or a screen would obey; line breaks and tabs stay."""
    return "".join(char for char in text if char in "\n\r\t" or unicodedata.category(char) not in ("Cc", "Cs", "Cf"))
