"""Working calendars, calling windows, and how promised calls are counted and told of."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0012"
down_revision: str | None = "0011"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_TO_TELL = "told_due_at IS NULL AND owner_id IS NOT NULL AND state IN ('scheduled', 'retry')"


def upgrade() -> None:
    op.create_table(
        "calendars",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("region", sa.Text(), nullable=True),
        sa.Column("zone", sa.Text(), nullable=True),
        sa.Column("country", sa.Text(), nullable=True),
        sa.Column("subdivision", sa.Text(), nullable=True),
        sa.Column("public_holidays", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("open_to_all_after", sa.BigInteger(), server_default=sa.text("120"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("open_to_all_after BETWEEN 0 AND 14400", name=op.f("ck_calendars_open_to_all_after")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calendars")),
        sa.UniqueConstraint("region", name=op.f("uq_calendars_region"), postgresql_nulls_not_distinct=True),
    )
    op.create_table(
        "calendar_openings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("calendar_id", sa.Uuid(), nullable=False),
        sa.Column("weekday", sa.BigInteger(), nullable=False),
        sa.Column("opens", sa.Time(), nullable=False),
        sa.Column("closes", sa.Time(), nullable=False),
        sa.CheckConstraint("weekday BETWEEN 0 AND 6", name=op.f("ck_calendar_openings_weekday")),
        sa.ForeignKeyConstraint(
            ["calendar_id"],
            ["calendars.id"],
            name=op.f("fk_calendar_openings_calendar_id_calendars"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calendar_openings")),
        sa.UniqueConstraint(
            "calendar_id", "weekday", "opens", name=op.f("uq_calendar_openings_calendar_id_weekday_opens")
        ),
    )
    op.create_table(
        "calendar_days",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("calendar_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("name_zh", sa.Text(), nullable=False),
        sa.Column("name_en", sa.Text(), nullable=False),
        sa.Column("opens", sa.Time(), nullable=True),
        sa.Column("closes", sa.Time(), nullable=True),
        sa.CheckConstraint("(opens IS NULL) = (closes IS NULL)", name=op.f("ck_calendar_days_hours_both_or_none")),
        sa.ForeignKeyConstraint(
            ["calendar_id"], ["calendars.id"], name=op.f("fk_calendar_days_calendar_id_calendars"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calendar_days")),
        sa.UniqueConstraint("calendar_id", "day", name=op.f("uq_calendar_days_calendar_id_day")),
    )
    op.create_table(
        "calendar_years",
        sa.Column("calendar_id", sa.Uuid(), nullable=False),
        sa.Column("year", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("confirmed_by_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["calendar_id"], ["calendars.id"], name=op.f("fk_calendar_years_calendar_id_calendars"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["confirmed_by_id"],
            ["agents.id"],
            name=op.f("fk_calendar_years_confirmed_by_id_agents"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("calendar_id", "year", name=op.f("pk_calendar_years")),
    )
    op.create_table(
        "calling_windows",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("region", sa.Text(), nullable=True),
        sa.Column("weekday", sa.BigInteger(), nullable=False),
        sa.Column("opens", sa.Time(), nullable=False),
        sa.Column("closes", sa.Time(), nullable=False),
        sa.CheckConstraint("closes > opens OR closes = '00:00'", name=op.f("ck_calling_windows_within_a_day")),
        sa.CheckConstraint("weekday BETWEEN 0 AND 6", name=op.f("ck_calling_windows_weekday")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calling_windows")),
        sa.UniqueConstraint(
            "region",
            "weekday",
            "opens",
            name=op.f("uq_calling_windows_region_weekday_opens"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    # What most houses begin with: work from Monday to Friday, and nobody is rung before nine or after nine.
    op.execute("INSERT INTO calendars (id) VALUES ('01930000-0000-7000-8000-000000000001')")
    op.execute(
        "INSERT INTO calendar_openings (id, calendar_id, weekday, opens, closes) "
        "SELECT gen_random_uuid(), id, weekday, '09:00', '18:00' FROM calendars, generate_series(0, 4) weekday"
    )
    op.execute(
        "INSERT INTO calling_windows (id, weekday, opens, closes) "
        "SELECT gen_random_uuid(), weekday, '09:00', '21:00' FROM generate_series(0, 6) weekday"
    )

    op.execute("CREATE SEQUENCE callback_numbers")
    op.create_table(
        "callback_days",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("base", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_callback_days")),
    )
    op.add_column("callbacks", sa.Column("told_due_at", sa.DateTime(timezone=True), nullable=True))
    op.alter_column("callbacks", "zone", nullable=True)
    op.create_index("ix_callbacks_to_tell", "callbacks", ["due_at"], postgresql_where=sa.text(_TO_TELL))


def downgrade() -> None:
    op.drop_index("ix_callbacks_to_tell", table_name="callbacks")
    op.execute("UPDATE callbacks SET zone = 'UTC' WHERE zone IS NULL")
    op.alter_column("callbacks", "zone", nullable=False)
    op.drop_column("callbacks", "told_due_at")
    op.drop_table("callback_days")
    op.execute("DROP SEQUENCE callback_numbers")
    op.drop_table("calling_windows")
    op.drop_table("calendar_years")
    op.drop_table("calendar_days")
    op.drop_table("calendar_openings")
    op.drop_table("calendars")
