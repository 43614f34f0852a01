"""Complaints over REST: logging one, working it, handing it over, its history."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Final, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic.config import JsonDict

from app.domain.complaint_states import ComplaintState
from app.domain.customer_facts import Channel
from app.models.callbacks import CallbackState
from app.models.complaints import GoodwillState, HandoverState, Severity, Want
from app.schemas.calls import CustomerRef, PersonRef, QueueRef
from app.schemas.common import Amount, Currency, FilledLine, FilledNote, FilledWord, Line, Note, left_out
from app.schemas.help import PhraseRead
from app.schemas.screen_pop import BothLanguages

_LU: Final[JsonDict] = {
    "customer": "C0001001",
    "category": "product.not_starting",
    "what_happened": "三台空调都不启动，遥控器没有反应。",
    "wants": ["action_now", "be_taken_seriously"],
}


def _a_link(text: str) -> str:
    scheme, separator, rest = text.partition("://")
    if scheme.lower() not in ("http", "https") or not separator or rest.startswith(("/", "?", "#", "@")):
        raise ValueError("must be an http or https address")
    return text


WebLink = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=10, max_length=2000, pattern=r"^[!-~]+$"),
    AfterValidator(_a_link),
    Field(
        description="An http or https address; nothing is fetched from it.", examples=["https://files.example/1.jpg"]
    ),
]
Rating = Annotated[int, Field(ge=1, le=5, description="How satisfied the customer is, 5 being very.")]


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Read(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class _Concern(_Given):
    severity: Severity | None = Field(default=None, description="The category's own where nobody says.")
    wants: list[Want] = Field(default=[], max_length=len(Want), description="What the customer wants.")
    purchase_id: UUID | None = Field(default=None, description="What of their purchases it is about.")
    product: Line = ""
    batch: Line = Field(default="", description="As it stands on the product; repeats are found by it.")
    serial_number: Line = ""


class CallComplaintCreate(_Concern):
    """A complaint logged from a call: a category and what happened suffice, the rest is filled in."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{name: value for name, value in _LU.items() if name != "customer"}]}
    )

    category: Annotated[FilledWord, Field(description="Its id or key.")]
    what_happened: FilledNote


class ComplaintCreate(CallComplaintCreate):
    """A complaint. From a call, `customer` may be left out."""

    model_config = ConfigDict(json_schema_extra={"examples": [_LU]})

    customer: FilledWord | None = Field(default=None, description="Id or code.")
    call_id: UUID | None = None
    channel: Channel | None = Field(default=None, description="How it reached us; a call's is `call`, else `web`.")

    @model_validator(mode="after")
    def _somebodys(self) -> Self:
        if self.customer is None and self.call_id is None:
            raise ValueError("customer or call_id says whose complaint it is")
        return self


class ComplaintUpdate(_Given):
    """What is to change; each change is in the history with what it was. What happened is told on by notes."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"severity": "critical", "why": "孩子在家，不能再等"}]})

    customer: FilledWord = Field(default="", description="Whose it is, id or code, where nobody had recognised them.")
    category: FilledWord = left_out()
    severity: Severity = left_out()
    wants: Annotated[list[Want], Field(max_length=len(Want))] = left_out()
    purchase_id: UUID | None = left_out()
    product: Line = left_out()
    batch: Line = left_out()
    serial_number: Line = left_out()
    why: FilledLine


class Reason(_Given):
    """Why."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "等客户寄回遥控器"}]})

    reason: FilledLine


class Resolve(_Given):
    """How it was settled. The resolution may be there already, from an article."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "resolution": "重置遥控器后三台都正常启动。",
                    "root_cause": "久未使用，遥控器失去配对。",
                    "prevention": "保养提醒里加上换季前重置遥控器。",
                }
            ]
        }
    )

    resolution: Note = ""
    root_cause: FilledNote
    prevention: Annotated[FilledNote, Field(description="What stops it happening again.")]


class Close(_Given):
    """The customer agrees that it is settled."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"satisfaction": 5, "note": "客户满意"}]})

    satisfaction: Rating | None = None
    note: Line = ""


class HandoverCreate(_Given):
    """To whom a complaint is to go: an agent, whoever of a queue is first, or a partner."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"to_agent_id": "0190aa00-0000-7000-8000-000000000001", "reason": "客户要工程师回电"}]
        }
    )

    to_agent_id: UUID | None = None
    to_queue_id: UUID | None = None
    to_partner_id: UUID | None = None
    reason: FilledLine

    @model_validator(mode="after")
    def _one_receiver(self) -> Self:
        if sum(each is not None for each in (self.to_agent_id, self.to_queue_id, self.to_partner_id)) != 1:
            raise ValueError("one of to_agent_id, to_queue_id and to_partner_id says to whom it goes")
        return self


class Answer(_Given):
    """A word with a yes or a no."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"note": "我明天休假，接不了"}]})

    note: Line = ""


