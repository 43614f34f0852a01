"""Working a daily list: taking the next one, saying what came of it, putting one back, skipping one.

An entry goes to one: it is reserved with `FOR UPDATE SKIP LOCKED` for as long as a call takes, and what nobody finished
in that time is open again. What a call changed is written in the transaction that says what came of it. Whoever writes
to a customer and an entry locks the customer first, as a merge does.
"""

from datetime import datetime, time, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import and_, exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.best_hours import BestHour, Try, best_hour
from app.domain.customer_facts import Channel, Direction
from app.domain.list_words import OUTCOMES
from app.errors import Conflict, NotFound
from app.models.call_lists import CallList, CallListEntry, EntryOutcome, EntryState
from app.models.callbacks import DialAttempt, DialResult
from app.models.calls import Call
from app.models.customers import Customer, Interaction
from app.models.people import Agent
from app.models.relations import ConsentPurpose, ConsentState
from app.schemas.customers import CustomerUpdate
from app.schemas.list_work import EntryFinish
from app.schemas.records import CustomerNoteCreate
from app.schemas.relations import ConsentCreate
from app.schemas.screen_pop import PopOwner
from app.services.access import Signed
from app.services.call_lists.worklist import NoSuchEntry, find_list
from app.services.customer_phones import mark_wrong
from app.services.customer_relations import add_consent
from app.services.customers import change_customer, find_customer
from app.services.hotline import Hotline
from app.services.record_history import add_note
from app.services.standing import check_next_call, note_contact, place

RESERVED_FOR: Final = timedelta(minutes=20)
"""Reading the card, calling, and saying what came of it."""
DO_NOT_CALL: Final = "do_not_call"
"""Why an entry was skipped by itself."""
RINGING_HOURS: Final = range(9, 20)
"""The hours among which the best one is looked for."""

_SOON: Final = timedelta(minutes=10)
_TRIES: Final = 200
_SUMMARY_LENGTH: Final = 200
_TALKED: Final = frozenset({EntryOutcome.REACHED, EntryOutcome.REFUSED})
_RANG: Final = (DialResult.ANSWERED, DialResult.NO_ANSWER, DialResult.BUSY, DialResult.VOICEMAIL)
"""What says whether somebody was there."""


class NothingLeft(NotFound):
    """Everybody on the list is done, skipped, or held by somebody else right now."""

    code = "nothing_left"
    title = "Nothing left on the list"


class EntryTaken(Conflict):
    """Somebody else has taken this entry; `by` says who."""

    code = "entry_taken"


class EntryClosed(Conflict):
    """What came of this entry was said already, or it was skipped."""

    code = "entry_closed"


class NothingToPutBack(Conflict):
    """The entry is not taken."""

    code = "nothing_to_put_back"


async def take_next(session: AsyncSession, made: CallList, by: Signed, now: datetime) -> UUID:
    """Reserve the next entry of a list for `by`; of several who ask at once each gets another one. Gives its id.

    The order is the list's, but who was promised a later time today waits for it as long as somebody else is left. Who
    does not want to be called any more is skipped by itself.

    Raises:
        NothingLeft: nobody is left to be taken.
    """
    await session.execute(
        update(CallListEntry)
        .where(
            CallListEntry.list_id == made.id,
            CallListEntry.state == EntryState.OPEN,
            exists().where(Customer.id == CallListEntry.customer_id, Customer.do_not_call),
        )
        .values(state=EntryState.SKIPPED, skip_reason=DO_NOT_CALL, worked_at=now)
    )
    entry = await session.scalar(
        select(CallListEntry)
        .join(Customer, Customer.id == CallListEntry.customer_id)
        .where(
            CallListEntry.list_id == made.id,
            or_(
                CallListEntry.state == EntryState.OPEN,
                and_(CallListEntry.state == EntryState.TAKEN, CallListEntry.reserved_until < now),
            ),
        )
        .order_by(func.coalesce(Customer.next_call_at > now + _SOON, False), CallListEntry.position)
        .limit(1)
        .with_for_update(of=CallListEntry, skip_locked=True)
        .execution_options(populate_existing=True)
    )
    if entry is None:
        raise NothingLeft("Everybody on this list is done, skipped, or held by somebody else right now.")
    _reserve(entry, by, now)
    await session.flush()
    return entry.id


