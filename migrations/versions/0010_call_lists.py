"""Daily call lists, who is on them and why, and how teams want them made."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:

    op.create_table(
        "teams",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_teams")),
    )
    op.create_index("uq_teams_name_lower", "teams", [sa.literal_column("lower(name)")], unique=True)
    op.create_table(
        "call_lists",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("manager_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("made_for_id", sa.Uuid(), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("notices", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("inputs", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.ForeignKeyConstraint(
            ["made_for_id"], ["agents.id"], name=op.f("fk_call_lists_made_for_id_agents"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["manager_id"], ["agents.id"], name=op.f("fk_call_lists_manager_id_agents"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call_lists")),
        sa.UniqueConstraint("manager_id", "day", name=op.f("uq_call_lists_manager_id_day")),
    )
    op.create_index("ix_call_lists_day", "call_lists", ["day"], unique=False)
    op.create_index("ix_call_lists_made_for_id_day", "call_lists", ["made_for_id", "day"], unique=False)
    op.create_table(
        "list_settings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=True),
        sa.Column("size", sa.BigInteger(), server_default=sa.text("60"), nullable=False),
        sa.Column("weights", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("quotas", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("sources", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("festivals", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("size BETWEEN 1 AND 500", name=op.f("ck_list_settings_size")),
        sa.ForeignKeyConstraint(
            ["team_id"], ["teams.id"], name=op.f("fk_list_settings_team_id_teams"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_list_settings")),
        sa.UniqueConstraint("team_id", name=op.f("uq_list_settings_team_id"), postgresql_nulls_not_distinct=True),
    )
    op.create_table(
        "manager_absences",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("manager_id", sa.Uuid(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("stand_in_id", sa.Uuid(), nullable=True),
        sa.Column("created_by_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("kind = ANY ('{sick,leave,left}'::text[])", name=op.f("ck_manager_absences_kind")),
        sa.CheckConstraint("last_day >= first_day", name=op.f("ck_manager_absences_last_day")),
        sa.CheckConstraint("stand_in_id <> manager_id", name=op.f("ck_manager_absences_somebody_else")),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["agents.id"], name=op.f("fk_manager_absences_created_by_id_agents"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["manager_id"], ["agents.id"], name=op.f("fk_manager_absences_manager_id_agents"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["stand_in_id"], ["agents.id"], name=op.f("fk_manager_absences_stand_in_id_agents"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_manager_absences")),
    )
    op.create_index(
        "ix_manager_absences_manager_id_first_day", "manager_absences", ["manager_id", "first_day"], unique=False
    )
    op.create_index(op.f("ix_manager_absences_stand_in_id"), "manager_absences", ["stand_in_id"], unique=False)
    op.create_table(
        "team_members",
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agents.id"], name=op.f("fk_team_members_agent_id_agents"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["team_id"], ["teams.id"], name=op.f("fk_team_members_team_id_teams"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("agent_id", name=op.f("pk_team_members")),
    )
    op.create_index(op.f("ix_team_members_team_id"), "team_members", ["team_id"], unique=False)
    op.create_table(
        "call_list_left_out",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("list_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint(
            "reason = ANY ('{do_not_call,consent_withdrawn,open_complaint,closed_window,called_today,on_another_list,no_number,dropped,no_room}'::text[])",
            name=op.f("ck_call_list_left_out_reason"),
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customers.id"],
            name=op.f("fk_call_list_left_out_customer_id_customers"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["list_id"], ["call_lists.id"], name=op.f("fk_call_list_left_out_list_id_call_lists"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call_list_left_out")),
        sa.UniqueConstraint("customer_id", "list_id", name=op.f("uq_call_list_left_out_customer_id_list_id")),
    )
    op.create_index("ix_call_list_left_out_list_id", "call_list_left_out", ["list_id"], unique=False)
    op.create_table(
        "list_rearrangements",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("manager_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.String(length=500), server_default="", nullable=False),
        sa.Column("by_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("kind <> 'drop' OR reason <> ''", name=op.f("ck_list_rearrangements_drop_has_reason")),
        sa.CheckConstraint(
            "kind <> 'move' OR position IS NOT NULL", name=op.f("ck_list_rearrangements_move_has_position")
        ),
        sa.CheckConstraint("kind = ANY ('{pin,move,drop}'::text[])", name=op.f("ck_list_rearrangements_kind")),
        sa.CheckConstraint("position BETWEEN 1 AND 500", name=op.f("ck_list_rearrangements_position")),
        sa.ForeignKeyConstraint(
            ["by_id"], ["agents.id"], name=op.f("fk_list_rearrangements_by_id_agents"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customers.id"],
            name=op.f("fk_list_rearrangements_customer_id_customers"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["manager_id"], ["agents.id"], name=op.f("fk_list_rearrangements_manager_id_agents"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_list_rearrangements")),
        sa.UniqueConstraint(
            "customer_id", "manager_id", "day", name=op.f("uq_list_rearrangements_customer_id_manager_id_day")
        ),
    )
    op.create_index("ix_list_rearrangements_manager_id_day", "list_rearrangements", ["manager_id", "day"], unique=False)
    op.create_table(
        "list_standings",
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("manager_id", sa.Uuid(), nullable=False),
        sa.Column("counted_on", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_list_standings_customer_id_customers"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("customer_id", name=op.f("pk_list_standings")),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_table(
        "call_list_entries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("list_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("source", sa.String(32), nullable=False),
        sa.Column("reasons", postgresql.JSONB(), nullable=False),
        sa.Column("carried_over", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("added_later", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("state", sa.String(32), server_default="open", nullable=False),
        sa.Column("outcome", sa.String(32), nullable=True),
        sa.Column("skip_reason", sa.Text(), server_default="", nullable=False),
        sa.Column("reserved_by_id", sa.Uuid(), nullable=True),
        sa.Column("reserved_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("worked_by_id", sa.Uuid(), nullable=True),
        sa.Column("worked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempt_id", sa.Uuid(), nullable=True),
        sa.Column("call_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint("(state = 'taken') = (reserved_until IS NOT NULL)", name=op.f("ck_call_list_entries_taken")),
        sa.CheckConstraint(
            "outcome = ANY ('{reached,no_answer,busy,wrong_number,refused}'::text[])",
            name=op.f("ck_call_list_entries_outcome"),
        ),
        sa.CheckConstraint(
            "source = ANY ('{promised,carried_over,coverage,ranked,pinned,added}'::text[])",
            name=op.f("ck_call_list_entries_source"),
        ),
        sa.CheckConstraint(
            "state = ANY ('{open,taken,done,skipped}'::text[])", name=op.f("ck_call_list_entries_state")
        ),
        sa.CheckConstraint("position > 0", name=op.f("ck_call_list_entries_position")),
        sa.ForeignKeyConstraint(
            ["attempt_id"],
            ["dial_attempts.id"],
            name=op.f("fk_call_list_entries_attempt_id_dial_attempts"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["call_id"], ["calls.id"], name=op.f("fk_call_list_entries_call_id_calls"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customers.id"],
            name=op.f("fk_call_list_entries_customer_id_customers"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["list_id"], ["call_lists.id"], name=op.f("fk_call_list_entries_list_id_call_lists"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["reserved_by_id"],
            ["agents.id"],
            name=op.f("fk_call_list_entries_reserved_by_id_agents"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["worked_by_id"], ["agents.id"], name=op.f("fk_call_list_entries_worked_by_id_agents"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call_list_entries")),
        sa.UniqueConstraint("customer_id", "day", name=op.f("uq_call_list_entries_customer_id_day")),
        sa.UniqueConstraint(
            "list_id",
            "position",
            deferrable=True,
            initially="DEFERRED",
            name=op.f("uq_call_list_entries_list_id_position"),
        ),
        postgresql_with={"fillfactor": "85"},
    )
    op.create_index(
        "ix_call_list_entries_attempt_id",
        "call_list_entries",
        ["attempt_id"],
        unique=False,
        postgresql_where=sa.text("attempt_id IS NOT NULL"),
    )
    op.create_index(
        "ix_call_list_entries_call_id",
        "call_list_entries",
        ["call_id"],
        unique=False,
        postgresql_where=sa.text("call_id IS NOT NULL"),
    )
    op.create_index(
        "ix_call_list_entries_reserved_until",
        "call_list_entries",
        ["reserved_until"],
        unique=False,
        postgresql_where=sa.text("state = 'taken'"),
    )


def downgrade() -> None:
    op.drop_table("call_list_entries")
    op.drop_table("list_standings")
    op.drop_table("list_rearrangements")
    op.drop_table("call_list_left_out")
    op.drop_table("team_members")
    op.drop_table("manager_absences")
    op.drop_table("list_settings")
    op.drop_table("call_lists")
    op.drop_table("teams")
