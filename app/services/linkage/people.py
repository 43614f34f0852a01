"""Records as they are compared: the table `people`, made of the table `records` as it came.

`records` holds text as it came: `id` (BIGINT, ours), `record` (the file's own id), `kind`, the columns of
`domain.person_columns`, and `phones` (an array). `people` holds, under the same `id`, names in letters and characters,
the birth date as eight digits, numbers without what spellings differ in, and how many records share a number or a home.
"""

from collections.abc import Callable, Iterable
from typing import Final

import duckdb
import pyarrow as pa

from app.domain.person_columns import Column
from app.services.linkage.naming import NamePart, given_name, surname, whole_name
from app.services.linkage.workspace import first_row, number

RECORDS: Final = (
    "CREATE OR REPLACE TABLE records (id BIGINT, record VARCHAR, kind VARCHAR, phones VARCHAR[], "
    + ", ".join(f"{column} VARCHAR" for column in Column if column not in {Column.ID, Column.PHONE})
    + ")"
)
"""The table that `prepare` reads, empty."""

_BATCH: Final = 50_000
_PLACEHOLDER_SHARE: Final = 0.01
"""A birth date that more than one in a hundred records have is nobody's, but what a form fills in."""
_PLACEHOLDER_LEAST: Final = 200
_CROWDED_ID: Final = 50
"""An identity number or e-mail address of more records than this says nothing."""

_STREET_TYPES: Final = (
    "street st str road rd avenue ave av place pl crescent cres cr court ct drive dr close cl lane ln parade pde way "
    "circuit cct terrace tce boulevard blvd bvd highway hwy square sq grove gr gardens gdns walk row"
)

_FULL_WIDTH: Final = "translate({}, '０１２３４５６７８９－／．', '0123456789-/.')"

_MACROS: Final = (
    # What is blank is missing; so is what people write for it.
    """CREATE OR REPLACE MACRO filled(t) AS
    CASE WHEN lower(trim(t)) IN ('', 'null', 'none', 'nan', 'n/a', 'na', '-', '无', '不详') THEN NULL
         ELSE trim(t) END""",
    f"CREATE OR REPLACE MACRO half_width(t) AS {_FULL_WIDTH.format('t')}",
    """CREATE OR REPLACE MACRO folded(t) AS
    nullif(trim(regexp_replace(strip_accents(lower(t)), '[\\p{P}\\p{S}\\s]+', ' ', 'g')), '')""",
    f"""CREATE OR REPLACE MACRO street_of(t) AS
    nullif(replace(regexp_replace(regexp_replace(folded(half_width(t)), '[0-9]+[a-z]?\\b|[0-9]+', '', 'g'),
        '\\s+({"|".join(_STREET_TYPES.split())})\\s*$', ''), ' ', ''), '')""",
    """CREATE OR REPLACE MACRO numbers_of(t) AS
    nullif(array_to_string(regexp_extract_all(half_width(t), '[0-9]+'), '-'), '')""",
    """CREATE OR REPLACE MACRO digits_of(t) AS regexp_replace(half_width(t), '[^0-9]', '', 'g')""",
    # A number without country code and trunk prefix, as far as can be told; Chinese mobile numbers in full.
    """CREATE OR REPLACE MACRO line_of(t) AS
    CASE WHEN length(ltrim(digits_of(t), '0')) < 6 OR regexp_full_match(digits_of(t), '(0*)|(1*)|(9*)') THEN NULL
         WHEN regexp_matches(digits_of(t), '^(00)?(86)?1[3-9][0-9]{9}$') THEN right(digits_of(t), 11)
         ELSE right(ltrim(digits_of(t), '0'), 9) END""",
    """CREATE OR REPLACE MACRO date_of(t, day_first) AS
    CASE WHEN regexp_matches(t, '^[0-9]{4}[^0-9]{1,2}[0-9]{1,2}[^0-9]{1,2}[0-9]{1,2}')
           THEN array_to_string(list_transform(regexp_extract_all(t, '[0-9]+')[1:3],
               lambda p: CASE WHEN length(p) < 2 THEN '0' || p ELSE p END), '')
         WHEN regexp_matches(t, '^[0-9]{1,2}[^0-9]{1,2}[0-9]{1,2}[^0-9]{1,2}[0-9]{4}')
           THEN regexp_extract_all(t, '[0-9]+')[3]
             || lpad(regexp_extract_all(t, '[0-9]+')[CASE WHEN day_first THEN 2 ELSE 1 END], 2, '0')
             || lpad(regexp_extract_all(t, '[0-9]+')[CASE WHEN day_first THEN 1 ELSE 2 END], 2, '0')
         WHEN regexp_full_match(t, '[0-9]{8}') AND left(t, 2) NOT IN ('18', '19', '20')
              AND t[5:6] IN ('18', '19', '20')
           THEN right(t, 4) || CASE WHEN day_first THEN t[3:4] || left(t, 2) ELSE left(t, 4) END
         WHEN regexp_full_match(t, '[0-9]{6,9}') THEN t
         ELSE strftime(try_strptime(t, ['%d %b %Y', '%d %B %Y', '%b %d, %Y', '%B %d, %Y']), '%Y%m%d') END""",
    """CREATE OR REPLACE MACRO sex_of(t) AS
    CASE WHEN lower(t) IN ('m', 'male', 'man', 'mr', '男', '1') THEN 'm'
         WHEN lower(t) IN ('f', 'female', 'woman', 'ms', 'mrs', '女', '2') THEN 'f' END""",
    """CREATE OR REPLACE MACRO id_of(t) AS
    CASE WHEN length(t) < 4 OR regexp_full_match(t, '(0*)|(1*)|(9*)|(X*)') THEN NULL ELSE t END""",
)

