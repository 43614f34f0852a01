"""Handing over: the receiver says yes first, every change of owner is counted, and of two who accept one has it."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

from app.models import Complaint, Role
from app.services.calendars import read_calendars
from tests.api.complaints.support import RESOLVED, URL, Desks, act, answered
from tests.api.customers.support import refusal
from tests.support import sign_in_as


async def offered(desks: Desks, **to: str) -> dict[str, Any]:
    """A complaint of Lily's that she wants to hand over."""
    made = await desks.complaint(desks.lily)
    return answered(await act(desks.lily, made, "handover", reason="要工程师", **to))


async def seen(desks: Desks, complaint: dict[str, Any]) -> dict[str, Any]:
    return answered(await desks.boss.http.get(f"{URL}/{complaint['id']}"))


async def test_it_stays_with_its_owner_until_the_receiver_accepts(desks: Desks) -> None:
    made = await offered(desks, to_agent_id=str(desks.chen.agent.id))
    assert made["owner"]["name"] == "李莉"
    assert await desks.told(desks.chen, made) == ["complaint.offered"]
    waiting = answered(await desks.chen.http.get(URL, params={"offered": True}))["items"]
    assert [complaint["code"] for complaint in waiting] == [made["code"]]
    assert refusal(await act(desks.wang, made, "handover/accept")) == (403, "not_offered_to_you")
    again = await act(desks.lily, made, "handover", to_agent_id=str(desks.wang.agent.id), reason="x")
    assert refusal(again) == (409, "handover_pending")

    taken = answered(await act(desks.chen, made, "handover/accept", note="我来"))

    assert (taken["owner"]["name"], taken["handover_count"], taken["due_at"]) == ("陈伟", 1, made["due_at"])
    assert [(each["state"], each["from_agent"]["name"], each["to_agent"]["name"]) for each in taken["handovers"]] == [
        ("accepted", "李莉", "陈伟")
    ]
    assert taken["changes"][0]["detail"] | {"due_at": ""} == {
        "before": "李莉",
        "after": "陈伟",
        "reason": "要工程师",
        "due_at": "",
    }
    assert await desks.told(desks.lily, made) == ["complaint.answered"]
    assert refusal(await act(desks.lily, made, "start")) == (403, "not_your_complaint")
    card = answered(await desks.wang.http.get(f"/api/v1/customers/{made['customer']['code']}/card"))
    assert [(each["owner"], each["handovers"]) for each in card["complaints"]] == [("陈伟", 1)]


async def test_declined_or_withdrawn_it_stays_where_it_is_and_is_not_counted(desks: Desks) -> None:
    made = await offered(desks, to_agent_id=str(desks.chen.agent.id))
    declined = answered(await act(desks.chen, made, "handover/decline", note="明天休假"))
    assert (declined["owner"]["name"], declined["handover_count"]) == ("李莉", 0)
    assert declined["handovers"][0]["note"] == "明天休假"
    assert refusal(await act(desks.chen, made, "handover/accept")) == (409, "no_handover_pending")

    answered(await act(desks.lily, made, "handover", to_agent_id=str(desks.wang.agent.id), reason="再问"))
    withdrawn = answered(await act(desks.lily, made, "handover/withdraw"))
    assert [each["state"] for each in withdrawn["handovers"]] == ["declined", "withdrawn"]
    assert refusal(await act(desks.wang, made, "handover/accept")) == (409, "no_handover_pending")
    # What is settled needs no new owner.
    answered(await act(desks.lily, made, "handover", to_agent_id=str(desks.wang.agent.id), reason="再问"))
    resolved = answered(await act(desks.lily, made, "resolve", **RESOLVED))
    assert resolved["handovers"][-1]["state"] == "withdrawn"
    assert refusal(await act(desks.lily, made, "handover", to_agent_id=str(desks.wang.agent.id), reason="x")) == (
        409,
        "wrong_complaint_state",
    )


