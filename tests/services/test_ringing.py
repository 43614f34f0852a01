"""Calls that ring together: who gets which agent, held against the rule in plain Python, on a real database."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app.db import Database
from app.domain.business_time import OpeningHours
from app.domain.call_states import CallState, CarrierStatus
from app.domain.customer_facts import Direction
from app.domain.matching import MatchOutcome
from app.embedded_postgres import EmbeddedPostgres
from app.models import Agent, AgentPresence, Call, Presence
from app.services.hotline import Hotline, QueueSetup, Route
from app.services.ringing import Ringing, Rung, ring, ringing_call, rung_before
from app.telephony.port import CallEvent, EventKind
from tests.factories import make_agent, make_complaint, make_customer, make_queue
from tests.support import fresh_database

SHANGHAI = ZoneInfo("Asia/Shanghai")
_numbers = count(13_000_000_000)
_sids = count(1)


@dataclass(frozen=True)
class Caller:
    """A caller by the positions of their account manager, of who spoke with them last, of their complaint's owner."""

    manager: int | None = None
    last: int | None = None
    complaint: int | None = None


@dataclass(frozen=True)
class Scene:
    """Who is free (each agent by position, the longest available first) and who rings, in order."""

    free: tuple[bool, ...]
    callers: tuple[Caller, ...]


@dataclass(frozen=True)
class Stage:
    """A queue with a scene's agents and customers."""

    hotline: Hotline
    route: Route
    agents: list[Agent]
    numbers: list[str]

    def calls(self, now: datetime | None = None) -> list[Ringing]:
        """The scene's calls, which ring now."""
        events = [
            CallEvent(
                EventKind.VOICE,
                "twilio",
                f"CA{next(_sids):032x}",
                now or datetime.now(UTC),
                from_raw=number,
                to_raw="+862155501000",
                params={"From": number},
            )
            for number in self.numbers
        ]
        return [ringing_call(event, self.hotline, self.route) for event in events]


@pytest.fixture(scope="module")
async def database(postgres_with_template: EmbeddedPostgres) -> AsyncIterator[Database]:
    async with fresh_database(postgres_with_template) as dsn:
        opened = Database(dsn, pool_size=2, lane_size=2)
        yield opened
        await opened.aclose()


async def set_up(database: Database, scene: Scene) -> Stage:
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    async with database.session_scope() as session:
        queue = await make_queue(session)
        agents = []
        for position, is_free in enumerate(scene.free):
            agent = await make_agent(
                session, queues=[queue], presence=Presence.AVAILABLE if is_free else Presence.BREAK
            )
            agents.append(agent)
            if is_free:
                presence = await session.get_one(AgentPresence, agent.id)
                presence.available_since = long_ago + timedelta(seconds=position)
        numbers = []
        for caller in scene.callers:
            number = f"+86{next(_numbers)}"
            numbers.append(number)
            owner = None if caller.manager is None else agents[caller.manager].id
            customer = await make_customer(session, number, owner_id=owner)
            if caller.last is not None:
                session.add(earlier_call(number, customer.id, agents[caller.last].id, long_ago))
            if caller.complaint is not None:
                await make_complaint(session, customer.id, agents[caller.complaint].id, opened_at=long_ago)
                # Neither an older one nor one that is closed counts.
                other = agents[caller.complaint - 1].id
                await make_complaint(session, customer.id, other, opened_at=long_ago - timedelta(days=1))
                await make_complaint(session, customer.id, other, state="closed")
    setup = QueueSetup(
        queue.id, queue.key, queue.name_zh, queue.name_en, "zh-CN", 20, 10, 1200, False, None, OpeningHours(SHANGHAI)
    )
    hotline = Hotline("CN", SHANGHAI, "Callcard", None, default=setup)
    return Stage(hotline, Route(setup, None), agents, numbers)


def earlier_call(number: str, customer_id: UUID, agent_id: UUID, at: datetime) -> Call:
    return Call(
        provider="twilio",
        provider_call_id=f"CA{next(_sids):032x}",
        direction=Direction.INBOUND,
        state=CallState.COMPLETED,
        customer_status=CarrierStatus.COMPLETED,
        from_raw=number,
        from_e164=number,
        to_raw="+862155501000",
        language="zh-CN",
        match_outcome=MatchOutcome.UNIQUE,
        customer_id=customer_id,
        answered_by_id=agent_id,
        received_at=at,
        heard_at=at,
        ended_at=at,
    )


