"""The words at the head of a report's columns, in zh and en."""

from typing import Final

FIGURES: Final = {
    "first_day": ("日期", "From"),
    "who": ("人员/团队", "Who"),
    "listed": ("名单", "Listed"),
    "called": ("已拨打", "Called"),
    "reached": ("已接通", "Reached"),
    "talk_seconds": ("通话秒数", "Talk time (s)"),
    "book": ("名下客户", "Book"),
    "covered": ("已覆盖", "Covered"),
    "coverage": ("覆盖率", "Coverage"),
    "moved_on": ("阶段推进", "Moved on"),
    "moved_back": ("阶段后退", "Moved back"),
    "contracts_won": ("新签合同", "Contracts won"),
    "contracts_renewed": ("续签合同", "Contracts renewed"),
    "promises": ("约定回访", "Promises"),
    "promises_kept": ("按时兑现", "Kept on time"),
}
"""Of `schemas.calling_figures.CallingFigures`, in the order of its columns."""


def header(words: dict[str, tuple[str, str]], language: str) -> list[str]:
    """The header in a person's language (BCP 47): Chinese, or English for everybody else."""
    return [both[0] if language.startswith("zh") else both[1] for both in words.values()]
