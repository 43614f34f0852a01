"""A mail as the mail server's webhook brings it."""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.config import JsonDict

from app.schemas.common import EmailAddress

EXAMPLE: Final[JsonDict] = {
    "message_id": "<20261122083000.7f3a@mail.example.com>",
    "from": "lu.jianguo@example.com",
    "subject": "空调又不制冷了",
    "text": "上个月修过的空调又不制冷了，请尽快处理。",
}


class InboundMail(BaseModel):
    """One mail. Of `text` and `html` the text is taken where both are given; what is longer than is kept is cut."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True, json_schema_extra={"examples": [EXAMPLE]})

    message_id: Annotated[str, StringConstraints(min_length=3, max_length=998, pattern=r"^[!-~]+$")] = Field(
        description="The mail's Message-ID (RFC 5322); told again, it is the same mail."
    )
    sender: EmailAddress = Field(alias="from")
    subject: str = Field(default="", max_length=10_000)
    text: str | None = None
    html: str | None = None


class MailOutcome(StrEnum):
    """What became of a mail."""

    OPENED = "opened"
    """It is a complaint of its own."""
    JOINED = "joined"
    """It names a complaint, and is in its history."""
    KNOWN = "known"
    """It was told before; nothing was done."""


class MailTaken(BaseModel):
    """What became of a mail, and the code of the complaint that it is or belongs to."""

    outcome: MailOutcome
    complaint: str
