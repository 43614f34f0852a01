"""The disk is full, for the spool, for the database or for both: the caller is kept, and it is said loudly."""

import os
import secrets
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.calls.carrier import call_sid, rung, status, voice
from tests.calls.conftest import Hotline, MakeHotline, hotlines, until, value_of
from tests.calls.outages import OwnServer

FALLBACK = "+862155509999"
Fill = Callable[[Path], Any]


@contextmanager
def small_disk(folder: Path) -> Iterator[Callable[[], None]]:
    """A file system of 64 KB on the folder, full to the last byte; gives what makes room again."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], check=True, capture_output=True)
    try:
        ballast = folder / "ballast"
        with ballast.open("wb") as file, pytest.raises(OSError, match="No space left"):
            file.write(b"x" * 128 * 1024)
        yield ballast.unlink
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True, capture_output=True)


@contextmanager
def no_folder(folder: Path) -> Iterator[Callable[[], None]]:
    """In place of the folder stands a file; gives what puts the folder back."""
    aside = folder.with_name("aside")
    folder.rename(aside)
    folder.write_text("in the way")

    def back() -> None:
        if not folder.is_dir():
            folder.unlink()
            aside.rename(folder)

    yield back
    back()


def may_mount() -> bool:
    """Whether we may mount file systems: as root, and not in every container."""
    if os.geteuid() != 0:
        return False
    attempt = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(attempt, check=False, capture_output=True).returncode == 0


@pytest.fixture(params=[small_disk, no_folder], ids=["full", "in the way"])
def refusing(request: pytest.FixtureRequest) -> Fill:
    if request.param is small_disk and not may_mount():
        pytest.skip("a full disk is made by mounting a small one, which takes root")
    fill: Fill = request.param
    return fill


@pytest.fixture
async def hotline(own_database_url: str, tmp_path: Path) -> AsyncIterator[Hotline]:
    """On a database that goes away, with a fallback number."""
    async with hotlines(own_database_url, tmp_path) as make:
        yield await make(fallback_number=FALLBACK)


def folder_of(hotline: Hotline) -> Path:
    return hotline.served.settings.data_dir / "spool"


async def depth_is(depth: int) -> None:
    async def holds() -> bool:
        return value_of("callcard_spool_depth") == depth

    await until(holds, f"the spool's depth is {depth}", seconds=10)


async def test_fault_27_no_room_for_the_spool(
    hotline: Hotline, own_server: OwnServer, own_database_url: str, refusing: Fill, logged: list[Any]
) -> None:
    sid, told = call_sid(), call_sid()
    with refusing(folder_of(hotline)) as make_room:
        await own_server.away("killed", own_database_url)

        # The caller is kept all the same.
        assert rung(await hotline.wire.twiml("voice", voice(sid, CallerName="LU"))) == FALLBACK
        # Who would be told of a callback cannot rely on it, so nothing is promised.
        assert rung(await hotline.wire.twiml("wait", voice(sid, Digits="1"))) == FALLBACK
        # What needs no answer is not acknowledged: the carrier shall know that we do not have it.
        refused = await hotline.wire.post("status", status(told, "completed", 1))
        assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
        assert hotline.served.runtime.spool.is_refused
        assert value_of("callcard_spool_depth") == 3
        critical = [line for line in logged if line["log_level"] == "critical"]
        assert [(line["event"], line["route"]) for line in critical] == [
            ("spool_refused", "voice"),
            ("spool_refused", "wait"),
            ("spool_refused", "status"),
        ]
        assert all(line["error"] for line in critical)

        # The database is back before the disk is: what is in memory is not lost.
        await own_server.back(own_database_url)
        await depth_is(0)
        call = await hotline.call_row(sid)
        assert (call["is_stub"], call["caller_name"], call["to_raw"] != "") == (False, "LU", True)
        assert {"spooled", "replayed"} <= set(await hotline.trace_of(sid))
        assert (await hotline.call_row(told))["state"] == "abandoned"
        assert not hotline.served.runtime.spool.is_refused
        make_room()


async def test_fault_27_what_came_before_the_disk_was_full_and_after_is_all_replayed(
    hotline: Hotline, own_server: OwnServer, own_database_url: str, refusing: Fill
) -> None:
    before, during, after = call_sid(), call_sid(), call_sid()
    await own_server.away("killed", own_database_url)
    with refusing(folder_of(hotline)) as make_room:
        await hotline.wire.twiml("voice", voice(during))
        make_room()
        await hotline.wire.twiml("voice", voice(after))
        await hotline.wire.tell(status(before, "completed", 1))
        await own_server.back(own_database_url)
        await depth_is(0)

    assert not (await hotline.call_row(during))["is_stub"]
    assert not (await hotline.call_row(after))["is_stub"]
    assert (await hotline.call_row(before))["is_stub"]
    replayed = await hotline.rows(
        "SELECT c.provider_call_id AS sid FROM call_trace t JOIN calls c ON c.id = t.call_id "
        "WHERE t.step = 'replayed' ORDER BY t.at"
    )
    assert [row["sid"] for row in replayed] == [during, after, before]


async def test_fault_27_files_that_cannot_be_deleted_hold_up_nothing(
    hotline: Hotline, own_server: OwnServer, own_database_url: str, monkeypatch: pytest.MonkeyPatch, logged: list[Any]
) -> None:
    sids = [call_sid(), call_sid()]
    await own_server.away("killed", own_database_url)
    for sid in sids:
        await hotline.wire.twiml("voice", voice(sid))

    unlink = Path.unlink

    def unlink_elsewhere(path: Path, missing_ok: bool = False) -> None:
        if path.parent == folder_of(hotline):
            raise OSError(30, "Read-only file system", str(path))
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink_elsewhere)
    await own_server.back(own_database_url)
    await depth_is(0)
    monkeypatch.undo()

    for sid in sids:
        assert (await hotline.trace_of(sid)).count("replayed") == 1
    assert [line["event"] for line in logged if line["log_level"] == "critical"] == ["spool_not_cleared"] * 2


NO_ROOM = """
CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$
"""


async def test_fault_27_no_room_for_the_database(make_hotline: MakeHotline) -> None:
    hotline = await make_hotline(fallback_number=FALLBACK)
    desk = await hotline.desk()
    await hotline.execute(NO_ROOM)
    for table in ("calls", "carrier_events"):
        await hotline.execute(f"CREATE TRIGGER no_room BEFORE INSERT ON {table} EXECUTE FUNCTION no_room()")
    sid = call_sid()

    assert rung(await hotline.wire.twiml("voice", voice(sid))) == FALLBACK
    await hotline.wire.tell(status(sid, "completed", 1))
    assert value_of("callcard_spool_depth") == 2
    assert await desk.presence() == "available"

    for table in ("calls", "carrier_events"):
        await hotline.execute(f"DROP TRIGGER no_room ON {table}")
    await depth_is(0)
    call = await hotline.call_row(sid)
    assert (call["is_stub"], call["state"]) == (False, "abandoned")
    assert {"spooled", "replayed"} <= set(await hotline.trace_of(sid))


async def test_fault_27_no_room_in_the_databases_own_file_system(
    own_server: OwnServer, own_database_url: str, hotline: Hotline
) -> None:
    """The real thing: a table in a tablespace on a disk that is full."""
    if not may_mount():
        pytest.skip("a full disk is made by mounting a small one, which takes root")
    with own_server.small_disk() as place:
        await own_server.as_superuser(f"CREATE TABLESPACE small LOCATION '{place}'")
        await own_server.as_superuser("ALTER TABLE carrier_events SET TABLESPACE small", own_database_url)
        ballast = place / "ballast"
        with ballast.open("wb") as file, pytest.raises(OSError, match="No space left"):
            file.write(b"x" * 512 * 1024)
        sids = [call_sid() for _ in range(40)]
        pad = [(f"SipHeader_X-{n}", secrets.token_hex(750)) for n in range(9)]

        answers = [await hotline.wire.twiml("voice", [*voice(sid), *pad]) for sid in sids]

        assert rung(answers[-1]) == FALLBACK
        assert value_of("callcard_spool_depth") > 0
        ballast.unlink()
        await own_server.as_superuser("ALTER TABLE carrier_events SET TABLESPACE pg_default", own_database_url)
        await depth_is(0)
        await own_server.as_superuser("DROP TABLESPACE small")
    known = {row["provider_call_id"] for row in await hotline.rows("SELECT provider_call_id FROM calls")}
    assert known == set(sids)
