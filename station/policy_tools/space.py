"""The finite space that policies divide: facts, cut into cells that no rule tells apart, and boxes of such cells.

A rule holds on one box. What nobody can reach is a box inside the union of others; `outside` decides that exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

from station.core.facts import FACTS
from station.core.matching import Condition, operands
from station.core.policy import FOREVER, Rule

Box = Mapping[str, int]
"""For some facts the set of their cells, as bits (the first cell lowest); a fact not named may have any value."""

MOMENT = "moment"
"""Not a fact, but rules begin and end: unsigned seconds."""
STEPS = 20_000
"""How many boxes one question may be cut into before it is given up; ordinary policies need some dozens."""
_CLOSED = ("minute_of_day", "weekday")
"""Numbers that cannot be beyond the bounds a rule may compare them with."""
_WITHOUT_CLOCK = ("day", "quota")
"""Words that have no value while nobody knows the time."""
_EQUAL = ("away_minutes", "last_passage_minutes")
"""Two facts with the same value where both have one: they are cut alike, so that this can be said of cells."""


class TooHardError(Exception):
    """A question about a policy needs more steps than are worth it."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Values that no rule tells apart: one word, no value (None), or the whole numbers from `low` to `high`."""

    low: Any
    high: Any

    def holds(self, value: object) -> bool:
        """Say whether a value lies in this cell."""
        if isinstance(value, int) and isinstance(self.low, int):
            return bool(self.low <= value <= self.high)
        return bool(value == self.low)


class Space:
    """The cells of every fact, cut by the rules of one or more policies."""

    def __init__(self, rules: Iterable[Rule], since: int = 0) -> None:
        """`since`: nothing is asked about moments before it, unsigned seconds."""
        every = tuple(rules)
        self.cells: dict[str, tuple[Cell, ...]] = {fact: _cells(fact, every) for fact in FACTS}
        ends = {edge for rule in every for edge in (rule.valid_from, rule.valid_to + 1)}
        self.cells[MOMENT] = tuple(_ranges(since, FOREVER + 1, ends))
        self.full = {fact: (1 << len(cells)) - 1 for fact, cells in self.cells.items()}

    def mask(self, fact: str, admits: Callable[[Any], bool]) -> int:
        """Return the set of those cells of a fact whose values `admits`; all values of a cell must be alike to it."""
        return sum(1 << number for number, cell in enumerate(self.cells[fact]) if admits(cell.low))

    def bit(self, fact: str, value: object) -> int:
        """Return the cell a value lies in, as a set of one; a number beyond all cells counts to the last.

        Raises KeyError for a value the fact cannot have.
        """
        cells = self.cells[fact]
        for number, cell in enumerate(cells):
            if cell.holds(value):
                return 1 << number
        if isinstance(value, int) and isinstance(cells[-1].high, int) and value > cells[-1].high:
            return 1 << len(cells) - 1
        raise KeyError(f"{fact} {value!r}")

    def box(self, rule: Rule) -> Box:
        """Return the box in which a rule holds."""
        box = {MOMENT: self.mask(MOMENT, rule.in_time)}
        for fact in {condition.fact for condition in rule.conditions}:
            box[fact] = self.mask(fact, partial(_admitted, rule.conditions, fact))
        return {fact: mask for fact, mask in box.items() if mask != self.full[fact]}

    def meet(self, one: Box, other: Box) -> Box | None:
        """Return what two boxes have in common, None where that is nothing."""
        both = {fact: one.get(fact, self.full[fact]) & other.get(fact, self.full[fact]) for fact in {*one, *other}}
        return both if all(both.values()) else None

    def outside(self, base: Box, others: Sequence[Box]) -> Box | None:
        """Return a box within `base` that meets none of `others`, None where they cover it. Raises TooHardError."""
        return _outside(base, others, self.full, [STEPS])


def _outside(base: Box, others: Sequence[Box], full: Mapping[str, int], steps: list[int]) -> Box | None:
    steps[0] -= 1
    if steps[0] < 0:
        raise TooHardError
    meeting = [(beyond, other) for other in others if (beyond := _beyond(base, other, full)) is not None]
    if not meeting:
        return base if all(base.values()) else None
    beyond, nearest = min(meeting, key=lambda pair: len(pair[0]))  # the one that leaves least to look at
    rest, inside = [other for _, other in meeting], dict(base)
    for fact in beyond:
        held = inside.get(fact, full[fact])
        if found := _outside({**inside, fact: held & ~nearest[fact]}, rest, full, steps):
            return found
        inside[fact] = held & nearest[fact]
    return None


def _beyond(base: Box, other: Box, full: Mapping[str, int]) -> list[str] | None:
    """Return the facts in which `base` reaches beyond `other`; None where the two do not meet."""
    beyond = []
    for fact, mask in other.items():
        held = base.get(fact, full[fact])
        if not held & mask:
            return None
        if held & ~mask:
            beyond.append(fact)
    return beyond


def _admitted(conditions: Iterable[Condition], fact: str, value: object) -> bool:
    return all(condition.admits(value) for condition in conditions if condition.fact == fact)


def _cells(fact: str, rules: Sequence[Rule]) -> tuple[Cell, ...]:
    info = FACTS[fact]
    if info.values is not None:
        words = tuple(Cell(str(value), str(value)) for value in sorted(map(str, info.values)))
        return (*words, Cell(None, None)) if fact in _WITHOUT_CLOCK else words
    low, high = info.bounds
    asked = _EQUAL if fact in _EQUAL else (fact,)
    named = {end for rule in rules for c in rule.conditions if c.fact in asked for end in operands(c)}
    if fact == "weekday":
        named |= set(range(low, high + 1))
    beyond = 1 if fact in _CLOSED else 2
    return (Cell(None, None), *_ranges(low, high + beyond, {end + step for end in named for step in (0, 1)}))


def _ranges(low: int, end: int, edges: Iterable[int]) -> list[Cell]:
    """Cut the numbers from `low` to `end` - 1 at the edges."""
    cuts = sorted({low, *(edge for edge in edges if low < edge < end), end})
    return [Cell(first, after - 1) for first, after in pairwise(cuts)]
