"""Tables and goals, printed as Markdown: what stands on the terminal is what is kept in the README."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure and what it is to be."""

    what: str
    value: float
    at_least: float | None = None
    at_most: float | None = None

    @property
    def is_met(self) -> bool:
        return (self.at_least is None or self.value >= self.at_least) and (
            self.at_most is None or self.value <= self.at_most
        )

    def __str__(self) -> str:
        wanted = f"at least {self.at_least:g}" if self.at_least is not None else f"at most {self.at_most:g}"
        return f"**{self.what}: {number(self.value)}** (goal: {wanted}; {'met' if self.is_met else 'MISSED'})"


@dataclass(slots=True)
class Section:
    """One table, what is to be said of it, and the goals it is held against."""

    title: str
    columns: list[str]
    rows: list[list[str]]
    notes: list[str] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)

    def __str__(self) -> str:
        widths = [max(len(row[i]) for row in [self.columns, *self.rows]) for i in range(len(self.columns))]
        lines = [f"### {self.title}", "", _line(self.columns, widths), _line(["-" * width for width in widths], widths)]
        lines += [_line(row, widths) for row in self.rows]
        lines += ["", *(f"- {goal}" for goal in self.goals), *(f"- {note}" for note in self.notes)]
        return "\n".join(lines).rstrip() + "\n"


def _line(cells: list[str], widths: list[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"


def number(value: float) -> str:
    """A figure in as many digits as are worth reading."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
