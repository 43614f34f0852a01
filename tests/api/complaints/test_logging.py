"""Logging a complaint: from a call with two fields, over REST, and what follows at once."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select, text

from app.models import AgentEvent, AgentEventType, Callback, CallbackState, Complaint
from app.services.complaints import opening
from tests.api.complaints.support import URL, Desks, act, answered, happened
from tests.api.customers.support import refusal


async def test_from_a_call_a_category_and_what_happened_suffice(desks: Desks) -> None:
    lu = await desks.customer()
    call_id = await desks.call(lu, desks.lily)

    made = answered(
        await desks.lily.http.post(
            f"/api/v1/calls/{call_id}/complaint",
            json={"category": "product.not_starting", "what_happened": "三台空调都不启动"},
        ),
        201,
    )

    assert made["code"].startswith("K20")
    assert (made["customer"]["code"], made["owner"]["name"], made["state"]) == (lu.code, "李莉", "open")
    assert (made["channel"], made["product"], made["serial_number"]) == ("call", "空调", "251018000001")
    assert (made["queue"]["id"], made["call_id"]) == (str(desks.queue.id), str(call_id))
    assert (made["severity"], made["category"]["name"]["zh"]) == ("high", "不启动")
    assert made["first_response_at"] == made["opened_at"] < made["due_at"] == made["settle_by"]
    # The next-day callback is the owner's, and follows from the complaint.
    (callback,) = made["callbacks"]
    assert callback["state"] == "scheduled"
    assert datetime.fromisoformat(callback["due_at"]).date() > datetime.fromisoformat(made["opened_at"]).date()
    assert happened(made) == ["opened", "callback_promised"]
    assert answered(await desks.chen.http.get(f"{URL}/{made['code'].lower()}"))["id"] == made["id"]
    # It is on the card, on the timeline, and on the screen of whoever looks the number up.
    card = answered(await desks.chen.http.get(f"/api/v1/customers/{lu.code}/card"))
    assert [(shown["code"], shown["owner"], shown["handovers"]) for shown in card["complaints"]] == [
        (made["code"], "李莉", 0)
    ]
    assert [shown["code"] for shown in card["callbacks"]] == [callback["code"]]
    assert {"kind": "open_complaint", "count": 1, "on": None} in card["alerts"]
    assert ("complaint", f"{made['code']} 三台空调都不启动") in [
        (entry["kind"], entry["summary"]) for entry in card["timeline"]["items"]
    ]


async def test_a_caller_whom_nobody_knows_complains_too_and_is_recognised_later(desks: Desks) -> None:
    call_id = await desks.call(None, desks.lily, from_raw="+8613911112222", from_e164="+8613911112222")
    body = {"category": "service.rude", "what_happened": "态度很差", "call_id": str(call_id)}
    made = answered(await desks.lily.http.post(URL, json=body), 201)
    assert (made["customer"], made["contact"]) == (None, "+8613911112222")
    assert len(made["callbacks"]) == 1

    lu = await desks.customer()
    known = answered(await desks.lily.http.patch(f"{URL}/{made['code']}", json={"customer": lu.code, "why": "核实了"}))

    assert known["customer"]["code"] == lu.code
    assert len(known["callbacks"]) == 1
    other = await desks.customer()
    again = await desks.lily.http.patch(f"{URL}/{made['code']}", json={"customer": other.code, "why": "弄错了"})
    assert refusal(again) == (409, "complaint_has_customer")


async def test_nobody_is_called_who_wants_no_calls_or_has_no_number(desks: Desks) -> None:
    for customer, reason in (
        (await desks.customer(do_not_call=True), "do_not_call"),
        (await desks.customer(phone=False), "no_number"),
    ):
        made = await desks.complaint(desks.lily, customer)
        assert made["callbacks"] == []
        assert made["changes"][0]["what"] == "no_callback"
        assert made["changes"][0]["detail"] == {"reason": reason}


async def test_a_complaint_and_its_callback_are_written_together_or_not_at_all(
    desks: Desks, monkeypatch: pytest.MonkeyPatch
) -> None:
    lu = await desks.customer()

    async def broken(*args: object, **kwargs: object) -> None:
        raise opening.UnknownPurchase("made to fail")

    monkeypatch.setattr(opening, "promise", broken)
    answer = await desks.lily.http.post(URL, json={"customer": lu.code, "category": "other", "what_happened": "坏了"})

    assert answer.status_code == 422
    async with desks.served.database.session_scope() as session:
        for table in (Complaint, Callback):
            count = await session.scalar(select(func.count()).where(table.customer_id == lu.id))
            assert count == 0


@pytest.fixture
async def unknown_year(desks: Desks) -> AsyncIterator[None]:
    """The organisation works in a country of which nobody has said when its holidays are."""
    known = "UPDATE calendars SET country = CAST(:country AS text) WHERE region IS NULL"
    confirmed = "UPDATE calendar_years SET year = year + :later"
    async with desks.served.database.session_scope() as session:
        country = await session.scalar(text("SELECT country FROM calendars WHERE region IS NULL"))
        await session.execute(text(known), {"country": "XX"})
        await session.execute(text(confirmed), {"later": 100})
    yield
    async with desks.served.database.session_scope() as session:
        await session.execute(text(known), {"country": country})
        await session.execute(text(confirmed), {"later": -100})


@pytest.mark.usefixtures("unknown_year")
async def test_in_a_year_that_nobody_knows_no_complaint_is_lost(desks: Desks) -> None:
    """Its clock runs day and night, and its callback is the supervisors', who are told."""
    lu = await desks.customer()
    answer = await desks.lily.http.post(
        URL, json={"customer": lu.code, "category": "other", "what_happened": "坏了", "severity": "critical"}
    )
    assert answer.status_code == 201, answer.text
    made = answer.json()

    opened = next(change for change in made["changes"] if change["what"] == "opened")
    assert opened["detail"]["calendar"] == "unknown"
    allowed = datetime.fromisoformat(made["due_at"]) - datetime.fromisoformat(made["opened_at"])
    assert allowed == timedelta(hours=4)
    async with desks.served.database.session_scope() as session:
        callback = (await session.scalars(select(Callback).where(Callback.customer_id == lu.id))).one()
        told = await session.scalars(
            select(AgentEvent.data).where(
                AgentEvent.agent_id == desks.boss.agent.id, AgentEvent.type == AgentEventType.CALLBACK_ESCALATED
            )
        )
    assert callback.state is CallbackState.ESCALATED
    assert callback.due_at - datetime.fromisoformat(made["opened_at"]) >= timedelta(days=1)
    assert list(told) == [{"callback_id": str(callback.id), "code": callback.code, "why": "calendar_unknown"}]