async def rung_together(database: Database, stage: Stage, calls: Sequence[Ringing]) -> list[Rung]:
    became = await ring(await database.lane(), calls, stage.hotline)
    assert all(isinstance(one, Rung) for one in became)
    return [one for one in became if isinstance(one, Rung)]


def by_the_rule(scene: Scene) -> list[int | None]:
    """Which agent each call gets: owner of complaint, account manager, last agent, whoever has been free longest."""
    gets: list[int | None] = [None] * len(scene.callers)
    left = [agent for agent, is_free in enumerate(scene.free) if is_free]
    for wish in (lambda caller: caller.complaint, lambda caller: caller.manager, lambda caller: caller.last):
        for n, caller in enumerate(scene.callers):
            if gets[n] is None and wish(caller) in left:
                gets[n] = wish(caller)
                left.remove(wish(caller))
    for n in range(len(gets)):
        if gets[n] is None and left:
            gets[n] = left.pop(0)
    return gets


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    agents = draw(st.integers(1, 5))
    position = st.one_of(st.none(), st.integers(0, agents - 1))
    return Scene(
        free=tuple(draw(st.lists(st.booleans(), min_size=agents, max_size=agents))),
        callers=tuple(draw(st.lists(st.builds(Caller, position, position, position), min_size=1, max_size=6))),
    )


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(scene=scenes())
@example(Scene((True, True, True), (Caller(),)))
@example(Scene((True, True), (Caller(last=1), Caller(manager=1), Caller(manager=1))))
@example(Scene((True, True), (Caller(manager=1), Caller(complaint=1, manager=0), Caller(last=1))))
@example(Scene((False, True, True), (Caller(manager=0, last=2), Caller(last=2), Caller(), Caller())))
async def test_whoever_rings_together_gets_the_agents_that_the_rule_gives_them(
    database: Database, scene: Scene
) -> None:
    stage = await set_up(database, scene)

    rung = await rung_together(database, stage, stage.calls())

    position = {agent.identity: n for n, agent in enumerate(stage.agents)}
    assert [None if one.identity is None else position[one.identity] for one in rung] == by_the_rule(scene)
    # Who gets nobody stands in line behind each other, in the order in which they rang.
    assert [one.place for one in rung if one.identity is None] == list(range(1, 1 + by_the_rule(scene).count(None)))
    assert all((one.pushed is None) == (one.identity is None) for one in rung)


async def test_each_card_goes_to_the_agent_who_got_the_call(database: Database) -> None:
    stage = await set_up(database, Scene((True, True, True), (Caller(), Caller(manager=0), Caller(last=2))))

    rung = await rung_together(database, stage, stage.calls())

    assert [one.identity for one in rung] == [stage.agents[n].identity for n in (1, 0, 2)]
    lane = await database.lane()
    for one, number in zip(rung, stage.numbers, strict=True):
        assert one.pushed is not None
        told = await lane.fetchrow(
            "SELECT e.data ->> 'caller' AS caller, e.data -> 'call' ->> 'reserved_because' AS because, p.call_id, "
            "l.because AS leg_because FROM agent_events e JOIN agent_presence p USING (agent_id) "
            "JOIN legs l ON l.call_id = e.call_id WHERE e.agent_id = $1 AND e.no = $2",
            one.pushed.agent_id,
            one.pushed.no,
        )
        assert told is not None
        assert number in told["caller"]
        assert told["call_id"] == one.call_id
        assert told["because"] == told["leg_because"]


async def test_who_waits_already_is_before_all_who_ring_together(database: Database) -> None:
    stage = await set_up(database, Scene((False,), (Caller(), Caller())))
    (first, _) = await rung_together(database, stage, stage.calls())
    assert first.place == 1
    await (await database.lane()).execute(
        "UPDATE agent_presence SET state = 'available', available_since = now() WHERE agent_id = $1", stage.agents[0].id
    )

    rung = await rung_together(database, stage, stage.calls())

    assert [(one.identity, one.place) for one in rung] == [(None, 3), (None, 4)]


