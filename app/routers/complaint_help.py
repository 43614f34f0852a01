"""The answer base, what to say in a queue, and how complaints are set up."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from app.dependencies import DbSession, OriginNotAllowed
from app.models.complaints import Severity
from app.models.people import Role
from app.routers.complaints import LISTING, Reader, Supervisor
from app.schemas.common import FilledWord, Line
from app.schemas.help import (
    ArticleCreate,
    ArticleRead,
    CategoryCreate,
    CategoryRead,
    CategoryUpdate,
    GoodwillLimitRead,
    GoodwillLimitUpdate,
    PartnerCreate,
    PartnerRead,
    PartnerUpdate,
    PhraseCreate,
    PhraseRead,
    SeverityRead,
    SeverityUpdate,
    Suggestion,
)
from app.schemas.listing import Listing
from app.schemas.problem import problems
from app.services.complaints import articles, setup
from app.services.complaints.articles import NoSuchArticle, NoSuchPhrase
from app.services.complaints.setup import NameTaken, NoSuchCategory, NoSuchPartner, OwnAncestor
from app.services.queues import NoSuchQueue, find_queue

router = APIRouter(tags=["complaints"])

_CHANGING = (*LISTING, OriginNotAllowed)


@router.get("/articles", operation_id="list_articles", responses=problems(*LISTING))
async def list_articles(
    session: DbSession,
    _user: Reader,
    every: Annotated[bool, Query(alias="all", description="Also those that are offered no more.")] = False,
) -> Listing[ArticleRead]:
    """The answer base, by title, all at once."""
    return Listing(items=await articles.list_articles(session, only_active=not every), next=None)


@router.get("/articles/suggest", operation_id="suggest_articles", responses=problems(*LISTING))
async def suggest_articles(
    session: DbSession,
    _user: Reader,
    q: Annotated[Line, Query(description="What is typed, in any language.", examples=["空调不启动"])] = "",
    product: Line = "",
    category: Annotated[FilledWord | None, Query(description="Id or key.")] = None,
) -> Listing[Suggestion]:
    """Articles that may help, the best first, while somebody types. 422 `unknown_category`."""
    category_id = (await setup.offered_category(session, category)).id if category else None
    found = await articles.suggest(session, typed=q, product=product, category_id=category_id)
    return Listing(items=found, next=None)


@router.get("/articles/{article_id}", operation_id="get_article", responses=problems(*LISTING, NoSuchArticle))
async def get_article(article_id: UUID, session: DbSession, _user: Reader) -> ArticleRead:
    """One article."""
    return await articles.read_article(session, article_id)


@router.post("/articles", operation_id="create_article", status_code=201, responses=problems(*_CHANGING))
async def create_article(given: ArticleCreate, session: DbSession, _user: Supervisor) -> ArticleRead:
    """Write a new article. 422 `unknown_category`."""
    return await articles.save_article(session, given)


@router.put("/articles/{article_id}", operation_id="put_article", responses=problems(*_CHANGING, NoSuchArticle))
async def put_article(article_id: UUID, given: ArticleCreate, session: DbSession, _user: Supervisor) -> ArticleRead:
    """Write an article anew. Whom it has helped stays counted. 422 `unknown_category`."""
    return await articles.save_article(session, given, article_id)


@router.get("/queues/{key}/phrases", operation_id="list_phrases", responses=problems(*LISTING, NoSuchQueue))
async def list_phrases(key: str, session: DbSession, _user: Reader) -> Listing[PhraseRead]:
    """What to say in a queue (id or key), in the order in which it is said, and what not to say."""
    return Listing(items=await articles.phrases_of(session, (await find_queue(session, key)).id), next=None)


@router.post(
    "/queues/{key}/phrases",
    operation_id="add_phrase",
    status_code=201,
    responses=problems(*_CHANGING, NoSuchQueue),
)
async def add_phrase(key: str, given: PhraseCreate, session: DbSession, _user: Supervisor) -> PhraseRead:
    """A phrase of the queue's own. Where it has some of a kind, those that hold everywhere give way."""
    return await articles.add_phrase(session, (await find_queue(session, key)).id, given)


