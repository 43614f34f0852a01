"""Placing a call: the agent is rung first, and the customer when they have picked up.

Everything is written down before the carrier is asked (`plan_calls`, one statement for one call or fifty): the call,
the attempt, the agent reserved for it with the customer's card before them, the promise that it keeps. Whatever dies
after that leaves an attempt that `services/reconciling.py` finds. Rows are locked in this order: callbacks, calls,
presence.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import after_commit
from app.domain.dialling import DialPurpose
from app.domain.phone_numbers import PhoneNumber
from app.domain.routing import ReservedBecause
from app.models.base import new_id
from app.models.routing import Presence
from app.services.dialler import AGENT_RINGS_SECONDS, Planned
from app.services.hotline import Hotline, QueueSetup
from app.services.reserving import RESERVE
from app.services.screen_pop import caller_part, card_sql, queue_part

CLAIM_LASTS: Final = timedelta(hours=4)
"""A promise that is being dialled is somebody's for so long at most: as long as a call can last."""

MAY_DIAL: Final = (Presence.AVAILABLE, Presence.BREAK, Presence.WRAP_UP)
"""Out of what an agent may place a call by their own click; whoever waits for calls is dialled for."""

_COLUMNS: Final = {
    "attempt_id": "uuid",
    "call_id": "uuid",
    "leg_id": "uuid",
    "callback_id": "uuid",
    "customer_id": "uuid",
    "agent_id": "uuid",
    "queue_id": "uuid",
    "queue": "text",
    "to_e164": "varchar",
    "from_e164": "varchar",
    "lookup": "varchar",
    "caller": "text",
    "language": "text",
    "purpose": "text",
    "change_id": "uuid",
}

_CALL_PART: Final = """json_build_object(
            'id', i.call_id, 'direction', 'outbound', 'received_at', i.now, 'dialled', i.to_e164, 'caller_name', '',
            'queue', CAST(i.queue AS json), 'reserved_because', chosen.because)"""

_PLAN: Final = text(f"""
WITH given AS MATERIALIZED (
    SELECT i.*, CAST(:now AS timestamptz) AS now
    FROM unnest({", ".join(f"CAST(:{name} AS {kind}[])" for name, kind in _COLUMNS.items())})
    WITH ORDINALITY AS i({", ".join(_COLUMNS)}, n)
),
chosen AS MATERIALIZED (
    SELECT i.n, p.agent_id, '{ReservedBecause.DIALLING}' AS because, a.identity
    FROM given i JOIN agent_presence p ON p.agent_id = i.agent_id JOIN agents a ON a.id = p.agent_id
    WHERE p.state = ANY (CAST(:may_dial AS text[])) AND a.active
    FOR UPDATE OF p
),
matched AS MATERIALIZED (
    SELECT i.n, i.customer_id, false AS more, 'exact' AS reason,
           CASE WHEN i.customer_id IS NULL THEN 'unknown' ELSE 'unique' END AS outcome
    FROM given i JOIN chosen ON chosen.n = i.n
),
written AS (
    INSERT INTO calls (
        id, provider, direction, state, customer_status, from_raw, from_e164, to_raw, caller, language, queue_id,
        match_outcome, match_reason, customer_id, received_at, heard_at
    )
    SELECT i.call_id, :provider, 'outbound', 'ringing', 'queued', i.from_e164, i.from_e164, i.to_e164,
           CAST(i.caller AS jsonb), i.language, i.queue_id, matched.outcome,
           CASE WHEN i.customer_id IS NOT NULL THEN matched.reason END, i.customer_id, i.now, i.now
    FROM given i JOIN matched ON matched.n = i.n
    RETURNING id
),
ringing AS MATERIALIZED (
    SELECT i.n, written.id, true AS live, i.leg_id, i.now FROM written JOIN given i ON i.call_id = written.id
),
pop AS MATERIALIZED (
    SELECT i.n, {card_sql(_CALL_PART, "i.", chooser="CAST('[]' AS json)")} AS document
    FROM given i JOIN chosen ON chosen.n = i.n JOIN matched ON matched.n = i.n
),
{RESERVE},
attempted AS (
    INSERT INTO dial_attempts (
        id, callback_id, customer_id, agent_id, call_id, to_e164, from_e164, purpose, provider, state, started_at
    )
    SELECT i.attempt_id, i.callback_id, i.customer_id, i.agent_id, i.call_id, i.to_e164, i.from_e164, i.purpose,
           :provider, 'planned', i.now
    FROM given i JOIN reserved ON reserved.n = i.n
),
dialing AS (
    UPDATE callbacks c
    SET state = 'dialing', claimed_by_id = i.agent_id, claimed_until = CAST(:until AS timestamptz),
        version = c.version + 1, updated_at = i.now
    FROM given i JOIN reserved ON reserved.n = i.n WHERE c.id = i.callback_id
),
changed AS (
    INSERT INTO callback_changes (id, callback_id, at, agent_id, what, detail)
    SELECT i.change_id, i.callback_id, i.now, i.agent_id, 'dialed', jsonb_build_object('attempt', i.attempt_id)
    FROM given i JOIN reserved ON reserved.n = i.n WHERE i.callback_id IS NOT NULL
)
SELECT i.attempt_id, i.call_id, i.from_e164, reserved.identity, reserved.agent_id, reserved.no
FROM reserved JOIN given i ON i.n = reserved.n ORDER BY i.n
""")