async def test_an_agent_who_declined_whoever_waits_takes_the_first_who_rings(database: Database) -> None:
    stage = await set_up(database, Scene((False,), (Caller(), Caller())))
    waiting = await rung_together(database, stage, stage.calls())
    lane = await database.lane()
    for one in waiting:
        await lane.execute(
            "INSERT INTO legs (id, call_id, kind, agent_id, status, offered_at, declined_at) "
            "VALUES (gen_random_uuid(), $1, 'agent', $2, 'busy', now(), now())",
            one.call_id,
            stage.agents[0].id,
        )
    await lane.execute(
        "UPDATE agent_presence SET state = 'available', available_since = now() WHERE agent_id = $1", stage.agents[0].id
    )

    rung = await rung_together(database, stage, stage.calls())

    assert [(one.identity, one.place) for one in rung] == [(stage.agents[0].identity, 3), (None, 3)]


async def test_known_calls_among_new_ones_are_left_as_they_are(database: Database) -> None:
    stage = await set_up(database, Scene((True, True), (Caller(), Caller())))
    calls = stage.calls()
    (first,) = await rung_together(database, stage, calls[:1])

    known, new = await ring(await database.lane(), calls, stage.hotline)

    assert known is None
    assert isinstance(new, Rung)
    again = await rung_before(await database.lane(), calls[0].event)
    assert (again.call_id, again.identity, again.outcome) == (first.call_id, first.identity, None)
    assert new.identity == stage.agents[1].identity


async def test_a_call_that_no_number_is_exactly_is_rung_again_and_the_others_are_done(database: Database) -> None:
    stage = await set_up(database, Scene((True, True), (Caller(), Caller())))
    async with database.session_scope() as session:
        # The same line, stored without its area code.
        loose = await make_customer(session, "62345678", region="CN")
    calls = stage.calls()
    calls[0] = ringing_call(
        CallEvent(EventKind.VOICE, "twilio", f"CA{next(_sids):032x}", datetime.now(UTC), from_raw="+861062345678"),
        stage.hotline,
        stage.route,
    )

    undecided, done = await ring(await database.lane(), calls, stage.hotline)

    assert isinstance(done, Rung)
    assert isinstance(undecided, Ringing)
    (decided,) = await rung_together(database, stage, [undecided])
    assert decided.outcome == MatchOutcome.UNIQUE
    row = await (await database.lane()).fetchrow("SELECT customer_id FROM calls WHERE id = $1", decided.call_id)
    assert row is not None
    assert row["customer_id"] == loose.id


async def test_nothing_is_done_for_any_when_one_is_refused(database: Database) -> None:
    stage = await set_up(database, Scene((True, True), (Caller(), Caller())))
    calls = stage.calls()
    event = calls[1].event
    too_long = CallEvent(
        event.kind, event.provider, event.call_id, event.received_at, from_raw=event.from_raw, caller_name="x" * 2000
    )
    calls[1] = ringing_call(too_long, stage.hotline, stage.route)

    with pytest.raises(asyncpg.CheckViolationError):
        await ring(await database.lane(), calls, stage.hotline)

    lane = await database.lane()
    sids = [call.event.call_id for call in calls]
    assert await lane.fetchval("SELECT count(*) FROM calls WHERE provider_call_id = ANY($1)", sids) == 0
    states = await lane.fetch(
        "SELECT state FROM agent_presence WHERE agent_id = ANY($1)", [agent.id for agent in stage.agents]
    )
    assert [row["state"] for row in states] == ["available", "available"]


async def test_the_plan_reads_by_index_whatever_is_in_the_tables(database: Database) -> None:
    """A generic plan that was made on empty tables must not read a full one from end to end."""
    stage = await set_up(database, Scene((True,), (Caller(), Caller())))

    class Explained:
        async def fetch(self, sql: str, *args: object) -> list[asyncpg.Record]:
            self.plan = "\n".join(row[0] for row in await lane.fetch(f"EXPLAIN {sql}", *args))
            return []

    lane, explained = await database.lane(), Explained()
    await ring(explained, stage.calls(), stage.hotline)

    assert "Index Scan" in explained.plan
    assert "Seq Scan" not in explained.plan
