"""Telephone numbers for the demo that belong to nobody, so that no mistake of the demo's rings a stranger.

Abroad they come from the ranges that the authorities keep free for films and books. China documents none, so there:

- mobile numbers begin with 1349, a block given to satellite telephones (China Satcom, later China Telecom), in which no
  ordinary mobile is found;
- land lines begin with 9 after the area code, where the plan has service codes only (95xxx, 96xxx), for subscribers'
  numbers begin with 2 to 8;
- Mr Lu has 138 0013 8000, which is China Mobile's own top-up line and the example number of half the country.
"""

from collections.abc import Callable, Iterable
from random import Random
from typing import Final

from app.services.demo.people import Place

# +1: 555-0100 to 0199 in every area code (NANPA). +44: Ofcom's numbers for TV and radio drama.
# +61: ACMA's numbers for creative works. +33: Arcep's numbers for audiovisual works.
# +49: the Bundesnetzagentur's drama numbers. +46: PTS's numbers for books and films.
_ABROAD: Final[dict[str, tuple[tuple[str, int], ...]]] = {
    "London": (("+4420794600", 2), ("+4420794601", 2), ("+4420794602", 2)),
    "Manchester": (("+4416149600", 2), ("+4416149601", 2)),
    "Seattle": (("+120655501", 2), ("+142555501", 2), ("+125355501", 2)),
    "New York": (("+121255501", 2), ("+171855501", 2), ("+164655501", 2)),
    "Sydney": (("+61255501", 3), ("+61270101", 3)),
    "Paris": (("+3319900", 4),),
    "Berlin": (("+493023125", 3),),
    "Stockholm": (("+468465004", 2),),
}


class NumberBook:
    """Gives out numbers in E.164, none twice and none of `kept`."""

    def __init__(self, random: Random, kept: Iterable[str]) -> None:
        self._random = random
        self._given = set(kept)

    def mobile(self, place: Place) -> str:
        """A mobile number for somebody of that place; abroad whatever line the authority keeps free."""
        if place.country == "CN":
            return self._fresh(lambda: f"+861349{self._digits(7)}")
        return self._abroad(place)

    def land_line(self, place: Place) -> str:
        """A land line of that place."""
        if place.country == "CN":
            return self._fresh(lambda: f"+86{place.area_code.lstrip('0')}9{self._digits(7)}")
        return self._abroad(place)

    def _abroad(self, place: Place) -> str:
        def one() -> str:
            prefix, free = self._random.choice(_ABROAD[place.latin])
            return prefix + self._digits(free)

        return self._fresh(one)

    def _digits(self, count: int) -> str:
        return "".join(self._random.choices("0123456789", k=count))

    def _fresh(self, make: Callable[[], str]) -> str:
        while (number := make()) in self._given:
            pass
        self._given.add(number)
        return number


def as_written(random: Random, e164: str, national: str) -> str:
    """The number as one source or another wrote it: the raw form that is kept beside the E.164 one."""
    if not e164.startswith("+86"):
        return e164
    forms = (e164, national, national.replace(" ", ""), national.replace(" ", "-"), f"+86 {national.removeprefix('0')}")
    return random.choice(forms)
