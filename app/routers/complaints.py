"""Complaints: logging, lists, and everything that is done with one."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query

from app.dependencies import DbSession, HotlineNow, OriginNotAllowed, PageArgs, requires
from app.domain.complaint_states import ComplaintState
from app.domain.scopes import Scope
from app.errors import AppError, NotSignedIn, Unavailable
from app.models.complaints import Complaint, Severity
from app.schemas.common import FilledWord, Line
from app.schemas.complaints import (
    Answer,
    ApplyArticle,
    Close,
    ComplaintChangeRead,
    ComplaintCreate,
    ComplaintLinkCreate,
    ComplaintNote,
    ComplaintRead,
    ComplaintSummary,
    ComplaintUpdate,
    GoodwillCreate,
    GoodwillDecision,
    HandoverCreate,
    Reason,
    Resolve,
)
from app.schemas.help import Suggestion
from app.schemas.listing import Listing
from app.schemas.problem import problems
from app.services.access import ScopeMissing, Signed
from app.services.calendars import CalendarNotKnown
from app.services.callbacks.times import NoLegalTime
from app.services.calls import NoSuchCall, NotYours
from app.services.complaints import articles, changing, goodwill, handing, listing, opening, states
from app.services.complaints.articles import NoSuchArticle
from app.services.complaints.changing import CustomerKnown, WithPartner
from app.services.complaints.clock import NoWorkingTime
from app.services.complaints.goodwill import DecidedAlready, NoSuchGoodwill
from app.services.complaints.handing import HandoverPending, NoHandoverPending, NotOfferedToYou, OwnsIt
from app.services.complaints.records import (
    NoSuchComplaint,
    NotYourComplaint,
    WrongState,
    find_complaint,
    require_owner,
)
from app.services.complaints.setup import categories_under
from app.services.complaints.states import NotPaused, PausedAlready
from app.services.contact_masking import changes_for, complaint_for, complaints_for
from app.services.customers import CustomerErased, NoSuchCustomer, find_customer
from app.services.paging import BadCursor

router = APIRouter(prefix="/complaints", tags=["complaints"])

Reader = Annotated[Signed, requires(Scope.COMPLAINTS_READ)]
Writer = Annotated[Signed, requires(Scope.COMPLAINTS_WRITE)]
Supervisor = Annotated[Signed, requires(Scope.COMPLAINTS_SUPERVISE)]
Ref = Annotated[str, Path(description="The complaint's id or code.", examples=["K20261122-0007"], max_length=64)]

LISTING = (NotSignedIn, ScopeMissing, Unavailable)
READING = (*LISTING, NoSuchComplaint)
_CHANGING = (*READING, OriginNotAllowed)
_DATED = (NoWorkingTime, CalendarNotKnown, NoLegalTime)
LOGGING = (*LISTING, OriginNotAllowed, NoSuchCall, NotYours, NoSuchCustomer, CustomerErased, *_DATED)


def _acting(*kinds: type[AppError]) -> Iterable[type[AppError]]:
    return (*_CHANGING, NotYourComplaint, WrongState, *kinds)


async def _mine(session: DbSession, ref: str, user: Signed) -> Complaint:
    """A complaint that `user` may work on, held until the request ends."""
    complaint = await find_complaint(session, ref, lock=True)
    await require_owner(session, complaint, user)
    return complaint


@router.get("", operation_id="list_complaints", responses=problems(*LISTING, BadCursor, NoSuchCustomer))
async def list_complaints(
    session: DbSession,
    user: Reader,
    page: PageArgs,
    mine: Annotated[bool, Query(description="Only those that I own.")] = False,
    offered: Annotated[bool, Query(description="Only those that I am asked to take over.")] = False,
    overdue: Annotated[bool, Query(description="Only those whose owner is late.")] = False,
    unsettled: Annotated[bool, Query(description="Only those that are neither resolved nor closed.")] = False,
    state: ComplaintState | None = None,
    severity: Severity | None = None,
    category: Annotated[
        FilledWord | None, Query(description="Only of this category (id or key) and those under it.")
    ] = None,
    product: Annotated[Line | None, Query(description="Only of this product, in whatever case.")] = None,
    older_than_days: Annotated[int | None, Query(ge=0, le=3650, description="Only those that old or older.")] = None,
    customer: Annotated[FilledWord | None, Query(description="Only this customer's, by id or code.")] = None,
    owner_id: Annotated[UUID | None, Query(description="Only this agent's.")] = None,
    partner_id: Annotated[UUID | None, Query(description="Only this partner's.")] = None,
    order: Annotated[
        Literal["opened", "due"], Query(description="The latest first, or the one that is due next first.")
    ] = "opened",
) -> Listing[ComplaintSummary]:
    """Complaints that fit all that is asked for. 422 `unknown_category`."""
    now = datetime.now(UTC)
    wanted = listing.ComplaintFilter(
        owner_id=user.agent_id if mine else owner_id,
        offered_to=user.agent_id if offered else None,
        partner_id=partner_id,
        customer_id=(await find_customer(session, customer)).id if customer else None,
        category_ids=await categories_under(session, category) if category else None,
        state=state,
        severity=severity,
        product=product,
        opened_before=now - timedelta(days=older_than_days) if older_than_days is not None else None,
        unsettled=unsettled,
        overdue=overdue,
    )
    return complaints_for(user, await listing.list_complaints(session, wanted, page, now, by_due=order == "due"))


@router.post("", operation_id="create_complaint", status_code=201, responses=problems(*LOGGING))
async def create_complaint(
    given: ComplaintCreate, session: DbSession, hotline: HotlineNow, user: Writer
) -> ComplaintRead:
    """Log a complaint: it is mine from now on, and the customer is promised a call on the next working day.

    `repeats` shows what came before that is like it. 422 `unknown_category`, `unknown_purchase`.
    """
    complaint = await opening.log_complaint(
        session,
        given,
        customer_ref=given.customer,
        call_id=given.call_id,
        channel=given.channel,
        by=user,
        hotline=hotline,
        now=datetime.now(UTC),
    )
    return await listing.read_complaint(session, complaint)


@router.get("/{ref}", operation_id="get_complaint", responses=problems(*READING))
async def get_complaint(ref: Ref, session: DbSession, user: Reader) -> ComplaintRead:
    """One complaint with its handovers, goodwill, attachments, mails, callbacks, and what to say."""
    return complaint_for(user, await listing.read_complaint(session, await find_complaint(session, ref)))


@router.get("/{ref}/history", operation_id="list_complaint_history", responses=problems(*READING, BadCursor))
async def list_complaint_history(
    ref: Ref, session: DbSession, user: Reader, page: PageArgs
) -> Listing[ComplaintChangeRead]:
    """Everything that happened to a complaint, the latest first."""
    return changes_for(user, await listing.read_changes(session, (await find_complaint(session, ref)).id, page))


@router.patch(
    "/{ref}",
    operation_id="update_complaint",
    responses=problems(*_acting(CustomerKnown, WithPartner, NoSuchCustomer, CustomerErased, *_DATED)),
)
async def update_complaint(
    ref: Ref, given: ComplaintUpdate, session: DbSession, hotline: HotlineNow, user: Writer
) -> ComplaintRead:
    """Put a complaint right; what it was stays in its history. 422 `unknown_category`, `unknown_purchase`."""
    complaint = await _mine(session, ref, user)
    await changing.change_complaint(session, complaint, given, user, hotline, datetime.now(UTC))
    return await listing.read_complaint(session, complaint)


@router.post("/{ref}/start", operation_id="start_complaint", responses=problems(*_acting()))
async def start_complaint(ref: Ref, session: DbSession, user: Writer) -> ComplaintRead:
    """Begin to work on it."""
    complaint = await _mine(session, ref, user)
    states.start(session, complaint, user, datetime.now(UTC))
    return await listing.read_complaint(session, complaint)


@router.post("/{ref}/pause", operation_id="pause_complaint", responses=problems(*_acting(PausedAlready)))
async def pause_complaint(ref: Ref, given: Reason, session: DbSession, user: Writer) -> ComplaintRead:
    """Stop the clock, for a reason that everybody sees."""
    complaint = await _mine(session, ref, user)
    states.pause(session, complaint, given.reason, user, datetime.now(UTC))
    return await listing.read_complaint(session, complaint)


@router.post("/{ref}/resume", operation_id="resume_complaint", responses=problems(*_acting(NotPaused, *_DATED)))
async def resume_complaint(ref: Ref, session: DbSession, hotline: HotlineNow, user: Writer) -> ComplaintRead:
    """Let the clock run on. It is due later by the working time for which the clock stood."""
    complaint = await _mine(session, ref, user)
    await states.resume(session, complaint, user, hotline, datetime.now(UTC))
    return await listing.read_complaint(session, complaint)


@router.post("/{ref}/resolve", operation_id="resolve_complaint", responses=problems(*_acting(*_DATED)))
async def resolve_complaint(
    ref: Ref, given: Resolve, session: DbSession, hotline: HotlineNow, user: Writer
) -> ComplaintRead:
    """Say how it was settled, why it came about, and what stops it happening again. 422 `resolution_missing`."""
    complaint = await _mine(session, ref, user)
    await states.resolve(session, complaint, given, user, hotline, datetime.now(UTC))
    return await listing.read_complaint(session, complaint)


@router.post("/{ref}/close", operation_id="close_complaint", responses=problems(*_acting()))
async def close_complaint(ref: Ref, given: Close, session: DbSession, user: Writer) -> ComplaintRead:
    """The customer agrees that it is settled."""
    complaint = await _mine(session, ref, user)
    states.close(session, complaint, given.satisfaction, given.note, user, datetime.now(UTC))
    return await listing.read_complaint(session, complaint)


@router.post("/{ref}/reopen", operation_id="reopen_complaint", responses=problems(*_CHANGING, WrongState, *_DATED))
async def reopen_complaint(
    ref: Ref, given: Reason, session: DbSession, hotline: HotlineNow, user: Writer
) -> ComplaintRead:
    """It was not settled after all, whoever hears of it: its owner is told at once."""
    complaint = await find_complaint(session, ref, lock=True)
    await states.reopen(session, complaint, given.reason, user.agent_id, hotline, datetime.now(UTC))
    return await listing.read_complaint(session, complaint)


@router.post(
    "/{ref}/handover", operation_id="hand_complaint_over", responses=problems(*_acting(HandoverPending, OwnsIt))
)
async def hand_complaint_over(ref: Ref, given: HandoverCreate, session: DbSession, user: Writer) -> ComplaintRead:
    """Ask somebody to take it over. Until they accept it stays whose it is. 422 `unknown_receiver`."""
    complaint = await _mine(session, ref, user)
    await handing.hand_over(session, complaint, given, user, datetime.now(UTC))
    return await listing.read_complaint(session, complaint)


@router.post(
    "/{ref}/handover/accept",
    operation_id="accept_complaint",
    responses=problems(*_CHANGING, NoHandoverPending, NotOfferedToYou, *_DATED),
)
async def accept_complaint(
    ref: Ref, given: Answer, session: DbSession, hotline: HotlineNow, user: Writer
) -> ComplaintRead:
    """Take it over. Of two who try, one has it; the other is told who. A partner's yes is entered by who asked it."""
    complaint = await find_complaint(session, ref, lock=True)
    await handing.accept(session, complaint, given.note, user, hotline, datetime.now(UTC))
    return await listing.read_complaint(session, complaint)


