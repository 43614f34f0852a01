"""Placing calls: what follows from a try that reached nobody, and when a carrier is left alone."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0014"
down_revision: str | None = "0013"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_RESULTS = "answered,no_answer,busy,voicemail,not_in_service,failed,agent_not_reached"
_RULES = [
    ("no_answer", 120, 4, "retry"),
    ("busy", 10, 6, "retry"),
    ("voicemail", 240, 3, "retry"),
    ("not_in_service", 10, 1, "next_number"),
    ("failed", 15, 3, "retry"),
    ("agent_not_reached", 5, 20, "retry"),
]


_ADDED = {
    ("calls", "state"): "not_reached",
    ("agent_events", "type"): "callback.escalated",
    ("call_trace", "step"): "placed,not_placed,customer_rung",
    ("legs", "because"): "dialling",
}


def _words(table: str, column: str) -> str:
    """The words that a column may hold now: other migrations add theirs."""
    definition = op.get_bind().scalar(
        sa.text("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = :name"),
        {"name": f"ck_{table}_{column}"},
    )
    return str(definition).partition("'{")[2].partition("}'")[0]


def _allow(table: str, column: str, words: str) -> None:
    op.drop_constraint(op.f(f"ck_{table}_{column}"), table, type_="check")
    op.create_check_constraint(op.f(f"ck_{table}_{column}"), table, f"{column} = ANY ('{{{words}}}'::text[])")


def upgrade() -> None:
    for (table, column), added in _ADDED.items():
        _allow(table, column, f"{_words(table, column)},{added}")
    op.alter_column("calls", "provider_call_id", nullable=True)
    op.add_column("dial_attempts", sa.Column("purpose", sa.String(32), server_default="service", nullable=False))
    op.add_column("dial_attempts", sa.Column("is_machine", sa.Boolean(), nullable=True))
    op.create_check_constraint(
        op.f("ck_dial_attempts_purpose"), "dial_attempts", "purpose = ANY ('{service,marketing}'::text[])"
    )
    rules = op.create_table(
        "retry_rules",
        sa.Column("result", sa.String(32), nullable=False),
        sa.Column("wait_minutes", sa.BigInteger(), nullable=False),
        sa.Column("most_attempts", sa.BigInteger(), nullable=False),
        sa.Column("next_step", sa.String(32), nullable=False),
        sa.CheckConstraint("wait_minutes BETWEEN 1 AND 10080", name=op.f("ck_retry_rules_wait_minutes")),
        sa.CheckConstraint("most_attempts BETWEEN 1 AND 20", name=op.f("ck_retry_rules_most_attempts")),
        sa.CheckConstraint("result <> 'answered'", name=op.f("ck_retry_rules_not_reached")),
        sa.CheckConstraint(f"result = ANY ('{{{_RESULTS}}}'::text[])", name=op.f("ck_retry_rules_result")),
        sa.CheckConstraint(
            "next_step = ANY ('{retry,next_number,escalate}'::text[])", name=op.f("ck_retry_rules_next_step")
        ),
        sa.PrimaryKeyConstraint("result", name=op.f("pk_retry_rules")),
    )
    op.bulk_insert(
        rules,
        [dict(zip(("result", "wait_minutes", "most_attempts", "next_step"), rule, strict=True)) for rule in _RULES],
    )
    op.create_table(
        "carrier_pauses",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("provider", name=op.f("pk_carrier_pauses")),
    )


def downgrade() -> None:
    op.drop_table("carrier_pauses")
    op.drop_table("retry_rules")
    op.drop_column("dial_attempts", "is_machine")
    op.drop_column("dial_attempts", "purpose")
    # What was not known before this.
    op.execute("DELETE FROM calls WHERE provider_call_id IS NULL")
    op.execute("UPDATE calls SET state = 'abandoned' WHERE state = 'not_reached'")
    op.execute("DELETE FROM agent_events WHERE type = 'callback.escalated'")
    op.execute("DELETE FROM call_trace WHERE step IN ('placed', 'not_placed', 'customer_rung')")
    op.execute("UPDATE legs SET because = NULL WHERE because = 'dialling'")
    op.alter_column("calls", "provider_call_id", nullable=False)
    for (table, column), added in _ADDED.items():
        before = [word for word in _words(table, column).split(",") if word not in added.split(",")]
        _allow(table, column, ",".join(before))
