"""The screen pop's SQL: matching the number and gathering the card, in pieces that other statements put together.

`match_sql` finds who it may be, `card_sql` gathers their card as one JSON document. The ringing call
(`services/ringing.py`) and a later offer (`services/offering.py`) embed both in the statement that reserves the agent;
`look_up` here runs them alone. What is gathered is raw: `domain.card.finish_pop` adds the words.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.card import REPEAT_DAYS, Json, finish_pending, finish_pop
from app.domain.matching import MatchOutcome, MatchReason
from app.domain.phone_numbers import NumberKind, PhoneNumber, bucket_of, same_line
from app.services.hotline import Hotline, QueueSetup

MOST_CANDIDATES: Final = 12
"""How many customers on one number the chooser shows; beyond that it is a switchboard."""


def match_sql(given: str) -> str:
    """The SELECT that finds who a number may belong to.

    It always gives one row `(outcome, customer_id, ids, reason, more, loose)`. It reads `lookup` (E.164 or null),
    `bucket` (`bucket_of` it, or null), `withheld`, and `verified`, `reason`: the customers among an earlier answer's
    `loose` whom the phone-number library confirmed, as the text of an array. With `verified` null and no exact match,
    `loose` holds who is to be verified, as JSON, and nothing has been decided; where it is null, `ids` are the
    customers.

    Args:
        given: what stands before those names: `:` where they are parameters, `i.` where they are columns of a row `i`.
    """
    return f"""
SELECT CASE WHEN CAST({given}withheld AS boolean) THEN '{MatchOutcome.WITHHELD}'
            WHEN cardinality(ids) = 1 THEN '{MatchOutcome.UNIQUE}'
            WHEN cardinality(ids) > 1 THEN '{MatchOutcome.SEVERAL}' ELSE '{MatchOutcome.UNKNOWN}' END AS outcome,
       CASE WHEN cardinality(ids) = 1 THEN ids[1] END AS customer_id,
       ids, reason, cardinality(ids) > {MOST_CANDIDATES} AS more,
       CASE WHEN undecided THEN (
           SELECT json_agg(near) FROM (
               SELECT customer_id, e164, national_number FROM customer_phones
               WHERE bucket = CAST({given}bucket AS varchar) AND wrong_since IS NULL LIMIT 200
           ) near
       ) END AS loose
