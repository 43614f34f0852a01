"""What a customer is worth: order amount × orders a year × years, as salespeople are taught to reckon it.

The first two are observed; how many years a customer stays is an assumption of the house, so it is always shown beside
the result. A day's purchases are one order. Money of different currencies is never added up.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

DAYS_A_YEAR: Final = Decimal("365.25")
_CENT: Final = Decimal("0.01")
_TENTH: Final = Decimal("0.1")


@dataclass(frozen=True, slots=True)
class Orders:
    """What a customer ordered in one currency: how many orders, what they came to, and when the first was."""

    currency: str
    count: int
    total: Decimal
    first_on: date


@dataclass(frozen=True, slots=True)
class LifetimeValue:
    """A customer's value in one currency, with all that it was reckoned from.

    Attributes:
        average_order: money an order.
        orders_a_year: as seen since the first order; one year is the least that counts, so that a first purchase of
            last week is not taken for one a week.
        years: the assumption.
        value: their product, to the cent.
    """

    currency: str
    orders: int
    average_order: Decimal
    orders_a_year: Decimal
    years: int
    value: Decimal


def lifetime_values(orders: Iterable[Orders], today: date, years: int) -> list[LifetimeValue]:
    """A customer's value on `today`, the greatest amount first, if they stay for `years`; nothing without orders."""
    values = [_value(each, today, years) for each in orders if each.count > 0]
    return sorted(values, key=lambda each: (-each.value, each.currency))


def _value(orders: Orders, today: date, years: int) -> LifetimeValue:
    seen = max(Decimal((today - orders.first_on).days) / DAYS_A_YEAR, Decimal(1))
    return LifetimeValue(
        currency=orders.currency,
        orders=orders.count,
        average_order=(orders.total / orders.count).quantize(_CENT),
        orders_a_year=(orders.count / seen).quantize(_TENTH),
        years=years,
        # From the exact figures: the rounded ones beside it are for people.
        value=(orders.total / seen * years).quantize(_CENT),
    )
