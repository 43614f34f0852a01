"""The way in for complaints by mail: a webhook that the mail server signs as standardwebhooks.com says."""

from datetime import UTC, datetime
from typing import Final

from fastapi import APIRouter, Request
from pydantic import ValidationError
from standardwebhooks import Webhook, WebhookVerificationError

from app.dependencies import DbSession, HotlineNow, RuntimeOf
from app.errors import Invalid, NotAllowed, NotSignedIn, TooLarge, Unavailable
from app.schemas.inbound_mail import EXAMPLE, InboundMail, MailTaken
from app.schemas.problem import problems
from app.services.calendars import CalendarNotKnown
from app.services.callbacks.times import NoLegalTime
from app.services.complaints.clock import NoWorkingTime
from app.services.complaints.mail import NobodyToOwn, take_mail

router = APIRouter(prefix="/mail", tags=["complaints"])

LARGEST: Final = 1_000_000
"""Bytes of a request; attachments have no business in it."""

_SIGNED_BY: Final = ("webhook-id", "webhook-timestamp", "webhook-signature")


class BadMailSignature(NotAllowed):
    """The signature is not ours, not of this body, or more than five minutes old."""

    code = "bad_signature"


class MailTooLarge(TooLarge):
    """A mail comes without its attachments, and in at most a megabyte."""

    code = "mail_too_large"


@router.post(
    "/inbound",
    operation_id="take_mail",
    responses=problems(
        NotSignedIn,
        BadMailSignature,
        MailTooLarge,
        Invalid,
        NoWorkingTime,
        CalendarNotKnown,
        NoLegalTime,
        Unavailable,
        NobodyToOwn,
    ),
    openapi_extra={
        "security": [],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": InboundMail.model_json_schema(), "example": EXAMPLE}},
        },
    },
)
async def inbound(request: Request, session: DbSession, hotline: HotlineNow, runtime: RuntimeOf) -> MailTaken:
    """Take a mail: a reply that names a complaint goes into its history, any other is a complaint of its own.

    Signed with `webhook-id`, `webhook-timestamp` and `webhook-signature`; the secret is `CALLCARD_MAIL_SECRET`. A mail
    may be told again.
    """
    body = await _read(request)
    secret = runtime.settings.mail_secret
    assert secret is not None, "without a secret there is no such route"
    if not all(name in request.headers for name in _SIGNED_BY):
        raise NotSignedIn("A mail is signed: webhook-id, webhook-timestamp, webhook-signature.")
    try:
        Webhook(secret.get_secret_value()).verify(body, dict(request.headers), json_parse=False)
    except (WebhookVerificationError, ValueError, OverflowError):
        raise BadMailSignature("The signature is not of this mail, or too old.") from None
    try:
        mail = InboundMail.model_validate_json(body)
    except ValidationError as error:
        where = [".".join(map(str, problem["loc"])) for problem in error.errors(include_url=False)]
        raise Invalid(f"The mail does not fit: {', '.join(filter(None, where)) or 'it is no JSON object'}.") from None
    return await take_mail(session, mail, hotline, datetime.now(UTC))


async def _read(request: Request) -> bytes:
    """The body, as far as it is looked at. Raises MailTooLarge."""
    parts = bytearray()
    async for part in request.stream():
        parts += part
        if len(parts) > LARGEST:
            raise MailTooLarge("At most a megabyte, without attachments.")
    return bytes(parts)
