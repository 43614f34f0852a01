"""The statement that ranks all managers' books at once: `domain/list_ranking.py` in SQL, a test holds one to the other.

What few customers have (a reason to be left out, a birthday, an entry that was left over) is gathered first, for all
managers together. Then each book is read once, from indexes that hold all that is asked of its customers, and ranked
beside the others (LATERAL), so that neither sorting nor memory grows with how many managers there are.

`RANKED` ends in `chosen`: for each list one row of figures (`customer_id` is null), and a row for each customer who is
on it (`place`), was left out (`out_reason`), found no room, or whose clock is to be set.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from app.domain.list_days import ListDay
from app.domain.list_ranking import QUOTA_NAMES, WEIGHT_NAMES, Quotas, Sources, Weights

_W: Final = {name: f"l.weights[{number}]" for number, name in enumerate(WEIGHT_NAMES, start=1)}
_Q: Final = {name: f"l.quotas[{number}]" for number, name in enumerate(QUOTA_NAMES, start=1)}

_TIER: Final = "CASE c.tier WHEN 'core' THEN 1 WHEN 'value' THEN 2 WHEN 'potential' THEN 3 ELSE 4 END"
_BOOK: Final = "JOIN customers c ON c.owner_id = l.manager_id AND c.merged_into_id IS NULL AND c.erased_at IS NULL"
_NOTHING: Final = (
    "NULL AS barred, NULL AS note, NULL AS left_over, false AS returned, false AS pinned, 0 AS points, NULL AS reason"
)


def _barred(reason: str) -> str:
    return _NOTHING.replace("NULL AS barred", f"'{reason}' AS barred")


def _occasion(source: str, points: str, reason: str, from_where: str) -> str:
    """The customers of a source, no more for each list than its quota allows."""
    return f"""
