"""What is older than its period goes, what is not stays, and the figures stay in any case."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from app.db import Database
from app.models import AgentEvent, Call, CardView, CarrierEvent, DialAttempt
from app.models.base import new_id
from app.services.erasing import erase
from app.services.retention import KINDS, apply
from tests.api.customers.support import a_call
from tests.factories import make_agent, make_customer

NOW = datetime(2026, 11, 27, tzinfo=UTC)
NUMBER = "+8613800138000"
_PLACED = select(Call).where(Call.direction == "outbound").order_by(Call.id)


def old(kind: str, *, by: int = 1) -> datetime:
    """A moment so many days older than a kind is kept."""
    return NOW - timedelta(days=KINDS[kind].days + by)


async def test_what_is_too_old_goes_and_what_is_younger_stays(database: Database) -> None:
    async with database.session_scope() as session:
        agent, customer = await make_agent(session), await make_customer(session, NUMBER)
        known = {"from_raw": NUMBER, "from_e164": NUMBER}
        calls = [
            a_call(customer.id, old("numbers of strangers", by=by), caller_name=name, **known)
            for name, by in (("old stranger", 1), ("young stranger", -1), ("old customer", 1))
        ]
        calls[0].customer_id = calls[1].customer_id = None
        placed = [
            Call(
                id=new_id(),
                provider="twilio",
                direction="outbound",
                state="not_reached",
                customer_status="busy",
                from_raw="",
                to_raw=NUMBER,
                language="en",
                match_outcome="unknown",
                received_at=NOW,
                heard_at=NOW,
            )
            for _ in range(2)
        ]
        session.add_all([*calls, *placed])
        await session.flush()
        for call, by in zip(placed, (1, -1), strict=True):
            at = old("numbers of strangers whom we called", by=by)
            session.add(DialAttempt(provider="twilio", call_id=call.id, to_e164=NUMBER, started_at=at, state="ended"))
        for no, by in enumerate((1, -1), start=1):
            session.add_all(
                [
                    AgentEvent(
                        agent_id=agent.id,
                        no=no,
                        type="call.offered",
                        call_id=calls[2].id,
                        at=old("cards that agents were shown", by=by),
                        data={"screen_pop": NUMBER},
                    ),
                    CarrierEvent(
                        id=new_id(),
                        provider="twilio",
                        provider_call_id="CA",
                        kind="voice",
                        dedupe_key=f"{no}",
                        params={"From": NUMBER},
                        received_at=old("what the carrier sent", by=by),
                    ),
                    CardView(
                        customer_id=customer.id,
                        agent_id=agent.id,
                        looked_at="card",
                        via="session",
                        at=old("who looked at whom", by=by),
                    ),
                ]
            )

    async with database.session_scope() as session:
        first = await apply(session, NOW)
    async with database.session_scope() as session:
        again = await apply(session, NOW)

    assert first == {**dict.fromkeys(KINDS, 1), "calls of the forgotten": 0}
    assert again == dict.fromkeys([*KINDS, "calls of the forgotten"], 0)
    async with database.session_scope() as session:
        assert [call.to_raw for call in await session.scalars(_PLACED)] == ["", NUMBER]
        numbers = [
            row.from_e164
            for row in await session.scalars(select(Call).where(Call.direction == "inbound").order_by(Call.id))
        ]
        cards: list[Any] = [event.data for event in await session.scalars(select(AgentEvent).order_by(AgentEvent.no))]
        heard = [
            event.params for event in await session.scalars(select(CarrierEvent).order_by(CarrierEvent.dedupe_key))
        ]
        views = len((await session.scalars(select(CardView))).all())
    assert numbers == [None, NUMBER, NUMBER]
    assert cards == [{"call_id": str(calls[2].id), "expired": True}, {"screen_pop": NUMBER}]
    assert heard == [{}, {"From": NUMBER}]
    assert views == 1


async def test_a_call_that_came_while_its_customer_was_forgotten_is_forgotten_too(database: Database) -> None:
    async with database.session_scope() as session:
        customer = await make_customer(session, NUMBER)
        await erase(session, customer.id, by=None, reason="asked")
        session.add(a_call(customer.id, NOW, from_raw=NUMBER, from_e164=NUMBER))

    async with database.session_scope() as session:
        done = await apply(session, NOW)

    assert done is not None
    assert done["calls of the forgotten"] == 1
    async with database.session_scope() as session:
        assert await session.scalar(select(Call.from_e164)) is None


async def test_of_two_at_once_one_does_it(database: Database) -> None:
    async with database.session_scope() as one, database.session_scope() as other:
        assert await apply(one, NOW) is not None
        assert await apply(other, NOW) is None


@pytest.mark.parametrize("kind", KINDS)
async def test_every_period_is_a_sensible_one(database: Database, kind: str) -> None:
    assert 30 <= KINDS[kind].days <= 3650
    async with database.session_scope() as session:
        await session.execute(text(KINDS[kind].statement), {"before": NOW})
