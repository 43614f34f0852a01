"""What an import tells of contracts and contacts decides where a customer stands."""

from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select

from app.db import Database
from app.models import CustomerChange, StageMove
from tests.imports.support import customer_of, feed, table

MAPPING = """
[columns]
id = "客户"
name = "姓名"
"contract.id" = "合同号"
"contract.number" = "合同号"
"contract.starts_on" = "起"
"contract.ends_on" = "止"
"interaction.id" = "联系号"
"interaction.at" = "联系时间"
"interaction.summary" = "内容"
"""
HEADER = "客户,姓名,合同号,起,止,联系号,联系时间,内容"


async def test_contracts_and_contacts_of_a_file(database: Database, tmp_path: Path) -> None:
    rows = [
        "S-1,鲁大伟,HT-1,2024-01-01,2024-12-31,L-1,2026-03-01 10:00,问价格",
        "S-1,鲁大伟,,,,L-2,2026-02-01 10:00,更早",
        "S-2,王芳,HT-2,2026-01-01,2199-12-31,L-3,2199-01-01 10:00,还没到",
        "S-3,李娜,,,,,,",
    ]

    await feed(database, tmp_path / "a.csv", table(*rows, header=HEADER), mapping=MAPPING)

    lu, wang, li = [await customer_of(database, each) for each in ("S-1", "S-2", "S-3")]
    assert (lu.contract_state, lu.sales_stage, lu.dcwh) == ("expired", 7, "warm")
    assert lu.last_contact_at == datetime(2026, 3, 1, 2, tzinfo=UTC), "the later one, by the house's clock"
    assert (wang.contract_state, wang.sales_stage, wang.last_contact_at) == ("in_contract", 6, None)
    assert (li.contract_state, li.sales_stage, li.dcwh, li.last_contact_at) == ("none", 0, "cold", None)
    async with database.session_scope() as session:
        moves = (await session.scalars(select(StageMove).order_by(StageMove.to_stage))).all()
        told = await session.execute(
            select(CustomerChange.source, CustomerChange.why).where(
                CustomerChange.customer_id == lu.id, CustomerChange.field == "contract_state"
            )
        )
    assert [(move.customer_id, move.from_stage, move.to_stage) for move in moves] == [(wang.id, 0, 6), (lu.id, 0, 7)]
    assert [tuple(row) for row in told] == [("sales", "contract_ran_out")]

    # A renewal comes with the next file.
    renewed = "S-1,鲁大伟,HT-3,2025-01-01,2199-12-31,L-4,2026-01-01 10:00,续签"
    await feed(database, tmp_path / "b.csv", table(renewed, header=HEADER), mapping=MAPPING)
    lu = await customer_of(database, "S-1")
    assert (lu.contract_state, lu.sales_stage, lu.last_contact_at) == (
        "in_contract",
        6,
        datetime(2026, 3, 1, 2, tzinfo=UTC),
    )
