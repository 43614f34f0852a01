"""What a workbook's cells become."""

import os
import signal
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from app.db import Database
from app.models import ImportState
from app.services.imports.held import Held
from app.services.imports.tables import BadFile
from tests.imports.support import HEADER, MAPPING, customer_of, ended, feed, phones_of, rejects
from tests.imports.workbooks import ods, workbook

TITLES = HEADER.split(",")


async def test_a_workbook_is_read_as_people_see_it(database: Database, tmp_path: Path) -> None:
    """Numbers that Excel made of phones and ids, dates as dates and as serials, a header in row three."""
    content = workbook(
        客户=[
            ["客户清单"],
            [None],
            TITLES,
            ["S-1", "鲁大伟", "男", 13800138000, "021-62345678", "lu@example.com", "@28561", "南京"],
            [1001, "王芳", "女", 13900139000.0, None, None, 28561, "  上海 "],
            ["S-3", "=cmd|' /C calc'!A0", "男", None, None, None, None, None],
        ]
    )

    job = await feed(database, tmp_path / "a.xlsx", content)
    again = await feed(database, tmp_path / "a.xlsx", content)

    assert (job.state, ended(job), await rejects(database, job)) == (ImportState.DONE, (2, 0, 0, 1), [(6, "formula")])
    assert ended(again) == (0, 0, 2, 1)
    lu, wang = await customer_of(database, "S-1"), await customer_of(database, "1001")
    assert (str(lu.birth_date), str(wang.birth_date), wang.city) == ("1978-03-12", "1978-03-12", "上海")
    assert await phones_of(database, wang) == [("+8613900139000", True)]


@pytest.mark.parametrize("write", [ods, workbook])
async def test_a_sheet_is_chosen(database: Database, tmp_path: Path, write: Callable[..., bytes]) -> None:
    content = write(说明=[["read me"]], 客户=[TITLES, ["S-1", "鲁大伟", "男"]])

    missing = await feed(database, tmp_path / "a", content)
    wrong = await feed(database, tmp_path / "a", content, mapping=MAPPING + '[file]\nsheet = "x"\n')
    right = await feed(database, tmp_path / "a", content, mapping=MAPPING + '[file]\nsheet = "客户"\n')

    assert (missing.error_code, wrong.error_code, ended(right)) == ("no_header", "no_sheet", (1, 0, 0, 0))


@pytest.mark.parametrize("write", [ods, workbook])
async def test_a_row_need_not_be_as_wide_as_the_header(
    database: Database, tmp_path: Path, write: Callable[..., bytes]
) -> None:
    """Nor is what is empty right of it too much; what is not makes a row too wide, however far away it stands."""
    far = [*["S-3", "李四", "男"], *[None] * 600, "x"]
    content = write(客户=[TITLES, ["S-1", "鲁大伟", "男"], ["S-2", "王芳", *[None] * 6, " "], far])

    job = await feed(database, tmp_path / "a", content)

    assert (job.state, ended(job)) == (ImportState.DONE, (2, 0, 0, 1))
    assert await rejects(database, job) == [(4, "too_many_cells")]


async def test_a_header_has_not_more_than_500_columns(database: Database, tmp_path: Path) -> None:
    content = workbook(客户=[[*TITLES, *map(str, range(493))], ["S-1", "鲁大伟", "男"]])

    job = await feed(database, tmp_path / "a.xlsx", content)

    assert (job.state, job.error_code) == (ImportState.FAILED, "too_many_columns")


@pytest.mark.parametrize("write", [ods, workbook])
async def test_rows_have_the_numbers_that_people_see(
    database: Database, tmp_path: Path, write: Callable[..., bytes]
) -> None:
    """Also below rows that are empty."""
    content = write(客户=[[], [], TITLES, ["S-1", "鲁大伟", "男"], [], ["S-2", "=cmd|x"]])

    job = await feed(database, tmp_path / "a", content)

    assert (ended(job), await rejects(database, job)) == ((1, 0, 0, 1), [(6, "formula")])


def test_who_stops_in_the_middle_of_a_workbook_leaves_no_process(tmp_path: Path) -> None:
    path = tmp_path / "a.ods"
    path.write_bytes(ods(客户=[[f"S-{number}", "x" * 1000] for number in range(3000)]))
    before = children()
    held = Held(path, None, widest=10)
    begun = children() - before

    first = next(held.rows)
    held.close()

    assert (held.name, first, held.progress()) == ("客户", (1, ["S-0", "x" * 1000]), pytest.approx(1 / 3000))
    assert (len(begun), begun & children()) == (1, set())


def test_a_process_that_is_ended_from_outside_is_told_as_too_little_memory(tmp_path: Path) -> None:
    """As the system does when there is none left."""
    path = tmp_path / "a.ods"
    path.write_bytes(ods(客户=[[f"S-{number}", "x" * 1000] for number in range(3000)]))
    before = children()
    with closing(Held(path, None, widest=10)) as held:
        next(held.rows)
        (child,) = children() - before
        os.kill(child, signal.SIGKILL)

        with pytest.raises(BadFile) as raised:
            list(held.rows)

    assert raised.value.code == "too_large"


def children() -> set[int]:
    """The processes that this one has begun and that are not over."""
    return {int(child) for told in Path("/proc/self/task").glob("*/children") for child in told.read_text().split()}
