"""Books of account managers: sizes, assigning, moving, rules, and claims to single customers."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from app.dependencies import DbSession, OriginNotAllowed, PageArgs, RuntimeOf, requires
from app.domain.scopes import Scope
from app.errors import NotSignedIn, Unavailable
from app.routers.customers import CHANGING, READING, Reader, Ref, Writer
from app.schemas.books import AssignCustomers, BookRules, Books, ClaimRead, MoveBook, Moved, RulesApplied
from app.schemas.listing import Listing
from app.schemas.problem import problems
from app.schemas.screen_pop import PopOwner
from app.services import books, claims
from app.services.access import ScopeMissing, Signed
from app.services.customers import MAY_ASSIGN, find_customer
from app.services.paging import BadCursor

router = APIRouter(tags=["books"])

Assigner = Annotated[Signed, requires(MAY_ASSIGN)]

_READING_BOOKS = (NotSignedIn, ScopeMissing, Unavailable)
_CHANGING_BOOKS = (*_READING_BOOKS, OriginNotAllowed)


@router.get("/books", operation_id="list_books", responses=problems(*_READING_BOOKS))
async def list_books(session: DbSession, _user: Annotated[Signed, requires(Scope.AGENTS_READ)]) -> Books:
    """Who owns how many customers, and how many have no owner."""
    return await books.list_books(session)


@router.post("/books/assign", operation_id="assign_customers", responses=problems(*_CHANGING_BOOKS))
async def assign_customers(given: AssignCustomers, session: DbSession, user: Assigner) -> Moved:
    """Give customers to an account manager by hand. 422 `unknown_customers`, `unknown_owner`: nothing was changed."""
    return await books.assign(session, given, user.agent_id)


@router.post("/books/move", operation_id="move_book", responses=problems(*_CHANGING_BOOKS))
async def move_book(given: MoveBook, session: DbSession, user: Assigner) -> Moved:
    """Hand a whole book to somebody else, as when its owner leaves. 422 `unknown_owner`."""
    return await books.move(session, given.from_id, given.to_id, user.agent_id)


@router.get("/books/rules", operation_id="get_book_rules", responses=problems(*_READING_BOOKS))
async def get_book_rules(session: DbSession, _user: Assigner) -> BookRules:
    """The rules by which prospects are given out, in the order in which they are tried."""
    return await books.read_rules(session)


@router.put("/books/rules", operation_id="put_book_rules", responses=problems(*_CHANGING_BOOKS))
async def put_book_rules(given: BookRules, session: DbSession, _user: Assigner) -> BookRules:
    """Put these rules in the place of all that there were. 422 `unknown_owner`: a manager is nobody active."""
    return await books.write_rules(session, given)


@router.post("/books/rules/apply", operation_id="apply_book_rules", responses=problems(*_CHANGING_BOOKS))
async def apply_book_rules(
    session: DbSession,
    user: Assigner,
    dry_run: Annotated[bool, Query(description="Only say what would be done.")] = False,
) -> RulesApplied:
    """Give customers without an owner to account managers by the rules, at most 20,000 at a time."""
    return await books.apply_rules(session, user.agent_id, dry_run=dry_run)


@router.get("/customers/{ref}/claims", operation_id="list_claims", responses=problems(*READING, BadCursor))
async def list_claims(ref: Ref, session: DbSession, page: PageArgs, _user: Reader) -> Listing[ClaimRead]:
    """Who claimed a customer, and what the rule made of it, the latest first."""
    return await claims.list_claims(session, (await find_customer(session, ref)).id, page)


@router.post("/customers/{ref}/claims", operation_id="claim_customer", status_code=201, responses=problems(*CHANGING))
async def claim_customer(ref: Ref, session: DbSession, runtime: RuntimeOf, user: Writer) -> ClaimRead:
    """Claim a customer for oneself. `outcome` and `in_words` say what the written rule made of it, and why."""
    me = PopOwner(id=user.agent_id, name=user.name)
    protection = timedelta(days=runtime.settings.protection_days)
    return await claims.claim(session, ref, me, datetime.now(UTC), protection)
