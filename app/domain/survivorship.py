"""Whose word counts: the rule by which several records of one customer become one.

Every record says something about some fields. For each field the record that is believed most and says anything about
it decides, also when it says that there is none:

1. an edit by hand beats every source;
2. a source that is trusted beats one that is not;
3. a source of higher rank beats one of lower;
4. the newest word counts, by the time at which the source said it;
5. of two at the very same moment, the record that was made later here.

What nobody says is *derived* where a record lets it be (time zone and language, `domain/derived.py`), in the same
order. The rule is applied by one SQL statement (`services/survivorship.py`), which tests hold against this one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

HAND: Final = "hand"
"""The source of what people here typed themselves."""
OWN: Final = "own"
"""What a customer's row said before any source was heard; the last to be believed."""
DERIVED: Final = "derived"
"""What follows from the numbers and the place that people here typed."""
RESERVED: Final = frozenset({HAND, OWN, DERIVED})
"""Sources that no feeding system can have as its name."""

NULLABLE: Final = (
    "email",
    "language",
    "time_zone",
    "region",
    "city",
    "postcode",
    "address",
    "birth_date",
    "national_id",
    "occupation",
    "income_band",
    "marital_status",
    "education",
    "industry",
    "company_size",
    "site",
    "contacts",
)
FIELDS: Final = (
    "kind",
    "name",
    "surname",
    "latin_name",
    "latin_surname",
    "title",
    "gender",
    "do_not_call",
    *NULLABLE,
)
"""The fields that are worked out from records. What we make of a customer (tier, stage, owner, note) is not."""
DERIVABLE: Final = ("language", "time_zone")


@dataclass(frozen=True, slots=True)
class Record:
    """What one record says, and how far it is believed.

    Attributes:
        id: a UUIDv7: of two records the later one is greater.
        fields: what is said, by name of field; None says that there is none. What is not said is not in it.
        derived: what follows from what is said.
    """

    id: UUID
    source: str
    said_at: datetime
    fields: Mapping[str, Any]
    derived: Mapping[str, Any] = field(default_factory=dict)
    trusted: bool = True
    rank: int = 0
    agent_id: UUID | None = None

    @property
    def precedence(self) -> tuple[int, bool, int, datetime, UUID]:
        """Greater is believed more."""
        place = 1 if self.source == HAND else -1 if self.source in RESERVED else 0
        return (place, self.trusted, self.rank, self.said_at, self.id)


@dataclass(frozen=True, slots=True)
class Word:
    """The word that counts for a field, and whose it is; `is_derived`: it only follows from what that record says."""

    value: Any
    record: Record
    is_derived: bool = False


def settle(records: Iterable[Record]) -> dict[str, Word]:
    """The words that count, by field; a field of which nobody says anything is not in it."""
    ordered = sorted(records, key=lambda record: record.precedence)
    said = {name: Word(value, record) for record in ordered for name, value in record.fields.items()}
    derived = {name: Word(value, record, True) for record in ordered for name, value in record.derived.items()}
    for name in DERIVABLE:
        if name in derived and (name not in said or said[name].value is None):
            said[name] = derived[name]
    return said
