"""What reading somebody's file comes to: rows of text cells, or what is wrong with it."""

from collections.abc import Sequence

Row = tuple[int, list[str]]
"""A row's number in the file, from 1 on, and its cells."""


class BadFile(Exception):
    """A file that cannot be read as a table. `code` is stable, `detail` says what to do about it."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def damaged(what: str) -> BadFile:
    """That a workbook is not as it should be."""
    return BadFile("not_a_table", f"The workbook cannot be read: {what}.")


def locked() -> BadFile:
    """That nobody can read a workbook without its password."""
    return BadFile("encrypted", "The workbook is locked with a password. Save it without one, and try again.")


def chosen_sheet(name: str | None, names: Sequence[str]) -> str:
    """The sheet of that name, or the first one. Raises BadFile (`no_sheet`)."""
    if not names or (name is not None and name not in names):
        raise BadFile("no_sheet", f"There is no sheet {name!r}; there are {', '.join(names) or 'none'}.")
    return name or names[0]
