"""Why a customer is on a daily list, why one is not, what its reader must know: codes and their words in zh and en.

A reason is plain JSON as a list keeps it: `code` and the values that its words need. Dates are ISO dates, `time` is the
wall clock of the organisation.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final


class ReasonCode(StrEnum):
    """Why somebody is on the list."""

    PROMISED = "promised"
    PROMISE_OWED = "promise_owed"
    CARRIED_OVER = "carried_over"
    PINNED = "pinned"
    STAGE = "stage"
    INTENTION = "intention"
    CONTRACT_EXPIRED = "contract_expired"
    CONTRACT_ENDING = "contract_ending"
    WARRANTY_ENDING = "warranty_ending"
    BIRTHDAY = "birthday"
    FESTIVAL = "festival"
    WIN_BACK = "win_back"
    WAITING = "waiting"
    NEVER_CALLED = "never_called"
    THEIR_TURN = "their_turn"


class NoticeCode(StrEnum):
    """What the reader of a list must know."""

    EMPTY_BOOK = "empty_book"
    SHORT_LIST = "short_list"
    COVERAGE_NOT_KEPT = "coverage_not_kept"
    COVERAGE_NOT_KEPT_NEXT_MONTH = "coverage_not_kept_next_month"
    PROMISES_WITHOUT_ROOM = "promises_without_room"
    CARRIED_OVER_WITHOUT_ROOM = "carried_over_without_room"
    STANDING_IN = "standing_in"
    NOBODY_STANDS_IN = "nobody_stands_in"
    CALENDAR_ENDS = "calendar_ends"


_REASONS: Final[Mapping[ReasonCode, tuple[str, str]]] = {
    ReasonCode.PROMISED: ("约定今天 {time} 联系", "promised for today {time}"),
    ReasonCode.PROMISE_OWED: ("约定 {day} {time} 联系，尚未兑现", "promised for {day} {time}, still owed"),
    ReasonCode.CARRIED_OVER: ("{day} 的名单上未处理", "left over from the list of {day}"),
    ReasonCode.PINNED: ("由本人置顶", "put on the list by hand"),
    ReasonCode.STAGE: ("销售阶段 {stage}（{stage_zh}）", "stage {stage} ({stage_en})"),
    ReasonCode.INTENTION: ("意向：{intention_zh}", "{intention_en} intention"),
    ReasonCode.CONTRACT_EXPIRED: ("合同已到期 {days} 天", "contract ran out {days} days ago"),
    ReasonCode.CONTRACT_ENDING: ("合同将于 {day} 到期（{days} 天内）", "contract ends on {day} (within {days} days)"),
    ReasonCode.WARRANTY_ENDING: ("{product} 保修至 {day}", "warranty of {product} ends on {day}"),
    ReasonCode.BIRTHDAY: ("{day} 生日：{name}", "birthday on {day}: {name}"),
    ReasonCode.FESTIVAL: ("{day} {name_zh}，致以问候", "greeting for {name_en} on {day}"),
    ReasonCode.WIN_BACK: ("流失的核心客户，争取挽回", "a core customer who was lost, to be won back"),
    ReasonCode.WAITING: ("已有 {days} 个工作日未联系", "not called for {days} working days"),
    ReasonCode.NEVER_CALLED: ("从未联系过", "never called yet"),
    ReasonCode.THEIR_TURN: (
        "轮到该客户：最迟 {due} 个工作日内须列入",
        "it is their turn: due within {due} working days",
    ),
}

_NOTICES: Final[Mapping[NoticeCode, tuple[str, str]]] = {
    NoticeCode.EMPTY_BOOK: ("名下没有客户，今天没有名单。", "The book is empty: there is nobody to call."),
    NoticeCode.SHORT_LIST: (
        "可联系的客户只有 {eligible} 位，少于 {size} 位。",
        "Only {eligible} customers may be called, fewer than {size}.",
    ),
    NoticeCode.COVERAGE_NOT_KEPT: (
        "可联系的客户 {eligible} 位，{working_days} 个工作日每天 {size} 位最多 {room} 位：一轮需要 {needed} 个工作日。",
        "{eligible} customers, and {working_days} days of {size} have room for {room}: one round takes {needed} days.",
    ),
    NoticeCode.COVERAGE_NOT_KEPT_NEXT_MONTH: (
        "下月只有 {working_days} 个工作日，{eligible} 位客户一轮需要 {needed} 个工作日。",
        "Next month has only {working_days} working days; one round of {eligible} customers takes {needed}.",
    ),
    NoticeCode.PROMISES_WITHOUT_ROOM: (
        "有 {count} 个约定今天的电话名单放不下，请改约或请人帮忙。",
        "{count} calls that were promised for today found no room: move them, or ask somebody to help.",
    ),
    NoticeCode.CARRIED_OVER_WITHOUT_ROOM: (
        "以前未处理的客户还有 {count} 位没有排进今天的名单。",
        "{count} customers left over from earlier lists found no room today.",
    ),
    NoticeCode.STANDING_IN: ("代 {name} 处理。", "You stand in for {name}."),
    NoticeCode.NOBODY_STANDS_IN: ("{name} 不在，且没有人代理。", "{name} is away and nobody stands in."),
    NoticeCode.CALENDAR_ENDS: (
        "{year} 年的工作日历尚未确认：从该年起将不再生成名单。",
        "The working calendar of {year} is not known yet: no list is made from then on until somebody confirms it.",
    ),
}

_LEFT_OUT: Final[Mapping[str, tuple[str, str]]] = {
    "do_not_call": ("勿扰客户", "does not want to be called"),
    "consent_withdrawn": ("已撤回电话营销授权", "withdrew their consent to marketing calls"),
    "open_complaint": ("有未结投诉，由投诉负责人联系", "has an open complaint, whose owner calls"),
    "closed_window": ("客户所在地当天不可拨打", "may not be called where they are on that day"),
    "called_today": ("当天已联系过", "was called already that day"),
    "on_another_list": ("已在别人的当天名单上", "is on somebody else's list of that day"),
    "no_number": ("没有电话号码", "has no number to call"),
    "dropped": ("前一天手工移除", "taken off by hand the day before"),
    "no_room": ("有约定，但名单已满", "was promised a call, and the list was full"),
}

_STAGES: Final = {4: ("倾向我方", "leans to us"), 5: ("已寄合同", "contract sent")}
_INTENTIONS: Final = {"good": ("良好", "good"), "very_likely": ("很高", "very likely")}


def reason_in_words(reason: Mapping[str, Any]) -> dict[str, str]:
    """A reason as people read it: `zh` and `en`."""
    values = dict(reason)
    if "stage" in values:
        values["stage_zh"], values["stage_en"] = _STAGES.get(values["stage"], ("", ""))
    if "intention" in values:
        values["intention_zh"], values["intention_en"] = _INTENTIONS.get(values["intention"], ("", ""))
    return _filled(_REASONS[ReasonCode(reason["code"])], values)


def notice_in_words(notice: Mapping[str, Any]) -> dict[str, str]:
    """A notice as people read it: `zh` and `en`."""
    return _filled(_NOTICES[NoticeCode(notice["code"])], notice)


def left_out_in_words(reason: str) -> dict[str, str]:
    """Why somebody was left out, as people read it: `zh` and `en`."""
    return _filled(_LEFT_OUT[reason], {})


def _filled(words: tuple[str, str], values: Mapping[str, Any]) -> dict[str, str]:
    zh, en = words
    return {"zh": zh.format_map(values), "en": en.format_map(values)}
