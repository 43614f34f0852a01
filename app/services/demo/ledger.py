"""The rows of the demo's database, as they are made up, and what each customer is worth."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from app.domain.customer_facts import Channel, CustomerKind, Direction
from app.domain.phone_numbers import parse_number
from app.domain.standing import ContractState
from app.models import Tier
from app.services.demo.catalogue import SOLD_IN, Product
from app.services.demo.numbers import NumberBook, as_written
from app.services.demo.people import Name, Place

Row = dict[str, Any]

_TOLD = ("kind", "name", "surname", "latin_name", "latin_surname", "gender", "region", "email")
"""What a feeding system says of who a customer is."""


@dataclass(slots=True)
class Rows:
    """Rows by table, in an order in which they can be inserted: attribute by attribute, parents first."""

    agents: list[Row] = field(default_factory=list)
    agent_presence: list[Row] = field(default_factory=list)
    queues: list[Row] = field(default_factory=list)
    dnis_routes: list[Row] = field(default_factory=list)
    queue_members: list[Row] = field(default_factory=list)
    queue_openings: list[Row] = field(default_factory=list)
    closures: list[Row] = field(default_factory=list)
    customers: list[Row] = field(default_factory=list)
    customer_phones: list[Row] = field(default_factory=list)
    source_records: list[Row] = field(default_factory=list)
    purchases: list[Row] = field(default_factory=list)
    contracts: list[Row] = field(default_factory=list)
    interactions: list[Row] = field(default_factory=list)
    partners: list[Row] = field(default_factory=list)
    complaints: list[Row] = field(default_factory=list)
    complaint_changes: list[Row] = field(default_factory=list)


class Ledger:
    """Writes rows. Everything random comes from `random` and every date counts back from `today`.

    Args:
        today: the day on which the demo is told, local to `zone`; nothing happens on it or later.
        zone: the organisation's.
        random: seeded, so that the same day gives the same rows, ids and all.
        ours: our own numbers and others that no customer may get.
    """

    def __init__(self, today: date, zone: ZoneInfo, random: Random, ours: Sequence[str]) -> None:
        self.today = today
        self.zone = zone
        self.random = random
        self.numbers = NumberBook(random, ours)
        self.rows = Rows()
        self._worth: dict[UUID, Decimal] = {}
        self._phones: set[tuple[UUID, str]] = set()
        self._told: set[UUID] = set()

    def new_id(self, made: datetime) -> UUID:
        """A UUIDv7 (RFC 9562, 5.7) of a moment in the story, random in the ledger's own way."""
        milliseconds = int(made.timestamp() * 1000)
        head = milliseconds << 16 | 0x7000 | self.random.getrandbits(12)
        return UUID(int=head << 64 | 0b10 << 62 | self.random.getrandbits(62))

    def at(self, day: date, clock: time | None = None) -> datetime:
        """A moment of a local day in UTC: at `clock`, else some time in working hours."""
        clock = clock or time(self.random.randint(9, 17), self.random.randint(0, 59), self.random.randint(0, 59))
        return datetime.combine(day, clock, self.zone).astimezone(UTC)

    def ago(self, fewest: int, most: int) -> date:
        """A day so many days back."""
        return self.today - timedelta(days=self.random.randint(fewest, most))

    def customer(self, name: Name, kind: CustomerKind, place: Place, *, since: date, **more: Any) -> Row:
        """A customer without anything; `more` are further columns. What it stands at is filled in later."""
        made = self.at(since)
        row: Row = {
            "id": self.new_id(made),
            "kind": kind,
            "name": name.full,
            "surname": name.surname,
            "latin_name": name.latin,
            "latin_surname": name.latin_surname,
            "title": "",
            "gender": name.gender,
            "email": None,
            "language": "zh-CN" if place.country == "CN" else "en",
            "time_zone": None if place.country == "CN" else place.zone,
            "region": place.country,
            "address": None,
            "tier": None,
            "dcwh": None,
            "sales_stage": 0,
            "intention": None,
            "contract_state": ContractState.NONE,
            "last_contact_at": None,
            "owner_id": None,
            "do_not_call": False,
            "note": "",
            "created_at": made,
            "updated_at": made,
        }
        row.update(more)
        self.rows.customers.append(row)
        self._worth[row["id"]] = Decimal(0)
        return row

    def phone(self, customer: Row, e164: str, label: str, *, raw: str | None = None, primary: bool = False) -> None:
        """A number of a customer, read as it would be from `raw`, or from one of the ways people write it."""
        if (customer["id"], e164) in self._phones:
            return
        self._phones.add((customer["id"], e164))
        number = parse_number(e164, "CN")
        raw = raw or as_written(self.random, e164, number.national or e164)
        assert parse_number(raw, "CN").e164 == number.e164 == e164, f"{raw} is not {e164}"
        self.rows.customer_phones.append({
            "id": self.new_id(customer["created_at"]),
            "customer_id": customer["id"],
            "e164": e164,
            "national_number": number.national_number,
            "bucket": number.bucket,
            "raw": raw,
            "extension": "",
            "label": label,
            "line_type": number.line_type,
            "is_primary": primary,
            "created_at": customer["created_at"],
        })  # fmt: skip

    def purchase(
        self, customer: Row, product: Product, on: date, quantity: int = 1, *, source: str = "shop", model: str = ""
    ) -> None:
        """Something bought on a day, paid in the customer's own currency."""
        currency, rate = SOLD_IN[customer["region"]]
        price = (product.price * rate).quantize(Decimal("0.01"))
        made = self.at(on)
        self.rows.purchases.append({
            "id": self.new_id(made),
            "customer_id": customer["id"],
            "product": product.name,
            "product_en": product.name_en,
            "model": model or product.model,
            "serial_number": f"{on:%y%m%d}{self.random.randint(0, 999_999):06}" if product.warranty_years else "",
            "quantity": quantity,
            "unit": product.unit,
            "amount": price * quantity,
            "currency": currency,
            "purchased_on": on,
            "warranty_until": years_later(on, product.warranty_years) if product.warranty_years else None,
            "source": source,
            "created_at": made,
            "updated_at": made,
        })  # fmt: skip
        self._worth[customer["id"]] += product.price * quantity
        self._touch(customer, made)

    def contract(self, customer: Row, title: str, starts_on: date, ends_on: date, yuan: int) -> None:
        """A contract for so many yuan, or as much in the customer's currency."""
        currency, rate = SOLD_IN[customer["region"]]
        made = self.at(starts_on)
        self.rows.contracts.append({
            "id": self.new_id(made),
            "customer_id": customer["id"],
            "number": f"HT{starts_on:%Y}-{len(self.rows.contracts) + 1:05}",
            "title": title,
            "amount": (yuan * rate).quantize(Decimal("0.01")),
            "currency": currency,
            "starts_on": starts_on,
            "ends_on": ends_on,
            "created_at": made,
            "updated_at": made,
        })  # fmt: skip
        self._worth[customer["id"]] += yuan
        self._touch(customer, made)

    def interaction(
        self,
        customer: Row,
        at: datetime,
        channel: Channel,
        direction: Direction,
        summary: str,
        *,
        agent_id: UUID | None = None,
        source: str = "service",
    ) -> None:
        """One contact."""
        self.rows.interactions.append({
            "id": self.new_id(at),
            "customer_id": customer["id"],
            "channel": channel,
            "direction": direction,
            "at": at,
            "agent_id": agent_id,
            "summary": summary,
            "source": source,
            "created_at": at,
        })  # fmt: skip
        customer["last_contact_at"] = max(customer["last_contact_at"] or at, at)
        self._touch(customer, at)

    def source(self, customer: Row, system: str, external_id: str, payload: Row) -> None:
        """What one feeding system says of a customer; the first one knows who they are."""
        is_first = customer["id"] not in self._told
        self._told.add(customer["id"])
        self.rows.source_records.append({
            "id": self.new_id(customer["created_at"]),
            "source": system,
            "external_id": external_id,
            "customer_id": customer["id"],
            "payload": payload,
            "fields": {name: customer[name] for name in _TOLD if customer[name]} if is_first else {},
            "said_at": customer["created_at"],
            "created_at": customer["created_at"],
            "updated_at": customer["created_at"],
        })  # fmt: skip

    def rank(self) -> list[Row]:
        """Set every tier by what the customer has paid (1, 19, 30, 50 of a hundred); gives them the worthiest first."""
        ranked = sorted(self.rows.customers, key=lambda row: -self._worth[row["id"]])
        total = len(ranked)
        for place, row in enumerate(ranked):
            share = place / total
            row["tier"] = (
                Tier.CORE
                if share < 0.01
                else Tier.VALUE
                if share < 0.2
                else Tier.POTENTIAL
                if share < 0.5
                else Tier.LOW
            )
        return ranked

    @staticmethod
    def _touch(customer: Row, at: datetime) -> None:
        customer["updated_at"] = max(customer["updated_at"], at)


def years_later(day: date, years: int) -> date:
    """The same day `years` later; 29 February becomes 28 where there is none."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return day.replace(year=day.year + years, day=28)
