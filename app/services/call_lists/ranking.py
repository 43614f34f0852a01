"""The statement that ranks all managers' books at once: `domain/list_ranking.py` in SQL, a test holds one to the other.

What few customers have (`occasions.py`) is gathered first, for all managers together. Then each book is read once, from
indexes that hold all that is asked of its customers, and ranked beside the others (LATERAL), so that neither sorting
nor memory grows with how many managers there are.

Of a book, whose turn it is (`turned`) is looked for among those alone who are due early enough (`turn`). How many are
due when (`within`) is counted without sorting them all: OFFSET 0 is a fence.

`RANKED` ends in `chosen`: for each list one row of figures (`customer_id` is null), and a row for each customer who is
on it (`place`), was left out (`out_reason`), found no room, or whose clock is to be set.
"""

from typing import Final

from app.domain.list_ranking import QUOTA_NAMES, WEIGHT_NAMES
from app.services.call_lists.occasions import BOOK, MINE, OCCASIONS, WEIGHT

_PASSED: Final = "CAST(:passed AS date[])"
_MIDNIGHTS: Final = "CAST(:midnights AS timestamptz[])"

# Whose turn begins anew: who was left out, though not for this one day only.
_RETURNS: Final = "o.reason NOT IN ('dropped', 'no_room')"

# What is asked of all first: a row is unpacked only as far as it is looked at.
_READ: Final = f"""
SELECT c.id,
       CASE
           WHEN c.do_not_call THEN 'do_not_call'
           WHEN x.barred IS NOT NULL THEN x.barred
           WHEN c.last_contact_at >= :day_start AND c.last_contact_at < :day_end THEN 'called_today'
           WHEN s.counted_on >= :day OR (s.customer_id IS NULL AND EXISTS (
               SELECT FROM list_standings other WHERE other.customer_id = c.id AND other.counted_on >= :day
           )) THEN 'on_another_list'
       END AS out_reason,
       (CAST(:due_in AS int[]))[1 + CASE
           WHEN s.customer_id IS NULL OR (o.reason IS NOT NULL AND {_RETURNS}) THEN cardinality({_PASSED})
           ELSE width_bucket(s.counted_on, {_PASSED})
       END] AS due,
       CASE WHEN c.next_call_at < :day_end AND (c.last_contact_at IS NULL OR c.last_contact_at < c.next_call_at)
           THEN c.next_call_at END AS promised_at,
       cardinality({_MIDNIGHTS}) - CASE
           WHEN c.last_contact_at IS NULL THEN 0 ELSE width_bucket(c.last_contact_at, {_MIDNIGHTS})
       END AS waited,
       e.day AS left_over, x.pinned AS is_pinned,
       s.customer_id IS NULL OR (o.reason IS NOT NULL AND {_RETURNS}) AS is_new,
       c.sales_stage, c.intention, c.contract_state, c.last_contact_at,
       coalesce(x.points, 0) AS points, x.reasons, x.note, o.reason AS was_out, o.first_day AS out_since
FROM customers c
LEFT JOIN list_standings s ON s.manager_id = l.manager_id AND s.customer_id = c.id
LEFT JOIN call_list_left_out o ON o.manager_id = l.manager_id AND o.customer_id = c.id AND o.last_day IS NULL
LEFT JOIN (
    SELECT e.customer_id, e.day FROM call_lists before JOIN call_list_entries e ON e.list_id = before.id
    WHERE before.manager_id = l.manager_id AND before.day < :day AND before.day >= :left_over_since
      AND e.state IN ('open', 'taken')
) AS e ON e.customer_id = c.id AND e.day = s.counted_on
LEFT JOIN unnest(y.ids, y.barred, y.notes, y.pinned, y.points, y.reasons)
    AS x(id, barred, note, pinned, points, reasons) ON x.id = c.id
WHERE {BOOK}
"""