async def test_repeats_are_noticed_and_shown(desks: Desks) -> None:
    lu, wu = await desks.customer(), await desks.customer()
    first = await desks.complaint(desks.lily, lu, product="空调", batch="B-2510")
    assert first["repeats"] == []
    await desks.complaint(desks.lily, lu, category="billing.invoice")

    again = await desks.complaint(desks.chen, lu, product="空调")
    same_batch = await desks.complaint(desks.chen, wu, category="product.leak", product="空调", batch="B-2510")
    other_batch = await desks.complaint(desks.chen, wu, category="other", product="热水器", batch="B-2510")

    assert again["repeats"] == [{"kind": "customer", "count": 1, "codes": [first["code"]]}]
    assert same_batch["repeats"] == [{"kind": "batch", "count": 1, "codes": [first["code"]]}]
    assert same_batch["changes"][-1]["detail"]["repeats"] == {"batch": 1}
    assert other_batch["repeats"] == []


async def test_what_makes_no_sense_is_refused(desks: Desks) -> None:
    lu, wu = await desks.customer(), await desks.customer()
    body = {"customer": lu.code, "category": "product.noise", "what_happened": "吵"}
    purchases = answered(await desks.lily.http.get(f"/api/v1/customers/{wu.code}/purchases"))["items"]
    post = desks.lily.http.post

    assert refusal(await post(URL, json={**body, "category": "nonsense"})) == (422, "unknown_category")
    assert refusal(await post(URL, json={**body, "customer": "C9999999"})) == (404, "no_such_customer")
    assert refusal(await post(URL, json={**body, "what_happened": " "})) == (422, "invalid")
    assert refusal(await post(URL, json={**body, "wants": ["revenge"]})) == (422, "invalid")
    assert refusal(await post(URL, json={**body, "purchase_id": purchases[0]["id"]})) == (422, "unknown_purchase")
    assert refusal(await post(URL, json={"category": "other", "what_happened": "x"})) == (422, "invalid")
    assert refusal(await post(URL, json={**body, "call_id": str(uuid4())})) == (404, "no_such_call")
    assert refusal(await desks.lily.http.get(f"{URL}/K20260101-0001")) == (404, "no_such_complaint")
    made = await desks.complaint(desks.lily, lu)
    for url in ("javascript:alert(1)", "ftp://files.example/x", "https:///x", "http://a b/"):
        assert refusal(await act(desks.lily, made, "links", url=url)) == (422, "invalid")


