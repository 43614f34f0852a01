"""What the carrier was told we have is there in the end, whoever is killed when."""

import asyncio
import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from app.services.spool import Spooled
from tests.calls.carrier import CALLER, DIALLED, Pairs, call_sid, leg_status, status, verbs, voice
from tests.calls.conftest import Hotline, MakeHotline, free_port, until
from tests.calls.outages import OwnServer
from tests.calls.processes import service
from tests.factories import make_customer

KEPT = ("calls", "legs", "carrier_events", "recordings", "call_trace", "agent_events", "interactions")


def folder_of(hotline: Hotline) -> Path:
    return hotline.served.settings.data_dir / "spool"


def spool(hotline: Hotline, route: str, form: Pairs, at: datetime) -> Path:
    """Leave a request behind as a process that was killed does."""
    hotline.served.runtime.spool.put(Spooled(route, urlencode(list(form)), at))
    return max(files_in(folder_of(hotline)))


def files_in(folder: Path) -> list[Path]:
    """What waits there; drafts, whose names begin with a dot, were never acknowledged."""
    return list(folder.glob("[!.]*.json"))


async def emptied(hotline: Hotline) -> None:
    async def is_empty() -> bool:
        return not files_in(folder_of(hotline))

    await until(is_empty, "the spool is empty", seconds=10)


async def everything(hotline: Hotline) -> dict[str, list[dict[str, Any]]]:
    return {table: await hotline.rows(f"SELECT * FROM {table} ORDER BY 1, 2") for table in KEPT}


def story(sid: str) -> list[tuple[str, Pairs]]:
    recording = {"RecordingSid": "RE" + sid[2:], "RecordingUrl": "https://x.test/1", "RecordingDuration": "7"}
    return [
        ("voice", voice(sid)),
        ("status", status(sid, "in-progress", 1)),
        ("fallback", voice(sid, ErrorCode="11200", ErrorUrl="https://hotline.example/telephony/twilio/voice")),
        ("wait", voice(sid, status="in-progress", Digits="1")),
        ("dial_result", voice(sid, status="in-progress", DialCallStatus="no-answer", DialCallSid=call_sid())),
        ("voicemail", voice(sid, status="in-progress", **recording)),
        ("recording", [("CallSid", sid), *recording.items(), ("RecordingSource", "RecordVerb")]),
        ("status", leg_status(call_sid(), sid, "nobody", "no-answer", 3)),
        ("status", status(sid, "completed", 2)),
    ]


async def test_fault_08_replaying_what_is_in_the_database_already_changes_nothing(
    make_hotline: MakeHotline, tmp_path: Path
) -> None:
    hotline = await make_hotline()
    desk = await hotline.desk()
    sid, began = call_sid(), datetime.now(UTC) - timedelta(minutes=3)
    left_behind = tmp_path / "left behind"
    left_behind.mkdir()
    for n, (route, form) in enumerate(story(sid)):
        shutil.copy(spool(hotline, route, form, began + timedelta(seconds=n)), left_behind)
    await emptied(hotline)
    before = await everything(hotline)
    assert (len(before["calls"]), len(before["recordings"])) == (1, 1)

    # As after a crash between the commit and the file's end.
    for file in sorted(left_behind.iterdir()):
        shutil.copy(file, folder_of(hotline))
    await emptied(hotline)

    assert await everything(hotline) == before
    assert not (folder_of(hotline) / "failed").exists()
    assert await desk.presence() == "available"