@router.post(
    "/{ref}/handover/decline",
    operation_id="decline_complaint",
    responses=problems(*_CHANGING, NoHandoverPending, NotOfferedToYou),
)
async def decline_complaint(ref: Ref, given: Answer, session: DbSession, user: Writer) -> ComplaintRead:
    """Say no; it stays whose it is."""
    complaint = await find_complaint(session, ref, lock=True)
    await handing.decline(session, complaint, given.note, user, datetime.now(UTC))
    return await listing.read_complaint(session, complaint)


@router.post(
    "/{ref}/handover/withdraw",
    operation_id="withdraw_handover",
    responses=problems(*_CHANGING, NotYourComplaint, NoHandoverPending),
)
async def withdraw_handover(ref: Ref, given: Answer, session: DbSession, user: Writer) -> ComplaintRead:
    """Ask nobody any more."""
    complaint = await _mine(session, ref, user)
    await handing.withdraw(session, complaint, given.note, user, datetime.now(UTC))
    return await listing.read_complaint(session, complaint)


@router.post(
    "/{ref}/goodwill",
    operation_id="give_goodwill",
    status_code=201,
    responses=problems(*_CHANGING, NotYourComplaint),
)
async def give_goodwill(ref: Ref, given: GoodwillCreate, session: DbSession, user: Writer) -> ComplaintRead:
    """Give money, if all that was given on it stays within my limit; else ask a supervisor for it."""
    complaint = await _mine(session, ref, user)
    await goodwill.ask(session, complaint, given, user, datetime.now(UTC))
    return await listing.read_complaint(session, complaint)


