"""The DuckDB database in which one run works: in a folder of its own, gone when the run ends."""

import logging
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import duckdb

_MEMORY: Final = "900MB"
"""For DuckDB alone, which goes to disk beyond it; what Python and Splink hold comes on top."""

_THREADS: Final = 2


@contextmanager
def workspace(folder: Path | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to an empty database on disk; both are gone after the block.

    Args:
        folder: where to put it; None for the system's folder for temporary files. A million people take about 1 GB.
    """
    # Splink tells its course as warnings; what matters of it is in our own result.
    logging.getLogger("splink").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="callcard-linkage-", dir=folder) as own:
        connection = duckdb.connect(
            str(Path(own) / "work.duckdb"),
            config={
                "memory_limit": _MEMORY,
                "threads": _THREADS,
                "temp_directory": str(Path(own) / "spill"),
                "preserve_insertion_order": False,
                # Nothing of a run is to be found again after a crash.
                "checkpoint_threshold": "1TB",
            },
        )
        try:
            yield connection
        finally:
            connection.close()


def first_row(
    db: duckdb.DuckDBPyConnection, sql: str, parameters: Mapping[str, object] | None = None
) -> tuple[Any, ...]:
    """The first row of what a query gives, or an empty one; the connection is free again afterwards."""
    rows = db.execute(sql, parameters).fetchall()
    return rows[0] if rows else ()


def number(db: duckdb.DuckDBPyConnection, sql: str) -> int:
    """The one whole number that a query gives; 0 for NULL."""
    return int(first_row(db, sql)[0] or 0)
