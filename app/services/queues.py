"""Setting up the hotline: queues, the numbers that lead to them, their hours, closed days and members.

What is changed here reaches ringing calls through `services.hotline.Hotline`, which every process reads anew.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, Final, TypeVar
from uuid import UUID

from sqlalchemy import and_, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.phone_numbers import NumberKind
from app.errors import Conflict, Invalid, NotFound
from app.models.base import new_id
from app.models.people import Agent
from app.models.routing import Closure, DnisRoute, Queue, QueueMember, QueueOpening
from app.schemas.listing import Listing
from app.schemas.queues import (
    ClosureCreate,
    ClosureRead,
    NumberRead,
    NumberSettings,
    QueueCreate,
    QueueMemberRead,
    QueueRead,
    QueueUpdate,
    Week,
    Window,
)
from app.services.customer_phones import BadNumber, OwnNumber
from app.services.hotline import Hotline
from app.services.paging import Page, cut, decode_cursor, plain_text

_STORED: Final = QueueRead.model_fields.keys() - {"numbers", "openings", "members"}
_KEY: Final = re.compile(r"[a-z][a-z0-9_-]*")
_DEFAULT_LOCK: Final = 0x63635F64656661
"""Held by whoever says which queue is the default, for nobody can lock the row that is not there yet."""

_Part = TypeVar("_Part")


class KeyTaken(Conflict):
    """There is a queue of this name already."""

    code = "key_taken"


class DefaultNeeded(Conflict):
    """Calls to numbers that lead nowhere need a queue: make another one the default instead."""

    code = "default_needed"


class ClosureExists(Conflict):
    """The day has hours of its own already, for this queue or for all."""

    code = "closure_exists"


class NoSuchQueue(NotFound):
    """There is no queue of that id or key."""

    code = "no_such_queue"
    title = "No such queue"


class NoSuchPart(NotFound):
    """The queue has no such number or member, or there is no such closed day."""

    code = "not_part_of_it"
    title = "Not part of it"


class NoSuchAgent(NotFound):
    """There is no agent of that id."""

    code = "no_such_agent"
    title = "No such agent"


class UnknownQueue(Invalid):
    """The queue that is named in the payload does not exist."""

    code = "unknown_queue"


async def list_queues(session: AsyncSession, page: Page) -> Listing[QueueRead]:
    """Queues by key. Raises BadCursor."""
    wanted = select(Queue)
    if page.cursor:
        wanted = wanted.where(Queue.key > decode_cursor(page.cursor, plain_text)[0])
    rows = (await session.scalars(wanted.order_by(Queue.key).limit(page.limit + 1))).all()
    shown, more = cut(rows, page, lambda queue: (queue.key,))
    return Listing(items=await _with_parts(session, shown), next=more)


async def find_queue(session: AsyncSession, ref: str, *, lock: bool = False) -> Queue:
    """A queue by id or key.

    Args:
        lock: hold the row until the transaction ends, so that changes to it come one after the other.

    Raises:
        NoSuchQueue: there is none.
    """
    wanted = select(Queue).where(Queue.key == ref if _KEY.fullmatch(ref) else Queue.id == _id(ref))
    if lock:
        # Weaker than FOR UPDATE: a call that rings meanwhile must not wait for us.
        wanted = wanted.with_for_update(key_share=True)
    queue = await session.scalar(wanted)
    if queue is None:
        raise NoSuchQueue("There is no such queue.")
    return queue


async def read_queue(session: AsyncSession, ref: str) -> QueueRead:
    """A queue with its parts, by id or key. Raises NoSuchQueue."""
    return (await _with_parts(session, [await find_queue(session, ref)]))[0]


async def create_queue(session: AsyncSession, given: QueueCreate, hotline: Hotline) -> QueueRead:
    """Add a queue. If it is the default, the one that was no longer is.

    Raises:
        KeyTaken: of `key`.
        BadNumber, OwnNumber: of `fallback_number`.
    """
    values = given.model_dump()
    values["fallback_number"] = _plain_number(given.fallback_number, hotline)
    if given.is_default:
        await _lock_default(session)
        await _drop_default(session)
    queue_id = await session.scalar(
        insert(Queue).values(id=new_id(), **values).on_conflict_do_nothing(index_elements=["key"]).returning(Queue.id)
    )
    if queue_id is None:
        raise KeyTaken(f"There is a queue {given.key!r} already.")
    return await read_queue(session, str(queue_id))


async def change_queue(session: AsyncSession, ref: str, given: QueueUpdate, hotline: Hotline) -> QueueRead:
    """Change what is given and nothing else.

    Raises:
        NoSuchQueue: of `ref`.
        DefaultNeeded: it was to stop being the default.
        BadNumber, OwnNumber: of `fallback_number`.
    """
    values: dict[str, Any] = given.model_dump(exclude_unset=True)
    if "fallback_number" in values:
        values["fallback_number"] = _plain_number(given.fallback_number, hotline)
    if values.get("is_default"):
        await _lock_default(session)
    queue = await find_queue(session, ref, lock=True)
    if values.get("is_default") is False and queue.is_default:
        raise DefaultNeeded(
            "Some queue has to be the default. Make another one the default, and this one no longer is."
        )
    if values.get("is_default") and not queue.is_default:
        await _drop_default(session)
    for name, value in values.items():
        setattr(queue, name, value)
    await session.flush()
    await session.refresh(queue)
    return (await _with_parts(session, [queue]))[0]


async def put_number(session: AsyncSession, ref: str, raw: str, given: NumberSettings, hotline: Hotline) -> NumberRead:
    """Have calls to a number lead to a queue; did they lead to another, they no longer do.

    Args:
        raw: the number as people or the carrier write it; a short code or a SIP address will do too.

    Raises:
        NoSuchQueue: of `ref`.
        BadNumber: nobody could dial that.
    """
    queue = await find_queue(session, ref)
    row = {"number": _dialled(raw, hotline), "queue_id": queue.id, "language": given.language}
    put = insert(DnisRoute).values(row)
    await session.execute(put.on_conflict_do_update(index_elements=["number"], set_=row))
    return NumberRead(**row)


async def remove_number(session: AsyncSession, ref: str, raw: str, hotline: Hotline) -> None:
    """Have a number lead to no queue of its own.

    Raises:
        NoSuchQueue: of `ref`.
        NoSuchPart: the number does not lead to it.
    """
    queue = await find_queue(session, ref)
    number = hotline.number(raw)
    removed = await session.scalar(
        delete(DnisRoute)
        .where(DnisRoute.number == (number.e164 or number.raw), DnisRoute.queue_id == queue.id)
        .returning(DnisRoute.number)
    )
    if removed is None:
        raise NoSuchPart("The number does not lead to this queue.")


async def put_openings(session: AsyncSession, ref: str, week: Week) -> Week:
    """Replace a queue's week. Raises NoSuchQueue."""
    queue = await find_queue(session, ref, lock=True)
    await session.execute(delete(QueueOpening).where(QueueOpening.queue_id == queue.id))
    session.add_all(QueueOpening(queue_id=queue.id, **window.model_dump()) for window in week.openings)
    await session.flush()
    return Week(openings=sorted(week.openings, key=lambda window: (window.weekday, window.opens)))


