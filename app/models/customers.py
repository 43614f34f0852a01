"""Customers and what sales, service and marketing know of them."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    Sequence,
    String,
    UniqueConstraint,
    and_,
    func,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import JSON, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.customer_facts import Channel, CustomerKind, Direction, Gender, MaritalStatus
from app.domain.phone_numbers import LineType, bucket_of
from app.domain.standing import ContractState, Dcwh, Intention, Tier
from app.models.base import Base, HasId, HasTimes

CUSTOMER_CODE = Sequence("customer_code_seq", metadata=Base.metadata, start=1001)
"""Customer codes count up from C0001001."""


def _known_by_source(table: str) -> Index:
    """What a feeding system told of it is known by that system's own id, and told again it is the same one."""
    return Index(
        f"uq_{table}_source_external_id",
        "source",
        "external_id",
        unique=True,
        postgresql_where=text("external_id IS NOT NULL"),
    )


class InteractionKind(StrEnum):
    """What a contact was about, where that matters to whoever reads it."""

    CONTACT = "contact"
    COMPLAINT = "complaint"
    """A complaint of the past that another system took; it is only remembered here, not worked on."""


class Customer(HasId, HasTimes, Base):
    """A person or a company, with one code that can be read out.

    `surname` and `title` decide how the agent addresses them ("鲁先生", "Mr Lu", the latter from the Latin forms, which
    are worked out of a Chinese name where nobody gave them). `version` rises with every change of the record, for PATCH
    with If-Match.

    Where they stand in selling (`domain/standing.py`): `sales_stage` is 0 to 7, `dcwh` follows from stage, intention
    and `contract_state`, which follows from the contracts and the day. `next_call_at` is when we said that we would
    call, `last_contact_at` when we last spoke with them or wrote, on any channel; both may pass without a new version.

    Who the customer is and their background are worked out from the source records (`services/survivorship.py`);
    `settled_at` is when that was done first, None for a row that was written without any. A customer who was merged
    into another one stays as a signpost: `merged_into_id`. `contacts` are a company's people: name, role, phone, email.
    """

    __tablename__ = "customers"
    __table_args__ = (
        CheckConstraint("sales_stage BETWEEN 0 AND 7", name="sales_stage"),
        # Most customers of an import are nobody's, and cost the indexes of books nothing.
        Index("ix_customers_owner_id", "owner_id", postgresql_where=text("owner_id IS NOT NULL")),
        # A whole book is read at a time, for the daily list, out of the index alone.
        Index(
            "ix_customers_book",
            "owner_id",
            "id",
            postgresql_include=[
                "sales_stage",
                "intention",
                "contract_state",
                "next_call_at",
                "last_contact_at",
                "do_not_call",
                "tier",
                "time_zone",
            ],
            postgresql_where=text("owner_id IS NOT NULL AND merged_into_id IS NULL AND erased_at IS NULL"),
        ),
        Index(
            "ix_customers_birthday",
            literal_column("CAST(extract(month FROM birth_date) * 100 + extract(day FROM birth_date) AS int)"),
            "owner_id",
            postgresql_where=text("birth_date IS NOT NULL AND owner_id IS NOT NULL"),
        ),
        Index(
            "ix_customers_lost",
            "owner_id",
            postgresql_where=text("tier = 'core' AND sales_stage = 7 AND contract_state = 'expired'"),
        ),
        Index("ix_customers_next_call_at", "next_call_at", postgresql_where=text("next_call_at IS NOT NULL")),
        Index("ix_customers_email_lower", literal_column("lower(email)"), postgresql_where=text("email IS NOT NULL")),
        Index("ix_customers_birth_date", "birth_date", postgresql_where=text("birth_date IS NOT NULL")),
        Index("ix_customers_national_id", "national_id", postgresql_where=text("national_id IS NOT NULL")),
        Index(
            "ix_customers_latin_name_lower",
            literal_column("lower(latin_name)"),
            postgresql_where=text("latin_name <> ''"),
        ),
        Index("ix_customers_merged_into_id", "merged_into_id", postgresql_where=text("merged_into_id IS NOT NULL")),
    )

    code: Mapped[str] = mapped_column(
        # Seven digits at least: `lpad` would cut the eighth off and give a code twice.
        unique=True,
        server_default=text("'C' || to_char(nextval('customer_code_seq'), 'FM999999990000000')"),
    )
    kind: Mapped[CustomerKind] = mapped_column(server_default=CustomerKind.PERSON.value)
    name: Mapped[str]
    surname: Mapped[str] = mapped_column(server_default="")
    latin_name: Mapped[str] = mapped_column(server_default="")
    latin_surname: Mapped[str] = mapped_column(server_default="")
    title: Mapped[str] = mapped_column(server_default="")
    gender: Mapped[Gender] = mapped_column(server_default=Gender.UNKNOWN.value)
    email: Mapped[str | None]
    language: Mapped[str | None]
    time_zone: Mapped[str | None]
    region: Mapped[str | None]
    city: Mapped[str | None]
    postcode: Mapped[str | None]
    address: Mapped[str | None]
    birth_date: Mapped[date | None]
    national_id: Mapped[str | None]
    occupation: Mapped[str | None]
    income_band: Mapped[str | None]
    marital_status: Mapped[MaritalStatus | None]
    education: Mapped[str | None]
    industry: Mapped[str | None]
    company_size: Mapped[str | None]
    site: Mapped[str | None]
    contacts: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB(none_as_null=True))
    tier: Mapped[Tier | None]
    dcwh: Mapped[Dcwh | None] = mapped_column(server_default=Dcwh.COLD.value)
    sales_stage: Mapped[int] = mapped_column(server_default=text("0"))
    intention: Mapped[Intention | None]
    contract_state: Mapped[ContractState] = mapped_column(server_default=ContractState.NONE.value)
    next_call_at: Mapped[datetime | None]
    last_contact_at: Mapped[datetime | None]
    owner_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"))
    do_not_call: Mapped[bool] = mapped_column(server_default=text("false"))
    note: Mapped[str] = mapped_column(server_default="")
    merged_into_id: Mapped[UUID | None] = mapped_column(ForeignKey("customers.id", ondelete="SET NULL"))
    settled_at: Mapped[datetime | None]
    erased_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(server_default=text("1"))

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - SQLAlchemy wants a plain class attribute


