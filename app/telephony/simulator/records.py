"""A call as the carrier's books have it, and as Twilio's REST API shows it."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from enum import StrEnum

API_VERSION = "2010-04-01"

_SUBRESOURCES = (
    "notifications",
    "recordings",
    "payments",
    "events",
    "siprec",
    "streams",
    "transcriptions",
    "user_defined_message_subscriptions",
    "user_defined_messages",
)


class CallStatus(StrEnum):
    """Twilio's own words for where a call stands (https://www.twilio.com/docs/voice/api/call-resource#call-status-values)."""

    QUEUED = "queued"
    INITIATED = "initiated"
    RINGING = "ringing"
    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"
    BUSY = "busy"
    NO_ANSWER = "no-answer"
    CANCELED = "canceled"
    FAILED = "failed"


class Direction(StrEnum):
    """Who placed a call: somebody outside, a `<Dial>`, or the REST API."""

    INBOUND = "inbound"
    OUTBOUND_DIAL = "outbound-dial"
    OUTBOUND_API = "outbound-api"


def new_sid(prefix: str) -> str:
    """An id as Twilio makes them: two letters and 32 hexadecimal digits."""
    return prefix + secrets.token_hex(16)


def mail_time(moment: datetime) -> str:
    """RFC 2822 with a numeric zone, as all of Twilio's timestamps are."""
    return format_datetime(moment)


@dataclass(slots=True)
class CallRecord:
    """One call or leg. Times are wall time (UTC); `answered_second` and `ended_second` are call time."""

    sid: str
    account_sid: str
    from_: str
    to: str
    direction: Direction
    created_at: datetime
    updated_at: datetime
    status: CallStatus
    parent_sid: str | None = None
    caller_name: str | None = None
    answered_by: str | None = None
    sip_code: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    answered_second: float | None = None
    ended_second: float | None = None

    @property
    def ended(self) -> bool:
        """True when nothing more will happen in this call."""
        return self.ended_second is not None

    @property
    def duration(self) -> int:
        """Whole seconds from being answered to the end; 0 where it was never answered or has not ended."""
        if self.answered_second is None or self.ended_second is None:
            return 0
        return round(self.ended_second - self.answered_second)

    @property
    def uri(self) -> str:
        """The path of this call in the REST API."""
        return f"/{API_VERSION}/Accounts/{self.account_sid}/Calls/{self.sid}.json"

    def as_json(self) -> dict[str, object]:
        """The call resource (https://www.twilio.com/docs/voice/api/call-resource#call-properties)."""
        below = self.uri.removesuffix(".json")
        completed = self.status is CallStatus.COMPLETED
        # The REST API has no `initiated`: until it rings, a call is `queued` there.
        status = CallStatus.QUEUED if self.status is CallStatus.INITIATED else self.status
        return {
            "sid": self.sid,
            "account_sid": self.account_sid,
            "parent_call_sid": self.parent_sid,
            "phone_number_sid": None,
            "group_sid": None,
            "trunk_sid": None,
            "from": self.from_,
            "from_formatted": self.from_,
            "to": self.to,
            "to_formatted": self.to,
            "caller_name": self.caller_name,
            "forwarded_from": None,
            "direction": self.direction.value,
            "answered_by": self.answered_by,
            "status": status.value,
            "date_created": mail_time(self.created_at),
            "date_updated": mail_time(self.updated_at),
            "start_time": mail_time(self.started_at) if self.started_at else None,
            "end_time": mail_time(self.ended_at) if self.ended_at else None,
            "duration": str(self.duration) if completed else None,
            "price": None,
            "price_unit": "USD",
            "queue_time": "0",
            "api_version": API_VERSION,
            "uri": self.uri,
            "subresource_uris": {name: f"{below}/{_camel(name)}.json" for name in _SUBRESOURCES},
        }


def _camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))
