"""Which pairs of records are worth comparing: those that share a key that not too many share.

A million records make 5 * 10^11 pairs. Each key below brings together records that agree in it; a value that more share
than the key's limit (a switchboard's number, the name Wang Wei) brings nobody together, and a key that would take the
pairs past the budget is read with a smaller limit, or left out. Keys come in the order of their worth.
"""

from dataclasses import dataclass
from typing import Final

import duckdb

from app.services.linkage.workspace import number

PAIRS_A_RECORD: Final = 10
"""How many pairs may be compared, for each record, beside `LEAST_PAIRS`."""
LEAST_PAIRS: Final = 300_000
_LEAST_LIMIT: Final = 4


@dataclass(frozen=True, slots=True)
class Key:
    """What records may have in common.

    Attributes:
        name: for reports.
        value: SQL over a row of `people`; NULL brings nobody together.
        limit: from more records than this one value is not taken.
    """

    name: str
    value: str
    limit: int


KEYS: Final = (
    Key("national id", "national_id", 50),
    Key("e-mail", "email", 50),
    Key("name and birth date", "name_pair || '|' || birth", 100),
    Key("number", "unnest(phones)", 24),
    Key("name and number", "name_pair || '|' || unnest(phones)", 100),
    Key("name and home", "name_pair || '|' || home", 100),
    Key("surname and birth date", "surname || '|' || birth", 50),
    Key("given name and birth date", "given || '|' || birth", 50),
    Key("home and birth date", "coalesce(home, street) || '|' || birth", 50),
    Key("initials and birth date", "initials || '|' || birth", 50),
    Key("postcode and birth date", "coalesce(postcode, suburb) || '|' || birth", 50),
    Key("name and postcode", "name_pair || '|' || coalesce(postcode, suburb)", 50),
    Key("name and street", "name_pair || '|' || street", 50),
    Key("home", "home", 16),
    Key("number's ending", "unnest(buckets)", 24),
    Key("initials, house and postcode", "initials || '|' || house || '|' || postcode", 24),
    Key("initials, house and suburb", "initials || '|' || house || '|' || suburb", 24),
    Key("surname and street", "surname || '|' || street", 24),
    Key("given name and street", "given || '|' || street", 24),
    Key("name", "name_pair", 16),
    Key("given name and postcode", "given || '|' || coalesce(postcode, suburb)", 16),
    Key("surname and postcode", "surname || '|' || coalesce(postcode, suburb)", 16),
    Key("house and street", "house || '|' || street", 16),
    Key("birth date", "birth", 40),
    Key("street", "street", 16),
)


def find_pairs(db: duckdb.DuckDBPyConnection, *, only_with: str | None = None) -> int:
    """Make the table `pairs` (`join_key_l` < `join_key_r`, ids of `people`). Returns how many there are.

    Args:
        only_with: SQL that says of a row of `people` whether it is new; pairs of two old records are left out.
    """
    db.execute("CREATE OR REPLACE TABLE found (a BIGINT, b BIGINT)")
    left = LEAST_PAIRS + PAIRS_A_RECORD * number(db, "SELECT count(*) FROM people")
    for key in KEYS:
        left -= _find_by(db, key, left, only_with)
    db.execute("""
        CREATE OR REPLACE TABLE pairs AS
        SELECT a AS join_key_l, b AS join_key_r, '0' AS match_key FROM (SELECT DISTINCT a, b FROM found)
    """)
    db.execute("DROP TABLE found")
    return number(db, "SELECT count(*) FROM pairs")


def _find_by(db: duckdb.DuckDBPyConnection, key: Key, budget: int, only_with: str | None) -> int:
    """Add a key's pairs as far as the budget goes. Returns how many were added."""
    is_new = only_with or "true"
    db.execute(f"""
        CREATE OR REPLACE TEMP TABLE keyed AS
        WITH valued AS (SELECT id, hash(v) AS key, is_new
                        FROM (SELECT id, {key.value} AS v, {is_new} AS is_new FROM people) WHERE v IS NOT NULL),
        shared AS (SELECT key, count(*) AS sharers FROM valued GROUP BY key
                   HAVING sharers BETWEEN 2 AND {key.limit} AND bool_or(is_new))
        SELECT id, key, is_new, sharers FROM valued JOIN shared USING (key)
    """)
    limit = key.limit
    while limit >= _LEAST_LIMIT:
        # Of n sharers each meets n - 1 others, and every pair is met twice.
        if number(db, f"SELECT sum(sharers - 1) / 2 FROM keyed WHERE sharers <= {limit}") <= budget:
            return number(
                db,
                f"""
                INSERT INTO found
                SELECT l.id, r.id FROM keyed l JOIN keyed r ON l.key = r.key AND l.id < r.id
                WHERE l.sharers <= {limit} AND (l.is_new OR r.is_new)
                """,
            )
        limit //= 2
    return 0
