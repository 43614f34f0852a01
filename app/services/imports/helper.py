"""The process beside an import that reads its rows, and the way to it.

It is a program of its own, spoken to through its standard input and output in frames (four bytes of length, then the
content), and ends when its input does: also when whoever started it was killed.
"""

import asyncio
import fcntl
import gc
import marshal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO, Final

from app.domain.importing.mapping import FileFacts, Mapping
from app.services.imports.copy_text import tell
from app.services.imports.keys import How, Reject
from app.services.imports.rows import House, RowReader, ToRead

_LENGTH: Final = 4
_FRAMES: Final = 7
_HOW: Final = tuple(How)
_READ_AT_ONCE: Final = 1 << 20
_BETWEEN: Final = "\x1f"
"""Between cells that are told together: the sign that ASCII has for it."""


@dataclass(frozen=True, slots=True)
class ReadBatch:
    """What a chunk of rows says on its way to COPY, as in `Batch`."""

    customer_columns: tuple[str, ...]
    customers: bytes
    records: bytes
    phones: bytes
    staged: bytes
    staged_phones: bytes
    items: bytes
    rejects: list[Reject]


class Helper:
    """A running helper. Use as `async with Helper(…) as helper`."""

    def __init__(self, mapping: Mapping, header: Sequence[str], house: House) -> None:
        told_house = (house.region, house.zone, sorted(house.own_numbers), house.source)
        self._told = (asdict(mapping), list(header), told_house)
        self._width = len(header)
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> "Helper":
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "app.services.imports.helper",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_READ_AT_ONCE,
        )
        await self._send(self._told)
        return self

    async def __aexit__(self, *_: object) -> None:
        process = self._running
        if process.returncode is None:
            process.kill()
        await process.wait()

    async def read(self, rows: ToRead) -> ReadBatch:
        """What these rows say. Raises RuntimeError when the helper has ended."""
        if not rows.numbers:
            return ReadBatch((), b"", b"", b"", b"", b"", b"", [])
        await self._send([_packed(part, self._width) for part in rows.parts()])
        output = self._running.stdout
        assert output is not None
        try:
            customers, records, phones, staged, staged_phones, items, besides = [
                await output.readexactly(int.from_bytes(await output.readexactly(_LENGTH))) for _ in range(_FRAMES)
            ]
        except asyncio.IncompleteReadError:
            raise RuntimeError("The process that reads the rows has ended.") from None
        columns, rejects = marshal.loads(besides)  # noqa: S302 - our own program's words
        refused = [Reject(*reject) for reject in rejects]
        return ReadBatch(columns, customers, records, phones, staged, staged_phones, items, refused)

    @property
    def _running(self) -> asyncio.subprocess.Process:
        assert self._process is not None, "use it as a context manager"
        return self._process

    async def _send(self, told: Any) -> None:
        pipe = self._running.stdin
        assert pipe is not None
        content = marshal.dumps(told)
        pipe.write(len(content).to_bytes(_LENGTH) + content)
        try:
            await pipe.drain()
        except ConnectionError:
            raise RuntimeError("The process that reads the rows has ended.") from None


def main(asked: BinaryIO, answers: BinaryIO) -> None:
    """Read rows for whoever is at the other end, until they leave."""
    told = _receive(asked)
    if told is None:
        return
    mapping, header, (region, zone, own_numbers, source) = told
    given = Mapping(**{**mapping, "file": FileFacts(**mapping["file"])})
    reader = RowReader(given, header, House(region, zone, frozenset(own_numbers), source))
    while (parts := _receive(asked)) is not None:
        texts: list[list[bytes]] = []
        columns: tuple[str, ...] = ()
        rejects: list[tuple[int, str, str]] = []
        for part in parts:
            batch = tell(reader.read(_unpacked(part, len(header))), header, source)
            texts.append(batch.texts())
            columns = batch.customer_columns or columns
            rejects.extend((reject.row_no, reject.code, reject.detail) for reject in batch.rejects)
        for table in zip(*texts, strict=True):
            _answer(answers, table)
        _answer(answers, [marshal.dumps((columns, rejects))])
        answers.flush()


def _packed(rows: ToRead, width: int) -> tuple[Any, ...]:
    """Rows on their way to the helper: the cells as one text, which takes a fraction of the time, if that can be."""
    text = _BETWEEN.join(map(_BETWEEN.join, rows.cells))
    can_be_parted = text.count(_BETWEEN) == width * len(rows.cells) - 1
    return (*rows[:3], text if can_be_parted else list(rows.cells), bytes(rows.hows))


def _unpacked(told: tuple[Any, ...], width: int) -> ToRead:
    numbers, ids, fingerprints, cells, hows = told
    if isinstance(cells, str):
        cells = list(zip(*[iter(cells.split(_BETWEEN))] * width, strict=True))
    return ToRead(numbers, ids, fingerprints, cells, [_HOW[how] for how in hows])


def _answer(answers: BinaryIO, content: Sequence[bytes]) -> None:
    answers.write(sum(map(len, content)).to_bytes(_LENGTH))
    answers.writelines(content)


def _receive(asked: BinaryIO) -> Any:
    size = asked.read(_LENGTH)
    if len(size) < _LENGTH:
        return None
    content = asked.read(int.from_bytes(size))
    return marshal.loads(content)  # noqa: S302 - our own program's words


def _widen(pipe: BinaryIO) -> None:
    """Have the pipe take in so much at once that whoever reads it is seldom woken; where it can be."""
    with suppress(AttributeError, OSError):
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _READ_AT_ONCE)


if __name__ == "__main__":
    _widen(sys.stdout.buffer)
    # Nothing that is made here goes round in circles, and looking for what does takes a tenth of the time.
    gc.disable()
    main(sys.stdin.buffer, sys.stdout.buffer)
