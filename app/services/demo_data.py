"""The demo's data: about two thousand customers, five agents, two queues and Mr Lu with his three air conditioners.

The same day gives the same rows, down to the ids. Nothing in it belongs to anybody: see `services.demo.numbers`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import date
from random import Random
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Table, delete, exists, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Environment
from app.errors import Conflict, NotAllowed
from app.models import Agent, Base, Call, Customer, DnisRoute, Queue, Role
from app.services import search_index
from app.services.demo.customers import TOTAL, write_customers
from app.services.demo.grievances import write_grievances
from app.services.demo.ledger import Ledger, Row, Rows
from app.services.demo.organisation import OUR_NUMBERS, PEOPLE, SERVICE_NUMBER, write_organisation
from app.services.demo.story import EXAMPLES, TOLD_NUMBERS, Example, write_story

_SEED: Final = 20_261_018
_TABLES: Final = Base.metadata.tables


class DemoNotAllowed(NotAllowed):
    """Demo data, whose logins are printed on a terminal, is for development only."""

    code = "demo_not_allowed"
    title = "No demo here"


class NotEmpty(Conflict):
    """The database is in use already; demo data is never mixed with anybody's own."""

    code = "database_not_empty"
    title = "The database is not empty"


@dataclass(frozen=True, slots=True)
class DemoAgent:
    """One of the demo's people, who signs in by e-mail."""

    email: str
    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class DemoSummary:
    """What `seed` wrote: rows by table, who can sign in, the hotline's number, and numbers worth ringing from."""

    counts: dict[str, int]
    agents: tuple[DemoAgent, ...]
    hotline_number: str
    examples: tuple[Example, ...]


def people() -> tuple[DemoAgent, ...]:
    """Who can sign in to the demo, the account manager of the story first."""
    return tuple(DemoAgent(f"{identity}@example.com", name, role) for identity, name, role, _ in PEOPLE)


def make_rows(today: date, zone: ZoneInfo, password_hash: str, total: int = TOTAL) -> Rows:
    """All rows, made up without a database.

    Args:
        today: the day on which the demo is told; everything happens before it.
        zone: the organisation's.
        password_hash: of the password that all five agents share.
        total: how many customers.
    """
    ledger = Ledger(today, zone, Random(_SEED), (*OUR_NUMBERS, *TOLD_NUMBERS))  # noqa: S311 - made-up data keeps no secret
    agents = write_organisation(ledger, password_hash)
    write_story(ledger, agents)
    write_grievances(ledger, agents)
    write_customers(ledger, agents, total)
    return ledger.rows


async def is_empty(session: AsyncSession) -> bool:
    """True when the database is as migrations leave it: no people, customers, calls or numbers of ours."""
    used = [exists(select(column)) for column in (Customer.id, Agent.id, Call.id, DnisRoute.number)]
    return not await session.scalar(select(or_(*used)))


async def seed(
    session: AsyncSession, today: date, *, zone: ZoneInfo, password_hash: str, environment: Environment
) -> DemoSummary:
    """Fill an empty database with the demo.

    Args:
        session: whose transaction it all belongs to.
        today: the local date at the organisation.
        zone: the organisation's zone.
        password_hash: of the password that all five agents share.
        environment: where we run.

    Raises:
        DemoNotAllowed: this is not development.
        NotEmpty: there are customers, agents, calls or numbers of ours already.
    """
    if environment is not Environment.DEVELOPMENT:
        raise DemoNotAllowed("Demo data is only for development (CALLCARD_ENV=development).")
    if not await is_empty(session):
        raise NotEmpty("The database is in use already, and demo data is only put into an empty one.")
    # A new database has one queue, so that it can take calls before it is set up; the demo brings its own.
    await session.execute(delete(Queue))
    counts: dict[str, int] = {}
    for table, rows in _by_table(make_rows(today, zone, password_hash)):
        await session.execute(insert(table), rows)
        counts[table.name] = len(rows)
    await search_index.refresh(session, await session.scalars(select(Customer.id)))
    return DemoSummary(counts, people(), SERVICE_NUMBER, EXAMPLES)


def _by_table(rows: Rows) -> Iterator[tuple[Table, list[Row]]]:
    for attribute in fields(rows):
        made: list[dict[str, Any]] = getattr(rows, attribute.name)
        yield _TABLES[attribute.name], made
