"""What reading somebody's file comes to: rows of text cells, or what is wrong with it."""

Row = tuple[int, list[str]]
"""A row's number in the file, from 1 on, and its cells."""


class BadFile(Exception):
    """A file that cannot be read as a table. `code` is stable, `detail` says what to do about it."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