class CustomerPhone(HasId, Base):
    """One number of a customer. `bucket` is what `bucket_of` makes of the E.164 form: a caller is looked up by it.

    `wrong_since`: somebody rang it and it was not theirs, or not in service. It is kept, but not dialled any more, and
    whoever rings from it is not taken for them.
    """

    __tablename__ = "customer_phones"
    __table_args__ = (
        # Callers are looked up by it, and whoever rings from a number that is known to be wrong is somebody else; and
        # nobody has a number twice, for the bucket follows from the number.
        UniqueConstraint("bucket", "e164", "customer_id", postgresql_include=["wrong_since"]),
        Index("ix_customer_phones_customer_id_wrong_since", "customer_id", "wrong_since"),
        Index(
            "uq_customer_phones_primary",
            "customer_id",
            unique=True,
            postgresql_where=text("is_primary"),
        ),
        # The length apart: with `{3,17}` in the pattern every number takes five times as long.
        CheckConstraint("e164 ~ '^\\+[1-9][0-9]+$' AND length(e164) BETWEEN 5 AND 19", name="e164"),
        CheckConstraint("bucket = right(substr(e164, 2), 8)", name="bucket"),
    )

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"))
    e164: Mapped[str] = mapped_column(String(20))
    national_number: Mapped[str] = mapped_column(String(20))
    bucket: Mapped[str] = mapped_column(String(8))
    raw: Mapped[str]
    extension: Mapped[str] = mapped_column(server_default="")
    label: Mapped[str] = mapped_column(server_default="")
    line_type: Mapped[LineType] = mapped_column(server_default=LineType.UNKNOWN.value)
    is_primary: Mapped[bool] = mapped_column(server_default=text("false"))
    wrong_since: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    @classmethod
    def is_number(cls, e164: str) -> ColumnElement[bool]:
        """The condition that it is exactly this number and not known to be wrong, in the words of the index."""
        return and_(cls.bucket == bucket_of(e164), cls.e164 == e164, cls.wrong_since.is_(None))


