"""What a customer is worth, by the formula that can be followed with a pencil."""

from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from app.domain.customer_value import LifetimeValue, Orders, lifetime_values

TODAY = date(2026, 11, 27)


def test_order_amount_times_orders_a_year_times_years() -> None:
    # Three orders of 3,299 on average since 27 November 2023: one a year, for five years.
    (value,) = lifetime_values([Orders("CNY", 3, Decimal("9897.00"), date(2023, 11, 27))], TODAY, years=5)

    assert value == LifetimeValue(
        currency="CNY",
        orders=3,
        average_order=Decimal("3299.00"),
        orders_a_year=Decimal("1.0"),
        years=5,
        # 9,897 in 1,096 days, reckoned to 5 years of 365.25 days
        value=Decimal("16491.24"),
    )


def test_a_first_order_of_last_week_is_one_a_year_and_not_fifty() -> None:
    (value,) = lifetime_values([Orders("CNY", 1, Decimal(100), date(2026, 11, 20))], TODAY, years=3)

    assert (value.orders_a_year, value.value) == (Decimal("1.0"), Decimal("300.00"))


def test_currencies_are_never_added_up_and_the_greatest_amount_is_first() -> None:
    orders = [Orders("USD", 1, Decimal(10), TODAY), Orders("CNY", 2, Decimal(900), TODAY)]

    assert [(value.currency, value.value) for value in lifetime_values(orders, TODAY, years=2)] == [
        ("CNY", Decimal("1800.00")),
        ("USD", Decimal("20.00")),
    ]


def test_nothing_bought_is_worth_nothing_yet() -> None:
    assert lifetime_values([], TODAY, years=5) == []
    assert lifetime_values([Orders("CNY", 0, Decimal(0), TODAY)], TODAY, years=5) == []


@given(
    st.integers(1, 1000),
    st.decimals(0, 10_000_000, places=2),
    st.dates(date(1970, 1, 1), TODAY),
    st.integers(1, 50),
)
def test_it_grows_with_the_years_and_is_never_negative(count: int, total: Decimal, first: date, years: int) -> None:
    orders = [Orders("CNY", count, total, first)]
    (value,), (longer,) = lifetime_values(orders, TODAY, years), lifetime_values(orders, TODAY, years + 1)

    assert 0 <= value.value <= longer.value
    assert value.value <= total * years
