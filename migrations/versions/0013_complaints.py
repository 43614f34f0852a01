"""Complaints, whoever owns and settles them, and what helps while somebody complains."""

import re
from collections.abc import Iterator, Sequence
from uuid import NAMESPACE_URL, uuid5

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0013"
down_revision: str | None = "0012"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

EVENT_TYPES = (
    "call.offered call.answered call.ended call.cleared presence.changed callback.due call_list.ready complaint.opened "
    "complaint.offered complaint.answered complaint.due_soon complaint.overdue complaint.reopened "
    "complaint.goodwill_asked complaint.goodwill_decided"
)
EVENT_TYPES_BEFORE = "call.offered call.answered call.ended call.cleared presence.changed callback.due call_list.ready"
BECAUSE = "complaint_owner account_manager last_agent longest_available"
BECAUSE_BEFORE = "account_manager last_agent longest_available"

CATEGORIES = """
product||normal|产品故障|Product fault
product.not_starting|product|high|不启动|Does not start
product.poor_performance|product|normal|效果差|Works badly
product.noise|product|normal|噪音|Noise
product.leak|product|high|漏水|Leaks
product.unsafe|product|critical|安全隐患|Unsafe
delivery||normal|送货安装|Delivery and installation
delivery.late|delivery|normal|迟到|Late
delivery.damaged|delivery|high|损坏|Damaged
delivery.installation|delivery|normal|安装不当|Badly installed
repair||high|维修|Repair
repair.not_fixed|repair|high|没有修好|Not mended
repair.no_show|repair|high|没有上门|Nobody came
service||normal|服务态度|How we treat people
service.rude|service|high|态度不好|Rude
service.passed_around|service|high|互相推诿|Sent from one to the next
service.unreachable|service|normal|联系不上|Cannot be reached
billing||normal|费用发票|Money
billing.overcharged|billing|normal|多收费|Charged too much
billing.invoice|billing|low|发票|Invoice
other||low|其他|Something else
"""

DUE_MINUTES = {"low": 40 * 60, "normal": 16 * 60, "high": 8 * 60, "critical": 4 * 60}
GOODWILL = {"agent": 200, "account_manager": 500}

PHRASES = """
opening|您好，请问是{称呼}吗？您的情况我这边都看得到，您请讲。|Hello, is that {name}? I have your file in front of me; please go ahead.||
apology|很抱歉给您添麻烦了，这件事由我负责到底。|I am sorry for the trouble. I shall look after this myself until it is settled.||
listen|您请慢慢说，我都记下来。|Please take your time; I am writing it all down.||
listen|我再跟您核对一下：您说的是……，对吗？|Let me make sure that I have it right: you say that …, is that so?||
explain|我先告诉您现在能做什么，再告诉您什么时候能办好。|First what I can do right now, then when it will be done.||
explain|明天会有人给您打电话，确认问题是不是真的解决了。|Tomorrow somebody will call you to make sure that it really works.||
avoid|不可能|That is impossible|我来查一下是怎么回事|Let me find out what happened
avoid|这不归我管|That is not my department|这件事我来跟进|I shall see to it
avoid|您肯定弄错了|You must be mistaken|我们一起看一下|Let us look at it together
avoid|这是公司规定|That is our policy|我能为您做的是……|What I can do for you is …
avoid|您冷静一下|Calm down|我理解您为什么着急|I see why this upsets you
"""

ARTICLE = {
    "title_zh": "空调久未使用不启动：重置遥控器",
    "title_en": "Air conditioner unused for long: reset the remote control",
    "symptoms_zh": "空调几个月没有使用，按遥控器开机没有反应，指示灯不亮。",
    "symptoms_en": "The air conditioner was not used for months and does not start by the remote control; no light comes on.",
    "steps_zh": "1. 取出遥控器电池，等一分钟。\n2. 换上新电池，按住复位键五秒。\n3. 空调断电一分钟后重新通电。\n4. 用遥控器开机，选制热或制冷。",
    "steps_en": "1. Take the batteries out of the remote control and wait a minute.\n2. Put in new ones and hold the reset key "
    "for five seconds.\n3. Unplug the air conditioner for a minute.\n4. Switch it on by the remote control.",
}
ARTICLE_PRODUCTS = ["空调", "air conditioner"]