FROM (
    SELECT CASE WHEN exact <> '{{}}' THEN exact ELSE coalesce(verified, '{{}}') END AS ids,
           CASE WHEN exact <> '{{}}' THEN '{MatchReason.EXACT}'
                WHEN verified <> '{{}}' THEN CAST({given}reason AS text) END AS reason,
           exact = '{{}}' AND verified IS NULL AS undecided
    FROM (
        SELECT ARRAY(
                   SELECT customer_id FROM customer_phones
                   WHERE bucket = CAST({given}bucket AS varchar) AND e164 = CAST({given}lookup AS varchar)
                     AND wrong_since IS NULL
                   LIMIT {MOST_CANDIDATES + 1}
               ) AS exact,
               CAST(CAST({given}verified AS text) AS uuid[]) AS verified
        OFFSET 0 -- a fence: looked up once, not once a mention
    ) looked
    OFFSET 0
) found"""


def complaints_sql(customer: str) -> str:
    """The expression that gathers a customer's complaints as JSON: at most five, those that are not closed first.

    Args:
        customer: SQL for the customer's id.
    """
    return f"""array_to_json(ARRAY(
            SELECT complaint FROM (
                SELECT c.id, c.code,
                       (SELECT json_build_object('zh', k.name_zh, 'en', k.name_en)
                        FROM complaint_categories k WHERE k.id = c.category_id) AS category,
                       c.severity, c.state, c.opened_at, c.due_at,
                       CASE WHEN c.partner_id IS NULL THEN (SELECT a.name FROM agents a WHERE a.id = c.owner_id)
                            ELSE (SELECT p.name FROM partners p WHERE p.id = c.partner_id) END AS owner,
                       c.handover_count AS handovers
                FROM complaints c WHERE c.customer_id = {customer}
                ORDER BY c.state = 'closed', c.opened_at DESC, c.id LIMIT 5
            ) complaint
        ))"""


def callbacks_sql(customer: str) -> str:
    """The expression that gathers the next two calls that a customer was promised, as JSON; `customer` as above."""
    return f"""array_to_json(ARRAY(
            SELECT promise FROM (
                SELECT b.id, b.code, b.reason, b.state, b.due_at, b.first_due_at, b.subject,
                       (SELECT a.name FROM agents a WHERE a.id = b.owner_id) AS owner
                FROM callbacks b WHERE b.customer_id = {customer} AND b.state NOT IN ('done', 'cancelled')
                ORDER BY b.due_at, b.id LIMIT 2
            ) promise
        ))"""


CHOOSER: Final = f"""CASE WHEN matched.outcome = '{MatchOutcome.SEVERAL}' THEN array_to_json(ARRAY(
    SELECT candidate FROM (
        SELECT c.id AS customer_id, c.code, c.name, c.kind, c.tier, matched.reason,
               (SELECT o.name FROM agents o WHERE o.id = c.owner_id) AS owner,
               (SELECT max(i.at) FROM interactions i WHERE i.customer_id = c.id) AS last_contact_at
        FROM customers c WHERE c.id = ANY (matched.ids)
        ORDER BY last_contact_at DESC NULLS LAST, c.code LIMIT {MOST_CANDIDATES}
    ) candidate
)) ELSE CAST('[]' AS json) END"""
"""The expression for the candidates of a row `matched`."""


def card_sql(call: str, given: str, chooser: str = CHOOSER) -> str:
    """The expression that gathers the card of a row `matched` (what `match_sql` gives) as one JSON document.

    Scalar subqueries and arrays where joins and aggregates would do: each of those costs more to set up than it takes
    to run on the handful of rows that a customer has.

    Args:
        call: SQL for the call's part.
        given: what stands before `caller`, `lookup` and `now`, as in `match_sql`.
        chooser: the expression for the candidates; whoever can ask for them later leaves them out, because setting
            them up costs every caller what only the few with `several` need.
    """
    return f"""json_build_object(
        'call', {call},
        'caller', CAST({given}caller AS json),
        'match', json_build_object(
            'outcome', matched.outcome,
            'more', matched.more,
            'reason', matched.reason,
            'candidates', {chooser}
        ),
        'customer', (
            SELECT row_to_json(card) FROM (
                SELECT c.id, c.code, c.kind, c.name, c.surname, c.title, c.gender, c.latin_name, c.latin_surname,
                       c.language, c.time_zone, c.region, c.tier, c.dcwh, c.sales_stage, c.intention,
                       (SELECT json_build_object('id', o.id, 'name', o.name) FROM agents o WHERE o.id = c.owner_id)
                           AS owner,
                       c.do_not_call, c.note
                FROM customers c WHERE c.id = matched.customer_id
            ) card
        ),
        'purchases', array_to_json(ARRAY(
            SELECT bought FROM (
                SELECT id, product, product_en, model, serial_number, quantity, unit, CAST(amount AS text) AS amount,
                       currency, purchased_on, warranty_until
                FROM purchases WHERE customer_id = matched.customer_id ORDER BY purchased_on DESC, id LIMIT 10
            ) bought
        )),
        'complaints', {complaints_sql("matched.customer_id")},
        'interactions', array_to_json(ARRAY(
            SELECT contact FROM (
                SELECT i.at, i.channel, i.direction, i.summary,
                       (SELECT a.name FROM agents a WHERE a.id = i.agent_id) AS agent
                FROM interactions i WHERE i.customer_id = matched.customer_id ORDER BY i.at DESC LIMIT 5
            ) contact
        )),
        'callbacks', {callbacks_sql("matched.customer_id")},
        'contracts', array_to_json(ARRAY(
            SELECT contract FROM (
                SELECT id, number, title, starts_on, ends_on
                FROM contracts WHERE customer_id = matched.customer_id ORDER BY ends_on DESC, id LIMIT 5
            ) contract
        )),
        'recent_calls', (
            SELECT count(*) FROM (
                SELECT received_at, direction FROM calls WHERE customer_id = matched.customer_id
                UNION ALL
                SELECT received_at, direction FROM calls
                WHERE matched.customer_id IS NULL AND from_e164 = CAST({given}lookup AS varchar)
                OFFSET 0 -- a fence: by customer or number, never by time, however the statistics stand
            ) earlier
            WHERE earlier.direction = 'inbound' AND earlier.received_at < CAST({given}now AS timestamptz)
              AND earlier.received_at > CAST({given}now AS timestamptz) - interval '{REPEAT_DAYS} days'
        )
    )"""


_LOOK_UP: Final = text(f"""
WITH matched AS MATERIALIZED ({match_sql(":")})
SELECT CAST({card_sql("NULL", ":", chooser="CAST('[]' AS json)")} AS text) AS document,
       CAST(matched.loose AS text) AS loose, matched.outcome, matched.ids
