"""What few customers of the books have: a reason to be left out, an occasion to be called, a wish for that day's list.

One relation for all lists that are being made, part of the ranking statement. What other tables tell, each kind from an
index that holds little else, is asked of the customers of each book where lists are few, and where they are many of all
customers at once.
"""

from typing import Final

from app.domain.list_ranking import QUOTA_NAMES, WEIGHT_NAMES

WEIGHT: Final = {name: f"l.weighs_{name}" for name in WEIGHT_NAMES}
"""A list's weights in SQL, as columns of `list l`."""
QUOTA: Final = {name: f"l.quota_{name}" for name in QUOTA_NAMES}

BOOK: Final = "c.owner_id = l.manager_id AND c.merged_into_id IS NULL AND c.erased_at IS NULL"
"""That a customer `c` is in the book of `list l`."""

_OF: Final = "l.no, c.id AS customer_id, c.tier, c.last_contact_at"
_NOTHING: Final = "CAST(NULL AS date), CAST(NULL AS text)"
_SILENT: Final = "NOT EXISTS (SELECT FROM customer_phones p WHERE p.customer_id = {id} AND p.wrong_since IS NULL)"

_LATER: Final = """
NOT EXISTS (SELECT FROM consents later WHERE later.customer_id = x.customer_id AND later.purpose = 'marketing_call'
            AND (later.at, later.id) > (x.at, x.id))"""
_RENEWED: Final = "EXISTS (SELECT FROM contracts n WHERE n.customer_id = x.customer_id AND n.ends_on > x.ends_on)"
# By kind: where it is told of (`x`), when, and what is told with it: a day and a word.
_TOLD: Final = {
    "consent_withdrawn": ("consents", f"x.purpose = 'marketing_call' AND x.state = 'withdrawn' AND {_LATER}", _NOTHING),
    "open_complaint": ("complaints", "x.state <> 'closed'", _NOTHING),
    "called_today": ("dial_attempts", "x.started_at >= :day_start AND x.started_at < :day_end", _NOTHING),
    "closed_window": (
        "customer_phones",
        "x.is_primary AND cardinality(CAST(:closed_codes AS text[])) > 0 AND x.e164 LIKE ANY(:closed_codes)",
        _NOTHING,
    ),
    "contract_ending": (
        "contracts",
        f"x.ends_on = ANY(:contracts_ending) AND NOT {_RENEWED}",
        "x.ends_on, CAST(NULL AS text)",
    ),
    "warranty_ending": (
        "purchases",
        "x.warranty_until = ANY(:warranties_ending)",
        "x.warranty_until, CAST(x.id AS text)",
    ),
}
# Gathered from end to end of the indexes, and joined with the customers once.
_TOLD_OF_ALL: Final = " UNION ALL ".join(
    f"SELECT x.customer_id, '{kind}', {what} FROM {table} x WHERE :are_many AND {when}"
    for kind, (table, when, what) in _TOLD.items()
)
_MINE: Final = "mine.no, mine.customer_id, mine.tier, mine.last_contact_at"
_TOLD_OF_BOOKS: Final = " UNION ALL ".join(
    f"""SELECT {_MINE}, '{kind}', {what} FROM mine JOIN {table} x ON x.customer_id = mine.customer_id
    WHERE NOT :are_many AND {when}"""
    for kind, (table, when, what) in _TOLD.items()
)

# Which of two ways is quicker depends on how many lists are made, which the planner cannot see (OFFSET 0 is a fence).
_FOUND: Final = f"""
SELECT {_OF}, told.kind, told.on_day, told.told
FROM ({_TOLD_OF_ALL}) AS told(customer_id, kind, on_day, told)
JOIN customers c ON c.id = told.customer_id JOIN list l ON {BOOK}
UNION ALL
{_TOLD_OF_BOOKS}
UNION ALL
SELECT {_OF}, 'no_number', {_NOTHING}
FROM (SELECT each.id FROM customers each WHERE :are_many AND {_SILENT.format(id="each.id")} OFFSET 0) AS silent
JOIN customers c ON c.id = silent.id JOIN list l ON {BOOK}
UNION ALL
SELECT {_MINE}, 'no_number', {_NOTHING} FROM mine WHERE NOT :are_many AND {_SILENT.format(id="mine.customer_id")}
UNION ALL
SELECT {_OF}, 'closed_window', {_NOTHING} FROM list l JOIN customers c ON {BOOK}
WHERE cardinality(CAST(:closed_zones AS text[])) > 0 AND c.time_zone = ANY(:closed_zones)
UNION ALL
SELECT {_OF}, 'birthday', c.birth_date, c.name FROM list l JOIN customers c ON {BOOK}
WHERE c.birth_date IS NOT NULL
  AND CAST(extract(month FROM c.birth_date) * 100 + extract(day FROM c.birth_date) AS int) = ANY(:birthdays)
UNION ALL
SELECT {_OF}, 'festival', {_NOTHING} FROM list l JOIN customers c ON {BOOK}
WHERE l.festival IS NOT NULL AND c.tier IN ('core', 'value')
  AND (c.last_contact_at IS NULL OR c.last_contact_at < :greeted_since)
UNION ALL
SELECT {_OF}, 'win_back', {_NOTHING} FROM list l JOIN customers c ON {BOOK}
WHERE c.tier = 'core' AND c.sales_stage = 7 AND c.contract_state = 'expired'
  AND (c.last_contact_at IS NULL OR c.last_contact_at < :lost_since)
"""

