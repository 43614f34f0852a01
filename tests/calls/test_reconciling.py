"""Whatever dies between two steps of placing a call: no promise is lost, and nobody is rung twice."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.db import Database
from app.models.callbacks import CallbackMode
from app.services import placing
from app.services.callbacks import dialling
from app.services.callbacks.dialling import dial_all_due, dial_due
from app.services.dialler import Dialler
from app.services.reconciling import VISIBLE_WITHIN, reconcile
from app.telephony.port import CarrierCall, DialRequest
from app.telephony.simulator import Pace, RestFault, RestProblem, SimEventKind, Trouble
from tests.calls.carrier import DIALLED, call_sid, status, voice
from tests.calls.carrier import rung as dialled
from tests.calls.conftest import Hotline, MakeHotline, until
from tests.calls.dialling import agents_rung, calling_hotline, ended, rung
from tests.calls.office import CountingCarrier, Office, open_office

ROOT = Path(__file__).parents[2]
SOON = timedelta(seconds=10)


class Killed(BaseException):
    """Stands for SIGKILL at one point of the code: nothing that comes after it is done."""


@pytest.fixture
async def office(database: Database) -> Office:
    return await open_office(database)


async def kill_in_the_plan(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """All is written, nothing is committed."""

    async def planned(*args: Any, **given: Any) -> Any:
        await placing.plan_calls(*args, **given)
        raise Killed

    monkeypatch.setattr(dialling, "plan_calls", planned)


async def kill_before_the_carrier(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """The attempt is committed, the carrier was not asked."""

    async def asked(*args: Any) -> Any:
        raise Killed

    monkeypatch.setattr(dialling, "ask_carrier", asked)


async def kill_after_the_carrier(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """The carrier took the call, its id was not stored."""
    dial = office.carrier.dial

    async def dialled(request: DialRequest) -> CarrierCall:
        await dial(request)
        raise Killed

    monkeypatch.setattr(office.carrier, "dial", dialled)


async def kill_before_it_is_recorded(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """The carrier's answer is there, and its id is stored but not committed."""
    record = dialling.record_said

    async def recorded(*args: Any) -> None:
        await record(*args)
        raise Killed

    monkeypatch.setattr(dialling, "record_said", recorded)


Kill = Callable[[Office, pytest.MonkeyPatch], Awaitable[None]]


@pytest.mark.parametrize(
    "kill", [kill_in_the_plan, kill_before_the_carrier, kill_after_the_carrier, kill_before_it_is_recorded]
)
async def test_fault_19_killed_between_each_pair_of_steps(
    office: Office, monkeypatch: pytest.MonkeyPatch, kill: Kill
) -> None:
    await office.agents(1)
    (promised,) = await office.promised(1)
    dialler = office.dialler()
    with monkeypatch.context() as patched:
        await kill(office, patched)
        with pytest.raises(Killed):
            await dial_due(dialler)

    now = datetime.now(UTC)
    for later in (SOON, VISIBLE_WITHIN + SOON):
        await reconcile(dialler, now + later)
    # What was never placed is due again by its rule.
    await office.rows("UPDATE callbacks SET due_at = now() WHERE state IN ('scheduled', 'retry')")
    await dial_all_due(dialler, datetime.now(UTC))

    assert len(office.carrier.calls) == 1
    (placed,) = office.carrier.calls
    attempts = await office.rows("SELECT provider_call_id FROM dial_attempts WHERE ended_at IS NULL")
    assert [row.provider_call_id for row in attempts] == [placed.call_id]
    assert (await office.callback(promised)).state == "dialing"


async def test_fault_20_created_although_the_answer_was_lost(office: Office) -> None:
    await office.agents(1)
    (promised,) = await office.promised(1)
    office.carrier.will = ["it was created all the same"]
    dialler = office.dialler()
    await dial_due(dialler)
    (before,) = await office.rows("SELECT state, provider_call_id FROM dial_attempts")

    await reconcile(dialler, datetime.now(UTC))

    (attempt,) = await office.rows("SELECT state, provider_call_id FROM dial_attempts")
    assert tuple(before) == ("unknown", None)
    assert tuple(attempt) == ("placed", office.carrier.calls[0].call_id)
    assert len(office.carrier.requests) == 1
    assert (await office.callback(promised)).state == "dialing"


