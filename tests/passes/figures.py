"""Figures and what is asked of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure and the most it may be (None: it is told, nothing is asked of it)."""

    name: str
    figure: float
    most: float | None
    unit: str = ""

    @property
    def missed(self) -> bool:
        """Whether the figure is beyond its bar; one that could not be measured is."""
        return self.most is not None and not self.figure <= self.most

    @property
    def verdict(self) -> str:
        """What the tables say."""
        return "" if self.most is None else "MISSED" if self.missed else "met"


@dataclass(slots=True)
class Part:
    """One part of the bench: its bars, and tables (title, head, rows) and remarks beside them."""

    title: str
    bars: list[Bar] = field(default_factory=list)
    tables: list[tuple[Sequence[str], list[Sequence[str]]]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def number(value: float) -> str:
    """Write a figure with three digits that count; whole numbers as they are."""
    if math.isnan(value):
        return "not measured"
    return f"{value:,.0f}" if value == math.floor(value) or abs(value) >= 1000 else f"{value:.3g}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def report(parts: Sequence[Part], summary: str) -> str:
    """Return the whole report: all bars first, then each part."""
    rows = [
        (bar.name, f"{number(bar.figure)} {bar.unit}".strip(), f"at most {number(bar.most)}", bar.verdict)
        for part in parts
        for bar in part.bars
        if bar.most is not None
    ]
    pieces = ["# Passes, measured", summary, "## Bars", table(("bar", "figure", "asked", "verdict"), rows)]
    for part in parts:
        pieces.append(f"## {part.title}")
        told = [(bar.name, f"{number(bar.figure)} {bar.unit}".strip()) for bar in part.bars if bar.most is None]
        if told:
            pieces.append(table(("also", "figure"), told))
        pieces += [table(head, body) for head, body in part.tables]
        pieces += part.remarks
    return "\n\n".join(pieces) + "\n"


def exit_code(parts: Iterable[Part]) -> int:
    """Return 1 where a bar is missed, else 0."""
    return int(any(bar.missed for part in parts for bar in part.bars))
