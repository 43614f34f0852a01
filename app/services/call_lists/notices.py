"""What whoever works a list must know of it."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row

from app.domain.list_days import ListDay
from app.domain.list_reasons import NoticeCode
from app.services.call_lists.inputs import Rules


def notices_of(manager: Row[Any], figures: Mapping[str, int], rules: Rules, clock: ListDay) -> list[dict[str, Any]]:
    """What whoever works a list must know. `figures` are the statement's."""
    eligible, size = figures["eligible"], rules.size
    needed = -(-eligible // size)
    notices: list[dict[str, Any]] = []
    if not manager.active or manager.absence_id is not None:
        code = NoticeCode.STANDING_IN if manager.stand_in_id else NoticeCode.NOBODY_STANDS_IN
        notices.append({"code": code, "name": manager.name})
    if eligible == 0:
        notices.append({"code": NoticeCode.EMPTY_BOOK})
    elif eligible < size:
        notices.append({"code": NoticeCode.SHORT_LIST, "eligible": eligible, "size": size})
    if needed > clock.round_days or figures["late"]:
        notices.append(
            {
                "code": NoticeCode.COVERAGE_NOT_KEPT,
                "eligible": eligible,
                "working_days": clock.round_days,
                "size": size,
                "room": size * clock.round_days,
                "needed": max(needed, clock.round_days + -(-figures["late"] // size)),
            }
        )
    elif clock.next_month_days is not None and needed > clock.next_month_days:
        notices.append(
            {
                "code": NoticeCode.COVERAGE_NOT_KEPT_NEXT_MONTH,
                "eligible": eligible,
                "working_days": clock.next_month_days,
                "needed": needed,
            }
        )
    if figures["no_room"]:
        notices.append({"code": NoticeCode.PROMISES_WITHOUT_ROOM, "count": figures["no_room"]})
    if figures["left_over"]:
        notices.append({"code": NoticeCode.CARRIED_OVER_WITHOUT_ROOM, "count": figures["left_over"]})
    if clock.next_month_days is None:
        following = clock.day.year + (clock.day.month == 12)
        notices.append({"code": NoticeCode.CALENDAR_ENDS, "year": following})
    return notices