async def test_fault_20_nothing_had_happened(office: Office) -> None:
    """Nobody is asked again while the call may still turn up; then it counts as failed, and its rule holds."""
    await office.agents(1)
    (promised,) = await office.promised(1)
    office.carrier.will = ["nothing happened"]
    dialler = office.dialler()
    await dial_due(dialler)
    now = datetime.now(UTC)

    await reconcile(dialler, now + SOON)
    (waiting,) = await office.rows("SELECT state, ended_at FROM dial_attempts")
    assert await dial_due(dialler) == 0
    await reconcile(dialler, now + VISIBLE_WITHIN + SOON)

    (attempt,) = await office.rows("SELECT state, result, error FROM dial_attempts")
    assert tuple(waiting) == ("unknown", None)
    assert tuple(attempt) == ("refused", "failed", "not_placed")
    assert (await office.callback(promised)).state == "retry"
    assert len(office.carrier.requests) == 1


async def test_a_call_that_turns_up_after_it_was_given_up_rings_nobody(make_hotline: MakeHotline) -> None:
    hotline = await calling_hotline(make_hotline, agents="live", line={"trouble": Trouble(status_drop=1.0)})
    desk = await hotline.desk()
    answer = await desk.http.post("/api/v1/calls", json={"number": "+8613912345678"})
    call_id = answer.json()["id"]
    (sim,) = agents_rung(hotline)
    await hotline.execute(
        "UPDATE dial_attempts SET provider_call_id = NULL, state = 'unknown', "
        "started_at = started_at - interval '2 minutes'"
    )
    its_list_shows_nothing = CountingCarrier()

    await reconcile(replace(dialler_of(hotline), carrier=its_list_shows_nothing), datetime.now(UTC))
    await hotline.line.answer(sim.sid)
    await sim.finished()

    assert (await ended(hotline, call_id))["error"] == "not_placed"
    assert rung(hotline) == []


async def test_a_conversation_whose_webhooks_are_lost_is_looked_up(make_hotline: MakeHotline) -> None:
    """Neither status nor result ever arrived: the carrier's own records say who was reached."""
    hotline = await calling_hotline(
        make_hotline, agents="live", line={"trouble": Trouble(status_drop=1.0), "default_number": "no answer"}
    )
    desk = await hotline.desk()
    answer = await desk.http.post("/api/v1/calls", json={"number": "+8613912345678"})
    (sim,) = agents_rung(hotline)
    await hotline.line.answer(sim.sid)
    await sim.wait_for(SimEventKind.DIALLED)
    await hotline.line.hang_up(sim.sid)
    await sim.finished()
    await hotline.execute(
        "UPDATE dial_attempts SET ended_at = NULL, result = NULL, state = 'placed', "
        "started_at = started_at - interval '3 minutes'"
    )
    await hotline.execute("DELETE FROM legs WHERE kind = 'number'")

    await reconcile(dialler_of(hotline), datetime.now(UTC))

    attempt = await ended(hotline, answer.json()["id"])
    assert attempt["result"] == "no_answer"


async def test_the_agents_end_comes_before_any_word_of_the_customers(make_hotline: MakeHotline) -> None:
    """They may have talked: the promise waits until that is known, and is not made a second time meanwhile."""
    hotline = await calling_hotline(make_hotline, agents="live", line={"trouble": Trouble(status_drop=1.0)})
    desk = await hotline.desk()
    office = Office(hotline.served.database, hotline.served.runtime.hotline, hotline.queue.id)
    (promised,) = await office.promised(1, mode=CallbackMode.PREVIEW, owner_id=desk.agent.id)
    answer = await desk.http.post("/api/v1/calls", json={"callback": str(promised)})
    (sim,) = agents_rung(hotline)
    attempt = await hotline.one("SELECT id, to_e164 FROM dial_attempts")
    query = f"?attempt={attempt['id']}"
    agents = voice(sim.sid, DIALLED, f"client:{desk.agent.identity}", status="in-progress")
    assert dialled(await hotline.wire.twiml(f"outbound{query}", agents)) == attempt["to_e164"]

    await hotline.wire.tell(status(sim.sid, "completed", 3), f"outbound-status{query}")
    open_still = await hotline.one("SELECT ended_at FROM dial_attempts")
    theirs = status(call_sid(), "completed", 3, ParentCallSid=sim.sid, CallDuration="20")
    await hotline.wire.tell(theirs, f"outbound-status{query}")

    assert open_still["ended_at"] is None
    assert (await ended(hotline, answer.json()["id"]))["result"] == "answered"
    assert (await office.callback(promised)).state == "claimed"