# No more for each list than a source's quota allows: the first by tier, then who waited longest.
_PLACED: Final = f"""
SELECT found.*, row_number() OVER (
    PARTITION BY no, kind
    ORDER BY CASE tier WHEN 'core' THEN 1 WHEN 'value' THEN 2 WHEN 'potential' THEN 3 ELSE 4 END,
             last_contact_at NULLS FIRST, customer_id
) AS place
FROM ({_FOUND}) AS found
"""
_BARS: Final = "kind IN ('consent_withdrawn', 'open_complaint', 'called_today', 'closed_window', 'no_number')"
_ON: Final = {**{name: f"l.{name}" for name in QUOTA_NAMES}, "festival": "l.festival IS NOT NULL"}
_WITHIN: Final = " OR ".join(f"(kind = '{name}' AND {_ON[name]} AND place <= {QUOTA[name]})" for name in QUOTA_NAMES)
_POINTS: Final = f"""CASE kind
    WHEN 'contract_ending' THEN CASE WHEN on_day < :in_14 THEN {WEIGHT["contract_ending_7"]}
        WHEN on_day < :in_30 THEN {WEIGHT["contract_ending_14"]} ELSE {WEIGHT["contract_ending_30"]} END
    WHEN 'warranty_ending' THEN {WEIGHT["warranty_ending"]}
    WHEN 'birthday' THEN {WEIGHT["birthday"]}
    WHEN 'festival' THEN {WEIGHT["festival"]}
    WHEN 'win_back' THEN {WEIGHT["win_back"]}
    ELSE 0 END"""
_REASON: Final = """CASE kind
    WHEN 'contract_ending' THEN jsonb_build_object('code', kind, 'day', on_day, 'days',
        CASE WHEN on_day < :in_14 THEN 7 WHEN on_day < :in_30 THEN 14 ELSE 30 END)
    WHEN 'warranty_ending' THEN jsonb_build_object('code', kind, 'day', on_day, 'product', (
        SELECT p.product FROM purchases p WHERE p.id = CAST(told AS uuid)))
    WHEN 'birthday' THEN jsonb_build_object('code', kind, 'name', told, 'day', to_char(on_day, 'MM-DD'))
    WHEN 'festival' THEN l.festival || jsonb_build_object('code', kind)
    WHEN 'win_back' THEN jsonb_build_object('code', kind)
    END"""

MINE: Final = f"SELECT {_OF} FROM list l JOIN customers c ON {BOOK} WHERE NOT :are_many"
"""Who is in the books of lists that are few, read once (`mine`)."""

OCCASIONS: Final = f"""
SELECT no, customer_id,
       coalesce(min(barred) FILTER (WHERE barred <> 'dropped'), min(barred)) AS barred, max(note) AS note,
       bool_or(pinned) AS pinned, sum(points) AS points,
       string_agg(CAST(reason AS text), ',' ORDER BY points DESC, reason) AS reasons
FROM (
    SELECT placed.no, customer_id, CASE WHEN {_BARS} THEN kind END AS barred, CAST(NULL AS text) AS note,
           false AS pinned, {_POINTS} AS points, {_REASON} AS reason
    FROM ({_PLACED}) AS placed JOIN list l ON l.no = placed.no
    WHERE {_BARS} OR {_WITHIN}
    UNION ALL
    SELECT l.no, r.customer_id, CASE r.kind WHEN 'drop' THEN 'dropped' END, r.reason, r.kind = 'pin', 0, NULL
    FROM list l JOIN list_rearrangements r ON r.manager_id = l.manager_id AND r.day = :day AND r.kind <> 'move'
) AS each GROUP BY no, customer_id
"""
"""For each list (`no`) and customer: why they are left out, or what more they are called for.

`barred` is the reason to be left out, `note` goes with it; `points` is what the occasions weigh together, `reasons` the
occasions as JSON, the weightiest first, with commas between them.
"""
