"""A workbook: which sheets it has, and what is told once for all of them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from app.domain.importing.sheet_values import BUILT_IN, Shown, shown_by
from app.services.imports.tables import BadFile, Row
from app.services.imports.xlsx.markup import Attributes, read_markup
from app.services.imports.xlsx.package import Package, Related
from app.services.imports.xlsx.sheet import read_rows
from app.services.imports.xlsx.strings import SharedStrings

_REFERENCES: Final = (
    "http://schemas.openxmlformats.org/officeDocument/2006/relationships id",
    "http://purl.oclc.org/ooxml/officeDocument/relationships id",
)


class Workbook:
    """An open workbook. Whoever opened it closes it.

    Attributes:
        sheets: where the sheets are, by their names, in their order; those that are hidden too.

    Raises:
        BadFile: it is no workbook, or damaged.
    """

    def __init__(self, package: Package) -> None:
        self._package = package
        main = _only(package.related(""), "officeDocument") if package.has("_rels/.rels") else None
        if main is None:
            raise BadFile("not_a_table", "The file is an archive and no workbook.")
        related = package.related(main)
        self.sheets, self._is_1904 = _sheets(package.held(main), related)
        styles = _only(related, "styles")
        self._formats = {} if styles is None else _formats(package.held(styles))
        # A workbook that has none has no cell that asks for one.
        self._strings = SharedStrings(package.blocks(_only(related, "sharedStrings") or "sharedStrings.xml"))
        self._size = self._read = 0

    def close(self) -> None:
        """Give back what was kept meanwhile; the package stays open."""
        self._strings.close()

    def rows(self, sheet: str, *, widest: int) -> Iterator[Row]:
        """The rows of a sheet, as `read_rows` gives them. Raises BadFile, also while it is read on."""
        part = self.sheets[sheet]
        self._size, self._read = self._package.size(part), 0
        return read_rows(
            self._counted(self._package.blocks(part)),
            self._strings,
            self._formats,
            is_1904=self._is_1904,
            widest=widest,
        )

    def progress(self) -> float:
        """Which part of the sheet has been read, from 0 to 1."""
        return self._read / self._size if self._size else 1.0

    def _counted(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        for block in blocks:
            self._read += len(block)
            yield block


def _only(related: Mapping[str, Related], kind: str) -> str | None:
    return next((each.part for each in related.values() if each.kind == kind), None)


def _sheets(blocks: Iterator[bytes], related: Mapping[str, Related]) -> tuple[dict[str, str], bool]:
    """Where the sheets that have rows are, by name; and whether days are counted from 1904 on."""
    sheets: dict[str, str] = {}
    is_1904 = False

    def started(path: Sequence[str], attributes: Attributes) -> None:
        nonlocal is_1904
        match path:
            case [_, "sheets", "sheet"]:
                reference = next((attributes[name] for name in _REFERENCES if name in attributes), "")
                found = related.get(reference)
                if found is not None and found.kind == "worksheet":
                    sheets[attributes.get("name", "")] = found.part
            case [_, "workbookPr"]:
                is_1904 = attributes.get("date1904") in ("1", "true")

    read_markup(blocks, "workbook", started)
    return sheets, is_1904


def _formats(blocks: Iterator[bytes]) -> dict[str, Shown]:
    """What the styles of cells show numbers as, by their place among all styles, where that is not a number."""
    coded: dict[str, Shown] = {}
    styles: list[str] = []

    def started(path: Sequence[str], attributes: Attributes) -> None:
        match path:
            case [_, "numFmts", "numFmt"]:
                coded[attributes.get("numFmtId", "")] = shown_by(attributes.get("formatCode", ""))
            case [_, "cellXfs", "xf"]:
                styles.append(attributes.get("numFmtId", ""))

    read_markup(blocks, "styleSheet", started)
    shown = (coded.get(style, BUILT_IN.get(style, Shown.NUMBER)) for style in styles)
    return {str(place): each for place, each in enumerate(shown) if each is not Shown.NUMBER}