_SCORE: Final = f"""
CASE WHEN promised_at IS NULL THEN 0 ELSE {WEIGHT["promised"]} END
+ CASE sales_stage WHEN 5 THEN {WEIGHT["stage_5"]} WHEN 4 THEN {WEIGHT["stage_4"]} ELSE 0 END
+ CASE intention WHEN 'very_likely' THEN {WEIGHT["very_likely"]} WHEN 'good' THEN {WEIGHT["good"]} ELSE 0 END
+ CASE contract_state WHEN 'expired' THEN {WEIGHT["contract_expired"]} ELSE 0 END
+ CASE WHEN left_over IS NULL THEN 0 ELSE {WEIGHT["carried_over"]} END
+ points + {WEIGHT["waiting"]} * least(waited, {WEIGHT["waiting_most"]})"""

_ORDER: Final = "score DESC, promised_at NULLS LAST, waited DESC, id"

_WEIGHTS: Final = ", ".join(f"r.weights[{number}] AS weighs_{name}" for number, name in enumerate(WEIGHT_NAMES, 1))
_QUOTAS: Final = ", ".join(f"r.quotas[{number}] AS quota_{name}" for number, name in enumerate(QUOTA_NAMES, 1))

RANKED: Final = f"""
WITH list AS MATERIALIZED (
    SELECT given.no, given.id, given.manager_id, r.size, r.round_days, r.birthday, r.contract_ending,
           r.warranty_ending, r.festival, r.win_back, {_WEIGHTS}, {_QUOTAS}
    FROM unnest(CAST(:nos AS int[]), CAST(:list_ids AS uuid[]), CAST(:manager_ids AS uuid[]), CAST(:rule_nos AS int[]))
        AS given(no, id, manager_id, rule_no)
    JOIN jsonb_to_recordset(CAST(:rules AS jsonb)) AS r(
        rule_no int, size int, round_days int, weights float8[], quotas int[], birthday boolean,
        contract_ending boolean, warranty_ending boolean, festival jsonb, win_back boolean
    ) ON r.rule_no = given.rule_no
),
mine AS MATERIALIZED ({MINE}),
occasions AS MATERIALIZED (
    SELECT no, array_agg(customer_id) AS ids, array_agg(barred) AS barred, array_agg(note) AS notes,
           array_agg(pinned) AS pinned, array_agg(points) AS points, array_agg(reasons) AS reasons
    FROM ({OCCASIONS}) AS occasion GROUP BY no
),
chosen AS MATERIALIZED (
    SELECT l.no, l.id AS list_id, l.manager_id, ranked.*
    FROM list l LEFT JOIN occasions y ON y.no = l.no
    CROSS JOIN LATERAL (
        WITH book AS MATERIALIZED (SELECT {_SCORE} AS score, read.* FROM ({_READ}) AS read),
        within AS MATERIALIZED (
            SELECT days, CAST(sum(many) OVER (ORDER BY days) AS int) AS so_far, left_over
            FROM (
                SELECT greatest(due, 1) AS days, count(*) AS many, count(left_over) AS left_over
                FROM book WHERE out_reason IS NULL GROUP BY greatest(due, 1) OFFSET 0
            ) AS each
        ),
        need AS MATERIALIZED (
            SELECT coalesce(max(so_far), 0) AS eligible,
                   CASE WHEN max(so_far) <= l.size * l.round_days
                       THEN least(greatest(max(so_far - l.size * (days - 1)), 0), l.size) ELSE 0 END AS reserved,
                   least(coalesce(max((so_far + days - 1) / days), 0), l.size) AS pace,
                   greatest(max(so_far - l.size * days), 0) AS late,
                   coalesce(sum(left_over), 0) AS left_over
            FROM within
        ),
        turn AS MATERIALIZED (
            SELECT min(days) AS latest FROM within WHERE so_far >= (SELECT greatest(reserved, pace) FROM need)
        ),
        turned AS MATERIALIZED (
            SELECT id, row_number() OVER () AS nth FROM (
                SELECT id FROM book WHERE out_reason IS NULL AND due <= (SELECT latest FROM turn) ORDER BY due, {_ORDER}
                LIMIT (SELECT greatest(reserved, pace) FROM need)
            ) AS first
        ),
        layered AS (
            SELECT book.*, CASE
                WHEN due <= (SELECT latest FROM turn)
                    AND id IN (SELECT id FROM turned WHERE nth <= (SELECT reserved FROM need)) THEN 1
                WHEN promised_at IS NOT NULL OR is_pinned THEN 2
                WHEN left_over IS NOT NULL THEN 3
                WHEN due <= (SELECT latest FROM turn)
                    AND id IN (SELECT id FROM turned WHERE nth <= (SELECT pace FROM need)) THEN 4
                ELSE 5 END AS layer
            FROM book WHERE out_reason IS NULL
        ),
        picked AS MATERIALIZED (SELECT * FROM layered ORDER BY layer, {_ORDER} LIMIT l.size)
        SELECT id AS customer_id, row_number() OVER (ORDER BY {_ORDER}) AS place, layer, score, due, waited,
               promised_at, sales_stage, intention, contract_state, last_contact_at, left_over, reasons, is_pinned,
               is_new, CAST(NULL AS text) AS out_reason, CAST(NULL AS text) AS note, CAST(NULL AS text) AS was_out,
               CAST(NULL AS date) AS out_since, CAST(NULL AS jsonb) AS figures
        FROM picked
        UNION ALL
        SELECT id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, is_new,
               coalesce(out_reason, CASE WHEN promised_at IS NOT NULL THEN 'no_room' END), note, was_out, out_since,
               NULL
        FROM book
        WHERE (out_reason IS NOT NULL OR is_new OR promised_at IS NOT NULL) AND id NOT IN (SELECT id FROM picked)
        UNION ALL
        SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
               NULL, NULL, jsonb_build_object(
                   'eligible', eligible, 'reserved', reserved, 'pace', pace, 'late', late,
                   'left_over', left_over - (SELECT count(left_over) FROM picked)
               ) FROM need
    ) AS ranked
)
"""

