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
