"""Customers, their phones, their card and their timeline."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from app.domain.call_states import CallState
from app.domain.customer_facts import MOST_PHONES, Channel, CustomerKind, Direction, Gender, MaritalStatus
from app.domain.phone_numbers import LineType
from app.domain.standing import ContractState, Dcwh, Intention, Tier
from app.models.calls import CallStage, Disposition
from app.schemas.books import ClaimRead
from app.schemas.call_lists import ListedRead
from app.schemas.common import (
    Day,
    EmailAddress,
    FilledLine,
    LanguageTag,
    Line,
    NationalId,
    Note,
    TimeZone,
    Word,
    left_out,
)
from app.schemas.contracts import ContractRead
from app.schemas.listing import Listing
from app.schemas.purchases import PurchaseRead
from app.schemas.records import ChangeRead, CompanyContact, FieldOrigin, UsageSeries
from app.schemas.relations import ConsentRead, CustomerValue, LinkRead
from app.schemas.screen_pop import BothLanguages, PopAlert, PopCallback, PopComplaint, PopOwner
from app.schemas.similarity import PossibleDuplicate

MOST_CONTACTS: Final = 50
"""So many people of a company are kept beside it."""

SalesStage = Annotated[
    int,
    Field(
        ge=0,
        le=7,
        description="0 not reached yet, 1 new in the book, 2 contact with the key person, 3 plans to buy, "
        "4 leans to us, 5 contract sent, 6 in contract, 7 contract expired.",
    ),
]
RawNumber = Annotated[
    Line,
    Field(
        min_length=1,
        max_length=64,
        description="As people write it: national, international, with spaces or an extension. It is kept, "
        "beside its E.164 form.",
    ),
]

_LU: Final[JsonDict] = {
    "kind": "person",
    "name": "鲁大伟",
    "gender": "male",
    "phones": [{"number": "138 0013 8000", "label": "mobile"}],
    "email": "lu@example.com",
    "language": "zh-CN",
    "region": "江苏",
    "city": "南京",
    "address": "南京市中山路18号3座1201室",
    "birth_date": "1978-03-12",
    "occupation": "酒店经理",
    "tier": "value",
    "sales_stage": 2,
    "intention": "good",
    "note": "喜欢晚上七点以后接电话",
}


class PhoneCreate(BaseModel):
    """A number to be added to a customer."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"number": "010-6234 5678 转 801", "label": "office"}]}
    )

    number: RawNumber
    label: Word = ""


class PhoneRead(BaseModel):
    """One number of a customer."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    e164: str
    national: str = Field(description="For people to read.")
    raw: str = Field(description="As it came.")
    extension: str
    label: str
    line_type: LineType
    is_primary: bool
    wrong_since: datetime | None = Field(description="Since when it is known not to be theirs; it is not dialled.")
    created_at: datetime


class CustomerCreate(BaseModel):
    """A new customer. What is left out of surname and Latin forms is worked out from a person's name."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_LU]})

    kind: CustomerKind = CustomerKind.PERSON
    name: FilledLine
    surname: Word | None = None
    latin_name: Line | None = None
    latin_surname: Word | None = None
    title: Annotated[Word, Field(description="How they want to be addressed, such as 博士 or Dr; else by gender.")] = ""
    gender: Gender = Gender.UNKNOWN
    phones: list[PhoneCreate] = Field(default=[], max_length=MOST_PHONES, description="The first is the one to ring.")
    email: EmailAddress | None = None
    language: LanguageTag | None = None
    time_zone: TimeZone | None = None
    region: Line | None = Field(default=None, description="Where they are, in words: a province, a state, an area.")
    city: Word | None = None
    postcode: Word | None = None
    address: Line | None = None
    birth_date: Day | None = None
    national_id: NationalId | None = None
    occupation: Line | None = None
    income_band: Word | None = Field(default=None, description="In the words of the house, such as 20-30万.")
    marital_status: MaritalStatus | None = None
    education: Word | None = None
    industry: Line | None = Field(default=None, description="What a company does.")
    company_size: Word | None = None
    site: Line | None = Field(default=None, description="A company's place or address on the web.")
    contacts: list[CompanyContact] | None = Field(
        default=None, max_length=MOST_CONTACTS, description="A company's people."
    )
    tier: Tier | None = Field(default=None, description="Until values are compared again, each night.")
    sales_stage: SalesStage = 0
    intention: Intention | None = None
    owner_id: UUID | None = Field(default=None, description="The account manager; set by supervisors.")
    do_not_call: bool = False
    note: Note = ""


class CustomerUpdate(BaseModel):
    """What is to change; everything left out stays.

    With a new name or kind, surname and Latin forms are worked out anew unless they are given.
    """

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"gender": "male", "do_not_call": True, "title": "博士"}]}
    )

    kind: CustomerKind = left_out()
    name: FilledLine = left_out()
    surname: Word = left_out()
    latin_name: Line = left_out()
    latin_surname: Word = left_out()
    title: Word = left_out()
    gender: Gender = left_out()
    email: EmailAddress | None = left_out()
    language: LanguageTag | None = left_out()
    time_zone: TimeZone | None = left_out()
    region: Line | None = left_out()
    city: Word | None = left_out()
    postcode: Word | None = left_out()
    address: Line | None = left_out()
    birth_date: Day | None = left_out()
    national_id: NationalId | None = left_out()
    occupation: Line | None = left_out()
    income_band: Word | None = left_out()
    marital_status: MaritalStatus | None = left_out()
    education: Word | None = left_out()
    industry: Line | None = left_out()
    company_size: Word | None = left_out()
    site: Line | None = left_out()
    contacts: Annotated[list[CompanyContact] | None, Field(max_length=MOST_CONTACTS)] = left_out()
    tier: Tier | None = left_out()
    sales_stage: SalesStage = left_out()
    intention: Intention | None = left_out()
    owner_id: UUID | None = left_out()
    do_not_call: bool = left_out()
    note: Note = left_out()


