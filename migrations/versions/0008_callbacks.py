"""Promised calls, and every placing of a call by us."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "callbacks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column("to_e164", sa.String(20), nullable=True),
        sa.Column("call_id", sa.Uuid(), nullable=True),
        sa.Column(
            "reason",
            sa.String(32),
            nullable=False,
        ),
        sa.Column(
            "mode",
            sa.String(32),
            server_default="preview",
            nullable=False,
        ),
        sa.Column("queue_id", sa.Uuid(), nullable=True),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("open_to_all_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=True),
        sa.Column("subject", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "state",
            sa.String(32),
            server_default="scheduled",
            nullable=False,
        ),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first_due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("claimed_by_id", sa.Uuid(), nullable=True),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "outcome",
            sa.String(32),
            nullable=True,
        ),
        sa.Column("satisfaction", sa.BigInteger(), nullable=True),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("created_by_id", sa.Uuid(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "(state IN ('claimed', 'dialing')) = (claimed_until IS NOT NULL)", name=op.f("ck_callbacks_claimed_until")
        ),
        sa.CheckConstraint(
            "customer_id IS NOT NULL OR to_e164 IS NOT NULL OR state IN ('done', 'cancelled')",
            name=op.f("ck_callbacks_somebody"),
        ),
        sa.CheckConstraint("mode = ANY ('{preview,automatic}'::text[])", name=op.f("ck_callbacks_mode")),
        sa.CheckConstraint(
            "outcome = ANY ('{works_now,still_broken,answered,refused,not_reached}'::text[])",
            name=op.f("ck_callbacks_outcome"),
        ),
        sa.CheckConstraint(
            "reason = ANY ('{next_day,missed_call,voicemail,kept_place,by_hand}'::text[])",
            name=op.f("ck_callbacks_reason"),
        ),
        sa.CheckConstraint(
            "state = ANY ('{scheduled,claimed,dialing,retry,done,escalated,cancelled}'::text[])",
            name=op.f("ck_callbacks_state"),
        ),
        sa.CheckConstraint("satisfaction BETWEEN 1 AND 5", name=op.f("ck_callbacks_satisfaction")),
        sa.ForeignKeyConstraint(
            ["call_id"], ["calls.id"], name=op.f("fk_callbacks_call_id_calls"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["claimed_by_id"], ["agents.id"], name=op.f("fk_callbacks_claimed_by_id_agents"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["agents.id"], name=op.f("fk_callbacks_created_by_id_agents"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_callbacks_customer_id_customers"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["agents.id"], name=op.f("fk_callbacks_owner_id_agents"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["queue_id"], ["queues.id"], name=op.f("fk_callbacks_queue_id_queues"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_callbacks")),
        sa.UniqueConstraint("code", name=op.f("uq_callbacks_code")),
        postgresql_with={"fillfactor": "80"},
    )
    op.create_index(
        "ix_callbacks_claimed_until",
        "callbacks",
        ["claimed_until"],
        unique=False,
        postgresql_where=sa.text("state IN ('claimed', 'dialing')"),
    )
    op.create_index(
        "ix_callbacks_customer_id_due_at",
        "callbacks",
        ["customer_id", sa.literal_column("due_at DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index(
        "ix_callbacks_due_at",
        "callbacks",
        ["due_at", "id"],
        unique=False,
        postgresql_where=sa.text("state IN ('scheduled', 'retry')"),
    )
    op.create_index("ix_callbacks_owner_id_due_at", "callbacks", ["owner_id", "due_at", "id"], unique=False)
    op.create_index(op.f("ix_callbacks_queue_id"), "callbacks", ["queue_id"], unique=False)
    op.create_index(
        "uq_callbacks_call_id_reason",
        "callbacks",
        ["call_id", "reason"],
        unique=True,
        postgresql_where=sa.text("call_id IS NOT NULL"),
    )
    op.create_table(
        "callback_changes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("callback_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("what", sa.String(length=32), nullable=False),
        sa.Column("detail", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agents.id"], name=op.f("fk_callback_changes_agent_id_agents"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["callback_id"],
            ["callbacks.id"],
            name=op.f("fk_callback_changes_callback_id_callbacks"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_callback_changes")),
    )
    op.create_index("ix_callback_changes_callback_id_at", "callback_changes", ["callback_id", "at", "id"], unique=False)
    op.create_table(
        "dial_attempts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("callback_id", sa.Uuid(), nullable=True),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("call_id", sa.Uuid(), nullable=True),
        sa.Column("to_e164", sa.String(20), nullable=True),
        sa.Column("from_e164", sa.String(20), nullable=True),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("provider_call_id", sa.Text(), nullable=True),
        sa.Column(
            "state",
            sa.String(32),
            server_default="planned",
            nullable=False,
        ),
        sa.Column(
            "result",
            sa.String(32),
            nullable=True,
        ),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "result = ANY ('{answered,no_answer,busy,voicemail,not_in_service,failed,agent_not_reached}'::text[])",
            name=op.f("ck_dial_attempts_result"),
        ),
        sa.CheckConstraint(
            "state = ANY ('{planned,placed,unknown,refused,ended}'::text[])", name=op.f("ck_dial_attempts_state")
        ),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agents.id"], name=op.f("fk_dial_attempts_agent_id_agents"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["call_id"], ["calls.id"], name=op.f("fk_dial_attempts_call_id_calls"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["callback_id"], ["callbacks.id"], name=op.f("fk_dial_attempts_callback_id_callbacks"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_dial_attempts_customer_id_customers"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dial_attempts")),
        sa.UniqueConstraint("provider", "provider_call_id", name=op.f("uq_dial_attempts_provider_provider_call_id")),
    )
    op.create_index("ix_dial_attempts_call_id", "dial_attempts", ["call_id"], unique=False)
    op.create_index("ix_dial_attempts_callback_id", "dial_attempts", ["callback_id"], unique=False)
    op.create_index(
        "ix_dial_attempts_customer_id_started_at",
        "dial_attempts",
        ["customer_id", sa.literal_column("started_at DESC")],
        unique=False,
    )
    op.create_index(
        "ix_dial_attempts_open",
        "dial_attempts",
        ["started_at"],
        unique=False,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index(
        "ix_dial_attempts_to_e164_started_at",
        "dial_attempts",
        ["to_e164", sa.literal_column("started_at DESC")],
        unique=False,
    )
    op.create_index(
        "uq_dial_attempts_callback_id_open",
        "dial_attempts",
        ["callback_id"],
        unique=True,
        postgresql_where=sa.text("callback_id IS NOT NULL AND ended_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_table("dial_attempts")
    op.drop_table("callback_changes")
    op.drop_table("callbacks")
