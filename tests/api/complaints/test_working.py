"""Working a complaint: its states, its clock, warnings, goodwill, and what the callback says."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from app.models import Complaint, SeverityRule
from app.services.calendars import read_calendars
from app.services.complaints.escalating import tell_of_due_times
from tests.api.complaints.support import RESOLVED, URL, Desks, act, answered, happened
from tests.api.customers.support import refusal
from tests.support import SignedIn


async def test_a_complaint_from_first_word_to_last(desks: Desks) -> None:
    made = await desks.complaint(desks.lily)
    started = answered(await act(desks.lily, made, "start"))
    assert started["state"] == "in_progress"
    assert started["first_response_at"] is not None

    assert refusal(await act(desks.lily, made, "resolve", resolution="x", root_cause="y")) == (422, "invalid")
    silent = {"root_cause": "y", "prevention": "z"}
    assert refusal(await act(desks.lily, made, "resolve", **silent)) == (422, "resolution_missing")
    assert answered(await desks.lily.http.get(f"{URL}/{made['id']}"))["state"] == "in_progress"
    resolved = answered(await act(desks.lily, made, "resolve", **RESOLVED))
    assert resolved["state"] == "resolved"
    assert {name: resolved[name] for name in RESOLVED} == RESOLVED
    assert resolved["changes"][0]["detail"]["in_time"] is True
    closed = answered(await act(desks.lily, made, "close", satisfaction=5, note="很满意"))
    assert (closed["state"], closed["satisfaction"]) == ("closed", 5)

    for what, given in (("resolve", RESOLVED), ("start", {}), ("close", {}), ("pause", {"reason": "x"})):
        assert refusal(await act(desks.lily, made, what, **given)) == (409, "wrong_complaint_state")
    assert answered(await desks.lily.http.get(f"{URL}/{made['id']}")) == closed

    reopened = answered(await act(desks.chen, made, "reopen", reason="又响了"))
    assert (reopened["state"], reopened["reopen_count"], reopened["owner"]["name"]) == ("reopened", 1, "李莉")
    assert (reopened["resolved_at"], reopened["closed_at"]) == (None, None)
    assert await desks.told(desks.lily, made) == ["complaint.reopened"]
    assert happened(reopened) == [
        "opened",
        "callback_promised",
        "started",
        "resolved",
        "closed",
        "reopened",
    ]


async def test_only_the_owner_and_supervisors_work_on_it_and_anybody_adds_to_it(desks: Desks) -> None:
    made = await desks.complaint(desks.lily)

    for what, given in (
        ("start", {}),
        ("resolve", RESOLVED),
        ("pause", {"reason": "x"}),
        ("handover", {"to_agent_id": str(desks.wang.agent.id), "reason": "x"}),
        ("goodwill", {"amount": "1.00", "currency": "CNY", "reason": "x"}),
    ):
        assert refusal(await act(desks.chen, made, what, **given)) == (403, "not_your_complaint")
        assert refusal(await act(desks.analyst, made, what, **given)) == (403, "scope_missing")
    answered(await act(desks.chen, made, "notes", body="客户又打来了"), 201)
    attached = answered(await act(desks.chen, made, "links", url="https://files.example/1.jpg", title="照片"), 201)
    assert [(link["url"], link["agent"]["name"]) for link in attached["links"]] == [
        ("https://files.example/1.jpg", "陈伟")
    ]
    assert answered(await act(desks.boss, made, "start"))["state"] == "in_progress"


async def test_the_clock_stands_only_for_a_reason_and_is_due_so_much_later(desks: Desks) -> None:
    made = await desks.complaint(desks.lily)
    assert refusal(await act(desks.lily, made, "pause")) == (422, "invalid")
    assert refusal(await act(desks.lily, made, "resume")) == (409, "not_paused")
    paused = answered(await act(desks.lily, made, "pause", reason="等客户寄回"))
    assert (paused["pause_reason"], paused["due_at"]) == ("等客户寄回", made["due_at"])
    assert refusal(await act(desks.lily, made, "pause", reason="again")) == (409, "paused_already")
    # As if it had stood for two weeks.
    async with desks.served.database.session_scope() as session:
        row = await session.get_one(Complaint, made["id"])
        assert row.warn_at is None
        assert row.paused_at is not None
        row.paused_at = since = row.paused_at - timedelta(days=14)
    resumed = answered(await act(desks.lily, made, "resume"))

    async with desks.served.database.session_scope() as session:
        calendar = (await read_calendars(session, desks.served.runtime.hotline.now)).main
        row = await session.get_one(Complaint, made["id"])
        assert row.warn_at is not None
    stood = calendar.working_time_between(since, datetime.fromisoformat(resumed["changes"][0]["at"]))
    assert stood > timedelta(hours=60)
    due = calendar.add_working_time(datetime.fromisoformat(made["due_at"]), stood)
    assert abs(datetime.fromisoformat(resumed["due_at"]) - due) < timedelta(seconds=2)
    assert resumed["settle_by"] == resumed["due_at"]


async def _aged(desks: Desks, complaint: dict[str, Any], percent: int) -> datetime:
    """The moment at which so many percent of a complaint's time are gone."""
    async with desks.served.database.session_scope() as session:
        row = await session.get_one(Complaint, complaint["id"])
        calendar = (await read_calendars(session, desks.served.runtime.hotline.now)).main
        return calendar.add_working_time(row.clock_from, timedelta(seconds=row.allowed_seconds * percent / 100))


