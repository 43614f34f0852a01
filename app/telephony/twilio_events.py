"""What Twilio's webhooks say, in the port's words (https://www.twilio.com/docs/voice/twiml#request-parameters).

Every text is hostile until here: NUL characters, which PostgreSQL refuses, are removed, and over-long values are cut.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qs
from uuid import UUID

from app.domain.call_states import CarrierStatus
from app.errors import BadRequest
from app.telephony.port import CallEvent, EventKind
from app.telephony.twilio_form import FormFields

PROVIDER = "twilio"
IDEMPOTENCY_HEADER = "I-Twilio-Idempotency-Token"

ROUTES: Mapping[EventKind, str] = {kind: f"/telephony/twilio/{kind.value.replace('_', '-')}" for kind in EventKind}
"""The path on which each kind of event arrives."""

ATTEMPT_PARAMETER = "attempt"
"""In the query of the outbound routes: the id of a placing of a call by us."""

CALL_SID = re.compile("CA[0-9a-fA-F]{32}")

MAX_TEXT = 256
"""Characters kept of a name or a number."""

MAX_PARAM = 2000
"""Characters kept of a parameter's value, and of an address."""

MAX_PARAM_NAME = 200

_RECORDING_SID = re.compile("RE[0-9a-fA-F]{32}")

CALL_STATUSES: Mapping[str, CarrierStatus] = {status.value.replace("_", "-"): status for status in CarrierStatus}
"""CallStatus as Twilio spells it. Of these the REST API never says `initiated`; only status callbacks do."""

# After a <Dial>, "answered" is what became of a conference's participant: they spoke, and it is over.
_DIAL_STATUSES = {**CALL_STATUSES, "answered": CarrierStatus.COMPLETED}


# 404 Not Found, 410 Gone, 484 Address Incomplete, 604 Does Not Exist Anywhere (RFC 3261, section 21).
_NO_SUCH_NUMBER = frozenset({"404", "410", "484", "604"})


class BadCallSid(BadRequest):
    """The request names no call, or its name is garbled."""

    code = "bad_call_sid"
    title = "No usable CallSid"


def call_event(
    kind: EventKind,
    form: FormFields,
    received_at: datetime,
    *,
    idempotency_token: str | None = None,
    query: str = "",
) -> CallEvent:
    """Turn the fields of a verified request into an event.

    Args:
        kind: by which route it came.
        form: its fields; of a repeated one the last value counts.
        received_at: when it came, aware UTC.
        idempotency_token: the I-Twilio-Idempotency-Token header, the same in each of Twilio's own retries.
        query: the address's, in which `attempt` names the placing of a call by us that it is about.

    What cannot be read (an unknown status, a number with letters, the garbled id of another leg) is None; as it came it
    is in `params`.

    Raises:
        BadCallSid: CallSid is missing or not `CA` and 32 hexadecimal digits (→ 400).
    """
    params = _kept(form)
    get = params.get
    call_id = get("CallSid", "")
    if not CALL_SID.fullmatch(call_id):
        raise BadCallSid("CallSid must be CA and 32 hexadecimal digits.")
    return CallEvent(
        kind=kind,
        provider=PROVIDER,
        call_id=call_id,
        received_at=received_at,
        from_raw=(get("From") or get("Caller", ""))[:MAX_TEXT],
        to_raw=(get("To") or get("Called", ""))[:MAX_TEXT],
        parent_call_id=_matching(CALL_SID, get("ParentCallSid")),
        occurred_at=_time(get("Timestamp")),
        seconds=_number(get("CallDuration")),
        caller_name=get("CallerName", "")[:MAX_TEXT],
        status=CALL_STATUSES.get(get("CallStatus", "")),
        sequence=_number(get("SequenceNumber")),
        digits=get("Digits", "")[:MAX_TEXT],
        dial_status=_DIAL_STATUSES.get(get("DialCallStatus", "")),
        dial_call_id=_matching(CALL_SID, get("DialCallSid")),
        recording_id=_matching(_RECORDING_SID, get("RecordingSid")),
        recording_url=get("RecordingUrl") or None,
        recording_seconds=_number(get("RecordingDuration")),
        is_message=get("RecordingSource") == "RecordVerb",
        error_code=get("ErrorCode", "")[:MAX_TEXT] or None,
        error_url=get("ErrorUrl") or None,
        attempt_id=_attempt(query),
        is_machine=_is_machine(get("AnsweredBy", "")),
        is_not_in_service=get("SipResponseCode", "") in _NO_SUCH_NUMBER,
        idempotency_token=_clean(idempotency_token, MAX_TEXT) or None if idempotency_token else None,
        params=params,
    )


def _kept(form: FormFields) -> dict[str, str]:
    """Of each name the last value, without NUL and cut: what may go into the inbox."""
    return {
        name if len(name) <= MAX_PARAM_NAME and "\0" not in name else _clean(name, MAX_PARAM_NAME): value
        if len(value) <= MAX_PARAM and "\0" not in value
        else _clean(value, MAX_PARAM)
        for name, value in form.last.items()
    }


def _clean(text: str, length: int) -> str:
    return text.replace("\0", "")[:length]


def _matching(pattern: re.Pattern[str], text: str | None) -> str | None:
    return text if text and pattern.fullmatch(text) else None


def _attempt(query: str) -> UUID | None:
    given = parse_qs(query).get(ATTEMPT_PARAMETER, [""])[-1]
    try:
        return UUID(given)
    except ValueError:
        return None


def _is_machine(answered_by: str) -> bool | None:
    """https://www.twilio.com/docs/voice/answering-machine-detection: human, machine_…, fax, unknown."""
    if answered_by == "human":
        return False
    return True if answered_by == "fax" or answered_by.startswith("machine_") else None


def _number(text: str | None) -> int | None:
    # Nine digits always fit PostgreSQL's integer. int() alone would also take "１２", "1_0" and " 7 ".
    return int(text) if text and len(text) <= 9 and text.isascii() and text.isdigit() else None


def _time(text: str | None) -> datetime | None:
    """An aware UTC time from Twilio's RFC 2822 one; None where it is none."""
    if not text:
        return None
    try:
        time = parsedate_to_datetime(text)
        # "-0000" is read as a time without a zone; it means UTC whose zone was not told (RFC 2822, 3.3).
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
