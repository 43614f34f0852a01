"""Customers who may be one person: models, runs and reviews; keys by which a caller's earlier record is found."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "linkage_models",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("parameters", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_linkage_models")),
    )
    op.create_table(
        "linkage_runs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("incremental", sa.Boolean(), nullable=False),
        sa.Column("seen_up_to", sa.DateTime(timezone=True), nullable=False),
        sa.Column("customers", sa.BigInteger(), nullable=False),
        sa.Column("found", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["model_id"], ["linkage_models.id"], name=op.f("fk_linkage_runs_model_id_linkage_models")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_linkage_runs")),
    )
    op.create_table(
        "duplicate_reviews",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("low_id", sa.Uuid(), nullable=False),
        sa.Column("high_id", sa.Uuid(), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("suggested", sa.String(32), nullable=False),
        sa.Column("reasons", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("status", sa.String(32), server_default="open", nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=True),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("low_id < high_id", name=op.f("ck_duplicate_reviews_low_is_lower")),
        sa.CheckConstraint(
            "suggested = ANY ('{same,maybe}'::text[])", name=op.f("ck_duplicate_reviews_suggested_is_no_refusal")
        ),
        sa.CheckConstraint(
            "suggested = ANY ('{same,maybe,different}'::text[])", name=op.f("ck_duplicate_reviews_suggested")
        ),
        sa.CheckConstraint(
            "status = ANY ('{open,merged,different}'::text[])", name=op.f("ck_duplicate_reviews_status")
        ),
        sa.CheckConstraint(
            "(decided_at IS NULL) = (status = 'open')", name=op.f("ck_duplicate_reviews_decided_when_not_open")
        ),
        sa.ForeignKeyConstraint(
            ["low_id"], ["customers.id"], name=op.f("fk_duplicate_reviews_low_id_customers"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["high_id"], ["customers.id"], name=op.f("fk_duplicate_reviews_high_id_customers"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["model_id"],
            ["linkage_models.id"],
            name=op.f("fk_duplicate_reviews_model_id_linkage_models"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["decided_by"], ["agents.id"], name=op.f("fk_duplicate_reviews_decided_by_agents"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duplicate_reviews")),
        sa.UniqueConstraint("low_id", "high_id", name=op.f("uq_duplicate_reviews_low_id_high_id")),
    )
    op.create_index("ix_duplicate_reviews_high_id", "duplicate_reviews", ["high_id"])
    op.create_index(
        "ix_duplicate_reviews_status_score", "duplicate_reviews", ["status", sa.text("score DESC"), sa.text("id DESC")]
    )
    op.create_index(
        "ix_customers_birth_date",
        "customers",
        ["birth_date"],
        postgresql_where=sa.text("birth_date IS NOT NULL"),
    )
    op.create_index(
        "ix_customers_national_id",
        "customers",
        ["national_id"],
        postgresql_where=sa.text("national_id IS NOT NULL"),
    )
    op.create_index(
        "ix_customers_latin_name_lower",
        "customers",
        [sa.literal_column("lower(latin_name)")],
        postgresql_where=sa.text("latin_name <> ''"),
    )


def downgrade() -> None:
    op.drop_index("ix_customers_latin_name_lower", "customers")
    op.drop_index("ix_customers_national_id", "customers")
    op.drop_index("ix_customers_birth_date", "customers")
    op.drop_table("duplicate_reviews")
    op.drop_table("linkage_runs")
    op.drop_table("linkage_models")
