"""Small files of people, and what is made of them."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import duckdb

from app.services.linkage.engine import Linked, link
from app.services.linkage.reading import read_people
from app.services.linkage.workspace import workspace

LU = {
    "given_name": "Jane", "surname": "Smithson", "date_of_birth": "1975-03-12", "phone": "0491 570 156",
    "street_number": "12", "address_1": "Wattle Grove Road", "suburb": "Ringwood", "postcode": "3134", "sex": "f",
}  # fmt: skip
"""Somebody of whom everything is known; tests change what they are about."""


def write_csv(path: Path, rows: Iterable[Mapping[str, str]]) -> Path:
    """Rows with an id each, `r0`, `r1`, …; the header holds every column that occurs."""
    listed = [{"rec_id": f"r{position}", **row} for position, row in enumerate(rows)]
    header = list(dict.fromkeys(name for row in listed for name in row)) or ["rec_id", "given_name", "surname"]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, header, restval="")
        writer.writeheader()
        writer.writerows(listed)
    return path


@contextmanager
def linked(folder: Path, rows: Iterable[Mapping[str, str]]) -> Iterator[tuple[duckdb.DuckDBPyConnection, Linked]]:
    """The rows linked, with the tables that this left."""
    with workspace(folder) as db:
        read_people(db, write_csv(folder / "people.csv", rows), folder)
        yield db, link(db)


def persons(folder: Path, *rows: Mapping[str, str]) -> list[list[int]]:
    """Positions of the rows that are one person's, for everybody who has several."""
    with linked(folder, rows) as (db, found):
        position = {id_: int(record[1:]) for id_, record in db.execute("SELECT id, record FROM people").fetchall()}
    return sorted(sorted(position[record] for record in group) for group in found.persons)