SELECT no, customer_id, CAST(NULL AS text), CAST(NULL AS text), CAST(NULL AS date), false, false, points, reason
FROM (
    SELECT l.no, c.id AS customer_id, {points} AS points, {reason} AS reason, {_Q[source]} AS quota,
           row_number() OVER (PARTITION BY l.no ORDER BY {_TIER}, c.last_contact_at NULLS FIRST, c.id) AS place
    FROM list l {_BOOK} {from_where}
) AS found WHERE place <= quota"""


_SPECIAL: Final = f"""
SELECT l.no, c.id AS customer_id, {
    _NOTHING.replace("NULL AS barred", "CAST('consent_withdrawn' AS text) AS barred")
    .replace("NULL AS note", "CAST(NULL AS text) AS note")
    .replace("NULL AS left_over", "CAST(NULL AS date) AS left_over")
    .replace("0 AS points", "CAST(0 AS float8) AS points")
    .replace("NULL AS reason", "CAST(NULL AS jsonb) AS reason")
}
FROM list l {_BOOK} JOIN consents w ON w.customer_id = c.id
WHERE w.purpose = 'marketing_call' AND w.state = 'withdrawn' AND NOT EXISTS (
    SELECT FROM consents later WHERE later.customer_id = w.customer_id AND later.purpose = 'marketing_call'
      AND (later.at, later.id) > (w.at, w.id)
)
UNION ALL
SELECT l.no, c.id, {_barred("open_complaint")}
FROM list l {_BOOK} JOIN complaints k ON k.customer_id = c.id AND k.state <> 'closed'
UNION ALL
SELECT l.no, c.id, {_barred("called_today")}
FROM list l {_BOOK} JOIN dial_attempts d ON d.customer_id = c.id
WHERE d.started_at >= :day_start AND d.started_at < :day_end
UNION ALL
SELECT l.no, c.id, {_barred("closed_window")}
FROM list l {_BOOK} WHERE cardinality(CAST(:closed_zones AS text[])) > 0 AND c.time_zone = ANY(:closed_zones)
UNION ALL
SELECT l.no, c.id, {_barred("closed_window")}
FROM list l {_BOOK} JOIN customer_phones p ON p.customer_id = c.id AND p.is_primary
WHERE cardinality(CAST(:closed_codes AS text[])) > 0 AND p.e164 LIKE ANY(:closed_codes)
UNION ALL
SELECT l.no, c.id, {_barred("no_number")}
FROM list l {_BOOK}
WHERE NOT EXISTS (SELECT FROM customer_phones p WHERE p.customer_id = c.id AND p.wrong_since IS NULL)
UNION ALL
SELECT l.no, r.customer_id, CASE r.kind WHEN 'drop' THEN 'dropped' END, r.reason, NULL, false, r.kind = 'pin', 0, NULL
FROM list l JOIN list_rearrangements r ON r.manager_id = l.manager_id AND r.day = :day AND r.kind <> 'move'
UNION ALL
SELECT l.no, e.customer_id, NULL, NULL, e.day, false, false, 0, NULL
FROM list l
JOIN call_lists before ON before.manager_id = l.manager_id AND before.day < :day AND before.day >= :left_over_since
JOIN call_list_entries e ON e.list_id = before.id AND e.state IN ('open', 'taken')
JOIN list_standings s ON s.customer_id = e.customer_id AND s.counted_on = e.day
UNION ALL
SELECT l.no, o.customer_id, NULL, NULL, NULL, true, false, 0, NULL
FROM list l
JOIN call_lists before ON before.manager_id = l.manager_id AND before.day = :previous
JOIN call_list_left_out o ON o.list_id = before.id AND o.reason NOT IN ('dropped', 'no_room')
UNION ALL {
    _occasion(
        "birthday",
        _W["birthday"],
        "jsonb_build_object('code', 'birthday', 'name', c.name, 'day', to_char(c.birth_date, 'MM-DD'))",
        "WHERE l.birthday AND c.birth_date IS NOT NULL "
        "AND CAST(extract(month FROM c.birth_date) * 100 + extract(day FROM c.birth_date) AS int) = ANY(:birthdays)",
    )
}
UNION ALL {
    _occasion(
        "contract_ending",
        f"CASE WHEN k.ends_on < :in_14 THEN {_W['contract_ending_7']} WHEN k.ends_on < :in_30 "
        f"THEN {_W['contract_ending_14']} ELSE {_W['contract_ending_30']} END",
        "jsonb_build_object('code', 'contract_ending', 'day', k.ends_on, "
        "'days', CASE WHEN k.ends_on < :in_14 THEN 7 WHEN k.ends_on < :in_30 THEN 14 ELSE 30 END)",
        "JOIN contracts k ON k.customer_id = c.id WHERE l.contract_ending AND k.ends_on = ANY(:contracts_ending) "
        "AND NOT EXISTS (SELECT FROM contracts next WHERE next.customer_id = c.id AND next.ends_on > k.ends_on)",
    )
}
UNION ALL {
    _occasion(
        "warranty_ending",
        _W["warranty_ending"],
        "jsonb_build_object('code', 'warranty_ending', 'day', p.warranty_until, 'product', p.product)",
        "JOIN purchases p ON p.customer_id = c.id "
        "WHERE l.warranty_ending AND p.warranty_until = ANY(:warranties_ending)",
    )
}
UNION ALL {
    _occasion(
        "festival",
        _W["festival"],
        "l.festival || jsonb_build_object('code', 'festival')",
        "WHERE l.festival IS NOT NULL AND c.tier IN ('core', 'value') "
        "AND (c.last_contact_at IS NULL OR c.last_contact_at < :greeted_since)",
    )
}
UNION ALL {
    _occasion(
        "win_back",
        _W["win_back"],
        "jsonb_build_object('code', 'win_back')",
        "WHERE l.win_back AND c.tier = 'core' AND c.sales_stage = 7 AND c.contract_state = 'expired' "
        "AND (c.last_contact_at IS NULL OR c.last_contact_at < :lost_since)",
    )
}
"""

_PASSED: Final = "CAST(:passed AS date[])"
_MIDNIGHTS: Final = "CAST(:midnights AS timestamptz[])"

_READ: Final = f"""
SELECT c.id, c.sales_stage, c.intention, c.contract_state, c.last_contact_at, c.next_call_at,
       x.left_over, x.reasons, coalesce(x.pinned, false) AS is_pinned, x.note,
       s.customer_id IS NULL OR coalesce(x.returned, false) AS is_new,
       CASE
           WHEN c.do_not_call THEN 'do_not_call'
           WHEN x.barred IS NOT NULL THEN x.barred
           WHEN c.last_contact_at >= :day_start AND c.last_contact_at < :day_end THEN 'called_today'
           WHEN s.counted_on >= :day OR (s.customer_id IS NULL AND EXISTS (
               SELECT FROM list_standings other WHERE other.customer_id = c.id AND other.counted_on >= :day
           )) THEN 'on_another_list'
       END AS out_reason,
       (CAST(:due_in AS int[]))[1 + CASE
           WHEN s.customer_id IS NULL OR x.returned THEN cardinality({_PASSED})
           ELSE width_bucket(s.counted_on, {_PASSED})
       END] AS due,
       CASE WHEN c.next_call_at < :day_end AND (c.last_contact_at IS NULL OR c.last_contact_at < c.next_call_at)
           THEN c.next_call_at END AS promised_at,
       cardinality({_MIDNIGHTS}) - CASE
           WHEN c.last_contact_at IS NULL THEN 0 ELSE width_bucket(c.last_contact_at, {_MIDNIGHTS})
       END AS waited,
       coalesce(x.points, 0) AS points
