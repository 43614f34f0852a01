"""A daily list worked by telephone: taken, dialled through the carrier, and what came of it."""

from sqlalchemy import select

from app.models import Customer, CustomerPhone
from app.models.base import new_id
from tests.api.call_lists.work_support import TODAY, make_list
from tests.calls.conftest import MakeHotline
from tests.calls.dialling import CUSTOMER, call, calling_hotline, customer_of, ended, refused, rung

OTHER = "+8613912345679"


async def test_an_entry_from_the_card_to_the_outcome(make_hotline: MakeHotline) -> None:
    hotline = await calling_hotline(make_hotline)
    desk = await hotline.desk()
    code = await customer_of(hotline, OTHER, CUSTOMER)
    async with hotline.served.database.session_scope() as session:
        customer = (await session.scalars(select(Customer).where(Customer.code == code))).one()
        made = await make_list(session, desk.agent, [customer], day=TODAY)
        # The first number to ring is known to be wrong.
        wrong = (await session.scalars(select(CustomerPhone).where(CustomerPhone.e164 == OTHER))).one()
        wrong.wrong_since = customer.created_at

    taken = (await desk.http.post(f"/api/v1/call-lists/{made.id}/next")).json()
    placed = await call(desk, list_entry=taken["entry"]["id"])
    await desk.until("call.answered")
    await ended(hotline, placed["id"])

    assert (len(rung(hotline, CUSTOMER)), len(rung(hotline, OTHER))) == (1, 0)
    read = (await desk.http.get(f"/api/v1/customers/{code}")).json()
    shown = (await desk.http.get(f"/api/v1/calls/{placed['id']}")).json()
    assert read["last_contact_at"] >= shown["answered_at"], "noted as soon as they answered"

    outcome = {"outcome": "reached", "sales_stage": 3, "note": "要报价"}
    done = (await desk.http.put(f"/api/v1/call-list-entries/{taken['entry']['id']}/outcome", json=outcome)).json()

    assert (done["call_id"], done["customer"]["sales_stage"]) == (placed["id"], 3)
    timeline = (await desk.http.get(f"/api/v1/customers/{code}/timeline")).json()["items"]
    assert sorted(each["kind"] for each in timeline) == ["call", "note"]
    await desk.until("presence.changed", state="wrap_up")
    await desk.wrap_up(placed["id"])
    for entry in (taken["entry"]["id"], str(new_id())):
        assert (await refused(desk, 404, list_entry=entry))["code"] == "no_such_list_entry"


async def test_somebody_elses_list_is_not_dialled(make_hotline: MakeHotline) -> None:
    hotline = await calling_hotline(make_hotline)
    owner, other = await hotline.desk(), await hotline.desk()
    code = await customer_of(hotline)
    async with hotline.served.database.session_scope() as session:
        customer = (await session.scalars(select(Customer).where(Customer.code == code))).one()
        made = await make_list(session, owner.agent, [customer], day=TODAY)
    taken = (await owner.http.post(f"/api/v1/call-lists/{made.id}/next")).json()

    assert (await refused(other, 403, list_entry=taken["entry"]["id"]))["code"] == "not_your_list"
    assert rung(hotline) == []


async def test_who_withdraws_consent_after_the_list_was_made_is_not_dialled_from_it(make_hotline: MakeHotline) -> None:
    """A sales call is refused at the moment of dialling; a call that has no list behind it is none."""
    hotline = await calling_hotline(make_hotline)
    desk = await hotline.desk()
    code = await customer_of(hotline)
    async with hotline.served.database.session_scope() as session:
        customer = (await session.scalars(select(Customer).where(Customer.code == code))).one()
        made = await make_list(session, desk.agent, [customer], day=TODAY)
    taken = (await desk.http.post(f"/api/v1/call-lists/{made.id}/next")).json()
    said = {"purpose": "marketing_call", "state": "withdrawn", "channel": "email"}
    assert (await desk.http.post(f"/api/v1/customers/{code}/consents", json=said)).status_code == 201

    assert (await refused(desk, 409, list_entry=taken["entry"]["id"]))["code"] == "consent_withdrawn"
    assert rung(hotline) == []
    await call(desk, customer=code)
    await desk.until("call.answered")
    assert len(rung(hotline)) == 1
