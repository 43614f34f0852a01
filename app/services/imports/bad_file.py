"""What is wrong with a file as a whole."""


class BadFile(Exception):
    """A file that cannot be read as a table. `code` is stable, `detail` says what to do about it."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