FROM customers c
LEFT JOIN list_standings s ON s.manager_id = l.manager_id AND s.customer_id = c.id
LEFT JOIN unnest(y.ids, y.barred, y.notes, y.left_over, y.returned, y.pinned, y.points, y.reasons)
    AS x(id, barred, note, left_over, returned, pinned, points, reasons) ON x.id = c.id
WHERE c.owner_id = l.manager_id AND c.merged_into_id IS NULL AND c.erased_at IS NULL
"""

_SCORE: Final = f"""
CASE WHEN promised_at IS NULL THEN 0 ELSE {_W["promised"]} END
+ CASE sales_stage WHEN 5 THEN {_W["stage_5"]} WHEN 4 THEN {_W["stage_4"]} ELSE 0 END
+ CASE intention WHEN 'very_likely' THEN {_W["very_likely"]} WHEN 'good' THEN {_W["good"]} ELSE 0 END
+ CASE contract_state WHEN 'expired' THEN {_W["contract_expired"]} ELSE 0 END
+ CASE WHEN left_over IS NULL THEN 0 ELSE {_W["carried_over"]} END
+ points + {_W["waiting"]} * least(waited, {_W["waiting_most"]})"""

_ORDER: Final = "score DESC, promised_at NULLS LAST, waited DESC, id"
# The order of turns as one ascending key, to be compared with that of the last who has a place by it.
_TURN: Final = "due, -score, coalesce(promised_at, 'infinity'), -waited, id"
_TURNED: Final = "due, downward, promised, waited, id"

RANKED: Final = f"""
WITH list AS MATERIALIZED (
    SELECT given.no, given.id, given.manager_id, r.size, r.round_days, r.weights, r.quotas, r.birthday,
           r.contract_ending, r.warranty_ending, r.festival, r.win_back
    FROM unnest(CAST(:nos AS int[]), CAST(:list_ids AS uuid[]), CAST(:manager_ids AS uuid[]), CAST(:rule_nos AS int[]))
        AS given(no, id, manager_id, rule_no)
    JOIN jsonb_to_recordset(CAST(:rules AS jsonb)) AS r(
        rule_no int, size int, round_days int, weights float8[], quotas int[], birthday boolean,
        contract_ending boolean, warranty_ending boolean, festival jsonb, win_back boolean
    ) ON r.rule_no = given.rule_no
),
special AS (
    SELECT no, customer_id, (array_agg(barred ORDER BY barred = 'dropped', barred))[1] AS barred,
           max(note) AS note, max(left_over) AS left_over,
           bool_or(returned) AS returned, bool_or(pinned) AS pinned, sum(points) AS points,
           jsonb_agg(reason ORDER BY points DESC, reason) FILTER (WHERE reason IS NOT NULL) AS reasons
    FROM ({_SPECIAL}) AS found GROUP BY no, customer_id
),
special_of AS MATERIALIZED (
    SELECT no, array_agg(customer_id) AS ids, array_agg(barred) AS barred, array_agg(note) AS notes,
           array_agg(left_over) AS left_over, array_agg(returned) AS returned, array_agg(pinned) AS pinned,
           array_agg(points) AS points, array_agg(reasons) AS reasons
    FROM special GROUP BY no
),
chosen AS MATERIALIZED (
    SELECT l.no, l.id AS list_id, l.manager_id, ranked.*
    FROM list l LEFT JOIN special_of y ON y.no = l.no
    CROSS JOIN LATERAL (
        WITH book AS MATERIALIZED (SELECT read.*, {_SCORE} AS score FROM ({_READ}) AS read),
        within AS (
            SELECT days, sum(count(*)) OVER (ORDER BY days) AS so_far
            FROM (SELECT greatest(due, 1) AS days FROM book WHERE out_reason IS NULL) AS each GROUP BY days
        ),
        need AS MATERIALIZED (
            SELECT coalesce(max(so_far), 0) AS eligible,
                   CASE WHEN max(so_far) <= l.size * l.round_days
                       THEN least(greatest(max(so_far - l.size * (days - 1)), 0), l.size) ELSE 0 END AS reserved,
                   least(coalesce(max(ceil(so_far / days)), 0), l.size) AS pace,
                   greatest(max(so_far - l.size * days), 0) AS late
            FROM within
        ),
        turned(due, downward, promised, waited, id, nth) AS MATERIALIZED (
            SELECT {_TURN}, row_number() OVER () AS nth FROM (
                SELECT * FROM book WHERE out_reason IS NULL ORDER BY due, {_ORDER}
                LIMIT (SELECT greatest(reserved, pace) FROM need)
            ) AS first
        ),
        layered AS (
            SELECT book.*, CASE
                WHEN ({_TURN}) <= (SELECT {_TURNED} FROM turned WHERE nth = (SELECT reserved FROM need)) THEN 1
                WHEN promised_at IS NOT NULL OR is_pinned THEN 2
                WHEN left_over IS NOT NULL THEN 3
                WHEN ({_TURN}) <= (SELECT {_TURNED} FROM turned WHERE nth = (SELECT pace FROM need)) THEN 4
                ELSE 5 END AS layer
            FROM book WHERE out_reason IS NULL
        ),
        picked AS MATERIALIZED (SELECT * FROM layered ORDER BY layer, {_ORDER} LIMIT l.size)
        SELECT id AS customer_id, row_number() OVER (ORDER BY {_ORDER}) AS place, layer, score, due, waited,
               promised_at, sales_stage, intention, contract_state, last_contact_at, left_over, reasons, is_pinned,
               is_new, CAST(NULL AS text) AS out_reason, CAST(NULL AS text) AS note, CAST(NULL AS jsonb) AS figures
        FROM picked
        UNION ALL
        SELECT id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, left_over, NULL, NULL, is_new,
               coalesce(out_reason, CASE WHEN promised_at IS NOT NULL THEN 'no_room' END), note, NULL
        FROM book
        WHERE (out_reason IS NOT NULL OR is_new OR left_over IS NOT NULL OR promised_at IS NOT NULL)
          AND id NOT IN (SELECT id FROM picked)
        UNION ALL
        SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
               to_jsonb(need) FROM need
    ) AS ranked
)
"""

_CLOCK: Final = "to_char(e.promised_at AT TIME ZONE :zone, 'HH24\\:MI')"
REASONS: Final = f"""
CASE WHEN e.is_pinned THEN '[{{"code"\\: "pinned"}}]'\\:\\:jsonb ELSE '[]'\\:\\:jsonb END
|| CASE
    WHEN e.promised_at >= :day_start
        THEN jsonb_build_array(jsonb_build_object('code', 'promised', 'time', {_CLOCK}))
    WHEN e.promised_at IS NOT NULL THEN jsonb_build_array(jsonb_build_object(
        'code', 'promise_owed', 'day', to_char(e.promised_at AT TIME ZONE :zone, 'YYYY-MM-DD'), 'time', {_CLOCK}))
    ELSE '[]' END
