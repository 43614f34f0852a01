"""`callcard dedupe evaluate` as a person runs it."""

import csv
import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from app.db import Database
from app.services.linkage.evaluation import Evaluation, Score, TruthKind, evaluate
from app.services.linkage.reading import UnreadableFile
from tests.cli.conftest import Callcard, run, squeezed
from tests.factories import make_customer

FEBRL = """\
rec_id, given_name, surname, street_number, address_1, address_2, suburb, postcode, state, date_of_birth, soc_sec_id
rec-1-org, chloe, pantazopoulos, 147, allott street, wyoming park, aldgate, 2325, nsw, 19860807, 9036067
rec-1-dup-0, chole, pantazopolous, 147, allott st, , aldgate, 2325, nsw, 19860807, 9036067
rec-2-org, riley, gloster, 24, farrer place, , frankston, 3178, vic, 19590124, 1234567
rec-2-dup-0, gloster, riley, 24, farrer place, , frankston, 3178, vic, 19590124, 1234576
rec-3-org, emmet, weller, 11, copland drive, , birmingham gardens, 4365, qld, 19270516, 6281502
"""


@pytest.fixture
def records(tmp_path: Path) -> Path:
    (tmp_path / "records.csv").write_text(FEBRL)
    return tmp_path / "records.csv"


def evaluated(folder: Path, truth: str, **more: Any) -> Evaluation:
    (folder / "truth.csv").write_text(truth)
    return evaluate(folder / "records.csv", folder / "truth.csv", folder=folder, **more)


@pytest.mark.parametrize(
    "truth",
    [
        "id_l,id_r\nrec-1-org,rec-1-dup-0\nrec-2-dup-0,rec-2-org\n",
        "rec-1-org,rec-1-dup-0\nrec-2-dup-0,rec-2-org\n",
        "a;b;is_match\nrec-1-org;rec-1-dup-0;1\nrec-2-dup-0;rec-2-org;true\nrec-1-org;rec-2-org;0\n",
        "rec_id,cluster\nrec-1-org,A\nrec-1-dup-0,A\nrec-2-org,B\nrec-2-dup-0,B\nrec-3-org,C\n",
        "person_id,rec_id\n1,rec-1-org\n1,rec-1-dup-0\n2,rec-2-org\n2,rec-2-dup-0\n3,rec-3-org\n",
        "rec-1-org,7\nrec-1-dup-0,7\nrec-2-org,8\nrec-2-dup-0,8\nrec-3-org,9\n",
    ],
    ids=[
        "pairs",
        "pairs without a header",
        "labelled pairs",
        "clusters",
        "clusters first",
        "clusters without a header",
    ],
)
def test_a_truth_is_read_however_it_is_written(records: Path, truth: str) -> None:
    found = evaluated(records.parent, truth)

    assert (found.records, found.linked) == (5, Score(found=2, right=2, there=2))


def test_what_is_wrong_is_counted(records: Path) -> None:
    found = evaluated(records.parent, "l,r\nrec-1-org,rec-1-dup-0\nrec-2-org,rec-3-org\nrec-1-org,rec-99\n")

    assert (found.linked.precision, found.linked.recall, found.linked.f1) == (0.5, 0.5, 0.5)
    assert found.unknown == 1


async def test_json_holds_every_figure(records: Path) -> None:
    (records.parent / "truth.csv").write_text("l,r\nrec-1-org,rec-1-dup-0\nrec-2-org,rec-2-dup-0\n")

    ran = await run(records.parent, "dedupe", "evaluate", "--records", "records.csv", "--truth", "truth.csv", "--json")

    found = json.loads(ran.out)
    assert (found["precision"], found["recall"], found["f1"]) == (1.0, 1.0, 1.0)
    assert (found["records"], found["true_pairs"], found["found_pairs"], found["right_pairs"]) == (5, 2, 2, 2)
    assert found["seconds"] > 0
    assert found["peak_memory_mb"] > 50