async def _look(desks: Desks, at: datetime, times: int = 1) -> list[int]:
    hotline = desks.served.runtime.hotline.now
    return await asyncio.gather(*(tell_of_due_times(desks.served.database, hotline, at) for _ in range(times)))


async def test_each_share_of_the_time_is_told_once_however_many_look(desks: Desks) -> None:
    async with desks.served.database.session_scope() as session:
        for other in await session.scalars(select(Complaint)):
            other.warn_at = None
    made = await desks.complaint(desks.lily)

    moments = [await _aged(desks, made, percent) for percent in (50, 80, 100)]
    assert sum(await _look(desks, moments[0] - timedelta(seconds=1))) == 0
    for moment in moments:
        assert sum(await _look(desks, moment, times=3)) == 1
        assert sum(await _look(desks, moment)) == 0

    assert await desks.told(desks.lily, made) == [
        "complaint.due_soon",
        "complaint.due_soon",
        "complaint.overdue",
    ]
    assert await desks.told(desks.boss, made) == ["complaint.overdue"]
    assert await desks.told(desks.chen, made) == []
    seen = answered(await desks.lily.http.get(f"{URL}/{made['id']}"))
    assert seen["escalated_at"] is not None
    assert [change["detail"]["percent"] for change in reversed(seen["changes"][:3])] == [50, 80, 100]


async def test_whoever_looks_late_tells_the_last_share_alone_and_nothing_of_what_is_settled(desks: Desks) -> None:
    late, settled, paused = [await desks.complaint(desks.wang) for _ in range(3)]
    answered(await act(desks.wang, settled, "resolve", **RESOLVED))
    answered(await act(desks.wang, paused, "pause", reason="等配件"))

    await _look(desks, await _aged(desks, late, 130))

    assert await desks.told(desks.wang, late) == ["complaint.overdue"]
    assert await desks.told(desks.wang, settled) == await desks.told(desks.wang, paused) == []


async def test_goodwill_within_the_limit_at_once_and_above_it_with_a_yes(desks: Desks) -> None:
    made = await desks.complaint(desks.lily)
    gift = {"currency": "CNY", "reason": "来回两次"}
    given = answered(await act(desks.lily, made, "goodwill", amount="150.00", **gift), 201)
    assert [each["state"] for each in given["goodwill"]] == ["approved"]
    # Split, it is still more than 200.
    asked = answered(await act(desks.lily, made, "goodwill", amount="60.00", **gift), 201)
    first, second = asked["goodwill"]
    assert (second["state"], second["decided_by"]) == ("asked", None)
    assert await desks.told(desks.boss, made) == ["complaint.goodwill_asked"]

    decision = f"goodwill/{second['id']}/decision"
    assert refusal(await act(desks.lily, made, decision, approve=True)) == (403, "scope_missing")
    yes, no = await asyncio.gather(
        act(desks.boss, made, decision, approve=True), act(desks.boss, made, decision, approve=False)
    )
    assert sorted((yes.status_code, no.status_code)) == [200, 409]
    assert await desks.told(desks.lily, made) == ["complaint.goodwill_decided"]
    assert refusal(await act(desks.boss, made, f"goodwill/{made['id']}/decision", approve=True)) == (
        404,
        "no_such_goodwill",
    )
    # Another currency has no limit, so nothing may be given in it; a supervisor gives what they see fit.
    foreign = answered(await act(desks.lily, made, "goodwill", amount="1.00", currency="USD", reason="x"), 201)
    assert foreign["goodwill"][-1]["state"] == "asked"
    large = answered(await act(desks.boss, made, "goodwill", amount="900.00", **gift), 201)
    assert large["goodwill"][-1]["state"] == "approved"
    assert refusal(await act(desks.lily, made, "goodwill", amount="0.00", **gift)) == (422, "invalid")
    limits = "/api/v1/goodwill-limits"
    assert refusal(await desks.lily.http.put(f"{limits}/agent", json={"currency": "EUR", "amount": "9"})) == (
        403,
        "scope_missing",
    )
    answered(await desks.boss.http.put(f"{limits}/agent", json={"currency": "EUR", "amount": "30.00"}))
    small = answered(await act(desks.lily, made, "goodwill", amount="30.00", currency="EUR", reason="x"), 201)
    assert small["goodwill"][-1]["state"] == "approved"
    assert first["amount"] == "150.00"


