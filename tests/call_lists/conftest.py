"""What the tests of lists share."""

import pytest

from app.services.call_lists import inputs


@pytest.fixture(params=[inputs._MANY, 1], ids=["asked of each book", "asked of all customers at once"])
def both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What other tables tell of customers is gathered in the way of few lists, and in the way of many."""
    monkeypatch.setattr(inputs, "_MANY", request.param)
