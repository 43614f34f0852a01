"""Who a number belongs to, in one line, for telephone exchanges that show a caller's name on a desk phone."""

from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.caller_text import clean
from app.domain.matching import MatchOutcome
from app.domain.phone_numbers import PhoneNumber
from app.services.hotline import Hotline
from app.services.screen_pop import look_up

LONGEST_NAME: Final = 60
"""Characters that an exchange is given; most phones show fewer."""


async def caller_name(session: AsyncSession, number: PhoneNumber, hotline: Hotline, now: datetime) -> str:
    """The name to show for a caller: one line of at most 60 characters; empty when nobody is known by the number.

    Where several customers share it no one is picked: their names stand side by side, whoever was in touch last first
    (`鲁大伟 / 王芳`), and `+2` says how many more there are, or `+` that they were not counted.
    """
    pop = await look_up(session, number, hotline, now)
    match = pop["match"]
    names = [clean(candidate["name"]) for candidate in match["candidates"]]
    if match["outcome"] not in (MatchOutcome.UNIQUE, MatchOutcome.SEVERAL):
        return ""
    return side_by_side(names, uncounted=match["more"])


def side_by_side(names: list[str], *, uncounted: bool) -> str:
    """As many of the names as 60 characters hold, at least the first one (cut if need be).

    Args:
        uncounted: there are more people than names.
    """
    shown = ""
    for count in range(len(names), 0, -1):
        rest = len(names) - count
        more = "" if not rest and not uncounted else " +" if uncounted else f" +{rest}"
        shown = " / ".join(names[:count]) + more
        if len(shown) <= LONGEST_NAME:
            return shown
        if count == 1:
            return names[0][: LONGEST_NAME - len(more)] + more
    return shown
