"""By when a complaint is to be settled, and when somebody is told how much of that time is gone.

All of it is working time. A clock that stands still moves every moment that has not come yet by the working time for
which it stood.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.domain.working_calendar import WorkingCalendar


@dataclass(frozen=True, slots=True)
class Clock:
    """An owner's time for a complaint.

    Attributes:
        began_at: when it began to run.
        allowed: how much working time there is.
        paused: for how much working time it has stood still.
    """

    began_at: datetime
    allowed: timedelta
    paused: timedelta = timedelta(0)

    def moment(self, percent: int, calendar: WorkingCalendar) -> datetime:
        """When so many percent of the time are gone. Raises what `WorkingCalendar.add_working_time` raises."""
        return calendar.add_working_time(self.began_at, self.allowed * percent / 100 + self.paused)

    def stood_still(self, since: datetime, until: datetime, calendar: WorkingCalendar) -> "Clock":
        """The clock after a pause."""
        return replace(self, paused=self.paused + calendar.working_time_between(since, until))

    def next_warning(self, percents: Sequence[int], told: int, calendar: WorkingCalendar) -> datetime | None:
        """When the next share is reached that was not told yet; None when all were."""
        left = [percent for percent in percents if percent > told]
        return self.moment(min(left), calendar) if left else None

    def reached(self, percents: Sequence[int], told: int, calendar: WorkingCalendar, now: datetime) -> int | None:
        """The greatest share that is reached at `now` and was not told yet."""
        return max(
            (percent for percent in percents if percent > told and self.moment(percent, calendar) <= now), default=None
        )
