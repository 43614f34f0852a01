"""What is shown to those who count customers and do not contact them: no number, address or birth date in full.

Whoever lacks `customers:contact` sees who there is and what happened, and of numbers the first and last digits. Free
text is shown with the numbers in it masked. National ids have a right of their own (`customers:identity`).
"""

from typing import Final

from app.domain.phone_numbers import mask_number
from app.domain.scopes import Scope
from app.observability.masking import mask_numbers
from app.schemas.callbacks import CallbackRead, CallbackWhole
from app.schemas.calls import CallRead, CallSummary
from app.schemas.complaints import ComplaintChangeRead, ComplaintRead, ComplaintSummary
from app.schemas.customers import CustomerCard, CustomerRead, CustomerSummary, PhoneRead, TimelineEntry
from app.schemas.interactions import InteractionRead
from app.schemas.list_work import DayPlan, WorkEntry
from app.schemas.listing import Listing
from app.schemas.records import ChangeRead, CustomerNoteRead
from app.schemas.similarity import SimilarCustomer
from app.services.access import Signed

_HIDDEN: Final = "***"
_HIDDEN_FIELDS: Final = frozenset(
    "phone primary_phone wrong_phone email address postcode birth_date contacts note national_id".split()
)
"""Fields of a record whose values the history tells to those alone who may see them."""


def may_see(user: Signed) -> bool:
    """Whether `user` sees everything as it is."""
    return user.may(Scope.CUSTOMERS_CONTACT)


def phone_for(user: Signed, phone: PhoneRead) -> PhoneRead:
    """One number as `user` may see it."""
    if may_see(user):
        return phone
    hidden = {name: mask_number(getattr(phone, name)) for name in ("e164", "national", "raw")}
    return phone.model_copy(update={**hidden, "extension": ""})


def customer_for(user: Signed, read: CustomerRead) -> CustomerRead:
    """A record as `user` may see it."""
    if may_see(user):
        return read
    return read.model_copy(
        update={
            "phones": [phone_for(user, phone) for phone in read.phones],
            "email": _email(read.email),
            "address": read.address and _HIDDEN,
            "postcode": read.postcode and _HIDDEN,
            "birth_date": None,
            "contacts": [person.model_copy(update={"phone": "", "email": None}) for person in read.contacts or []],
            "note": mask_numbers(read.note),
        }
    )


def similar_for(user: Signed, found: Listing[SimilarCustomer]) -> Listing[SimilarCustomer]:
    """Who may be somebody already, as `user` may see them."""
    if may_see(user):
        return found
    items = [each.model_copy(update={"phones": [mask_number(phone) for phone in each.phones]}) for each in found.items]
    return found.model_copy(update={"items": items})


def summaries_for(user: Signed, found: Listing[CustomerSummary]) -> Listing[CustomerSummary]:
    """A page of a search as `user` may see it."""
    if may_see(user):
        return found
    items = [each.model_copy(update={"phone": each.phone and mask_number(each.phone)}) for each in found.items]
    return found.model_copy(update={"items": items})


def timeline_for(user: Signed, found: Listing[TimelineEntry]) -> Listing[TimelineEntry]:
    """A page of a timeline as `user` may see it."""
    return found if may_see(user) else found.model_copy(update={"items": [_entry(each) for each in found.items]})


def card_for(user: Signed, card: CustomerCard) -> CustomerCard:
    """A card as `user` may see it."""
    if may_see(user):
        return card
    return card.model_copy(
        update={
            "customer": customer_for(user, card.customer),
            "timeline": timeline_for(user, card.timeline),
            "calls": [_entry(each) for each in card.calls],
            "callbacks": [each.model_copy(update={"subject": mask_numbers(each.subject)}) for each in card.callbacks],
            "changes": [_change(each) for each in card.changes],
        }
    )


def history_for(user: Signed, found: Listing[ChangeRead]) -> Listing[ChangeRead]:
    """A page of a record's history as `user` may see it."""
    return found if may_see(user) else found.model_copy(update={"items": [_change(each) for each in found.items]})


def interactions_for(user: Signed, found: Listing[InteractionRead]) -> Listing[InteractionRead]:
    """A page of contacts as `user` may see it."""
    if may_see(user):
        return found
    items = [each.model_copy(update={"summary": mask_numbers(each.summary)}) for each in found.items]
    return found.model_copy(update={"items": items})


def notes_for(user: Signed, found: Listing[CustomerNoteRead]) -> Listing[CustomerNoteRead]:
    """A page of notes as `user` may see it."""
    if may_see(user):
        return found
    items = [each.model_copy(update={"body": mask_numbers(each.body)}) for each in found.items]
    return found.model_copy(update={"items": items})


