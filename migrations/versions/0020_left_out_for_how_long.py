"""Who is left out of the daily lists, from when to when; and what the lists are read by, kept to what they need."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0020"
down_revision: str | None = "0019"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_BIRTHDAY = sa.literal_column("CAST(extract(month FROM birth_date) * 100 + extract(day FROM birth_date) AS int)")
_BOOK = ["sales_stage", "intention", "contract_state", "next_call_at", "last_contact_at", "do_not_call", "tier"]
_REASONS = (
    "reason = ANY ('{do_not_call,consent_withdrawn,open_complaint,closed_window,called_today,on_another_list,"
    "no_number,dropped,no_room}'::text[])"
)


def upgrade() -> None:
    op.rename_table("call_list_left_out", "left_out_before")
    op.create_table(
        "call_list_left_out",
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("manager_id", sa.Uuid(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=True),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
    )
    # Each list's word holds until the next list of that book.
    op.execute("""
        INSERT INTO call_list_left_out (customer_id, manager_id, first_day, last_day, reason, note)
        SELECT before.customer_id, l.manager_id, l.day, l.next_day - 1, before.reason, before.note
        FROM left_out_before AS before JOIN (
            SELECT id, manager_id, day, lead(day) OVER (PARTITION BY manager_id ORDER BY day) AS next_day
            FROM call_lists
        ) AS l ON l.id = before.list_id
    """)
    op.drop_table("left_out_before")
    op.create_primary_key(
        op.f("pk_call_list_left_out"), "call_list_left_out", ["customer_id", "manager_id", "first_day"]
    )
    op.create_check_constraint(op.f("ck_call_list_left_out_reason"), "call_list_left_out", _REASONS)
    op.create_check_constraint(op.f("ck_call_list_left_out_last_day"), "call_list_left_out", "last_day >= first_day")
    for column, table in (("customer_id", "customers"), ("manager_id", "agents")):
        op.create_foreign_key(
            op.f(f"fk_call_list_left_out_{column}_{table}"),
            "call_list_left_out",
            table,
            [column],
            ["id"],
            ondelete="CASCADE",
        )
    op.create_index("ix_call_list_left_out_manager_id_last_day", "call_list_left_out", ["manager_id", "last_day"])
    op.create_index(
        "ix_call_list_left_out_still",
        "call_list_left_out",
        ["manager_id", "customer_id"],
        postgresql_include=["reason", "first_day"],
        postgresql_where=sa.text("last_day IS NULL"),
    )
    op.create_index(
        "ix_call_list_entries_unworked",
        "call_list_entries",
        ["list_id"],
        postgresql_include=["customer_id", "day"],
        postgresql_where=sa.text("state IN ('open', 'taken')"),
    )
    op.drop_constraint(op.f("uq_call_lists_manager_id_day"), "call_lists")
    op.create_unique_constraint(
        op.f("uq_call_lists_manager_id_day"), "call_lists", ["manager_id", "day"], postgresql_include=[sa.column("id")]
    )
    op.drop_index("ix_list_standings_book", "list_standings")
    op.create_index("ix_list_standings_manager_id_customer_id", "list_standings", ["manager_id", "customer_id"])
    op.create_index(
        "ix_consents_withdrawn",
        "consents",
        ["customer_id"],
        postgresql_include=["at", "id"],
        postgresql_where=sa.text("purpose = 'marketing_call' AND state = 'withdrawn'"),
    )
    op.create_index("ix_dial_attempts_started_at", "dial_attempts", ["started_at"], postgresql_using="brin")
    op.drop_index("ix_contracts_ends_on", "contracts")
    op.create_index("ix_contracts_ends_on", "contracts", ["ends_on"], postgresql_include=["customer_id"])
    op.drop_index("ix_purchases_warranty_until", "purchases")
    op.create_index(
        "ix_purchases_warranty_until",
        "purchases",
        ["warranty_until"],
        postgresql_include=["customer_id"],
        postgresql_where=sa.text("warranty_until IS NOT NULL"),
    )
    op.drop_index("ix_customers_birthday", "customers")
    op.create_index(
        "ix_customers_birthday",
        "customers",
        [_BIRTHDAY, "owner_id"],
        postgresql_where=sa.text("birth_date IS NOT NULL AND owner_id IS NOT NULL"),
    )
    op.create_index(
        "ix_customers_lost",
        "customers",
        ["owner_id"],
        postgresql_where=sa.text("tier = 'core' AND sales_stage = 7 AND contract_state = 'expired'"),
    )
    op.drop_index("ix_customers_book", "customers")
    op.create_index(
        "ix_customers_book",
        "customers",
        ["owner_id", "id"],
        postgresql_include=[*_BOOK, "time_zone"],
        postgresql_where=sa.text("owner_id IS NOT NULL AND merged_into_id IS NULL AND erased_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_customers_book", "customers")
    op.create_index(
        "ix_customers_book",
        "customers",
        ["owner_id", "id"],
        postgresql_include=_BOOK,
        postgresql_where=sa.text("owner_id IS NOT NULL AND merged_into_id IS NULL AND erased_at IS NULL"),
    )
    op.drop_index("ix_customers_lost", "customers")
    op.drop_index("ix_customers_birthday", "customers")
    op.create_index(
        "ix_customers_birthday",
        "customers",
        [_BIRTHDAY],
        postgresql_where=sa.text("birth_date IS NOT NULL AND owner_id IS NOT NULL"),
    )
    op.drop_index("ix_purchases_warranty_until", "purchases")
    op.create_index(
        "ix_purchases_warranty_until",
        "purchases",
        ["warranty_until"],
        postgresql_where=sa.text("warranty_until IS NOT NULL"),
    )
    op.drop_index("ix_contracts_ends_on", "contracts")
    op.create_index("ix_contracts_ends_on", "contracts", ["ends_on"])
    op.drop_index("ix_dial_attempts_started_at", "dial_attempts")
    op.drop_index("ix_consents_withdrawn", "consents")
    op.drop_index("ix_list_standings_manager_id_customer_id", "list_standings")
    op.create_index(
        "ix_list_standings_book",
        "list_standings",
        ["manager_id", "customer_id"],
        postgresql_include=["counted_on"],
    )
    op.drop_constraint(op.f("uq_call_lists_manager_id_day"), "call_lists")
    op.create_unique_constraint(op.f("uq_call_lists_manager_id_day"), "call_lists", ["manager_id", "day"])
    op.drop_index("ix_call_list_entries_unworked", "call_list_entries")
    op.rename_table("call_list_left_out", "left_out_since")
    op.create_table(
        "call_list_left_out",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("list_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
    )
    op.execute("""
        INSERT INTO call_list_left_out (id, list_id, customer_id, reason, note)
        SELECT gen_random_uuid(), l.id, since.customer_id, since.reason, since.note
        FROM left_out_since AS since JOIN call_lists l ON l.manager_id = since.manager_id
            AND l.day BETWEEN since.first_day AND coalesce(since.last_day, 'infinity')
    """)
    op.drop_table("left_out_since")
    op.create_primary_key(op.f("pk_call_list_left_out"), "call_list_left_out", ["id"])
    op.create_check_constraint(op.f("ck_call_list_left_out_reason"), "call_list_left_out", _REASONS)
    op.create_unique_constraint(
        op.f("uq_call_list_left_out_customer_id_list_id"), "call_list_left_out", ["customer_id", "list_id"]
    )
    for column, table in (("customer_id", "customers"), ("list_id", "call_lists")):
        op.create_foreign_key(
            op.f(f"fk_call_list_left_out_{column}_{table}"),
            "call_list_left_out",
            table,
            [column],
            ["id"],
            ondelete="CASCADE",
        )
    op.create_index("ix_call_list_left_out_list_id", "call_list_left_out", ["list_id"])