FROM matched
""")

_CHOOSER: Final = text(f"""
SELECT CAST({CHOOSER} AS text) FROM (SELECT '{MatchOutcome.SEVERAL}' AS outcome, CAST(:ids AS uuid[]) AS ids,
    CAST(:reason AS text) AS reason) matched
""")


_PENDING: Final = text(f"""
SELECT CAST({complaints_sql("CAST(:id AS uuid)")} AS text) AS complaints,
       CAST({callbacks_sql("CAST(:id AS uuid)")} AS text) AS callbacks
""")


async def pending_with(session: AsyncSession, customer_id: UUID) -> tuple[list[Json], list[Json]]:
    """A customer's complaints and promised calls, as the pop of a call of theirs would show them."""
    row = (await session.execute(_PENDING, {"id": customer_id})).one()
    complaints, callbacks = json.loads(row.complaints), json.loads(row.callbacks)
    finish_pending(complaints, callbacks)
    return complaints, callbacks


def caller_part(number: PhoneNumber) -> Json:
    """The pop's `caller`."""
    return {
        "kind": number.kind,
        "raw": number.raw,
        "e164": number.e164,
        "national": number.national,
        "region": number.region,
        "line_type": number.line_type,
        "time_zone": number.time_zones[0] if len(number.time_zones) == 1 else None,
    }


def queue_part(queue: QueueSetup) -> Json:
    """The pop's `call.queue`."""
    return {"id": str(queue.id), "key": queue.key, "name": {"zh": queue.name_zh, "en": queue.name_en}}


def match_args(number: PhoneNumber, hotline: Hotline) -> dict[str, Any]:
    """What `match_sql` reads of a number. One of our own numbers is looked up as nobody's."""
    known = None if number.e164 is None or hotline.is_ours(number.e164) else number.e164
    return {
        "lookup": known,
        "bucket": bucket_of(known) if known else None,
        "withheld": number.kind is NumberKind.WITHHELD,
        "verified": None if known else verified_text(()),
        "reason": None,
    }


def verified_text(customer_ids: Iterable[UUID]) -> str:
    """Customers as `match_sql` takes them."""
    return f"{{{','.join(map(str, customer_ids))}}}"


def verify(number: PhoneNumber, loose: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Which customers of the 8-digit bucket are really this caller: what `match_sql` is to read the second time.

    The same national number under another country is the stronger sign, so where there is one, a mere likeness of
    the ending is not asked for.
    """
    abroad: dict[UUID, None] = {}
    alike: dict[UUID, None] = {}
    for phone in loose:
        customer_id = UUID(str(phone["customer_id"]))
        if phone["national_number"] == number.national_number:
            abroad[customer_id] = None
        elif number.e164 is not None and same_line(number.e164, phone["e164"]):
            alike[customer_id] = None
    reason = MatchReason.OTHER_COUNTRY if abroad else MatchReason.SAME_ENDING
    return {"verified": verified_text(abroad or alike), "reason": reason}


async def look_up(session: AsyncSession, number: PhoneNumber, hotline: Hotline, now: datetime) -> Json:
    """The screen pop for a number without a call, as `schemas.screen_pop.ScreenPop` has it."""
    args = {**match_args(number, hotline), "caller": json.dumps(caller_part(number)), "now": now}
    row = (await session.execute(_LOOK_UP, args)).one()
    if row.loose is not None:
        args.update(verify(number, json.loads(row.loose)))
        row = (await session.execute(_LOOK_UP, args)).one()
    gathered = json.loads(row.document)
    if row.outcome == MatchOutcome.SEVERAL:
        match = gathered["match"]
        chooser = await session.scalar(_CHOOSER, {"ids": row.ids, "reason": match["reason"]})
        match["candidates"] = json.loads(chooser)
    return finish_pop(gathered, now, hotline.zone)
