"""What customers are found by while somebody types, kept beside them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, Sequence, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base

SEARCH_NO = Sequence("customer_search_no_seq", metadata=Base.metadata, start=1)
"""Running numbers of customers, in the order in which they became searchable."""


class CustomerSearch(Base):
    """One customer's fields and the numbers of their grams; `app.domain.search_terms` says what these are.

    Derived from the customer and their phones, and written by `app.services.search_index` alone. `as_of` is the
    customer's `updated_at` as it was then: who has another one by now, or no row, is out of date. The row of a customer
    who is not to be found (merged, erased) is empty.
    """

    __tablename__ = "customer_search"
    __table_args__ = (
        # Without the list of pending entries: every search would read it once for each segment.
        Index("ix_customer_search_grams", "grams", postgresql_using="gin", postgresql_with={"fastupdate": "off"}),
    )

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"), primary_key=True)
    no: Mapped[int] = mapped_column(BigInteger, unique=True, server_default=text("nextval('customer_search_no_seq')"))
    fields: Mapped[str]
    grams: Mapped[list[int]] = mapped_column(ARRAY(Integer()))
    as_of: Mapped[datetime]