async def test_a_call_of_somebody_elses_is_theirs_to_complain_from(desks: Desks) -> None:
    call_id = await desks.call(await desks.customer(), desks.lily)
    path, body = f"/api/v1/calls/{call_id}/complaint", {"category": "other", "what_happened": "x"}

    assert refusal(await desks.chen.http.post(path, json=body)) == (403, "not_your_call")
    assert refusal(await desks.analyst.http.post(path, json=body)) == (403, "scope_missing")
    first = answered(await desks.lily.http.post(path, json=body), 201)
    second = answered(await desks.boss.http.post(path, json=body), 201)
    assert first["callbacks"][0]["id"] != second["callbacks"][0]["id"]


async def test_lists_show_what_is_asked_for(desks: Desks) -> None:
    lu = await desks.customer()
    mine = await desks.complaint(desks.wang, lu, product="冰箱")
    theirs = await desks.complaint(desks.boss, lu, category="product.unsafe", product="冰箱")
    settled = await desks.complaint(desks.wang, lu, category="billing.invoice")
    answered(await act(desks.wang, settled, "resolve", resolution="补开", root_cause="漏开", prevention="自动开票"))

    async def codes(**params: str | int | bool) -> list[str]:
        found = answered(await desks.wang.http.get(URL, params={"customer": lu.code, **params}))
        return [item["code"] for item in found["items"]]

    assert await codes() == [settled["code"], theirs["code"], mine["code"]]
    assert await codes(mine=True) == [settled["code"], mine["code"]]
    assert await codes(mine=True, unsettled=True) == [mine["code"]]
    assert await codes(state="resolved") == [settled["code"]]
    assert await codes(category="product") == [theirs["code"], mine["code"]]
    assert await codes(severity="critical", product="冰箱") == [theirs["code"]]
    assert await codes(older_than_days=1) == await codes(overdue=True) == []
    assert await codes(owner_id=str(desks.boss.agent.id)) == [theirs["code"]]
    assert (await codes(order="due", unsettled=True))[0] == theirs["code"]
    page = answered(await desks.wang.http.get(URL, params={"customer": lu.code, "limit": 2}))
    rest = answered(await desks.wang.http.get(URL, params={"customer": lu.code, "cursor": page["next"]}))
    assert [item["code"] for item in (*page["items"], *rest["items"])] == await codes()
    assert refusal(await desks.wang.http.get(URL, params={"cursor": "x"})) == (400, "bad_cursor")


async def test_who_counts_complaints_sees_no_numbers(desks: Desks) -> None:
    made = await desks.complaint(desks.lily, what_happened="回电请打 13812345678")
    await act(desks.lily, made, "notes", body="或者 13987654321")

    seen = (await desks.analyst.http.get(f"{URL}/{made['id']}")).text
    listed = (await desks.analyst.http.get(URL, params={"limit": 200})).text
    history = (await desks.analyst.http.get(f"{URL}/{made['id']}/history")).text

    assert "13812345678" in (await desks.chen.http.get(f"{URL}/{made['id']}")).text
    for told in (seen, listed, history):
        assert "13812345678" not in told
        assert "13987654321" not in told
    assert "13987654321" in (await desks.chen.http.get(f"{URL}/{made['id']}/history")).text


async def test_codes_of_a_day_count_up(desks: Desks) -> None:
    first, second = await desks.complaint(desks.lily), await desks.complaint(desks.lily)

    assert first["code"][:10] == second["code"][:10]
    assert int(second["code"][10:]) == int(first["code"][10:]) + 1
    assert UUID(first["id"]) < UUID(second["id"])
