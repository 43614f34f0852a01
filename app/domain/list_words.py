"""What a list that is worked says, for people: the four quadrants, outcomes, stages and the rest, in zh and en."""

from collections.abc import Mapping
from typing import Final

from app.domain.day_plan import Quadrant


def _both(zh: str, en: str) -> dict[str, str]:
    return {"zh": zh, "en": en}


QUADRANTS: Final[Mapping[Quadrant, dict[str, str]]] = {
    Quadrant.IMPORTANT_URGENT: _both("重要且紧急", "Important and urgent"),
    Quadrant.IMPORTANT: _both("重要不紧急", "Important, not urgent"),
    Quadrant.URGENT: _both("紧急不重要", "Urgent, not important"),
    Quadrant.NEITHER: _both("不重要不紧急", "Neither"),
}

OUTCOMES: Final[Mapping[str, dict[str, str]]] = {
    "reached": _both("已接通", "reached"),
    "no_answer": _both("无人接听", "no answer"),
    "busy": _both("占线", "busy"),
    "wrong_number": _both("号码有误", "wrong number"),
    "refused": _both("拒绝", "refused"),
}

STAGES: Final[tuple[dict[str, str], ...]] = (
    _both("未接触", "not reached yet"),
    _both("新客户", "new in the book"),
    _both("已联系关键人", "contact with the key person"),
    _both("有购买计划", "plans to buy"),
    _both("倾向我方", "leans to us"),
    _both("已寄合同", "contract sent"),
    _both("合同期内", "in contract"),
    _both("合同到期", "contract expired"),
)

INTENTIONS: Final[Mapping[str, dict[str, str]]] = {
    "unlikely": _both("不可能", "unlikely"),
    "unclear": _both("不明", "unclear"),
    "possible": _both("可能", "possible"),
    "good": _both("良好", "good"),
    "very_likely": _both("很高", "very likely"),
}

PAGE: Final[Mapping[str, dict[str, str]]] = {
    "title": _both("每日名单", "Daily list"),
    "golden": _both("黄金时段", "golden hours"),
    "customer": _both("客户", "Customer"),
    "number": _both("电话", "Number"),
    "why": _both("缘由", "Why"),
    "stands": _both("现状", "Stands"),
    "last": _both("上次联系", "Last contact"),
    "outcome": _both("结果", "Outcome"),
    "never": _both("从未", "never"),
    "no_number": _both("无可用号码", "no number to call"),
    "skipped": _both("已跳过", "skipped"),
    "note": _both("备注", "Note"),
    "confidential": _both("含个人信息，用后请销毁", "Personal data: destroy it after use"),
}
