"""The hotline as it is set up: queues, their hours, the numbers that lead to them. Read by every call, changed seldom.

Each process keeps one immutable `Hotline` in memory and reads it anew every few seconds and after a change of its own,
so a ringing call needs no query to know its queue, whether it is open, and, when the database is away, whom to ring.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.business_time import Closure, Opening, OpeningHours, OpenState
from app.domain.phone_numbers import PhoneNumber, parse_number
from app.models import routing as tables

REFRESH_SECONDS: Final = 5.0
"""How old a process's picture of the set-up may grow."""


@dataclass(frozen=True, slots=True)
class QueueSetup:
    """One queue with all that a ringing call needs of it."""

    id: UUID
    key: str
    name_zh: str
    name_en: str
    language: str
    ring_seconds: int
    wait_seconds: int
    max_wait_seconds: int
    record_calls: bool
    fallback_number: str | None
    hours: OpeningHours


@dataclass(frozen=True, slots=True)
class Route:
    """Where a dialled number leads, and the language it is advertised in, if it has one of its own."""

    queue: QueueSetup
    language: str | None


@dataclass(frozen=True, slots=True)
class Hotline:
    """Everything that decides a call besides the caller and the agents.

    `region` is the country in which a number without a country code is read; `zone` is the organisation's.
    """

    region: str
    zone: ZoneInfo
    company: str
    fallback_number: str | None
    default: QueueSetup | None = None
    routes: Mapping[str, Route] = field(default_factory=dict)
    queues: Mapping[UUID, QueueSetup] = field(default_factory=dict)

    def number(self, raw: str | None) -> PhoneNumber:
        """A number as people here would write it."""
        return parse_number(raw, self.region)

    def is_ours(self, e164: str) -> bool:
        """True for a number that callers dial to reach us."""
        return e164 in self.routes

    def route(self, dialled: str) -> Route | None:
        """Where a call to `dialled` (raw) goes: its own queue, else the default one; None when nothing is set up."""
        number = self.number(dialled)
        found = self.routes.get(number.e164 or number.raw)
        if found is None and self.default is not None:
            return Route(self.default, None)
        return found

    def fallback(self, dialled: str) -> str | None:
        """The plain number to ring for a call to `dialled` when agents cannot be reached, if there is one."""
        route = self.route(dialled)
        return (route.queue.fallback_number if route else None) or self.fallback_number


def open_state(queue: QueueSetup, now: datetime) -> OpenState:
    """Whether a queue is open at `now`, and if not, when it next is."""
    return queue.hours.state_at(now)


async def read_hotline(session: AsyncSession, empty: Hotline) -> Hotline:
    """The hotline as the database has it now; `empty` gives what settings decide."""
    closures = (await session.scalars(select(tables.Closure))).all()
    openings = (await session.scalars(select(tables.QueueOpening))).all()
    queues: dict[UUID, QueueSetup] = {}
    default: QueueSetup | None = None
    for row in await session.scalars(select(tables.Queue)):
        # A queue's own closure of a day goes before one that holds for all.
        days = {closure.day: closure for closure in closures if closure.queue_id is None}
        days.update({closure.day: closure for closure in closures if closure.queue_id == row.id})
        queue = QueueSetup(
            id=row.id,
            key=row.key,
            name_zh=row.name_zh,
            name_en=row.name_en,
            language=row.language,
            ring_seconds=row.ring_seconds,
            wait_seconds=row.wait_seconds,
            max_wait_seconds=row.max_wait_seconds,
            record_calls=row.record_calls,
            fallback_number=row.fallback_number,
            hours=OpeningHours(
                zone=ZoneInfo(row.time_zone) if row.time_zone else empty.zone,
                openings=tuple(
                    Opening(opening.weekday, opening.opens, opening.closes)
                    for opening in openings
                    if opening.queue_id == row.id
                ),
                closures=tuple(
                    Closure(
                        day=closure.day,
                        name_zh=closure.name_zh,
                        name_en=closure.name_en,
                        opens=closure.opens,
                        closes=closure.closes,
                    )
                    for closure in days.values()
                ),
            ),
        )
        queues[row.id] = queue
        if row.is_default:
            default = queue
    routes = {
        row.number: Route(queues[row.queue_id], row.language)
        for row in await session.scalars(select(tables.DnisRoute))
        if row.queue_id in queues
    }
    return Hotline(
        region=empty.region,
        zone=empty.zone,
        company=empty.company,
        fallback_number=empty.fallback_number,
        default=default,
        routes=routes,
        queues=queues,
    )
