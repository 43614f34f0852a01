"""At which hour a customer is best rung, by when they answered before.

With few tries chance rules: who answered once at three is not a customer who always answers at three. So each hour
starts from what the customer does at any hour, as if it had been tried `PRIOR` times already with that result, and the
hours beside it count for a half (`NEARBY`), for nobody lives by the clock's strokes.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

PRIOR: Final = 4.0
NEARBY: Final = 0.5
USUAL: Final = 0.3
"""The share of calls that are answered, as long as nothing is known of a customer."""


@dataclass(frozen=True, slots=True)
class Try:
    """One call to a customer, or one of theirs, which shows that they were at the phone: the hour at their place."""

    hour: int
    answered: bool


@dataclass(frozen=True, slots=True)
class BestHour:
    """An hour, the chance (0 to 1) that they answer in it, and of how many tries we know in all."""

    hour: int
    chance: float
    tries: int


def chances(tries: Iterable[Try], hours: Collection[int]) -> dict[int, float]:
    """By hour, the chance that a customer answers: smoothed, so never 0 or 1."""
    told = list(tries)
    overall = (sum(each.answered for each in told) + PRIOR * USUAL) / (len(told) + PRIOR)
    found = {}
    for hour in hours:
        weights = [(_weight(each.hour, hour), each.answered) for each in told]
        tried = sum(weight for weight, _ in weights)
        answered = sum(weight for weight, was_answered in weights if was_answered)
        found[hour] = (answered + PRIOR * overall) / (tried + PRIOR)
    return found


def best_hour(tries: Iterable[Try], hours: Collection[int]) -> BestHour | None:
    """The hour with the best chance, the earliest of several; None where they never answered, or no hour is allowed."""
    told = list(tries)
    if not hours or not any(each.answered for each in told):
        return None
    found = chances(told, hours)
    hour = min(found, key=lambda each: (-found[each], each))
    return BestHour(hour, round(found[hour], 3), len(told))


def _weight(tried: int, hour: int) -> float:
    apart = min((tried - hour) % 24, (hour - tried) % 24)
    return (1.0, NEARBY)[apart] if apart < 2 else 0.0