async def take(session: AsyncSession, entry_id: UUID, by: Signed, now: datetime) -> None:
    """Reserve one entry for `by`; one that they hold already, for a while longer.

    Raises:
        NoSuchEntry, NotYourList, EntryClosed, EntryTaken
    """
    _reserve(await _locked(session, entry_id, by, now), by, now)
    await session.flush()


async def put_back(session: AsyncSession, entry_id: UUID, by: Signed, now: datetime) -> None:
    """Let go of an entry that `by` holds: it is open again.

    Raises:
        NoSuchEntry, NotYourList, EntryClosed, EntryTaken
        NothingToPutBack: nobody holds it.
    """
    entry = await _locked(session, entry_id, by, now)
    if entry.state is not EntryState.TAKEN:
        raise NothingToPutBack("Nobody holds this entry.")
    entry.state, entry.reserved_by_id, entry.reserved_until = EntryState.OPEN, None, None
    await session.flush()


async def skip(session: AsyncSession, entry_id: UUID, reason: str, by: Signed, now: datetime) -> None:
    """Not call somebody today, for a reason.

    Raises:
        NoSuchEntry, NotYourList, EntryClosed, EntryTaken
    """
    entry = await _locked(session, entry_id, by, now)
    _close(entry, EntryState.SKIPPED, by, now)
    entry.skip_reason = reason
    await session.flush()


async def finish(
    session: AsyncSession, entry_id: UUID, given: EntryFinish, by: Signed, hotline: Hotline, now: datetime
) -> None:
    """Say what came of calling, with all that it changed.

    A promised call that was made is no longer owed, unless a new one is promised. Who was talked with on a phone that
    Callcard knows nothing of gets a contact in their timeline. A wrong number is marked, and not rung any more.

    Raises:
        NoSuchEntry, NotYourList, EntryClosed, EntryTaken
        BadNextCall: of `next_call_at`.
        NoSuchPhone: `phone_id` is not theirs, or they have no number.
    """
    customer_id = await session.scalar(select(CallListEntry.customer_id).where(CallListEntry.id == entry_id))
    if customer_id is None:
        raise NoSuchEntry("There is no such entry.")
    customer = await find_customer(session, str(customer_id), lock=True)
    entry = await _locked(session, entry_id, by, now)
    attempt = await _attempt_of(session, entry, by, hotline)
    if attempt is not None:
        entry.attempt_id, entry.call_id = attempt.id, attempt.call_id
    _close(entry, EntryState.DONE, by, now)
    entry.outcome = given.outcome
    await session.flush()
    me = PopOwner(id=by.agent_id, name=by.name)

    changes: dict[str, Any] = given.model_dump(include={"sales_stage", "intention", "next_call_at"}, exclude_unset=True)
    check_next_call(changes.get("next_call_at"), now)
    if given.outcome in _TALKED and customer.next_call_at is not None and customer.next_call_at <= now:
        changes.setdefault("next_call_at", None)
    await place(session, customer, changes, by=me.id, why=given.why or given.outcome.value)
    if given.outcome is EntryOutcome.WRONG_NUMBER:
        rung = attempt.to_e164 if attempt is not None else None
        await mark_wrong(session, customer, given.phone_id, rung, hotline, me.id, now)
    if given.do_not_call:
        await change_customer(session, str(customer.id), CustomerUpdate(do_not_call=True), hotline, by)
    if given.consent_withdrawn:
        withdrawn = ConsentCreate(
            purpose=ConsentPurpose.MARKETING_CALL, state=ConsentState.WITHDRAWN, channel=Channel.CALL
        )
        await add_consent(session, customer, withdrawn, me)
    await _write_down(session, customer, given, me, now, is_on_record=attempt is not None)


