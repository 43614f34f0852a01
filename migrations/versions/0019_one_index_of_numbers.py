"""One index of numbers instead of two: by their last digits, then whole."""

from collections.abc import Sequence

from alembic import op

revision: str = "0019"
down_revision: str | None = "0018"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_index(
        "ix_customer_phones_bucket_e164",
        "customer_phones",
        ["bucket", "e164"],
        postgresql_include=["customer_id"],
    )
    op.drop_index("ix_customer_phones_bucket", "customer_phones")
    op.drop_index("ix_customer_phones_e164", "customer_phones")


def downgrade() -> None:
    op.create_index("ix_customer_phones_e164", "customer_phones", ["e164"], postgresql_include=["customer_id"])
    op.create_index("ix_customer_phones_bucket", "customer_phones", ["bucket"])
    op.drop_index("ix_customer_phones_bucket_e164", "customer_phones")
