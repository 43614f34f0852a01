"""Automatic dialling of promised calls: claimed, checked, planned in one transaction; then the carrier is asked."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.calling_windows import place_of
from app.domain.dialling import DialPurpose
from app.domain.prompts import choose_language
from app.models.callbacks import Callback
from app.models.routing import Presence
from app.services.calendars import read_calendars
from app.services.callbacks.claiming import Claimed, claim
from app.services.callbacks.retrying import after_refusal
from app.services.calling import record_said
from app.services.dial_rules import Asked, refusals
from app.services.dialler import Dialler, Planned, ask_carrier, paused_until
from app.services.hotline import Hotline
from app.services.placing import CallPlan, caller_id, plan_calls
from app.services.steady_clock import Reading

BATCH: Final = 50
"""Calls in one transaction: enough to share its cost, few enough to hold their agents for milliseconds only."""

_ROUND: Final = timedelta(seconds=30)


async def dial_due(dialler: Dialler, most: int = BATCH) -> int:
    """Dial promised calls that are due, for agents who are free; gives how many were claimed."""
    reading = dialler.clock.read()
    async with dialler.database.session_scope() as session:
        claimed, planned = await _claim_and_plan(session, dialler, reading, most)
    if planned:
        said = await ask_carrier(dialler, planned)
        async with dialler.database.session_scope() as session:
            await record_said(session, dialler, list(zip(planned, said, strict=True)))
    return claimed


async def dial_all_due(dialler: Dialler, now: datetime) -> int:
    """`dial_due` until nothing is left, or half a minute is over; gives how many were claimed."""
    done = 0
    while claimed := await dial_due(dialler):
        done += claimed
        if dialler.clock.read().latest - now > _ROUND:
            break
    return done


async def _claim_and_plan(
    session: AsyncSession, dialler: Dialler, reading: Reading, most: int
) -> tuple[int, list[Planned]]:
    if await paused_until(session, dialler.carrier.name, reading.earliest) is not None:
        return 0, []
    hotline = dialler.hotline.now
    claimed = await claim(session, hotline, reading.earliest, most)
    if not claimed:
        return 0, []
    asked = [_asked(each, hotline) for each in claimed]
    found = await refusals(
        session,
        asked,
        hotline=hotline,
        calendars=await read_calendars(session, hotline),
        at=reading.moments,
        calls_a_day=dialler.limits.calls_a_day,
    )
    plans = []
    numbers: set[str | None] = set()
    for each, call, refusal in zip(claimed, asked, found, strict=True):
        if refusal is not None:
            callback = await session.get_one(Callback, each.callback_id)
            await after_refusal(session, callback, refusal, hotline=hotline, now=reading.latest)
            continue
        # Two promises to one number in one batch: the second waits for the next.
        if each.e164 not in numbers and (plan := _plan(each, call, hotline)) is not None:
            numbers.add(each.e164)
            plans.append(plan)
    planned = await plan_calls(
        session, plans, provider=dialler.carrier.name, now=reading.earliest, may_dial=(Presence.AVAILABLE,)
    )
    return len(claimed), planned


def _asked(claimed: Claimed, hotline: Hotline) -> Asked:
    number = hotline.number(claimed.e164) if claimed.e164 else None
    place = place_of(number, zone=claimed.time_zone, region=claimed.region)
    return Asked(claimed.customer_id, number, place, DialPurpose.SERVICE)


def _plan(claimed: Claimed, call: Asked, hotline: Hotline) -> CallPlan | None:
    queue = (hotline.queues.get(claimed.queue_id) if claimed.queue_id else None) or hotline.default
    shown = caller_id(queue, hotline) if queue is not None else None
    if queue is None or shown is None or call.number is None:
        return None
    return CallPlan(
        agent_id=claimed.agent_id,
        number=call.number,
        customer_id=claimed.customer_id,
        queue=queue,
        from_e164=shown,
        language=choose_language(claimed.language, call.number.region, queue.language),
        callback_id=claimed.callback_id,
    )
