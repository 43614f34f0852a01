"""The answer base, what of it may help, and the phrases of a queue."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import Select, case, cast, delete, func, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import Text

from app.domain.complaint_states import SETTLED
from app.domain.help_words import grams_of
from app.errors import NotFound
from app.models.complaints import Complaint, ComplaintCategory
from app.models.help import Article, ArticleCategory, Phrase, PhraseKind
from app.schemas.help import ArticleCreate, ArticleRead, PhraseCreate, PhraseRead, Suggestion
from app.schemas.screen_pop import BothLanguages
from app.services.complaints.setup import offered_category

MOST_SUGGESTIONS: Final = 5

_CATEGORY_COUNTS: Final = 3.0
_PRODUCT_COUNTS: Final = 2.0
_WORDS_COUNT: Final = 4.0
_ORDER: Final = list(PhraseKind)


class NoSuchArticle(NotFound):
    """There is no article of that id."""

    code = "no_such_article"
    title = "No such article"


class NoSuchPhrase(NotFound):
    """The queue has no such phrase."""

    code = "no_such_phrase"
    title = "No such phrase"


def _articles() -> Select[Article, int]:
    solved = (
        select(func.count()).where(Complaint.article_id == Article.id, Complaint.state.in_(SETTLED)).scalar_subquery()
    )
    return select(Article, solved)


async def list_articles(session: AsyncSession, *, only_active: bool) -> list[ArticleRead]:
    """The articles by title."""
    wanted = _articles().order_by(Article.title_zh, Article.title_en, Article.id)
    if only_active:
        wanted = wanted.where(Article.active)
    return await _read(session, (await session.execute(wanted)).all())


async def read_article(session: AsyncSession, article_id: UUID) -> ArticleRead:
    """One article. Raises NoSuchArticle."""
    found = await _read(session, (await session.execute(_articles().where(Article.id == article_id))).all())
    if not found:
        raise NoSuchArticle("There is no such article.")
    return found[0]


async def save_article(session: AsyncSession, given: ArticleCreate, article_id: UUID | None = None) -> ArticleRead:
    """Write a new article, or an article anew. Raises NoSuchArticle, UnknownCategory."""
    categories = [await offered_category(session, ref) for ref in given.categories]
    article = Article() if article_id is None else await session.get(Article, article_id, with_for_update=True)
    if article is None:
        raise NoSuchArticle("There is no such article.")
    for name, value in given.model_dump(exclude={"categories"}).items():
        setattr(article, name, value)
    article.grams = grams_of(
        *(getattr(given, f"{part}_{lang}") for part in ("title", "symptoms", "steps") for lang in ("zh", "en")),
        *given.products,
    )
    session.add(article)
    await session.flush()
    await session.execute(delete(ArticleCategory).where(ArticleCategory.article_id == article.id))
    session.add_all(
        ArticleCategory(article_id=article.id, category_id=category_id)
        for category_id in {category.id for category in categories}
    )
    await session.flush()
    return await read_article(session, article.id)


async def suggest(
    session: AsyncSession, *, typed: str, product: str = "", category_id: UUID | None = None
) -> list[Suggestion]:
    """The articles that may help, the best first, at most five.

    What counts: an article of the category or of one above it 3, one of the product 2, and the share of what was typed
    that is found in it up to 4. An article that shares nothing with any of them is not suggested.

    Args:
        typed: words in any language, as somebody types them.
        product: the name of the product, as the complaint has it.
    """
    grams = grams_of(typed, product)
    given = cast(grams, ARRAY(Text()))
    gram = func.unnest(Article.grams).column_valued("gram")
    shared = select(func.count()).where(gram == func.any(given)).correlate(Article)
    by_words = _WORDS_COUNT * shared.scalar_subquery() / max(len(grams), 1)
    fits_category = (
        select(ArticleCategory.article_id)
        .where(
            ArticleCategory.article_id == Article.id,
            ArticleCategory.category_id.in_(await _with_those_above(session, category_id)),
        )
        .exists()
    )
    names = [name for name in (product.strip(),) if name]
    fits_product = Article.products.overlap(cast(names, ARRAY(Text())))
    score = (
        case((fits_category, _CATEGORY_COUNTS), else_=0.0) + case((fits_product, _PRODUCT_COUNTS), else_=0.0) + by_words
    ).label("score")
    rows = (
        await session.execute(
            _articles()
            .add_columns(score)
            .where(Article.active, or_(Article.grams.overlap(given), fits_category, fits_product))
            .order_by(score.desc(), Article.id)
            .limit(MOST_SUGGESTIONS)
        )
    ).all()
    articles = await _read(session, [(row[0], row[1]) for row in rows])
    return [Suggestion(article=article, score=float(row[2])) for article, row in zip(articles, rows, strict=True)]


async def _with_those_above(session: AsyncSession, category_id: UUID | None) -> list[UUID]:
    found: list[UUID] = []
    while category_id is not None and category_id not in found:
        found.append(category_id)
        category_id = await session.scalar(
            select(ComplaintCategory.parent_id).where(ComplaintCategory.id == category_id)
        )
    return found


async def _read(session: AsyncSession, rows: Sequence[tuple[Article, int]]) -> list[ArticleRead]:
    keys: dict[UUID, list[str]] = {}
    for article_id, key in await session.execute(
        select(ArticleCategory.article_id, ComplaintCategory.key)
        .join(ComplaintCategory, ComplaintCategory.id == ArticleCategory.category_id)
        .where(ArticleCategory.article_id.in_([article.id for article, _ in rows]))
        .order_by(ComplaintCategory.key)
    ):
        keys.setdefault(article_id, []).append(key)
    return [
        ArticleRead(
            id=article.id,
            title=BothLanguages(zh=article.title_zh, en=article.title_en),
            symptoms=BothLanguages(zh=article.symptoms_zh, en=article.symptoms_en),
            steps=BothLanguages(zh=article.steps_zh, en=article.steps_en),
            products=article.products,
            categories=keys.get(article.id, []),
            active=article.active,
            solved_count=solved,
        )
        for article, solved in rows
    ]


async def phrases_of(session: AsyncSession, queue_id: UUID | None) -> list[PhraseRead]:
    """What to say in a queue, in the order in which it is said; a queue's own phrases of a kind stand for all."""
    rows = list(
        await session.scalars(
            select(Phrase)
            .where(or_(Phrase.queue_id.is_(None), Phrase.queue_id == queue_id))
            .order_by(Phrase.position, Phrase.id)
        )
    )
    own = {row.kind for row in rows if row.queue_id is not None}
    shown = [row for row in rows if row.queue_id is not None or row.kind not in own]
    return [_phrase_read(row) for row in sorted(shown, key=lambda row: _ORDER.index(row.kind))]


async def add_phrase(session: AsyncSession, queue_id: UUID | None, given: PhraseCreate) -> PhraseRead:
    """A phrase for a queue, or for all."""
    row = Phrase(queue_id=queue_id, **given.model_dump())
    session.add(row)
    await session.flush()
    return _phrase_read(row)


async def remove_phrase(session: AsyncSession, phrase_id: UUID) -> None:
    """Take a phrase away. Raises NoSuchPhrase."""
    row = await session.get(Phrase, phrase_id)
    if row is None:
        raise NoSuchPhrase("There is no such phrase.")
    await session.delete(row)
    await session.flush()


def _phrase_read(row: Phrase) -> PhraseRead:
    return PhraseRead(
        id=row.id,
        queue_id=row.queue_id,
        kind=row.kind,
        text=BothLanguages(zh=row.text_zh, en=row.text_en),
        instead=BothLanguages(zh=row.instead_zh or "", en=row.instead_en or ""),
        position=row.position or 0,
    )
