"""What every table has in common: naming, key and time columns, enums as checked text."""

import enum
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Enum,
    MetaData,
    Numeric,
    Text,
    Uuid,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from uuid_utils.compat import uuid7

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


def new_id() -> UUID:
    """A fresh UUIDv7 (RFC 9562), which sorts by when it was made. Made here, so that PostgreSQL 15 to 18 all work."""
    return uuid7()


NEW_ID: Final = """CAST(
    (SELECT lpad(to_hex(CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)), 12, '0') || '7')
    || right(to_hex(4096 + CAST(random() * 4095 AS int)), 3)
    || to_hex(-9223372036854775807 + CAST(random() * 4503599627370495 AS bigint) * 1024 + CAST(random() * 1023 AS int))
    AS uuid)"""
"""The same in SQL, in the words of every PostgreSQL from 15 on, for rows that a statement makes.

The time is looked at once a statement: working it out takes ten times as long as all the rest. Of what is random, 12
bits stand behind the version and 62 behind the variant (binary 10, so that the last half is a negative bigint). They
come from `random()`, seeded for each connection: `gen_random_uuid()` may ask the system for every single id, eight
times as slow, and nobody has to be unable to guess these.
"""


def _values(members: Iterable[enum.Enum]) -> list[str]:
    return [str(member.value) for member in members]


class Base(DeclarativeBase):
    """The declarative base: text for strings, timestamptz for times, jsonb for dicts, varchar and CHECK for enums."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy wants a plain class attribute
        str: Text,
        int: BigInteger,
        UUID: Uuid,
        Decimal: Numeric(14, 2),
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        enum.Enum: Enum(enum.Enum, values_callable=_values, native_enum=False, create_constraint=False, length=32),
    }


def check_enum_members() -> None:
    """Give every enum column of every table a CHECK of its members, written as one array. Called once, by this package.

    PostgreSQL reads a table's CHECKs anew for every statement that writes to it. SQLAlchemy's own `IN (…)` is an
    expression a member, which took a fifth of the ringing call's time in the database; an array is one constant.
    """
    for table in Base.metadata.tables.values():
        for column in table.columns:
            if isinstance(column.type, Enum):
                members = ",".join(column.type.enums)
                table.append_constraint(
                    CheckConstraint(f"{column.name} = ANY ('{{{members}}}'::text[])", name=column.name)
                )


class HasId:
    """A UUIDv7 primary key made by us, never by a provider."""

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id, sort_order=-10)


class HasTimes:
    """When a row was made and last changed, by the database's clock."""

    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), sort_order=90)
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now(), sort_order=91)
