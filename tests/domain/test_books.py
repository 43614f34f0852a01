"""Claims to customers: the rule gives the same owner in whatever order people claim."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.books import IN_WORDS, ClaimOutcome, ClaimReason, Holding, settle_claim

NOW = datetime(2026, 11, 27, 3, tzinfo=UTC)
PROTECTION = timedelta(days=90)


def days_ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


@pytest.mark.parametrize(
    ("first_contact", "holding", "reason"),
    [
        (None, None, ClaimReason.NO_VALID_CONTACT),
        (days_ago(1), None, ClaimReason.NO_OWNER),
        # Given by hand: the assignment protects, then each contact does.
        (days_ago(80), Holding(days_ago(10), None), ClaimReason.OWNER_PROTECTED),
        (days_ago(80), Holding(days_ago(400), days_ago(89)), ClaimReason.OWNER_PROTECTED),
        (days_ago(1), Holding(days_ago(400), days_ago(90)), ClaimReason.PROTECTION_OVER),
        (days_ago(1), Holding(days_ago(90), None), ClaimReason.PROTECTION_OVER),
        # Had by a claim: the first contact decides.
        (days_ago(20), Holding(days_ago(1), days_ago(2), claimed_by=days_ago(10)), ClaimReason.EARLIER_CONTACT),
        (days_ago(10), Holding(days_ago(1), days_ago(2), claimed_by=days_ago(10)), ClaimReason.OWNER_PROTECTED),
        (days_ago(5), Holding(days_ago(1), days_ago(2), claimed_by=days_ago(10)), ClaimReason.OWNER_PROTECTED),
    ],
)
def test_which_part_of_the_rule_decides(
    first_contact: datetime | None, holding: Holding | None, reason: ClaimReason
) -> None:
    verdict = settle_claim(first_contact, holding, NOW, PROTECTION)

    assert verdict.reason is reason
    refused = reason in (ClaimReason.NO_VALID_CONTACT, ClaimReason.OWNER_PROTECTED)
    assert (verdict.outcome is ClaimOutcome.REFUSED) == refused
    assert (verdict.protected_until is not None) == (reason is ClaimReason.OWNER_PROTECTED)


def test_until_when_an_owner_is_protected_is_said() -> None:
    verdict = settle_claim(days_ago(3), Holding(days_ago(400), days_ago(30)), NOW, PROTECTION)

    assert verdict.protected_until == NOW + timedelta(days=60)


@given(st.lists(st.floats(0.1, 89.9), min_size=2, max_size=4, unique=True))
def test_whoever_had_the_first_contact_has_the_customer_in_the_end_whoever_claims_first(days: list[float]) -> None:
    """Everybody claims once, in every order, within a day."""
    contacts = [days_ago(each) for each in days]
    earliest = contacts.index(min(contacts))
    for order in permutations(range(len(contacts))):
        owner: int | None = None
        for turn, claimant in enumerate(order):
            now = NOW + timedelta(minutes=turn)
            holding = None if owner is None else Holding(now, contacts[owner], claimed_by=contacts[owner])
            verdict = settle_claim(contacts[claimant], holding, now, PROTECTION)
            if verdict.outcome is ClaimOutcome.GRANTED:
                owner = claimant
        assert owner == earliest


def test_every_reason_has_words_in_both_languages() -> None:
    assert IN_WORDS.keys() == set(ClaimReason)
    for zh, en in IN_WORDS.values():
        assert any("\u4e00" <= char <= "\u9fff" for char in zh)
        assert en.isascii()
