"""The day's plan over REST."""

from sqlalchemy import select, update

from app.models.call_lists import CallListEntry
from tests.api.call_lists.work_support import PROMISED, make_book, make_list
from tests.support import Served, SignedIn


async def test_a_list_is_a_plan_of_four_quadrants_and_of_the_hours(app_server: Served, manager: SignedIn) -> None:
    async with app_server.database.session_scope() as session:
        customers = await make_book(session, manager.agent, 4)
        customers[1].tier = "core"
        customers[2].sales_stage = 5
        made = await make_list(session, manager.agent, customers)
        await session.execute(
            update(CallListEntry)
            .where(CallListEntry.customer_id == customers[3].id)
            .values(reasons=[PROMISED], source="promised")
        )
        ids = {
            customer_id: str(entry_id)
            for customer_id, entry_id in await session.execute(
                select(CallListEntry.customer_id, CallListEntry.id).where(CallListEntry.list_id == made.id)
            )
        }

    answer = await manager.http.get(f"/api/v1/call-lists/{made.id}/plan")

    plan = answer.json()
    assert answer.status_code == 200
    assert (plan["day"], plan["manager"]["name"]) == (made.day.isoformat(), "林经理")
    told = {each["quadrant"]: [entry["customer"]["code"] for entry in each["entries"]] for each in plan["quadrants"]}
    assert told == {
        "important_urgent": [customers[2].code],
        "important": [customers[1].code],
        "urgent": [customers[3].code],
        "neither": [customers[0].code],
    }
    assert plan["quadrants"][0]["in_words"] == {"zh": "重要且紧急", "en": "Important and urgent"}
    golden = [entry_id for part in plan["parts"] if part["golden"] for entry_id in part["entry_ids"]]
    assert golden[:2] == [ids[customers[2].id], ids[customers[1].id]], (
        "the first golden hour is for what is important and urgent"
    )
    (afternoon,) = [part for part in plan["parts"] if part["begins"] == "14:00:00"]
    assert ids[customers[3].id] in afternoon["entry_ids"], "the promise is kept at its time"
    assert sorted(entry_id for part in plan["parts"] for entry_id in part["entry_ids"]) == sorted(ids.values())