class CustomerSummary(BaseModel):
    """A customer as a search shows them."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    code: str
    kind: CustomerKind
    name: str
    latin_name: str
    tier: Tier | None
    dcwh: Dcwh | None
    region: str | None
    owner: PopOwner | None
    phone: str | None = Field(description="The number to ring, for people to read.")
    do_not_call: bool
    created_at: datetime


class CustomerRead(BaseModel):
    """Everything a customer's own record says."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    code: str
    kind: CustomerKind
    name: str
    surname: str
    latin_name: str
    latin_surname: str
    title: str
    gender: Gender
    address_as: BothLanguages
    phones: list[PhoneRead]
    email: str | None
    language: str | None
    time_zone: str | None
    region: str | None
    city: str | None
    postcode: str | None
    address: str | None
    birth_date: date | None
    national_id: str | None = Field(
        description="Its last four characters only, unless one has the right `customers:identity`."
    )
    occupation: str | None
    income_band: str | None
    marital_status: MaritalStatus | None
    education: str | None
    industry: str | None
    company_size: str | None
    site: str | None
    contacts: list[CompanyContact] | None
    tier: Tier | None
    dcwh: Dcwh | None
    grade: str | None = Field(description="A for hot, B for warm, C for cold; null for denial.")
    sales_stage: int
    intention: Intention | None
    contract_state: ContractState
    next_call_at: datetime | None = Field(description="When we said that we would call.")
    last_contact_at: datetime | None = Field(description="When we last spoke with them or wrote, on any channel.")
    owner: PopOwner | None
    do_not_call: bool
    note: str
    merged_into_id: UUID | None = Field(description="The customer that this one was merged into, if it was.")
    provenance: dict[str, FieldOrigin] = Field(
        description="By field: whose word its value is, and since when. What nobody ever said is not in it."
    )
    version: int = Field(description="Rises with every change; give it as `If-Match` with a PATCH.")
    created_at: datetime
    updated_at: datetime


class TimelineKind(StrEnum):
    """What an entry of the timeline is."""

    CALL = "call"
    INTERACTION = "interaction"
    NOTE = "note"
    COMPLAINT = "complaint"


class TimelineCall(BaseModel):
    """What only a call has."""

    state: CallState
    disposition: Disposition | None
    stage: CallStage | None
    answered_at: datetime | None
    ended_at: datetime | None


class TimelineEntry(BaseModel):
    """One contact with the customer, a complaint or a note. A call that was written up is one entry, not two."""

    kind: TimelineKind
    id: UUID = Field(description="The call's, the interaction's, the note's or the complaint's.")
    at: datetime
    channel: Channel | None = Field(description="Null for a note.")
    direction: Direction | None = Field(description="Null for a note.")
    summary: str
    agent: PopOwner | None
    call: TimelineCall | None


class SourceRead(BaseModel):
    """Which feeding system knows the customer, and by which name."""

    model_config = ConfigDict(from_attributes=True)

    source: str
    external_id: str
    said_at: datetime = Field(description="When the source said what it says.")
    updated_at: datetime = Field(description="When that last changed here.")


class CustomerCard(BaseModel):
    """All that is known of a customer, on one page."""

    customer: CustomerRead
    greeting: BothLanguages
    alerts: list[PopAlert]
    purchases: list[PurchaseRead] = Field(description="The last ten, the latest first.")
    contracts: list[ContractRead] = Field(description="The last five, the one that ends last first.")
    complaints: list[PopComplaint] = Field(
        description="At most five, those that are not closed first; go on with `/complaints?customer=`."
    )
    callbacks: list[PopCallback] = Field(description="The next two calls that they were promised.")
    timeline: Listing[TimelineEntry] = Field(description="The first page; go on with `/customers/{id}/timeline`.")
    calls: list[TimelineEntry] = Field(description="The last ten calls.")
    lists: list[ListedRead] = Field(description="The last five daily lists that they were on.")
    claims: list[ClaimRead] = Field(description="The last five; go on with `/customers/{id}/claims`.")
    links: list[LinkRead] = Field(description="Family, household, company: everybody they are linked with.")
    consents: list[ConsentRead] = Field(description="The word that counts on each purpose they spoke of.")
    value: CustomerValue
    duplicates: list[PossibleDuplicate] = Field(
        description="Customers who may be the same person, the likeliest first; nobody has decided yet."
    )
    sources: list[SourceRead] = Field(description="The feeding systems that know the customer.")
    usage: list[UsageSeries] = Field(description="What was last measured of each thing that they use.")
    changes: list[ChangeRead] = Field(description="The last ten; go on with `/customers/{id}/history`.")
