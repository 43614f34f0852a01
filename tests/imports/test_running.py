"""Imports that are cut off, run at once, or run while calls come in."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import make_url, select, text

from app.db import Database
from app.embedded_postgres import EmbeddedPostgres
from app.models import Customer, CustomerChange, CustomerPhone, Import, ImportState, Interaction, Purchase, SourceRecord
from app.services.imports.running import Progress, SourceBusy, holding_source
from app.services.survivorship import say_by_hand, settle
from tests.cli.conftest import environment
from tests.factories import make_agent
from tests.imports.support import (
    LU,
    MAPPING,
    WANG,
    count,
    customer_of,
    ended,
    everything,
    feed,
    phones_of,
    rejects,
    table,
)

ORDERS = """
[columns]
id = "客户"
name = "姓名"
"purchase.id" = "订单号"
"purchase.product" = "产品"
"purchase.date" = "日期"
"purchase.amount" = "金额"
"complaint.at" = "投诉时间"
"complaint.summary" = "投诉内容"
"complaint.resolution" = "处理结果"
[usage]
visits = "登录次数"
[columns.usage]
at = "日期"
"""
ORDERS_HEADER = "客户,姓名,订单号,产品,日期,金额,投诉时间,投诉内容,处理结果,登录次数"


def many(rows: int, city: str = "南京") -> str:
    return table(*(f"T-{no},客户{no},男,139{no:08},,t{no}@example.com,,{city}" for no in range(rows)))


async def test_a_changed_row_changes_the_customer(database: Database, tmp_path: Path) -> None:
    await feed(database, tmp_path / "a.csv", table(LU, WANG))
    before = await customer_of(database, "S-1")

    job = await feed(database, tmp_path / "b.csv", table(LU.replace("南京", "苏州").replace("0013", "0014"), WANG))

    lu = await customer_of(database, "S-1")
    assert ended(job) == (0, 1, 1, 0)
    assert (lu.id, lu.code, lu.city, lu.version) == (before.id, before.code, "苏州", 2)
    # The old number still tells who calls.
    assert await phones_of(database, lu) == [
        ("+8613800138000", True), ("+862162345678", False), ("+8613800148000", False)
    ]  # fmt: skip
    async with database.session_scope() as session:
        changes = (await session.scalars(select(CustomerChange))).all()
    assert {(change.field, change.old, change.new, change.source, change.import_id) for change in changes} == {
        ("city", "南京", "苏州", "sales", job.id),
        ("phone", None, "+8613800148000", "sales", job.id),
    }


async def test_a_fresh_customer_is_as_the_rule_would_have_them(database: Database, tmp_path: Path) -> None:
    """New customers are written without asking the rule; asked afterwards, it changes nothing."""
    mapping = MAPPING + '[constants]\nkind = "company"\n"contact.name" = "王经理"\n'
    await feed(database, tmp_path / "a.csv", table(LU, "S-3,A\\B,,+1 212 555 0123,,,,", "S-4,x,,,,,,"))
    await feed(database, tmp_path / "b.csv", table(LU, WANG), mapping=mapping, source="shop")
    async with database.session_scope() as session:
        ids = list((await session.scalars(select(Customer.id))).all())
        assert len(ids) == 5
        assert await settle(session, ids) == set()


async def test_a_hand_edit_survives_an_import(database: Database, tmp_path: Path) -> None:
    await feed(database, tmp_path / "a.csv", table(LU))
    lu = await customer_of(database, "S-1")
    async with database.session_scope() as session:
        agent = await make_agent(session)
        await say_by_hand(session, lu.id, {"city": "镇江"}, agent.id)
        await settle(session, [lu.id])

    await feed(database, tmp_path / "b.csv", table(LU.replace("南京", "苏州").replace("lu@", "new@")))

    lu = await customer_of(database, "S-1")
    assert (lu.city, lu.email) == ("镇江", "new@example.com")


async def test_a_dry_run_foretells_and_writes_nothing(database: Database, tmp_path: Path) -> None:
    await feed(database, tmp_path / "a.csv", table(LU))
    before = await everything(database)
    codes = text("SELECT last_value FROM customer_code_seq")
    async with database.session_scope() as session:
        drawn = await session.scalar(codes)
    content = table(LU.replace("南京", "苏州"), WANG, "S-9,=cmd|x,,,,,,")

    foretold = await feed(database, tmp_path / "b.csv", content, is_dry_run=True, chunk=2)

    assert await everything(database) == before
    async with database.session_scope() as session:
        assert await session.scalar(codes) == drawn
    assert await rejects(database, foretold) == [(4, "formula")]
    done = await feed(database, tmp_path / "b.csv", content)
    assert ended(foretold) == ended(done) == (1, 1, 0, 1)


async def test_purchases_complaints_and_usage(database: Database, tmp_path: Path) -> None:
    rows = [
        "K-1,鲁大伟,D-1,空调,2025-10-18,9897.00,2025-11-02,空调不制冷,更换电容,",
        "K-1,鲁大伟,D-2,冰箱,2025-10-19,\"3,299元\",,,,12",
        "K-1,鲁大伟,D-2,滤网,2025-10-19,99,,,,",
        "K-2,王芳,,,,,,,,",
        "K-3,x,D-3,电视,,1,,,,",
    ]  # fmt: skip
    content = table(*rows, header=ORDERS_HEADER)

    first = await feed(database, tmp_path / "a.csv", content, mapping=ORDERS, chunk=2)
    before = await everything(database)
    again = await feed(database, tmp_path / "a.csv", content, mapping=ORDERS)

    assert (ended(first), await rejects(database, first)) == ((4, 0, 0, 1), [(6, "missing")])
    assert ended(again) == (0, 0, 4, 1)
    assert await everything(database) == before
    dearer = await feed(
        database,
        tmp_path / "b.csv",
        content.replace("9897.00", "9997.00").replace(",12\r\n", ",13\r\n"),
        mapping=ORDERS,
    )
    assert ended(dearer) == (0, 2, 2, 1)
    lu = await customer_of(database, "K-1")
    async with database.session_scope() as session:
        bought = (await session.scalars(select(Purchase).order_by(Purchase.purchased_on, Purchase.amount.desc()))).all()
        told = (await session.scalars(select(Interaction))).one()
        used = (await session.execute(text("SELECT key, value FROM customer_usage"))).one()
    assert [(each.customer_id, each.product, str(each.amount), each.currency) for each in bought] == [
        (lu.id, "空调", "9997.00", "CNY"),
        (lu.id, "冰箱", "3299.00", "CNY"),
        (lu.id, "滤网", "99.00", "CNY"),
    ]
    assert (told.kind, told.summary, told.source) == ("complaint", "空调不制冷\n→ 更换电容", "sales")
    assert (used.key, int(used.value)) == ("visits", 13)


async def test_orders_of_customers_that_the_source_has_told_of(database: Database, tmp_path: Path) -> None:
    mapping = '[columns]\nid = "客户"\n[columns.contract]\nnumber = "合同号"\nstarts_on = "开始"\nends_on = "结束"\n'
    await feed(database, tmp_path / "a.csv", table(LU))
    content = table(
        "S-1,HT-1,2026-01-01,2026-12-31",
        "S-9,HT-2,2026-01-01,2026-12-31",
        "S-1,HT-3,2026-02-01,2026-01-01",
        header="客户,合同号,开始,结束",
    )

    job = await feed(database, tmp_path / "b.csv", content, mapping=mapping)

    assert await rejects(database, job) == [(3, "unknown_customer"), (4, "bad_date")]
    assert ended(job) == (1, 0, 0, 2)
    assert await count(database, Customer) == 1


@asynccontextmanager
async def plain_role(server: EmbeddedPostgres, database_url: str) -> AsyncIterator[Database]:
    """The database for somebody who may write to its tables and may set nothing."""
    name, url = f"plain_{uuid4().hex}", make_url(database_url)
    admin = await asyncpg.connect(server.dsn(url.database or "", user="postgres"))
    await admin.execute(f"""
        CREATE ROLE {name} LOGIN;
        GRANT ALL ON ALL TABLES IN SCHEMA public TO {name};
        GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {name};
        GRANT TEMPORARY ON DATABASE {url.database} TO {name};
    """)
    database = Database(url.set(username=name).render_as_string(), pool_size=5, lane_size=0)
    try:
        yield database
    finally:
        await database.aclose()
        await admin.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")
        await admin.close()


@pytest.mark.parametrize("is_plain", [False, True], ids=["who may go without", "who may not"])
async def test_who_is_written_with_their_customer_is_not_looked_up(
    postgres: EmbeddedPostgres, database: Database, database_url: str, tmp_path: Path, is_plain: bool
) -> None:
    """Triggers, as which foreign keys are checked, tell of what they are asked; what a row tells besides is checked."""
    tables = ["customer_phones", "customers", "purchases", "source_records"]
    async with database.session_scope() as session:
        await session.execute(text("CREATE TABLE asked AS SELECT '' AS of WHERE false"))
        await session.execute(text("GRANT ALL ON asked TO public"))
        await session.execute(
            text("""
                CREATE FUNCTION ask() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN INSERT INTO asked VALUES (TG_TABLE_NAME); RETURN NULL; END $$
            """)
        )
        for name in tables:
            await session.execute(
                text(f"CREATE TRIGGER asks AFTER INSERT ON {name} FOR EACH ROW EXECUTE FUNCTION ask()")
            )
    mapping = ORDERS.replace('name = "姓名"', 'name = "姓名"\nphone = "手机"')
    content = table("K-1,鲁大伟,D-1,空调,2025-10-18,,,,,,13800138000", header=f"{ORDERS_HEADER},手机")

    if is_plain:
        async with plain_role(postgres, database_url) as plain:
            job = await feed(plain, tmp_path / "a.csv", content, mapping=mapping)
    else:
        job = await feed(database, tmp_path / "a.csv", content, mapping=mapping)

    assert ended(job) == (1, 0, 0, 0)
    async with database.session_scope() as session:
        asked = list(await session.scalars(text("SELECT of FROM asked ORDER BY of")))
    assert asked == (tables if is_plain else ["purchases"])


async def test_two_imports_of_one_source_at_once(database: Database, tmp_path: Path) -> None:
    """One runs, the other is told so; what is written is written once."""
    outcomes = await asyncio.gather(
        *(feed(database, tmp_path / f"{no}.csv", many(60), chunk=5) for no in range(3)), return_exceptions=True
    )

    ran = [each for each in outcomes if isinstance(each, Import)]
    assert [type(each) for each in outcomes if not isinstance(each, Import)] == [SourceBusy] * (3 - len(ran))
    assert len(ran) < 3
    assert await count(database, Customer) == await count(database, SourceRecord) == 60


async def test_two_sources_at_once(database: Database, tmp_path: Path) -> None:
    jobs = await asyncio.gather(
        *(feed(database, tmp_path / f"{no}.csv", many(60), chunk=5, source=f"s{no}") for no in range(3))
    )

    assert [ended(job) for job in jobs] == [(60, 0, 0, 0)] * 3


async def test_two_sources_with_the_same_customers_do_not_wait_for_each_other_for_ever(
    database: Database, tmp_path: Path
) -> None:
    """As after merging: each source knows all of the customers, and both change all of them, in different orders."""
    await feed(database, tmp_path / "a.csv", many(60))
    await feed(database, tmp_path / "b.csv", many(60), source="shop")
    async with database.session_scope() as session:
        await session.execute(
            text("UPDATE source_records s SET customer_id = o.customer_id FROM source_records o "
                 "WHERE s.source = 'shop' AND o.source = 'sales' AND o.external_id = s.external_id")
        )  # fmt: skip
    turned = many(60, "苏州").splitlines()
    backwards = "\r\n".join([turned[0], *turned[:0:-1]])

    jobs = await asyncio.gather(
        feed(database, tmp_path / "a.csv", "\r\n".join(turned), chunk=7),
        feed(database, tmp_path / "b.csv", backwards.replace("苏州", "上海"), chunk=11, source="shop"),
    )

    assert [(job.state, ended(job)) for job in jobs] == [(ImportState.DONE, (0, 60, 0, 0))] * 2
    async with database.session_scope() as session:
        told = list((await session.scalars(select(SourceRecord.customer_id).distinct())).all())
        # Each is as the newer of the two words has it.
        assert await settle(session, told) == set()


class Killed(BaseException):
    """Stands for whatever ends a process."""


async def test_what_was_committed_is_not_done_again(database: Database, tmp_path: Path) -> None:
    async def pull_the_plug(done: Progress) -> None:
        if done.row_no > 20:
            raise Killed

    with pytest.raises(Killed):
        await feed(database, tmp_path / "a.csv", many(60), chunk=7, watch=pull_the_plug)
    written = await count(database, Customer)

    job = await feed(database, tmp_path / "a.csv", many(60), chunk=7)

    assert 0 < written < 60
    assert ended(job) == (60, 0, 0, 0), "it went on: the rows before count as created too"
    assert await count(database, Import) == 1
    assert await count(database, Customer) == 60


async def test_an_import_that_is_killed_goes_on(database: Database, database_url: str, tmp_path: Path) -> None:
    """kill -9 while the command runs; the same command again ends with every row there once."""
    file, mapping = tmp_path / "a.csv", tmp_path / "m.toml"
    await asyncio.to_thread(file.write_text, many(20_000), "utf-8")
    await asyncio.to_thread(mapping.write_text, MAPPING, "utf-8")
    command = [sys.executable, "-m", "app.cli", "import", str(file), "--source", "sales", "--mapping", str(mapping)]
    told = environment(
        DATABASE_URL=database_url, CALLCARD_DATA_DIR=str(tmp_path / "data"), CALLCARD_DEDUPE_AFTER_IMPORT="false"
    )
    process = await asyncio.create_subprocess_exec(
        *command, cwd=tmp_path, env=told, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    while await count(database, Customer) == 0:
        assert process.returncode is None, await process.communicate()
        await asyncio.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    await process.communicate()
    half = await count(database, Customer)

    again = await asyncio.create_subprocess_exec(
        *command, cwd=tmp_path, env=told, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await again.communicate()

    assert 0 < half < 20_000
    assert again.returncode == 0, err.decode()
    assert "going on from there" in err.decode()
    assert "20,000 created" in out.decode()
    assert await count(database, Customer) == await count(database, CustomerPhone) == 20_000
    async with database.session_scope() as session:
        assert await session.scalar(text("SELECT count(DISTINCT external_id) FROM source_records")) == 20_000


async def test_the_source_is_free_again_when_its_holder_dies(database: Database) -> None:
    async with holding_source(database, "sales") as connection:
        with pytest.raises(SourceBusy):
            async with holding_source(database, "sales"):
                pass
        connection.terminate()
        async with asyncio.timeout(5):
            while True:
                try:
                    async with holding_source(database, "sales"):
                        return
                except SourceBusy:
                    await asyncio.sleep(0.01)