async def put_member(session: AsyncSession, ref: str, agent_id: UUID) -> None:
    """Have an agent take calls of a queue; twice is once. Raises NoSuchQueue, NoSuchAgent."""
    queue = await find_queue(session, ref)
    agent = await session.get(Agent, agent_id)
    if agent is None:
        raise NoSuchAgent("There is no such agent.")
    member = insert(QueueMember).values(queue_id=queue.id, agent_id=agent_id)
    await session.execute(member.on_conflict_do_nothing())


async def remove_member(session: AsyncSession, ref: str, agent_id: UUID) -> None:
    """Have an agent take no more calls of a queue. Raises NoSuchQueue, or NoSuchPart when they took none."""
    queue = await find_queue(session, ref)
    removed = await session.scalar(
        delete(QueueMember)
        .where(QueueMember.queue_id == queue.id, QueueMember.agent_id == agent_id)
        .returning(QueueMember.agent_id)
    )
    if removed is None:
        raise NoSuchPart("The agent is no member of this queue.")


async def list_closures(session: AsyncSession, page: Page, queue_ref: str | None = None) -> Listing[ClosureRead]:
    """Days with hours of their own, by date.

    Args:
        queue_ref: only those that hold for this queue: its own and those for all.

    Raises:
        NoSuchQueue: of `ref`.
        BadCursor: the page's cursor is none of this list.
    """
    wanted = select(Closure)
    if queue_ref is not None:
        queue = await find_queue(session, queue_ref)
        wanted = wanted.where(or_(Closure.queue_id == queue.id, Closure.queue_id.is_(None)))
    if page.cursor:
        day, after = decode_cursor(page.cursor, date.fromisoformat, UUID)
        wanted = wanted.where(or_(Closure.day > day, and_(Closure.day == day, Closure.id > after)))
    rows = (await session.scalars(wanted.order_by(Closure.day, Closure.id).limit(page.limit + 1))).all()
    shown, more = cut(rows, page, lambda closure: (closure.day.isoformat(), closure.id))
    return Listing(items=[ClosureRead.model_validate(closure) for closure in shown], next=more)