class SourceRecord(HasId, HasTimes, Base):
    """What one feeding system says of a customer: `payload` as it came, `fields` as we read it.

    `fields` holds only what is said, in the customer's own columns and forms; null says that there is none. `derived`
    is what follows from it and holds where nobody says it (`domain/derived.py`). `said_at` is when the source said so,
    `updated_at` when that last changed here. `content_hash` is of all that the source said, so that an unchanged row is
    told without comparing it.

    An edit by hand is a record of the source `hand` for each customer and field, with who did it: `agent_id`.
    """

    __tablename__ = "source_records"
    __table_args__ = (UniqueConstraint("source", "external_id"),)

    source: Mapped[str]
    external_id: Mapped[str]
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"), index=True)
    # Kept as texts, which are taken in for less: the payload is only shown, and settling reads the others whole.
    payload: Mapped[dict[str, Any]] = mapped_column(JSON)
    fields: Mapped[dict[str, Any]] = mapped_column(JSON, server_default=text("'{}'"))
    derived: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    said_at: Mapped[datetime] = mapped_column(server_default=func.now())
    content_hash: Mapped[bytes | None]
    agent_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"))


class Purchase(HasId, HasTimes, Base):
    """Something the customer bought. Its warranty holds up to and including `warranty_until`."""

    __tablename__ = "purchases"
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity"),
        CheckConstraint("(amount IS NULL) = (currency IS NULL)", name="amount_has_currency"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
        Index(
            "ix_purchases_warranty_until",
            "warranty_until",
            postgresql_include=["customer_id", "id"],
            postgresql_where=text("warranty_until IS NOT NULL"),
        ),
        Index("ix_purchases_customer_id_purchased_on", "customer_id", text("purchased_on DESC"), "id"),
        Index(
            "ix_purchases_serial_number",
            literal_column("upper(serial_number)").label("serial"),
            postgresql_ops={"serial": "text_pattern_ops"},
            postgresql_where=text("serial_number <> ''"),
        ),
        _known_by_source("purchases"),
    )

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"))
    product: Mapped[str]
    product_en: Mapped[str] = mapped_column(server_default="")
    model: Mapped[str] = mapped_column(server_default="")
    serial_number: Mapped[str] = mapped_column(server_default="")
    quantity: Mapped[int] = mapped_column(server_default=text("1"))
    unit: Mapped[str] = mapped_column(server_default="")
    amount: Mapped[Decimal | None]
    currency: Mapped[str | None] = mapped_column(String(3))
    purchased_on: Mapped[date]
    warranty_until: Mapped[date | None]
    source: Mapped[str] = mapped_column(server_default="")
    external_id: Mapped[str | None]


class Contract(HasId, HasTimes, Base):
    """An agreement with a customer; whether it has run out follows from `ends_on`, so it is not stored with it."""

    __tablename__ = "contracts"
    __table_args__ = (
        CheckConstraint("ends_on >= starts_on", name="ends_after_start"),
        CheckConstraint("(amount IS NULL) = (currency IS NULL)", name="amount_has_currency"),
        Index("ix_contracts_ends_on", "ends_on", postgresql_include=["customer_id"]),
        Index("ix_contracts_customer_id_ends_on", "customer_id", text("ends_on DESC"), "id"),
        _known_by_source("contracts"),
    )

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"))
    number: Mapped[str]
    title: Mapped[str] = mapped_column(server_default="")
    amount: Mapped[Decimal | None]
    currency: Mapped[str | None] = mapped_column(String(3))
    starts_on: Mapped[date]
    ends_on: Mapped[date]
    source: Mapped[str] = mapped_column(server_default="")
    external_id: Mapped[str | None]


class Interaction(HasId, Base):
    """One contact with the customer on any channel, as the card shows it."""

    __tablename__ = "interactions"
    __table_args__ = (
        Index("ix_interactions_customer_id_at", "customer_id", text("at DESC")),
        _known_by_source("interactions"),
    )

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"))
    channel: Mapped[Channel]
    direction: Mapped[Direction]
    at: Mapped[datetime]
    agent_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"))
    call_id: Mapped[UUID | None] = mapped_column(ForeignKey("calls.id", ondelete="SET NULL"), unique=True)
    kind: Mapped[InteractionKind] = mapped_column(server_default=InteractionKind.CONTACT.value)
    summary: Mapped[str]
    source: Mapped[str] = mapped_column(server_default="")
    external_id: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