_CLOCK: Final = "to_char(e.promised_at AT TIME ZONE :zone, 'HH24\\:MI')"
REASONS: Final = f"""
CAST('[' || concat_ws(',',
    CASE WHEN e.is_pinned THEN '{{"code"\\: "pinned"}}' END,
    CASE
        WHEN e.promised_at >= :day_start THEN jsonb_build_object('code', 'promised', 'time', {_CLOCK})
        WHEN e.promised_at IS NOT NULL THEN jsonb_build_object(
            'code', 'promise_owed', 'day', to_char(e.promised_at AT TIME ZONE :zone, 'YYYY-MM-DD'), 'time', {_CLOCK})
    END,
    CASE WHEN e.sales_stage IN (4, 5) THEN '{{"code"\\: "stage", "stage"\\: ' || e.sales_stage || '}}' END,
    CASE WHEN e.intention IN ('good', 'very_likely')
        THEN '{{"code"\\: "intention", "intention"\\: "' || e.intention || '"}}' END,
    CASE WHEN e.contract_state = 'expired' THEN jsonb_build_object(
        'code', 'contract_expired',
        'days', :day - (SELECT max(k.ends_on) FROM contracts k WHERE k.customer_id = e.customer_id)
    ) END,
    e.reasons,
    CASE WHEN e.left_over IS NOT NULL THEN jsonb_build_object('code', 'carried_over', 'day', e.left_over) END,
    CASE WHEN e.layer IN (1, 4)
        THEN '{{"code"\\: "their_turn", "due"\\: ' || greatest(e.due, 1) || '}}' END,
    CASE WHEN e.last_contact_at IS NULL THEN '{{"code"\\: "never_called"}}'
        ELSE '{{"code"\\: "waiting", "days"\\: ' || e.waited || '}}' END
) || ']' AS jsonb)
"""
"""Why a row of `chosen e` is on the list, the weightiest first, by the defaults."""

SOURCE: Final = """
CASE WHEN e.promised_at IS NOT NULL THEN 'promised' WHEN e.is_pinned THEN 'pinned'
     WHEN e.left_over IS NOT NULL THEN 'carried_over' WHEN e.layer IN (1, 4) THEN 'coverage' ELSE 'ranked' END
"""
