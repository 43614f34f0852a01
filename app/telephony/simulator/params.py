"""The parameters that Twilio sends with every request about a call.

https://www.twilio.com/docs/voice/twiml#request-parameters and, for status callbacks,
https://www.twilio.com/docs/voice/api/call-resource#statuscallback.
"""

import math
from datetime import datetime

from app.telephony.simulator.records import API_VERSION, CallRecord, CallStatus, Direction, mail_time

# Enough of the world to tell the common callers apart; any other number is sent without a country, as Twilio does
# where it does not know one.
_COUNTRY_BY_PREFIX = {
    "+1": "US",
    "+33": "FR",
    "+39": "IT",
    "+44": "GB",
    "+49": "DE",
    "+61": "AU",
    "+65": "SG",
    "+81": "JP",
    "+82": "KR",
    "+852": "HK",
    "+853": "MO",
    "+86": "CN",
    "+886": "TW",
    "+91": "IN",
}


def pairs(*given: tuple[str, str | int | None]) -> tuple[tuple[str, str], ...]:
    """Parameters as text, those with None left out."""
    return tuple((name, str(value)) for name, value in given if value is not None)


def country_of(number: str) -> str:
    """The ISO 3166 country that a number's prefix tells, or ""."""
    return next((_COUNTRY_BY_PREFIX[number[:n]] for n in (4, 3, 2) if number[:n] in _COUNTRY_BY_PREFIX), "")


def call_params(record: CallRecord, *, from_country: str | None = None) -> list[tuple[str, str]]:
    """What every request about `record` carries. `from_country` overrides what the caller's number tells."""
    params = [
        ("AccountSid", record.account_sid),
        ("ApiVersion", API_VERSION),
        ("CallSid", record.sid),
        ("CallStatus", record.status.value),
        ("Direction", record.direction.value),
        ("From", record.from_),
        ("Caller", record.from_),
        ("To", record.to),
        ("Called", record.to),
    ]
    if record.parent_sid is not None:
        params.append(("ParentCallSid", record.parent_sid))
    if record.caller_name is not None:
        params.append(("CallerName", record.caller_name))
    if record.answered_by is not None:
        params.append(("AnsweredBy", record.answered_by))
    if record.direction is not Direction.OUTBOUND_DIAL:
        # Twilio sends these for telephone numbers, mostly blank outside North America.
        for party, number, country in (
            ("From", record.from_, from_country if from_country is not None else country_of(record.from_)),
            ("To", record.to, country_of(record.to)),
        ):
            if number.startswith("+"):
                alias = "Caller" if party == "From" else "Called"
                for name in (party, alias):
                    params += [(f"{name}{part}", "") for part in ("City", "State", "Zip")]
                    params.append((f"{name}Country", country))
    return params


def status_params(
    record: CallRecord, status: CallStatus, *, sequence: int, at: datetime, from_country: str | None = None
) -> list[tuple[str, str]]:
    """What a status callback carries; `status` is what it tells, which may be older than the record."""
    params = [pair for pair in call_params(record, from_country=from_country) if pair[0] != "CallStatus"]
    params += [
        ("CallStatus", status.value),
        ("CallbackSource", "call-progress-events"),
        ("SequenceNumber", str(sequence)),
        ("Timestamp", mail_time(at)),
    ]
    if record.ended and status is record.status:
        if record.sip_code is not None:
            params.append(("SipResponseCode", record.sip_code))
        params += [("CallDuration", str(record.duration)), ("Duration", str(math.ceil(record.duration / 60)))]
    return params