@dataclass(frozen=True, slots=True)
class CallPlan:
    """A call that is to be placed, whose rules have been checked; the agent's and the promise's rows are locked."""

    agent_id: UUID
    number: PhoneNumber
    customer_id: UUID | None
    queue: QueueSetup
    from_e164: str
    language: str
    purpose: DialPurpose = DialPurpose.SERVICE
    callback_id: UUID | None = None


def caller_id(queue: QueueSetup, hotline: Hotline) -> str | None:
    """The number of ours that a callee sees: the queue's own, else any; None where there is none."""
    numbers = sorted(hotline.routes, key=lambda number: (hotline.routes[number].queue.id != queue.id, number))
    return numbers[0] if numbers else None


async def plan_calls(
    session: AsyncSession, plans: Sequence[CallPlan], *, provider: str, now: datetime, may_dial: Sequence[Presence]
) -> list[Planned]:
    """Write down calls that are to be placed, and reserve their agents.

    Args:
        plans: no agent and no promise twice.
        may_dial: the states out of which agents are taken for it.

    Returns:
        Those whose agents could be had, in the order of the plans.
    """
    rows = [_row(plan) for plan in plans]
    values: dict[str, Any] = {name: [row[name] for row in rows] for name in _COLUMNS}
    found = (
        await session.execute(
            _PLAN,
            {
                **values,
                "provider": provider,
                "now": now,
                "until": now + CLAIM_LASTS,
                "may_dial": list(may_dial),
                "ring_seconds": AGENT_RINGS_SECONDS,
            },
        )
    ).all()
    after_commit(session).agents.update({row.agent_id: row.no for row in found})
    return [Planned(row.attempt_id, row.call_id, row.identity, row.from_e164) for row in found]


def _row(plan: CallPlan) -> dict[str, Any]:
    return {
        "attempt_id": new_id(),
        "call_id": new_id(),
        "leg_id": new_id(),
        "callback_id": plan.callback_id,
        "customer_id": plan.customer_id,
        "agent_id": plan.agent_id,
        "queue_id": plan.queue.id,
        "queue": json.dumps(queue_part(plan.queue)),
        "to_e164": plan.number.e164,
        "from_e164": plan.from_e164,
        "lookup": plan.number.e164,
        "caller": json.dumps(caller_part(plan.number)),
        "language": plan.language,
        "purpose": plan.purpose.value,
        "change_id": new_id(),
    }
