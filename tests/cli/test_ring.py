"""`callcard demo`, `ring` and `listen` together, as the README tells it: real processes, sockets and database."""

import asyncio
import json
import re
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from app.embedded_postgres import EmbeddedPostgres
from tests.cli.conftest import SECONDS, Ran, run, squeezed, start
from tests.support import fresh_database

SPEED = ("--speed", "20")
SERVICE_NUMBER = "+862190001000"


@dataclass
class Running:
    """A command that goes on, and what it has said so far."""

    process: asyncio.subprocess.Process
    said: str = ""
    grown: asyncio.Event = field(default_factory=asyncio.Event)

    async def follow(self) -> None:
        assert self.process.stdout is not None
        while chunk := await self.process.stdout.read(4096):
            self.said += chunk.decode()
            self.grown.set()

    async def says(self, pattern: str) -> re.Match[str]:
        """Wait until it has said something that matches."""
        while (found := re.search(pattern, self.said)) is None:
            self.grown.clear()
            try:
                await asyncio.wait_for(self.grown.wait(), SECONDS)
            except TimeoutError:
                pytest.fail(f"it has not said {pattern!r}, but:\n{self.said}")
        return found

    def type(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode())

    async def end(self) -> int:
        """Ctrl-C, and the exit code."""
        self.process.send_signal(signal.SIGINT)
        async with asyncio.timeout(SECONDS):
            return await self.process.wait()


@asynccontextmanager
async def running(folder: Path, *arguments: str, **more: str) -> AsyncIterator[Running]:
    """A command from its start to the end of the block, or to its own."""
    command = Running(await start(folder, *arguments, **more))
    tasks = [asyncio.create_task(command.follow()), asyncio.create_task(_drain(command.process))]
    try:
        yield command
    finally:
        if command.process.returncode is None:
            command.process.kill()
            await command.process.wait()
        await asyncio.gather(*tasks)


async def _drain(process: asyncio.subprocess.Process) -> None:
    assert process.stderr is not None
    while await process.stderr.read(4096):
        pass


def free_ports() -> int:
    """A port that is free together with the next one."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as one:
            port: int = one.getsockname()[1]
            try:
                with socket.create_server(("127.0.0.1", port + 1)):
                    return port
            except OSError:
                continue


@dataclass(frozen=True)
class Demo:
    """A running demo. `environment` is that of its folder."""

    folder: Path
    command: Running
    environment: dict[str, str]
    port: int

    async def ring(self, *arguments: str) -> Ran:
        return await run(self.folder, "ring", *arguments, *SPEED, **self.environment)

    def api(self, agent: str) -> httpx.AsyncClient:
        """The API as one of the agents."""
        kept = json.loads((self.folder / "data" / "demo.json").read_text())
        return httpx.AsyncClient(
            base_url=f"{kept['service_url']}/api/v1",
            headers={"Authorization": f"Bearer {kept['tokens'][f'{agent}@example.com']}"},
            trust_env=False,
        )


@pytest.fixture(scope="module")
async def demo(
    postgres_with_template: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Demo]:
    """One for all tests of this file: they ring it one after the other."""
    folder = tmp_path_factory.mktemp("demo")
    async with fresh_database(postgres_with_template) as dsn:
        # A patient budget: on a busy machine the first call may take long, and would be given to voicemail.
        here = {"DATABASE_URL": dsn, "CALLCARD_DATA_DIR": str(folder / "data"), "CALLCARD_LOOKUP_BUDGET_MS": "5000"}
        port = free_ports()
        async with running(folder, "demo", "--port", str(port), **here) as command:
            await command.says(r"ring --from \+8613800138000")
            yield Demo(folder, command, here, port)
            assert await command.end() == 0


async def test_mr_lu_rings_and_his_card_is_there_before_the_phone(demo: Demo) -> None:
    ran = await demo.ring("--from", "138 0013 8000", "--agent", "answer after 1s")

    assert ran.code == 0, ran.err
    steps = (
        f"rings +8613800138000 -> {SERVICE_NUMBER}",
        "match one customer: 鲁建国 C0001001",
        "card to 李莉 (the customer's account manager)",
        "Mr Lu C0001001",
        "You bought three air conditioners from us last October",
        "三台空调",
        "3 x air conditioner",
        "phone rings client:lily",
        "picked up client:lily",
        "ended hung up (completed)",
        "The call's trace",
    )
    said = squeezed(ran.out.replace("│", " "))
    at = [said.index(step) for step in steps]
    assert at == sorted(at)
    assert "<Client" in ran.out
    trace = said[at[-1] :]
    order = [trace.index(step) for step in ("received", "matched", "reserved", "pushed", "shown", "answered", "ended")]
    assert order == sorted(order)
    shown_after = re.search(r"from received to shown: (\d+) ms", trace)
    assert shown_after is not None


async def test_the_times_are_those_since_it_rang_and_never_run_back(demo: Demo) -> None:
    ran = await demo.ring("--from", "+8613800138000", "--as", "hang up when ringing")
    live = ran.out.partition("The call's trace")[0]
    times = [int(ms) for ms in re.findall(r"^ *(\d+) ms  ", live, re.MULTILINE)]

    assert ran.code == 0
    assert times[0] == 0
    assert times == sorted(times)
    assert times[-1] < SECONDS * 1000


async def test_several_customers_are_a_chooser_in_chinese(demo: Demo) -> None:
    ran = await demo.ring("--from", "+862192618001", "--lang", "zh", "--as", "hang up when ringing")

    assert ran.code == 0
    for part in ("多位客户", "请先确认是哪一位", "陈建平", "林淑芬", "陈思琪", "通话轨迹"):
        assert part in ran.out


async def test_a_live_agent_takes_the_call_with_enter(demo: Demo) -> None:
    listen = ("listen", "--agent", "wang@example.com", "--available")
    async with running(demo.folder, *listen, **demo.environment) as desk:
        await desk.says("王芳 <wang@example.com>")
        ringing = asyncio.create_task(
            run(demo.folder, "ring", "--from", "+442079460958", "--speed", "3", **demo.environment)
        )
        await desk.says("Ms Whitfield")
        await desk.says("Enter takes the call")
        desk.type("\n")
        await desk.says("Accepted")
        ran = await ringing
        await desk.says("call.ended")
        assert await desk.end() == 0

    assert ran.code == 0, ran.err
    trace = squeezed(ran.out).partition("The call's trace")[2]
    assert trace.index("accepted 王芳") < trace.index("answered 王芳")


async def test_what_live_agents_decide_their_phones_do(demo: Demo) -> None:
    """Lily declines, so Wang is rung; that Lily declined says nothing of Wang's phone."""
    arguments = ("ring", "--from", "+8613800138000", "--agent", "live", "--speed", "5")
    async with running(demo.folder, *arguments, **demo.environment) as command, demo.api("wang") as wang:
        await command.says("phone rings +client:lily")
        await wang.put("/agent/presence", json={"state": "available"})
        async with demo.api("lily") as lily:
            call_id = (await lily.get("/calls?limit=1")).json()["items"][0]["id"]
            assert (await lily.post(f"/calls/{call_id}/decline")).status_code == 200
        await command.says("agent's phone +client:lily: ")
        await command.says("phone rings +client:wang")
        assert (await wang.post(f"/calls/{call_id}/accept", json={"tab": "test"})).status_code == 200
        await command.says("picked up +client:wang")
        await command.says("from received to shown")
        await wang.put("/agent/presence", json={"state": "offline"})

    trace = squeezed(command.said).partition("The call's trace")[2]
    order = [trace.index(step) for step in ("declined 李莉", "accepted 王芳", "answered 王芳")]
    assert order == sorted(order)