@router.delete(
    "/phrases/{phrase_id}", operation_id="remove_phrase", status_code=204, responses=problems(*_CHANGING, NoSuchPhrase)
)
async def remove_phrase(phrase_id: UUID, session: DbSession, _user: Supervisor) -> None:
    """Take a phrase away."""
    await articles.remove_phrase(session, phrase_id)


@router.get("/complaint-categories", operation_id="list_complaint_categories", responses=problems(*LISTING))
async def list_complaint_categories(session: DbSession, _user: Reader) -> Listing[CategoryRead]:
    """The tree of categories, each before those under it, all at once."""
    return Listing(items=await setup.list_categories(session), next=None)


@router.post(
    "/complaint-categories",
    operation_id="create_complaint_category",
    status_code=201,
    responses=problems(*_CHANGING, NameTaken),
)
async def create_complaint_category(given: CategoryCreate, session: DbSession, _user: Supervisor) -> CategoryRead:
    """A new category. 422 `unknown_category`: of the one above it."""
    return await setup.add_category(session, given)


@router.patch(
    "/complaint-categories/{category}",
    operation_id="update_complaint_category",
    responses=problems(*_CHANGING, NoSuchCategory, OwnAncestor),
)
async def update_complaint_category(
    category: str, given: CategoryUpdate, session: DbSession, _user: Supervisor
) -> CategoryRead:
    """Rename, move or retire a category (id or key). 422 `unknown_category`: of the one above it."""
    return await setup.change_category(session, category, given)


@router.get("/complaint-severities", operation_id="list_severities", responses=problems(*LISTING))
async def list_severities(session: DbSession, _user: Reader) -> Listing[SeverityRead]:
    """How much working time each severity allows, and when owners are told."""
    return Listing(items=await setup.list_severities(session), next=None)


@router.put("/complaint-severities/{severity}", operation_id="put_severity", responses=problems(*_CHANGING))
async def put_severity(
    severity: Severity, given: SeverityUpdate, session: DbSession, _user: Supervisor
) -> SeverityRead:
    """Say what a severity allows, for clocks that begin from now on."""
    return await setup.change_severity_rule(session, severity, given)


@router.get("/goodwill-limits", operation_id="list_goodwill_limits", responses=problems(*LISTING))
async def list_goodwill_limits(session: DbSession, _user: Reader) -> Listing[GoodwillLimitRead]:
    """How much each role may give on one complaint without asking."""
    return Listing(items=await setup.list_goodwill_limits(session), next=None)


@router.put("/goodwill-limits/{role}", operation_id="put_goodwill_limit", responses=problems(*_CHANGING))
async def put_goodwill_limit(
    role: Role, given: GoodwillLimitUpdate, session: DbSession, _user: Supervisor
) -> GoodwillLimitRead:
    """Say how much a role may give in a currency."""
    return await setup.set_goodwill_limit(session, role, given)


@router.get("/partners", operation_id="list_partners", responses=problems(*LISTING))
async def list_partners(session: DbSession, _user: Reader) -> Listing[PartnerRead]:
    """Partners by name, with how many complaints each has to settle, all at once."""
    return Listing(items=await setup.list_partners(session), next=None)


@router.post("/partners", operation_id="create_partner", status_code=201, responses=problems(*_CHANGING, NameTaken))
async def create_partner(given: PartnerCreate, session: DbSession, _user: Supervisor) -> PartnerRead:
    """A firm that settles complaints for us, with its own time."""
    return await setup.add_partner(session, given)


@router.patch(
    "/partners/{partner_id}", operation_id="update_partner", responses=problems(*_CHANGING, NoSuchPartner, NameTaken)
)
async def update_partner(partner_id: UUID, given: PartnerUpdate, session: DbSession, _user: Supervisor) -> PartnerRead:
    """Change what is given. A new time holds for what the partner takes from now on."""
    return await setup.change_partner(session, partner_id, given)
