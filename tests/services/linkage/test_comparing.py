"""The levels that Python finds are those that the database finds."""

import csv
from pathlib import Path

from app.domain.linkage import LEVELS, Field, level_name
from app.services.linkage.blocking import find_pairs
from app.services.linkage.comparing import compare, person
from app.services.linkage.model import usual_model
from app.services.linkage.people import prepare
from app.services.linkage.reading import read_people
from app.services.linkage.scoring import score
from app.services.linkage.workspace import workspace
from bench.people import write_people


def test_every_level_is_the_one_that_the_database_finds(tmp_path: Path) -> None:
    records, _ = write_people(tmp_path, 4000, seed=21)
    with records.open(encoding="utf-8") as file:
        rows = {row["rec_id"]: row for row in csv.DictReader(file)}
    with workspace(tmp_path) as db:
        read_people(db, records, tmp_path)
        for column in ("address_1", "address_2", "street_number", "suburb", "postcode"):
            db.execute(f"UPDATE records SET {column} = NULL")
        prepare(db)
        find_pairs(db)
        # Pairs that have nothing to do with each other, too.
        db.execute("INSERT INTO pairs SELECT a.id, b.id, '0' FROM people a JOIN people b ON b.id = a.id + 7")
        score(db, usual_model(4000), least=None)
        scored = db.execute(
            f"SELECT l.record, r.record, l.birth, r.birth, l.phone_crowd, r.phone_crowd,"
            f" {', '.join(f's.{field}' for field in LEVELS)}"
            " FROM scored s JOIN people l ON l.id = s.a JOIN people r ON r.id = s.b"
        ).fetchall()

    assert len(scored) > 5000
    seen: set[tuple[Field, str]] = set()
    for left, right, born_left, born_right, *crowds, in_database in [
        (*row[:6], dict(zip(LEVELS, row[6:], strict=True))) for row in scored
    ]:
        is_crowded = min(crowds) > 12
        a, b = (
            person(
                given=row["given_name"],
                family=row["surname"],
                birth=born,
                sex=row["sex"],
                national_id=row["national_id"],
                email=row["email"],
                phones=[row["phone"]],
            )
            for row, born in ((rows[left], born_left), (rows[right], born_right))
        )
        found = compare(a, b, is_crowded=lambda _, crowded=is_crowded: crowded)
        assert found == in_database, (rows[left], rows[right])
        seen |= {(field, level_name(field, number)) for field, number in found.items()}
    for field, levels in LEVELS.items():
        if field is not Field.CONTACT:
            assert {(field, level.name) for level in levels} <= seen