async def _write_down(
    session: AsyncSession, customer: Customer, given: EntryFinish, me: PopOwner, now: datetime, *, is_on_record: bool
) -> None:
    if given.outcome in _TALKED and not is_on_record:
        said = given.note or OUTCOMES[given.outcome]["zh"]
        session.add(
            Interaction(
                customer_id=customer.id,
                channel=Channel.CALL,
                direction=Direction.OUTBOUND,
                at=now,
                agent_id=me.id,
                summary=said[:_SUMMARY_LENGTH],
                source="callcard",
            )
        )
        await session.flush()
        await note_contact(session, customer.id, now)
    if given.note and (is_on_record or given.outcome not in _TALKED or len(given.note) > _SUMMARY_LENGTH):
        await add_note(session, customer, CustomerNoteCreate(body=given.note), me)


async def best_hour_of(session: AsyncSession, customer: Customer, hotline: Hotline) -> BestHour | None:
    """At which hour of their own day a customer is best rung; None as long as they never answered."""
    placed = await session.execute(
        select(DialAttempt.started_at, DialAttempt.result)
        .where(DialAttempt.customer_id == customer.id, DialAttempt.result.in_(_RANG))
        .order_by(DialAttempt.started_at.desc())
        .limit(_TRIES)
    )
    rang = await session.scalars(
        select(Call.received_at)
        .where(Call.customer_id == customer.id, Call.direction == Direction.INBOUND)
        .order_by(Call.received_at.desc())
        .limit(_TRIES)
    )
    by_hand = await session.execute(
        select(CallListEntry.worked_at, CallListEntry.outcome)
        .where(
            CallListEntry.customer_id == customer.id,
            CallListEntry.attempt_id.is_(None),
            CallListEntry.outcome.in_([*_TALKED, EntryOutcome.NO_ANSWER, EntryOutcome.BUSY]),
        )
        .order_by(CallListEntry.day.desc())
        .limit(_TRIES)
    )
    told: list[tuple[datetime, bool]] = [
        *((at, result is DialResult.ANSWERED) for at, result in placed),
        *((at, True) for at in rang),
        *((at, outcome in _TALKED) for at, outcome in by_hand if at is not None),
    ]
    zone = ZoneInfo(customer.time_zone) if customer.time_zone else hotline.zone
    return best_hour([Try(at.astimezone(zone).hour, answered) for at, answered in told], RINGING_HOURS)


async def _locked(session: AsyncSession, entry_id: UUID, by: Signed, now: datetime) -> CallListEntry:
    """An entry that `by` may work on now, locked. Raises NoSuchEntry, NotYourList, EntryClosed, EntryTaken."""
    entry = await session.scalar(
        select(CallListEntry)
        .where(CallListEntry.id == entry_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if entry is None:
        raise NoSuchEntry("There is no such entry.")
    await find_list(session, entry.list_id, by, to_work=True)
    if entry.state in (EntryState.DONE, EntryState.SKIPPED):
        raise EntryClosed("This entry is closed.", state=entry.state)
    is_held = entry.reserved_until is not None and entry.reserved_until >= now
    if is_held and entry.reserved_by_id != by.agent_id:
        who = await session.scalar(select(Agent.name).where(Agent.id == entry.reserved_by_id))
        raise EntryTaken(f"{who} has taken this entry.", by=who)
    return entry


def _reserve(entry: CallListEntry, by: Signed, now: datetime) -> None:
    entry.state, entry.reserved_by_id, entry.reserved_until = EntryState.TAKEN, by.agent_id, now + RESERVED_FOR


def _close(entry: CallListEntry, state: EntryState, by: Signed, now: datetime) -> None:
    entry.state, entry.reserved_by_id, entry.reserved_until = state, None, None
    entry.worked_by_id, entry.worked_at = by.agent_id, now


async def _attempt_of(session: AsyncSession, entry: CallListEntry, by: Signed, hotline: Hotline) -> DialAttempt | None:
    """The last call that `by` placed to this customer on the list's day."""
    since = datetime.combine(entry.day, time(0), hotline.zone)
    return await session.scalar(
        select(DialAttempt)
        .where(
            DialAttempt.customer_id == entry.customer_id,
            DialAttempt.agent_id == by.agent_id,
            DialAttempt.started_at >= since,
        )
        .order_by(DialAttempt.started_at.desc())
        .limit(1)
    )