class GoodwillCreate(_Given):
    """Money to be given beyond what is owed."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"amount": "150.00", "currency": "CNY", "reason": "上门两次没有修好"}]}
    )

    amount: Annotated[Amount, Field(gt=0)]
    currency: Currency
    reason: FilledLine


class GoodwillDecision(_Given):
    """A supervisor's word."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"approve": True, "note": "同意"}]})

    approve: bool
    note: Line = ""


class ComplaintLinkCreate(_Given):
    """Where an attachment lies."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"url": "https://files.example.com/remote.jpg", "title": "遥控器照片"}]}
    )

    url: WebLink
    title: Line = ""


class ComplaintNote(_Given):
    """Something to be added to the history."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"body": "客户说第二台也不行了。"}]})

    body: FilledNote


class ApplyArticle(_Given):
    """The article whose steps helped."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"article_id": "0190aa00-0000-7000-8000-000000000001"}]})

    article_id: UUID


class CategoryRef(_Read):
    """A category, by key and name."""

    id: UUID
    key: str
    name: BothLanguages


class PartnerRef(_Read):
    """A partner, by id and name."""

    id: UUID
    name: str


class ArticleRef(_Read):
    """An article, by id and title."""

    id: UUID
    title: BothLanguages


class HandoverRead(_Read):
    """One time that a complaint was to get another owner."""

    id: UUID
    state: HandoverState
    from_agent: PersonRef | None
    from_partner: PartnerRef | None
    to_agent: PersonRef | None
    to_partner: PartnerRef | None
    to_queue: QueueRef | None
    reason: str
    asked_by: PersonRef | None
    asked_at: datetime
    answered_by: PersonRef | None
    answered_at: datetime | None
    note: str


class GoodwillRead(_Read):
    """Money given or asked for."""

    id: UUID
    state: GoodwillState
    amount: Decimal
    currency: str
    reason: str
    asked_by: PersonRef | None
    asked_at: datetime
    decided_by: PersonRef | None
    decided_at: datetime | None
    note: str


class ComplaintLinkRead(_Read):
    """Where an attachment lies. Whoever opens it leaves for a page that is not ours."""

    id: UUID
    url: str
    title: str
    at: datetime
    agent: PersonRef | None


class ComplaintMailRead(_Read):
    """A mail of the customer's."""

    id: UUID
    sender: str
    subject: str
    body: str
    received_at: datetime


class ComplaintChangeRead(_Read):
    """One thing that happened."""

    id: UUID
    at: datetime
    what: str
    agent: PersonRef | None = Field(description="Null for what followed by itself.")
    detail: dict[str, Any]


class RepeatKind(StrEnum):
    """How an earlier complaint is like this one."""

    CUSTOMER = "customer"
    """The same customer, in the same category."""
    BATCH = "batch"
    """Anybody with the same batch of the same product."""


class Repeat(BaseModel):
    """Earlier complaints that are like this one: how many, and the codes of the latest five."""

    kind: RepeatKind
    count: int
    codes: list[str]


class CallbackRef(_Read):
    """The call in which the customer is asked whether it works now."""

    id: UUID
    code: str
    state: CallbackState
    due_at: datetime


class ComplaintSummary(_Read):
    """A complaint as a list shows it."""

    id: UUID
    code: str
    customer: CustomerRef | None
    category: CategoryRef | None
    severity: Severity
    state: ComplaintState
    channel: Channel
    product: str
    batch: str
    what_happened: str
    owner: PersonRef | None
    partner: PartnerRef | None
    opened_at: datetime
    due_at: datetime = Field(description="The owner's time; a partner has its own.")
    settle_by: datetime = Field(description="By when the severity wants it settled, whoever has it.")
    overdue: bool
    warned_percent: int = Field(description="Which share of the time was told to be gone.")
    paused_at: datetime | None
    pause_reason: str | None
    escalated_at: datetime | None
    handover_count: int
    reopen_count: int
    resolved_at: datetime | None
    closed_at: datetime | None
    satisfaction: int | None
    version: int


class ComplaintRead(ComplaintSummary):
    """One complaint, whole."""

    contact: str = Field(description="Where it came from, if nobody has recognised the customer.")
    call_id: UUID | None
    queue: QueueRef | None
    purchase_id: UUID | None
    serial_number: str
    wants: list[Want]
    first_response_at: datetime | None
    reopened_at: datetime | None
    resolution: str
    root_cause: str
    prevention: str
    article: ArticleRef | None
    handovers: list[HandoverRead]
    goodwill: list[GoodwillRead]
    links: list[ComplaintLinkRead]
    mails: list[ComplaintMailRead]
    callbacks: list[CallbackRef]
    repeats: list[Repeat] = Field(description="What came before that is like it.")
    phrases: list[PhraseRead] = Field(description="What to say in its queue, in order, and what not to say.")
    changes: list[ComplaintChangeRead] = Field(
        description="The last fifty things that happened, the latest first; go on with `/complaints/{ref}/history`."
    )
