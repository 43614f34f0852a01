"""The answer base and phrases over REST, and how complaints are set up: categories, severities, partners, limits."""

from decimal import Decimal
from typing import Annotated, Final, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic.config import JsonDict

from app.models.complaints import Severity
from app.models.help import PhraseKind
from app.models.people import Role
from app.schemas.common import Amount, Currency, EmailAddress, FilledLine, FilledWord, Line, Note, Word, left_out
from app.schemas.screen_pop import BothLanguages

_REMOTE: Final[JsonDict] = {
    "title_zh": "空调久未使用不启动：重置遥控器",
    "title_en": "Air conditioner unused for long: reset the remote control",
    "symptoms_zh": "几个月没有使用，开机没有反应。",
    "steps_zh": "1. 取出电池。\n2. 按住复位键五秒。",
    "products": ["空调"],
    "categories": ["product.not_starting"],
}

Minutes = Annotated[int, Field(ge=1, le=100_000, description="Minutes of working time.")]
Position = Annotated[int, Field(ge=0, le=100_000, description="Its place among its neighbours.")]


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Read(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class ArticleCreate(_Given):
    """An answer: what one sees, and what to do, in Chinese, English or both."""

    model_config = ConfigDict(json_schema_extra={"examples": [_REMOTE]})

    title_zh: Line = ""
    title_en: Line = ""
    symptoms_zh: Note = ""
    symptoms_en: Note = ""
    steps_zh: Note = ""
    steps_en: Note = ""
    products: list[FilledLine] = Field(default=[], max_length=50, description="Names that the product goes by.")
    categories: list[FilledWord] = Field(default=[], max_length=50, description="Ids or keys.")
    active: bool = True

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.title_zh or self.title_en) or not (self.steps_zh or self.steps_en):
            raise ValueError("an article has a title and steps, in one language at least")
        return self


class ArticleRead(_Read):
    """An answer."""

    id: UUID
    title: BothLanguages
    symptoms: BothLanguages
    steps: BothLanguages
    products: list[str]
    categories: list[str] = Field(description="Keys.")
    active: bool
    solved_count: int = Field(description="How many complaints were resolved by it, each counted once.")


class Suggestion(BaseModel):
    """An answer that may help, and how well it fits."""

    article: ArticleRead
    score: float = Field(description="The greater the better; only comparable within one answer.")


class PhraseCreate(_Given):
    """Something to say, or not to say, in a queue or, without one, in all of them."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "kind": "avoid",
                    "text_zh": "不可能",
                    "text_en": "That is impossible",
                    "instead_zh": "我来查一下是怎么回事",
                    "instead_en": "Let me find out what happened",
                }
            ]
        }
    )

    kind: PhraseKind
    text_zh: FilledLine
    text_en: FilledLine
    instead_zh: Line = Field(default="", description="With kind `avoid`: what to say in its place.")
    instead_en: Line = ""
    position: Position = 0


class PhraseRead(_Read):
    """A phrase. They come in the order in which they are said: opening, apology, listen, explain, avoid."""

    id: UUID
    queue_id: UUID | None
    kind: PhraseKind
    text: BothLanguages
    instead: BothLanguages
    position: int


class CategoryCreate(_Given):
    """A category of complaints."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "key": "product.smell",
                    "parent": "product",
                    "name_zh": "异味",
                    "name_en": "Smells",
                    "severity": "normal",
                }
            ]
        }
    )

    key: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.]{0,39}$")]
    parent: FilledWord | None = Field(default=None, description="The id or key of the category above it.")
    name_zh: FilledLine
    name_en: FilledLine
    severity: Severity = Severity.NORMAL
    position: Position = 0


class CategoryUpdate(_Given):
    """What is to change; everything left out stays. One that is not active is offered no more."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"severity": "high", "active": True}]})

    parent: FilledWord | None = left_out()
    name_zh: FilledLine = left_out()
    name_en: FilledLine = left_out()
    severity: Severity = left_out()
    position: Position = left_out()
    active: bool = left_out()


class CategoryRead(_Read):
    """A category."""

    id: UUID
    key: str
    parent: str | None = Field(description="The key of the category above it.")
    name: BothLanguages
    severity: Severity
    position: int
    active: bool


class PartnerCreate(_Given):
    """A firm that settles complaints for us."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "宁安家电维修", "phone": "025-8899 0011", "region": "南京", "due_minutes": 960}]
        }
    )

    name: FilledLine
    phone: Word = ""
    email: EmailAddress | None = None
    region: Line = ""
    due_minutes: Minutes


class PartnerUpdate(_Given):
    """What is to change; everything left out stays. One that is not active gets nothing more."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"due_minutes": 480, "active": True}]})

    name: FilledLine = left_out()
    phone: Word = left_out()
    email: EmailAddress | None = left_out()
    region: Line = left_out()
    due_minutes: Minutes = left_out()
    active: bool = left_out()


class PartnerRead(_Read):
    """A partner, and how many complaints it has that are not settled."""

    id: UUID
    name: str
    phone: str
    email: str | None
    region: str
    due_minutes: int
    active: bool
    unsettled: int


class SeverityUpdate(_Given):
    """What a severity allows. It holds for clocks that begin from now on."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"due_minutes": 240, "warn_percent": [50, 80, 100]}]})

    due_minutes: Minutes
    warn_percent: list[Annotated[int, Field(ge=1, le=200)]] = Field(
        default=[50, 80, 100], min_length=1, max_length=10, description="At which shares of the time somebody is told."
    )

    @model_validator(mode="after")
    def _tells_when_it_is_due(self) -> Self:
        if 100 not in self.warn_percent or len(set(self.warn_percent)) != len(self.warn_percent):
            raise ValueError("warn_percent has 100 in it, at which it is escalated, and nothing twice")
        return self


class SeverityRead(_Read):
    """How much working time a severity allows, and when somebody is told."""

    severity: Severity
    due_minutes: int
    warn_percent: list[int]


class GoodwillLimitUpdate(_Given):
    """How much a role may give on one complaint without asking."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"currency": "CNY", "amount": "200.00"}]})

    currency: Currency
    amount: Amount


class GoodwillLimitRead(_Read):
    """How much a role may give on one complaint without asking, in a currency."""

    role: Role
    currency: str
    amount: Decimal