async def add_closure(session: AsyncSession, given: ClosureCreate) -> ClosureRead:
    """Give a day hours of its own.

    Raises:
        UnknownQueue: of `queue_id`.
        ClosureExists: of the same day and queue.
    """
    if given.queue_id is not None and await session.get(Queue, given.queue_id) is None:
        raise UnknownQueue("There is no such queue.")
    values = given.model_dump()
    closure_id = await session.scalar(
        insert(Closure).values(id=new_id(), **values).on_conflict_do_nothing().returning(Closure.id)
    )
    if closure_id is None:
        raise ClosureExists(f"{given.day} has hours of its own already. Remove them first.")
    return ClosureRead(id=closure_id, **values)


async def remove_closure(session: AsyncSession, closure_id: UUID) -> None:
    """Have the weekly hours hold on that day again. Raises NoSuchPart."""
    if await session.scalar(delete(Closure).where(Closure.id == closure_id).returning(Closure.id)) is None:
        raise NoSuchPart("There is no such closed day.")


async def _with_parts(session: AsyncSession, queues: Sequence[Queue]) -> list[QueueRead]:
    ids = [queue.id for queue in queues]
    numbers = await session.scalars(select(DnisRoute).where(DnisRoute.queue_id.in_(ids)).order_by(DnisRoute.number))
    openings = await session.scalars(
        select(QueueOpening).where(QueueOpening.queue_id.in_(ids)).order_by(QueueOpening.weekday, QueueOpening.opens)
    )
    members = await session.execute(
        select(QueueMember.queue_id, Agent.id, Agent.name, Agent.active)
        .join(Agent, Agent.id == QueueMember.agent_id)
        .where(QueueMember.queue_id.in_(ids))
        .order_by(Agent.name, Agent.id)
    )
    numbers_of = _by_queue((row.queue_id, NumberRead.model_validate(row)) for row in numbers)
    openings_of = _by_queue((row.queue_id, Window.model_validate(row)) for row in openings)
    members_of = _by_queue(
        (queue_id, QueueMemberRead(id=agent_id, name=name, active=active))
        for queue_id, agent_id, name, active in members
    )
    return [
        QueueRead(
            **{name: getattr(queue, name) for name in _STORED},
            numbers=numbers_of[queue.id],
            openings=openings_of[queue.id],
            members=members_of[queue.id],
        )
        for queue in queues
    ]


def _by_queue(pairs: Iterable[tuple[UUID, _Part]]) -> dict[UUID, list[_Part]]:
    grouped: dict[UUID, list[_Part]] = defaultdict(list)
    for queue_id, part in pairs:
        grouped[queue_id].append(part)
    return grouped


def _id(ref: str) -> UUID | None:
    try:
        return UUID(ref)
    except ValueError:
        return None


async def _lock_default(session: AsyncSession) -> None:
    await session.execute(select(func.pg_advisory_xact_lock(_DEFAULT_LOCK)))


async def _drop_default(session: AsyncSession) -> None:
    await session.execute(update(Queue).where(Queue.is_default).values(is_default=False))


def _plain_number(raw: str | None, hotline: Hotline) -> str | None:
    """The E.164 form of a number that is to be rung instead of agents."""
    if raw is None:
        return None
    number = hotline.number(raw)
    if number.e164 is None or not number.is_valid:
        raise BadNumber("The fallback number is none that can be rung.")
    if hotline.is_ours(number.e164):
        raise OwnNumber("The fallback number leads back to this hotline: its callers would go round in circles.")
    return number.e164


def _dialled(raw: str, hotline: Hotline) -> str:
    """A number of ours in the form in which `Hotline.route` looks for it."""
    number = hotline.number(raw)
    if number.kind in (NumberKind.WITHHELD, NumberKind.INVALID):
        raise BadNumber(f"Nobody could dial that ({number.kind}).")
    return number.e164 or number.raw
