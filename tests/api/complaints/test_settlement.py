"""The report on settlement: four classes, each customer once, and who bought again."""

from datetime import UTC, datetime, timedelta
from typing import Any

from app.models import Callback, Customer, Purchase
from app.models.base import new_id
from tests.api.complaints.support import Desks, answered
from tests.api.customers.support import refusal
from tests.factories import make_complaint, make_customer

PATH = "/api/v1/reports/complaints"
DAY = (datetime.now(UTC) - timedelta(days=200)).replace(hour=2, minute=0, second=0, microsecond=0)
"""The same day in Shanghai."""
HOUR = timedelta(hours=1)


async def test_customers_are_counted_by_how_their_complaint_was_settled(desks: Desks) -> None:
    at_once = {"opened_at": DAY, "settle_by": DAY + 8 * HOUR, "due_at": DAY + 8 * HOUR}
    async with desks.served.database.session_scope() as session:

        async def customer(bought_after_days: int | None = None) -> Customer:
            made = await make_customer(session)
            if bought_after_days is not None:
                day = DAY.date() + timedelta(days=bought_after_days)
                session.add(Purchase(customer_id=made.id, product="空调", purchased_on=day))
            return made

        async def complained(who: Customer, **fields: Any) -> None:
            await make_complaint(session, who.id, desks.lily.agent.id, **{**at_once, **fields})

        def unhappy(who: Customer, mark: int) -> Callback:
            return Callback(
                id=new_id(),
                code=f"T20260302-{who.code[1:]}",
                customer_id=who.id,
                reason="by_hand",
                zone="Asia/Shanghai",
                state="done",
                due_at=DAY,
                first_due_at=DAY,
                ended_at=DAY,
                outcome="answered",
                satisfaction=mark,
            )

        fast, faster, late, reopened, open_one, silent, silent_too, content = [
            await customer(days) for days in (10, None, 91, 90, None, None, 3, None)
        ]
        await complained(fast, state="closed", resolved_at=DAY + 2 * HOUR)
        await complained(faster, state="resolved", resolved_at=DAY + 8 * HOUR)
        # Their last one counts, not the one before.
        await complained(faster, opened_at=DAY - 5 * HOUR)
        await complained(late, state="closed", resolved_at=DAY + 9 * HOUR)
        await complained(reopened, state="closed", resolved_at=DAY + HOUR, reopen_count=1)
        await complained(open_one)
        session.add_all([unhappy(silent, 2), unhappy(silent_too, 1), unhappy(content, 3), unhappy(fast, 1)])

    asked = {"from": f"{DAY.date() - timedelta(days=1)}", "to": f"{DAY.date() + timedelta(days=1)}"}
    report = answered(await desks.boss.http.get(PATH, params=asked))

    assert [
        (row["kind"], row["customers"], row["observed"], row["bought_again"], row["share"], row["training_share"])
        for row in report["classes"]
    ] == [
        ("fast", 2, 2, 1, 0.5, 0.82),
        ("settled", 2, 2, 1, 0.5, 0.54),
        ("not_settled", 1, 1, 0, 0.0, 0.19),
        ("never_complained", 2, 2, 1, 0.5, 0.09),
    ]
    assert [row["median_hours"] for row in report["classes"]] == [5.0, 5.0, None, None]
    # In ninety-one days the late one has bought as well; of a time to come nobody can be told.
    longer = answered(await desks.boss.http.get(PATH, params={**asked, "within_days": 91}))["classes"]
    assert [row["bought_again"] for row in longer] == [1, 2, 0, 1]
    ever = answered(await desks.boss.http.get(PATH, params={**asked, "within_days": 201}))["classes"]
    assert [(row["customers"], row["observed"], row["share"]) for row in ever] == [
        (2, 0, None),
        (2, 0, None),
        (1, 0, None),
        (2, 0, None),
    ]
    empty = answered(await desks.boss.http.get(PATH, params={"from": "2020-01-01", "to": "2020-01-02"}))
    assert {row["customers"] for row in empty["classes"]} == {0}


async def test_whose_report_it_is(desks: Desks) -> None:
    assert refusal(await desks.lily.http.get(PATH)) == (403, "scope_missing")
    assert (await desks.analyst.http.get(PATH)).status_code == 200
    wrong = await desks.boss.http.get(PATH, params={"from": "2026-03-02", "to": "2026-03-01"})
    assert refusal(wrong) == (422, "bad_period")
