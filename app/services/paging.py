"""Pages of a list: keyset cursors, which stay right while rows are added, unlike offsets."""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar
from uuid import UUID

from sqlalchemy import Select, Tuple, literal, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from app.errors import BadRequest

_Query = TypeVar("_Query", bound=Select[*tuple[Any, ...]])
_Row = TypeVar("_Row")
_KeyPart = datetime | UUID | int | str

DEFAULT_LIMIT: Final = 50
LARGEST_LIMIT: Final = 200
LONGEST_CURSOR: Final = 1024


class BadCursor(BadRequest):
    """The cursor is none that a page of this list ended with."""

    code = "bad_cursor"


@dataclass(frozen=True, slots=True)
class Page:
    """At most `limit` items, after the place that `cursor` names; from the start without one."""

    limit: int = DEFAULT_LIMIT
    cursor: str | None = None


def latest_first(
    query: _Query, page: Page, at: InstrumentedAttribute[datetime], id_: InstrumentedAttribute[UUID]
) -> _Query:
    """The rows of `query` by a time, from the page's place on and one more than it holds: `cut` takes that one off.

    Raises:
        BadCursor: the page's cursor is none of such a list.
    """
    if page.cursor:
        query = query.where(tuple_(at, id_) < _place(page.cursor))
    return query.order_by(at.desc(), id_.desc()).limit(page.limit + 1)


def earliest_first(
    query: _Query, page: Page, at: InstrumentedAttribute[datetime], id_: InstrumentedAttribute[UUID]
) -> _Query:
    """The same the other way round."""
    if page.cursor:
        query = query.where(tuple_(at, id_) > _place(page.cursor))
    return query.order_by(at, id_).limit(page.limit + 1)


def _place(cursor: str) -> Tuple:
    return tuple_(*map(literal, decode_cursor(cursor, aware_time, UUID)))


def cut(
    rows: Sequence[_Row], page: Page, key: Callable[[_Row], tuple[_KeyPart, ...]]
) -> tuple[Sequence[_Row], str | None]:
    """The rows of a page, of which one more than it holds was read, and the next page's cursor where there is one.

    Args:
        key: a row's sort key.
    """
    shown = rows[: page.limit]
    return shown, encode_cursor(*key(shown[-1])) if len(rows) > page.limit else None


def encode_cursor(*key: _KeyPart) -> str:
    """The sort key of a page's last item, as an opaque word that is safe in a URL."""
    words = [part.isoformat() if isinstance(part, datetime) else str(part) for part in key]
    return base64.urlsafe_b64encode(json.dumps(words).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, *readers: Callable[[str], Any]) -> tuple[Any, ...]:
    """The sort key behind a cursor.

    Args:
        cursor: as `encode_cursor` gave it, but it comes from outside and may be anything.
        readers: for each part of the key what reads it: `aware_time`, `UUID`, `int`, `plain_text`.

    Raises:
        BadCursor: it was not made by `encode_cursor` from such a key.
    """
    try:
        if len(cursor) > LONGEST_CURSOR:
            raise ValueError("too long")
        words = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise ValueError("no list of words")
        return tuple(read(word) for read, word in zip(readers, words, strict=True))
    except (ValueError, RecursionError):
        raise BadCursor("The cursor is not one of this list. Begin again without it.") from None


def aware_time(word: str) -> datetime:
    """A time with its offset, in UTC. Raises ValueError for anything else."""
    time = datetime.fromisoformat(word)
    if time.tzinfo is None:
        raise ValueError("no offset")
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError("before the year 1 or after 9999") from None


def plain_text(word: str) -> str:
    """Text that PostgreSQL can hold: no NUL and nothing that is not Unicode. Raises ValueError for the rest."""
    if "\x00" in word:
        raise ValueError("NUL")
    word.encode()
    return word
