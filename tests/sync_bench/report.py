"""Figures against their bars, and the page that shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["goal met", "met", "MISSED"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure and what is asked of it. `bar`: must be met; `goal`: wanted; `at_least` or else at most."""

    name: str
    value: float
    unit: str
    bar: float
    goal: float
    at_least: bool = False

    @property
    def verdict(self) -> Verdict:
        """Whether the bar, or even the goal, is met."""
        sign = 1 if self.at_least else -1
        if sign * self.value < sign * self.bar:
            return "MISSED"
        return "goal met" if sign * self.value >= sign * self.goal else "met"

    def row(self) -> str:
        """Return the row of the table."""
        word = "at least" if self.at_least else "at most"
        goal = "" if self.goal == self.bar else f"{self.goal:g}"
        return f"| {self.name} | {self.value:.3g} {self.unit} | {word} {self.bar:g} | {goal} | {self.verdict} |"


@dataclass(frozen=True, slots=True)
class Runs:
    """What each run of a peer gave, events a second."""

    name: str
    what: str
    events: int
    rates: Sequence[float]
    middle: float

    def row(self) -> str:
        """Return the row of the table."""
        each = ", ".join(f"{rate:.0f}" for rate in self.rates)
        return f"| {self.name} | {self.what} | {self.events} | {self.middle:.0f} | {each} |"


def page(figures: Sequence[Figure], runs: Sequence[Runs], notes: str, summary: str) -> str:
    """Return the page as Markdown."""
    return "\n".join(
        [
            "# Results of the sync bench",
            "",
            summary,
            "",
            "| Figure | Measured | Bar | Goal | Verdict |",
            "| --- | --- | --- | --- | --- |",
            *(figure.row() for figure in figures),
            "",
            "## Collectors, events a second",
            "",
            "| Who | How | Events | Median | Each run |",
            "| --- | --- | --- | --- | --- |",
            *(one.row() for one in runs),
            "",
            "## How it was measured",
            "",
            notes,
        ]
    )


def exit_code(figures: Sequence[Figure]) -> int:
    """Return 1 where a bar is missed."""
    return int(any(figure.verdict == "MISSED" for figure in figures))
