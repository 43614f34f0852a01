"""What the tests of imports share: files as people have them, and an import run in this process."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from app.db import Database
from app.domain.importing.mapping import parse_mapping
from app.models import Base, Customer, CustomerPhone, Import, ImportReject, SourceRecord
from app.services.imports.jobs import begin_local, local_file
from app.services.imports.rows import House
from app.services.imports.running import run_import

OWN_NUMBER = "+862112345678"
MAPPING = """
[columns]
id = "客户编号"
name = "姓名"
gender = "性别"
phone = ["手机", "电话"]
email = "邮箱"
birth_date = "生日"
city = "城市"
"""
HEADER = "客户编号,姓名,性别,手机,电话,邮箱,生日,城市"
LU = "S-1,鲁大伟,男,138 0013 8000,021-62345678,lu@example.com,1978-03-12,南京"
WANG = "S-2,王芳,女,13900139000,,wang@example.com,1985/7/1,上海"


def table(*rows: str, header: str = HEADER) -> str:
    """A file's text."""
    return "\r\n".join([header, *rows]) + "\r\n"


async def feed(
    database: Database,
    path: Path,
    content: str | bytes,
    *,
    mapping: str = MAPPING,
    source: str = "sales",
    is_dry_run: bool = False,
    chunk: int = 1000,
    **more: Any,
) -> Import:
    """Run an import of this content, in chunks that are small."""
    await asyncio.to_thread(path.write_bytes, content.encode() if isinstance(content, str) else content)
    given = parse_mapping(mapping)
    known = await asyncio.to_thread(local_file, path)
    async with database.session_scope() as session:
        job, _ = await begin_local(session, source=source, mapping=given, file=known, is_dry_run=is_dry_run)
    house = House("CN", "Asia/Shanghai", frozenset({OWN_NUMBER}), source)
    return await run_import(database, job.id, path, house, chunk=chunk, **more)


def ended(job: Import) -> tuple[int, int, int, int]:
    """Created, updated, unchanged, rejected."""
    return job.created, job.updated, job.unchanged, job.rejected


async def rejects(database: Database, job: Import) -> list[tuple[int, str]]:
    """The rows that were not taken and the codes of why."""
    async with database.session_scope() as session:
        found = await session.execute(
            select(ImportReject.row_no, ImportReject.code)
            .where(ImportReject.import_id == job.id)
            .order_by(ImportReject.row_no)
        )
        return [(row.row_no, row.code) for row in found]


async def customer_of(database: Database, external_id: str, source: str = "sales") -> Customer:
    """The customer of a source's id."""
    async with database.session_scope() as session:
        found = await session.scalar(
            select(Customer)
            .join(SourceRecord, SourceRecord.customer_id == Customer.id)
            .where(SourceRecord.source == source, SourceRecord.external_id == external_id)
        )
    assert found is not None, f"there is no {external_id}"
    return found


async def phones_of(database: Database, customer: Customer) -> list[tuple[str, bool]]:
    """E.164 and whether it is the primary one, in the order in which they came."""
    async with database.session_scope() as session:
        found = await session.execute(
            select(CustomerPhone.e164, CustomerPhone.is_primary)
            .where(CustomerPhone.customer_id == customer.id)
            .order_by(CustomerPhone.id)
        )
        return [(row.e164, row.is_primary) for row in found]


async def everything(database: Database, but: Sequence[str] = ()) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables that an import writes, other than what it says of itself."""
    skipped = {"imports", "import_content", "import_rejects", *but}
    async with database.session_scope() as session:
        return {
            each.name: sorted((tuple(row) for row in await session.execute(select(each))), key=repr)
            for each in Base.metadata.sorted_tables
            if each.name not in skipped
        }


async def count(database: Database, model: type[Any]) -> int:
    """How many rows a table has."""
    async with database.session_scope() as session:
        return await session.scalar(select(func.count()).select_from(model)) or 0
