"""Single requests as Twilio posts them, for what a whole simulated call cannot do to the moment."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

import httpx
from starlette.datastructures import ImmutableMultiDict
from twilio.request_validator import RequestValidator

from app.telephony.simulator.records import new_sid

ACCOUNT_SID = "AC" + "5" * 32
AUTH_TOKEN = "0123456789abcdef0123456789abcdef"
PUBLIC_URL = "https://hotline.example"
DIALLED = "+862155501000"
CALLER = "+8613800138000"
FORM = "application/x-www-form-urlencoded"

Pairs = Sequence[tuple[str, str]]


def call_sid() -> str:
    """The id of a call that nobody has heard of."""
    return new_sid("CA")


def said_at(moment: datetime | None = None) -> str:
    """A time as Twilio's status callbacks say it: RFC 2822, whole seconds."""
    return format_datetime(moment or datetime.now(UTC))


def voice(sid: str, from_: str = CALLER, to: str = DIALLED, *, status: str = "ringing", **more: str) -> Pairs:
    """The form of a call that rings; also of every later question about it."""
    fields = {
        "AccountSid": ACCOUNT_SID,
        "ApiVersion": "2010-04-01",
        "CallSid": sid,
        "CallStatus": status,
        "Direction": "inbound",
        "From": from_,
        "Caller": from_,
        "To": to,
        "Called": to,
        **more,
    }
    return list(fields.items())


def status(sid: str, status: str, sequence: int, **more: str) -> Pairs:
    """The form of a status callback about the customer's own call."""
    return [
        *voice(sid, status=status),
        ("CallbackSource", "call-progress-events"),
        ("SequenceNumber", str(sequence)),
        *{"Timestamp": said_at(), **more}.items(),
    ]


def leg_status(sid: str, parent: str, identity: str, status: str, sequence: int, **more: str) -> Pairs:
    """The form of a status callback about an agent's leg."""
    fields = {
        "AccountSid": ACCOUNT_SID,
        "CallSid": sid,
        "ParentCallSid": parent,
        "CallStatus": status,
        "Direction": "outbound-dial",
        "From": CALLER,
        "To": f"client:{identity}",
        "SequenceNumber": str(sequence),
        "Timestamp": said_at(),
        **more,
    }
    return list(fields.items())


@dataclass(slots=True)
class Wire:
    """Signs for `public_url` and posts to `url`, as Twilio does behind whatever stands in front of us."""

    url: str
    public_url: str = PUBLIC_URL
    token: str = AUTH_TOKEN
    http: httpx.AsyncClient = field(default_factory=lambda: httpx.AsyncClient(trust_env=False, timeout=20))

    async def __aenter__(self) -> "Wire":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    def signature(self, path: str, form: Pairs) -> str:
        """By Twilio's own package."""
        signature: str = RequestValidator(self.token).compute_signature(
            self.public_url + path, ImmutableMultiDict(list(form))
        )
        return signature

    async def post(
        self,
        route: str,
        form: Pairs,
        *,
        signature: str | None = "",
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
    ) -> httpx.Response:
        """One request to `/telephony/twilio/<route>`, rightly signed unless told otherwise (None: not at all)."""
        path = f"/telephony/twilio/{route}"
        sent = {"Content-Type": f"{FORM}; charset=utf-8", **(headers or {})}
        if signature is not None:
            sent["X-Twilio-Signature"] = signature or self.signature(path, form)
        content = body if body is not None else urlencode(list(form)).encode()
        return await self.http.post(self.url + path, content=content, headers=sent)

    async def twiml(self, route: str, form: Pairs, **options: Any) -> str:
        """The same, of which TwiML is expected."""
        answer = await self.post(route, form, **options)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("text/xml")
        return answer.text

    async def tell(self, form: Pairs, route: str = "status") -> None:
        """The same to a route that only listens."""
        answer = await self.post(route, form)
        assert answer.status_code == 204, answer.text


def verbs(twiml: str) -> list[str]:
    """The names of a document's verbs in order; fails where it is not well-formed."""
    return [element.tag for element in ElementTree.fromstring(twiml)]


def spoken(twiml: str) -> str:
    """Everything that is said, one sentence a line."""
    return "\n".join(element.text or "" for element in ElementTree.fromstring(twiml).iter("Say"))


def rung(twiml: str) -> str | None:
    """The client or number that is dialled."""
    root = ElementTree.fromstring(twiml)
    for noun in ("Client", "Number"):
        if (found := root.find(f"Dial/{noun}")) is not None:
            return found.text
    return None
