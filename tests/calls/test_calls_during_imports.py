"""Calls ring while their customers are being fed in."""

import asyncio
from pathlib import Path

from tests.calls.conftest import DIALLED, WIDE, MakeHotline
from tests.imports.support import ended, feed, table


def customers(city: str) -> str:
    return table(*(f"T-{no},客户{no},男,139{no:08},,,,{city}" for no in range(3000)))


async def test_calls_ring_while_their_customers_are_changed(make_hotline: MakeHotline, tmp_path: Path) -> None:
    """Every caller is recognised, whichever chunk is being written, and the import ends as if nobody had rung."""
    hotline = await make_hotline(**WIDE)
    database = hotline.served.database
    await feed(database, tmp_path / "a.csv", customers("南京"))
    desk = await hotline.desk()
    running = asyncio.create_task(feed(database, tmp_path / "b.csv", customers("苏州"), chunk=100))

    rung = 0
    while not running.done() or rung < 3:
        call = await hotline.line.call(f"+86139{rung * 97 % 3000:08}", DIALLED)
        offered = await desk.until("call.offered")
        assert offered["data"]["screen_pop"]["match"]["outcome"] == "unique"
        assert offered["data"]["screen_pop"]["customer"]["name"] == f"客户{rung * 97 % 3000}"
        call.hang_up()
        await call.finished()
        await desk.until("call.cleared")
        rung += 1

    assert ended(await running) == (0, 3000, 0, 0)
    known = await hotline.one("SELECT count(*) AS calls FROM calls WHERE customer_id IS NOT NULL")
    assert known == {"calls": rung}
