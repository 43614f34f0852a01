"""Numbers are kept apart by the index that they are looked up by; one by customer serves what two did."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0022"
down_revision: str | None = "0021"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_check_constraint(
        op.f("ck_customer_phones_bucket"), "customer_phones", "bucket = right(substr(e164, 2), 8)"
    )
    op.create_unique_constraint(
        op.f("uq_customer_phones_bucket_e164_customer_id"), "customer_phones", ["bucket", "e164", "customer_id"]
    )
    op.drop_index("ix_customer_phones_bucket_e164", "customer_phones")
    op.create_index("ix_customer_phones_customer_id_wrong_since", "customer_phones", ["customer_id", "wrong_since"])
    op.drop_index("ix_customer_phones_usable", "customer_phones")
    op.drop_constraint(op.f("uq_customer_phones_customer_id_e164"), "customer_phones")


def downgrade() -> None:
    op.create_unique_constraint(op.f("uq_customer_phones_customer_id_e164"), "customer_phones", ["customer_id", "e164"])
    op.create_index(
        "ix_customer_phones_usable",
        "customer_phones",
        ["customer_id"],
        postgresql_where=sa.text("wrong_since IS NULL"),
    )
    op.drop_index("ix_customer_phones_customer_id_wrong_since", "customer_phones")
    op.create_index(
        "ix_customer_phones_bucket_e164",
        "customer_phones",
        ["bucket", "e164"],
        postgresql_include=["customer_id"],
    )
    op.drop_constraint(op.f("uq_customer_phones_bucket_e164_customer_id"), "customer_phones")
    op.drop_constraint(op.f("ck_customer_phones_bucket"), "customer_phones")