async def test_fault_08_two_processes_do_not_replay_at_the_same_time(make_hotline: MakeHotline) -> None:
    hotline = await make_hotline()
    others = [await hotline.twin() for _ in range(2)]
    sids = [call_sid() for _ in range(20)]
    for sid in sids:
        spool(hotline, "voice", voice(sid), datetime.now(UTC))

    reception = [each.served.runtime.carrier_desk.reception for each in (hotline, *others)]
    replayed = await asyncio.gather(*(each.replay() for each in reception))
    await emptied(hotline)

    assert sum(replayed) <= 20
    steps = await hotline.rows(
        "SELECT c.provider_call_id AS sid, count(*) FROM call_trace t JOIN calls c ON c.id = t.call_id "
        "WHERE t.step = 'replayed' GROUP BY 1"
    )
    assert {row["sid"]: row["count"] for row in steps} == dict.fromkeys(sids, 1)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"null", b'{"route": "voice"}', b'{"route": "voice", "body": "a=b", "received_at": "yesterday"}',
     b'{"route": "no such", "body": "CallSid=CA", "received_at": "2026-01-01T00:00:00+00:00"}', b"\xff\xfe"],
    ids=["empty", "cut", "null", "half", "no time", "no route", "no text"],
)  # fmt: skip
async def test_fault_08_a_file_that_nobody_can_read_holds_up_nothing(
    standing: Hotline, content: bytes, logged: list[Any]
) -> None:
    garbled = folder_of(standing) / f"00000000-0000-7000-8000-{len(content):012}.json"
    garbled.write_bytes(content)
    sid = call_sid()
    spool(standing, "voice", voice(sid), datetime.now(UTC))

    await standing.until("EXISTS (SELECT FROM calls WHERE provider_call_id = :sid)", sid=sid)
    await emptied(standing)

    assert (folder_of(standing) / "failed" / garbled.name).read_bytes() == content
    said = [line for line in logged if line["event"] == "spool_set_aside"]
    assert [(line["log_level"], line["name"]) for line in said] == [("error", garbled.name)]


async def test_fault_08_killed_between_spool_and_replay(
    own_server: OwnServer, own_database_url: str, make_hotline: MakeHotline, tmp_path: Path
) -> None:
    hotline = await make_hotline(dsn=own_database_url)
    async with hotline.served.database.session_scope() as session:
        lu = await make_customer(session, CALLER)
    data_dir = tmp_path / "another machine"
    data_dir.mkdir()
    sid, port = call_sid(), free_port()

    async with service(own_database_url, data_dir, port) as first:
        await own_server.away("killed", own_database_url)
        assert "Record" in verbs(await first.wire.twiml("voice", voice(sid)))
        told = [call_sid() for _ in range(40)]
        acknowledged = await told_until_killed(first.wire.url, first, told)
    assert len(files_in(data_dir / "spool")) >= 1 + len(acknowledged)
    await own_server.back(own_database_url)

    async with service(own_database_url, data_dir, port):
        await hotline.until("EXISTS (SELECT FROM calls WHERE provider_call_id = :sid)", sid=sid, seconds=10)

        async def is_empty() -> bool:
            return not files_in(data_dir / "spool")

        await until(is_empty, "the spool is empty", seconds=10)
    call = await hotline.call_row(sid)
    assert (call["is_stub"], call["customer_id"], call["to_raw"]) == (False, lu.id, DIALLED)
    assert {"spooled", "replayed"} <= set(await hotline.trace_of(sid))
    known = await hotline.rows("SELECT provider_call_id AS sid FROM calls WHERE is_stub AND state = 'abandoned'")
    assert set(acknowledged) <= {row["sid"] for row in known}
    assert acknowledged


async def told_until_killed(url: str, running: Any, sids: list[str]) -> list[str]:
    """Tell of the end of many calls at once, and kill who is told while some answers are still to come."""
    acknowledged: list[str] = []

    async def tell(sid: str) -> None:
        try:
            await running.wire.tell(status(sid, "completed", 1))
        except httpx.TransportError:
            return
        acknowledged.append(sid)
        if len(acknowledged) == len(sids) // 2:
            await running.kill()

    await asyncio.gather(*(tell(sid) for sid in sids))
    return acknowledged


async def test_fault_08_a_spooled_file_holds_the_request_as_it_came(standing: Hotline, own_server: OwnServer) -> None:
    form = [*voice(call_sid()), ("CallerName", "鲁&=+ 先生"), ("Blank", "")]
    at = datetime.now(UTC)

    file = spool(standing, "voice", form, at)
    kept = json.loads(file.read_text())

    assert kept == {
        "route": "voice",
        "query": "",
        "body": urlencode(form),
        "received_at": at.isoformat(),
        "sent_elsewhere": False,
    }
    assert file.stat().st_mode & 0o077 == 0
    await emptied(standing)
