"""What helps an agent while somebody complains: the answer base, and what to say and not to say."""

from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Text

from app.models.base import Base, HasId, HasTimes


class Article(HasId, HasTimes, Base):
    """An answer that has helped before: what one sees, and what to do.

    `grams` are its texts cut up as `domain.help_words` cuts what somebody types. How many complaints it settled is
    counted from the complaints, so that none counts twice.
    """

    __tablename__ = "articles"
    __table_args__ = (
        Index("ix_articles_grams", "grams", postgresql_using="gin"),
        CheckConstraint("title_zh <> '' OR title_en <> ''", name="title"),
    )

    title_zh: Mapped[str] = mapped_column(server_default="")
    title_en: Mapped[str] = mapped_column(server_default="")
    symptoms_zh: Mapped[str] = mapped_column(server_default="")
    symptoms_en: Mapped[str] = mapped_column(server_default="")
    steps_zh: Mapped[str] = mapped_column(server_default="")
    steps_en: Mapped[str] = mapped_column(server_default="")
    products: Mapped[list[str]] = mapped_column(ARRAY(Text()), server_default=text("'{}'"))
    grams: Mapped[list[str]] = mapped_column(ARRAY(Text()), server_default=text("'{}'"))
    active: Mapped[bool] = mapped_column(server_default=text("true"))


class ArticleCategory(Base):
    """An article answers complaints of this category and of those under it."""

    __tablename__ = "article_categories"

    article_id: Mapped[UUID] = mapped_column(ForeignKey("articles.id", ondelete="CASCADE"), primary_key=True)
    category_id: Mapped[UUID] = mapped_column(
        ForeignKey("complaint_categories.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class PhraseKind(StrEnum):
    """When a phrase is said; in the order in which a complaint is talked through."""

    OPENING = "opening"
    APOLOGY = "apology"
    LISTEN = "listen"
    EXPLAIN = "explain"
    AVOID = "avoid"
    """Words that make it worse; `instead` is what to say."""


class Phrase(HasId, Base):
    """Something to say, or not to say, in a queue; without a queue it holds in all of them."""

    __tablename__ = "phrases"
    __table_args__ = (Index("ix_phrases_queue_id_kind_position", "queue_id", "kind", "position"),)

    queue_id: Mapped[UUID | None] = mapped_column(ForeignKey("queues.id", ondelete="CASCADE"))
    kind: Mapped[PhraseKind]
    position: Mapped[int] = mapped_column(server_default=text("0"))
    text_zh: Mapped[str]
    text_en: Mapped[str]
    instead_zh: Mapped[str] = mapped_column(server_default="")
    instead_en: Mapped[str] = mapped_column(server_default="")