def entry_for(user: Signed, entry: WorkEntry) -> WorkEntry:
    """An entry of a daily list as `user` may see it."""
    if may_see(user) or entry.customer.phone is None:
        return entry
    masked = entry.customer.model_copy(update={"phone": mask_number(entry.customer.phone)})
    return entry.model_copy(update={"customer": masked})


def plan_for(user: Signed, plan: DayPlan) -> DayPlan:
    """A day's plan as `user` may see it."""
    quadrants = [
        each.model_copy(update={"entries": [entry_for(user, entry) for entry in each.entries]})
        for each in plan.quadrants
    ]
    return plan.model_copy(update={"quadrants": quadrants})


def call_for(user: Signed, call: CallSummary) -> CallSummary:
    """A call in a list as `user` may see it."""
    if may_see(user):
        return call
    return call.model_copy(
        update={
            "from_raw": mask_number(call.from_raw),
            "from_e164": call.from_e164 and mask_number(call.from_e164),
            "to_raw": mask_number(call.to_raw),
        }
    )


def whole_call_for(user: Signed, call: CallRead) -> CallRead:
    """A whole call as `user` may see it."""
    if may_see(user):
        return call
    caller = call.caller
    if caller is not None:
        told = {"raw": caller.raw, "e164": caller.e164, "national": caller.national}
        caller = caller.model_copy(update={name: value and mask_number(value) for name, value in told.items()})
    numbers = call_for(user, call).model_dump(include={"from_raw", "from_e164", "to_raw"})
    return call.model_copy(update={**numbers, "caller": caller, "notes": mask_numbers(call.notes)})


def complaints_for(user: Signed, found: Listing[ComplaintSummary]) -> Listing[ComplaintSummary]:
    """A page of complaints as `user` may see it."""
    if may_see(user):
        return found
    items = [each.model_copy(update={"what_happened": mask_numbers(each.what_happened)}) for each in found.items]
    return found.model_copy(update={"items": items})


def complaint_for(user: Signed, complaint: ComplaintRead) -> ComplaintRead:
    """A whole complaint as `user` may see it."""
    if may_see(user):
        return complaint
    texts = ("what_happened", "resolution", "root_cause", "prevention")
    mails = [
        mail.model_copy(update={"sender": _email(mail.sender), "body": mask_numbers(mail.body)})
        for mail in complaint.mails
    ]
    return complaint.model_copy(
        update={
            **{name: mask_numbers(getattr(complaint, name)) for name in texts},
            "contact": _email(complaint.contact) if "@" in complaint.contact else mask_numbers(complaint.contact),
            "mails": mails,
            "changes": [_happened(change) for change in complaint.changes],
        }
    )


def changes_for(user: Signed, found: Listing[ComplaintChangeRead]) -> Listing[ComplaintChangeRead]:
    """A page of a complaint's history as `user` may see it."""
    return found if may_see(user) else found.model_copy(update={"items": [_happened(each) for each in found.items]})


def _happened(change: ComplaintChangeRead) -> ComplaintChangeRead:
    detail = {name: mask_numbers(told) if isinstance(told, str) else told for name, told in change.detail.items()}
    return change.model_copy(update={"detail": detail})


def callback_for(user: Signed, callback: CallbackRead) -> CallbackRead:
    """A promised call in a list as `user` may see it."""
    if may_see(user):
        return callback
    return callback.model_copy(
        update={
            "to_e164": callback.to_e164 and mask_number(callback.to_e164),
            "subject": mask_numbers(callback.subject),
            "note": mask_numbers(callback.note),
        }
    )


def whole_callback_for(user: Signed, callback: CallbackWhole) -> CallbackWhole:
    """A whole promised call as `user` may see it: what was said of each change is left out."""
    if may_see(user):
        return callback
    hidden = callback_for(user, callback).model_dump(include={"to_e164", "subject", "note"})
    changes = [each.model_copy(update={"detail": {}}) for each in callback.changes]
    return callback.model_copy(update={**hidden, "changes": changes})


def _entry(entry: TimelineEntry) -> TimelineEntry:
    return entry.model_copy(update={"summary": mask_numbers(entry.summary)})


def _change(change: ChangeRead) -> ChangeRead:
    if change.field not in _HIDDEN_FIELDS:
        return change
    hidden = {name: None if getattr(change, name) is None else _HIDDEN for name in ("old", "new")}
    return change.model_copy(update=hidden)


def _email(address: str | None) -> str | None:
    """The first letter and the domain: `l***@example.com`."""
    if address is None:
        return None
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}{_HIDDEN}@{domain}"