@router.post(
    "/{ref}/goodwill/{goodwill_id}/decision",
    operation_id="decide_goodwill",
    responses=problems(*_CHANGING, NoSuchGoodwill, DecidedAlready),
)
async def decide_goodwill(
    ref: Ref, goodwill_id: UUID, given: GoodwillDecision, session: DbSession, user: Supervisor
) -> ComplaintRead:
    """Say yes or no to money that somebody asked for."""
    complaint = await find_complaint(session, ref, lock=True)
    now = datetime.now(UTC)
    await goodwill.decide(session, complaint, goodwill_id, approve=given.approve, note=given.note, by=user, now=now)
    return await listing.read_complaint(session, complaint)


@router.post("/{ref}/links", operation_id="attach_to_complaint", status_code=201, responses=problems(*_CHANGING))
async def attach_to_complaint(ref: Ref, given: ComplaintLinkCreate, session: DbSession, user: Writer) -> ComplaintRead:
    """Note where an attachment lies."""
    complaint = await find_complaint(session, ref, lock=True)
    await changing.attach(session, complaint, given, user, datetime.now(UTC))
    return await listing.read_complaint(session, complaint)


@router.post("/{ref}/notes", operation_id="add_complaint_note", status_code=201, responses=problems(*_CHANGING))
async def add_complaint_note(ref: Ref, given: ComplaintNote, session: DbSession, user: Writer) -> ComplaintRead:
    """Add something to the history, whoever heard it."""
    complaint = await find_complaint(session, ref, lock=True)
    states.add_note(session, complaint, given.body, user, datetime.now(UTC))
    return await listing.read_complaint(session, complaint)


@router.get("/{ref}/suggestions", operation_id="suggest_for_complaint", responses=problems(*READING))
async def suggest_for_complaint(
    ref: Ref,
    session: DbSession,
    _user: Reader,
    q: Annotated[Line, Query(description="What is typed; what happened counts without it.")] = "",
) -> Listing[Suggestion]:
    """Articles that may help, the best first."""
    complaint = await find_complaint(session, ref)
    found = await articles.suggest(
        session,
        typed=q or complaint.what_happened,
        product=complaint.product,
        category_id=complaint.category_id,
    )
    return Listing(items=found, next=None)


@router.post("/{ref}/apply-article", operation_id="apply_article", responses=problems(*_acting(NoSuchArticle)))
async def apply_article(ref: Ref, given: ApplyArticle, session: DbSession, user: Writer) -> ComplaintRead:
    """Put an article's steps into the resolution. Once it is resolved, the article has solved one more."""
    complaint = await _mine(session, ref, user)
    await states.apply_article(session, complaint, given.article_id, user, datetime.now(UTC))
    return await listing.read_complaint(session, complaint)