_PEOPLE: Final = """
CREATE OR REPLACE TABLE people AS
WITH typed AS (
    SELECT r.id, r.record, coalesce(r.kind, 'person') AS kind,
        coalesce(g.key, w.given_key) AS given_key, coalesce(g.latin, w.given_latin) AS given,
        coalesce(g."full", w.given_full) AS given_full, coalesce(g.initials, w.given_initials) AS given_initials,
        coalesce(g.length, w.given_length, 0) AS given_length,
        coalesce(s.key, w.surname_key) AS surname_key, coalesce(s.latin, w.surname_latin) AS surname,
        date_of(half_width(filled(r.date_of_birth)), $day_first) AS birth,
        sex_of(filled(r.sex)) AS sex,
        id_of(upper(regexp_replace(half_width(filled(r.national_id)), '[^0-9A-Za-z]', '', 'g'))) AS national_id,
        CASE WHEN contains(r.email, '@') THEN lower(filled(r.email)) END AS email,
        list_sort(list_distinct(list_filter(list_transform(coalesce(r.phones, []), lambda p: line_of(p)),
            lambda p: p IS NOT NULL))) AS phones,
        street_of(filled(r.address_1)) AS street,
        coalesce(numbers_of(filled(r.street_number)), numbers_of(filled(r.address_1))) AS house,
        street_of(filled(r.address_2)) AS unit,
        folded(filled(r.suburb)) AS suburb,
        nullif(upper(regexp_replace(half_width(filled(r.postcode)), '[^0-9A-Za-z]', '', 'g')), '') AS postcode
    FROM records r
    LEFT JOIN names_given g ON g.raw = r.given_name
    LEFT JOIN names_surname s ON s.raw = r.surname
    LEFT JOIN names_whole w ON w.raw = r.name
)
SELECT t.* REPLACE (
        CASE WHEN given IS NULL AND surname IS NULL THEN NULL ELSE given END AS given,
        coalesce(birth, CASE WHEN regexp_full_match(national_id, '[0-9]{17}[0-9X]') THEN national_id[7:14] END) AS birth
    ),
    -- The same whichever of the two stands first.
    CASE WHEN given IS NULL OR surname IS NULL THEN coalesce(given, surname)
         ELSE least(given, surname) || ' ' || greatest(given, surname) END AS name_pair,
    CASE WHEN given IS NOT NULL AND surname IS NOT NULL
         THEN least(given[1], surname[1]) || greatest(given[1], surname[1]) END AS initials,
    CASE WHEN street IS NOT NULL AND (house IS NOT NULL OR length(street) >= 10)
         THEN street || ' ' || coalesce(house, '') || ' ' || coalesce(suburb, postcode, '') END AS home,
    list_transform(phones, lambda p: right(p, 8)) AS buckets
FROM typed t
"""


# Alike in everything, with a full name, a birth date and one thing more; found before placeholders are taken out.
_IDENTICAL: Final = """
CREATE OR REPLACE TABLE identical AS
SELECT first, id FROM (
    SELECT id, min(id) OVER (
        PARTITION BY kind, given_key, surname_key, birth, national_id, email, phones, street, house, suburb, postcode
    ) AS first
    FROM people
    WHERE given_key IS NOT NULL AND surname_key IS NOT NULL AND birth IS NOT NULL
        AND (national_id IS NOT NULL OR email IS NOT NULL OR len(phones) > 0 OR home IS NOT NULL)
)
WHERE first <> id
"""


