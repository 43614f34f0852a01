"""Which calls a list request asks for (https://www.twilio.com/docs/voice/api/call-resource#read-multiple-call-resources)."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from app.telephony.simulator.records import CallRecord

_DAY = timedelta(days=1)


class BadFilter(ValueError):
    """A filter whose value cannot be read."""


def select(records: Iterable[CallRecord], filters: Iterable[tuple[str, str]]) -> list[CallRecord]:
    """The records that pass every filter, in order.

    Filters are the query's pairs: To, From, ParentCallSid, Status, and StartTime, `StartTime<`, `StartTime>`, EndTime,
    `EndTime<`, `EndTime>`; other names are passed over. Times are `YYYY-MM-DD` (a whole day, UTC) or ISO 8601; both
    comparisons include the moment itself, which is why Twilio writes them `StartTime>=…`. Raises BadFilter.
    """
    chosen = list(records)
    for name, value in filters:
        match name:
            case "To":
                chosen = [record for record in chosen if record.to == value]
            case "From":
                chosen = [record for record in chosen if record.from_ == value]
            case "ParentCallSid":
                chosen = [record for record in chosen if record.parent_sid == value]
            case "Status":
                chosen = [record for record in chosen if record.as_json()["status"] == value]
            case "StartTime" | "StartTime<" | "StartTime>":
                # A call that is still queued has not started; when it was created is the best that is known.
                chosen = [r for r in chosen if _passes(r.started_at or r.created_at, name[9:], value)]
            case "EndTime" | "EndTime<" | "EndTime>":
                chosen = [r for r in chosen if r.ended_at is not None and _passes(r.ended_at, name[7:], value)]
    return chosen


def _passes(moment: datetime, comparison: str, value: str) -> bool:
    first, last = _span(value)
    second = moment.replace(microsecond=0)  # what the API shows of it
    return (comparison == "<" or second >= first) and (comparison == ">" or second <= last)


def _span(value: str) -> tuple[datetime, datetime]:
    """The first and last second that a value means."""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise BadFilter(f"{value!r} is neither a date nor a time") from None
    moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).replace(microsecond=0)
    is_day = len(value) <= len("2026-01-31")
    return moment, moment + _DAY - timedelta(seconds=1) if is_day else moment
