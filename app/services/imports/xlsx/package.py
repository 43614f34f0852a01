"""A workbook's archive, and what its parts are to each other."""

import lzma
import posixpath
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.services.imports.tables import BadFile, damaged, locked
from app.services.imports.xlsx.markup import Attributes, read_markup

LARGEST_HELD: Final = 32 << 20
"""So many bytes may a part unpack to that is held in memory: anything but sheets and texts."""

_MOST_PARTS: Final = 10_000
_BLOCK: Final = 1 << 16
_NOT_UNPACKED: Final = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError),
    # So zipfile says that it does not know how, or that a part is locked.
    *(NotImplementedError, RuntimeError),
)
_RELATIONSHIPS: Final = ("http://schemas.openxmlformats.org/package/2006/relationships",)


@dataclass(frozen=True, slots=True)
class Related:
    """A part that another one refers to: as what, and where it is."""

    kind: str
    part: str


class Package:
    """An open archive, whose parts are found however their names are spelt. Whoever made it closes it.

    Raises:
        BadFile: it is none, or locked.
    """

    def __init__(self, path: Path) -> None:
        self._opened = ExitStack()
        try:
            self._archive = self._opened.enter_context(zipfile.ZipFile(path))
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise damaged(str(error)) from None
        self._entries = {_spelt(entry.filename): entry for entry in self._archive.infolist()}
        if any(entry.flag_bits & 1 for entry in self._entries.values()):
            self.close()
            raise locked()

    def close(self) -> None:
        """Close it, also where a part has not been read to its end."""
        self._opened.close()

    def check_size(self, largest: int) -> None:
        """Refuse to unpack more than so many bytes. Raises BadFile."""
        entries = self._archive.infolist()
        unpacked = sum(entry.file_size for entry in entries)
        if unpacked > largest or len(entries) > _MOST_PARTS:
            raise BadFile(
                "zip_bomb",
                f"The workbook unpacks to {unpacked / 2**20:.0f} MiB; at most {largest / 2**20:.0f} are taken. "
                "Save it as CSV.",
            )

    def has(self, part: str) -> bool:
        """Whether there is such a part."""
        return _spelt(part) in self._entries

    def size(self, part: str) -> int:
        """How many bytes a part unpacks to; 0 if it is not there."""
        entry = self._entries.get(_spelt(part))
        return entry.file_size if entry else 0

    def blocks(self, part: str) -> Iterator[bytes]:
        """A part, block by block. Raises BadFile: it is not there, or damaged."""
        try:
            file = self._opened.enter_context(self._archive.open(self._entries[_spelt(part)]))
            while block := file.read(_BLOCK):
                yield block
        except KeyError:
            raise damaged(f"it has no {part}") from None
        except _NOT_UNPACKED as error:
            raise damaged(f"{part} cannot be unpacked, {error}") from None

    def held(self, part: str) -> Iterator[bytes]:
        """The same of a part that is held in memory once it is read. Raises BadFile: it is too large for that, too."""
        if self.size(part) > LARGEST_HELD:
            raise BadFile("zip_bomb", f"{part} unpacks to more than {LARGEST_HELD >> 20} MiB. Save the sheet as CSV.")
        return self.blocks(part)

    def related(self, part: str) -> dict[str, Related]:
        """The parts that a part refers to, by the id that it has for each; of the package itself for no part.

        Raises:
            BadFile: there are none, or they are damaged.
        """
        folder, name = posixpath.split(part)
        found: dict[str, Related] = {}

        def started(_: Sequence[str], attributes: Attributes) -> None:
            target = attributes.get("Target", "")
            if attributes.get("TargetMode") != "External":
                kind = attributes.get("Type", "").rpartition("/")[2]
                found[attributes.get("Id", "")] = Related(kind, posixpath.normpath(posixpath.join("/", folder, target)))

        blocks = self.held(posixpath.join(folder, "_rels", f"{name}.rels"))
        read_markup(blocks, "Relationships", started, namespaces=_RELATIONSHIPS)
        return found


def _spelt(name: str) -> str:
    return name.replace("\\", "/").strip("/").casefold()
