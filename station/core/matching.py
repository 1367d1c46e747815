"""Finds the first rule that fires without asking the rules one by one.

Each fact that some rule asks about has a table from its values to the set of rules (bits of a number, the first rule
lowest) that this value allows. The rules that fire are what all sets have in common. The cost depends on the number of
facts asked about, not on the number of rules; a test holds it against asking them one by one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from station.core.facts import FACTS, NUMERIC, OPERATORS, Facts
from station.core.record import dataclass


@dataclass(frozen=True, slots=True)
class Condition:
    """`fact operator operand`; a fact without a value (no health code) satisfies nothing but "ne" and "not_in"."""

    fact: str
    operator: str
    operand: Any

    def holds(self, facts: Facts) -> bool:
        """Say whether the condition is met."""
        return self.admits(FACTS[self.fact].read(facts))

    def admits(self, value: object) -> bool:
        """Say whether a value of the fact meets the condition."""
        if value is None:
            return self.operator in ("ne", "not_in")
        return OPERATORS[self.operator](value, self.operand)


Row = tuple[Sequence[Condition], tuple[int, int]]
"""A rule's conditions, and from when to when it is valid (unsigned seconds, both included)."""


@dataclass(frozen=True, slots=True)
class MatchTable:
    """Built by `compile_rows`. Each entry of `words` and `numbers` first reads its fact."""

    every: int
    words: tuple[tuple[Callable[[Facts], Any], Mapping[object, int]], ...]
    numbers: tuple[tuple[Callable[[Facts], Any], Sequence[int], Sequence[int], int], ...]
    moments: tuple[Sequence[int], Sequence[int]]

    def first(self, facts: Facts, seconds: int) -> int | None:
        """Return the number (from 0) of the first rule that fires at `seconds` (unsigned), or None."""
        fitting = self.every & self.moments[1][bisect_right(self.moments[0], seconds)]
        for read, sets in self.words:
            fitting &= sets[read(facts)]
        for read, ends, ranges, absent in self.numbers:
            value = read(facts)
            fitting &= absent if value is None else ranges[bisect_right(ends, value)]
        return (fitting & -fitting).bit_length() - 1 if fitting else None


def compile_rows(rows: Sequence[Row]) -> MatchTable:
    """Build the table of some rules."""
    asked = sorted({condition.fact for conditions, _ in rows for condition in conditions})
    words = tuple((FACTS[f].read, _word_sets(f, rows)) for f in asked if FACTS[f].values is not None)
    numbers = tuple((FACTS[f].read, *_ranges(f, rows)) for f in asked if FACTS[f].values is None)
    return MatchTable((1 << len(rows)) - 1, words, numbers, _moments(rows))


def _admitting(fact: str, rows: Sequence[Row], value: object) -> int:
    """Return the set of rules whose conditions on `fact` all admit `value`."""
    return sum(
        1 << number
        for number, (conditions, _) in enumerate(rows)
        if all(condition.admits(value) for condition in conditions if condition.fact == fact)
    )


def _word_sets(fact: str, rows: Sequence[Row]) -> dict[object, int]:
    return {value: _admitting(fact, rows, value) for value in (None, *(FACTS[fact].values or ()))}


def _ranges(fact: str, rows: Sequence[Row]) -> tuple[list[int], list[int], int]:
    """Return where the answer may change, the set of rules in each range between, and the set for no value."""
    ends = set()
    for conditions, _ in rows:
        for condition in conditions:
            if condition.fact == fact:
                ends |= {end + step for end in operands(condition) for step in (0, 1)}
    edges = sorted(ends)
    samples = [edges[0] - 1, *edges] if edges else [0]  # an empty list names no number: one answer for all
    return edges, [_admitting(fact, rows, value) for value in samples], _admitting(fact, rows, None)


def operands(condition: Condition) -> tuple[int, ...]:
    """Return the numbers a condition on a number names."""
    if condition.operator in NUMERIC and condition.operator != "between":
        return (condition.operand,)
    return tuple(condition.operand) if isinstance(condition.operand, frozenset | tuple) else (condition.operand,)


def _moments(rows: Sequence[Row]) -> tuple[list[int], list[int]]:
    edges = sorted({edge for _, (begin, end) in rows for edge in (begin, end + 1)})
    samples = [*(edges[:1] and [edges[0] - 1]), *edges]
    valid = [sum(1 << n for n, (_, (begin, end)) in enumerate(rows) if begin <= at <= end) for at in samples]
    return edges, valid or [0]
