"""The worked example of docs/importing.md holds, word for word."""

import asyncio
import re
from pathlib import Path

from sqlalchemy import text

from app.db import Database
from app.models import Customer, Source
from app.services.survivorship import settle
from tests.imports.support import customer_of, ended, feed

DOCS = Path(__file__).parent.parent.parent / "docs" / "importing.md"
SERVICE = """
[columns]
id = "档案号"
name = "客户"
phone = "联系电话"
occupation = "职业"
city = "城市"
said_at = "更新时间"
"""


async def test_two_systems_become_one_record(database: Database, tmp_path: Path) -> None:
    written = await asyncio.to_thread(DOCS.read_text, "utf-8")
    sales, service = re.findall(r"```\n((?:客户编号|档案号),.*?)```", written, re.DOTALL)
    mapping = "\n".join(
        line
        for line in re.findall(r"```toml\n(.*?)\n\[values", written, re.DOTALL)[0].splitlines()
        if not line.startswith(("gender", "birth_date"))
    ).replace('["手机", "电话"]', '"手机"').replace('said_at', 'city = "城市"\nsaid_at')  # fmt: skip

    first = await feed(database, tmp_path / "a.csv", sales, mapping=mapping)
    second = await feed(database, tmp_path / "b.csv", service, mapping=SERVICE, source="service")

    assert (ended(first), ended(second)) == ((1, 0, 0, 0), (1, 0, 0, 0))
    lu, other = await customer_of(database, "S-1"), await customer_of(database, "KF-77", "service")
    assert lu.id != other.id
    async with database.session_scope() as session:
        await session.execute(text("UPDATE source_records SET customer_id = :to"), {"to": lu.id})
        await settle(session, [lu.id, other.id])
    merged = await customer_of(database, "S-1")
    assert (merged.name, merged.city, merged.occupation, merged.time_zone) == (
        "鲁先生",
        "苏州",
        "酒店经理",
        "Asia/Shanghai",
    )
    async with database.session_scope() as session:
        (await session.get_one(Source, "sales")).rank = 10
        await session.flush()
        await settle(session, [lu.id])
        known = await session.get_one(Customer, lu.id)
        assert (known.name, known.city, known.occupation) == ("鲁大伟", "南京", "酒店经理")
    later = await feed(
        database, tmp_path / "b.csv", service.replace("酒店经理", "店主"), mapping=SERVICE, source="service"
    )
    assert ended(later) == (0, 1, 0, 0)
    assert (await customer_of(database, "S-1")).occupation == "店主"


def test_every_reason_is_in_the_docs() -> None:
    code = "\n".join(
        path.read_text("utf-8")
        for folder in ("app/domain/importing", "app/services/imports")
        for path in sorted((DOCS.parent.parent / folder).rglob("*.py"))
    )
    reasons = set(re.findall(r'(?:BadCell|BadFile)\(\s*"([a-z_]+)"|Reject\(\s*[a-z_.]+, "([a-z_]+)"', code))
    flat = {one or other for one, other in reasons}
    assert len(flat) > 25
    written = DOCS.read_text("utf-8")
    assert [reason for reason in sorted(flat) if f"`{reason}`" not in written] == []