def id_of(what: str, key: str) -> str:
    """What the demo and other installations know a default by."""
    return str(uuid5(NAMESPACE_URL, f"urn:callcard:{what}:{key}"))


def grams_of(text: str) -> Iterator[str]:
    """As `domain/help_words.py` cut texts up when this was written."""
    for run in re.findall(r"[\u3400-\u9fff]+|[a-z0-9]+", text.lower()):
        if run.isascii():
            yield run.removesuffix("s") if len(run) > 3 else run
        else:
            yield from (run[first : first + 2] for first in range(len(run) - 1))


def upgrade() -> None:
    op.create_table(
        "articles",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("title_zh", sa.Text(), server_default="", nullable=False),
        sa.Column("title_en", sa.Text(), server_default="", nullable=False),
        sa.Column("symptoms_zh", sa.Text(), server_default="", nullable=False),
        sa.Column("symptoms_en", sa.Text(), server_default="", nullable=False),
        sa.Column("steps_zh", sa.Text(), server_default="", nullable=False),
        sa.Column("steps_en", sa.Text(), server_default="", nullable=False),
        sa.Column("products", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("grams", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("title_zh <> '' OR title_en <> ''", name=op.f("ck_articles_title")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_articles")),
    )
    op.create_index("ix_articles_grams", "articles", ["grams"], unique=False, postgresql_using="gin")
    op.create_table(
        "complaint_categories",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("name_zh", sa.Text(), nullable=False),
        sa.Column("name_en", sa.Text(), nullable=False),
        sa.Column("severity", sa.String(32), server_default="normal", nullable=False),
        sa.Column("position", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "severity = ANY ('{low,normal,high,critical}'::text[])", name=op.f("ck_complaint_categories_severity")
        ),
        sa.ForeignKeyConstraint(
            ["parent_id"],
            ["complaint_categories.id"],
            name=op.f("fk_complaint_categories_parent_id_complaint_categories"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_complaint_categories")),
        sa.UniqueConstraint("key", name=op.f("uq_complaint_categories_key")),
    )
    op.create_index(op.f("ix_complaint_categories_parent_id"), "complaint_categories", ["parent_id"], unique=False)
    op.create_table(
        "complaint_severities",
        sa.Column("severity", sa.String(32), nullable=False),
        sa.Column("due_minutes", sa.BigInteger(), nullable=False),
        sa.Column(
            "warn_percent", postgresql.ARRAY(sa.BigInteger()), server_default=sa.text("'{50,80,100}'"), nullable=False
        ),
        sa.CheckConstraint(
            "severity = ANY ('{low,normal,high,critical}'::text[])", name=op.f("ck_complaint_severities_severity")
        ),
        sa.CheckConstraint("due_minutes BETWEEN 1 AND 100000", name=op.f("ck_complaint_severities_due_minutes")),
        sa.PrimaryKeyConstraint("severity", name=op.f("pk_complaint_severities")),
    )
    op.create_table(
        "daily_codes",
        sa.Column("letter", sa.String(length=1), nullable=False),
        sa.Column("day", sa.String(length=8), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("letter", "day", name=op.f("pk_daily_codes")),
    )
    op.create_table(
        "goodwill_limits",
        sa.Column("role", sa.String(32), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("amount", sa.Numeric(precision=14, scale=2), nullable=False),
        sa.CheckConstraint(
            "role = ANY ('{agent,account_manager,supervisor,analyst,admin}'::text[])",
            name=op.f("ck_goodwill_limits_role"),
        ),
        sa.CheckConstraint("amount >= 0", name=op.f("ck_goodwill_limits_amount")),
        sa.PrimaryKeyConstraint("role", "currency", name=op.f("pk_goodwill_limits")),
    )
    op.create_table(
        "partners",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), server_default="", nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("region", sa.Text(), server_default="", nullable=False),
        sa.Column("due_minutes", sa.BigInteger(), nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("due_minutes BETWEEN 1 AND 100000", name=op.f("ck_partners_due_minutes")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_partners")),
        sa.UniqueConstraint("name", name=op.f("uq_partners_name")),
    )
    op.create_table(
        "article_categories",
        sa.Column("article_id", sa.Uuid(), nullable=False),
        sa.Column("category_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["article_id"], ["articles.id"], name=op.f("fk_article_categories_article_id_articles"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["category_id"],
            ["complaint_categories.id"],
            name=op.f("fk_article_categories_category_id_complaint_categories"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("article_id", "category_id", name=op.f("pk_article_categories")),
    )
    op.create_index(op.f("ix_article_categories_category_id"), "article_categories", ["category_id"], unique=False)
    op.create_table(
        "phrases",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("queue_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("position", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("text_zh", sa.Text(), nullable=False),
        sa.Column("text_en", sa.Text(), nullable=False),
        sa.Column("instead_zh", sa.Text(), server_default="", nullable=False),
        sa.Column("instead_en", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint(
            "kind = ANY ('{opening,apology,listen,explain,avoid}'::text[])", name=op.f("ck_phrases_kind")
        ),
        sa.ForeignKeyConstraint(
            ["queue_id"], ["queues.id"], name=op.f("fk_phrases_queue_id_queues"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_phrases")),
    )
    op.create_index("ix_phrases_queue_id_kind_position", "phrases", ["queue_id", "kind", "position"], unique=False)
    op.create_table(
        "complaints",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column("contact", sa.Text(), server_default="", nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=True),
        sa.Column("queue_id", sa.Uuid(), nullable=True),
        sa.Column("purchase_id", sa.Uuid(), nullable=True),
        sa.Column("product", sa.Text(), server_default="", nullable=False),
        sa.Column("batch", sa.Text(), server_default="", nullable=False),
        sa.Column("serial_number", sa.Text(), server_default="", nullable=False),
        sa.Column("category_id", sa.Uuid(), nullable=True),
        sa.Column("severity", sa.String(32), nullable=False),
        sa.Column("what_happened", sa.Text(), nullable=False),
        sa.Column("wants", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("channel", sa.String(32), nullable=False),
        sa.Column("state", sa.String(32), server_default="open", nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("partner_id", sa.Uuid(), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_by_id", sa.Uuid(), nullable=True),
        sa.Column("settle_by", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("clock_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("allowed_seconds", sa.BigInteger(), nullable=False),
        sa.Column("paused_seconds", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("warned_percent", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("warn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("pause_reason", sa.Text(), nullable=True),
        sa.Column("escalated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("first_response_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_by_id", sa.Uuid(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reopened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reopen_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("handover_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("article_id", sa.Uuid(), nullable=True),
        sa.Column("resolution", sa.Text(), server_default="", nullable=False),
        sa.Column("root_cause", sa.Text(), server_default="", nullable=False),
        sa.Column("prevention", sa.Text(), server_default="", nullable=False),
        sa.Column("satisfaction", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "channel = ANY ('{call,email,sms,fax,chat,visit,web}'::text[])", name=op.f("ck_complaints_channel")
        ),
        sa.CheckConstraint(
            "severity = ANY ('{low,normal,high,critical}'::text[])", name=op.f("ck_complaints_severity")
        ),
        sa.CheckConstraint(
            "state = ANY ('{open,in_progress,resolved,closed,reopened}'::text[])", name=op.f("ck_complaints_state")
        ),
        sa.CheckConstraint(
            "wants <@ '{be_taken_seriously,respect,action_now,compensation,someone_held_to_account,never_again,be_heard}'::text[]",
            name=op.f("ck_complaints_wants"),
        ),
        sa.CheckConstraint(
            "warn_at IS NULL OR (paused_at IS NULL AND state NOT IN ('resolved', 'closed'))",
            name=op.f("ck_complaints_clock"),
        ),
        sa.CheckConstraint(
            "(paused_at IS NULL) = (pause_reason IS NULL)", name=op.f("ck_complaints_paused_with_reason")
        ),
        sa.CheckConstraint("num_nonnulls(owner_id, partner_id) = 1", name=op.f("ck_complaints_one_owner")),
        sa.CheckConstraint("satisfaction BETWEEN 1 AND 5", name=op.f("ck_complaints_satisfaction")),
        sa.ForeignKeyConstraint(
            ["article_id"], ["articles.id"], name=op.f("fk_complaints_article_id_articles"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["call_id"], ["calls.id"], name=op.f("fk_complaints_call_id_calls"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["category_id"], ["complaint_categories.id"], name=op.f("fk_complaints_category_id_complaint_categories")
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_complaints_customer_id_customers"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["opened_by_id"], ["agents.id"], name=op.f("fk_complaints_opened_by_id_agents"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["agents.id"], name=op.f("fk_complaints_owner_id_agents")),
        sa.ForeignKeyConstraint(["partner_id"], ["partners.id"], name=op.f("fk_complaints_partner_id_partners")),
        sa.ForeignKeyConstraint(
            ["purchase_id"], ["purchases.id"], name=op.f("fk_complaints_purchase_id_purchases"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["queue_id"], ["queues.id"], name=op.f("fk_complaints_queue_id_queues"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["resolved_by_id"], ["agents.id"], name=op.f("fk_complaints_resolved_by_id_agents"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_complaints")),
        sa.UniqueConstraint("code", name=op.f("uq_complaints_code")),
    )
    op.create_index("ix_complaints_article_id", "complaints", ["article_id"], unique=False)
    op.create_index(op.f("ix_complaints_call_id"), "complaints", ["call_id"], unique=False)
    op.create_index("ix_complaints_category_id_opened_at", "complaints", ["category_id", "opened_at"], unique=False)
    op.create_index(
        "ix_complaints_customer_id_open",
        "complaints",
        ["customer_id", "opened_at"],
        unique=False,
        postgresql_include=["owner_id"],
        postgresql_where=sa.text("state <> 'closed'"),
    )
    op.create_index(
        "ix_complaints_customer_id_opened_at",
        "complaints",
        ["customer_id", sa.literal_column("opened_at DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index(
        "ix_complaints_due_at",
        "complaints",
        ["due_at", "id"],
        unique=False,
        postgresql_where=sa.text("state NOT IN ('resolved', 'closed')"),
    )
    op.create_index("ix_complaints_opened_at_id", "complaints", ["opened_at", "id"], unique=False)
    op.create_index("ix_complaints_owner_id_state", "complaints", ["owner_id", "state"], unique=False)
    op.create_index("ix_complaints_partner_id_state", "complaints", ["partner_id", "state"], unique=False)
    op.create_index(
        "ix_complaints_product_batch",
        "complaints",
        ["product", "batch", "opened_at"],
        unique=False,
        postgresql_where=sa.text("batch <> ''"),
    )
    op.create_index(op.f("ix_complaints_purchase_id"), "complaints", ["purchase_id"], unique=False)
    op.create_index(op.f("ix_complaints_queue_id"), "complaints", ["queue_id"], unique=False)
    op.create_index(
        "ix_complaints_resolved_at",
        "complaints",
        ["resolved_at"],
        unique=False,
        postgresql_where=sa.text("resolved_at IS NOT NULL"),
    )
    op.create_index(
        "ix_complaints_warn_at",
        "complaints",
        ["warn_at"],
        unique=False,
        postgresql_where=sa.text("warn_at IS NOT NULL"),
    )
    op.create_table(
        "complaint_changes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("complaint_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("what", sa.String(length=32), nullable=False),
        sa.Column("detail", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agents.id"], name=op.f("fk_complaint_changes_agent_id_agents"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["complaint_id"],
            ["complaints.id"],
            name=op.f("fk_complaint_changes_complaint_id_complaints"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_complaint_changes")),
    )
    op.create_index(
        "ix_complaint_changes_complaint_id_at", "complaint_changes", ["complaint_id", "at", "id"], unique=False
    )
    op.create_table(
        "complaint_links",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("complaint_id", sa.Uuid(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agents.id"], name=op.f("fk_complaint_links_agent_id_agents"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["complaint_id"],
            ["complaints.id"],
            name=op.f("fk_complaint_links_complaint_id_complaints"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_complaint_links")),
    )
    op.create_index("ix_complaint_links_complaint_id_at", "complaint_links", ["complaint_id", "at", "id"], unique=False)
    op.create_table(
        "complaint_mails",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("complaint_id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["complaint_id"],
            ["complaints.id"],
            name=op.f("fk_complaint_mails_complaint_id_complaints"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_complaint_mails")),
        sa.UniqueConstraint("message_id", name=op.f("uq_complaint_mails_message_id")),
    )
    op.create_index(
        "ix_complaint_mails_complaint_id_received_at",
        "complaint_mails",
        ["complaint_id", "received_at", "id"],
        unique=False,
    )
    op.create_table(
        "goodwill",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("complaint_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(32), server_default="asked", nullable=False),
        sa.Column("amount", sa.Numeric(precision=14, scale=2), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("asked_by_id", sa.Uuid(), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by_id", sa.Uuid(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint("(state = 'asked') = (decided_at IS NULL)", name=op.f("ck_goodwill_decided_at")),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_goodwill_currency")),
        sa.CheckConstraint("state = ANY ('{asked,approved,refused}'::text[])", name=op.f("ck_goodwill_state")),
        sa.CheckConstraint("amount > 0", name=op.f("ck_goodwill_amount")),
        sa.ForeignKeyConstraint(
            ["asked_by_id"], ["agents.id"], name=op.f("fk_goodwill_asked_by_id_agents"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["complaint_id"], ["complaints.id"], name=op.f("fk_goodwill_complaint_id_complaints"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["decided_by_id"], ["agents.id"], name=op.f("fk_goodwill_decided_by_id_agents"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_goodwill")),
    )
    op.create_index(
        "ix_goodwill_asked", "goodwill", ["asked_at"], unique=False, postgresql_where=sa.text("state = 'asked'")
    )
    op.create_index("ix_goodwill_complaint_id_asked_at", "goodwill", ["complaint_id", "asked_at", "id"], unique=False)
    op.create_table(
        "handovers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("complaint_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(32), server_default="pending", nullable=False),
        sa.Column("from_agent_id", sa.Uuid(), nullable=True),
        sa.Column("from_partner_id", sa.Uuid(), nullable=True),
        sa.Column("to_agent_id", sa.Uuid(), nullable=True),
        sa.Column("to_partner_id", sa.Uuid(), nullable=True),
        sa.Column("to_queue_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("asked_by_id", sa.Uuid(), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_by_id", sa.Uuid(), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint("(state = 'pending') = (answered_at IS NULL)", name=op.f("ck_handovers_answered_at")),
        sa.CheckConstraint(
            "state = ANY ('{pending,accepted,declined,withdrawn}'::text[])", name=op.f("ck_handovers_state")
        ),
        sa.CheckConstraint(
            "num_nonnulls(to_agent_id, to_partner_id, to_queue_id) = 1", name=op.f("ck_handovers_one_receiver")
        ),
        sa.ForeignKeyConstraint(
            ["answered_by_id"], ["agents.id"], name=op.f("fk_handovers_answered_by_id_agents"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["asked_by_id"], ["agents.id"], name=op.f("fk_handovers_asked_by_id_agents"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["complaint_id"], ["complaints.id"], name=op.f("fk_handovers_complaint_id_complaints"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["from_agent_id"], ["agents.id"], name=op.f("fk_handovers_from_agent_id_agents")),
        sa.ForeignKeyConstraint(
            ["from_partner_id"], ["partners.id"], name=op.f("fk_handovers_from_partner_id_partners")
        ),
        sa.ForeignKeyConstraint(["to_agent_id"], ["agents.id"], name=op.f("fk_handovers_to_agent_id_agents")),
        sa.ForeignKeyConstraint(["to_partner_id"], ["partners.id"], name=op.f("fk_handovers_to_partner_id_partners")),
        sa.ForeignKeyConstraint(
            ["to_queue_id"], ["queues.id"], name=op.f("fk_handovers_to_queue_id_queues"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_handovers")),
    )
    op.create_index("ix_handovers_complaint_id_asked_at", "handovers", ["complaint_id", "asked_at", "id"], unique=False)
    op.create_index(
        "ix_handovers_to_agent_id",
        "handovers",
        ["to_agent_id"],
        unique=False,
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index(
        "ix_handovers_to_queue_id",
        "handovers",
        ["to_queue_id"],
        unique=False,
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index(
        "uq_handovers_pending",
        "handovers",
        ["complaint_id"],
        unique=True,
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.add_column("callbacks", sa.Column("complaint_id", sa.Uuid(), nullable=True))
    op.create_index(op.f("ix_callbacks_complaint_id"), "callbacks", ["complaint_id"], unique=False)
    op.create_foreign_key(
        op.f("fk_callbacks_complaint_id_complaints"),
        "callbacks",
        "complaints",
        ["complaint_id"],
        ["id"],
        ondelete="SET NULL",
    )
    check_members("agent_events", "type", EVENT_TYPES)
    check_members("legs", "because", BECAUSE)
    add_defaults()


def check_members(table: str, column: str, members: str) -> None:
    name, listed = op.f(f"ck_{table}_{column}"), ",".join(members.split())
    op.drop_constraint(name, table, type_="check")
    op.create_check_constraint(name, table, f"{column} = ANY ('{{{listed}}}'::text[])")


def add_defaults() -> None:
    text, uuid = sa.Text(), sa.Uuid()
    categories = sa.table(
        "complaint_categories",
        *(sa.column(name, uuid) for name in ("id", "parent_id")),
        *(sa.column(name, text) for name in ("key", "severity", "name_zh", "name_en")),
        sa.column("position", sa.BigInteger()),
    )
    for position, line in enumerate(CATEGORIES.split("\n")[1:-1]):
        key, parent, severity, name_zh, name_en = line.split("|")
        row = {"id": id_of("complaint_category", key), "key": key, "severity": severity, "position": position}
        parent_id = id_of("complaint_category", parent) if parent else None
        op.bulk_insert(categories, [{**row, "parent_id": parent_id, "name_zh": name_zh, "name_en": name_en}])
    op.bulk_insert(
        sa.table("complaint_severities", sa.column("severity", text), sa.column("due_minutes", sa.BigInteger())),
        [{"severity": severity, "due_minutes": minutes} for severity, minutes in DUE_MINUTES.items()],
    )
    op.bulk_insert(
        sa.table(
            "goodwill_limits", sa.column("role", text), sa.column("currency", text), sa.column("amount", sa.Numeric())
        ),
        [{"role": role, "currency": "CNY", "amount": amount} for role, amount in GOODWILL.items()],
    )
    phrases = sa.table(
        "phrases",
        sa.column("id", uuid),
        sa.column("position", sa.BigInteger()),
        *(sa.column(name, text) for name in ("kind", "text_zh", "text_en", "instead_zh", "instead_en")),
    )
    op.bulk_insert(
        phrases,
        [
            {
                "id": id_of("phrase", f"{position}"),
                "position": position,
                **dict(zip(("kind", "text_zh", "text_en", "instead_zh", "instead_en"), line.split("|"), strict=True)),
            }
            for position, line in enumerate(PHRASES.split("\n")[1:-1])
        ],
    )
    articles = sa.table(
        "articles",
        sa.column("id", uuid),
        *(sa.column(name, text) for name in ARTICLE),
        *(sa.column(name, postgresql.ARRAY(text)) for name in ("products", "grams")),
    )
    article_id = id_of("article", "reset_remote_control")
    grams = sorted({gram for field in (*ARTICLE.values(), *ARTICLE_PRODUCTS) for gram in grams_of(field)})
    op.bulk_insert(articles, [{"id": article_id, **ARTICLE, "products": ARTICLE_PRODUCTS, "grams": grams}])
    op.bulk_insert(
        sa.table("article_categories", sa.column("article_id", uuid), sa.column("category_id", uuid)),
        [{"article_id": article_id, "category_id": id_of("complaint_category", "product.not_starting")}],
    )


def downgrade() -> None:
    op.execute("DELETE FROM agent_events WHERE type LIKE 'complaint.%'")
    check_members("agent_events", "type", EVENT_TYPES_BEFORE)
    op.execute("UPDATE legs SET because = 'last_agent' WHERE because = 'complaint_owner'")
    check_members("legs", "because", BECAUSE_BEFORE)
    op.drop_column("callbacks", "complaint_id")
    for table in (
        "handovers goodwill complaint_mails complaint_links complaint_changes complaints phrases article_categories "
        "partners goodwill_limits daily_codes complaint_severities complaint_categories articles"
    ).split():
        op.drop_table(table)
