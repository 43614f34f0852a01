"""Finding a promised call and changing it: another time, another owner, not at all.

Whoever changes one locks its row first. Claiming it is an update that asks for the state (`WHERE state IN …`), so of a
claim and a change that come at once one sees what the other did.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.calling_windows import Place
from app.domain.card import iso
from app.domain.scopes import Scope
from app.errors import Conflict, NotAllowed, NotFound
from app.models.callbacks import Callback, CallbackReason, CallbackState
from app.models.people import Agent
from app.models.routing import QueueMember
from app.schemas.callbacks import CallbackUpdate
from app.services.access import Signed
from app.services.calendars import read_calendars
from app.services.callbacks.ending import busy
from app.services.callbacks.history import record_change
from app.services.callbacks.of_calls import leave_queue, lock_call
from app.services.callbacks.scheduling import open_to_all_at
from app.services.callbacks.times import check_due
from app.services.customers import UnknownOwner, VersionConflict
from app.services.hotline import Hotline

ENDED: Final = frozenset({CallbackState.DONE, CallbackState.CANCELLED})
"""States in which nothing is owed any more."""

_LONGEST_CODE: Final = 20


class NoSuchCallback(NotFound):
    """There is no callback of that id or code."""

    code = "no_such_callback"
    title = "No such callback"


class NotYourCallback(NotAllowed):
    """It is somebody else's, and not open to all yet."""

    code = "not_your_callback"


class CallbackEnded(Conflict):
    """The call was made, or is not owed any more; `state` says which."""

    code = "callback_ended"
    title = "That callback has ended"


async def find_callback(session: AsyncSession, ref: str) -> Callback:
    """A callback by id or code (in either case). Raises NoSuchCallback."""
    try:
        wanted = select(Callback).where(Callback.id == UUID(ref))
    except ValueError:
        code = ref.upper() if ref.isascii() and ref.isprintable() else ""
        wanted = select(Callback).where(Callback.code == code[:_LONGEST_CODE])
    found: Callback | None = await session.scalar(wanted)
    if found is None:
        raise NoSuchCallback("There is no such callback.")
    return found


async def locked_callback(session: AsyncSession, ref: str) -> Callback:
    """A callback by id or code, held until the transaction ends; the call whose place it keeps is held before it.

    Raises:
        NoSuchCallback: there is none.
    """
    found = await find_callback(session, ref)
    if found.reason is CallbackReason.KEPT_PLACE and found.call_id is not None:
        await lock_call(session, found.call_id)
    await session.refresh(found, with_for_update={"key_share": True})
    return found


async def require_theirs(session: AsyncSession, callback: Callback, user: Signed, now: datetime) -> None:
    """Raises NotYourCallback unless it is the user's own, open to them by now, or they supervise callbacks."""
    if user.may(Scope.CALLBACKS_SUPERVISE) or user.agent_id in (callback.owner_id, callback.claimed_by_id):
        return
    is_open = callback.open_to_all_at is not None and callback.open_to_all_at <= now
    if is_open and (
        callback.queue_id is None
        or await session.scalar(
            select(exists().where(QueueMember.queue_id == callback.queue_id, QueueMember.agent_id == user.agent_id))
        )
    ):
        return
    raise NotYourCallback("This call is somebody else's to make, for now.")


async def to_change(
    session: AsyncSession, ref: str, user: Signed, now: datetime, versions: Sequence[int] | None = None
) -> Callback:
    """A callback that is still owed, locked, for somebody who may change it.

    Raises:
        NoSuchCallback, NotYourCallback, VersionConflict, CallbackEnded
    """
    callback = await locked_callback(session, ref)
    await require_theirs(session, callback, user, now)
    if versions is not None and callback.version not in versions:
        raise VersionConflict("Somebody else changed this callback. Read it again.", version=callback.version)
    if callback.state in ENDED:
        raise CallbackEnded("This call is not owed any more.", state=callback.state)
    return callback


async def change(
    session: AsyncSession,
    ref: str,
    given: CallbackUpdate,
    user: Signed,
    hotline: Hotline,
    now: datetime,
    versions: Sequence[int] | None = None,
) -> Callback:
    """Change what is given of a callback, and write down what and why.

    Raises:
        NoSuchCallback, NotYourCallback, VersionConflict, CallbackEnded
        CallbackBusy: it is being made at this moment.
        DueInThePast, DueTooFar, OutsideWindow, NoLegalTime: of `due_at`.
        UnknownOwner: `owner_id` is nobody active.
        ScopeMissing: it is given to somebody else by somebody who may not.
    """
    callback = await to_change(session, ref, user, now, versions)
    await _require_idle(session, callback, user)
    values = given.model_dump(exclude_unset=True, exclude={"why"})
    changed = {name: value for name, value in values.items() if getattr(callback, name) != value}
    if not changed:
        return callback
    if "owner_id" in changed:
        await _check_owner(session, given.owner_id, user)
    calendars = await read_calendars(session, hotline)
    if "due_at" in changed:
        check_due(given.due_at, Place(callback.region, callback.zone), calendars.windows, now)
    before = {name: _told(getattr(callback, name)) for name in changed}
    for name, value in changed.items():
        setattr(callback, name, value)
    if changed.keys() & {"due_at", "owner_id"}:
        callback.told_due_at = None
        callback.open_to_all_at = (
            open_to_all_at(callback.due_at, calendars.of(callback.region), calendars.open_to_all_after)
            if callback.owner_id
            else callback.due_at
        )
    _let_go(callback)
    if "due_at" in changed:
        await leave_queue(session, callback, now)
    if "due_at" in changed and callback.state is CallbackState.ESCALATED:
        callback.state = CallbackState.RETRY
    callback.version += 1
    what = "rescheduled" if "due_at" in changed else "reassigned" if "owner_id" in changed else "changed"
    after = {name: _told(value) for name, value in changed.items()}
    record_change(session, callback.id, what, at=now, by=user.agent_id, old=before, new=after, why=given.why)
    await session.flush()
    return callback


async def _require_idle(session: AsyncSession, callback: Callback, user: Signed) -> None:
    """Raises CallbackBusy when somebody else has it in hand, or anybody is on the phone with it."""
    is_others = callback.state is CallbackState.CLAIMED and callback.claimed_by_id != user.agent_id
    if is_others or callback.state is CallbackState.DIALING:
        raise await busy(session, callback)


def _let_go(callback: Callback) -> None:
    """Whoever had claimed it has not: it is changed instead."""
    if callback.state is CallbackState.CLAIMED:
        callback.state = CallbackState.RETRY if callback.attempts else CallbackState.SCHEDULED
        callback.claimed_by_id = callback.claimed_until = None


async def _check_owner(session: AsyncSession, owner_id: UUID | None, user: Signed) -> None:
    if owner_id != user.agent_id:
        user.require(Scope.CALLBACKS_SUPERVISE)
    if owner_id is not None and not await session.scalar(select(exists().where(Agent.id == owner_id, Agent.active))):
        raise UnknownOwner("The owner is not one of the active agents.")


def _told(value: Any) -> Any:
    return iso(value) if isinstance(value, datetime) else str(value) if isinstance(value, UUID) else value