async def test_a_taken_rest_port_is_said_and_the_call_goes_on(demo: Demo) -> None:
    with socket.create_server(("127.0.0.1", demo.port + 1)):
        ran = await demo.ring("--from", "anonymous", "--as", "hang up when ringing")

    assert ran.code == 0
    assert f"Port {demo.port + 1} is taken" in ran.err
    assert "match number withheld" in squeezed(ran.out)


async def test_a_wrong_signature_is_said_in_a_sentence(demo: Demo) -> None:
    url = f"http://127.0.0.1:{demo.port}"
    ran = await demo.ring("--from", "+8613800138000", "--url", url, "--auth-token", "wrong", "--to", SERVICE_NUMBER)

    assert ran.code == 1
    assert "The service refused the call's signature" in ran.err


async def test_a_wrong_token_is_said_in_a_sentence(demo: Demo) -> None:
    url = f"http://127.0.0.1:{demo.port}"
    ran = await run(demo.folder, "listen", "--url", url, "--token", "cc_wrong", **demo.environment)

    assert ran.code == 1
    assert "401 The token is not valid" in ran.err


async def test_ctrl_c_hangs_up_and_the_trace_is_told(demo: Demo) -> None:
    arguments = ("ring", "--from", "+8613800138000", "--agent", "none")
    async with running(demo.folder, *arguments, **demo.environment) as command:
        await command.says("caller hears")
        code = await command.end()
        await command.says(r"The call's trace \S+ \(abandoned\)")

    assert code == 0
    assert "hung up" in command.said


# Last, for whoever is available next is asked to call this caller back.
async def test_with_nobody_there_the_caller_waits_and_the_match_is_told_all_the_same(demo: Demo) -> None:
    # Whoever has just closed a stream counts as there for a few seconds more.
    for agent in ("lily", "wang", "chen", "emma"):
        async with demo.api(agent) as http:
            assert (await http.put("/agent/presence", json={"state": "offline"})).status_code == 200

    ran = await demo.ring("--from", "+8613499999999", "--agent", "none", "--as", "press 1, hang up after 60s")

    assert ran.code == 0
    said = squeezed(ran.out)
    assert "match nobody we know" in said
    assert "card to" not in said
    assert "caller presses 1" in said
    trace = said.partition("The call's trace")[2]
    assert "no_agent" in trace
    assert "place_kept" in trace
