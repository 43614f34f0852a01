"""When the organisation works, and when customers may be called."""

from datetime import date, datetime, time
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, HasId, HasTimes


class Calendar(HasId, HasTimes, Base):
    """When an office works: the organisation's main one (no `region`), or the one that serves customers of a region.

    `region` is a country (ISO 3166-1 alpha-2). Without a `zone` the clock is the organisation's. Public holidays are
    those of `country` and `subdivision`; without a country, of the region, and of the main calendar, of the setting
    CALLCARD_REGION; they do not count without `public_holidays`. The main calendar's named days are the closures that
    hold for all queues.

    `open_to_all_after` is how many minutes of working time after a promised call was due anybody may make it.
    """

    __tablename__ = "calendars"
    __table_args__ = (
        UniqueConstraint("region", postgresql_nulls_not_distinct=True),
        CheckConstraint("open_to_all_after BETWEEN 0 AND 14400", name="open_to_all_after"),
    )

    region: Mapped[str | None]
    zone: Mapped[str | None]
    country: Mapped[str | None]
    subdivision: Mapped[str | None]
    public_holidays: Mapped[bool] = mapped_column(server_default=text("true"))
    open_to_all_after: Mapped[int] = mapped_column(server_default=text("120"))


class CalendarOpening(HasId, Base):
    """One weekly window of working time (0 is Monday); `closes` at or before `opens` means past midnight."""

    __tablename__ = "calendar_openings"
    __table_args__ = (
        CheckConstraint("weekday BETWEEN 0 AND 6", name="weekday"),
        UniqueConstraint("calendar_id", "weekday", "opens"),
    )

    calendar_id: Mapped[UUID] = mapped_column(ForeignKey("calendars.id", ondelete="CASCADE"))
    weekday: Mapped[int]
    opens: Mapped[time]
    closes: Mapped[time]


class CalendarDay(HasId, Base):
    """A named day of a region's calendar: closed, or worked from `opens` to `closes` if these are given."""

    __tablename__ = "calendar_days"
    __table_args__ = (
        UniqueConstraint("calendar_id", "day"),
        CheckConstraint("(opens IS NULL) = (closes IS NULL)", name="hours_both_or_none"),
    )

    calendar_id: Mapped[UUID] = mapped_column(ForeignKey("calendars.id", ondelete="CASCADE"))
    day: Mapped[date]
    name_zh: Mapped[str]
    name_en: Mapped[str]
    opens: Mapped[time | None]
    closes: Mapped[time | None]


class CalendarYear(Base):
    """A person has said that a calendar's named days complete what is known of the public holidays of a year."""

    __tablename__ = "calendar_years"

    calendar_id: Mapped[UUID] = mapped_column(ForeignKey("calendars.id", ondelete="CASCADE"), primary_key=True)
    year: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    confirmed_at: Mapped[datetime] = mapped_column(server_default=func.now())
    confirmed_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"))


class CallingWindow(HasId, Base):
    """One weekly window in which phones of a country may be rung, by their own clock; without `region`, of all others.

    It lies within one day: `closes` at 00:00 is the day's end.
    """

    __tablename__ = "calling_windows"
    __table_args__ = (
        CheckConstraint("weekday BETWEEN 0 AND 6", name="weekday"),
        CheckConstraint("closes > opens OR closes = '00:00'", name="within_a_day"),
        UniqueConstraint("region", "weekday", "opens", postgresql_nulls_not_distinct=True),
    )

    region: Mapped[str | None]
    weekday: Mapped[int]
    opens: Mapped[time]
    closes: Mapped[time]
