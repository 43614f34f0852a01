"""Offering a call again: to the next agent, from the wait loop, or because somebody became free."""

import json
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, exists, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import after_commit
from app.domain.card import iso
from app.models.base import new_id
from app.models.callbacks import Callback
from app.models.calls import AgentEventType, Call, Leg, TraceStep
from app.models.routing import AgentPresence, Presence, QueueMember
from app.services.agent_log import tell, trace
from app.services.callbacks.due import told_of
from app.services.callbacks.of_calls import take_kept_place
from app.services.hotline import Hotline, QueueSetup
from app.services.reserving import CHOOSE, RESERVE
from app.services.screen_pop import card_sql, look_up, match_args, match_sql, queue_part, verified_text, verify
from app.telephony.port import RedirectCall

_CALL_PART: Final = """json_build_object(
            'id', ringing.id, 'direction', ringing.direction, 'received_at', ringing.received_at,
            'dialled', ringing.to_raw, 'caller_name', ringing.caller_name,
            'queue', CAST(:queue AS json), 'reserved_because', chosen.because)"""

_OFFER: Final = text(f"""
WITH matched AS MATERIALIZED (SELECT CAST(1 AS bigint) AS n, found.* FROM ({match_sql(":")}) found),
caller AS MATERIALIZED (
    SELECT matched.n, matched.customer_id, c.owner_id
    FROM matched LEFT JOIN customers c ON c.id = matched.customer_id WHERE matched.loose IS NULL
),
{CHOOSE},
ringing AS MATERIALIZED (
    SELECT CAST(1 AS bigint) AS n, id, direction, received_at, to_raw, caller_name, ended_at IS NULL AS live,
           CAST(:leg_id AS uuid) AS leg_id, CAST(:now AS timestamptz) AS now
    FROM calls WHERE id = CAST(:place_id AS uuid)
),
pop AS MATERIALIZED (
    SELECT matched.n, {card_sql(_CALL_PART, ":")} AS document FROM chosen JOIN matched USING (n) JOIN ringing USING (n)
),
{RESERVE}
SELECT reserved.agent_id, reserved.no, reserved.identity, CAST(matched.loose AS text) AS loose
FROM matched LEFT JOIN reserved USING (n)
""")


async def offer(session: AsyncSession, call: Call, queue: QueueSetup, hotline: Hotline, now: datetime) -> str | None:
    """Reserve the next agent for a live call and push them the card.

    Args:
        call: locked by the caller of this function (`FOR NO KEY UPDATE`); not over.
        queue: the one it stands in.
        hotline: for numbers and zone.
        now: the moment of it.

    Returns:
        The identity of the reserved agent's client, or None when nobody may have it now.
    """
    args: dict[str, Any] = {
        **await _who(call, hotline),
        "caller": json.dumps(call.caller),
        "queue_id": queue.id,
        "queue": json.dumps(queue_part(queue)),
        "may_reserve": True,
        "tried": await _declined_by(session, call),
        "place_at": call.queued_at or call.received_at,
        "place_id": call.id,
        "now": now,
        "ring_seconds": queue.ring_seconds,
        "leg_id": new_id(),
    }
    row: Row[Any] = (await session.execute(_OFFER, args)).one()
    if row.loose is not None:
        args.update(verify(hotline.number(call.from_raw), json.loads(row.loose)))
        row = (await session.execute(_OFFER, args)).one()
    if row.agent_id is None:
        return None
    if call.queued_at is not None:
        call.left_queue_at = now
    call.accepted_by_id, call.accepted_tab = None, ""
    after_commit(session).agents[row.agent_id] = row.no
    identity: str = row.identity
    return identity


async def _who(call: Call, hotline: Hotline) -> dict[str, Any]:
    """What `match_sql` reads of a call of which the customer may be known already, by number or by hand."""
    if call.customer_id is None:
        return match_args(hotline.number(call.from_raw), hotline)
    return {
        "lookup": None,
        "bucket": None,
        "withheld": False,
        "verified": verified_text((call.customer_id,)),
        "reason": call.match_reason,
    }


async def _declined_by(session: AsyncSession, call: Call) -> list[Any]:
    found = await session.scalars(
        select(Leg.agent_id).where(Leg.call_id == call.id, Leg.agent_id.is_not(None), Leg.declined_at.is_not(None))
    )
    return list(found)


async def serve_next(session: AsyncSession, presence: AgentPresence, hotline: Hotline, now: datetime) -> None:
    """Give an agent who has just become available the call that has waited longest in their queues, if any waits.

    One that they have declined is not theirs any more.

    Args:
        presence: theirs, locked and already `available` in this transaction.

    A live caller is fetched out of the wait loop as soon as this is committed. A kept place ("press 1 and we call you
    back") is handed to the agent to call: they get its card, and are busy with it until they wrap it up.
    """
    if presence.state is not Presence.AVAILABLE:
        return
    await session.flush()
    first = (
        select(Call.id)
        .where(
            Call.queue_id.in_(select(QueueMember.queue_id).where(QueueMember.agent_id == presence.agent_id)),
            Call.queued_at.is_not(None),
            Call.left_queue_at.is_(None),
            ~exists().where(Leg.call_id == Call.id, Leg.agent_id == presence.agent_id, Leg.declined_at.is_not(None)),
        )
        .order_by(Call.queued_at, Call.id)
        .limit(1)
    )
    # Where the first is being answered right now by their own turn of the wait loop, nobody else goes before them: the
    # next turn, or the housekeeper's next round, brings the two together.
    call = await session.scalar(
        select(Call)
        .where(Call.id == first.scalar_subquery(), Call.queued_at.is_not(None), Call.left_queue_at.is_(None))
        .with_for_update(key_share=True, skip_locked=True)
    )
    if call is None or call.queue_id is None:
        return
    queue = hotline.queues.get(call.queue_id)
    if queue is None:
        return
    if call.kept_place_at is not None:
        callback = await take_kept_place(session, call.id, presence.agent_id, now)
        if callback is None:
            # Somebody has it in hand otherwise, or it is not owed any more: the next in line.
            call.left_queue_at = now
            await serve_next(session, presence, hotline, now)
            return
        await _hand_over(session, call, callback, presence, hotline, now)
    elif await offer(session, call, queue, hotline, now) is not None:
        assert call.provider_call_id is not None, "who waits was told of by the carrier"
        after_commit(session).acts.append(RedirectCall(call.provider_call_id))
    await session.refresh(presence)


async def _hand_over(
    session: AsyncSession,
    call: Call,
    callback: Callback,
    presence: AgentPresence,
    hotline: Hotline,
    now: datetime,
) -> None:
    call.left_queue_at = now
    presence.state = Presence.WRAP_UP
    presence.reason = "callback"
    presence.since = now
    presence.available_since = None
    presence.call_id = call.id
    await session.flush()
    pop = await look_up(session, hotline.number(call.from_raw), hotline, now)
    await tell(
        session,
        presence.agent_id,
        AgentEventType.CALLBACK_DUE,
        {
            "call_id": str(call.id),
            **told_of(callback),
            "promised_at": iso(call.kept_place_at or now),
            "screen_pop": pop,
        },
        at=now,
        call_id=call.id,
    )
    await tell(
        session,
        presence.agent_id,
        AgentEventType.PRESENCE_CHANGED,
        {"state": presence.state, "reason": presence.reason, "call_id": str(call.id)},
        at=now,
        call_id=call.id,
    )
    trace(session, call.id, TraceStep.RESERVED, at=now, agent_id=presence.agent_id, because="kept_place")
