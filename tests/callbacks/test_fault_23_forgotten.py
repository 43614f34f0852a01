"""A customer is forgotten, or asks not to be called, after they were promised a call."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text

from app.models import Call, Callback, CallbackReason, CallbackState, Customer, Role
from app.services.callbacks.due import tell_owners
from app.services.callbacks.of_calls import keep_in_step
from app.services.hotline import Hotline
from tests.api.customers.support import a_call, a_mobile
from tests.callbacks.test_over_rest import URL, customer_of, promised, set_to
from tests.support import Served, SignedIn, SignIn

SECRET = "鲁建国的除湿机"


@pytest.mark.parametrize(
    "state", [CallbackState.SCHEDULED, CallbackState.CLAIMED, CallbackState.RETRY, CallbackState.ESCALATED]
)
async def test_fault_23_who_is_forgotten_is_owed_no_call_and_nothing_of_them_stays(
    app_server: Served, agent: SignedIn, signed_in: SignIn, state: CallbackState
) -> None:
    admin = await signed_in(Role.ADMIN)
    number = a_mobile()
    customer = await customer_of(app_server, number)
    made = await promised(app_server, agent, customer=customer.code, number=number, subject=SECRET)
    await agent.http.patch(f"{URL}/{made['id']}", json={"subject": f"{SECRET} {number}"})
    async with app_server.database.session_scope() as session:
        await session.execute(text("UPDATE callbacks SET due_at = now() - interval '1 hour'"))
        await tell_owners(session, datetime.now(UTC))
    in_hand = state is CallbackState.CLAIMED
    held: dict[str, Any] = {
        "claimed_by_id": agent.agent.id if in_hand else None,
        "claimed_until": datetime.now(UTC) + timedelta(hours=1) if in_hand else None,
    }
    await set_to(app_server, made, state=state, **held)
    told = (await admin.http.get(f"/api/v1/customers/{customer.code}/export")).json()
    assert SECRET in str(told["callbacks"])

    assert (
        await admin.http.post(f"/api/v1/customers/{customer.code}/erase", json={"reason": "本人要求"})
    ).status_code == 200

    async with app_server.database.session_scope() as session:
        callback = await session.get_one(Callback, UUID(made["id"]))
        assert (callback.state, callback.to_e164, callback.subject, callback.claimed_until) == (
            "cancelled",
            None,
            "",
            None,
        )
        assert callback.ended_at is not None
        for table in ("callbacks", "callback_changes", "agent_events"):
            rows = str((await session.scalars(text(f"SELECT CAST(to_jsonb(t) AS text) FROM {table} t"))).all())
            assert SECRET not in rows, table
            assert number not in rows, table
    whole = (await agent.http.get(f"{URL}/{made['code']}")).json()
    assert (whole["state"], whole["to_e164"], whole["subject"]) == ("cancelled", None, "")


async def test_fault_23_a_stranger_who_rang_in_vain_is_forgotten_with_the_number_they_turn_out_to_have(
    app_server: Served, signed_in: SignIn
) -> None:
    admin, agent = await signed_in(Role.ADMIN), await signed_in(Role.AGENT)
    number = a_mobile()
    hotline = app_server.runtime.hotline.now
    stranger = await _missed(app_server, hotline, number)
    adopted = await _missed(app_server, hotline, a_mobile())
    customer = await customer_of(app_server, number)
    linked = await agent.http.put(
        f"/api/v1/calls/{adopted.call_id}/customer", json={"customer": customer.code, "remember_number": True}
    )
    assert linked.status_code == 200
    theirs = (await agent.http.get(URL, params={"customer": customer.code})).json()["items"]
    assert [each["code"] for each in theirs] == [adopted.code]

    assert (await admin.http.post(f"/api/v1/customers/{customer.code}/erase", json={"reason": "x"})).status_code == 200

    async with app_server.database.session_scope() as session:
        for each in (stranger, adopted):
            left = await session.get_one(Callback, each.id)
            assert (left.state, left.to_e164) == ("cancelled", None)


async def test_fault_23_who_asks_not_to_be_called_is_promised_nothing_more(app_server: Served, agent: SignedIn) -> None:
    number = a_mobile()
    customer = await customer_of(app_server, number)
    async with app_server.database.session_scope() as session:
        (await session.get_one(Customer, customer.id)).do_not_call = True

    refused = await agent.http.post(URL, json={"customer": customer.code})

    assert (refused.status_code, refused.json()["code"]) == (409, "do_not_call")
    async with app_server.database.session_scope() as session:
        assert (await session.scalars(select(Callback).where(Callback.customer_id == customer.id))).all() == []


async def _missed(served: Served, hotline: Hotline, number: str) -> Callback:
    """A call of nobody known that was abandoned, and what is owed for it."""
    now = datetime.now(UTC)
    async with served.database.session_scope() as session:
        call: Call = a_call(None, now, state="abandoned", from_raw=number, from_e164=number)  # type: ignore[arg-type]
        call.match_outcome = "unknown"  # type: ignore[assignment]
        session.add(call)
        await session.flush()
        await session.refresh(call)
        await keep_in_step(session, call, hotline, now)
        found = await session.scalars(
            select(Callback).where(Callback.call_id == call.id, Callback.reason == CallbackReason.MISSED_CALL)
        )
        return found.one()