|| CASE WHEN e.sales_stage IN (4, 5)
    THEN jsonb_build_array(jsonb_build_object('code', 'stage', 'stage', e.sales_stage)) ELSE '[]' END
|| CASE WHEN e.intention IN ('good', 'very_likely')
    THEN jsonb_build_array(jsonb_build_object('code', 'intention', 'intention', e.intention)) ELSE '[]' END
|| CASE WHEN e.contract_state = 'expired' THEN jsonb_build_array(jsonb_build_object(
    'code', 'contract_expired',
    'days', :day - (SELECT max(k.ends_on) FROM contracts k WHERE k.customer_id = e.customer_id)
)) ELSE '[]' END
|| coalesce(e.reasons, '[]')
|| CASE WHEN e.left_over IS NOT NULL
    THEN jsonb_build_array(jsonb_build_object('code', 'carried_over', 'day', e.left_over)) ELSE '[]' END
|| CASE WHEN e.layer IN (1, 4)
    THEN jsonb_build_array(jsonb_build_object('code', 'their_turn', 'due', greatest(e.due, 1))) ELSE '[]' END
|| CASE
    WHEN e.last_contact_at IS NULL THEN '[{{"code"\\: "never_called"}}]'\\:\\:jsonb
    ELSE jsonb_build_array(jsonb_build_object('code', 'waiting', 'days', e.waited)) END
"""
"""Why a row of `chosen e` is on the list, the weightiest first, by the defaults."""

SOURCE: Final = """
CASE WHEN e.promised_at IS NOT NULL THEN 'promised' WHEN e.is_pinned THEN 'pinned'
     WHEN e.left_over IS NOT NULL THEN 'carried_over' WHEN e.layer IN (1, 4) THEN 'coverage' ELSE 'ranked' END