async def test_a_table_is_shown_and_columns_are_told(records: Path) -> None:
    (records.parent / "truth.csv").write_text("l,r\nrec-1-org,rec-1-dup-0\n")

    ran = await run(records.parent, "dedupe", "evaluate", "--records", "records.csv", "--truth", "truth.csv")

    assert ran.code == 0
    assert "5 records, 1 true pairs" in ran.out
    assert "soc_sec_id (national_id)" in squeezed(ran.out)


async def test_columns_are_named_by_hand(tmp_path: Path) -> None:
    rows = [["k", "wer", "wann"], ["1", "Jane Smithson", "19750312"], ["2", "Smithson, Jane", "12.03.1975"]]
    with (tmp_path / "records.csv").open("w", newline="") as file:
        csv.writer(file, delimiter="\t").writerows(rows)
    (tmp_path / "truth.csv").write_text("a,b\n1,2\n")
    named = ("--mapping", "id=k", "--mapping", "name=wer", "--mapping", "date_of_birth=wann")

    ran = await run(
        tmp_path, "dedupe", "evaluate", "--records", "records.csv", "--truth", "truth.csv", "--json", *named
    )

    assert json.loads(ran.out)["recall"] == 1.0


def test_a_first_column_that_is_nothing_else_is_the_id(tmp_path: Path) -> None:
    (tmp_path / "records.csv").write_bytes(
        '\ufeffnr;Name;"Date of birth"\r\n7;"Smithson, Jane";12/03/1975\r\n8;Jane Smithson;1975-03-12\r\n'.encode()
    )

    assert evaluated(tmp_path, "a,b\n7,8\n").linked.recall == 1.0


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16", "utf-8-sig"])
def test_encodings_are_told_apart(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "records.csv").write_bytes(
        "编号,姓名,手机\n甲,鲁大伟,13800138000\n乙,魯大偉,13800138000\n".encode(encoding)
    )

    assert evaluated(tmp_path, "编号,客户\n甲,1\n乙,1\n", kind=TruthKind.CLUSTERS).linked.recall == 1.0


@pytest.mark.parametrize(
    ("records", "told"),
    [
        (b"", "is empty"),
        (b"foo,bar\n1,2\n", "None of records.csv's columns is known"),
        (b"given_name,surname\nJane,Smithson\n", "has no column of ids"),
        (b"id,name\n1,Jane\n1,Joan\n", "The id '1' stands twice"),
        (b"id,name\n,Jane\n", "has no id"),
        (b"\x00\x01\xff\xfe\x9c" * 50, "records.csv"),
    ],
)
def test_a_file_that_is_none_is_refused_in_a_sentence(tmp_path: Path, records: bytes, told: str) -> None:
    (tmp_path / "records.csv").write_bytes(records)

    with pytest.raises(UnreadableFile, match=re.escape(told)):
        evaluated(tmp_path, "a,b\n1,2\n")


@pytest.mark.parametrize(
    "more",
    [("--mapping", "shoe_size=x"), ("--truth-kind", "guess"), ("--records", "none.csv")],
)
async def test_a_wrong_option_is_told(records: Path, more: tuple[str, str]) -> None:
    (records.parent / "truth.csv").write_text("a,b\nrec-1-org,rec-2-org\n")

    ran = await run(records.parent, "dedupe", "evaluate", "--records", "records.csv", "--truth", "truth.csv", *more)

    assert ran.code == 1
    assert ran.err


async def test_a_run_finds_and_says(callcard: Callcard, database: Database) -> None:
    async with database.session_scope() as session:
        for name in ("鲁大伟", "魯大偉"):
            await make_customer(session, "13800138000", name=name, birth_date=date(1975, 3, 12))

    first = await callcard("dedupe", "run")
    second = await callcard("dedupe", "run", "--incremental")

    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert "Customers compared: 2." in first.out
    assert "Found: 1 pairs that are the same beyond doubt, of which 1 were merged." in first.out
    assert "Put up for review: 0 that may be." in first.out
    assert "1 new or changed of 1" in second.out
