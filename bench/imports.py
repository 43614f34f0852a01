"""Feeding in a million customers, side by side with PostgreSQL's own COPY of the same file into one table.

Everything runs in a database of its own, on a PostgreSQL with production's settings. The import is the command that
people type, in a process of its own; its memory is that of all its processes. It is over when the command says what
it took in; making them findable, which the command goes on with, is told apart.
"""

import asyncio
import csv
import os
import random
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import asyncpg
import psutil

from app import migrate
from app.db import driver_dsn
from app.embedded_postgres import EmbeddedPostgres
from bench.dataset import FOLDER
from bench.machine import CpuMeter, first_process
from bench.report import Goal, Section
from bench.workbooks import make_workbook

_DATABASE: Final = "bench_import"
_SURNAMES: Final = (
    "王李张刘陈杨黄赵周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎鲁"
)
_GIVEN: Final = "大海建国秀英伟芳敏静丽强磊军洋勇艳杰娟涛明超霞平刚桂兰华文斌波辉玲红宇浩凯雪晨阳佳欣怡子轩梓涵"
_PLACES: Final = tuple(
    place.split()
    for place in "江苏 南京 中山路,上海 上海 南京西路,广东 深圳 深南大道,四川 成都 人民南路,浙江 杭州 延安路".split(",")
)
_NETWORKS: Final = (
    "130 131 132 133 135 136 137 138 139 150 151 152 157 158 159 176 177 178 180 181 185 186 188 189".split()
)
_HEADER: Final = "客户编号 姓名 性别 手机 其他电话 邮箱 省份 城市 地址 出生日期 职业 学历".split()

MAPPING: Final = """
[columns]
id = "客户编号"
name = "姓名"
gender = "性别"
phone = ["手机", "其他电话"]
email = "邮箱"
region = "省份"
city = "城市"
address = "地址"
birth_date = "出生日期"
occupation = "职业"
education = "学历"
"""


def make_file(path: Path, rows: int) -> None:
    """A file of so many customers with 1.4 phones each, as a sales system would write it."""
    rng = random.Random(20261121)
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(_HEADER)
        for i in range(rows):
            region, city, street = rng.choice(_PLACES)
            # One number in a thousand is of no network.
            network = rng.choice(_NETWORKS) if rng.random() < 0.999 else "154"
            mobile = f"{network}{rng.randrange(10**8):08}"
            other = ""
            if rng.random() < 0.4:
                line = f"13{rng.randrange(10)}{rng.randrange(10**8):08}"
                other = rng.choice((f"{line[:3]} {line[3:7]} {line[7:]}", f"+86{line}", f"021-{line[3:]}"))
            out.writerow([
                f"S{i:08}", rng.choice(_SURNAMES) + rng.choice(_GIVEN) + rng.choice(_GIVEN), rng.choice("男女"),
                mobile, other, f"user{i}@example.com", region, city,
                f"{city}市{street}{rng.randrange(1, 999)}号{rng.randrange(1, 30)}座{rng.randrange(101, 3000)}室",
                f"{rng.randrange(1945, 2006)}-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}",
                rng.choice(("经理", "工程师", "教师", "医生", "销售", "")), rng.choice(("高中", "本科", "硕士", "")),
            ])  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Run:
    seconds: float
    seconds_after: float
    database_cpu: float
    own_cpu: float
    most_memory: int
    said: str


