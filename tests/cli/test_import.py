"""`callcard import`: what a person sees of it."""

import asyncio
from pathlib import Path

import pytest

from app.db import Database
from app.models import Customer, CustomerSearch
from tests.cli.conftest import Callcard, squeezed
from tests.imports.support import LU, MAPPING, WANG, count, table

CONTENT = table(LU, WANG, "S-3,=cmd|x,,,,,,")


@pytest.fixture
async def files(tmp_path: Path) -> tuple[str, str]:
    """A file and its mapping, as arguments."""
    file, mapping = tmp_path / "a.csv", tmp_path / "m.toml"
    await asyncio.to_thread(file.write_bytes, CONTENT.encode("gbk"))
    await asyncio.to_thread(mapping.write_text, MAPPING, "utf-8")
    return str(file), str(mapping)


async def test_a_file_is_fed_in_and_again(
    callcard: Callcard, database: Database, files: tuple[str, str], tmp_path: Path
) -> None:
    file, mapping = files
    asked = ("import", file, "--source", "sales", "--mapping", mapping)

    dry = await callcard(*asked, "--dry-run")
    assert await count(database, Customer) == 0
    first = await callcard(*asked)
    again = await callcard(*asked, "--rejects", str(tmp_path / "left.csv"))

    assert (dry.code, first.code, again.code) == (0, 0, 0)
    assert "2 would be created, 0 would be updated, 0 unchanged, 1 rejected" in dry.out
    assert "2 created, 0 updated, 0 unchanged, 1 rejected" in first.out
    assert "formula" in first.out
    assert "0 created, 0 updated, 2 unchanged, 1 rejected" in again.out
    assert await count(database, Customer) == 2
    assert await count(database, CustomerSearch) == 2
    assert ("findable" in dry.err, "findable" in first.err, "findable" in again.err) == (False, True, False)
    for name in ("a.rejects.csv", "left.csv"):
        left = await asyncio.to_thread((tmp_path / name).read_text, "utf-8-sig")
        assert left.splitlines()[1].startswith("4,formula,")
        assert "'=cmd|x" in left


async def test_a_mapping_is_guessed_shown_and_written(
    callcard: Callcard, files: tuple[str, str], tmp_path: Path
) -> None:
    file, _ = files
    written = tmp_path / "guessed.toml"

    shown = await callcard("import", file, "--guess")
    kept = await callcard("import", file, "--guess", "--source", "sales", "--mapping", str(written))
    twice = await callcard("import", file, "--guess", "--mapping", str(written))
    used = await callcard("import", file, "--mapping", str(written))

    assert 'phone = ["手机", "电话"]' in shown.out
    assert "+8613800138000" in shown.out
    assert "row 4 would be rejected" in squeezed(shown.out)
    assert (kept.code, twice.code) == (0, 1)
    assert "is there already" in twice.err
    assert "2 created" in used.out


async def test_what_cannot_be_fed_in_is_a_sentence(callcard: Callcard, files: tuple[str, str], tmp_path: Path) -> None:
    file, mapping = files
    broken = tmp_path / "broken.toml"
    await asyncio.to_thread(broken.write_text, "[columns]\nname = '姓名'", "utf-8")
    pdf = tmp_path / "a.pdf"
    await asyncio.to_thread(pdf.write_bytes, b"%PDF-1.7")

    for arguments, said in [
        ((file, "--source", "sales"), "--mapping FILE.toml"),
        ((file, "--mapping", mapping), "--source sales"),
        ((file, "--source", "hand", "--mapping", mapping), "has another name"),
        ((file, "--source", "sales", "--mapping", str(broken)), "needs a column for `id`"),
        ((file, "--source", "sales", "--mapping", str(tmp_path / "none")), "cannot be read"),
        ((str(tmp_path / "none.csv"), "--source", "sales", "--mapping", mapping), "cannot be read"),
        ((str(pdf), "--source", "sales", "--mapping", mapping), "not_a_table"),
        ((str(pdf), "--guess"), "neither a CSV file nor a workbook"),
    ]:
        ran = await callcard("import", *arguments)
        assert ran.code == 1, arguments
        assert said in squeezed(ran.err), arguments