def prepare(db: duckdb.DuckDBPyConnection) -> int:
    """Make the table `people` of `records`, which is dropped. Returns how many there are.

    Beside it `identical` (`first`, `id`) names the records that repeat another one in everything.
    """
    for macro in _MACROS:
        db.execute(macro)
    _map_names(db, "names_given", Column.GIVEN_NAME, lambda text: [given_name(text)], ("",))
    _map_names(db, "names_surname", Column.SURNAME, lambda text: [surname(text)], ("",))
    _map_names(db, "names_whole", Column.NAME, whole_name, ("given_", "surname_"))
    db.execute(_PEOPLE, {"day_first": _day_first(db)})
    for table in ("records", "names_given", "names_surname", "names_whole"):
        db.execute(f"DROP TABLE {table}")
    db.execute(_IDENTICAL)
    _forget_placeholders(db)
    _count_crowds(db)
    return number(db, "SELECT count(*) FROM people")


def _map_names(
    db: duckdb.DuckDBPyConnection,
    table: str,
    column: Column,
    read: Callable[[str], Iterable[NamePart]],
    prefixes: tuple[str, ...],
) -> None:
    """Read every distinct name once: there are far fewer of them than people."""
    names = [f"{prefix}{name}" for prefix in prefixes for name in NamePart._fields]
    types = ["INTEGER" if name.endswith("length") else "VARCHAR" for name in names]
    fields = ", ".join(f'"{name}" {kind}' for name, kind in zip(names, types, strict=True))
    db.execute(f"CREATE OR REPLACE TABLE {table} (raw VARCHAR, {fields})")
    distinct = db.cursor().execute(f"SELECT DISTINCT {column} FROM records WHERE filled({column}) IS NOT NULL")
    while rows := distinct.fetchmany(_BATCH):
        raw = [str(row[0]) for row in rows]
        read_parts = [[value for part in read(text) for value in part] for text in raw]
        columns = list(zip(*read_parts, strict=True))
        batch = pa.table({"raw": raw, **dict(zip(names, map(list, columns), strict=True))})
        db.register("batch", batch)
        db.execute(f"INSERT INTO {table} SELECT * FROM batch")
        db.unregister("batch")


def _day_first(db: duckdb.DuckDBPyConnection) -> bool:
    """Whether dates such as 3/4/1980 begin with the day: they do, unless the file's own dates say otherwise."""
    ahead, behind = first_row(
        db,
        """
        SELECT count(*) FILTER (first > 12), count(*) FILTER (second > 12)
        FROM (
            SELECT TRY_CAST(parts[1] AS INTEGER) AS first, TRY_CAST(parts[2] AS INTEGER) AS second
            FROM (
                SELECT regexp_extract_all(half_width(date_of_birth), '[0-9]+') AS parts FROM records
                WHERE regexp_matches(half_width(date_of_birth), '^\\s*[0-9]{1,2}[^0-9]+[0-9]{1,2}[^0-9]+[0-9]{4}')
            )
        )
        """,
    )
    return bool(ahead >= behind)


def _forget_placeholders(db: duckdb.DuckDBPyConnection) -> None:
    """Take out values that so many have that they are none."""
    everybody = number(db, "SELECT count(*) FROM people")
    most = max(_PLACEHOLDER_LEAST, int(everybody * _PLACEHOLDER_SHARE))
    for column, limit in (("birth", most), ("national_id", _CROWDED_ID), ("email", _CROWDED_ID)):
        common = f"SELECT {column} FROM people WHERE {column} IS NOT NULL GROUP BY 1 HAVING count(*) > {limit}"
        found = [row[0] for row in db.execute(common).fetchall()]
        if found:
            db.execute(f"UPDATE people SET {column} = NULL WHERE list_contains($found, {column})", {"found": found})


def _count_crowds(db: duckdb.DuckDBPyConnection) -> None:
    """How many records share the number that is shared by most, and the home."""
    db.execute("""
        CREATE OR REPLACE TABLE people_counted AS
        WITH lines AS (SELECT id, unnest(phones) AS line FROM people),
        shared AS (SELECT line, count(*) AS sharers FROM lines GROUP BY line HAVING count(*) > 1),
        crowds AS (SELECT id, max(sharers) AS sharers FROM lines JOIN shared USING (line) GROUP BY id),
        homes AS (SELECT home, count(*) AS sharers FROM people WHERE home IS NOT NULL GROUP BY home HAVING count(*) > 1)
        SELECT p.*, coalesce(c.sharers, 1)::INTEGER AS phone_crowd, coalesce(h.sharers, 1)::INTEGER AS home_crowd
        FROM people p LEFT JOIN crowds c USING (id) LEFT JOIN homes h ON h.home = p.home
    """)
    db.execute("DROP TABLE people")
    db.execute("ALTER TABLE people_counted RENAME TO people")