async def measure_imports(server: EmbeddedPostgres, *, rows: int, as_workbook: bool = False) -> Section:
    """Copy, import, import again, and what each took.

    Args:
        as_workbook: import the file as a workbook; copied is the CSV file of the same rows.
    """
    table = FOLDER / f"customers-{rows}.csv"
    path = table.with_suffix(".xlsx") if as_workbook else table
    if not path.exists():
        print(f"Making a file of {rows:,} customers, once …", flush=True)
        if not table.exists():
            make_file(table, rows)
        if as_workbook:
            make_workbook(table, path)
    mapping = FOLDER / "mapping.toml"
    mapping.write_text(MAPPING, encoding="utf-8")
    admin = await asyncpg.connect(server.dsn("postgres", user="postgres"))
    try:
        await admin.execute(f"DROP DATABASE IF EXISTS {_DATABASE} WITH (FORCE)")
        await admin.execute(f"CREATE DATABASE {_DATABASE} OWNER callcard")
        await asyncio.to_thread(migrate.upgrade, server.dsn(_DATABASE))
        meter = CpuMeter(await first_process(admin))
        copied = await _copy(server, table)
        first = await _import(server, path, mapping, meter)
        again = await _import(server, path, mapping, meter)
    finally:
        await admin.execute(f"DROP DATABASE IF EXISTS {_DATABASE} WITH (FORCE)")
        await admin.close()

    def line(what: str, run: _Run) -> list[str]:
        return [
            what,
            f"{run.seconds:.1f}",
            f"{rows / run.seconds:,.0f}",
            f"{run.database_cpu:.1f}",
            f"{run.own_cpu:.1f}",
            f"{run.most_memory / 2**20:.0f}",
        ]

    return Section(
        f"Import of {rows:,} customers with 1.4 phones out of {path.suffix[1:].upper()}, beside COPY of CSV",
        ["", "seconds", "rows/s", "CPU s of PostgreSQL", "CPU s of ours", "MiB at most"],
        [
            ["COPY into one table", f"{copied:.1f}", f"{rows / copied:,.0f}", "", "", ""],
            line("import", first),
            ["… and making them findable", f"{first.seconds_after:.1f}", "", "", "", ""],
            line("import again, unchanged", again),
        ],
        notes=[f"the file has {path.stat().st_size / 2**20:.0f} MiB", first.said, again.said],
        goals=[
            Goal("COPY's rows/s to the import's", first.seconds / copied, at_most=30),
            Goal("seconds of the import", first.seconds, at_most=120),
            Goal("seconds of the unchanged import", again.seconds, at_most=min(60.0, first.seconds / 2)),
            Goal("MiB", max(first.most_memory, again.most_memory) / 2**20, at_most=500),
        ],
    )


async def _copy(server: EmbeddedPostgres, path: Path) -> float:
    connection = await asyncpg.connect(server.dsn(_DATABASE))
    try:
        columns = ", ".join(f"c{place} text" for place in range(len(_HEADER)))
        times = []
        for _ in range(3):
            await connection.execute(f"DROP TABLE IF EXISTS raw; CREATE TABLE raw ({columns})")
            started = time.perf_counter()
            await connection.copy_to_table("raw", source=path, format="csv", header=True)
            times.append(time.perf_counter() - started)
        await connection.execute("DROP TABLE raw")
        return sorted(times)[1]
    finally:
        await connection.close()


async def _import(server: EmbeddedPostgres, path: Path, mapping: Path, meter: CpuMeter) -> _Run:
    before = meter.read()
    started = time.perf_counter()
    process = psutil.Popen(
        [".venv/bin/callcard", "import", str(path), "--source", "sales", "--mapping", str(mapping)],
        stdout=-1,
        env={
            "PATH": "/usr/bin:/bin",
            "DATABASE_URL": driver_dsn(server.dsn(_DATABASE)),
            "CALLCARD_DATA_DIR": str(FOLDER / "service"),
            # It has a bench of its own.
            "CALLCARD_DEDUPE_AFTER_IMPORT": "false",
        },
    )
    assert process.stdout is not None
    os.set_blocking(process.stdout.fileno(), False)
    said, run = b"", None
    most, own_cpu = 0, 0.0
    while process.poll() is None:
        said += process.stdout.read() or b""
        if run is None:
            resident, used = 0, 0.0
            for each in _family(process):
                try:
                    resident += each.memory_info().rss
                    times = each.cpu_times()
                    used += times.user + times.system
                except psutil.NoSuchProcess:
                    continue
            most, own_cpu = max(most, resident), max(own_cpu, used)
            if b"\n" in said:
                run = _Run(time.perf_counter() - started, 0.0, meter.read() - before, own_cpu, most, "")
        await asyncio.sleep(0.1)
    said += process.stdout.read() or b""
    words = " ".join(said.decode().split())[-300:]
    if process.returncode:
        raise RuntimeError(f"the import ended with {process.returncode}: {words}")
    seconds = time.perf_counter() - started
    if run is None:
        return _Run(seconds, 0.0, meter.read() - before, own_cpu, most, words)
    return replace(run, seconds_after=seconds - run.seconds, said=words)


def _family(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
