"""Time zone and language where nobody says them."""

from zoneinfo import ZoneInfo

import pytest

from app.domain.derived import _COUNTRIES, derive
from app.domain.phone_numbers import parse_number


@pytest.mark.parametrize(
    ("number", "region", "zone", "language"),
    [
        ("138 0013 8000", None, "Asia/Shanghai", "zh-CN"),
        ("138 0013 8000", "江苏", "Asia/Shanghai", "zh-CN"),
        ("138 0013 8000", "JP", "Asia/Tokyo", "ja-JP"),
        ("+1 212 555 0123", None, "America/New_York", "en-US"),
        ("+1 212 555 0123", "US", "America/New_York", "en-US"),
        ("+61 412 345 678", None, None, "en-AU"),
        (None, "HK", "Asia/Hong_Kong", "zh-HK"),
        (None, "US", None, "en-US"),
        (None, "江苏", None, None),
        (None, None, None, None),
        ("10086", None, None, None),
    ],
)
def test_what_follows(number: str | None, region: str | None, zone: str | None, language: str | None) -> None:
    derived = derive(parse_number(number, "CN") if number else None, region)

    assert (derived.get("time_zone"), derived.get("language")) == (zone, language)


def test_every_zone_is_one() -> None:
    assert all(ZoneInfo(zone) for _, zone in _COUNTRIES.values() if zone)
