"""Whom a customer belongs with, and what they have agreed to."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.customer_facts import Channel
from app.models.base import Base, HasId


class LinkKind(StrEnum):
    """What one customer is to another."""

    SPOUSE = "spouse"
    PARENT = "parent"
    CHILD = "child"
    SIBLING = "sibling"
    RELATIVE = "relative"
    HOUSEHOLD = "household"
    EMPLOYER = "employer"
    EMPLOYEE = "employee"
    PARENT_COMPANY = "parent_company"
    SUBSIDIARY = "subsidiary"
    PARTNER = "partner"
    OTHER = "other"


INVERSE = {
    LinkKind.PARENT: LinkKind.CHILD,
    LinkKind.CHILD: LinkKind.PARENT,
    LinkKind.EMPLOYER: LinkKind.EMPLOYEE,
    LinkKind.EMPLOYEE: LinkKind.EMPLOYER,
    LinkKind.PARENT_COMPANY: LinkKind.SUBSIDIARY,
    LinkKind.SUBSIDIARY: LinkKind.PARENT_COMPANY,
}
"""What the first is to the second when the second is this to the first; a kind that is missing is its own inverse."""


class CustomerLink(HasId, Base):
    """`other_id` is `kind` of `customer_id`: 王芳 is the spouse of 鲁大伟. Written once, shown on both cards."""

    __tablename__ = "customer_links"
    __table_args__ = (
        UniqueConstraint("customer_id", "other_id", "kind"),
        Index("ix_customer_links_other_id", "other_id"),
        CheckConstraint("customer_id <> other_id", name="two_customers"),
    )

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"))
    other_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"))
    kind: Mapped[LinkKind]
    note: Mapped[str] = mapped_column(server_default="")
    agent_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ConsentPurpose(StrEnum):
    """What a customer may agree to."""

    MARKETING_CALL = "marketing_call"
    MARKETING_SMS = "marketing_sms"
    MARKETING_EMAIL = "marketing_email"
    RECORDING = "recording"
    DATA_SHARING = "data_sharing"


class ConsentState(StrEnum):
    """What they said."""

    GRANTED = "granted"
    WITHDRAWN = "withdrawn"


class Consent(HasId, Base):
    """One word of a customer about a purpose. Rows are only ever added; the latest word on a purpose counts."""

    __tablename__ = "consents"
    __table_args__ = (
        Index("ix_consents_customer_id_purpose_at", "customer_id", "purpose", text("at DESC"), text("id DESC")),
        Index(
            "ix_consents_withdrawn",
            "customer_id",
            postgresql_include=["at", "id"],
            postgresql_where=text("purpose = 'marketing_call' AND state = 'withdrawn'"),
        ),
    )

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"))
    purpose: Mapped[ConsentPurpose]
    state: Mapped[ConsentState]
    at: Mapped[datetime]
    channel: Mapped[Channel]
    note: Mapped[str] = mapped_column(server_default="")
    agent_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