async def test_fault_20_status_callbacks_before_the_answer(make_hotline: MakeHotline) -> None:
    """The carrier's webhooks are quicker than its answer: they name the attempt, and the answer finds all in order."""
    hotline = await calling_hotline(make_hotline)
    desk = await hotline.desk()
    runtime = hotline.served.runtime
    assert runtime.dialler is not None

    class Slow:
        """The real carrier, whose answer comes when the call is over."""

        name = "twilio"

        async def dial(self, request: DialRequest) -> CarrierCall:
            assert runtime.carrier is not None
            taken = await runtime.carrier.dial(request)
            await hotline.until("SELECT bool_and(ended_at IS NOT NULL) FROM dial_attempts", seconds=10)
            return taken

    hotline.served.app.state.runtime = replace(runtime, dialler=replace(runtime.dialler, carrier=Slow()))  # type: ignore[arg-type]
    placed = await desk.http.post("/api/v1/calls", json={"number": "+8613912345678"}, timeout=20)

    assert placed.status_code == 201
    attempt = await ended(hotline, placed.json()["id"])
    (sim,) = agents_rung(hotline)
    assert (attempt["state"], attempt["result"], attempt["provider_call_id"]) == ("ended", "answered", sim.sid)
    assert len(rung(hotline)) == 1


async def test_fault_19_a_worker_killed_after_the_carrier_took_the_call(make_hotline: MakeHotline) -> None:
    """A real process, really killed: the carrier has the call, and no word of it ever reached us."""
    line = {"clock": Pace(1), "default_number": "answer, hang up after 1s"}
    hotline = await calling_hotline(make_hotline, agents="live", line=line)
    desk = await hotline.desk()
    office = Office(hotline.served.database, hotline.served.runtime.hotline, hotline.queue.id)
    (promised,) = await office.promised(1, mode=CallbackMode.AUTOMATIC)
    number = (await office.rows("SELECT e164 FROM customer_phones"))[0].e164
    hotline.line.trouble = Trouble(status_drop=1.0, rest_faults=(RestFault(RestProblem.NO_ANSWER, carried_out=True),))
    worker = await start_worker(hotline, "--once", "callbacks")
    await until(lambda: _has_rung(hotline), "the carrier took the call", 20)

    worker.kill()
    await worker.wait()
    (attempt,) = await office.rows("SELECT state, provider_call_id FROM dial_attempts")
    assert tuple(attempt) == ("planned", None)
    await reconcile(dialler_of(hotline), datetime.now(UTC) + SOON)
    await dial_all_due(dialler_of(hotline), datetime.now(UTC))
    (sim,) = agents_rung(hotline)
    await hotline.line.answer(sim.sid)
    await desk.until("call.ended", 10)

    (attempt,) = await office.rows("SELECT state, result, provider_call_id FROM dial_attempts")
    assert tuple(attempt) == ("ended", "answered", sim.sid)
    assert len(rung(hotline, number)) == 1
    assert (await office.callback(promised)).state == "claimed"


def dialler_of(hotline: Hotline) -> Dialler:
    """What the hotline's own processes dial with."""
    dialler = hotline.served.runtime.dialler
    assert dialler is not None
    return dialler


async def _has_rung(hotline: Hotline) -> bool:
    return bool(agents_rung(hotline))


async def start_worker(hotline: Hotline, *args: str) -> asyncio.subprocess.Process:
    """`callcard worker` on the hotline's database and carrier."""
    settings = hotline.served.settings
    assert settings.twilio_auth_token is not None
    env = {
        **os.environ,
        "DATABASE_URL": hotline.served.database.dsn,
        "CALLCARD_DATA_DIR": str(settings.data_dir),
        "CALLCARD_PUBLIC_URL": settings.public_url,
        "TWILIO_ACCOUNT_SID": str(settings.twilio_account_sid),
        "TWILIO_AUTH_TOKEN": settings.twilio_auth_token.get_secret_value(),
        "TWILIO_API_BASE_URL": str(settings.twilio_api_base_url),
    }
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app.cli", "worker", *args),
        cwd=ROOT,
        env=env,
        stdout=asyncio.subprocess.DEVNULL,
    )
