"""The hotline: agents, queues, customers and their records, calls, and what was told to whom."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    op.execute("CREATE SEQUENCE customer_code_seq START WITH 1001")
    op.create_table(
        "agents",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "role",
            sa.Enum(
                "agent", "account_manager", "supervisor", "analyst", "admin", name="role", native_enum=False, length=32
            ),
            nullable=False,
        ),
        sa.Column("language", sa.Text(), server_default="zh-CN", nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "role = ANY ('{agent,account_manager,supervisor,analyst,admin}'::text[])", name=op.f("ck_agents_role")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agents")),
        sa.UniqueConstraint("identity", name=op.f("uq_agents_identity")),
    )
    op.create_index("uq_agents_email_lower", "agents", [sa.literal_column("lower(email)")], unique=True)
    op.create_table(
        "carrier_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("provider_call_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("dedupe_key", sa.Text(), nullable=False),
        sa.Column("params", postgresql.JSON(astext_type=sa.Text()), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_carrier_events")),
        sa.UniqueConstraint("provider", "dedupe_key", name=op.f("uq_carrier_events_provider_dedupe_key")),
    )
    op.create_index("ix_carrier_events_provider_call_id", "carrier_events", ["provider_call_id"], unique=False)
    op.create_table(
        "queues",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("name_zh", sa.Text(), nullable=False),
        sa.Column("name_en", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), server_default="zh-CN", nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=True),
        sa.Column("is_default", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("ring_seconds", sa.BigInteger(), server_default=sa.text("20"), nullable=False),
        sa.Column("wait_seconds", sa.BigInteger(), server_default=sa.text("10"), nullable=False),
        sa.Column("max_wait_seconds", sa.BigInteger(), server_default=sa.text("1200"), nullable=False),
        sa.Column("record_calls", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("fallback_number", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("max_wait_seconds BETWEEN 0 AND 7200", name=op.f("ck_queues_max_wait_seconds")),
        sa.CheckConstraint("ring_seconds BETWEEN 5 AND 120", name=op.f("ck_queues_ring_seconds")),
        sa.CheckConstraint("wait_seconds BETWEEN 3 AND 60", name=op.f("ck_queues_wait_seconds")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_queues")),
        sa.UniqueConstraint("key", name=op.f("uq_queues_key")),
    )
    op.create_index(
        "uq_queues_is_default", "queues", ["is_default"], unique=True, postgresql_where=sa.text("is_default")
    )
    op.create_table(
        "sign_in_attempts",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("window_started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failures", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_sign_in_attempts")),
    )
    op.create_index(
        op.f("ix_sign_in_attempts_window_started_at"), "sign_in_attempts", ["window_started_at"], unique=False
    )
    op.create_table(
        "agent_connections",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("connected_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agents.id"], name=op.f("fk_agent_connections_agent_id_agents"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agent_connections")),
    )
    op.create_index(op.f("ix_agent_connections_agent_id"), "agent_connections", ["agent_id"], unique=False)
    op.create_table(
        "agent_presence",
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "offline",
                "available",
                "reserved",
                "on_call",
                "wrap_up",
                "break",
                name="presence",
                native_enum=False,
                length=32,
            ),
            server_default="offline",
            nullable=False,
        ),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("available_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("call_id", sa.Uuid(), nullable=True),
        sa.Column("reserved_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_event_no", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint(
            "(state = 'available') = (available_since IS NOT NULL)", name=op.f("ck_agent_presence_available_since")
        ),
        sa.CheckConstraint(
            "state = ANY ('{offline,available,reserved,on_call,wrap_up,break}'::text[])",
            name=op.f("ck_agent_presence_state"),
        ),
        sa.CheckConstraint(
            "state NOT IN ('reserved', 'on_call') OR call_id IS NOT NULL",
            name=op.f("ck_agent_presence_busy_with_a_call"),
        ),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agents.id"], name=op.f("fk_agent_presence_agent_id_agents"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("agent_id", name=op.f("pk_agent_presence")),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_index(
        "ix_agent_presence_available",
        "agent_presence",
        ["available_since"],
        unique=False,
        postgresql_where=sa.text("state = 'available'"),
    )
    op.create_index(
        "uq_agent_presence_call_id",
        "agent_presence",
        ["call_id"],
        unique=True,
        postgresql_where=sa.text("call_id IS NOT NULL"),
    )
    op.create_table(
        "agent_sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("user_agent", sa.Text(), server_default="", nullable=False),
        sa.Column("address", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agents.id"], name=op.f("fk_agent_sessions_agent_id_agents"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agent_sessions")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_agent_sessions_token_hash")),
    )
    op.create_index(op.f("ix_agent_sessions_agent_id"), "agent_sessions", ["agent_id"], unique=False)
    op.create_index(op.f("ix_agent_sessions_expires_at"), "agent_sessions", ["expires_at"], unique=False)
    op.create_table(
        "api_tokens",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agents.id"], name=op.f("fk_api_tokens_agent_id_agents"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_tokens")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_api_tokens_token_hash")),
    )
    op.create_index(op.f("ix_api_tokens_agent_id"), "api_tokens", ["agent_id"], unique=False)
    op.create_table(
        "closures",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("queue_id", sa.Uuid(), nullable=True),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("name_zh", sa.Text(), nullable=False),
        sa.Column("name_en", sa.Text(), nullable=False),
        sa.Column("opens", sa.Time(), nullable=True),
        sa.Column("closes", sa.Time(), nullable=True),
        sa.CheckConstraint("(opens IS NULL) = (closes IS NULL)", name=op.f("ck_closures_hours_both_or_none")),
        sa.ForeignKeyConstraint(
            ["queue_id"], ["queues.id"], name=op.f("fk_closures_queue_id_queues"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_closures")),
        sa.UniqueConstraint(
            "queue_id", "day", name=op.f("uq_closures_queue_id_day"), postgresql_nulls_not_distinct=True
        ),
    )
    op.create_table(
        "customers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "code",
            sa.Text(),
            server_default=sa.text("'C' || lpad(nextval('customer_code_seq')::text, 7, '0')"),
            nullable=False,
        ),
        sa.Column(
            "kind",
            sa.Enum("person", "company", name="customerkind", native_enum=False, length=32),
            server_default="person",
            nullable=False,
        ),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("surname", sa.Text(), server_default="", nullable=False),
        sa.Column("latin_name", sa.Text(), server_default="", nullable=False),
        sa.Column("latin_surname", sa.Text(), server_default="", nullable=False),
        sa.Column("title", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "gender",
            sa.Enum("male", "female", "unknown", name="gender", native_enum=False, length=32),
            server_default="unknown",
            nullable=False,
        ),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("language", sa.Text(), nullable=True),
        sa.Column("time_zone", sa.Text(), nullable=True),
        sa.Column("region", sa.Text(), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column(
            "tier",
            sa.Enum("core", "value", "potential", "low", name="tier", native_enum=False, length=32),
            nullable=True,
        ),
        sa.Column(
            "dcwh", sa.Enum("denial", "cold", "warm", "hot", name="dcwh", native_enum=False, length=32), nullable=True
        ),
        sa.Column("sales_stage", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "intention",
            sa.Enum(
                "unlikely", "unclear", "possible", "good", "very_likely", name="intention", native_enum=False, length=32
            ),
            nullable=True,
        ),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("do_not_call", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("dcwh = ANY ('{denial,cold,warm,hot}'::text[])", name=op.f("ck_customers_dcwh")),
        sa.CheckConstraint("gender = ANY ('{male,female,unknown}'::text[])", name=op.f("ck_customers_gender")),
        sa.CheckConstraint(
            "intention = ANY ('{unlikely,unclear,possible,good,very_likely}'::text[])",
            name=op.f("ck_customers_intention"),
        ),
        sa.CheckConstraint("kind = ANY ('{person,company}'::text[])", name=op.f("ck_customers_kind")),
        sa.CheckConstraint("tier = ANY ('{core,value,potential,low}'::text[])", name=op.f("ck_customers_tier")),
        sa.CheckConstraint("sales_stage BETWEEN 0 AND 7", name=op.f("ck_customers_sales_stage")),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["agents.id"], name=op.f("fk_customers_owner_id_agents"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customers")),
        sa.UniqueConstraint("code", name=op.f("uq_customers_code")),
    )
    op.create_index(
        "ix_customers_email_lower",
        "customers",
        [sa.literal_column("lower(email)")],
        unique=False,
        postgresql_where=sa.text("email IS NOT NULL"),
    )
    op.create_index(
        "ix_customers_name_trgm",
        "customers",
        ["name"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"name": "gin_trgm_ops"},
    )
    op.create_index("ix_customers_owner_id", "customers", ["owner_id"], unique=False)
    op.create_table(
        "dnis_routes",
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("queue_id", sa.Uuid(), nullable=False),
        sa.Column("language", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["queue_id"], ["queues.id"], name=op.f("fk_dnis_routes_queue_id_queues"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_dnis_routes")),
    )
    op.create_index(op.f("ix_dnis_routes_queue_id"), "dnis_routes", ["queue_id"], unique=False)
    op.create_table(
        "queue_members",
        sa.Column("queue_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agents.id"], name=op.f("fk_queue_members_agent_id_agents"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["queue_id"], ["queues.id"], name=op.f("fk_queue_members_queue_id_queues"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("queue_id", "agent_id", name=op.f("pk_queue_members")),
    )
    op.create_index(op.f("ix_queue_members_agent_id"), "queue_members", ["agent_id"], unique=False)
    op.create_table(
        "queue_openings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("queue_id", sa.Uuid(), nullable=False),
        sa.Column("weekday", sa.BigInteger(), nullable=False),
        sa.Column("opens", sa.Time(), nullable=False),
        sa.Column("closes", sa.Time(), nullable=False),
        sa.CheckConstraint("weekday BETWEEN 0 AND 6", name=op.f("ck_queue_openings_weekday")),
        sa.ForeignKeyConstraint(
            ["queue_id"], ["queues.id"], name=op.f("fk_queue_openings_queue_id_queues"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_queue_openings")),
        sa.UniqueConstraint("queue_id", "weekday", "opens", name=op.f("uq_queue_openings_queue_id_weekday_opens")),
    )
    op.create_table(
        "calls",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("provider_call_id", sa.Text(), nullable=False),
        sa.Column(
            "direction", sa.Enum("inbound", "outbound", name="direction", native_enum=False, length=32), nullable=False
        ),
        sa.Column(
            "state",
            sa.Enum(
                "ringing",
                "waiting",
                "in_progress",
                "failed",
                "abandoned",
                "callback",
                "voicemail",
                "completed",
                name="callstate",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column(
            "customer_status",
            sa.Enum(
                "queued",
                "initiated",
                "ringing",
                "in_progress",
                "failed",
                "busy",
                "canceled",
                "no_answer",
                "completed",
                name="carrierstatus",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("is_stub", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("from_raw", sa.Text(), nullable=False),
        sa.Column("from_e164", sa.String(length=20), nullable=True),
        sa.Column("to_raw", sa.Text(), nullable=False),
        sa.Column("caller_name", sa.Text(), server_default="", nullable=False),
        sa.Column("caller", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("queue_id", sa.Uuid(), nullable=True),
        sa.Column(
            "match_outcome",
            sa.Enum("unique", "several", "unknown", "withheld", name="matchoutcome", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column(
            "match_reason",
            sa.Enum(
                "exact", "other_country", "same_ending", "by_hand", name="matchreason", native_enum=False, length=32
            ),
            nullable=True,
        ),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column("routed", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("answered_by_id", sa.Uuid(), nullable=True),
        sa.Column("accepted_by_id", sa.Uuid(), nullable=True),
        sa.Column("accepted_tab", sa.Text(), server_default="", nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("heard_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("routed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("left_queue_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("kept_place_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("voicemail_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "disposition",
            sa.Enum(
                "resolved",
                "information",
                "order",
                "complaint",
                "follow_up",
                "transferred",
                "wrong_number",
                "spam",
                "other",
                name="disposition",
                native_enum=False,
                length=32,
            ),
            nullable=True,
        ),
        sa.Column(
            "stage",
            sa.Enum("pre_sale", "sale", "after_sale", name="callstage", native_enum=False, length=32),
            nullable=True,
        ),
        sa.Column(
            "heard_of_us",
            sa.Enum(
                "existing_customer",
                "recommendation",
                "search",
                "social_media",
                "advertisement",
                "shop",
                "event",
                "other",
                name="heardofus",
                native_enum=False,
                length=32,
            ),
            nullable=True,
        ),
        sa.Column("notes", sa.Text(), server_default="", nullable=False),
        sa.Column("wrapped_up_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("wrapped_up_by_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "customer_status = ANY ('{queued,initiated,ringing,in_progress,failed,busy,canceled,no_answer,completed}'::text[])",
            name=op.f("ck_calls_customer_status"),
        ),
        sa.CheckConstraint("direction = ANY ('{inbound,outbound}'::text[])", name=op.f("ck_calls_direction")),
        sa.CheckConstraint(
            "disposition = ANY ('{resolved,information,order,complaint,follow_up,transferred,wrong_number,spam,other}'::text[])",
            name=op.f("ck_calls_disposition"),
        ),
        sa.CheckConstraint(
            "heard_of_us = ANY ('{existing_customer,recommendation,search,social_media,advertisement,shop,event,other}'::text[])",
            name=op.f("ck_calls_heard_of_us"),
        ),
        sa.CheckConstraint(
            "match_outcome = ANY ('{unique,several,unknown,withheld}'::text[])", name=op.f("ck_calls_match_outcome")
        ),
        sa.CheckConstraint(
            "match_reason = ANY ('{exact,other_country,same_ending,by_hand}'::text[])",
            name=op.f("ck_calls_match_reason"),
        ),
        sa.CheckConstraint("stage = ANY ('{pre_sale,sale,after_sale}'::text[])", name=op.f("ck_calls_stage")),
        sa.CheckConstraint(
            "state = ANY ('{ringing,waiting,in_progress,failed,abandoned,callback,voicemail,completed}'::text[])",
            name=op.f("ck_calls_state"),
        ),
        sa.CheckConstraint("octet_length(caller_name) <= 1024", name=op.f("ck_calls_caller_name_length")),
        sa.ForeignKeyConstraint(
            ["accepted_by_id"], ["agents.id"], name=op.f("fk_calls_accepted_by_id_agents"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["answered_by_id"], ["agents.id"], name=op.f("fk_calls_answered_by_id_agents"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_calls_customer_id_customers"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["queue_id"], ["queues.id"], name=op.f("fk_calls_queue_id_queues")),
        sa.ForeignKeyConstraint(
            ["wrapped_up_by_id"], ["agents.id"], name=op.f("fk_calls_wrapped_up_by_id_agents"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calls")),
        sa.UniqueConstraint("provider", "provider_call_id", name=op.f("uq_calls_provider_provider_call_id")),
    )
    op.create_index(
        "ix_calls_customer_id_received_at",
        "calls",
        ["customer_id", sa.literal_column("received_at DESC")],
        unique=False,
    )
    op.create_index(
        "ix_calls_from_e164_received_at", "calls", ["from_e164", sa.literal_column("received_at DESC")], unique=False
    )
    op.create_index("ix_calls_received_at_id", "calls", ["received_at", "id"], unique=False)
    op.create_index(
        "ix_calls_waiting",
        "calls",
        ["queue_id", "queued_at", "id"],
        unique=False,
        postgresql_where=sa.text("queued_at IS NOT NULL AND left_queue_at IS NULL"),
    )
    op.create_table(
        "contracts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), server_default="", nullable=False),
        sa.Column("amount", sa.Numeric(precision=14, scale=2), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("(amount IS NULL) = (currency IS NULL)", name=op.f("ck_contracts_amount_has_currency")),
        sa.CheckConstraint("ends_on >= starts_on", name=op.f("ck_contracts_ends_after_start")),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_contracts_customer_id_customers"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contracts")),
    )
    op.create_index(
        "ix_contracts_customer_id_ends_on",
        "contracts",
        ["customer_id", sa.literal_column("ends_on DESC"), "id"],
        unique=False,
    )
    op.create_table(
        "customer_phones",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("e164", sa.String(length=20), nullable=False),
        sa.Column("national_number", sa.String(length=20), nullable=False),
        sa.Column("bucket", sa.String(length=8), nullable=False),
        sa.Column("raw", sa.Text(), nullable=False),
        sa.Column("extension", sa.Text(), server_default="", nullable=False),
        sa.Column("label", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "line_type",
            sa.Enum(
                "mobile",
                "fixed_line",
                "fixed_line_or_mobile",
                "toll_free",
                "premium_rate",
                "shared_cost",
                "voip",
                "personal",
                "pager",
                "uan",
                "voicemail",
                "unknown",
                name="linetype",
                native_enum=False,
                length=32,
            ),
            server_default="unknown",
            nullable=False,
        ),
        sa.Column("is_primary", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("e164 ~ '^\\+[1-9][0-9]{3,17}$'", name=op.f("ck_customer_phones_e164")),
        sa.CheckConstraint(
            "line_type = ANY ('{mobile,fixed_line,fixed_line_or_mobile,toll_free,premium_rate,shared_cost,voip,personal,pager,uan,voicemail,unknown}'::text[])",
            name=op.f("ck_customer_phones_line_type"),
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_customer_phones_customer_id_customers"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer_phones")),
        sa.UniqueConstraint("customer_id", "e164", name=op.f("uq_customer_phones_customer_id_e164")),
    )
    op.create_index("ix_customer_phones_bucket", "customer_phones", ["bucket"], unique=False)
    op.create_index(
        "ix_customer_phones_e164", "customer_phones", ["e164"], unique=False, postgresql_include=["customer_id"]
    )
    op.create_index(
        "ix_customer_phones_reversed",
        "customer_phones",
        [sa.literal_column("reverse(e164)").label("reversed")],
        unique=False,
        postgresql_ops={"reversed": "text_pattern_ops"},
    )
    op.create_index(
        "uq_customer_phones_primary",
        "customer_phones",
        ["customer_id"],
        unique=True,
        postgresql_where=sa.text("is_primary"),
    )
    op.create_table(
        "purchases",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("product", sa.Text(), nullable=False),
        sa.Column("product_en", sa.Text(), server_default="", nullable=False),
        sa.Column("model", sa.Text(), server_default="", nullable=False),
        sa.Column("serial_number", sa.Text(), server_default="", nullable=False),
        sa.Column("quantity", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("unit", sa.Text(), server_default="", nullable=False),
        sa.Column("amount", sa.Numeric(precision=14, scale=2), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("purchased_on", sa.Date(), nullable=False),
        sa.Column("warranty_until", sa.Date(), nullable=True),
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_purchases_currency")),
        sa.CheckConstraint("(amount IS NULL) = (currency IS NULL)", name=op.f("ck_purchases_amount_has_currency")),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_purchases_quantity")),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_purchases_customer_id_customers"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_purchases")),
    )
    op.create_index(
        "ix_purchases_customer_id_purchased_on",
        "purchases",
        ["customer_id", sa.literal_column("purchased_on DESC"), "id"],
        unique=False,
    )
    op.create_table(
        "source_records",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_source_records_customer_id_customers"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_source_records")),
        sa.UniqueConstraint("source", "external_id", name=op.f("uq_source_records_source_external_id")),
    )
    op.create_index(op.f("ix_source_records_customer_id"), "source_records", ["customer_id"], unique=False)
    op.create_table(
        "agent_events",
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "type",
            sa.Enum(
                "call.offered",
                "call.answered",
                "call.ended",
                "call.cleared",
                "presence.changed",
                "callback.due",
                "call_list.ready",
                name="agenteventtype",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("call_id", sa.Uuid(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("data", postgresql.JSON(astext_type=sa.Text()), nullable=False),
        sa.Column("acked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "type = ANY ('{call.offered,call.answered,call.ended,call.cleared,presence.changed,callback.due,call_list.ready}'::text[])",
            name=op.f("ck_agent_events_type"),
        ),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agents.id"], name=op.f("fk_agent_events_agent_id_agents"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["call_id"], ["calls.id"], name=op.f("fk_agent_events_call_id_calls"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("agent_id", "no", name=op.f("pk_agent_events")),
    )
    op.create_index("ix_agent_events_at", "agent_events", ["at"], unique=False)
    op.create_index("ix_agent_events_call_id", "agent_events", ["call_id"], unique=False)
    op.create_table(
        "call_trace",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "step",
            sa.Enum(
                "received",
                "spooled",
                "replayed",
                "matched",
                "reserved",
                "no_agent",
                "pushed",
                "shown",
                "accepted",
                "declined",
                "answered",
                "not_answered",
                "waiting",
                "place_kept",
                "closed",
                "voicemail",
                "forwarded",
                "fallback",
                "released",
                "ended",
                "linked",
                "wrapped_up",
                name="tracestep",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column(
            "detail", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.CheckConstraint(
            "step = ANY ('{received,spooled,replayed,matched,reserved,no_agent,pushed,shown,accepted,declined,answered,not_answered,waiting,place_kept,closed,voicemail,forwarded,fallback,released,ended,linked,wrapped_up}'::text[])",
            name=op.f("ck_call_trace_step"),
        ),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agents.id"], name=op.f("fk_call_trace_agent_id_agents"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["call_id"], ["calls.id"], name=op.f("fk_call_trace_call_id_calls"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call_trace")),
    )
    op.create_index("ix_call_trace_call_id_at", "call_trace", ["call_id", "at"], unique=False)
    op.create_table(
        "interactions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column(
            "channel",
            sa.Enum(
                "call", "email", "sms", "fax", "chat", "visit", "web", name="channel", native_enum=False, length=32
            ),
            nullable=False,
        ),
        sa.Column(
            "direction", sa.Enum("inbound", "outbound", name="direction", native_enum=False, length=32), nullable=False
        ),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("call_id", sa.Uuid(), nullable=True),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "channel = ANY ('{call,email,sms,fax,chat,visit,web}'::text[])", name=op.f("ck_interactions_channel")
        ),
        sa.CheckConstraint("direction = ANY ('{inbound,outbound}'::text[])", name=op.f("ck_interactions_direction")),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agents.id"], name=op.f("fk_interactions_agent_id_agents"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["call_id"], ["calls.id"], name=op.f("fk_interactions_call_id_calls"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_interactions_customer_id_customers"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_interactions")),
        sa.UniqueConstraint("call_id", name=op.f("uq_interactions_call_id")),
    )
    op.create_index(
        "ix_interactions_customer_id_at", "interactions", ["customer_id", sa.literal_column("at DESC")], unique=False
    )
    op.create_table(
        "legs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Enum("agent", "number", name="legkind", native_enum=False, length=32), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column(
            "status",
            sa.Enum(
                "queued",
                "initiated",
                "ringing",
                "in_progress",
                "failed",
                "busy",
                "canceled",
                "no_answer",
                "completed",
                name="carrierstatus",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("provider_call_id", sa.Text(), nullable=True),
        sa.Column(
            "because",
            sa.Enum(
                "account_manager",
                "last_agent",
                "longest_available",
                name="reservedbecause",
                native_enum=False,
                length=32,
            ),
            nullable=True,
        ),
        sa.Column("event_no", sa.BigInteger(), nullable=True),
        sa.Column("open_streams", sa.BigInteger(), nullable=True),
        sa.Column("offered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("declined_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "because = ANY ('{account_manager,last_agent,longest_available}'::text[])", name=op.f("ck_legs_because")
        ),
        sa.CheckConstraint("kind = ANY ('{agent,number}'::text[])", name=op.f("ck_legs_kind")),
        sa.CheckConstraint(
            "status = ANY ('{queued,initiated,ringing,in_progress,failed,busy,canceled,no_answer,completed}'::text[])",
            name=op.f("ck_legs_status"),
        ),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("fk_legs_agent_id_agents"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name=op.f("fk_legs_call_id_calls"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_legs")),
        sa.UniqueConstraint("provider_call_id", name=op.f("uq_legs_provider_call_id")),
    )
    op.create_index("ix_legs_call_id", "legs", ["call_id"], unique=False)
    op.create_table(
        "recordings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("provider_recording_id", sa.Text(), nullable=False),
        sa.Column(
            "kind", sa.Enum("call", "voicemail", name="recordingkind", native_enum=False, length=32), nullable=False
        ),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("seconds", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("kind = ANY ('{call,voicemail}'::text[])", name=op.f("ck_recordings_kind")),
        sa.ForeignKeyConstraint(
            ["call_id"], ["calls.id"], name=op.f("fk_recordings_call_id_calls"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recordings")),
        sa.UniqueConstraint("provider_recording_id", name=op.f("uq_recordings_provider_recording_id")),
    )
    op.create_index(op.f("ix_recordings_call_id"), "recordings", ["call_id"], unique=False)
    op.create_foreign_key(
        "fk_agent_presence_call_id_calls", "agent_presence", "calls", ["call_id"], ["id"], ondelete="SET NULL"
    )
    # A card is about 3 KB and read back within milliseconds: keep it in the row, uncompressed.
    op.execute("ALTER TABLE agent_events ALTER COLUMN data SET STORAGE EXTERNAL")
    op.execute("ALTER TABLE agent_events SET (toast_tuple_target = 8160)")
    # The default queue: whoever points a number at a fresh installation is answered.
    op.execute(
        "INSERT INTO queues (id, key, name_zh, name_en, is_default) "
        "VALUES ('01900000-0000-7000-8000-000000000001', 'hotline', '客服热线', 'Hotline', true)"
    )


def downgrade() -> None:
    op.drop_constraint("fk_agent_presence_call_id_calls", "agent_presence", type_="foreignkey")
    op.drop_index(op.f("ix_recordings_call_id"), table_name="recordings")
    op.drop_table("recordings")
    op.drop_index("ix_legs_call_id", table_name="legs")
    op.drop_table("legs")
    op.drop_index("ix_interactions_customer_id_at", table_name="interactions")
    op.drop_table("interactions")
    op.drop_index("ix_call_trace_call_id_at", table_name="call_trace")
    op.drop_table("call_trace")
    op.drop_index("ix_agent_events_call_id", table_name="agent_events")
    op.drop_index("ix_agent_events_at", table_name="agent_events")
    op.drop_table("agent_events")
    op.drop_index(op.f("ix_source_records_customer_id"), table_name="source_records")
    op.drop_table("source_records")
    op.drop_index("ix_purchases_customer_id_purchased_on", table_name="purchases")
    op.drop_table("purchases")
    op.drop_index("uq_customer_phones_primary", table_name="customer_phones", postgresql_where=sa.text("is_primary"))
    op.drop_index(
        "ix_customer_phones_reversed", table_name="customer_phones", postgresql_ops={"reversed": "text_pattern_ops"}
    )
    op.drop_index("ix_customer_phones_e164", table_name="customer_phones", postgresql_include=["customer_id"])
    op.drop_index("ix_customer_phones_bucket", table_name="customer_phones")
    op.drop_table("customer_phones")
    op.drop_index("ix_contracts_customer_id_ends_on", table_name="contracts")
    op.drop_table("contracts")
    op.drop_index(
        "ix_calls_waiting",
        table_name="calls",
        postgresql_where=sa.text("queued_at IS NOT NULL AND left_queue_at IS NULL"),
    )
    op.drop_index("ix_calls_received_at_id", table_name="calls")
    op.drop_index("ix_calls_from_e164_received_at", table_name="calls")
    op.drop_index("ix_calls_customer_id_received_at", table_name="calls")
    op.drop_table("calls")
    op.drop_table("queue_openings")
    op.drop_index(op.f("ix_queue_members_agent_id"), table_name="queue_members")
    op.drop_table("queue_members")
    op.drop_index(op.f("ix_dnis_routes_queue_id"), table_name="dnis_routes")
    op.drop_table("dnis_routes")
    op.drop_index("ix_customers_owner_id", table_name="customers")
    op.drop_index(
        "ix_customers_name_trgm",
        table_name="customers",
        postgresql_using="gin",
        postgresql_ops={"name": "gin_trgm_ops"},
    )
    op.drop_index("ix_customers_email_lower", table_name="customers", postgresql_where=sa.text("email IS NOT NULL"))
    op.drop_table("customers")
    op.drop_table("closures")
    op.drop_index(op.f("ix_api_tokens_agent_id"), table_name="api_tokens")
    op.drop_table("api_tokens")
    op.drop_index(op.f("ix_agent_sessions_expires_at"), table_name="agent_sessions")
    op.drop_index(op.f("ix_agent_sessions_agent_id"), table_name="agent_sessions")
    op.drop_table("agent_sessions")
    op.drop_index(
        "uq_agent_presence_call_id", table_name="agent_presence", postgresql_where=sa.text("call_id IS NOT NULL")
    )
    op.drop_index(
        "ix_agent_presence_available", table_name="agent_presence", postgresql_where=sa.text("state = 'available'")
    )
    op.drop_table("agent_presence")
    op.drop_index(op.f("ix_agent_connections_agent_id"), table_name="agent_connections")
    op.drop_table("agent_connections")
    op.drop_index(op.f("ix_sign_in_attempts_window_started_at"), table_name="sign_in_attempts")
    op.drop_table("sign_in_attempts")
    op.drop_index("uq_queues_is_default", table_name="queues", postgresql_where=sa.text("is_default"))
    op.drop_table("queues")
    op.drop_index("ix_carrier_events_provider_call_id", table_name="carrier_events")
    op.drop_table("carrier_events")
    op.drop_index("uq_agents_email_lower", table_name="agents")
    op.drop_table("agents")
    op.execute("DROP SEQUENCE customer_code_seq")
