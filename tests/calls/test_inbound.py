"""A call from its first ring to its end, over the wire."""

from app.schemas.screen_pop import ScreenPop
from app.telephony.simulator import SimEventKind
from tests.calls.conftest import DIALLED, Hotline
from tests.factories import make_customer


async def test_the_card_is_there_before_the_phone_is_picked_up(hotline: Hotline) -> None:
    async with hotline.served.database.session_scope() as session:
        lu = await make_customer(session, "138 0013 8000", name="鲁建国", surname="鲁", gender="male")
    desk = await hotline.desk()

    call = await hotline.line.call("+8613800138000", DIALLED, caller_name="LU")
    offered = await desk.until("call.offered")

    pop = ScreenPop.model_validate(offered["data"]["screen_pop"])
    assert pop.match.outcome == "unique"
    assert pop.customer is not None
    assert pop.customer.code == lu.code
    assert pop.customer.address_as.zh == "鲁先生"
    assert await desk.presence() == "reserved"
    ringing = await call.wait_for(SimEventKind.LEG_RINGING)
    assert ringing.data["to"] == f"client:{desk.agent.identity}"
    assert ringing.leg_sid is not None
    await hotline.line.answer(ringing.leg_sid)
    await desk.until("call.answered")
    assert await desk.presence() == "on_call"
    assert (await hotline.call_row(call.sid))["state"] == "in_progress"

    call.hang_up()
    await call.finished()
    ended = await desk.until("call.ended")
    assert ended["data"]["state"] == "completed"
    assert await desk.presence() == "wrap_up"

    call_id = offered["data"]["call_id"]
    answer = await desk.http.put(
        f"/api/v1/calls/{call_id}/wrap-up",
        json={
            "disposition": "resolved",
            "stage": "after_sale",
            "heard_of_us": "existing_customer",
            "notes": "已重置。",
        },
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["customer"]["code"] == lu.code
    assert await desk.presence() == "available"
    steps = await hotline.trace_of(call.sid)
    assert steps[:4] == ["received", "matched", "reserved", "pushed"]
    assert {"shown", "answered", "ended", "wrapped_up"} <= set(steps)
    history = await hotline.one("SELECT summary, channel FROM interactions WHERE call_id = :id", id=call_id)
    assert history == {"summary": "已重置。", "channel": "call"}