async def test_two_owners_accept_at_once_and_one_has_it(desks: Desks) -> None:
    for _ in range(3):
        made = await offered(desks, to_queue_id=str(desks.queue.id))
        assert await desks.told(desks.chen, made) == await desks.told(desks.wang, made) == ["complaint.offered"]
        assert refusal(await act(desks.chen, made, "handover/decline")) == (403, "not_offered_to_you")

        answers = await asyncio.gather(*(act(who, made, "handover/accept") for who in (desks.chen, desks.wang)))

        assert sorted(answer.status_code for answer in answers) == [200, 409]
        (lost,) = (answer for answer in answers if answer.status_code == 409)
        now = await seen(desks, made)
        assert now["owner"]["name"] in ("陈伟", "王芳")
        assert (lost.json()["code"], lost.json()["owner"]) == ("no_handover_pending", now["owner"]["name"])
        assert (now["handover_count"], [each["state"] for each in now["handovers"]]) == (1, ["accepted"])


async def test_a_partner_owns_it_in_its_own_time_and_gives_back_what_is_left(desks: Desks) -> None:
    partners = "/api/v1/partners"
    shop = answered(await desks.boss.http.post(partners, json={"name": "宁安维修", "due_minutes": 30 * 60}), 201)
    assert refusal(await desks.boss.http.post(partners, json={"name": "宁安维修", "due_minutes": 1})) == (
        409,
        "name_taken",
    )
    made = await offered(desks, to_partner_id=shop["id"])
    assert refusal(await act(desks.chen, made, "handover/accept")) == (403, "not_offered_to_you")

    theirs = answered(await act(desks.lily, made, "handover/accept", note="店长同意"))

    assert (theirs["owner"], theirs["partner"]["name"], theirs["handover_count"]) == (None, "宁安维修", 1)
    assert theirs["due_at"] > theirs["settle_by"] == made["settle_by"]
    assert [(each["name"], each["unsettled"]) for each in answered(await desks.lily.http.get(partners))["items"]] == [
        ("宁安维修", 1)
    ]
    # Who handed it over still minds it; nobody else does.
    assert refusal(await act(desks.chen, made, "start")) == (403, "not_your_complaint")
    answered(await act(desks.lily, made, "start"))
    patched = await desks.lily.http.patch(f"{URL}/{made['code']}", json={"severity": "low", "why": "x"})
    assert refusal(patched) == (409, "with_partner")
    card = answered(await desks.wang.http.get(f"/api/v1/customers/{made['customer']['code']}/card"))
    assert card["complaints"][0]["owner"] == "宁安维修"

    answered(await act(desks.lily, made, "handover", to_agent_id=str(desks.wang.agent.id), reason="没修好"))
    back = answered(await act(desks.wang, made, "handover/accept"))
    assert (back["owner"]["name"], back["partner"], back["due_at"]) == ("王芳", None, made["settle_by"])
    assert back["handover_count"] == 2
    async with desks.served.database.session_scope() as session:
        row = await session.get_one(Complaint, made["id"])
        calendar = (await read_calendars(session, desks.served.runtime.hotline.now)).main
    left = calendar.working_time_between(row.clock_from, row.settle_by)
    assert abs(left - timedelta(seconds=row.allowed_seconds)) < timedelta(seconds=2)
    assert row.clock_from > datetime.fromisoformat(made["opened_at"])


async def test_to_whom_it_cannot_go(desks: Desks) -> None:
    made = await desks.complaint(desks.lily)
    gone = await sign_in_as(desks.served, Role.AGENT, active=False)
    await gone.http.aclose()

    async def refused(**to: str) -> tuple[int, str]:
        return refusal(await act(desks.lily, made, "handover", reason="x", **to))

    assert await refused(to_agent_id=str(desks.lily.agent.id)) == (409, "owns_it_already")
    for agent in (gone.agent, desks.analyst.agent):
        assert await refused(to_agent_id=str(agent.id)) == (422, "unknown_receiver")
    assert await refused(to_queue_id=made["id"]) == (422, "unknown_receiver")
    assert await refused(to_partner_id=made["id"]) == (422, "unknown_receiver")
    both = {"to_agent_id": str(desks.chen.agent.id), "to_queue_id": str(desks.queue.id)}
    assert await refused() == await refused(**both) == (422, "invalid")
    assert (await seen(desks, made))["handovers"] == []