"""

_GREETED_DAYS: Final = 5
_LOST_DAYS: Final = 20
_LEFT_OVER_DAYS: Final = 45
CONTRACT_DAYS: Final = (7, 14, 30)
WARRANTY_DAYS: Final = 30
FESTIVAL_DAYS: Final = 5
"""So many working days before a festival its greetings begin."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How a team's lists are made. `festivals` are (day, name_zh, name_en)."""

    size: int
    weights: Weights
    quotas: Quotas
    sources: Sources
    festivals: tuple[tuple[date, str, str], ...] = ()

    def festival_near(self, days: Sequence[date]) -> dict[str, str] | None:
        """The first festival on one of these days, as its reason has it."""
        near = sorted(each for each in self.festivals if each[0] in days)
        if not self.sources.festival or not near:
            return None
        day, name_zh, name_en = near[0]
        return {"day": day.isoformat(), "name_zh": name_zh, "name_en": name_en}


@dataclass(frozen=True, slots=True)
class Header:
    """A list that is to be filled: whose book, and the number of its rules."""

    list_id: UUID
    manager_id: UUID
    rules_no: int


def parameters(
    clock: ListDay,
    next_days: Sequence[date],
    zone: ZoneInfo,
    headers: Sequence[Header],
    rules: Sequence[Rules],
    closed_zones: Sequence[str],
    closed_codes: Sequence[str],
) -> dict[str, Any]:
    """What `RANKED` is given.

    Args:
        next_days: the working days after the day, as many as festivals are looked for, at least one.
        closed_zones: IANA zones where nobody may be called on that day.
        closed_codes: beginnings of numbers (`+49%`) that may not be called on that day.
    """
    day = clock.day
    # What falls on days off is told on the working day before (birthdays) or after (what is to end).
    greeted = [day + timedelta(days=ahead) for ahead in range((next_days[0] - day).days)]
    since = [day - timedelta(days=back) for back in range((day - clock.previous).days)]
    festival_days = [day + timedelta(days=ahead) for ahead in range((next_days[-1] - day).days + 1)]
    return {
        "day": day,
        "day_start": _midnight(day, zone),
        "day_end": _midnight(day + timedelta(days=1), zone),
        "previous": clock.previous,
        "passed": list(clock.passed),
        "due_in": list(clock.due_in),
        "midnights": [_midnight(each, zone) for each in (*clock.passed, day)],
        "left_over_since": day - timedelta(days=_LEFT_OVER_DAYS),
        "greeted_since": _midnight(_days_ago(clock, _GREETED_DAYS), zone),
        "lost_since": _midnight(_days_ago(clock, _LOST_DAYS), zone),
        "birthdays": birthdays_on(greeted),
        "contracts_ending": [each + timedelta(days=ahead) for each in since for ahead in CONTRACT_DAYS],
        "in_14": min(since) + timedelta(days=CONTRACT_DAYS[1]),
        "in_30": min(since) + timedelta(days=CONTRACT_DAYS[2]),
        "warranties_ending": [each + timedelta(days=WARRANTY_DAYS) for each in since],
        "closed_zones": list(closed_zones),
        "closed_codes": list(closed_codes),
        "nos": list(range(len(headers))),
        "list_ids": [header.list_id for header in headers],
        "manager_ids": [header.manager_id for header in headers],
        "rule_nos": [header.rules_no for header in headers],
        "rules": [
            {
                "rule_no": number,
                "size": each.size,
                "round_days": clock.round_days,
                "weights": list(asdict(each.weights).values()),
                "quotas": list(asdict(each.quotas).values()),
                **asdict(each.sources),
                "festival": each.festival_near(festival_days),
            }
            for number, each in enumerate(rules)
        ],
    }


def birthdays_on(days: Sequence[date]) -> list[int]:
    """The birthdays (month x 100 + day) that are kept on these days: who was born on 29 February has 28 in most years.

    (The day after, 1 March, is what the law has; people would rather be greeted too early than too late.)
    """
    found = [day.month * 100 + day.day for day in days]
    found += [229 for day in days if (day.month, day.day) == (2, 28) and (day + timedelta(days=1)).month == 3]
    return found


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(0), tzinfo=zone)


def _days_ago(clock: ListDay, count: int) -> date:
    """The working day so many before, or the first that is known."""
    return clock.passed[-count] if len(clock.passed) >= count else clock.previous