async def _outcome(who: SignedIn, complaint: dict[str, Any], outcome: str, **given: Any) -> None:
    callback = complaint["callbacks"][-1]["code"]
    answered(await who.http.put(f"/api/v1/callbacks/{callback}/outcome", json={"outcome": outcome, **given}))


@pytest.mark.parametrize("settled", [True, False], ids=["resolved", "still open"])
async def test_works_now_closes_the_complaint_and_keeps_the_mark(desks: Desks, settled: bool) -> None:
    made = await desks.complaint(desks.lily)
    if settled:
        answered(await act(desks.lily, made, "resolve", **RESOLVED))

    await _outcome(desks.lily, made, "works_now", satisfaction=4, note="好了")

    seen = answered(await desks.lily.http.get(f"{URL}/{made['id']}"))
    assert (seen["state"], seen["satisfaction"], seen["callbacks"][0]["state"]) == ("closed", 4, "done")
    assert seen["resolved_at"] is not None


async def test_still_broken_reopens_it_and_the_owner_is_told_at_once(desks: Desks) -> None:
    made = await desks.complaint(desks.lily)
    answered(await act(desks.lily, made, "resolve", **RESOLVED))

    await _outcome(desks.boss, made, "still_broken", note="第二台还是不行")

    seen = answered(await desks.lily.http.get(f"{URL}/{made['id']}"))
    assert (seen["state"], seen["reopen_count"]) == ("reopened", 1)
    assert seen["changes"][0]["detail"]["reason"] == "第二台还是不行"
    assert await desks.told(desks.lily, made) == ["complaint.reopened"]
    # Resolved again, the customer is asked again.
    again = answered(await act(desks.lily, made, "resolve", **RESOLVED))
    assert [callback["state"] for callback in again["callbacks"]] == ["done", "scheduled"]
    # Of one that nobody had settled it is told, too.
    open_one = await desks.complaint(desks.lily)
    await _outcome(desks.lily, open_one, "still_broken", note="没人来")
    assert answered(await desks.lily.http.get(f"{URL}/{open_one['id']}"))["state"] == "open"
    assert await desks.told(desks.lily, open_one) == ["complaint.reopened"]


async def test_what_is_put_right_stays_in_the_history(desks: Desks) -> None:
    made = await desks.complaint(desks.lily)
    patch = desks.lily.http.patch
    path = f"{URL}/{made['code']}"

    graver = answered(await patch(path, json={"severity": "critical", "wants": ["respect"], "why": "孩子在家"}))

    assert (graver["severity"], graver["wants"]) == ("critical", ["respect"])
    assert graver["due_at"] < made["due_at"]
    told = {change["detail"]["field"]: change["detail"] for change in graver["changes"] if change["what"] == "changed"}
    assert told["severity"] == {"field": "severity", "before": "normal", "after": "critical", "why": "孩子在家"}
    moved = answered(await patch(path, json={"category": "product.leak", "why": "看清了"}))
    assert moved["changes"][0]["detail"]["after"] == "product.leak"
    assert moved["version"] > graver["version"]
    assert refusal(await patch(path, json={"category": "product.leak"})) == (422, "invalid")
    assert refusal(await patch(path, json={"what_happened": "x", "why": "y"})) == (422, "invalid")
    answered(await act(desks.lily, made, "resolve", **RESOLVED))
    assert refusal(await patch(path, json={"severity": "low", "why": "x"})) == (409, "wrong_complaint_state")


async def test_severities_can_be_set_and_hold_from_then_on(desks: Desks) -> None:
    before = await desks.complaint(desks.lily, severity="low")
    path = "/api/v1/complaint-severities/low"
    assert refusal(await desks.lily.http.put(path, json={"due_minutes": 60})) == (403, "scope_missing")
    for wrong in ({"due_minutes": 0}, {"due_minutes": 60, "warn_percent": [50]}):
        assert refusal(await desks.boss.http.put(path, json=wrong)) == (422, "invalid")

    answered(await desks.boss.http.put(path, json={"due_minutes": 60, "warn_percent": [100, 50]}))

    after = await desks.complaint(desks.lily, severity="low")
    assert after["due_at"] < before["due_at"]
    assert answered(await desks.lily.http.get(f"{URL}/{before['id']}"))["due_at"] == before["due_at"]
    async with desks.served.database.session_scope() as session:
        rule = await session.get_one(SeverityRule, "low")
        assert (rule.due_minutes, rule.warn_percent) == (60, [50, 100])
        rule.due_minutes = 2400
    assert datetime.now(UTC) < datetime.fromisoformat(after["due_at"])
